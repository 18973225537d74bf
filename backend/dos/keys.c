/* The life of keys behind their tracking, at the phones' maker: KM-01/1 a phone is lost, or was found, and
 * its keys are to be suspended, resumed, ended: the VOS is asked until it has answered; KM-01/7, KM-02/7 what
 * the VOS says has become of a key; and the phone asks what state its key is in. */
#include <stdio.h>
#include <string.h>

#include "backend/dos/dos_internal.h"
#include "lib/json/json.h"
#include "lib/token/base64url.h"

#define ASKING 9 /* action, time of issue */

/* ---- whose key it is ---- */

static void name_of(char out[ENV_KEY_MAX], const char *prefix, const uint8_t key_id[TRACKING_KEY_ID])
{
    char hex[TRACKING_KEY_TEXT];
    hex_encode(key_id, TRACKING_KEY_ID, hex);
    snprintf(out, ENV_KEY_MAX, "%.50s%s", prefix, hex);
}

void dos_tracked_prefix(const char *phone, char out[ENV_KEY_MAX])
{
    snprintf(out, ENV_KEY_MAX, DOS_TRACKED "%s/", phone);
}

enum err dos_key_put_phone(struct dos *d, const uint8_t key_id[TRACKING_KEY_ID], const char *phone)
{
    char name[ENV_KEY_MAX];
    name_of(name, DOS_PHONE_OF, key_id);
    return env_store_put(d->env, name, span_of(phone, strlen(phone)));
}

static enum err find_phone(struct dos *d, const uint8_t key_id[TRACKING_KEY_ID], char phone[ENV_NAME_MAX])
{
    char name[ENV_KEY_MAX];
    size_t len = 0;
    name_of(name, DOS_PHONE_OF, key_id);
    enum err e = env_store_get(d->env, name, phone, ENV_NAME_MAX - 1, &len);
    phone[e ? 0 : len] = '\0';
    return e;
}

/* ---- what the VOS says ---- */

static enum err change(struct dos *d, const struct manage_ask *a, struct tracking_record *r)
{
    char phone[ENV_NAME_MAX], prefix[ENV_KEY_MAX];
    enum err e = find_phone(d, a->key_id, phone);
    dos_tracked_prefix(phone, prefix);
    if (!e)
        e = tracking_record_get(d->env, prefix, a->key_id, r);
    if (!e)
        e = manage_record_change(r, a);
    if (!e)
        e = tracking_record_put(d->env, prefix, a->key_id, r);
    return e ? e : env_store_commit(d->env);
}

static void tell(struct dos *d, const struct manage_ask *a, enum err e, const struct tracking_record *r)
{
    const char *step = a->event ? "KM-02/7" : "KM-01/7";
    char text[80];
    if (e) {
        env_trace_reason(d->env, TRACE_REJECT, step, manage_ask_name(a), e, 0, NULL);
        return;
    }
    snprintf(text, sizeof text, "keeps the key as %s, %s", key_state_name(r->state),
             key_cause_text((enum key_cause)r->cause));
    env_trace_step(d->env, step, text);
    manage_claim_record(d->env, DOS_CLAIM_KEY, DOS_CLAIM_STATE, a->key_id, r);
}

void dos_on_manage(struct dos *d, const char *caller, struct span bytes)
{
    struct tracking_memory memory;
    struct tracking_record r;
    struct manage_ask a;
    enum err e = manage_ask_read(bytes, &memory, &a);
    bool was_read = a.number != 0;
    if (!e)
        e = change(d, &a, &r);
    tell(d, &a, e, &r);
    if (!was_read)
        return;
    struct manage_answer said = manage_answer_of(&a, e, &r);
    manage_answer_send(d->env, DOS_PORT_KEYS, caller, &said);
}

/* ---- asking the VOS ---- */

static void put_asking(struct wr *w, enum key_action action, int64_t issued_ms)
{
    wr_u8(w, (uint8_t)action);
    wr_be64(w, (uint64_t)issued_ms);
}

static bool take_asking(struct span stored, struct manage_ask *a)
{
    struct rd r = rd_of(stored.p, stored.len);
    a->action = (enum key_action)rd_u8(&r);
    a->issued_ms = (int64_t)rd_be64(&r);
    a->cause = KEY_BY_DEVICE_OEM;
    return !r.failed && !r.left && a->action && a->action < KEY_ACTIONS;
}

static void send_one(void *ctx, const char *key, struct span value)
{
    struct dos *d = ctx;
    struct manage_ask a = {.number = ++d->next_request_id};
    const char *hex = key + strlen(DOS_ASKING);
    uint8_t out[TRACKING_RESUMPTION_MAX + 128];
    struct wr w = wr_of(out, sizeof out);
    if (hex_decode(hex, strlen(hex), a.key_id, sizeof a.key_id) != (long)sizeof a.key_id ||
        !take_asking(value, &a)) {
        env_trace_reason(d->env, TRACE_FAIL, NULL, NULL, ERR_STORE_FAILED, (uint32_t)value.len, key);
        return;
    }
    env_timer_in(d->env, DOS_TIMER_ASKS, d->again_us);
    enum err e = d->vos_up ? manage_ask_write(&a, &w) : ERR_VOS_UNREACHABLE;
    if (!e)
        e = env_send_bytes(d->env, DOS_PORT_TRACKING, "", span_of(out, w.len));
    if (e)
        env_trace_reason(d->env, TRACE_HOLD, "KM-01/1", "ManageRequest", e, 0, NULL);
}

void dos_ask_again(struct dos *d)
{
    env_store_scan(d->env, DOS_ASKING, send_one, d);
}

struct asking {
    struct dos *d;
    enum key_action action;
    unsigned count;
    enum err failed;
};

static void ask_one(void *ctx, const uint8_t key_id[TRACKING_KEY_ID], const struct tracking_record *r)
{
    struct asking *q = ctx;
    char name[ENV_KEY_MAX];
    uint8_t stored[ASKING];
    size_t len;
    struct manage_ask before = {.issued_ms = 0};
    int64_t now_ms = env_wall_ms(q->d->env);
    struct wr w = wr_of(stored, sizeof stored);
    if (r->state == KEY_TERMINATED)
        return;
    name_of(name, DOS_ASKING, key_id);
    if (env_store_get(q->d->env, name, stored, sizeof stored, &len) == ERR_OK)
        take_asking(span_of(stored, len), &before);
    put_asking(&w, q->action, before.issued_ms < now_ms ? now_ms : before.issued_ms + 1);
    enum err e = env_store_put(q->d->env, name, span_of(stored, w.len));
    q->failed = q->failed ? q->failed : e;
    q->count++;
}

enum err dos_manage_keys(struct dos *d, enum key_action action, const char *phone)
{
    struct asking q = {.d = d, .action = action};
    char prefix[ENV_KEY_MAX], text[80];
    dos_tracked_prefix(phone, prefix);
    tracking_record_scan(d->env, prefix, ask_one, &q);
    if (!q.failed && !q.count)
        q.failed = ERR_NOT_FOUND;
    if (!q.failed)
        q.failed = env_store_commit(d->env);
    if (q.failed)
        return q.failed;
    snprintf(text, sizeof text, "asks the VOS to %s the keys of %s", key_action_names[action - 1], phone);
    env_trace_step(d->env, "KM-01/1", text);
    dos_ask_again(d);
    return ERR_OK;
}

/* A refusal ends the asking, too, unless it is the VOS's own trouble. */
static bool is_final(enum err e)
{
    return !e || e == ERR_NOT_FOUND || e == ERR_KEY_ENDED || e == ERR_MSG_STALE;
}

static enum err take_answer(struct dos *d, const struct manage_answer *a)
{
    char name[ENV_KEY_MAX];
    uint8_t stored[ASKING];
    size_t len;
    struct manage_ask asked;
    name_of(name, DOS_ASKING, a->key_id);
    enum err e = env_store_get(d->env, name, stored, sizeof stored, &len);
    if (e || !take_asking(span_of(stored, len), &asked) || asked.issued_ms != a->issued_ms)
        return ERR_MSG_REPLAYED; /* something else is asked for meanwhile */
    if (!is_final(a->error))
        return a->error;
    env_store_delete(d->env, name);
    e = env_store_commit(d->env);
    return e ? e : a->error;
}

/* What becomes of the key the VOS says by itself, with the statement of the KTS (dos_on_manage). */
void dos_on_managed(struct dos *d, struct span bytes)
{
    struct tracking_memory memory;
    struct manage_answer a;
    enum err e = manage_answer_read(bytes, &memory, &a);
    if (!e)
        e = take_answer(d, &a);
    if (e)
        env_trace_reason(d->env, TRACE_REJECT, "KM-01/1", "ManageResponse", e, (uint32_t)bytes.len, NULL);
}

/* ---- the phone asks ---- */

enum err dos_key_state(struct dos *d, const struct dos_visit *v)
{
    char prefix[ENV_KEY_MAX], text[BASE64URL_LEN(TRACKING_RESUMPTION_MAX) + 1] = "", json[sizeof text + 120];
    uint8_t key_id[TRACKING_KEY_ID];
    struct tracking_record r;
    struct wr w = wr_of(text, sizeof text - 1);
    dos_tracked_prefix(v->phone, prefix);
    if (hex_decode(v->key_text, strlen(v->key_text), key_id, sizeof key_id) != (long)sizeof key_id)
        return ERR_NOT_FOUND;
    enum err e = tracking_record_get(d->env, prefix, key_id, &r);
    if (e)
        return e;
    base64url_encode(span_of(r.resumption, r.resumption_len), &w);
    text[w.len] = '\0';
    snprintf(json, sizeof json, "{\"state\":\"%s\",\"cause\":\"%s\",\"resumption\":\"%s\"}",
             key_state_name(r.state), key_cause_text((enum key_cause)r.cause), text);
    dos_answer(d, v->address, 200, json);
    return ERR_OK;
}

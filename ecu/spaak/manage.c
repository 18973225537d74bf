/* KM-01, vehicle side: 4 verify the server's word about a key, 5 store what it makes of it. KM-02: 1 what has
 * become of a key is put with whatever has made it so, 2 told to the VOS until 6 it has acknowledged.
 *
 * Of two words about a key the one that was issued later holds, in whichever order they come; an end holds
 * always. One report of a key waits at most, the newest. */
#include "ecu/spaak/manage.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#define REPORT       64 /* body */
#define UNKNOWNS_MAX 16 /* reports that wait, before one of a key that nobody knows is put */

/* ---- the last word about a key ---- */

struct word {
    enum key_action action;
    int64_t issued_ms; /* 0: none */
    bool taken;        /* the statement of a resumption was looked for */
};

static void name_of(char out[ENV_KEY_MAX], const char *prefix, const uint8_t key_id[ENDPOINT_KEY_ID])
{
    char hex[2 * ENDPOINT_KEY_ID + 1];
    hex_encode(key_id, ENDPOINT_KEY_ID, hex);
    snprintf(out, ENV_KEY_MAX, "%.30s%s", prefix, hex);
}

static struct word word_get(struct spaak *s, const uint8_t key_id[ENDPOINT_KEY_ID])
{
    char name[ENV_KEY_MAX];
    uint8_t stored[10];
    size_t len = 0;
    name_of(name, SPAAK_WORD_PREFIX, key_id);
    enum err e = env_store_get(s->env, name, stored, sizeof stored, &len);
    struct rd r = rd_of(stored, e ? 0 : len);
    struct word w = {.action = (enum key_action)rd_u8(&r)};
    w.issued_ms = (int64_t)rd_be64(&r);
    w.taken = rd_u8(&r);
    return r.failed ? (struct word){.issued_ms = 0} : w;
}

static enum err word_put(struct spaak *s, const uint8_t key_id[ENDPOINT_KEY_ID], const struct word *word)
{
    char name[ENV_KEY_MAX];
    uint8_t out[10];
    struct wr w = wr_of(out, sizeof out);
    wr_u8(&w, (uint8_t)word->action);
    wr_be64(&w, (uint64_t)word->issued_ms);
    wr_u8(&w, word->taken);
    name_of(name, SPAAK_WORD_PREFIX, key_id);
    return env_store_put(s->env, name, span_of(out, sizeof out));
}

void manage_put_gone(struct spaak *s, const struct vehicle_key *k)
{
    char name[ENV_KEY_MAX];
    name_of(name, SPAAK_WORD_PREFIX, k->key_id);
    env_store_delete(s->env, name);
}

bool manage_resumption_is_due(struct spaak *s, const struct vehicle_key *k)
{
    const struct word w = word_get(s, k->key_id);
    return k->state == VEHICLE_KEY_ACTIVE && w.action == KEY_RESUME && !w.taken;
}

void manage_resumption_taken(struct spaak *s, const struct vehicle_key *k)
{
    struct word w = word_get(s, k->key_id);
    if (w.action != KEY_RESUME || w.taken)
        return;
    w.taken = true;
    if (word_put(s, k->key_id, &w) == ERR_OK)
        env_store_commit(s->env); /* refused: it is looked for once more */
}

/* ---- reports ---- */

static enum key_state state_of(const struct vehicle_key *k)
{
    static const enum key_state states[] = {[VEHICLE_KEY_ACTIVE] = KEY_ACTIVE,
                                            [VEHICLE_KEY_SUSPENDED] = KEY_SUSPENDED,
                                            [VEHICLE_KEY_TERMINATED] = KEY_TERMINATED};
    return states[k->state];
}

static enum err report_put(struct spaak *s, const uint8_t key_id[ENDPOINT_KEY_ID], enum key_state state,
                           enum key_cause cause, int64_t issued_ms, enum err error)
{
    char name[ENV_KEY_MAX];
    uint8_t out[SPAAK_KEY_REPORT];
    struct wr w = wr_of(out, sizeof out);
    wr_u8(&w, (uint8_t)state);
    wr_u8(&w, (uint8_t)cause);
    wr_be64(&w, (uint64_t)issued_ms);
    wr_be16(&w, (uint16_t)error);
    name_of(name, SPAAK_REPORT_PREFIX, key_id);
    s->manage.due = true;
    return env_store_put(s->env, name, span_of(out, sizeof out));
}

bool manage_put_ended(struct spaak *s, const struct vehicle_key *k, enum key_cause cause)
{
    const struct vehicle_key *now = keys_find(s, k->key_id);
    if (!now || now->state == VEHICLE_KEY_PENDING || now->state == VEHICLE_KEY_TERMINATED)
        return false;
    report_put(s, k->key_id, KEY_TERMINATED, cause, word_get(s, k->key_id).issued_ms, ERR_OK);
    return true;
}

void manage_trace_ended(struct spaak *s, enum key_cause cause)
{
    char text[60];
    snprintf(text, sizeof text, "a key ends: %s", key_cause_text(cause));
    env_trace_step(s->env, "KM-02/1", text);
}

struct first {
    bool found;
    unsigned count;
    uint8_t key_id[ENDPOINT_KEY_ID], report[SPAAK_KEY_REPORT];
};

static void take_first(void *ctx, const char *key, struct span value)
{
    struct first *f = ctx;
    const char *hex = key + strlen(SPAAK_REPORT_PREFIX);
    f->count++;
    if (f->found || value.len != sizeof f->report ||
        hex_decode(hex, strlen(hex), f->key_id, sizeof f->key_id) != (long)sizeof f->key_id)
        return;
    memcpy(f->report, value.p, sizeof f->report);
    f->found = true;
}

static struct first find_first(struct spaak *s)
{
    struct first f = {.found = false};
    env_store_scan(s->env, SPAAK_REPORT_PREFIX, take_first, &f);
    return f;
}

/* KM-02/2 */
static void go_on(struct spaak *s)
{
    static const struct request r = {SPAAK__V1__USE_CASE__USE_CASE_KM_02, SPAAK__V1__MESSAGE_TYPE__KEY_STATUS,
                                     SPAAK_VOS, "KM-02/2"};
    Spaak__V1__KeyStatus m = SPAAK__V1__KEY_STATUS__INIT;
    uint8_t body[REPORT];
    struct first f = find_first(s);
    if (!s->tbm_ready || !f.found)
        return;
    struct rd in = rd_of(f.report, sizeof f.report);
    m.key_id = (ProtobufCBinaryData){sizeof f.key_id, f.key_id};
    m.state = (Spaak__V1__KeyStatus__State)rd_u8(&in);
    m.cause = (Spaak__V1__KeyStatus__Cause)rd_u8(&in);
    m.issued_ms = (int64_t)rd_be64(&in);
    m.error = rd_be16(&in);
    memcpy(s->manage.key_id, f.key_id, sizeof f.key_id);
    memcpy(s->manage.sent, f.report, sizeof f.report);
    requester_stop(&s->manage.requester);
    requester_begin(&s->manage.requester);
    requester_send(&s->manage.requester, &r, span_of(body, spaak__v1__key_status__pack(&m, body)));
}

void manage_settle(struct spaak *s)
{
    if (!s->manage.due || !s->finished || !s->tbm_ready || s->manage.requester.state != REQUESTER_IDLE)
        return;
    s->manage.due = false;
    go_on(s);
}

void manage_on_tbm_ready(struct spaak *s)
{
    s->manage.due = true;
}

/* What was put since then is told next. */
static enum err store_told(struct spaak *s)
{
    char name[ENV_KEY_MAX];
    uint8_t now[SPAAK_KEY_REPORT];
    size_t len = 0;
    name_of(name, SPAAK_REPORT_PREFIX, s->manage.key_id);
    enum err e = env_store_get(s->env, name, now, sizeof now, &len);
    if (e || !span_equal(span_of(now, len), span_of(s->manage.sent, sizeof s->manage.sent)))
        return ERR_OK;
    env_store_delete(s->env, name);
    return env_store_commit(s->env);
}

/* KM-02/6 */
enum err manage_on_ack(struct spaak *s, const struct spaak_message *m)
{
    enum err e = requester_check(&s->manage.requester, &m->opened.header);
    if (e)
        return e;
    messages_trace_accept(s, m, "KM-02/6");
    if (m->opened.header.error) {
        requester_give_up(&s->manage.requester, m->opened.header.error);
        return ERR_OK;
    }
    e = store_told(s);
    if (e)
        return e;
    requester_stop(&s->manage.requester);
    s->manage.due = true;
    return ERR_OK;
}

/* ---- the server's word ---- */

struct said {
    uint8_t key_id[ENDPOINT_KEY_ID];
    struct word word;
};

static enum err parse(struct spaak *s, struct span in, struct said *out)
{
    uint8_t memory[256];
    struct msg_arena arena;
    msg_arena_init(&arena, memory, sizeof memory);
    Spaak__V1__KeyManage *m = spaak__v1__key_manage__unpack(&arena.allocator, in.len, in.p);
    if (!m || m->key_id.len != ENDPOINT_KEY_ID || (int)m->action <= 0 || (int)m->action >= KEY_ACTIONS ||
        m->issued_ms <= 0)
        return ERR_MSG_MALFORMED;
    memcpy(out->key_id, m->key_id.data, ENDPOINT_KEY_ID);
    out->word = (struct word){.action = (enum key_action)m->action, .issued_ms = m->issued_ms};
    return m->issued_ms > env_wall_ms(s->env) + MSG_FRESHNESS_MS ? ERR_MSG_STALE : ERR_OK;
}

/* ERR_BUSY: it is not active yet; the VOS says it again. */
static enum err check(const struct vehicle_key *k, const struct word *last, const struct word *word)
{
    if (!k || k->state == VEHICLE_KEY_TERMINATED)
        return ERR_OK;
    if (k->state == VEHICLE_KEY_PENDING)
        return ERR_BUSY;
    if (word->action == KEY_TERMINATE || word->issued_ms > last->issued_ms)
        return ERR_OK;
    return word->issued_ms == last->issued_ms && word->action == last->action ? ERR_OK : ERR_MSG_STALE;
}

/* One that waits is as new, and may say more. */
static bool report_waits(struct spaak *s, const uint8_t key_id[ENDPOINT_KEY_ID])
{
    char name[ENV_KEY_MAX];
    uint8_t report[SPAAK_KEY_REPORT];
    size_t len;
    name_of(name, SPAAK_REPORT_PREFIX, key_id);
    return env_store_get(s->env, name, report, sizeof report, &len) == ERR_OK;
}

static enum err answer_unknown(struct spaak *s, const struct said *said)
{
    if (report_waits(s, said->key_id))
        return ERR_OK;
    if (find_first(s).count >= UNKNOWNS_MAX)
        return ERR_BUSY;
    enum err e = report_put(s, said->key_id, KEY_STATE_NONE, (enum key_cause)0, said->word.issued_ms,
                            ERR_DK_UNKNOWN_KEY);
    return e ? e : env_store_commit(s->env);
}

static enum err answer_again(struct spaak *s, const struct vehicle_key *k)
{
    enum key_cause cause = k->state == VEHICLE_KEY_TERMINATED ? KEY_BY_SERVER : (enum key_cause)0;
    if (report_waits(s, k->key_id))
        return ERR_OK;
    enum err e = report_put(s, k->key_id, state_of(k), cause, word_get(s, k->key_id).issued_ms, ERR_OK);
    return e ? e : env_store_commit(s->env);
}

/* Suspended or active: as vehicle_key.h has it, in a copy first. */
static enum err store_state(struct spaak *s, struct vehicle_key *k, const struct word *word)
{
    const int64_t issued_s = word->issued_ms / 1000;
    struct vehicle_key update = *k;
    bool (*const apply)(struct vehicle_key *, int64_t) =
        word->action == KEY_SUSPEND ? vehicle_key_suspend : vehicle_key_resume;
    enum err e = apply(&update, issued_s) ? keys_put(s, &update) : ERR_MSG_STALE;
    if (!e)
        e = report_put(s, k->key_id, state_of(&update), (enum key_cause)0, word->issued_ms, ERR_OK);
    if (!e)
        e = env_store_commit(s->env);
    OPENSSL_cleanse(&update, sizeof update);
    if (e)
        return e;
    apply(k, issued_s);
    keys_claim(s);
    env_trace_step(s->env, "KM-01/5",
                   word->action == KEY_SUSPEND ? "suspends the key: it opens nothing from now on"
                                               : "resumes the key: it opens again");
    return ERR_OK;
}

static enum err obey(struct spaak *s, struct vehicle_key *k, const struct said *said)
{
    enum err e = word_put(s, k->key_id, &said->word);
    if (e)
        return e;
    if (said->word.action != KEY_TERMINATE)
        return store_state(s, k, &said->word);
    e = unlock_terminate(s, k, KEY_BY_SERVER); /* it commits */
    if (!e)
        env_trace_step(s->env, "KM-01/5", "ends the key, for good");
    return e;
}

static enum err take(struct spaak *s, const struct spaak_message *m, const struct said *said)
{
    struct vehicle_key *k = keys_find(s, said->key_id);
    const struct word last = word_get(s, said->key_id);
    enum err e = check(k, &last, &said->word);
    if (e)
        return e;
    messages_trace_accept(s, m, "KM-01/4");
    if (!k) {
        env_trace_step(s->env, "KM-01/5", "has no such key, and says so");
        return answer_unknown(s, said);
    }
    if (k->state == VEHICLE_KEY_TERMINATED || said->word.issued_ms == last.issued_ms)
        return answer_again(s, k);
    return obey(s, k, said);
}

enum err manage_on_key(struct spaak *s, const struct spaak_message *m)
{
    struct said said;
    enum err e = parse(s, m->opened.body, &said);
    if (!e)
        e = take(s, m, &said);
    if (!e)
        unlock_look(s);
    return e;
}

/* ---- claims ---- */

void manage_key_claim(struct spaak *s, const struct vehicle_key *k)
{
    if (k->state == VEHICLE_KEY_PENDING)
        return;
    manage_claim(s->env, SPAAK_CLAIM_KEY_STATE, k->key_id, state_of(k));
    if (k->state == VEHICLE_KEY_TERMINATED)
        tracking_unclaim(s->env, SPAAK_CLAIM_KEY, k->key_id);
    else if (k->tracked)
        tracking_claim(s->env, SPAAK_CLAIM_KEY, k->key_id, k->vehicle_id, k->device_pk);
}

void manage_key_unclaim(struct spaak *s, const struct vehicle_key *k)
{
    manage_claim(s->env, SPAAK_CLAIM_KEY_STATE, k->key_id, KEY_STATE_NONE);
    tracking_unclaim(s->env, SPAAK_CLAIM_KEY, k->key_id);
}

/* ---- life ---- */

static void on_requester(void *owner, enum requester_state state)
{
    struct spaak *s = owner;
    env_trace_state(s->env, state == REQUESTER_WAITS ? "tells the VOS of a key"
                                                     : "backs off with its report of a key");
}

static void resume(void *owner)
{
    go_on(owner);
}

void manage_init(struct spaak *s)
{
    static const struct requester_ops ops = {messages_transmit, messages_reachable, on_requester, resume};
    s->manage.due = false;
    messages_requester_init(s, &s->manage.requester, SPAAK_TIMER_MANAGE, &ops);
}

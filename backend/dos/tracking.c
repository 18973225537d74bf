/* OP-04/5 on its way: a phone's key goes to the vehicle OEM's server with the certificates that the device
 * OEM has issued for it, the receipt comes back. It is stored before the phone hears of it. */
#include <stdio.h>
#include <string.h>

#include "backend/dos/dos_internal.h"
#include "lib/json/json.h"
#include "lib/token/base64url.h"

#define TEXT(len) (BASE64URL_LEN(len) + 1)

/* What a phone asks for, and what stands behind it. */
struct ask {
    struct tracking_ask ask;
    uint8_t f[X509_MAX], e[X509_MAX], h[X509_MAX], attestation[TRACKING_ATTESTATION_MAX];
};

/* ---- the request ---- */

static bool decode(const char *text, uint8_t *out, size_t cap, struct span *into)
{
    long len = base64url_decode(span_of(text, strlen(text)), out, cap);
    *into = span_of(out, len > 0 ? (size_t)len : 0);
    return len > 0;
}

static enum err read_body(const struct http_request *r, char vehicle_oem[DOS_VEHICLE_OEM_MAX + 1],
                          struct ask *out)
{
    char id[TEXT(TRACKING_VEHICLE_ID)], h[TEXT(X509_MAX)], said[TEXT(TRACKING_ATTESTATION_MAX)];
    char enc[TEXT(P256_POINT)];
    struct tracking_ask *a = &out->ask;
    struct span ignored;
    const struct json_field fields[] = {{"vehicle_oem", 1, vehicle_oem, DOS_VEHICLE_OEM_MAX + 1},
                                        {"vehicle_identifier", sizeof id - 1, id, sizeof id},
                                        {"endpoint_certificate", 1, h, sizeof h},
                                        {"attestation", 1, said, sizeof said},
                                        {"encryption_public_key", sizeof enc - 1, enc, sizeof enc}};
    if (http_type_of(r->words[HTTP_WORD_TYPE]) != HTTP_TYPE_JSON)
        return ERR_HTTP_TYPE;
    enum err e = json_read(r->body, fields, sizeof fields / sizeof fields[0], JSON_REFUSE_OTHERS);
    if (e)
        return e;
    bool good = dos_is_name(vehicle_oem) && decode(id, a->vehicle_id, sizeof a->vehicle_id, &ignored) &&
                decode(enc, a->encryption_pk, sizeof a->encryption_pk, &ignored) &&
                decode(h, out->h, sizeof out->h, &a->endpoint) &&
                decode(said, out->attestation, sizeof out->attestation, &a->attestation);
    return good ? ERR_OK : ERR_MSG_MALFORMED;
}

static enum err load(struct dos *d, const char *name, uint8_t out[X509_MAX], struct span *into)
{
    size_t len = 0;
    enum err e = env_store_get(d->env, name, out, X509_MAX, &len);
    *into = span_of(out, len);
    return e;
}

/* ERR_NOT_FOUND: this phone has no instance CA for that vehicle OEM. */
static enum err add_certificates(struct dos *d, const struct dos_visit *v, const char *vehicle_oem,
                                 struct ask *out)
{
    char entry[ENV_KEY_MAX];
    snprintf(entry, sizeof entry, DOS_CROSS "%s", vehicle_oem);
    enum err e = load(d, entry, out->f, &out->ask.device_oem);
    snprintf(entry, sizeof entry, DOS_ISSUED "%s/%s", v->phone, vehicle_oem);
    return e ? e : load(d, entry, out->e, &out->ask.instance_ca);
}

/* The key is of the phone that asks: our [D], its [E], and [H]. */
static enum err check_chain(struct dos *d, const struct ask *a)
{
    struct x509 root, ca, h;
    const struct x509 *const issuers[] = {&ca, &root};
    enum err e = x509_parse(span_of(d->certificate, d->certificate_len), &root);
    if (!e)
        e = x509_parse(a->ask.instance_ca, &ca);
    if (!e)
        e = x509_parse(a->ask.endpoint, &h);
    return e ? e
             : x509_check_chain(d->env->crypto, &h, X509_ENDPOINT, issuers, 2, env_wall_ms(d->env) / 1000);
}

static enum err read_ask(struct dos *d, const struct dos_visit *v, struct ask *out)
{
    char vehicle_oem[DOS_VEHICLE_OEM_MAX + 1];
    *out = (struct ask){.ask = {.number = 0}};
    if (hex_decode(v->key_text, strlen(v->key_text), out->ask.key_id, TRACKING_KEY_ID) != TRACKING_KEY_ID)
        return ERR_NOT_FOUND;
    enum err e = read_body(v->request, vehicle_oem, out);
    if (!e)
        e = add_certificates(d, v, vehicle_oem, out);
    if (!e)
        e = check_chain(d, out);
    return e ? e : p256_check_point(d->env->crypto, out->ask.encryption_pk);
}

/* ---- the answer ---- */

static void hand_over(struct dos *d, const char *address, const struct tracking_record *r)
{
    char key[TEXT(P256_POINT)] = "", sealed[TEXT(TRACKING_SEALED_MAX)] = "",
         json[sizeof key + sizeof sealed + 60];
    struct wr k = wr_of(key, sizeof key - 1), s = wr_of(sealed, sizeof sealed - 1);
    base64url_encode(span_of(r->ephemeral, P256_POINT), &k);
    base64url_encode(span_of(r->sealed, r->sealed_len), &s);
    snprintf(json, sizeof json, "{\"ephemeral_public_key\":\"%s\",\"receipt\":\"%s\"}", key, sealed);
    dos_answer(d, address, 200, json);
}

/* ---- asking the VOS ---- */

static struct dos_tracking *slot_of(struct dos *d, uint64_t request_id)
{
    return &d->tracking[request_id % DOS_TRACKING_MAX];
}

/* The timer stands at the next whose time is over. */
static void arm(struct dos *d)
{
    uint64_t next_us = ENV_NEVER;
    for (size_t i = 0; i < DOS_TRACKING_MAX; i++)
        if (d->tracking[i].request_id && d->tracking[i].until_us < next_us)
            next_us = d->tracking[i].until_us;
    env_timer_set(d->env, DOS_TIMER_VOS, next_us);
}

static enum err send(struct dos *d, struct tracking_ask *a)
{
    uint8_t out[TRACKING_MESSAGE_MAX];
    struct wr w = wr_of(out, sizeof out);
    a->number = d->next_request_id + 1;
    if (!d->vos_up)
        return ERR_VOS_UNREACHABLE;
    if (slot_of(d, a->number)->request_id)
        return ERR_BUSY;
    enum err e = tracking_ask_write(a, &w);
    if (!e && env_send_bytes(d->env, DOS_PORT_TRACKING, "", span_of(out, w.len)))
        e = ERR_VOS_UNREACHABLE;
    return e;
}

static enum err ask_vos(struct dos *d, const struct dos_visit *v, struct tracking_ask *a)
{
    struct dos_tracking t = {.until_us = env_now_us(d->env) + d->vos_us};
    enum err e = tracking_record_begin(d->env, a, &t.record);
    if (!e)
        e = send(d, a);
    if (e)
        return e;
    t.request_id = ++d->next_request_id;
    text_copy(t.address, sizeof t.address, v->address);
    text_copy(t.phone, sizeof t.phone, v->phone);
    memcpy(t.key_id, a->key_id, sizeof t.key_id);
    *slot_of(d, t.request_id) = t;
    arm(d);
    env_trace_note(d->env, TRACE_NOTE, "passes a key on to be tracked");
    return ERR_OK;
}

enum err dos_track(struct dos *d, const struct dos_visit *v)
{
    char prefix[ENV_KEY_MAX];
    struct ask a;
    struct tracking_record known;
    enum err e = read_ask(d, v, &a);
    dos_tracked_prefix(v->phone, prefix);
    if (!e)
        e = tracking_record_find(d->env, prefix, &a.ask, &known);
    else if (e == ERR_NOT_FOUND)
        return e;
    if (e == ERR_NOT_FOUND)
        return ask_vos(d, v, &a.ask);
    if (!e)
        hand_over(d, v->address, &known);
    return e;
}

/* ---- what the VOS says ---- */

static void refuse(struct dos *d, const struct dos_tracking *t, enum err reason)
{
    if (*t->address)
        dos_refuse(d, t->address, "TrackKey", reason, 0);
}

static enum err store(struct dos *d, struct dos_tracking *t, const struct tracking_answer *a)
{
    char prefix[ENV_KEY_MAX];
    dos_tracked_prefix(t->phone, prefix);
    enum err e = tracking_record_answer(&t->record, a);
    if (!e)
        e = tracking_record_put(d->env, prefix, t->key_id, &t->record);
    if (!e)
        e = dos_key_put_phone(d, t->key_id, t->phone);
    return e ? e : env_store_commit(d->env);
}

/* Kept also when the phone has gone: it asks again. */
static void take(struct dos *d, const struct tracking_answer *a)
{
    struct dos_tracking *slot = slot_of(d, a->number), t = *slot;
    slot->request_id = 0;
    arm(d);
    enum err e = a->error ? a->error : store(d, &t, a);
    if (e) {
        refuse(d, &t, e);
        return;
    }
    env_trace_note(d->env, TRACE_NOTE, "keeps a key's receipt, and hands it on");
    manage_claim_record(d->env, DOS_CLAIM_KEY, DOS_CLAIM_STATE, t.key_id, &t.record);
    if (*t.address)
        hand_over(d, t.address, &t.record);
}

void dos_on_tracked(struct dos *d, struct span bytes)
{
    struct tracking_memory memory;
    struct tracking_answer a;
    enum err e = tracking_answer_read(bytes, &memory, &a);
    if (!e && slot_of(d, a.number)->request_id != a.number)
        e = ERR_MSG_REPLAYED; /* too late: the phone was told so */
    if (e)
        env_trace_reason(d->env, TRACE_REJECT, NULL, "TrackResponse", e, (uint32_t)bytes.len, NULL);
    else
        take(d, &a);
}

/* ---- without an answer ---- */

static void give_up(struct dos *d, uint64_t until_us, enum err reason)
{
    for (size_t i = 0; i < DOS_TRACKING_MAX; i++) {
        struct dos_tracking t = d->tracking[i];
        if (!t.request_id || t.until_us > until_us)
            continue;
        d->tracking[i].request_id = 0;
        refuse(d, &t, reason);
    }
    arm(d);
}

void dos_vos_lost(struct dos *d)
{
    give_up(d, ENV_NEVER, ERR_VOS_UNREACHABLE);
}

void dos_vos_late(struct dos *d)
{
    give_up(d, env_now_us(d->env), ERR_MSG_NO_ANSWER);
}

void dos_forget(struct dos *d, const char *address)
{
    for (size_t i = 0; i < DOS_TRACKING_MAX; i++)
        if (strcmp(d->tracking[i].address, address) == 0)
            d->tracking[i].address[0] = '\0';
}

/* Key tracking, the phone's part (OP-04/5, OP-05/2): once a vehicle has filled the mailboxes of a new key
 * (phase 3), its attestation goes to the device OEM's server, and by that to the key tracking server; the
 * receipt comes back sealed, and lies in the mailbox until the vehicle has read it. It is asked for until it
 * is here: a few times in a row, then after a pause again. */
#include <stdio.h>
#include <string.h>

#include "lib/http/http_problem.h"
#include "lib/json/json.h"
#include "lib/token/base64url.h"
#include "sim/actors/phone/phone_parts.h"

#define VEHICLE_OEM "SPAAKSIM"
#define TEXT(len)   (BASE64URL_LEN(len) + 1)

static struct handset_tracking *tracking(struct phone *p)
{
    return &p->handset.tracking;
}

static struct span text_span(const char *text)
{
    return span_of(text, strlen(text));
}

void handset_tracking_name(unsigned index, char out[ENV_KEY_MAX])
{
    snprintf(out, ENV_KEY_MAX, PHONE_TRACKED "%u", index);
}

bool handset_is_tracked(struct phone *p, unsigned index)
{
    char name[ENV_KEY_MAX];
    uint8_t key_id[ENDPOINT_KEY_ID];
    size_t len;
    handset_tracking_name(index, name);
    return env_store_get(p->env, name, key_id, sizeof key_id, &len) == ERR_OK && len == sizeof key_id &&
           memcmp(key_id, p->handset.applet.keys[index].key_id, sizeof key_id) == 0;
}

/* Until it has ended. */
static void claim(struct phone *p, unsigned index)
{
    const struct digital_key *k = &p->handset.applet.keys[index];
    tracking(p)->claimed |= (uint16_t)(1u << index);
    memcpy(tracking(p)->claimed_ids[index], k->key_id, ENDPOINT_KEY_ID);
    tracking_claim(p->env, PHONE_CLAIM_KEY, k->key_id, k->creation.vehicle_id, k->device_pk);
}

static void unclaim_ended(struct phone *p)
{
    struct handset_tracking *t = tracking(p);
    for (unsigned i = 0; p->handset.open && i < APPLET_KEYS; i++) {
        const struct digital_key *k = &p->handset.applet.keys[i];
        bool lives = (k->state == APPLET_KEY_ACTIVE || k->state == APPLET_KEY_SUSPENDED) &&
                     memcmp(k->key_id, t->claimed_ids[i], sizeof k->key_id) == 0;
        if (lives || !(t->claimed & 1u << i))
            continue;
        t->claimed &= (uint16_t) ~(1u << i);
        tracking_unclaim(p->env, PHONE_CLAIM_KEY, t->claimed_ids[i]);
    }
}

void handset_tracking_open(struct phone *p)
{
    tracking(p)->refused = 0;
    for (unsigned i = 0; i < APPLET_KEYS; i++)
        if ((p->handset.applet.keys[i].state == APPLET_KEY_ACTIVE ||
             p->handset.applet.keys[i].state == APPLET_KEY_SUSPENDED) &&
            handset_is_tracked(p, i))
            claim(p, i);
}

/* ---- whose receipt is due ---- */

/* Phase 3 has filled the mailboxes: the vehicle has the key, and an owner's slot is there. */
static bool is_finished(struct phone *p, struct digital_key *k)
{
    struct handset *h = &p->handset;
    uint8_t maps[2] = {0}; /* signalling, slots: neighbours by definition */
    const size_t at = dk_device_owned(&h->device, k)->map.signalling;
    return !applet_session_open(&h->applet, k) &&
           applet_get_data(&h->applet, k, MAILBOX_PRIVATE, at, maps, sizeof maps) == ERR_OK && maps[1] != 0;
}

static bool is_due(struct phone *p, unsigned index)
{
    struct handset *h = &p->handset;
    struct digital_key *k = &h->applet.keys[index];
    return k->state == APPLET_KEY_ACTIVE && h->device.owned[index].attestation_len &&
           !(tracking(p)->refused & 1u << index) && !handset_is_tracked(p, index) && is_finished(p, k);
}

/* ---- asking ---- */

static void tag_of(const struct handset_tracking *t, char out[16])
{
    snprintf(out, 16, "k%u", t->sent);
}

bool handset_tracking_waits_for(const struct phone *p, const char *tag)
{
    char mine[16];
    tag_of(&p->handset.tracking, mine);
    return p->handset.tracking.asks && strcmp(tag, mine) == 0;
}

static void stop_timers(struct phone *p)
{
    env_timer_set(p->env, PHONE_TIMER_TRACKING_PATIENCE, ENV_NEVER);
    env_timer_set(p->env, PHONE_TIMER_TRACKING_RETRY, ENV_NEVER);
    env_timer_set(p->env, PHONE_TIMER_TRACKING_PAUSE, ENV_NEVER);
}

void handset_tracking_stop(struct phone *p)
{
    tracking(p)->asks = tracking(p)->waits = false;
    tracking(p)->tries = 0;
    stop_timers(p);
}

static void put_text(struct span bytes, char *out, size_t cap)
{
    struct wr w = wr_of(out, cap - 1);
    base64url_encode(bytes, &w);
    out[w.len] = '\0';
}

static enum err write(struct phone *p, struct wr *out)
{
    const struct handset *h = &p->handset;
    const unsigned i = h->tracking.index;
    const struct digital_key *k = &h->applet.keys[i];
    const struct dk_owned *o = &h->device.owned[i];
    char path[100], hex[2 * ENDPOINT_KEY_ID + 1], body[JSON_TEXT_MAX], id[TEXT(TRANSACTION_VEHICLE_ID)];
    char cert[TEXT(X509_MAX)], said[TEXT(DK_OPAQUE_MAX)], enc[TEXT(P256_POINT)];
    uint8_t point[P256_POINT];
    struct http_request q = {.method = HTTP_POST};
    p256_public(h->device.enc_key, point);
    hex_encode(k->key_id, ENDPOINT_KEY_ID, hex);
    put_text(span_of(k->creation.vehicle_id, TRANSACTION_VEHICLE_ID), id, sizeof id);
    put_text(span_of(k->certificate, k->certificate_len), cert, sizeof cert);
    put_text(span_of(o->attestation, o->attestation_len), said, sizeof said);
    put_text(span_of(point, sizeof point), enc, sizeof enc);
    snprintf(path, sizeof path, "/v1/keys/%s/tracking", hex);
    snprintf(body, sizeof body,
             "{\"vehicle_oem\":\"" VEHICLE_OEM
             "\",\"vehicle_identifier\":\"%s\",\"endpoint_certificate\":\"%s\","
             "\"attestation\":\"%s\",\"encryption_public_key\":\"%s\"}",
             id, cert, said, enc);
    q.words[HTTP_WORD_PATH] = text_span(path);
    q.words[HTTP_WORD_TYPE] = text_span(http_type_name(HTTP_TYPE_JSON));
    q.body = text_span(body);
    return http_request_write(&q, out);
}

/* A few times in a row, then after a pause again. */
static void retry(struct phone *p, enum err reason, const char *detail)
{
    struct handset_tracking *t = tracking(p);
    bool pause = ++t->tries >= p->tries_max;
    stop_timers(p);
    t->asks = false;
    t->waits = true;
    env_trace_reason(p->env, TRACE_RETRY, "OP-04/5", "TrackKey", reason, 0, detail);
    if (pause)
        t->tries = 0;
    env_timer_in(p->env, pause ? PHONE_TIMER_TRACKING_PAUSE : PHONE_TIMER_TRACKING_RETRY,
                 pause ? p->tracking_us : p->retry_us);
}

static void send(struct phone *p)
{
    struct handset_tracking *t = tracking(p);
    uint8_t out[PHONE_OUT_MAX];
    char tag[16];
    struct wr w = wr_of(out, sizeof out);
    t->asks = true;
    t->waits = false;
    t->sent++;
    tag_of(t, tag);
    stop_timers(p);
    env_timer_in(p->env, PHONE_TIMER_TRACKING_PATIENCE, p->patience_us);
    env_trace_step(p->env, "OP-04/5", "has its key tracked");
    enum err e = write(p, &w);
    if (!e)
        e = env_send_bytes(p->env, PHONE_PORT_DEVICE, tag, span_of(out, w.len));
    if (e)
        retry(p, e, NULL);
}

void handset_tracking_look(struct phone *p)
{
    struct handset_tracking *t = tracking(p);
    unclaim_ended(p);
    if (!t->up || !p->handset.open || t->asks || t->waits)
        return;
    for (unsigned i = 0; i < APPLET_KEYS; i++)
        if (is_due(p, i)) {
            t->index = i;
            memcpy(t->key_id, p->handset.applet.keys[i].key_id, sizeof t->key_id);
            send(p);
            return;
        }
}

void handset_tracking_on_link(struct phone *p, enum link_state state)
{
    tracking(p)->up = state != LINK_DOWN;
    handset_tracking_stop(p); /* what was asked for is forgotten with the link */
    handset_tracking_look(p);
}

void handset_tracking_again(struct phone *p)
{
    tracking(p)->waits = false;
    handset_tracking_look(p);
}

void handset_tracking_late(struct phone *p)
{
    if (tracking(p)->asks)
        retry(p, ERR_MSG_NO_ANSWER, NULL);
}

void handset_tracking_on_news(struct phone *p, const char *news)
{
    retry(p, ERR_MSG_NO_ANSWER, news);
}

/* ---- the answer ---- */

static enum err read_body(struct span body, uint8_t ephemeral[P256_POINT], struct wr *sealed)
{
    char key[TEXT(P256_POINT)], text[TEXT(TRACKING_SEALED_MAX)];
    const struct json_field fields[] = {{"ephemeral_public_key", sizeof key - 1, key, sizeof key},
                                        {"receipt", 1, text, sizeof text}};
    enum err e = json_read(body, fields, 2, JSON_SKIP_OTHERS);
    if (e)
        return e;
    long len = base64url_decode(text_span(text), sealed->buf, sealed->cap);
    sealed->len = len < 0 ? 0 : (size_t)len;
    return len < 0 || base64url_decode(text_span(key), ephemeral, P256_POINT) != P256_POINT
               ? ERR_MSG_MALFORMED
               : ERR_OK;
}

static enum err take(struct phone *p, struct span body)
{
    struct handset_tracking *t = tracking(p);
    const struct digital_key *k = &p->handset.applet.keys[t->index];
    uint8_t ephemeral[P256_POINT], bytes[TRACKING_SEALED_MAX];
    struct wr sealed = wr_of(bytes, sizeof bytes);
    enum err e = read_body(body, ephemeral, &sealed);
    if (!e && t->forge)
        e = phone_forge_receipt(p, k, ephemeral, &sealed);
    return e ? e : handset_take_receipt(p, t->index, ephemeral, span_of(bytes, sealed.len));
}

/* It was deleted, or another is in its place. */
static bool is_gone(const struct phone *p)
{
    const struct handset_tracking *t = &p->handset.tracking;
    return p->handset.applet.keys[t->index].state != APPLET_KEY_ACTIVE ||
           memcmp(p->handset.applet.keys[t->index].key_id, t->key_id, sizeof t->key_id) != 0;
}

static void go_on(struct phone *p)
{
    handset_tracking_stop(p);
    handset_tracking_look(p);
}

static bool is_passing(unsigned status)
{
    return status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

static void refused(struct phone *p, const struct http_response *r)
{
    enum err reason;
    if (http_problem_reason(r, &reason) != ERR_OK)
        reason = ERR_MSG_MALFORMED;
    if (is_passing(r->status)) {
        retry(p, reason, NULL);
        return;
    }
    env_trace_reason(p->env, TRACE_FAIL, "OP-04/5", "TrackKey", reason, 0, "refused");
    tracking(p)->refused |= (uint16_t)(1u << tracking(p)->index);
    go_on(p);
}

void handset_tracking_on_response(struct phone *p, struct span bytes)
{
    struct handset_tracking *t = tracking(p);
    struct http_response r;
    if (is_gone(p)) {
        go_on(p);
        return;
    }
    enum err e = http_response_read(bytes, &r);
    if (!e && r.status / 100 != 2) {
        refused(p, &r);
        return;
    }
    if (!e)
        e = take(p, r.body);
    if (e) {
        env_trace_reason(p->env, TRACE_REJECT, "OP-05/2", "TrackKey", e, (uint32_t)bytes.len, NULL);
        if (t->asks) /* else the records are loaded anew, and it begins again */
            retry(p, e, NULL);
        return;
    }
    claim(p, t->index);
    go_on(p);
}

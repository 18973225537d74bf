/* Head unit and body controller (lib/msg/cabin.h): what the user wishes and is told, the state of ignition
 * and doors, and the commands that doors and engine obey. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "ecu/spaak/pairing.h"

#define LOST_CYCLES 5

static void send(struct spaak *s, const struct bus_frame *f, enum matrix_message m)
{
    if (diagnostic_tx_off(&s->diagnostic))
        return;
    enum err e = env_send_frame(s->env, SPAAK_PORT_BODY, f);
    if (e)
        env_trace_reason(s->env, TRACE_FAIL, NULL, matrix_row(m)->name, e, f->len, NULL);
}

static void refuse(struct spaak *s, enum matrix_message m, enum err e, size_t len)
{
    env_trace_reason(s->env, TRACE_REJECT, NULL, matrix_row(m)->name, e, (uint32_t)len, NULL);
}

/* ---- to the head unit ---- */

void cabin_notify(struct spaak *s, enum cabin_notice what, enum err reason)
{
    struct bus_frame f;
    const struct cabin_notification n = {.what = what, .reason = what == CABIN_FAILED ? (uint16_t)reason : 0};
    cabin_write_notification(&n, &s->cabin.alive_notice, &f);
    send(s, &f, MATRIX_HU_NTF);
}

void cabin_tell_status(struct spaak *s)
{
    struct bus_frame f;
    uint8_t id[TRANSACTION_VEHICLE_ID];
    struct cabin_spaak_status status = {.pairing = pairing_is_on(s),
                                        .verifiers = verifiers_are_stored(s),
                                        .identity = vehicle_identity_id(s, id) == ERR_OK};
    for (size_t i = 0; i < s->keys.count; i++)
        status.keys = (uint8_t)(status.keys + (s->keys.list[i].state == VEHICLE_KEY_ACTIVE));
    cabin_write_spaak_status(&status, &s->cabin.alive_status, &f);
    send(s, &f, MATRIX_SPAAK_STATUS);
    env_timer_in(s->env, SPAAK_TIMER_STATUS, matrix_row(MATRIX_SPAAK_STATUS)->cycle_ms * 1000ull);
}

/* Numbers of both are the same. */
static void describe(const struct vehicle_key *k, size_t i, struct cabin_key *out)
{
    out->index = (uint8_t)(i + 1);
    out->state = (enum cabin_key_state)k->state;
    memcpy(out->id, k->key_id, CABIN_KEY_ID);
    snprintf(out->name, sizeof out->name, "phone %02X%02X", k->key_id[0], k->key_id[1]);
}

void cabin_send_keys(struct spaak *s)
{
    uint8_t out[CABIN_KEYS_MAX];
    struct wr w = wr_of(out, sizeof out);
    struct cabin_keys list = {.count = s->keys.count};
    for (size_t i = 0; i < s->keys.count; i++)
        describe(&s->keys.list[i], i, &list.keys[i]);
    cabin_notify(s, CABIN_LIST_FOLLOWS, ERR_OK);
    cabin_write_keys(&list, &w);
    isotp_port_send(&s->cabin.keys, span_of(out, w.len));
}

/* ---- from the head unit ---- */

static void obey(struct spaak *s, const struct cabin_request *r)
{
    switch (r->wish) {
    case CABIN_ADD_PHONE:
        pairing_start(s);
        break;
    case CABIN_CANCEL:
        pairing_cancel(s);
        break;
    case CABIN_DELETE_KEY:
        deletion_begin(s, r);
        break;
    case CABIN_LIST_KEYS:
        cabin_send_keys(s);
        break;
    }
}

static void on_request(struct spaak *s, const struct bus_frame *f)
{
    struct cabin_request r;
    enum err e = cabin_read_request(f, env_now_us(s->env), &s->cabin.request, &r);
    if (e)
        refuse(s, MATRIX_PHONE_KEY_REQ, e, f->len);
    else if (!s->finished)
        refuse(s, MATRIX_PHONE_KEY_REQ, ERR_PLANT_OPEN, f->len);
    else
        obey(s, &r);
}

/* ---- the body controller ---- */

static bool differs(const struct cabin_bcm_status *a, const struct cabin_bcm_status *b)
{
    return a->ignition != b->ignition || a->fob != b->fob || a->locked != b->locked || a->start != b->start;
}

static void on_bcm_status(struct spaak *s, const struct bus_frame *f)
{
    struct cabin *c = &s->cabin;
    struct cabin_bcm_status status;
    enum err e = cabin_read_bcm_status(f, env_now_us(s->env), &c->status, &status);
    if (e) {
        refuse(s, MATRIX_BCM_STATUS, e, f->len);
        return;
    }
    bool changed = !c->bcm_heard || differs(&status, &c->bcm);
    c->bcm_heard = true;
    c->bcm = status;
    env_timer_in(s->env, SPAAK_TIMER_BCM, matrix_row(MATRIX_BCM_STATUS)->cycle_ms * 1000ull * LOST_CYCLES);
    if (!status.locked)
        presence_on_unlocked(s);
    if (changed) {
        card_on_cabin(s);
        unlock_look(s);
    }
}

void cabin_command(struct spaak *s, enum cabin_order order, const uint8_t transaction[CABIN_TRANSACTION])
{
    uint8_t key[CMAC_KEY];
    size_t len;
    struct bus_frame f;
    struct cabin_command m = {.order = order};
    memcpy(m.transaction, transaction, CABIN_TRANSACTION);
    memcpy(m.nonce, s->cabin.bcm.nonce, CABIN_NONCE);
    enum err e =
        s->cabin.bcm_heard ? env_store_get(s->env, SPAAK_BODY_KEY, key, sizeof key, &len) : ERR_BCM_SILENT;
    if (!e)
        e = cabin_write_command(s->env->crypto, key, &m, &s->cabin.alive_command, &f);
    OPENSSL_cleanse(key, sizeof key);
    if (e)
        env_trace_reason(s->env, TRACE_FAIL, NULL, matrix_row(MATRIX_SPAAK_BCM_CMD)->name, e, 0, NULL);
    else
        send(s, &f, MATRIX_SPAAK_BCM_CMD);
}

/* ---- life ---- */

void cabin_on_frame(struct spaak *s, const struct bus_frame *f)
{
    if (f->id == matrix_row(MATRIX_PHONE_KEY_REQ)->id)
        on_request(s, f);
    else if (f->id == matrix_row(MATRIX_BCM_STATUS)->id)
        on_bcm_status(s, f);
    else if (f->id == matrix_row(MATRIX_BCM_SPAAK_ANSWER)->id)
        user_on_frame(s, f);
    else
        isotp_port_input(&s->cabin.keys, f);
}

void cabin_on_timer(struct spaak *s, unsigned timer)
{
    if (timer == SPAAK_TIMER_STATUS) {
        cabin_tell_status(s);
    } else if (timer == SPAAK_TIMER_KEYS) {
        isotp_port_timer(&s->cabin.keys);
    } else {
        s->cabin.bcm_heard = false;
        env_trace_note(s->env, TRACE_NOTE, "BCM: silent");
        card_on_cabin(s);
        unlock_look(s);
    }
}

static void on_keys_sent(void *owner, struct isotp_port *channel, const struct isotp_event *ev)
{
    struct spaak *s = owner;
    (void)channel;
    if (ev->kind == ISOTP_TX_FAILED)
        refuse(s, MATRIX_SPAAK_HU_KEYS, ev->reason, 0);
}

void cabin_init(struct spaak *s)
{
    struct cabin *c = &s->cabin;
    c->bcm_heard = false;
    c->asked = 0;
    s->deletion.on = false;
    c->alive_notice = cabin_alive_begin(s->env->crypto);
    c->alive_status = cabin_alive_begin(s->env->crypto);
    c->alive_command = cabin_alive_begin(s->env->crypto);
    isotp_port_init(&c->keys, s->env, SPAAK_PORT_BODY, SPAAK_TIMER_KEYS, MATRIX_SPAAK_HU_KEYS,
                    MATRIX_HU_SPAAK_KEYS);
    c->keys.on_event = on_keys_sent;
    c->keys.owner = s;
}

void cabin_begin(struct spaak *s)
{
    env_timer_in(s->env, SPAAK_TIMER_STATUS, matrix_row(MATRIX_SPAAK_STATUS)->cycle_ms * 1000ull);
}

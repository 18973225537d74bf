/* A turn of the framework: one thing happens to it, its steps are done, what follows is stored and shown. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "sim/actors/phone/phone_parts.h"

/* ---- scrypt, beside the loop ---- */

#define DERIVE_IN (1 + DK_DEVICE_PASSWORD_MAX + SPAKE2P_SALT + 4 + 2 + 2)

static void put_derivation(struct wr *w, const struct dk_derivation *d)
{
    wr_u8(w, (uint8_t)d->len);
    wr_copy(w, d->password, sizeof d->password);
    wr_copy(w, d->scrypt.salt, SPAKE2P_SALT);
    wr_be32(w, d->scrypt.n);
    wr_be16(w, d->scrypt.r);
    wr_be16(w, d->scrypt.p);
}

static bool take_derivation(struct span in, struct dk_derivation *d)
{
    struct rd r = rd_of(in.p, in.len);
    *d = (struct dk_derivation){.len = rd_u8(&r), .number = 1};
    rd_copy(&r, d->password, sizeof d->password);
    rd_copy(&r, d->scrypt.salt, SPAKE2P_SALT);
    d->scrypt.n = rd_be32(&r);
    d->scrypt.r = rd_be16(&r);
    d->scrypt.p = rd_be16(&r);
    return !r.failed && r.left == 0 && d->len && d->len <= sizeof d->password &&
           spake2p_scrypt_acceptable(&d->scrypt);
}

enum err handset_derive(struct span in, uint8_t *out, size_t cap, size_t *len)
{
    struct dk_derivation from;
    struct dk_derived made;
    struct wr w = wr_of(out, cap);
    struct crypto *c = take_derivation(in, &from) ? crypto_new(NULL) : NULL; /* draws nothing from it */
    enum err e = c ? dk_derive(c, &from, &made) : ERR_BAD_ARGUMENT;
    if (!e) {
        wr_copy(&w, made.prover.w0, P256_SCALAR);
        wr_copy(&w, made.prover.w1, P256_SCALAR);
        wr_copy(&w, made.prover.w0_m, P256_POINT);
        wr_copy(&w, made.prover.w0_n, P256_POINT);
        *len = w.len;
    }
    crypto_free(c);
    OPENSSL_cleanse(&from, sizeof from);
    OPENSSL_cleanse(&made, sizeof made);
    return !e && w.failed ? ERR_NO_SPACE : e;
}

static enum err hand_out(struct phone *p, const struct dk_step *s)
{
    struct handset *h = &p->handset;
    uint8_t in[DERIVE_IN];
    struct wr w = wr_of(in, sizeof in);
    if (h->deriving_count == HANDSET_DERIVING_MAX)
        return ERR_BUSY;
    put_derivation(&w, &s->derivation);
    enum err e = env_work(p->env, PHONE_WORK_DERIVE, span_of(in, w.len));
    OPENSSL_cleanse(in, sizeof in);
    if (e)
        return e;
    size_t last = (h->deriving_first + h->deriving_count++) % HANDSET_DERIVING_MAX;
    h->deriving[last] = (struct handset_deriving){s->link, s->derivation};
    return ERR_OK;
}

static struct dk_step derive(struct phone *p, struct dk_step *s)
{
    const uint32_t number = s->derivation.number;
    enum err e = hand_out(p, s);
    OPENSSL_cleanse(&s->derivation, sizeof s->derivation);
    if (!e)
        return (struct dk_step){.what = DK_NOTHING};
    env_trace_reason(p->env, TRACE_FAIL, "OP-03/3", NULL, e, 0, "scrypt");
    return dk_device_derived(&p->handset.device, s->link, number, NULL);
}

static bool take_derived(struct span result, struct spake2p_prover_set *out)
{
    struct rd r = rd_of(result.p, result.len);
    rd_copy(&r, out->w0, P256_SCALAR);
    rd_copy(&r, out->w1, P256_SCALAR);
    rd_copy(&r, out->w0_m, P256_POINT);
    rd_copy(&r, out->w0_n, P256_POINT);
    return !r.failed && r.left == 0;
}

void handset_on_derived(struct phone *p, enum err e, struct span result)
{
    struct handset *h = &p->handset;
    struct handset_deriving *first = &h->deriving[h->deriving_first];
    struct dk_derived made = {.from = first->from};
    const enum dk_link_id link = first->link;
    struct handset_turn t;
    OPENSSL_cleanse(first, sizeof *first);
    h->deriving_first = (h->deriving_first + 1) % HANDSET_DERIVING_MAX;
    h->deriving_count--;
    if (made.from.number && handset_begin(p, &t)) {
        bool good = !e && take_derived(result, &made.prover);
        handset_end(p, &t, dk_device_derived(&h->device, link, made.from.number, good ? &made : NULL));
    }
    OPENSSL_cleanse(&made, sizeof made);
}

/* ---- steps ---- */

/* Once the store has refused, nothing more goes there in this turn. */
static enum err store(struct phone *p, struct dk_change change)
{
    struct handset *h = &p->handset;
    if (!h->store)
        h->store = handset_store(p, change);
    return h->store;
}

static void answer(struct phone *p, const struct dk_step *s)
{
    if (s->link == DK_BLE) {
        handset_radio_answer(p, s->answer);
        return;
    }
    uint8_t changed[PHONE_RECORDED_MAX];
    struct span out = phone_attack_answer(p, s->answer, changed);
    enum err e = env_send_bytes(p->env, PHONE_PORT_NFC, "", out);
    if (e) /* the field went while it was made */
        env_trace_reason(p->env, TRACE_DROP, NULL, NULL, e, (uint32_t)out.len, NULL);
}

static void do_steps(struct phone *p, struct dk_step s)
{
    struct dk_device *d = &p->handset.device;
    while (s.what == DK_STORE || s.what == DK_DERIVE)
        s = s.what == DK_STORE ? dk_device_stored(d, store(p, s.change)) : derive(p, &s);
    if (s.what == DK_ANSWER)
        answer(p, &s);
}

static void create_key(struct phone *p)
{
    struct dk_device *d = &p->handset.device;
    if (d->state != DK_CREATING || d->pairing.key)
        return;
    enum err e = dk_device_create_key(d);
    if (e)
        env_trace_reason(p->env, TRACE_FAIL, "OP-03/5", NULL, e, 0, NULL);
    else
        env_trace_step(p->env, "OP-03/5", "makes its key");
    if (!e)
        phone_attack_on_key(p);
}

/* Else a transaction would store the key once more for nothing. */
static bool left_something(struct handset *h, struct digital_key *k)
{
    uint8_t bits = 0;
    const size_t at = dk_device_owned(&h->device, k)->map.signalling;
    return applet_get_data(&h->applet, k, MAILBOX_PRIVATE, at, &bits, 1) == ERR_OK &&
           bits & (MAILBOX_ATTESTATION | MAILBOX_SLOTS_WRITTEN);
}

void handset_collect(struct phone *p, struct digital_key *k)
{
    struct handset *h = &p->handset;
    if (k->state != APPLET_KEY_ACTIVE || !left_something(h, k))
        return;
    enum err e = dk_device_collect(&h->device, k);
    if (e && e != ERR_BUSY)
        env_trace_reason(p->env, TRACE_REJECT, "OP-04/4", NULL, e, 0, "what lay in the mailbox");
}

static void tell_evidence(struct phone *p, const struct handset_turn *t)
{
    const struct dk_device *d = &p->handset.device;
    char text[40];
    bool last = t->had_password && !d->password_len && t->state == DK_REQUESTED;
    if (!last && d->evidence_failures <= t->failures)
        return;
    snprintf(text, sizeof text, "%d of %d", last ? DK_EVIDENCE_MAX : d->evidence_failures, DK_EVIDENCE_MAX);
    env_trace_reason(p->env, TRACE_FAIL, "OP-03/3", NULL, ERR_DK_EVIDENCE, 0, text);
}

static void tell(struct phone *p, const struct handset_turn *t)
{
    const struct dk_device *d = &p->handset.device;
    if (d->state != t->state)
        env_trace_state(p->env, dk_device_state_name(d->state));
    tell_evidence(p, t);
    if (d->state == DK_PAIRED && t->state != DK_PAIRED)
        env_trace_step(p->env, "OP-03/8", "the vehicle has accepted the key");
}

/* Timer Ta. */
static void time_password(struct phone *p)
{
    const struct dk_device *d = &p->handset.device;
    int64_t left_s = d->password_since_s + (int64_t)p->password_s - d->now_s;
    if (!d->password_len)
        env_timer_set(p->env, PHONE_TIMER_PASSWORD, ENV_NEVER);
    else
        env_timer_in(p->env, PHONE_TIMER_PASSWORD, left_s > 0 ? (uint64_t)left_s * 1000000 : 0);
}

bool handset_begin(struct phone *p, struct handset_turn *t)
{
    struct handset *h = &p->handset;
    if (!h->open)
        return false;
    h->device.now_s = phone_attack_now_s(p);
    h->store = ERR_OK;
    *t = (struct handset_turn){
        .sessions = {applet_session_key(&h->applet, DK_CONTACTLESS), applet_session_key(&h->applet, DK_BLE)},
        .state = h->device.state,
        .had_password = h->device.password_len != 0,
        .failures = h->device.evidence_failures};
    return true;
}

#define RELOAD_US 100000

/* What is in memory and not in the store must not be believed any longer. */
static void load_anew(struct phone *p)
{
    env_trace_reason(p->env, TRACE_FAIL, NULL, NULL, p->handset.store, 0, "loads its records again");
    p->handset.noted = dk_device_noted(&p->handset.device);
    handset_close(p);
    env_timer_in(p->env, PHONE_TIMER_RELOAD, RELOAD_US);
}

enum err handset_end(struct phone *p, const struct handset_turn *t, struct dk_step s)
{
    struct handset *h = &p->handset;
    do_steps(p, s);
    create_key(p);
    for (unsigned i = 0; i < DK_LINKS; i++)
        if (t->sessions[i] && applet_session_key(&h->applet, (enum dk_link_id)i) != t->sessions[i])
            handset_collect(p, t->sessions[i]);
    struct dk_change changes = dk_device_changes(&h->device);
    changes.framework |= t->also.framework;
    if (changes.framework || changes.put || changes.erase)
        store(p, changes);
    if (h->store) {
        load_anew(p);
        return h->store;
    }
    tell(p, t);
    time_password(p);
    handset_show(p);
    handset_tracking_look(p);
    handset_radio_look(p);
    return ERR_OK;
}

enum err handset_end_call(struct phone *p, const struct handset_turn *t)
{
    return handset_end(p, t, (struct dk_step){.what = DK_NOTHING});
}

/* ---- the owner's calls ---- */

enum err handset_set_password(struct phone *p, const char *digits)
{
    struct handset_turn t;
    if (!handset_begin(p, &t))
        return p->handset.broken ? p->handset.broken : ERR_MSG_UNEXPECTED;
    enum err e = dk_device_set_password(&p->handset.device, span_of(digits, strlen(digits)));
    enum err stored = handset_end_call(p, &t);
    return e ? e : stored;
}

enum err handset_forget_password(struct phone *p)
{
    struct handset_turn t;
    if (!handset_begin(p, &t))
        return p->handset.broken ? p->handset.broken : ERR_MSG_UNEXPECTED;
    t.had_password = false; /* it was not the vehicle who used it up */
    dk_device_forget_password(&p->handset.device);
    return handset_end_call(p, &t);
}

void handset_on_password_timer(struct phone *p)
{
    if (!p->handset.open || !p->handset.device.password_len)
        return;
    env_trace_note(p->env, TRACE_NOTE, "the password was entered too long ago");
    handset_forget_password(p);
}

/* The key of that index which a vehicle accepted; NULL: none. */
static struct digital_key *key_at(struct phone *p, unsigned index)
{
    struct digital_key *k = index < APPLET_KEYS ? &p->handset.applet.keys[index] : NULL;
    return k && k->state != APPLET_KEY_NONE && k->state != APPLET_KEY_CREATED ? k : NULL;
}

enum err handset_delete_key(struct phone *p, unsigned index)
{
    struct handset_turn t;
    if (!handset_begin(p, &t))
        return p->handset.broken ? p->handset.broken : ERR_MSG_UNEXPECTED;
    struct digital_key *k = key_at(p, index);
    if (!k)
        return ERR_NOT_FOUND;
    memset(t.sessions, 0, sizeof t.sessions); /* they end with the key */
    dk_device_delete(&p->handset.device, k);
    return handset_end_call(p, &t);
}

enum err handset_terminate_key(struct phone *p, unsigned index)
{
    struct handset_turn t;
    if (!handset_begin(p, &t))
        return p->handset.broken ? p->handset.broken : ERR_MSG_UNEXPECTED;
    struct digital_key *k = key_at(p, index);
    if (!k)
        return ERR_NOT_FOUND;
    memset(t.sessions, 0, sizeof t.sessions); /* they end with the key */
    enum err e = dk_device_terminate(&p->handset.device, k);
    enum err stored = handset_end_call(p, &t);
    return e ? e : stored;
}

enum err handset_hand_out_slot(struct phone *p, unsigned index)
{
    struct handset_turn t;
    struct slot_id slot;
    unsigned entry;
    char hex[2 * sizeof slot.b + 1], note[64];
    if (!handset_begin(p, &t))
        return p->handset.broken ? p->handset.broken : ERR_MSG_UNEXPECTED;
    struct digital_key *k = key_at(p, index);
    if (!k)
        return ERR_NOT_FOUND;
    enum err e = dk_device_hand_out_slot(&p->handset.device, k, &slot, &entry);
    enum err stored = handset_end_call(p, &t);
    if (e || stored)
        return e ? e : stored;
    hex_encode(slot.b, slot.len, hex);
    snprintf(note, sizeof note, "slot %u handed out: %s", entry, hex);
    env_trace_note(p->env, TRACE_NOTE, note);
    return ERR_OK;
}

enum err handset_take_receipt(struct phone *p, unsigned index, const uint8_t ephemeral[P256_POINT],
                              struct span sealed)
{
    struct handset_turn t;
    if (!handset_begin(p, &t))
        return p->handset.broken ? p->handset.broken : ERR_MSG_UNEXPECTED;
    struct digital_key *k = key_at(p, index);
    if (!k)
        return ERR_NOT_FOUND;
    char tracked[ENV_KEY_MAX];
    handset_tracking_name(index, tracked);
    enum err e = dk_device_receipt(&p->handset.device, k, ephemeral, sealed);
    if (!e)
        e = env_store_put(p->env, tracked, span_of(k->key_id, ENDPOINT_KEY_ID));
    enum err stored = handset_end_call(p, &t);
    if (e || stored)
        return e ? e : stored;
    env_trace_step(p->env, "OP-05/2", "stores the receipt");
    return ERR_OK;
}

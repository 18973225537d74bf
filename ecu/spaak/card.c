/* A card key on the pad in the place of the key fob (OP-02a): asked for when "add digital key" was chosen
 * without a fob, checked against J_PhysicalKey, good for the one pairing that was asked for. Nothing of it is
 * stored: who is killed while waiting has forgotten the wish. */
#include <stdlib.h>
#include <string.h>

#include "ecu/spaak/session.h"

/* ---- the session ---- */

static struct vehicle_step step_of(struct card_step c)
{
    static const enum vehicle_do what[] = {
        [CARD_SEND] = VEHICLE_SEND, [CARD_GENUINE] = VEHICLE_DONE, [CARD_REFUSED] = VEHICLE_FAILED};
    return (struct vehicle_step){.what = what[c.what], .apdu = c.apdu, .reason = c.reason};
}

struct vehicle_step card_session_input(struct session *n, struct span answer)
{
    return step_of(card_check_input(&n->protocol.card, answer, n->transaction_config.now_s));
}

struct vehicle_step card_session_lost(void)
{
    return (struct vehicle_step){.what = VEHICLE_FAILED, .reason = ERR_DK_LINK_LOST};
}

void card_session_progress(struct spaak *s, struct session *n)
{
    const struct card_check *c = &n->protocol.card;
    if (c->state == CARD_READING) {
        env_trace_step(s->env, "OP-02a/3", "a card key: reads its certificate");
    } else if (c->state == CARD_PROVING) {
        memcpy(s->pairing.challenge, c->challenge, sizeof s->pairing.challenge);
        env_trace_step(s->env, "OP-02a/4", "the certificate is of this vehicle: asks for a proof");
    }
}

static enum err look_for_card(struct spaak *s)
{
    struct session *n = calloc(1, sizeof *n);
    if (!n)
        return ERR_NO_MEMORY;
    enum err e = load_anchor(s, SPAAK_ANCHOR_PHYSICAL_KEY, X509_OEM_ROOT, &n->physical);
    if (e) {
        free(n);
        return e;
    }
    const struct card_check_config config = {
        .crypto = s->env->crypto, .root = &n->physical.cert, .vehicle = s->serial, .purpose = CARD_PAIRING};
    n->kind = SESSION_CARD;
    n->of_pairing = true;
    session_start(s, SPAAK_PAD, n, step_of(card_check_begin(&n->protocol.card, &config)));
    return ERR_OK;
}

/* ---- the wait ---- */

static void ask(struct spaak *s)
{
    cabin_notify(s, CABIN_KEY_NEEDED, ERR_OK);
    enum err e = look_for_card(s);
    if (e)
        pairing_refuse(s, e);
}

void card_begin(struct spaak *s)
{
    env_trace_step(s->env, "OP-02a/1", "no key fob: the pad looks for a card key");
    env_timer_in(s->env, SPAAK_TIMER_PAIRING_MODE, s->card_key_us);
    cabin_tell_status(s);
    ask(s);
}

/* A card that was taken away may come back within the time. */
void card_on_session(struct spaak *s, const struct session_end *end)
{
    if (end->what == VEHICLE_DONE) {
        env_trace_step(s->env, "OP-02a/6", "the card key has proved itself: good for this pairing");
        env_claim(s->env, SPAAK_CLAIM_CARD, s->serial,
                  span_of(s->pairing.challenge, sizeof s->pairing.challenge));
        pairing_admit(s, true);
    } else if (end->reason == ERR_DK_LINK_LOST) {
        ask(s);
    } else {
        env_trace_reason(s->env, TRACE_REJECT, "OP-02a/6", NULL, end->reason, 0, "card key");
        pairing_refuse(s, end->reason);
    }
}

void card_on_cabin(struct spaak *s)
{
    if (s->pairing.state == PAIRING_WAITS_CARD)
        user_ask(s);
}

void card_on_user(struct spaak *s, enum err e)
{
    if (!e)
        pairing_admit(s, false);
    else if (e != ERR_FOB_AWAY)
        pairing_refuse(s, e);
}

/* The vehicle's side of lib/ccc, driven to where the job wants it. */
#include <string.h>

#include "sim/actors/skimmer/skimmer_parts.h"

static void over(struct skimmer *s, enum err reason)
{
    if (skimmer_job(s)->kind == SKIMMER_SWEEPS)
        skimmer_sweep_over(s, reason);
    else
        skimmer_attack_over(s, reason);
}

/* A phone that has paired with a wreck: its key, for transactions. */
static struct vehicle_step keep_key(struct skimmer *s, const struct vehicle_key *k)
{
    struct vehicle_key record = *k;
    enum err e = vehicle_key_open(s->env->crypto, &record);
    if (e)
        return vehicle_pairing_store_failed(&s->pairing, e);
    if (s->owns)
        vehicle_key_close(&s->record);
    s->record = record;
    s->record.state = VEHICLE_KEY_ACTIVE;
    s->owns = true;
    return vehicle_pairing_proceed(&s->pairing);
}

static void send(struct skimmer *s, struct span apdu)
{
    memcpy(s->sent.bytes, apdu.p, apdu.len);
    s->sent.len = apdu.len;
    skimmer_attack_change(s);
    skimmer_send(s, span_of(s->sent.bytes, s->sent.len), SKIMMER_STEP);
}

/* False: the protocol waits, or is over. */
static bool settle(struct skimmer *s, struct vehicle_step *step)
{
    switch (step->what) {
    case VEHICLE_STORE_ATTEMPT:
        *step = vehicle_pairing_counted(&s->pairing, 1); /* who knows the password needs no more */
        return true;
    case VEHICLE_STORE_KEY:
        *step = keep_key(s, step->key);
        return true;
    case VEHICLE_STORE_KPERSISTENT:
        *step = vehicle_transaction_proceed(&s->transaction);
        return true;
    case VEHICLE_OPEN:
        *step = vehicle_transaction_end(&s->transaction, 0x01, 0x00);
        return true;
    case VEHICLE_RESET_LINK:
    case VEHICLE_POLL:
        s->goes_on = true;
        skimmer_field_gap(s);
        return false;
    case VEHICLE_SEND:
        send(s, step->apdu);
        return false;
    default:
        over(s, step->reason);
        return false;
    }
}

static void drive(struct skimmer *s, struct vehicle_step step)
{
    const bool sweeps = skimmer_job(s)->kind == SKIMMER_SWEEPS;
    while (!(sweeps && skimmer_sweep_reached(s, &step)) && settle(s, &step))
        ;
}

void skimmer_drive_begin(struct skimmer *s, bool transaction)
{
    const struct skimmer_job *job = skimmer_job(s);
    s->transacts = transaction;
    s->said = false;
    if (transaction) {
        skimmer_set_transaction(s);
        if (job->wrong == SKIMMER_SIGNATURE)
            s->transaction_config.vehicle_key = s->other;
        s->transaction_config.vehicle_id[0] ^= job->wrong == SKIMMER_UNKNOWN_VEHICLE;
        drive(s, vehicle_transaction_begin(&s->transaction, &s->transaction_config, 0, TRANSACTION_UNLOCK));
        return;
    }
    enum err e = *job->digits ? skimmer_learn(s, job->digits) : ERR_OK;
    if (!e)
        e = skimmer_set_pairing(s);
    if (e)
        over(s, e);
    else
        drive(s, vehicle_pairing_begin(&s->pairing, &s->pairing_config));
}

void skimmer_drive_on(struct skimmer *s)
{
    drive(s, vehicle_pairing_proceed(&s->pairing));
}

void skimmer_drive_input(struct skimmer *s, struct span answer)
{
    s->before = s->transacts ? s->transaction.channel : s->pairing.channel;
    if (s->said && answer.len >= 2)
        skimmer_attack_on_answer(s, (uint16_t)(answer.p[answer.len - 2] << 8 | answer.p[answer.len - 1]));
    drive(s, s->transacts ? vehicle_transaction_input(&s->transaction, answer)
                          : vehicle_pairing_input(&s->pairing, answer));
}

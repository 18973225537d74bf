#include "lib/ccc/vehicle/vehicle_finish.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/vehicle/vehicle_finish_parts.h"

enum { CONTROL_OK = 0x01 };
enum { OWNER = 0x01, FRIENDS = 0xFE };

const struct vehicle_phase_rules vehicle_phase_rules[VEHICLE_PHASES] = {
    [VEHICLE_PHASE_3] = {TRANSACTION_PAIRING_PHASE_3, VEHICLE_ADMIT_PAIRING, false, OWNER},
    [VEHICLE_PHASE_4] = {TRANSACTION_PAIRING_PHASE_4, VEHICLE_ADMIT_USE, true, OWNER | FRIENDS},
    [VEHICLE_REFILL] = {TRANSACTION_UNLOCK, VEHICLE_ADMIT_USE, true, OWNER | FRIENDS},
    [VEHICLE_RESUMPTION] = {TRANSACTION_UNLOCK, VEHICLE_ADMIT_RESUMPTION, true, 0},
    [VEHICLE_TERMINATION] = {TRANSACTION_UNLOCK, VEHICLE_ADMIT_TERMINATION, true, 0},
    [VEHICLE_TERMINATE_KEY] = {TRANSACTION_UNLOCK, VEHICLE_ADMIT_TERMINATE, false, 0},
};

/* ---- beginning ---- */

/* An identifier is given out once: not for two entries, not for a friend when it is the key's own. */
static bool given_elsewhere(const struct vehicle_finish_config *c, uint8_t entries, size_t i)
{
    const struct vehicle_key *k = c->transaction.keys;
    const struct slot_id *offered = &c->offer.slots[i];
    if (i > 0 && slot_id_equal(offered, &k->slot))
        return true;
    for (size_t j = 0; j < MAILBOX_SLOTS; j++)
        if (j != i && ((entries & 1u << j && slot_id_equal(offered, &c->offer.slots[j])) ||
                       (k->offered & 1u << j && slot_id_equal(offered, &k->offers[j]))))
            return true;
    return false;
}

static const char *find_offer_fault(const struct vehicle_finish_config *c, uint8_t entries)
{
    const struct vehicle_key *k = c->transaction.keys;
    size_t slot_len = (size_t)(k->map.oem - k->map.slots) / MAILBOX_SLOTS;
    for (size_t i = 0; i < MAILBOX_SLOTS; i++)
        if (entries & 1u << i && c->offer.slots[i].len != slot_len)
            return "an offered slot identifier of another length than the mailbox's";
    for (size_t i = 0; i < MAILBOX_SLOTS; i++)
        if (entries & 1u << i && given_elsewhere(c, entries, i))
            return "a slot identifier is offered that was given out before, or twice";
    if (entries && k->tokens_by_vehicle && !c->offer.tokens)
        return "slots are offered without their tokens";
    return NULL;
}

const char *vehicle_finish_find_fault(const struct vehicle_finish_config *c, enum vehicle_phase phase)
{
    const struct vehicle_phase_rules *rules = &vehicle_phase_rules[phase];
    const struct vehicle_key *k = c->transaction.keys;
    if (c->transaction.n_keys != 1)
        return "not one key that it is about";
    if (rules->reads && !c->kts_pk)
        return "no key of the key tracking server";
    if (phase == VEHICLE_TERMINATE_KEY && k->state != VEHICLE_KEY_TERMINATED)
        return "the record of the key is not terminated";
    if (phase == VEHICLE_PHASE_3 && c->attestation.len &&
        (c->attestation.len > ATTESTATION_MAX ||
         c->attestation.len + 4 > mailbox_attestation_size(&k->map))) /* 5F5A */
        return "the attestation does not fit into KeyAtt, or into one EXCHANGE";
    return find_offer_fault(c, c->offer.entries & rules->fills);
}

static struct vehicle_step conclude(struct vehicle_finish *f, struct vehicle_step step)
{
    if (step.what == VEHICLE_DONE && f->phase == VEHICLE_PHASE_4 && !vehicle_finish_key(f)->tracked &&
        f->learnt != VEHICLE_LEARNT_TERMINATED)
        step = (struct vehicle_step){.what = VEHICLE_NO_RECEIPT, .reason = ERR_DK_NO_RECEIPT};
    OPENSSL_cleanse(&f->update, sizeof f->update);
    f->state = VF_OVER;
    f->ended = step;
    return step;
}

/* Of the transaction: what is over there is over here. */
static struct vehicle_step settle(struct vehicle_finish *f, struct vehicle_step step)
{
    return vehicle_step_over(&step) ? conclude(f, step) : step;
}

struct vehicle_step vehicle_finish_begin(struct vehicle_finish *f, const struct vehicle_finish_config *c,
                                         enum vehicle_phase phase)
{
    assert(f && c && phase < VEHICLE_PHASES);
    const struct vehicle_phase_rules *rules = &vehicle_phase_rules[phase];
    memset(f, 0, sizeof *f);
    f->config = c;
    f->phase = phase;
    const char *fault = vehicle_finish_find_fault(c, phase);
    if (fault)
        return conclude(f, vehicle_step_fault(fault));
    return settle(f, vehicle_transaction_begin_for(&f->transaction, &c->transaction,
                                                   TRANSACTION_EXCHANGE_FOLLOWS, rules->purpose,
                                                   rules->admission));
}

void vehicle_finish_wipe(struct vehicle_finish *f)
{
    assert(f);
    vehicle_transaction_wipe(&f->transaction);
    OPENSSL_cleanse(f, sizeof *f);
}

/* ---- ending ---- */

static struct vehicle_step end(struct vehicle_finish *f)
{
    f->state = VF_ENDING;
    return settle(
        f, vehicle_transaction_end(&f->transaction, CONTROL_OK, vehicle_phase_rules[f->phase].purpose));
}

static struct vehicle_step fail(struct vehicle_finish *f, enum err reason)
{
    f->state = VF_ENDING;
    return settle(f, vehicle_transaction_fail(&f->transaction, reason));
}

struct vehicle_step vehicle_finish_link_lost(struct vehicle_finish *f)
{
    assert(f && f->config);
    return f->state == VF_OVER ? f->ended : conclude(f, vehicle_transaction_link_lost(&f->transaction));
}

static struct vehicle_step send(struct vehicle_finish *f, enum vehicle_finish_state state, const struct wr *w)
{
    if (w->failed)
        return fail(f, ERR_NO_SPACE);
    f->state = state;
    return settle(f, vehicle_transaction_exchange(&f->transaction, span_of(w->buf, w->len)));
}

static struct vehicle_step store(struct vehicle_finish *f, enum vehicle_finish_state state,
                                 enum vehicle_do what)
{
    const struct vehicle_key *k = vehicle_finish_key(f);
    f->state = state;
    f->was_state = k->state;
    f->was_suspended_s = k->suspended_s;
    return (struct vehicle_step){.what = what, .key = &f->update};
}

/* The record may have been suspended or terminated since AUTH1: what was decided then does not hold. */
static enum err readmit(const struct vehicle_finish *f)
{
    return vehicle_admission_check(vehicle_phase_rules[f->phase].admission, vehicle_finish_key(f), false,
                                   f->config->transaction.now_s);
}

/* The same while a step was being stored, which stored it as it had been. */
static enum err recheck(const struct vehicle_finish *f)
{
    const struct vehicle_key *k = vehicle_finish_key(f);
    if (k->state == f->was_state && k->suspended_s == f->was_suspended_s)
        return ERR_OK;
    enum err e = readmit(f);
    return e ? e : ERR_BUSY;
}

/* ---- the steps, in their order ---- */

static struct vehicle_step notify(struct vehicle_finish *f)
{
    uint8_t buf[CHANNEL_PLAIN_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    enum err e = vehicle_statement_put_termination(f, &w);
    return e ? fail(f, e) : send(f, VF_NOTIFYING, &w);
}

static struct vehicle_step read_bits(struct vehicle_finish *f)
{
    uint8_t buf[CHANNEL_PLAIN_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    vehicle_mailbox_put_read_bits(f, &w);
    return send(f, VF_READING_BITS, &w);
}

static struct vehicle_step write_items(struct vehicle_finish *f)
{
    uint8_t buf[CHANNEL_PLAIN_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    f->all_written = vehicle_mailbox_put_writes(f, &w);
    struct vehicle_step step = send(f, VF_WRITING, &w);
    OPENSSL_cleanse(buf, sizeof buf); /* tokens */
    return step;
}

/* The record once phase 3 is done. */
static void activate(const struct vehicle_finish *f, struct vehicle_key *k)
{
    k->state = VEHICLE_KEY_ACTIVE;
    k->attested |= f->config->attestation.len != 0;
}

/* All that was to be written is committed. */
static struct vehicle_step on_committed(struct vehicle_finish *f)
{
    if (f->verdict)
        return fail(f, f->verdict);
    if (f->phase != VEHICLE_PHASE_3)
        return end(f);
    enum err e = readmit(f);
    if (e)
        return fail(f, e);
    f->update = *vehicle_finish_key(f);
    activate(f, &f->update);
    return store(f, VF_STORING_ACTIVE, VEHICLE_STORE_ACTIVE);
}

/* The record once these entries are given out. */
static void apply_offer(const struct vehicle_finish *f, struct vehicle_key *k)
{
    k->offered |= f->entries;
    for (size_t i = 0; i < MAILBOX_SLOTS; i++)
        if (f->entries & 1u << i)
            k->offers[i] = f->slots[i];
}

/* KeyAtt is done with: now the slots. */
static struct vehicle_step offer(struct vehicle_finish *f)
{
    if (f->verdict || f->learnt == VEHICLE_LEARNT_TERMINATED)
        f->entries = 0;
    if (f->entries) {
        f->update = *vehicle_finish_key(f);
        apply_offer(f, &f->update);
        struct vehicle_step step = store(f, VF_STORING_OFFER, VEHICLE_STORE_OFFER);
        step.entries = f->entries;
        return step;
    }
    return f->clear_area || f->phase == VEHICLE_PHASE_3 ? write_items(f) : on_committed(f);
}

static struct vehicle_step refuse_statement(struct vehicle_finish *f, enum err verdict)
{
    f->verdict = verdict;
    f->clear_area = true;
    return offer(f);
}

static struct vehicle_step read_statement(struct vehicle_finish *f)
{
    uint8_t buf[CHANNEL_PLAIN_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    if (!vehicle_statement_put_read(f, &w))
        return refuse_statement(f, ERR_MSG_MALFORMED); /* announced where there is no room for one */
    return send(f, VF_READING_STATEMENT, &w);
}

static struct vehicle_step on_bits(struct vehicle_finish *f)
{
    enum err e = vehicle_mailbox_take_bits(f);
    if (e)
        return fail(f, e);
    bool announced = f->bits & MAILBOX_ATTESTATION;
    return announced && vehicle_phase_rules[f->phase].reads ? read_statement(f) : offer(f);
}

static struct vehicle_step on_statement(struct vehicle_finish *f)
{
    static const enum vehicle_do steps[] = {[VEHICLE_LEARNT_RECEIPT] = VEHICLE_STORE_RECEIPT,
                                            [VEHICLE_LEARNT_TERMINATED] = VEHICLE_STORE_TERMINATION,
                                            [VEHICLE_LEARNT_RESUMED] = VEHICLE_STORE_RESUMED};
    switch (vehicle_statement_take(f)) {
    case VEHICLE_STATEMENT_PART:
        return read_statement(f);
    case VEHICLE_STATEMENT_OWN:
        return offer(f);
    case VEHICLE_STATEMENT_FALSE:
        return f->verdict == ERR_DK_ANSWER ? fail(f, f->verdict) : refuse_statement(f, f->verdict);
    case VEHICLE_STATEMENT_TRUE:
        break;
    }
    f->update = *vehicle_finish_key(f);
    vehicle_statement_apply(f->found, &f->update);
    struct vehicle_step step = store(f, VF_STORING_STATEMENT, steps[f->found]);
    step.statement = span_of(f->statement, f->have);
    return step;
}

/* ---- what comes back ---- */

static struct vehicle_step on_data(struct vehicle_finish *f)
{
    switch (f->state) {
    case VF_NOTIFYING:
        return end(f);
    case VF_READING_BITS:
        return on_bits(f);
    case VF_READING_STATEMENT:
        return on_statement(f);
    case VF_WRITING:
        return f->all_written ? on_committed(f) : write_items(f);
    default:
        return fail(f, ERR_MSG_UNEXPECTED);
    }
}

static struct vehicle_step follow(struct vehicle_finish *f, struct vehicle_step step)
{
    if (step.what == VEHICLE_OPEN)
        return f->phase == VEHICLE_TERMINATE_KEY ? notify(f) : read_bits(f);
    return step.what == VEHICLE_DATA ? on_data(f) : settle(f, step);
}

struct vehicle_step vehicle_finish_input(struct vehicle_finish *f, struct span response)
{
    assert(f && f->config);
    return f->state == VF_OVER ? f->ended : follow(f, vehicle_transaction_input(&f->transaction, response));
}

struct vehicle_step vehicle_finish_proceed(struct vehicle_finish *f)
{
    assert(f && f->config);
    struct vehicle_key *k = vehicle_finish_key(f);
    bool stored =
        f->state == VF_STORING_STATEMENT || f->state == VF_STORING_OFFER || f->state == VF_STORING_ACTIVE;
    enum err e = stored ? recheck(f) : ERR_OK;
    if (e)
        return fail(f, e);
    switch (f->state) {
    case VF_AUTHENTICATING:
        return follow(f, vehicle_transaction_proceed(&f->transaction));
    case VF_STORING_STATEMENT:
        vehicle_statement_apply(f->found, k);
        f->learnt = f->found;
        f->clear_area = true;
        return offer(f);
    case VF_STORING_OFFER:
        apply_offer(f, k);
        return write_items(f);
    case VF_STORING_ACTIVE:
        activate(f, k);
        return end(f);
    case VF_OVER:
        return f->ended;
    default:
        return fail(f, ERR_MSG_UNEXPECTED);
    }
}

struct vehicle_step vehicle_finish_store_failed(struct vehicle_finish *f, enum err reason)
{
    assert(f && f->config);
    switch (f->state) {
    case VF_AUTHENTICATING:
        return settle(f, vehicle_transaction_store_failed(&f->transaction, reason));
    case VF_STORING_STATEMENT:
    case VF_STORING_OFFER:
    case VF_STORING_ACTIVE:
        return fail(f, reason ? reason : ERR_STORE_FAILED);
    case VF_OVER:
        return f->ended;
    default:
        return fail(f, ERR_MSG_UNEXPECTED);
    }
}

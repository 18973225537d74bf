/* What lies in KeyAtt: whose statement it is, whether it is true, what it means for the record. */
#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/key_data.h"
#include "lib/ccc/tlv.h"
#include "lib/ccc/vehicle/vehicle_finish_parts.h"

static size_t area_size(const struct vehicle_finish *f)
{
    return mailbox_attestation_size(&vehicle_finish_key(f)->map);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t piece_size(const struct vehicle_finish *f)
{
    return least(f->wanted - f->have, CHANNEL_PLAIN_MAX);
}

bool vehicle_statement_put_read(struct vehicle_finish *f, struct wr *w)
{
    if (f->have == 0)
        f->wanted = least(area_size(f), CHANNEL_PLAIN_MAX);
    assert(f->have <= f->wanted && f->wanted <= sizeof f->statement);
    if (f->have == f->wanted)
        return false;
    exchange_begin(w, EXCHANGE_MORE);
    /* KeyAtt */
    exchange_put_read(w, MAILBOX_PRIVATE, (uint16_t)(vehicle_finish_key(f)->map.attestation + f->have),
                      (uint8_t)piece_size(f));
    return true;
}

static const struct {
    enum attestation_usage usage;
    enum vehicle_learnt found;
    bool by_device; /* else by the key tracking server */
} kinds[] = {{ATTESTATION_RECEIPT, VEHICLE_LEARNT_RECEIPT, false},
             {ATTESTATION_TERMINATED, VEHICLE_LEARNT_TERMINATED, true},
             {ATTESTATION_RESUMED, VEHICLE_LEARNT_RESUMED, false}};

/* Signed by who may say it, about this key; what is over for good is not resumed. */
static enum err check(const struct vehicle_finish *f, struct span in, size_t kind)
{
    const struct vehicle_key *k = vehicle_finish_key(f);
    const struct attestation subject = vehicle_key_subject(k);
    struct attestation a;
    size_t used;
    enum err e = attestation_open(f->config->transaction.crypto, in, kinds[kind].usage,
                                  kinds[kind].by_device ? k->device_pk : f->config->kts_pk, &a, &used);
    if (e)
        return e;
    if (!attestation_same_key(&a, &subject))
        return ERR_DK_ATTESTATION;
    if (kinds[kind].found != VEHICLE_LEARNT_RESUMED)
        return ERR_OK;
    if (k->state != VEHICLE_KEY_SUSPENDED && k->state != VEHICLE_KEY_ACTIVE)
        return ERR_MSG_UNEXPECTED;
    return a.issued_s > k->suspended_s ? ERR_OK : ERR_MSG_STALE; /* else of an earlier suspension */
}

static enum vehicle_statement judge(struct vehicle_finish *f, uint32_t usage, size_t len)
{
    f->verdict = ERR_CERT_PURPOSE;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if ((uint32_t)kinds[i].usage == usage) {
            f->verdict = check(f, span_of(f->statement, len), i);
            f->found = f->verdict ? VEHICLE_LEARNT_NOTHING : kinds[i].found;
        }
    f->wanted = f->have = len;
    return f->verdict ? VEHICLE_STATEMENT_FALSE : VEHICLE_STATEMENT_TRUE;
}

/* ERR_DK_ANSWER in f->verdict: the device gave another length than it was asked for. */
static bool take_piece(struct vehicle_finish *f)
{
    const struct vehicle_transaction *t = &f->transaction;
    if (t->len != piece_size(f))
        return false;
    memcpy(f->statement + f->have, t->data, t->len);
    f->have += t->len;
    return true;
}

enum vehicle_statement vehicle_statement_take(struct vehicle_finish *f)
{
    uint32_t usage;
    size_t len = 0, whole;
    uint16_t tag;
    f->verdict = ERR_DK_ANSWER;
    if (!take_piece(f))
        return VEHICLE_STATEMENT_FALSE;
    struct span in = span_of(f->statement, f->have);
    f->verdict = ERR_OK;
    if (tlv_peek(in, &tag, &whole) == ERR_OK && tag == KEY_DATA_TAG_ATTESTATION)
        return VEHICLE_STATEMENT_OWN;
    /* 7F2B, 9E */
    enum err e = attestation_peek(in, &usage, &len);
    if (e == ERR_OK)
        return judge(f, usage, len);
    if (e == ERR_TRUNCATED && len <= least(area_size(f), sizeof f->statement)) {
        f->wanted = len;
        return VEHICLE_STATEMENT_PART;
    }
    f->verdict = ERR_MSG_MALFORMED;
    return VEHICLE_STATEMENT_FALSE;
}

void vehicle_statement_apply(enum vehicle_learnt found, struct vehicle_key *k)
{
    switch (found) {
    case VEHICLE_LEARNT_NOTHING:
        break;
    case VEHICLE_LEARNT_RECEIPT:
        k->tracked = true;
        break;
    case VEHICLE_LEARNT_TERMINATED:
        vehicle_key_terminate(k);
        break;
    case VEHICLE_LEARNT_RESUMED:
        k->state = VEHICLE_KEY_ACTIVE;
        break;
    }
}

enum err vehicle_statement_put_termination(const struct vehicle_finish *f, struct wr *w)
{
    const struct vehicle_transaction_config *c = &f->config->transaction;
    const struct attestation subject = vehicle_key_subject(vehicle_finish_key(f));
    uint8_t buf[ATTESTATION_MAX];
    struct wr a = wr_of(buf, sizeof buf);
    enum err e = attestation_make(c->crypto, &subject, ATTESTATION_VEHICLE_TERMINATES, c->vehicle_key, &a);
    if (e)
        return e;
    exchange_begin(w, EXCHANGE_COMMIT);
    /* 8E */
    exchange_put_notify(w, span_of(buf, a.len));
    return ERR_OK;
}

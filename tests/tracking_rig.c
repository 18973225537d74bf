#include "tests/tracking_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ccc/ecies.h"

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "the rig of key tracking: %s\n", what);
    abort();
}

struct rig *tracking_rig_new(void)
{
    struct rig *r = rig_ready(test_crypto());
    must(rig_pair_phase_2(r) == ERR_OK, "phase 2");
    must(rig_phase_3(r) == ERR_OK, "phase 3");
    return r;
}

struct tracking_ask tracking_rig_ask(struct rig *r, bool vehicle)
{
    const struct digital_key *k = &r->applet.keys[0];
    const struct dk_owned *o = &r->device.owned[0];
    struct tracking_ask a = {.number = 7,
                             .device_oem = span_of(r->f.der, r->f.len),
                             .instance_ca = span_of(r->e.der, r->e.len),
                             .endpoint = span_of(k->certificate, k->certificate_len),
                             .attestation = span_of(o->attestation, o->attestation_len)};
    must(o->attestation_len != 0, "no attestation");
    if (vehicle)
        a.vehicle = span_of(r->k.der, r->k.len);
    memcpy(a.key_id, k->key_id, sizeof a.key_id);
    memcpy(a.vehicle_id, k->creation.vehicle_id, sizeof a.vehicle_id);
    p256_public(r->device.enc_key, a.encryption_pk);
    return a;
}

struct span tracking_rig_attest(struct rig *r, const struct p256_key *signer)
{
    static uint8_t out[ATTESTATION_MAX];
    struct wr w = wr_of(out, sizeof out);
    struct attestation a = vehicle_key_subject(&r->key);
    must(attestation_make(r->crypto, &a, ATTESTATION_OF_VEHICLE, signer, &w) == ERR_OK, "an attestation");
    return span_of(out, w.len);
}

size_t tracking_rig_open(struct rig *r, const struct tracking_answer *a, uint8_t out[TRACKING_SEALED_MAX])
{
    if (a->error || a->sealed.len < ECIES_OVERHEAD ||
        ecies_open(r->crypto, r->device.enc_key, a->ephemeral, a->sealed, out))
        return 0;
    return a->sealed.len - ECIES_OVERHEAD;
}

static const struct bench_sent *last_sent(const struct bench *b, unsigned port)
{
    for (size_t i = b->sent_count; i-- > 0;)
        if (b->sent[i].port == port)
            return &b->sent[i];
    return NULL;
}

struct tracking_answer tracking_rig_last(const struct bench *b, unsigned port, struct tracking_memory *m)
{
    struct tracking_answer a = {.error = ERR_MSG_NO_ANSWER};
    const struct bench_sent *s = last_sent(b, port);
    must(!s || tracking_answer_read(span_of(s->bytes, s->len), m, &a) == ERR_OK, "no answer is to be read");
    return a;
}

struct tracking_answer tracking_rig_tell(struct bench *b, unsigned port, const struct tracking_ask *a,
                                         struct tracking_memory *m)
{
    uint8_t out[TRACKING_MESSAGE_MAX];
    struct wr w = wr_of(out, sizeof out);
    must(tracking_ask_write(a, &w) == ERR_OK, "no request");
    b->sent_count = 0;
    node_on_bytes(&b->node, port, "asker", span_of(out, w.len));
    return tracking_rig_last(b, port, m);
}

bool tracking_rig_asked(const struct bench *b, unsigned port, struct tracking_memory *m,
                        struct tracking_ask *out)
{
    const struct bench_sent *s = last_sent(b, port);
    return s && tracking_ask_read(span_of(s->bytes, s->len), m, out) == ERR_OK;
}

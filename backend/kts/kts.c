#include "backend/kts/kts.h"

#include <openssl/crypto.h>
#include <string.h>

#include "backend/kts/kts_internal.h"
#include "lib/ccc/ecies.h"

static const char *const callers[] = {"vos", NULL};
static const struct port_spec ports[] = {
    [KTS_PORT_VOS] = {.name = "kts", .medium = "call", .end = PORT_LISTENS, .callers = callers}};
static const struct setting_spec settings[] = {
    /* 0: with its registration; until then the answer is RECEIPT_PENDING */
    [KTS_SETTING_SIGN_MS] = {.name = "sign_ms", .fallback = 0, .min = 0, .max = 86400000},
    {.name = NULL}};
static const struct claim_spec claims[] = {[KTS_CLAIM_KEY] = {.name = "key", .kind = CLAIM_EQUAL},
                                           [KTS_CLAIM_STATE] = {.name = "key-state", .kind = CLAIM_EQUAL},
                                           {.name = NULL}};
static const struct plant_item plant[] = {{KTS_KEY, PLANT_KEY, "ZZ2"},
                                          {KTS_CERTIFICATE, PLANT_CERTIFICATE, "ZZ2"},
                                          {KTS_ROOT, PLANT_CERTIFICATE, "J"},
                                          {KTS_SUB_CA, PLANT_CERTIFICATE, "J1"},
                                          {.key = NULL}};
static const char *const keys[] = {KTS_REGISTERED "+", NULL};
static const char *const secrets[] = {KTS_KEY, NULL};

/* What a phone shows of the key; our phones look over it. */
static const char ui_bundle[] = "{\"vehicle\":\"spaaksim One\"}";

/* ---- registration ---- */

static enum err commit(struct kts *k, const struct tracking_ask *a, const struct tracking_record *r)
{
    enum err e = tracking_record_put(k->env, KTS_REGISTERED, a->key_id, r);
    return e ? e : env_store_commit(k->env);
}

static enum err seal(struct kts *k, const struct tracking_ask *a, struct span plain,
                     struct tracking_record *r)
{
    struct p256_key *ephemeral = NULL;
    enum err e = plain.len + ECIES_OVERHEAD > sizeof r->sealed ? ERR_NO_SPACE
                                                               : p256_generate(k->env->crypto, &ephemeral);
    if (!e)
        e = ecies_seal(k->env->crypto, ephemeral, a->encryption_pk, plain, r->sealed);
    if (!e) {
        p256_public(ephemeral, r->ephemeral);
        r->sealed_len = plain.len + ECIES_OVERHEAD;
    }
    p256_free(ephemeral);
    return e;
}

/* Of what the vehicle has attested, without the device's key. */
static enum err sign(struct kts *k, const struct tracking_ask *a, const struct attestation *said,
                     struct tracking_record *r)
{
    uint8_t receipt[ATTESTATION_MAX], plain[ATTESTATION_MAX + sizeof ui_bundle + 8];
    struct wr w = wr_of(receipt, sizeof receipt), p = wr_of(plain, sizeof plain);
    enum err e = attestation_make(k->env->crypto, said, ATTESTATION_RECEIPT, k->key, &w);
    if (e)
        return e;
    receipt_put(&p, span_of(receipt, w.len), span_of(ui_bundle, sizeof ui_bundle - 1));
    return p.failed ? ERR_NO_SPACE : seal(k, a, span_of(plain, p.len), r);
}

/* OP-05/1: once; later it is only looked up. */
static enum err sign_and_store(struct kts *k, const struct tracking_ask *a, const struct attestation *said,
                               struct tracking_record *r)
{
    enum err e = sign(k, a, said, r);
    if (!e)
        e = commit(k, a, r);
    if (!e)
        env_trace_step(k->env, "OP-05/1", "registers the key, signs and seals its receipt");
    return e;
}

static enum err begin(struct kts *k, const struct tracking_ask *a, const struct attestation *said,
                      struct tracking_record *r)
{
    enum err e = tracking_record_begin(k->env, a, r);
    if (e)
        return e;
    memcpy(r->slot, said->slot.b, said->slot.len);
    r->slot_len = said->slot.len;
    return ERR_OK;
}

static enum err find_or_register(struct kts *k, const struct tracking_ask *a, const struct attestation *said,
                                 struct tracking_record *r)
{
    enum err e = tracking_record_find(k->env, KTS_REGISTERED, a, r);
    if (e != ERR_NOT_FOUND)
        return e;
    e = begin(k, a, said, r);
    if (!e && k->sign_ms) {
        e = commit(k, a, r);
        if (!e)
            env_trace_note(k->env, TRACE_NOTE, "registers a key; its receipt is signed later");
    }
    return e;
}

static enum err serve(struct kts *k, const struct tracking_ask *a, struct tracking_record *r)
{
    struct attestation said;
    enum err e = kts_check(k, a, &said);
    if (!e)
        e = find_or_register(k, a, &said, r);
    if (e || r->sealed_len)
        return e;
    if (env_wall_ms(k->env) - r->registered_ms < k->sign_ms)
        return ERR_RECEIPT_PENDING;
    return sign_and_store(k, a, &said, r);
}

/* ---- answers ---- */

static void answer(struct kts *k, const char *caller, const struct tracking_answer *a)
{
    uint8_t out[TRACKING_SEALED_MAX + 128];
    struct wr w = wr_of(out, sizeof out);
    enum err e = tracking_answer_write(a, &w);
    if (!e)
        e = env_send_bytes(k->env, KTS_PORT_VOS, caller, span_of(out, w.len));
    if (e) /* it asks again, and gets the same */
        env_trace_reason(k->env, TRACE_FAIL, NULL, "TrackResponse", e, 0, "it was not sent");
}

/* One that waits for its receipt was stored: that is no refusal. */
static void tell(struct kts *k, enum err e, size_t len)
{
    if (e)
        env_trace_reason(k->env, e == ERR_RECEIPT_PENDING ? TRACE_HOLD : TRACE_REJECT, "OP-05/1",
                         "TrackRequest", e, (uint32_t)len, NULL);
}

static void on_track(struct kts *k, const char *caller, struct span bytes)
{
    struct tracking_memory memory;
    struct tracking_record r;
    struct tracking_ask a;
    enum err e = tracking_ask_read(bytes, &memory, &a);
    if (e) {
        tell(k, e, bytes.len); /* nobody knows which request it answers */
        return;
    }
    struct tracking_answer said = {.number = a.number, .error = serve(k, &a, &r)};
    tell(k, said.error, bytes.len);
    if (!said.error) {
        manage_claim_record(k->env, KTS_CLAIM_KEY, KTS_CLAIM_STATE, a.key_id, &r);
        memcpy(said.ephemeral, r.ephemeral, P256_POINT);
        said.sealed = span_of(r.sealed, r.sealed_len);
    }
    answer(k, caller, &said);
}

static void kts_on_bytes(void *self, unsigned port, const char *caller, struct span bytes)
{
    (void)port;
    if (tracking_peek(bytes) == TRACKING_MANAGE)
        kts_on_manage(self, caller, bytes);
    else
        on_track(self, caller, bytes);
}

/* ---- life ---- */

static enum err load_certificate(struct kts *k, const char *name, struct kts_anchor *out)
{
    size_t len;
    enum err e = env_store_get(k->env, name, out->der, sizeof out->der, &len);
    return e ? e : x509_parse(span_of(out->der, len), &out->certificate);
}

/* A key that is not ZZ2's would sign what no vehicle takes. */
static enum err load_signer(struct kts *k)
{
    uint8_t scalar[P256_SCALAR], point[P256_POINT];
    size_t len;
    struct kts_anchor zz2;
    enum err e = load_certificate(k, KTS_CERTIFICATE, &zz2);
    if (!e)
        e = env_store_get(k->env, KTS_KEY, scalar, sizeof scalar, &len);
    if (!e)
        e = len == sizeof scalar ? p256_from_private(k->env->crypto, scalar, &k->key) : ERR_STORE_FAILED;
    OPENSSL_cleanse(scalar, sizeof scalar);
    if (e)
        return e;
    p256_public(k->key, point);
    return memcmp(point, zz2.certificate.public_key, P256_POINT) == 0 ? ERR_OK : ERR_CERT_KEY_MISMATCH;
}

static enum err kts_init(void *self, struct env *env, const struct component_args *args)
{
    struct kts *k = self;
    k->env = env;
    k->sign_ms = (int64_t)args->settings[KTS_SETTING_SIGN_MS];
    enum err e = load_signer(k);
    if (!e)
        e = load_certificate(k, KTS_ROOT, &k->root);
    if (!e)
        e = load_certificate(k, KTS_SUB_CA, &k->sub_ca);
    if (!e)
        manage_claim_all(env, KTS_CLAIM_KEY, KTS_CLAIM_STATE, KTS_REGISTERED);
    return e;
}

static void kts_fini(void *self)
{
    struct kts *k = self;
    p256_free(k->key);
}

const struct component_class kts_class = {
    .name = "kts",
    .place = PLACE_BACK_END,
    .stores = true,
    .keys = keys,
    .size = sizeof(struct kts),
    .message_max = TRACKING_MESSAGE_MAX,
    .ports = ports,
    .port_count = sizeof ports / sizeof ports[0],
    .settings = settings,
    .claims = claims,
    .secrets = secrets,
    .sealed = secrets,
    .plant = plant,
    .init = kts_init,
    .fini = kts_fini,
    .on_bytes = kts_on_bytes,
};

/* Figures of the Digital Key library: SPAKE2+, transactions, whole pairings, each as a share of the OpenSSL
 * operations that the protocol cannot do without, measured in the same run. One core, no scrypt. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/ccc/applet_message.h"
#include "lib/ccc/ecies.h"
#include "tests/figures.h"
#include "tests/pairing_rig.h"

#define ROUNDS \
    51 /* medians of so many, short ones: who shares the machine is felt by floor and figure alike */

/* ---- the operations themselves ---- */

struct floor_costs {
    double keygen, sign, verify, ecdh;
    double base_mul, point_mul; /* k*G and k*P on bare points */
    double hkdf;                /* 64 bytes, context reused */
};

struct floor_tools {
    struct crypto *c;
    struct p256_key *a, *b;
    uint8_t b_pk[P256_POINT], digest[SHA256_SIZE], sig[P256_SIG_MAX], x[32];
    size_t sig_len;
    BIGNUM *k;
    BN_CTX *bn;
    EC_POINT *p, *r;
    EVP_KDF_CTX *kdf;
};

static void do_keygen(struct floor_tools *t)
{
    struct p256_key *k;
    figure_must(p256_generate(t->c, &k) == ERR_OK, "keygen");
    p256_free(k);
}

static void do_sign(struct floor_tools *t)
{
    figure_must(p256_sign(t->a, t->digest, t->sig, &t->sig_len) == ERR_OK, "sign");
}

static void do_verify(struct floor_tools *t)
{
    figure_must(p256_verify(t->a, t->digest, span_of(t->sig, t->sig_len)) == ERR_OK, "verify");
}

static void do_ecdh(struct floor_tools *t)
{
    figure_must(p256_ecdh_x(t->c, t->a, t->b_pk, t->x) == ERR_OK, "ecdh");
}

static void do_base_mul(struct floor_tools *t)
{
    figure_must(EC_POINT_mul(crypto_p256_group(t->c), t->r, t->k, NULL, NULL, t->bn) == 1, "k*G");
}

static void do_point_mul(struct floor_tools *t)
{
    figure_must(EC_POINT_mul(crypto_p256_group(t->c), t->r, NULL, t->p, t->k, t->bn) == 1, "k*P");
}

static void do_hkdf(struct floor_tools *t)
{
    uint8_t out[64];
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){"SHA256"}, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, t->digest, sizeof t->digest),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, t->b_pk, sizeof t->b_pk),
        OSSL_PARAM_construct_end(),
    };
    figure_must(EVP_KDF_derive(t->kdf, out, sizeof out, params) == 1, "hkdf");
}

static double time_of(void (*run)(struct floor_tools *t), struct floor_tools *t, int n)
{
    double start = cpu_s();
    for (int i = 0; i < n; i++)
        run(t);
    return (cpu_s() - start) / n;
}

static struct floor_tools make_tools(struct crypto *c)
{
    struct floor_tools t = {.c = c, .digest = {1}};
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    figure_must(p256_generate(c, &t.a) == ERR_OK && p256_generate(c, &t.b) == ERR_OK, "keys");
    p256_public(t.b, t.b_pk);
    t.bn = BN_CTX_new();
    t.p = EC_POINT_new(crypto_p256_group(c));
    t.r = EC_POINT_new(crypto_p256_group(c));
    t.kdf = EVP_KDF_CTX_new(kdf);
    EVP_KDF_free(kdf);
    uint8_t scalar[P256_SCALAR];
    figure_must(p256_private(t.a, scalar) == ERR_OK, "scalar");
    t.k = BN_bin2bn(scalar, sizeof scalar, NULL);
    BN_set_flags(t.k, BN_FLG_CONSTTIME);
    figure_must(EC_POINT_oct2point(crypto_p256_group(c), t.p, t.b_pk, sizeof t.b_pk, t.bn) == 1, "point");
    return t;
}

static void free_tools(struct floor_tools *t)
{
    p256_free(t->a);
    p256_free(t->b);
    BN_clear_free(t->k);
    BN_CTX_free(t->bn);
    EC_POINT_free(t->p);
    EC_POINT_free(t->r);
    EVP_KDF_CTX_free(t->kdf);
}

static struct floor_costs measure_floor(struct floor_tools *t)
{
    struct floor_costs f;
    f.keygen = time_of(do_keygen, t, 200);
    f.sign = time_of(do_sign, t, 200);
    f.verify = time_of(do_verify, t, 100);
    f.ecdh = time_of(do_ecdh, t, 100);
    f.base_mul = time_of(do_base_mul, t, 300);
    f.point_mul = time_of(do_point_mul, t, 100);
    f.hkdf = time_of(do_hkdf, t, 500);
    return f;
}

/* ---- what we do with them ---- */

/* Both sides, evidence compared, keys derived. */
static void spake_exchange(struct rig *r)
{
    struct spake2p v = {0}, p = {0};
    struct spake2p_keys vk, pk;
    uint8_t x[P256_SCALAR], y[P256_SCALAR], m1[SPAKE2P_EVIDENCE], m2[SPAKE2P_EVIDENCE];
    static const uint8_t tlv_5b[] = {0x5B, 2, 1, 0}, tlv_5c[] = {0x5C, 2, 1, 0};
    crypto_random(r->crypto, x, sizeof x);
    crypto_random(r->crypto, y, sizeof y);
    bool ok = spake2p_set_versions(&v, span_of(tlv_5b, 4), span_of(tlv_5c, 4)) == ERR_OK &&
              spake2p_set_versions(&p, span_of(tlv_5b, 4), span_of(tlv_5c, 4)) == ERR_OK &&
              spake2p_prover_begin(r->crypto, &p, &r->prover, x) == ERR_OK &&
              spake2p_verifier_begin(r->crypto, &v, &r->verifier, p.x, y, m1) == ERR_OK &&
              spake2p_prover_finish(r->crypto, &p, &r->prover, v.y, m1, m2, &pk) == ERR_OK &&
              spake2p_verifier_finish(r->crypto, &v, m2, &vk) == ERR_OK;
    figure_must(ok, "SPAKE2+");
}

static void standard(struct rig *r)
{
    bool fast;
    figure_must(rig_unlock(r, false, false, &fast) == ERR_OK && !fast, "standard transaction");
}

static void fast(struct rig *r)
{
    bool was_fast;
    figure_must(rig_unlock(r, true, false, &was_fast) == ERR_OK && was_fast, "fast transaction");
}

static void pairing(struct rig *r)
{
    rig_enter_password(r, true);
    enum err e = rig_pair(r);
    if (e)
        fprintf(stderr, "bench_ccc: %s: %s\n", err_name(e), err_text(e));
    figure_must(!e, "pairing");
}

/* What each needs at the least, both sides together. */
static double spake_floor(const struct floor_costs *f)
{
    return 2 * f->base_mul + 4 * f->point_mul;
}

static double standard_floor(const struct floor_costs *f)
{
    return 2 * (f->keygen + f->sign + f->verify + f->ecdh);
}

static double fast_floor(const struct floor_costs *f)
{
    return 2 * (f->keygen + f->hkdf);
}

/* SPAKE2+; the device's key and [H]; K by J1 by J; F, E, H; attestation and receipt signed and checked; the
 * receipt sealed and opened; the standard transactions of phases 3 and 4. */
static double pairing_floor(const struct floor_costs *f)
{
    return spake_floor(f) + f->keygen + f->sign + 5 * f->verify + 2 * (f->sign + f->verify) + f->keygen +
           2 * f->ecdh + 2 * standard_floor(f);
}

static const struct figure {
    const char *name, *floor_is;
    void (*run)(struct rig *r);
    double (*floor)(const struct floor_costs *f);
    int n;
    double goal;
} figures[] = {
    {.name = "spake2p_exchanges",
     .floor_is = "2 k*G and 4 k*P",
     .run = spake_exchange,
     .floor = spake_floor,
     .n = 100,
     .goal = 0.7},
    {.name = "standard_transactions",
     .floor_is = "2 keygen, sign, verify, ECDH",
     .run = standard,
     .floor = standard_floor,
     .n = 100,
     .goal = 0.7},
    {.name = "fast_transactions",
     .floor_is = "2 keygen, 2 HKDF",
     .run = fast,
     .floor = fast_floor,
     .n = 300,
     .goal = 0.5},
    {.name = "owner_pairings",
     .floor_is = "their P-256 operations",
     .run = pairing,
     .floor = pairing_floor,
     .n = 20,
     .goal = 0.5},
};

static void report(const struct figure *f, struct rig *r, struct floor_tools *t)
{
    double rate[ROUNDS], floor[ROUNDS], ratio[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        struct floor_costs costs = measure_floor(t);
        double start = cpu_s();
        for (int j = 0; j < f->n; j++)
            f->run(r);
        rate[i] = f->n / (cpu_s() - start);
        floor[i] = 1 / f->floor(&costs);
        ratio[i] = rate[i] / floor[i];
    }
    printf(
        "{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"1/s\",\"floor\":%.6g,\"floor_is\":\"%s\",\"ratio\":%.3g,"
        "\"goal\":%.3g}\n",
        f->name, figure_median(rate, ROUNDS), figure_median(floor, ROUNDS), f->floor_is,
        figure_median(ratio, ROUNDS), f->goal);
    fflush(stdout);
}

/* ---- what a stranger may learn from the time that an answer takes ---- */

#define STRANGER_ROUNDS 600

static double one_answer_ns(struct rig *r, const struct wr *apdu, uint16_t wanted)
{
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    struct dk_step s =
        dk_device_input(&r->device, DK_CONTACTLESS, DK_TO_SELECTED, span_of(apdu->buf, apdu->len));
    clock_gettime(CLOCK_MONOTONIC, &to);
    figure_must(s.what == DK_ANSWER && s.answer.len >= 2 &&
                    (s.answer.p[s.answer.len - 2] << 8 | s.answer.p[s.answer.len - 1]) == wanted,
                "a stranger's command");
    return (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
}

/* AUTH0 of the rig's vehicle or of none, and an AUTH1 that nobody signed. */
struct stranger {
    uint8_t auth0[APDU_COMMAND_MAX], auth1[APDU_COMMAND_MAX];
    struct wr auth0_w, auth1_w;
    double ns[STRANGER_ROUNDS];
};

static void make_stranger(struct rig *r, bool known, bool fast, struct stranger *s)
{
    uint8_t data[APDU_DATA_MAX];
    struct wr w = wr_of(data, sizeof data);
    struct transaction t = {.version = {1, 0}};
    struct p256_key *k;
    figure_must(p256_generate(r->crypto, &k) == ERR_OK, "keygen");
    p256_public(k, t.vehicle_epk);
    p256_free(k);
    memcpy(t.vehicle_id, known ? r->applet.keys[0].creation.vehicle_id : t.id, sizeof t.vehicle_id);
    applet_auth0_put(&w, &t);
    s->auth0_w = wr_of(s->auth0, sizeof s->auth0);
    apdu_command_put(&s->auth0_w, &(struct apdu_command){APDU_CLA_PLAIN, APDU_AUTH0, fast, TRANSACTION_UNLOCK,
                                                         span_of(data, w.len), true});
    memset(data, 0x5A, sizeof data);
    data[0] = APPLET_TAG_SIGNATURE;
    data[1] = SIGNATURE_SIZE;
    s->auth1_w = wr_of(s->auth1, sizeof s->auth1);
    apdu_command_put(&s->auth1_w, &(struct apdu_command){APDU_CLA_PLAIN, APDU_AUTH1, 0, 0,
                                                         span_of(data, 2 + SIGNATURE_SIZE), true});
}

static double middle(struct stranger *s)
{
    return figure_median(s->ns, STRANGER_ROUNDS);
}

/* In turn, so that both have the same machine. */
static void report_stranger(struct rig *r, const char *name, bool fast, bool auth1)
{
    static struct stranger both[2];
    for (int who = 0; who < 2; who++)
        make_stranger(r, who == 0, fast, &both[who]);
    for (int i = 0; i < 2 * STRANGER_ROUNDS; i++) {
        struct stranger *s = &both[i & 1];
        double ns = one_answer_ns(r, &s->auth0_w, APDU_SW_OK);
        s->ns[i / 2] = auth1 ? one_answer_ns(r, &s->auth1_w, APDU_SW_WRONG_DATA) : ns;
    }
    double known = middle(&both[0]), unknown = middle(&both[1]);
    printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"ns\",\"floor\":%.6g,\"floor_is\":\"the same for a "
           "known vehicle\",\"ratio\":%.3g,\"goal\":0.9}\n",
           name, unknown, known, known < unknown ? known / unknown : unknown / known);
}

static void report_strangers(struct rig *r)
{
    uint8_t apdu[APDU_COMMAND_MAX];
    struct wr w = wr_of(apdu, sizeof apdu);
    apdu_command_put(&w, &(struct apdu_command){APDU_CLA_ISO, APDU_SELECT, 0x04, 0,
                                                span_of(apdu_aid_applet, APDU_AID), true});
    one_answer_ns(r, &w, APDU_SW_OK);
    report_stranger(r, "stranger_auth0", false, false);
    report_stranger(r, "stranger_auth0_fast", true, false);
    report_stranger(r, "stranger_auth1", false, true);
}

int main(void)
{
    struct rig *r = rig_new(test_crypto());
    struct floor_tools t = make_tools(test_crypto());
    pairing(r);
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        report(&figures[i], r, &t);
    report_strangers(r);
    free_tools(&t);
    rig_free(r);
    return 0;
}

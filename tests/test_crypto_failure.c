/* OpenSSL refuses each of the calls that an operation makes, one after the other: the operation ends with a
 * reason, hands nothing out, keeps no secret, and succeeds when it is tried again. Leaks are the sanitizers'
 * to see. */
#include "lib/ccc/attestation.h"
#include "lib/ccc/channel.h"
#include "lib/ccc/dk_cert.h"
#include "lib/ccc/ecies.h"
#include "lib/ccc/first_approach.h"
#include "lib/ccc/transaction.h"
#include "tests/ccc_samples.h"
#include "tests/failing_openssl.h"
#include "tests/foreign_cert.h"
#include "tests/support.h"

/* What the operations need, made with an OpenSSL that does not fail. A fresh crypto context has looked
 * nothing up. */
static struct {
    struct crypto *c;
    struct p256_key *key, *other;
    uint8_t scalar[P256_SCALAR], pk[P256_POINT], other_pk[P256_POINT];
    struct spake2p_prover_set prover;
    struct spake2p_verifier_set verifier;
    struct spake2p device, vehicle;
    uint8_t m1[SPAKE2P_EVIDENCE], m2[SPAKE2P_EVIDENCE];
    struct channel channel;
    uint8_t command[APDU_COMMAND_MAX], response[APDU_RESPONSE_MAX];
    size_t command_len, response_len;
    struct transaction transaction;
    uint8_t signature[SIGNATURE_SIZE];
    uint8_t sealed[ECIES_OVERHEAD + 21], request[FIRST_APPROACH_REQUEST], answer[FIRST_APPROACH_RESPONSE];
    struct first_approach_keys approach;
    struct attestation statement;
    uint8_t attestation[ATTESTATION_MAX];
    size_t attestation_len;
    uint8_t root_der[X509_MAX], vehicle_der[X509_MAX];
    size_t vehicle_len;
    struct x509 root;
    struct endpoint_creation creation;
} g;

static const uint8_t data[21] = "key tracking receipt";
static const uint8_t nonces[2][FIRST_APPROACH_NONCE] = {{1}, {2}};
static uint8_t out[X509_MAX]; /* what an operation hands out */

static void prepare_spake(void)
{
    HEX(w0, V1_W0);
    HEX(w1, V1_W1);
    HEX(x, V1_XS);
    HEX(y, V1_YS);
    ASSERT_OK(spake2p_prover_set_make(g.c, w0, w1, &g.prover));
    ASSERT_OK(spake2p_register(g.c, w0, w1, &g.verifier));
    ASSERT_OK(spake2p_prover_begin(g.c, &g.device, &g.prover, x));
    ASSERT_OK(spake2p_verifier_begin(g.c, &g.vehicle, &g.verifier, g.device.x, y, g.m1));
    memcpy(g.m2, g.vehicle.evidence, sizeof g.m2);
}

static void prepare_channel(void)
{
    struct channel peer;
    struct wr command = wr_of(g.command, sizeof g.command), response = wr_of(g.response, sizeof g.response);
    channel_open(&g.channel, &channel_framework, data, data, data);
    peer = g.channel;
    ASSERT_OK(channel_wrap_command(g.c, &peer, APDU_WRITE_DATA, 0, 0, span_of(data, sizeof data), &command));
    g.command_len = command.len;
    peer = g.channel;
    ASSERT_OK(channel_wrap_response(g.c, &peer, span_of(data, sizeof data), APDU_SW_OK, &response));
    g.response_len = response.len;
}

static void prepare_certificates(void)
{
    const struct foreign_cert j = {
        .subject = "OEM", .issuer = "OEM", .key = g.key, .issuer_key = g.key, .path_len = -1, .ccc_type = 9};
    const struct foreign_cert k = {.subject = "V.spaaksim.EU.0001.00010123456789AB",
                                   .issuer = "OEM",
                                   .key = g.other,
                                   .issuer_key = g.key,
                                   .path_len = -2,
                                   .ccc_type = 1};
    ASSERT_OK(x509_parse(span_of(g.root_der, foreign_cert_make(g.c, &j, g.root_der)), &g.root));
    g.vehicle_len = foreign_cert_make(g.c, &k, g.vehicle_der);
    g.creation = some_creation();
    memcpy(g.creation.vehicle_pk, g.other_pk, P256_POINT);
}

static void prepare(void)
{
    g.c = crypto_new(NULL);
    ASSERT_OK(p256_generate(g.c, &g.key));
    ASSERT_OK(p256_generate(g.c, &g.other));
    ASSERT_OK(p256_private(g.key, g.scalar));
    p256_public(g.key, g.pk);
    p256_public(g.other, g.other_pk);
    prepare_spake();
    prepare_channel();
    prepare_certificates();
    memcpy(g.transaction.vehicle_epk, g.pk, P256_POINT);
    memcpy(g.transaction.endpoint_epk, g.other_pk, P256_POINT);
    ASSERT_OK(transaction_sign(g.c, &g.transaction, TRANSACTION_VEHICLE, g.key, g.signature));
    ASSERT_OK(ecies_seal(g.c, g.other, g.pk, span_of(data, sizeof data), g.sealed));
    ASSERT_OK(first_approach_keys_make(g.c, data, data, span_of(data, 8), &g.approach));
    uint8_t oob[FIRST_APPROACH_OOB] = {0};
    ASSERT_OK(first_approach_create_request(g.c, &g.approach, nonces, oob, g.request));
    ASSERT_OK(first_approach_create_response(g.c, &g.approach, nonces[0], oob, g.answer));
    g.statement = (struct attestation){.slot = {.b = {9}, .len = 8}};
    struct wr w = wr_of(g.attestation, sizeof g.attestation);
    ASSERT_OK(attestation_make(g.c, &g.statement, ATTESTATION_RECEIPT, g.key, &w));
    g.attestation_len = w.len;
}

static void clean_up(void)
{
    p256_free(g.key);
    p256_free(g.other);
    crypto_free(g.c);
}

TestSuite(crypto_failure, .init = prepare, .fini = clean_up);

/* ---- the operations: what they hand out goes to out ---- */

static enum err deliver(enum err e, const void *what, size_t len)
{
    if (!e)
        memcpy(out, what, len);
    return e;
}

static enum err derive(struct crypto *c)
{
    uint8_t w[2][P256_SCALAR];
    const struct spake2p_scrypt s = {.n = SPAKE2P_N_MIN, .r = SPAKE2P_R, .p = SPAKE2P_P};
    return deliver(spake2p_derive(c, span_of("00000000", 8), &s, w[0], w[1]), w, sizeof w);
}

static enum err make_verifier(struct crypto *c)
{
    struct spake2p_verifier_set set = {0};
    enum err e = spake2p_register(c, g.prover.w0, g.prover.w1, &set);
    cr_expect(e == ERR_OK || is_wiped(&set, sizeof set));
    return deliver(e, &set, sizeof set);
}

static enum err make_prover(struct crypto *c)
{
    struct spake2p_prover_set set = {0};
    enum err e = spake2p_prover_set_make(c, g.prover.w0, g.prover.w1, &set);
    cr_expect(e == ERR_OK || is_wiped(&set, sizeof set));
    return deliver(e, &set, sizeof set);
}

static enum err prover_begin(struct crypto *c)
{
    struct spake2p s = {0};
    enum err e = spake2p_prover_begin(c, &s, &g.prover, g.scalar);
    cr_expect(e == ERR_OK || is_wiped(&s, sizeof s));
    return deliver(e, s.x, P256_POINT);
}

static enum err prover_finish(struct crypto *c)
{
    struct spake2p s = g.device;
    struct spake2p_keys keys = {0};
    uint8_t m2[SPAKE2P_EVIDENCE] = {0};
    enum err e = spake2p_prover_finish(c, &s, &g.prover, g.vehicle.y, g.m1, m2, &keys);
    cr_expect(is_wiped(&s, sizeof s));
    cr_expect(e == ERR_OK || (is_wiped(&keys, sizeof keys) && is_wiped(m2, sizeof m2)));
    return deliver(e, &keys, sizeof keys);
}

static enum err verifier_begin(struct crypto *c)
{
    struct spake2p s = {0};
    uint8_t m1[SPAKE2P_EVIDENCE] = {0};
    enum err e = spake2p_verifier_begin(c, &s, &g.verifier, g.device.x, g.scalar, m1);
    cr_expect(e == ERR_OK || (is_wiped(&s, sizeof s) && is_wiped(m1, sizeof m1)));
    return deliver(e, m1, sizeof m1);
}

static enum err wrap_command(struct crypto *c)
{
    struct channel ch = g.channel;
    uint8_t buf[APDU_COMMAND_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    enum err e = channel_wrap_command(c, &ch, APDU_WRITE_DATA, 0, 0, span_of(data, sizeof data), &w);
    cr_expect(e == ERR_OK || (is_wiped(&ch, sizeof ch) && w.len == 0), "closed, and nothing is sent");
    return deliver(e, buf, w.len);
}

static enum err unwrap_command(struct crypto *c)
{
    struct channel ch = g.channel;
    struct apdu_command command;
    uint8_t plain[CCC_BLOCK * 16] = {0};
    size_t len;
    ASSERT_OK(apdu_command_parse(span_of(g.command, g.command_len), &command));
    enum err e = channel_unwrap_command(c, &ch, &command, plain, &len);
    cr_expect(e == ERR_OK || (is_wiped(&ch, sizeof ch) && is_wiped(plain, sizeof plain)));
    return deliver(e, plain, sizeof data);
}

static enum err wrap_response(struct crypto *c)
{
    struct channel ch = g.channel;
    uint8_t buf[APDU_RESPONSE_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    enum err e = channel_wrap_response(c, &ch, span_of(data, sizeof data), APDU_SW_OK, &w);
    cr_expect(e == ERR_OK || (is_wiped(&ch, sizeof ch) && w.len == 0), "closed, and nothing is sent");
    return deliver(e, buf, w.len);
}

static enum err unwrap_response(struct crypto *c)
{
    struct channel ch = g.channel;
    uint8_t plain[CCC_BLOCK * 16] = {0};
    size_t len;
    enum err e =
        channel_unwrap_response(c, &ch, span_of(g.response, g.response_len - 2), APDU_SW_OK, plain, &len);
    cr_expect(e == ERR_OK || (is_wiped(&ch, sizeof ch) && is_wiped(plain, sizeof plain)));
    return deliver(e, plain, sizeof data);
}

static enum err step_channel(struct crypto *c)
{
    struct channel ch = g.channel;
    enum err e = channel_continue(c, &ch);
    cr_expect(e == ERR_OK || is_wiped(&ch, sizeof ch));
    return deliver(e, ch.mcv, CCC_BLOCK);
}

static enum err standard_keys(struct crypto *c)
{
    struct transaction_keys keys = {0};
    uint8_t kpersistent[TRANSACTION_KPERSISTENT] = {0};
    enum err e = transaction_standard_keys(c, &g.transaction, g.key, g.other_pk, &keys, kpersistent);
    cr_expect(e == ERR_OK || (is_wiped(&keys, sizeof keys) && is_wiped(kpersistent, sizeof kpersistent)));
    return deliver(e, &keys, sizeof keys);
}

static enum err sign(struct crypto *c)
{
    uint8_t signature[SIGNATURE_SIZE] = {0};
    enum err e = transaction_sign(c, &g.transaction, TRANSACTION_VEHICLE, g.key, signature);
    cr_expect(e == ERR_OK || is_wiped(signature, sizeof signature));
    return e;
}

static enum err verify(struct crypto *c)
{
    return transaction_verify(c, &g.transaction, TRANSACTION_VEHICLE, g.key, g.signature);
}

static enum err seal(struct crypto *c)
{
    uint8_t sealed[sizeof g.sealed];
    return deliver(ecies_seal(c, g.other, g.pk, span_of(data, sizeof data), sealed), sealed, sizeof sealed);
}

static enum err open_sealed(struct crypto *c)
{
    uint8_t plain[sizeof data] = {0};
    enum err e = ecies_open(c, g.key, g.other_pk, span_of(g.sealed, sizeof g.sealed), plain);
    cr_expect(e == ERR_OK || is_wiped(plain, sizeof plain));
    return deliver(e, plain, sizeof plain);
}

static enum err create_request(struct crypto *c)
{
    uint8_t request[FIRST_APPROACH_REQUEST], oob[FIRST_APPROACH_OOB] = {0};
    return deliver(first_approach_create_request(c, &g.approach, nonces, oob, request), request,
                   sizeof request);
}

static enum err consume_request(struct crypto *c)
{
    uint8_t oob[FIRST_APPROACH_OOB];
    return deliver(first_approach_consume_request(c, &g.approach, span_of(g.request, sizeof g.request), oob),
                   oob, sizeof oob);
}

static enum err consume_response(struct crypto *c)
{
    uint8_t oob[FIRST_APPROACH_OOB];
    return deliver(first_approach_consume_response(c, &g.approach, span_of(g.answer, sizeof g.answer), oob),
                   oob, sizeof oob);
}

static enum err attest(struct crypto *c)
{
    uint8_t buf[ATTESTATION_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    enum err e = attestation_make(c, &g.statement, ATTESTATION_RECEIPT, g.key, &w);
    cr_expect(e == ERR_OK || w.len == 0, "half a statement");
    return e;
}

static enum err check_receipt(struct crypto *c)
{
    return attestation_check_receipt(c, span_of(g.attestation, g.attestation_len), g.pk, &g.statement);
}

static enum err issue_endpoint(struct crypto *c)
{
    const struct dk_cert_endpoint t = {&g.creation, "E.phone.01", "I.phone.car",
                                       g.other_pk,  TEST_NOW_S,   DK_CERT_NO_END_S};
    uint8_t der[X509_MAX];
    size_t len = 0;
    enum err e = dk_cert_issue_endpoint(c, &t, g.key, der, &len);
    cr_expect(e == ERR_OK || len == 0);
    return e;
}

static enum err check_vehicle(struct crypto *c)
{
    const struct dk_cert_vehicle_chain chain = {
        .vehicle = span_of(g.vehicle_der, g.vehicle_len), .roots = &g.root, .n_roots = 1};
    return dk_cert_check_vehicle(c, &chain, &g.creation, TEST_NOW_S);
}

static enum err check_key(enum err e, struct p256_key *k)
{
    cr_expect(eq(int, e == ERR_OK, k != NULL));
    p256_free(k);
    return e;
}

static enum err generate(struct crypto *c)
{
    struct p256_key *k;
    enum err e = p256_generate(c, &k);
    return check_key(e, k);
}

static enum err from_private(struct crypto *c)
{
    struct p256_key *k;
    enum err e = p256_from_private(c, g.scalar, &k);
    return check_key(e, k);
}

static enum err from_public(struct crypto *c)
{
    struct p256_key *k;
    enum err e = p256_from_public(c, g.pk, &k);
    return check_key(e, k);
}

static enum err private_part(struct crypto *c)
{
    uint8_t scalar[P256_SCALAR];
    (void)c;
    return deliver(p256_private(g.key, scalar), scalar, sizeof scalar);
}

/* allowed: besides ERR_CRYPTO_FAILED, where OpenSSL does not say whether it could not or the input is wrong
 */
static const struct {
    const char *name;
    enum err (*run)(struct crypto *c);
    enum err allowed[2];
} operations[] = {
    {"spake2p_derive", derive, {ERR_CRYPTO_FAILED}},
    {"spake2p_register", make_verifier, {ERR_KEY_INVALID}},
    {"spake2p_prover_set_make", make_prover, {ERR_KEY_INVALID}},
    {"spake2p_prover_begin", prover_begin, {ERR_KEY_INVALID}},
    {"spake2p_prover_finish", prover_finish, {ERR_KEY_INVALID}},
    {"spake2p_verifier_begin", verifier_begin, {ERR_KEY_INVALID}},
    {"channel_wrap_command", wrap_command, {ERR_CRYPTO_FAILED}},
    {"channel_unwrap_command", unwrap_command, {ERR_CRYPTO_FAILED}},
    {"channel_wrap_response", wrap_response, {ERR_CRYPTO_FAILED}},
    {"channel_unwrap_response", unwrap_response, {ERR_CRYPTO_FAILED}},
    {"channel_continue", step_channel, {ERR_CRYPTO_FAILED}},
    {"transaction_standard_keys", standard_keys, {ERR_KEY_INVALID}},
    {"transaction_sign", sign, {ERR_CRYPTO_FAILED}},
    {"transaction_verify", verify, {ERR_SIGNATURE_INVALID}},
    {"ecies_seal", seal, {ERR_KEY_INVALID}},
    {"ecies_open", open_sealed, {ERR_KEY_INVALID, ERR_SIGNATURE_INVALID}},
    {"first_approach_create_request", create_request, {ERR_CRYPTO_FAILED}},
    {"first_approach_consume_request", consume_request, {ERR_SIGNATURE_INVALID, ERR_NOT_FOUND}},
    {"first_approach_consume_response", consume_response, {ERR_SIGNATURE_INVALID}},
    {"attestation_make", attest, {ERR_CRYPTO_FAILED}},
    {"attestation_check_receipt", check_receipt, {ERR_KEY_INVALID, ERR_SIGNATURE_INVALID}},
    {"dk_cert_issue_endpoint", issue_endpoint, {ERR_CRYPTO_FAILED}},
    {"dk_cert_check_vehicle", check_vehicle, {ERR_KEY_INVALID, ERR_CERT_SIGNATURE}},
    {"p256_generate", generate, {ERR_CRYPTO_FAILED}},
    {"p256_from_private", from_private, {ERR_CRYPTO_FAILED}},
    {"p256_from_public", from_public, {ERR_KEY_INVALID}},
    {"p256_private", private_part, {ERR_CRYPTO_FAILED}},
};

Test(crypto_failure, every_call_of_every_operation)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        bool failed = true;
        size_t n = 1;
        for (; failed && n < 200; n++) {
            struct crypto *c = crypto_new(NULL);
            crypto_p256_group(c);
            memset(out, 0, sizeof out);
            failing_openssl_arm(n);
            enum err e = operations[i].run(c);
            failed = failing_openssl_disarm();
            cr_expect(eq(int, e != ERR_OK, failed), "%s, call %zu: %s", operations[i].name, n, err_name(e));
            cr_expect(e == ERR_OK || e == ERR_CRYPTO_FAILED || e == operations[i].allowed[0] ||
                          e == operations[i].allowed[1],
                      "%s, call %zu: %s", operations[i].name, n, err_name(e));
            EXPECT_OK(operations[i].run(c), "%s, again after call %zu", operations[i].name, n);
            crypto_free(c);
        }
        cr_expect(n > 2 && !failed, "%s makes calls, and no more than these", operations[i].name);
    }
}

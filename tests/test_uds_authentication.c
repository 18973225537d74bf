/* Authentication (29) by certificate, as a gateway has it: the certificates here are a first byte. 30 is a
 * good one, 31 a good one that takes a while, 5x is refused with NRC 5x. */
#include "tests/check.h"
#include "tests/uds_rows.h"

#define CHALLENGE "7777777777777777777777777777777777777777777777777777777777777777"

enum { IN_EXTENDED = UDS_IN(1) };

static struct uds_ecu_bench bench;
static unsigned changes, certificates, proofs;

static void put_challenge(struct wr *out)
{
    for (int i = 0; i < 32; i++)
        wr_u8(out, 0x77);
}

static enum uds_nrc verify_certificate(void *ctx, uint8_t configuration, struct span certificate,
                                       struct span challenge, uint32_t ticket, struct wr *challenge_server)
{
    (void)ctx;
    (void)ticket;
    (void)challenge;
    certificates++;
    if (configuration)
        return UDS_NRC_CONFIGURATION;
    if (certificate.len == 0)
        return UDS_NRC_CERT_FORMAT;
    if (certificate.p[0] == 0x31)
        return UDS_NRC_PENDING;
    if (certificate.p[0] != 0x30)
        return (enum uds_nrc)certificate.p[0];
    put_challenge(challenge_server);
    return UDS_OK;
}

static enum uds_nrc verify_proof(void *ctx, struct span proof, struct span ephemeral, uint32_t ticket,
                                 struct wr *key_info)
{
    (void)ctx;
    (void)ticket;
    proofs++;
    wr_copy(key_info, ephemeral.p, ephemeral.len);
    return span_is(proof, "proof") ? UDS_OK : UDS_NRC_OWNERSHIP;
}

static void changed(void *ctx, const struct uds_server *s)
{
    (void)ctx;
    (void)s;
    changes++;
}

static enum uds_nrc read_gate(void *ctx, const struct uds_did *did, struct wr *out)
{
    const struct uds_ecu_bench *b = ctx;
    (void)did;
    wr_u8(out, b->server.authenticated);
    return UDS_OK;
}

static enum uds_nrc write_gate(void *ctx, const struct uds_did *did, struct span value, uint32_t ticket)
{
    (void)ctx;
    (void)did;
    (void)ticket;
    return value.p[0] > 1 ? UDS_NRC_OUT_OF_RANGE : UDS_OK;
}

#define ALL UDS_FREE_IN(UDS_IN_ALL)

static const struct uds_session sessions[] = {{.id = UDS_SESSION_DEFAULT, .p2_ms = 50, .p2_star_ms = 5000},
                                              {.id = UDS_SESSION_EXTENDED, .p2_ms = 50, .p2_star_ms = 5000}};
static const struct uds_subfunction enter[] = {{0x01, {ALL}}, {0x03, {ALL}}};
static const struct uds_subfunction authentication[] = {{UDS_AUTH_END, {ALL}},
                                                        {UDS_AUTH_CERTIFICATE, {UDS_FREE_IN(IN_EXTENDED)}},
                                                        {UDS_AUTH_PROOF, {UDS_FREE_IN(IN_EXTENDED)}},
                                                        {UDS_AUTH_CONFIGURATION, {ALL}}};
static const struct uds_subfunction reset[] = {{UDS_RESET_HARD, {UDS_CERTIFIED_IN(UDS_IN_ALL)}}};
static const struct uds_subfunction zero[] = {{0x00, {ALL}}};
static const struct uds_service services[] = {
    {UDS_SID_SESSION_CONTROL, {ALL}, UDS_SUBFUNCTIONS(enter)},
    {UDS_SID_ECU_RESET, {ALL}, UDS_SUBFUNCTIONS(reset)},
    {.sid = UDS_SID_CLEAR_DTCS, .access = {UDS_CERTIFIED_IN(UDS_IN_ALL)}},
    {.sid = UDS_SID_READ_DATA, .access = {ALL}},
    {UDS_SID_AUTHENTICATION, {ALL}, UDS_SUBFUNCTIONS(authentication)},
    {.sid = UDS_SID_WRITE_DATA, .access = {UDS_FREE_IN(IN_EXTENDED)}},
    {UDS_SID_TESTER_PRESENT, {ALL}, UDS_SUBFUNCTIONS(zero)},
};
static const struct uds_did dids[] = {
    {0x0250, 1, 1, {{ALL}}, {{UDS_CERTIFIED_IN(IN_EXTENDED)}}, read_gate, write_gate},
    {0x0251, 1, 1, {{UDS_CERTIFIED_IN(UDS_IN_ALL)}}, .read_value = read_gate},
};

static struct uds_ecu_bench *begin(void)
{
    static struct uds_ecu gate;
    struct crypto *c = bench.crypto ? bench.crypto : crypto_new(NULL);
    uds_ecu_open(&bench, c);
    gate = uds_ecu_spaak;
    gate.sessions = sessions;
    gate.session_count = 2;
    gate.services = services;
    gate.service_count = sizeof services / sizeof services[0];
    gate.dids = dids;
    gate.did_count = 2;
    gate.routine_count = gate.level_count = 0;
    gate.authenticator.verify_certificate = verify_certificate;
    gate.authenticator.verify_proof = verify_proof;
    gate.changed = changed;
    bench.table = &gate;
    uds_row_begin(&bench, UDS_ROW_DEFAULT);
    changes = certificates = proofs = 0;
    return &bench;
}

static void steps(struct uds_ecu_bench *b, const char *text)
{
    char why[UDS_ROW_WHY];
    cr_expect(uds_row_steps(b, text, why), "%s", why);
}

/* "proof" is 70726F6F66 */
#define CERTIFICATE "P 290100000230AA0000 > 6901110020" CHALLENGE "0000; "
#define PROOF       "P 2903000570726F6F660000 > 6903120000; "
#define OPEN        "P 1003 > *; " CERTIFICATE PROOF "P 220250 > 62025001; "

static const struct {
    const char *name, *steps;
} rows[] = {
    {"configuration is told in any session",
     "P 2908 > 690802; P 290800 > 7F2913; P 1003 > *; P 2908 > 690802"},
    {"certificates belong to the extended session", "P 29010000013000 > 7F297E; F 29010000013000 > -"},
    {"the gate opens", OPEN},
    {"other ways are not offered", "P 1003 > *; P 2902 > 7F2912; P 2905 > 7F2912; P 29 > 7F2913"},
    {"a proof without a challenge", "P 1003 > *; P 2903000570726F6F660000 > 7F2924"},
    {"a challenge is good for one proof", OPEN "P 2903000570726F6F660000 > 7F2924"},
    {"a wrong proof uses up the challenge",
     "P 1003 > *; " CERTIFICATE "P 29030001780000 > 7F2958; P 2903000570726F6F660000 > 7F2924"},
    {"a certificate that is refused drops an older challenge",
     "P 1003 > *; " CERTIFICATE "P 2901000001520000 > 7F2952; P 2903000570726F6F660000 > 7F2924"},
    {"a malformed request does not touch the challenge",
     "P 1003 > *; " CERTIFICATE "P 290100FFFF300000 > 7F2913; P 29030005787878 > 7F2913; " PROOF},
    {"each reason is told", "P 1003 > *; P 2901000001500000 > 7F2950; P 2901000001510000 > 7F2951; "
                            "P 2901000001530000 > 7F2953; P 2901000001560000 > 7F2956; P 2901000001570000 > "
                            "7F2957; P 2901070001300000 > 7F295C; P 29010000000000 > 7F2954"},
    {"lengths add up",
     "P 1003 > *; P 2901 > 7F2913; P 290100 > 7F2913; P 29010000 > 7F2913; P 2901000001 > 7F2913; "
     "P 290100000130 > 7F2913; P 29010000013000 > 7F2913; P 2901000001300001 > 7F2913; "
     "P 290100000130000000 > 7F2913; P 2903 > 7F2913; P 290300 > 7F2913; P 29030000 > 7F2913"},
    {"29 00 closes", OPEN "P 2900 > 690010; P 220250 > 62025000; P 2900 > 690010; P 290000 > 7F2913"},
    {"29 00 drops the challenge",
     "P 1003 > *; " CERTIFICATE "P 2900 > 690010; P 2903000570726F6F660000 > 7F2924"},
    {"10 01 closes", OPEN "P 1001 > *; P 220250 > 62025000"},
    {"10 03 again closes", OPEN "P 1003 > *; P 220250 > 62025000"},
    {"10 03 again drops the challenge",
     "P 1003 > *; " CERTIFICATE "P 1003 > *; P 2903000570726F6F660000 > 7F2924"},
    {"S3 closes", OPEN "wait 4900; P 220250 > 62025001; wait 5000; P 220250 > 62025000"},
    {"3E 80 holds it open",
     OPEN "wait 4000; F 3E80 > -; wait 4000; F 3E80 > -; wait 4000; P 220250 > 62025001"},
    {"bit 7: authenticated without an answer",
     "P 1003 > *; P 298100000230AA0000 > -; P 2983000570726F6F660000 > -; P 220250 > 62025001; P 2980 > -; P "
     "220250 > "
     "62025000"},
    {"34 for data",
     "P 1003 > *; P 2E025001 > 7F2E34; P 220251 > 7F2234; P 22025002510251 > 7F2234; P 2E0250 > 7F2E13; "
     "P 2E02500101 > 7F2E34"},
    {"34 for a service, and for a subfunction",
     "P 14FFFFFF > 7F1434; P 14 > 7F1434; P 1101 > 7F1134; P 110100 > 7F1134"},
    {"authenticated, it may",
     OPEN "P 2E025001 > 6E0250; P 2E02500101 > 7F2E13; P 2E025002 > 7F2E31; P 220251 > "
          "62025101; P 14FFFFFF > 54; P 1101 > 5101"},
    {"session key information is passed on",
     "P 1003 > *; " CERTIFICATE "P 2903000570726F6F660003010203 > 6903120003010203"},
};

Test(uds_authentication, rows)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char why[UDS_ROW_WHY];
        cr_expect(uds_row_steps(begin(), rows[i].steps, why), "%s: %s", rows[i].name, why);
    }
}

Test(uds_authentication, the_owner_is_told)
{
    struct uds_ecu_bench *b = begin();
    steps(b, OPEN);
    cr_expect(eq(uint, changes, 3), "session, challenge, rights");
    steps(b, "wait 5000");
    cr_expect(eq(uint, changes, 4));
    cr_expect(eq(uint, certificates, 1));
    cr_expect(eq(uint, proofs, 1));
}

/* The verdict comes; `fetch` sends what is no request, and so only takes the answer that waits. */
static void done(struct uds_ecu_bench *b, enum uds_nrc nrc, size_t len, const char *fetch)
{
    uint8_t challenge[40];
    memset(challenge, 0x77, sizeof challenge);
    EXPECT_OK(uds_server_done(&b->server, b->server.request.ticket, nrc, span_of(challenge, len), b->now_us));
    steps(b, fetch);
}

Test(uds_authentication, a_certificate_that_takes_a_while)
{
    struct uds_ecu_bench *b = begin();
    steps(b, "P 1003 > *; B 2901000001310000; wait 1000 > 7F2978; P 2903000570726F6F660000 > 7F2921");
    done(b, UDS_OK, 32, "P 7F > 6901110020" CHALLENGE "0000");
    cr_expect(b->server.challenged);
    steps(b, PROOF "P 220250 > 62025001");
}

Test(uds_authentication, a_certificate_that_takes_a_while_and_is_bad)
{
    struct uds_ecu_bench *b = begin();
    steps(b, "P 1003 > *; " CERTIFICATE "B 2901000001310000; wait 100 > 7F2978");
    done(b, UDS_NRC_CERT_CHAIN, 0, "P 7F > 7F2952");
    cr_expect(not(b->server.challenged));
    steps(b, "P 2903000570726F6F660000 > 7F2924");
}

/* The answer is lost with the challenge when 30 seconds do not suffice. */
Test(uds_authentication, a_certificate_that_takes_too_long)
{
    struct uds_ecu_bench *b = begin();
    steps(b, "P 1003 > *; B 2901000001310000; wait 30000 > *,*,*,*,*,*,*,7F2910; P 2903000570726F6F660000 > "
             "7F2924");
}

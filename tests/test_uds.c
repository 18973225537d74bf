/* The words of UDS: readable lines, names, trouble codes, seed and key. */
#include "lib/uds/uds_dtc.h"
#include "lib/uds/uds_security.h"
#include "tests/check.h"

/* ---- one line ---- */

static const struct {
    const char *pdu, *line;
} lines[] = {
    {"22F190", "ReadDataByIdentifier F190"},
    {"22F1860210", "ReadDataByIdentifier F186 0210"},
    {"22F19000", "ReadDataByIdentifier F190, 1 bytes"},
    {"62F19031535041414B3030303030303030303031", "positive: ReadDataByIdentifier F190, 17 bytes"},
    {"7F2231", "negative: 31 requestOutOfRange (ReadDataByIdentifier)"},
    {"7F2478", "pending: 78 requestCorrectlyReceivedResponsePending (service 24)"},
    {"7F22EE", "negative: EE reserved (ReadDataByIdentifier)"},
    {"7F22", "answer 7F, 1 bytes"},
    {"1003", "DiagnosticSessionControl 03 extended"},
    {"1083", "DiagnosticSessionControl 03 extended, no positive answer wanted"},
    {"5003003201F4", "positive: DiagnosticSessionControl 03 extended, 4 bytes"},
    {"1060", "DiagnosticSessionControl 60 supplier"},
    {"1101", "ECUReset 01 hard"},
    {"14FFFFFF", "ClearDiagnosticInformation FFFFFF"},
    {"54", "positive: ClearDiagnosticInformation"},
    {"190209", "ReadDTCInformation 02 byMask, 1 bytes"},
    {"2701", "SecurityAccess 01 requestSeed"},
    {"67011011", "positive: SecurityAccess 01 requestSeed, 2 bytes"},
    {"2702DEDC", "SecurityAccess 02 sendKey, 2 bytes"},
    {"280301", "CommunicationControl 03 off, 1 bytes"},
    {"2908", "Authentication 08 authenticationConfiguration"},
    {"2E0230012C", "WriteDataByIdentifier 0230, 2 bytes"},
    {"6E0230", "positive: WriteDataByIdentifier 0230"},
    {"310103010203", "RoutineControl 01 start 0301, 2 bytes"},
    {"3E80", "TesterPresent 00, no positive answer wanted"},
    {"8502", "ControlDTCSetting 02 off"},
    {"BA01", "service BA, 1 bytes"},
    {"FA", "answer FA, 0 bytes"},
    {"", "empty"},
};

Test(uds, describe)
{
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char line[UDS_LINE_MAX];
        HEX(pdu, lines[i].pdu);
        uds_describe(span_of(pdu, pdu_len), line);
        cr_expect(eq(str, line, (char *)lines[i].line), "%s", lines[i].pdu);
    }
}

/* Neither a long list nor a long name leaves the line. */
Test(uds, describe_is_bounded)
{
    uint8_t pdu[2048];
    char line[UDS_LINE_MAX];
    memset(pdu, 0x22, sizeof pdu);
    for (unsigned first = 0; first < 256; first++)
        for (size_t len = 0; len < sizeof pdu; len += len < 24 ? 1 : 337) {
            pdu[0] = (uint8_t)first;
            uds_describe(span_of(pdu, len), line);
            cr_assert(lt(sz, strlen(line), UDS_LINE_MAX));
        }
}

Test(uds, names)
{
    static const struct {
        unsigned nrc;
        const char *name;
    } codes[] = {{0x10, "generalReject"},
                 {0x11, "serviceNotSupported"},
                 {0x13, "incorrectMessageLengthOrInvalidFormat"},
                 {0x36, "exceedNumberOfAttempts"},
                 {0x58, "ownershipVerificationFailed"},
                 {0x72, "generalProgrammingFailure"},
                 {0x7F, "serviceNotSupportedInActiveSession"},
                 {0x00, "positiveResponse"},
                 {0x01, "reserved"}};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        cr_expect(eq(str, (char *)uds_nrc_name((enum uds_nrc)codes[i].nrc), (char *)codes[i].name));
    cr_expect(eq(str, (char *)uds_nrc_text(UDS_NRC_DELAY), "no seed before the delay has ended"));
    cr_expect(eq(str, (char *)uds_nrc_text((enum uds_nrc)0x01), "a code that has no meaning"));
    cr_expect(eq(str, (char *)uds_session_name(0x00), "reserved"));
    cr_expect(eq(str, (char *)uds_session_name(0x04), "safety"));
    cr_expect(eq(str, (char *)uds_session_name(0x05), "reserved"));
    cr_expect(eq(str, (char *)uds_session_name(0x5F), "maker"));
    cr_expect(eq(str, (char *)uds_session_name(0x7F), "reserved"));
}

/* Bit 7 of byte 2 is a bit of data where there is no subfunction. */
Test(uds, subfunctions)
{
    static const uint8_t with[] = {0x10, 0x11, 0x19, 0x27, 0x28, 0x29, 0x31, 0x3E, 0x85};
    for (unsigned sid = 0; sid < 256; sid++)
        cr_expect(eq(int, uds_sid_has_subfunction((uint8_t)sid), memchr(with, (int)sid, sizeof with) != NULL),
                  "%02X", sid);
}

/* ---- trouble codes ---- */

Test(uds, dtc_text)
{
    static const struct {
        const char *text;
        uint32_t dtc;
    } codes[] = {{"U0100-00", 0xC10000}, {"B1A01-51", 0x9A0151}, {"P0000-00", 0x000000},
                 {"C3FFF-FF", 0x7FFFFF}, {"U3FFF-FF", 0xFFFFFF}, {"U0198-87", 0xC19887}};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        char text[UDS_DTC_TEXT];
        uint32_t dtc = 0;
        uds_dtc_text(codes[i].dtc, text);
        cr_expect(eq(str, text, (char *)codes[i].text));
        EXPECT_OK(uds_dtc_parse(codes[i].text, &dtc));
        cr_expect(eq(u32, dtc, codes[i].dtc), "%s", codes[i].text);
    }
}

Test(uds, dtc_text_refused)
{
    static const char *const bad[] = {"",         "B",       "B1A01",    "B1A0151",  "X1A01-51",  "B4A01-51",
                                      "B1A0G-51", "B1A01-5", "b1a01-51", "B1A01 51", "B1A01-511", "B1a01-51"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint32_t dtc = 7;
        EXPECT_ERR(uds_dtc_parse(bad[i], &dtc), ERR_BAD_SYNTAX);
        cr_expect(eq(u32, dtc, 7), "%s", bad[i]);
    }
}

Test(uds, dtc_status)
{
    static const struct {
        const char *what;
        uint8_t (*move)(uint8_t);
        uint8_t before, after;
    } moves[] = {
        {"failed after a clear", uds_dtc_failed, 0x50, 0x2F},
        {"failed again", uds_dtc_failed, 0x2F, 0x2F},
        {"passed after a clear", uds_dtc_passed, 0x50, 0x00},
        {"passed after a failure: confirmed, and failed in this cycle", uds_dtc_passed, 0x2F, 0x2E},
        {"new cycle after a failure: still pending", uds_dtc_new_cycle, 0x2F, 0x6D},
        {"new cycle after a good one: no longer pending", uds_dtc_new_cycle, 0x2C, 0x68},
        {"new cycle after one without a test: still pending", uds_dtc_new_cycle, 0x6C, 0x6C},
        {"the lamp is the ECU's", uds_dtc_failed, 0x80, 0xAF},
    };
    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++)
        cr_expect(eq(u8, moves[i].move(moves[i].before), moves[i].after), "%s", moves[i].what);
    cr_expect(eq(u8, uds_dtc_cleared(), 0x50));
}

/* ---- seed and key ---- */

static const struct {
    uint8_t level;
    const char *k, *key;
} levels[] = {
    {0x01, "b982d65a6aaabdd55912e6eb0d73abd0", "dedc20ba7701cf7f654c398c876e94af"},
    {0x61, "f82b427fd2f5ca8073ce29efdc317eb2", "bbd3e562ec60322c990ef8ac1bd5c0d8"},
};

Test(uds, seed_and_key)
{
    struct crypto *c = crypto_new(NULL);
    HEX(m, "000102030405060708090A0B0C0D0E0F");
    HEX(seed, "101112131415161718191A1B1C1D1E1F");
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        uint8_t k[UDS_SECRET], key[UDS_KEY];
        ASSERT_OK(uds_security_ecu_key(c, m, levels[i].level, span_of("SPAAK00000001", 13), k));
        expect_hex(span_of(k, sizeof k), levels[i].k, "K");
        ASSERT_OK(uds_security_key(c, k, levels[i].level, seed, key));
        expect_hex(span_of(key, sizeof key), levels[i].key, "key");
    }
    crypto_free(c);
}

Test(uds, serial_too_long)
{
    struct crypto *c = crypto_new(NULL);
    uint8_t serial[UDS_SERIAL_MAX + 1] = {0}, m[UDS_SECRET] = {0}, k[UDS_SECRET];
    EXPECT_OK(uds_security_ecu_key(c, m, 1, span_of(serial, UDS_SERIAL_MAX), k));
    EXPECT_ERR(uds_security_ecu_key(c, m, 1, span_of(serial, UDS_SERIAL_MAX + 1), k), ERR_BAD_ARGUMENT);
    crypto_free(c);
}

Test(uds, seeds_differ)
{
    struct crypto *c = crypto_new(NULL);
    uint8_t a[UDS_SEED], b[UDS_SEED], zeros[UDS_SEED] = {0};
    uds_security_seed(c, a);
    uds_security_seed(c, b);
    cr_expect(ne(int, memcmp(a, b, sizeof a), 0));
    cr_expect(not(uds_security_seed_is_zero(a)));
    cr_expect(uds_security_seed_is_zero(zeros));
    crypto_free(c);
}

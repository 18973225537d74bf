/* From each message each TLV is left out, cut by a byte, and sent twice: what must be there is missed, what
 * may be is not, and nothing is taken twice or too short. */
#include "lib/ccc/applet_message.h"
#include "lib/ccc/attestation.h"
#include "lib/ccc/tlv.h"
#include "tests/ccc_samples.h"
#include "tests/support.h"

enum { WHOLE_MAX = 1600 };

static enum err parse_select(struct span in)
{
    struct op_select s;
    return op_select_parse(in, &s);
}

static enum err parse_request(struct span in)
{
    struct op_request r;
    return op_request_parse(in, &r);
}

/* The children of 7F50. */
static enum err parse_scrypt(struct span in)
{
    HEX(around, "5B0201005C020100D6020001");
    uint8_t data[200];
    struct wr w = wr_of(data, sizeof data);
    wr_copy(&w, around, around_len);
    tlv_put(&w, 0x7F50, in);
    return parse_request(span_of(data, w.len));
}

static enum err parse_verify(struct span in)
{
    const uint8_t *y, *m1;
    return op_verify_parse(in, &y, &m1);
}

static enum err parse_auth0(struct span in)
{
    struct applet_auth0 a;
    return applet_auth0_parse(in, &a);
}

static enum err parse_auth0_answer(struct span in)
{
    struct applet_auth0_answer a;
    return applet_auth0_answer_parse(in, true, &a);
}

static enum err parse_auth1_answer(struct span in)
{
    struct applet_auth1_answer a;
    return applet_auth1_answer_parse(in, &a);
}

static enum err parse_creation(struct span in)
{
    struct endpoint_creation e;
    return endpoint_creation_parse(in, &e);
}

static enum err parse_map(struct span in)
{
    struct mailbox_map m;
    return mailbox_map_parse(in, &m);
}

static enum err parse_config(struct span in)
{
    struct device_config d;
    return device_config_parse(in, &d);
}

static enum err parse_ble(struct span in)
{
    uint8_t ble[200], data[200];
    struct wr b = wr_of(ble, sizeof ble), w = wr_of(data, sizeof data);
    tlv_put(&b, 0x7F52, in);
    tlv_put(&w, 0x7F49, span_of(ble, b.len));
    return parse_config(span_of(data, w.len));
}

static enum err parse_sharing(struct span in)
{
    uint8_t data[200];
    struct wr w = wr_of(data, sizeof data);
    tlv_put_header(&w, 0x7F49, 0);
    tlv_put(&w, 0x7F60, in);
    return parse_config(span_of(data, w.len));
}

static enum err parse_key_data(struct span in)
{
    struct key_data k;
    return key_data_parse(in, &k);
}

/* ---- whole messages ---- */

static void put_zeros(struct wr *w, uint16_t tag, size_t len)
{
    static const uint8_t zeros[P256_POINT];
    tlv_put(w, tag, span_of(zeros, len));
}

static void put_select(struct wr *w)
{
    const struct op_select s = {{{0x0100}, 1}, {{0x0100}, 1}, true};
    op_select_put(w, &s);
}

static void put_request(struct wr *w)
{
    const struct op_request r = {.version = 0x0100, .applet = {{0x0100}, 1}};
    op_request_put(w, &r);
}

static void put_scrypt(struct wr *w)
{
    put_zeros(w, 0xC0, SPAKE2P_SALT);
    put_zeros(w, 0xC1, 4);
    put_zeros(w, 0xC2, 2);
    put_zeros(w, 0xC3, 2);
}

static void put_verify(struct wr *w)
{
    const uint8_t y[P256_POINT] = {4}, m1[SPAKE2P_EVIDENCE] = {0};
    op_verify_put(w, y, m1);
}

static void put_auth0(struct wr *w)
{
    const struct transaction t = {.version = {1, 0}};
    applet_auth0_put(w, &t);
}

static void put_auth0_answer(struct wr *w)
{
    put_zeros(w, APPLET_TAG_ENDPOINT_EPK, P256_POINT);
    put_zeros(w, APPLET_TAG_CRYPTOGRAM, CCC_KEY);
}

static void put_auth1_answer(struct wr *w)
{
    put_zeros(w, APPLET_TAG_SLOT, 1);
    put_zeros(w, APPLET_TAG_SIGNATURE, SIGNATURE_SIZE);
    put_zeros(w, APPLET_TAG_CONFIDENTIAL_PART, 2);
    put_zeros(w, APPLET_TAG_PRIVATE_PART, 2);
}

static void put_creation(struct wr *w)
{
    struct endpoint_creation e = some_creation();
    e.slot.len = 1;
    e.not_before_s = TEST_NOW_S;
    e.not_after_s = TEST_NOW_S + 1;
    endpoint_creation_put(w, &e);
}

static void put_map(struct wr *w)
{
    mailbox_map_put(w, &mailbox_map_default);
}

static const uint8_t some_bytes[CCC_KEY] = {1};

static struct device_config some_config(void)
{
    return (struct device_config){.versions = {{0x0100}, 1},
                                  .vehicle_info = span_of("1", 1),
                                  .auth1_confidential = {0, 16},
                                  .auth1_private = {2, 64},
                                  .sharing_password = true,
                                  .sharing_password_len = 6,
                                  .profiles = span_of(some_bytes, 1),
                                  .nfc = true,
                                  .sharing = {true, DEVICE_CONFIG_TOKEN_ONLINE, 2},
                                  .oem = span_of(some_bytes, 1)};
}

static void put_config(struct wr *w)
{
    const struct device_config d = some_config();
    device_config_put(w, &d);
}

static void put_ble(struct wr *w)
{
    put_zeros(w, 0xD0, CCC_KEY);
    put_zeros(w, 0xD1, DEVICE_CONFIG_BLE_ADDRESS);
    put_zeros(w, 0xD2, 1);
    put_zeros(w, 0xD3, CCC_KEY);
    put_zeros(w, 0xD4, CCC_KEY);
    put_zeros(w, 0xD5, CCC_KEY);
}

static void put_sharing(struct wr *w)
{
    put_zeros(w, 0xDA, 1);
    tlv_put(w, 0xDD, span_of(some_bytes, 1));
}

static void put_key_data(struct wr *w)
{
    static struct key_data_buffer b;
    const struct key_data k = {.creation = some_creation(),
                               .vehicle_certificate = span_of(some_bytes, 1),
                               .intermediate = span_of(some_bytes, 1),
                               .map = mailbox_map_default,
                               .config = some_config()};
    ASSERT_OK(key_data_put(&b, &k));
    wr_copy(w, b.bytes, b.len);
}

static const struct message {
    const char *name;
    void (*put)(struct wr *w);
    enum err (*parse)(struct span in);
    uint16_t optional[10]; /* may be left out */
    uint16_t flexible[10]; /* may be of another length, even 0 */
    uint16_t unchecked[4]; /* may come twice */
} messages[] = {
    {"SELECT", put_select, parse_select, {0}, {0}, {0}},
    {"REQUEST", put_request, parse_request, {0}, {0}, {0}},
    {"scrypt", put_scrypt, parse_scrypt, {0}, {0}, {0}},
    {"VERIFY", put_verify, parse_verify, {0}, {0}, {0}},
    {"AUTH0", put_auth0, parse_auth0, {0}, {0}, {0}},
    {"answer to AUTH0", put_auth0_answer, parse_auth0_answer, {0}, {0}, {0}},
    {"answer to AUTH1", put_auth1_answer, parse_auth1_answer, {0x4A, 0x4B}, {0x4A, 0x4B}, {0}},
    {"creation data", put_creation, parse_creation, {0x51, 0x52}, {0}, {0}},
    {"mapping", put_map, parse_map, {0xC2, 0xC3, 0xD2}, {0}, {0}},
    {"configuration",
     put_config,
     parse_config,
     {0x5B, 0x59, 0x4A, 0x4B, 0xD7, 0xD8, 0xD9, 0x7F60, 0x7F2A},
     {0x59, 0xD9, 0x7F2A},
     {0}},
    {"Bluetooth LE", put_ble, parse_ble, {0xD2, 0xD3, 0xD4, 0xD5}, {0}, {0}},
    {"sharing", put_sharing, parse_sharing, {0xDA, 0xDD}, {0}, {0}},
    /* certificates are looked at later; the end of data is checked piece by piece */
    {"key data", put_key_data, parse_key_data, {0x7F4C}, {0x7F4B, 0x7F4C, 0x5F5F}, {0x7F4C}},
};

static bool has(const uint16_t *tags, size_t n, uint16_t tag)
{
    for (size_t i = 0; i < n; i++)
        if (tags[i] == tag)
            return true;
    return false;
}

enum change { LEFT_OUT, CUT, TWICE, CHANGES };

/* The message with that change to its TLV at place. */
static void put_changed(struct wr *w, struct span whole, size_t place, enum change change)
{
    struct rd r = rd_of(whole.p, whole.len);
    struct tlv t;
    for (size_t i = 0; tlv_next(&r, &t); i++) {
        if (i == place && change == LEFT_OUT)
            continue;
        bool cut = i == place && change == CUT && t.value.len > 0;
        tlv_put(w, t.tag, span_of(t.value.p, t.value.len - cut));
        if (i == place && change == TWICE)
            tlv_put(w, t.tag, t.value);
    }
}

static void try_changes(const struct message *m, struct span whole, size_t place, const struct tlv *t)
{
    const bool allowed[CHANGES] = {[LEFT_OUT] = has(m->optional, 10, t->tag),
                                   [CUT] = has(m->flexible, 10, t->tag),
                                   [TWICE] = has(m->unchecked, 4, t->tag)};
    static const char *const words[CHANGES] = {"left out", "cut", "twice"};
    for (int change = 0; change < CHANGES; change++) {
        uint8_t changed[WHOLE_MAX];
        struct wr w = wr_of(changed, sizeof changed);
        put_changed(&w, whole, place, (enum change)change);
        enum err e = m->parse(span_of(changed, w.len));
        cr_expect(eq(int, e == ERR_OK, allowed[change]), "%s, %X %s: %s", m->name, t->tag, words[change],
                  err_name(e));
    }
}

Test(missing_parts, each_tlv_left_out_cut_and_twice)
{
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        uint8_t buf[WHOLE_MAX];
        struct wr w = wr_of(buf, sizeof buf);
        messages[i].put(&w);
        cr_assert(not(w.failed));
        EXPECT_OK(messages[i].parse(span_of(buf, w.len)), "%s", messages[i].name);
        struct rd r = rd_of(buf, w.len);
        struct tlv t;
        for (size_t place = 0; tlv_next(&r, &t); place++)
            try_changes(&messages[i], span_of(buf, w.len), place, &t);
    }
}

/* ---- statements: what is changed is signed again ---- */

static enum err open_signed(struct span inside, enum attestation_usage usage, const struct p256_key *key,
                            struct attestation *a)
{
    uint8_t buf[500], signature[SIGNATURE_SIZE], pk[P256_POINT];
    struct wr w = wr_of(buf, sizeof buf);
    size_t used;
    p256_public(key, pk);
    tlv_put(&w, 0x7F2B, inside);
    ASSERT_OK(signature_make(test_crypto(), span_of(buf, w.len), key, signature));
    tlv_put(&w, 0x9E, span_of(signature, sizeof signature));
    return attestation_open(test_crypto(), span_of(buf, w.len), usage, pk, a, &used);
}

static const enum attestation_usage usages[] = {ATTESTATION_OF_VEHICLE, ATTESTATION_RECEIPT,
                                                ATTESTATION_RESUMED, ATTESTATION_TERMINATED,
                                                ATTESTATION_VEHICLE_TERMINATES};

static void try_statement(enum attestation_usage usage, const struct p256_key *key)
{
    const struct attestation a = {.slot = {.b = {9}, .len = 1}, .oem = span_of("oem", 3)};
    struct attestation back;
    uint8_t buf[ATTESTATION_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    struct tlv whole, t;
    uint32_t peeked;
    size_t len;
    ASSERT_OK(attestation_make(test_crypto(), &a, usage, key, &w));
    EXPECT_ERR(attestation_peek(span_of(buf, w.len), &peeked, &len), ERR_OK);
    cr_expect(peeked == (uint32_t)usage && len == w.len);
    struct rd r = rd_of(buf, w.len);
    cr_assert(tlv_next(&r, &whole));
    EXPECT_ERR(open_signed(whole.value, usage, key, &back), ERR_OK);
    cr_expect(eq(sz, back.oem.len, usage == ATTESTATION_TERMINATED ? 3 : 0));
    r = rd_of(whole.value.p, whole.value.len);
    for (size_t place = 0; tlv_next(&r, &t); place++)
        for (int change = 0; change < CHANGES; change++) {
            uint8_t changed[ATTESTATION_MAX];
            struct wr c = wr_of(changed, sizeof changed);
            put_changed(&c, whole.value, place, (enum change)change);
            enum err e = open_signed(span_of(changed, c.len), usage, key, &back);
            bool shorter_oem = t.tag == 0xC2 && change == CUT;
            cr_expect(eq(int, e, shorter_oem ? ERR_OK : ERR_MSG_MALFORMED), "%08x, %X: %s", (unsigned)usage,
                      t.tag, err_name(e));
        }
}

Test(missing_parts, statements_of_every_usage)
{
    struct p256_key *key;
    ASSERT_OK(p256_generate(test_crypto(), &key));
    for (size_t i = 0; i < sizeof usages / sizeof usages[0]; i++)
        try_statement(usages[i], key);
    p256_free(key);
}

Test(missing_parts, statements_that_do_not_fit)
{
    static const uint8_t oem[ATTESTATION_OEM_MAX + 1];
    struct attestation a = {.slot = {.b = {9}, .len = 8}, .oem = span_of(oem, sizeof oem)};
    struct p256_key *key;
    uint8_t buf[ATTESTATION_LONG];
    struct wr w = wr_of(buf, sizeof buf);
    ASSERT_OK(p256_generate(test_crypto(), &key));
    EXPECT_ERR(attestation_make(test_crypto(), &a, ATTESTATION_TERMINATED, key, &w), ERR_NO_SPACE);
    a.oem.len = ATTESTATION_OEM_MAX;
    EXPECT_ERR(attestation_make(test_crypto(), &a, ATTESTATION_TERMINATED, key, &w), ERR_OK);
    w = wr_of(buf, 20);
    EXPECT_ERR(attestation_make(test_crypto(), &a, ATTESTATION_RECEIPT, key, &w), ERR_NO_SPACE);
    p256_free(key);
}

/* What a writer has no room for. */
Test(missing_parts, writers_without_room)
{
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        uint8_t buf[WHOLE_MAX];
        struct wr whole = wr_of(buf, sizeof buf);
        messages[i].put(&whole);
        for (size_t cap = 0; cap < whole.len; cap++) {
            struct wr w = wr_of(buf, cap);
            messages[i].put(&w);
            cr_assert(w.failed && w.len <= cap, "%s in %zu bytes", messages[i].name, cap);
        }
    }
    static struct key_data_buffer b;
    static const uint8_t certificate[KEY_DATA_MAX];
    const struct key_data k = {.creation = some_creation(),
                               .vehicle_certificate = span_of(certificate, sizeof certificate),
                               .map = mailbox_map_default,
                               .config = some_config()};
    EXPECT_ERR(key_data_put(&b, &k), ERR_NO_SPACE);
    EXPECT_ERR(key_data_put_attestation(&b, span_of(certificate, sizeof certificate)), ERR_NO_SPACE);
}

/* What AUTH1 shall return lies outside its mailbox; more attestations than there is room for. */
Test(missing_parts, key_data_that_do_not_fit_together)
{
    static const struct {
        const char *name;
        struct mailbox_part confidential, private_part;
        uint16_t private_size, confidential_size;
        enum err e;
    } rows[] = {
        {"up to the ends", {0x70, 0x10}, {0x252, 0x10}, 0x262, 0x80, ERR_OK},
        {"past the confidential end", {0x71, 0x10}, {0, 0}, 0x262, 0x80, ERR_DK_KEY_DATA},
        {"past the private end", {0, 0}, {0x253, 0x10}, 0x262, 0x80, ERR_DK_KEY_DATA},
        {"private mailbox too large", {0, 0}, {0, 0}, MAILBOX_PRIVATE_MAX + 1, 0x80, ERR_DK_KEY_DATA},
        {"confidential mailbox too large",
         {0, 0},
         {0, 0},
         0x262,
         MAILBOX_CONFIDENTIAL_MAX + 1,
         ERR_DK_KEY_DATA},
        {"private mailbox too small", {0, 0}, {0, 0}, 0x261, 0x80, ERR_DK_KEY_DATA},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static struct key_data_buffer b;
        struct key_data k = {.creation = some_creation(),
                             .vehicle_certificate = span_of(some_bytes, 1),
                             .map = mailbox_map_default,
                             .config = some_config()},
                        back;
        k.config.auth1_confidential = rows[i].confidential;
        k.config.auth1_private = rows[i].private_part;
        k.creation.private_size = rows[i].private_size;
        k.creation.confidential_size = rows[i].confidential_size;
        ASSERT_OK(key_data_put(&b, &k));
        enum err e = key_data_parse(span_of(b.bytes, b.len), &back);
        cr_expect(eq(int, (int)e, (int)rows[i].e), "%s: %s", rows[i].name, err_name(e));
    }
}

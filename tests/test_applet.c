/* The applet: what is permitted in which state, what EXCHANGE does to mailboxes, the internal link. */
#include "lib/ccc/applet_message.h"
#include "lib/ccc/ecies.h"
#include "lib/ccc/exchange.h"
#include "lib/ccc/tlv.h"
#include "tests/ccc_vectors.h"
#include "tests/check.h"
#include "tests/pairing_rig.h"
#include "tests/support.h"

/* ---- applet ---- */

#define AUTH0_OK "80800004635C0201008741" V4_VEPK "4C10A0A1A2A3A4A5A6A7A8A9AAABACADAEAF4D0800010123456789AB00"

static uint16_t send_applet(struct rig *r, const char *hex, struct span *data)
{
    static uint8_t in[APDU_COMMAND_MAX], answer[APDU_RESPONSE_MAX];
    long n = hex_decode(hex, strlen(hex), in, sizeof in);
    struct wr w = wr_of(answer, sizeof answer);
    struct apdu_command cmd;
    uint16_t sw;
    cr_assert(ge(long, n, 0));
    ASSERT_OK(apdu_command_parse(span_of(in, (size_t)n), &cmd));
    if (applet_input(&r->applet, DK_CONTACTLESS, &cmd, &w))
        applet_stored(&r->applet, DK_CONTACTLESS, true);
    ASSERT_OK(apdu_response_parse(span_of(answer, w.len), data, &sw));
    return sw;
}

/* A paired phone whose applet is in that state, and the vehicle's transaction with it. */
static struct rig *applet_in(enum applet_state state)
{
    struct rig *r = rig_ready(test_crypto());
    uint8_t answer[APDU_RESPONSE_MAX];
    ASSERT_OK(rig_pair(r));
    rig_phone_reset(r);
    if (state == APPLET_DESELECTED)
        return r;
    if (state == APPLET_KEYED_FAST)
        r->key.has_kpersistent = false; /* the vehicle goes on with AUTH1 */
    struct vehicle_step s =
        vehicle_transaction_begin(&r->unlock, &r->finish_config.transaction,
                                  state == APPLET_KEYED_FAST ? TRANSACTION_FAST : 0, TRANSACTION_UNLOCK);
    while (r->applet.sessions[DK_CONTACTLESS].state != state) {
        struct wr w = wr_of(answer, sizeof answer);
        cr_assert(s.what == VEHICLE_SEND);
        rig_phone_input(r, s.apdu, &w);
        s = vehicle_transaction_input(&r->unlock, span_of(answer, w.len));
    }
    return r;
}

#define ZEROS_16             "00000000000000000000000000000000"
#define SIGNATURE_OF_NOTHING "80810000429E40" ZEROS_16 ZEROS_16 ZEROS_16 ZEROS_16 "00"

static const struct {
    const char *name, *apdu;
    uint16_t otherwise, sw[APPLET_STATES]; /* in the states named; 0: as otherwise */
} applet_permitted[] = {
    {.name = "SELECT", .apdu = "00A404000DA000000809434343444B41763100", .otherwise = 0x9000},
    {.name = "SELECT framework", .apdu = "00A404000DA000000809434343444B46763100", .otherwise = 0x6A82},
    {.name = "AUTH0", .apdu = AUTH0_OK, .otherwise = 0x9000, .sw = {[APPLET_DESELECTED] = 0x6985}},
    {.name = "AUTH0, P1 02",
     .apdu = "80800204635C0201008741" V4_VEPK "4C10A0A1A2A3A4A5A6A7A8A9AAABACADAEAF4D0800010123456789AB00",
     .otherwise = 0x6B00},
    {.name = "AUTH0, other version",
     .apdu = "80800004635C0202008741" V4_VEPK "4C10A0A1A2A3A4A5A6A7A8A9AAABACADAEAF4D0800010123456789AB00",
     .otherwise = 0x6A80,
     .sw = {[APPLET_DESELECTED] = 0x6985}},
    {.name = "AUTH0, class 84", .apdu = "84800004025C00", .otherwise = 0x6E00},
    {.name = "AUTH0, too short",
     .apdu = "80800004025C00",
     .otherwise = 0x6A80,
     .sw = {[APPLET_DESELECTED] = 0x6985}},
    {.name = "AUTH1, wrong signature",
     .apdu = SIGNATURE_OF_NOTHING,
     .otherwise = 0x6985,
     .sw = {[APPLET_KEYED] = 0x6A80, [APPLET_KEYED_FAST] = 0x6A80}},
    {.name = "AUTH1, too short", .apdu = "80810000029E00", .otherwise = 0x6700},
    {.name = "EXCHANGE",
     .apdu = "84C90000181CC26B216642B49B8526B6D1F1F1F3F942BE4AEBA25F052300",
     .otherwise = 0x6985,
     .sw = {[APPLET_KEYED_FAST] = 0x6982, [APPLET_AUTHENTICATED] = 0x6982}},
    {.name = "CONTROL FLOW", .apdu = "803C0100", .otherwise = 0x9000, .sw = {[APPLET_DESELECTED] = 0x6985}},
    {.name = "CREATE RANGING KEY", .apdu = "8471000008010203040506070800", .otherwise = 0x6D00},
};

Test(applet, every_command_in_every_state)
{
    for (enum applet_state s = APPLET_DESELECTED; s < APPLET_STATES; s++)
        for (size_t i = 0; i < sizeof applet_permitted / sizeof applet_permitted[0]; i++) {
            struct rig *r = applet_in(s);
            struct span data;
            uint16_t sw = send_applet(r, applet_permitted[i].apdu, &data);
            uint16_t special = applet_permitted[i].sw[s];
            cr_expect(eq(int, sw, special ? special : applet_permitted[i].otherwise), "%s in state %d: %04X",
                      applet_permitted[i].name, (int)s, sw);
            if (sw != APDU_SW_OK) {
                cr_expect(eq(sz, data.len, 0));
                cr_expect(not(r->applet.sessions[DK_CONTACTLESS].channel.open));
                cr_expect(r->applet.sessions[DK_CONTACTLESS].ephemeral == NULL);
                cr_expect(r->applet.sessions[DK_CONTACTLESS].state ==
                          (s == APPLET_DESELECTED ? s : APPLET_SELECTED));
            }
            rig_free(r);
        }
}

Test(applet, stranger_learns_nothing)
{
    struct rig *r = applet_in(APPLET_SELECTED);
    struct span data, epk, cryptogram;
    /* fast AUTH0 for another vehicle: answer of the same shape */
    uint16_t sw = send_applet(
        r, "80800104635C0201008741" V4_VEPK "4C10A0A1A2A3A4A5A6A7A8A9AAABACADAEAF4D08FFFFFFFFFFFFFFFF00",
        &data);
    cr_expect(eq(int, sw, APDU_SW_OK));
    cr_expect(tlv_find_exact(data, APPLET_TAG_ENDPOINT_EPK, P256_POINT, &epk) == ERR_OK);
    cr_expect(tlv_find_exact(data, APPLET_TAG_CRYPTOGRAM, CCC_KEY, &cryptogram) == ERR_OK);
    cr_expect(r->applet.sessions[DK_CONTACTLESS].key == NULL);
    cr_expect(eq(int, send_applet(r, SIGNATURE_OF_NOTHING, &data), APDU_SW_WRONG_DATA));
    rig_free(r);
}

/* A paired phone, and the vehicle's standard transaction with it, authenticated. */
static struct rig *open_transaction(void)
{
    struct rig *r = rig_ready(test_crypto());
    uint8_t answer[APDU_RESPONSE_MAX];
    ASSERT_OK(rig_pair(r));
    r->applet.keys[0].mailboxes.private_area[0] = 0x5A;
    rig_phone_reset(r);
    struct vehicle_step s = vehicle_transaction_begin(&r->unlock, &r->finish_config.transaction, 0, 0);
    while (s.what == VEHICLE_SEND) {
        struct wr w = wr_of(answer, sizeof answer);
        rig_phone_input(r, s.apdu, &w);
        s = vehicle_transaction_input(&r->unlock, span_of(answer, w.len));
    }
    cr_assert(s.what == VEHICLE_STORE_KPERSISTENT);
    s = rig_transaction_proceed(r, &s);
    cr_assert(s.what == VEHICLE_OPEN);
    return r;
}

Test(applet, auth1_returns_the_configured_part)
{
    struct rig *r = open_transaction();
    struct applet_auth1_answer a;
    ASSERT_OK(applet_auth1_answer_parse(span_of(r->unlock.data, r->unlock.len), &a));
    cr_expect(span_equal(a.private_part, span_of("\x5A\xFF", 2)));
    cr_expect(a.confidential.p == NULL);
    rig_free(r);
}

/* ---- EXCHANGE ---- */

/* Sends one EXCHANGE over the vehicle's open transaction; the reads are in r->unlock.data. */
static enum err do_exchange(struct rig *r, const struct wr *w)
{
    uint8_t answer[APDU_RESPONSE_MAX];
    struct wr a = wr_of(answer, sizeof answer);
    struct vehicle_step s = vehicle_transaction_exchange(&r->unlock, span_of(w->buf, w->len));
    if (s.what != VEHICLE_SEND)
        return s.reason;
    rig_phone_input(r, s.apdu, &a);
    s = vehicle_transaction_input(&r->unlock, span_of(answer, a.len));
    return s.what == VEHICLE_DATA ? ERR_OK : ERR_DK_STATUS;
}

Test(exchange, atomic_session_shows_all_or_nothing)
{
    struct rig *r = open_transaction();
    const uint8_t *area = r->applet.keys[0].mailboxes.private_area;
    uint8_t buf[64];
    struct wr w = wr_of(buf, sizeof buf);
    exchange_begin(&w, EXCHANGE_MORE);
    exchange_put_write(&w, MAILBOX_PRIVATE, 0x50, span_of("abc", 3));
    exchange_put_set(&w, MAILBOX_CONFIDENTIAL, 0, 4, 0x77);
    exchange_put_read(&w, MAILBOX_PRIVATE, 0x50, 3);
    ASSERT_OK(do_exchange(r, &w));
    cr_expect(span_equal(span_of(r->unlock.data, r->unlock.len), span_of("abc", 3)),
              "the session sees itself");
    cr_expect(eq(int, area[0x50], 0), "nobody else does");
    EXPECT_ERR(applet_set_data(&r->applet, &r->applet.keys[0], MAILBOX_PRIVATE, 0x60, span_of("x", 1)),
               ERR_BUSY);
    w = wr_of(buf, sizeof buf);
    exchange_begin(&w, EXCHANGE_COMMIT);
    exchange_put_set(&w, MAILBOX_PRIVATE, 0x53, 2, 'd');
    ASSERT_OK(do_exchange(r, &w));
    cr_expect(memcmp(area + 0x50, "abcdd", 5) == 0);
    cr_expect(eq(int, r->applet.keys[0].mailboxes.confidential_area[3], 0x77));
    rig_free(r);
}

static const struct {
    const char *what;
    uint16_t offset;
    uint8_t len;
    enum mailbox_kind mailbox;
} outside[] = {
    {"past the private mailbox", MAILBOX_DEFAULT_PRIVATE - 1, 2, MAILBOX_PRIVATE},
    {"far away", 0xFFFF, 1, MAILBOX_PRIVATE},
    {"past the confidential mailbox", MAILBOX_DEFAULT_CONFIDENTIAL, 1, MAILBOX_CONFIDENTIAL},
};

Test(exchange, nothing_of_a_refused_command_is_done)
{
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        for (int staged = 0; staged < 2; staged++) {
            struct rig *r = open_transaction();
            uint8_t buf[64];
            static struct mailboxes before;
            struct wr w = wr_of(buf, sizeof buf);
            before = r->applet.keys[0].mailboxes;
            exchange_begin(&w, EXCHANGE_MORE);
            exchange_put_write(&w, MAILBOX_PRIVATE, 0x50, span_of("abc", 3));
            if (staged) {
                enum err e = do_exchange(r, &w);
                ASSERT_OK(e);
            }
            w = wr_of(buf, sizeof buf);
            exchange_begin(&w, EXCHANGE_COMMIT);
            exchange_put_write(&w, MAILBOX_PRIVATE, 0x60, span_of("abc", 3));
            exchange_put_notify(&w, span_of("n", 1));
            exchange_put_set(&w, outside[i].mailbox, outside[i].offset, outside[i].len, 1);
            EXPECT_ERR(do_exchange(r, &w), ERR_DK_STATUS);
            cr_expect(memcmp(&before, &r->applet.keys[0].mailboxes, sizeof before) == 0, "%s",
                      outside[i].what);
            cr_expect(eq(sz, r->applet.notification_len, 0));
            cr_expect(not(r->applet.sessions[DK_CONTACTLESS].staged));
            cr_expect(not(r->applet.sessions[DK_CONTACTLESS].channel.open));
            rig_free(r);
        }
}

Test(exchange, uncommitted_writes_are_dropped)
{
    for (int how = 0; how < 2; how++) {
        struct rig *r = open_transaction();
        uint8_t buf[64];
        struct span data;
        struct wr w = wr_of(buf, sizeof buf);
        exchange_begin(&w, EXCHANGE_MORE);
        exchange_put_write(&w, MAILBOX_PRIVATE, 0x50, span_of("abc", 3));
        ASSERT_OK(do_exchange(r, &w));
        if (how == 0)
            send_applet(r, "803C0100", &data);
        else
            rig_phone_reset(r);
        cr_expect(eq(int, r->applet.keys[0].mailboxes.private_area[0x50], 0));
        cr_expect(not(r->applet.sessions[DK_CONTACTLESS].staged));
        ASSERT_OK(applet_set_data(&r->applet, &r->applet.keys[0], MAILBOX_PRIVATE, 0x60, span_of("x", 1)));
        rig_free(r);
    }
}

Test(exchange, notification_reaches_the_framework_one_for_each_command)
{
    struct rig *r = open_transaction();
    uint8_t buf[64];
    struct wr w = wr_of(buf, sizeof buf);
    exchange_begin(&w, EXCHANGE_COMMIT);
    exchange_put_notify(&w, span_of("hello", 5));
    ASSERT_OK(do_exchange(r, &w));
    cr_expect(span_equal(span_of(r->applet.notification, r->applet.notification_len), span_of("hello", 5)));
    exchange_put_notify(&w, span_of("again", 5));
    EXPECT_ERR(do_exchange(r, &w), ERR_DK_STATUS);
    rig_free(r);
}

Test(applet, framework_reaches_the_confidential_mailbox_only_sealed)
{
    struct rig *r = rig_ready(test_crypto());
    struct applet *a = &r->applet;
    struct digital_key *k = &a->keys[0];
    struct p256_key *ephemeral;
    const uint8_t plain[] = {0x00, 0x10, 'T', 'O', 'K'}, outside_plain[] = {0x00, 0x7F, 1, 2};
    uint8_t receiver[P256_POINT], ephemeral_pk[P256_POINT], sealed[64];
    ASSERT_OK(rig_pair(r));
    ASSERT_OK(applet_encryption_key(a, k, receiver));
    ASSERT_OK(p256_generate(r->crypto, &ephemeral));
    p256_public(ephemeral, ephemeral_pk);
    ASSERT_OK(ecies_seal(r->crypto, ephemeral, receiver, span_of(plain, sizeof plain), sealed));
    ASSERT_OK(applet_set_confidential(a, k, ephemeral_pk, span_of(sealed, sizeof plain + ECIES_OVERHEAD)));
    cr_expect(memcmp(k->mailboxes.confidential_area + 0x10, "TOK", 3) == 0);
    sealed[3] ^= 1;
    EXPECT_ERR(applet_set_confidential(a, k, ephemeral_pk, span_of(sealed, sizeof plain + ECIES_OVERHEAD)),
               ERR_SIGNATURE_INVALID);
    ASSERT_OK(
        ecies_seal(r->crypto, ephemeral, receiver, span_of(outside_plain, sizeof outside_plain), sealed));
    EXPECT_ERR(
        applet_set_confidential(a, k, ephemeral_pk, span_of(sealed, sizeof outside_plain + ECIES_OVERHEAD)),
        ERR_BAD_ARGUMENT);
    EXPECT_ERR(applet_set_confidential(a, k, ephemeral_pk, span_of(sealed, 3)), ERR_BAD_ARGUMENT);
    p256_free(ephemeral);
    rig_free(r);
}

Test(applet, key_that_goes_takes_its_transaction_along)
{
    for (int how = 0; how < 2; how++) {
        struct rig *r = applet_in(APPLET_AUTHENTICATED);
        struct digital_key *k = &r->applet.keys[0];
        cr_assert(r->applet.sessions[DK_CONTACTLESS].key == k);
        if (how)
            applet_terminate_endpoint(&r->applet, k);
        else
            applet_delete_endpoint(&r->applet, k);
        cr_expect(eq(int, r->applet.sessions[DK_CONTACTLESS].state, APPLET_DESELECTED));
        cr_expect(r->applet.sessions[DK_CONTACTLESS].key == NULL &&
                  !r->applet.sessions[DK_CONTACTLESS].channel.open);
        rig_free(r);
    }
}

Test(applet, internal_link_is_bounded)
{
    struct rig *r = rig_ready(test_crypto());
    struct applet *a = &r->applet;
    struct digital_key *k = &a->keys[0];
    uint8_t out[4], pk[P256_POINT];
    char name[X509_CN_MAX + 2];
    memset(name, 'n', sizeof name);
    name[X509_CN_MAX + 1] = '\0';
    ASSERT_OK(rig_pair(r));
    EXPECT_ERR(applet_get_data(a, k, MAILBOX_PRIVATE, MAILBOX_DEFAULT_PRIVATE - 3, out, 4), ERR_BAD_ARGUMENT);
    EXPECT_ERR(applet_set_data(a, k, MAILBOX_PRIVATE, MAILBOX_DEFAULT_PRIVATE - 3, span_of(out, 4)),
               ERR_BAD_ARGUMENT);
    EXPECT_ERR(applet_get_data(a, k, MAILBOX_PRIVATE, MAILBOX_DEFAULT_PRIVATE - 4, out, 4), ERR_OK);
    EXPECT_ERR(applet_get_data(a, k, MAILBOX_CONFIDENTIAL, 0, out, 4), ERR_DK_ACCESS);
    EXPECT_ERR(applet_set_data(a, k, MAILBOX_CONFIDENTIAL, 0, span_of(out, 4)), ERR_DK_ACCESS);
    EXPECT_ERR(applet_delete_ca(a, "nobody"), ERR_NOT_FOUND);
    EXPECT_ERR(applet_create_ca(a, name, pk), ERR_BAD_ARGUMENT);
    rig_free(r);
}

Test(applet, limits)
{
    struct rig *r = rig_ready(test_crypto());
    struct applet *a = &r->applet;
    struct digital_key *k;
    uint8_t pk[P256_POINT];
    char name[16];
    for (int i = 1; i < APPLET_INSTANCE_CAS; i++) {
        snprintf(name, sizeof name, "ca%d", i);
        ASSERT_OK(applet_create_ca(a, name, pk));
    }
    EXPECT_ERR(applet_create_ca(a, "ca1", pk), ERR_BUSY);
    EXPECT_ERR(applet_create_ca(a, "one more", pk), ERR_NO_SPACE);
    struct endpoint_creation e = r->pairing_config.key_data.creation;
    struct applet_create create = {&e, "E.x", "ca1", RIG_NOW_S, DK_CERT_NO_END_S};
    for (int i = 0; i < APPLET_KEYS; i++)
        ASSERT_OK(applet_create_endpoint(a, &create, &k));
    EXPECT_ERR(applet_create_endpoint(a, &create, &k), ERR_NO_SPACE);
    applet_delete_endpoint(a, k);
    create.instance_ca_id = "nobody";
    EXPECT_ERR(applet_create_endpoint(a, &create, &k), ERR_NOT_FOUND);
    create.instance_ca_id = "ca1";
    e.private_size = MAILBOX_PRIVATE_MAX + 1;
    EXPECT_ERR(applet_create_endpoint(a, &create, &k), ERR_NO_SPACE);
    e.private_size = 100;
    e.vehicle_pk[10] ^= 1;
    EXPECT_ERR(applet_create_endpoint(a, &create, &k), ERR_KEY_INVALID);
    e.vehicle_pk[10] ^= 1;
    ASSERT_OK(applet_create_endpoint(a, &create, &k));
    const struct mailbox_part none = {0}, too_far = {99, 2}, too_long = {0, 255};
    EXPECT_ERR(applet_setup_endpoint(k, &none, &too_far), ERR_BAD_ARGUMENT);
    EXPECT_ERR(applet_setup_endpoint(k, &none, &too_long), ERR_BAD_ARGUMENT);
    rig_free(r);
}

/* What the cabin's frames hold, byte by byte and both ways; what a reader refuses; and the key that the plant
 * gives both ends of a command. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "lib/msg/cabin.h"
#include "tests/check.h"
#include "tests/support.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const uint8_t key[CMAC_KEY] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const uint8_t nonce[CABIN_NONCE] = {0x11, 0x22, 0x33, 0x44};
static const struct cabin_nonces its_nonce = {.list = &nonce, .count = 1};
static const uint8_t transaction[CABIN_TRANSACTION] = {1, 2, 3, 4, 5, 6, 7, 8};

static void expect_frame(const struct bus_frame *f, const char *want)
{
    char text[BUS_TEXT_MAX];
    bus_frame_print(f, text);
    cr_expect(eq(str, text, (char *)want));
}

static struct bus_frame frame(const char *text)
{
    struct bus_frame f;
    ASSERT_OK(bus_frame_parse(text, &f));
    return f;
}

/* ---- the same bytes, both ways ---- */

static const struct {
    struct cabin_request request;
    uint8_t alive;
    const char *frame;
} requests[] = {
    {{.wish = CABIN_ADD_PHONE}, 9, "5A0#0109000000000008"},
    {{.wish = CABIN_CANCEL}, 255, "5A0#02FF0000000000FD"},
    {{CABIN_DELETE_KEY, 7, {0xA1, 0xB2, 0xC3, 0xD4}}, 0, "5A0#030007A1B2C3D400"},
    {{.wish = CABIN_LIST_KEYS}, 1, "5A0#0401000000000005"},
};

Test(cabin, requests)
{
    for (size_t i = 0; i < COUNT(requests); i++) {
        struct cabin_heard heard = {0};
        struct cabin_request got;
        struct bus_frame f;
        uint8_t alive = requests[i].alive;
        cabin_write_request(&requests[i].request, &alive, &f);
        expect_frame(&f, requests[i].frame);
        cr_expect(eq(u8, alive, (uint8_t)(requests[i].alive + 1)), "0 follows on 255");
        ASSERT_OK(cabin_read_request(&f, 0, &heard, &got));
        cr_expect(eq(int, got.wish, requests[i].request.wish));
        cr_expect(eq(u8, got.key, requests[i].request.key));
        cr_expect(eq(int, memcmp(got.id, requests[i].request.id, CABIN_KEY_ID), 0));
    }
}

static const struct {
    struct cabin_notification notification;
    uint8_t alive;
    const char *frame;
} notifications[] = {
    {{CABIN_CLICK_LINK, 0, 0}, 5, "5A8#010500000000000C"},
    {{CABIN_FAILED, 0, ERR_DK_EVIDENCE}, 5, "5A8#060500025B000052"},
    {{CABIN_KEY_DELETED, 3, 0}, 6, "5A8#0906030000000004"},
    {{CABIN_LIST_FOLLOWS, 0, 0}, 7, "5A8#0C07000000000003"},
    {{CABIN_TAKE_CARD, 0, 0}, 7, "5A8#0D07000000000002"},
    {{CABIN_PAIRING_AIR, 0, 0}, 7, "5A8#0E07000000000001"},
    {{CABIN_STAY_NEAR, 0, 0}, 7, "5A8#0F07000000000000"},
};

Test(cabin, notifications)
{
    for (size_t i = 0; i < COUNT(notifications); i++) {
        const struct cabin_notification *n = &notifications[i].notification;
        struct cabin_heard heard = {0};
        struct cabin_notification got;
        struct bus_frame f;
        uint8_t alive = notifications[i].alive;
        cabin_write_notification(n, &alive, &f);
        expect_frame(&f, notifications[i].frame);
        ASSERT_OK(cabin_read_notification(&f, 0, &heard, &got));
        cr_expect(eq(int, got.what, n->what));
        cr_expect(eq(u8, got.key, n->key));
        cr_expect(eq(u16, got.reason, n->reason));
    }
}

static const struct {
    struct cabin_spaak_status status;
    uint8_t alive;
    const char *frame;
} spaak_statuses[] = {
    {{false, false, false, 0}, 0, "3A8#000000000000000E"},
    {{true, false, true, 2}, 1, "3A8#0501020000000008"},
    {{false, true, false, 0}, 2, "3A8#020200000000000E"},
};

Test(cabin, the_status_of_the_module)
{
    for (size_t i = 0; i < COUNT(spaak_statuses); i++) {
        const struct cabin_spaak_status *s = &spaak_statuses[i].status;
        struct cabin_heard heard = {0};
        struct cabin_spaak_status got;
        struct bus_frame f;
        uint8_t alive = spaak_statuses[i].alive;
        cabin_write_spaak_status(s, &alive, &f);
        expect_frame(&f, spaak_statuses[i].frame);
        ASSERT_OK(cabin_read_spaak_status(&f, 0, &heard, &got));
        cr_expect(eq(int, got.pairing, s->pairing));
        cr_expect(eq(int, got.verifiers, s->verifiers));
        cr_expect(eq(int, got.identity, s->identity));
        cr_expect(eq(u8, got.keys, s->keys));
    }
}

static const struct {
    struct cabin_bcm_status status;
    uint8_t alive;
    const char *frame;
} bcm_statuses[] = {
    {{.locked = true, .nonce = {0x11, 0x22, 0x33, 0x44}}, 0, "3B8#040011223344005E"},
    {{true, true, false, true, true, {0x11, 0x22, 0x33, 0x44}, 5}, 255, "3B8#1BFF1122334405BB"},
};

Test(cabin, the_status_of_the_body_controller)
{
    for (size_t i = 0; i < COUNT(bcm_statuses); i++) {
        const struct cabin_bcm_status *s = &bcm_statuses[i].status;
        struct cabin_heard heard = {0};
        struct cabin_bcm_status got;
        struct bus_frame f;
        uint8_t alive = bcm_statuses[i].alive;
        cabin_write_bcm_status(s, &alive, &f);
        expect_frame(&f, bcm_statuses[i].frame);
        ASSERT_OK(cabin_read_bcm_status(&f, 0, &heard, &got));
        cr_expect(eq(int, got.ignition, s->ignition));
        cr_expect(eq(int, got.fob, s->fob));
        cr_expect(eq(int, got.locked, s->locked));
        cr_expect(eq(int, got.engine, s->engine));
        cr_expect(eq(int, got.start, s->start));
        cr_expect(eq(u8, got.taken, s->taken));
        cr_expect(eq(int, memcmp(got.nonce, s->nonce, CABIN_NONCE), 0));
    }
}

/* MACs by `openssl mac -cipher AES-128-CBC -macopt hexkey:00010203...0F CMAC`. */
#define UNLOCK "3C0##501070102030405060708112233440000B513738550FAD13A"
#define START  "3C0##503080102030405060708112233440000FC510F6E5B6712B6"
static const struct {
    enum cabin_order order;
    uint8_t alive;
    const char *frame;
} commands[] = {{CABIN_UNLOCK, 7, UNLOCK}, {CABIN_START, 8, START}};

static struct cabin_command command_of(enum cabin_order order)
{
    struct cabin_command m = {.order = order};
    memcpy(m.transaction, transaction, sizeof transaction);
    memcpy(m.nonce, nonce, sizeof nonce);
    return m;
}

Test(cabin, commands)
{
    for (size_t i = 0; i < COUNT(commands); i++) {
        const struct cabin_command m = command_of(commands[i].order);
        struct cabin_heard heard = {0};
        struct cabin_command got;
        struct bus_frame f;
        char text[CABIN_TRANSACTION_TEXT];
        uint8_t alive = commands[i].alive;
        ASSERT_OK(cabin_write_command(test_crypto(), key, &m, &alive, &f));
        expect_frame(&f, commands[i].frame);
        ASSERT_OK(cabin_read_command(test_crypto(), key, &its_nonce, &f, 0, &heard, &got));
        cr_expect(eq(int, got.order, m.order));
        cr_expect(eq(int, memcmp(got.nonce, nonce, sizeof nonce), 0));
        cr_expect(eq(sz, cabin_transaction_text(got.transaction, text).len, 16));
        cr_expect(eq(str, text, "0102030405060708"));
    }
}

/* ---- what a reader refuses ---- */

enum reader { REQUEST, NOTIFICATION, SPAAK, BCM, COMMAND };

static enum err read_as(enum reader r, const struct bus_frame *f, uint64_t now_us, struct cabin_heard *heard)
{
    struct cabin_request request;
    struct cabin_notification notification;
    struct cabin_spaak_status spaak;
    struct cabin_bcm_status bcm;
    struct cabin_command command;
    switch (r) {
    case REQUEST:
        return cabin_read_request(f, now_us, heard, &request);
    case NOTIFICATION:
        return cabin_read_notification(f, now_us, heard, &notification);
    case SPAAK:
        return cabin_read_spaak_status(f, now_us, heard, &spaak);
    case BCM:
        return cabin_read_bcm_status(f, now_us, heard, &bcm);
    case COMMAND:
        return cabin_read_command(test_crypto(), key, &its_nonce, f, now_us, heard, &command);
    }
    return ERR_INTERNAL;
}

static const struct {
    const char *what;
    enum reader reader;
    const char *frame;
    enum err reason;
} refused[] = {
    {"a byte too few", REQUEST, "5A0#01090000000008", ERR_BUS_LENGTH},
    {"nothing", REQUEST, "5A0#", ERR_BUS_LENGTH},
    {"CAN FD", REQUEST, "5A0##50109000000000008", ERR_BUS_FLAGS},
    {"a remote frame", REQUEST, "5A0#R8", ERR_BUS_FLAGS},
    {"another byte", REQUEST, "5A0#0209000000000008", ERR_BUS_CHECKSUM},
    {"another identifier's checksum", REQUEST, "5A0#0109000000000000", ERR_BUS_CHECKSUM},
    {"no wish", REQUEST, "5A0#0009000000000009", ERR_MSG_MALFORMED},
    {"a fifth wish", REQUEST, "5A0#050900000000000C", ERR_MSG_MALFORMED},
    {"no key to delete", REQUEST, "5A0#030900000000000A", ERR_MSG_MALFORMED},
    {"a key to add", REQUEST, "5A0#0109010000000009", ERR_MSG_MALFORMED},
    {"no notice", NOTIFICATION, "5A8#000500000000000D", ERR_MSG_MALFORMED},
    {"a sixteenth notice", NOTIFICATION, "5A8#100500000000001D", ERR_MSG_MALFORMED},
    {"a reason of what did not fail", NOTIFICATION, "5A8#050500025B000051", ERR_MSG_MALFORMED},
    {"another byte", NOTIFICATION, "5A8#060500025C000052", ERR_BUS_CHECKSUM},
    {"CAN FD", NOTIFICATION, "5A8##5010500000000000C", ERR_BUS_FLAGS},
    {"another byte", SPAAK, "3A8#010000000000000E", ERR_BUS_CHECKSUM},
    {"a byte too few", SPAAK, "3A8#0000000000000E", ERR_BUS_LENGTH},
    {"another nonce", BCM, "3B8#040011223345005E", ERR_BUS_CHECKSUM},
    {"a byte too few", BCM, "3B8#0400112233005E", ERR_BUS_LENGTH},
    {"a classic frame", COMMAND, "3C0#0107010203040506", ERR_BUS_LENGTH},
    {"32 bytes", COMMAND, UNLOCK "0000000000000000", ERR_BUS_LENGTH},
    {"no MAC", COMMAND, "3C0##5010701020304050607081122334400000000000000000000", ERR_COMMAND_MAC},
    {"the MAC's last bit", COMMAND, "3C0##501070102030405060708112233440000B513738550FAD13B",
     ERR_COMMAND_MAC},
    {"another command", COMMAND, "3C0##503070102030405060708112233440000B513738550FAD13A", ERR_COMMAND_MAC},
    {"another counter", COMMAND, "3C0##501080102030405060708112233440000B513738550FAD13A", ERR_COMMAND_MAC},
    {"another transaction", COMMAND, "3C0##501070102030405060709112233440000B513738550FAD13A",
     ERR_COMMAND_MAC},
    {"another nonce", COMMAND, "3C0##501070102030405060708112233450000B513738550FAD13A", ERR_COMMAND_MAC},
    {"bytes 14 and 15", COMMAND, "3C0##501070102030405060708112233440001B513738550FAD13A", ERR_COMMAND_MAC},
};

Test(cabin, readers_refuse)
{
    for (size_t i = 0; i < COUNT(refused); i++) {
        const struct bus_frame f = frame(refused[i].frame);
        struct cabin_heard heard = {0};
        enum err e = read_as(refused[i].reader, &f, 0, &heard);
        cr_expect(eq(int, e, refused[i].reason), "%s: %s", refused[i].what, err_name(e));
        cr_expect(not(heard.any), "%s: nobody was heard", refused[i].what);
    }
}

/* Signed rightly, and yet no command. */
static void sign(struct bus_frame *f)
{
    const uint8_t id[] = {0x03, (uint8_t)f->id};
    const struct span parts[] = {span_of(id, 2), span_of(f->data, 16)};
    uint8_t mac[CMAC_SIZE];
    ASSERT_OK(crypto_cmac(test_crypto(), key, parts, 2, mac));
    memcpy(f->data + 16, mac, 8);
}

static const struct {
    const char *what;
    size_t at;
    uint8_t value;
    enum err reason;
} signed_rows[] = {
    {"nothing changed", 0, CABIN_UNLOCK, ERR_OK},
    {"no command", 0, 0, ERR_MSG_MALFORMED},
    {"a fourth command", 0, 4, ERR_MSG_MALFORMED},
    {"byte 14", 14, 1, ERR_MSG_MALFORMED},
    {"byte 15", 15, 1, ERR_MSG_MALFORMED},
    {"the nonce's first byte", 10, 0x12, ERR_COMMAND_NONCE},
    {"the nonce's last byte", 13, 0x45, ERR_COMMAND_NONCE},
};

Test(cabin, a_right_mac_is_not_enough)
{
    for (size_t i = 0; i < COUNT(signed_rows); i++) {
        struct bus_frame f = frame(UNLOCK);
        struct cabin_heard heard = {0};
        f.data[signed_rows[i].at] = signed_rows[i].value;
        sign(&f);
        cr_expect(eq(int, read_as(COMMAND, &f, 0, &heard), signed_rows[i].reason), "%s", signed_rows[i].what);
    }
    struct bus_frame f = frame(UNLOCK);
    struct cabin_heard heard = {0};
    struct cabin_command got;
    uint8_t other[CMAC_KEY] = {0};
    cr_expect(
        eq(int, cabin_read_command(test_crypto(), other, &its_nonce, &f, 0, &heard, &got), ERR_COMMAND_MAC));
}

/* As many as are still good: any of them may be answered, and nothing else. */
Test(cabin, a_command_answers_one_of_the_nonces)
{
    static const uint8_t list[][CABIN_NONCE] = {{0}, {0x11, 0x22, 0x33, 0x45}, {0x11, 0x22, 0x33, 0x44}};
    static const struct {
        size_t from, count;
        enum err reason;
    } nonces[] = {
        {0, 0, ERR_COMMAND_NONCE},
        {2, 0, ERR_COMMAND_NONCE},
        {0, 2, ERR_COMMAND_NONCE},
        {0, 3, ERR_OK},
        {1, 2, ERR_OK},
        {2, 1, ERR_OK},
    };
    for (size_t i = 0; i < COUNT(nonces); i++) {
        const struct cabin_nonces some = {.list = list + nonces[i].from, .count = nonces[i].count};
        const struct bus_frame f = frame(UNLOCK);
        struct cabin_heard heard = {0};
        struct cabin_command got;
        enum err e = cabin_read_command(test_crypto(), key, &some, &f, 0, &heard, &got);
        cr_expect(eq(int, e, nonces[i].reason), "%zu", i);
        cr_expect(eq(int, heard.any, !e), "%zu", i);
    }
}

/* ---- what is asked for, and proved ---- */

static const uint8_t challenge[CABIN_CHALLENGE] = {0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7};

Test(cabin, a_question_is_its_challenge)
{
    static const struct {
        const char *frame;
        enum err reason;
    } questions[] = {
        {"3C1#A0A1A2A3A4A5A6A7", ERR_OK},
        {"3C1#A0A1A2A3A4A5A6", ERR_BUS_LENGTH},
        {"3C1##5A0A1A2A3A4A5A6A7", ERR_BUS_FLAGS},
        {"3C1#R8", ERR_BUS_FLAGS},
    };
    struct bus_frame f;
    cabin_write_ask(challenge, &f);
    expect_frame(&f, questions[0].frame);
    for (size_t i = 0; i < COUNT(questions); i++) {
        uint8_t got[CABIN_CHALLENGE] = {0};
        f = frame(questions[i].frame);
        cr_expect(eq(int, cabin_read_ask(&f, got), questions[i].reason), "%s", questions[i].frame);
        cr_expect(eq(int, memcmp(got, challenge, sizeof got) == 0, !questions[i].reason));
    }
}

/* MACs as those of the commands. */
#define FOB_HERE "3C2##50300000000000000A0A1A2A3A4A5A6A7E4F0D7589B50BDE6"
#define FOB_AWAY "3C2##50100000000000000A0A1A2A3A4A5A6A7140CB5424D144900"

static const struct {
    const char *what, *frame;
    bool again; /* signed again, with the right key */
    enum err reason;
} answers[] = {
    {"a key fob", FOB_HERE, false, ERR_OK},
    {"none", FOB_AWAY, false, ERR_OK},
    {"a bit that was set", "3C2##50300000000000000A0A1A2A3A4A5A6A7140CB5424D144900", false, ERR_ANSWER_MAC},
    {"no MAC", "3C2##50300000000000000A0A1A2A3A4A5A6A70000000000000000", false, ERR_ANSWER_MAC},
    {"its last bit", "3C2##50300000000000000A0A1A2A3A4A5A6A7E4F0D7589B50BDE7", false, ERR_ANSWER_MAC},
    {"another challenge", "3C2##50300000000000000A0A1A2A3A4A5A6A80000000000000000", true, ERR_MSG_REPLAYED},
    {"no challenge", "3C2##5030000000000000000000000000000000000000000000000", true, ERR_MSG_REPLAYED},
    {"a third bit", "3C2##50700000000000000A0A1A2A3A4A5A6A70000000000000000", true, ERR_MSG_MALFORMED},
    {"byte 7", "3C2##50300000000000001A0A1A2A3A4A5A6A70000000000000000", true, ERR_MSG_MALFORMED},
    {"20 bytes", "3C2##50300000000000000A0A1A2A3A4A5A6A7E4F0D758", false, ERR_BUS_LENGTH},
    {"a classic frame", "3C2#0300000000000000", false, ERR_BUS_LENGTH},
};

Test(cabin, an_answer_is_proved)
{
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct bus_frame f = frame(answers[i].frame);
        struct cabin_answer got = {false, true};
        if (answers[i].again)
            sign(&f);
        cr_expect(eq(int, cabin_read_answer(test_crypto(), key, challenge, &f, &got), answers[i].reason),
                  "%s", answers[i].what);
        cr_expect(eq(int, got.ignition, !answers[i].reason), "%s", answers[i].what);
        if (answers[i].reason)
            continue;
        ASSERT_OK(cabin_write_answer(test_crypto(), key, challenge, &got, &f));
        expect_frame(&f, answers[i].frame);
    }
    /* nor is a command an answer, or the other way round */
    struct bus_frame f = frame(UNLOCK);
    struct cabin_answer got;
    f.id = 0x3C2;
    cr_expect(eq(int, cabin_read_answer(test_crypto(), key, challenge, &f, &got), ERR_ANSWER_MAC));
}

/* ---- counters ---- */

static const struct {
    const char *what;
    enum reader reader;
    const char *first, *second;
    uint64_t later_us;
    enum err reason;
} counters[] = {
    {"again at once", REQUEST, "5A0#0109000000000008", "5A0#0109000000000008", 0, ERR_BUS_STALE_COUNTER},
    {"another wish under the same counter", REQUEST, "5A0#0109000000000008", "5A0#020900000000000B", 10,
     ERR_BUS_STALE_COUNTER},
    {"just before the end", REQUEST, "5A0#0109000000000008", "5A0#0109000000000008", 999999,
     ERR_BUS_STALE_COUNTER},
    {"a second later: another life", REQUEST, "5A0#0109000000000008", "5A0#0109000000000008", 1000000,
     ERR_OK},
    {"another counter", REQUEST, "5A0#0109000000000008", "5A0#0401000000000005", 0, ERR_OK},
    {"again at once", NOTIFICATION, "5A8#010500000000000C", "5A8#010500000000000C", 0, ERR_BUS_STALE_COUNTER},
    {"another notice under the same counter", NOTIFICATION, "5A8#010500000000000C", "5A8#060500025B000052", 1,
     ERR_BUS_STALE_COUNTER},
    {"again at once", SPAAK, "3A8#000000000000000E", "3A8#000000000000000E", 0, ERR_BUS_STALE_COUNTER},
    {"again at once", BCM, "3B8#040011223344005E", "3B8#040011223344005E", 0, ERR_BUS_STALE_COUNTER},
    {"again at once, under the same nonce", COMMAND, UNLOCK, UNLOCK, 0, ERR_BUS_STALE_COUNTER},
    {"another command", COMMAND, UNLOCK, START, 0, ERR_OK},
    {"the checksum comes first", REQUEST, "5A0#0109000000000008", "5A0#0109000000000009", 0,
     ERR_BUS_CHECKSUM},
};

Test(cabin, a_counter_that_does_not_move_is_stale)
{
    for (size_t i = 0; i < COUNT(counters); i++) {
        const struct bus_frame first = frame(counters[i].first), second = frame(counters[i].second);
        struct cabin_heard heard = {0};
        cr_assert(eq(int, read_as(counters[i].reader, &first, 5000000, &heard), ERR_OK), "%s",
                  counters[i].what);
        enum err e = read_as(counters[i].reader, &second, 5000000 + counters[i].later_us, &heard);
        cr_expect(eq(int, e, counters[i].reason), "%s: %s", counters[i].what, err_name(e));
        cr_expect(eq(u64, heard.at_us, 5000000 + (e ? 0 : counters[i].later_us)), "%s", counters[i].what);
    }
}

/* ---- the list of keys ---- */

Test(cabin, a_list_of_keys)
{
    const struct cabin_keys keys = {
        2, {{1, CABIN_KEY_ACTIVE, {1, 2, 3, 4}, "Anna's phone"}, {9, CABIN_KEY_PENDING, {0}, ""}}};
    uint8_t buf[CABIN_KEYS_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    struct cabin_keys got;
    cabin_write_keys(&keys, &w);
    expect_hex(span_of(buf, w.len),
               "020102010203040c416e6e612773"
               "2070686f6e6509010000000000",
               "two keys");
    ASSERT_OK(cabin_read_keys(span_of(buf, w.len), &got));
    cr_expect(eq(sz, got.count, 2));
    cr_expect(eq(u8, got.keys[0].index, 1));
    cr_expect(eq(int, got.keys[0].state, CABIN_KEY_ACTIVE));
    cr_expect(eq(str, got.keys[0].name, "Anna's phone"));
    cr_expect(eq(int, memcmp(got.keys[0].id, keys.keys[0].id, CABIN_KEY_ID), 0));
    cr_expect(eq(u8, got.keys[1].index, 9));
    cr_expect(eq(str, got.keys[1].name, ""));
}

#define TEN "30313233343536373839"
static const struct {
    const char *what, *message;
    enum err reason;
} lists[] = {
    {"none", "00", ERR_OK},
    {"48 bytes of name", "0101020000000030" TEN TEN TEN TEN "3031323334353637", ERR_OK},
    {"49 bytes of name", "0101020000000031" TEN TEN TEN TEN "303132333435363738", ERR_MSG_MALFORMED},
    {"a name in two bytes a character", "0101020000000002c3a4", ERR_OK},
    {"no message", "", ERR_TRUNCATED},
    {"a key too few", "0201020000000000", ERR_TRUNCATED},
    {"half a key", "0101", ERR_TRUNCATED},
    {"half a name", "010102000000000541", ERR_TRUNCATED},
    {"something behind", "0001", ERR_TRAILING_BYTES},
    {"17 keys", "11", ERR_MSG_MALFORMED},
    {"index 0", "0100020000000000", ERR_MSG_MALFORMED},
    {"state 0", "0101000000000000", ERR_MSG_MALFORMED},
    {"state 5", "0101050000000000", ERR_MSG_MALFORMED},
    {"half a character", "0101020000000001c3", ERR_MSG_MALFORMED},
    {"a line end in a name", "01010200000000010a", ERR_MSG_MALFORMED},
    {"a zero in a name", "01010200000000024100", ERR_MSG_MALFORMED},
};

Test(cabin, lists_of_keys_are_read_strictly)
{
    for (size_t i = 0; i < COUNT(lists); i++) {
        HEX(message, lists[i].message);
        struct cabin_keys got = {.count = 99};
        enum err e = cabin_read_keys(span_of(message, message_len), &got);
        cr_expect(eq(int, e, lists[i].reason), "%s: %s", lists[i].what, err_name(e));
        cr_expect(eq(int, got.count == 99, e != ERR_OK), "%s", lists[i].what);
    }
}

Test(cabin, the_longest_list)
{
    struct cabin_keys keys = {.count = CABIN_KEYS}, got;
    uint8_t buf[CABIN_KEYS_MAX];
    for (size_t i = 0; i < CABIN_KEYS; i++) {
        keys.keys[i] = (struct cabin_key){.index = (uint8_t)(i + 1), .state = CABIN_KEY_TERMINATED};
        memset(keys.keys[i].name, 'n', CABIN_NAME_MAX);
    }
    struct wr w = wr_of(buf, sizeof buf);
    cabin_write_keys(&keys, &w);
    cr_expect(not(w.failed));
    cr_expect(eq(sz, w.len, CABIN_KEYS_MAX));
    ASSERT_OK(cabin_read_keys(span_of(buf, w.len), &got));
    cr_expect(eq(str, got.keys[CABIN_KEYS - 1].name, keys.keys[CABIN_KEYS - 1].name));
}

/* ---- the key of commands ---- */

static const struct plant_item one_item[] = {{"body-key", PLANT_BODY_KEY, NULL}, {.key = NULL}};
static const struct plant_item other_item[] = {{"cabin/mac", PLANT_BODY_KEY, NULL}, {.key = NULL}};
static const struct component_class one = {.name = "one", .stores = true, .plant = one_item};
static const struct component_class other = {.name = "other", .stores = true, .plant = other_item};

static void equip(const struct plant *p, const struct component_class *class, const char *serial,
                  uint8_t out[CMAC_KEY])
{
    static const char *const nobody[] = {NULL};
    struct plant_shift shift;
    struct store *store = store_memory_new();
    size_t len;
    ASSERT_OK(plant_open(p, test_crypto(), TEST_NOW_S, nobody, &shift));
    ASSERT_OK(plant_equip(&shift, class, serial, true, NULL, 0, store));
    ASSERT_OK(store_get(store, class->plant->key, out, CMAC_KEY, &len));
    cr_assert(eq(sz, len, CMAC_KEY));
    plant_close(&shift);
    store_close(store);
}

Test(cabin, the_body_key_is_that_of_one_vehicle)
{
    struct plant p, p2;
    uint8_t bcm[CMAC_KEY], spaak[CMAC_KEY], next_car[CMAC_KEY], next_plant[CMAC_KEY];
    ASSERT_OK(plant_make(test_crypto(), TEST_NOW_S, &p));
    ASSERT_OK(plant_make(test_crypto(), TEST_NOW_S, &p2));
    equip(&p, &one, "SPAAK00000001", bcm);
    equip(&p, &other, "SPAAK00000001", spaak);
    equip(&p, &one, "SPAAK00000002", next_car);
    equip(&p2, &one, "SPAAK00000001", next_plant);
    cr_expect(eq(int, memcmp(bcm, spaak, CMAC_KEY), 0),
              "the same in both stores of a vehicle, on another day");
    cr_expect(ne(int, memcmp(bcm, next_car, CMAC_KEY), 0));
    cr_expect(ne(int, memcmp(bcm, next_plant, CMAC_KEY), 0));
    plant_wipe(&p);
    plant_wipe(&p2);
}

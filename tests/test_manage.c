/* Words about keys between servers: bytes, what is no message, which of two words holds. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "lib/msg/manage.h"
#include "proto/tracking.pb-c.h"
#include "tests/check.h"
#include "tests/history.h"

TestSuite(manage);

static const uint8_t key_id[TRACKING_KEY_ID] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                                11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
static uint8_t resumption[5] = {'R', 'S', 'U', 'M', 1};

static struct manage_ask ask_of(bool event, enum key_action action)
{
    struct manage_ask a = {
        .event = event, .number = 7, .action = action, .cause = KEY_BY_SERVER, .issued_ms = 1000};
    memcpy(a.key_id, key_id, sizeof key_id);
    return a;
}

Test(manage, an_ask_has_these_bytes)
{
    /* version, 602, number, key id, suspend, by the device OEM, 1000 */
    static const uint8_t want[] = {0x08, 1,  0x10, 0xDA, 4,  0x18, 7,  0x22, 20, 1,    2,    3,
                                   4,    5,  6,    7,    8,  9,    10, 11,   12, 13,   14,   15,
                                   16,   17, 18,   19,   20, 0x28, 2,  0x30, 2,  0x38, 0xE8, 7};
    uint8_t out[200];
    struct wr w = wr_of(out, sizeof out);
    struct manage_ask a = ask_of(false, KEY_SUSPEND);
    a.cause = KEY_BY_DEVICE_OEM;
    ASSERT_OK(manage_ask_write(&a, &w));
    cr_expect(span_equal(span_of(out, w.len), span_of(want, sizeof want)));
}

Test(manage, what_is_written_is_read)
{
    static const struct {
        bool event;
        enum key_action action;
        size_t resumption;
    } rows[] = {{false, KEY_TERMINATE, 0},
                {false, KEY_SUSPEND, 0},
                {false, KEY_RESUME, 0},
                {false, KEY_RESUME, 5},
                {true, KEY_TERMINATE, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t out[300];
        struct tracking_memory m;
        struct manage_ask a = ask_of(rows[i].event, rows[i].action), b;
        struct wr w = wr_of(out, sizeof out);
        a.resumption = span_of(resumption, rows[i].resumption);
        ASSERT_OK(manage_ask_write(&a, &w));
        cr_expect(eq(int, tracking_peek(span_of(out, w.len)), TRACKING_MANAGE));
        ASSERT_OK(manage_ask_read(span_of(out, w.len), &m, &b));
        cr_expect(b.event == a.event && b.number == 7 && b.action == a.action && b.cause == a.cause &&
                      b.issued_ms == 1000 && memcmp(b.key_id, key_id, sizeof key_id) == 0 &&
                      span_equal(b.resumption, a.resumption),
                  "row %zu", i);
    }
}

Test(manage, what_is_no_ask)
{
    enum what { NUMBER, VERSION, TYPE, KEY, ACTION, NO_ACTION, CAUSE, NO_CAUSE, TIME, RESUMPTION, LONG };
    static const struct {
        enum what what;
        enum err reason;
    } rows[] = {
        {NUMBER, ERR_MSG_MALFORMED},     {VERSION, ERR_MSG_VERSION},    {TYPE, ERR_MSG_MALFORMED},
        {KEY, ERR_MSG_MALFORMED},        {ACTION, ERR_MSG_MALFORMED},   {NO_ACTION, ERR_MSG_MALFORMED},
        {CAUSE, ERR_MSG_MALFORMED},      {NO_CAUSE, ERR_MSG_MALFORMED}, {TIME, ERR_MSG_MALFORMED},
        {RESUMPTION, ERR_MSG_MALFORMED}, {LONG, ERR_MSG_MALFORMED}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const enum what w = rows[i].what;
        uint8_t out[600], id[TRACKING_KEY_ID] = {1}, text[TRACKING_RESUMPTION_MAX + 1] = {1};
        struct tracking_memory m;
        struct manage_ask a;
        Tracking__V1__ManageRequest q = TRACKING__V1__MANAGE_REQUEST__INIT;
        q.protocol_version = w == VERSION ? 2 : 1;
        q.message_type = w == TYPE ? TRACKING__V1__MESSAGE_TYPE__TRACK_REQUEST
                                   : TRACKING__V1__MESSAGE_TYPE__MANAGE_REQUEST;
        q.request_id = w == NUMBER ? 0 : 9;
        q.key_id = (ProtobufCBinaryData){w == KEY ? 19 : 20, id};
        q.action = (Tracking__V1__KeyAction)(w == ACTION ? 4 : w == NO_ACTION ? 0 : w == LONG ? 3 : 2);
        q.cause = (Tracking__V1__KeyCause)(w == CAUSE ? 6 : w == NO_CAUSE ? 0 : 1);
        q.issued_ms = w == TIME ? 0 : 5;
        if (w == RESUMPTION || w == LONG)
            q.resumption = (ProtobufCBinaryData){w == LONG ? sizeof text : 1, text};
        size_t len = tracking__v1__manage_request__pack(&q, out);
        EXPECT_ERR(manage_ask_read(span_of(out, len), &m, &a), rows[i].reason);
        cr_expect(eq(u64, a.number, w == NUMBER || w == TYPE ? 0 : 9), "row %zu", i);
    }
}

Test(manage, an_answer_is_read_as_it_was_written)
{
    for (int e = 0; e < 2; e++) {
        uint8_t out[300];
        struct tracking_memory m;
        struct wr w = wr_of(out, sizeof out);
        struct tracking_record r = {.state = KEY_ACTIVE, .state_ms = 900, .resumption_len = 5};
        struct manage_ask a = ask_of(e, KEY_TERMINATE);
        struct manage_answer b;
        memcpy(r.resumption, resumption, 5);
        struct manage_answer said = manage_answer_of(&a, e ? ERR_KEY_ENDED : ERR_OK, &r);
        ASSERT_OK(manage_answer_write(&said, &w));
        cr_expect(eq(int, tracking_peek(span_of(out, w.len)), TRACKING_MANAGED));
        ASSERT_OK(manage_answer_read(span_of(out, w.len), &m, &b));
        cr_expect(b.event == (e == 1) && b.number == 7 && b.issued_ms == 1000 &&
                  memcmp(b.key_id, key_id, sizeof key_id) == 0);
        EXPECT_ERR(b.error, e ? ERR_KEY_ENDED : ERR_OK);
        cr_expect(eq(int, b.state, e ? KEY_STATE_NONE : KEY_ACTIVE));
        cr_expect(eq(i64, b.state_ms, e ? 0 : 900));
        cr_expect(eq(sz, b.resumption.len, e ? 0 : 5));
        cr_expect(eq(int, manage_answer_read(span_of(out, w.len - 1), &m, &b), ERR_MSG_MALFORMED));
    }
}

Test(manage, of_two_words_the_later_holds)
{
    static const struct {
        enum key_state is;
        int64_t since_ms;
        enum key_action action;
        int64_t issued_ms;
        enum err reason;
        enum key_state then;
        int64_t then_ms;
    } rows[] = {
        /* is             since  action         issued  reason         then */
        {KEY_ACTIVE, 0, KEY_SUSPEND, 1000, ERR_OK, KEY_SUSPENDED, 1000},
        {KEY_SUSPENDED, 1000, KEY_SUSPEND, 1000, ERR_OK, KEY_SUSPENDED, 1000},
        {KEY_SUSPENDED, 1000, KEY_RESUME, 1000, ERR_MSG_STALE, KEY_SUSPENDED, 1000},
        {KEY_SUSPENDED, 1000, KEY_RESUME, 2000, ERR_OK, KEY_ACTIVE, 2000},
        {KEY_ACTIVE, 2000, KEY_SUSPEND, 1000, ERR_MSG_STALE, KEY_ACTIVE, 2000},
        {KEY_ACTIVE, 2000, KEY_TERMINATE, 1000, ERR_OK, KEY_TERMINATED, 1000},
        {KEY_TERMINATED, 1000, KEY_TERMINATE, 3000, ERR_OK, KEY_TERMINATED, 1000},
        {KEY_TERMINATED, 1000, KEY_RESUME, 3000, ERR_KEY_ENDED, KEY_TERMINATED, 1000},
        {KEY_TERMINATED, 1000, KEY_SUSPEND, 3000, ERR_KEY_ENDED, KEY_TERMINATED, 1000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tracking_record r = {.state = rows[i].is, .state_ms = rows[i].since_ms};
        struct manage_ask a = ask_of(false, rows[i].action);
        a.issued_ms = rows[i].issued_ms;
        EXPECT_ERR(manage_record_change(&r, &a), rows[i].reason);
        cr_expect(eq(int, r.state, rows[i].then), "row %zu", i);
        cr_expect(eq(i64, r.state_ms, rows[i].then_ms), "row %zu", i);
    }
}

/* The client in virtual time: its waits, its silences, many who answer, answers that are none. */
#include <stdio.h>

#include "lib/uds/uds_client.h"
#include "tests/check.h"

#define MS        1000ull
#define START_US  5000000ull
#define STEPS_MAX 10
#define TEXT_MAX  300

/* ---- one conversation ---- */

/* At a millisecond since the request left: something comes, and these events with it, apart by "; ". An event
 * of the clock has its millisecond behind it.
 *
 *   in: "62F190", "2:62F190" from ECU 2 (else 1), "begins", "failed" (the arrival of an answer), "" nothing
 */
struct step {
    double ms;
    const char *in, *events;
};

struct row {
    const char *name, *request;
    enum uds_addressing addressing;
    struct step steps[STEPS_MAX];
};

struct talk {
    struct uds_client client;
    uint64_t now_us;
    char events[TEXT_MAX];
    bool over;
};

static void note(struct talk *t, const struct uds_client_event *ev, bool by_clock)
{
    size_t at = strlen(t->events);
    if (ev->result == UDS_RESULT_NONE)
        return;
    cr_assert(not(t->over && ev->last), "a second end: %s", uds_result_name(ev->result));
    at +=
        (size_t)snprintf(t->events + at, TEXT_MAX - at, "%s%s", at ? "; " : "", uds_result_name(ev->result));
    if (ev->result == UDS_RESULT_NEGATIVE)
        at += (size_t)snprintf(t->events + at, TEXT_MAX - at, " %02X", (unsigned)ev->nrc);
    if (ev->result == UDS_RESULT_COLLECTED)
        at += (size_t)snprintf(t->events + at, TEXT_MAX - at, " %u", ev->answers);
    if (by_clock)
        snprintf(t->events + at, TEXT_MAX - at, " %g", (double)(t->now_us - START_US) / 1000);
    t->over = t->over || ev->last;
}

static void run_until(struct talk *t, uint64_t us)
{
    struct uds_client_event ev;
    while (uds_client_due_us(&t->client) <= us) {
        uint64_t due_us = uds_client_due_us(&t->client);
        t->now_us = due_us > t->now_us ? due_us : t->now_us;
        uds_client_tick(&t->client, t->now_us, &ev);
        note(t, &ev, true);
    }
    t->now_us = us;
}

static void come(struct talk *t, const char *in)
{
    struct uds_client_event ev = {0};
    bool other = strncmp(in, "2:", 2) == 0;
    static bool begun;
    if (strcmp(in, "begins") == 0) {
        uds_client_arrival_begins(&t->client);
        begun = true;
        return;
    }
    if (strcmp(in, "failed") == 0) {
        uds_client_arrival_failed(&t->client, &ev);
    } else {
        HEX(pdu, other ? in + 2 : in);
        if (*in)
            uds_client_receive(&t->client, other ? 2 : 1, span_of(pdu, pdu_len), begun, t->now_us, &ev);
        cr_expect(ev.answer.len == 0 || ev.source == (other ? 2u : 1u));
    }
    begun = begun && !*in;
    note(t, &ev, false);
}

static void play(const struct row *r)
{
    struct uds_client_config cfg = uds_client_config_default();
    struct uds_client_out out;
    struct talk t = {.now_us = START_US};
    HEX(request, r->request);
    uds_client_init(&t.client, &cfg);
    EXPECT_OK(uds_client_request(&t.client, r->addressing, span_of(request, request_len)), "%s", r->name);
    cr_assert(uds_client_take(&t.client, &out));
    cr_expect(out.request && out.addressing == r->addressing);
    cr_expect(span_equal(out.pdu, span_of(request, request_len)));
    cr_expect(not(uds_client_take(&t.client, &out)));
    cr_expect(eq(u64, uds_client_due_us(&t.client), UDS_NEVER), "no wait before the request has left");
    uds_client_sent(&t.client, START_US);
    for (const struct step *s = r->steps; s->in; s++) {
        t.events[0] = '\0';
        run_until(&t, START_US + (uint64_t)(s->ms * 1000 + 0.5));
        come(&t, s->in);
        cr_expect(eq(str, t.events, (char *)s->events), "%s, at %g ms", r->name, s->ms);
    }
    cr_expect(t.over, "%s: it must come to an end", r->name);
    cr_expect(not(uds_client_busy(&t.client)), "%s", r->name);
}

static void play_all(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        play(&rows[i]);
}
#define PLAY(rows) play_all(rows, sizeof rows / sizeof rows[0])

/* ---- time ---- */

static const struct row times[] = {
    {"an answer in time", "22F186", .steps = {{149.999, "62F18601", "positive"}, {9000, "", ""}}},
    {"no answer", "22F186", .steps = {{149.999, "", ""}, {150, "", "timeout 150"}}},
    {"an answer too late", "22F186", .steps = {{200, "62F18601", "timeout 150; stray"}, {9000, "", ""}}},
    {"a late answer to the request before", "3E00",
     .steps = {{10, "62F18601", "stray"}, {20, "7E00", "positive"}}},
    {"a late refusal of the request before", "3E00",
     .steps = {{10, "7F2231", "stray"}, {20, "7E00", "positive"}}},
    {"a stray answer gives no more time", "3E00",
     .steps = {{149, "62F18601", "stray"}, {150, "", "timeout 150"}}},
    {"the first frame ends the wait", "220221",
     .steps = {{149, "begins", ""}, {4000, "6202210000", "positive"}}},
    {"the rest never comes", "220221", .steps = {{100, "begins", ""}, {1100, "failed", "link failed"}}},
    {"another message arrives instead", "3E00",
     .steps = {{100, "begins", ""}, {500, "62F18601", "stray"}, {500, "", "timeout 500"}}},
    {"pending, then the answer", "31010310",
     .steps =
         {{40, "7F3178", ""}, {4540, "7F3178", ""}, {9040, "7F3178", ""}, {11000, "7101031000", "positive"}}},
    {"pending, then nothing", "31010310",
     .steps = {{40, "7F3178", ""}, {5539, "", ""}, {5540, "", "timeout 5540"}}},
    {"each 78 begins P2* anew", "31010310",
     .steps = {{40, "7F3178", ""}, {5500, "7F3178", ""}, {10999, "7F3122", "negative 22"}}},
    {"78 in haste", "31010310",
     .steps = {{1, "7F3178", ""}, {2, "7F3178", ""}, {3, "7F3178", ""}, {4, "7101031000", "positive"}}},
    {"78 without end", "31010310",
     .steps = {{100, "7F3178", ""},
               {5100, "7F3178", ""},
               {10100, "7F3178", ""},
               {15100, "7F3178", ""},
               {20500, "7F3178", ""},
               {25900, "7F3178", ""},
               {31300, "7F3178", ""},
               {36000, "", "pending too long 35100"}}},
    {"78 of another service", "31010310", .steps = {{100, "7F2278", "stray"}, {150, "", "timeout 150"}}},
};

Test(uds_client, times)
{
    PLAY(times);
}

/* ---- bit 7 ---- */

static const struct row quiet[] = {
    {"silence is what was asked", "3E80", .steps = {{149, "", ""}, {150, "", "silence 150"}}},
    {"refused all the same", "1082", .steps = {{10, "7F1012", "negative 12"}}},
    {"after a 78 an answer is due", "31810301",
     .steps = {{40, "7F3178", ""}, {300, "7101030100", "positive"}}},
    {"after a 78 silence is none", "31810301", .steps = {{40, "7F3178", ""}, {6000, "", "timeout 5540"}}},
    {"bit 7 of data is none", "22F190", .steps = {{6000, "", "timeout 150"}}},
    {"answered all the same", "1083", .steps = {{10, "5003003201F4", "positive"}}},
};

Test(uds_client, quiet)
{
    PLAY(quiet);
}

/* ---- functional ---- */

static const struct row functional[] = {
    {"nobody", "22F18C", UDS_FUNCTIONAL, {{150, "", "collected 0 150"}}},
    {"two ECUs",
     "1003",
     UDS_FUNCTIONAL,
     {{20, "5003003201F4", "positive"}, {30, "2:5003003201F4", "positive"}, {200, "", "collected 2 150"}}},
    {"a refusal among them",
     "1003",
     UDS_FUNCTIONAL,
     {{20, "7F1022", "negative 22"}, {30, "2:5003003201F4", "positive"}, {200, "", "collected 2 150"}}},
    {"one is pending: waited for",
     "31010301",
     UDS_FUNCTIONAL,
     {{20, "7101030100", "positive"},
      {40, "2:7F3178", ""},
      {200, "", ""},
      {300, "2:7101030100", "positive"},
      {300, "", "collected 2 300"}}},
    {"both are pending, one is lost",
     "31010301",
     UDS_FUNCTIONAL,
     {{40, "7F3178", ""},
      {40, "2:7F3178", ""},
      {300, "2:7101030100", "positive"},
      {6000, "", "collected 1 5540"}}},
    {"pending without end",
     "31010301",
     UDS_FUNCTIONAL,
     {{100, "7F3178", ""},
      {5500, "7F3178", ""},
      {10900, "7F3178", ""},
      {16300, "7F3178", ""},
      {21700, "7F3178", ""},
      {27100, "7F3178", ""},
      {32500, "7F3178", ""},
      {36000, "", "collected 0 35100"}}},
    {"the pending one answers early",
     "31010301",
     UDS_FUNCTIONAL,
     {{10, "7F3178", ""},
      {20, "7101030100", "positive"},
      {149, "2:7101030100", "positive"},
      {150, "", "collected 2 150"}}},
    {"a hostile one spoils nothing",
     "1003",
     UDS_FUNCTIONAL,
     {{20, "5002003201F4", "wrong echo"},
      {30, "2:5003003201F4", "positive"},
      {40, "62F190", "stray"},
      {200, "", "collected 2 150"}}},
    {"one arrives in pieces",
     "22F190",
     UDS_FUNCTIONAL,
     {{140, "begins", ""}, {300, "62F19031", "positive"}, {300, "", "collected 1 300"}}},
    {"one fails to arrive",
     "22F190",
     UDS_FUNCTIONAL,
     {{20, "2:62F19032", "positive"},
      {140, "begins", ""},
      {300, "failed", ""},
      {300, "", "collected 1 300"}}},
    {"bit 7 for all", "1083", UDS_FUNCTIONAL, {{20, "7F1022", "negative 22"}, {200, "", "collected 1 150"}}},
};

Test(uds_client, functional)
{
    PLAY(functional);
}

/* ---- answers that are none ---- */

/* A bad answer ends a request to one ECU; its 78 is no answer. */
Test(uds_client, bad_answers_end_the_request)
{
    static const struct row rows[] = {
        {"wrong echo", "2E0230AAAA", .steps = {{10, "6E0231", "wrong echo"}}},
        {"truncated", "1003", .steps = {{10, "5003", "malformed"}}},
        {"truncated refusal", "1003", .steps = {{10, "7F10", "malformed"}}},
        {"too long after a 78", "31010301", .steps = {{10, "7F3178", ""}, {20, "7F317800", "malformed"}}},
    };
    PLAY(rows);
}

/* ---- keep-alive, and one request at a time ---- */

Test(uds_client, keep_alive)
{
    struct uds_client_config cfg = uds_client_config_default();
    struct uds_client c;
    struct uds_client_out out;
    struct uds_client_event ev;
    uds_client_init(&c, &cfg);
    cr_expect(not(uds_client_take(&c, &out)));
    uds_client_keep_alive(&c, true, START_US);
    EXPECT_OK(uds_client_request(&c, UDS_PHYSICAL, span_of("\x22\xF1\x86", 3)));
    for (unsigned i = 0; i < 4; i++) {
        uint64_t at_us = START_US + i * 2000 * MS;
        if (i)
            cr_expect(eq(u64, uds_client_due_us(&c), at_us));
        uds_client_tick(&c, at_us, &ev);
        cr_assert(uds_client_take(&c, &out));
        expect_hex(out.pdu, "3e80", "keep-alive");
        cr_expect(out.addressing == UDS_FUNCTIONAL && !out.request);
        cr_expect(eq(int, uds_client_take(&c, &out), i == 0), "the request waits behind the first");
    }
    uds_client_keep_alive(&c, false, START_US + 8000 * MS);
    cr_expect(eq(u64, uds_client_due_us(&c), UDS_NEVER));
    uds_client_tick(&c, START_US + 9000 * MS, &ev);
    cr_expect(not(uds_client_take(&c, &out)));
}

Test(uds_client, one_at_a_time)
{
    struct uds_client_config cfg = uds_client_config_default();
    struct uds_client c;
    struct uds_client_out out;
    struct uds_client_event ev;
    uds_client_init(&c, &cfg);
    EXPECT_ERR(uds_client_request(&c, UDS_PHYSICAL, span_of("", 0)), ERR_BAD_ARGUMENT);
    EXPECT_ERR(uds_client_request(&c, UDS_PHYSICAL, span_of("\x62\xF1\x86", 3)), ERR_BAD_ARGUMENT);
    EXPECT_OK(uds_client_request(&c, UDS_PHYSICAL, span_of("\x3E\x00", 2)));
    EXPECT_ERR(uds_client_request(&c, UDS_PHYSICAL, span_of("\x3E\x00", 2)), ERR_BUSY);
    uds_client_receive(&c, 1, span_of("\x7E\x00", 2), false, START_US, &ev);
    cr_expect(eq(int, (int)ev.result, UDS_RESULT_STRAY), "it has not left yet");
    cr_assert(uds_client_take(&c, &out));
    uds_client_send_failed(&c, &ev);
    cr_expect(ev.result == UDS_RESULT_LINK_FAILED && ev.last);
    EXPECT_OK(uds_client_request(&c, UDS_PHYSICAL, span_of("\x3E\x00", 2)));
    uds_client_abort(&c);
    cr_expect(not(uds_client_take(&c, &out)));
    uds_client_sent(&c, START_US); /* the transport's word comes late */
    cr_expect(not(uds_client_busy(&c)));
    cr_expect(eq(u64, uds_client_due_us(&c), UDS_NEVER));
}

/* The answer may be faster than the transport's word that the request has left. */
Test(uds_client, answered_before_sent)
{
    struct uds_client_config cfg = uds_client_config_default();
    struct uds_client c;
    struct uds_client_out out;
    struct uds_client_event ev;
    uds_client_init(&c, &cfg);
    EXPECT_OK(uds_client_request(&c, UDS_PHYSICAL, span_of("\x3E\x00", 2)));
    cr_assert(uds_client_take(&c, &out));
    uds_client_receive(&c, 1, span_of("\x7E\x00", 2), false, START_US, &ev);
    cr_expect(ev.result == UDS_RESULT_POSITIVE && ev.last);
    uds_client_sent(&c, START_US);
    cr_expect(not(uds_client_busy(&c)));
}

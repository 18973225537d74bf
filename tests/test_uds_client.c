/* The client: against answers of every kind, good and hostile, in virtual time; and against the server. */
#include <stdio.h>

#include "lib/uds/uds_client.h"
#include "tests/check.h"
#include "tests/uds_ecu.h"

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

static const char *const results[] = {"",        "positive", "negative",  "silence", "collected", "timeout",
                                      "pending", "echo",     "malformed", "stray",   "link"};

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
    cr_assert(not(t->over && ev->last), "a second end: %s", results[ev->result]);
    at += (size_t)snprintf(t->events + at, TEXT_MAX - at, "%s%s", at ? "; " : "", results[ev->result]);
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
    {"the rest never comes", "220221", .steps = {{100, "begins", ""}, {1100, "failed", "link"}}},
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
               {36000, "", "pending 35100"}}},
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
     {{20, "5002003201F4", "echo"},
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

static const struct {
    const char *request, *answer;
    enum uds_result result;
} answers[] = {
    {"1003", "5003003201F4", UDS_RESULT_POSITIVE},
    {"1083", "5003003201F4", UDS_RESULT_POSITIVE},
    {"1003", "5001003201F4", UDS_RESULT_WRONG_ECHO},
    {"1003", "5083003201F4", UDS_RESULT_WRONG_ECHO},
    {"1003", "5003003201", UDS_RESULT_MALFORMED},
    {"1003", "5003003201F400", UDS_RESULT_MALFORMED},
    {"1003", "50", UDS_RESULT_MALFORMED},
    {"1003", "", UDS_RESULT_STRAY},
    {"1003", "5103", UDS_RESULT_STRAY},
    {"1003", "1003", UDS_RESULT_STRAY},
    {"1101", "5101", UDS_RESULT_POSITIVE},
    {"1101", "5102", UDS_RESULT_WRONG_ECHO},
    {"1101", "510101", UDS_RESULT_MALFORMED},
    {"1104", "5104FF", UDS_RESULT_POSITIVE},
    {"1104", "5104", UDS_RESULT_MALFORMED},
    {"14FFFFFF", "54", UDS_RESULT_POSITIVE},
    {"14FFFFFF", "5400", UDS_RESULT_MALFORMED},
    {"190109", "590139010002", UDS_RESULT_POSITIVE},
    {"190109", "5901390100", UDS_RESULT_MALFORMED},
    {"190209", "590239", UDS_RESULT_POSITIVE},
    {"190209", "5902399A005129", UDS_RESULT_POSITIVE},
    {"190209", "5902399A0051", UDS_RESULT_MALFORMED},
    {"190209", "590A39", UDS_RESULT_WRONG_ECHO},
    {"190209", "5902", UDS_RESULT_MALFORMED},
    {"22F190", "62F19031", UDS_RESULT_POSITIVE},
    {"22F190", "62F190", UDS_RESULT_MALFORMED},
    {"22F190", "62F19131", UDS_RESULT_WRONG_ECHO},
    {"22F190F186", "62F18601", UDS_RESULT_POSITIVE},
    {"22F190F186", "6290F186", UDS_RESULT_WRONG_ECHO},
    {"2701", "670111", UDS_RESULT_POSITIVE},
    {"2701", "6701", UDS_RESULT_MALFORMED},
    {"2701", "670311", UDS_RESULT_WRONG_ECHO},
    {"2702AA", "6702", UDS_RESULT_POSITIVE},
    {"2702AA", "670200", UDS_RESULT_MALFORMED},
    {"2702AA", "6701", UDS_RESULT_WRONG_ECHO},
    {"280301", "6803", UDS_RESULT_POSITIVE},
    {"280301", "680301", UDS_RESULT_MALFORMED},
    {"2908", "690802", UDS_RESULT_POSITIVE},
    {"2908", "69080200", UDS_RESULT_MALFORMED},
    {"2908", "6908", UDS_RESULT_MALFORMED},
    {"2901", "6901110002AABB0000", UDS_RESULT_POSITIVE},
    {"2901", "6901110002AABB00", UDS_RESULT_MALFORMED},
    {"2901", "6901110003AABB0000", UDS_RESULT_MALFORMED},
    {"2901", "690111FFFFAABB0000", UDS_RESULT_MALFORMED},
    {"2903", "6903120000", UDS_RESULT_POSITIVE},
    {"2903", "690312000000", UDS_RESULT_MALFORMED},
    {"2904", "690411AABB", UDS_RESULT_POSITIVE},
    {"2E0230AAAA", "6E0230", UDS_RESULT_POSITIVE},
    {"2E0230AAAA", "6E0231", UDS_RESULT_WRONG_ECHO},
    {"2E0230AAAA", "6E0230AA", UDS_RESULT_MALFORMED},
    {"2E0230AAAA", "6E02", UDS_RESULT_MALFORMED},
    {"31010301", "71010301", UDS_RESULT_POSITIVE},
    {"31810301", "7101030100", UDS_RESULT_POSITIVE},
    {"31010301", "71020301", UDS_RESULT_WRONG_ECHO},
    {"31010301", "71010302", UDS_RESULT_WRONG_ECHO},
    {"31010301", "710103", UDS_RESULT_MALFORMED},
    {"31", "71000000", UDS_RESULT_POSITIVE},
    {"31", "71010000", UDS_RESULT_WRONG_ECHO},
    {"3E00", "7E00", UDS_RESULT_POSITIVE},
    {"3E00", "7E", UDS_RESULT_MALFORMED},
    {"8502", "C502", UDS_RESULT_POSITIVE},
    {"8502", "C501", UDS_RESULT_WRONG_ECHO},
    {"BA01", "FA", UDS_RESULT_POSITIVE},
    {"BA01", "FB", UDS_RESULT_STRAY},
    {"22F190", "7F2231", UDS_RESULT_NEGATIVE},
    {"22F190", "7F2278", UDS_RESULT_NEGATIVE},
    {"22F190", "7F22", UDS_RESULT_MALFORMED},
    {"22F190", "7F223100", UDS_RESULT_MALFORMED},
    {"22F190", "7F2200", UDS_RESULT_MALFORMED},
    {"22F190", "7F1031", UDS_RESULT_STRAY},
    {"22F190", "7F6231", UDS_RESULT_STRAY},
    {"22F190", "7F", UDS_RESULT_STRAY},
};

Test(uds_client, answers)
{
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        HEX(request, answers[i].request);
        HEX(answer, answers[i].answer);
        enum uds_result r = uds_answer_check(span_of(request, request_len), span_of(answer, answer_len));
        cr_expect(eq(str, (char *)results[r], (char *)results[answers[i].result]), "%s > %s",
                  answers[i].request, answers[i].answer);
    }
}

/* A bad answer ends a request to one ECU; its 78 is no answer. */
Test(uds_client, bad_answers_end_the_request)
{
    static const struct row rows[] = {
        {"wrong echo", "2E0230AAAA", .steps = {{10, "6E0231", "echo"}}},
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

/* ---- against the server ---- */

struct pair {
    struct uds_ecu_bench ecu;
    struct uds_client client;
};

/* Both in the same time, until the request is over. */
static struct uds_client_event ask(struct pair *p, enum uds_addressing a, struct span request)
{
    struct uds_client_event ev = {0};
    struct uds_client_out out;
    const struct uds_ecu_answer *answer;
    EXPECT_OK(uds_client_request(&p->client, a, request));
    while (!ev.last) {
        while (uds_client_take(&p->client, &out)) {
            uds_ecu_send(&p->ecu, out.addressing, out.pdu);
            if (out.request)
                uds_client_sent(&p->client, p->ecu.now_us);
        }
        while (!ev.last && (answer = uds_ecu_answer(&p->ecu)))
            uds_client_receive(&p->client, 1, span_of(answer->bytes, answer->len), false, p->ecu.now_us, &ev);
        if (!ev.last) {
            uds_ecu_run_until(&p->ecu, p->ecu.now_us + 10 * MS);
            if (p->ecu.answered == p->ecu.read)
                uds_client_tick(&p->client, p->ecu.now_us, &ev);
        }
    }
    return ev;
}

static struct pair *new_pair(void)
{
    static struct pair p;
    struct uds_client_config cfg = uds_client_config_default();
    uds_ecu_open(&p.ecu, crypto_new(NULL));
    uds_ecu_power_on(&p.ecu);
    uds_client_init(&p.client, &cfg);
    return &p;
}

static void expect(struct pair *p, const char *request, enum uds_result result, enum uds_nrc nrc)
{
    HEX(pdu, request);
    struct uds_client_event ev = ask(p, UDS_PHYSICAL, span_of(pdu, pdu_len));
    cr_expect(eq(str, (char *)results[ev.result], (char *)results[result]), "%s", request);
    cr_expect(eq(int, (int)ev.nrc, (int)nrc), "%s", request);
}

static void unlock(struct pair *p, uint8_t level)
{
    uint8_t seed[2] = {UDS_SID_SECURITY_ACCESS, level};
    uint8_t key[2 + UDS_KEY] = {UDS_SID_SECURITY_ACCESS, (uint8_t)(level + 1)};
    struct uds_client_event ev = ask(p, UDS_PHYSICAL, span_of(seed, sizeof seed));
    cr_assert(ev.result == UDS_RESULT_POSITIVE && ev.answer.len == 2 + UDS_SEED);
    uds_ecu_key(&p->ecu, level, ev.answer.p + 2, key + 2);
    ev = ask(p, UDS_PHYSICAL, span_of(key, sizeof key));
    cr_assert(eq(int, (int)ev.result, UDS_RESULT_POSITIVE));
}

Test(uds_client, talks_to_the_server)
{
    struct pair *p = new_pair();
    expect(p, "1003", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "22F190", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "220221", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "2E0230012C", UDS_RESULT_NEGATIVE, UDS_NRC_SECURITY);
    unlock(p, 0x01);
    expect(p, "2E0230012C", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "3E80", UDS_RESULT_SILENCE, UDS_OK);
    expect(p, "31010310", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "19020D", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "14FFFFFF", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "8502", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "280301", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "1101", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "3E00", UDS_RESULT_TIMEOUT, UDS_OK); /* it boots */
    uds_ecu_run_until(&p->ecu, p->ecu.now_us + 110 * MS);
    expect(p, "3E00", UDS_RESULT_POSITIVE, UDS_OK);
}

Test(uds_client, functional_to_the_server)
{
    struct pair *p = new_pair();
    struct uds_client_event ev = ask(p, UDS_FUNCTIONAL, span_of("\x10\x03", 2));
    cr_expect(ev.result == UDS_RESULT_COLLECTED && ev.answers == 1);
    ev = ask(p, UDS_FUNCTIONAL, span_of("\x22\x12\x34", 3));
    cr_expect(ev.result == UDS_RESULT_COLLECTED && ev.answers == 0);
}

/* The keep-alive holds session and level open for a minute; without it they end. */
Test(uds_client, keep_alive_holds_the_session)
{
    struct pair *p = new_pair();
    struct uds_client_event ev;
    struct uds_client_out out;
    expect(p, "1003", UDS_RESULT_POSITIVE, UDS_OK);
    unlock(p, 0x01);
    uds_client_keep_alive(&p->client, true, p->ecu.now_us);
    for (int i = 0; i < 600; i++) {
        uds_ecu_run_until(&p->ecu, p->ecu.now_us + 100 * MS);
        uds_client_tick(&p->client, p->ecu.now_us, &ev);
        while (uds_client_take(&p->client, &out))
            uds_ecu_send(&p->ecu, out.addressing, out.pdu);
    }
    expect(p, "2E0230012C", UDS_RESULT_POSITIVE, UDS_OK);
    uds_client_keep_alive(&p->client, false, p->ecu.now_us);
    uds_ecu_run_until(&p->ecu, p->ecu.now_us + 5000 * MS);
    expect(p, "2E0230012C", UDS_RESULT_NEGATIVE, UDS_NRC_NO_SERVICE_IN_SESSION);
}

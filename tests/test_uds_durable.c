/* What the server keeps: which requests commit, a store that refuses at each commit, power lost at each
 * commit. And garbage, which keeps nothing. */
#include <stddef.h>

#include "lib/uds/uds_client.h"
#include "tests/check.h"
#include "tests/uds_rows.h"

#define MS 1000ull

static struct uds_ecu_bench bench;

static struct uds_ecu_bench *begin(enum uds_row_state state)
{
    struct crypto *c = bench.crypto ? bench.crypto : crypto_new(NULL);
    uds_ecu_open(&bench, c);
    uds_row_begin(&bench, state);
    return &bench;
}

static void steps(struct uds_ecu_bench *b, const char *text)
{
    char why[UDS_ROW_WHY];
    cr_expect(uds_row_steps(b, text, why), "%s", why);
}

/* ---- who commits ---- */

static const struct {
    const char *steps;
    enum uds_row_state state;
    unsigned commits;
} commits[] = {
    {"P 22F190 > *; P 190209 > *; P 3E00 > *; P 8502 > *; P 280301 > *; P 1003 > *", UDS_ROW_EXTENDED, 0},
    {"P 2E0230012C > 6E0230", UDS_ROW_WORKSHOP, 1},
    {"P 2E0230FFFF > 7F2E31; P 2E02300078FF > 7F2E13", UDS_ROW_WORKSHOP, 0},
    {"P 14FFFFFF > 54", UDS_ROW_DEFAULT, 1},
    {"P 14123456 > 7F1431", UDS_ROW_DEFAULT, 0},
    {"P 2701 > 6701 S; P 2702 K > 6702", UDS_ROW_EXTENDED, 0},
    {"P 2701 > 6701 S; P 2702 BAD > 7F2735", UDS_ROW_EXTENDED, 1},
    {"P 2701 > 6701 S; P 2702 BAD > 7F2735; P 2701 > 6701 S; P 2702 K > 6702", UDS_ROW_EXTENDED, 2},
    {"P 31010301 > *,*", UDS_ROW_PLANT_OPEN, 1},
    {"P 31030301 > *; P 31030302 > *", UDS_ROW_PLANT_OPEN, 0},
    {"P 3101030306AABB > 7F3131", UDS_ROW_PLANT_OPEN, 0},
    {"P 31010310 > *,*,*,*", UDS_ROW_WORKSHOP, 0},
};

Test(uds_durable, who_commits)
{
    for (size_t i = 0; i < sizeof commits / sizeof commits[0]; i++) {
        struct uds_ecu_bench *b = begin(commits[i].state);
        steps(b, commits[i].steps);
        cr_expect(eq(uint, b->commits, commits[i].commits), "%s", commits[i].steps);
    }
}

/* ---- a store that refuses ---- */

static const struct {
    const char *name;
    enum uds_row_state state;
    const char *before; /* steps until then */
    const char *steps;  /* the store refuses the first commit of these */
} refusals[] = {
    {"data", UDS_ROW_WORKSHOP, "",
     "P 2E0230012C > 7F2E72; P 220230 > 6202300078; P 2E0230012C > 6E0230; P 220230 > 620230012C"},
    {"trouble codes", UDS_ROW_DEFAULT, "",
     "P 14FFFFFF > 7F1472; P 190109 > 590139010002; P 14FFFFFF > 54; P 190109 > 590139010000"},
    {"a routine", UDS_ROW_PLANT_OPEN, "",
     "P 31010303013001 > 7F3172; P 220201 > 62020100; P 31010303013001 > 7101030300; P 220201 > 62020101"},
    {"a routine that was pending", UDS_ROW_PLANT_OPEN, "",
     "P 31010301 > 7F3178,7F3172; P 31030301 > 7103030102; P 31010301 > 7F3178,7101030100"},
    {"a wrong key: it counts all the same", UDS_ROW_EXTENDED, "",
     "P 2701 > 6701 S; P 2702 BAD > 7F2772; P 2702 K > 7F2724; P 2701 > 6701 S; P 2702 BAD > 7F2735; "
     "P 2701 > 6701 S; P 2702 BAD > 7F2736"},
    {"the last wrong key: the delay runs all the same", UDS_ROW_EXTENDED,
     "P 2701 > 6701 S; P 2702 BAD > 7F2735; P 2701 > 6701 S; P 2702 BAD > 7F2735",
     "P 2701 > 6701 S; P 2702 BAD > 7F2772; P 2701 > 7F2737"},
    {"a right key after a wrong one: it stays locked", UDS_ROW_EXTENDED,
     "P 2701 > 6701 S; P 2702 BAD > 7F2735",
     "P 2701 > 6701 S; P 2702 K > 7F2772; P 2E0230012C > 7F2E33; P 2701 > 6701 S; P 2702 BAD > 7F2735; "
     "P 2701 > 6701 S; P 2702 BAD > 7F2736"},
};

Test(uds_durable, store_refused)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        char why[UDS_ROW_WHY];
        struct uds_ecu_bench *b = begin(refusals[i].state);
        steps(b, refusals[i].before);
        b->refuse_at = b->commits + 1;
        cr_expect(uds_row_steps(b, refusals[i].steps, why), "%s: %s", refusals[i].name, why);
        cr_expect(ge(uint, b->commits, b->refuse_at));
    }
}

/* ---- data that take a while to write ---- */

static enum uds_nrc write_later(void *ctx, const struct uds_did *did, struct span value, uint32_t ticket)
{
    struct uds_ecu_bench *b = ctx;
    (void)did;
    (void)value;
    b->work.ticket = ticket;
    return UDS_NRC_PENDING;
}

static void end_write(struct uds_ecu_bench *b, enum uds_nrc nrc, const char *fetch)
{
    EXPECT_OK(uds_server_done(&b->server, b->work.ticket, nrc, span_of("", 0), b->now_us));
    steps(b, fetch); /* what is no request only takes the answer that waits */
}

Test(uds_durable, data_that_take_a_while)
{
    static const struct uds_did slow[] = {
        {0x0777, 1, 4, {{0}}, {{UDS_FREE_IN(UDS_IN_ALL)}}, .write_value = write_later}};
    static struct uds_ecu table;
    struct uds_ecu_bench *b = begin(UDS_ROW_DEFAULT);
    table = uds_ecu_spaak;
    table.dids = slow;
    table.did_count = 1;
    b->table = &table;
    uds_row_begin(b, UDS_ROW_EXTENDED);
    steps(b, "P 220777 > 7F2231; B 2E0777AA; wait 39; P 2E0777BB > 7F2E21; wait 1 > 7F2E78");
    cr_expect(eq(uint, b->commits, 0));
    end_write(b, UDS_OK, "P 7F > 6E0777");
    cr_expect(eq(uint, b->commits, 1));
    steps(b, "B 2E0777AA; wait 10");
    end_write(b, UDS_NRC_OUT_OF_RANGE, "P 7F > 7F2E31");
    cr_expect(eq(uint, b->commits, 1));
    steps(b, "B 2E0777AA; wait 10");
    b->refuse_at = 2;
    end_write(b, UDS_OK, "P 7F > 7F2E72");
}

/* ---- the tests behind trouble codes ---- */

Test(uds_durable, reports)
{
    struct uds_ecu_bench *b = begin(UDS_ROW_EXTENDED);
    enum { ANCHOR, VERIFIER = 2 };
    EXPECT_OK(uds_server_report(&b->server, VERIFIER, true));
    EXPECT_OK(uds_server_report(&b->server, VERIFIER, true));
    EXPECT_OK(uds_server_report(&b->server, ANCHOR, false));
    cr_expect(eq(uint, b->commits, 2), "what did not change is not stored again");
    steps(b, "P 190A > 590A399A0051289A0151299A035529C1988700DA108700; P 149A0051 > 54; P 190210 > "
             "5902399A005110");
    EXPECT_OK(uds_server_report(&b->server, ANCHOR, false));
    steps(b, "P 190210 > 590239; cut; wait 300; P 190208 > 5902399A0151299A035529");

    b->refuse_at = b->commits + 1;
    EXPECT_ERR(uds_server_report(&b->server, ANCHOR, true), ERR_STORE_FAILED);
    steps(b, "P 1003 > *; P 190208 > 5902399A0151299A035529; P 8502 > C502");
    EXPECT_OK(uds_server_report(&b->server, ANCHOR, true));
    steps(b, "P 190208 > 5902399A0151299A035529; P 8501 > C501");
    EXPECT_OK(uds_server_report(&b->server, ANCHOR, true));
    steps(b, "P 190201 > 5902399A0051299A0151299A035529");
}

/* An ECU that never stored anything has tested nothing. */
Test(uds_durable, first_power_on)
{
    struct uds_ecu_bench *b = begin(UDS_ROW_DEFAULT);
    uds_server_init(&b->server, b->table, b, b->crypto, NULL, b->now_us);
    steps(b, "P 190A > 590A399A0051109A0151109A035510C1988710DA108710; P 190208 > 590239; P 1003 > *; P 2701 "
             "> 6701 S");
}

/* ---- power lost at each commit ---- */

/* Both plant use cases, each request such that it may be asked again. */
static const char *const plant[] = {
    "310103030130AA",   "310103030230BB", "310103030330CC",
    "310103030430DD",   "310103030530EE", "2EF19031535041414B3030303030303030303039",
    "310103054C4F434B", "31010301",       "31010304301122",
    "31010305444F4E45",
};

/* The final answer to a request, or NULL when power was lost. */
static const struct uds_ecu_answer *ask(struct uds_ecu_bench *b, struct span pdu)
{
    const struct uds_ecu_answer *last = NULL, *next;
    uds_ecu_send(b, UDS_PHYSICAL, pdu);
    uds_ecu_run_until(b, b->now_us + 400 * MS);
    while ((next = uds_ecu_answer(b)))
        last = next->bytes[0] == UDS_NEGATIVE && next->bytes[2] == UDS_NRC_PENDING ? NULL : next;
    return last;
}

static bool positive(const struct uds_ecu_answer *a)
{
    return a && a->bytes[0] != UDS_NEGATIVE;
}

/* A wrong key first, so that the count is written and cleared. False: power was lost. */
static bool unlock(struct uds_ecu_bench *b, bool wrong_first)
{
    uint8_t key[2 + UDS_KEY] = {UDS_SID_SECURITY_ACCESS, 0x62};
    for (int i = wrong_first ? 0 : 1; i < 2; i++) {
        const struct uds_ecu_answer *a = ask(b, span_of("\x27\x61", 2));
        cr_assert(positive(a));
        if (i == 1)
            uds_ecu_key(b, 0x61, a->bytes + 2, key + 2);
        a = ask(b, span_of(key, sizeof key));
        if (!a)
            return false;
        cr_assert(eq(int, positive(a), i == 1));
    }
    return true;
}

/* One try at all of it. True: done, or the ECU says that it was; false: power was lost. */
static bool run_plant(struct uds_ecu_bench *b, bool wrong_first)
{
    const struct uds_ecu_answer *a = ask(b, span_of("\x10\x60", 2));
    if (!positive(a)) {
        cr_expect(eq(int, (int)b->kept.life, UDS_ECU_FINISHED), "only a finished ECU refuses the session");
        return true;
    }
    if (!unlock(b, wrong_first))
        return false;
    for (size_t i = 0; i < sizeof plant / sizeof plant[0]; i++) {
        HEX(pdu, plant[i]);
        /* from the second life on anchors are refused */
        bool refused = b->live.life == UDS_ECU_LOCKED && memcmp(pdu, "\x31\x01\x03\x03", 4) == 0;
        a = ask(b, span_of(pdu, pdu_len));
        if (!a)
            return false;
        cr_expect(eq(int, positive(a), !refused), "%s", plant[i]);
    }
    return true;
}

static struct uds_ecu_data finished(unsigned *commits_in_all)
{
    struct uds_ecu_bench *b = begin(UDS_ROW_DEFAULT);
    cr_assert(run_plant(b, true));
    *commits_in_all = b->commits;
    return b->kept;
}

Test(uds_durable, power_lost_at_each_commit)
{
    unsigned n;
    struct uds_ecu_data whole = finished(&n);
    cr_assert(eq(uint, n, 12));
    cr_assert(eq(int, (int)whole.life, UDS_ECU_FINISHED));
    for (unsigned cut = 1; cut <= 2 * n; cut++) {
        struct uds_ecu_bench *b = begin(UDS_ROW_DEFAULT);
        b->cut_at = (cut + 1) / 2;
        b->cut_keeps = cut % 2;
        cr_expect(not(run_plant(b, true)), "an answer left at commit %u", b->cut_at);
        uds_ecu_run_until(b, b->now_us + 10500 * MS); /* a wrong key on record delays */
        cr_expect(run_plant(b, false));
        cr_expect(eq(int, (int)b->kept.life, UDS_ECU_FINISHED));
        cr_expect(eq(int, memcmp(b->kept.anchors, whole.anchors, sizeof whole.anchors), 0));
        cr_expect(eq(int, memcmp(b->kept.identity, whole.identity, sizeof whole.identity), 0));
        cr_expect(eq(int, memcmp(b->kept.vin, whole.vin, sizeof whole.vin), 0));
        cr_expect(eq(int, memcmp(&b->kept.uds, &whole.uds, sizeof whole.uds), 0), "at commit %u", b->cut_at);
    }
}

/* No way to try keys without end by cutting power: the count is there before the answer. */
Test(uds_durable, power_cuts_give_no_key_back)
{
    struct uds_ecu_bench *b = begin(UDS_ROW_EXTENDED);
    steps(b, "P 2701 > 6701 S");
    b->cut_at = b->commits + 1;
    b->cut_keeps = true;
    steps(b, "B 270200000000000000000000000000000000; wait 300; P 1003 > *; P 2701 > 7F2737");
    cr_expect(eq(u8, b->kept.uds.failed[0], 1));
}

/* ---- garbage ---- */

static uint8_t garbage(unsigned pattern, size_t i, uint8_t sid)
{
    static const uint8_t plausible[] = {0x01, 0x03, 0x03, 0x01, 0x30, 0x02, 0x30};
    switch (pattern) {
    case 0:
        return 0x00;
    case 1:
        return 0xFF;
    case 2:
        return (uint8_t)(0xA5 * i + sid);
    default:
        return (uint8_t)(plausible[(i - 1) % sizeof plausible] + (pattern == 4 && i == 1 ? 0x80 : 0));
    }
}

/* What a refused request may not have touched. */
static void expect_untouched(const struct uds_ecu_bench *was, const struct uds_ecu_bench *is,
                             const char *what)
{
    cr_expect(eq(uint, is->commits, was->commits), "%s", what);
    cr_expect(eq(int, memcmp(&is->live, &was->live, sizeof is->live), 0), "%s", what);
    cr_expect(eq(u8, is->server.session, was->server.session), "%s", what);
    cr_expect(eq(u8, is->server.level, was->server.level), "%s", what);
    cr_expect(eq(u8, is->server.rx_off | is->server.tx_off, 0), "%s", what);
    cr_expect(eq(int, is->server.dtcs_off, false), "%s", what);
    cr_expect(eq(int, memcmp(&is->server.seed, &was->server.seed, sizeof was->server.seed), 0), "%s", what);
    cr_expect(eq(int, (int)is->server.state, UDS_SERVER_READY), "%s", what);
}

static void expect_well_formed(const struct uds_ecu_bench *was, struct uds_ecu_bench *is, struct span pdu)
{
    char what[2 * 8 + 1];
    hex_encode(pdu.p, pdu.len, what);
    cr_expect(le(sz, is->answered, 1), "%s", what);
    if (!is->answered) {
        bool quiet = pdu.len > 1 && uds_sid_has_subfunction(pdu.p[0]) && (pdu.p[1] & UDS_SUPPRESS);
        bool pending = is->server.state == UDS_SERVER_PENDING;
        cr_expect(quiet || pending || (pdu.p[0] & UDS_POSITIVE), "%s: silence", what);
        if (!quiet && !pending)
            expect_untouched(was, is, what);
        return;
    }
    struct span answer = span_of(is->answers[0].bytes, is->answers[0].len);
    enum uds_result r = uds_answer_check(pdu, answer);
    cr_expect(r == UDS_RESULT_POSITIVE || r == UDS_RESULT_NEGATIVE, "%s: answer of %zu bytes", what,
              answer.len);
    if (r == UDS_RESULT_NEGATIVE) {
        cr_expect(ne(str, (char *)uds_nrc_name((enum uds_nrc)answer.p[2]), "reserved"), "%s", what);
        expect_untouched(was, is, what);
    }
}

Test(uds_durable, garbage, .timeout = 60)
{
    static struct uds_ecu_bench fresh;
    const size_t size = offsetof(struct uds_ecu_bench, answers) + 2 * sizeof(struct uds_ecu_answer);
    uint8_t pdu[8];
    for (int state = UDS_ROW_DEFAULT; state <= UDS_ROW_FINISHED; state++) {
        begin((enum uds_row_state)state);
        memcpy(&fresh, &bench, sizeof fresh);
        for (unsigned n = 0; n < 256 * 5 * 8; n++) {
            size_t len = 1 + n % 8;
            pdu[0] = (uint8_t)(n / 40);
            for (size_t i = 1; i < len; i++)
                pdu[i] = garbage(n / 8 % 5, i, pdu[0]);
            memcpy(&bench, &fresh, size);
            bench.read = bench.answered = 0;
            uds_ecu_send(&bench, UDS_PHYSICAL, span_of(pdu, len));
            expect_well_formed(&fresh, &bench, span_of(pdu, len));
        }
    }
}

/* A run from inside: the matcher beside the judge, claims by their kinds, the end of what cannot be met any
 * more, lives before a run, runs without records. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/commands.h"
#include "sim/run/judge.h"
#include "sim/run/records.h"
#include "sim/world/past.h"
#include "sim/world/world.h"
#include "tests/check.h"
#include "tests/support.h"

/* ---- the matcher says what the judge says ---- */

#define STEPS "abcd"

static uint32_t state;

static uint32_t draw(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % n;
}

static struct expect random_expect(void)
{
    struct expect x = {.event = TRACE_KINDS, .reason = -1, .at_least = 1 + draw(3)};
    uint32_t form = draw(10);
    snprintf(x.step, sizeof x.step, "%c", STEPS[draw(4)]);
    if (form == 0) {
        x.kind = EXPECT_COUNT;
        x.event = TRACE_DROP;
        x.step[0] = '\0';
    } else if (form < 4) {
        x.kind = EXPECT_PATH;
        x.event = TRACE_SEND;
        x.path_count = 2 + draw(2);
        for (size_t i = 0; i < x.path_count; i++)
            snprintf(x.path[i], sizeof x.path[0], "n%zu", i);
    }
    x.any_order = x.kind != EXPECT_COUNT && draw(4) == 0;
    x.within_us = x.kind != EXPECT_COUNT && draw(8) == 0 ? 200 : 0;
    return x;
}

static struct trace_event random_event(uint64_t time_us)
{
    static const enum trace_kind kinds[] = {TRACE_SEND,   TRACE_SEND, TRACE_RELAY, TRACE_RELAY,
                                            TRACE_ACCEPT, TRACE_STEP, TRACE_DROP};
    struct trace_event e = {.time_us = time_us, .kind = (uint16_t)kinds[draw(7)], .length = draw(2)};
    snprintf(e.component, sizeof e.component, "n%u", draw(3));
    if (e.kind != TRACE_DROP && e.kind != TRACE_RELAY)
        snprintf(e.step, sizeof e.step, "%c", STEPS[draw(4)]);
    e.has_digest = true;
    e.digest[0] = (uint8_t)draw(3);
    return e;
}

/* Once the matcher says that all is met, it is; and at the end both say the same, however late events came.
 */
static void compare(struct scenario *s, bool late, unsigned *met)
{
    struct run r = {.scenario = s};
    struct trace_event events[60];
    matcher_begin(&r.matcher, s, 0);
    r.events = events;
    for (uint64_t t = 0; r.event_count < 60; t += 50) {
        struct trace_event e = random_event(t);
        size_t at = r.event_count++;
        for (unsigned back = late && draw(5) == 0 ? draw(20) : 0; back && at; back--, at--)
            events[at] = events[at - 1];
        e.time_us = at ? events[at - 1].time_us : 0;
        events[at] = e;
        matcher_take(&r.matcher, events, r.event_count, at);
        if (matcher_met(&r.matcher))
            cr_assert(judge_events_met(&r), "after %zu events", r.event_count);
    }
    *met += matcher_met(&r.matcher);
    matcher_free(&r.matcher);
}

Test(matcher, agrees_with_the_judge_on_random_runs)
{
    static struct scenario s;
    unsigned met = 0;
    for (state = 1; state < 4000;) {
        uint32_t seed = state;
        memset(&s, 0, sizeof s);
        s.expect_count = 1 + draw(4);
        for (size_t i = 0; i < s.expect_count; i++)
            s.expects[i] = random_expect();
        compare(&s, seed % 2 == 0, &met);
        state = seed + 1;
    }
    cr_expect(lt(u32, 400, met), "too few were met for this to mean anything: %u", met);
}

Test(matcher, an_event_that_comes_late_counts_where_it_belongs)
{
    static struct scenario s = {.expect_count = 2};
    struct trace_event events[3] = {{.time_us = 1, .kind = TRACE_STEP, .step = "b"}};
    struct matcher m;
    s.expects[0] = (struct expect){.event = TRACE_STEP, .reason = -1, .step = "a"};
    s.expects[1] = (struct expect){.event = TRACE_STEP, .reason = -1, .step = "b"};
    matcher_begin(&m, &s, 0);
    matcher_take(&m, events, 1, 0);
    cr_expect(not(matcher_met(&m)));
    events[1] = events[0];
    events[0] = (struct trace_event){.time_us = 0, .kind = TRACE_STEP, .step = "a"};
    matcher_take(&m, events, 2, 0);
    cr_expect(matcher_met(&m));
    matcher_free(&m);
}

static const struct {
    const char *name, *expects, *events; /* a capital: in any order */
    bool met;
} own_rows[] = {
    {"one for two", "aa", "a", false},
    {"two for two", "aa", "aba", true},
    {"three for two", "aa", "aaa", true},
    {"one for two in any order", "AA", "ba", false},
    {"two for two in any order", "AA", "aba", true},
    {"two for three in any order", "AAA", "aab", false},
    {"others between", "ABA", "aab", true},
    {"others between, and one too few", "ABA", "abb", false},
    {"in order beside in any order", "aA", "a", true},
};

Test(matcher, each_expectation_has_an_event_of_its_own)
{
    for (size_t i = 0; i < sizeof own_rows / sizeof own_rows[0]; i++) {
        static struct scenario s;
        struct trace_event events[4] = {0};
        struct run r = {.scenario = &s, .events = events, .event_count = strlen(own_rows[i].events)};
        memset(&s, 0, sizeof s);
        for (const char *c = own_rows[i].expects; *c; c++) {
            struct expect *x = &s.expects[s.expect_count++];
            *x = (struct expect){.event = TRACE_STEP, .reason = -1, .any_order = *c < 'a'};
            snprintf(x->step, sizeof x->step, "%c", *c | 0x20);
        }
        for (size_t k = 0; k < r.event_count; k++) {
            events[k] = (struct trace_event){.time_us = k, .kind = TRACE_STEP};
            snprintf(events[k].step, sizeof events[k].step, "%c", own_rows[i].events[k]);
        }
        matcher_begin(&r.matcher, &s, 0);
        matcher_take(&r.matcher, events, r.event_count, 0);
        cr_expect(eq(int, matcher_met(&r.matcher), own_rows[i].met), "%s", own_rows[i].name);
        cr_expect(eq(int, judge_events_met(&r), own_rows[i].met), "%s, at the end", own_rows[i].name);
        matcher_free(&r.matcher);
    }
}

/* As many as a scenario may have, each without order; each is left out once. */
Test(matcher, knows_all_expectations_apart)
{
    static struct scenario s = {.expect_count = SCENARIO_EXPECTS};
    struct trace_event events[SCENARIO_EXPECTS] = {0};
    for (size_t i = 0; i < SCENARIO_EXPECTS; i++) {
        s.expects[i] = (struct expect){.event = TRACE_STEP, .reason = -1, .any_order = true};
        snprintf(s.expects[i].step, sizeof s.expects[i].step, "PP-01/%zu", i);
    }
    for (size_t left_out = 0; left_out < SCENARIO_EXPECTS; left_out++) {
        struct matcher m;
        size_t n = 0;
        for (size_t i = 1; i <= SCENARIO_EXPECTS; i++, n++) {
            events[n] = (struct trace_event){.kind = TRACE_STEP};
            text_copy(events[n].step, sizeof events[n].step,
                      s.expects[(left_out + i) % SCENARIO_EXPECTS].step);
        }
        matcher_begin(&m, &s, 0);
        matcher_take(&m, events, n - 1, 0);
        cr_expect(not(matcher_met(&m)), "%zu", left_out);
        matcher_take(&m, events, n, n - 1);
        cr_expect(matcher_met(&m), "%zu", left_out);
        matcher_free(&m);
    }
}

/* Follower and judge grant the same. */
Test(matcher, where_time_is_real_a_bound_has_something_on_top)
{
    static const struct {
        uint64_t within_us, grace_us, at_us;
        bool met;
    } rows[] = {
        {10, 0, 10, true}, {10, 0, 11, false}, {10, 5, 15, true}, {10, 5, 16, false}, {0, 5, 999, true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct trace_event e = {.kind = TRACE_STEP, .time_us = rows[i].at_us, .step = "a"};
        struct scenario s = {.expect_count = 1};
        struct run r = {.scenario = &s, .events = &e, .event_count = 1, .grace_us = rows[i].grace_us};
        s.expects[0] =
            (struct expect){.event = TRACE_STEP, .reason = -1, .step = "a", .within_us = rows[i].within_us};
        matcher_begin(&r.matcher, &s, r.grace_us);
        matcher_take(&r.matcher, &e, 1, 0);
        cr_expect(eq(int, matcher_met(&r.matcher), rows[i].met), "%zu", i);
        cr_expect(eq(int, judge_events_met(&r), rows[i].met), "%zu, at the end", i);
        matcher_free(&r.matcher);
    }
}

/* ---- claims ---- */

static const struct claim_spec door_claims[] = {
    {.name = "owner", .kind = CLAIM_AT_MOST_ONE},
    {.name = "transaction", .kind = CLAIM_EQUAL},
    {.name = "open", .kind = CLAIM_ONLY_AFTER, .after = "transaction"},
    {.name = "ready", .kind = CLAIM_EQUAL},
    {.name = "go", .kind = CLAIM_ONLY_AFTER, .after = "ready", .within_us = 5},
    {.name = "K", .kind = CLAIM_EQUAL, .shared = true},
    {.name = NULL},
};
static const struct component_class door_class = {.name = "door", .claims = door_claims};
static const struct claim_spec server_claims[] = {
    {.name = "transaction", .kind = CLAIM_EQUAL},
    {.name = "K", .kind = CLAIM_EQUAL, .shared = true},
    {.name = NULL},
};
static const struct component_class server_class = {.name = "server", .claims = server_claims};

struct made {
    const char *by, *claim;
    int value; /* -1: claims nothing any more; -2: was killed */
    uint64_t time_us;
};

static const struct {
    const char *name;
    struct made made[5];
    const char *at_once, *when_quiet; /* what is said; NULL: nothing */
} claim_rows[] = {
    {.name = "two owners",
     .made = {{"door", "owner", 1}, {"gate", "owner", 1}},
     .at_once = "which door holds already"},
    {.name = "one owner after the other",
     .made = {{"door", "owner", 1}, {"door", "owner", -1}, {"gate", "owner", 1}}},
    {.name = "the owner's holder was killed",
     .made = {{"door", "owner", 1}, {"door", "", -2}, {"gate", "owner", 1}}},
    {.name = "an open door without a transaction",
     .made = {{"door", "open", 7}},
     .at_once = "without a fresh \"transaction\""},
    {.name = "an open door after another's transaction",
     .made = {{"server", "transaction", 6}, {"door", "open", 7}},
     .at_once = "without a fresh \"transaction\""},
    {.name = "a transaction opens", .made = {{"server", "transaction", 7}, {"door", "open", 7}}},
    {.name = "a transaction opens once",
     .made = {{"server", "transaction", 7}, {"door", "open", 7}, {"gate", "open", 7}},
     .at_once = "without a fresh \"transaction\""},
    {.name = "whose transaction it was died since",
     .made = {{"server", "transaction", 7}, {"server", "", -2}, {"door", "open", 7}}},
    {.name = "and it opens once all the same",
     .made = {{"server", "transaction", 7}, {"server", "", -2}, {"door", "open", 7}, {"gate", "open", 7}},
     .at_once = "without a fresh \"transaction\""},
    {.name = "two transactions on their way",
     .made = {{"server", "transaction", 6},
              {"server", "transaction", 7},
              {"door", "open", 6},
              {"gate", "open", 7}}},
    {.name = "a transaction that was withdrawn",
     .made = {{"server", "transaction", 7}, {"server", "transaction", -1}, {"door", "open", 7}},
     .at_once = "without a fresh \"transaction\""},
    {.name = "what a life has made ready is gone with it",
     .made = {{"door", "ready", 7}, {"door", "", -2}, {"door", "go", 7}},
     .at_once = "without a fresh \"ready\""},
    {.name = "ready in time", .made = {{"door", "ready", 7}, {"door", "go", 7, 5}}},
    {.name = "ready too long ago",
     .made = {{"door", "ready", 7}, {"door", "go", 7, 6}},
     .at_once = "without a fresh \"ready\""},
    {.name = "both hold the same", .made = {{"door", "K", 3}, {"server", "K", 3}}},
    {.name = "they differ",
     .made = {{"door", "K", 3}, {"server", "K", 4}},
     .when_quiet = "do not hold the same \"K\""},
    {.name = "they differed for a while", .made = {{"door", "K", 3}, {"server", "K", 4}, {"server", "K", 3}}},
    {.name = "nobody else knows", .made = {{"door", "K", 3}}, .when_quiet = "nobody else knows"},
    {.name = "only its own kind knows",
     .made = {{"door", "K", 3}, {"gate", "K", 3}},
     .when_quiet = "nobody else knows"},
    {.name = "claimed no longer", .made = {{"door", "K", 3}, {"door", "K", -1}}},
};

static void note_failure(void *ctx, const char *problem)
{
    strncat(ctx, problem, 900 - strlen(ctx));
}

static struct trace_event made_event(const struct made *m)
{
    struct trace_event e = {.time_us = m->time_us,
                            .kind = m->value == -2 ? TRACE_LIFE : TRACE_CLAIM,
                            .has_digest = m->value >= 0};
    text_copy(e.component, sizeof e.component, m->by);
    text_copy(e.message, sizeof e.message, m->claim);
    text_copy(e.peer, sizeof e.peer, "V1");
    text_copy(e.detail, sizeof e.detail, m->value == -2 ? "killed" : "");
    e.digest[0] = (uint8_t)m->value;
    return e;
}

Test(claims, each_kind_is_judged)
{
    static struct scenario s = {.members = {{.name = "door", .class = &door_class},
                                            {.name = "gate", .class = &door_class},
                                            {.name = "server", .class = &server_class}},
                                .member_count = 3};
    for (size_t i = 0; i < sizeof claim_rows / sizeof claim_rows[0]; i++) {
        struct claims c;
        char said[CLAIM_PROBLEM] = "", quiet[1000] = "";
        claims_begin(&c, &s);
        for (size_t k = 0; k < 5 && claim_rows[i].made[k].by; k++) {
            struct trace_event e = made_event(&claim_rows[i].made[k]);
            claims_take(&c, &e, said);
        }
        claims_judge(&c, note_failure, quiet);
        cr_expect(claim_rows[i].at_once ? strstr(said, claim_rows[i].at_once) != NULL : !said[0], "%s: %s",
                  claim_rows[i].name, said);
        cr_expect(claim_rows[i].when_quiet ? strstr(quiet, claim_rows[i].when_quiet) != NULL
                                           : !strstr(quiet, "K"),
                  "%s: %s", claim_rows[i].name, quiet);
        claims_free(&c);
    }
}

/* Whose claims nobody hears excuses others of its vehicle, and nothing that they claim themselves. */
Test(claims, what_comes_after_somebody_outside_is_not_judged)
{
    static const struct {
        const char *name;
        unsigned group; /* the server's */
        bool outside;
        const char *claim, *at_once, *unjudged;
    } rows[] = {
        {"all are here", 0, false, "open", "without a fresh \"transaction\"", ""},
        {"the server is outside", 0, true, "open", "",
         "not judged, since it is played from outside: which \"transaction\" has let door be \"open\""},
        {"another vehicle's server is", 1, true, "open", "without a fresh \"transaction\"", ""},
        {"it has no part in this", 0, true, "go", "without a fresh \"ready\"",
         "not judged, since it is played from outside: which \"transaction\" has let door be \"open\""},
    };
    static const struct claim_spec own[] = {
        {.name = "open", .kind = CLAIM_ONLY_AFTER, .after = "transaction"},
        {.name = "ready", .kind = CLAIM_EQUAL},
        {.name = "go", .kind = CLAIM_ONLY_AFTER, .after = "ready", .within_us = 5},
        {.name = NULL},
    };
    static const struct component_class bare_door = {.name = "door", .claims = own};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scenario s = {.members = {{.name = "door", .class = &bare_door},
                                         {.name = "server",
                                          .class = &server_class,
                                          .group = rows[i].group,
                                          .external = rows[i].outside}},
                             .member_count = 2};
        struct claims c;
        char said[CLAIM_PROBLEM] = "", unjudged[EXTERNAL_UNJUDGED];
        const struct trace_event e = made_event(&(struct made){"door", rows[i].claim, 7, 0});
        claims_begin(&c, &s);
        cr_expect(claims_take(&c, &e, said) == !*rows[i].at_once, "%s", rows[i].name);
        cr_expect(strstr(said, rows[i].at_once) != NULL, "%s: %s", rows[i].name, said);
        external_unjudged(&s, unjudged);
        cr_expect(eq(str, unjudged, (char *)rows[i].unjudged), "%s", rows[i].name);
        claims_free(&c);
    }
}

/* Entries of `never` count from the beginning; what is in no order tells nothing of what came before. */
Test(claims, a_time_is_judged_where_what_it_counts_from_is_seen)
{
    static const struct {
        const char *by[3];
        bool any_order[3], nevers;
        uint64_t last_us; /* the time of the last one, of 400 */
        const char *unjudged;
    } rows[] = {
        {{"here", "here", "here"}, {false, false, false}, false, 400, ""},
        {{"out", "here", "here"}, {false, false, false}, false, 400, "line 1"},
        {{"here", "out", "here"}, {false, false, false}, false, 0, "lines 2, 3"},
        {{"out", "here", "here"}, {false, true, false}, false, 0, "lines 1, 3"},
        {{"here", "out", "here"}, {false, true, false}, false, 400, "line 2"},
        {{"here", "out", "here"}, {false, false, false}, true, 400, "line 2"},
    };
    static const struct port_spec hub[] = {{.name = "can", .medium = "can"}};
    static const struct component_class alone = {.name = "alone", .ports = hub, .port_count = 1};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scenario s = {.members = {{.name = "out", .class = &alone}, {.name = "here", .class = &alone}},
                             .member_count = 2};
        struct expect *list = rows[i].nevers ? s.nevers : s.expects;
        char problem[EXTERNAL_PROBLEM], said[EXTERNAL_UNJUDGED], want[100] = "";
        for (unsigned k = 0; k < 3; k++) {
            list[k] = (struct expect){.event = TRACE_STEP, .any_order = rows[i].any_order[k], .line = k + 1};
            list[k].within_us = k == 2 ? 400 : 0;
            text_copy(list[k].component, sizeof list[k].component, rows[i].by[k]);
        }
        *(rows[i].nevers ? &s.never_count : &s.expect_count) = 3;
        cr_assert(external_mark(&s, "out", problem), "%s", problem);
        size_t kept = rows[i].nevers ? s.never_count : s.expect_count;
        cr_expect(eq(u64, list[kept - 1].within_us, rows[i].last_us), "%zu", i);
        external_unjudged(&s, said);
        if (*rows[i].unjudged)
            snprintf(want, sizeof want, "not judged, since it is played from outside: %s", rows[i].unjudged);
        cr_expect(eq(str, said, want), "%zu", i);
    }
}

/* Many lines are counted where there is no room to name them. */
Test(claims, what_is_not_judged_is_counted_where_it_is_not_named)
{
    static struct scenario s;
    char said[EXTERNAL_UNJUDGED];
    for (unsigned k = 0; k < 150; k++)
        s.unjudged[k] = 100 + k;
    s.unjudged_count = 150;
    external_unjudged(&s, said);
    cr_expect(strstr(said, "outside: lines 100, 101, ") != NULL, "%s", said);
    unsigned named = 0, more = 0;
    for (const char *p = said; (p = strchr(p, ',')); p++)
        named++;
    cr_assert(eq(int, sscanf(strstr(said, " and "), " and %u more", &more), 1));
    cr_expect(eq(uint, named + more, 150)); /* the first comma is the sentence's */
}

/* ---- whole runs, in virtual time and without records ---- */

static char directory[120];

static char *find_here(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s.yaml", directory, name);
    return access(path, R_OK) == 0 ? strdup(path) : scenario_find_quietly(name);
}

static void make_directory(void)
{
    test_path(directory, sizeof directory, "run");
    mkdir(directory, 0700);
    scenario_finder = find_here;
}

static void remove_directory(void)
{
    char command[200];
    past_forget();
    snprintf(command, sizeof command, "rm -rf %s", directory);
    cr_assert(eq(int, system(command), 0));
}

TestSuite(run, .init = make_directory, .fini = remove_directory);

static void write_scenario(const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s.yaml", directory, name);
    FILE *f = fopen(path, "w");
    fprintf(f, "schema: 1\nname: %s\ntitle: t\nuse_case: PP-01\n%s", name, text);
    fclose(f);
}

#define CAST "run: [broker, pki, vos, gsdp, sgw, tbm, spaak]\n"
#define ALL  CAST "given: {after: rp02}\n"
#define DONE "expect:\n  - {step: PP-01/19, by: spaak}\n"

static struct run lived_with(const char *name, const struct run_options *o)
{
    static struct run r;
    struct scenario *s;
    struct tree_problem p = {0};
    size_t n;
    char path[200];
    snprintf(path, sizeof path, "%s/%s.yaml", directory, name);
    cr_assert(scenario_load(path, &s, &n, &p), "%s: %s", name, p.text);
    world_run(&r, s, o);
    struct run copy = r;
    run_free(&r);
    free(s);
    return copy;
}

static struct run lived(const char *name)
{
    return lived_with(name, &(struct run_options){.world = WORLD_VIRTUAL, .seed = 5, .quiet = true});
}

Test(run, without_records_leaves_nothing)
{
    write_scenario("a", ALL DONE);
    struct run r = lived("a");
    cr_expect(eq(int, (int)r.verdict, VERDICT_PASS), "%s", r.failures[0]);
    cr_expect(lt(sz, 50, r.event_count));
    cr_expect(lt(u64, 100, r.frames));
    cr_expect(eq(ptr, r.records, NULL));
}

Test(run, what_cannot_be_met_any_more_ends_at_once)
{
    write_scenario(
        "a", ALL "limit: 3600 s\nexpect:\n  - {step: PP-01/19, by: spaak}\n  - {step: PP-01/19, by: spaak}\n"
                 "  - {event: fail, by: spaak}\n");
    struct run r = lived("a");
    cr_expect(eq(int, (int)r.verdict, VERDICT_FAIL));
    cr_expect(r.quiet_end);
    cr_expect(ne(ptr, strstr(r.failures[0], "did not happen"), NULL), "%s", r.failures[0]);
    cr_expect(ne(ptr, strstr(r.failures[1], "came nearest: PP-01/19 spaak"), NULL), "%s", r.failures[1]);
    cr_expect(ne(ptr, strstr(r.failures[2], "nothing more could have come of it"), NULL), "%s",
              r.failures[2]);
}

static const struct {
    const char *name, *list, *says;
} unmade[] = {
    {"its step does not come", "  - {call: renew-vehicle-identity, to: vos, at: PP-99/1}\n",
     "the call \"renew-vehicle-identity\" to vos was never made: there was no PP-99/1"},
    {"the run ends before", "  - {call: renew-vehicle-identity, to: vos, at: start, after: 9999 s}\n",
     "to vos was never made: the run ended before its time"},
};

Test(run, a_kill_some_time_after_a_step_comes_then_and_once)
{
    write_scenario(
        "a",
        ALL "faults:\n  - kill: {component: spaak, at: PP-01/3, after: 300 ms, restart_after: 10 ms}\n"
            "quiet: 1 s\n"
            "expect:\n  - {step: PP-01/3, by: spaak}\n  - {step: PP-01/19, by: spaak, within: 200 ms}\n"
            "  - {event: life, by: spaak, detail: killed}\n  - {event: life, by: spaak, detail: started}\n"
            "never:\n  - {event: life, by: spaak, detail: killed, within: 250 ms}\n");
    struct run r = lived("a");
    cr_expect(eq(int, (int)r.verdict, VERDICT_PASS), "%s", r.failures[0]);
}

Test(run, a_call_that_was_never_made_fails)
{
    char text[400];
    for (size_t i = 0; i < sizeof unmade / sizeof unmade[0]; i++) {
        snprintf(text, sizeof text, ALL "limit: 60 s\n" DONE "do:\n%s", unmade[i].list);
        write_scenario("a", text);
        struct run r = lived("a");
        cr_expect(eq(int, (int)r.verdict, VERDICT_FAIL), "%s", unmade[i].name);
        cr_expect(ne(ptr, strstr(r.failures[0], unmade[i].says), NULL), "%s: %s", unmade[i].name,
                  r.failures[0]);
    }
}

static const struct {
    const char *name, *list, *says; /* says NULL: passes */
} floods[] = {
    {"as many as there is time for", "  - {inject: 001#00, count: 100, every: 1 ms}\n", NULL},
    {"a frame of 64 bytes",
     "  - {inject: \"3A0##1000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F2021222324252627"
     "28292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F\"}\n",
     NULL},
    {"more than the limit lets through", "  - {inject: 001#00, count: 1000000, every: 1 ms}\n",
     "the call \"inject\" to rogue was not done when the run ended"},
    {"one more than can be under way at a time",
     "  - {inject: 001#00, count: 9, every: 1 ms}\n  - {inject: 002#00, count: 9, every: 1 ms}\n"
     "  - {inject: 003#00, count: 9, every: 1 ms}\n  - {inject: 004#00, count: 9, every: 1 ms}\n"
     "  - {inject: 005#00, count: 9, every: 1 ms}\n  - {inject: 006#00, count: 9, every: 1 ms}\n"
     "  - {inject: 007#00, count: 9, every: 1 ms}\n  - {inject: 008#00, count: 9, every: 1 ms}\n"
     "  - {inject: 009#00, count: 9, every: 1 ms}\n",
     "rogue refused inject: an earlier operation has not ended (BUSY)"},
};

Test(run, an_injection_that_was_not_done_fails)
{
    char text[900];
    for (size_t i = 0; i < sizeof floods / sizeof floods[0]; i++) {
        snprintf(text, sizeof text, ALL "limit: 2 s\n" DONE "do:\n%s", floods[i].list);
        write_scenario("a", text);
        struct run r = lived("a");
        cr_expect(eq(int, (int)r.verdict, floods[i].says ? VERDICT_FAIL : VERDICT_PASS), "%s",
                  floods[i].name);
        if (floods[i].says)
            cr_expect(ne(ptr, strstr(r.failures[0], floods[i].says), NULL), "%s: %s", floods[i].name,
                      r.failures[0]);
    }
}

static const struct {
    const char *name, *first, *second, *says; /* says NULL: passes */
} pasts[] = {
    {.name = "a life",
     .first = ALL DONE,
     .second =
         "given: {after: first}\n" CAST "expect:\n  - {event: step, step: PP-01/2, detail: nothing to do}\n"},
    {.name = "a life that fails",
     .first = ALL "expect:\n  - {step: PP-01/1, by: vos}\nlimit: 1 s\n",
     .second = "given: {after: first}\n" CAST DONE,
     .says = "did not go well"},
    {.name = "a life with faults",
     .first = ALL DONE "faults:\n  - lose: {message: VehicleSubjectIdResponse, link: gsdp}\n",
     .second = "given: {after: first}\n" CAST DONE,
     .says = "it has faults"},
    {.name = "a life in variants",
     .first = "foreach: {x: [PP-01/19, PP-01/18]}\n" ALL "expect:\n  - {step: $x}\n",
     .second = "given: {after: first}\n" CAST DONE,
     .says = "it has a foreach"},
    {.name = "a circle",
     .first = "given: {after: second}\n" CAST DONE,
     .second = "given: {after: first}\n" CAST DONE,
     .says = "comes after itself"},
    {.name = "a defect without a life for it",
     .first = ALL DONE,
     .second = "given: {after: rp02, spaak: {pending_csr: weak-key}}\n" CAST DONE,
     .says = "need a life before"},
};

Test(run, begins_where_an_earlier_life_ended)
{
    for (size_t i = 0; i < sizeof pasts / sizeof pasts[0]; i++) {
        past_forget();
        write_scenario("second", ALL DONE); /* there to be named */
        write_scenario("first", pasts[i].first);
        write_scenario("second", pasts[i].second);
        struct run r = lived("second");
        bool said = false;
        for (size_t k = 0; k < r.failure_count; k++)
            said |= pasts[i].says && strstr(r.failures[k], pasts[i].says);
        cr_expect(pasts[i].says ? said : r.verdict == VERDICT_PASS, "%s: %s", pasts[i].name, r.failures[0]);
    }
}

Test(run, a_past_repeats_with_its_seed_and_lies_earlier)
{
    uint8_t k[2][512];
    size_t len[2];
    struct scenario s = {.given = {.after = "first"}, .name = "second"};
    char problem[600];
    write_scenario("first", ALL DONE);
    for (int i = 0; i < 2; i++) {
        struct run_options o = {.world = WORLD_VIRTUAL, .seed = 9};
        past_forget();
        struct past *p = past_of(&s, &o, TEST_NOW_S * 1000, problem, sizeof problem);
        cr_assert(ne(ptr, p, NULL), "%s", problem);
        cr_assert(eq(ptr, past_of(&s, &o, TEST_NOW_S * 1000, problem, sizeof problem), p), "kept");
        ASSERT_OK(store_get(past_store(p, "spaak"), "vehicle/certificate", k[i], sizeof k[i], &len[i]));
        cr_expect(eq(ptr, past_store(p, "rogue"), NULL));
    }
    cr_expect(len[0] == len[1] && memcmp(k[0], k[1], len[0]) == 0);
    struct x509 cert;
    ASSERT_OK(x509_parse(span_of(k[0], len[0]), &cert));
    cr_expect(lt(i64, cert.not_before_s, TEST_NOW_S - 80000), "issued a day before");
}

Test(run, a_past_leaves_records_only_when_they_are_asked_for)
{
    write_scenario("first", ALL DONE);
    write_scenario("second", "given: {after: first}\n" CAST
                             "expect:\n  - {event: step, step: PP-01/2, detail: nothing to do}\n");
    for (int keep = 0; keep < 2; keep++) {
        char out[140], path[180];
        struct stat there;
        snprintf(out, sizeof out, "%s/out%d", directory, keep);
        past_forget();
        struct run r = lived_with(
            "second", &(struct run_options){
                          .world = WORLD_VIRTUAL, .seed = 5, .quiet = true, .out = out, .keep_past = keep});
        cr_expect(eq(int, (int)r.verdict, VERDICT_PASS), "%s", r.failures[0]);
        snprintf(path, sizeof path, "%s/trace.jsonl", out);
        cr_expect(eq(int, stat(path, &there), 0), "%s", path);
        snprintf(path, sizeof path, "%s/past/trace.jsonl", out);
        cr_expect(eq(int, stat(path, &there) == 0 && there.st_size > 1000, keep), "%s", path);
    }
}

Test(run, a_record_that_has_its_limit_says_so_in_the_trace)
{
    char out[140], path[180];
    unsigned notes = 0;
    struct stat there;
    snprintf(out, sizeof out, "%s/out", directory);
    write_scenario("a", ALL DONE);
    static struct run r;
    struct scenario *s;
    struct tree_problem p = {0};
    size_t n;
    snprintf(path, sizeof path, "%s/a.yaml", directory);
    cr_assert(scenario_load(path, &s, &n, &p), "%s", p.text);
    world_run(
        &r, s,
        &(struct run_options){
            .world = WORLD_VIRTUAL, .seed = 5, .quiet = true, .out = out, .bytes = true, .record_max = 3000});
    cr_expect(eq(int, (int)r.verdict, VERDICT_PASS), "%s", r.failures[0]);
    for (size_t i = 0; i < r.event_count; i++)
        notes += r.events[i].kind == TRACE_NOTE && strstr(r.events[i].detail, " ends here") != NULL;
    cr_expect(eq(u32, notes, 2), "one for can.log, one for bytes.jsonl");
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", out, i ? "can.log" : "bytes.jsonl");
        cr_expect(eq(int, stat(path, &there), 0));
        cr_expect(lt(i64, 1000, there.st_size), "%s", path);
        cr_expect(le(i64, there.st_size, 3000), "%s", path);
    }
    run_free(&r);
    free(s);
}

/* The key is that of the past, which is kept: the run begins with it again. */
Test(run, a_secret_is_found_in_a_record_wherever_it_stands)
{
    char out[140], path[180], problem[600];
    uint8_t key[200];
    size_t len;
    struct scenario s = {.given = {.after = "first"}, .name = "second"};
    struct run_options o = {.world = WORLD_VIRTUAL, .seed = 5, .quiet = true, .out = out};
    write_scenario("first", ALL DONE);
    write_scenario("second", "given: {after: first}\n" CAST
                             "expect:\n  - {event: step, step: PP-01/2, detail: nothing to do}\n");
    snprintf(out, sizeof out, "%s/out", directory);
    snprintf(path, sizeof path, "%s/logs", out);
    struct run r = lived_with("second", &o);
    cr_assert(eq(int, (int)r.verdict, VERDICT_PASS), "%s", r.failures[0]);
    struct past *p = past_of(&s, &o, TEST_NOW_S * 1000, problem, sizeof problem);
    cr_assert(ne(ptr, p, NULL), "%s", problem);
    ASSERT_OK(store_get(past_store(p, "spaak"), "vehicle/key", key, sizeof key, &len));
    cr_assert(eq(int, mkdir(path, 0700), 0));
    snprintf(path, sizeof path, "%s/logs/of-mine.txt", out); /* a file that no run leaves stays there */
    FILE *f = fopen(path, "w");
    cr_assert(ne(ptr, f, NULL));
    fputs("a byte of 0xFF \xFF ends nothing: ", f);
    cr_expect(eq(sz, fwrite(key, 1, len, f), len));
    fclose(f);
    r = lived_with("second", &o);
    cr_expect(eq(int, (int)r.verdict, VERDICT_FAIL));
    cr_expect(ne(ptr, strstr(r.failures[0], "invariant 4: vehicle/key of spaak stands in "), NULL), "%s",
              r.failures[0]);
}

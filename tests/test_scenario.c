/* The scenario language: what is refused, with which line and which words. And the judge. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/commands.h"
#include "sim/world/world.h"
#include "tests/support.h"

static char directory[120];

static char *find_nothing(const char *name)
{
    (void)name;
    return NULL;
}

static void make_directory(void)
{
    scenario_finder = find_nothing;
    test_path(directory, sizeof directory, "scenario");
    mkdir(directory, 0700);
}

static void remove_directory(void)
{
    char command[200];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    cr_assert(eq(int, system(command), 0));
}

TestSuite(scenario, .init = make_directory, .fini = remove_directory);
TestSuite(judge, .init = make_directory, .fini = remove_directory);

#define HEAD  "schema: 1\nname: t\ntitle: t\nuse_case: PP-01\n"
#define RUN   "run: [broker, pki, vos, gsdp, sgw, tbm, spaak]\n"
#define BEGUN RUN "given: {after: rp02}\n"
#define OK    "expect:\n  - {step: PP-01/1}\n"

static bool load(const char *text, struct scenario **s, size_t *count, struct tree_problem *p)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/t.yaml", directory);
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
    *p = (struct tree_problem){0};
    return scenario_load(path, s, count, p);
}

static const struct {
    const char *text;
    unsigned line;
    const char *says;
} wrongs[] = {
    {"", 1, "empty"},
    {"a: [", 2, "not YAML"},
    {"- a\n", 1, "must be a mapping"},
    {HEAD RUN, 1, "lacks the key \"expect\""},
    {"schema: 2\n", 1, "schema 2 is not known"},
    {HEAD RUN OK "limt: 5 s\n", 8, "did you mean \"limit\"?"},
    {HEAD RUN OK "limit: 5\n", 8, "is not a duration"},
    {HEAD RUN OK "limit: 5 min\n", 8, "is not a duration"},
    {HEAD RUN OK "limit: 5 s\nlimit: 6 s\n", 9, "stands twice"},
    {HEAD RUN OK "bus_time: fast\n", 8, "unknown bus time"},
    {HEAD "run: [spaak, sgv]\n" OK, 5, "did you mean \"sgw\"?"},
    {HEAD "run: spaak\n" OK, 5, "must be a list"},
    {HEAD RUN OK "worlds: [real]\n", 8, "unknown world"},
    {HEAD RUN OK "given:\n  spaak: {identty: foreign}\n", 9, "did you mean \"identity\"?"},
    {HEAD RUN OK "given:\n  spaak:\n    identity: here\n", 10, "known are: foreign"},
    {HEAD RUN OK "given:\n  spak: {identity: foreign}\n", 9, "did you mean \"spaak\"?"},
    {HEAD RUN OK "given:\n  after: t\n", 9, "cannot come after itself"},
    {HEAD RUN OK "given:\n  after: nothing\n", 9, "there is no scenario \"nothing\""},
    {HEAD "run: [spaak, spaak]\n" OK, 5, "stands twice in run"},
    {HEAD "run: [spaak, door: sgv]\n" OK, 5, "did you mean \"sgw\"?"},
    {HEAD "run: [spaak, wcp, door: wcp]\n" OK, 5, "wcp and door have the same \"place\", 0"},
    {HEAD "run: [spaak, wcp, door: wcp]\n" OK "settings:\n  wcp: {place: 1}\n  door: {place: 1}\n", 9,
     "wcp and door have the same \"place\", 1"},
    {HEAD "run: [Spaak]\n" OK, 5, "is no name"},
    {HEAD "run: [v0001.spaak]\n" OK, 5, "have no prefix"},
    {HEAD "run: [v0002.vos]\n" OK, 5, "belongs to none"},
    {HEAD "run: [v0000.spaak]\n" OK, 5, "have no prefix"},
    {HEAD "run: [v+002.spaak]\n" OK, 5, "is no name"},
    {HEAD "run: [spaak, {zygote: tbm}]\n" OK, 5, "the runner's own"},
    {HEAD RUN OK "given: {after: pp01, after: sp02}\n", 8, "\"after\" stands twice"},
    {HEAD RUN OK "given: {after: \"\"}\n", 8, "a scenario's name has"},
    {"r: &r [*r]\n", 1, "anchors and tags (r) are not"},
    {"r: {schema: *r}\n", 1, "aliases (*r) are not"},
    {HEAD RUN OK "limit: -1 s\n", 8, "is not a duration"},
    {HEAD RUN "expect:\n  - {step: PP-01/1, within: 0 s}\n", 7, "goes from 1 us to 604800 s"},
    {HEAD RUN OK "faults:\n  - repeat: {message: VehicleSubjectIdRequest, link: gsdp, times: 0}\n", 9,
     "\"0\" is not a number from 1 to 3"},
    {HEAD RUN OK "faults:\n  - lose: {message: VehicleSubjectIdRequest, link: pki}\n", 9,
     "have no names; cut it"},
    {HEAD RUN OK "faults:\n  - lose: {message: VehicleSubjectIdRequest, link: body}\n", 9,
     "goes there are frames"},
    {HEAD RUN OK "foreach: {a: [x, ..]}\n", 8, "begins without a dot"},
    {HEAD RUN OK "foreach: {a: [x, y, x]}\n", 8, "\"x\" stands twice"},
    {HEAD RUN OK "settings:\n  spaak: {retry_ms: 0}\n", 9, "\"0\" is not a number from 1 to 3600000"},
    {HEAD RUN OK "settings:\n  spaak: 5\n", 9, "takes a mapping"},
    {HEAD RUN OK "settings:\n  spaak: {retry_ms: 5, retry_ms: 6}\n", 9, "stands twice"},
    {HEAD
     "run: [broker, pki, vos, gsdp, sgw, tbm, spaak, rogue]\nexpect:\n  - {state: {rogue: {x: present}}}\n",
     7, "keeps no store"},
    {HEAD RUN "expect:\n  - {state: {spaak: [x]}}\n", 7, "takes a mapping of states"},
    {HEAD RUN OK "settings:\n  spaak: {retry: 5}\n", 9, "did you mean \"retry_ms\"?"},
    {HEAD RUN OK "settings:\n  spaak: {retry_ms: fast}\n", 9, "is not a number"},
    {HEAD RUN "expect:\n  - {message: VehicleSubjectIDRequest}\n", 7,
     "did you mean \"VehicleSubjectIdRequest\"?"},
    {HEAD RUN "expect:\n  - {step: PP-1}\n", 7, "is not a step"},
    {HEAD RUN "expect:\n  - {rejected: C2VUsecaseCompletionAck, by: spaak, reason: CERT_EXPIRD}\n", 7,
     "did you mean \"CERT_EXPIRED\"?"},
    {HEAD RUN "expect:\n  - {by: spaak}\n", 7, "needs one of the keys"},
    {HEAD RUN "expect:\n  - {message: VehicleSubjectIdRequest, fields: {colour: red}}\n", 7,
     "known are: ecu, seq, error"},
    {HEAD RUN OK "never:\n  - {state: {spaak: {drm_uuid: present}}}\n", 9, "never takes"},
    {HEAD RUN OK "faults:\n  - loose: {}\n", 9, "did you mean \"lose\"?"},
    {HEAD RUN OK "faults:\n  - lose: {message: C2VUsecaseCompletionAck}\n", 9, "lacks the key \"link\""},
    {HEAD RUN OK "faults:\n  - lose: {message: C2VUsecaseCompletionAck, link: gsdp, nth: 0}\n", 9,
     "counted from 1"},
    {HEAD RUN OK "faults:\n  - kill: {component: rogue, at: PP-01/1, restart_after: 1 ms}\n", 9,
     "unknown component of this run"},
    {HEAD RUN OK "faults:\n  - kill: {component: vos, at: start, restart_after: 1 ms}\n", 9, "name a step"},
    {HEAD RUN OK "faults:\n  - cut: {component: broker, link: gsdp, at: start, heal_after: 1 ms}\n", 9,
     "has no links of its own"},
    {HEAD RUN OK "faults:\n  - cut: {component: sgw, link: gsdp, at: start, heal_after: 1 ms}\n", 9,
     "known are: body, telematics, infotainment, diagnostic"},
    {HEAD RUN OK "faults:\n  - cut: {component: sgw, link: body, heal_after: 1 ms}\n", 9,
     "`at` a step, or at the"},
    {HEAD RUN OK "faults:\n  - cut: {component: sgw, link: body, at: start, nth: 1, heal_after: 1 ms}\n", 9,
     "`at` a step, or at the"},
    {HEAD RUN OK "faults:\n  - cut: {component: sgw, link: body, nth: 0, heal_after: 1 ms}\n", 9,
     "is not a number from 1"},
    {HEAD RUN OK "do:\n  - {inject: \"3A0\", segment: body}\n", 9, "is no frame"},
    {HEAD RUN OK "do:\n  - {inject: \"3A0#\", segmnt: body}\n", 9, "did you mean \"segment\"?"},
    {HEAD RUN OK "do:\n  - {inject: \"3A0#\", count: 0}\n", 9, "\"0\" is not a number from 1 to 1000000"},
    {HEAD RUN OK "do:\n  - {call: renew-vehicle-identity, to: tbm}\n", 9, "tbm takes no calls"},
    {HEAD RUN OK "do:\n  - {call: renew-vehicle-identity, to: vos, vehicle: X}\n", 9,
     "no vehicle of this run"},
    {HEAD "run: [wcp, door: wcp, phone]\n" OK "do:\n  - {call: place, to: phone, reader: nodoor}\n", 9,
     "\"nodoor\" is no reader of this run; there are wcp, door"},
    {HEAD "run: [wcp, phone]\n" OK "do:\n  - {call: place, to: phone, reader: door}\n", 9,
     "\"door\" is no reader of this run; there is wcp"},
    {HEAD "run: [wcp, phone]\n" OK "do:\n  - {call: place, to: phone, reader: phone}\n", 9,
     "\"phone\" is no reader of this run; there is wcp"},
    {HEAD "run: [phone]\n" OK "do:\n  - {call: place, to: phone, reader: wcp}\n", 9,
     "\"wcp\" is no reader of this run; there is none"},
    {HEAD RUN OK "do:\n  - {to: vos}\n", 9, "needs \"call\" and \"to\""},
    {HEAD RUN OK "do:\n  - {call: renew, to: vos}\n", 9, "unknown call"},
    {HEAD RUN OK "foreach: {a: []}\n", 8, "1 to 24 values"},
    {"schema: 1\nname: other\ntitle: t\nuse_case: PP-01\n" RUN OK, 2, "differs from the file's name"},
};

Test(scenario, problems_are_named_with_line_and_help)
{
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        struct scenario *s;
        struct tree_problem p;
        size_t n;
        cr_expect(not(load(wrongs[i].text, &s, &n, &p)), "%s", wrongs[i].text);
        cr_expect(eq(u32, p.line, wrongs[i].line), "%s\n%s", wrongs[i].text, p.text);
        cr_expect(ne(ptr, strstr(p.text, wrongs[i].says), NULL), "%s\nsays: %s", wrongs[i].text, p.text);
    }
}

Test(scenario, foreach_makes_variants)
{
    struct scenario *s;
    struct tree_problem p;
    size_t n;
    char label[96];
    cr_assert(load(HEAD "foreach: {step: [PP-01/3, PP-01/9]}\n" RUN
                        "faults:\n  - kill: {component: spaak, at: $step, restart_after: 1 ms}\n" OK,
                   &s, &n, &p),
              "%s", p.text);
    cr_assert(eq(sz, n, 2));
    cr_expect(eq(str, s[1].faults.faults[0].step, "PP-01/9"));
    scenario_label(&s[1], label);
    cr_expect(eq(str, label, "t[PP-01/9]"));
    free(s);
}

/* ---- the judge: scenarios that must fail ---- */

static struct run judged(const char *text)
{
    static struct run r;
    struct scenario *s;
    struct tree_problem p;
    size_t n;
    char out[200];
    snprintf(out, sizeof out, "%s/out", directory);
    scenario_finder = scenario_find_quietly;
    cr_assert(load(text, &s, &n, &p), "%s", p.text);
    struct run_options o = {.world = WORLD_VIRTUAL, .seed = 3, .out = out, .quiet = true};
    world_run(&r, s, &o);
    run_free(&r);
    free(s);
    return r;
}

static const struct {
    const char *text;
    const char *says;
} failures[] = {
    {HEAD BEGUN "expect:\n  - {step: PP-01/19}\nfaults:\n"
                "  - lose: {message: VehicleIdentityRenew, link: gsdp}\nlimit: 1 s\n",
     "never fired"},
    {HEAD BEGUN "expect:\n  - {step: PP-01/19}\n  - {step: PP-01/3}\nlimit: 1 s\n",
     "after what was expected before it"},
    {HEAD BEGUN "expect:\n  - {step: PP-01/19}\n  - {step: PP-01/19}\nlimit: 1 s\n",
     "after what was expected before it"},
    {HEAD BEGUN "expect:\n  - {step: PP-01/19, any_order: true}\n  - {step: PP-01/19, any_order: true}\n"
                "limit: 1 s\n",
     "it did not happen once more"},
    {HEAD BEGUN "expect:\n  - {step: PP-01/19}\nfaults:\n"
                "  - corrupt: {message: VehicleSubjectIdResponse, link: gsdp, byte: 20}\n"
                "  - corrupt: {message: VehicleSubjectIdResponse, link: gsdp, byte: 20}\n",
     "or other faults undid it"},
    {HEAD BEGUN "expect:\n  - {step: PP-01/19}\nnever:\n  - {step: PP-01/3}\n", "must not happen"},
    {HEAD BEGUN "expect:\n  - {step: PP-01/19, within: 1 ms}\nlimit: 1 s\n", "1.0 ms are allowed"},
    {HEAD BEGUN
     "expect:\n  - {message: VehicleSubjectIdRequest, from: spaak, path: [spaak, tbm, gsdp]}\nlimit: 1 s\n",
     "did not reach gsdp"},
    {HEAD BEGUN "expect:\n  - {message: VehicleSubjectIdRequest, fields: {seq: 9}}\nlimit: 1 s\n",
     "did not happen"},
    {HEAD BEGUN "expect:\n  - {step: PP-01/19}\n  - state: {spaak: {vehicle/key: absent}}\n",
     "should be absent"},
    {HEAD BEGUN "expect:\n  - {dropped: diagnostic, at_least: 5}\nlimit: 1 s\n", "at least 5"},
    {HEAD RUN "given: {after: rp02, vos: {ecu: absent}}\nexpect:\n  - {step: PP-01/4}\nlimit: 1 s\n",
     "the ECU is not registered"},
};

Test(judge, scenarios_that_must_fail_do_and_say_why)
{
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        struct run r = judged(failures[i].text);
        bool said = false;
        cr_expect(eq(int, (int)r.verdict, VERDICT_FAIL), "%s", failures[i].text);
        for (size_t k = 0; k < r.failure_count; k++)
            said |= strstr(r.failures[k], failures[i].says) != NULL;
        cr_expect(said, "%s\nsaid: %s", failures[i].text, r.failures[0]);
    }
}

static char *contents(const char *name)
{
    char path[300], *text = NULL;
    size_t cap = 0;
    snprintf(path, sizeof path, "%s/out/%s", directory, name);
    FILE *f = fopen(path, "r");
    cr_assert(ne(ptr, f, NULL));
    cr_assert(lt(int, 0, (int)getdelim(&text, &cap, EOF, f)));
    fclose(f);
    return text;
}

Test(judge, one_seed_gives_the_same_bytes_another_gives_others)
{
    static const char text[] = HEAD BEGUN "expect:\n  - {step: PP-01/19}\n";
    judged(text);
    char *a = contents("trace.jsonl"), *bus = contents("can.log");
    setenv("TZ", "Asia/Tokyo", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    judged(text);
    char *b = contents("trace.jsonl"), *bus_again = contents("can.log");
    cr_expect(eq(str, a, b));
    cr_expect(eq(str, bus, bus_again));
    free(a);
    free(b);
    free(bus);
    free(bus_again);
}

Test(judge, records_are_for_other_tools)
{
    struct run r = judged(HEAD BEGUN "expect:\n  - {step: PP-01/19}\n");
    cr_assert(eq(int, (int)r.verdict, VERDICT_PASS), "%s", r.failures[0]);
    char *junit = contents("junit.xml"), *bus = contents("can.log");
    cr_expect(ne(ptr, strstr(junit, "tests=\"1\" failures=\"0\""), NULL));
    struct bus_frame f;
    char name[17];
    uint64_t t;
    size_t lines = 0;
    for (char *line = strtok(bus, "\n"); line; line = strtok(NULL, "\n"), lines++)
        cr_assert(eq(int, bus_log_parse(line, &t, name, &f), ERR_OK), "%s", line);
    cr_expect(lt(sz, 100, lines));
    free(junit);
    free(bus);
}

Test(scenario, suggestions)
{
    static const char *const words[] = {"alpha", "beta", NULL};
    cr_expect(eq(str, (char *)text_closest("alpa", words), "alpha"));
    cr_expect(eq(ptr, (void *)text_closest("omega", words), NULL));
    cr_expect(eq(u32, text_distance("kitten", "sitting"), 3));
}

/* spaaksim uds, Scapy and any other tool at the desk of a running world, in both worlds. Runs the built
 * programs. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/commands.h"
#include "sim/world/world.h"
#include "tests/tool.h"

TestSuite(uds_tool, .timeout = 180);

enum { MISSING = 77 };

#define SERIAL "62f18c53475730303030303030303031" /* of the SGW: SGW0000000001 */

static const char *const worlds[] = {"virtual", "process"};
#define EACH_WORLD(w) for (size_t w = 0; w < sizeof worlds / sizeof worlds[0]; w++)

/* In the order in which they are said. Silence is waited for in real time. */
static const struct {
    const char *words;
    int code;
    const char *says;
} talks[] = {
    {"sgw read F18C", 0, "53475730303030303030303031  \"SGW0000000001\""},
    {"sgw read F18C 0250", 0, "ReadDataByIdentifier 0250, 1 bytes\n  00\n"},
    {"sgw read F18C 0999", 1, "negative: 31 requestOutOfRange (ReadDataByIdentifier)\n  an identifier"},
    {"sgw read f190 --hex", 0, "62F19031535041414B3030303030303030303031\n"},
    {"sgw session 03", 0, "positive: DiagnosticSessionControl 03 extended, 4 bytes\n  003201F4\n"},
    {"sgw read F186", 0, "\n  03\n"},
    {"sgw write 0250 01", 1, "negative: 31 requestOutOfRange (WriteDataByIdentifier)"},
    {"sgw routine start 0320", 1, "negative: 11 serviceNotSupported (RoutineControl)"},
    {"sgw routine stop 0320 00", 1, "negative: 11 serviceNotSupported (RoutineControl)"},
    {"sgw routine results 0320", 1, "negative: 11 serviceNotSupported (RoutineControl)"},
    {"sgw clear", 0, "positive: ClearDiagnosticInformation"},
    {"sgw dtc", 0, "no trouble codes"},
    {"sgw present", 0, "positive: TesterPresent 00"},
    {"sgw raw 3E80 --timeout 300", 0, "no answer, as was asked"},
    {"sgw raw 22 F1 8C --hex", 0, "62F18C53475730303030303030303031\n"},
    {"sgw raw 1060 --hex", 1, "7F1012\n"},
    {"all raw 22F18C --timeout 1000", 0, "\"SGW0000000001\""},
    {"sgw reset 01", 0, "positive: ECUReset 01 hard"},
    {"tbm dtc --timeout 300", 1,
     "tbm is silent\nThe gate may be closed (in play: `tester open-gate`), the tester's role may not reach "
     "so "
     "far (a workshop's does not: BUS_ROLE in the trace), or tbm is dead or boots.\n"},
    {"spaak read F18C --timeout 300", 1, "spaak is silent\nThe gate may be closed"},
    {"sgw raw 7F2231 --timeout 300", 1, "sgw is silent\n7F begins no request: it was not sent.\n"},
    {"hu dtc", 2, "there is no ECU \"hu\"; there are spaak tbm sgw all"},
    {"v0002.sgv dtc", 2, "there is no ECU \"v0002.sgv\"; did you mean \"sgw\"? There are spaak tbm"},
    {"sgw", 2, "takes a world, an ECU, and what to say"},
    {"sgw reed F18C", 2, "unknown word \"reed\"; did you mean \"read\"?"},
    {"sgw hello", 2,
     "\"hello\" is nothing to say to an ECU; there are read write routine session reset dtc clear present "
     "raw"},
    {"sgw read", 2, "write it like `read F18C"},
    {"sgw read F1", 2, "write it like `read F18C"},
    {"sgw read F18G", 2, "write it like `read F18C"},
    {"sgw write 0243", 2, "write it like `write 0243 003C`"},
    {"sgw routine", 2,
     "behind \"routine\" stands one of start stop results; write it like `routine start 0320"},
    {"sgw routine 0310", 2, "behind \"routine\" stands one of start stop results; write it like `routine st"},
    {"sgw routine strat 0310", 2, "\"routine strat\"; did you mean \"routine start\"?"},
    {"sgw routine result 0310", 2, "\"routine result\"; did you mean \"routine results\"?"},
    {"sgw session", 2, "write it like `session 03`"},
    {"sgw session 03 01", 2, "write it like `session 03`"},
    {"sgw dtc 01", 2, "write it like `dtc`"},
    {"sgw raw", 2, "write it like `raw 22F18C`"},
    {"sgw dtc --timeout 0", 2, "--timeout goes from 1"},
    {"sgw dtc --nothing", 2, "try spaaksim uds --help"},
    {"v0002.sgw dtc", 3, "runs, and has no v0002.sgw; it has all sgw spaak tbm\n"},
};

Test(uds_tool, every_word_in_both_worlds)
{
    static struct tool_play p;
    char out[2000], all[200];
    EACH_WORLD(w)
    {
        tool_play_begin(&p, worlds[w], "pp01", "records");
        for (size_t i = 0; i < sizeof talks / sizeof talks[0]; i++) {
            int code = tool_uds(&p, talks[i].words, out, sizeof out);
            cr_expect(eq(int, code, talks[i].code), "%s, %s: %s", talks[i].words, worlds[w], out);
            cr_expect(strstr(out, talks[i].says) != NULL, "%s, %s: %s", talks[i].words, worlds[w], out);
        }
        snprintf(all, sizeof all, "all raw 2E%0126d", 0);
        cr_expect(eq(int, tool_uds(&p, all, out, sizeof out), 2), "%s", out);
        cr_expect(eq(int, tool_play_end(&p), 0), "%s", p.program.text);
        cr_expect(not(tool_play_left_sockets(&p)), "%s", worlds[w]);
        cr_expect(eq(int, tool_uds(&p, "sgw dtc", out, sizeof out), 3), "%s", out);
        cr_expect(strstr(out, "Start one with `spaaksim play NAME`") != NULL, "%s", out);
        tool_play_clear(&p);
    }
}

Test(uds_tool, requests_are_recorded_and_secrets_are_not)
{
    static struct tool_play p;
    EACH_WORLD(w)
    {
        tool_play_begin(&p, worlds[w], "pp01", "records");
        int fd = tool_connect(&p, "uds-sgw.sock");
        cr_assert(ge(int, fd, 0));
        cr_expect(eq(str, (char *)tool_ask(fd, "22f18c"), SERIAL));
        cr_expect(eq(str, (char *)tool_ask(fd, "2702c0ffeec0ffeec0ffeec0ffeec0ffeec0"), "7f2711"));
        close(fd);
        cr_expect(eq(int, tool_play_end(&p), 0), "%s", p.program.text);
        char *trace = launch_file(p.records, "trace.jsonl"), *can = launch_file(p.records, "can.log");
        cr_expect(strstr(trace, "\"component\":\"runner\",\"kind\":\"note\",\"detail\":\"a tool asks sgw: "
                                "ReadDataByIdentifier F18C\"") != NULL);
        cr_expect(strstr(trace, "a tool asks sgw: SecurityAccess 02 sendKey, 16 bytes") != NULL);
        cr_expect(strcasestr(trace, "c0ffee") == NULL);
        cr_expect(strstr(can, "diagnostic 7A2##") != NULL && strstr(can, "diagnostic 7AA##") != NULL);
        free(trace);
        free(can);
        tool_play_clear(&p);
    }
}

Test(uds_tool, a_path_too_long_for_a_socket_is_no_hindrance)
{
    static struct tool_play p;
    char folder[301] = "", out[500];
    for (size_t i = 0; i < 300; i++)
        folder[i] = i % 100 == 99 && i < 299 ? '/' : 'd';
    EACH_WORLD(w)
    {
        tool_play_begin(&p, worlds[w], "pp01", folder);
        cr_expect(eq(int, tool_uds(&p, "sgw read F18C", out, sizeof out), 0), "%s", out);
        tool_play_end(&p);
        cr_expect(not(tool_play_left_sockets(&p)));
        tool_play_clear(&p);
    }
}

/* The last time that `state` told, in seconds of virtual time. */
static double told_time(struct tool_play *p)
{
    static unsigned asked;
    char mark[40];
    snprintf(mark, sizeof mark, "mark%u", asked++);
    tool_play_line(p, "state");
    tool_play_line(p, mark);
    cr_assert(launch_read(&p->program, mark), "%s", p->program.text);
    char *end = NULL;
    for (char *at = p->program.text; (at = strstr(at, " s of virtual time")); at++)
        end = at;
    cr_assert(ne(ptr, end, NULL), "%s", p->program.text);
    while (end[-1] != '\n')
        end--;
    return atof(end);
}

/* While the tester holds the gate the world is never quiet, and a line that waits for that takes a minute. */
Test(uds_tool, a_line_behind_a_request_does_not_wait_for_quiet)
{
    static struct tool_play p;
    char out[500];
    tool_play_begin(&p, "virtual", "pp01", "records");
    tool_play_line(&p, "tester open-gate; run 100 ms");
    double before_s = told_time(&p);
    cr_expect(eq(int, tool_uds(&p, "tbm read F18C", out, sizeof out), 0), "%s", out);
    double after_s = told_time(&p);
    cr_expect(ge(dbl, after_s, before_s));
    cr_expect(lt(dbl, after_s, before_s + 1), "%f %f", before_s, after_s);
    tool_play_end(&p);
    tool_play_clear(&p);
}

/* ---- runs ---- */

static const char slow[] = "schema: 1\nname: slow\ntitle: time for a tool\nuse_case: PP-01\n"
                           "run: [broker, pki, vos, gsdp, sgw, tbm, spaak, rogue]\n"
                           "given: {after: rp02}\n"
                           "do:\n  - {inject: \"3A0#11\", segment: infotainment, at: start, after: 60 s}\n"
                           "expect:\n  - {step: PP-01/19}\nlimit: 100 s\n";

static void write_scenario(const char *directory, const char *name, const char *text, char path[100])
{
    snprintf(path, 100, "%s/%s.yaml", directory, name);
    FILE *f = fopen(path, "w");
    cr_assert(ne(ptr, f, NULL));
    fputs(text, f);
    fclose(f);
}

/* The scenario waits for a call in a minute; a signal ends it before. */
Test(uds_tool, a_run_is_spoken_to_and_leaves_no_socket_when_it_is_interrupted)
{
    static struct tool_play p;
    char path[100], out[500];
    launch_directory(p.directory);
    setenv("XDG_RUNTIME_DIR", p.directory, 1);
    write_scenario(p.directory, "slow", slow, path);
    snprintf(p.records, sizeof p.records, "%s/records", p.directory);
    launch_shell(&p.program, "exec $S run %s --out %s", path, p.records);
    cr_assert(launch_read(&p.program, "PP-01/19"), "%s", p.program.text);
    cr_expect(eq(int, tool_uds(&p, "sgw read F18C", out, sizeof out), 0), "%s", out);
    kill(p.program.pid, SIGINT);
    cr_expect(eq(int, launch_finish(&p.program), 1), "%s", p.program.text);
    cr_expect(strstr(p.program.text, "interrupted by SIGINT") != NULL, "%s", p.program.text);
    cr_expect(not(tool_play_left_sockets(&p)));
    launch_shell(&p.program, "exec $S run pp01 --world virtual --out %s", p.records);
    cr_expect(eq(int, launch_finish(&p.program), 0), "%s", p.program.text);
    cr_expect(eq(int, tool_uds(&p, "sgw dtc", out, sizeof out), 3), "%s", out);
    tool_play_clear(&p);
}

Test(uds_tool, a_play_that_ends_by_a_signal_leaves_no_socket)
{
    static struct tool_play p;
    char out[500];
    EACH_WORLD(w)
    {
        tool_play_begin(&p, worlds[w], "pp01", "records");
        cr_expect(tool_play_left_sockets(&p));
        kill(p.program.pid, SIGINT);
        launch_finish(&p.program);
        cr_expect(not(tool_play_left_sockets(&p)), "%s", worlds[w]);
        close(p.lines);
        tool_play_clear(&p);
        tool_play_begin(&p, worlds[w], "pp01", "records");
        kill(p.program.pid, SIGKILL);
        launch_finish(&p.program);
        cr_expect(eq(int, tool_uds(&p, "sgw dtc", out, sizeof out), 3), "%s", out);
        launch_shell(&p.program, "exec $S run pp01 --world virtual --out %s", p.records);
        cr_expect(eq(int, launch_finish(&p.program), 0), "%s", p.program.text);
        cr_expect(not(tool_play_left_sockets(&p)), "what was left by who was killed is removed");
        close(p.lines);
        tool_play_clear(&p);
    }
}

/* ---- a further vehicle ---- */

Test(uds_tool, a_further_vehicle_has_sockets_of_its_own)
{
    static struct tool_play p;
    char path[100], out[500], directory[64];
    launch_directory(directory);
    write_scenario(directory, "two",
                   "schema: 1\nname: two\ntitle: two vehicles\nuse_case: PP-01\n"
                   "run: [broker, pki, vos, gsdp, sgw, tbm, spaak, v0002.spaak, v0002.sgw, v0002.tbm]\n"
                   "expect:\n  - {step: PP-01/19}\n",
                   path);
    EACH_WORLD(w)
    {
        tool_play_begin(&p, worlds[w], path, "records");
        cr_expect(eq(int, tool_uds(&p, "sgw read F18C", out, sizeof out), 0), "%s", out);
        cr_expect(strstr(out, "SGW0000000001") != NULL, "%s", out);
        cr_expect(eq(int, tool_uds(&p, "v0002.sgw read F18C", out, sizeof out), 0), "%s", out);
        cr_expect(strstr(out, "SGW0000000002") != NULL, "%s", out);
        cr_expect(eq(int, tool_play_end(&p), 0), "%s", p.program.text);
        tool_play_clear(&p);
    }
    launch_remove(directory);
}

/* ---- who is not there ---- */

static const char *const places[] = {"out/play-nowhere", "out/nowhere", "nowhere"};

Test(uds_tool, a_missing_world_or_ecu_is_named)
{
    static struct tool_play p;
    char path[100], out[1000], directory[64];
    launch_directory(directory);
    write_scenario(directory, "alone",
                   "schema: 1\nname: alone\ntitle: no TBM\nuse_case: PP-01\n"
                   "run: [broker, pki, vos, gsdp, sgw, spaak]\nexpect:\n  - {step: PP-01/1}\n",
                   path);
    EACH_WORLD(w)
    {
        tool_play_begin(&p, worlds[w], path, "records");
        cr_expect(eq(int, tool_uds(&p, "sgw read F18C", out, sizeof out), 0), "%s", out);
        cr_expect(eq(int, tool_uds(&p, "tbm read F18C", out, sizeof out), 3), "%s", out);
        cr_expect(strstr(out, "records runs, and has no tbm; it has all sgw spaak\n") != NULL, "%s", out);
        tool_play_end(&p);
        cr_expect(eq(int, tool_uds(&p, "tbm read F18C", out, sizeof out), 3), "%s", out);
        cr_expect(strstr(out, "no running world listens") != NULL, "%s", out);
        tool_play_clear(&p);
    }
    cr_expect(eq(int, launch_run(out, sizeof out, "%s/bin/spaaksim uds nowhere sgw dtc", launch_build()), 3));
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        cr_expect(strstr(out, places[i]) != NULL, "%s", out);
    launch_remove(directory);
}

/* The socket of a world that was killed stays, and is nobody's. */
Test(uds_tool, a_killed_world_does_not_run)
{
    static struct tool_play p;
    char out[1000];
    tool_play_begin(&p, "virtual", "pp01", "records");
    kill(p.program.pid, SIGKILL);
    launch_finish(&p.program);
    cr_expect(tool_play_left_sockets(&p));
    cr_expect(eq(int, tool_uds(&p, "v0002.sgw dtc", out, sizeof out), 3), "%s", out);
    cr_expect(strstr(out, "no running world listens") && !strstr(out, "it has"), "%s", out);
    close(p.lines);
    tool_play_clear(&p);
}

/* ---- nobody connects ---- */

static size_t live(const char *out, struct run *r)
{
    static struct scenario *s;
    struct tree_problem problem = {0};
    struct run_options o = {.world = WORLD_VIRTUAL, .seed = 7, .out = out, .open = true, .quiet = true};
    size_t count;
    scenario_finder = scenario_find_quietly;
    if (!s)
        cr_assert(scenario_load("scenarios/pp01/pp01.yaml", &s, &count, &problem), "%s", problem.text);
    cr_assert(world_virtual.open(r, s, &o));
    cr_expect(eq(int, r->guest != NULL, out != NULL));
    world_virtual.proceed(r, 5000000, NULL, NULL);
    count = r->event_count;
    world_virtual.close(r);
    return count;
}

Test(uds_tool, sockets_that_nobody_uses_change_no_event)
{
    static struct run with, without;
    char directory[64], records[100];
    launch_directory(directory);
    snprintf(records, sizeof records, "%s/records", directory);
    size_t n = live(records, &with), m = live(NULL, &without);
    cr_assert(lt(sz, 50, n));
    cr_assert(eq(sz, n, m));
    cr_expect(zero(int, memcmp(with.events, without.events, n * sizeof with.events[0])));
    cr_expect(eq(u64, with.frames, without.frames));
    run_free(&with);
    run_free(&without);
    launch_remove(directory);
}

/* ---- a tool that others wrote ---- */

Test(uds_tool, scapy_connects_to_the_socket)
{
    static struct tool_play p;
    char out[2000];
    EACH_WORLD(w)
    {
        tool_play_begin(&p, worlds[w], "pp01", "records");
        int rc = launch_run(out, sizeof out,
                            "/usr/bin/python3 scripts/uds-by-scapy.py --desk %s/uds-sgw.sock", p.records);
        tool_play_end(&p);
        tool_play_clear(&p);
        if (rc == MISSING) {
            fprintf(stderr,
                    "SKIPPED: Scapy did not run: python3-scapy is missing (scripts/setup.sh optional)\n");
            cr_skip_test("python3-scapy is missing");
        }
        cr_expect(eq(int, rc, 0), "%s: %s", worlds[w], out);
        cr_expect(strstr(out, "the gate is closed") != NULL, "%s", out);
    }
}

/* Broken runs: the first two lines that a person reads name the cause. Each row is a run that something is
 * wrong with. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/launch.h"

static char directory[64];

static void set_up(void)
{
    launch_directory(directory);
    setenv("D", directory, 1);
    setenv("XDG_RUNTIME_DIR", directory, 1);
    setenv("ASAN_OPTIONS", "detect_leaks=0",
           1); /* programs that are killed on purpose must not look for leaks */
}

static void tear_down(void)
{
    launch_remove(directory);
}

TestSuite(broken, .init = set_up, .fini = tear_down, .timeout = 180);

#define CAST    "run: [broker, pki, vos, gsdp, sgw, tbm, spaak]\n"
#define ALL     CAST "given: {after: rp02}\n"
#define DONE    "expect:\n  - {step: PP-01/19, by: spaak}\n"
#define VIRTUAL "$S run $D/a.yaml -q --world virtual --out $D/o"
#define PROCESS "$S run $D/a.yaml -q --out $D/o"

static const struct {
    const char *what;
    const char *scenario; /* its text behind the head; NULL: none is written */
    const char *line;     /* of the shell */
    int rc;
    const char *first, *second; /* parts of the first and the second line */
} rows[] = {
    {"a signature that does not verify",
     ALL "faults:\n  - corrupt: {message: VehicleIdentityCSRResponse, link: gsdp, nth: each}\n" DONE, VIRTUAL,
     1, "spaak refused", "expected PP-01/19 by spaak"},
    {"an expectation of the wrong component", ALL "expect:\n  - {step: PP-01/9, by: vos}\n", VIRTUAL, 1,
     "a.yaml:8: expected PP-01/9 by vos, it did not happen", "came nearest: PP-01/9 spaak step at"},
    {"an expectation of the wrong reason",
     CAST "given: {after: rp02, vos: {ecu: absent}}\nexpect:\n  - {event: reject, by: vos, reason: "
          "SIGNATURE_INVALID}\n",
     VIRTUAL, 1, "vos refused VehicleSubjectIdRequest", "expected any refusal by vos for SIGNATURE_INVALID"},
    {"an expectation in the wrong order",
     ALL "expect:\n  - {step: PP-01/19, by: spaak}\n  - {step: PP-01/3, by: spaak}\n", VIRTUAL, 1,
     "a.yaml:9: expected PP-01/3 by spaak, it did not happen after what was expected before it",
     "came nearest: PP-01/3 spaak -> vos send VehicleSubjectIdRequest"},
    {"an assertion fails in a component", NULL, "$CARDS run tests/cards/cards-stumble.yaml -q --out $D/o", 1,
     "token broke a promise between our own parts", "expected lamp show by pad"},
    {"a component crashes", NULL,
     "$CARDS run tests/cards/cards-stumble.yaml -q --world virtual --out $D/o 2>/dev/null", 1,
     "token broke a promise between our own parts", "FAIL"},
    {"a module that the plant has not finished", CAST DONE, VIRTUAL, 1,
     "spaak keeps back SP-02 and PP-01: the plant has not finished this module yet (PLANT_OPEN)",
     "expected PP-01/19 by spaak"},
    {"an expired certificate", CAST "given: {after: rp02, vos: {signer: expired}}\n" DONE, VIRTUAL, 1,
     "the certificate is past its validity", "expected PP-01/19 by spaak"},
    {"an ECU that is not registered", CAST "given: {after: rp02, vos: {ecu: absent}}\n" DONE, VIRTUAL, 1,
     "the ECU is not registered (ECU_UNKNOWN)", "expected PP-01/19 by spaak"},
    {"a link that is cut for good",
     ALL "limit: 9 s\nfaults:\n  - cut: {link: gsdp, component: tbm, at: PP-01/3, heal_after: 3600 s}\n" DONE,
     VIRTUAL, 1, "tbm keeps back VehicleSubjectIdRequest: the link is down (LINK_DOWN)",
     "expected PP-01/19 by spaak"},
    {"a broker that is not there", NULL,
     "mkdir $D/t; for f in ca.crt vos.crt vos.key gsdp.crt gsdp.key SPAAK00000001.crt SPAAK00000001.key; do "
     ": >$D/t/$f; done;"
     "SPAAKSIM_GSDP_TLS=$D/t $S run pp01 -q --gsdp mqtts://127.0.0.1:1 --out $D/o",
     3, "the broker 127.0.0.1:1 cannot be reached: Connection refused", "BLOCKED  pp01"},
    {"no client certificates", NULL,
     "SPAAKSIM_GSDP_TLS=$D/none $S run pp01 -q --gsdp mqtts://127.0.0.1:1 --out $D/o", 3,
     "none/ca.crt of the broker cannot be read: No such file or directory", "BLOCKED  pp01"},
    {"a fault that nothing came by for",
     ALL "faults:\n  - lose: {message: VehicleIdentityRenew, link: gsdp}\n" DONE, VIRTUAL, 1,
     "a.yaml:8: the fault \"lose VehicleIdentityRenew number 1 on gsdp\" never fired", "FAIL  a"},
    {"a time limit", ALL "limit: 5 ms\n" DONE, VIRTUAL, 1,
     "the limit of 0.005 s came before all that is expected", "expected PP-01/19 by spaak"},
    {"a step that came too late", ALL "expect:\n  - {step: PP-01/19, within: 1 ms}\n", VIRTUAL, 1,
     "PP-01/19 came", "the run was quiet"},
    {"what must not happen", ALL DONE "never:\n  - {step: PP-01/3}\n", VIRTUAL, 1,
     "a.yaml:10: PP-01/3 must not happen, but did: PP-01/3 spaak", "FAIL  a"},
    {"a state of a store", ALL DONE "  - state: {spaak: {vehicle/key: absent}}\n", VIRTUAL, 1,
     "vehicle/key should be absent in the store of spaak", "FAIL  a"},
    {"a path that was not taken",
     ALL "expect:\n  - {message: VehicleSubjectIdRequest, from: spaak, path: [spaak, tbm, gsdp]}\n", VIRTUAL,
     1, "VehicleSubjectIdRequest by spaak did not reach gsdp", "nothing more could have come"},
    {"a call that was never made", ALL DONE "do:\n  - {call: renew-vehicle-identity, to: vos, at: PP-99/1}\n",
     VIRTUAL, 1, "a.yaml:10: the call \"renew-vehicle-identity\" to vos was never made: there was no PP-99/1",
     ""},
    {"a secret in a record", NULL,
     "$CARDS run tests/cards/cards-leak.yaml -q --bytes --world virtual --out $D/o", 1, "invariant 4", ""},
    {"a limit on files", ALL DONE, "ulimit -f 8; " VIRTUAL, 1, "can.log is not whole: File too large", ""},
    {"too few descriptors", ALL DONE, "ulimit -n 40; " PROCESS, 3, "descriptors, and only 40 are allowed",
     "BLOCKED  a"},
    {"a folder of somebody else's", ALL DONE, "mkdir $D/o; : >$D/o/letter; " VIRTUAL, 3,
     "files in it that spaaksim did not make", "BLOCKED  a  (virtual world; "},
    {"standard output is full", ALL DONE, VIRTUAL " >/dev/full", 1, "standard output could not be written",
     ""},
    {"a component that stays dead",
     ALL "limit: 9 s\nfaults:\n  - kill: {component: tbm, at: PP-01/3, restart_after: 3600 s}\n" DONE,
     VIRTUAL, 1, "tbm was killed at", ""},
    {"a path that begins elsewhere",
     ALL "expect:\n  - {message: VehicleSubjectIdRequest, from: spaak, path: [tbm, sgw, vos]}\n", VIRTUAL, 1,
     "expected VehicleSubjectIdRequest by spaak", "came nearest"},
    {"a path that ends on the way",
     ALL "expect:\n  - {message: VehicleSubjectIdRequest, from: spaak, path: [spaak, sgw]}\n", VIRTUAL, 1,
     "VehicleSubjectIdRequest by spaak did not reach sgw", ""},
    {"standard output is closed", NULL, "$S list >&-", 1, "standard output could not be written", ""},
    {"an interface that is not there", NULL,
     "$S run pp01 -q --can body=nocan0,telematics=x,infotainment=y,diagnostic=z --out $D/o", 3,
     "there is no interface nocan0", "BLOCKED  pp01"},
};

static void write_scenario(const char *text)
{
    char path[100];
    snprintf(path, sizeof path, "%s/a.yaml", directory);
    FILE *f = fopen(path, "w");
    launch_must(f != NULL, "fopen", path);
    fprintf(f, "schema: 1\nname: a\ntitle: t\nuse_case: PP-01\n%s", text);
    fclose(f);
}

static char *next_line(char **rest)
{
    char *line = *rest ? strsep(rest, "\n") : NULL;
    return line ? line : strdup("");
}

Test(broken, the_first_two_lines_name_the_cause)
{
    static struct launch l;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        launch_remove(directory);
        mkdir(directory, 0700);
        if (rows[i].scenario)
            write_scenario(rows[i].scenario);
        launch_shell(&l, "%s", rows[i].line);
        int rc = launch_finish(&l);
        cr_expect(eq(int, rc, rows[i].rc), "%s: exit %d\n%s", rows[i].what, rc, l.text);
        char *rest = strdup(l.text), *whole = rest;
        const char *first = next_line(&rest), *second = next_line(&rest);
        cr_expect(strstr(first, rows[i].first) != NULL, "%s:\n%s", rows[i].what, l.text);
        cr_expect(strstr(second, rows[i].second) != NULL, "%s:\n%s", rows[i].what, l.text);
        free(whole);
    }
}

/* ---- what is done to a run from outside ---- */

/* A run that goes on until it is told to end: its call comes late. */
static void start_long(struct launch *l, const char *options)
{
    write_scenario(
        ALL
        "limit: 900 s\ndo:\n  - {call: renew-vehicle-identity, to: vos, at: PP-01/19, after: 800 s}\n" DONE);
    launch_shell(l, "exec $S run $D/a.yaml --out $D/o %s", options);
    launch_must(launch_read(l, "PP-01/19"), "no PP-01/19", l->text);
}

static void expect_end(struct launch *l, const char *says)
{
    int rc = launch_finish(l);
    cr_expect(eq(int, rc, 1), "%s", l->text);
    cr_expect(strstr(l->text, says) != NULL, "%s", l->text);
}

Test(broken, an_interrupt_is_named_and_leaves_records)
{
    static struct launch l;
    char path[100];
    start_long(&l, "");
    kill(-l.pid, SIGINT);
    expect_end(&l, "interrupted by SIGINT\n");
    snprintf(path, sizeof path, "%s/o/trace.jsonl", directory);
    cr_expect(eq(int, access(path, R_OK), 0));
}

/* Cyclic messages for weeks: the virtual world has no loop that hears signals. */
Test(broken, an_interrupt_ends_a_run_in_virtual_time_and_those_after_it)
{
    static struct launch l;
    write_scenario(ALL "limit: 600000 s\nforeach: {x: [PP-01/1, PP-01/2, PP-01/3]}\ndo:\n"
                       "  - {call: renew-vehicle-identity, to: vos, at: PP-01/19, after: 590000 s}\n"
                       "  - {call: renew-vehicle-identity, to: vos, at: $x}\n" DONE);
    launch_shell(&l, "exec $S run $D/a.yaml --world virtual --out $D/o");
    launch_must(launch_read(&l, "PP-01/1 "), "no PP-01/1", l.text);
    kill(l.pid, SIGTERM);
    expect_end(&l, "interrupted by SIGTERM\n");
    cr_expect(strstr(l.text, "by SIGTERM: 2 of 3 variants were not run") != NULL, "%s", l.text);
}

static const struct {
    const char *options, *says;
} early[] = {
    {"", "interrupted by SIGINT\nFAIL  a[PP-01/1] "},
    {"", "interrupted by SIGINT: 1 of 2 variants were not run"},
    {"--world virtual", "interrupted by SIGINT\nFAIL  a[PP-01/1] "},
    {"--world virtual", "interrupted by SIGINT: 1 of 2 variants were not run"},
};

/* A signal that was there before the program was, and waits for it: the earliest there can be. */
static void run_interrupted(struct launch *l, const char *options)
{
    launch_shell(l,
                 "exec env --block-signal=INT sh -c 'kill -INT $$; exec $S run $D/a.yaml --out $D/o \"$@\"' "
                 "sh %s",
                 options);
}

Test(broken, an_interrupt_before_the_beginning_is_no_success)
{
    static struct launch l;
    for (size_t i = 0; i < sizeof early / sizeof early[0]; i++) {
        write_scenario(ALL "foreach: {x: [PP-01/1, PP-01/2]}\ndo:\n"
                           "  - {call: renew-vehicle-identity, to: vos, at: $x}\n" DONE);
        run_interrupted(&l, early[i].options);
        expect_end(&l, early[i].says);
        cr_expect(strstr(l.text, "the life before") == NULL, "%s", l.text);
    }
}

static const char *const early_kinds[] = {
    "",
    "--world virtual",
    "--faults random --seed 3",
    "--world virtual --faults random --seed 3",
    "--faults random --seeds 5",
    "--world virtual --faults random --seeds 5",
};

/* In front of a CI that only looks at junit.xml, where the last run has passed. */
Test(broken, an_interrupt_before_the_beginning_stands_in_junit)
{
    static struct launch l;
    char out[100];
    write_scenario(ALL DONE);
    snprintf(out, sizeof out, "%s/o", directory);
    launch_shell(&l, "exec $S run $D/a.yaml --world virtual --out $D/o");
    launch_must(launch_finish(&l) == 0, "it does not pass", l.text);
    for (size_t i = 0; i < sizeof early_kinds / sizeof early_kinds[0]; i++) {
        run_interrupted(&l, early_kinds[i]);
        expect_end(&l, "interrupted by SIGINT");
        char *junit = launch_file(out, "junit.xml");
        launch_must(junit, "no junit.xml", early_kinds[i]);
        cr_expect(strstr(junit, "message=\"interrupted by SIGINT") != NULL, "%s: %s", early_kinds[i], junit);
        free(junit);
    }
}

Test(broken, records_that_are_taken_away_fail_the_run)
{
    static struct launch l;
    start_long(&l, "");
    launch_must(system("rm -rf $D/o") == 0, "rm", "");
    kill(-l.pid, SIGTERM);
    expect_end(&l, "the records are gone");
}

static const struct {
    const char *act, *says;
} changes[] = {
    {"until test -s $D/o/can.log; do :; done; : >$D/o/can.log",
     "can.log is not whole: somebody else has changed it"},
    {"echo x >>$D/o/can.log", "can.log is not whole: somebody else has changed it"},
    {"rm $D/o/can.log; echo hi >$D/o/can.log", "can.log is not whole: somebody else has changed it"},
    {"rm $D/o/can.log; ln -s /etc/hostname $D/o/can.log",
     "can.log is not whole: somebody else has changed it"},
    {"rm $D/o/bytes.jsonl", "bytes.jsonl is not whole: somebody else has changed it"},
    {"rm $D/o/logs/spaak.log", "logs/spaak.log is gone"},
};

Test(broken, a_record_that_somebody_changed_is_not_whole)
{
    static struct launch l;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        start_long(&l, "--bytes");
        launch_must(system(changes[i].act) == 0, "shell", changes[i].act);
        kill(-l.pid, SIGTERM);
        expect_end(&l, changes[i].says);
    }
}

Test(broken, a_crash_at_the_end_is_told)
{
    static struct launch l;
    start_long(&l, "");
    pid_t vos = launch_find(l.pid, "vos");
    launch_must(vos > 0, "no vos", l.text);
    kill(vos, SIGSTOP);
    kill(-l.pid, SIGTERM); /* the runner asks all to stop, and waits for this one */
    kill(vos, SIGKILL);    /* not caught by a sanitizer, as SIGSEGV is */
    expect_end(&l, "vos crashed with SIGKILL");
}

/* A whole sentence and nothing false after it: what follows from a dead zygote is not told of each process.
 */
Test(broken, what_follows_is_one_line)
{
    static struct launch l;
    start_long(&l, "");
    pid_t zygote = launch_find(l.pid, "zygote");
    launch_must(zygote > 0, "no zygote", l.text);
    kill(zygote, SIGKILL);
    int rc = launch_finish(&l);
    cr_expect(eq(int, rc, 1), "%s", l.text);
    cr_expect(strstr(l.text, "zygote crashed with SIGKILL") != NULL, "%s", l.text);
    cr_expect(strstr(l.text, "did not stop") == NULL, "%s", l.text);
}

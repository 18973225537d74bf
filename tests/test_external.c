/* Components that somebody outside plays: the phone and the reader of docs/examples, which share nothing with
 * lib/ccc, a head unit on the hub, nobody at all, and a vandal. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/host/link.h"
#include "lib/media/can/hub.h"
#include "sim/commands.h"
#include "sim/run/external.h"
#include "tests/check.h"
#include "tests/launch.h"
#include "tests/support.h"

enum { NO_PACKAGE = 77 };

/* A phone that needs no servers: its password is handed over. */
static const char outside[] = "schema: 1\n"
                              "name: outside\n"
                              "title: a phone from outside on the pad\n"
                              "use_case: OP-03\n"
                              "run: [dos, vos, gsdp, sgw, tbm, spaak, bcm, hu, wcp, phone]\n"
                              "limit: %d s\n"
                              "given:\n"
                              "  after: pp02\n"
                              "do:\n"
                              "  - {call: fob, to: bcm, place: here}\n"
                              "  - {call: ignition, to: bcm, power: \"on\"}\n"
                              "  - {call: add-key, to: hu, after: 300 ms}\n"
                              "  - {call: place, to: phone, reader: wcp, at: OP-02/7, after: 100 ms}\n"
                              "expect:\n"
                              "  - {step: OP-04/4, by: spaak}\n"
                              "  - {step: OP-03/8, by: phone, any_order: true}\n";

static void put_scenario(const char *directory, const char *format, int limit_s)
{
    char path[128];
    snprintf(path, sizeof path, "%s/outside.yaml", directory);
    FILE *f = fopen(path, "w");
    cr_assert(f != NULL);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    fprintf(f, format, limit_s);
#pragma GCC diagnostic pop
    fclose(f);
}

static void need_python(void)
{
    if (!launch_has_cryptography())
        cr_skip_test("python3-cryptography is missing");
}

TestSuite(external, .timeout = 180);

/* ---- what becomes of a scenario ---- */

static struct scenario *load(const char *directory, const char *text)
{
    char path[128];
    struct scenario *s = NULL;
    size_t count;
    struct tree_problem problem = {0};
    scenario_finder = scenario_find_quietly;
    put_scenario(directory, text, 5);
    snprintf(path, sizeof path, "%s/outside.yaml", directory);
    cr_assert(scenario_load(path, &s, &count, &problem), "%s", problem.text);
    return s;
}

Test(external, what_nobody_sees_is_left_out_and_named)
{
    char directory[64], problem[EXTERNAL_PROBLEM], text[EXTERNAL_UNJUDGED];
    launch_directory(directory);
    struct scenario *s = load(directory, outside);
    cr_assert(external_mark(s, "phone", problem), "%s", problem);
    cr_expect(scenario_member(s, "phone")->external);
    cr_expect(not(scenario_member(s, "wcp")->external));
    cr_assert(eq(sz, s->expect_count, 1));
    cr_expect(eq(str, s->expects[0].component, "spaak"));
    external_unjudged(s, text);
    cr_expect(eq(str, text, "not judged, since it is played from outside: line 16"));
    free(s);
    launch_remove(directory);
}

/* A time that is counted from what nobody saw would be another one. */
Test(external, a_time_after_what_is_left_out_is_not_judged)
{
    static const char timed[] = "schema: 1\n"
                                "name: outside\n"
                                "title: times\n"
                                "use_case: OP-03\n"
                                "run: [spaak, wcp, phone]\n"
                                "limit: %d s\n"
                                "expect:\n"
                                "  - {step: OP-03/4, by: spaak, within: 1 s}\n"
                                "  - {step: OP-03/5, by: phone}\n"
                                "  - {step: OP-03/6, by: spaak, within: 1 s}\n"
                                "  - {step: OP-03/7, by: spaak, within: 1 s}\n";
    char directory[64], problem[EXTERNAL_PROBLEM], text[EXTERNAL_UNJUDGED];
    launch_directory(directory);
    struct scenario *s = load(directory, timed);
    cr_assert(external_mark(s, "phone", problem), "%s", problem);
    cr_assert(eq(sz, s->expect_count, 3));
    cr_expect(eq(u64, s->expects[0].within_us, 1000000));
    cr_expect(eq(u64, s->expects[1].within_us, 0));
    cr_expect(eq(u64, s->expects[2].within_us, 1000000));
    external_unjudged(s, text);
    cr_expect(eq(str, text, "not judged, since it is played from outside: lines 9, 10"));
    free(s);
    launch_remove(directory);
}

/* ---- what is refused, and who does not come ---- */

Test(external, what_cannot_be_is_said)
{
    static const struct {
        const char *arguments;
        int code;
        const char *says;
    } rows[] = {
        {"run op03 --external vos", 2, "vos cannot be played from outside: its link gsdp goes over gsdp"},
        {"run op03 --external tbm", 2, "tbm cannot be played from outside: its link gsdp"},
        {"run op03 --external fone", 2, "nobody in op03 is called \"fone\""},
        {"run op03 --external phone,", 2, "nobody in op03 is called \"\""},
        {"run op03 --external ''", 2, "nobody in op03 is called \"\""},
        {"run op03-killed-phone --external phone", 2, "this fault cannot be done to it"},
        {"run op03 --external phone --world virtual", 2, "--external is for the process world"},
        {"run op03 --wait 5", 2, "--wait is for those whom --external names"},
        {"run op03 --external phone --wait 0", 2, "--wait goes from 1 to 3600 seconds"},
        {"run op03 --external phone --wait soon", 2, "--wait must be a number"},
        {"run --all --external phone", 2, "--external is for one scenario at a time"},
        {"export op03 --for phone", 2, "takes NAME --for MEMBER DIR"},
        {"export no-such-run --for phone /tmp/x", 3, "spaaksim run no-such-run --external phone"},
        {"export tests --for phone /tmp/x", 3, "no run of tests has left anything for phone"},
        {"export --help", 0, "usage: spaaksim export"},
    };
    char out[4096];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int code =
            launch_run(out, sizeof out, "'%s/bin/spaaksim' %s 2>&1", launch_build(), rows[i].arguments);
        cr_expect(eq(int, code, rows[i].code), "%s: %s", rows[i].arguments, out);
        cr_expect(strstr(out, rows[i].says) != NULL, "%s: %s", rows[i].arguments, out);
    }
}

/* The run says for whom it waited and where, and what is missing is no failure of anybody's. */
Test(external, who_does_not_come_is_missing)
{
    static const struct {
        const char *who, *says;
    } rows[] = {
        {"phone",
         "phone, who is played from outside, did not come within 1 s of being asked to place reader=wcp: "},
        {"hu", "hu, who is played from outside, did not come within 1 s: "},
        {"wcp", "did not come within 1 s: "},
    };
    char directory[64], out[16000];
    launch_directory(directory);
    put_scenario(directory, outside, 20);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int code =
            launch_run(out, sizeof out,
                       "'%s/bin/spaaksim' run %s/outside.yaml --external %s --wait 1 --quiet --out %s/o "
                       "</dev/null 2>&1",
                       launch_build(), directory, rows[i].who, directory);
        cr_expect(eq(int, code, 3), "%s", out);
        cr_expect(strstr(out, rows[i].says) != NULL, "%s", out);
        cr_expect(strstr(out, "(docs/air.md, ") != NULL, "%s", out);
        cr_expect(strstr(out, "BLOCKED  outside") != NULL, "%s", out);
    }
    launch_remove(directory);
}

/* Each Enter is one thing that was asked for; and a word alone makes nobody come. */
Test(external, a_word_is_for_one_call_and_brings_nobody)
{
    char directory[64], out[16000];
    launch_directory(directory);
    put_scenario(directory, outside, 1);
    launch_run(out, sizeof out,
               "sed -i 's/^expect/  - {call: lift, to: phone, at: OP-02\\/7, after: 150 ms}\\nexpect/' "
               "%s/outside.yaml; mkfifo %s/in; exec 7<>%s/in; "
               "{ '%s/bin/spaaksim' run %s/outside.yaml --external phone --wait 20 --quiet --out %s/o "
               "<&7 7<&- 2>&1; echo code=$?; } | while read -r line; do echo \"$line\"; "
               "case \"$line\" in *'now phone: lift'*) printf '\\n\\n' >&7;; esac; done",
               directory, directory, directory, launch_build(), directory, directory);
    cr_expect(strstr(out, "\ncode=3\n") != NULL, "%s", out);
    const char *first =
        strstr(out, "external  phone: place reader=wcp is taken as done, on somebody's word\n");
    cr_assert(ne(ptr, (void *)first, NULL), "%s", out);
    const char *second = strstr(first, "external  phone: lift is taken as done, on somebody's word\n");
    cr_assert(ne(ptr, (void *)second, NULL), "%s", out);
    cr_expect(strstr(second, "phone, who is played from outside, never came: ") != NULL, "%s", out);
    cr_expect(strstr(second, "BLOCKED  outside") != NULL, "%s", out);
    launch_remove(directory);
}

/* When nothing but what it does was expected, a run without it has shown nothing. */
Test(external, nobody_came_and_nothing_else_is_judged)
{
    static const char alone[] = "schema: 1\nname: outside\ntitle: t\nuse_case: OP-03\n"
                                "run: [dos, vos, gsdp, sgw, tbm, spaak, bcm, hu, wcp, phone]\n"
                                "limit: %d s\ngiven:\n  after: pp02\n"
                                "expect:\n  - {step: OP-03/8, by: phone}\n";
    char directory[64], out[16000];
    launch_directory(directory);
    put_scenario(directory, alone, 1);
    int code =
        launch_run(out, sizeof out,
                   "'%s/bin/spaaksim' run %s/outside.yaml --external phone --wait 1 --quiet --out %s/o "
                   "</dev/null 2>&1",
                   launch_build(), directory, directory);
    cr_expect(eq(int, code, 3), "%s", out);
    cr_expect(strstr(out, "nobody came to play from outside") != NULL, "%s", out);
    cr_expect(strstr(out, "BLOCKED  outside") != NULL, "%s", out);
    launch_remove(directory);
}

/* What lies in the records is not ours to trust, nor where a link leads. */
Test(external, what_is_exported_are_files_into_a_folder)
{
    static const struct {
        const char *prepare, *target, *says;
    } rows[] = {
        {"mkfifo $D/r/external/phone.pem", "mine", "/r/external/phone.pem: is not a file"},
        {"ln -s ../../secret $D/r/external/phone.pem", "mine",
         "/r/external/phone.pem: is a link, not a file"},
        {"mkdir $D/theirs && ln -s theirs $D/mine", "mine", "mine: Not a directory"},
        {"mkdir $D/theirs && ln -s theirs $D/mine", "mine/", "mine/: Not a directory"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char directory[64], out[2000];
        launch_directory(directory);
        int code = launch_run(
            out, sizeof out,
            "D=%s; mkdir -p $D/r/external && echo {} >$D/r/external/phone.json && echo x >$D/secret "
            "&& %s && timeout 10 '%s/bin/spaaksim' export $D/r --for phone $D/%s 2>&1",
            directory, rows[i].prepare, launch_build(), rows[i].target);
        cr_expect(eq(int, code, 1), "%s: %s", rows[i].prepare, out);
        cr_expect(strstr(out, rows[i].says) != NULL, "%s: %s", rows[i].prepare, out);
        launch_remove(directory);
    }
}

/* On a word that it is there, the run begins; what it then does not do is a failure. */
Test(external, a_word_that_somebody_is_there)
{
    char directory[64], out[16000];
    launch_directory(directory);
    put_scenario(directory, outside, 1);
    int code =
        launch_run(out, sizeof out,
                   "echo | '%s/bin/spaaksim' run %s/outside.yaml --external hu --wait 2 --out %s/o 2>&1",
                   launch_build(), directory, directory);
    cr_expect(eq(int, code, 1), "%s", out);
    cr_expect(strstr(out, "external  hu is there\n") != NULL, "%s", out);
    cr_expect(strstr(out, "external  now hu: add-key") != NULL, "%s", out);
    cr_expect(strstr(out, "FAIL  outside") != NULL, "%s", out);
    launch_remove(directory);
}

/* Ctrl-C while it waits: at once, and nothing stays behind. */
Test(external, an_interrupted_wait_leaves_nothing)
{
    char directory[64], out[4096];
    struct launch run;
    launch_directory(directory);
    put_scenario(directory, outside, 20);
    launch_shell(&run,
                 "export XDG_RUNTIME_DIR= TMPDIR=%s; exec '%s/bin/spaaksim' run %s/outside.yaml --external "
                 "hu --out %s/o </dev/null",
                 directory, launch_build(), directory, directory);
    cr_assert(launch_read(&run, "waiting for hu, at most 60 s"), "%s", run.text);
    kill(run.pid, SIGINT);
    cr_expect(eq(int, launch_finish(&run), 1), "%s", run.text);
    cr_expect(strstr(run.text, "interrupted by SIGINT") != NULL, "%s", run.text);
    const char *hub = strstr(run.text, "hub:");
    cr_assert(hub != NULL);
    cr_expect(ne(int, launch_run(out, sizeof out, "ls '%.*s'", (int)strcspn(hub + 4, ";"), hub + 4), 0),
              "its sockets are still there");
    launch_remove(directory);
}

/* ---- a head unit on the hub, from what its file says ---- */

/* The text behind `before`, up to the next quote. */
static void cut_out(const char *text, const char *before, char *out, size_t cap)
{
    const char *p = strstr(text, before);
    cr_assert(p != NULL, "%s", before);
    p += strlen(before);
    snprintf(out, cap, "%.*s", (int)strcspn(p, "\"';"), p);
}

static int join_as_hu(const char *directory)
{
    char folder[80], path[200], token[80];
    struct hub_hello hello = {.segment = SEGMENT_INFOTAINMENT, .everything = true, .name = "hu"};
    uint8_t packet[256], answer = 0;
    snprintf(folder, sizeof folder, "%s/o/external", directory);
    char *file = launch_file(folder, "hu.json");
    cr_assert(file != NULL);
    cr_expect(strstr(file, "\"segment\": 2") != NULL, "%s", file);
    cut_out(file, "\"hub:", path, sizeof path);
    cut_out(file, "\"tokens\": {\"hu\": \"", token, sizeof token);
    free(file);
    for (size_t i = 0; i < TOKEN_SIZE; i++)
        cr_assert(eq(int, sscanf(token + 2 * i, "%2hhx", &hello.token.bytes[i]), 1));
    int fd = link_connect_unix(path, SOCK_SEQPACKET);
    cr_assert(le(int, 0, fd));
    cr_assert(lt(long, 0, send(fd, packet, hub_hello_write(&hello, packet), MSG_NOSIGNAL)));
    struct pollfd p = {.fd = fd, .events = POLLIN};
    cr_assert(eq(int, poll(&p, 1, LAUNCH_LIMIT_MS), 1));
    cr_assert(lt(long, 0, recv(fd, &answer, 1, 0)));
    cr_expect(eq(int, answer, HUB_WELCOME));
    return fd;
}

static void send_frame(int fd, uint32_t id, uint8_t first, uint8_t alive)
{
    struct bus_frame f = {.id = id, .len = 8, .data = {first, alive}};
    uint8_t packet[80] = {HUB_FRAMES};
    struct wr w = wr_of(packet + 1, sizeof packet - 1);
    f.data[7] = matrix_checksum(f.id, f.data, f.len);
    bus_frame_write(&w, &f);
    cr_assert(lt(long, 0, send(fd, packet, 1 + w.len, MSG_NOSIGNAL)));
}

/* The first press shows that it is there; then the scenario asks it for one, and the next is that. */
Test(external, a_head_unit_of_ones_own)
{
    static const char text[] = "schema: 1\n"
                               "name: outside\n"
                               "title: a head unit from outside\n"
                               "use_case: OP-02\n"
                               "run: [vos, gsdp, sgw, tbm, spaak, bcm, hu, wcp]\n"
                               "limit: %d s\n"
                               "given:\n"
                               "  after: pp02\n"
                               "do:\n"
                               "  - {call: fob, to: bcm, place: here}\n"
                               "  - {call: ignition, to: bcm, power: \"on\"}\n"
                               "  - {call: add-key, to: hu, after: 500 ms}\n"
                               "expect:\n"
                               "  - {step: OP-02/4, by: spaak}\n"
                               "  - {step: OP-02/7, by: spaak}\n";
    char directory[64];
    struct launch run;
    launch_directory(directory);
    put_scenario(directory, text, 20);
    launch_shell(&run, "exec '%s/bin/spaaksim' run %s/outside.yaml --external hu --out %s/o </dev/null",
                 launch_build(), directory, directory);
    cr_assert(launch_read(&run, "waiting for hu"), "%s", run.text);
    int fd = join_as_hu(directory);
    send_frame(fd, 0x5A0, 4, 0); /* PhoneKey_Req: list the keys */
    cr_assert(launch_read(&run, "external  now hu: add-key"), "%s", run.text);
    send_frame(fd, 0x5A0, 1, 1); /* add phone */
    cr_expect(eq(int, launch_finish(&run), 0), "%s", run.text);
    cr_expect(strstr(run.text, "PASS  outside") != NULL);
    close(fd);
    launch_remove(directory);
}

/* ---- the examples ---- */

static void check_files(const char *directory)
{
    struct stat about;
    char path[128];
    snprintf(path, sizeof path, "%s/o/external", directory);
    cr_assert(eq(int, stat(path, &about), 0));
    cr_expect(eq(int, about.st_mode & 0777, 0700));
    snprintf(path, sizeof path, "%s/o/external/phone.json", directory);
    cr_assert(eq(int, stat(path, &about), 0));
    cr_expect(eq(int, about.st_mode & 0777, 0600));
}

/* A second implementation from public texts becomes the owner's key in op03, on a word about its app. */
Test(external, the_phone_of_the_examples_is_paired)
{
    char directory[64], out[4096];
    struct launch run;
    need_python();
    launch_directory(directory);
    launch_shell(&run,
                 "printf 'OP-9/9\\nOP-01a/10\\n' | '%s/bin/spaaksim' run op03 --external phone --out %s/o",
                 launch_build(), directory);
    cr_assert(launch_read(&run, "phone is played from outside"), "%s", run.text);
    int code = launch_run(out, sizeof out, "python3 docs/examples/phone.py %s/o/external/phone.json 2>&1",
                          directory);
    cr_expect(eq(int, code, 0), "%s", out);
    cr_expect(strstr(out, "phone: paired as CN=E.example.") != NULL, "%s", out);
    cr_expect(eq(int, launch_finish(&run), 0), "%s", run.text);
    cr_expect(strstr(run.text, "no call waits for \"OP-9/9\"; they wait for OP-01a/10, OP-02/7") != NULL,
              "%s", run.text);
    cr_expect(strstr(run.text, "PASS  op03") != NULL, "%s", run.text);
    check_files(directory);
    code = launch_run(out, sizeof out, "'%s/bin/spaaksim' export %s/o --for phone %s/mine && ls %s/mine",
                      launch_build(), directory, directory, directory);
    cr_expect(eq(int, code, 0), "%s", out);
    cr_expect(strstr(out, "phone.dos.cross-SPAAKSIM.pem\nphone.json\nphone.phone.partner-root.pem\n") != NULL,
              "%s", out);
    code = launch_run(out, sizeof out,
                      "'%s/bin/spaaksim' run sp02 --world virtual --quiet --out %s/o && ls %s/o",
                      launch_build(), directory, directory);
    cr_expect(eq(int, code, 0), "%s", out);
    cr_expect(eq(ptr, strstr(out, "external"), NULL), "the next run there takes it away: %s", out);
    launch_remove(directory);
}

/* Carried from the pad to the door: there a fast transaction with the key of the first is enough. */
Test(external, the_phone_of_the_examples_opens_the_door)
{
    static const char door[] = "schema: 1\n"
                               "name: outside\n"
                               "title: a phone from outside is paired and opens the door\n"
                               "use_case: OP-06\n"
                               "run: [dos, vos, gsdp, sgw, tbm, spaak, bcm, hu, wcp, door: wcp, phone]\n"
                               "limit: %d s\n"
                               "settings:\n"
                               "  door: {place: 1}\n"
                               "given:\n"
                               "  after: pp02\n"
                               "do:\n"
                               "  - {call: fob, to: bcm, place: here}\n"
                               "  - {call: ignition, to: bcm, power: \"on\"}\n"
                               "  - {call: add-key, to: hu, after: 300 ms}\n"
                               "  - {call: place, to: phone, reader: wcp, at: OP-02/7, after: 100 ms}\n"
                               "  - {call: place, to: phone, reader: door, at: OP-04/6, after: 100 ms}\n"
                               "expect:\n"
                               "  - {step: OP-04/4, by: spaak}\n"
                               "  - {event: step, by: spaak, step: OP-06/7, detail: (fast)}\n"
                               "  - {shows: doors, by: bcm, is: unlocked}\n";
    char directory[64], out[4096];
    struct launch run;
    need_python();
    launch_directory(directory);
    put_scenario(directory, door, 30);
    launch_shell(&run, "exec '%s/bin/spaaksim' run %s/outside.yaml --external phone --out %s/o </dev/null",
                 launch_build(), directory, directory);
    cr_assert(launch_read(&run, "phone is played from outside"), "%s", run.text);
    int code = launch_run(out, sizeof out,
                          "python3 docs/examples/phone.py %s/o/external/phone.json --readers wcp,door 2>&1",
                          directory);
    cr_expect(eq(int, code, 0), "%s", out);
    cr_expect(strstr(out, "phone: fast transaction done (01/00)") != NULL, "%s", out);
    cr_expect(eq(int, launch_finish(&run), 0), "%s", run.text);
    launch_remove(directory);
}

Test(external, a_wrong_password_is_seen_by_both)
{
    char directory[64];
    struct launch run, phone;
    need_python();
    launch_directory(directory);
    put_scenario(directory, outside, 4);
    launch_shell(
        &phone,
        "exec python3 tests/when_there.py docs/examples/phone.py %s/o/external/phone.json --password "
        "00000000 2>&1",
        directory);
    cr_assert(launch_read(&phone, "ready"), "%s", phone.text);
    launch_shell(
        &run,
        "exec '%s/bin/spaaksim' run %s/outside.yaml --external phone --nfc wcp=%s/pad --wait 2 --out %s/o "
        "</dev/null",
        launch_build(), directory, directory, directory);
    cr_expect(eq(int, launch_finish(&phone), 1), "%s", phone.text);
    cr_expect(strstr(phone.text, "wrong evidence: another password?") != NULL, "%s", phone.text);
    cr_expect(eq(int, launch_finish(&run), 1), "%s", run.text);
    cr_expect(strstr(run.text, "show screen  pairing failed: the SPAKE2+ evidence is wrong") != NULL, "%s",
              run.text);
    launch_remove(directory);
}

/* The other way round: it makes our phone the owner's key, on the other side of the same socket. */
static void check_reader(bool elsewhere)
{
    static const char unseen[] =
        "not judged, since it is played from outside: which \"authenticated\" has let "
        "bcm be \"unlocked\"; which \"authenticated\" has let bcm be \"started\"";
    char directory[64], out[4096];
    struct launch run;
    need_python();
    launch_directory(directory);
    launch_shell(&run,
                 "exec '%s/bin/spaaksim' run docs/examples/reader-outside.yaml --external spaak,wcp --out "
                 "%s/o %s%s%s </dev/null",
                 launch_build(), directory, elsewhere ? "--nfc wcp=" : "", elsewhere ? directory : "",
                 elsewhere ? "/pad" : "");
    cr_assert(launch_read(&run, "waiting for spaak"), "%s", run.text);
    cr_assert(launch_read(&run, "waiting for wcp"), "%s", run.text);
    int code =
        launch_run(out, sizeof out,
                   "python3 docs/examples/reader.py %s/o/external/spaak.json %s/o/external/wcp.json 2>&1",
                   directory, directory);
    cr_expect(eq(int, code, 0), "%s", out);
    cr_expect(strstr(out, "reader: a fast transaction with it has opened the door") != NULL, "%s", out);
    cr_expect(strstr(out, "reader: the phone is the owner's key") != NULL, "%s", out);
    cr_expect(eq(int, launch_finish(&run), 0), "%s", run.text);
    cr_expect(strstr(run.text, "PASS  reader-outside") != NULL, "%s", run.text);
    cr_expect(strstr(run.text, "show doors  unlocked\n") != NULL, "%s", run.text);
    cr_expect(strstr(run.text, unseen) != NULL, "%s", run.text);
    launch_remove(directory);
}

Test(external, the_reader_of_the_examples_pairs_our_phone)
{
    check_reader(false);
}

/* Where the socket is of one's own choice nobody greets. */
Test(external, a_reader_at_a_place_of_ones_own_needs_no_greeting)
{
    check_reader(true);
}

/* ---- a vandal ---- */

static int run_with_vandal(const char *deed, const char *at, int limit_s, char *text, size_t cap)
{
    char directory[64];
    struct launch run, vandal;
    launch_directory(directory);
    put_scenario(directory, outside, limit_s);
    launch_shell(&vandal, "exec python3 tests/when_there.py tests/vandal.py %s/o/external/phone.json %s %s",
                 directory, deed, at);
    cr_assert(launch_read(&vandal, "ready"), "%s", vandal.text);
    launch_shell(&run,
                 "exec '%s/bin/spaaksim' run %s/outside.yaml --external phone --wait 2 --out %s/o </dev/null",
                 launch_build(), directory, directory);
    int code = launch_finish(&run);
    kill(-vandal.pid, SIGKILL);
    launch_finish(&vandal);
    snprintf(text, cap, "%s", run.text);
    launch_remove(directory);
    return code;
}

struct deed {
    const char *deed, *at, *says;
};

static void check_deeds(const struct deed *rows, size_t n)
{
    static char text[32768];
    need_python();
    for (size_t i = 0; i < n; i++) {
        int code = run_with_vandal(rows[i].deed, rows[i].at, 6, text, sizeof text);
        cr_expect(eq(int, code, 1), "%s at %s: %s", rows[i].deed, rows[i].at, text);
        cr_expect(strstr(text, rows[i].says) != NULL, "%s at %s: %s", rows[i].deed, rows[i].at, text);
        cr_expect(strstr(text, "outside.yaml:15: expected OP-04/4 by spaak, it did not happen") != NULL, "%s",
                  text);
        cr_expect(strstr(text, "the limit of 8 s came before all that is expected") != NULL, "%s", text);
    }
}

/* Whatever comes from its command `at` on, the run ends in time and says why. */
Test(external, a_vandal_that_keeps_to_frames_ends_no_run_without_a_reason)
{
    static const struct deed rows[] = {{"garbage", "1", "show field  on"},
                                       {"garbage", "2", "show screen  pairing failed: "},
                                       {"garbage", "7", "show screen  pairing failed: "},
                                       {"hang", "2", "> SPAKE2+ REQUEST"}};
    check_deeds(rows, sizeof rows / sizeof rows[0]);
}

Test(external, a_vandal_of_the_link_ends_no_run_without_a_reason)
{
    static const struct deed rows[] = {{"no_frame", "2", "(DK_LINK_LOST)"},
                                       {"short", "3", "(DK_ANSWER)"},
                                       {"twice", "2", "DK_LINK_LOST"},
                                       {"flood", "2", "(DK_ANSWER)"}};
    check_deeds(rows, sizeof rows / sizeof rows[0]);
}

/* It breaks off at one command after the other, and is paired when it behaves at last. */
Test(external, who_left_at_each_command_may_come_back)
{
    static const char *const rows[] = {"1 2 3 4 5 0", "6 7 8 9 10 0", "11 12 14 16 18 0", "20 22 24 26 0"};
    static char text[32768];
    need_python();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_expect(eq(int, run_with_vandal("leave", rows[i], 40, text, sizeof text), 0), "leave at %s: %s",
                  rows[i], text);
}

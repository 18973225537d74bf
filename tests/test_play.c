/* play as a user meets it: lines from a pipe, in both worlds, and from a terminal. Runs the built program. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/tool.h"

#define TEXT_MAX  100000
#define FRAGMENTS 6

static char directory[] = "/tmp/spaaksim-play.XXXXXX", program[300];

static void set_up(void)
{
    const char *build = getenv("SPAAKSIM_BUILD");
    snprintf(program, sizeof program, "%s/bin/spaaksim", build ? build : "build");
    cr_assert(ne(ptr, mkdtemp(directory), NULL));
    setenv("XDG_RUNTIME_DIR", directory, 1);
    setenv("ASAN_OPTIONS", "detect_leaks=0",
           1); /* components that are killed on purpose must not look for leaks */
    /* whoever loses its parent becomes ours, so that nothing can stay behind unseen */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static void tear_down(void)
{
    char command[200];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    if (system(command) != 0)
        abort();
}

TestSuite(play, .init = set_up, .fini = tear_down, .timeout = 180);

struct played {
    int code;
    char text[TEXT_MAX]; /* standard output and error */
};

static void read_all(FILE *f, char text[TEXT_MAX])
{
    size_t n = fread(text, 1, TEXT_MAX - 1, f);
    text[n] = '\0';
}

static int exit_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void play(const char *arguments, const char *lines, struct played *out)
{
    char path[200], command[900];
    snprintf(path, sizeof path, "%s/lines", directory);
    FILE *f = fopen(path, "w");
    fputs(lines, f);
    fclose(f);
    snprintf(command, sizeof command, "%s play %s --out %s/records <%s 2>&1", program, arguments, directory,
             path);
    f = popen(command, "r");
    read_all(f, out->text);
    out->code = exit_of(pclose(f));
}

/* Each after the one before it; the first that is missing, or NULL. */
static const char *missing(const char *text, const char *const fragments[FRAGMENTS])
{
    for (size_t i = 0; i < FRAGMENTS && fragments[i]; i++) {
        const char *at = strstr(text, fragments[i]);
        if (!at)
            return fragments[i];
        text = at + strlen(fragments[i]);
    }
    return NULL;
}

static const char *const worlds[] = {"virtual", "process"};

static const struct {
    const char *what, *lines;
    int code;
    const char *fragments[FRAGMENTS];
} plays[] = {
    {.what = "nothing is said: the vehicle gets its identity, and it ends",
     .lines = "",
     .fragments = {"PP-01/19  spaak", "PASS  play pp01"}},
    {.what = "a call has PP-01 run again",
     .lines = "vos renew-vehicle-identity vehicle=SPAAK00000001\n",
     .fragments = {"> vos renew", "call   renew-vehicle-identity", "PP-01/19  spaak", "PASS"}},
    {.what = "who is killed stays dead until started",
     .lines = "kill spaak\nstate spaak\nstart spaak\nstate spaak\n",
     .fragments = {"life   killed", "spaak        dead", "life   started", "spaak        alive", "PASS"}},
    {.what = "a helper of a medium is killed and started",
     .lines = "kill broker\nstate broker\nstart broker\nrun 500 ms\nvos renew-vehicle-identity; wait "
              "PP-01/19; quit\n",
     .fragments = {"broker       dead", "PP-01/19  spaak", "PASS"}},
    {.what = "a cut link keeps a message until it is healed",
     .lines = "cut gsdp tbm; state tbm; vos renew-vehicle-identity; run 200 ms; heal gsdp tbm; wait "
              "PP-01/19; quit\n",
     .fragments = {"fault   cut gsdp of tbm", "gsdp cut", "PP-01/0 ", "PP-01/19  spaak", "PASS"}},
    {.what = "a lost message is asked for again",
     .lines = "lose VehicleSubjectIdResponse on gsdp\nvos renew-vehicle-identity; wait PP-01/19; quit\n",
     .fragments = {"fault VehicleSubjectIdResponse  lose", "retry   MSG_NO_ANSWER", "PP-01/19  spaak",
                   "PASS"}},
    {.what = "faults reach who is started after they were asked for",
     .lines = "kill vos\ncorrupt VehicleSubjectIdResponse on gsdp byte 3\nstart vos\n"
              "vos renew-vehicle-identity; wait PP-01/19; quit\n",
     .fragments = {"life   started", "fault VehicleSubjectIdResponse  corrupt", "SIGNATURE_INVALID",
                   "PP-01/19  spaak", "PASS"}},
    {.what = "faults that were taken back do nothing",
     .lines = "lose VehicleSubjectIdResponse on gsdp each\nstate\nclear\nvos renew-vehicle-identity; wait "
              "PP-01/19\n",
     .fragments = {"waits for its message: lose each", "PP-01/6 ", "PP-01/7 ", "PP-01/19  spaak", "PASS"}},
    {.what = "whoever injects frames comes along",
     .lines = "rogue inject frame=3A0#1122 segment=diagnostic\n",
     .fragments = {"call   inject", "BUS_NOT_ALLOWED", "PASS"}},
    {.what = "whoever tests comes along",
     .lines = "tester open-gate; run 100 ms; tester uds ecu=sgw request=220250; run 100 ms; tester "
              "close-gate; run "
              "1 s\n",
     .fragments = {"gate=open bench=1", "answer bench=1 62025001", "closed=yes bench=1", "PASS"}},
    {.what = "a line may hold several commands, and the world is caught in the middle of the first",
     .lines = "vos renew-vehicle-identity; wait PP-01/9; kill spaak\nstart spaak; wait PP-01/19; quit\n",
     .fragments = {"PP-01/9 ", "life   killed", "life   started", "PP-01/19  spaak", "PASS"}},
    {.what = "what does not come is said",
     .lines = "wait PP-01/19\n",
     .code = 1,
     .fragments = {"PP-01/19 did not come: the world is quiet without it", "1 of 1 lines were wrong",
                   "FAIL"}},
    {.what = "an end that leaves somebody dead is no disagreement",
     .lines = "kill vos\nquit\nkill spaak\n",
     .fragments = {"vos is dead at the end", "PASS"}},
};

Test(play, lines_from_a_pipe)
{
    struct played *p = malloc(sizeof *p);
    char arguments[80];
    for (size_t i = 0; i < sizeof plays / sizeof plays[0]; i++)
        for (size_t w = 0; w < sizeof worlds / sizeof worlds[0]; w++) {
            snprintf(arguments, sizeof arguments, "pp01 --world %s", worlds[w]);
            play(arguments, plays[i].lines, p);
            const char *not_there = missing(p->text, plays[i].fragments);
            cr_expect(eq(int, p->code, plays[i].code), "%s, %s world:\n%s", plays[i].what, worlds[w],
                      p->text);
            cr_expect(eq(ptr, (void *)not_there, NULL), "%s, %s world: \"%s\" is missing in\n%s",
                      plays[i].what, worlds[w], not_there ? not_there : "", p->text);
        }
    free(p);
}

static const struct {
    const char *line, *says;
} wrong[] = {
    {"vos renew-vehicle-identty", "did you mean \"renew-vehicle-identity\"?"},
    {"vos renew-vehicle-identity vehicel=x", "did you mean \"vehicle\"?"},
    {"vos renew-vehicle-identity vehicle=x", "no vehicle of this run has the serial \"x\""},
    {"vos renew-vehicle-identity x", "write name=value"},
    {"vos", "what is vos to do?"},
    {"spak x", "did you mean \"spaak\"?"},
    {"broker x", "broker takes no calls"},
    {"kill spak", "did you mean \"spaak\"?"},
    {"start spaak", "spaak is alive"},
    {"cut gsdb tbm", "did you mean \"gsdp\"?"},
    {"heal gsdp tbm", "gsdp of tbm is not cut"},
    {"lose VehicleSubjectIdRespons on gsdp", "did you mean \"VehicleSubjectIdResponse\"?"},
    {"lose VehicleSubjectIdResponse on gsdx", "did you mean \"gsdp\"?"},
    {"lose VehicleSubjectIdResponse on body", "never goes by on body"},
    {"lose VehicleSubjectIdResponse", "write it like `lose MESSAGE on LINK`"},
    {"lose VehicleSubjectIdResponse on gsdp nth 0", "counted from 1"},
    {"lose VehicleSubjectIdResponse on gsdp nth", "\"nth\" lacks its value"},
    {"delay VehicleSubjectIdResponse on gsdp", "lacks the key \"by\""},
    {"rogue inject frame=zz", "write it like \"3A0#1122\""},
    {"rogue inject", "lacks \"frame\""},
    {"distance 3 m from spaak to vos", "have no link of a medium with distances"},
    {"distance 3 m from spaak", "write it like `distance 40 m from phone to spaak`"},
    {"distance 3 from spaak to vos relay", "\"3\" is not a distance"},
    {"distance 3 m from spaak to vos loss", "\"loss\" lacks its value"},
    {"distance 3 m from spak to vos", "did you mean \"spaak\"?"},
    {"wait 5", "is not a step"},
    {"run 5", "is not a duration"},
    {"run 0 s", "a run lasts from"},
    {"quit now", "write it like `quit`"},
    {"say \"hello", "a quote (\") is not closed"},
    {"vos \x01", "is the byte 0x01"},
    {"help vod", "did you mean \"vos\"?"},
    {"help wat", "unknown command or component \"wat\"; did you mean \"wait\"?"},
    {"help wait run", "write it like `help` or `help NAME`"},
    {"kill spak; state; ; kill vos # rest; of it", "\"spaak\"?; not done: 2 commands behind it\n"},
    {"wait PP-01/19; kill vos; x \"y", "quiet without it; not done: 2 commands behind it\n"},
    {"state \"vos; kill vos", "a quote (\") is not closed\n"},
    {"a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a; state",
     "more than 32 words; not done: 1 command behind it\n"},
};

Test(play, wrong_lines_are_named_and_fail)
{
    struct played *p = malloc(sizeof *p);
    char lines[4000] = "# the first line is not wrong\n", expected[200];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        strcat(lines, wrong[i].line);
        strcat(lines, "\n");
    }
    play("pp01 --world virtual --quiet", lines, p);
    cr_expect(eq(int, p->code, 1));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(expected, sizeof expected, "line %zu: ", i + 2);
        const char *at = strstr(p->text, expected), *end = at ? strchr(at, '\n') : NULL;
        const char *says = at ? strstr(at, wrong[i].says) : NULL;
        cr_expect(says && says <= end, "%s\n%s", wrong[i].line, p->text);
    }
    free(p);
}

/* Nor is the phone taken from where it lies. */
Test(play, a_reader_that_is_not_there_is_refused)
{
    struct played *p = malloc(sizeof *p);
    play("op03 --world virtual",
         "phone place reader=wcp; run 1 s\nphone place reader=nodoor\nrun 1 s\nquit\n", p);
    cr_expect(eq(int, p->code, 1), "%s", p->text);
    const char *no = strstr(p->text, "line 2: \"nodoor\" is no reader of this run; there is wcp");
    cr_assert(ne(ptr, (void *)no, NULL), "%s", p->text);
    const char *laid = strstr(p->text, "show field  at wcp");
    cr_expect(laid && laid < no, "%s", p->text);
    cr_expect(eq(ptr, strstr(no, "show field"), NULL), "%s", no);
    free(p);
}

/* Out of reach the link is lost; back again, over an attacker's relay, the phone finds the car. */
Test(play, devices_of_bluetooth_move)
{
    struct played *p = malloc(sizeof *p);
    char arguments[80];
    for (size_t w = 0; w < sizeof worlds / sizeof worlds[0]; w++) {
        snprintf(arguments, sizeof arguments, "bond-goes-with-key --world %s", worlds[w]);
        play(arguments,
             "distance 200 m from phone to spaak; run 5 s; state phone\n"
             "distance 300 m from spaak to phone relay; wait OP-06/2; quit\n",
             p);
        cr_expect(eq(int, p->code, 0), "%s", p->text);
        const char *lost = strstr(p->text, "radio down 08");
        cr_assert(ne(ptr, (void *)lost, NULL), "%s", p->text);
        cr_expect(strstr(lost, "recognises the vehicle") != NULL, "%s", p->text);
    }
    free(p);
}

Test(play, help_tells_of_a_command_or_a_component)
{
    struct played *p = malloc(sizeof *p);
    play("pp01 --world virtual --quiet", "help wait\nhelp vos\n", p);
    cr_expect(eq(int, p->code, 0), "%s", p->text);
    cr_expect(strstr(p->text, "  wait STEP                until a step such as PP-01/19") == p->text, "%s",
              p->text);
    cr_expect(strstr(p->text, "  vos renew-vehicle-identity") != NULL, "%s", p->text);
    cr_expect(strstr(p->text, "gives it back") == NULL, "of one command: %s", p->text);
    free(p);
}

/* Nothing of it may be changed while somebody else's run goes on there. */
Test(play, a_folder_in_use_gets_no_records)
{
    struct played *p = malloc(sizeof *p);
    char path[200], arguments[80], line[80];
    snprintf(path, sizeof path, "%s/records", directory);
    play("pp01 --world virtual", "", p);
    int folder = open(path, O_RDONLY | O_DIRECTORY);
    cr_assert(zero(int, flock(folder, LOCK_EX | LOCK_NB)));
    cr_assert(zero(int, unlinkat(folder, "trace.jsonl", 0)));
    cr_assert(zero(int, unlinkat(folder, "junit.xml", 0)));
    for (size_t w = 0; w < sizeof worlds / sizeof worlds[0]; w++) {
        snprintf(arguments, sizeof arguments, "pp01 --world %s", worlds[w]);
        snprintf(line, sizeof line, "BLOCKED  play pp01  (%s world)\n", worlds[w]);
        play(arguments, "state\n", p);
        cr_expect(eq(int, p->code, 3), "%s", p->text);
        cr_expect(strstr(p->text, "records is in use by another run") != NULL, "%s", p->text);
        cr_expect(strstr(p->text, line) != NULL, "%s", p->text);
        cr_expect(ne(int, faccessat(folder, "trace.jsonl", F_OK, 0), 0), "%s", worlds[w]);
        cr_expect(ne(int, faccessat(folder, "junit.xml", F_OK, 0), 0), "%s", worlds[w]);
    }
    close(folder);
    free(p);
}

/* Nobody can be started any more, and the run ends all the same. */
Test(play, a_zygote_that_was_stopped_holds_up_nobody_for_ever)
{
    static struct tool_play t;
    tool_play_begin(&t, "process", "pp01", "records");
    pid_t zygote = launch_find(t.program.pid, "zygote");
    cr_assert(gt(int, zygote, 0));
    kill(zygote, SIGSTOP);
    tool_play_line(&t, "kill tbm\nstart tbm\nquit");
    cr_expect(eq(int, launch_finish(&t.program), 1), "%s", t.program.text);
    cr_expect(strstr(t.program.text, "tbm cannot be started: ") != NULL, "%s", t.program.text);
    close(t.lines);
    tool_play_clear(&t);
}

/* Who plays stands still meanwhile, so that the lines are there when it hears of the end. */
Test(play, lines_that_come_after_the_end_of_the_world_are_named)
{
    static struct tool_play t;
    tool_play_begin(&t, "process", "pp01", "records");
    pid_t zygote = launch_find(t.program.pid, "zygote");
    cr_assert(gt(int, zygote, 0));
    kill(t.program.pid, SIGSTOP);
    kill(zygote, SIGKILL);
    tool_play_line(&t, "run 5 s\n\n# a comment\nstate\nquit");
    kill(t.program.pid, SIGCONT);
    cr_expect(eq(int, launch_finish(&t.program), 1), "%s", t.program.text);
    cr_expect(strstr(t.program.text, "zygote crashed with SIGKILL") != NULL, "%s", t.program.text);
    bool named = strstr(t.program.text, "line 2 and those behind it were not done: the world had ended\n") ||
                 strstr(t.program.text, "line 5 and those behind it were not done: the world had ended\n");
    cr_expect(named, "%s", t.program.text);
    close(t.lines);
    tool_play_clear(&t);
}

Test(play, the_same_lines_and_seed_give_the_same_bytes)
{
    static const char lines[] = "vos renew-vehicle-identity\nkill spaak\nstart spaak\nrun 2 s\nstate\n";
    struct played *p = calloc(4, sizeof *p);
    char path[200];
    snprintf(path, sizeof path, "%s/records/trace.jsonl", directory);
    for (size_t i = 0; i < 2; i++) {
        play("pp01 --world virtual --seed 7", lines, &p[i]);
        FILE *f = fopen(path, "r");
        read_all(f, p[2 + i].text);
        fclose(f);
    }
    cr_expect(eq(str, p[0].text, p[1].text));
    cr_expect(eq(str, p[2].text, p[3].text));
    free(p);
}

static const struct {
    const char *arguments, *says;
    int code;
} calls[] = {
    {"--help", "examples:", 0},
    {"pp1", "did you mean \"pp01\"?", 2},
    {"pp01 --all", "--help", 2},
    {"pp01 pp02", "takes one scenario", 2},
    {"pp01 --world real", "unknown world", 2},
};

Test(play, exit_codes_and_words)
{
    struct played *p = malloc(sizeof *p);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        play(calls[i].arguments, "", p);
        cr_expect(eq(int, p->code, calls[i].code), "play %s\n%s", calls[i].arguments, p->text);
        cr_expect(ne(ptr, strstr(p->text, calls[i].says), NULL), "play %s\n%s", calls[i].arguments, p->text);
    }
    free(p);
}

Test(play, a_link_without_another_end_cannot_be_cut)
{
    struct played *p = malloc(sizeof *p);
    char path[200];
    snprintf(path, sizeof path, "%s/alone.yaml", directory);
    FILE *f = fopen(path, "w");
    fputs(
        "schema: 1\nname: alone\ntitle: no PKI\nuse_case: PP-01\nrun: [broker, vos, gsdp, sgw, tbm, spaak]\n"
        "expect:\n  - {step: PP-01/1}\n",
        f);
    fclose(f);
    strcat(path, " --world virtual");
    play(path, "cut pki vos\n", p);
    cr_expect(eq(int, p->code, 1), "%s", p->text);
    cr_expect(strstr(p->text, "pki of vos has no other end in this world") != NULL, "%s", p->text);
    free(p);
}

/* ---- at a terminal ---- */

struct seat {
    pid_t pid;
    int terminal;
    char text[TEXT_MAX];
    size_t len, seen;
};

static void sit_down(struct seat *s, const char *world)
{
    char records[200];
    struct winsize size = {.ws_row = 40, .ws_col = 120};
    *s = (struct seat){.len = 0};
    snprintf(records, sizeof records, "%s/seat", directory);
    s->pid = forkpty(&s->terminal, NULL, NULL, &size);
    if (s->pid == 0) {
        setenv("TERM", "dumb", 1);
        execl(program, program, "play", "pp01", "--world", world, "--out", records, (char *)NULL);
        _exit(127);
    }
}

/* Reads until the text has `until` after what was seen before; false at the end. */
static bool see(struct seat *s, const char *until)
{
    while (!until || !strstr(s->text + s->seen, until)) {
        struct pollfd p = {.fd = s->terminal, .events = POLLIN};
        cr_assert(eq(int, poll(&p, 1, 60000), 1), "nothing for a minute:\n%s", s->text);
        ssize_t n = read(s->terminal, s->text + s->len, TEXT_MAX - 1 - s->len);
        if (n <= 0)
            return false;
        s->len += (size_t)n;
    }
    s->seen = (size_t)(strstr(s->text + s->seen, until) - s->text) + strlen(until);
    return true;
}

static void type(struct seat *s, const char *keys)
{
    cr_assert(eq(long, write(s->terminal, keys, strlen(keys)), (ssize_t)strlen(keys)));
}

static int get_up(struct seat *s)
{
    int status;
    see(s, NULL);
    close(s->terminal);
    cr_assert(eq(int, waitpid(s->pid, &status, 0), s->pid));
    return exit_of(status);
}

/* One that stays makes the test run out of time. */
static void expect_nobody_left(void)
{
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    cr_assert(eq(int, errno, ECHILD));
}

Test(play, a_person_at_a_terminal)
{
    struct seat *s = malloc(sizeof *s);
    for (size_t w = 0; w < sizeof worlds / sizeof worlds[0]; w++) {
        sit_down(s, worlds[w]);
        cr_expect(see(s, "PP-01/19  spaak") && see(s, "spaaksim> "), "%s", s->text);
        type(s, "vos ren\t; wait PP-01/19\r");
        cr_expect(see(s, "renew-vehicle-identity") && see(s, "PP-01/19  spaak") && see(s, "spaaksim> "), "%s",
                  s->text);
        type(s, "kill sp\x03");
        cr_expect(see(s, "spaaksim> "), "%s", s->text);
        type(s, "state spaak\r");
        cr_expect(see(s, "spaak        alive") && see(s, "spaaksim> "), "%s", s->text);
        type(s, "stat\r");
        cr_expect(see(s, "did you mean \"state\"?") && see(s, "spaaksim> "), "%s", s->text);
        type(s, "\x04");
        cr_expect(eq(int, get_up(s), 0), "%s", s->text);
        cr_expect(ne(ptr, strstr(s->text, "PASS"), NULL), "%s", s->text);
        expect_nobody_left();
    }
    free(s);
}

/* Columns of a line as a terminal shows it: colours take none, a character of UTF-8 one. */
static unsigned columns_of(const char *line)
{
    unsigned n = 0;
    for (; *line; line++)
        if (*line == '\033')
            line += strcspn(line, "m");
        else
            n += *line != '\r' && (*line & 0xC0) != 0x80;
    return n;
}

/* The fault's line is longer than that; the verdict's and a failure's are whole, however long. */
Test(play, lines_of_events_end_at_the_edge_of_the_terminal)
{
    struct seat *s = calloc(1, sizeof *s);
    struct winsize size = {.ws_row = 40, .ws_col = 60};
    char records[200], *rest = s->text;
    unsigned events = 0, cut = 0;
    snprintf(records, sizeof records, "%s/narrow", directory);
    s->pid = forkpty(&s->terminal, NULL, NULL, &size);
    if (s->pid == 0) {
        execl(program, program, "run", "pp01-lost-response", "--world", "virtual", "--out", records,
              (char *)NULL);
        _exit(127);
    }
    cr_expect(eq(int, get_up(s), 0), "%s", s->text);
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (!strstr(line, " ms  "))
            continue;
        events++;
        cut += strstr(line, "\xE2\x80\xA6") != NULL;
        cr_expect(le(u32, columns_of(line), 60), "%s", line);
    }
    cr_expect(lt(u32, 20, events));
    cr_expect(lt(u32, 0, cut));
    free(s);
}

Test(play, ctrl_c_gives_the_prompt_back_and_twice_ends)
{
    struct seat *s = malloc(sizeof *s);
    sit_down(s, "process");
    cr_expect(see(s, "spaaksim> "), "%s", s->text);
    type(s, "run 1000 s\r");
    cr_expect(see(s, "1000 s\r\n"), "%s", s->text);
    type(s, "\x03");
    cr_expect(see(s, "spaaksim> "), "%s", s->text);
    type(s, "\x03");
    cr_expect(eq(int, get_up(s), 0), "%s", s->text);
    expect_nobody_left();
    free(s);
}

static const int ends[] = {SIGTERM, SIGHUP};

Test(play, signals_leave_nothing_behind)
{
    struct seat *s = malloc(sizeof *s);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        sit_down(s, "process");
        cr_expect(see(s, "spaaksim> "), "%s", s->text);
        kill(s->pid, ends[i]);
        cr_expect(eq(int, get_up(s), 1), "%s", s->text);
        cr_expect(ne(ptr, strstr(s->text, "interrupted by SIG"), NULL), "%s", s->text);
        expect_nobody_left();
    }
    free(s);
}

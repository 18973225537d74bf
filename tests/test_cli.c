/* The command as a user meets it: exit codes and words, Ctrl-C, a killed runner, a crashed component,
 * somebody else's broker over TLS. Runs the built programs. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/media/gsdp/mosquitto.h"
#include "sim/explain.h"
#include "tests/launch.h"
#include "tests/support.h"

static char directory[120];

static void set_up(void)
{
    test_path(directory, sizeof directory, "cli");
    mkdir(directory, 0700);
    unsetenv("ASAN_OPTIONS"); /* programs that are killed on purpose must not look for leaks */
    setenv("ASAN_OPTIONS", "detect_leaks=0:disable_coredump=0", 1);
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

TestSuite(cli, .init = set_up, .fini = tear_down, .timeout = 120);

static struct launch start(const char *arguments)
{
    struct launch r;
    launch_shell(&r, "exec $S %s", arguments);
    return r;
}

/* Waits until no process is left that was ours or became ours; one that stays makes the test run out of time.
 */
static void expect_nobody_left(void)
{
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    cr_assert(eq(int, errno, ECHILD));
}

static unsigned run_directories(void)
{
    unsigned n = 0;
    DIR *d = opendir(directory);
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        n += strncmp(e->d_name, "spaaksim.", 9) == 0;
    closedir(d);
    return n;
}

#define TWENTY     "abcdefghijklmnopqrst"
#define SOCKET_108 "/" TWENTY TWENTY TWENTY TWENTY TWENTY "1234567" /* an octet more than fits */

static const struct {
    const char *arguments;
    int code;
    const char *says;
} calls[] = {
    {"--help", 0, "examples:"},
    {"run --help", 0, "--max-record MB"},
    {"check --help", 0, "usage: spaaksim check"},
    {"help explain", 0, "usage: spaaksim explain"},
    {"--version", 0, "scenario schema 1"},
    {"explain CSR_ALREADY_ISSUED", 0, "look at:           the VOS's or PKI's store"},
    {"explain", 0, "CSR_ALREADY_ISSUED"},
    {"explain csr-signature PKI_REFUSED", 0, "PKI_REFUSED (407)"},
    {"explain 407", 0, "PKI_REFUSED (407)"},
    {"explain DK_TIMEOUT", 0, "unlock_ms, over Bluetooth ble_unlock_ms, of the spaak"},
    {"explain 4070", 2, "no reason \"4070\""},
    {"explain 407x", 2, "no reason \"407x\""},
    {"explain 0", 2, "no reason \"0\""},
    {"explain 18446744073709552023", 2, "no reason \"18446744073709552023\""}, /* 2^64 and 407 */
    {"explain CSR_ALREDY_ISSUED", 2, "did you mean \"CSR_ALREADY_ISSUED\"?"},
    {"", 2, "usage:"},
    {"rum pp01", 2, "unknown command \"rum\"; did you mean \"run\"?"},
    {"run", 2, "takes one scenario"},
    {"run pp1", 2, "did you mean \"pp01\"?"},
    {"run pp01 --world real", 2, "unknown world"},
    {"run pp01 --seed x", 2, "must be a number"},
    {"run pp01 --seed 18446744073709551616", 2, "must be a number of at most 64 bits"},
    {"run pp01 --nonsense", 2, "--help"},
    {"run pp01 --seed 18446744073709551616", 2, "--seed must be a number of at most 64 bits"},
    {"run pp01 --can x", 2, "--can takes auto, hub, vcan, or a list"},
    {"run pp01 --can body=", 2, "--can takes auto, hub, vcan, or a list"},
    {"run pp01 --can brody=can0", 2, "--can takes auto, hub, vcan, or a list"},
    {"run op06 --ble spaak=" SOCKET_108, 2, "a socket has 107 octets at most; \"spaak\" has 108"},
    {"run op06 --ble spaak=/run/s,"
     "spaak=" SOCKET_108,
     2, "a socket has 107 octets at most"},
    {"run op03 --nfc pad=" SOCKET_108, 2, "a socket has 107 octets at most; \"pad\" has 108"},
    {"run pp01 --gsdp mqtt://host", 2, "--gsdp takes auto or mqtts://host[:port]"},
    {"run pp01 --gsdp mqtts://host:99999", 2, "a port is a number from 1 to 65535, not \"99999\""},
    {"run pp01 --gsdp mqtts://host:1x", 2, "a port is a number from 1 to 65535, not \"1x\""},
    {"run pp01 --world virtual --can hub", 2, "--can is for the process world"},
    {"run pp01 --world virtual --tap true", 2, "--tap is for the process world"},
    {"run pp01 --nfc pad=/tmp/x", 2, "nobody in pp01 has a port for --nfc"},
    {"run pp01 --max-record 0", 2, "--max-record goes from 1"},
    {"run pp01 --seed 7", 2, "--seed is for the virtual world"},
    {"run pp01 --out \"$(printf 'a\\nb')\"", 2, "without control characters"},
    {"run pp01 --out ''", 2, "--out takes a folder"},
    {"run --all --jobs 0", 2, "--jobs goes from 1 to 64"},
    {"run nowhere/x.yaml", 2, "cannot read"},
    {"check scenarios/pp01/pp01.yaml", 0, "well-formed"},
    {"check --dump scenarios/pp01/pp01-spaak-killed.yaml", 0, "\nfaults[0].kill.restart_after_ms = 30\n"},
    {"check --dmp scenarios/pp01/pp01.yaml", 2, "there is --dump"},
    {"check $(printf '\\033[2J.yaml')", 2, "?[2J.yaml:1:1: cannot be read"},
    {"check scenarios", 2, "scenarios:1:1: is a folder, not a file"},
    {"run pp01-lost", 2, "did you mean \"pp01-lost-response\"?"},
    {"list", 0, "pp01-renew"},
    {"dbc", 0, "BO_ 928 TBM_Status: 8 TBM"},
    {"apdu 803C1209", 0, "> OP CONTROL FLOW 80 3C 12 09, abort: device evidence wrong"},
    {"apdu '   1.2 ms  wcp card1 < 9000'", 0, "   1.2 ms  wcp card1 < 9000 ok, 0 bytes"},
    {"apdu 'a > b > 00'", 2, "not hex, or too long"},
    {"apdu '< 84 00 90:00'", 0, "< 9000 ok, 2 bytes"},
    {"apdu 6A88", 0, "< 6A88 invalid or zero data, or wrong evidence, 0 bytes"},
    {"apdu $(printf '\\033[31mzz')", 2, "too long: ?[31mzz"},
    {"apdu hello", 2, "not hex, or too long: hello"},
};

Test(cli, exit_codes_and_words)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct launch r = start(calls[i].arguments);
        cr_expect(eq(int, launch_finish(&r), calls[i].code), "spaaksim %s\n%s", calls[i].arguments, r.text);
        cr_expect(ne(ptr, strstr(r.text, calls[i].says), NULL), "spaaksim %s\n%s", calls[i].arguments,
                  r.text);
    }
}

static const enum err reasons[] = {
#define X(name, number, text) ERR_##name,
    ERR_LIST(X)
#undef X
};

Test(cli, each_reason_has_a_remedy)
{
    for (size_t i = 1; i < sizeof reasons / sizeof reasons[0]; i++)
        cr_expect(ne(ptr, (void *)(uintptr_t)explain_find(reasons[i]), NULL), "%s", err_name(reasons[i]));
}

Test(cli, what_is_missing_is_said_with_exit_3)
{
    char arguments[400];
    snprintf(arguments, sizeof arguments,
             "run pp01 --out %s/a --can body=nocan0,telematics=x,infotainment=y,diagnostic=z", directory);
    struct launch r = start(arguments);
    cr_expect(eq(int, launch_finish(&r), 3));
    cr_expect(ne(ptr, strstr(r.text, "there is no interface nocan0"), NULL), "%s", r.text);
    expect_nobody_left();
}

/* What is there stays; nobody is started, and one cause is said. */
Test(cli, a_socket_whose_place_is_taken_blocks_the_run)
{
    char arguments[400], path[200];
    snprintf(path, sizeof path, "%s/taken", directory);
    FILE *f = fopen(path, "w");
    cr_assert(f && fclose(f) == 0);
    snprintf(arguments, sizeof arguments, "run op06 --world process --out %s/b --ble spaak=%s", directory,
             path);
    struct launch r = start(arguments);
    cr_expect(eq(int, launch_finish(&r), 3));
    cr_expect(ne(ptr, strstr(r.text, "taken is there already\nBLOCKED  op06 "), NULL), "%s", r.text);
    cr_expect(strncmp(r.text, "--ble: the socket of spaak cannot be made: ", 43) == 0, "%s", r.text);
    cr_expect(eq(int, access(path, F_OK), 0));
    expect_nobody_left();
}

Test(cli, a_medium_that_cannot_keep_a_wires_time_says_so)
{
    char arguments[400];
    snprintf(arguments, sizeof arguments, "run pp01-flood-loses --out %s/w --can vcan", directory);
    struct launch r = start(arguments);
    cr_expect(eq(int, launch_finish(&r), 3));
    cr_expect(ne(ptr, strstr(r.text, "vcan has no bit rate; `bus_time: wire` needs --can hub"), NULL), "%s",
              r.text);
    expect_nobody_left();
}

/* Ends when it is told to: its call comes late. */
static struct launch start_long(const char *name)
{
    char arguments[400], path[200];
    setenv("XDG_RUNTIME_DIR", directory, 1);
    snprintf(path, sizeof path, "%s/long.yaml", directory);
    FILE *f = fopen(path, "w");
    cr_assert(ne(ptr, f, NULL));
    fputs("schema: 1\nname: long\ntitle: t\nuse_case: PP-01\nlimit: 900 s\n"
          "run: [broker, pki, vos, gsdp, sgw, tbm, spaak]\n"
          "given: {after: rp02}\n"
          "do:\n  - {call: renew-vehicle-identity, to: vos, at: PP-01/19, after: 800 s}\n"
          "expect:\n  - {step: PP-01/19, by: spaak}\n",
          f);
    fclose(f);
    snprintf(arguments, sizeof arguments, "run %s --out %s/%s", path, directory, name);
    struct launch r = start(arguments);
    cr_assert(launch_read(&r, "PP-01/13"), "%s", r.text);
    return r;
}

Test(cli, two_runs_in_one_directory_do_not_meet)
{
    char arguments[400];
    struct launch first = start_long("same");
    snprintf(arguments, sizeof arguments, "run pp01 --out %s/same", directory);
    struct launch second = start(arguments);
    cr_expect(eq(int, launch_finish(&second), 3));
    cr_expect(ne(ptr, strstr(second.text, "in use by another run"), NULL), "%s", second.text);
    kill(first.pid, SIGINT);
    launch_finish(&first);
    expect_nobody_left();
}

/* Good until the next but one. */
static char *path_of(const char *name)
{
    static char paths[2][300];
    static unsigned n;
    char *path = paths[n++ % 2];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static void write_own(const char *name)
{
    FILE *f = fopen(path_of(name), "w");
    cr_assert(ne(ptr, f, NULL));
    fputs("mine", f);
    fclose(f);
}

static bool is_own(const char *name)
{
    char text[8] = "";
    FILE *f = fopen(path_of(name), "r");
    bool same = f && fgets(text, sizeof text, f) && strcmp(text, "mine") == 0;
    if (f)
        fclose(f);
    return same;
}

static void run_into(const char *folder, int rc, const char *says)
{
    char arguments[800];
    snprintf(arguments, sizeof arguments, "run pp01 --quiet --out %s/%s", directory, folder);
    struct launch r = start(arguments);
    cr_expect(eq(int, launch_finish(&r), rc), "%s", r.text);
    cr_expect(ne(ptr, strstr(r.text, says), NULL), "%s", r.text);
}

static const struct {
    const char *folder, *own; /* a file of the user's, and whether its folder must be made for it */
} folders_of_users[] = {
    {"u", "u/letter"},
    {"v", "v/logs/notes.log"},
    {"w", "w/stores/keys.db"},
};

Test(cli, a_folder_without_our_mark_is_left_alone)
{
    static const char *const folders[] = {"u", "v", "v/logs", "w", "w/stores"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        mkdir(path_of(folders[i]), 0755);
    for (size_t i = 0; i < sizeof folders_of_users / sizeof folders_of_users[0]; i++) {
        char mark[40];
        snprintf(mark, sizeof mark, "%s/.spaaksim", folders_of_users[i].folder);
        write_own(folders_of_users[i].own);
        run_into(folders_of_users[i].folder, 3, "that spaaksim did not make");
        cr_expect(is_own(folders_of_users[i].own), "%s", folders_of_users[i].own);
        cr_expect(ne(int, access(path_of(mark), F_OK), 0));
    }
}

/* Only the folder of the records itself is marked: what a user later puts above it is his. */
Test(cli, what_stands_above_records_is_left_alone)
{
    run_into("a/b/c", 0, "PASS");
    cr_expect(zero(int, access(path_of("a/b/c/.spaaksim"), F_OK)));
    cr_expect(ne(int, access(path_of("a/b/.spaaksim"), F_OK), 0));
    cr_expect(ne(int, access(path_of("a/.spaaksim"), F_OK), 0));
    write_own("a/b/trace.jsonl");
    run_into("a/b", 3, "that spaaksim did not make");
    run_into("a", 3, "that spaaksim did not make");
    cr_expect(is_own("a/b/trace.jsonl"));
    run_into("a/b/c", 0, "PASS");
    unlink(path_of("a/b/trace.jsonl"));
    run_into("a", 0, "PASS"); /* nothing in it but records */
}

Test(cli, what_a_user_puts_beside_records_stays)
{
    static const char *const own[] = {"r/letter", "r/logs/notes.txt", "r/stores/keys", "elsewhere/trace"};
    struct stat about;
    run_into("r", 0, "PASS");
    mkdir(path_of("elsewhere"), 0755);
    for (size_t i = 0; i < 4; i++)
        write_own(own[i]);
    static const char *const links[] = {"r/trace.jsonl", "r/can.log", "r/logs/spaak.log", "r/junit.xml"};
    for (size_t i = 0; i < 4; i++) {
        unlink(path_of(links[i]));
        cr_assert(eq(int, symlink(path_of("elsewhere/trace"), path_of(links[i])), 0));
    }
    run_into("r", 0, "PASS");
    for (size_t i = 0; i < 4; i++) {
        bool ordinary = lstat(path_of(links[i]), &about) == 0 && S_ISREG(about.st_mode);
        cr_expect(ordinary, "%s", links[i]);
        cr_expect(is_own(own[i]), "%s", own[i]);
    }
    cr_assert(eq(int, rename(path_of("r/logs"), path_of("r/away")), 0));
    cr_assert(eq(int, symlink("../elsewhere", path_of("r/logs")), 0));
    run_into("r", 3, "logs: it is there, but no folder");
    cr_expect(is_own("elsewhere/trace"));
}

static const struct {
    const char *name, *folder, *says;
} unusable[] = {
    {"a file", "file", "Not a directory"},
    {"in a file", "file/deeper", "Not a directory"},
    {"a link that leads nowhere", "dead", "No such file"},
    {"trace.jsonl is a folder", "odd", "trace.jsonl, which an earlier run left"},
};

Test(cli, a_path_that_is_too_long_is_refused_and_nothing_is_made)
{
    char longer[501];
    memset(longer, 'x', sizeof longer);
    for (size_t i = 4; i < sizeof longer; i += 60)
        longer[i] = '/';
    longer[sizeof longer - 1] = '\0';
    run_into(longer, 2, "no longer than 400 bytes");
    cr_expect(ne(int, access(path_of("xxxx"), F_OK), 0));
}

Test(cli, a_folder_that_cannot_be_used_is_named_with_the_reason)
{
    write_own("file");
    cr_assert(eq(int, symlink("nowhere", path_of("dead")), 0));
    run_into("odd", 0, "PASS");
    unlink(path_of("odd/trace.jsonl"));
    mkdir(path_of("odd/trace.jsonl"), 0755);
    for (size_t i = 0; i < sizeof unusable / sizeof unusable[0]; i++)
        run_into(unusable[i].folder, 3, unusable[i].says);
}

/* Who no longer reads does not end the run in the middle: it leaves nothing but its records. */
Test(cli, a_reader_that_goes_away_ends_nothing)
{
    char arguments[400];
    setenv("XDG_RUNTIME_DIR", directory, 1);
    snprintf(arguments, sizeof arguments, "run pp01 --out %s/pipe", directory);
    struct launch r = start(arguments);
    int status;
    close(r.out);
    cr_assert(eq(int, waitpid(r.pid, &status, 0), r.pid));
    bool exited = WIFEXITED(status);
    cr_expect(exited, "status %x", (unsigned)status);
    cr_expect(eq(u32, run_directories(), 0));
    cr_expect(eq(int, access(path_of("pipe/junit.xml"), R_OK), 0));
    expect_nobody_left();
}

Test(cli, nothing_stays_behind_after_ctrl_c)
{
    struct launch r = start_long("ctrl-c");
    cr_expect(eq(u32, run_directories(), 1));
    kill(-r.pid, SIGINT); /* as the terminal does: the whole group */
    cr_expect(eq(int, launch_finish(&r), 1));
    cr_expect(ne(ptr, strstr(r.text, "interrupted by SIGINT"), NULL), "%s", r.text);
    expect_nobody_left();
    cr_expect(eq(u32, run_directories(), 0));
}

Test(cli, nobody_outlives_a_killed_runner)
{
    struct launch r = start_long("killed");
    kill(r.pid, SIGKILL);
    cr_expect(eq(int, launch_finish(&r), 1000 + SIGKILL));
    expect_nobody_left();
}

Test(cli, what_a_killed_run_left_is_swept_by_the_next)
{
    struct launch r = start_long("swept");
    struct launch other = start_long("alive");
    cr_expect(eq(u32, run_directories(), 2));
    kill(r.pid, SIGKILL);
    cr_expect(eq(int, launch_finish(&r), 1000 + SIGKILL));
    cr_expect(eq(u32, run_directories(), 2));
    run_into("next", 0, "PASS");
    cr_expect(eq(u32, run_directories(), 1), "that of the living stays");
    kill(-other.pid, SIGINT);
    cr_expect(eq(int, launch_finish(&other), 1));
    cr_expect(eq(u32, run_directories(), 0));
}

Test(cli, crashed_component_is_named_with_its_signal)
{
    struct launch r = start_long("crash");
    pid_t vos = launch_find(r.pid, "vos");
    cr_assert(lt(int, 0, (int)vos));
    kill(vos, SIGSEGV);
    cr_expect(eq(int, launch_finish(&r), 1));
    bool named =
        strstr(r.text, "vos crashed with SIGSEGV") || strstr(r.text, "vos ended by itself"); /* under ASan */
    cr_expect(named, "%s", r.text);
    cr_expect(ne(ptr, strstr(r.text, "logs/vos.log"), NULL));
    expect_nobody_left();
}

static char *core_limit(pid_t pid)
{
    static char line[160];
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/limits", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f) && strncmp(line, "Max core file size", 18) != 0)
        line[0] = '\0';
    if (f)
        fclose(f);
    strtok(line + strspn(line, " Maxcorefilesize"), " ");
    return line + strspn(line, " Maxcorefilesize");
}

/* A core file would have all keys in clear. */
Test(cli, nobody_who_holds_keys_leaves_a_core_file)
{
    static const char *const who[] = {"vos", "spaak", "mosquitto"};
    struct rlimit core;
    getrlimit(RLIMIT_CORE, &core);
    core.rlim_cur = core.rlim_max;
    cr_assert(ne(u64, core.rlim_max, 0), "cores are forbidden here: this would show nothing");
    setrlimit(RLIMIT_CORE, &core);
    for (int wanted = 0; wanted < 2; wanted++) {
        if (wanted)
            setenv("SPAAKSIM_CORES", "1", 1);
        struct launch r = start_long("cores");
        cr_expect(eq(int, strcmp(core_limit(r.pid), "0") == 0, !wanted), "the runner: %s", core_limit(r.pid));
        for (size_t i = 0; i < sizeof who / sizeof who[0]; i++) {
            pid_t pid = launch_find(r.pid, who[i]);
            cr_assert(lt(int, 0, (int)pid), "%s", who[i]);
            cr_expect(eq(int, strcmp(core_limit(pid), "0") == 0, !wanted), "%s: %s", who[i], core_limit(pid));
        }
        kill(r.pid, SIGINT);
        launch_finish(&r);
    }
    unsetenv("SPAAKSIM_CORES");
    expect_nobody_left();
}

/* ---- somebody else's broker, mutual TLS ---- */

static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(eq(int, bind(fd, (struct sockaddr *)&a, sizeof a), 0));
    getsockname(fd, (struct sockaddr *)&a, &len);
    close(fd);
    return ntohs(a.sin_port);
}

__attribute__((format(printf, 2, 3))) static void write_file(const char *name, const char *format, ...)
{
    char path[200];
    va_list args;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    va_start(args, format);
    vfprintf(f, format, args);
    va_end(args);
    fclose(f);
}

static const char certificates[] =
    "set -e\ncd %s\n"
    "key() { openssl ecparam -name prime256v1 -genkey -noout -out $1.key 2>/dev/null; }\n"
    "key ca; openssl req -x509 -new -key ca.key -subj '/CN=test CA' -days 2 -out ca.crt\n"
    "for n in 127.0.0.1 SPAAK00000001 vos gsdp; do key $n\n"
    "openssl req -new -key $n.key -subj /CN=$n -out $n.csr\n"
    "printf 'subjectAltName=IP:127.0.0.1' >ext\n"
    "openssl x509 -req -in $n.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out $n.crt "
    "2>/dev/null\n"
    "done\n";

Test(cli, an_existing_broker_with_mutual_tls)
{
    char arguments[500], configuration[200], script[200];
    int port = free_port();
    write_file("make", certificates, directory);
    snprintf(script, sizeof script, "sh %s/make", directory);
    cr_assert(eq(int, system(script), 0));
    write_file(
        "rules",
        "pattern write spaak/%%u/up/+\npattern read spaak/%%u/down/+\nuser vos\ntopic read spaak/+/up/vos\n"
        "topic write spaak/+/down/vos\nuser gsdp\ntopic read spaak/+/up/gsdp\ntopic write "
        "spaak/+/down/gsdp\n");
    write_file(
        "mosquitto.conf",
        "listener %d 127.0.0.1\ncafile %s/ca.crt\ncertfile %s/127.0.0.1.crt\nkeyfile %s/127.0.0.1.key\n"
        "require_certificate true\nuse_identity_as_username true\nallow_anonymous false\nacl_file %s/rules\n"
        "user root\nlog_dest none\n",
        port, directory, directory, directory, directory);
    snprintf(configuration, sizeof configuration, "%s/mosquitto.conf", directory);
    pid_t broker = fork();
    if (broker == 0) {
        execl(broker_program(), "mosquitto", "-c", configuration, (char *)NULL);
        _exit(127);
    }
    setenv("SPAAKSIM_GSDP_TLS", directory, 1);
    snprintf(arguments, sizeof arguments, "run pp01 --gsdp mqtts://127.0.0.1:%d --out %s/tls", port,
             directory);
    struct launch r = start(arguments);
    cr_expect(eq(int, launch_finish(&r), 0), "%s", r.text);
    cr_expect(ne(ptr, strstr(r.text, "GSDP at mqtts://127.0.0.1"), NULL), "%s", r.text);
    /* what the vehicle asked the VOS while there was none waits for it at the broker, but is of another run
     */
    static const char *const after[] = {"sp02", "pp01"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(arguments, sizeof arguments, "run %s --quiet --gsdp mqtts://127.0.0.1:%d --out %s/tls",
                 after[i], port, directory);
        r = start(arguments);
        cr_expect(eq(int, launch_finish(&r), 0), "%s: %s", after[i], r.text);
    }
    write_file("swap", "cd %s; cp vos.key gsdp.key\n", directory);
    snprintf(script, sizeof script, "sh %s/swap", directory);
    cr_assert(eq(int, system(script), 0));
    snprintf(arguments, sizeof arguments, "run sp02 --quiet --gsdp mqtts://127.0.0.1:%d --out %s/tls", port,
             directory);
    r = start(arguments);
    cr_expect(eq(int, launch_finish(&r), 1), "%s", r.text);
    cr_expect(strstr(r.text,
                     "the link \"gsdp\" of gsdp did not come up; it says last: gsdp: GSDP at 127.0.0.1: ") ==
                  r.text,
              "%s", r.text);
    cr_expect(strstr(r.text, "key") != NULL, "%s", r.text);
    kill(broker, SIGTERM);
    expect_nobody_left();
}

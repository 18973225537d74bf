/* Runs under attack, by a process of the same user (docs/security.md): nobody without a token is let in, who
 * belongs here comes back at once, and nothing grows. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host/link.h"
#include "lib/host/spawn.h"
#include "lib/media/can/hub.h"
#include "tests/siege.h"

#define GROWTH_KB 16384

static struct siege siege;

static void tear_down(void)
{
    siege_end(&siege);
}

TestSuite(attacks, .fini = tear_down, .timeout = 120);

static void expect_no_growth(const char *what)
{
    const char *name;
#ifdef __SANITIZE_ADDRESS__
    (void)name;
    fprintf(stderr, "SKIPPED: memory under %s is not measured in a sanitized build\n", what);
#else
    long kb = siege_grown(&siege, &name);
    cr_expect(le(long, kb, GROWTH_KB), "%s grew by %ld kB under %s", name, kb, what);
#endif
}

/* Everything that can, starts again while the attack goes on, and PP-01 runs again from end to end. */
#define PP01_AGAIN                                                                                     \
    "kill vos; start vos; kill pki; start pki; kill tbm; start tbm; kill sgw; start sgw; kill spaak; " \
    "start spaak; run 300 ms; vos renew-vehicle-identity; run 20 ms"

static const struct {
    const char *what;
    struct {
        attack *how;
        const char *socket;
    } attacks[4];
} rows[] = {
    {"an attack on the hub", {{attack_hub, "can.sock"}}},
    {"an attack on the PKI", {{attack_call, "pki.pki.call"}, {attack_call, "pki.plant.call"}}},
    {"an attack on the broker", {{attack_broker, "gsdp.sock"}}},
    {"an attack on all of them",
     {{attack_hub, "can.sock"}, {attack_call, "pki.pki.call"}, {attack_broker, "gsdp.sock"}}},
    {"an attack on the VOS", {{attack_call, "vos.init.call"}}},
};

static void withstand(size_t row)
{
    const char *what = rows[row].what;
    siege_begin(&siege, "bin/spaaksim", "pp01", "PP-01/19  spaak");
    siege_weigh(&siege);
    cr_assert(ge(sz, siege.process_count, 8));
    for (size_t i = 0; i < 4 && rows[row].attacks[i].how; i++)
        siege_attack(&siege, rows[row].attacks[i].how, rows[row].attacks[i].socket);
    siege_do(&siege, PP01_AGAIN, "PP-01/19  spaak");
    expect_no_growth(what);
    siege_relieve(&siege);
    cr_expect(eq(int, siege_finish(&siege), 0), "%s: %s", what, siege.run.text);
    cr_expect(eq(u32, siege.score->gained, 0), "%s: somebody was let in", what);
    cr_expect(eq(sz, siege_count(&siege, "\"component\":\"pki\"", "+issued/"), 2),
              "%s: a certificate for each of the two identities, and no other", what);
    cr_expect(le(sz, siege_most_retries(&siege), 1), "%s: two attempts at most", what);
}

Test(attacks, on_the_hub)
{
    withstand(0);
}

Test(attacks, on_the_pki)
{
    withstand(1);
}

Test(attacks, on_the_broker)
{
    withstand(2);
}

Test(attacks, on_all_of_them)
{
    withstand(3);
}

Test(attacks, on_the_vos)
{
    withstand(4);
}

Test(attacks, on_a_card_reader)
{
    siege_begin(&siege, "tests/cards/bin/spaaksim", "tests/cards/cards-exchange.yaml", "nfc up");
    siege_weigh(&siege);
    siege_attack(&siege, attack_nfc, "pad.nfc");
    siege_do(&siege, "token touch reader=pad; run 20 ms", "CD-01/7");
    expect_no_growth("an attack on the reader");
    siege_relieve(&siege);
    cr_expect(eq(int, siege_finish(&siege), 0), "%s", siege.run.text);
    cr_expect(eq(u32, siege.score->gained, 0));
    cr_expect(eq(sz, siege_count(&siege, "\"step\":\"CD-01/7\"", ""), 1));
}

/* ---- who may give a component a word ---- */

#define SOCKETS 7

static const char *const sockets[SOCKETS] = {"can.sock",      "pki.pki.call",      "pki.plant.call",
                                             "vos.init.call", "vos.tracking.call", "spaak.ble",
                                             "gsdp.sock"};

/* Lines of /proc/net/unix: those of listening sockets have the flag 00010000. */
static size_t count_sockets(const char *a, const char *b)
{
    char *text = launch_file("/proc/net", "unix"), *rest = text;
    size_t n = 0;
    for (char *line = launch_line(&rest); line; line = launch_line(&rest))
        n += strstr(line, a) && strstr(line, b);
    free(text);
    return n;
}

static void say_word(const char *socket)
{
    static const char *const words[] = {"call renew-vehicle-identity\x1fSPAAK00000001", "cut gsdp", "go"};
    char path[300];
    snprintf(path, sizeof path, "%s/%s", siege.sockets, socket);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type++) {
            int fd = link_connect_unix(path, type);
            if (fd >= 0)
                send(fd, words[i], strlen(words[i]), MSG_NOSIGNAL);
            close(fd);
        }
}

/* An operator's call comes by the control socket: a pair without a name, of which the runner and the
 * component have an end each. Nothing else of a run takes one. */
Test(attacks, nobody_but_the_runner_gives_words)
{
    siege_begin(&siege, "bin/spaaksim", "pp01", "PP-01/19  spaak");
    for (size_t i = 0; i < SOCKETS; i++) {
        cr_expect(eq(sz, count_sockets(siege.sockets, " 00010000 "), SOCKETS), "no socket but these listens");
        say_word(sockets[i]);
    }
    siege_weigh(&siege);
    siege_do(&siege, "vos renew-vehicle-identity; run 20 ms", "PP-01/19  spaak");
    for (size_t i = 0; i < siege.process_count; i++) {
        char path[60], to[60], inode[60] = "";
        snprintf(path, sizeof path, "/proc/%d/fd/3", siege.processes[i].pid);
        ssize_t n = readlink(path, to, sizeof to - 1);
        to[n > 0 ? n : 0] = '\0';
        if (strcmp(siege.processes[i].name, "vos") != 0 || sscanf(to, "socket:[%50[0-9]", inode) != 1)
            continue;
        strcat(inode, " /"); /* the inode, and a path behind it */
        cr_expect(eq(sz, count_sockets(inode, ""), 0), "the control socket of vos has no name");
    }
    cr_expect(eq(int, siege_finish(&siege), 0), "%s", siege.run.text);
    cr_expect(eq(sz, siege_count(&siege, "\"kind\":\"call\"", ""), 1), "ours, and no other");
    cr_expect(eq(sz, siege_count(&siege, "\"detail\":\"cut ", ""), 0));
}

/* ---- another user of the machine ---- */

/* In a process of nobody's: what connecting to each socket comes to, a letter each. */
static void as_nobody(char letters[SOCKETS + 1])
{
    int fds[2];
    cr_assert(eq(int, pipe(fds), 0));
    pid_t pid = fork();
    if (pid == 0) {
        char path[300], said[SOCKETS];
        uint8_t answer[200];
        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(1);
        for (size_t i = 0; i < SOCKETS; i++) {
            snprintf(path, sizeof path, "%s/%s", siege.sockets, sockets[i]);
            int fd = link_connect_unix(path, i + 2 < SOCKETS ? SOCK_SEQPACKET : SOCK_STREAM);
            struct pollfd p = {.fd = fd, .events = POLLIN};
            said[i] = fd < 0                          ? 'x' /* not even connected */
                      : i + 1 == SOCKETS              ? 'c' /* mosquitto's: a password is asked for */
                      : poll(&p, 1, 5000) != 1        ? '?'
                      : recv(fd, answer, 200, 0) == 0 ? '0' /* hung up */
                      : answer[0] == HUB_BYE          ? 'b'
                                                      : '!';
        }
        _exit(write(fds[1], said, SOCKETS) != SOCKETS);
    }
    close(fds[1]);
    letters[read(fds[0], letters, SOCKETS) == SOCKETS ? SOCKETS : 0] = '\0';
    close(fds[0]);
    waitpid(pid, NULL, 0);
}

Test(attacks, another_user_is_kept_out_by_the_folder_and_by_the_sockets)
{
    char letters[SOCKETS + 1], path[300];
    struct stat st;
    siege_begin(&siege, "bin/spaaksim", "pp01", "PP-01/19  spaak");
    cr_assert(eq(int, stat(siege.sockets, &st), 0));
    cr_expect(eq(int, (int)(st.st_mode & 077), 0), "for its owner only");
    if (geteuid() != 0) {
        siege_finish(&siege);
        fprintf(stderr, "SKIPPED: only root can try as another user\n");
        cr_skip("only root can try as another user");
    }
    cr_assert(eq(int, chmod(siege.directory, 0711), 0));
    as_nobody(letters);
    cr_expect(eq(str, letters, "xxxxxxx"));
    cr_assert(eq(int, chmod(siege.sockets, 0711), 0));
    for (size_t i = 0; i < SOCKETS; i++) {
        snprintf(path, sizeof path, "%s/%s", siege.sockets, sockets[i]);
        cr_assert(eq(int, chmod(path, 0777), 0));
    }
    as_nobody(letters);
    cr_expect(eq(str, letters, "000000c"),
              "with the doors wide open: hung up six times, asked for a password");
    cr_expect(eq(int, siege_finish(&siege), 0));
}

/* ---- somebody in a server's place ---- */

static const struct {
    const char *socket, *line, *up;
} places[] = {
    {"gsdp.sock", "kill tbm; start tbm; run 300 ms", "tbm             state   subscribed"},
    {"pki.pki.call", "kill vos; start vos; run 300 ms", "vos             link   pki up"},
    {"can.sock", "kill spaak; start spaak; run 300 ms", "spaak           link   body up"},
};

/* Listens at the path until somebody says something, which it tells as its exit code. */
static pid_t squat(const char *path)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = spawn_listen(path, strstr(path, "gsdp") ? SOCK_STREAM : SOCK_SEQPACKET);
    for (;;) {
        char word[300];
        struct pollfd p = {.fd = fd, .events = POLLIN};
        poll(&p, 1, -1);
        int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        siege.score->rounds++;
        if (peer >= 0 && recv(peer, word, sizeof word, 0) > 0)
            siege.score->gained++;
        close(peer);
    }
}

Test(attacks, a_squatter_at_a_socket_s_path_hears_no_secret)
{
    siege_begin(&siege, "bin/spaaksim", "pp01", "PP-01/19  spaak");
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char path[300], moved[310];
        unsigned before = siege.score->rounds;
        snprintf(path, sizeof path, "%s/%s", siege.sockets, places[i].socket);
        snprintf(moved, sizeof moved, "%s.moved", path);
        cr_assert(eq(int, rename(path, moved), 0));
        pid_t squatter = squat(path);
        siege_do(&siege, places[i].line, "life   started");
        while (siege.score->rounds < before + 3)
            poll(NULL, 0, 1);
        kill(squatter, SIGKILL);
        waitpid(squatter, NULL, 0);
        cr_assert(eq(int, rename(moved, path), 0));
        siege_do(&siege, "run 20 ms", places[i].up);
    }
    cr_expect(eq(u32, siege.score->gained, 0), "not a byte");
    cr_expect(eq(int, siege_finish(&siege), 0), "%s", siege.run.text);
}

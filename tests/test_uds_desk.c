/* Peers at the sockets of the desk, in both worlds: several at once, hostile ones, and who may not come in.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/uds/desk.h"
#include "sim/uds/line.h"
#include "tests/tool.h"

TestSuite(uds_desk, .timeout = 180);

#define SGW    "uds-sgw.sock"
#define TBM    "uds-tbm.sock"
#define SERIAL "62f18c53475730303030303030303031"
#define VIN    "62f19031535041414b3030303030303030303031"
#define NOBODY 65534

static const char *const worlds[] = {"virtual", "process"};
#define EACH_WORLD(w) for (size_t w = 0; w < sizeof worlds / sizeof worlds[0]; w++)

static struct tool_play play;

static int enter(const char *socket_name)
{
    int fd = tool_connect(&play, socket_name);
    cr_assert(ge(int, fd, 0), "%s: %s", socket_name, strerror(errno));
    return fd;
}

/* Whatever was done: who comes now is served. */
static void expect_service(const char *after)
{
    int fd = enter(SGW);
    cr_expect(eq(str, (char *)tool_ask(fd, "22f18c"), SERIAL), "after %s", after);
    close(fd);
}

static void end_well(const char *world)
{
    cr_expect(eq(int, tool_play_end(&play), 0), "%s: %s", world, play.program.text);
    cr_expect(not(tool_play_left_sockets(&play)), "%s", world);
}

static void leave(const char *world)
{
    end_well(world);
    tool_play_clear(&play);
}

Test(uds_desk, only_the_owner_can_reach_the_sockets)
{
    char path[700];
    struct stat about;
    EACH_WORLD(w)
    {
        tool_play_begin(&play, worlds[w], "pp01", "records");
        for (const char *const *name =
                 (const char *const[]){SGW, TBM, "uds-spaak.sock", "uds-all.sock", NULL};
             *name; name++) {
            snprintf(path, sizeof path, "%s/%s", play.records, *name);
            cr_assert(zero(int, stat(path, &about)), "%s", path);
            cr_expect(eq(int, (int)about.st_mode, S_IFSOCK | 0600), "%s", path);
        }
        leave(worlds[w]);
    }
}

/* Its status: 0 it got no answer, 1 it did, 2 it could not try. */
static _Noreturn void be_another_user(void)
{
    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        _exit(2);
    int fd = tool_connect(&play, SGW);
    uint8_t request[] = {0x3E, 0x00}, answer[8];
    if (fd < 0)
        _exit(2);
    if (send(fd, request, sizeof request, MSG_NOSIGNAL) < 0)
        _exit(0);
    _exit(recv(fd, answer, sizeof answer, 0) > 0);
}

Test(uds_desk, another_user_is_sent_away_even_where_files_let_him_in)
{
    char out[100];
    int status;
    if (geteuid() != 0) {
        fprintf(stderr, "SKIPPED: only root can be another user\n");
        cr_skip_test("not root");
    }
    EACH_WORLD(w)
    {
        tool_play_begin(&play, worlds[w], "pp01", "records");
        cr_assert(zero(int, launch_run(out, sizeof out, "chmod 755 %s; chmod 666 %s/*.sock", play.directory,
                                       play.records)));
        pid_t pid = fork();
        if (pid == 0)
            be_another_user();
        cr_assert(eq(int, waitpid(pid, &status, 0), pid));
        cr_expect(zero(int, status), "%s", worlds[w]);
        expect_service("another user");
        leave(worlds[w]);
    }
}

/* ---- several at once ---- */

Test(uds_desk, answers_go_to_who_asked)
{
    enum { PEERS = 8, ROUNDS = 10 };
    int fds[PEERS];
    EACH_WORLD(w)
    {
        tool_play_begin(&play, worlds[w], "pp01", "records");
        for (size_t i = 0; i < PEERS; i++)
            fds[i] = enter(SGW);
        for (size_t round = 0; round < ROUNDS; round++) {
            for (size_t i = 0; i < PEERS; i++)
                tool_send(fds[i], i % 2 ? "22f18c" : "22f190");
            for (size_t i = 0; i < PEERS; i++)
                cr_expect(eq(str, (char *)tool_answer(fds[i], TOOL_WAIT_MS), i % 2 ? SERIAL : VIN));
        }
        for (size_t i = 0; i < PEERS; i++) {
            cr_expect(eq(str, (char *)tool_answer(fds[i], 0), ""), "one answer for each request");
            close(fds[i]);
        }
        leave(worlds[w]);
    }
}

Test(uds_desk, requests_of_one_peer_are_answered_in_their_order)
{
    EACH_WORLD(w)
    {
        tool_play_begin(&play, worlds[w], "pp01", "records");
        int fd = enter(SGW);
        tool_send(fd, "3e00");
        tool_send(fd, "3e80");
        tool_send(fd, "22f190");
        tool_send(fd, "7f");
        tool_send(fd, "2702");
        cr_expect(eq(str, (char *)tool_answer(fd, TOOL_WAIT_MS), "7e00"));
        cr_expect(eq(str, (char *)tool_answer(fd, TOOL_WAIT_MS), VIN));
        cr_expect(eq(str, (char *)tool_answer(fd, TOOL_WAIT_MS), "7f2711"));
        close(fd);
        leave(worlds[w]);
    }
}

/* The TBM is silent behind the closed gate: what is asked of it here takes minutes, one after another. */
Test(uds_desk, who_asks_all_has_a_turn_among_those_who_ask_one)
{
    enum { PEERS = 4, REQUESTS = 60 };
    int fds[PEERS];
    EACH_WORLD(w)
    {
        tool_play_begin(&play, worlds[w], "pp01", "records");
        for (size_t i = 0; i < PEERS; i++) {
            fds[i] = enter(TBM);
            for (size_t k = 0; k < REQUESTS; k++)
                tool_send(fds[i], "3e00");
        }
        int all = enter("uds-all.sock");
        cr_expect(eq(str, (char *)tool_ask(all, "22f18c"), SERIAL), "%s", worlds[w]);
        close(all);
        for (size_t i = 0; i < PEERS; i++)
            close(fds[i]);
        expect_service("much work");
        leave(worlds[w]);
    }
}

/* ---- who leaves ---- */

static unsigned count_lines(const char *name, const char *text)
{
    char *file = launch_file(play.records, name), *at = file;
    unsigned n = 0;
    cr_assert(ne(ptr, file, NULL), "%s", name);
    while (at && (at = strstr(at, text)))
        n++, at++;
    free(file);
    return n;
}

/* The TBM is silent behind the closed gate: of those who ask it, one is under way and the others wait. */
Test(uds_desk, who_leaves_takes_the_waiting_request_along)
{
    enum { PEERS = 6 };
    int fds[PEERS];
    EACH_WORLD(w)
    {
        tool_play_begin(&play, worlds[w], "pp01", "records");
        kill(play.program.pid, SIGSTOP); /* so that all are there, and half have left, when it looks */
        for (size_t i = 0; i < PEERS; i++) {
            fds[i] = enter(TBM);
            tool_send(fds[i], "22f18c");
        }
        for (size_t i = 1; i < PEERS; i++)
            close(fds[i]);
        kill(play.program.pid, SIGCONT);
        expect_service("peers that left");
        int last = enter(TBM);
        tool_send(last, "22f195");
        cr_expect(eq(str, (char *)tool_answer(fds[0], 1500), ""));
        close(fds[0]);
        cr_expect(eq(str, (char *)tool_answer(last, 3000), ""), "its turn comes in that time");
        close(last);
        expect_service("all of them");
        end_well(worlds[w]);
        cr_expect(le(uint, count_lines("trace.jsonl", "a tool asks tbm: ReadDataByIdentifier F18C"), 2),
                  "%s: at most the first, and who was heard before his end was seen", worlds[w]);
        cr_expect(eq(uint, count_lines("trace.jsonl", "a tool asks tbm: ReadDataByIdentifier F195"), 1),
                  "%s: %s", worlds[w], play.program.text);
        tool_play_clear(&play);
    }
}

static pid_t peer_process(const char *hex)
{
    pid_t pid = fork();
    if (pid == 0) {
        int fd = tool_connect(&play, TBM);
        tool_send(fd, hex);
        pause();
    }
    return pid;
}

Test(uds_desk, a_peer_that_is_killed_in_the_middle)
{
    EACH_WORLD(w)
    {
        tool_play_begin(&play, worlds[w], "pp01", "records");
        pid_t pid = peer_process("22f18c");
        int fd = enter(TBM);
        tool_send(fd, "22f190");
        kill(pid, SIGKILL);
        cr_assert(eq(int, waitpid(pid, NULL, 0), pid));
        cr_expect(eq(str, (char *)tool_answer(fd, 1500), ""));
        close(fd);
        expect_service("a killed peer");
        leave(worlds[w]);
    }
}

/* ---- hostile ones ---- */

static void send_bytes(size_t len, bool *gone)
{
    static uint8_t bytes[70000];
    int fd = enter(SGW);
    memset(bytes, 0x22, sizeof bytes);
    cr_expect(eq(int, (int)send(fd, bytes, len, MSG_NOSIGNAL), (int)len));
    *gone = strcmp(tool_answer(fd, TOOL_WAIT_MS), "end") == 0;
    close(fd);
}

Test(uds_desk, packets_that_are_no_requests)
{
    static const char *const garbage[] = {"00", "40", "7f", "ff", "7f2231", "62f18c", "c0ffee"};
    bool gone;
    EACH_WORLD(w)
    {
        tool_play_begin(&play, worlds[w], "pp01", "records");
        int fd = enter(SGW);
        for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++)
            tool_send(fd, garbage[i]);
        cr_expect(eq(str, (char *)tool_ask(fd, "3e00"), "7f0011"), "00 is a service that nobody has");
        cr_expect(eq(str, (char *)tool_answer(fd, TOOL_WAIT_MS), "7e00"), "the rest is not sent");
        close(fd);
        send_bytes(5000, &gone);
        cr_expect(gone, "5000 bytes");
        send_bytes(65000, &gone);
        cr_expect(gone, "65000 bytes");
        send_bytes(0, &gone);
        cr_expect(gone, "an empty packet");
        expect_service("garbage");
        leave(worlds[w]);
    }
}

Test(uds_desk, more_than_there_is_room_for)
{
    enum { PEERS = 100 };
    int fds[PEERS];
    EACH_WORLD(w)
    {
        unsigned in = 0, out = 0;
        tool_play_begin(&play, worlds[w], "pp01", "records");
        for (size_t i = 0; i < PEERS; i++)
            fds[i] = enter(SGW);
        for (size_t i = 0; i < PEERS; i++) {
            uint8_t request[] = {0x3E, 0x00};
            bool sent = send(fds[i], request, sizeof request, MSG_NOSIGNAL) == 2;
            const char *answer = sent ? tool_answer(fds[i], TOOL_WAIT_MS) : "end";
            in += strcmp(answer, "7e00") == 0;
            out += strcmp(answer, "end") == 0;
        }
        cr_expect(eq(uint, in, DESK_PEERS), "%s", worlds[w]);
        cr_expect(eq(uint, out, PEERS - DESK_PEERS), "%s", worlds[w]);
        for (size_t i = 0; i < PEERS; i++)
            close(fds[i]);
        expect_service("a hundred");
        leave(worlds[w]);
    }
}

/* Asks as long as it is let, and reads nothing. */
Test(uds_desk, a_peer_that_never_reads_is_sent_away)
{
    enum { MANY = 20000 };
    uint8_t request[] = {0x22, 0xF1, 0x90};
    EACH_WORLD(w)
    {
        unsigned sent = 0;
        tool_play_begin(&play, worlds[w], "pp01", "records");
        int fd = enter(SGW);
        while (sent < MANY && send(fd, request, sizeof request, MSG_NOSIGNAL) == sizeof request)
            sent++;
        cr_expect(lt(uint, sent, MANY), "%s", worlds[w]);
        expect_service("one that never reads");
        while (strcmp(tool_answer(fd, TOOL_WAIT_MS), VIN) == 0)
            ;
        cr_expect(eq(str, (char *)tool_answer(fd, TOOL_WAIT_MS), "end"));
        close(fd);
        leave(worlds[w]);
    }
}

/* ---- others on the segment ---- */

Test(uds_desk, nobody_else_gets_flow_control)
{
    static const char line[] = "rogue inject frame=7AA##5101062F18C414243 segment=diagnostic";
    EACH_WORLD(w)
    {
        tool_play_begin(&play, worlds[w], "pp01", "records");
        expect_service("nothing"); /* the connector is open from now on */
        tool_play_line(&play, line);
        tool_play_line(&play, "run 1 s");
        expect_service("a first frame that nobody had asked for");
        end_well(worlds[w]);
        cr_expect(eq(uint, count_lines("can.log", "7AA##5101062F18C414243"), 1), "%s", worlds[w]);
        cr_expect(eq(uint, count_lines("can.log", "7A2##53"), 0), "%s", worlds[w]);
        cr_expect(eq(uint, count_lines("can.log", " 7A2##50322F18C"), 2), "%s", worlds[w]);
        tool_play_clear(&play);
    }
}

/* ---- the world beside ---- */

/* The nodes find the new hub in their own time: who asks too early is asked to ask again. */
static void expect_tool_is_served_again(const char *world)
{
    enum { TRIES = 20 };
    char out[300];
    int code = 1;
    for (int i = 0; i < TRIES && code != 0; i++)
        code = tool_uds(&play, "sgw read F18C", out, sizeof out);
    cr_expect(zero(int, code), "%s: %s", world, out);
}

Test(uds_desk, lines_and_tools_take_turns)
{
    EACH_WORLD(w)
    {
        tool_play_begin(&play, worlds[w], "pp01", "records");
        int fd = enter(SGW);
        cr_expect(eq(str, (char *)tool_ask(fd, "1003"), "5003003201f4"));
        tool_play_line(&play, "vos renew-vehicle-identity; wait PP-01/19");
        cr_expect(eq(str, (char *)tool_ask(fd, "22f18c"), SERIAL));
        tool_play_line(&play, "kill hub\nstate hub");
        cr_assert(launch_read(&play.program, "hub          dead"), "%s", play.program.text);
        tool_send(fd, "22f190");
        cr_expect(eq(str, (char *)tool_answer(fd, 2500), ""), "no bus, no answer");
        tool_play_line(&play, "start hub\nrun 1 s\nstate hub");
        cr_assert(launch_read(&play.program, "hub          alive"), "%s", play.program.text);
        expect_tool_is_served_again(worlds[w]);
        close(fd);
        leave(worlds[w]);
    }
}

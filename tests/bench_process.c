/* Figures of several processes: the hub, and a warm `spaaksim run pp01`. Placement: scripts/bench.sh runs the
 * hub rows on one core and the scenario on all, and says so in each row. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/can/isotp.h"
#include "lib/host/link.h"
#include "lib/host/spawn.h"
#include "lib/media/can/hub.h"
#include "lib/media/gsdp/mosquitto.h"
#include "tests/support.h"

static double wall_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(const char *name, double value, const char *unit, double floor, const char *floor_is,
                   double ratio, double goal)
{
    printf(
        "{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"floor\":%.6g,\"floor_is\":\"%s\",\"ratio\":%.3g,"
        "\"goal\":%.3g}\n",
        name, value, unit, floor, floor_is, ratio, goal);
    fflush(stdout);
}

static void pin(size_t core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    sched_setaffinity(0, sizeof set, &set);
}

/* ---- ISO-TP through the hub ---- */

#define TRANSFERS 4000
#define SIZE      1024

static int join(const char *path, uint32_t id)
{
    uint8_t buf[256];
    struct hub_hello h = {.segment = SEGMENT_BODY, .ids = {id}, .id_count = 1, .name = "bench"};
    int fd = link_connect_unix(path, SOCK_SEQPACKET);
    fcntl(fd, F_SETFL, 0);
    send(fd, buf, hub_hello_write(&h, buf), 0);
    recv(fd, buf, sizeof buf, 0);
    return fd;
}

static void put_frames(int fd, struct isotp *tp)
{
    uint8_t buf[HUB_PACKET_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    struct bus_frame f;
    struct isotp_event ev;
    wr_u8(&w, HUB_FRAMES);
    while (w.len + 80 < sizeof buf && isotp_output(tp, 0, &f, &ev))
        bus_frame_write(&w, &f);
    if (w.len > 1 && send(fd, buf, w.len, 0) < 0)
        exit(1);
}

/* Takes packets until the engine has an event of that kind. */
static void until(int fd, struct isotp *tp, enum isotp_event_kind kind)
{
    uint8_t buf[HUB_PACKET_MAX];
    for (;;) {
        ssize_t len = recv(fd, buf, sizeof buf, 0);
        if (len <= 0)
            exit(1);
        struct rd r = rd_of(buf + 1, (size_t)len - 1);
        struct bus_frame f;
        bool seen = false;
        struct isotp_event ev;
        while (r.left && bus_frame_read(&r, &f) == ERR_OK) {
            isotp_input(tp, &f, 0, &ev);
            seen |= ev.kind == kind;
        }
        put_frames(fd, tp);
        if (seen)
            return;
    }
}

static void receiver(const char *path)
{
    static uint8_t rx[SIZE];
    struct isotp tp;
    struct isotp_config c = isotp_config_default(0x102, 0x101);
    static const uint8_t answer = 1;
    isotp_init(&tp, &c, rx, sizeof rx);
    int fd = join(path, 0x101);
    for (int i = 0; i < TRANSFERS; i++) {
        until(fd, &tp, ISOTP_RECEIVED);
        isotp_send(&tp, &answer, 1, 0);
        put_frames(fd, &tp);
    }
    _exit(0);
}

static void bystander(const char *path, uint32_t id)
{
    uint8_t buf[HUB_PACKET_MAX];
    int fd = join(path, id);
    while (recv(fd, buf, sizeof buf, 0) > 0)
        ;
    _exit(0);
}

static double transfers_per_s(unsigned nodes)
{
    char path[108];
    static uint8_t data[SIZE], rx[8];
    struct isotp tp;
    struct isotp_config c = isotp_config_default(0x101, 0x102);
    pid_t pids[16];
    unsigned n = 0;
    int stop[2];
    test_path(path, sizeof path, "bench-hub");
    unlink(path);
    int listen_fd = spawn_listen(path);
    if (listen_fd < 0 || pipe(stop) != 0)
        exit(1);
    pids[n] = fork();
    if (pids[n++] == 0) {
        close(stop[1]);
        _exit(hub_serve(listen_fd, stop[0], 0));
    }
    pids[n] = fork();
    if (pids[n++] == 0) {
        close(stop[1]);
        receiver(path);
    }
    for (unsigned i = 2; i < nodes; i++) {
        pids[n] = fork();
        if (pids[n++] == 0) {
            close(stop[1]);
            bystander(path, 0x200 + i);
        }
    }
    isotp_init(&tp, &c, rx, sizeof rx);
    int fd = join(path, 0x102);
    usleep(100000); /* everybody has joined */
    double t = wall_s();
    for (int i = 0; i < TRANSFERS; i++) {
        isotp_send(&tp, data, sizeof data, 0);
        put_frames(fd, &tp);
        until(fd, &tp, ISOTP_RECEIVED);
    }
    t = wall_s() - t;
    close(stop[0]);
    close(stop[1]);
    close(listen_fd);
    close(fd);
    for (unsigned i = 0; i < n; i++)
        waitpid(pids[i], NULL, 0);
    unlink(path);
    return TRANSFERS / t;
}

static void bench_hub(void)
{
    double two = 0, eleven = 0;
    pin(0);
    for (int i = 0; i < 3; i++) { /* best of three, interleaved */
        double a = transfers_per_s(2), b = transfers_per_s(11);
        two = a > two ? a : two;
        eleven = b > eleven ? b : eleven;
    }
    report("hub_transfers_1kB_11_nodes", eleven, "transfers/s, all processes on one core", two,
           "the same with 2 nodes on the segment", eleven / two, 0.7);
    report("hub_transfers_1kB_to_can_isotp", eleven, "transfers/s, all processes on one core", 3186,
           "python can-isotp on the same class of machine", eleven / 3186, 2);
}

/* ---- a warm run of pp01 ---- */

static double spawn_all_s(const char *build)
{
    static const char *const programs[] = {"spaaksim", "hub", "pki", "vos", "gsdp", "sgw", "tbm", "spaak"};
    enum { OURS = sizeof programs / sizeof programs[0] };
    pid_t pids[OURS + 1];
    char null[] = "/dev/null", help[] = "--help", version[] = "-h";
    double t = wall_s();
    for (size_t i = 0; i < OURS; i++) {
        char path[300], *argv[] = {path, help, NULL};
        snprintf(path, sizeof path, "%s/bin/%s", build, programs[i]);
        if (spawn(argv, null, NULL, false, &pids[i]) != 0)
            exit(1);
    }
    char broker[100], *argv[] = {broker, version, NULL};
    snprintf(broker, sizeof broker, "%s", broker_program());
    if (spawn(argv, null, NULL, true, &pids[OURS]) != 0)
        exit(1);
    for (size_t i = 0; i <= OURS; i++)
        waitpid(pids[i], NULL, 0);
    return wall_s() - t;
}

static double run_pp01_s(const char *build)
{
    char path[300], run[] = "run", name[] = "pp01", quiet[] = "--quiet", out_flag[] = "--out",
                    null[] = "/dev/null", out[200];
    char *argv[] = {path, run, name, quiet, out_flag, out, NULL};
    pid_t pid;
    int status;
    snprintf(path, sizeof path, "%s/bin/spaaksim", build);
    test_path(out, sizeof out, "bench-pp01");
    double t = wall_s();
    if (spawn(argv, null, NULL, false, &pid) != 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "spaaksim run pp01 failed\n");
        exit(1);
    }
    return wall_s() - t;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void bench_run(const char *build)
{
    enum { ROUNDS = 15 };
    double spawns[ROUNDS], runs[ROUNDS];
    const double crypto_s = 0.0012; /* the flow's P-256 operations, see virtual_pp01_flows */
    char remove[300], out[200];
    for (int i = -2; i < ROUNDS; i++) { /* two to get warm */
        double s = spawn_all_s(build), r = run_pp01_s(build);
        if (i >= 0) {
            spawns[i] = s;
            runs[i] = r;
        }
    }
    qsort(spawns, ROUNDS, sizeof spawns[0], by_value);
    qsort(runs, ROUNDS, sizeof runs[0], by_value);
    double floor = spawns[ROUNDS / 2] + crypto_s;
    report("process_pp01_wall", runs[ROUNDS / 2] * 1e3, "ms, median of 15, free placement", floor * 1e3,
           "starting its 9 processes (runner, hub, 6 components, broker) and the flow's crypto, median",
           runs[ROUNDS / 2] / floor, 3);
    test_path(out, sizeof out, "bench-pp01");
    snprintf(remove, sizeof remove, "rm -rf %s", out);
    if (system(remove) != 0)
        exit(1);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && strcmp(argv[1], "run") == 0)
        bench_run(argv[2]);
    else
        bench_hub();
    return 0;
}

/* Figures of several processes: the hub, a warm `spaaksim run pp01`, and `spaaksim run` over an idle day of
 * virtual time. Placement: scripts/bench.sh runs the hub rows and the idle day on one core and pp01 on all,
 * and says so in each row. */
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/can/isotp.h"
#include "lib/host/link.h"
#include "lib/host/spawn.h"
#include "lib/media/can/hub.h"
#include "lib/media/gsdp/mosquitto.h"
#include "tests/figures.h"
#include "tests/support.h"

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

/* Nodes are called by their identifiers, up to this one. */
#define LAST_ID 0x210

static const struct token bench_token = {{1}};

static void name_of(uint32_t id, char out[HUB_NAME_MAX])
{
    snprintf(out, HUB_NAME_MAX, "%X", id);
}

static struct token_ring ring_of_all(void)
{
    struct token_ring ring = {NULL, 0, 0};
    char name[HUB_NAME_MAX];
    for (uint32_t id = 0x101; id <= LAST_ID; id++) {
        name_of(id, name);
        if (!token_ring_add(&ring, segment_name(SEGMENT_BODY), name, &bench_token))
            exit(1);
    }
    return ring;
}

static int join(const char *path, uint32_t id)
{
    uint8_t buf[256];
    struct hub_hello h = {.segment = SEGMENT_BODY, .ids = {id}, .id_count = 1, .token = bench_token};
    name_of(id, h.name);
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
    int listen_fd = spawn_listen(path, SOCK_SEQPACKET);
    if (listen_fd < 0 || pipe(stop) != 0)
        exit(1);
    pids[n] = fork();
    if (pids[n++] == 0) {
        close(stop[1]);
        struct token_ring ring = ring_of_all();
        _exit(hub_serve(&(struct hub_setup){.listen_fd = listen_fd, .stop_fd = stop[0], .tokens = &ring}));
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
    figure_report("hub_transfers_1kB_11_nodes", eleven, "transfers/s, all processes on one core", two,
                  "the same with 2 nodes on the segment", 0.7);
    figure_report("hub_transfers_1kB_to_can_isotp", eleven, "transfers/s, all processes on one core", 3186,
                  "python can-isotp on the same class of machine", 2);
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

/* `spaaksim run SCENARIO` in that world, records in `out`. */
static double run_s(const char *build, const char *scenario, const char *world, const char *out)
{
    char path[300], run[] = "run", quiet[] = "--quiet", out_flag[] = "--out", world_flag[] = "--world",
                    null[] = "/dev/null", name[300], dir[300], in[16];
    char *argv[] = {path, run, name, quiet, out_flag, dir, world_flag, in, NULL};
    pid_t pid;
    int status;
    snprintf(path, sizeof path, "%s/bin/spaaksim", build);
    text_copy(name, sizeof name, scenario);
    text_copy(dir, sizeof dir, out);
    text_copy(in, sizeof in, world);
    double t = wall_s();
    if (spawn(argv, null, NULL, false, &pid) != 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "spaaksim run %s failed\n", scenario);
        exit(1);
    }
    return wall_s() - t;
}

static void remove_tree(const char *path)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf %s", path);
    if (system(command) != 0)
        exit(1);
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
    /* the authorities (10 of each), RP-01 and RP-02 in the lives before (1, 5, 18), and the flow of
     * virtual_pp01_flows (1, 10, 15) */
    const struct p256_costs c = measure_p256();
    const double crypto_s = 12 * c.keygen + 25 * c.sign + 33 * c.verify;
    char out[200];
    test_path(out, sizeof out, "bench-pp01");
    for (int i = -2; i < ROUNDS; i++) { /* two to get warm */
        double s = spawn_all_s(build), r = run_s(build, "pp01", "process", out);
        if (i >= 0) {
            spawns[i] = s;
            runs[i] = r;
        }
    }
    qsort(spawns, ROUNDS, sizeof spawns[0], by_value);
    qsort(runs, ROUNDS, sizeof runs[0], by_value);
    double floor = spawns[ROUNDS / 2] + crypto_s;
    figure_report("process_pp01_wall", runs[ROUNDS / 2] * 1e3, "ms, median of 15, free placement",
                  floor * 1e3,
                  "starting its 9 processes (runner, hub, 6 components, broker) and the P-256 operations of "
                  "plant and flow, median",
                  2);
    remove_tree(out);
}

/* ---- an idle day, by the command line: what any commit's programs can be asked for ---- */

static const char idle_day[] = "schema: 1\n"
                               "name: idle-day\n"
                               "title: PP-01, and then nothing for a day\n"
                               "use_case: PP-01\n"
                               "worlds: [virtual]\n"
                               "limit: 86500 s\n"
                               "quiet: 86400 s\n"
                               "run: [broker, pki, vos, gsdp, sgw, tbm, spaak]\n"
                               "given: {after: rp02}\n"
                               "expect:\n"
                               "  - {step: PP-01/19, by: spaak}\n"
                               "never:\n"
                               "  - {event: reject, by: spaak}\n";

static void write_scenario(const char *path)
{
    FILE *f = fopen(path, "we");
    if (!f || fputs(idle_day, f) < 0 || fclose(f) != 0)
        exit(1);
}

/* Seconds to write as many bytes as that file has. */
static double write_again_s(const char *path)
{
    static char piece[65536];
    struct stat s;
    if (stat(path, &s) != 0 || s.st_size == 0)
        exit(1);
    FILE *out = tmpfile();
    double t = wall_s();
    for (off_t done = 0; done < s.st_size; done += (off_t)sizeof piece)
        if (!out || fwrite(piece, sizeof piece, 1, out) != 1)
            exit(1);
    fclose(out);
    return wall_s() - t;
}

static void bench_idle(const char *build)
{
    enum { ROUNDS = 3, DAY_S = 86400 };
    double took_s[ROUNDS];
    char dir[200], scenario[230], out[230], log[250];
    test_path(dir, sizeof dir, "bench-idle");
    snprintf(scenario, sizeof scenario, "%s/idle-day.yaml", dir);
    snprintf(out, sizeof out, "%s/out", dir);
    snprintf(log, sizeof log, "%s/can.log", out);
    if (mkdir(dir, 0700) != 0)
        exit(1);
    write_scenario(scenario);
    for (int i = 0; i < ROUNDS; i++)
        took_s[i] = run_s(build, scenario, "virtual", out);
    qsort(took_s, ROUNDS, sizeof took_s[0], by_value);
    figure_report("run_idle_day", DAY_S / took_s[ROUNDS / 2], "virtual s/s on one core, median of 3",
                  DAY_S / write_again_s(log), "the bytes of its can.log alone", 0);
    remove_tree(dir);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && strcmp(argv[1], "run") == 0)
        bench_run(argv[2]);
    else if (argc == 3 && strcmp(argv[1], "idle") == 0)
        bench_idle(argv[2]);
    else
        bench_hub();
    return 0;
}

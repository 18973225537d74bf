/* Our ISO-TP against the kernel's, on a vcan interface in a namespace of its own: AF_CAN sockets, and the
 * tools isotpsend and isotprecv, over sizes around every border, classic and FD, both directions. Not a
 * Criterion program: it needs a kernel with CAN and is run by `make guest-test` and `make real-test`. */
#include <errno.h>
#include <fcntl.h>
#include <linux/can.h>
#include <linux/can/isotp.h>
#include <net/if.h>
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
#include "lib/media/can/can_control.h"
#include "lib/media/can/can_socket.h"

#define OUR_ID    0x7E0
#define THEIR_ID  0x7E8
#define LIMIT_US  20000000u
#define SIZE_MAX_ 8300

extern char **environ;

struct mode {
    const char *name;
    bool fd;
    uint8_t tx_dl, block_size, st_min;
};

static const struct mode modes[] = {
    {"classic", false, 8, 0, 0}, {"classic BS=8", false, 8, 8, 0}, {"FD 64", true, 64, 0, 0},
    {"FD 32", true, 32, 0, 0},   {"FD 64 BS=3", true, 64, 3, 0},   {"FD 64 STmin=F5", true, 64, 0, 0xF5},
};

static const uint32_t sizes[] = {1,   2,   6,   7,   8,    9,    10,   13,   14,   15,   20,   21,  30,
                                 31,  48,  61,  62,  63,   64,   65,   124,  125,  126,  127,  188, 189,
                                 190, 500, 600, 999, 1023, 1024, 1025, 2047, 2048, 4093, 4094, 4095};

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

static void fill(uint8_t *p, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        p[i] = (uint8_t)(i * 31 + len);
}

static int kernel_socket(const char *interface, const struct mode *m)
{
    struct sockaddr_can a = {.can_family = AF_CAN, .can_ifindex = (int)if_nametoindex(interface)};
    struct can_isotp_options o = {.flags = CAN_ISOTP_TX_PADDING | CAN_ISOTP_WAIT_TX_DONE,
                                  .txpad_content = 0xCC};
    struct can_isotp_fc_options fc = {.bs = m->block_size, .stmin = m->st_min};
    struct can_isotp_ll_options ll = {.mtu = CANFD_MTU, .tx_dl = m->tx_dl, .tx_flags = CANFD_BRS};
    int fd = socket(AF_CAN, SOCK_DGRAM | SOCK_CLOEXEC, CAN_ISOTP);
    a.can_addr.tp.tx_id = THEIR_ID;
    a.can_addr.tp.rx_id = OUR_ID;
    if (fd < 0 || setsockopt(fd, SOL_CAN_ISOTP, CAN_ISOTP_OPTS, &o, sizeof o) != 0 ||
        setsockopt(fd, SOL_CAN_ISOTP, CAN_ISOTP_RECV_FC, &fc, sizeof fc) != 0 ||
        (m->fd && setsockopt(fd, SOL_CAN_ISOTP, CAN_ISOTP_LL_OPTS, &ll, sizeof ll) != 0) ||
        bind(fd, (const struct sockaddr *)&a, sizeof a) != 0) {
        perror("kernel ISO-TP socket");
        exit(1);
    }
    return fd;
}

struct ours {
    struct isotp tp;
    int raw;
    uint8_t rx[SIZE_MAX_];
    struct isotp_event last;
    uint32_t received;
};

static void ours_init(struct ours *o, int raw, const struct mode *m)
{
    struct isotp_config c = isotp_config_default(OUR_ID, THEIR_ID);
    c.fd = c.brs = m->fd;
    c.tx_dl = m->tx_dl;
    c.block_size = m->block_size;
    c.st_min = m->st_min;
    c.n_bs_ms = c.n_cr_ms = c.n_as_ms = 5000; /* emulated machines are slow */
    memset(o, 0, sizeof *o);
    o->raw = raw;
    isotp_init(&o->tp, &c, o->rx, sizeof o->rx);
}

static void take(struct ours *o, const struct isotp_event *ev)
{
    if (ev->kind == ISOTP_NONE)
        return;
    o->last = *ev;
    if (ev->kind == ISOTP_RECEIVED)
        o->received = (uint32_t)ev->message.len;
}

/* Runs our engine until it has sent or received its message, or failed. */
static bool run(struct ours *o)
{
    uint64_t limit_us = now_us() + LIMIT_US;
    struct bus_frame f;
    struct isotp_event ev;
    while (o->last.kind == ISOTP_NONE && now_us() < limit_us) {
        uint64_t t = now_us(), due;
        while (isotp_output(&o->tp, t, &f, &ev)) {
            while (can_socket_write(o->raw, &f) == 0)
                usleep(200);
            take(o, &ev);
            t = now_us();
        }
        while (can_socket_read(o->raw, &f) == 1) {
            isotp_input(&o->tp, &f, now_us(), &ev);
            take(o, &ev);
        }
        isotp_expire(&o->tp, now_us(), &ev);
        take(o, &ev);
        due = isotp_next_deadline(&o->tp);
        t = now_us();
        struct pollfd p = {.fd = o->raw, .events = POLLIN};
        if (o->last.kind == ISOTP_NONE && due > t)
            poll(&p, 1, due - t > 100000 ? 100 : (int)((due - t) / 1000));
    }
    return o->last.kind == ISOTP_SENT || o->last.kind == ISOTP_RECEIVED;
}

static bool ours_to_kernel(int raw, int kernel, const struct mode *m, uint32_t len)
{
    static uint8_t data[SIZE_MAX_], got[SIZE_MAX_];
    static struct ours o;
    fill(data, len);
    ours_init(&o, raw, m);
    isotp_send(&o.tp, data, len, now_us());
    bool ok = run(&o);
    struct pollfd p = {.fd = kernel, .events = POLLIN};
    ssize_t n = ok && poll(&p, 1, 5000) == 1 ? recv(kernel, got, sizeof got, 0) : -1;
    if (n == (ssize_t)len && memcmp(data, got, len) == 0)
        return true;
    printf("FAIL  %s: %u bytes to the kernel: %zd came, %s\n", m->name, len, n, err_name(o.last.reason));
    return false;
}

/* The kernel's send blocks until the whole message is out: a child does it. */
static bool kernel_to_ours(int raw, int kernel, const struct mode *m, uint32_t len)
{
    static uint8_t data[SIZE_MAX_];
    static struct ours o;
    int status;
    fill(data, len);
    ours_init(&o, raw, m);
    pid_t pid = fork();
    if (pid == 0)
        _exit(send(kernel, data, len, 0) == (ssize_t)len ? 0 : 1);
    bool ok = run(&o);
    waitpid(pid, &status, 0);
    if (ok && status == 0 && o.received == len && memcmp(o.rx, data, len) == 0)
        return true;
    printf("FAIL  %s: %u bytes from the kernel: %u came, %s, send status %d\n", m->name, len, o.received,
           err_name(o.last.reason), status);
    return false;
}

static pid_t start(char *const *argv, int in, int out)
{
    posix_spawn_file_actions_t a;
    pid_t pid;
    posix_spawn_file_actions_init(&a);
    posix_spawn_file_actions_adddup2(&a, in, 0);
    posix_spawn_file_actions_adddup2(&a, out, 1);
    int rc = posix_spawnp(&pid, argv[0], &a, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&a);
    if (rc != 0) {
        printf("FAIL  %s: %s\n", argv[0], strerror(rc));
        exit(1);
    }
    return pid;
}

#define TOOL_SIZE 1500

static void tool_arguments(char **argv, char *tool, const struct mode *m)
{
    static char s[] = "-s", d[] = "-d", p[] = "-p", l[] = "-L", their[] = "7E8", our[] = "7E0",
                pad[] = "CC:CC", fd_link[] = "72:64:1", name[] = "body";
    size_t n = 0;
    argv[n++] = tool;
    argv[n++] = s;
    argv[n++] = their;
    argv[n++] = d;
    argv[n++] = our;
    argv[n++] = p;
    argv[n++] = pad;
    if (m->fd) {
        argv[n++] = l;
        argv[n++] = fd_link;
    }
    argv[n++] = name;
    argv[n] = NULL;
}

/* isotpsend reads hex from its input and sends one message. */
static bool isotpsend_to_ours(int raw, const struct mode *m)
{
    static uint8_t data[TOOL_SIZE];
    static struct ours o;
    char tool[] = "isotpsend", *argv[16];
    int in[2], status;
    fill(data, sizeof data);
    ours_init(&o, raw, m);
    if (pipe2(in, O_CLOEXEC) != 0)
        return false;
    tool_arguments(argv, tool, m);
    pid_t pid = start(argv, in[0], 1);
    close(in[0]);
    FILE *f = fdopen(in[1], "w");
    for (size_t i = 0; i < sizeof data; i++)
        fprintf(f, "%02X ", data[i]);
    fclose(f);
    bool ok = run(&o) && o.received == sizeof data && memcmp(o.rx, data, sizeof data) == 0;
    waitpid(pid, &status, 0);
    printf("%s  %s: isotpsend, %d bytes\n", ok ? "ok  " : "FAIL", m->name, TOOL_SIZE);
    return ok;
}

/* isotprecv prints one message as hex. */
static bool ours_to_isotprecv(int raw, const struct mode *m)
{
    static uint8_t data[TOOL_SIZE], got[TOOL_SIZE];
    static struct ours o;
    char tool[] = "isotprecv", *argv[16], text[8];
    int out[2], status;
    size_t n = 0;
    fill(data, sizeof data);
    if (pipe2(out, O_CLOEXEC) != 0)
        return false;
    tool_arguments(argv, tool, m);
    pid_t pid = start(argv, 0, out[1]);
    close(out[1]);
    bool ok = false;
    for (int attempt = 0; attempt < 20 && !ok; attempt++) { /* until it listens */
        usleep(100000);
        ours_init(&o, raw, m);
        o.tp.cfg.n_bs_ms = 300;
        isotp_send(&o.tp, data, sizeof data, now_us());
        ok = run(&o);
    }
    FILE *f = fdopen(out[0], "r");
    while (ok && n < sizeof got && fscanf(f, "%7s", text) == 1)
        got[n++] = (uint8_t)strtoul(text, NULL, 16);
    ok = ok && n == sizeof got && memcmp(got, data, sizeof data) == 0;
    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
    fclose(f);
    printf("%s  %s: isotprecv, %d bytes\n", ok ? "ok  " : "FAIL", m->name, TOOL_SIZE);
    return ok;
}

/* A vcan interface queues a frame on the processor that sends it: on two of them consecutive frames overtake
 * each other, which no bus does. */
static void stay_on_one_processor(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((unsigned)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
}

int main(void)
{
    static const char *const names[] = {"body"};
    char problem[160];
    const uint32_t filter[] = {THEIR_ID};
    unsigned done = 0, failed = 0;
    stay_on_one_processor();
    if (!can_control_make_vcans(names, 1, problem, sizeof problem)) {
        printf("no vcan here: %s; `make guest-test` brings a kernel that has it\n", problem);
        return 3;
    }
    int raw = can_socket_open("body", filter, 1);
    for (size_t m = 0; m < sizeof modes / sizeof modes[0]; m++) {
        int kernel = kernel_socket("body", &modes[m]);
        unsigned before = failed;
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            failed += !ours_to_kernel(raw, kernel, &modes[m], sizes[s]);
            failed += !kernel_to_ours(raw, kernel, &modes[m], sizes[s]);
            done += 2;
        }
        close(kernel);
        printf("%s  %s: %zu sizes, both directions\n", failed == before ? "ok  " : "FAIL", modes[m].name,
               sizeof sizes / sizeof sizes[0]);
        fflush(stdout);
    }
    failed += !isotpsend_to_ours(raw, &modes[0]);
    failed += !isotpsend_to_ours(raw, &modes[2]);
    failed += !ours_to_isotprecv(raw, &modes[0]);
    failed += !ours_to_isotprecv(raw, &modes[2]);
    done += 4;
    printf("ISO-TP against the kernel: %u passed, %u failed\n", done - failed, failed);
    return failed ? 1 : 0;
}

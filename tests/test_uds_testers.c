/* Testers at the other end of a socket, one packet a message, in real time: Scapy, which others wrote, and
 * our own client. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/uds/uds_client.h"
#include "tests/uds_ecu.h"

enum { MISSING = 77 };

static uint64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static _Noreturn void be_scapy(int fd)
{
    char text[12];
    snprintf(text, sizeof text, "%d", fd);
    execl("/usr/bin/python3", "python3", "scripts/uds-by-scapy.py", text, (char *)NULL);
    _exit(MISSING);
}

/* ---- our own client ---- */

/* The last event of one request. */
static struct uds_client_event ask(struct uds_client *c, int fd, struct span request)
{
    static uint8_t pdu[UDS_ANSWER_MAX];
    struct uds_client_event ev = {0};
    struct uds_client_out out;
    if (uds_client_request(c, UDS_PHYSICAL, request))
        return ev;
    while (!ev.last) {
        struct pollfd p = {fd, POLLIN, 0};
        while (uds_client_take(c, &out)) {
            if (send(fd, out.pdu.p, out.pdu.len, MSG_NOSIGNAL) < 0)
                return ev;
            uds_client_sent(c, clock_us());
        }
        poll(&p, 1, 5);
        ssize_t n = p.revents ? recv(fd, pdu, sizeof pdu, 0) : 0;
        if (n > 0)
            uds_client_receive(c, 1, span_of(pdu, (size_t)n), false, clock_us(), &ev);
        else
            uds_client_tick(c, clock_us(), &ev);
    }
    return ev;
}

/* Its status is the first step that did not come out as it must. */
static _Noreturn void be_client(int fd)
{
    static const struct {
        const char *request;
        size_t request_len, answer_len;
        enum uds_nrc nrc;
    } talks[] = {
        {"\x10\x60", 2, 6, UDS_OK},
        {"\x22\x02\x21", 3, 3 + 1024, UDS_OK},
        {"\x31\x01\x03\x01", 4, 0, UDS_NRC_SECURITY},
        {"\x19\x02\x09", 3, 3 + 2 * 4, UDS_OK},
        {"\x3E\x00", 2, 2, UDS_OK},
    };
    struct uds_client_config cfg = uds_client_config_default();
    struct uds_client c;
    cfg.p2_ms = 2000; /* a machine that does much else */
    uds_client_init(&c, &cfg);
    for (size_t i = 0; i < sizeof talks / sizeof talks[0]; i++) {
        struct uds_client_event ev = ask(&c, fd, span_of(talks[i].request, talks[i].request_len));
        enum uds_result wanted = talks[i].nrc ? UDS_RESULT_NEGATIVE : UDS_RESULT_POSITIVE;
        if (ev.result != wanted || ev.nrc != talks[i].nrc ||
            (!talks[i].nrc && ev.answer.len != talks[i].answer_len))
            _exit((int)i + 1);
    }
    _exit(0);
}

/* ---- the ECU ---- */

/* Until the other end is closed. */
static void serve(struct uds_ecu_bench *b, int fd)
{
    uint8_t pdu[UDS_ANSWER_MAX];
    const struct uds_ecu_answer *answer;
    uint64_t begin_us = clock_us() - b->now_us;
    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        poll(&p, 1, 5);
        uds_ecu_run_until(b, clock_us() - begin_us);
        if (p.revents) {
            ssize_t n = recv(fd, pdu, sizeof pdu, 0);
            if (n <= 0)
                return;
            uds_ecu_send(b, UDS_PHYSICAL, span_of(pdu, (size_t)n));
        }
        while ((answer = uds_ecu_answer(b)))
            cr_assert(eq(sz, (size_t)send(fd, answer->bytes, answer->len, MSG_NOSIGNAL), answer->len));
    }
}

/* The exit status of the tester that was served. */
static int serve_tester(struct uds_ecu_bench *b, void (*be)(int fd))
{
    int ends[2], status;
    uds_ecu_open(b, crypto_new(NULL));
    uds_ecu_power_on(b);
    cr_assert(zero(int, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends)));
    fflush(NULL);
    pid_t pid = fork();
    cr_assert(ge(int, pid, 0));
    if (pid == 0) {
        close(ends[0]);
        be(ends[1]);
    }
    close(ends[1]);
    serve(b, ends[0]);
    close(ends[0]);
    cr_assert(eq(int, waitpid(pid, &status, 0), pid));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct uds_ecu_bench bench;

Test(uds_testers, our_client, .timeout = 60)
{
    cr_expect(eq(int, serve_tester(&bench, be_client), 0));
    cr_expect(eq(u8, uds_server_session_id(&bench.server), 0x60));
}

Test(uds_testers, scapy, .timeout = 60)
{
    int rc = serve_tester(&bench, be_scapy);
    if (rc == MISSING) {
        fprintf(stderr, "SKIPPED: Scapy did not run: python3-scapy is missing (scripts/setup.sh optional)\n");
        cr_skip_test("python3-scapy is missing");
    }
    cr_expect(eq(int, rc, 0));
    cr_expect(bench.kept.key_pair);
    cr_expect(eq(int, memcmp(bench.kept.vin, "1SPAAK00000000007", UDS_ECU_VIN), 0));
}

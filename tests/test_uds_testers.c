/* Scapy, a tester that others wrote, opens a session of the test ECU, unlocks it, reads, writes, runs a
 * routine and hears of trouble codes; one packet a message over a socket, in real time. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/uds_ecu.h"

enum { MISSING = 77 };

static uint64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static pid_t start_scapy(int own, int peer)
{
    char fd[12];
    snprintf(fd, sizeof fd, "%d", peer);
    fflush(NULL);
    pid_t pid = fork();
    cr_assert(ge(int, pid, 0));
    if (pid)
        return pid;
    close(own);
    execl("/usr/bin/python3", "python3", "scripts/uds-by-scapy.py", fd, (char *)NULL);
    _exit(MISSING);
}

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

Test(uds_scapy, a_tester_that_others_wrote, .timeout = 60)
{
    static struct uds_ecu_bench bench;
    int ends[2], status;
    uds_ecu_open(&bench, crypto_new(NULL));
    uds_ecu_power_on(&bench);
    cr_assert(zero(int, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends)));
    pid_t pid = start_scapy(ends[0], ends[1]);
    close(ends[1]);
    serve(&bench, ends[0]);
    cr_assert(eq(int, waitpid(pid, &status, 0), pid));
    int rc = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (rc == MISSING) {
        fprintf(stderr, "SKIPPED: Scapy did not run: python3-scapy is missing (scripts/setup.sh optional)\n");
        cr_skip_test("python3-scapy is missing");
    }
    cr_expect(eq(int, rc, 0));
    cr_expect(bench.kept.key_pair);
    cr_expect(eq(int, memcmp(bench.kept.vin, "1SPAAK00000000007", UDS_ECU_VIN), 0));
}

#include "sim/world/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int zygote_start(const char *program, const char *log, pid_t *pid)
{
    int pair[2];
    char path[600], *argv[] = {path, NULL};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    snprintf(path, sizeof path, "%s", program);
    const struct spawn_fd fds[] = {{3, pair[1]}, {-1, -1}};
    int rc = spawn(argv, log, fds, false, pid);
    close(pair[1]);
    if (rc == 0)
        return pair[0];
    close(pair[0]);
    errno = rc;
    return -1;
}

static bool send_request(int socket, const struct zygote_request *r, const struct spawn_fd *fds)
{
    struct zygote_request copy = *r;
    struct iovec iov = {&copy, sizeof copy};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(ZYGOTE_FDS * sizeof(int))];
    } control = {0};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    int ours[ZYGOTE_FDS];
    size_t n = 0;
    for (size_t i = 0; i < ZYGOTE_FDS; i++)
        copy.numbers[i] = -1;
    for (; fds && fds->theirs >= 0 && n < ZYGOTE_FDS; fds++) {
        copy.numbers[n] = fds->theirs;
        ours[n++] = fds->ours;
    }
    if (n) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(n * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(c), ours, n * sizeof(int));
    }
    return sendmsg(socket, &m, MSG_NOSIGNAL) == (ssize_t)sizeof copy;
}

/* One that says nothing for so long (it was stopped, say) is not spoken to any more: the run can end. */
static bool wait_for_word(int socket)
{
    struct pollfd p = {.fd = socket, .events = POLLIN};
    int n;
    do
        n = poll(&p, 1, ZYGOTE_PATIENCE_MS);
    while (n < 0 && errno == EINTR);
    if (n != 0)
        return true;
    shutdown(socket, SHUT_RDWR);
    errno = ETIMEDOUT;
    return false;
}

bool zygote_read(int socket, struct zygote_report *out, bool block)
{
    ssize_t len;
    if (block && !wait_for_word(socket))
        return false;
    do
        len = recv(socket, out, sizeof *out, MSG_DONTWAIT);
    while (len < 0 && errno == EINTR);
    return len == (ssize_t)sizeof *out;
}

static int lost(void)
{
    return errno == ETIMEDOUT ? ETIMEDOUT : EPIPE;
}

static int request_join(int socket, const int namespaces[2])
{
    const struct zygote_request r = {.program = ""};
    const struct spawn_fd fds[] = {{0, namespaces[0]}, {1, namespaces[1]}, {-1, -1}};
    struct zygote_report report;
    if (!send_request(socket, &r, fds))
        return errno;
    errno = 0;
    return zygote_read(socket, &report, true) ? report.status : lost();
}

int zygote_join(int socket)
{
    const int namespaces[] = {open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC),
                              open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)};
    int rc = namespaces[0] >= 0 && namespaces[1] >= 0 ? request_join(socket, namespaces) : errno;
    for (size_t i = 0; i < 2; i++)
        if (namespaces[i] >= 0)
            close(namespaces[i]);
    return rc;
}

int zygote_fork(int socket, const struct zygote_request *r, const struct spawn_fd *fds, pid_t *pid,
                void (*ended)(void *ctx, const struct zygote_report *report), void *ctx)
{
    struct zygote_report report;
    if (!send_request(socket, r, fds))
        return errno;
    errno = 0;
    while (zygote_read(socket, &report, true)) {
        if (report.news == ZYGOTE_ENDED) {
            ended(ctx, &report);
            continue;
        }
        *pid = report.pid;
        return report.pid ? 0 : report.status;
    }
    return lost();
}

/* The program of all components. Called by a component's name (build/bin/spaak CONFIGURATION), it is that
 * component, for a debugger; called zygote, it forks components for spaaksim (sim/world/zygote.h), which
 * holds the other end of descriptor 3. */
#include "sim/world/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/crypto/p256.h"
#include "lib/env/cast.h"
#include "lib/host/process.h"
#include "lib/host/sqlite_store.h"
#include "lib/media/media.h"

#define SOCKET 3

static bool find(const char *program, struct process_parts *out)
{
    *out = (struct process_parts){.class = cast_find(program),
                                  .media = media,
                                  .drivers = media_drivers,
                                  .open_store = sqlite_store_open_live};
    return out->class;
}

/* In the child: what posix_spawn and exec would have set up. */
static int become(const struct zygote_request *r, const int *fds, pid_t zygote)
{
    struct process_parts parts;
    char name[32], configuration[256], *argv[] = {name, configuration, NULL};
    sigset_t none;
    int kept[ZYGOTE_FDS];
    if (getppid() != zygote || !find(r->program, &parts))
        return 127;
    snprintf(name, sizeof name, "%s", r->program);
    memcpy(configuration, r->configuration, sizeof configuration);
    prctl(PR_SET_NAME, name);
    setpgid(0, 0);
    int log = open(r->log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0644);
    if (log >= 0) {
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
    }
    /* first out of the way of the numbers that are wanted, then to those */
    for (size_t i = 0; i < ZYGOTE_FDS; i++)
        kept[i] = r->numbers[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD, 64);
    close_range(3, 63, 0);
    for (size_t i = 0; i < ZYGOTE_FDS; i++)
        if (kept[i] >= 0)
            dup2(kept[i], r->numbers[i]);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    return process_main(&parts, 2, argv);
}

/* In the user namespace of its own that some systems ask for, the network is entered with the rights of that
 * one. */
static int join(int user, int network)
{
    if (setns(user, CLONE_NEWUSER) != 0 && errno != EINVAL) /* EINVAL: it is ours already */
        return errno;
    return setns(network, CLONE_NEWNET) == 0 ? 0 : errno;
}

static struct zygote_report obey(const struct zygote_request *r, const int fds[ZYGOTE_FDS])
{
    pid_t self = getpid(), pid;
    if (!r->program[0])
        return (struct zygote_report){.news = ZYGOTE_BORN, .status = join(fds[0], fds[1])};
    pid = fork();
    if (pid == 0)
        exit(become(r, fds, self));
    return (struct zygote_report){
        .news = ZYGOTE_BORN, .pid = pid > 0 ? pid : 0, .status = pid > 0 ? 0 : errno};
}

static void serve(void)
{
    struct zygote_request r;
    struct iovec iov = {&r, sizeof r};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(ZYGOTE_FDS * sizeof(int))];
    } control;
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
    int fds[ZYGOTE_FDS];
    memset(fds, -1, sizeof fds);
    ssize_t len = recvmsg(SOCKET, &m, MSG_CMSG_CLOEXEC);
    if (len != (ssize_t)sizeof r)
        exit(0); /* the runner is gone */
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    r.program[sizeof r.program - 1] = r.configuration[sizeof r.configuration - 1] = r.log[sizeof r.log - 1] =
        '\0';
    struct zygote_report report = obey(&r, fds);
    for (size_t i = 0; i < ZYGOTE_FDS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    send(SOCKET, &report, sizeof report, MSG_NOSIGNAL);
}

static void bury(void)
{
    siginfo_t how;
    for (;;) {
        memset(&how, 0, sizeof how);
        if (waitid(P_ALL, 0, &how, WEXITED | WNOHANG) != 0 || how.si_pid == 0)
            return;
        struct zygote_report report = {
            .news = ZYGOTE_ENDED, .pid = how.si_pid, .code = how.si_code, .status = how.si_status};
        send(SOCKET, &report, sizeof report, MSG_NOSIGNAL);
    }
}

/* What every component would do first, done once. */
static void warm_up(void)
{
    uint8_t byte;
    struct p256_key *key = NULL;
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    struct crypto *c = crypto_new(NULL);
    crypto_random(c, &byte, 1);
    if (p256_generate(c, &key) == ERR_OK)
        p256_free(key);
    crypto_free(c);
}

static int zygote(void)
{
    sigset_t set;
    struct signalfd_siginfo si;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGINT, SIG_IGN);
    int children = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (children < 0 || fcntl(SOCKET, F_SETFD, FD_CLOEXEC) != 0) {
        fprintf(stderr, "zygote: started by spaaksim only; see sim/world/zygote.h\n");
        return 2;
    }
    warm_up();
    for (;;) {
        struct pollfd p[] = {{.fd = SOCKET, .events = POLLIN}, {.fd = children, .events = POLLIN}};
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return 1;
        if (p[1].revents && read(children, &si, sizeof si) > 0)
            bury();
        if (p[0].revents)
            serve();
    }
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
    struct process_parts parts;
    if (find(name, &parts))
        return process_main(&parts, argc, argv);
    if (strcmp(name, "zygote") == 0 && fcntl(SOCKET, F_GETFD) >= 0)
        return zygote();
    fprintf(stderr,
            strcmp(name, "zygote") == 0 ? "%s is started by spaaksim\n" : "%s is no component (sim/cast.c)\n",
            name);
    return 2;
}

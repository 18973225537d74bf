#include "lib/host/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPAWN_HIGH 200 /* above every number that a child is promised */

/* Descriptors get their numbers by way of high ones: none is overwritten before it was moved. */
static void place_fds(const struct spawn_fd *fds)
{
    int high[SPAWN_HIGH];
    size_t n = 0;
    for (; fds && fds[n].theirs >= 0 && n < SPAWN_HIGH; n++)
        high[n] = fcntl(fds[n].ours, F_DUPFD_CLOEXEC, SPAWN_HIGH);
    for (size_t i = 0; i < n; i++)
        if (high[i] < 0 || dup2(high[i], fds[i].theirs) < 0)
            _exit(127);
}

/* Stays between this process and a program that has processes of its own, as the first of their group, so
 * that none is left whatever becomes of the others: nothing of a program's own can be relied upon while it
 * starts. Returns in the program's process. */
static void lead(void)
{
    sigset_t set;
    pid_t leader = getpid();
    int status;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    pid_t led = fork();
    if (led == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != leader)
            _exit(127);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        return;
    }
    close_range(0, ~0u, 0); /* what else is open here is the parent's */
    while (led > 0) {
        if (sigwaitinfo(&set, NULL) == SIGTERM)
            kill(0, SIGKILL);
        if (waitpid(led, &status, WNOHANG) == led)
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
    _exit(127);
}

/* fork, for programs that do not ask for the parent's death signal themselves. */
static int spawn_tied(char *const *argv, const char *log, const struct spawn_how *how, pid_t *pid)
{
    pid_t parent = getpid();
    sigset_t none;
    struct rlimit files;
    pid_t child = fork();
    *pid = child > 0 ? child : 0; /* never -1: who ends that, ends everybody */
    if (child > 0)
        setpgid(child, child); /* here too, so that the group is there when this returns */
    if (child != 0)
        return child < 0 ? errno : 0;
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, how->leads ? SIGTERM : SIGKILL);
    if (getppid() != parent)
        _exit(127);
    /* idle connections of others are not to use up what a server may open */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    setpgid(0, 0); /* Ctrl-C is the runner's to handle */
    int null = open("/dev/null", O_RDONLY), fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0644);
    if (null >= 0)
        dup2(null, STDIN_FILENO);
    if (fd >= 0) {
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
    }
    char own[256];
    place_fds(how->fds);
    if (how->leads)
        lead();
    if (how->variable && snprintf(own, sizeof own, "%s", how->variable) > 0)
        putenv(own);
    execv(argv[0], argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

int spawn(char *const *argv, const char *log, const struct spawn_fd *fds, bool tied, pid_t *pid)
{
    const struct spawn_how how = {.fds = fds, .tied = tied};
    return spawn_with(argv, log, &how, pid);
}

int spawn_with(char *const *argv, const char *log, const struct spawn_how *how, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    if (how->tied)
        return spawn_tied(argv, log, how, pid);
    assert(!how->variable && !how->leads);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW,
                                     0644);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    for (const struct spawn_fd *fds = how->fds; fds && fds->theirs >= 0; fds++)
        posix_spawn_file_actions_adddup2(&actions, fds->ours, fds->theirs);
    int rc = posix_spawn(pid, argv[0], &actions, &attributes, argv, environ);
    if (rc != 0)
        *pid = 0;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return rc;
}

int spawn_listen(const char *path, int type)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && (bind(fd, (const struct sockaddr *)&a, sizeof a) != 0 || listen(fd, SPAWN_BACKLOG) != 0)) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

void spawn_beside(const char *program, char *out, size_t cap)
{
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    snprintf(out, cap, "%s/%s", self, program);
}

void spawn_without_cores(void)
{
    struct rlimit core;
    if (getenv(SPAWN_CORES_VARIABLE) || getrlimit(RLIMIT_CORE, &core) != 0)
        return;
    core.rlim_cur = 0;
    setrlimit(RLIMIT_CORE, &core);
}

const char *spawn_signal_name(int number)
{
    static char name[24];
    const char *abbreviation = sigabbrev_np(number);
    snprintf(name, sizeof name, "SIG%s", abbreviation ? abbreviation : "?");
    return name;
}

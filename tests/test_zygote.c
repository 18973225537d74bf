/* The zygote follows its runner into a network of its own, as root and as an ordinary user. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/world/zygote.h"
#include "tests/launch.h"

static ino_t network_of(pid_t pid)
{
    char path[60];
    struct stat about = {.st_ino = 0};
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
    return stat(path, &about) == 0 ? about.st_ino : 0;
}

static const struct {
    const char *what;
    int spaces;
} moves[] = {
    {"into a network, as who may", CLONE_NEWNET},
    {"into a user namespace and its network, as everybody may", CLONE_NEWUSER | CLONE_NEWNET},
};

Test(zygote, follows_into_the_network_of_its_runner)
{
    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++) {
        char program[300];
        int status;
        pid_t runner = fork();
        if (runner == 0) {
            pid_t zygote = 0;
            snprintf(program, sizeof program, "%s/bin/zygote", launch_build());
            int socket = zygote_start(program, "/dev/null", &zygote);
            if (socket < 0 || unshare(moves[i].spaces) != 0)
                _exit(77);
            bool followed = zygote_join(socket) == 0 && network_of(zygote) == network_of(getpid()) &&
                            network_of(zygote) != network_of(getppid());
            close(socket);
            _exit(followed ? 0 : 1);
        }
        cr_assert(eq(int, waitpid(runner, &status, 0), runner));
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        if (code == 77)
            fprintf(stderr, "SKIPPED: %s: this system does not let us\n", moves[i].what);
        else
            cr_expect(eq(int, code, 0), "%s", moves[i].what);
    }
}

Test(zygote, a_namespace_that_is_none_is_told)
{
    pid_t zygote = 0;
    char program[300];
    snprintf(program, sizeof program, "%s/bin/zygote", launch_build());
    int socket = zygote_start(program, "/dev/null", &zygote);
    cr_assert(ge(int, socket, 0));
    kill(zygote, SIGKILL);
    waitpid(zygote, NULL, 0);
    cr_expect(ne(int, zygote_join(socket), 0));
    close(socket);
}

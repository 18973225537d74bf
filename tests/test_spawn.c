/* Starting processes when there is no room for one more. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host/spawn.h"

#define NOBODY_S 60997 /* a user without processes; root has no limit of them */

/* Who ends what was never started must not end -1, which is everybody. */
Test(spawn, what_could_not_be_started_has_no_number)
{
    for (int tied = 0; tied < 2; tied++) {
        int status;
        pid_t user = fork();
        if (user == 0) {
            char program[] = "/bin/true", *argv[] = {program, NULL};
            const struct rlimit one = {1, 1};
            pid_t pid = 77;
            if (geteuid() == 0 && setresuid(NOBODY_S, NOBODY_S, NOBODY_S) != 0)
                _exit(3);
            setrlimit(RLIMIT_NPROC, &one);
            int rc = spawn(argv, "/dev/null", NULL, tied, &pid);
            _exit(rc == EAGAIN && pid == 0 ? 0 : 1);
        }
        cr_assert(eq(int, waitpid(user, &status, 0), user));
        cr_expect(eq(int, WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0), "tied %d", tied);
    }
}

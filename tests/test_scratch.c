/* Folders of runs in /tmp: locked, and swept when nobody holds the lock any more. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/world/scratch.h"
#include "tests/launch.h"

static char base[64];

static void set_up(void)
{
    launch_directory(base);
    setenv("XDG_RUNTIME_DIR", base, 1);
}

static void tear_down(void)
{
    launch_remove(base);
}

TestSuite(scratch, .init = set_up, .fini = tear_down, .timeout = 60);

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void put(const char *folder, const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    cr_assert(ne(ptr, f, NULL));
    fclose(f);
}

Test(scratch, a_living_run_keeps_its_folder_a_dead_one_s_is_swept)
{
    struct scratch living, dead;
    char problem[200];
    cr_assert(scratch_make(&living, problem), "%s", problem);
    cr_assert(scratch_make(&dead, problem), "%s", problem);
    put(living.path, "a.conf");
    put(dead.path, "a.conf");
    close(dead.lock); /* as the kernel does for who is killed */
    cr_expect(eq(u32, scratch_sweep(base), 1));
    cr_expect(not(is_there(dead.path)));
    cr_expect(is_there(living.path));
    scratch_remove(&living);
    cr_expect(eq(u32, scratch_sweep(base), 0));
}

static const struct {
    const char *what, *name, *file;
    unsigned mode;
    bool old;
} strangers[] = {
    {"another name", "spaaks.ABCDEF", "letter", 0700, true},
    {"a name that is longer", "spaaksim.ABCDEFG", "lock", 0700, true},
    {"a repository", "spaaksim.git", "HEAD", 0700, true},
    {"six characters by chance, and old", "spaaksim.letter", "letter", 0700, true},
    {"with a lock of somebody's", "spaaksim.backup", "lock", 0700, true},
    {"empty, but just made", "spaaksim.ABCDEH", NULL, 0700, false},
    {"open to others", "spaaksim.ABCDEG", "lock", 0755, true},
};

Test(scratch, what_is_not_a_dead_run_s_stays)
{
    char path[128], link[128], file[160];
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        struct timespec times[2] = {{.tv_sec = time(NULL) - 1000}, {.tv_sec = time(NULL) - 1000}};
        snprintf(path, sizeof path, "%s/%s", base, strangers[i].name);
        snprintf(file, sizeof file, "%s/%s", path, strangers[i].file ? strangers[i].file : "");
        cr_assert(eq(int, mkdir(path, strangers[i].mode), 0));
        if (strangers[i].file)
            put(path, strangers[i].file);
        if (strangers[i].old)
            cr_assert(eq(int, utimensat(AT_FDCWD, path, times, 0), 0));
        cr_expect(eq(u32, scratch_sweep(base), 0), "%s", strangers[i].what);
        cr_expect(is_there(file), "%s", strangers[i].what);
    }
    snprintf(link, sizeof link, "%s/spaaksim.ABCDEI", base);
    cr_assert(eq(int, symlink(path, link), 0));
    cr_expect(eq(u32, scratch_sweep(base), 0), "a link is not followed");
}

/* A folder that is being made is unlocked for a moment: whoever loses it to a sweeper takes another. */
Test(scratch, makers_and_sweepers_do_not_hurt_each_other)
{
    pid_t sweeper = fork();
    if (sweeper == 0)
        for (;;)
            scratch_sweep(base);
    for (unsigned i = 0; i < 2000; i++) {
        struct scratch s;
        char problem[200];
        cr_assert(scratch_make(&s, problem), "%s", problem);
        cr_assert(is_there(s.path), "round %u", i);
        scratch_remove(&s);
    }
    kill(sweeper, SIGKILL);
    waitpid(sweeper, NULL, 0);
}

/* scripts/setup.sh where it may not install, with stand-ins for the programs that it calls. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/launch.h"

static char directory[64];

static void make(void)
{
    launch_directory(directory);
}

static void drop(void)
{
    launch_remove(directory);
}

/* A program of that name that does as the script says. */
static void stand_in(const char *name, const char *script)
{
    char path[120];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "we");
    cr_assert(f != NULL);
    fprintf(f, "#!/bin/sh\n%s\n", script);
    fclose(f);
    cr_assert(eq(int, chmod(path, 0755), 0));
}

static const struct {
    const char *name, *packages, *id, *sudo, *environment; /* NULL: there is no such program */
    int code;
    const char *says;
} rows[] = {
    {.name = "all there",
     .packages = "echo installed clang; echo installed libclang-rt-dev",
     .id = "echo 1000",
     .code = 0,
     .says = ""},
    {.name = "one is missing, and no sudo",
     .packages = "echo installed clang",
     .id = "echo 1000",
     .code = 3,
     .says = "missing packages: libclang-rt-dev\nas root, run: apt-get install --no-install-recommends "
             "libclang-rt-dev\n"},
    {.name = "removed, its configuration left",
     .packages = "echo config-files clang; echo installed libclang-rt-dev",
     .id = "echo 1000",
     .code = 3,
     .says = "missing packages: clang\nas root, run: apt-get install --no-install-recommends clang\n"},
    {.name = "sudo refuses",
     .packages = "echo installed clang",
     .id = "echo 1000",
     .sudo = "exit 1",
     .code = 3,
     .says = "missing packages: libclang-rt-dev\nas root, run: apt-get install --no-install-recommends "
             "libclang-rt-dev\n"},
    {.name = "not Debian",
     .id = "echo 1000",
     .code = 3,
     .says = "missing packages: clang libclang-rt-dev\nthis is not a Debian system: install what corresponds "
             "to these "
             "packages, then build with SETUP=no\n"},
    {.name = "told to look for nothing", .environment = "SETUP=no", .code = 0, .says = ""},
};

/* Nothing is written anywhere: not even a place for temporary files is needed. */
Test(setup, who_may_not_install_is_told_what_to_do, .init = make, .fini = drop)
{
    char out[2048];
    stand_in("awk", "exec /usr/bin/awk \"$@\"");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].packages) {
            stand_in("dpkg-query", rows[i].packages);
            stand_in("apt-get", "exit 0");
        } else {
            launch_run(out, sizeof out, "rm -f '%s/dpkg-query' '%s/apt-get'", directory, directory);
        }
        stand_in("id", rows[i].id ? rows[i].id : "echo 0");
        launch_run(out, sizeof out, "rm -f '%s/sudo'", directory);
        if (rows[i].sudo)
            stand_in("sudo", rows[i].sudo);
        int rc =
            launch_run(out, sizeof out, "env -i TMPDIR=/nowhere %s PATH='%s' /bin/sh scripts/setup.sh fuzz",
                       rows[i].environment ? rows[i].environment : "", directory);
        cr_expect(eq(int, rc, rows[i].code), "%s: %s", rows[i].name, out);
        cr_expect(eq(str, out, (char *)rows[i].says), "%s", rows[i].name);
    }
}

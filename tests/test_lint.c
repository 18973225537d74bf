/* scripts/check-lint.sh looks again at what has changed, and only at that. In a folder of the test's own. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/launch.h"

static char directory[64];

static void make(void)
{
    launch_directory(directory);
    char out[512], here[400];
    cr_assert(getcwd(here, sizeof here) != NULL);
    cr_assert(
        eq(int,
           launch_run(out, sizeof out,
                      "cd '%s' && mkdir -p scripts build/gen inc && cp '%s'/scripts/check-lint.sh scripts && "
                      "cp '%s'/.clang-tidy .",
                      directory, here, here),
           0),
        "%s", out);
}

static void drop(void)
{
    launch_remove(directory);
}

static const struct {
    const char *name, *done; /* what is done before the check */
    unsigned again;          /* files that are looked at */
    bool good;
    const char *says;
} steps[] = {
    {.name = "at first",
     .done =
         "echo 'int one(void);' >one.h; echo '#include \"one.h\"' >one.c; echo 'int one(void) { return 1; }' "
         ">>one.c; echo 'int two(void); int two(void) { return 2; }' >two.c",
     .again = 2,
     .good = true},
    {.name = "nothing", .done = "", .again = 0, .good = true},
    {.name = "touched", .done = "touch one.c two.c one.h", .again = 0, .good = true},
    {.name = "a header", .done = "echo 'int three(void);' >>one.h", .again = 1, .good = true},
    {.name = "a comment that silences", .done = "echo '/* NOLINT */' >>two.c", .again = 1, .good = true},
    {.name = "the rules", .done = "echo >>.clang-tidy", .again = 2, .good = true},
    {.name = "a warning",
     .done = "echo 'int four(int a); int four(int a) { unsigned b = a; return b > 1; }' >>two.c",
     .again = 1,
     .says = "sign-conversion"},
    {.name = "a finding is found again", .done = "", .again = 1, .says = "sign-conversion"},
    {.name = "a bug",
     .done = "echo 'int five(void); int five(void) { int *p = 0; return *p; }' >two.c",
     .again = 1,
     .says = "clang-analyzer-core.NullDereference"},
    {.name = "mended",
     .done = "echo 'int two(void); int two(void) { return 2; }' >two.c",
     .again = 1,
     .good = true},
    {.name = "a file more",
     .done = "echo 'int six(void); int six(void) { return 6; }' >six.c",
     .again = 1,
     .good = true},
    {.name = "in a header",
     .done = "echo 'static inline int h(int a) { unsigned b = a; return b > 1; }' >>one.h",
     .again = 1,
     .says = "one.h"},
};

Test(lint, what_has_changed_is_looked_at_again, .init = make, .fini = drop)
{
    char out[8192], wanted[60];
    if (launch_run(out, sizeof out, "command -v clang-tidy") != 0) {
        fprintf(stderr, "SKIPPED: the stamps of make check were not tried: clang-tidy is missing\n");
        cr_skip_test("clang-tidy is missing");
    }
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        int rc = launch_run(out, sizeof out, "cd '%s' && { %s\n} && scripts/check-lint.sh build *.c",
                            directory, *steps[i].done ? steps[i].done : ":");
        snprintf(wanted, sizeof wanted, " %u of ", steps[i].again);
        cr_expect(eq(int, rc == 0, steps[i].good), "%s: %s", steps[i].name, out);
        cr_expect(strstr(out, wanted) != NULL, "%s: %s", steps[i].name, out);
        if (steps[i].says)
            cr_expect(strstr(out, steps[i].says) != NULL, "%s: %s", steps[i].name, out);
    }
}

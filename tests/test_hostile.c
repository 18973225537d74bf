/* A short, repeatable run of malformed scenario files; `make fuzz` makes ten thousand. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/commands.h"
#include "sim/language/scenario.h"
#include "tests/hostile.h"
#include "tests/support.h"

#define FILES     400
#define ACCEPTED  20 /* at least, or the files say nothing about what is taken */
#define LONGEST_S 1.0

static char directory[120], in[140], path[160], out[140], here[140];

static void make_directory(void)
{
    test_path(directory, sizeof directory, "hostile");
    snprintf(in, sizeof in, "%s/in", directory);
    snprintf(out, sizeof out, "%s/out", directory);
    snprintf(here, sizeof here, "%s/here", directory);
    snprintf(path, sizeof path, "%s/t.yaml", in);
    mkdir(directory, 0700);
    mkdir(in, 0700);
    mkdir(here, 0700);
    scenario_finder = scenario_find_quietly;
}

static void remove_directory(void)
{
    char command[200];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    cr_assert(eq(int, system(command), 0));
}

TestSuite(hostile, .init = make_directory, .fini = remove_directory, .timeout = 120);

static unsigned entries(const char *folder)
{
    unsigned n = 0;
    DIR *d = opendir(folder);
    cr_assert(ne(ptr, d, NULL));
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2; /* "." and ".." */
}

Test(hostile, none_harms_and_what_is_taken_is_told)
{
    unsigned long count;
    size_t len, accepted = 0;
    char **sources = scenario_files(&count);
    struct hostile *h = hostile_new(7, sources, count);
    cr_assert(eq(int, chdir(here), 0));
    for (int i = 0; i < FILES; i++) {
        struct hostile_result r;
        const char *text = hostile_next(h, &len);
        hostile_check(path, out, text, len, &r);
        accepted += r.accepted;
        cr_expect(eq(str, r.problem, ""), "file %d:\n%.*s", i, (int)len, text);
        cr_expect(lt(dbl, r.longest_s, LONGEST_S), "file %d:\n%.*s", i, (int)len, text);
        cr_assert(le(u32, entries(directory), 3), "file %d wrote beside its folder", i);
        cr_assert(eq(u32, entries(here), 0), "file %d wrote where it was started", i);
    }
    cr_expect(ge(sz, accepted, ACCEPTED));
    hostile_free(h);
    for (size_t i = 0; i < count; i++)
        free(sources[i]);
    free(sources);
}

Test(hostile, a_seed_makes_the_same_files)
{
    unsigned long count;
    size_t len, len_again;
    char **sources = scenario_files(&count);
    struct hostile *a = hostile_new(3, sources, count), *b = hostile_new(3, sources, count);
    for (int i = 0; i < 100; i++) {
        const char *text = hostile_next(a, &len), *again = hostile_next(b, &len_again);
        cr_assert(eq(sz, len, len_again));
        cr_assert(eq(int, memcmp(text, again, len), 0), "file %d", i);
    }
    hostile_free(a);
    hostile_free(b);
    for (size_t i = 0; i < count; i++)
        free(sources[i]);
    free(sources);
}

/* ---- the checker itself can fail ---- */

#define FINE                                                                                          \
    "schema: 1\nname: t\ntitle: t\nuse_case: PP-01\nrun: [broker, pki, vos, gsdp, sgw, tbm, spaak]\n" \
    "expect:\n  - {step: PP-01/1}\n"

Test(hostile, a_fine_file_is_told_and_run)
{
    struct hostile_result r;
    hostile_check(path, out, FINE, strlen(FINE), &r);
    cr_expect(r.accepted);
    cr_expect(eq(u32, r.runs, 1));
    cr_expect(eq(str, r.problem, ""));
}

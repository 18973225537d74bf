/* Works that are done once: the results are those of the work itself, whoever asks, and a run in virtual time
 * is the same to the byte with them and without. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host/work_memo.h"
#include "sim/commands.h"
#include "sim/world/past.h"
#include "sim/world/world.h"
#include "tests/check.h"
#include "tests/support.h"

static unsigned done;

/* Its input, inverted; "no" cannot be done. */
static enum err invert(struct span in, uint8_t *out, size_t cap, size_t *len)
{
    done++;
    *len = 0;
    if (in.len > cap || (in.len == 2 && memcmp(in.p, "no", 2) == 0))
        return ERR_WORK_FAILED;
    for (size_t i = 0; i < in.len; i++)
        out[i] = (uint8_t)~in.p[i];
    *len = in.len;
    return ERR_OK;
}

static const struct work_spec one = {.name = "one", .run = invert, .result_max = 300};
static const struct work_spec other = {.name = "other", .run = invert, .result_max = 300};
static const struct work_spec narrow = {.name = "one", .run = invert, .result_max = 2};

static enum err ask(struct work_memo *m, const char *class, const struct work_spec *spec, struct span in)
{
    uint8_t out[300] = {0};
    size_t len = 0;
    enum err e = work_memo_run(m, test_crypto(), class, spec, in, out, &len);
    cr_expect(eq(sz, len, e ? 0 : in.len));
    for (size_t i = 0; !e && i < in.len; i++)
        cr_expect(eq(u8, out[i], (uint8_t)~in.p[i]), "byte %zu", i);
    return e;
}

Test(work_memo, does_again_what_is_another_class_work_or_input)
{
    static const struct {
        const char *class;
        const struct work_spec *spec;
        const char *in;
        enum err e;
        unsigned done; /* so far */
    } table[] = {
        {"vos", &one, "abc", ERR_OK, 1},
        {"vos", &one, "abc", ERR_OK, 1},
        {"tbe", &one, "abc", ERR_OK, 2},
        {"vos", &other, "abc", ERR_OK, 3},
        {"vos", &one, "abd", ERR_OK, 4},
        {"vos", &one, "ab", ERR_OK, 5},
        {"vosone", &one, "abc", ERR_OK, 6},
        {"vos", &one, "", ERR_OK, 7},
        {"vos", &one, "", ERR_OK, 7},
        {"vos", &one, "no", ERR_WORK_FAILED, 8},
        {"vos", &one, "no", ERR_WORK_FAILED, 9},      /* a failure is not kept */
        {"vos", &narrow, "abc", ERR_WORK_FAILED, 10}, /* nor is a result given that has no room */
        {"vos", &one, "abc", ERR_OK, 10},
    };
    struct work_memo *m = work_memo_new();
    done = 0;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        enum err e = ask(m, table[i].class, table[i].spec, span_of(table[i].in, strlen(table[i].in)));
        cr_expect(eq(int, e, table[i].e), "row %zu", i);
        cr_expect(eq(uint, done, table[i].done), "row %zu", i);
    }
    work_memo_free(m);
}

Test(work_memo, is_not_needed)
{
    done = 0;
    cr_expect(eq(int, ask(NULL, "vos", &one, span_of("a", 1)), ERR_OK));
    cr_expect(eq(int, ask(NULL, "vos", &one, span_of("a", 1)), ERR_OK));
    cr_expect(eq(uint, done, 2));
    work_memo_free(NULL);
}

Test(work_memo, keeps_no_long_result)
{
    static const uint8_t zeros[WORK_MEMO_RESULT + 1];
    struct work_memo *m = work_memo_new();
    done = 0;
    for (int i = 0; i < 2; i++) {
        cr_expect(eq(int, ask(m, "vos", &one, span_of(zeros, WORK_MEMO_RESULT)), ERR_OK));
        cr_expect(eq(int, ask(m, "vos", &one, span_of(zeros, sizeof zeros)), ERR_OK));
    }
    cr_expect(eq(uint, done, 3));
    work_memo_free(m);
}

Test(work_memo, is_right_when_it_is_full)
{
    struct work_memo *m = work_memo_new();
    done = 0;
    for (int round = 0; round < 2; round++)
        for (uint16_t i = 0; i < 20000; i++)
            cr_expect(eq(int, ask(m, "vos", &one, span_of(&i, sizeof i)), ERR_OK));
    cr_expect(lt(uint, done, 40000), "something was kept");
    cr_expect(lt(uint, 20000, done), "not everything can have been");
    work_memo_free(m);
}

Test(work_memo, is_one_for_processes_that_were_forked)
{
    struct work_memo *m = work_memo_new();
    int status;
    done = 0;
    pid_t pid = fork();
    if (pid == 0) {
        uint8_t out[300];
        size_t len;
        _exit(work_memo_run(m, test_crypto(), "vos", &one, span_of("abc", 3), out, &len));
    }
    cr_assert(eq(int, waitpid(pid, &status, 0), pid));
    cr_assert(eq(int, status, 0));
    cr_expect(eq(int, ask(m, "vos", &one, span_of("abc", 3)), ERR_OK));
    cr_expect(eq(uint, done, 0), "its child has done it");
    work_memo_free(m);
}

/* ---- runs ---- */

static struct run *live(struct scenario *s, struct work_memo *m)
{
    struct run_options *o = calloc(1, sizeof *o);
    struct run *r = calloc(1, sizeof *r);
    *o = (struct run_options){.world = WORLD_VIRTUAL, .seed = 3, .quiet = true, .memo = m};
    cr_assert(eq(int, world_run(r, s, o), VERDICT_PASS));
    past_forget(); /* the next lives it itself */
    return r;
}

static void expect_same(const struct run *a, const struct run *b)
{
    cr_assert(eq(sz, a->event_count, b->event_count));
    for (size_t i = 0; i < a->event_count; i++)
        cr_assert(eq(int, memcmp(&a->events[i], &b->events[i], sizeof a->events[0]), 0), "event %zu", i);
    cr_expect(eq(u64, a->frames, b->frames));
}

static void end(struct run *r)
{
    free((void *)r->options);
    run_free(r);
    free(r);
}

/* Scrypt at the VOS in the life before, at the TBE and at the phone. */
Test(work_memo, changes_no_run)
{
    struct tree_problem p = {0};
    struct scenario *s;
    size_t n;
    scenario_finder = scenario_find_quietly;
    char *path = scenario_find_quietly("op03");
    cr_assert(path != NULL && scenario_load(path, &s, &n, &p), "%s: %s", path, p.text);
    struct work_memo *m = work_memo_new();
    struct run *without = live(s, NULL), *first = live(s, m), *again = live(s, m);
    expect_same(without, first);
    expect_same(without, again);
    end(without);
    end(first);
    end(again);
    work_memo_free(m);
    free(s);
    free(path);
}

Test(work_memo, a_descriptor_of_another_length_is_refused)
{
    int fd;
    struct work_memo *m = work_memo_make(&fd);
    cr_assert(ne(ptr, m, NULL));
    work_memo_close(m);
    m = work_memo_open(fd);
    cr_expect(ne(ptr, m, NULL));
    work_memo_free(m);
    cr_assert(eq(int, ftruncate(fd, 100), 0));
    cr_expect(eq(ptr, work_memo_open(fd), NULL));
    close(fd);
    cr_expect(eq(ptr, work_memo_open(fd), NULL));
}

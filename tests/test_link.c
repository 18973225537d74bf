/* What all links share: what is put off to the loop's next turn. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <malloc.h>
#include <systemd/sd-event.h>

#include "lib/host/link.h"

TestSuite(link, .timeout = 60);

static int count(sd_event_source *s, void *ctx)
{
    unsigned *calls = ctx;
    (void)s;
    (*calls)++;
    return 0;
}

static size_t in_use(void)
{
    return mallinfo2().uordblks;
}

/* Whoever connects and leaves has a reader put something off each time. */
Test(link, what_was_put_off_is_done_once_and_leaves_nothing)
{
    enum { TURNS = 10000, KEPT = 20000 /* bytes, by the loop itself */ };
    unsigned calls = 0;
    sd_event *event = NULL;
    cr_assert(ge(int, sd_event_new(&event), 0));
    link_defer(event, count, &calls);
    cr_assert(ge(int, sd_event_run(event, 0), 0));
    const size_t before = in_use();
    for (unsigned i = 1; i < TURNS; i++) {
        link_defer(event, count, &calls);
        cr_expect(eq(uint, calls, i), "not at once");
        cr_assert(ge(int, sd_event_run(event, 0), 0));
    }
    cr_expect(eq(int, sd_event_run(event, 0), 0), "nothing is left to do");
    cr_expect(eq(uint, calls, TURNS));
    cr_expect(lt(sz, in_use(), before + KEPT));
    link_defer(event, count, &calls); /* the loop ends before its turn */
    sd_event_unref(event);
    cr_expect(eq(uint, calls, TURNS));
}

#include "sim/world/world.h"

#include "lib/host/spawn.h"
#include "sim/world/interrupt.h"

const struct world_driver *world_of(enum world_kind kind)
{
    return kind == WORLD_VIRTUAL ? &world_virtual : &world_process;
}

/* While a world was made, or before. What was not begun is not judged, and has not passed. */
static bool interrupted(struct run *r)
{
    interrupt_look();
    if (!interrupt_heard())
        return false;
    run_fail(r, "interrupted by %s", spawn_signal_name(interrupt_heard()));
    if (r->verdict == VERDICT_BLOCKED)
        r->verdict = VERDICT_FAIL;
    return true;
}

enum verdict world_run(struct run *r, const struct scenario *s, const struct run_options *options)
{
    const struct world_driver *w = world_of(options->world);
    const bool open = w->open(r, s, options);
    if (!interrupted(r) && open)
        w->proceed(r, r->limit_us, NULL, NULL);
    return w->close(r);
}

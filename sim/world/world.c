#include "sim/world/world.h"

const struct world_driver *world_of(enum world_kind kind)
{
    return kind == WORLD_VIRTUAL ? &world_virtual : &world_process;
}

enum verdict world_run(struct run *r, const struct scenario *s, const struct run_options *options)
{
    const struct world_driver *w = world_of(options->world);
    if (w->open(r, s, options))
        w->proceed(r, r->limit_us, NULL, NULL);
    return w->close(r);
}

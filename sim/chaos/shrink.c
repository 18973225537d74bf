#include "sim/chaos/shrink.h"

static struct schedule without(const struct schedule *s, size_t from, size_t count)
{
    struct schedule less = {0};
    for (size_t i = 0; i < s->count; i++)
        if (i < from || i >= from + count)
            less.items[less.count++] = s->items[i];
    return less;
}

/* Leaves out pieces of that size wherever that still fails; true when one could be. */
static bool drop_pieces(struct schedule *s, size_t size, unsigned tries, unsigned *tried, shrink_fails *fails,
                        void *ctx)
{
    bool dropped = false;
    for (size_t at = 0; at < s->count && *tried < tries;) {
        struct schedule less = without(s, at, size);
        ++*tried;
        if (fails(ctx, &less)) {
            *s = less;
            dropped = true;
        } else {
            at += size;
        }
    }
    return dropped;
}

unsigned shrink_schedule(struct schedule *under, unsigned tries, shrink_fails *fails, void *ctx)
{
    unsigned tried = 0;
    size_t size = under->count;
    while (size && tried < tries) {
        bool dropped = drop_pieces(under, size, tries, &tried, fails, ctx);
        if (size > 1)
            size = size / 2;
        else if (!dropped)
            break;
    }
    return tried;
}

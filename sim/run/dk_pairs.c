#include "sim/run/dk_pairs.h"

#include <stdlib.h>
#include <string.h>

static int compare_way(const struct dk_pair *x, const struct dk_pair *y)
{
    int r = strcmp(x->from, y->from);
    if (!r)
        r = strcmp(x->to, y->to);
    if (!r)
        r = (x->bytes.len > y->bytes.len) - (x->bytes.len < y->bytes.len);
    return r || !x->bytes.len ? r : memcmp(x->bytes.p, y->bytes.p, x->bytes.len);
}

static int order(const void *a, const void *b)
{
    const struct dk_pair *x = a, *y = b;
    int r = compare_way(x, y);
    return r ? r : (x->at > y->at) - (x->at < y->at);
}

/* Of those that are alike, from `first` to before `end`. */
static void pair_alike(const struct dk_pair *list, size_t first, size_t end,
                       void (*take)(void *ctx, size_t left, size_t came), void *ctx)
{
    size_t left = first, came = first;
    while (true) {
        while (left < end && list[left].came)
            left++;
        while (came < end && !list[came].came)
            came++;
        if (left == end || came == end)
            return;
        take(ctx, list[left++].at, list[came++].at);
    }
}

void dk_pairs_find(struct dk_pair *list, size_t count, void (*take)(void *ctx, size_t left, size_t came),
                   void *ctx)
{
    if (count)
        qsort(list, count, sizeof *list, order);
    for (size_t first = 0, end; first < count; first = end) {
        end = first + 1;
        while (end < count && compare_way(&list[first], &list[end]) == 0)
            end++;
        pair_alike(list, first, end, take, ctx);
    }
}

#include "tests/spy_store.h"

#include <stdlib.h>

static struct spy_store *spy_of(struct store *s)
{
    return (struct spy_store *)s;
}

static enum err spy_get(struct store *s, const char *key, void *buf, size_t cap, size_t *len)
{
    return store_get(spy_of(s)->inner, key, buf, cap, len);
}

static enum err spy_apply(struct store *s, const struct store_put *puts, size_t n)
{
    struct spy_store *spy = spy_of(s);
    bool here = ++spy->commits == spy->at;
    spy->fired |= here;
    if (here && spy->fate == RIG_REFUSED)
        return ERR_STORE_FAILED;
    if (here && spy->fate != RIG_STORED)
        spy->node->dead = true;
    return here && spy->fate == RIG_LOST_BEFORE ? ERR_KILLED : store_apply(spy->inner, puts, n);
}

static enum err spy_sync(struct store *s)
{
    return store_sync(spy_of(s)->inner);
}

static enum err spy_scan(struct store *s, const char *prefix, store_each *each, void *ctx)
{
    return store_scan(spy_of(s)->inner, prefix, each, ctx);
}

static void spy_stay(struct store *s)
{
    (void)s;
}

static void spy_close(struct store *s)
{
    store_close(spy_of(s)->inner);
    free(s);
}

struct spy_store spy_store_before(struct store *inner, struct node *node)
{
    static const struct store_ops ops = {spy_get, spy_apply, spy_sync, spy_scan, spy_stay};
    return (struct spy_store){.store = {&ops}, .inner = inner, .node = node};
}

struct spy_store *spy_store_new(struct node *node)
{
    static const struct store_ops ops = {spy_get, spy_apply, spy_sync, spy_scan, spy_close};
    struct spy_store *spy = calloc(1, sizeof *spy);
    if (!spy)
        abort();
    *spy = (struct spy_store){.store = {&ops}, .inner = node->store, .node = node};
    node->store = &spy->store;
    return spy;
}

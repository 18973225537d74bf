/* Stores: keys to values, changed by transactions. One interface, two kinds: memory (here) and SQLite
 * (lib/host/sqlite_store.h). */
#ifndef lib_host_store_h
#define lib_host_store_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"

struct store;

/* One change; value.p == NULL deletes. */
struct store_put {
    const char *key;
    struct span value;
};

typedef void store_each(void *ctx, const char *key, struct span value);

struct store_ops {
    enum err (*get)(struct store *s, const char *key, void *buf, size_t cap, size_t *len);
    /* All or none. Visible to get at once; durable after the next sync. */
    enum err (*apply)(struct store *s, const struct store_put *puts, size_t n);
    /* Makes everything applied so far durable. */
    enum err (*sync)(struct store *s);
    enum err (*scan)(struct store *s, const char *prefix, store_each *each, void *ctx);
    void (*close)(struct store *s);
};

struct store {
    const struct store_ops *ops;
};

static inline enum err store_get(struct store *s, const char *key, void *buf, size_t cap, size_t *len)
{
    return s->ops->get(s, key, buf, cap, len);
}
static inline enum err store_apply(struct store *s, const struct store_put *puts, size_t n)
{
    return s->ops->apply(s, puts, n);
}
static inline enum err store_sync(struct store *s)
{
    return s->ops->sync(s);
}
static inline enum err store_scan(struct store *s, const char *prefix, store_each *each, void *ctx)
{
    return s->ops->scan(s, prefix, each, ctx);
}
static inline void store_close(struct store *s)
{
    if (s)
        s->ops->close(s);
}
/* One put, applied at once. */
enum err store_set(struct store *s, const char *key, struct span value);

/* Puts all entries of one store into another. */
enum err store_copy(struct store *from, struct store *to);

/* Lives in memory; NULL without memory. What was applied survives a kill of its component. */
struct store *store_memory_new(void);

/* A transaction being gathered: copies of keys and values. Zeroed = empty. */
struct store_txn {
    struct store_put *puts;
    size_t count, cap;
};
enum err store_txn_put(struct store_txn *t, const char *key, struct span value);
/* The pending value of a key: 1 found, 0 not in the transaction, -1 deleted by it. */
int store_txn_get(const struct store_txn *t, const char *key, struct span *out);
/* Forgets the puts, wiping their values; keeps the array. */
void store_txn_clear(struct store_txn *t);
void store_txn_free(struct store_txn *t);

#endif

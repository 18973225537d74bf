#include "lib/host/store.h"

#include <openssl/crypto.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

enum err store_set(struct store *s, const char *key, struct span value)
{
    struct store_put put = {key, value};
    return store_apply(s, &put, 1);
}

struct copy {
    struct store *to;
    enum err e;
};

static void copy_entry(void *ctx, const char *key, struct span value)
{
    struct copy *c = ctx;
    if (!c->e)
        c->e = store_set(c->to, key, value);
}

enum err store_copy(struct store *from, struct store *to)
{
    struct copy c = {.to = to};
    enum err e = store_scan(from, "", copy_entry, &c);
    return e ? e : c.e;
}

/* ---- memory ---- */

struct record {
    char *key;
    uint8_t *value;
    size_t len;
};

struct memory {
    struct store store;
    void *tree; /* of struct record, by key (tsearch) */
};

static int entry_compare(const void *a, const void *b)
{
    const struct record *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static void entry_free(void *p)
{
    struct record *e = p;
    OPENSSL_cleanse(e->value, e->len);
    free(e->value);
    free(e->key);
    free(e);
}

/* tfind only reads the key. */
static struct record probe_of(const char *key)
{
    union {
        const char *in;
        char *out;
    } u = {.in = key};
    return (struct record){.key = u.out};
}

static struct record *memory_find(struct memory *m, const char *key)
{
    struct record probe = probe_of(key);
    struct record **found = tfind(&probe, &m->tree, entry_compare);
    return found ? *found : NULL;
}

static enum err memory_get(struct store *s, const char *key, void *buf, size_t cap, size_t *len)
{
    struct record *e = memory_find((struct memory *)s, key);
    if (!e)
        return ERR_NOT_FOUND;
    if (e->len > cap)
        return ERR_NO_SPACE;
    if (e->len)
        memcpy(buf, e->value, e->len);
    *len = e->len;
    return ERR_OK;
}

static enum err memory_put(struct memory *m, const struct store_put *put)
{
    struct record *old = memory_find(m, put->key);
    if (!put->value.p) {
        if (old) {
            tdelete(old, &m->tree, entry_compare);
            entry_free(old);
        }
        return ERR_OK;
    }
    uint8_t *value = malloc(put->value.len ? put->value.len : 1);
    if (!value)
        return ERR_NO_MEMORY;
    if (put->value.len)
        memcpy(value, put->value.p, put->value.len);
    if (!old) {
        old = calloc(1, sizeof *old);
        if (!old || !(old->key = strdup(put->key)) || !tsearch(old, &m->tree, entry_compare)) {
            free(value);
            if (old)
                free(old->key);
            free(old);
            return ERR_NO_MEMORY;
        }
    } else {
        OPENSSL_cleanse(old->value, old->len);
        free(old->value);
    }
    old->value = value;
    old->len = put->value.len;
    return ERR_OK;
}

static enum err memory_apply(struct store *s, const struct store_put *puts, size_t n)
{
    enum err e = ERR_OK;
    for (size_t i = 0; !e && i < n; i++)
        e = memory_put((struct memory *)s, &puts[i]);
    return e;
}

static enum err memory_sync(struct store *s)
{
    (void)s;
    return ERR_OK;
}

struct walk {
    const char *prefix;
    struct record **found;
    size_t count, cap;
    bool failed;
};

static void walk_entry(const void *node, VISIT which, void *ctx)
{
    struct walk *w = ctx;
    struct record *const *e = node;
    if ((which != postorder && which != leaf) || strncmp((*e)->key, w->prefix, strlen(w->prefix)) != 0)
        return;
    if (w->count == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 64;
        struct record **more = realloc(w->found, cap * sizeof(struct record *));
        if (!more) {
            w->failed = true;
            return;
        }
        w->found = more;
        w->cap = cap;
    }
    w->found[w->count++] = *e;
}

/* The callback may change the store only through a transaction that is applied later. */
static enum err memory_scan(struct store *s, const char *prefix, store_each *each, void *ctx)
{
    struct walk w = {.prefix = prefix};
    twalk_r(((struct memory *)s)->tree, walk_entry, &w);
    for (size_t i = 0; i < w.count; i++)
        each(ctx, w.found[i]->key, span_of(w.found[i]->value, w.found[i]->len));
    free(w.found);
    return w.failed ? ERR_NO_MEMORY : ERR_OK;
}

static void memory_close(struct store *s)
{
    struct memory *m = (struct memory *)s;
    tdestroy(m->tree, entry_free);
    free(m);
}

struct store *store_memory_new(void)
{
    static const struct store_ops ops = {memory_get, memory_apply, memory_sync, memory_scan, memory_close};
    struct memory *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->store.ops = &ops;
    return &m->store;
}

/* ---- transactions ---- */

enum err store_txn_put(struct store_txn *t, const char *key, struct span value)
{
    if (t->count == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 8;
        struct store_put *more = realloc(t->puts, cap * sizeof *more);
        if (!more)
            return ERR_NO_MEMORY;
        t->puts = more;
        t->cap = cap;
    }
    /* key and value in one block: value first, key behind it */
    size_t key_len = strlen(key) + 1;
    uint8_t *copy = malloc(value.len + key_len);
    if (!copy)
        return ERR_NO_MEMORY;
    if (value.len)
        memcpy(copy, value.p, value.len);
    memcpy(copy + value.len, key, key_len);
    t->puts[t->count++] =
        (struct store_put){(const char *)copy + value.len, {value.p ? copy : NULL, value.len}};
    return ERR_OK;
}

int store_txn_get(const struct store_txn *t, const char *key, struct span *out)
{
    for (size_t i = t->count; i-- > 0;) {
        if (strcmp(t->puts[i].key, key) != 0)
            continue;
        *out = t->puts[i].value;
        return t->puts[i].value.p ? 1 : -1;
    }
    return 0;
}

void store_txn_clear(struct store_txn *t)
{
    for (size_t i = 0; i < t->count; i++) {
        union {
            const char *in;
            char *out;
        } u = {.in = t->puts[i].key - t->puts[i].value.len};
        OPENSSL_cleanse(u.out, t->puts[i].value.len);
        free(u.out);
    }
    t->count = 0;
}

void store_txn_free(struct store_txn *t)
{
    store_txn_clear(t);
    free(t->puts);
    *t = (struct store_txn){0};
}

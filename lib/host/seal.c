#include "lib/host/seal.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

bool seal_covers(const struct component_class *class, const char *key)
{
    for (const char *const *prefix = class->sealed; prefix && *prefix; prefix++)
        if (strncmp(key, *prefix, strlen(*prefix)) == 0)
            return true;
    return false;
}

size_t seal_stored_max(const struct component_class *class)
{
    return component_value_max(class) + SEALED_OVERHEAD;
}

enum err seal_make(const struct seal *s, const char *key, struct span plain, struct seal_value *out)
{
    *out = (struct seal_value){0};
    if (!s->key)
        return ERR_STORE_KEY_MISSING;
    if (plain.len > component_value_max(s->class) || plain.len > SIZE_MAX - SEALED_OVERHEAD)
        return ERR_NO_SPACE;
    out->bytes = malloc(plain.len + SEALED_OVERHEAD);
    if (!out->bytes)
        return ERR_NO_MEMORY;
    out->len = plain.len + SEALED_OVERHEAD;
    enum err e = sealed_make(s->crypto, s->key, key, plain, out->bytes);
    if (e)
        seal_value_free(out);
    return e;
}

void seal_value_free(struct seal_value *v)
{
    free(v->bytes);
    *v = (struct seal_value){0};
}

enum err seal_open(const struct seal *s, const char *key, struct span stored, void *buf, size_t cap,
                   size_t *len)
{
    if (!s->key)
        return ERR_STORE_KEY_MISSING;
    if (stored.len >= SEALED_OVERHEAD && stored.len - SEALED_OVERHEAD > cap)
        return ERR_NO_SPACE;
    enum err e = sealed_open(s->crypto, s->key, key, stored, buf);
    if (!e)
        *len = stored.len - SEALED_OVERHEAD;
    return e;
}

enum err seal_get(const struct seal *s, struct store *store, const char *key, void *buf, size_t cap,
                  size_t *len)
{
    size_t stored_len, max = seal_stored_max(s->class);
    uint8_t *stored = malloc(max);
    if (!stored)
        return ERR_NO_MEMORY;
    enum err e = store_get(store, key, stored, max, &stored_len);
    if (!e)
        e = seal_open(s, key, span_of(stored, stored_len), buf, cap, len);
    free(stored);
    return e;
}

/* ---- scanning ---- */

/* A stored value opened on the heap: `plain` is wiped and freed by wipe_plain. */
static enum err open_plain(const struct seal *s, const char *key, struct span stored, uint8_t **plain,
                           size_t *len)
{
    *plain = malloc(stored.len ? stored.len : 1);
    *len = 0;
    return *plain ? seal_open(s, key, stored, *plain, stored.len, len) : ERR_NO_MEMORY;
}

static void wipe_plain(uint8_t *plain, size_t cap)
{
    if (plain)
        OPENSSL_cleanse(plain, cap);
    free(plain);
}

struct scan {
    const struct seal *seal;
    store_each *each;
    void *ctx;
    enum err e;
};

static void open_entry(void *ctx, const char *key, struct span stored)
{
    struct scan *s = ctx;
    uint8_t *plain;
    size_t len;
    if (!seal_covers(s->seal->class, key)) {
        s->each(s->ctx, key, stored);
        return;
    }
    enum err e = open_plain(s->seal, key, stored, &plain, &len);
    if (e)
        s->e = e;
    else
        s->each(s->ctx, key, span_of(plain, len));
    wipe_plain(plain, stored.len);
}

enum err seal_scan(const struct seal *s, struct store *store, const char *prefix, store_each *each, void *ctx)
{
    struct scan scan = {.seal = s, .each = each, .ctx = ctx};
    enum err e = store_scan(store, prefix, open_entry, &scan);
    return e ? e : scan.e;
}

/* ---- before a life ---- */

struct check {
    const struct seal *seal;
    const uint8_t *former;
    struct store_txn txn;
    enum err e;
};

static enum err seal_anew(struct check *c, const char *key, struct span plain)
{
    struct seal_value anew;
    enum err e = seal_make(c->seal, key, plain, &anew);
    if (!e)
        e = store_txn_put(&c->txn, key, span_of(anew.bytes, anew.len));
    seal_value_free(&anew);
    return e;
}

static void check_entry(void *ctx, const char *key, struct span stored)
{
    struct check *c = ctx;
    uint8_t *plain;
    size_t len;
    struct seal with = *c->seal;
    if (c->e)
        return;
    bool old = c->former && sealed_names_key(with.crypto, c->former, stored);
    if (old)
        with.key = c->former;
    c->e = open_plain(&with, key, stored, &plain, &len);
    if (!c->e && old)
        c->e = seal_anew(c, key, span_of(plain, len));
    wipe_plain(plain, stored.len);
}

enum err seal_check(const struct seal *s, const uint8_t *former, struct store *store, size_t *renewed)
{
    struct check c = {.seal = s, .former = former};
    *renewed = 0;
    if (s->class->sealed && !s->key)
        return ERR_STORE_KEY_MISSING;
    for (const char *const *prefix = s->class->sealed; !c.e && prefix && *prefix; prefix++) {
        enum err e = store_scan(store, *prefix, check_entry, &c);
        c.e = c.e ? c.e : e;
    }
    if (!c.e && c.txn.count)
        c.e = store_apply(store, c.txn.puts, c.txn.count);
    if (!c.e)
        *renewed = c.txn.count;
    store_txn_free(&c.txn);
    return c.e;
}

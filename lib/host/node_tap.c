/* What the tap hears, frames as they are on every machine, and without the secrets: values that the class
 * declares as secret are looked for in the bytes, raw and as hex text of either case, and masked. They are
 * read from the store again after each commit, and only while somebody listens. Of a confidential port all is
 * masked: a digest would let whoever reads it try all passwords of eight digits. */
#include <assert.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/node.h"

#define SECRET_MIN    8 /* shorter values would mask what is no secret */
#define TAP_WORDS_MAX 256

void node_tap_forget(struct node *n)
{
    for (size_t i = 0; i < n->secret_count; i++) {
        OPENSSL_cleanse(n->secrets[i].bytes, n->secrets[i].len);
        free(n->secrets[i].bytes);
    }
    free(n->secrets);
    n->secrets = NULL;
    n->secret_count = 0;
    n->secrets_known = false;
}

static void keep(struct node *n, const void *bytes, size_t len)
{
    struct node_secret *more = realloc(n->secrets, (n->secret_count + 1) * sizeof *more);
    uint8_t *copy = malloc(len);
    if (more)
        n->secrets = more;
    if (!more || !copy)
        abort(); /* a tap that cannot mask must not speak */
    memcpy(copy, bytes, len);
    n->secrets[n->secret_count++] = (struct node_secret){len, copy};
}

static void keep_secret(void *ctx, const char *key, struct span value)
{
    (void)key;
    if (value.len < SECRET_MIN)
        return;
    char *hex = malloc(2 * value.len + 1);
    if (!hex)
        abort();
    hex_encode(value.p, value.len, hex);
    keep(ctx, value.p, value.len);
    keep(ctx, hex, 2 * value.len);
    for (char *p = hex; *p; p++)
        *p = (char)(*p >= 'a' ? *p - 'a' + 'A' : *p);
    keep(ctx, hex, 2 * value.len);
    OPENSSL_cleanse(hex, 2 * value.len);
    free(hex);
}

static void learn_secrets(struct node *n)
{
    node_tap_forget(n);
    n->secrets_known = true;
    for (const char *const *s = n->class->secrets; s && *s; s++)
        if (seal_scan(&n->seal, n->store, *s, keep_secret, n))
            abort(); /* a tap that cannot mask must not speak */
}

/* Looked for in the bytes as they are: a secret that shares bytes with another is masked like it. */
static void mask(const struct node *n, struct span bytes, uint8_t *out)
{
    for (size_t i = 0; i < n->secret_count; i++) {
        const struct node_secret *s = &n->secrets[i];
        const uint8_t *p = bytes.p;
        while ((p = memmem(p, bytes.len - (size_t)(p - bytes.p), s->bytes, s->len)))
            memset(out + (p++ - bytes.p), '*', s->len);
    }
}

/* Identifier (4 bytes, most significant first), flags, length, and no more data than there are. */
static size_t lay_out_frame(struct span bytes, uint8_t *out, size_t cap)
{
    struct bus_frame f;
    struct wr w = wr_of(out, cap);
    assert(bytes.len == sizeof f);
    memcpy(&f, bytes.p, sizeof f);
    wr_be32(&w, f.id);
    wr_u8(&w, f.flags);
    wr_u8(&w, f.len);
    wr_copy(&w, f.data, bus_frame_data(&f));
    return w.len;
}

static struct tap_event event_of(struct node *n, unsigned port, bool out, const char *address)
{
    return (struct tap_event){.time_us = n->host->now_us(n),
                              .medium = n->media[port]->name,
                              .port = n->class->ports[port].name,
                              .from = out ? n->name : address,
                              .to = out ? address : n->name,
                              .out = out};
}

void node_tap_words(struct node *n, unsigned port, bool out, const char *address, const char *words,
                    enum err refused)
{
    struct tap_event e = event_of(n, port, out, address);
    char shown[TAP_WORDS_MAX] = "", masked[TAP_WORDS_MAX];
    if (!n->media[port]->words_shown)
        return;
    n->media[port]->words_shown(words, !out, shown, sizeof shown);
    if (!n->secrets_known)
        learn_secrets(n);
    memcpy(masked, shown, sizeof masked);
    e.bytes = span_of(masked, strlen(shown));
    mask(n, span_of(shown, e.bytes.len), (uint8_t *)masked);
    e.words = true;
    e.refused = refused;
    n->host->tap(n, &e);
}

void node_tap(struct node *n, unsigned port, bool out, const char *address, struct span bytes)
{
    struct tap_event e = event_of(n, port, out, address);
    if (n->talk_only && !medium_talks(n->media[port]))
        return;
    uint8_t frame[sizeof(struct bus_frame)], *copy = malloc(bytes.len ? bytes.len : 1);
    if (!copy)
        return;
    if (!n->secrets_known)
        learn_secrets(n);
    if (n->media[port]->frames)
        bytes = span_of(frame, lay_out_frame(bytes, frame, sizeof frame));
    if (n->media[port]->keeps || n->class->ports[port].confidential) {
        memset(copy, '*', bytes.len);
    } else {
        memcpy(copy, bytes.p, bytes.len);
        mask(n, bytes, copy);
    }
    e.bytes = span_of(copy, bytes.len);
    n->host->tap(n, &e);
    free(copy);
}

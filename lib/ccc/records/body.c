#include "lib/ccc/records/body.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#define ALIGNMENT 16

static void *arena_alloc(void *ctx, size_t size)
{
    struct body_arena *a = ctx;
    size_t left = a->cap - a->used;
    if (size > left || (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT > left)
        return NULL;
    void *p = a->buf + a->used;
    a->used += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return p;
}

static void arena_free(void *ctx, void *p)
{
    (void)ctx;
    (void)p;
}

void body_arena_open(struct body_arena *a, void *buf, size_t cap)
{
    assert((uintptr_t)buf % ALIGNMENT == 0);
    *a = (struct body_arena){{arena_alloc, arena_free, a}, buf, cap, 0};
}

void body_arena_wipe(struct body_arena *a)
{
    OPENSSL_cleanse(a->buf, a->used);
    a->used = 0;
}

/* ---- messages ---- */

enum err body_seal(struct crypto *c, const struct envelope *e, const ProtobufCMessage *m, uint8_t *out,
                   size_t cap, size_t *len)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    if (cap < ENVELOPE_HEADER || n > cap - ENVELOPE_HEADER)
        return ERR_NO_SPACE;
    protobuf_c_message_pack(m, out + ENVELOPE_HEADER);
    envelope_close(c, e, out, n);
    *len = ENVELOPE_HEADER + n;
    return ERR_OK;
}

ProtobufCMessage *body_unpack(struct body_arena *a, const ProtobufCMessageDescriptor *of, struct span body)
{
    return protobuf_c_message_unpack(of, &a->allocator, body.len, body.p);
}

/* Takes what is packed and compares it with what is left. */
struct comparison {
    ProtobufCBuffer base; /* first */
    struct span left;
    bool same;
};

static void compare(ProtobufCBuffer *base, size_t len, const uint8_t *p)
{
    struct comparison *c = (struct comparison *)base;
    c->same = c->same && len <= c->left.len && memcmp(p, c->left.p, len) == 0;
    if (c->same)
        c->left = span_of(c->left.p + len, c->left.len - len);
}

bool body_is(const ProtobufCMessage *m, struct span body)
{
    struct comparison c = {{compare}, body, true};
    protobuf_c_message_pack_to_buffer(m, &c.base);
    return c.same && c.left.len == 0;
}

/* ---- writing ---- */

ProtobufCBinaryData body_bytes(const void *p, size_t len)
{
    union {
        const void *in;
        uint8_t *out;
    } u = {.in = p};
    return (ProtobufCBinaryData){len, u.out};
}

char *body_text(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {.in = s};
    return u.out;
}

size_t body_versions(const struct op_versions *v, uint32_t out[OP_VERSIONS])
{
    assert(v->n <= OP_VERSIONS);
    for (size_t i = 0; i < v->n; i++)
        out[i] = v->v[i];
    return v->n;
}

void body_key_with_public(const struct p256_key *k, const uint8_t public_key[P256_POINT],
                          struct body_key *out)
{
    *out = (struct body_key){.pair = DK__V1__KEY_PAIR__INIT};
    enum err e = p256_private(k, out->private_key);
    assert(!e); /* we made it, or loaded it as a pair */
    (void)e;
    memcpy(out->public_key, public_key, P256_POINT);
    out->pair.public_ = body_bytes(out->public_key, P256_POINT);
    out->pair.private_ = body_bytes(out->private_key, P256_SCALAR);
}

void body_key_of(const struct p256_key *k, struct body_key *out)
{
    uint8_t public_key[P256_POINT];
    *out = (struct body_key){.pair = DK__V1__KEY_PAIR__INIT};
    if (!k)
        return;
    p256_public(k, public_key);
    body_key_with_public(k, public_key, out);
}

void body_map_of(const struct mailbox_map *map, Dk__V1__KeyRecord__Map *out)
{
    *out = (Dk__V1__KeyRecord__Map)DK__V1__KEY_RECORD__MAP__INIT;
    out->signalling = map->signalling;
    out->slot_bitmap = map->slot_bitmap;
    out->slots = map->slots;
    out->oem = map->oem;
    out->attestation = map->attestation;
    out->end = map->end;
    out->token_len = map->token_len;
}

/* ---- reading ---- */

bool body_read_exact(const ProtobufCBinaryData *b, void *out, size_t len)
{
    if (b->len != len)
        return false;
    memcpy(out, b->data, len);
    return true;
}

bool body_read_up_to(const ProtobufCBinaryData *b, void *out, size_t cap, size_t *len)
{
    if (b->len > cap)
        return false;
    if (b->len)
        memcpy(out, b->data, b->len);
    *len = b->len;
    return true;
}

bool body_read_text(const char *s, char *out, size_t cap)
{
    size_t len = strnlen(s, cap);
    if (len == cap)
        return false;
    memcpy(out, s, len + 1);
    return true;
}

bool body_read_u8(uint32_t v, uint8_t *out)
{
    *out = (uint8_t)v;
    return v <= UINT8_MAX;
}

bool body_read_u16(uint32_t v, uint16_t *out)
{
    *out = (uint16_t)v;
    return v <= UINT16_MAX;
}

bool body_read_optional(const ProtobufCBinaryData *b, uint8_t *out, size_t len, bool *has)
{
    *has = b->len != 0;
    return !*has || body_read_exact(b, out, len);
}

bool body_read_map(const Dk__V1__KeyRecord__Map *m, struct mailbox_map *out)
{
    return m && body_read_u16(m->signalling, &out->signalling) &&
           body_read_u16(m->slot_bitmap, &out->slot_bitmap) && body_read_u16(m->slots, &out->slots) &&
           body_read_u16(m->oem, &out->oem) && body_read_u16(m->attestation, &out->attestation) &&
           body_read_u16(m->end, &out->end) && body_read_u8(m->token_len, &out->token_len);
}

bool body_read_versions(size_t n, const uint32_t *v, struct op_versions *out)
{
    if (n > OP_VERSIONS)
        return false;
    *out = (struct op_versions){.n = n};
    for (size_t i = 0; i < n; i++)
        if (!body_read_u16(v[i], &out->v[i]))
            return false;
    return true;
}

enum err body_read_key(struct crypto *c, const Dk__V1__KeyPair *pair, struct p256_key **out)
{
    *out = NULL;
    if (!pair)
        return ERR_RECORD_TORN;
    if (pair->public_.len == 0 && pair->private_.len == 0)
        return ERR_OK;
    if (pair->public_.len != P256_POINT || pair->private_.len != P256_SCALAR)
        return ERR_RECORD_TORN;
    return body_reason(p256_from_pair(c, pair->private_.data, pair->public_.data, out));
}

enum err body_reason(enum err e)
{
    return !e || e == ERR_CRYPTO_FAILED ? e : ERR_RECORD_TORN;
}

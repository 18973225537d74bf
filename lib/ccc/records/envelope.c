#include "lib/ccc/records/envelope.h"

#include <assert.h>
#include <string.h>

#define DIGEST_AT (ENVELOPE_HEADER - SHA256_SIZE)

static const uint8_t magic[] = {'D', 'K', 'R', '1'};

static void digest(struct crypto *c, const uint8_t *record, size_t body_len, uint8_t out[SHA256_SIZE])
{
    const struct span parts[] = {{record, DIGEST_AT}, {record + ENVELOPE_HEADER, body_len}};
    crypto_sha256(c, parts, 2, out);
}

void envelope_close(struct crypto *c, const struct envelope *e, uint8_t *record, size_t body_len)
{
    assert(c && e && record && body_len <= UINT32_MAX);
    struct wr w = wr_of(record, DIGEST_AT);
    wr_copy(&w, magic, sizeof magic);
    wr_be16(&w, e->version);
    wr_u8(&w, (uint8_t)e->kind);
    wr_u8(&w, e->entry);
    wr_copy(&w, e->owner, sizeof e->owner);
    wr_be32(&w, (uint32_t)body_len);
    assert(!w.failed && w.len == DIGEST_AT);
    digest(c, record, body_len, record + DIGEST_AT);
}

/* The record is whole, as somebody closed it. */
static bool whole(struct crypto *c, struct span record)
{
    uint8_t expected[SHA256_SIZE];
    if (record.len < ENVELOPE_HEADER || memcmp(record.p, magic, sizeof magic) != 0)
        return false;
    struct rd r = rd_of(record.p + DIGEST_AT - 4, 4);
    if (rd_be32(&r) != record.len - ENVELOPE_HEADER)
        return false;
    digest(c, record.p, record.len - ENVELOPE_HEADER, expected);
    return memcmp(expected, record.p + DIGEST_AT, SHA256_SIZE) == 0;
}

enum err envelope_open(struct crypto *c, struct span record, const struct envelope_wanted *wanted,
                       struct envelope *out, struct span *body)
{
    assert(c && (record.p || record.len == 0) && wanted && out && body);
    struct envelope e;
    if (!whole(c, record))
        return ERR_RECORD_TORN;
    struct rd r = rd_of(record.p + sizeof magic, DIGEST_AT - sizeof magic);
    e.version = rd_be16(&r);
    uint8_t kind = rd_u8(&r);
    e.entry = rd_u8(&r);
    rd_copy(&r, e.owner, sizeof e.owner);
    if (kind != wanted->kind)
        return ERR_RECORD_FOREIGN;
    if (e.version < wanted->oldest)
        return ERR_RECORD_OLDER;
    if (e.version > wanted->newest)
        return ERR_RECORD_NEWER;
    if ((wanted->owner && memcmp(wanted->owner, e.owner, sizeof e.owner) != 0) || e.entry != wanted->entry)
        return ERR_RECORD_FOREIGN;
    e.kind = wanted->kind;
    *out = e;
    *body = span_of(record.p + ENVELOPE_HEADER, record.len - ENVELOPE_HEADER);
    return ERR_OK;
}

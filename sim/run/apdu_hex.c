/* An event has length and digest of its APDU: by them it is found among those that were heard. */
#include "sim/run/apdu_hex.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDENT 41 /* where the detail of an event begins */

struct apdu_hex {
    size_t next;
    struct kept {
        uint8_t digest[SHA256_DIGEST_LENGTH];
        uint8_t *bytes;
        size_t len;
    } kept[APDU_HEX_KEPT];
};

struct apdu_hex *apdu_hex_new(void)
{
    return calloc(1, sizeof(struct apdu_hex));
}

void apdu_hex_free(struct apdu_hex *h)
{
    for (size_t i = 0; h && i < APDU_HEX_KEPT; i++)
        free(h->kept[i].bytes);
    free(h);
}

void apdu_hex_keep(struct apdu_hex *h, struct span apdu)
{
    struct kept *k = &h->kept[h->next];
    uint8_t *bytes = malloc(apdu.len ? apdu.len : 1);
    if (!bytes)
        return;
    memcpy(bytes, apdu.p, apdu.len);
    free(k->bytes);
    k->bytes = bytes;
    k->len = apdu.len;
    SHA256(apdu.p, apdu.len, k->digest);
    h->next = (h->next + 1) % APDU_HEX_KEPT;
}

static const struct kept *find(const struct apdu_hex *h, const struct trace_event *e)
{
    for (size_t i = 0; i < APDU_HEX_KEPT; i++) {
        const struct kept *k = &h->kept[i];
        if (k->bytes && k->len == e->length && memcmp(k->digest, e->digest, TRACE_DIGEST) == 0)
            return k;
    }
    return NULL;
}

bool apdu_hex_row(const struct apdu_hex *h, const struct trace_event *e, size_t row, char out[APDU_HEX_LINE])
{
    const struct kept *k = e->kind == TRACE_APDU && e->has_digest ? find(h, e) : NULL;
    size_t from = row * APDU_HEX_ROW;
    if (!k || from >= k->len)
        return false;
    int used = snprintf(out, APDU_HEX_LINE, "%*s", INDENT, "");
    for (size_t i = from; i < k->len && i < from + APDU_HEX_ROW; i++)
        used += snprintf(out + used, APDU_HEX_LINE - (size_t)used, "%s%02x",
                         i > from && i % 8 == 0 ? " " : "", k->bytes[i]);
    return true;
}

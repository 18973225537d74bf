#include "lib/ccc/endpoint.h"

#include <string.h>

#include "lib/ccc/tlv.h"
#include "lib/pki/der.h"

enum {
    TAG_VEHICLE_ID = 0x4D,
    TAG_OPTIONS_1 = 0x46,
    TAG_OPTIONS_2 = 0x47,
    TAG_VERSION = 0x5C,
    TAG_VEHICLE_PK = 0x5B,
    TAG_NOT_BEFORE = 0x51,
    TAG_NOT_AFTER = 0x52,
    TAG_AUTHORIZED_PK = 0x49,
    TAG_CONFIDENTIAL_SIZE = 0x4A,
    TAG_PRIVATE_SIZE = 0x4B,
    TAG_SLOT = 0x4E,
    TAG_ENDPOINT_ID = 0x5F20, /* the device's own, and so is the next */
    TAG_INSTANCE_CA_ID = 0x42
};

bool slot_id_equal(const struct slot_id *a, const struct slot_id *b)
{
    return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

enum err slot_id_parse(struct span value, struct slot_id *out)
{
    if (value.len < ENDPOINT_SLOT_MIN || value.len > ENDPOINT_SLOT_MAX)
        return ERR_BAD_ARGUMENT;
    *out = (struct slot_id){.len = (uint8_t)value.len};
    memcpy(out->b, value.p, value.len);
    return ERR_OK;
}

/* The same characters as a GeneralizedTime has (a choice, docs/ccc.md). */
static enum err parse_date(struct span text, int64_t *seconds)
{
    uint8_t der[2 + DER_TIME_TEXT] = {DER_GENERALIZED_TIME, DER_TIME_TEXT};
    if (text.len != DER_TIME_TEXT)
        return ERR_BAD_ARGUMENT;
    memcpy(der + 2, text.p, text.len);
    struct rd r = rd_of(der, sizeof der);
    int64_t s = der_time(&r);
    if (r.failed || s <= 0)
        return ERR_BAD_ARGUMENT;
    *seconds = s;
    return ERR_OK;
}

static void put_be16(struct wr *w, uint16_t tag, uint16_t v)
{
    tlv_put_header(w, tag, 2);
    wr_be16(w, v);
}

static void put_date(struct wr *w, uint16_t tag, int64_t seconds)
{
    char text[DER_TIME_TEXT + 1];
    if (seconds == 0)
        return;
    if (der_time_text(seconds, text))
        tlv_put(w, tag, span_of(text, DER_TIME_TEXT));
    else
        w->failed = true;
}

void endpoint_creation_put(struct wr *w, const struct endpoint_creation *e)
{
    tlv_put(w, TAG_VEHICLE_ID, span_of(e->vehicle_id, sizeof e->vehicle_id));
    tlv_put(w, TAG_OPTIONS_1, span_of(&e->options_1, 1));
    tlv_put(w, TAG_OPTIONS_2, span_of(&e->options_2, 1));
    put_be16(w, TAG_VERSION, e->version);
    tlv_put(w, TAG_VEHICLE_PK, span_of(e->vehicle_pk, P256_POINT));
    put_date(w, TAG_NOT_BEFORE, e->not_before_s);
    put_date(w, TAG_NOT_AFTER, e->not_after_s);
    tlv_put(w, TAG_AUTHORIZED_PK, span_of(e->authorized_pk, P256_POINT));
    put_be16(w, TAG_CONFIDENTIAL_SIZE, e->confidential_size);
    put_be16(w, TAG_PRIVATE_SIZE, e->private_size);
    tlv_put(w, TAG_SLOT, slot_id_span(&e->slot));
}

/* One TLV into the structure; ERR_BAD_ARGUMENT for a value that has no place here. */
static enum err take(const struct tlv *t, struct endpoint_creation *e)
{
    static const struct {
        uint16_t tag;
        size_t len;
    } fixed[] = {{TAG_VEHICLE_ID, TRANSACTION_VEHICLE_ID},
                 {TAG_OPTIONS_1, 1},
                 {TAG_OPTIONS_2, 1},
                 {TAG_VERSION, 2},
                 {TAG_VEHICLE_PK, P256_POINT},
                 {TAG_AUTHORIZED_PK, P256_POINT},
                 {TAG_CONFIDENTIAL_SIZE, 2},
                 {TAG_PRIVATE_SIZE, 2}};
    struct rd v = rd_of(t->value.p, t->value.len);
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (fixed[i].tag == t->tag && fixed[i].len != t->value.len)
            return ERR_BAD_ARGUMENT;
    switch (t->tag) {
    case TAG_VEHICLE_ID:
        rd_copy(&v, e->vehicle_id, sizeof e->vehicle_id);
        return ERR_OK;
    case TAG_OPTIONS_1:
        e->options_1 = rd_u8(&v);
        return ERR_OK;
    case TAG_OPTIONS_2:
        e->options_2 = rd_u8(&v);
        return e->options_2 & ENDPOINT_RESERVED ? ERR_BAD_ARGUMENT : ERR_OK;
    case TAG_VERSION:
        e->version = rd_be16(&v);
        return ERR_OK;
    case TAG_VEHICLE_PK:
        rd_copy(&v, e->vehicle_pk, P256_POINT);
        return ERR_OK;
    case TAG_AUTHORIZED_PK:
        rd_copy(&v, e->authorized_pk, P256_POINT);
        return ERR_OK;
    case TAG_CONFIDENTIAL_SIZE:
        e->confidential_size = rd_be16(&v);
        return ERR_OK;
    case TAG_PRIVATE_SIZE:
        e->private_size = rd_be16(&v);
        return ERR_OK;
    case TAG_NOT_BEFORE:
        return parse_date(t->value, &e->not_before_s);
    case TAG_NOT_AFTER:
        return parse_date(t->value, &e->not_after_s);
    case TAG_SLOT:
        return slot_id_parse(t->value, &e->slot);
    case TAG_ENDPOINT_ID:
    case TAG_INSTANCE_CA_ID:
        return ERR_BAD_ARGUMENT;
    default: /* 57 (deprecated), 60 (later versions) */
        return ERR_OK;
    }
}

enum err endpoint_creation_parse(struct span value, struct endpoint_creation *out)
{
    static const uint16_t mandatory[] = {TAG_VEHICLE_ID, TAG_OPTIONS_1,         TAG_OPTIONS_2,
                                         TAG_VERSION,    TAG_VEHICLE_PK,        TAG_AUTHORIZED_PK,
                                         TAG_SLOT,       TAG_CONFIDENTIAL_SIZE, TAG_PRIVATE_SIZE};
    static const uint16_t optional[] = {TAG_NOT_BEFORE, TAG_NOT_AFTER};
    struct endpoint_creation e = {0};
    struct rd r = rd_of(value.p, value.len);
    struct tlv t;
    enum err bad;
    while (tlv_next(&r, &t)) {
        if ((bad = take(&t, &e)))
            return bad;
    }
    if (r.failed)
        return ERR_TRUNCATED;
    for (size_t i = 0; i < sizeof mandatory / sizeof mandatory[0]; i++)
        if ((bad = tlv_find_once(value, mandatory[i], &t)))
            return bad;
    for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++)
        if ((bad = tlv_find_once(value, optional[i], &t)) && bad != ERR_NOT_FOUND)
            return bad;
    if (e.not_before_s && e.not_after_s && e.not_after_s <= e.not_before_s)
        return ERR_BAD_ARGUMENT;
    *out = e;
    return ERR_OK;
}

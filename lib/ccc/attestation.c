#include "lib/ccc/attestation.h"

#include <string.h>

#include "lib/ccc/tlv.h"

enum {
    TAG_STATEMENT = 0x7F2B,
    TAG_VERSION = 0x41,
    TAG_KEY_ID = 0x92,
    TAG_VEHICLE_ID = 0x4D,
    TAG_SLOT = 0x4E,
    TAG_DEVICE_PK = 0x5A,
    TAG_OEM_DATA = 0xC2,
    TAG_ISSUED = 0xC3,
    TAG_USAGE = 0x93,
    TAG_SIGNATURE = 0x9E,
    TAG_UI_BUNDLE = 0xC0
};
enum { VERSION = 1 };

static void put_statement(struct wr *w, const struct attestation *a, enum attestation_usage usage)
{
    const uint8_t version = VERSION;
    uint8_t inside[ATTESTATION_LONG];
    struct wr i = wr_of(inside, sizeof inside);
    tlv_put(&i, TAG_VERSION, span_of(&version, 1));
    tlv_put(&i, TAG_KEY_ID, span_of(a->key_id, sizeof a->key_id));
    tlv_put(&i, TAG_VEHICLE_ID, span_of(a->vehicle_id, sizeof a->vehicle_id));
    tlv_put(&i, TAG_SLOT, slot_id_span(&a->slot));
    if (usage == ATTESTATION_OF_VEHICLE)
        tlv_put(&i, TAG_DEVICE_PK, span_of(a->device_pk, P256_POINT));
    if (usage == ATTESTATION_TERMINATED)
        tlv_put(&i, TAG_OEM_DATA, a->oem);
    if (usage == ATTESTATION_RESUMED) {
        tlv_put_header(&i, TAG_ISSUED, 8);
        wr_be64(&i, (uint64_t)a->issued_s);
    }
    tlv_put_header(&i, TAG_USAGE, 4);
    wr_be32(&i, (uint32_t)usage);
    tlv_put(w, TAG_STATEMENT, span_of(inside, i.len));
    w->failed |= i.failed;
}

enum err attestation_make(struct crypto *c, const struct attestation *a, enum attestation_usage usage,
                          const struct p256_key *key, struct wr *out)
{
    uint8_t buf[ATTESTATION_LONG], signature[SIGNATURE_SIZE];
    struct wr w = wr_of(buf, sizeof buf);
    /* 7F2B, 9E */
    put_statement(&w, a, usage);
    enum err e = w.failed || a->oem.len > ATTESTATION_OEM_MAX
                     ? ERR_NO_SPACE
                     : signature_make(c, span_of(buf, w.len), key, signature);
    if (e)
        return e;
    wr_copy(out, buf, w.len);
    tlv_put(out, TAG_SIGNATURE, span_of(signature, sizeof signature));
    return out->failed ? ERR_NO_SPACE : ERR_OK;
}

static enum err read_statement(struct span in, enum attestation_usage usage, struct attestation *out)
{
    struct attestation a = {0};
    struct span version, key_id, vehicle_id, device_pk, issued, wanted;
    struct tlv slot, oem;
    if (tlv_find_exact(in, TAG_VERSION, 1, &version) || version.p[0] != VERSION ||
        tlv_find_exact(in, TAG_KEY_ID, ENDPOINT_KEY_ID, &key_id) ||
        tlv_find_exact(in, TAG_VEHICLE_ID, TRANSACTION_VEHICLE_ID, &vehicle_id) ||
        tlv_find_once(in, TAG_SLOT, &slot) || slot_id_parse(slot.value, &a.slot) ||
        tlv_find_exact(in, TAG_USAGE, 4, &wanted))
        return ERR_MSG_MALFORMED;
    struct rd u = rd_of(wanted.p, wanted.len);
    if (rd_be32(&u) != (uint32_t)usage)
        return ERR_CERT_PURPOSE;
    if (usage == ATTESTATION_OF_VEHICLE) {
        if (tlv_find_exact(in, TAG_DEVICE_PK, P256_POINT, &device_pk))
            return ERR_MSG_MALFORMED;
        memcpy(a.device_pk, device_pk.p, P256_POINT);
    }
    if (usage == ATTESTATION_TERMINATED) {
        if (tlv_find_once(in, TAG_OEM_DATA, &oem) || oem.value.len > ATTESTATION_OEM_MAX)
            return ERR_MSG_MALFORMED;
        a.oem = oem.value;
    }
    if (usage == ATTESTATION_RESUMED) {
        if (tlv_find_exact(in, TAG_ISSUED, 8, &issued))
            return ERR_MSG_MALFORMED;
        u = rd_of(issued.p, issued.len);
        a.issued_s = (int64_t)rd_be64(&u);
    }
    memcpy(a.key_id, key_id.p, key_id.len);
    memcpy(a.vehicle_id, vehicle_id.p, vehicle_id.len);
    *out = a;
    return ERR_OK;
}

enum err attestation_open(struct crypto *c, struct span in, enum attestation_usage usage,
                          const uint8_t signer[P256_POINT], struct attestation *out, size_t *used)
{
    struct rd r = rd_of(in.p, in.len);
    struct tlv statement, signature;
    struct attestation a;
    struct p256_key *key;
    if (!tlv_next(&r, &statement) || statement.tag != TAG_STATEMENT || !tlv_next(&r, &signature) ||
        signature.tag != TAG_SIGNATURE || signature.value.len != SIGNATURE_SIZE)
        return ERR_MSG_MALFORMED;
    enum err e = p256_from_public(c, signer, &key);
    if (e)
        return e;
    e = signature_check(c, statement.whole, key, signature.value.p);
    p256_free(key);
    if (!e)
        e = read_statement(statement.value, usage, &a);
    if (e)
        return e;
    *out = a;
    *used = statement.whole.len + signature.whole.len;
    return ERR_OK;
}

enum err attestation_peek(struct span in, uint32_t *usage, size_t *len)
{
    struct rd r = rd_of(in.p, in.len);
    struct span wanted;
    struct tlv statement;
    uint16_t tag;
    size_t whole;
    if (tlv_peek(in, &tag, &whole) || tag != TAG_STATEMENT)
        return ERR_MSG_MALFORMED;
    *len = whole + 2 + SIGNATURE_SIZE; /* 9E */
    if (*len > in.len)
        return ERR_TRUNCATED;
    if (!tlv_next(&r, &statement) || tlv_find_exact(statement.value, TAG_USAGE, 4, &wanted))
        return ERR_MSG_MALFORMED;
    struct rd u = rd_of(wanted.p, wanted.len);
    *usage = rd_be32(&u);
    return ERR_OK;
}

bool attestation_same_key(const struct attestation *a, const struct attestation *b)
{
    return memcmp(a->key_id, b->key_id, sizeof a->key_id) == 0 &&
           memcmp(a->vehicle_id, b->vehicle_id, sizeof a->vehicle_id) == 0 &&
           slot_id_equal(&a->slot, &b->slot);
}

enum err attestation_check_receipt(struct crypto *c, struct span in, const uint8_t kts[P256_POINT],
                                   const struct attestation *expected)
{
    struct attestation a;
    size_t used;
    enum err e = attestation_open(c, in, ATTESTATION_RECEIPT, kts, &a, &used);
    if (e)
        return e;
    return attestation_same_key(&a, expected) ? ERR_OK : ERR_DK_ATTESTATION;
}

void receipt_put(struct wr *w, struct span receipt, struct span ui_bundle)
{
    wr_copy(w, receipt.p, receipt.len);
    tlv_put(w, TAG_UI_BUNDLE, ui_bundle);
}

enum err receipt_split(struct span in, struct span *receipt, struct span *ui_bundle)
{
    struct rd r = rd_of(in.p, in.len);
    struct tlv statement, signature, bundle;
    bool ok = tlv_next(&r, &statement) && statement.tag == TAG_STATEMENT && tlv_next(&r, &signature) &&
              signature.tag == TAG_SIGNATURE && tlv_next(&r, &bundle) && bundle.tag == TAG_UI_BUNDLE &&
              r.left == 0;
    if (!ok)
        return ERR_MSG_MALFORMED;
    *receipt = span_of(in.p, statement.whole.len + signature.whole.len);
    *ui_bundle = bundle.value;
    return ERR_OK;
}

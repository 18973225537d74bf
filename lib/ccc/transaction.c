#include "lib/ccc/transaction.h"

#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/tlv.h"

#define INFO_MAX 256

static struct span x_of(const uint8_t point[P256_POINT])
{
    return span_of(point + 1, 32);
}

void transaction_signed_data(const struct transaction *t, enum transaction_signer who,
                             uint8_t out[TRANSACTION_SIGNED])
{
    uint8_t usage[4];
    struct wr u = wr_of(usage, sizeof usage), w = wr_of(out, TRANSACTION_SIGNED);
    wr_be32(&u, (uint32_t)who);
    tlv_put(&w, 0x4D, span_of(t->vehicle_id, sizeof t->vehicle_id));
    tlv_put(&w, 0x86, x_of(t->endpoint_epk));
    tlv_put(&w, 0x87, x_of(t->vehicle_epk));
    tlv_put(&w, 0x4C, span_of(t->id, sizeof t->id));
    tlv_put(&w, 0x93, span_of(usage, sizeof usage));
}

enum err transaction_sign(struct crypto *c, const struct transaction *t, enum transaction_signer who,
                          const struct p256_key *key, uint8_t out[SIGNATURE_SIZE])
{
    uint8_t data[TRANSACTION_SIGNED];
    transaction_signed_data(t, who, data);
    return signature_make(c, span_of(data, sizeof data), key, out);
}

enum err transaction_verify(struct crypto *c, const struct transaction *t, enum transaction_signer who,
                            const struct p256_key *key, const uint8_t signature[SIGNATURE_SIZE])
{
    uint8_t data[TRANSACTION_SIGNED];
    transaction_signed_data(t, who, data);
    return signature_check(c, span_of(data, sizeof data), key, signature);
}

/* ---- keys ---- */

/* vehicle_ePK.x || endpoint_ePK.x || tid || interface || flag || label || 5C 02 version */
static struct span standard_info(const struct transaction *t, const char *label, uint8_t buf[INFO_MAX])
{
    struct wr w = wr_of(buf, INFO_MAX);
    wr_copy(&w, t->vehicle_epk + 1, 32);
    wr_copy(&w, t->endpoint_epk + 1, 32);
    wr_copy(&w, t->id, sizeof t->id);
    wr_u8(&w, (uint8_t)t->interface);
    wr_u8(&w, t->p1);
    wr_u8(&w, t->p2);
    wr_copy(&w, label, strlen(label));
    tlv_put(&w, 0x5C, span_of(t->version, sizeof t->version));
    if (t->versions_in_info && t->versions_len <= TRANSACTION_VERSIONS)
        tlv_put(&w, 0x5C, span_of(t->versions, t->versions_len));
    return span_of(buf, w.len);
}

enum err transaction_standard_keys(struct crypto *c, const struct transaction *t,
                                   const struct p256_key *own_ephemeral, const uint8_t peer_epk[P256_POINT],
                                   struct transaction_keys *keys,
                                   uint8_t kpersistent[TRANSACTION_KPERSISTENT])
{
    uint8_t zx[32], kdh[32], info[INFO_MAX], persistent[TRANSACTION_KPERSISTENT];
    struct transaction_keys k;
    _Static_assert(sizeof k == 48, "three keys and nothing between them");
    struct span root = {kdh, sizeof kdh};
    enum err e;
    /* Zx, Kdh */
    if ((e = p256_ecdh_x(c, own_ephemeral, peer_epk, zx)) ||
        (e = ccc_x963(c, span_of(zx, sizeof zx), span_of(t->id, sizeof t->id), kdh, sizeof kdh)))
        goto out;
    /* Kenc || Kmac || Krmac; Kpersistent (listing 15-20) */
    if ((e = ccc_hkdf(c, root, standard_info(t, "Volatile", info), k.kenc, sizeof k)) ||
        (e = ccc_hkdf(c, root, standard_info(t, "Persistent", info), persistent, sizeof persistent)))
        goto out;
    *keys = k;
    memcpy(kpersistent, persistent, sizeof persistent);
out:
    OPENSSL_cleanse(zx, sizeof zx);
    OPENSSL_cleanse(kdh, sizeof kdh);
    OPENSSL_cleanse(&k, sizeof k);
    OPENSSL_cleanse(persistent, sizeof persistent);
    return e;
}

enum err transaction_fast_keys(struct crypto *c, const struct transaction *t,
                               const uint8_t kpersistent[TRANSACTION_KPERSISTENT],
                               const uint8_t vehicle_pk[P256_POINT], const uint8_t device_pk[P256_POINT],
                               uint8_t cryptogram[CCC_KEY], struct transaction_keys *keys)
{
    static const char label[] = "VolatileFast";
    uint8_t info[INFO_MAX], okm[CCC_KEY + sizeof *keys];
    struct wr w = wr_of(info, sizeof info);
    if (t->versions_len > TRANSACTION_VERSIONS)
        return ERR_BAD_ARGUMENT;
    wr_copy(&w, vehicle_pk + 1, 32);
    wr_copy(&w, label, sizeof label - 1);
    wr_copy(&w, t->vehicle_id, sizeof t->vehicle_id);
    wr_copy(&w, device_pk + 1, 32);
    wr_u8(&w, (uint8_t)t->interface);
    tlv_put(&w, 0x5C, span_of(t->versions, t->versions_len));
    tlv_put(&w, 0x5C, span_of(t->version, sizeof t->version));
    wr_copy(&w, t->vehicle_epk + 1, 32);
    wr_copy(&w, t->id, sizeof t->id);
    wr_u8(&w, t->p1);
    wr_u8(&w, t->p2);
    wr_copy(&w, t->endpoint_epk + 1, 32);
    if (w.failed)
        return ERR_NO_SPACE;
    /* cryptogram || Kenc || Kmac || Krmac */
    enum err e =
        ccc_hkdf(c, span_of(kpersistent, TRANSACTION_KPERSISTENT), span_of(info, w.len), okm, sizeof okm);
    if (!e) {
        memcpy(cryptogram, okm, CCC_KEY);
        memcpy(keys, okm + CCC_KEY, sizeof *keys);
    }
    OPENSSL_cleanse(okm, sizeof okm);
    return e;
}

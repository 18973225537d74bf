#include "lib/uds/uds_security.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define DERIVE_K 0x01

static enum err cmac(struct crypto *c, const uint8_t key[UDS_SECRET], const struct wr *in,
                     uint8_t out[UDS_KEY])
{
    size_t len = 0;
    if (in->failed)
        return ERR_BAD_ARGUMENT;
    if (!EVP_Q_mac(crypto_openssl(c), "CMAC", NULL, "AES-128-CBC", NULL, key, UDS_SECRET, in->buf, in->len,
                   out, UDS_KEY, &len) ||
        len != UDS_KEY)
        return ERR_CRYPTO_FAILED;
    return ERR_OK;
}

enum err uds_security_ecu_key(struct crypto *c, const uint8_t m[UDS_SECRET], uint8_t level,
                              struct span serial, uint8_t k[UDS_SECRET])
{
    uint8_t buf[2 + UDS_SERIAL_MAX];
    struct wr in = wr_of(buf, sizeof buf);
    /* K = AES-CMAC(M, 01 || level || serial) */
    wr_u8(&in, DERIVE_K);
    wr_u8(&in, level);
    wr_copy(&in, serial.p, serial.len);
    return cmac(c, m, &in, k);
}

enum err uds_security_key(struct crypto *c, const uint8_t k[UDS_SECRET], uint8_t level,
                          const uint8_t seed[UDS_SEED], uint8_t key[UDS_KEY])
{
    uint8_t buf[UDS_SEED + 1];
    struct wr in = wr_of(buf, sizeof buf);
    /* key = AES-CMAC(K, seed || level) */
    wr_copy(&in, seed, UDS_SEED);
    wr_u8(&in, level);
    enum err e = cmac(c, k, &in, key);
    OPENSSL_cleanse(buf, sizeof buf);
    return e;
}

bool uds_security_seed_is_zero(const uint8_t seed[UDS_SEED])
{
    uint8_t any = 0;
    for (size_t i = 0; i < UDS_SEED; i++)
        any = (uint8_t)(any | seed[i]);
    return any == 0;
}

void uds_security_seed(struct crypto *c, uint8_t seed[UDS_SEED])
{
    do
        crypto_random(c, seed, UDS_SEED);
    while (uds_security_seed_is_zero(seed));
}

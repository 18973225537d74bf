/* The arithmetic of SPAKE2+ on the points of P-256. Internal to SPAKE2+: points come and go as 65 bytes,
 * scalars as 32, secrets stay in wiped memory and meet no branch.
 *
 * Errors: ERR_KEY_INVALID for bytes that are no point and a scalar that is 0 or too great, ERR_DK_EVIDENCE
 * where a result is at infinity, ERR_CRYPTO_FAILED. What is handed out is not to be used after an error. */
#ifndef lib_ccc_spake2p_points_h
#define lib_ccc_spake2p_points_h

#include "lib/crypto/p256.h"

/* out = scalar * point, or scalar * G for NULL. */
enum err spake2p_points_multiply(struct crypto *c, const uint8_t scalar[P256_SCALAR], const uint8_t *point,
                                 uint8_t out[P256_POINT]);

/* What one side computes of an exchange. A NULL leaves out what it stands for. */
struct spake2p_terms {
    const uint8_t *scalar;    /* x or y */
    const uint8_t *own_blind; /* of the own share: w0*M or w0*N */
    const uint8_t *peer;      /* the other's share */
    const uint8_t *blind;     /* of that */
    const uint8_t *other;     /* verifier: L; NULL: the peer's share without its blind once more */
    const uint8_t *scalar_v;
};
/* share = scalar*G + own_blind, z = scalar*(peer - blind), v = scalar_v*other; NULL for what is not wanted.
 */
enum err spake2p_points_compute(struct crypto *c, const struct spake2p_terms *t, uint8_t *share, uint8_t *z,
                                uint8_t *v);

#endif

/* SPAKE2+ as CCC uses it (CCC-TS-101 chapter 18; RFC 9383 with the differences listed in docs/ccc.md).
 *
 *   server   spake2p_derive, spake2p_register            password -> w0, w1 -> L
 *   device   spake2p_prover_begin -> X, then spake2p_prover_finish (Y, M[1]) -> M[2], keys
 *   vehicle  spake2p_verifier_begin (X) -> Y, M[1], then spake2p_verifier_finish (M[2]) -> keys
 *
 * Randomness is handed in. Each function works in locals and commits at the end; on an error nothing but
 * wiped memory is left. Points are 65 bytes, uncompressed, and checked to be on the curve. */
#ifndef lib_ccc_spake2p_h
#define lib_ccc_spake2p_h

#include "lib/ccc/primitives.h"

#define SPAKE2P_SALT         16
#define SPAKE2P_HALF         40 /* bytes of each half of scrypt's output */
#define SPAKE2P_EVIDENCE     16
#define SPAKE2P_ATTEMPTS_MAX 7  /* per password, counted by the vehicle before VERIFY */
#define SPAKE2P_VERSIONS_MAX 96 /* the two version TLVs together, bytes */

/* Bounds that a device accepts, so that a hostile reader cannot burn its memory (a choice, docs/ccc.md). */
#define SPAKE2P_N_MIN 4096
#define SPAKE2P_N_MAX 65536
#define SPAKE2P_R     8
#define SPAKE2P_P     1

struct spake2p_scrypt {
    uint8_t salt[SPAKE2P_SALT];
    uint32_t n;
    uint16_t r, p;
};

/* System keys (listing 18-9). */
struct spake2p_keys {
    uint8_t kenc[CCC_KEY], kmac[CCC_KEY], krmac[CCC_KEY];
    uint8_t long_term_shared_secret[CCC_KEY];
    uint8_t kble_intro[CCC_KEY], kble_oob_master[CCC_KEY];
};

/* What the vehicle stores; w1 and the password never reach it. */
struct spake2p_verifier_set {
    uint8_t w0[P256_SCALAR];
    uint8_t l[P256_POINT];
    uint8_t w0_m[P256_POINT],
        w0_n[P256_POINT]; /* w0*M and w0*N, computed when stored: two multiplications less later */
};

struct spake2p_prover_set {
    uint8_t w0[P256_SCALAR], w1[P256_SCALAR];
    uint8_t w0_m[P256_POINT], w0_n[P256_POINT];
};

bool spake2p_scrypt_acceptable(const struct spake2p_scrypt *s);
/* scrypt, then both scalars. The digit rule of the password is the caller's. */
enum err spake2p_derive(struct crypto *c, struct span password, const struct spake2p_scrypt *s,
                        uint8_t w0[P256_SCALAR], uint8_t w1[P256_SCALAR]);
/* L = w1*G, and the points that go with w0. */
enum err spake2p_register(struct crypto *c, const uint8_t w0[P256_SCALAR], const uint8_t w1[P256_SCALAR],
                          struct spake2p_verifier_set *out);
/* For a vehicle that was sent w0 and L. ERR_KEY_INVALID when they are out of range. */
enum err spake2p_verifier_set_make(struct crypto *c, const uint8_t w0[P256_SCALAR],
                                   const uint8_t l[P256_POINT], struct spake2p_verifier_set *out);
enum err spake2p_prover_set_make(struct crypto *c, const uint8_t w0[P256_SCALAR],
                                 const uint8_t w1[P256_SCALAR], struct spake2p_prover_set *out);

/* One exchange, either side. Wipe it when it is over. */
struct spake2p {
    uint8_t scalar[P256_SCALAR];
    uint8_t x[P256_POINT], y[P256_POINT];
    uint8_t sk[CCC_KEY], evidence[SPAKE2P_EVIDENCE]; /* vehicle: the M[2] that must come */
    uint8_t versions[SPAKE2P_VERSIONS_MAX];
    size_t versions_len;
};
void spake2p_wipe(struct spake2p *s);

/* The two TLVs 5B and 5C of the REQUEST, exactly as they travelled. ERR_NO_SPACE. */
enum err spake2p_set_versions(struct spake2p *s, struct span tlv_5b, struct span tlv_5c);

/* X = x*G + w0*M. */
enum err spake2p_prover_begin(struct crypto *c, struct spake2p *s, const struct spake2p_prover_set *set,
                              const uint8_t random[P256_SCALAR]);
/* Checks Y and M[1]; gives M[2] and the keys. ERR_KEY_INVALID for a bad Y, ERR_SIGNATURE_INVALID for wrong
 * evidence, ERR_DK_EVIDENCE for Y = w0*N (Z and V would be at infinity). */
enum err spake2p_prover_finish(struct crypto *c, struct spake2p *s, const struct spake2p_prover_set *set,
                               const uint8_t y[P256_POINT], const uint8_t m1[SPAKE2P_EVIDENCE],
                               uint8_t m2[SPAKE2P_EVIDENCE], struct spake2p_keys *keys);

/* Y = y*G + w0*N, and M[1]. ERR_KEY_INVALID for a bad X; ERR_DK_EVIDENCE for X = w0*M, which is wrong
 * evidence and not a wrong point: the abort's reason is 09. */
enum err spake2p_verifier_begin(struct crypto *c, struct spake2p *s, const struct spake2p_verifier_set *set,
                                const uint8_t x[P256_POINT], const uint8_t random[P256_SCALAR],
                                uint8_t m1[SPAKE2P_EVIDENCE]);
/* Checks M[2]; gives the keys. ERR_SIGNATURE_INVALID; ERR_MSG_OUT_OF_ORDER without an exchange begun. */
enum err spake2p_verifier_finish(struct crypto *c, struct spake2p *s, const uint8_t m2[SPAKE2P_EVIDENCE],
                                 struct spake2p_keys *keys);

/* Parts of the above, for vectors: w = (z mod (n - 1)) + 1, Z and V of the vehicle, K of a transcript. */
void spake2p_scalar(const uint8_t z[SPAKE2P_HALF], uint8_t w[P256_SCALAR]);
enum err spake2p_verifier_points(struct crypto *c, const struct spake2p_verifier_set *set,
                                 const uint8_t x[P256_POINT], const uint8_t random[P256_SCALAR],
                                 uint8_t z[P256_POINT], uint8_t v[P256_POINT]);
void spake2p_transcript_key(struct crypto *c, const uint8_t x[P256_POINT], const uint8_t y[P256_POINT],
                            const uint8_t z[P256_POINT], const uint8_t v[P256_POINT],
                            const uint8_t w0[P256_SCALAR], uint8_t k[SHA256_SIZE]);

#endif

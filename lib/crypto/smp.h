/* Cryptography of Bluetooth LE: pairing by LE Secure Connections and private addresses (Core Specification,
 * volume 3 part H, 2.2), encryption of a link (volume 6 part B, 2.7, and part E). Values are as in the
 * specification's formulas, most significant octet first. */
#ifndef lib_crypto_smp_h
#define lib_crypto_smp_h

#include "lib/crypto/p256.h"

#define SMP_KEY     16 /* octets of keys, nonces, confirm and random values */
#define SMP_X       32 /* x coordinate of a public key */
#define SMP_DEVICE  7  /* 00 public or 01 random, then the address */
#define SMP_IO      3  /* AuthReq, OOB data flag, IO capability */
#define SMP_PRIVATE 3  /* half of a private address */
#define SMP_NONCE   13 /* packet counter and direction (5, least significant first), IV (8, the same) */
#define SMP_MIC     4

/* Confirm value of two public keys: AES-CMAC_x(u || v || z). Out of band: both keys are one's own, z 0. */
enum err smp_f4(struct crypto *c, const uint8_t u[SMP_X], const uint8_t v[SMP_X], const uint8_t x[SMP_KEY],
                uint8_t z, uint8_t out[SMP_KEY]);
/* MacKey and LTK from the Diffie-Hellman key; the caller wipes both. */
enum err smp_f5(struct crypto *c, const uint8_t dh[SMP_X], const uint8_t n1[SMP_KEY],
                const uint8_t n2[SMP_KEY], const uint8_t a1[SMP_DEVICE], const uint8_t a2[SMP_DEVICE],
                uint8_t mac_key[SMP_KEY], uint8_t ltk[SMP_KEY]);
/* DHKey check. */
enum err smp_f6(struct crypto *c, const uint8_t mac_key[SMP_KEY], const uint8_t n1[SMP_KEY],
                const uint8_t n2[SMP_KEY], const uint8_t r[SMP_KEY], const uint8_t io[SMP_IO],
                const uint8_t a1[SMP_DEVICE], const uint8_t a2[SMP_DEVICE], uint8_t out[SMP_KEY]);

/* e: one block of AES-128. */
enum err smp_e(struct crypto *c, const uint8_t key[SMP_KEY], const uint8_t in[SMP_KEY], uint8_t out[SMP_KEY]);
/* ah: the second half of a private address from its first, prand. */
enum err smp_ah(struct crypto *c, const uint8_t irk[SMP_KEY], const uint8_t prand[SMP_PRIVATE],
                uint8_t out[SMP_PRIVATE]);
/* A new resolvable private address. */
enum err smp_private_address(struct crypto *c, const uint8_t irk[SMP_KEY], uint8_t out[2 * SMP_PRIVATE]);
/* Was it made with this IRK? False for an address of another kind, too. */
bool smp_resolves(struct crypto *c, const uint8_t irk[SMP_KEY], const uint8_t address[2 * SMP_PRIVATE]);

/* AES-CCM of one packet; out holds plain.len + SMP_MIC octets. */
enum err smp_seal(struct crypto *c, const uint8_t key[SMP_KEY], const uint8_t nonce[SMP_NONCE],
                  uint8_t header, struct span plain, uint8_t *out);
/* out holds sealed.len - SMP_MIC octets, and nothing of use on an error. ERR_SIGNATURE_INVALID. */
enum err smp_open(struct crypto *c, const uint8_t key[SMP_KEY], const uint8_t nonce[SMP_NONCE],
                  uint8_t header, struct span sealed, uint8_t *out);

#endif

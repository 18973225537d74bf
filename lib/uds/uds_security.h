/* Seed and key of SecurityAccess (27): what an ECU and its tester compute.
 *
 * Each plant or workshop has a secret M that never lies in an ECU. From M follows the key K of one level of
 * one ECU, given to the ECU at the start of its life; who has M derives K from the serial that the ECU tells
 * (DID F18C):
 *
 *     K   = AES-CMAC(M, 01 || level || serial)
 *     key = AES-CMAC(K, seed || level)
 *
 * level is the odd subfunction that asks for the seed. The caller wipes what it is given. */
#ifndef lib_uds_uds_security_h
#define lib_uds_uds_security_h

#include "lib/crypto/p256.h"
#include "lib/uds/uds.h"

#define UDS_SECRET     16 /* M, K */
#define UDS_SEED       16
#define UDS_KEY        16
#define UDS_SERIAL_MAX 32

/* ERR_BAD_ARGUMENT for a serial above UDS_SERIAL_MAX, ERR_CRYPTO_FAILED. */
enum err uds_security_ecu_key(struct crypto *c, const uint8_t m[UDS_SECRET], uint8_t level,
                              struct span serial, uint8_t k[UDS_SECRET]);
/* The answer to a seed. */
enum err uds_security_key(struct crypto *c, const uint8_t k[UDS_SECRET], uint8_t level,
                          const uint8_t seed[UDS_SEED], uint8_t key[UDS_KEY]);
/* Never all zero: that is how a server says that the level is open. */
void uds_security_seed(struct crypto *c, uint8_t seed[UDS_SEED]);
bool uds_security_seed_is_zero(const uint8_t seed[UDS_SEED]);

#endif

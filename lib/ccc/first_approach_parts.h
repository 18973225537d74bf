/* A part of a message of the first approach, at either end: payload || nonce || tag. */
#ifndef lib_ccc_first_approach_parts_h
#define lib_ccc_first_approach_parts_h

#include "lib/ccc/first_approach.h"

enum err first_approach_put_part(struct crypto *c, const uint8_t key[CCC_KEY],
                                 const uint8_t nonce[FIRST_APPROACH_NONCE], struct span plain, uint8_t *out);
/* `len` bytes of payload. ERR_SIGNATURE_INVALID. */
enum err first_approach_take_part(struct crypto *c, const uint8_t key[CCC_KEY], const uint8_t *in, size_t len,
                                  uint8_t *out);

#endif

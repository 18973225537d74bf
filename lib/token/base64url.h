/* base64url without padding (RFC 4648, 5; RFC 7515, 2), strict: one text for each run of bytes. */
#ifndef lib_token_base64url_h
#define lib_token_base64url_h

#include "lib/base/bytes.h"

/* Characters for len bytes. */
#define BASE64URL_LEN(len) ((4 * (len) + 2) / 3)

/* Writes BASE64URL_LEN(in.len) characters, no zero. */
void base64url_encode(struct span in, struct wr *out);
/* Bytes decoded, or -1: another character, a length that cannot be, bits that no byte has, more than cap. */
long base64url_decode(struct span text, uint8_t *out, size_t cap);

#endif

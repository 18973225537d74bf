/* BER-TLV as Digital Key uses it (CCC-TS-101, all data fields): tags of one or two bytes, definite lengths up
 * to 65535; read in any form, written in their shortest. Reader and builder never leave their buffers. */
#ifndef lib_ccc_tlv_h
#define lib_ccc_tlv_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"

/* Takes the next TLV. False at the end, and on bad syntax with r->failed set. `whole` is the TLV with its
 * header. */
struct tlv {
    uint16_t tag;
    struct span value, whole;
};
bool tlv_next(struct rd *r, struct tlv *out);
/* Tag and whole length of the TLV that in begins with, though in may end before it does. ERR_TRUNCATED when
 * even its header is not all there or is none. */
enum err tlv_peek(struct span in, uint16_t *tag, size_t *whole);
/* The first TLV with that tag at this level; unknown ones are skipped. ERR_NOT_FOUND, ERR_TRUNCATED. */
enum err tlv_find(struct span in, uint16_t tag, struct tlv *out);
/* The same, and ERR_TRAILING_BYTES when the tag comes twice, ERR_TRUNCATED when anything behind it is not a
 * TLV. */
enum err tlv_find_once(struct span in, uint16_t tag, struct tlv *out);
/* tlv_find_once for a value of exactly len bytes; ERR_BAD_ARGUMENT for another length. */
enum err tlv_find_exact(struct span in, uint16_t tag, size_t len, struct span *value);
/* Every tag at this level is known by itself and nothing is left over. */
bool tlv_well_formed(struct span in);

void tlv_put(struct wr *w, uint16_t tag, struct span value);
/* Header for a value of that length, which the caller puts next. */
void tlv_put_header(struct wr *w, uint16_t tag, size_t len);

#endif

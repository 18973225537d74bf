/* What vehicle and device framework say to each other in owner pairing: data fields of SELECT (table 5-3),
 * SPAKE2+ REQUEST (5-4, 5-5), SPAKE2+ VERIFY (5-7, 5-8), and the codes of OP CONTROL FLOW.
 *
 * A put function writes a data field; a parse function takes TLVs in any order, skips those it does not know
 * and commits only when all that must be there is. Errors of all parse functions: ERR_NOT_FOUND (a TLV is
 * missing), ERR_BAD_ARGUMENT (a length or value is not allowed), ERR_TRUNCATED (not TLVs), and
 * ERR_TRAILING_BYTES (the same TLV twice). */
#ifndef lib_ccc_op_message_h
#define lib_ccc_op_message_h

#include "lib/ccc/apdu.h"
#include "lib/ccc/spake2p.h"

#define OP_VERSIONS 32 /* most versions that we keep of one list */

/* Version numbers, 0x0100 = 1.0, highest first. */
struct op_versions {
    uint16_t v[OP_VERSIONS];
    size_t n;
};
/* The first of ours that is also theirs; 0 when there is none. */
uint16_t op_versions_common(const struct op_versions *ours, const struct op_versions *theirs);
bool op_versions_has(const struct op_versions *v, uint16_t version);
/* The list as the value of a TLV, 2 bytes each; and back (ERR_BAD_ARGUMENT: empty or odd). Of a longer list
 * the first OP_VERSIONS are taken, which are the highest. */
void op_versions_put(struct wr *w, uint16_t tag, const struct op_versions *v);
void op_versions_put_value(struct wr *w, const struct op_versions *v);
enum err op_versions_parse(struct span value, struct op_versions *out);

/* Answer to SELECT framework. */
struct op_select {
    struct op_versions framework, applet; /* 5A, 5C */
    bool ready;                           /* D4 = 02: pairing mode and password entered; else not */
};
void op_select_put(struct wr *w, const struct op_select *s);
enum err op_select_parse(struct span data, struct op_select *out);

/* SPAKE2+ REQUEST. */
struct op_request {
    uint16_t version;          /* 5B, of SPAKE2+ */
    struct op_versions applet; /* 5C, all that the vehicle has */
    struct spake2p_scrypt scrypt;
    uint16_t brand;             /* D6 */
    struct span tlv_5b, tlv_5c; /* parse: the whole TLVs as they stand in data; they enter the evidence */
};
void op_request_put(struct wr *w, const struct op_request *r);
enum err op_request_parse(struct span data, struct op_request *out);

/* One value of fixed length under one tag: X (50), M[2] (58). */
enum err op_share_parse(struct span data, const uint8_t **x);
enum err op_evidence_parse(struct span data, const uint8_t **m2);
void op_share_put(struct wr *w, const uint8_t x[P256_POINT]);
void op_evidence_put(struct wr *w, const uint8_t m2[SPAKE2P_EVIDENCE]);

/* SPAKE2+ VERIFY: Y and M[1]. Pointers into data. */
void op_verify_put(struct wr *w, const uint8_t y[P256_POINT], const uint8_t m1[SPAKE2P_EVIDENCE]);
enum err op_verify_parse(struct span data, const uint8_t **y, const uint8_t **m1);

#endif

/* The two mailboxes of a key and their layout (CCC-TS-101, 4.3; table 5-13, tag 7F4D).
 *
 * private, one byte each unless said otherwise, every area ends where the next begins:
 *   signalling bitmap | slot bitmap | 8 slot identifiers | OEM data | attestation package | free
 * confidential: 8 immobilizer tokens; entry 0 is the active one of this key. */
#ifndef lib_ccc_mailbox_h
#define lib_ccc_mailbox_h

#include "lib/base/err.h"
#include "lib/ccc/op_message.h"

#define MAILBOX_SLOTS            8
#define MAILBOX_PRIVATE_MAX      2048 /* largest that our applet grants, bytes */
#define MAILBOX_CONFIDENTIAL_MAX 512

/* Where the areas of the private mailbox begin; the vehicle decides. */
struct mailbox_map {
    uint16_t signalling, slot_bitmap; /* D0 = 0, C0 = 1 */
    uint16_t slots;                   /* C1 */
    uint16_t oem;                     /* C2; when absent there is no OEM data */
    uint16_t attestation;             /* C3; when absent there is no attestation package */
    uint16_t end;                     /* D1: first free byte */
    uint8_t token_len;                /* D2: immobilizer token; 0: none */
};
/* 8-byte slots, 32 bytes of OEM data, 512 of attestation, 16-byte tokens (a choice, docs/ccc.md). */
extern const struct mailbox_map mailbox_map_default;
#define MAILBOX_DEFAULT_PRIVATE      0x0262
#define MAILBOX_DEFAULT_CONFIDENTIAL 0x0080

/* The value of 7F4D. Parse errors as in op_message.h. */
void mailbox_map_put(struct wr *w, const struct mailbox_map *m);
enum err mailbox_map_parse(struct span value, struct mailbox_map *out);
/* Order of areas, slot length, sizes. ERR_BAD_ARGUMENT. */
enum err mailbox_map_check(const struct mailbox_map *m, size_t slot_len, size_t private_size,
                           size_t confidential_size);
static inline uint16_t mailbox_attestation_size(const struct mailbox_map *m)
{
    return (uint16_t)(m->end - m->attestation);
}

/* Bits of the signalling bitmap (table 4-1). The side that consumes what a bit announces clears it. */
enum mailbox_signal {
    MAILBOX_SLOT_BITMAP_CHANGED = 0x01, /* device or vehicle */
    MAILBOX_SLOTS_WRITTEN = 0x02,       /* vehicle */
    MAILBOX_OEM_DATA = 0x04,            /* either */
    MAILBOX_ATTESTATION = 0x08          /* either */
};

/* Table 4-4: who reaches what in plaintext. The framework reaches the confidential mailbox only by import
 * under the endpoint's encryption key. */
enum mailbox_kind { MAILBOX_PRIVATE, MAILBOX_CONFIDENTIAL, MAILBOX_KINDS };
enum mailbox_party { MAILBOX_VEHICLE, MAILBOX_FRAMEWORK, MAILBOX_PARTIES };

/* Contents. All zero at first. */
struct mailboxes {
    uint16_t private_size, confidential_size;
    uint8_t private_area[MAILBOX_PRIVATE_MAX], confidential_area[MAILBOX_CONFIDENTIAL_MAX];
};
/* Bytes offset..offset+len of a mailbox; NULL when they are not all inside. */
uint8_t *mailbox_at(struct mailboxes *m, enum mailbox_kind kind, size_t offset, size_t len);
/* The same for one of the parties: ERR_DK_ACCESS when table 4-4 keeps it out, ERR_BAD_ARGUMENT outside. */
enum err mailbox_reach(struct mailboxes *m, enum mailbox_party party, enum mailbox_kind kind, size_t offset,
                       size_t len, uint8_t **out);

#endif

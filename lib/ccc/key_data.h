/* The blocks that the vehicle brings to the device by WRITE DATA: key creation data [L] (table 5-11) in the
 * first NFC transaction, an attestation (table 5-12) in the second.
 *
 * A block is a row of TLVs ending with 5F5F, cut into pieces of up to 239 bytes at any byte. The vehicle
 * writes a block whole and takes pieces off it; the device adds pieces to a block and checks after each what
 * can be checked. */
#ifndef lib_ccc_key_data_h
#define lib_ccc_key_data_h

#include "lib/ccc/device_config.h"
#include "lib/ccc/endpoint.h"
#include "lib/ccc/mailbox.h"

#define KEY_DATA_MAX 2560 /* longest block that our device takes, bytes */

enum { KEY_DATA_TAG_ATTESTATION = 0x5F5A }; /* also the form in which it lies in KeyAtt */

struct key_data {
    struct endpoint_creation creation; /* 7F4A */
    struct span vehicle_certificate;   /* 7F4B: [K], DER */
    struct span intermediate;          /* 7F4C: between [K] and the root; empty: none */
    struct mailbox_map map;            /* 7F4D */
    struct device_config config;       /* 7F4E */
};

enum key_data_block { KEY_DATA_CREATION, KEY_DATA_ATTESTATION };

struct key_data_buffer {
    uint8_t bytes[KEY_DATA_MAX];
    size_t len;
    size_t taken; /* vehicle: already sent */
};

/* Vehicle. ERR_NO_SPACE when the block is longer than a device must take. */
enum err key_data_put(struct key_data_buffer *b, const struct key_data *k);
enum err key_data_put_attestation(struct key_data_buffer *b, struct span attestation);
/* The next piece; *last is WRITE DATA's P1 = 80. Empty when nothing is left. */
struct span key_data_piece(struct key_data_buffer *b, bool *last);

/* Device: adds a piece. ERR_NO_SPACE (SW 6A84); ERR_MSG_MALFORMED for a tag that is unknown or came before,
 * a 5F5F with content or not at the end, and, with `last`, for an incomplete TLV (SW 6A80). On an error the
 * buffer is emptied. */
enum err key_data_add(struct key_data_buffer *b, enum key_data_block kind, struct span piece, bool last);
/* A complete block into its parts, which point into it. ERR_DK_KEY_DATA when something is missing or wrong:
 * syntax, mailbox layout against slot and sizes, room for the attestations that the configuration allows and
 * for what AUTH1 shall return. */
enum err key_data_parse(struct span block, struct key_data *out);
/* {NULL, 0} when the block brings none. */
struct span key_data_attestation(struct span block);

#endif

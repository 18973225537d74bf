/* The card key: a contactless card (ISO 7816-4, short form) that stands in for the key fob. It is the OEM's
 * own and no Digital Key; what both ends, card (card_chip.h) and vehicle (card_check.h), must agree on stands
 * here.
 *
 *   command                                  answer, and its status word
 *   SELECT 00 A4 04 00, CARD_AID             80 03: version, length of the certificate (2 bytes)
 *   READ BINARY 00 B0, offset in P1 P2       the certificate from there on, CARD_PIECE bytes or what is left
 *   INTERNAL AUTHENTICATE 00 88 00 00,       a signature r || s over context, purpose, challenge, length of
 * the purpose (1), challenge (32)            vehicle's name (1), name
 *
 * The AID is of the kind that ISO 7816-5 leaves unregistered (F in front). The certificate stands below
 * J_PhysicalKey (X509_CARD_KEY) and has the name of one vehicle, its serial, as its subject. A card signs for
 * no other name than that; nothing that it says is a secret, and no answer serves twice: the challenge is the
 * vehicle's, fresh and random. What it does not stop: a relay that carries APDUs to a card far away. */
#ifndef lib_card_card_h
#define lib_card_card_h

#include "lib/ccc/apdu.h"
#include "lib/ccc/signature.h"
#include "lib/pki/x509.h"

#define CARD_VERSION     1
#define CARD_AID         11
#define CARD_CHALLENGE   32
#define CARD_PROOF       SIGNATURE_SIZE
#define CARD_PIECE       256 /* bytes of the certificate in one answer */
#define CARD_COMMAND_MAX (5 + 1 + CARD_CHALLENGE + 1)

extern const uint8_t card_aid[CARD_AID];

enum card_instruction { CARD_INTERNAL_AUTHENTICATE = 0x88, CARD_READ_BINARY = 0xB0 };

/* What a signature is good for. */
enum card_purpose { CARD_PAIRING = 1 }; /* OP-02: in the place of the key fob */

/* Answer to SELECT. */
struct card_hello {
    uint8_t version;
    uint16_t certificate_len; /* 1 to X509_MAX */
};
void card_hello_put(struct wr *w, const struct card_hello *h);
/* Data without the status word; tags of a later version are skipped. ERR_CARD_ANSWER: no such answer, another
 * version, a length out of its range. */
enum err card_hello_parse(struct span data, struct card_hello *out);

/* `vehicle`: 1 to X509_CN_MAX characters. Errors of p256_sign. */
enum err card_sign(struct crypto *c, const struct p256_key *key, enum card_purpose purpose,
                   const uint8_t challenge[CARD_CHALLENGE], const char *vehicle, uint8_t out[CARD_PROOF]);
/* ERR_CARD_PROOF; ERR_KEY_INVALID when the point is none of the curve. */
enum err card_verify(struct crypto *c, const uint8_t point[P256_POINT], enum card_purpose purpose,
                     const uint8_t challenge[CARD_CHALLENGE], const char *vehicle,
                     const uint8_t proof[CARD_PROOF]);

#endif

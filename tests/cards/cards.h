/* What pad and token say to each other over NFC, ISO 7816-4 in short form. A token selects, and proves with
 * an HMAC that it holds the key of the site. */
#ifndef tests_cards_cards_h
#define tests_cards_cards_h

#include "lib/env/env.h"

#define CARDS_KEY       32 /* of the site: the plant gives it to both */
#define CARDS_CHALLENGE 16
#define CARDS_ID        4
#define CARDS_MAC       SHA256_SIZE
#define CARDS_HEADER    4
#define CARDS_OK        0x9000u
#define CARDS_NO_DATA   0x6A88u
#define CARDS_NO_INS    0x6D00u

enum cards_ins { CARDS_PROVE = 0x11, CARDS_GIVE = 0x22, CARDS_SELECT = 0xA4 };
/* Second parameter of CARDS_GIVE: the key of the site raw or as hex text, the token's own secret. */
enum cards_give { CARDS_GIVE_KEY, CARDS_GIVE_HEX, CARDS_GIVE_OWN };

#define CARDS_STORE_KEY "site/key"
#define CARDS_STORE_OWN "own/secret"

extern const struct component_class pad_class, token_class;

/* HMAC with SHA-256 (RFC 2104) for keys of CARDS_KEY bytes. */
void cards_mac(const uint8_t key[CARDS_KEY], struct span message, uint8_t out[CARDS_MAC]);
/* What a proof is made with: the challenge, hashed so often that it takes a while. */
void cards_stretch(const uint8_t challenge[CARDS_CHALLENGE], uint64_t rounds, uint8_t out[SHA256_SIZE]);

#endif

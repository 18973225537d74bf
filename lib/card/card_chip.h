/* The card's end of the card key. It answers whatever comes, and keeps nothing from one command to the next
 * but whether it is selected. */
#ifndef lib_card_card_chip_h
#define lib_card_card_chip_h

#include "lib/card/card.h"

struct card_chip {
    struct crypto *crypto;
    const struct p256_key *key;    /* borrowed */
    struct span certificate;       /* borrowed */
    char vehicle[X509_CN_MAX + 1]; /* whose key it is: the certificate's subject */
    bool selected;
};

/* ERR_DER_SYNTAX, ERR_CERT_PROFILE and the like: not a certificate. Whether the key fits it is the vehicle's
 * to find out. */
enum err card_chip_init(struct card_chip *c, struct crypto *crypto, const struct p256_key *key,
                        struct span certificate);
/* The field went off, or came. */
void card_chip_reset(struct card_chip *c);
/* Puts the answer with its status word; `out` holds APDU_RESPONSE_MAX bytes. Refusals: 6700 (no APDU, or of
 * another length), 6985 (not selected; no signature could be made), 6A80 (no such purpose), 6A82 (another
 * application: the card is deselected), 6B00 (P1 P2), 6D00, 6E00. */
void card_chip_input(struct card_chip *c, struct span command, struct wr *out);

#endif

/* The vehicle's end of the card key: is this card a key of this vehicle? One check is one SELECT, the
 * certificate in as few pieces as it takes, one challenge. Whatever the card says, a check ends after at most
 * 2 + X509_MAX / CARD_PIECE + 1 commands. */
#ifndef lib_card_card_check_h
#define lib_card_card_check_h

#include "lib/card/card.h"

struct card_check_config {
    struct crypto *crypto;
    const struct x509 *root; /* J_PhysicalKey; borrowed, trusted as it is */
    const char *vehicle;     /* its own name, 1 to X509_CN_MAX characters; borrowed */
    enum card_purpose purpose;
};

enum card_do {
    CARD_SEND,    /* the APDU; bring the answer */
    CARD_GENUINE, /* over: it has proved that it is a key of this vehicle */
    CARD_REFUSED  /* over: reason */
};

/* The APDU is valid until the next call. */
struct card_step {
    enum card_do what;
    struct span apdu;
    enum err reason;
};

/* Named after what is awaited. */
enum card_state { CARD_SELECTING, CARD_READING, CARD_PROVING, CARD_OVER };

struct card_check {
    struct card_check_config config;
    enum card_state state;
    uint8_t certificate[X509_MAX];
    size_t len, read; /* of it: announced, there */
    uint8_t point[P256_POINT];
    uint8_t challenge[CARD_CHALLENGE]; /* from CARD_PROVING on */
    uint8_t command[CARD_COMMAND_MAX];
    size_t command_len;
};

/* Promises: a name of that length, a root. */
struct card_step card_check_begin(struct card_check *c, const struct card_check_config *config);
/* The answer with its status word, at that time. Reasons: ERR_CARD_ANSWER (an error status, or not what was
 * asked for); of the certificate those of x509_parse and x509_check_chain, then ERR_CARD_OTHER_VEHICLE; of
 * the proof ERR_CARD_PROOF. After the end ERR_MSG_UNEXPECTED. */
struct card_step card_check_input(struct card_check *c, struct span answer, int64_t now_s);

#endif

/* The words of Bluetooth LE, read and written, for components and for the medium itself: what they mean
 * stands in lib/media/ble/ble.h. */
#ifndef lib_ble_words_h
#define lib_ble_words_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"

#define BLE_ADDRESS_TEXT 20  /* an address as text, with its end */
#define BLE_VALUE_MAX    64  /* octets of an attribute */
#define BLE_WORDS        240 /* longest words, with their end */
#define BLE_KEY          16  /* octets of an LTK, an IRK, a confirm value, a random value */

/* Most significant octet first. */
struct ble_address {
    uint8_t octets[6];
    bool random;
};

bool ble_address_equal(const struct ble_address *a, const struct ble_address *b);
void ble_address_write(const struct ble_address *a, char out[BLE_ADDRESS_TEXT]);
enum err ble_address_read(const char *text, struct ble_address *out);

/* 2 octets or 16. */
struct ble_uuid {
    size_t len;
    uint8_t octets[16];
};

/* verb, what follows it: A address, C confirm value or LTK or IRK, R random value (secret in news), K key
 * (secret in news), V octets or "-", U uuid, P two octets as a number in hex, B one octet in hex, N number,
 * S signed number, O "open" or "encrypted". */
#define BLE_TELL_LIST(X)                  \
    X(IDENTITY, "identity", "AC")         \
    X(OOB, "oob", "")                     \
    X(OOB_OF, "oob-of", "ACR")            \
    X(FORGET_OOB, "forget-oob", "A")      \
    X(ADVERTISE, "advertise", "AV")       \
    X(ADVERTISE_OFF, "advertise-off", "") \
    X(ATTRIBUTE, "attribute", "UOV")      \
    X(LISTEN, "listen", "PN")             \
    X(SCAN, "scan", "")                   \
    X(SCAN_OFF, "scan-off", "")           \
    X(CONNECT, "connect", "A")            \
    X(READ, "read", "U")                  \
    X(OPEN, "open", "PN")                 \
    X(PAIR, "pair", "")                   \
    X(DISCONNECT, "disconnect", "B")      \
    X(CLOSE_CHANNEL, "close-channel", "") \
    X(SECURITY, "security", "")           \
    X(ENCRYPT, "encrypt", "C")            \
    X(NO_KEY, "no-key", "")               \
    X(SIGNAL, "signal", "")

#define BLE_NEWS_LIST(X)                     \
    X(OOB, "oob", "CR")                      \
    X(HEARD, "heard", "SV")                  \
    X(UP, "up", "")                          \
    X(DOWN, "down", "B")                     \
    X(VALUE, "value", "UV")                  \
    X(NO_VALUE, "no-value", "UB")            \
    X(CHANNEL, "channel", "PN")              \
    X(NO_CHANNEL, "no-channel", "PN")        \
    X(CHANNEL_CLOSED, "channel-closed", "P") \
    X(SECURITY, "security", "LN")            \
    X(KEY_WANTED, "key-wanted", "")          \
    X(ENCRYPTED, "encrypted", "LN")          \
    X(NEW_LTK, "new-ltk", "LNK")             \
    X(NEW_IRK, "new-irk", "AK")              \
    X(AUTH_FAILED, "auth-failed", "B")       \
    X(SIGNAL, "signal", "S")

enum ble_tell {
#define X(name, verb, form) BLE_TELL_##name,
    BLE_TELL_LIST(X)
#undef X
        BLE_TELLS
};

enum ble_news {
#define X(name, verb, form) BLE_NEWS_##name,
    BLE_NEWS_LIST(X)
#undef X
        BLE_NEWSES
};

/* What stands behind a verb; which members count, its form says. */
struct ble_said {
    struct ble_address address;   /* A */
    uint8_t confirm[BLE_KEY];     /* C: also the LTK of "encrypt" and the IRK of "identity" */
    uint8_t key[BLE_KEY];         /* R, K */
    struct ble_uuid uuid;         /* U */
    uint8_t value[BLE_VALUE_MAX]; /* V */
    size_t value_len;
    uint16_t number; /* N: MTU, key size, result */
    uint16_t spsm;   /* P */
    uint8_t level;   /* L: security level, kind of an LTK */
    uint8_t reason;  /* B */
    int8_t signal;   /* S: dBm */
    bool encrypted;  /* O */
};

/* ERR_BAD_ARGUMENT for what is none; *out is whole or untouched. */
enum err ble_tell_read(const char *words, enum ble_tell *verb, struct ble_said *out);
enum err ble_news_read(const char *words, enum ble_news *verb, struct ble_said *out);
void ble_tell_write(enum ble_tell verb, const struct ble_said *said, char out[BLE_WORDS]);
void ble_news_write(enum ble_news verb, const struct ble_said *said, char out[BLE_WORDS]);

/* ---- as a record has them: BLE_HIDDEN in the place of each secret (LTK, IRK, random value) ---- */

#define BLE_HIDDEN "*"
/* "?" for what are no such words. */
void ble_words_hide(const char *words, bool news, char *out, size_t cap);
/* With these values in place of the hidden ones: what the random value or the key is, a C that is secret.
 * ERR_BAD_ARGUMENT: nothing that ble_words_hide writes. */
enum err ble_words_fill(const char *shown, bool news, const uint8_t key[BLE_KEY], char out[BLE_WORDS]);
/* The letters of what follows that verb; NULL: there is none. */
const char *ble_words_form(const char *verb, bool news);

#endif

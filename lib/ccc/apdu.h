/* Command and response APDUs (ISO 7816-4, short form) of the Digital Key framework and applet, and their
 * names. Longest data field 255 bytes; NFC readers take no extended lengths. */
#ifndef lib_ccc_apdu_h
#define lib_ccc_apdu_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"

#define APDU_DATA_MAX     255
#define APDU_COMMAND_MAX  (5 + APDU_DATA_MAX + 1)
#define APDU_RESPONSE_MAX 258 /* 256 bytes and the status word */

/* Class bytes on contactless and Bluetooth LE: SELECT, plain, secure messaging. */
enum apdu_class { APDU_CLA_ISO = 0x00, APDU_CLA_PLAIN = 0x80, APDU_CLA_SECURE = 0x84 };

enum apdu_instruction {
    APDU_SELECT = 0xA4,
    APDU_SPAKE2P_REQUEST = 0x30,
    APDU_SPAKE2P_VERIFY = 0x32,
    APDU_WRITE_DATA = 0xD4,
    APDU_GET_DATA = 0xCA,
    APDU_GET_RESPONSE = 0xC0,
    APDU_CONTROL_FLOW = 0x3C, /* OP CONTROL FLOW of the framework, CONTROL FLOW of the applet */
    APDU_AUTH0 = 0x80,
    APDU_AUTH1 = 0x81,
    APDU_EXCHANGE = 0xC9,
    APDU_CREATE_RANGING_KEY = 0x71
};

enum apdu_status {
    APDU_SW_OK = 0x9000,
    APDU_SW_MORE = 0x6100, /* low byte: bytes left, 0 = 256 or more */
    APDU_SW_WRONG_LENGTH = 0x6700,
    APDU_SW_SECURE_MESSAGING = 0x6982,
    APDU_SW_CONDITIONS = 0x6985,
    APDU_SW_WRONG_DATA = 0x6A80,
    APDU_SW_NOT_FOUND = 0x6A82,
    APDU_SW_NO_MEMORY = 0x6A84,
    APDU_SW_INVALID = 0x6A88,
    APDU_SW_WRONG_P1P2 = 0x6B00,
    APDU_SW_WRONG_LE = 0x6C00,
    APDU_SW_INS = 0x6D00,
    APDU_SW_CLA = 0x6E00,
    APDU_SW_NOT_READY = 0x9484
};

/* AIDs of framework and applet, 13 bytes. */
#define APDU_AID 13
extern const uint8_t apdu_aid_framework[APDU_AID], apdu_aid_applet[APDU_AID];

struct apdu_command {
    uint8_t cla, ins, p1, p2;
    struct span data; /* borrowed */
    bool has_le;      /* Le = 00 follows */
};

/* Cases 1 to 4 of ISO 7816-3, short. ERR_TRUNCATED, ERR_TRAILING_BYTES. Only Le = 00 is accepted. */
enum err apdu_command_parse(struct span in, struct apdu_command *out);
void apdu_command_put(struct wr *w, const struct apdu_command *c);
/* Splits a response; ERR_TRUNCATED without a status word. */
enum err apdu_response_parse(struct span in, struct span *data, uint16_t *sw);
void apdu_response_put(struct wr *w, struct span data, uint16_t sw);

const char *apdu_status_name(uint16_t sw);
/* One line for people: "SPAKE2+ REQUEST 80 30 00 00, 49 bytes: 5B(2) 5C(4) 7F50(32) D6(2)". */
#define APDU_LINE_MAX 240
void apdu_describe_command(struct span in, char out[APDU_LINE_MAX]);
/* "9000 ok, 67 bytes: 50(65)". */
void apdu_describe_response(struct span in, char out[APDU_LINE_MAX]);

#endif

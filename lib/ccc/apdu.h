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

/* P1 of OP CONTROL FLOW, and P2 with it. The split of the timeouts is a choice, docs/ccc.md. */
enum apdu_flow { APDU_FLOW_CONTINUE = 0x10, APDU_FLOW_END = 0x11, APDU_FLOW_ABORT = 0x12 };
enum {
    APDU_CONTINUE_KEY_DATA_COMPLETE = 0x01,
    APDU_CONTINUE_KEY_ACCEPTED = 0x02,
    APDU_END_OK = 0x10,
    APDU_ABORT_NO_REASON = 0x00,
    APDU_ABORT_SPAKE_VERSION = 0x01,
    APDU_ABORT_APPLET_VERSION = 0x02,
    APDU_ABORT_TIMEOUT = 0x03,
    APDU_ABORT_TIMEOUT_REQUEST = 0x04,
    APDU_ABORT_TIMEOUT_VERIFY = 0x05,
    APDU_ABORT_TIMEOUT_WRITE = 0x06,
    APDU_ABORT_TIMEOUT_GET = 0x07,
    APDU_ABORT_EVIDENCE = 0x09,
    APDU_ABORT_KEY_DATA = 0x0A,
    APDU_ABORT_CERTIFICATE = 0x0B,
    APDU_ABORT_POINT = 0x0C,
    APDU_ABORT_ATTEMPTS = 0x0D,
    APDU_ABORT_OTHER = 0x7F
};

/* AIDs of framework and applet, 13 bytes. */
#define APDU_AID 13
extern const uint8_t apdu_aid_framework[APDU_AID], apdu_aid_applet[APDU_AID];

struct apdu_command {
    uint8_t cla, ins, p1, p2;
    struct span data; /* borrowed */
    bool has_le;      /* Le follows; we send 00 */
};

/* Cases 1 to 4 of ISO 7816-3, short. ERR_TRUNCATED, ERR_TRAILING_BYTES. Only Le = 00 is accepted,
 * but for GET RESPONSE, where it is ignored. */
enum err apdu_command_parse(struct span in, struct apdu_command *out);
void apdu_command_put(struct wr *w, const struct apdu_command *c);
/* Splits a response; ERR_TRUNCATED without a status word. */
enum err apdu_response_parse(struct span in, struct span *data, uint16_t *sw);

/* What link faults call it: "WRITE DATA", "9000"; "?" of what is none. Good until the thread's next call. */
const char *apdu_command_name(struct span in);
const char *apdu_response_name(struct span in);
/* Could that be one of them? */
bool apdu_message_name_ok(const char *name);
const char *apdu_status_name(uint16_t sw);
/* "abort: device evidence wrong"; NULL for a pair that OP CONTROL FLOW does not have. */
const char *apdu_flow_name(uint8_t p1, uint8_t p2);
/* What a tag stands for in the data of that instruction, or in answers (instruction 0); NULL when unknown. */
const char *apdu_tag_name(uint8_t ins, uint16_t tag);
/* One line for people: "SPAKE2+ VERIFY 80 32 00 00, 85 bytes: 52 Y (65), 57 evidence M[1] (16)". */
#define APDU_LINE_MAX 240
void apdu_describe_command(struct span in, char out[APDU_LINE_MAX]);
/* "9000 ok, 67 bytes: 50 X (65)". */
void apdu_describe_response(struct span in, char out[APDU_LINE_MAX]);

#endif

/* DK messages: what travels in one SDU of the Bluetooth LE channel (table 19-19). Type, id, length, data. */
#ifndef lib_ccc_dk_message_h
#define lib_ccc_dk_message_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"

enum dk_type {
    DK_FRAMEWORK, /* APDUs of the framework */
    DK_SE,        /* APDUs of the applet */
    DK_UWB,
    DK_EVENT,
    DK_OEM_APP,
    DK_SUPPLEMENTARY,
    DK_HEAD_UNIT,
    DK_BTCS,
    DK_TYPES
};

/* Message ids. */
enum { DK_APDU_RQ = 0x0B, DK_APDU_RS = 0x0C }; /* types 0, 1 */
enum { DK_EVENT_NOTIFICATION = 0x01 };         /* type 3 */
enum { DK_TIME_SYNC = 0x01, DK_FIRST_APPROACH_RQ, DK_FIRST_APPROACH_RS, DK_RKE_RQ, DK_RKE_RS }; /* type 5 */

/* Events of category 01, command complete. */
enum dk_event {
    DK_EVENT_DESELECT_SE = 0x00,
    DK_EVENT_BLE_PAIRING_READY = 0x01,
    DK_EVENT_REQUEST_STANDARD = 0x03,
    DK_EVENT_REQUEST_OWNER_PAIRING = 0x04,
    DK_EVENT_GENERAL_ERROR = 0x80,
    DK_EVENT_SE_BUSY = 0x81,
    DK_EVENT_SE_TRANSACTION_LOST = 0x82,
    DK_EVENT_BUSY = 0x83,
    DK_EVENT_TEMPORARILY_BLOCKED = 0x84,
    DK_EVENT_OOB_MISMATCH = 0xFC,
    DK_EVENT_BLE_PAIRING_FAILED = 0xFD,
    DK_EVENT_FIRST_APPROACH_FAILED = 0xFE,
    DK_EVENT_WRONG_PARAMETERS = 0xFF
};

#define DK_MESSAGE_HEADER 4 /* bytes before the data */

struct dk_message {
    enum dk_type type;
    uint8_t id;
    struct span data; /* borrowed */
};

void dk_message_put(struct wr *w, const struct dk_message *m);
/* Without the data, of which there will be len bytes. */
void dk_message_put_header(struct wr *w, enum dk_type type, uint8_t id, size_t len);
/* ERR_TRUNCATED, ERR_TRAILING_BYTES; ERR_BAD_ARGUMENT for an unknown type. */
enum err dk_message_parse(struct span in, struct dk_message *out);
/* For faults and traces: "First_Approach_RQ", "DK_APDU_RQ", "DK_Event"; NULL for what is none. */
const char *dk_message_name(struct span in);
/* All of them, with NULL at the end. */
extern const char *const dk_message_names[];
/* "Framework DK_APDU_RQ, 19 bytes". */
#define DK_LINE_MAX 80
void dk_message_describe(struct span in, char out[DK_LINE_MAX]);

#endif

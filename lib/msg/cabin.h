/* What head unit (HU), SpaaK Module and body controller (BCM) say to each other on CAN: the contents of the
 * matrix rows of the cabin, to the byte, for both ends. docs/messages.md has the same as a table.
 *
 * Frames of 8 bytes have an alive counter in byte 1, 0 to 255, and a checksum (matrix_checksum) in byte 7;
 * bytes that are not named are 0 and not read. Each life of a sender begins its counters anywhere
 * (cabin_alive_begin), so that its first message does not look like the last one of the life before.
 *
 * Writers take what their types allow; a value outside is a broken promise (asserted). Readers take any frame
 * of their identifier. They check in this order: ERR_BUS_LENGTH, ERR_BUS_FLAGS (classic or CAN FD, as the
 * matrix has it), ERR_BUS_CHECKSUM, ERR_BUS_STALE_COUNTER, ERR_MSG_MALFORMED (a value that has no meaning).
 * On an error *out and the counter heard stay as they were. */
#ifndef lib_msg_cabin_h
#define lib_msg_cabin_h

#include "lib/can/matrix.h"
#include "lib/crypto/cmac.h"

/* The last counter that was taken from a sender; begins zeroed. A counter that comes again within so long is
 * stale; later it is that of another life. */
#define CABIN_STALE_US 1000000
struct cabin_heard {
    bool any;
    uint8_t counter;
    uint64_t at_us;
};
/* Where a life's counter begins. */
uint8_t cabin_alive_begin(struct crypto *c);

/* ---- PhoneKey_Req, 5A0: HU to SpaaK ---- */

enum cabin_wish { CABIN_ADD_PHONE = 1, CABIN_CANCEL = 2, CABIN_DELETE_KEY = 3, CABIN_LIST_KEYS = 4 };
#define CABIN_KEY_ID 4 /* the first bytes of its identity: the list may have moved since it was read */
struct cabin_request {
    enum cabin_wish wish;     /* byte 0 */
    uint8_t key;              /* byte 2: index of the key to delete, from 1; else 0 */
    uint8_t id[CABIN_KEY_ID]; /* bytes 3 to 6: which one the list had there; else 0 */
};
/* Counts *alive on. */
void cabin_write_request(const struct cabin_request *r, uint8_t *alive, struct bus_frame *out);
enum err cabin_read_request(const struct bus_frame *f, uint64_t now_us, struct cabin_heard *heard,
                            struct cabin_request *out);

/* ---- HU_NTF, 5A8: SpaaK to HU ---- */

enum cabin_notice {
    CABIN_CLICK_LINK = 1, /* in the phone; then its app leads on */
    CABIN_PUT_PHONE = 2,  /* on the pad */
    CABIN_PAIRING = 3,
    CABIN_LEAVE_PHONE = 4, /* or put it back */
    CABIN_PAIRED = 5,
    CABIN_FAILED = 6,
    CABIN_CANCELLED = 7,
    CABIN_TIME_OVER = 8,
    CABIN_KEY_DELETED = 9,
    CABIN_NO_VERIFIERS = 10, /* yet: they were asked for */
    CABIN_KEY_NEEDED = 11,   /* a key fob, or a card key on the pad */
    CABIN_LIST_FOLLOWS = 12,
    CABIN_TAKE_CARD = 13, /* away, and as CLICK_LINK: the card key has done its part */
    CABIN_PAIRING_AIR =
        14, /* as PAIRING and LEAVE_PHONE, over Bluetooth: the pad has nothing to do with it */
    CABIN_STAY_NEAR = 15
};
#define CABIN_NOTICES 16
struct cabin_notification {
    enum cabin_notice what; /* byte 0 */
    uint8_t key;            /* byte 2: index, or 0 */
    uint16_t reason;        /* bytes 3, 4, big-endian: enum err, with CABIN_FAILED; else 0 */
};
void cabin_write_notification(const struct cabin_notification *n, uint8_t *alive, struct bus_frame *out);
enum err cabin_read_notification(const struct bus_frame *f, uint64_t now_us, struct cabin_heard *heard,
                                 struct cabin_notification *out);

/* ---- SpaaK_Status, 3A8: SpaaK to HU, every 500 ms ---- */

struct cabin_spaak_status {
    bool pairing;   /* byte 0, bit 0: in pairing mode */
    bool verifiers; /* bit 1: there */
    bool identity;  /* bit 2: that of the vehicle is there */
    uint8_t keys;   /* byte 2: how many are active */
};
void cabin_write_spaak_status(const struct cabin_spaak_status *s, uint8_t *alive, struct bus_frame *out);
enum err cabin_read_spaak_status(const struct bus_frame *f, uint64_t now_us, struct cabin_heard *heard,
                                 struct cabin_spaak_status *out);

/* ---- SpaaK_HU_Keys, 6D0, ISO-TP: SpaaK to HU; flow control comes back on 6D8 ---- */

#define CABIN_KEYS     16 /* in one list, at most */
#define CABIN_NAME_MAX 48 /* bytes of UTF-8 */
enum cabin_key_state { CABIN_KEY_PENDING = 1, CABIN_KEY_ACTIVE, CABIN_KEY_SUSPENDED, CABIN_KEY_TERMINATED };
struct cabin_key {
    uint8_t index; /* from 1 */
    enum cabin_key_state state;
    uint8_t id[CABIN_KEY_ID];
    char name[CABIN_NAME_MAX + 1]; /* characters that may be shown (text_character); may be empty */
};
struct cabin_keys {
    size_t count;
    struct cabin_key keys[CABIN_KEYS];
};
/* Bytes of the longest list. */
#define CABIN_KEYS_MAX (1 + CABIN_KEYS * (3 + CABIN_KEY_ID + CABIN_NAME_MAX))
/* count; then of each key index, state, id, length of its name, name. `out` fails when it is too small. */
void cabin_write_keys(const struct cabin_keys *k, struct wr *out);
/* ERR_TRUNCATED, ERR_TRAILING_BYTES, ERR_MSG_MALFORMED. */
enum err cabin_read_keys(struct span message, struct cabin_keys *out);

/* ---- BCM_Status, 3B8: BCM to SpaaK and HU, every 100 ms and at once on a change ---- */

#define CABIN_NONCE 4
struct cabin_bcm_status {
    bool ignition;              /* byte 0, bit 0 */
    bool fob;                   /* bit 1: in the car */
    bool locked;                /* bit 2: the doors */
    bool engine;                /* bit 3: runs */
    bool start;                 /* bit 4: was pressed, and waits for a command */
    uint8_t nonce[CABIN_NONCE]; /* bytes 2 to 5: another at each start, after each command taken,
                                   and after a second */
    uint8_t taken;              /* byte 6: commands taken in this life; 0 follows on 255 */
};
void cabin_write_bcm_status(const struct cabin_bcm_status *s, uint8_t *alive, struct bus_frame *out);
enum err cabin_read_bcm_status(const struct bus_frame *f, uint64_t now_us, struct cabin_heard *heard,
                               struct cabin_bcm_status *out);

/* ---- SpaaK_BCM_Cmd, 3C0: SpaaK to BCM, CAN FD ---- */

#define CABIN_TRANSACTION    8 /* bytes */
#define CABIN_COMMAND_LENGTH 24
#define CABIN_COMMAND_MAC    8
enum cabin_order { CABIN_UNLOCK = 1, CABIN_LOCK = 2, CABIN_START = 3 };
struct cabin_command {
    enum cabin_order order; /* byte 0; byte 1 is the alive counter */
    uint8_t
        transaction[CABIN_TRANSACTION]; /* bytes 2 to 9: id of the authenticated transaction that caused it */
    uint8_t nonce[CABIN_NONCE];         /* bytes 10 to 13: that of BCM_Status; 14 and 15 are 0 */
};
/* Bytes 16 to 23 are AES-128-CMAC over identifier (2 bytes, big-endian) and bytes 0 to 15, the first 8.
 * ERR_CRYPTO_FAILED. */
enum err cabin_write_command(struct crypto *c, const uint8_t key[CMAC_KEY], const struct cabin_command *m,
                             uint8_t *alive, struct bus_frame *out);
/* Those that a command may answer now; may be none. */
struct cabin_nonces {
    const uint8_t (*list)[CABIN_NONCE];
    size_t count;
};
/* In the place of the checksum ERR_COMMAND_MAC, and then ERR_COMMAND_NONCE when it answers none of `nonces`.
 * ERR_CRYPTO_FAILED. */
enum err cabin_read_command(struct crypto *c, const uint8_t key[CMAC_KEY], const struct cabin_nonces *nonces,
                            const struct bus_frame *f, uint64_t now_us, struct cabin_heard *heard,
                            struct cabin_command *out);

/* ---- SpaaK_BCM_Ask, 3C1: SpaaK to BCM; BCM_SpaaK_Answer, 3C2: BCM to SpaaK, CAN FD ---- */

/* What a pairing depends on is asked for with a challenge that was never used, and answered at once, with a
 * MAC: BCM_Status says the same to whoever shows it, and anybody on the segment can say it. No counter, no
 * checksum. */
#define CABIN_CHALLENGE     8 /* bytes 0 to 7 of the question */
#define CABIN_ANSWER_LENGTH 24
struct cabin_answer {
    bool ignition; /* byte 0, bit 0 */
    bool fob;      /* bit 1: in the car; bytes 1 to 7 are 0 */
};
void cabin_write_ask(const uint8_t challenge[CABIN_CHALLENGE], struct bus_frame *out);
/* ERR_BUS_LENGTH, ERR_BUS_FLAGS. */
enum err cabin_read_ask(const struct bus_frame *f, uint8_t challenge[CABIN_CHALLENGE]);
/* Bytes 8 to 15 are the challenge, 16 to 23 a MAC as that of the command, with its own identifier.
 * ERR_CRYPTO_FAILED. */
enum err cabin_write_answer(struct crypto *c, const uint8_t key[CMAC_KEY],
                            const uint8_t challenge[CABIN_CHALLENGE], const struct cabin_answer *a,
                            struct bus_frame *out);
/* ERR_BUS_LENGTH, ERR_BUS_FLAGS, ERR_ANSWER_MAC, ERR_MSG_REPLAYED (to another challenge), ERR_MSG_MALFORMED;
 * ERR_CRYPTO_FAILED. */
enum err cabin_read_answer(struct crypto *c, const uint8_t key[CMAC_KEY],
                           const uint8_t challenge[CABIN_CHALLENGE], const struct bus_frame *f,
                           struct cabin_answer *out);

/* The claims `authenticated`, `unlocked` and `started` have this value: the transaction in lower-case hex. */
#define CABIN_TRANSACTION_TEXT (2 * CABIN_TRANSACTION + 1)
struct span cabin_transaction_text(const uint8_t transaction[CABIN_TRANSACTION],
                                   char out[CABIN_TRANSACTION_TEXT]);

#endif

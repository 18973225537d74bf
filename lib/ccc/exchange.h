/* EXCHANGE: mailbox operations inside the applet's secure channel (plaintext: an option byte, then TLVs;
 * tags and layouts: a choice, docs/ccc.md). The vehicle builds, the applet iterates. */
#ifndef lib_ccc_exchange_h
#define lib_ccc_exchange_h

#include "lib/ccc/mailbox.h"

/* Option byte: whether this command ends the atomic session. */
enum exchange_option { EXCHANGE_COMMIT = 0x00, EXCHANGE_MORE = 0x01 };

enum exchange_kind { EXCHANGE_READ, EXCHANGE_WRITE, EXCHANGE_SET, EXCHANGE_NOTIFY };

struct exchange_op {
    enum exchange_kind kind;
    enum mailbox_kind mailbox; /* not for NOTIFY */
    uint16_t offset, len;      /* read, set: length; write: length of data */
    uint8_t value;             /* set */
    struct span data;          /* write, notify */
};

void exchange_begin(struct wr *w, enum exchange_option option);
/* Lengths of read and set go out in one byte, so up to 255. */
void exchange_put_read(struct wr *w, enum mailbox_kind mailbox, uint16_t offset, uint8_t len);
void exchange_put_write(struct wr *w, enum mailbox_kind mailbox, uint16_t offset, struct span data);
void exchange_put_set(struct wr *w, enum mailbox_kind mailbox, uint16_t offset, uint8_t len, uint8_t value);
void exchange_put_notify(struct wr *w, struct span data);

/* Reads the option byte. ERR_MSG_MALFORMED. */
enum err exchange_open(struct rd *r, enum exchange_option *option);
/* The next operation; ERR_NOT_FOUND at the end, ERR_MSG_MALFORMED. Lengths of one and of two bytes are
 * accepted. */
enum err exchange_next(struct rd *r, struct exchange_op *out);

#endif

/* The vehicle's side of a transaction with the applet: SELECT, AUTH0, AUTH1 unless a fast one sufficed,
 * EXCHANGE as often as wanted, CONTROL FLOW (CCC-TS-101 chapters 7, 8 and 15).
 *
 *   step = vehicle_transaction_begin(...); SEND -> vehicle_transaction_input, STORE_KPERSISTENT ->
 *          vehicle_transaction_proceed, until OPEN or FAILED
 *   OPEN: vehicle_transaction_exchange -> SEND -> input -> DATA; vehicle_transaction_end -> SEND -> input ->
 *         DONE
 *
 * A fast transaction is asked for when one of the keys has that option. Where a key has not the option to
 * EXCHANGE after it, AUTH1 follows in the same transaction: at once when P1 says that EXCHANGE follows, else
 * when vehicle_transaction_exchange is called; then SEND, STORE_KPERSISTENT and SEND come before DATA.
 *
 * A key that proved who it is may still be refused, by its state or validity (reasons:
 * vehicle_admission_check); `key` then tells which one it was.
 *
 * Promises of the caller, asserted: no pointer is NULL (keys may be when there are none); a failure has a
 * reason. What else is wrong with the configuration ends it at begin with ERR_BAD_ARGUMENT. A call out of
 * turn is none: it ends the transaction with ERR_MSG_OUT_OF_ORDER or ERR_MSG_UNEXPECTED. */
#ifndef lib_ccc_vehicle_vehicle_transaction_h
#define lib_ccc_vehicle_vehicle_transaction_h

#include "lib/ccc/channel.h"
#include "lib/ccc/vehicle/vehicle_admission.h"
#include "lib/ccc/vehicle/vehicle_step.h"

/* Borrowed for the transaction. */
struct vehicle_transaction_config {
    struct crypto *crypto;
    uint8_t vehicle_id[TRANSACTION_VEHICLE_ID];
    const struct p256_key *vehicle_key;
    uint8_t vehicle_pk[P256_POINT];
    struct op_versions versions; /* of the applet protocol */
    struct vehicle_key *keys;    /* open; their Kpersistent is replaced by proceed */
    size_t n_keys;
    int64_t now_s;
    enum transaction_interface interface;
    bool versions_in_info; /* struct transaction */
};

enum vehicle_transaction_state {
    VT_IDLE,
    VT_SELECTING,
    VT_AUTH0,
    VT_AUTH1,
    VT_STORING, /* Kpersistent */
    VT_OPEN,
    VT_EXCHANGING,
    VT_ENDING,
    VT_FAILING, /* CONTROL FLOW 00/00 is under way */
    VT_OVER,
    VT_STATES
};

struct vehicle_transaction {
    const struct vehicle_transaction_config *config;
    enum vehicle_transaction_state state;
    enum vehicle_admission admission;
    enum err reason;
    struct transaction transaction;
    struct p256_key *ephemeral; /* owned */
    struct vehicle_key *key;    /* who it is, once proved, though it may be refused then */
    struct vehicle_key update;  /* STORE_KPERSISTENT: the same as it shall be stored */
    bool fast;                  /* OPEN by a fast transaction */
    bool exchange_waits;        /* for AUTH1, in `plain` */
    uint8_t plain[CHANNEL_PLAIN_MAX];
    size_t plain_len;
    struct channel channel;
    uint8_t data[CCC_BLOCK * 16]; /* DATA, and at OPEN the answer to AUTH1 */
    size_t len;
    uint8_t out[APDU_COMMAND_MAX];
};

/* Whom it opens to follows from p2. p1: TRANSACTION_FAST and TRANSACTION_EXCHANGE_FOLLOWS; p2: what the
 * transaction is for. */
struct vehicle_step vehicle_transaction_begin(struct vehicle_transaction *t,
                                              const struct vehicle_transaction_config *c, uint8_t p1,
                                              uint8_t p2);
/* The same for a transaction of the mailboxes (vehicle_finish.h). */
struct vehicle_step vehicle_transaction_begin_for(struct vehicle_transaction *t,
                                                  const struct vehicle_transaction_config *c, uint8_t p1,
                                                  uint8_t p2, enum vehicle_admission admission);
struct vehicle_step vehicle_transaction_input(struct vehicle_transaction *t, struct span response);
/* STORE_KPERSISTENT is done: the owner's record is changed now. */
struct vehicle_step vehicle_transaction_proceed(struct vehicle_transaction *t);
/* It could not be: CONTROL FLOW 00/00, then FAILED; no reason: ERR_STORE_FAILED. The former Kpersistent
 * stays, so that the next fast transaction falls back to AUTH1. */
struct vehicle_step vehicle_transaction_store_failed(struct vehicle_transaction *t, enum err reason);
/* plain: exchange.h. */
struct vehicle_step vehicle_transaction_exchange(struct vehicle_transaction *t, struct span plain);
/* CONTROL FLOW p1/p2 when all went well. */
struct vehicle_step vehicle_transaction_end(struct vehicle_transaction *t, uint8_t p1, uint8_t p2);
/* CONTROL FLOW 00/00, then FAILED. */
struct vehicle_step vehicle_transaction_fail(struct vehicle_transaction *t, enum err reason);
struct vehicle_step vehicle_transaction_link_lost(struct vehicle_transaction *t);
/* Frees and wipes; call it at the end, whichever way it ended. */
void vehicle_transaction_wipe(struct vehicle_transaction *t);

#endif

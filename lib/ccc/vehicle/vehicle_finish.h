/* The vehicle's side of phases 3 and 4, and of every later refill: standard transactions that fill the key's
 * mailboxes and fetch the key tracking receipt (CCC-TS-101 chapter 6; EXCHANGE of chapter 15).
 *
 * Phase 3 writes attestation, slot identifiers, tokens and bitmaps in one atomic session. Phase 4 reads the
 * signalling bitmap; when it announces a receipt, reads, checks and stores it, then clears bit and area and
 * writes slot identifiers and tokens for friends. A refill writes those entries of the offer that the device
 * has handed out since. Driven like a transaction, with one STORE_RECEIPT; ends with DONE, FAILED or, in
 * phase 4 without a receipt, POLL.
 *
 * Each may be tried again after a failure, with the same offer: whatever the device had taken by then stays,
 * no identifier is given out twice, and a receipt that was stored need not be there any more.
 *
 * Promises of the caller, asserted: vehicle_finish_begin before anything else; those of
 * vehicle_transaction.h; a key of the key tracking server in phase 4. */
#ifndef lib_ccc_vehicle_vehicle_finish_h
#define lib_ccc_vehicle_vehicle_finish_h

#include "lib/ccc/attestation.h"
#include "lib/ccc/mailbox.h"
#include "lib/ccc/vehicle/vehicle_transaction.h"

/* Entries of slot list and token table that the vehicle fills. */
struct vehicle_offer {
    uint8_t entries; /* bit i: entry i */
    struct slot_id slots[MAILBOX_SLOTS];
    const uint8_t *tokens; /* MAILBOX_SLOTS x map.token_len; NULL: none from the vehicle */
};

/* Borrowed. */
struct vehicle_finish_config {
    struct vehicle_transaction_config transaction;
    struct mailbox_map map;
    struct vehicle_offer offer;
    struct span attestation; /* phase 3, unless it went in phase 2; else empty */
    const uint8_t *kts_pk;   /* phase 4: key of the key tracking server */
    struct attestation of;   /* phase 4: whose receipt it must be */
    bool receipt_stored;     /* phase 4: an earlier one came as far as STORE_RECEIPT */
};

enum vehicle_phase { VEHICLE_PHASE_3, VEHICLE_PHASE_4, VEHICLE_REFILL };
enum vehicle_finish_state {
    VF_AUTHENTICATING,
    VF_READING_BITS,
    VF_READING_RECEIPT,
    VF_STORING,
    VF_WRITING,
    VF_ENDING,
    VF_OVER
};

struct vehicle_finish {
    const struct vehicle_finish_config *config;
    enum vehicle_phase phase;
    enum vehicle_finish_state state;
    struct vehicle_transaction transaction;
    uint8_t bits;               /* signalling bitmap as read */
    uint8_t slot_bits, entries; /* slot bitmap as read; entries to write */
    uint8_t spent;      /* entries whose offered identifier the device has had and handed out: offer others */
    bool receipt_taken; /* checked and stored in this session; the device's copy may go */
    size_t item;        /* next thing to write */
};

struct vehicle_step vehicle_finish_begin(struct vehicle_finish *f, const struct vehicle_finish_config *c,
                                         enum vehicle_phase phase);
struct vehicle_step vehicle_finish_input(struct vehicle_finish *f, struct span response);
/* STORE_RECEIPT is done. */
struct vehicle_step vehicle_finish_proceed(struct vehicle_finish *f);
struct vehicle_step vehicle_finish_link_lost(struct vehicle_finish *f);
void vehicle_finish_wipe(struct vehicle_finish *f);

#endif

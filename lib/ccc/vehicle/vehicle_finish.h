/* The vehicle's side of phases 3 and 4, and of all that the mailboxes of a key are for later: standard
 * transactions that fill slots, fetch what lies in KeyAtt, and tell a device that its key is terminated
 * (CCC-TS-101 chapters 4, 6 and 13; EXCHANGE of chapter 15).
 *
 * Phase 4 and refills write what lacks of the slot list, whatever else they find. All that read KeyAtt take
 * whatever statement they find there: it is checked, stored, and only then erased; `learnt` says which it
 * was. A false one is erased too, so that it stands in nobody's way, and ends it with FAILED and the reason
 * of the check.
 *
 * Driven like a transaction, with STORE steps; ends with DONE, NO_RECEIPT or FAILED, and stays as it ended.
 * Each may be tried again after a failure, with the same offer: whatever the device had taken by then stays,
 * no identifier is given out twice, and nothing is needed but the stored record and the offer.
 *
 * Promises of the caller, asserted: vehicle_finish_begin before anything else; those of
 * vehicle_transaction.h. What else is wrong with the configuration ends it at begin with ERR_BAD_ARGUMENT. A
 * call out of turn ends it with ERR_MSG_UNEXPECTED. */
#ifndef lib_ccc_vehicle_vehicle_finish_h
#define lib_ccc_vehicle_vehicle_finish_h

#include "lib/ccc/vehicle/vehicle_transaction.h"

/* Entries of slot list and token table that the vehicle fills. An identifier is unique over the vehicle's
 * life: after STORE_OFFER it stands in the record, and is offered again for this entry of this key, until the
 * entry is `spent`, or not at all. */
struct vehicle_offer {
    uint8_t entries; /* bit i: entry i */
    struct slot_id slots[MAILBOX_SLOTS];
    const uint8_t *tokens; /* MAILBOX_SLOTS x map.token_len; NULL when they do not come from the vehicle */
};

/* Borrowed. */
struct vehicle_finish_config {
    struct vehicle_transaction_config transaction; /* keys: the one that it is about; no other opens it */
    struct vehicle_offer offer;
    struct span attestation; /* phase 3, unless it went in phase 2; else empty */
    const uint8_t *kts_pk;   /* key of the key tracking server; where KeyAtt is read */
};

enum vehicle_phase {
    /* Entry 0 of the slot list, its token, the attestation; says by SigBmp that slots are missing. Then the
     * key is active. */
    VEHICLE_PHASE_3,
    VEHICLE_PHASE_4,     /* the key tracking receipt; NO_RECEIPT until it is there */
    VEHICLE_REFILL,      /* entries of the offer that the device has handed out since */
    VEHICLE_RESUMPTION,  /* a suspended key: was it resumed? */
    VEHICLE_TERMINATION, /* the device's statement that it terminated the key (ERR_DK_TERMINATED elsewhere) */
    VEHICLE_TERMINATE_KEY, /* the vehicle terminated it: tells the device, whose statement comes with
                            * VEHICLE_TERMINATION at the contact after */
    VEHICLE_PHASES
};

/* What lay in KeyAtt, checked and stored. */
enum vehicle_learnt {
    VEHICLE_LEARNT_NOTHING,
    VEHICLE_LEARNT_RECEIPT,
    VEHICLE_LEARNT_TERMINATED,
    VEHICLE_LEARNT_RESUMED
};

enum vehicle_finish_state {
    VF_AUTHENTICATING, /* with STORE_KPERSISTENT */
    VF_NOTIFYING,
    VF_READING_BITS,
    VF_READING_STATEMENT,
    VF_STORING_STATEMENT,
    VF_STORING_OFFER,
    VF_WRITING,
    VF_STORING_ACTIVE,
    VF_ENDING,
    VF_OVER
};

struct vehicle_finish {
    const struct vehicle_finish_config *config;
    enum vehicle_phase phase;
    enum vehicle_finish_state state;
    struct vehicle_transaction transaction;
    struct vehicle_key update;        /* STORE steps: the record as it shall be stored */
    enum vehicle_key_state was_state; /* and as it was */
    int64_t was_suspended_s;
    uint8_t bits;               /* signalling bitmap as read */
    uint8_t slot_bits, entries; /* slot bitmap as read; entries to write */
    struct slot_id
        slots[MAILBOX_SLOTS]; /* what goes into them: the record's, where the device never got it */
    uint8_t spent; /* entries whose offered identifier the device has had and handed out: offer others */
    uint8_t statement[ATTESTATION_LONG]; /* of KeyAtt: have of wanted bytes */
    size_t have, wanted;
    enum vehicle_learnt found; /* checked; learnt once it is stored */
    enum vehicle_learnt learnt;
    enum err verdict;          /* what lies in KeyAtt is false: why */
    bool clear_area;           /* it was taken, or is false */
    size_t item;               /* next thing to write */
    bool all_written;          /* the command under way commits */
    struct vehicle_step ended; /* OVER */
};

struct vehicle_step vehicle_finish_begin(struct vehicle_finish *f, const struct vehicle_finish_config *c,
                                         enum vehicle_phase phase);
struct vehicle_step vehicle_finish_input(struct vehicle_finish *f, struct span response);
/* A STORE step is done: the owner's record is changed now. */
struct vehicle_step vehicle_finish_proceed(struct vehicle_finish *f);
/* It could not be: CONTROL FLOW 00/00, then FAILED; no reason: ERR_STORE_FAILED. */
struct vehicle_step vehicle_finish_store_failed(struct vehicle_finish *f, enum err reason);
struct vehicle_step vehicle_finish_link_lost(struct vehicle_finish *f);
void vehicle_finish_wipe(struct vehicle_finish *f);

#endif

/* A vehicle and a phone in memory, with the authorities behind them: pairs, fetches the receipt, unlocks.
 * Every APDU passes one function, where a fault can be put. For tests, benchmarks, fuzzing and recordings. */
#ifndef tests_pairing_rig_h
#define tests_pairing_rig_h

#include "lib/ccc/device/device.h"
#include "lib/ccc/records/vehicle_record.h"
#include "lib/ccc/vehicle/vehicle_finish.h"
#include "lib/ccc/vehicle/vehicle_pairing.h"

#define RIG_NOW_S    1767225600ll
#define RIG_PASSWORD "47110815"

enum rig_fault_kind {
    RIG_NO_FAULT,
    RIG_LOSE_COMMAND,
    RIG_LOSE_ANSWER,
    RIG_REPEAT_COMMAND, /* the device gets it twice, the vehicle the second answer */
    RIG_REPEAT_ANSWER,  /* the vehicle gets the answer before this one again */
    RIG_CUT_COMMAND,    /* arg: bytes that stay, in eighths */
    RIG_CUT_ANSWER,
    RIG_FLIP_COMMAND, /* arg: which byte, in eighths of the length; bit = arg */
    RIG_FLIP_ANSWER,
    RIG_REPLACE, /* arg: row of rig_commands */
    RIG_FAULTS
};
extern const char *const rig_fault_names[RIG_FAULTS];

/* One well-formed command of every kind, which takes the place of the right one. */
#define RIG_COMMANDS 14
extern const char *const rig_commands[RIG_COMMANDS];

/* What becomes of a commit. */
enum rig_fate {
    RIG_STORED,
    RIG_REFUSED,
    RIG_LOST_BEFORE, /* power goes: it is not in the store */
    RIG_LOST_AFTER,  /* power goes: it is in the store, and nothing else happens */
    RIG_FATES
};

struct rig_fault {
    enum rig_fault_kind kind;
    size_t apdu; /* counted from 0 in one run */
    unsigned arg;
};

struct rig_authority {
    struct p256_key *key;
    uint8_t der[X509_MAX];
    size_t len;
};

/* What the vehicle has in its store, and what may happen there. */
struct rig_store {
    char name[VEHICLE_RECORD_NAME_MAX]; /* of the record of the key; empty: none */
    uint8_t record[VEHICLE_RECORD_MAX];
    size_t record_len;
    struct vehicle_key key; /* what these bytes say: to look at; not open; state 0: none */
    unsigned attempts;
    bool verifier_erased;
    uint8_t statement[ATTESTATION_LONG];
    size_t statement_len;
    size_t commits[VEHICLE_FAILED + 1]; /* of each kind */
    enum vehicle_do refuses;            /* this step cannot be stored; VEHICLE_SEND: all can */
    enum vehicle_do cut_after; /* power is lost behind this step; VEHICLE_SEND: never. Ends with ERR_KILLED */
};

struct rig {
    struct crypto *crypto;
    struct rig_authority j, j1, k, kts; /* vehicle OEM */
    struct rig_authority d, f, e;       /* device OEM */
    struct x509 root;
    /* phone */
    struct applet applet;
    struct dk_device device;
    struct dk_partner *partner;
    enum dk_type ble_type;   /* of the DK messages over Bluetooth LE: for the framework, or for the applet */
    size_t stores;           /* what the phone's store was asked for so far, and the last of it */
    struct dk_change stored; /* (keys and framework as they are then are not kept) */
    size_t store_fails_at;   /* the one, counted from 1, that the store refuses; 0: none */
    /* Decides about each commit of either side, the phone's with its change. A phone that loses power is
     * loaded again by whoever decides. NULL: everything is stored. */
    enum rig_fate (*fate)(void *arg, const struct dk_change *phone);
    void *fate_arg;
    bool phone_died; /* the answer under way does not come */
    /* Another phone in the place of ours: one command and its answer (nothing: none comes), and the field
     * that went off and on again. NULL: ours. */
    void (*other_input)(void *arg, struct span apdu, struct wr *answer);
    void (*other_reset)(void *arg);
    void *other_arg;
    /* vehicle */
    struct spake2p_verifier_set verifier;
    struct spake2p_prover_set
        prover; /* what scrypt of the password gives: handed to the phone to save time */
    struct vehicle_pairing_config pairing_config;
    struct vehicle_pairing pairing;
    struct vehicle_finish_config finish_config;
    struct vehicle_finish finish;
    struct vehicle_transaction unlock;
    struct vehicle_key key; /* the owner's; state 0: none */
    uint8_t kts_pk[P256_POINT], tokens[MAILBOX_SLOTS * 16];
    bool attest_in_phase_3;
    struct rig_store store;
    /* link */
    enum transaction_interface interface; /* as the phone sees it; contactless at first */
    struct rig_fault fault;
    bool fault_fired;        /* something on the link was not as it would have been */
    bool fault_on_protected; /* it met an APDU with a MAC */
    size_t apdus, verifies_seen, attempts_counted;
    uint8_t last_answer[APDU_RESPONSE_MAX];
    size_t last_answer_len;
    /* sees every APDU as it went over the link */
    void (*tap)(void *arg, bool command, struct span apdu);
    void *tap_arg;
};

/* The owner of the phone: one APDU and its answer, or one event of the link, with all that is to be stored
 * and derived in between. Over the link of r->interface; and over any. */
void rig_phone_input(struct rig *r, struct span apdu, struct wr *answer);
void rig_phone_reset(struct rig *r);
void rig_phone_input_over(struct rig *r, enum dk_link_id link, enum dk_to to, struct span apdu,
                          struct wr *answer);
void rig_phone_reset_over(struct rig *r, enum dk_link_id link);
enum dk_link_id rig_phone_link(const struct rig *r);
/* Goes on from a step until there is an answer, or nothing more to do. */
struct dk_step rig_phone_finish(struct rig *r, struct dk_step s);

/* False (with a message on standard error) when anything could not be made. */
bool rig_open(struct rig *r, struct crypto *c);
void rig_close(struct rig *r);
/* The same on the heap; ends the program when it cannot be made. */
struct rig *rig_new(struct crypto *c);
/* With the password typed, w0 and w1 ready. */
struct rig *rig_ready(struct crypto *c);
void rig_free(struct rig *r);
/* The user types the password again; skip_scrypt gives the phone w0 and w1 ready. */
void rig_enter_password(struct rig *r, bool skip_scrypt);

/* Phase 2 with resets and polls; then phases 3 and 4 with the key tracking server between. */
enum err rig_pair_phase_2(struct rig *r);
enum err rig_phase_3(struct rig *r);
enum err rig_track_key(struct rig *r);
/* The key tracking server's part of it, for any phone that has collected: checks the attestation of the key,
 * gives its receipt, sealed. */
#define RIG_RECEIPT_MAX 1024
enum err rig_make_receipt(struct rig *r, const struct dk_device *d, const struct dk_owned *o,
                          const struct digital_key *k, uint8_t ephemeral_pk[P256_POINT],
                          uint8_t sealed[RIG_RECEIPT_MAX], size_t *len);
enum err rig_phase_4(struct rig *r);
/* Writes the entries that the phone handed out; the slot identifiers of the offer are renewed by the caller.
 */
enum err rig_refill(struct rig *r);
/* All of it. */
enum err rig_pair(struct rig *r);
/* An unlock; *fast tells which kind it was. reads the signalling bitmap when exchange is wanted. */
enum err rig_unlock(struct rig *r, bool want_fast, bool exchange, bool *fast);
/* A STORE step by hand: committed, then the session's next step. RESET_LINK and POLL are the caller's. */
struct vehicle_step rig_pairing_proceed(struct rig *r, const struct vehicle_step *s);
struct vehicle_step rig_finish_proceed(struct rig *r, const struct vehicle_step *s);
struct vehicle_step rig_transaction_proceed(struct rig *r, const struct vehicle_step *s);
/* The owner changed the record of his own accord: it is stored. */
void rig_store_key(struct rig *r, const struct vehicle_key *k);
/* A new life of the vehicle: its memory is what the bytes in its store say. Between sessions. */
void rig_vehicle_restart(struct rig *r);
/* A transaction for the key's mailboxes. */
enum err rig_finish(struct rig *r, enum vehicle_phase phase);
/* The phone leaves the field; the user gives up. */
void rig_walk_away(struct rig *r);

/* Keys in the phone, of any state; the private mailbox of the first. */
size_t rig_phone_keys(const struct rig *r);
const uint8_t *rig_phone_mailbox(const struct rig *r);

#endif

/* What a vehicle stores of a device's key (CCC-TS-101 chapter 4, the vehicle's side). The record begins with
 * owner pairing and changes in the STORE steps (vehicle_step.h) and where the owner of the record says so:
 *
 *   pairing -> PENDING -> phase 3 -> ACTIVE -> the device, or the vehicle itself -> TERMINATED
 *                                    ACTIVE <-> SUSPENDED, by the server; resumption also by the device
 *
 * The record is secret: it holds Kpersistent and keys of the pairing. */
#ifndef lib_ccc_vehicle_vehicle_key_h
#define lib_ccc_vehicle_vehicle_key_h

#include "lib/ccc/attestation.h"
#include "lib/ccc/mailbox.h"

struct vehicle_pairing;

/* Numbers are stored; 0 is no state. */
enum vehicle_key_state {
    VEHICLE_KEY_PENDING = 1, /* accepted, but phase 3 has not ended: opens nothing */
    VEHICLE_KEY_ACTIVE,
    VEHICLE_KEY_SUSPENDED, /* opens nothing until it is resumed */
    VEHICLE_KEY_TERMINATED /* for good; kept until the device's statement of it is there */
};

/* Numbers are stored; 0 is no role. Friends' keys will come by attestation instead of pairing, with rights of
 * their own. */
enum vehicle_key_role { VEHICLE_KEY_OWNER = 1 };

struct vehicle_key {
    enum vehicle_key_role role;
    enum vehicle_key_state state;
    uint8_t vehicle_id[TRANSACTION_VEHICLE_ID];
    struct slot_id slot;
    uint8_t key_id[ENDPOINT_KEY_ID];
    uint8_t device_pk[P256_POINT];
    uint8_t options_1, options_2;      /* as [H] has them, which may be narrower than asked for */
    int64_t not_before_s, not_after_s; /* 0: none */
    int64_t suspended_s;               /* when the last suspension was issued; a resumption is later */
    struct mailbox_map map;
    bool tokens_by_vehicle; /* slots are offered with their immobilizer tokens */
    uint8_t offered;        /* bit i: entry i of the slot list was given out last as offers[i] */
    struct slot_id offers[MAILBOX_SLOTS];
    bool attested; /* a device that accepted the key has the attestation; else phase 3 brings it */
    bool tracked;  /* the key tracking receipt was stored */
    bool has_kpersistent;
    uint8_t kpersistent[TRANSACTION_KPERSISTENT];
    uint8_t long_term_shared_secret[CCC_KEY], kble_intro[CCC_KEY], kble_oob_master[CCC_KEY];

    struct p256_key
        *device_key; /* not stored: device_pk, ready for use; vehicle_key_open, vehicle_key_close */
};

/* The record of a phase 2 that has come to STORE_KEY or is DONE (asserted): PENDING, not open. */
void vehicle_key_of_pairing(const struct vehicle_pairing *v, struct vehicle_key *out);

/* The record of a pairing, ready for use. ERR_KEY_INVALID: device_pk. */
enum err vehicle_key_open(struct crypto *c, struct vehicle_key *k);
/* Frees and wipes. */
void vehicle_key_close(struct vehicle_key *k);

/* The server's word, issued then. False: the key is pending or terminated and stays what it is; whoever
 * suspends a pending key must say it again when it is active. */
bool vehicle_key_suspend(struct vehicle_key *k, int64_t issued_s);
/* The same: active again. False also: it was not issued after the last suspension. */
bool vehicle_key_resume(struct vehicle_key *k, int64_t issued_s);
/* By the vehicle's own word (VEHICLE_TERMINATE_KEY then tells the device), or the device's: for good. */
void vehicle_key_terminate(struct vehicle_key *k);
/* ERR_DK_VALIDITY outside of what tags 51 and 52 gave, borders included. */
enum err vehicle_key_check_time(const struct vehicle_key *k, int64_t now_s);
/* Whom statements about this key must name. */
struct attestation vehicle_key_subject(const struct vehicle_key *k);

#endif

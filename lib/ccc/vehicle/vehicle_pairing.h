/* The vehicle's side of owner pairing, phase 2: SPAKE2+, key creation data out, the device's certificates in
 * (CCC-TS-101 chapters 5 and 6). Phases 3 and 4 are vehicle_finish.h.
 *
 *   step = vehicle_pairing_begin(...)
 *   loop: do what the step says; SEND -> vehicle_pairing_input, STORE_ATTEMPT -> vehicle_pairing_counted, the
 *         rest -> vehicle_pairing_proceed; what cannot be stored -> vehicle_pairing_store_failed
 *
 * One pairing at a time for each vehicle: the attempts of the password are counted in its store, and sessions
 * side by side would each begin with what is left.
 *
 * The session wipes its secrets when it ends, whichever way. What a successful one leaves is in `result`, and
 * as a record in vehicle_key_of_pairing.
 *
 * When it fails after STORE_KEY, the device may have heard that its key was accepted: try phase 3 with the
 * stored key. A device that did not hear it refuses (ERR_DK_STATUS); then begin phase 2 again, whose
 * STORE_KEY replaces that record.
 *
 * Promises of the caller, asserted: no pointer is NULL, in the configuration neither (known_keys may be when
 * there are none, attest_with too); an abort has a reason. What else is wrong with the configuration, so that
 * a device would refuse it, ends the session at begin with ERR_BAD_ARGUMENT. A call out of turn ends it with
 * ERR_MSG_UNEXPECTED. */
#ifndef lib_ccc_vehicle_vehicle_pairing_h
#define lib_ccc_vehicle_vehicle_pairing_h

#include "lib/ccc/channel.h"
#include "lib/ccc/dk_cert.h"
#include "lib/ccc/key_data.h"
#include "lib/ccc/vehicle/vehicle_key.h"
#include "lib/ccc/vehicle/vehicle_step.h"

/* Borrowed for the session. */
struct vehicle_pairing_config {
    struct crypto *crypto;
    const struct spake2p_verifier_set *verifier;
    struct spake2p_scrypt scrypt;
    uint8_t attempts;                             /* used so far for this password, as stored */
    struct op_versions versions, applet_versions; /* of SPAKE2+, of the applet protocol */
    uint16_t brand;
    struct key_data key_data; /* creation.version is set by the session */
    const struct x509 *roots; /* J; two while one replaces the other */
    size_t n_roots;
    int64_t now_s;
    const uint8_t (*known_keys)[P256_POINT]; /* device keys that the vehicle has already */
    size_t n_known_keys;
    const struct channel_rules *rules;  /* channel_framework, or the dialect of the device */
    const struct p256_key *attest_with; /* vehicle.SK, to bring the attestation in phase 2; NULL: not now */
};

enum vehicle_pairing_state {
    VP_IDLE,
    VP_SELECTING,
    VP_REQUESTING,
    VP_COUNTING,
    VP_VERIFYING,
    VP_WRITING,
    VP_COMPLETING, /* 10/01 sent */
    VP_RESETTING,
    VP_SELECTING_AGAIN,
    VP_GETTING,
    VP_STORING,
    VP_ATTESTING,
    VP_ACCEPTING, /* 10/02 sent */
    VP_ABORTING,
    VP_OVER,
    VP_STATES
};

struct vehicle_pairing_result {
    uint8_t device_pk[P256_POINT];
    uint8_t key_id[ENDPOINT_KEY_ID];
    uint8_t options_1, options_2;  /* of [H] */
    uint8_t certificate[X509_MAX]; /* [H] */
    size_t certificate_len;
    uint8_t long_term_shared_secret[CCC_KEY], kble_intro[CCC_KEY], kble_oob_master[CCC_KEY];
};

struct vehicle_pairing {
    const struct vehicle_pairing_config *config;
    enum vehicle_pairing_state state;
    enum err reason;
    struct spake2p spake;
    uint8_t m1[SPAKE2P_EVIDENCE];
    struct spake2p_keys keys;
    struct channel channel;
    struct endpoint_creation creation; /* as sent */
    struct key_data_buffer block;
    struct {
        uint8_t der[X509_MAX];
        size_t len;
    } objects[3]; /* F, E, H */
    size_t object;
    struct vehicle_pairing_result result;
    struct vehicle_key record; /* STORE_KEY */
    uint8_t out[APDU_COMMAND_MAX];
};

/* SELECT. */
struct vehicle_step vehicle_pairing_begin(struct vehicle_pairing *v, const struct vehicle_pairing_config *c);
struct vehicle_step vehicle_pairing_input(struct vehicle_pairing *v, struct span response);
/* STORE_ATTEMPT is done; attempts: as they are stored now. More than SPAKE2P_ATTEMPTS_MAX: abort 12/0D, and
 * no VERIFY goes out. */
struct vehicle_step vehicle_pairing_counted(struct vehicle_pairing *v, unsigned attempts);
/* POLL, RESET_LINK or STORE_KEY is done. */
struct vehicle_step vehicle_pairing_proceed(struct vehicle_pairing *v);
/* A STORE step could not be done: abort 12/7F; no reason: ERR_STORE_FAILED. */
struct vehicle_step vehicle_pairing_store_failed(struct vehicle_pairing *v, enum err reason);
/* A timer ran out while the device is still there: ends it with the abort code of what was awaited
 * (the split: a choice, docs/ccc.md). */
struct vehicle_step vehicle_pairing_timeout(struct vehicle_pairing *v);
/* Ends it with OP CONTROL FLOW 12/p2. */
struct vehicle_step vehicle_pairing_abort(struct vehicle_pairing *v, uint8_t p2, enum err reason);
/* No answer in time, or the device left the field. */
struct vehicle_step vehicle_pairing_link_lost(struct vehicle_pairing *v);
void vehicle_pairing_wipe(struct vehicle_pairing *v);

#endif

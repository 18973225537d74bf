/* What the skimmer's files share.
 *
 *   skimmer.c          its class, its calls, one after the other; field and card
 *   skimmer_vehicle.c  whom it plays: a vehicle out of a wreck, and the verifiers of a password
 *   skimmer_drive.c    the vehicle's side of pairing and transaction, up to where somebody wants to step in
 *   skimmer_attack.c   one wrong thing in the place of a right one
 *   skimmer_sweep.c    each command in a state, and what is left of the state then */
#ifndef sim_actors_skimmer_parts_h
#define sim_actors_skimmer_parts_h

#include "lib/ccc/vehicle/vehicle_pairing.h"
#include "lib/ccc/vehicle/vehicle_transaction.h"
#include "sim/actors/skimmer/skimmer.h"

#define SKIMMER_JOBS     16
#define SKIMMER_ADDRESS  16
#define SKIMMER_DIGITS   8
#define SKIMMER_SUBJECT  "V.SPAAKSIM.EU.01.57524543004B0001"
#define SKIMMER_APDU_MAX 87 /* bytes of one that a scenario gives */

/* Keys of its store: the plant's. */
#define SKIMMER_KEY         "wreck/key"
#define SKIMMER_CERTIFICATE "wreck/certificate"
#define SKIMMER_J           "anchor/J"
#define SKIMMER_J1          "anchor/J1"

/* Where a phone can be brought: the states of its framework, then those of its applet. */
enum skimmer_state {
    SKIMMER_UNSELECTED, /* nobody was selected since the field is on */
    SKIMMER_NOT_READY,  /* selected, without a password */
    SKIMMER_SELECTED,
    SKIMMER_REQUESTED,
    SKIMMER_SECURE1,
    SKIMMER_WRITTEN,
    SKIMMER_CREATING,
    SKIMMER_SECURE2,
    SKIMMER_READ, /* SECURE2, [H] was read */
    SKIMMER_PAIRED,
    SKIMMER_FRAMEWORK_STATES,
    SKIMMER_APPLET_SELECTED = SKIMMER_FRAMEWORK_STATES,
    SKIMMER_KEYED,
    SKIMMER_OPEN,
    SKIMMER_OVER, /* CONTROL FLOW has ended the transaction */
    SKIMMER_STATES
};

enum skimmer_wrong {
    SKIMMER_NOTHING,
    SKIMMER_SPAKE_VERSION,
    SKIMMER_APPLET_VERSION,
    SKIMMER_SCRYPT,
    SKIMMER_POINT_OFF_CURVE,
    SKIMMER_POINT_AT_INFINITY,
    SKIMMER_EVIDENCE,
    SKIMMER_FOREIGN_VEHICLE,
    SKIMMER_FOREIGN_KEY,
    SKIMMER_CERTIFICATE_FORGED,
    SKIMMER_SIGNATURE, /* of a transaction; all before are of a pairing */
    SKIMMER_UNKNOWN_VEHICLE,
    SKIMMER_WRONGS
};

enum skimmer_kind { SKIMMER_PAIRS, SKIMMER_AUTHENTICATES, SKIMMER_SWEEPS, SKIMMER_SENDS };

struct skimmer_job {
    enum skimmer_kind kind;
    enum skimmer_state state;
    enum skimmer_wrong wrong;
    char digits[SKIMMER_DIGITS + 1]; /* "": none */
    uint8_t apdu[SKIMMER_APDU_MAX];
    size_t apdu_len;
};

/* Whose answer is awaited. */
enum skimmer_awaits {
    SKIMMER_NO_ANSWER,
    SKIMMER_STEP,   /* of the protocol */
    SKIMMER_SELECT, /* before a cell */
    SKIMMER_CELL,
    SKIMMER_FOLLOW_SELECT,
    SKIMMER_FOLLOW, /* what the state would take next */
    SKIMMER_RAW
};

struct skimmer_apdu {
    uint8_t bytes[APDU_COMMAND_MAX];
    size_t len;
};

struct skimmer {
    struct env *env;
    bool up, field;
    char card[SKIMMER_ADDRESS]; /* in the field; "": none */
    struct skimmer_job jobs[SKIMMER_JOBS];
    size_t first, count;
    enum skimmer_awaits awaits;
    bool goes_on; /* the field comes back in the middle of a protocol, or of a cell */
    /* whom it plays */
    struct p256_key *key, *other;
    uint8_t certificate[X509_MAX], j[X509_MAX], j1[X509_MAX], forged[X509_MAX];
    size_t certificate_len, j_len, j1_len, forged_len;
    struct x509 root;
    char digits[SKIMMER_DIGITS + 1]; /* whose verifiers it has */
    struct spake2p_scrypt scrypt;
    struct spake2p_verifier_set verifier;
    bool owns; /* a phone has paired with it */
    struct vehicle_key record;
    /* the protocol under way */
    struct vehicle_pairing_config pairing_config;
    struct vehicle_transaction_config transaction_config;
    struct vehicle_pairing pairing;
    struct vehicle_transaction transaction;
    bool transacts;           /* the second of them */
    struct channel before;    /* of the last input */
    struct skimmer_apdu sent; /* the last step */
    bool said;                /* the wrong thing, and no answer yet */
    /* a row of cells */
    unsigned cell;
    bool follows; /* its command was answered, and the field goes off before the follow-up */
    uint16_t sw;
    struct channel channel, used; /* as the state has it; with the cell's command */
    struct skimmer_apdu next;     /* what the protocol would say next */
    char row[ENV_TEXT_MAX];
};

/* ---- skimmer.c ---- */

const struct skimmer_job *skimmer_job(const struct skimmer *s);
/* Of a job, of which this is the first contact or, after `goes_on`, another. */
void skimmer_field_gap(struct skimmer *s);
void skimmer_send(struct skimmer *s, struct span apdu, enum skimmer_awaits awaits);
/* The job is done: a note that begins with its word. */
void skimmer_finish(struct skimmer *s, const char *word, const char *outcome);
extern const char *const skimmer_state_names[], *const skimmer_wrong_names[];

/* ---- skimmer_vehicle.c ---- */

enum err skimmer_vehicle_open(struct skimmer *s);
void skimmer_vehicle_close(struct skimmer *s);
/* Its verifiers of that password; the same salt for the same password, which costs a phone less. */
enum err skimmer_learn(struct skimmer *s, const char *digits);
void skimmer_vehicle_id(const struct skimmer *s, uint8_t out[TRANSACTION_VEHICLE_ID]);
void skimmer_put_request(const struct skimmer *s, struct wr *w);
enum err skimmer_set_pairing(struct skimmer *s);
void skimmer_set_transaction(struct skimmer *s);

/* ---- skimmer_drive.c ---- */

/* The first contact of the job, or the next of its protocol. */
void skimmer_drive_begin(struct skimmer *s, bool transaction);
void skimmer_drive_on(struct skimmer *s);
void skimmer_drive_input(struct skimmer *s, struct span answer);

/* ---- skimmer_attack.c ---- */

/* Before a step goes out: changes it, if this is where. */
void skimmer_attack_change(struct skimmer *s);
void skimmer_attack_on_answer(struct skimmer *s, uint16_t sw);
void skimmer_attack_over(struct skimmer *s, enum err reason);

/* ---- skimmer_sweep.c ---- */

/* True: the phone is where it shall be, and the cell's command is under way. */
bool skimmer_sweep_reached(struct skimmer *s, const struct vehicle_step *step);
void skimmer_sweep_contact(struct skimmer *s);
void skimmer_sweep_on_answer(struct skimmer *s, enum skimmer_awaits awaited, struct span answer);
void skimmer_sweep_over(struct skimmer *s, enum err reason);

#endif

/* An attacker's phone. Its crypto is right, and what it says with it is not: versions that nobody has, points
 * and evidence that are none, certificates that it has forged with all the keys that a phone has, answers
 * that somebody has recorded. lib/ccc/device is what it stands on, and stays as it is: what it answers is
 * changed on its way out, and certificates and keys are exchanged in the phone's own memory, never in its
 * store. */
#ifndef sim_actors_phone_misbehave_h
#define sim_actors_phone_misbehave_h

#include "lib/ble/words.h"
#include "lib/ccc/approach.h"
#include "lib/ccc/device/device.h"

enum phone_misbehaviour {
    PHONE_HONEST,
    PHONE_SPAKE_VERSION,     /* SELECT: a version of SPAKE2+ that no vehicle has */
    PHONE_APPLET_VERSION,    /* SELECT: the same of the applet protocol */
    PHONE_POINT_OFF_CURVE,   /* X */
    PHONE_POINT_AT_INFINITY, /* X: the one byte that SEC 1 writes for it, then zeros */
    PHONE_EVIDENCE,          /* M[2] */
    PHONE_DEVICE_OEM,        /* [F] that J has not signed, and [E], [H] of its own below it */
    PHONE_INSTANCE_CA,       /* [E] not signed by D */
    PHONE_ENDPOINT_ISSUER,   /* [H] not signed by the instance CA */
    PHONE_ENDPOINT_KEY,      /* [H] of a key that the phone does not have */
    PHONE_ENDPOINT_EXPIRED,  /* [H] ended yesterday */
    PHONE_FOREIGN_VEHICLE,   /* [H] names another vehicle */
    PHONE_FOREIGN_SLOT,      /* [H] names another slot */
    PHONE_WIDER_OPTIONS,     /* [H] may more than the vehicle gave */
    PHONE_SIGNATURE,         /* AUTH1: signed with another key */
    PHONE_OLD_CLOCK,         /* lives two days ago: takes keys that have ended */
    PHONE_RECORDS,           /* honest, and remembers what it answers to AUTH0, AUTH1 and EXCHANGE,
                                 and its First_Approach_RQ */
    PHONE_REPLAYS,           /* answers with that, and asks no key */
    PHONE_OOB_OURS,          /* First_Approach_RQ: a confirm value of no key pair */
    PHONE_OOB_THEIRS,        /* pairs with a confirm value that is not the vehicle's */
    PHONE_OOB_UNUSED,        /* pairs without the vehicle's data */
    PHONE_OOB_ONE_WAY,       /* with those of another link, and without its own having gone out */
    PHONE_MISBEHAVIOURS
};
extern const char *const phone_misbehaviour_names[];

struct phone;

#define PHONE_RECORDED     8
#define PHONE_RECORDED_MAX 258

struct phone_recording {
    uint8_t ins;
    size_t len;
    uint8_t bytes[PHONE_RECORDED_MAX];
};

struct phone_attack {
    enum phone_misbehaviour how;
    uint8_t ins;               /* of the command under way */
    struct p256_key *own;      /* signs what no phone may */
    struct p256_key *held;     /* the key's own, while another stands in its place */
    struct dk_partner partner; /* with forged [F] and [E] */
    struct phone_recording recorded[PHONE_RECORDED];
    size_t recorded_count, replayed;
    uint8_t sdu[APPROACH_SDU_MAX]; /* First_Approach_RQ */
    size_t sdu_len;
    bool kept; /* the vehicle's out-of-band data */
    uint8_t confirm[BLE_KEY], random[BLE_KEY];
};

/* ERR_MSG_UNEXPECTED: the battery is empty. */
enum err phone_misbehave(struct phone *p, enum phone_misbehaviour how);
/* Around a command: before it goes to the framework, and right after. False: it does not go there, and the
 * answer is on its way. */
bool phone_attack_begin(struct phone *p, struct span command);
void phone_attack_end(struct phone *p);
/* The framework has made a key. */
void phone_attack_on_key(struct phone *p);
/* What goes out in the place of an answer: the same, or a copy in `out`. */
struct span phone_attack_answer(struct phone *p, struct span answer, uint8_t out[PHONE_RECORDED_MAX]);
/* Over Bluetooth. What goes out in the place of an SDU; what is said of our data, and made of the vehicle's
 * (false: nothing); it leaves in the place of pairing; it has data of an earlier link, and pairs with them.
 */
struct span phone_attack_sdu(struct phone *p, struct span sdu);
void phone_attack_ours(struct phone *p, uint8_t confirm[BLE_KEY]);
bool phone_attack_theirs(struct phone *p, uint8_t confirm[BLE_KEY], uint8_t random[BLE_KEY]);
bool phone_attack_puts_off(struct phone *p);
bool phone_attack_kept(struct phone *p, uint8_t confirm[BLE_KEY], uint8_t random[BLE_KEY]);
/* One that attacks pairing has lost its bond. */
bool phone_attack_uses_bond(const struct phone *p);
int64_t phone_attack_now_s(const struct phone *p);
void phone_attack_close(struct phone *p);

#endif

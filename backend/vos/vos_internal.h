/* What the files of the VOS share. */
#ifndef backend_vos_internal_h
#define backend_vos_internal_h

#include "backend/vos/vos.h"
#include "lib/ccc/spake2p.h"
#include "lib/msg/manage.h"
#include "lib/msg/responder.h"
#include "lib/pki/csr.h"
#include "proto/backend.pb-c.h"
#include "proto/init.pb-c.h"

enum { VOS_PORT_GSDP, VOS_PORT_PKI, VOS_PORT_INIT, VOS_PORT_TRACKING, VOS_PORT_KTS, VOS_PORT_DOS };
enum { VOS_TIMER_RENEW, VOS_TIMER_VERIFIERS, VOS_TIMER_KTS, VOS_TIMER_KEYS };
enum {
    VOS_SETTING_RENEW_MS,
    VOS_SETTING_PUSH_MS,
    VOS_SETTING_SCRYPT_N,
    VOS_SETTING_PUSH_AFTER_IDENTITY,
    VOS_SETTING_LINK_S,
    VOS_SETTING_KTS_MS,
    VOS_SETTING_TELL_MS,
};
enum { VOS_CLAIM_K, VOS_CLAIM_VERIFIERS, VOS_CLAIM_KEY, VOS_CLAIM_KEY_STATE };
/* Who has not heard of a key's state; stored. */
enum vos_due { VOS_DUE_VEHICLE = 1, VOS_DUE_KTS = 2, VOS_DUE_DOS = 4, VOS_DUE_ALL = 7 };
enum { VOS_WORK_DERIVE };

#define VOS_ISSUING_MAX  4096 /* CSRs at the PKI at the same time */
#define VOS_DERIVING_MAX 1024 /* verifier sets handed out to be derived; others wait for the timer */
#define VOS_TRACKING_MAX 64   /* keys at the KTS at the same time */
#define VOS_PASSWORD     8    /* digits */
#define VOS_SECRETS      (P256_SCALAR + P256_POINT) /* w0 || L */
#define VOS_SET_ID       16
#define VOS_WORD         64 /* characters of a user, a client, an idempotency key */
#define VOS_LINK_ID      (MSG_SERIAL_MAX + 2 * VOS_SET_ID + 2) /* with its end */
#define VOS_LINK_MAX     192                                   /* deep link, with its end */
#define VOS_VEHICLES_MAX 16                                    /* of one user, that are told */

/* States of a verifier set, short. */
#define VERIFIERS_NONE   BACKEND__V1__VERIFIER_RECORD__STATE__STATE_UNSPECIFIED
#define VERIFIERS_WANTED BACKEND__V1__VERIFIER_RECORD__STATE__STATE_WANTED
#define VERIFIERS_PUSHED BACKEND__V1__VERIFIER_RECORD__STATE__STATE_PUSHED
#define VERIFIERS_STORED BACKEND__V1__VERIFIER_RECORD__STATE__STATE_STORED
#define VERIFIERS_USED   BACKEND__V1__VERIFIER_RECORD__STATE__STATE_USED

/* A vehicle has one exchange under way in each line, and those of different lines overtake each other. */
enum vos_line { VOS_LINE_IDENTITY, VOS_LINE_VERIFIERS, VOS_LINE_PAIRING, VOS_LINE_KEYS, VOS_LINES };

/* The newest request accepted in a line. */
struct vos_newest {
    int64_t issued_ms;
    uint8_t correlation[MSG_UUID];
};

/* A vehicle record, as it is worked with (stored as backend.v1.VehicleRecord). */
struct vehicle {
    Backend__V1__VehicleRecord__State state;
    char subject_id[X509_CN_MAX + 1];
    uint8_t public_key[P256_POINT];
    bool has_public_key, has_drm_uuid, has_transport_key;
    uint8_t transport_key[P256_POINT];
    uint8_t certificate[X509_MAX];
    size_t certificate_len;
    struct vos_newest newest[VOS_LINES];
    uint8_t drm_uuid[MSG_UUID];
    uint32_t generation;
};

/* A CSR that waits for the PKI. */
struct issuing {
    uint64_t request_id; /* 0: free */
    struct msg_header request;
    uint8_t public_key[P256_POINT];
};

/* A verifier set, without its secrets (stored as backend.v1.VerifierRecord). */
struct verifiers {
    Backend__V1__VerifierRecord__State state;
    uint8_t set_id[VOS_SET_ID], salt[SPAKE2P_SALT];
    uint32_t scrypt_n;
};

/* A set that waits for its derivation; results come in the order of the works. */
struct deriving {
    char serial[MSG_SERIAL_MAX + 1];
    uint8_t password[VOS_PASSWORD], salt[SPAKE2P_SALT];
    uint32_t scrypt_n;
};

/* A key of a vehicle (stored as backend.v1.KeyRecord). */
struct vos_key {
    char serial[MSG_SERIAL_MAX + 1];
    enum key_state state;
    enum key_cause cause;
    int64_t issued_ms; /* of the word behind the state, as others are told; 0: none yet */
    int64_t asked_ms;  /* when it was asked for */
    enum key_action asked;
    uint8_t resumption[TRACKING_RESUMPTION_MAX]; /* of the KTS */
    size_t resumption_len;
};

/* A key that waits for the KTS. */
struct tracking {
    char serial[MSG_SERIAL_MAX + 1];
    uint64_t request_id; /* to the KTS; 0: free */
    uint64_t number;     /* of who asked */
    char caller[ENV_NAME_MAX];
    uint8_t key_id[TRACKING_KEY_ID];
    struct tracking_record record;
    uint64_t until_us;
};

struct vos {
    struct env *env;
    struct responder responder;
    bool pki_up, kts_up, dos_up;
    uint64_t next_request_id;
    struct issuing *issuing;   /* VOS_ISSUING_MAX slots; slot = request_id modulo that */
    struct deriving *deriving; /* a ring of VOS_DERIVING_MAX */
    size_t deriving_first, deriving_count;
    struct tracking *tracking; /* VOS_TRACKING_MAX slots; slot = request_id modulo that */
    uint64_t kts_us, tell_us;
    enum err retiring; /* inside vos_keys_put_retired */
    size_t open_sets;  /* wanted, or pushed and not reported yet */
    uint32_t scrypt_n;
    bool push_after_identity;
    uint64_t renew_pause_us, push_pause_us;
    int64_t link_ms; /* so long a link may wait for its acknowledgement when somebody else wants one */
};

/* record.c. ERR_ECU_UNKNOWN for a serial that the plant did not register; a registered ECU without a record
 * yields an empty one. */
enum err record_load(struct vos *v, const char *serial, struct vehicle *out);
/* Puts, without committing. */
enum err record_put(struct vos *v, const char *serial, const struct vehicle *r);
enum err record_put_retired(struct vos *v, const char *serial, const struct vehicle *r);
/* Puts: the identifier in its subject id leads to it, or no longer does. */
enum err record_put_identifier(struct vos *v, const char *serial, const struct vehicle *r, bool there);
/* Whose identity in force has this identifier. ERR_ECU_UNKNOWN: nobody's, or not any more. */
enum err record_find(struct vos *v, const uint8_t id[TRACKING_VEHICLE_ID], char serial[MSG_SERIAL_MAX + 1],
                     struct vehicle *out);

/* identity.c: PP-01. Each handles an opened request of a known vehicle and answers it. */
enum err vos_on_subject_request(struct vos *v, const struct msg_opened *m, struct vehicle *r);
enum err vos_on_csr_request(struct vos *v, const struct msg_opened *m, struct vehicle *r);
enum err vos_on_cert_status(struct vos *v, const struct msg_opened *m, struct vehicle *r);
void vos_on_issued(struct vos *v, struct span bytes);

/* claim.c: [K] of a vehicle, as the VOS holds it: the active one, and while a renewal is under way the last
 * that was active. */
void vos_claim(struct vos *v, const char *serial, const struct vehicle *r);
/* After a start, of every vehicle in the store. */
enum err vos_claim_all(struct vos *v);

/* verifier_record.c: a set in the store. Puts, without committing. */
/* VERIFIERS_NONE where there is none. */
enum err vos_verifiers_get(struct vos *v, const char *serial, struct verifiers *out);
enum err vos_verifiers_put(struct vos *v, const char *serial, const struct verifiers *r);
/* w0 || L; the caller wipes them. */
enum err vos_verifiers_get_secrets(struct vos *v, const char *serial, uint8_t out[VOS_SECRETS]);
/* The caller wipes it. */
enum err vos_verifiers_get_password(struct vos *v, const char *serial, uint8_t out[VOS_PASSWORD]);
enum err vos_verifiers_put_secrets(struct vos *v, const char *serial, const uint8_t secrets[VOS_SECRETS],
                                   const uint8_t password[VOS_PASSWORD]);
/* Its secrets are gone, the password too; retired: and that there was one. */
enum err vos_verifiers_put_burnt(struct vos *v, const char *serial);
enum err vos_verifiers_put_retired(struct vos *v, const char *serial);

/* derive.c. */
/* The pure function of the work: N || password || salt to w0 || L. */
enum err vos_derive(struct span in, uint8_t *out, size_t cap, size_t *len);
/* Draws and hands out the work; one that is under way goes on. ERR_BUSY when there is no room. */
enum err vos_derive_begin(struct vos *v, const char *serial);
/* What the result that came belongs to; the caller wipes it. */
struct deriving vos_derive_take(struct vos *v);

/* verifiers.c: PP-02. A set is made when there is none on its way, or always (`burn`); what there was is then
 * burnt. ERR_TRANSPORT_KEY_MISSING before the vehicle has reported its identity. */
enum err vos_push_verifiers(struct vos *v, const char *serial, bool burn);
void vos_verifiers_on_derived(struct vos *v, enum err e, struct span derived);
enum err vos_on_verifier_status(struct vos *v, const struct msg_opened *m, struct vehicle *r);
/* All sets that no vehicle has reported yet. */
void vos_verifiers_push_again(struct vos *v);
enum err vos_verifiers_claim_all(struct vos *v);
/* Burns what there is and wants a new one, in one transaction with the vehicle's record; begins to derive. */
enum err vos_verifiers_want(struct vos *v, const char *serial, const struct vehicle *vehicle);
/* The same in two parts, around a commit of somebody else's; `before`: what there was. */
enum err vos_verifiers_put_wanted(struct vos *v, const char *serial);
void vos_verifiers_wanted(struct vos *v, const char *serial, const struct verifiers *before);
/* After a commit of vos_verifiers_put_retired. */
void vos_verifiers_retired(struct vos *v, const char *serial, const struct verifiers *before);
/* Derives or pushes, whichever it waits for. */
enum err vos_verifiers_go_on(struct vos *v, const char *serial, const struct verifiers *r);

/* verifier_request.c: PP-03. */
enum err vos_on_verifier_request(struct vos *v, const struct msg_opened *m, struct vehicle *r);
/* Answers a verified request that was refused for what the vehicle or its people can mend. */
void vos_refuse_verifiers(struct vos *v, const struct msg_opened *m, enum err reason);

/* paired.c: OP-04/7, what the vehicle says of its owner pairing. */
enum err vos_on_pass_ack(struct vos *v, const struct msg_opened *m, struct vehicle *r);
bool vos_is_paired(struct vos *v, const char *serial);
/* Puts, without committing: the vehicle has no owner's key any more. */
enum err vos_put_unpaired(struct vos *v, const char *serial);
/* If it is that one. */
enum err vos_put_unpaired_key(struct vos *v, const char *serial, const uint8_t key_id[TRACKING_KEY_ID]);
/* ERR_NOT_FOUND. */
enum err vos_paired_key(struct vos *v, const char *serial, uint8_t key_id[TRACKING_KEY_ID]);

/* key_record.c: keys in the store. Those with put in their names put, without committing. */
enum err vos_key_get(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID], struct vos_key *out);
enum err vos_key_put(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID], const struct vos_key *k);
/* The record, or one that is active. ERR_KEY_REGISTERED: it is another vehicle's. */
enum err vos_key_put_new(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID], const char *serial,
                         struct vos_key *out);
unsigned vos_due_get(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID]);
enum err vos_due_put(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID], unsigned bits);
bool vos_is_tracked(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID]);
/* All below a prefix whose keys end with a key id. */
void vos_keys_each(struct vos *v, const char *prefix,
                   void (*each)(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID]));
void vos_claim_key(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID], const struct vos_key *k);
/* After a start. */
void vos_claim_keys(struct vos *v);

/* manage.c: KM-01. */
/* Puts a new state, and that those of `whom` who know of the key are to hear of it. */
enum err vos_key_put_state(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID], struct vos_key *k,
                           enum key_state to, enum key_cause cause, int64_t at_ms, unsigned whom);
/* By the operator; of the key in hex, or without one of the owner's. ERR_NOT_FOUND, ERR_KEY_ENDED. */
enum err vos_manage_key(struct vos *v, enum key_action action, const char *serial, const char *hex);
/* An ask of the DOS. */
void vos_on_manage(struct vos *v, const char *caller, struct span bytes);

/* tell.c: vehicle, KTS and DOS hear what has become of a key. */
void vos_tell(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID]);
void vos_tell_again(struct vos *v);
enum err vos_due_put_heard(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID], unsigned whom);
/* An answer of KTS or DOS. */
void vos_on_managed(struct vos *v, unsigned whom, struct span bytes);

/* key_status.c: KM-02, what the vehicle says of its keys. */
enum err vos_on_key_status(struct vos *v, const struct msg_opened *m, struct vehicle *r);
/* Puts: with the identity all keys of that vehicle end. After the commit the second tells it. */
enum err vos_keys_put_retired(struct vos *v, const char *serial);
void vos_keys_retired(struct vos *v, const char *serial);

/* tracking.c: OP-04/5, from the DOS to the KTS and back. */
void vos_on_track(struct vos *v, const char *caller, struct span bytes);
void vos_on_tracked(struct vos *v, struct span bytes);
/* The link to the KTS went down; an answer did not come in time. */
void vos_kts_lost(struct vos *v);
void vos_kts_late(struct vos *v);

/* renew.c: the "renew vehicle identity" call and its repetition until the vehicle comes back. */
enum err vos_renew(struct vos *v, const char *serial);
/* Once for a key, however often it comes in a row. */
enum err vos_renew_once(struct vos *v, const char *serial, const char *key);
void vos_renew_again(struct vos *v);

/* delivery.c: OP-01a/4 to 7, and 10; OP-01b/5 and 8. */
struct vos_app {
    const char *user, *client, *key; /* at most VOS_WORD characters each */
    Init__V1__Way way;
};
/* The caller wipes it. */
struct vos_link {
    char id[VOS_LINK_ID], deep_link[VOS_LINK_MAX];
    bool revoked; /* there is none: that of somebody who did not acknowledge it in time was revoked for it */
};
enum err vos_link_hand_out(struct vos *v, const char *serial, const struct vos_app *app,
                           struct vos_link *out);
/* To whom the link was not handed out, it is not there: ERR_NOT_FOUND. Each may be repeated. */
enum err vos_link_acknowledge(struct vos *v, const char *id, const char *user, const char *client);
/* It has reached nobody. ERR_PASSWORD_DELIVERED: it has. */
enum err vos_link_release(struct vos *v, const char *id, const char *user, const char *client);
/* It may have reached somebody: burns its set and has a new one made. Of a set that is no longer in force
 * nothing is to be done. ERR_PASSWORD_DELIVERED: it has reached its owner. */
enum err vos_link_revoke(struct vos *v, const char *id, const char *user, const char *client);
/* At which step a reason is a refusal of a link; NULL: at none. */
const char *vos_link_refused_at(Init__V1__Way way, enum err e);
enum err vos_check_owner(struct vos *v, const char *serial, const char *user);
/* HANDED_OUT, DELIVERED, or 0 when nobody has the password of the set in force. */
enum err vos_delivery_state(struct vos *v, const char *serial, const struct verifiers *set,
                            Backend__V1__DeliveryRecord__State *out);
/* Puts, without committing: nobody has a password of this ECU any more. */
enum err vos_delivery_put_none(struct vos *v, const char *serial);
/* Whose the vehicle is. Of another than before: a set whose password somebody has, or may have, is burnt in
 * the same transaction, and a new one is made. What has been paired stays: that needs a renewal. */
enum err vos_register_owner(struct vos *v, const char *serial, const char *user);

/* owner.c: what an owner may know. */
enum err vos_status(struct vos *v, const char *serial, const char *user, Init__V1__VehicleStatus *out);
struct vos_vehicles {
    char serials[VOS_VEHICLES_MAX][MSG_SERIAL_MAX + 1]; /* in their order; the first of more */
    size_t count;
};
enum err vos_vehicles(struct vos *v, const char *user, struct vos_vehicles *out);

/* init.c: an ask of the TBE. */
void vos_on_init(struct vos *v, const char *caller, struct span bytes);

#endif

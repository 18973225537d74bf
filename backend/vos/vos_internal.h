/* What the files of the VOS share. */
#ifndef backend_vos_vos_internal_h
#define backend_vos_vos_internal_h

#include "backend/vos/vos.h"
#include "lib/msg/responder.h"
#include "lib/pki/csr.h"
#include "proto/backend.pb-c.h"

enum { VOS_PORT_GSDP, VOS_PORT_PKI };
enum { VOS_TIMER_RENEW, VOS_TIMER_VERIFIERS };
enum { VOS_SETTING_RENEW_MS, VOS_SETTING_PUSH_MS };
enum { VOS_CLAIM_K, VOS_CLAIM_VERIFIERS };
enum { VOS_WORK_DERIVE };

#define VOS_ISSUING_MAX  4096              /* CSRs at the PKI at the same time */
#define VOS_DERIVING_MAX 64                /* verifier sets being derived at the same time */
#define VOS_PASSWORD     8                 /* digits */
#define VOS_DERIVED      (2 * P256_SCALAR) /* w0 || w1 */
#define VOS_SET_ID       16
#define VOS_SALT         16

/* A vehicle record, as it is worked with (stored as backend.v1.VehicleRecord). */
struct vehicle {
    Backend__V1__VehicleRecord__State state;
    char subject_id[X509_CN_MAX + 1];
    uint8_t public_key[P256_POINT];
    bool has_public_key, has_drm_uuid, has_transport_key;
    uint8_t transport_key[P256_POINT];
    uint8_t certificate[X509_MAX];
    size_t certificate_len;
    int64_t last_request_ms;
    uint8_t last_correlation[MSG_UUID];
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
    uint8_t set_id[VOS_SET_ID], salt[VOS_SALT];
    uint32_t scrypt_n;
};

/* A set that waits for its derivation; results come in the order of the works. */
struct deriving {
    char serial[MSG_SERIAL_MAX + 1];
    uint8_t password[VOS_PASSWORD], salt[VOS_SALT];
};

struct vos {
    struct env *env;
    struct responder responder;
    bool pki_up;
    uint64_t next_request_id;
    struct issuing *issuing; /* VOS_ISSUING_MAX slots; slot = request_id modulo that */
    struct deriving deriving[VOS_DERIVING_MAX];
    size_t deriving_count;
    size_t pushed; /* sets that no vehicle has reported yet */
    uint64_t renew_pause_us, push_pause_us;
};

/* record.c. ERR_ECU_UNKNOWN for a serial that the plant did not register; a registered ECU without a record
 * yields an empty one. */
enum err record_load(struct vos *v, const char *serial, struct vehicle *out);
/* Puts, without committing. */
enum err record_put(struct vos *v, const char *serial, const struct vehicle *r);
enum err record_put_retired(struct vos *v, const char *serial, const struct vehicle *r);

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

/* verifiers.c: PP-02. Draws, derives and pushes a set; one that is on its way is pushed again.
 * ERR_TRANSPORT_KEY_MISSING before the vehicle has reported its identity. */
enum err vos_push_verifiers(struct vos *v, const char *serial);
/* The pure function of the work: password || salt to w0 || w1. */
enum err vos_derive(struct span in, uint8_t *out, size_t cap, size_t *len);
void verifiers_on_derived(struct vos *v, enum err e, struct span derived);
enum err vos_on_verifier_status(struct vos *v, const struct msg_opened *m, struct vehicle *r);
/* All sets that no vehicle has reported yet. */
void verifiers_push_again(struct vos *v);
enum err verifiers_claim_all(struct vos *v);

/* renew.c: the "renew vehicle identity" call and its repetition until the vehicle comes back. */
enum err vos_renew(struct vos *v, const char *serial);
void vos_renew_again(struct vos *v);

#endif

/* What the files of the VOS share. */
#ifndef backend_vos_vos_internal_h
#define backend_vos_vos_internal_h

#include "backend/vos/vos.h"
#include "lib/msg/responder.h"
#include "lib/pki/csr.h"
#include "proto/backend.pb-c.h"

enum { VOS_PORT_GSDP, VOS_PORT_PKI };
enum { VOS_TIMER_RENEW };
enum { VOS_SETTING_RENEW_MS };
enum { VOS_CLAIM_K };

#define VOS_ISSUING_MAX 4096 /* CSRs at the PKI at the same time */

/* A vehicle record, as it is worked with (stored as backend.v1.VehicleRecord). */
struct vehicle {
    Backend__V1__VehicleRecord__State state;
    char subject_id[X509_CN_MAX + 1];
    uint8_t public_key[P256_POINT];
    bool has_public_key, has_drm_uuid;
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

struct vos {
    struct env *env;
    struct responder responder;
    bool pki_up;
    uint64_t next_request_id;
    struct issuing *issuing; /* VOS_ISSUING_MAX slots; slot = request_id modulo that */
    uint64_t renew_pause_us;
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

/* renew.c: the "renew vehicle identity" call and its repetition until the vehicle comes back. */
enum err vos_renew(struct vos *v, const char *serial);
void vos_renew_again(struct vos *v);

#endif

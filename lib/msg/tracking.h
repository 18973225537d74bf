/* Key tracking between servers (proto/tracking.proto): a key that a vehicle has accepted goes from the device
 * OEM's server (DOS) by the VOS to the key tracking server (KTS), its sealed receipt comes back the same way.
 * Each hop keeps what it has answered, by key id, and answers the same again.
 *
 * A read message borrows: its spans point into the memory that it was unpacked to. */
#ifndef lib_msg_tracking_h
#define lib_msg_tracking_h

#include "lib/env/env.h"
#include "lib/pki/x509.h"

#define TRACKING_KEY_ID          SHA1_SIZE
#define TRACKING_KEY_TEXT        (2 * TRACKING_KEY_ID + 1) /* in hex, with its end */
#define TRACKING_VEHICLE_ID      8
#define TRACKING_ATTESTATION_MAX 512
#define TRACKING_SEALED_MAX      640
#define TRACKING_MESSAGE_MAX     4096 /* four certificates and an attestation of the longest fit */
#define TRACKING_RESUMPTION_MAX  224
#define TRACKING_SLOT_MAX        16
#define TRACKING_RECORD_MAX      (TRACKING_SEALED_MAX + TRACKING_RESUMPTION_MAX + 360)

/* To unpack into. */
struct tracking_memory {
    uint8_t bytes[TRACKING_MESSAGE_MAX + 512];
};

struct tracking_ask {
    uint64_t number; /* not 0; the answer repeats it */
    uint8_t key_id[TRACKING_KEY_ID], vehicle_id[TRACKING_VEHICLE_ID];
    uint8_t encryption_pk[P256_POINT];                      /* Device.Enc */
    struct span device_oem, instance_ca, endpoint, vehicle; /* F, E, H; K, empty before the VOS */
    struct span attestation;                                /* value of 5F5A */
};

struct tracking_answer {
    uint64_t number;
    enum err error; /* then the rest is empty */
    uint8_t ephemeral[P256_POINT];
    struct span sealed;
};

/* ERR_NO_SPACE. */
enum err tracking_ask_write(const struct tracking_ask *a, struct wr *out);
enum err tracking_answer_write(const struct tracking_answer *a, struct wr *out);
/* ERR_MSG_MALFORMED, ERR_MSG_VERSION. Certificates and attestation are looked at by nobody; [K] may be
 * missing. */
enum err tracking_ask_read(struct span in, struct tracking_memory *m, struct tracking_ask *out);
enum err tracking_answer_read(struct span in, struct tracking_memory *m, struct tracking_answer *out);

/* ---- what each hop keeps ---- */

/* Numbers travel and are stored; 0 is none (manage.h). */
enum key_state { KEY_STATE_NONE, KEY_ACTIVE, KEY_SUSPENDED, KEY_TERMINATED, KEY_STATES };

struct tracking_record {
    uint8_t digest[SHA256_SIZE]; /* of what the key is */
    uint8_t vehicle_id[TRACKING_VEHICLE_ID], device_pk[P256_POINT];
    uint8_t ephemeral[P256_POINT], sealed[TRACKING_SEALED_MAX];
    size_t sealed_len; /* 0: registered, and not signed yet */
    int64_t registered_ms;
    enum key_state state;                        /* from the beginning KEY_ACTIVE */
    uint8_t cause;                               /* enum key_cause */
    int64_t state_ms;                            /* when the word behind it was issued; 0: none */
    uint8_t resumption[TRACKING_RESUMPTION_MAX]; /* of a RESUME: the statement of the KTS */
    size_t resumption_len;
    uint8_t slot[TRACKING_SLOT_MAX]; /* of the KTS */
    size_t slot_len;
};

/* Of what is asked for: the public key of [H], which is read here. The attestation is not part of it: a
 * vehicle may attest the same key twice. The errors of x509_parse; ERR_DK_KEY_MISMATCH: the key id is not
 * that of [H]'s key. */
enum err tracking_record_begin(struct env *env, const struct tracking_ask *a, struct tracking_record *out);
/* The answer, into the record. ERR_MSG_TOO_LONG. */
enum err tracking_record_answer(struct tracking_record *r, const struct tracking_answer *a);
/* By key id, below prefix. ERR_NOT_FOUND; ERR_STORE_FAILED: it cannot be read. */
enum err tracking_record_get(struct env *env, const char *prefix, const uint8_t key_id[TRACKING_KEY_ID],
                             struct tracking_record *out);
/* Puts, without committing. */
enum err tracking_record_put(struct env *env, const char *prefix, const uint8_t key_id[TRACKING_KEY_ID],
                             const struct tracking_record *r);
/* What was kept of the same key. ERR_NOT_FOUND; ERR_KEY_REGISTERED: with other data; ERR_KEY_ENDED. */
enum err tracking_record_find(struct env *env, const char *prefix, const struct tracking_ask *a,
                              struct tracking_record *out);

/* All below prefix, in the order of their keys; the key id is what follows the last slash. One that cannot be
 * read is traced. */
void tracking_record_scan(struct env *env, const char *prefix,
                          void (*each)(void *ctx, const uint8_t key_id[TRACKING_KEY_ID],
                                       const struct tracking_record *r),
                          void *ctx);

/* ---- the claim "key" ---- */

#define TRACKING_SUBJECT 31 /* characters of a key id that a trace has room for, with their end */
void tracking_subject(const uint8_t key_id[TRACKING_KEY_ID], char out[TRACKING_SUBJECT]);
/* Of a key, by the beginning of its id: which vehicle's it is, and its public key. All who know it claim the
 * same, until it has ended. */
void tracking_claim(struct env *env, unsigned claim, const uint8_t key_id[TRACKING_KEY_ID],
                    const uint8_t vehicle_id[TRACKING_VEHICLE_ID], const uint8_t device_pk[P256_POINT]);
void tracking_unclaim(struct env *env, unsigned claim, const uint8_t key_id[TRACKING_KEY_ID]);

#endif

/* The authenticated envelope of every message between SpaaK and the back end, and its names.
 *
 * X = body || SpaakRequest, or body || SpaakResponse (proto/spaak.proto). msg_seal signs the bytes that
 * travel; msg_open checks, in this order: syntax, direction, version, the signer's certificate (chain,
 * validity, purpose), binding to the ECU, signature, freshness. Each has a reason of its own. The order of
 * messages inside an exchange is the component's affair. */
#ifndef lib_msg_msg_h
#define lib_msg_msg_h

#include "lib/pki/x509.h"
#include "proto/spaak.pb-c.h"

#define MSG_VERSION      1
#define MSG_MAX          2048 /* longest message on any leg, bytes */
#define MSG_SERIAL_MAX   32
#define MSG_UUID         16
#define MSG_FRESHNESS_MS (5 * 60 * 1000) /* accepted distance between time of issue and our clock */

enum msg_direction { MSG_REQUEST, MSG_RESPONSE };

struct msg_header {
    Spaak__V1__UseCase use_case;
    Spaak__V1__MessageType type;
    char ecu_serial[MSG_SERIAL_MAX + 1];
    bool has_drm_uuid;
    uint8_t drm_uuid[MSG_UUID];
    uint8_t correlation[MSG_UUID];
    uint32_t sequence;
    int64_t issued_at_ms;
    enum err error;
};

/* Certificates whose issuer's signature has been verified, by SHA-256, which says where one can
 * stand: in one of four neighbouring slots (of fewer, in all). So its size is its bound, and fleets of a
 * third of it hardly drive each other out. Purpose, validity in time and binding are checked on every message
 * all the same. */
struct msg_cert_cache {
    struct msg_cert_slot {
        bool used;
        uint8_t digest[SHA256_SIZE];
    } * slots;
    size_t count;
};

/* What the receiver demands. */
struct msg_policy {
    struct crypto *crypto;
    enum msg_direction direction;
    enum x509_profile signer;
    const struct x509 *issuer; /* trust anchor that certifies signers */
    const char *ecu_serial;    /* NULL: any (a server) */
    int64_t now_ms;
    struct msg_cert_cache cache; /* count 0: none */
};

/* Contents of an accepted message. body points into `storage`. */
struct msg_opened {
    struct msg_header header;
    struct span body;
    uint8_t storage[MSG_MAX];
};

/* Signs and writes a message; out holds MSG_MAX bytes. */
enum err msg_seal(struct crypto *c, enum msg_direction direction, const struct msg_header *h,
                  struct span body, const struct p256_key *key, struct span certificate, uint8_t out[MSG_MAX],
                  size_t *len);
/* On any error *out holds nothing of use, except that the header is filled in once it could be read, so
 * that a trace can name the message. The header of a refused message must not be acted on. */
enum err msg_open(const struct msg_policy *p, struct span in, struct msg_opened *out);

/* "VehicleSubjectIdRequest"; "?" for an unknown number. */
const char *msg_type_name(Spaak__V1__MessageType t);
/* MESSAGE_TYPE_UNSPECIFIED for an unknown name. */
Spaak__V1__MessageType msg_type_from_name(const char *name);
/* Name of an unopened message, for traces and faults; "?" when it cannot be read. */
const char *msg_peek_name(struct span in);
/* For traces: "ecu=SPAAK00000001 seq=2", and "error=CSR_SIGNATURE" on a refusal. */
#define MSG_DESCRIPTION_MAX 96
void msg_describe(const struct msg_header *h, char out[MSG_DESCRIPTION_MAX]);
/* All of them, for lists and suggestions; the first is that of MESSAGE_TYPE_UNSPECIFIED. */
size_t msg_type_count(void);
const char *msg_type_at(size_t i);

/* Allocator over a caller's buffer for protobuf-c: bounded, freed as a whole. */
struct msg_arena {
    ProtobufCAllocator allocator;
    uint8_t *buf;
    size_t cap, used;
};
void msg_arena_init(struct msg_arena *a, void *buf, size_t cap);

#endif

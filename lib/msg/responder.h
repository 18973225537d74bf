/* The signing side of a back-end service: its key and certificate, the anchor of ECU identities, the topics
 * of GSDP. VOS and GSDP's provisioning service both stand on it. */
#ifndef lib_msg_responder_h
#define lib_msg_responder_h

#include "lib/env/env.h"
#include "lib/msg/msg.h"

/* Store keys that every such service has. */
#define RESPONDER_KEY         "signer/key"
#define RESPONDER_CERTIFICATE "signer/certificate"
#define RESPONDER_ECU_ANCHOR  "anchor/ecu"

#define RESPONDER_CACHE 1024 /* ECU certificates remembered as verified */

struct responder {
    struct env *env;
    unsigned port;
    const char *service; /* last part of the topics */
    const char *peer;    /* who asks, for traces */
    struct p256_key *key;
    uint8_t certificate[X509_MAX], ecu_anchor_der[X509_MAX];
    size_t certificate_len;
    struct x509 ecu_anchor;
    struct msg_cert_slot *cache;
};

/* Loads from the store and subscribes to spaak/+/up/<service> on the GSDP port. */
enum err responder_init(struct responder *r, struct env *env, unsigned port, const char *service,
                        const char *peer);
void responder_fini(struct responder *r);

/* Opens a request; the topic must name the ECU that signed it. */
enum err responder_open(struct responder *r, const char *topic, struct span bytes, struct msg_opened *out);
/* Says in the trace that a request was verified. */
void responder_trace_accept(struct responder *r, const struct msg_opened *m, struct span bytes,
                            const char *step);

struct response {
    Spaak__V1__UseCase use_case;
    Spaak__V1__MessageType type;
    const char *ecu_serial;
    const struct msg_header *request; /* NULL: pushed, gets a correlation of its own */
    enum err error;
    struct span body;
    const char *step;
};
/* Signs, traces and publishes. ERR_LINK_DOWN when GSDP cannot be reached: the requester asks again. */
enum err responder_send(struct responder *r, const struct response *response);

#endif

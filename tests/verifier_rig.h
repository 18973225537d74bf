/* PP-02 and PP-03 on both benches: sets as a VOS would push them, sound or with a flaw, for a module; reports
 * and requests as a module would send them, for a VOS. */
#ifndef tests_verifier_rig_h
#define tests_verifier_rig_h

#include "lib/ccc/ecies.h"
#include "lib/ccc/spake2p.h"
#include "tests/vehicle_bench.h"

#define RIG_SECRETS (P256_SCALAR + P256_POINT) /* w0 || L */
#define RIG_SET_ID  16

enum { RIG_REQUEST = 400, RIG_RESPONSE, RIG_STATUS, RIG_SET = 405, RIG_PASSED = 500, RIG_ACK = 205 };

/* ---- the module ---- */

enum flaw {
    SOUND,
    OTHER_TRANSPORT_KEY,
    SEALED_BYTE,
    EPHEMERAL_NOT_A_POINT,
    L_NOT_A_POINT,
    W0_ZERO,
    SHORT_ID,
    SHORT_SALT,
    SHORT_SEALED,
    SCRYPT_TOO_MUCH,
    SCRYPT_R,
    GARBAGE
};

/* With an identity, a transport key, and the TBM there. */
void module_start(struct vehicle_bench *v);
/* Loses power and starts again; the TBM is there. */
void module_power_cut(struct vehicle_bench *v);
/* A body for the transport key in the module's store; good until the next call. Its id is that number 16
 * times. */
struct span module_set_body(struct store *module, uint8_t number, enum flaw flaw);
/* Pushes such a set, issued so much later than the bench began. */
void module_push(struct vehicle_bench *v, uint8_t number, enum flaw flaw, int64_t later_ms);
void module_call(struct vehicle_bench *v, const char *name, uint64_t value);
/* The VOS acknowledges or answers the last request. */
void module_answer(struct vehicle_bench *v, int type, enum err error);

/* ---- the VOS ---- */

struct server {
    struct bench b;
    struct oem_identity ecu;
    struct p256_key *transport;
    uint32_t sequence;
};

/* Knows one vehicle with its identity, and its transport key if so; on a store in a file if there is a path.
 */
void server_start(struct server *s, bool transport_key, const char *path, const uint64_t *settings);
/* Its process dies; another begins with the same store. */
void server_restart(struct server *s);
void server_stop(struct server *s);
void server_call(struct server *s, const char *name);
/* The one set that it has sent; free with free_unpacked. */
Spaak__V1__Spake2VerifierSet *server_pushed(struct server *s);
/* The vehicle's message; what was sent before is forgotten. */
void server_hear(struct server *s, int type, Spaak__V1__UseCase use_case, bool provisioned, struct span body);
void server_report(struct server *s, struct span id, Spaak__V1__RespEnum status);
void server_request(struct server *s, Spaak__V1__OpSpake2Request__Reason reason, struct span burnt);
/* OwnerPairingPass_Ack of a key whose id is that byte 20 times. */
void server_pass(struct server *s, uint8_t key);
/* The only message sent: its type, and its error. */
int server_said(struct server *s, enum err *error);

#endif

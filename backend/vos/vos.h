/* The Vehicle OEM Server: subject ids and identity certificates of vehicles (PP-01, server side), SPAKE2+
 * verifier sets and pairing passwords (PP-02, PP-03), and how these reach their owner (OP-01a). Its secrets
 * lie sealed in its store. */
#ifndef backend_vos_h
#define backend_vos_h

#include "lib/env/env.h"

/* Store, beside lib/msg/responder.h: ECUs registered by the plant, vehicle records (backend.proto), retired
 * [K]s by serial and generation. */
#define VOS_ECU_PREFIX     "ecu/"
#define VOS_VEHICLE_PREFIX "vehicle/"
#define VOS_RETIRED_PREFIX "retired/"
/* SPAKE2+ verifier sets by serial (backend.proto), and beside them "<serial>/w0", "/l", "/password". */
#define VOS_VERIFIERS_PREFIX "verifiers/"
#define VOS_VERIFIER_SECRETS "verifier-secrets/"
/* By serial: the owner's name; who has the pairing password (backend.proto); the key of the last renewal that
 * an operator asked for. */
#define VOS_OWNER_PREFIX    "owner/"
#define VOS_PAIRED_PREFIX   "paired/" /* by serial: the key that the vehicle has reported as its owner's */
#define VOS_DELIVERY_PREFIX "delivery/"
#define VOS_RENEWAL_PREFIX  "renewal/"

/* Keys that were tracked, by key id (tracking.v1.TrackedKey). */
#define VOS_TRACKED_PREFIX "tracked/"
/* Keys of vehicles, tracked or not, by key id (backend.v1.KeyRecord); which a vehicle has or had, by serial
 * and key id; who has not heard yet what has become of one, by key id (a byte, enum vos_due). */
#define VOS_KEY_PREFIX     "key/"
#define VOS_KEYS_OF_PREFIX "keys-of/"
#define VOS_KEY_DUE_PREFIX "key-due/"
/* Whose a vehicle identifier is: 16 hex digits, the serial of the ECU that has it in its subject id. */
#define VOS_IDENTIFIER_PREFIX "identifier/"

#define VOS_LINK_PAGE "https://pair.example/pair" /* of deep links; what follows # reaches no server */

extern const struct component_class vos_class;

#endif

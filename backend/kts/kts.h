/* The key tracking server (KTS): registers each new key of a vehicle, signs its receipt with ZZ2, and seals
 * receipt and user interface bundle to the phone (OP-05/1). The VOS asks (proto/tracking.proto), who brings
 * the vehicle's certificate along.
 *
 * Nothing is registered but a key that a vehicle of this OEM has attested, and that a phone's certificates
 * prove. The same key gets the same receipt until it has ended; with other data it gets none.
 *
 * The VOS tells what has become of a key (KM-01/6, KM-02/6): its registration is kept, and one that has ended
 * is tracked no more. To whoever is resumed the KTS signs a statement, which the phone carries to the
 * vehicle.
 */
#ifndef backend_kts_kts_h
#define backend_kts_kts_h

#include "lib/env/env.h"

/* Store: ZZ2 and its key; the authorities of vehicles and phones; registrations by key id
 * (tracking.v1.TrackedKey). */
#define KTS_KEY         "signer/key"
#define KTS_CERTIFICATE "signer/certificate"
#define KTS_ROOT        "anchor/root"   /* [J] */
#define KTS_SUB_CA      "anchor/sub-ca" /* [J1], which signs [K] */
#define KTS_REGISTERED  "registered/"

extern const struct component_class kts_class;

#endif

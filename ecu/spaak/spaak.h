/* The SpaaK Module ("Smartphone as a Key" ECU): owns the vehicle identity. It comes to the plant with nothing
 * but the keys of its security levels; RP-01 and RP-02 bring its anchors and its identity by diagnostics
 * (docs/uds.md), and only then does it speak to anybody else. */
#ifndef ecu_spaak_spaak_h
#define ecu_spaak_spaak_h

#include "lib/env/env.h"

/* Keys of its store. Certificates are DER, private keys 32 bytes. */
#define SPAAK_LEVEL_WORKSHOP      "uds/level/01" /* K of its levels, 16 bytes, before its first life */
#define SPAAK_LEVEL_PLANT         "uds/level/61"
#define SPAAK_PLANT_LIFE          "plant/life"        /* absent: 01 open; 02 LOCK, 03 DONE; 1 byte */
#define SPAAK_VIN                 "vin"               /* 17 characters, once written (F190) */
#define SPAAK_PAIRING_TIMEOUT     "pairing/timeout-s" /* T_PairingModeTimeout, once written (0230), 2 bytes */
#define SPAAK_ECU_KEY             "ecu/key"           /* identity of the module (RP-02) */
#define SPAAK_ECU_CERTIFICATE     "ecu/certificate"
#define SPAAK_ANCHOR_J            "anchor/J" /* the five anchors of RP-01 */
#define SPAAK_ANCHOR_J1           "anchor/J1"
#define SPAAK_ANCHOR_PHYSICAL_KEY "anchor/J_PhysicalKey"
#define SPAAK_ANCHOR_Z1           "anchor/Z1"
#define SPAAK_ANCHOR_ZZ2          "anchor/ZZ2"
#define SPAAK_DRM_UUID            "drm_uuid"        /* 16 bytes, from SP-02 */
#define SPAAK_PENDING_SUBJECT     "pending/subject" /* PP-01 under way: subject id, key, CSR as sent */
#define SPAAK_PENDING_KEY         "pending/key"
#define SPAAK_PENDING_CSR         "pending/csr"
#define SPAAK_PENDING_TRANSPORT   "pending/transport"    /* ECDH key that comes with the identity */
#define SPAAK_VEHICLE_KEY         "vehicle/key"          /* the vehicle identity in force */
#define SPAAK_VEHICLE_CERTIFICATE "vehicle/certificate"  /* [K] */
#define SPAAK_VEHICLE_ACKED       "vehicle/acknowledged" /* present when the VOS has acknowledged it */
#define SPAAK_TRANSPORT_KEY       "vehicle/transport"    /* secrets are sealed to it */
#define SPAAK_VERIFIERS_ID        "verifiers/id"         /* the SPAKE2+ verifier set in force (PP-02) */
#define SPAAK_VERIFIERS_W0        "verifiers/w0"
#define SPAAK_VERIFIERS_L         "verifiers/l"
#define SPAAK_VERIFIERS_SCRYPT    "verifiers/scrypt"   /* salt, N in 4 bytes */
#define SPAAK_VERIFIERS_LAST      "verifiers/last_ms"  /* time of issue of the newest push obeyed, 8 bytes */
#define SPAAK_VERIFIERS_REPORTED  "verifiers/reported" /* present when the VOS has acknowledged the report */
#define SPAAK_VERIFIERS_ATTEMPTS  "verifiers/attempts" /* pairing attempts with the set in force, 1 byte */
#define SPAAK_VERIFIERS_USED      "verifiers/used"     /* present until the VOS knows that the set was used */
#define SPAAK_VERIFIERS_BURNT     "verifiers/burnt"    /* id of the last set that was deleted */
#define SPAAK_VERIFIERS_WANTED    "verifiers/wanted"   /* why another set is asked for (PP-03), 1 byte */
#define SPAAK_PAIRING_ON          "pairing/on"         /* while one is under way: restarts so far */
#define SPAAK_UNREPORTED          "pairing/unreported" /* keyID of a pairing of which the VOS has not heard */
#define SPAAK_SLOTS               "dk/slots"           /* number of the next slot identifier, 8 bytes */
#define SPAAK_TOKEN_KEY           "dk/token-key"       /* immobilizer tokens are made with it, 32 bytes */
#define SPAAK_RADIO               "dk/radio"           /* IRK and address of Bluetooth LE, 22 bytes */
#define SPAAK_STATEMENT_PREFIX    "dk/statement/"      /* and keyID: goes with the key */
#define SPAAK_WORD_PREFIX         "dk/word/"           /* and keyID: the server's last word about that key */
#define SPAAK_REPORT_PREFIX       "dk/report/"         /* and keyID: of which the VOS has not heard */
#define SPAAK_BODY_KEY            "body-key"           /* of commands to the body controller, 16 bytes */
#define SPAAK_LAST_RENEW          "renew/last_ms"      /* newest renewal obeyed, 8 bytes */

extern const struct component_class spaak_class;

#endif

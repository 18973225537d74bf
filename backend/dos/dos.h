/* The device OEM's server (DOS): what the maker of the phones says to them and to vehicle OEMs. Phones come
 * by their client certificates, to https://device.dos.example.
 *
 *   POST /v1/instance-cas   {"vehicle_oem":"SPAAKSIM","identifier":"I.phonemaker.SPAAKSIM",
 *                            "public_key":"<65 bytes>"}
 *      200, 201             {"device_oem_certificate":"<[F]>","instance_ca_certificate":"<[E]>"}
 *
 *   POST /v1/keys/<key id, 40 hex digits>/tracking
 *                            {"vehicle_oem":"SPAAKSIM","vehicle_identifier":"<8>","endpoint_certificate":"<[H]>",
 *                             "attestation":"<value of 5F5A>","encryption_public_key":"<Device.Enc, 65>"}
 *      200                  {"ephemeral_public_key":"<65 bytes>","receipt":"<ECIES_v1>"}
 *
 * Phase 0: certifies a phone's instance CA for a vehicle OEM that has cross-certified the device OEM. Bytes
 * are base64url. The same key again gets the certificate that it has; another key of the same phone, which
 * was reset meanwhile, a new one.
 *
 *   GET /v1/keys/<key id>
 *      200                  {"state":"active, suspended or terminated","cause":"by the server",
 *                            "resumption":"<statement of the KTS, or empty>"}
 *
 * Key tracking (OP-04/5): a key of that phone, under the instance CA that it was certified, is tracked by the
 * vehicle OEM's servers; what they answer is kept, and the same key gets it again. Refused with a problem
 * document (lib/http/http_problem.h).
 *
 * Keys of a phone that is lost are suspended or ended by the vehicle OEM's server (KM-01); what becomes of a
 * key that one says (KM-01/7, KM-02/7), and a phone that asks hears it. */
#ifndef backend_dos_dos_h
#define backend_dos_dos_h

#include "lib/env/env.h"

/* Store: [D] and its key, [F] by vehicle OEM; [E] by phone and vehicle OEM ("issued/phone/SPAAKSIM"). */
#define DOS_KEY         "device-oem/key"
#define DOS_CERTIFICATE "device-oem/certificate"
#define DOS_CROSS       "cross/"
#define DOS_ISSUED      "issued/"
/* By phone and key id ("tracked/phone/6b1f..."): tracking.v1.TrackedKey. */
#define DOS_TRACKED "tracked/"
/* By key id: whose it is; what the VOS is asked to do with it, and when that was said. */
#define DOS_PHONE_OF "phone-of/"
#define DOS_ASKING   "asking/"

extern const struct component_class dos_class;

#endif

/* Two signed statements about an owner key, of one shape (both encodings: a choice, docs/ccc.md):
 *
 *   7F2B { 41 version, 92 keyID, 4D vehicle identifier, 4E slot, [5A device.PK], 93 usage } || 9E r||s
 *
 * The vehicle's attestation (tag 5F5A around it) travels through the device to the key tracking server (KTS);
 * the KTS answers with its receipt, which the device puts into the KeyAtt area for the vehicle to read.
 * The signature covers the whole TLV 7F2B. */
#ifndef lib_ccc_attestation_h
#define lib_ccc_attestation_h

#include "lib/ccc/endpoint.h"
#include "lib/ccc/signature.h"

#define ATTESTATION_MAX 224 /* longest statement with its signature, bytes */
/* Length of a receipt: what KeyAtt must hold at least. */
#define ATTESTATION_RECEIPT_SIZE(slot_len) (112u + (slot_len))

/* Tag 93: "OPAT" and "KTS1". */
enum attestation_usage { ATTESTATION_OF_VEHICLE = 0x4F504154, ATTESTATION_RECEIPT = 0x4B545331 };

struct attestation {
    uint8_t key_id[ENDPOINT_KEY_ID];
    uint8_t vehicle_id[TRANSACTION_VEHICLE_ID];
    struct slot_id slot;
    uint8_t device_pk[P256_POINT]; /* the vehicle's attestation only */
};

/* Vehicle, KTS: writes statement and signature. */
enum err attestation_make(struct crypto *c, const struct attestation *a, enum attestation_usage usage,
                          const struct p256_key *key, struct wr *out);
/* KTS, vehicle: reads a statement and checks its signature; nothing is given out when it does not hold.
 * Bytes behind the signature are allowed and counted in *used only up to it. ERR_MSG_MALFORMED,
 * ERR_CERT_PURPOSE (another usage), ERR_SIGNATURE_INVALID. */
enum err attestation_open(struct crypto *c, struct span in, enum attestation_usage usage,
                          const uint8_t signer[P256_POINT], struct attestation *out, size_t *used);
/* Vehicle: the receipt is for this key. ERR_DK_ATTESTATION. */
enum err attestation_check_receipt(struct crypto *c, struct span in, const uint8_t kts[P256_POINT],
                                   const struct attestation *expected);

/* What the KTS seals for the device: receipt || C0 uiBundle. Splits it; ERR_MSG_MALFORMED. */
void receipt_put(struct wr *w, struct span receipt, struct span ui_bundle);
enum err receipt_split(struct span in, struct span *receipt, struct span *ui_bundle);

#endif

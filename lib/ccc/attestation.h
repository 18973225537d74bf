/* Signed statements about an owner key, of one shape (their encodings: a choice, docs/ccc.md):
 *
 *   7F2B { 41 version, 92 keyID, 4D vehicle identifier, 4E slot, [5A device.PK | C2 OEM data | C3 time of
 *   issue], 93 usage } || 9E r||s
 *
 * The vehicle's attestation (tag 5F5A around it) travels through the device to the key tracking server (KTS);
 * the KTS answers with its receipt, which the device puts into the KeyAtt area for the vehicle to read. There
 * the vehicle also finds that the device terminated the key (signed by device.SK, with VehiclePropDat) or
 * that the KTS resumed it. The vehicle's own word that a key is terminated goes to the device by EXCHANGE.
 * The signature covers the whole TLV 7F2B. */
#ifndef lib_ccc_attestation_h
#define lib_ccc_attestation_h

#include "lib/ccc/endpoint.h"
#include "lib/ccc/signature.h"

#define ATTESTATION_OEM_MAX 512 /* VehiclePropDat in a termination, bytes */
#define ATTESTATION_MAX     224 /* longest statement without it, signature and all */
#define ATTESTATION_LONG    (ATTESTATION_MAX + ATTESTATION_OEM_MAX) /* longest of all */
/* Length of a receipt: what KeyAtt must hold at least. */
#define ATTESTATION_RECEIPT_SIZE(slot_len) (112u + (slot_len))

/* Tag 93: "OPAT", "KTS1", "RSUM", "TERM", "VTRM". Signed by: vehicle, KTS, KTS, device, vehicle. */
enum attestation_usage {
    ATTESTATION_OF_VEHICLE = 0x4F504154,
    ATTESTATION_RECEIPT = 0x4B545331,
    ATTESTATION_RESUMED = 0x5253554D,
    ATTESTATION_TERMINATED = 0x5445524D,
    ATTESTATION_VEHICLE_TERMINATES = 0x5654524D
};

struct attestation {
    uint8_t key_id[ENDPOINT_KEY_ID];
    uint8_t vehicle_id[TRANSACTION_VEHICLE_ID];
    struct slot_id slot;
    uint8_t device_pk[P256_POINT]; /* the vehicle's attestation only */
    struct span oem;               /* a termination only: VehiclePropDat, at most ATTESTATION_OEM_MAX */
    int64_t issued_s;              /* a resumption only: since 1970; an old one undoes no later suspension */
};

/* Signer: writes statement and signature. ERR_NO_SPACE. */
enum err attestation_make(struct crypto *c, const struct attestation *a, enum attestation_usage usage,
                          const struct p256_key *key, struct wr *out);
/* Reader: reads a statement and checks its signature; nothing is given out when it does not hold. out->oem
 * points into in. Bytes behind the signature are allowed and counted in *used only up to it.
 * ERR_MSG_MALFORMED, ERR_CERT_PURPOSE (another usage), ERR_SIGNATURE_INVALID, ERR_KEY_INVALID. */
enum err attestation_open(struct crypto *c, struct span in, enum attestation_usage usage,
                          const uint8_t signer[P256_POINT], struct attestation *out, size_t *used);
/* Usage and length with signature of what stands at the beginning of in, unchecked: who must have signed it
 * follows from that. ERR_MSG_MALFORMED, ERR_TRUNCATED when in ends before it does (*len is told). */
enum err attestation_peek(struct span in, uint32_t *usage, size_t *len);
/* The two are about the same key of the same vehicle. */
bool attestation_same_key(const struct attestation *a, const struct attestation *b);
/* Vehicle: the receipt is for this key. ERR_DK_ATTESTATION. */
enum err attestation_check_receipt(struct crypto *c, struct span in, const uint8_t kts[P256_POINT],
                                   const struct attestation *expected);

/* What the KTS seals for the device: receipt || C0 uiBundle. Splits it; ERR_MSG_MALFORMED. */
void receipt_put(struct wr *w, struct span receipt, struct span ui_bundle);
enum err receipt_split(struct span in, struct span *receipt, struct span *ui_bundle);

#endif

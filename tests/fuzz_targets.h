/* Hostile input for everything in lib/ccc that reads bytes from outside: parsers one by one, and both ends of
 * pairing and transaction as sequences of steps. Used by libFuzzer (make fuzz) and by a short run in make
 * test. */
#ifndef tests_fuzz_targets_h
#define tests_fuzz_targets_h

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/crypto/p256.h"

#define FUZZ_INPUT_MAX 4096

/* Takes seeds of a target, one by one. */
typedef void fuzz_emit(void *arg, const uint8_t *p, size_t len);

struct fuzz_target {
    const char *name;
    /* Aborts when something that must always hold does not. */
    void (*run)(const uint8_t *p, size_t len);
    /* Well-formed inputs to start from. */
    void (*seed)(fuzz_emit *emit, void *arg);
};
extern const struct fuzz_target fuzz_targets[];
extern const size_t fuzz_target_count;

/* ---- for the targets' own files ---- */

/* What must hold whatever comes in. */
#define MUST(condition)                                                                    \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

/* One crypto context with repeatable randomness, so that a finding repeats. */
struct crypto *fuzz_crypto(void);

/* fuzz_parsers.c */
void fuzz_tlv(const uint8_t *p, size_t len);
void fuzz_apdu(const uint8_t *p, size_t len);
void fuzz_messages(const uint8_t *p, size_t len);
void fuzz_key_data(const uint8_t *p, size_t len);
void fuzz_exchange(const uint8_t *p, size_t len);
void fuzz_certificate(const uint8_t *p, size_t len);
void fuzz_attestation(const uint8_t *p, size_t len);
void fuzz_sealed(const uint8_t *p, size_t len);
void fuzz_apdus_seeds(fuzz_emit *emit, void *arg);
void fuzz_data_seeds(fuzz_emit *emit, void *arg);
void fuzz_key_data_seeds(fuzz_emit *emit, void *arg);
void fuzz_exchange_seeds(fuzz_emit *emit, void *arg);
void fuzz_certificate_seeds(fuzz_emit *emit, void *arg);
void fuzz_attestation_seeds(fuzz_emit *emit, void *arg);
void fuzz_sealed_seeds(fuzz_emit *emit, void *arg);

/* fuzz_device.c, fuzz_vehicle.c: records of fuzz_rig.h */
void fuzz_device(const uint8_t *p, size_t len);
void fuzz_device_seeds(fuzz_emit *emit, void *arg);
void fuzz_vehicle_pairing(const uint8_t *p, size_t len);
void fuzz_vehicle_pairing_seeds(fuzz_emit *emit, void *arg);
void fuzz_vehicle_finish(const uint8_t *p, size_t len);
void fuzz_vehicle_finish_seeds(fuzz_emit *emit, void *arg);

/* fuzz_records.c */
void fuzz_dk_record(const uint8_t *p, size_t len);
void fuzz_seed_dk_record(fuzz_emit *emit, void *arg);
void fuzz_dk_vehicle_record(const uint8_t *p, size_t len);
void fuzz_seed_dk_vehicle_record(fuzz_emit *emit, void *arg);

/* fuzz_uds.c: steps of one byte, a length and bytes, for the test ECU and for a client */
void fuzz_uds_server(const uint8_t *p, size_t len);
void fuzz_uds_client(const uint8_t *p, size_t len);
void fuzz_uds_server_seeds(fuzz_emit *emit, void *arg);
void fuzz_uds_client_seeds(fuzz_emit *emit, void *arg);

/* fuzz_gate.c: frames on all segments of the SGW, and a tester that proves itself or does not */
void fuzz_gate(const uint8_t *p, size_t len);
void fuzz_gate_seeds(fuzz_emit *emit, void *arg);

/* fuzz_http.c */
void fuzz_http_request(const uint8_t *p, size_t len);
void fuzz_http_response(const uint8_t *p, size_t len);
void fuzz_http_request_seeds(fuzz_emit *emit, void *arg);
void fuzz_http_response_seeds(fuzz_emit *emit, void *arg);

/* fuzz_ble.c: a device of Bluetooth LE, and its words */
void fuzz_ble(const uint8_t *p, size_t len);
void fuzz_ble_seeds(fuzz_emit *emit, void *arg);

/* fuzz_approach.c: steps of one byte, a length and bytes, for both ends of an approach */
void fuzz_approach(const uint8_t *p, size_t len);
void fuzz_approach_seeds(fuzz_emit *emit, void *arg);

/* fuzz_reader.c: SpaaK Module and NFC reader, both ways */
void fuzz_reader(const uint8_t *p, size_t len);
void fuzz_reader_seeds(fuzz_emit *emit, void *arg);

/* fuzz_card.c: answers of a card to the vehicle, commands of a reader to a card */
void fuzz_card_check(const uint8_t *p, size_t len);
void fuzz_card_chip(const uint8_t *p, size_t len);
void fuzz_card_check_seeds(fuzz_emit *emit, void *arg);
void fuzz_card_chip_seeds(fuzz_emit *emit, void *arg);

/* fuzz_mail.c */
void fuzz_mail(const uint8_t *p, size_t len);
void fuzz_mail_seeds(fuzz_emit *emit, void *arg);

/* fuzz_logs.c: apdu.log, dk.log and can.log, as somebody else might have written them */
void fuzz_logs(const uint8_t *p, size_t len);
void fuzz_logs_seeds(fuzz_emit *emit, void *arg);

/* fuzz_words.c: JSON and tokens */
void fuzz_json(const uint8_t *p, size_t len);
void fuzz_token(const uint8_t *p, size_t len);
void fuzz_json_seeds(fuzz_emit *emit, void *arg);
void fuzz_token_seeds(fuzz_emit *emit, void *arg);

/* fuzz_backend.c: OpInitRequest into the VOS, OpInitResponse into the TBE, requests of apps into the TBE */
void fuzz_vos_init(const uint8_t *p, size_t len);
void fuzz_tbe_vos(const uint8_t *p, size_t len);
void fuzz_tbe_request(const uint8_t *p, size_t len);
void fuzz_vos_init_seeds(fuzz_emit *emit, void *arg);
void fuzz_tbe_vos_seeds(fuzz_emit *emit, void *arg);
void fuzz_tbe_request_seeds(fuzz_emit *emit, void *arg);

/* fuzz_keys.c: tracking.proto, and who hears it */
void fuzz_keys(const uint8_t *p, size_t len);
void fuzz_keys_seeds(fuzz_emit *emit, void *arg);

#endif

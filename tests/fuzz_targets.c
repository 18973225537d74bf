#include "tests/fuzz_targets.h"

#include "lib/host/seeded.h"

struct crypto *fuzz_crypto(void)
{
    static struct seeded_context context;
    static struct seeded_stream stream;
    static struct crypto *c;
    if (!c) {
        MUST(seeded_context_open(&context));
        c = crypto_new(context.openssl);
    }
    seeded_stream_init(&stream, 1, "fuzz");
    seeded_use(&stream);
    return c;
}

const struct fuzz_target fuzz_targets[] = {
    {"tlv", fuzz_tlv, fuzz_data_seeds},
    {"apdu", fuzz_apdu, fuzz_apdus_seeds},
    {"messages", fuzz_messages, fuzz_data_seeds},
    {"key_data", fuzz_key_data, fuzz_key_data_seeds},
    {"exchange", fuzz_exchange, fuzz_exchange_seeds},
    {"certificate", fuzz_certificate, fuzz_certificate_seeds},
    {"attestation", fuzz_attestation, fuzz_attestation_seeds},
    {"sealed", fuzz_sealed, fuzz_sealed_seeds},
    {"device", fuzz_device, fuzz_device_seeds},
    {"vehicle_pairing", fuzz_vehicle_pairing, fuzz_vehicle_pairing_seeds},
    {"vehicle_finish", fuzz_vehicle_finish, fuzz_vehicle_finish_seeds},
    {"dk_record", fuzz_dk_record, fuzz_seed_dk_record},
    {"uds_server", fuzz_uds_server, fuzz_uds_server_seeds},
    {"uds_client", fuzz_uds_client, fuzz_uds_client_seeds},
    {"gate", fuzz_gate, fuzz_gate_seeds},
    {"http_request", fuzz_http_request, fuzz_http_request_seeds},
    {"http_response", fuzz_http_response, fuzz_http_response_seeds},
    {"mail", fuzz_mail, fuzz_mail_seeds},
    {"json", fuzz_json, fuzz_json_seeds},
    {"token", fuzz_token, fuzz_token_seeds},
    {"vos_init", fuzz_vos_init, fuzz_vos_init_seeds},
    {"tbe_vos", fuzz_tbe_vos, fuzz_tbe_vos_seeds},
    {"tbe_request", fuzz_tbe_request, fuzz_tbe_request_seeds},
    {"reader", fuzz_reader, fuzz_reader_seeds},
    {"card_check", fuzz_card_check, fuzz_card_check_seeds},
    {"card_chip", fuzz_card_chip, fuzz_card_chip_seeds},
    {"ble", fuzz_ble, fuzz_ble_seeds},
    {"approach", fuzz_approach, fuzz_approach_seeds},
    {"dk_vehicle_record", fuzz_dk_vehicle_record, fuzz_seed_dk_vehicle_record},
    {"keys", fuzz_keys, fuzz_keys_seeds},
    {"logs", fuzz_logs, fuzz_logs_seeds},
};
const size_t fuzz_target_count = sizeof fuzz_targets / sizeof fuzz_targets[0];

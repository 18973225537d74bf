#include "tests/air/air.h"

#include <string.h>

const char *const air_names[] = {"Hello", "Open", "Done", NULL};

const char *air_name_of(struct span message)
{
    for (size_t i = 0; message.len && air_names[i]; i++)
        if (air_names[i][0] == (char)message.p[0])
            return air_names[i];
    return "?";
}

enum err air_tell(struct env *env, const char *address, enum ble_tell verb, const struct ble_said *said)
{
    static const struct ble_said nothing;
    char words[BLE_WORDS];
    ble_tell_write(verb, said ? said : &nothing, words);
    return env_tell(env, 0, address, words);
}

enum err air_send_hello(struct env *env, const char *address, const struct ble_said *oob)
{
    uint8_t message[AIR_HELLO] = {'H'};
    memcpy(message + 1, oob->confirm, BLE_KEY);
    memcpy(message + 1 + BLE_KEY, oob->key, BLE_KEY);
    return env_send_bytes(env, 0, address, span_of(message, sizeof message));
}

enum err air_take_hello(struct env *env, const char *address, struct span message)
{
    struct ble_said said = {.level = 0};
    if (message.len != AIR_HELLO || ble_address_read(address, &said.address) != ERR_OK)
        return ERR_MSG_MALFORMED;
    memcpy(said.confirm, message.p + 1, BLE_KEY);
    memcpy(said.key, message.p + 1 + BLE_KEY, BLE_KEY);
    return air_tell(env, "", BLE_TELL_OOB_OF, &said);
}

void air_refuse(struct env *env, const char *step, enum err reason, const char *address)
{
    env_trace_reason(env, TRACE_REJECT, step, NULL, reason, 0, address);
    air_tell(env, address, BLE_TELL_DISCONNECT, &(struct ble_said){.reason = 0x13});
}

#include "lib/pki/ecu_identity.h"

#include <string.h>

enum err ecu_identity_issue(struct crypto *c, const struct x509 *authority,
                            const struct p256_key *authority_key, const char *serial,
                            const uint8_t public_key[P256_POINT], int64_t now_s,
                            uint8_t out[ECU_IDENTITY_MAX], size_t *len)
{
    uint8_t der[X509_MAX];
    int64_t end_s = now_s + ECU_IDENTITY_VALIDITY_S;
    struct x509_template t = {
        .profile = X509_ECU_IDENTITY,
        .subject = serial,
        .issuer = authority->subject,
        .not_before_s = now_s - ECU_IDENTITY_BEFORE_S,
        .not_after_s = end_s < authority->not_after_s ? end_s : authority->not_after_s,
        .public_key = public_key,
        .issuer_public_key = authority->public_key,
    };
    if (!serial[0] || strlen(serial) > ECU_SERIAL_MAX)
        return ERR_BAD_ARGUMENT;
    enum err e = x509_check_time(authority, now_s);
    if (!e)
        e = x509_issue(c, &t, authority_key, der, len);
    if (!e && *len > ECU_IDENTITY_MAX)
        e = ERR_NO_SPACE;
    if (!e)
        memcpy(out, der, *len);
    return e;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool ecu_serial_ok(const char *serial)
{
    size_t len = strlen(serial);
    for (const char *s = serial; *s; s++)
        if (!is_digit(*s) && (*s < 'A' || *s > 'Z'))
            return false;
    return len >= 1 && len <= ECU_SERIAL_MAX;
}

enum err ecu_serial_after(const char *first, uint64_t n, char out[ECU_SERIAL_MAX + 1])
{
    if (!ecu_serial_ok(first))
        return ERR_BAD_ARGUMENT;
    size_t at = strlen(first);
    memcpy(out, first, at + 1);
    while (n && at > 0 && is_digit(out[at - 1])) {
        uint64_t sum = (uint64_t)(out[--at] - '0') + n % 10;
        n = n / 10 + sum / 10;
        out[at] = (char)('0' + sum % 10);
    }
    return n ? ERR_BAD_ARGUMENT : ERR_OK;
}

#include "sim/run/disguise.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lib/token/base64url.h"

#define LARGEST(len) (2 * (len) + 8) /* of all forms, with an end */

static bool has(struct span text, const void *p, size_t len)
{
    return memmem(text.p, text.len, p, len) != NULL;
}

static bool has_hex(struct span text, struct span value, char *form)
{
    hex_encode(value.p, value.len, form);
    if (has(text, form, 2 * value.len))
        return true;
    for (char *c = form; *c; c++)
        if (*c >= 'a' && *c <= 'f')
            *c = (char)(*c - 'a' + 'A');
    return has(text, form, 2 * value.len);
}

static bool has_wide(struct span text, struct span value, char *form)
{
    for (size_t i = 0; i < value.len; i++) {
        form[2 * i] = (char)value.p[i];
        form[2 * i + 1] = 0;
    }
    return has(text, form, 2 * value.len);
}

/* Behind so many other bytes of its group of three: only those characters that are the value's alone. */
static bool has_base64_at(struct span text, struct span value, unsigned before, char *form, uint8_t *shifted)
{
    static const unsigned foreign[] = {0, 2, 3};
    size_t whole = 8 * (before + value.len) / 6 - foreign[before];
    struct wr w = wr_of(form, LARGEST(value.len));
    memset(shifted, 0, before);
    memcpy(shifted + before, value.p, value.len);
    base64url_encode(span_of(shifted, before + value.len), &w);
    char *own = form + foreign[before];
    if (has(text, own, whole))
        return true;
    for (size_t i = 0; i < whole; i++)
        own[i] = own[i] == '-' ? '+' : own[i] == '_' ? '/' : own[i];
    return has(text, own, whole);
}

static bool has_base64(struct span text, struct span value, char *form)
{
    uint8_t *shifted = malloc(value.len + 2);
    bool found = false;
    for (unsigned before = 0; shifted && before < 3 && !found; before++)
        found = has_base64_at(text, value, before, form, shifted);
    if (shifted)
        OPENSSL_cleanse(shifted, value.len + 2);
    free(shifted);
    return found;
}

bool disguise_find(struct span text, struct span value, bool any)
{
    char *form = value.len >= DISGUISE_MIN ? malloc(LARGEST(value.len)) : NULL;
    if (!form)
        return false;
    bool found = has(text, value.p, value.len) || has_hex(text, value, form) ||
                 (any && (has_wide(text, value, form) || has_base64(text, value, form)));
    OPENSSL_cleanse(form, LARGEST(value.len));
    free(form);
    return found;
}

/* "<label> <64 hex characters>" */
static bool has_key_line(struct span text, const char *label)
{
    size_t len = strlen(label);
    uint8_t random[32];
    while (text.len >= len + 64) {
        const uint8_t *at = memmem(text.p, text.len, label, len);
        size_t left = at ? text.len - (size_t)(at - text.p) : 0;
        if (left < len + 64)
            return false;
        if (hex_decode((const char *)at + len, 64, random, sizeof random) == sizeof random)
            return true;
        text = span_of(at + len, left - len);
    }
    return false;
}

bool disguise_is_key_log(struct span text)
{
    return has_key_line(text, "CLIENT_RANDOM ") || has_key_line(text, "CLIENT_TRAFFIC_SECRET_0 ") ||
           has_key_line(text, "CLIENT_HANDSHAKE_TRAFFIC_SECRET ");
}

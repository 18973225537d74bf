#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "lib/mail/mail_internal.h"

#define LABEL_MAX 63

static bool is_letter_or_digit(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_atom(uint8_t c)
{
    return is_letter_or_digit(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool local_ok(struct span s)
{
    bool dot = true; /* an atom must begin here */
    if (s.len > MAIL_LOCAL_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '.' ? dot : !is_atom(s.p[i]))
            return false;
        dot = s.p[i] == '.';
    }
    return !dot;
}

static bool label_ok(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_letter_or_digit(s.p[i]) && (s.p[i] != '-' || i == 0 || i + 1 == s.len))
            return false;
    return s.len > 0 && s.len <= LABEL_MAX;
}

static bool domain_ok(struct span s)
{
    for (;;) {
        const uint8_t *dot = s.len ? memchr(s.p, '.', s.len) : NULL;
        size_t len = dot ? (size_t)(dot - s.p) : s.len;
        if (!label_ok(span_of(s.p, len)))
            return false;
        if (!dot)
            return true;
        s = span_of(dot + 1, s.len - len - 1);
    }
}

bool mail_address_ok(struct span a)
{
    const uint8_t *at = a.len && a.len <= MAIL_ADDRESS_MAX ? memchr(a.p, '@', a.len) : NULL;
    if (!at)
        return false;
    size_t local = (size_t)(at - a.p);
    return local_ok(span_of(a.p, local)) && domain_ok(span_of(at + 1, a.len - local - 1));
}

const char *mail_message_name(struct span bytes)
{
    static _Thread_local char name[MAIL_NAME_MAX];
    uint8_t room[MAIL_ROOM];
    struct mail m = {.to = span_of("?", 1)};
    if (mail_read(bytes, room, &m) || m.to.len >= sizeof name)
        m.to = span_of("?", 1);
    snprintf(name, sizeof name, "%.*s", (int)m.to.len, (const char *)m.to.p);
    OPENSSL_cleanse(room, sizeof room);
    return name;
}

bool mail_message_name_ok(const char *name)
{
    size_t len = strlen(name);
    return len < MAIL_NAME_MAX && mail_address_ok(span_of(name, len));
}

#include "lib/media/mail/mail.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

const struct medium medium_mail = {.name = "mail", .ready = LINK_UP, .keeps = true};

void mail_news(unsigned code, char out[MAIL_NEWS_MAX])
{
    if (code < 400)
        snprintf(out, MAIL_NEWS_MAX, "sent");
    else
        snprintf(out, MAIL_NEWS_MAX, "refused %u", code);
}

static unsigned answer_to(struct span recipient)
{
    static const char domain[] = "@refused.example";
    const uint8_t *p = recipient.p;
    if (recipient.len != 3 + strlen(domain) || memcmp(p + 3, domain, strlen(domain)) != 0 ||
        (p[0] != '4' && p[0] != '5') || p[1] < '0' || p[1] > '9' || p[2] < '0' || p[2] > '9')
        return 250;
    return (p[0] - '0') * 100u + (p[1] - '0') * 10u + (p[2] - '0');
}

bool mail_is_one(struct span bytes)
{
    uint8_t room[MAIL_ROOM];
    struct mail m;
    bool is_one = mail_read(bytes, room, &m) == ERR_OK;
    OPENSSL_cleanse(room, sizeof room);
    return is_one;
}

unsigned mail_answer(struct span bytes)
{
    uint8_t room[MAIL_ROOM];
    struct mail m;
    unsigned code = mail_read(bytes, room, &m) ? MAIL_NOT_TAKEN : answer_to(m.to);
    OPENSSL_cleanse(room, sizeof room);
    return code;
}

void mail_file_name(unsigned number, char out[MAIL_FILE_MAX])
{
    snprintf(out, MAIL_FILE_MAX, "%04u.eml", number);
}

/* The mail with the deep link. Whoever asked for it, it names nobody but the vehicle. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "backend/tbe/mailing_internal.h"

#define LETTER_MAX 4000 /* bytes of the message */
#define TEXT_MAX   2000

static const char subject[] = "Your link for pairing a phone";
static const char form[] = "Hello,\n"
                           "\n"
                           "you have asked for the link that makes a phone a key of your vehicle\n"
                           "%s. Please open it on that phone, and then follow what the\n"
                           "phone and your vehicle show you:\n"
                           "\n"
                           "%s\n"
                           "\n"
                           "The link counts once. Please keep it to yourself: whoever has it can make\n"
                           "a phone of their own a key of your vehicle.\n"
                           "\n"
                           "You did not ask for it? Then please do not open the link, delete this mail,\n"
                           "and change your secret for the portal: somebody else may know it. The link\n"
                           "holds a password. Nobody will ever ask you for it, neither by phone nor by\n"
                           "mail.\n"
                           "\n"
                           "This mail was written by a machine that reads no answers.\n";

static struct span text_span(const char *text)
{
    return span_of(text, strlen(text));
}

static enum err write_letter(struct tbe *t, const struct mailing_record *r, const char *deep_link,
                             struct wr *w)
{
    char text[TEXT_MAX];
    snprintf(text, sizeof text, form, r->vehicle, deep_link);
    struct mail m = {.date_s = env_wall_ms(t->env) / 1000,
                     .from = text_span(TBE_MAIL_FROM),
                     .to = text_span(r->address),
                     .subject = text_span(subject),
                     .text = text_span(text)};
    env_random(t->env, m.id, sizeof m.id);
    enum err e = mail_write(&m, w);
    OPENSSL_cleanse(text, sizeof text);
    return e;
}

enum err mailing_letter_send(struct tbe *t, const struct mailing_record *r, const char *deep_link,
                             const char *tag)
{
    uint8_t out[LETTER_MAX];
    struct wr w = wr_of(out, sizeof out);
    enum err e = write_letter(t, r, deep_link, &w);
    if (!e)
        e = env_send_bytes(t->env, TBE_PORT_MAIL, tag, span_of(out, w.len));
    OPENSSL_cleanse(out, sizeof out);
    return e;
}

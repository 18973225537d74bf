/* What the reader of lib/mail takes is written the same again; cut at its last byte it is not whole. */
#include <string.h>

#include "lib/mail/mail.h"
#include "tests/fuzz_targets.h"

static uint8_t again[MAIL_MESSAGE_MAX], room[MAIL_ROOM];

void fuzz_mail(const uint8_t *p, size_t len)
{
    struct mail m, cut;
    struct wr w = wr_of(again, sizeof again);
    (void)mail_message_name(span_of(p, len));
    if (mail_read(span_of(p, len), room, &m) != ERR_OK)
        return;
    MUST(mail_address_ok(m.from) && mail_address_ok(m.to) && m.text.len <= MAIL_TEXT_MAX + 1);
    if (m.text.len > MAIL_TEXT_MAX)
        m.text.len--;
    MUST(mail_write(&m, &w) == ERR_OK && span_equal(span_of(p, len), span_of(again, w.len)));
    MUST(mail_read(span_of(p, len - 1), room, &cut) != ERR_OK);
}

static struct span text_of(const char *s)
{
    return span_of(s, strlen(s));
}

void fuzz_mail_seeds(fuzz_emit *emit, void *arg)
{
    static const char *const texts[] = {"", "Hello\n.\n", "\303\274 = \n", " a =?"};
    for (unsigned i = 0; i < 16; i++) {
        struct mail m = {.date_s = 100000000ll * i,
                         .from = text_of("desk@works.example"),
                         .to = text_of(i % 2 ? "o'neil+key@home-1.example" : "a@b"),
                         .subject = text_of(texts[i / 4]),
                         .text = text_of(texts[i % 4])};
        struct wr w = wr_of(again, sizeof again);
        m.subject.len -= m.subject.len && m.subject.p[m.subject.len - 1] == '\n';
        for (size_t k = 0; k < m.subject.len; k++)
            if (m.subject.p[k] == '\n')
                m.subject.len = k;
        MUST(mail_write(&m, &w) == ERR_OK);
        emit(arg, again, w.len);
    }
}

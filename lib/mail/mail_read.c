/* Understands a message, then writes what it has understood: what comes out must be what came in. So only one
 * form is taken, and nothing is read in two ways. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "lib/mail/mail_internal.h"

/* The next line without its end; false when there is none. */
static bool next_line(struct span *rest, struct span *line)
{
    const uint8_t *end = rest->len ? memmem(rest->p, rest->len, "\r\n", 2) : NULL;
    if (!end)
        return false;
    *line = span_of(rest->p, (size_t)(end - rest->p));
    *rest = span_of(end + 2, rest->len - line->len - 2);
    return true;
}

static bool begins(struct span s, const char *text)
{
    return s.len >= strlen(text) && memcmp(s.p, text, strlen(text)) == 0;
}

/* What stands between the two on the next line. */
static bool take(struct span *rest, const char *before, const char *after, struct span *out)
{
    struct span line;
    size_t head = strlen(before), tail = strlen(after);
    if (!next_line(rest, &line) || line.len < head + tail || !begins(line, before) ||
        memcmp(line.p + line.len - tail, after, tail) != 0)
        return false;
    *out = span_of(line.p + head, line.len - head - tail);
    return true;
}

static bool find_month(const char *name, unsigned *month)
{
    for (*month = 1; *month <= 12; ++*month)
        if (strcmp(mail_months[*month - 1], name) == 0)
            return true;
    return false;
}

static bool read_date(struct span s, int64_t *date_s)
{
    char text[32], day[4], month[4];
    struct mail_day d;
    unsigned hour, minute, second;
    int64_t days;
    if (s.len >= sizeof text)
        return false;
    memcpy(text, s.p, s.len);
    text[s.len] = '\0';
    if (sscanf(text, "%3[A-Za-z], %2u %3[A-Za-z] %4u %2u:%2u:%2u +0000", day, &d.day, month, &d.year, &hour,
               &minute, &second) != 7 ||
        !find_month(month, &d.month) || !mail_days_of(d, &days) || hour > 23 || minute > 59 || second > 59)
        return false;
    *date_s = days * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}

static bool read_id(struct span s, uint8_t id[MAIL_ID_SIZE])
{
    size_t hex = 2 * MAIL_ID_SIZE;
    return s.len > hex && hex_decode((const char *)s.p, hex, id, MAIL_ID_SIZE) == MAIL_ID_SIZE;
}

/* "=C3" or a character; false at the end of what is left. */
static bool next_byte(struct span *s, uint8_t *out)
{
    size_t len = s->len && s->p[0] == '=' ? 3 : 1;
    if (s->len < len)
        return false;
    *out = s->p[0];
    if (len == 3 && hex_decode((const char *)s->p + 1, 2, out, 1) != 1)
        return false;
    *s = span_of(s->p + len, s->len - len);
    return true;
}

static bool read_word(struct span line, struct wr *out)
{
    size_t head = strlen(MAIL_WORD_BEGIN), tail = strlen(MAIL_WORD_END);
    if (line.len < head + tail || !begins(line, MAIL_WORD_BEGIN))
        return false;
    struct span s = span_of(line.p + head, line.len - head - tail);
    while (s.len) {
        uint8_t c;
        bool blank = s.p[0] == '_';
        if (!next_byte(&s, &c))
            return false;
        wr_u8(out, blank ? ' ' : c);
    }
    return true;
}

static bool read_subject(struct span *rest, struct wr *out)
{
    struct span line;
    if (!take(rest, "Subject: ", "", &line))
        return false;
    if (!begins(line, "=?")) {
        wr_copy(out, line.p, line.len);
        return true;
    }
    bool ok = read_word(line, out);
    while (ok && begins(*rest, " "))
        ok = take(rest, " ", "", &line) && read_word(line, out);
    return ok;
}

static bool read_quoted(struct span line, struct wr *out)
{
    bool goes_on = line.len && line.p[line.len - 1] == '=';
    line.len -= goes_on;
    while (line.len) {
        uint8_t c;
        if (!next_byte(&line, &c))
            return false;
        wr_u8(out, c);
    }
    if (!goes_on)
        wr_u8(out, '\n');
    return true;
}

static bool read_text(struct span rest, enum mail_form form, struct wr *out)
{
    struct span line;
    while (rest.len) {
        if (!next_line(&rest, &line))
            return false;
        if (form == MAIL_QUOTED && !read_quoted(line, out))
            return false;
        if (form == MAIL_PLAIN) {
            wr_copy(out, line.p, line.len);
            wr_u8(out, '\n');
        }
    }
    return true;
}

static bool read_form(struct span s, enum mail_form *form)
{
    *form = span_is(s, mail_form_names[MAIL_PLAIN]) ? MAIL_PLAIN : MAIL_QUOTED;
    return span_is(s, mail_form_names[*form]);
}

static bool understand(struct span rest, uint8_t room[MAIL_ROOM], struct mail *m)
{
    struct span date, id, form_name, none;
    struct wr subject = wr_of(room, MAIL_SUBJECT_MAX),
              text = wr_of(room + MAIL_SUBJECT_MAX, MAIL_TEXT_MAX + 1);
    enum mail_form form;
    bool ok = take(&rest, "Date: ", "", &date) && read_date(date, &m->date_s) &&
              take(&rest, "From: <", ">", &m->from) && take(&rest, "To: <", ">", &m->to) &&
              take(&rest, "Message-ID: <", ">", &id) && read_id(id, m->id) && read_subject(&rest, &subject) &&
              take(&rest, "MIME-Version: 1.0", "", &none) &&
              take(&rest, "Content-Type: text/plain; charset=utf-8", "", &none) &&
              take(&rest, "Content-Transfer-Encoding: ", "", &form_name) && read_form(form_name, &form) &&
              take(&rest, "", "", &none) && none.len == 0 && read_text(rest, form, &text) &&
              !subject.failed && !text.failed;
    m->subject = span_of(room, subject.len);
    m->text = span_of(room + MAIL_SUBJECT_MAX, text.len);
    return ok;
}

/* The end of the last line may be one that the writer gave it. */
static bool is_written_so(const struct mail *m, struct span bytes)
{
    uint8_t again[MAIL_MESSAGE_MAX];
    struct mail known = *m;
    struct wr w = wr_of(again, sizeof again);
    if (known.text.len > MAIL_TEXT_MAX)
        known.text.len--;
    bool ok = mail_write(&known, &w) == ERR_OK && span_equal(span_of(again, w.len), bytes);
    OPENSSL_cleanse(again, sizeof again);
    return ok;
}

enum err mail_read(struct span bytes, uint8_t room[MAIL_ROOM], struct mail *out)
{
    struct mail m = {.date_s = 0};
    if (bytes.len > MAIL_MESSAGE_MAX)
        return ERR_MSG_TOO_LONG;
    if (!understand(bytes, room, &m) || !is_written_so(&m, bytes)) {
        OPENSSL_cleanse(room, MAIL_ROOM);
        return ERR_MSG_MALFORMED;
    }
    *out = m;
    return ERR_OK;
}

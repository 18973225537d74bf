#include <stdio.h>
#include <string.h>

#include "lib/mail/mail_internal.h"

#define DAY_S      86400
#define DATE_END_S 253402300800 /* 10000-01-01 */

const char *const mail_form_names[] = {[MAIL_PLAIN] = "7bit", [MAIL_QUOTED] = "quoted-printable"};
const char *const mail_days[7] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
const char *const mail_months[12] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* ---- the calendar ---- */

static bool is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static uint8_t month_days(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

struct mail_day mail_day_of(int64_t days)
{
    struct mail_day d = {1970, 1, 1};
    for (; days >= 365 + is_leap(d.year); d.year++)
        days -= 365 + is_leap(d.year);
    for (; days >= month_days(d.year, d.month); d.month++)
        days -= month_days(d.year, d.month);
    d.day += (unsigned)days;
    return d;
}

bool mail_days_of(struct mail_day d, int64_t *days)
{
    if (d.year < 1970 || d.year > 9999 || d.month < 1 || d.month > 12 || d.day < 1 ||
        d.day > month_days(d.year, d.month))
        return false;
    *days = d.day - 1;
    for (unsigned y = 1970; y < d.year; y++)
        *days += 365 + is_leap(y);
    for (unsigned m = 1; m < d.month; m++)
        *days += month_days(d.year, m);
    return true;
}

/* ---- what may stand in it ---- */

static bool is_text(struct span s, bool lines)
{
    for (size_t i = 0; i < s.len;) {
        size_t n = lines && s.p[i] == '\n' ? 1 : text_character((const char *)s.p + i, s.len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

static enum err check(const struct mail *m)
{
    if (m->date_s < 0 || m->date_s >= DATE_END_S || !mail_address_ok(m->from) || !mail_address_ok(m->to))
        return ERR_BAD_ARGUMENT;
    if (m->subject.len > MAIL_SUBJECT_MAX || m->text.len > MAIL_TEXT_MAX)
        return ERR_MSG_TOO_LONG;
    return is_text(m->subject, false) && is_text(m->text, true) ? ERR_OK : ERR_BAD_SYNTAX;
}

static bool is_ascii(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] >= 0x80)
            return false;
    return true;
}

bool mail_subject_is_plain(struct span s)
{
    if (!s.len)
        return true;
    return s.len <= MAIL_LINE - strlen("Subject: ") && is_ascii(s) && s.p[0] != ' ' &&
           s.p[s.len - 1] != ' ' && !memmem(s.p, s.len, "=?", 2);
}

enum mail_form mail_form_of(struct span s)
{
    size_t begin = 0;
    for (size_t i = 0; i <= s.len; i++) {
        if (i < s.len && s.p[i] != '\n')
            continue;
        if (i - begin > MAIL_LINE_MAX || (i > begin && s.p[i - 1] == ' '))
            return MAIL_QUOTED;
        begin = i + 1;
    }
    return is_ascii(s) ? MAIL_PLAIN : MAIL_QUOTED;
}

/* ---- writing ---- */

static void put(struct wr *w, const char *text)
{
    wr_copy(w, text, strlen(text));
}

static void put_quoted(struct wr *w, uint8_t c)
{
    char text[4];
    snprintf(text, sizeof text, "=%02X", c);
    put(w, text);
}

static void put_date(struct wr *w, int64_t date_s)
{
    char text[48];
    int64_t days = date_s / DAY_S;
    unsigned s = (unsigned)(date_s % DAY_S);
    struct mail_day d = mail_day_of(days);
    snprintf(text, sizeof text, "Date: %s, %02u %s %04u %02u:%02u:%02u +0000\r\n", mail_days[days % 7], d.day,
             mail_months[d.month - 1], d.year, s / 3600, s / 60 % 60, s % 60);
    put(w, text);
}

static void put_address(struct wr *w, const char *field, struct span address)
{
    put(w, field);
    put(w, ": <");
    wr_copy(w, address.p, address.len);
    put(w, ">\r\n");
}

static void put_id(struct wr *w, const struct mail *m)
{
    char hex[2 * MAIL_ID_SIZE + 1];
    const uint8_t *at = memchr(m->from.p, '@', m->from.len);
    hex_encode(m->id, sizeof m->id, hex);
    put(w, "Message-ID: <");
    put(w, hex);
    wr_copy(w, at, m->from.len - (size_t)(at - m->from.p));
    put(w, ">\r\n");
}

/* What means itself in an encoded word, whatever reads it (RFC 2047 5 (3)). */
static bool means_itself(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static void put_word_character(struct wr *w, struct span c)
{
    for (size_t i = 0; i < c.len; i++) {
        if (means_itself(c.p[i]))
            wr_u8(w, c.p[i]);
        else if (c.p[i] == ' ')
            wr_u8(w, '_');
        else
            put_quoted(w, c.p[i]);
    }
}

/* A line holds "Subject: " or a blank, and one word. */
static void put_words(struct wr *w, struct span s)
{
    size_t room = MAIL_LINE - strlen("Subject: " MAIL_WORD_BEGIN MAIL_WORD_END), used = 0;
    put(w, MAIL_WORD_BEGIN);
    for (size_t i = 0, n; i < s.len; i += n) {
        uint8_t character[12];
        struct wr c = wr_of(character, sizeof character);
        n = text_character((const char *)s.p + i, s.len - i);
        put_word_character(&c, span_of(s.p + i, n));
        if (used + c.len > room) {
            put(w, MAIL_WORD_END "\r\n " MAIL_WORD_BEGIN);
            used = 0;
        }
        wr_copy(w, character, c.len);
        used += c.len;
    }
    put(w, MAIL_WORD_END);
}

static void put_subject(struct wr *w, struct span subject)
{
    put(w, "Subject: ");
    if (mail_subject_is_plain(subject))
        wr_copy(w, subject.p, subject.len);
    else
        put_words(w, subject);
    put(w, "\r\n");
}

static void put_plain_line(struct wr *w, struct span line)
{
    wr_copy(w, line.p, line.len);
    put(w, "\r\n");
}

/* A line that goes on ends with '='. */
static void put_quoted_line(struct wr *w, struct span line)
{
    size_t used = 0;
    for (size_t i = 0; i < line.len; i++) {
        uint8_t c = line.p[i];
        bool quoted = c >= 0x80 || c == '=' || (c == ' ' && i + 1 == line.len);
        size_t len = quoted ? 3 : 1;
        if (used + len > MAIL_LINE - 1) {
            put(w, "=\r\n");
            used = 0;
        }
        quoted ? put_quoted(w, c) : wr_u8(w, c);
        used += len;
    }
    put(w, "\r\n");
}

static void put_text(struct wr *w, struct span text, enum mail_form form)
{
    while (text.len) {
        const uint8_t *end = memchr(text.p, '\n', text.len);
        size_t len = end ? (size_t)(end - text.p) : text.len;
        (form == MAIL_PLAIN ? put_plain_line : put_quoted_line)(w, span_of(text.p, len));
        len += end != NULL;
        text = span_of(text.p + len, text.len - len);
    }
}

enum err mail_write(const struct mail *m, struct wr *w)
{
    enum err e = check(m);
    if (e)
        return e;
    enum mail_form form = mail_form_of(m->text);
    put_date(w, m->date_s);
    put_address(w, "From", m->from);
    put_address(w, "To", m->to);
    put_id(w, m);
    put_subject(w, m->subject);
    put(w, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: ");
    put(w, mail_form_names[form]);
    put(w, "\r\n\r\n");
    put_text(w, m->text, form);
    return w->failed ? ERR_NO_SPACE : ERR_OK;
}

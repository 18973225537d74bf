#include "lib/pki/der.h"

#include <stdio.h>
#include <string.h>

static size_t read_length(struct rd *r)
{
    uint8_t first = rd_u8(r);
    if (first < 0x80)
        return first;
    if (first == 0x81) {
        uint8_t len = rd_u8(r);
        if (len < 0x80)
            r->failed = true;
        return len;
    }
    if (first == 0x82) {
        uint16_t len = rd_be16(r);
        if (len < 0x100)
            r->failed = true;
        return len;
    }
    r->failed = true;
    return 0;
}

struct rd der_enter(struct rd *r, uint8_t tag)
{
    if (rd_u8(r) != tag)
        r->failed = true;
    size_t len = read_length(r);
    struct span s = rd_span(r, len);
    struct rd inner = rd_of(s.p, s.len);
    inner.failed = r->failed;
    return inner;
}

struct span der_element(struct rd *r, uint8_t tag)
{
    const uint8_t *start = r->p;
    der_enter(r, tag);
    if (r->failed)
        return (struct span){NULL, 0};
    return (struct span){start, (size_t)(r->p - start)};
}

bool der_optional(struct rd *r, uint8_t tag, struct rd *contents)
{
    if (r->failed || r->left == 0 || r->p[0] != tag)
        return false;
    *contents = der_enter(r, tag);
    return !r->failed;
}

struct span der_integer(struct rd *r)
{
    struct rd in = der_enter(r, DER_INTEGER);
    bool minimal =
        in.left > 0 &&
        !(in.left > 1 && ((in.p[0] == 0 && in.p[1] < 0x80) || (in.p[0] == 0xFF && in.p[1] >= 0x80)));
    if (in.failed || !minimal || in.left > 33)
        r->failed = true;
    return (struct span){in.p, r->failed ? 0 : in.left};
}

int der_small(struct rd *r)
{
    struct span s = der_integer(r);
    if (r->failed || s.len != 1 || s.p[0] >= 0x80) {
        r->failed = true;
        return -1;
    }
    return s.p[0];
}

struct span der_bits(struct rd *r)
{
    struct rd in = der_enter(r, DER_BIT_STRING);
    if (rd_u8(&in) != 0 || in.failed)
        r->failed = true;
    return (struct span){in.p, r->failed ? 0 : in.left};
}

/* Days since 1970-01-01 in the Gregorian calendar (years counted from March, 400-year cycles). */
static int64_t days_from_date(int64_t y, int m, int d)
{
    if (m <= 2)
        y--;
    int64_t era = y / 400, year = y - era * 400;
    int64_t day = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + year * 365 + year / 4 - year / 100 + day - 719468;
}

static int two_digits(struct rd *r)
{
    int hi = rd_u8(r) - '0', lo = rd_u8(r) - '0';
    if (hi < 0 || hi > 9 || lo < 0 || lo > 9)
        r->failed = true;
    return hi * 10 + lo;
}

static int days_of_month(int64_t year, int month)
{
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month == 2)
        return leap ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

int64_t der_time(struct rd *r)
{
    struct rd in;
    int64_t year = 0;
    if (der_optional(r, DER_GENERALIZED_TIME, &in)) {
        year = two_digits(&in) * 100;
        year += two_digits(&in);
    } else {
        in = der_enter(r, DER_UTC_TIME);
        year = two_digits(&in);
        year += year >= 50 ? 1900 : 2000;
    }
    int month = two_digits(&in), day = two_digits(&in);
    int hour = two_digits(&in), minute = two_digits(&in), second = two_digits(&in);
    bool range = month >= 1 && month <= 12 && day >= 1 && day <= days_of_month(year, month) && hour < 24 &&
                 minute < 60 && second < 60;
    if (rd_u8(&in) != 'Z' || in.failed || in.left || !range)
        r->failed = true;
    if (r->failed)
        return 0;
    return days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
}

bool der_is(struct rd contents, const uint8_t *bytes, size_t len)
{
    return !contents.failed && span_equal(span_of(contents.p, contents.left), span_of(bytes, len));
}

struct der_w der_w_of(void *buf, size_t cap)
{
    return (struct der_w){(uint8_t *)buf, cap, cap, false};
}

void der_put(struct der_w *w, const void *p, size_t len)
{
    if (w->failed || len > w->at) {
        w->failed = true;
        return;
    }
    w->at -= len;
    if (len)
        memcpy(w->buf + w->at, p, len);
}

void der_wrap(struct der_w *w, uint8_t tag, size_t mark)
{
    size_t len = mark - w->at;
    uint8_t head[4] = {tag};
    size_t n = 2;
    if (len < 0x80) {
        head[1] = (uint8_t)len;
    } else if (len < 0x100) {
        head[1] = 0x81;
        head[2] = (uint8_t)len;
        n = 3;
    } else {
        head[1] = 0x82;
        head[2] = (uint8_t)(len >> 8);
        head[3] = (uint8_t)len;
        n = 4;
    }
    if (len > 0xFFFF)
        w->failed = true;
    der_put(w, head, n);
}

void der_put_tlv(struct der_w *w, uint8_t tag, const void *p, size_t len)
{
    size_t mark = w->at;
    der_put(w, p, len);
    der_wrap(w, tag, mark);
}

void der_put_small(struct der_w *w, uint8_t value)
{
    der_put_integer(w, &value, 1);
}

void der_put_integer(struct der_w *w, const uint8_t *p, size_t len)
{
    size_t mark = w->at;
    while (len > 1 && p[0] == 0) {
        p++;
        len--;
    }
    der_put(w, p, len);
    if (p[0] & 0x80)
        der_put(w, "\0", 1);
    der_wrap(w, DER_INTEGER, mark);
}

void der_put_bits(struct der_w *w, const void *p, size_t len, uint8_t unused)
{
    size_t mark = w->at;
    der_put(w, p, len);
    der_put(w, &unused, 1);
    der_wrap(w, DER_BIT_STRING, mark);
}

struct date {
    unsigned year, month, day;
};

static struct date date_from_days(int64_t days)
{
    days += 719468;
    unsigned era = (unsigned)(days / 146097), doe = (unsigned)(days - era * 146097ll);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    struct date d = {yoe + era * 400, mp < 10 ? mp + 3 : mp - 9, doy - (153 * mp + 2) / 5 + 1};
    if (d.month <= 2)
        d.year++;
    return d;
}

bool der_time_text(int64_t seconds, char out[DER_TIME_TEXT + 1])
{
    char text[48];
    if (seconds < 0)
        return false;
    struct date d = date_from_days(seconds / 86400);
    unsigned s = (unsigned)(seconds % 86400);
    int n = snprintf(text, sizeof text, "%04u%02u%02u%02u%02u%02uZ", d.year, d.month, d.day, s / 3600,
                     s / 60 % 60, s % 60);
    if (n != DER_TIME_TEXT)
        return false;
    memcpy(out, text, DER_TIME_TEXT + 1);
    return true;
}

void der_put_time(struct der_w *w, int64_t seconds)
{
    char text[DER_TIME_TEXT + 1];
    if (!der_time_text(seconds, text))
        w->failed = true;
    else if (memcmp(text, "2050", 4) < 0)
        der_put_tlv(w, DER_UTC_TIME, text + 2, DER_TIME_TEXT - 2);
    else
        der_put_tlv(w, DER_GENERALIZED_TIME, text, DER_TIME_TEXT);
}

struct span der_written(const struct der_w *w)
{
    return (struct span){w->buf + w->at, w->end - w->at};
}

enum err der_take(const struct der_w *w, uint8_t *out, size_t cap, size_t *len)
{
    struct span done = der_written(w);
    if (w->failed || done.len > cap)
        return ERR_NO_SPACE;
    memcpy(out, done.p, done.len);
    *len = done.len;
    return ERR_OK;
}

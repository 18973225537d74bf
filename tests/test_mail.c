/* Mails (lib/mail): what is written to the byte, what is refused, and that the reader takes nothing else. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mail/mail.h"
#include "tests/check.h"

#define FROM "desk@works.example"
#define TO   "driver@home.example"
#define HEAD                               \
    "From: <" FROM ">\r\nTo: <" TO ">\r\n" \
    "Message-ID: <000102030405060708090a0b0c0d0e0f@works.example>\r\n"
#define MIME     "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
#define DATE     "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
#define NEW_YEAR 1767225600

static struct span text_span(const char *s)
{
    return span_of(s, strlen(s));
}

static struct mail mail_of(const char *subject, const char *text)
{
    struct mail m = {.date_s = NEW_YEAR,
                     .from = text_span(FROM),
                     .to = text_span(TO),
                     .subject = text_span(subject),
                     .text = text_span(text)};
    for (uint8_t i = 0; i < MAIL_ID_SIZE; i++)
        m.id[i] = i;
    return m;
}

static uint8_t bytes[MAIL_MESSAGE_MAX + 1], room[MAIL_ROOM];

static struct span write_mail(const struct mail *m)
{
    struct wr w = wr_of(bytes, sizeof bytes);
    ASSERT_OK(mail_write(m, &w));
    cr_assert(le(sz, w.len, (size_t)MAIL_MESSAGE_MAX));
    return span_of(bytes, w.len);
}

static void expect_bytes(struct span is, const char *want, const char *what)
{
    cr_expect(eq(sz, is.len, strlen(want)), "%s", what);
    cr_expect(span_is(is, want), "%s: %.*s", what, (int)is.len, (const char *)is.p);
}

/* ---- what is written ---- */

#define U20 "\303\274\303\274\303\274\303\274\303\274\303\274\303\274\303\274\303\274\303\274"
#define Q9  "=C3=BC=C3=BC=C3=BC=C3=BC=C3=BC=C3=BC=C3=BC=C3=BC=C3=BC"
#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A75 A50 "aaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    const char *what, *subject, *text;
    const char *written; /* from the subject on */
    const char *read;    /* the text as it is read; NULL: the same */
} forms[] = {
    {"plain", "Your key", "Hello\n", "Subject: Your key\r\n" MIME "7bit\r\n\r\nHello\r\n", NULL},
    {"nothing", "", "", "Subject: \r\n" MIME "7bit\r\n\r\n", NULL},
    {"no end of the last line", "x", "a\nb", "Subject: x\r\n" MIME "7bit\r\n\r\na\r\nb\r\n", "a\nb\n"},
    {"dots are the transport's", "x", ".\n..\n.a\n", "Subject: x\r\n" MIME "7bit\r\n\r\n.\r\n..\r\n.a\r\n",
     NULL},
    {"a link stays whole", "x", "https://w.example/?a=b#" A75 A50 "\n",
     "Subject: x\r\n" MIME "7bit\r\n\r\nhttps://w.example/?a=b#" A75 A50 "\r\n", NULL},
    {"not ASCII", "\303\274", "\303\274=\n",
     "Subject: =?utf-8?Q?=C3=BC?=\r\n" MIME "quoted-printable\r\n\r\n=C3=BC=3D\r\n", NULL},
    {"a blank at an end", "x", "a \nb c\n", "Subject: x\r\n" MIME "quoted-printable\r\n\r\na=20\r\nb c\r\n",
     NULL},
    {"a long line", "x", A75 A75 A75 "\n",
     "Subject: x\r\n" MIME "quoted-printable\r\n\r\n" A75 "=\r\n" A75 "=\r\n" A75 "\r\n", NULL},
    {"a subject like an encoded word", "=?utf-8?Q?a?=", "",
     "Subject: =?utf-8?Q?=3D=3Futf=2D8=3FQ=3Fa=3F=3D?=\r\n" MIME "7bit\r\n\r\n", NULL},
    {"blanks around a subject", " a b ", "", "Subject: =?utf-8?Q?_a_b_?=\r\n" MIME "7bit\r\n\r\n", NULL},
    {"whole characters in each word", U20, "",
     "Subject: =?utf-8?Q?" Q9 "?=\r\n =?utf-8?Q?=C3=BC?=\r\n" MIME "7bit\r\n\r\n", NULL},
    {"the longest plain subject", A50 "bbbbbbbbbbbbbbbbb", "",
     "Subject: " A50 "bbbbbbbbbbbbbbbbb\r\n" MIME "7bit\r\n\r\n", NULL},
    {"one more", A50 "bbbbbbbbbbbbbbbbbb", "",
     "Subject: =?utf-8?Q?" A50 "bbbbb?=\r\n =?utf-8?Q?bbbbbbbbbbbbb?=\r\n" MIME "7bit\r\n\r\n", NULL},
};

Test(mail, is_written_to_the_byte_and_read_again)
{
    char want[2000];
    struct mail m, back;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        m = mail_of(forms[i].subject, forms[i].text);
        snprintf(want, sizeof want, DATE HEAD "%s", forms[i].written);
        struct span b = write_mail(&m);
        expect_bytes(b, want, forms[i].what);
        cr_assert(eq(int, mail_read(b, room, &back), ERR_OK), "%s", forms[i].what);
        expect_bytes(back.subject, forms[i].subject, forms[i].what);
        expect_bytes(back.text, forms[i].read ? forms[i].read : forms[i].text, forms[i].what);
        expect_bytes(back.from, FROM, "from");
        expect_bytes(back.to, TO, "to");
        cr_expect(eq(i64, back.date_s, (int64_t)NEW_YEAR));
        cr_expect(eq(int, memcmp(back.id, m.id, MAIL_ID_SIZE), 0));
    }
}

Test(mail, has_the_day_that_the_clock_says)
{
    static const struct {
        int64_t date_s;
        const char *text;
    } days[] = {
        {0, "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"},
        {951782399, "Date: Mon, 28 Feb 2000 23:59:59 +0000\r\n"},
        {951782400, "Date: Tue, 29 Feb 2000 00:00:00 +0000\r\n"},
        {1709251199, "Date: Thu, 29 Feb 2024 23:59:59 +0000\r\n"},
        {4107542400, "Date: Mon, 01 Mar 2100 00:00:00 +0000\r\n"},
        {253402300799, "Date: Fri, 31 Dec 9999 23:59:59 +0000\r\n"},
    };
    struct mail m = mail_of("x", ""), back;
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        m.date_s = days[i].date_s;
        struct span b = write_mail(&m);
        expect_bytes(span_of(b.p, strlen(days[i].text)), days[i].text, "date");
        ASSERT_OK(mail_read(b, room, &back));
        cr_expect(eq(i64, back.date_s, m.date_s));
    }
}

/* ---- what is not written ---- */

#define L64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define D63 "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

static const struct {
    const char *address;
    bool ok;
} addresses[] = {
    {"a@b", true},
    {"driver@home.example", true},
    {"o'neil+key.2=x@home-1.example", true},
    {"!#$%&'*+-/=?^_`{|}~@x.example", true},
    {L64 "@x.example", true},
    {"a@" D63 ".example", true},
    {L64 "@" D63 "." D63 "."
         "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
     true}, /* 254 */
    {L64 "@" D63 "." D63 "."
         "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
     false},
    {L64 "a@x.example", false},
    {"a@d" D63 ".example", false},
    {"", false},
    {"@", false},
    {"a", false},
    {"a@", false},
    {"@b", false},
    {".a@b", false},
    {"a.@b", false},
    {"a..b@c", false},
    {"a@b.", false},
    {"a@.b", false},
    {"a@b..c", false},
    {"a@-b", false},
    {"a@b-", false},
    {"a@b_c", false},
    {"a@[127.0.0.1]", false},
    {"\"a b\"@c", false},
    {"a b@c", false},
    {"a@b c", false},
    {"a@b@c", false},
    {"a@b,c@d", false},
    {"A <a@b>", false},
    {"a@b>", false},
    {"<a@b>", false},
    {"a(b)@c", false},
    {"a@b\r\nBcc: c@d", false},
    {"a\r\n@b", false},
    {"a@b\n", false},
    {"\303\274@b", false},
    {"a@\303\274", false},
    {"a@b\177", false},
};

Test(mail, an_address_is_one_mailbox)
{
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        struct mail m = mail_of("x", "y");
        struct wr w = wr_of(bytes, sizeof bytes);
        struct span a = text_span(addresses[i].address);
        enum err want = addresses[i].ok ? ERR_OK : ERR_BAD_ARGUMENT;
        cr_expect(eq(int, mail_address_ok(a), addresses[i].ok), "%s", addresses[i].address);
        m.to = a;
        cr_expect(eq(int, mail_write(&m, &w), want), "to %s", addresses[i].address);
        cr_expect(eq(int, w.len != 0, addresses[i].ok), "nothing is written of what is refused");
        m.to = text_span(TO);
        m.from = a;
        w = wr_of(bytes, sizeof bytes);
        cr_expect(eq(int, mail_write(&m, &w), want), "from %s", addresses[i].address);
    }
    cr_expect(not(mail_address_ok(span_of("a@b\0c", 5))));
    cr_expect(not(mail_address_ok(span_of("a\0@b", 4))));
}

static const struct {
    const char *what, *subject, *text;
} injections[] = {
    {"a field", "x\r\nBcc: thief@x.example", ""},
    {"a field after LF", "x\nBcc: thief@x.example", ""},
    {"a field after CR", "x\rBcc: thief@x.example", ""},
    {"a body", "x\r\n\r\nhello", ""},
    {"a folded line", "x\r\n y", ""},
    {"a tab", "x\ty", ""},
    {"an escape", "x\033[2J", ""},
    {"a delete", "x\177", ""},
    {"half a character", "\303", ""},
    {"an overlong character", "\300\200", ""},
    {"a surrogate", "\355\240\200", ""},
    {"a line separator", "\342\200\250", ""},
    {"a change of direction", "\342\200\256", ""},
    {"a next line", "\302\205", ""},
    {"CR LF in the text", "x", "a\r\nb"},
    {"the end of the data", "x", "a\r\n.\r\nMAIL FROM:<a@b>"},
    {"an escape in the text", "x", "a\033[2J"},
    {"half a character in the text", "x", "a\342\202"},
};

Test(mail, nothing_gets_into_the_head)
{
    for (size_t i = 0; i < sizeof injections / sizeof injections[0]; i++) {
        struct mail m = mail_of(injections[i].subject, injections[i].text);
        struct wr w = wr_of(bytes, sizeof bytes);
        cr_expect(eq(int, mail_write(&m, &w), ERR_BAD_SYNTAX), "%s", injections[i].what);
        cr_expect(eq(sz, w.len, 0), "%s", injections[i].what);
    }
    struct mail m = mail_of("x", "y");
    struct wr w = wr_of(bytes, sizeof bytes);
    m.subject = span_of("a\0b", 3);
    cr_expect(eq(int, mail_write(&m, &w), ERR_BAD_SYNTAX), "a zero");
    m = mail_of("x", "y");
    m.date_s = -1;
    cr_expect(eq(int, mail_write(&m, &w), ERR_BAD_ARGUMENT));
    m.date_s = 253402300800;
    cr_expect(eq(int, mail_write(&m, &w), ERR_BAD_ARGUMENT));
}

/* ---- sizes ---- */

/* Text of that many times the same character, "\n" between lines of so many. */
static char *text_of(const char *character, size_t bytes_all, size_t line)
{
    size_t n = strlen(character), used = 0;
    char *text = calloc(1, bytes_all + 1);
    for (size_t in_line = 0; used + n <= bytes_all; in_line++) {
        bool end = in_line == line;
        memcpy(text + used, end ? "\n" : character, end ? 1 : n);
        used += end ? 1 : n;
        in_line = end ? (size_t)-1 : in_line;
    }
    memset(text + used, '.', bytes_all - used);
    return text;
}

static const struct {
    const char *character;
    size_t subject, text, line;
    enum err want;
} sizes[] = {
    {"a", MAIL_SUBJECT_MAX, MAIL_TEXT_MAX, 72, ERR_OK},
    {"=", MAIL_SUBJECT_MAX, MAIL_TEXT_MAX, SIZE_MAX, ERR_OK}, /* one line, each character encoded */
    {"\303\274", MAIL_SUBJECT_MAX, MAIL_TEXT_MAX, SIZE_MAX, ERR_OK},
    {"\342\202\254", MAIL_SUBJECT_MAX, MAIL_TEXT_MAX, 1, ERR_OK},
    {"\360\237\224\221", MAIL_SUBJECT_MAX, MAIL_TEXT_MAX, 20, ERR_OK},
    {" ", MAIL_SUBJECT_MAX, MAIL_TEXT_MAX, 1, ERR_OK},
    {"a", MAIL_SUBJECT_MAX + 1, 10, 72, ERR_MSG_TOO_LONG},
    {"a", 10, MAIL_TEXT_MAX + 1, 72, ERR_MSG_TOO_LONG},
};

static size_t longest_line(struct span b)
{
    size_t longest = 0, len = 0;
    for (size_t i = 0; i < b.len; i++) {
        len = b.p[i] == '\n' ? 0 : len + 1;
        longest = len > longest ? len : longest;
    }
    return longest - 1; /* without CR */
}

Test(mail, the_longest_fits_and_comes_back)
{
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *subject = text_of(sizes[i].character, sizes[i].subject, SIZE_MAX - 1);
        char *text = text_of(sizes[i].character, sizes[i].text, sizes[i].line);
        char address[MAIL_ADDRESS_MAX + 1];
        struct mail m = mail_of(subject, text), back;
        struct wr w = wr_of(bytes, MAIL_MESSAGE_MAX);
        snprintf(address, sizeof address, "%s",
                 L64 "@" D63 "." D63 "."
                     "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd");
        m.from = m.to = text_span(address);
        cr_assert(eq(int, mail_write(&m, &w), sizes[i].want), "%zu", i);
        if (sizes[i].want == ERR_OK) {
            struct span b = span_of(bytes, w.len);
            cr_assert(eq(int, mail_read(b, room, &back), ERR_OK), "%zu", i);
            cr_expect(span_equal(back.subject, m.subject), "%zu", i);
            cr_expect(ge(sz, back.text.len, m.text.len), "%zu", i);
            cr_expect(eq(int, memcmp(back.text.p, m.text.p, m.text.len), 0), "%zu", i);
            cr_expect(le(sz, longest_line(b), (size_t)998), "RFC 5322 2.1.1");
            w = wr_of(bytes, b.len - 1);
            cr_expect(eq(int, mail_write(&m, &w), ERR_NO_SPACE), "%zu", i);
        }
        free(subject);
        free(text);
    }
}

/* ---- what is not read ---- */

#define GOOD DATE HEAD "Subject: x\r\n" MIME "7bit\r\n\r\nHello\r\n"

static const struct {
    const char *what, *from, *to; /* the first such piece of GOOD becomes that */
} changes[] = {
    {"no end", "Hello\r\n", "Hello"},
    {"LF alone", "Subject: x\r\n", "Subject: x\n"},
    {"CR alone", "Hello\r\n", "Hel\rlo\r\n"},
    {"a field more", "Subject: x\r\n", "Bcc: <a@b>\r\nSubject: x\r\n"},
    {"a field less", "MIME-Version: 1.0\r\n", ""},
    {"two recipients", "To: <" TO ">", "To: <" TO ">, <a@b>"},
    {"a name", "To: <" TO ">", "To: Driver <" TO ">"},
    {"no brackets", "To: <" TO ">", "To: " TO},
    {"a field folded", "To: <", "To:\r\n <"},
    {"another case", "Subject:", "SUBJECT:"},
    {"another zone", "+0000", "+0100"},
    {"another day of the week", "Thu", "Fri"},
    {"no such day", "01 Jan", "32 Jan"},
    {"no such month", "01 Jan", "01 Foo"},
    {"no such hour", "00:00:00", "24:00:00"},
    {"a short day", "01 Jan", "1 Jan"},
    {"a sign", "01 Jan", "+1 Jan"},
    {"upper case in the id", "0a0b", "0A0B"},
    {"a short id", "000102", "0102"},
    {"the id of another domain", "0f@works", "0f@other"},
    {"encoded without need", "Subject: x", "Subject: =?utf-8?Q?x?="},
    {"another word", "Subject: x", "Subject: =?utf-8?B?eA==?="},
    {"a torn word", "Subject: x", "Subject: =?utf-8?Q?=C3"},
    {"half an encoding", "Subject: x", "Subject: =?utf-8?Q?=C?="},
    {"a character over two words", "Subject: x", "Subject: =?utf-8?Q?=C3?=\r\n =?utf-8?Q?=BC?="},
    {"an encoded line end", "Subject: x", "Subject: =?utf-8?Q?=0D=0Ax?="},
    {"quoted without need", "7bit", "quoted-printable"},
    {"another form", "7bit", "8bit"},
    {"eight bits", "Hello", "H\303\266"},
    {"a control character", "Hello", "H\007"},
    {"a blank at an end", "Hello", "Hello "},
    {"no empty line", "7bit\r\n\r\n", "7bit\r\n"},
};

static struct span changed(const char *from, const char *to)
{
    const char *at = strstr(GOOD, from);
    cr_assert(at != NULL, "%s", from);
    snprintf((char *)bytes, sizeof bytes, "%.*s%s%s", (int)(at - GOOD), GOOD, to, at + strlen(from));
    return span_of(bytes, strlen((char *)bytes));
}

Test(mail, is_read_in_one_form_only)
{
    struct mail m;
    ASSERT_OK(mail_read(text_span(GOOD), room, &m));
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct span b = changed(changes[i].from, changes[i].to);
        if (strcmp(changes[i].what, "no empty line") == 0) /* the text is taken for it */
            b = changed("\r\n\r\nHello", "\r\nHello");
        cr_expect(eq(int, mail_read(b, room, &m), ERR_MSG_MALFORMED), "%s", changes[i].what);
    }
    memset(bytes, 'a', sizeof bytes);
    cr_expect(eq(int, mail_read(span_of(bytes, MAIL_MESSAGE_MAX + 1), room, &m), ERR_MSG_TOO_LONG));
}

/* What a corrupting fault makes of it, at any byte; and what is left when it ends early. */
Test(mail, an_inverted_byte_or_a_missing_end_is_no_message)
{
    static const char *const texts[] = {"Hello\n", "\303\274 and =\n"};
    struct mail m, back;
    for (size_t k = 0; k < 2; k++) {
        m = mail_of(texts[k], texts[k]);
        m.subject = span_of(texts[k], strlen(texts[k]) - 1);
        struct span b = write_mail(&m);
        for (size_t i = 0; i < b.len; i++) {
            bytes[i] ^= 0xFF;
            cr_expect(eq(int, mail_read(b, room, &back), ERR_MSG_MALFORMED), "byte %zu", i);
            bytes[i] ^= 0xFF;
        }
        size_t head = (size_t)((const uint8_t *)memmem(b.p, b.len, "\r\n\r\n", 4) - b.p) + 4;
        for (size_t len = 0; len < b.len; len++)
            if (len != head) /* a message without text */
                cr_expect(eq(int, mail_read(span_of(bytes, len), room, &back), ERR_MSG_MALFORMED), "%zu",
                          len);
        ASSERT_OK(mail_read(b, room, &back));
    }
}

#define FITS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG FITS "a"

Test(mail, is_named_by_whom_it_is_to)
{
    struct mail m = mail_of("x", "y");
    cr_expect(eq(str, (char *)mail_message_name(write_mail(&m)), TO));
    cr_expect(eq(str, (char *)mail_message_name(text_span("hello")), "?"));
    m.to = text_span(LONG "@b.example"); /* 64 */
    cr_expect(eq(str, (char *)mail_message_name(write_mail(&m)), "?"));
    m.to = text_span(FITS "@b.example"); /* 63 */
    cr_expect(eq(str, (char *)mail_message_name(write_mail(&m)), FITS "@b.example"));
    cr_expect(mail_message_name_ok(FITS "@b.example"));
    cr_expect(not(mail_message_name_ok(LONG "@b.example")));
    cr_expect(not(mail_message_name_ok("POST /a")));
}

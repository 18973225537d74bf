/* lib/html: what a writer lets into a page, and what a reader takes for a form. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "lib/html/form.h"
#include "lib/html/html.h"
#include "tests/check.h"

/* ---- writing ---- */

enum place { TEXT, ATTRIBUTE, SEGMENT };

static void write(struct wr *w, enum place place, const char *text)
{
    if (place == TEXT)
        html_text(w, text);
    else if (place == ATTRIBUTE)
        html_attribute(w, "value", text);
    else
        html_segment(w, text);
}

static const struct {
    const char *name;
    enum place place;
    const char *text, *written; /* NULL: it fails the page */
} texts[] = {
    {"plain", TEXT, "anna", "anna"},
    {"nothing", TEXT, "", ""},
    {"letters of others", TEXT, "J\xC3\xBCrgen \xE2\x82\xAC", "J\xC3\xBCrgen \xE2\x82\xAC"},
    {"a tag", TEXT, "<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
    {"an entity", TEXT, "&lt;", "&amp;lt;"},
    {"both quotes", TEXT, "\"'", "&quot;&#39;"},
    {"a control character", TEXT, "a\x01", NULL},
    {"a line", TEXT, "a\nb", NULL},
    {"an escape", TEXT, "\x1B[2J", NULL},
    {"no UTF-8", TEXT, "a\xFF", NULL},
    {"a longer form of <", TEXT, "\xC0\xBC", NULL},
    {"a cut character", TEXT, "a\xE2\x82", NULL},
    {"half of a pair", TEXT, "\xED\xA0\x80", NULL},
    {"a change of direction", TEXT, "a\xE2\x80\xAE", NULL},
    {"an attribute", ATTRIBUTE, "a b", " value=\"a b\""},
    {"out of an attribute", ATTRIBUTE, "\" autofocus onfocus='x'",
     " value=\"&quot; autofocus onfocus=&#39;x&#39;\""},
    {"a tag in an attribute", ATTRIBUTE, "><b>&", " value=\"&gt;&lt;b&gt;&amp;\""},
    {"no UTF-8 in an attribute", ATTRIBUTE, "\x80", NULL},
    {"a segment", SEGMENT, "SPAAK-0_1.~", "SPAAK-0_1.~"},
    {"no way up", SEGMENT, "../x", "..%2Fx"},
    {"a query", SEGMENT, "a?b#c", "a%3Fb%23c"},
    {"a tag in a segment", SEGMENT, "\"><", "%22%3E%3C"},
    {"a scheme", SEGMENT, "javascript:x", "javascript%3Ax"},
    {"a blank and a percent", SEGMENT, " %", "%20%25"},
    {"two bytes", SEGMENT, "\xC3\xBC", "%C3%BC"},
    {"no segment", SEGMENT, "", NULL},
    {"this folder", SEGMENT, ".", NULL},
    {"the folder above", SEGMENT, "..", NULL},
    {"no UTF-8 in a segment", SEGMENT, "\xFF", NULL},
};

Test(html, what_is_foreign_stays_text)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint8_t out[200];
        struct wr w = wr_of(out, sizeof out - 1);
        write(&w, texts[i].place, texts[i].text);
        cr_expect(eq(int, w.failed, texts[i].written == NULL), "%s", texts[i].name);
        out[w.len] = '\0';
        if (!w.failed)
            cr_expect(eq(str, (char *)out, (char *)texts[i].written), "%s", texts[i].name);
    }
}

/* In each place: no room is no page, and nothing is written behind the room. */
Test(html, what_has_no_room_fails)
{
    for (enum place place = TEXT; place <= SEGMENT; place++) {
        uint8_t out[64];
        struct wr whole = wr_of(out, sizeof out);
        write(&whole, place, "<a&b>");
        cr_assert(not(whole.failed));
        for (size_t cap = 0; cap < whole.len; cap++) {
            memset(out, 0xEE, sizeof out);
            struct wr w = wr_of(out, cap);
            write(&w, place, "<a&b>");
            cr_expect(w.failed, "%d %zu", (int)place, cap);
            cr_expect(eq(u8, out[cap], 0xEE), "%d %zu", (int)place, cap);
        }
    }
}

Test(html, numbers_and_our_own_markup_are_as_they_are)
{
    uint8_t out[40];
    struct wr w = wr_of(out, sizeof out - 1);
    html_raw(&w, "<b>&amp;");
    html_number(&w, 4294967295u);
    html_number(&w, 0);
    out[w.len] = '\0';
    cr_expect(eq(str, (char *)out, "<b>&amp;42949672950"));
}

/* ---- reading ---- */

#define MAX 8 /* characters of `user` here */

static const struct {
    const char *name, *body;
    enum err e;
    const char *user, *box;
} bodies[] = {
    {"as it should be", "user=anna&box=yes", ERR_OK, "anna", "yes"},
    {"the other way round", "box=yes&user=anna", ERR_OK, "anna", "yes"},
    {"without what may be missing", "user=anna", ERR_OK, "anna", ""},
    {"an empty one that may be", "user=anna&box=", ERR_OK, "anna", ""},
    {"blanks", "user=a+b%20c", ERR_OK, "a b c", ""},
    {"escaped", "user=%61%6Ena%26%3d", ERR_OK, "anna&=", ""},
    {"a plus", "user=%2B", ERR_OK, "+", ""},
    {"two bytes", "user=%C3%BC", ERR_OK, "\xC3\xBC", ""},
    {"as long as may be", "user=12345678", ERR_OK, "12345678", ""},
    {"longer", "user=123456789", ERR_MSG_TOO_LONG, "", ""},
    {"longer, escaped", "user=%31%32%33%34%35%36%37%38%39", ERR_MSG_TOO_LONG, "", ""},
    {"nothing", "", ERR_MSG_MALFORMED, "", ""},
    {"without what must be there", "box=yes", ERR_MSG_MALFORMED, "", ""},
    {"empty where it must not", "user=", ERR_MSG_MALFORMED, "", ""},
    {"twice", "user=anna&user=anna", ERR_MSG_MALFORMED, "", ""},
    {"the box twice", "user=anna&box=&box=yes", ERR_MSG_MALFORMED, "", ""},
    {"one that nobody asked for", "user=anna&admin=1", ERR_MSG_MALFORMED, "", ""},
    {"another case", "User=anna", ERR_MSG_MALFORMED, "", ""},
    {"an escaped name", "%75ser=anna", ERR_MSG_MALFORMED, "", ""},
    {"a longer name", "user[]=anna", ERR_MSG_MALFORMED, "", ""},
    {"no name", "=anna", ERR_MSG_MALFORMED, "", ""},
    {"no sign", "user", ERR_MSG_MALFORMED, "", ""},
    {"two signs", "user=a=b", ERR_MSG_MALFORMED, "", ""},
    {"an empty pair in front", "&user=anna", ERR_MSG_MALFORMED, "", ""},
    {"one between", "user=anna&&box=yes", ERR_MSG_MALFORMED, "", ""},
    {"one behind", "user=anna&", ERR_MSG_MALFORMED, "", ""},
    {"a semicolon between", "user=anna;box=yes", ERR_MSG_MALFORMED, "", ""},
    {"half an escape", "user=a%4", ERR_MSG_MALFORMED, "", ""},
    {"an escape without digits", "user=a%", ERR_MSG_MALFORMED, "", ""},
    {"no digits", "user=%G1", ERR_MSG_MALFORMED, "", ""},
    {"a sign among digits", "user=%+1", ERR_MSG_MALFORMED, "", ""},
    {"a zero", "user=a%00b", ERR_MSG_MALFORMED, "", ""},
    {"a line", "user=a%0Ab", ERR_MSG_MALFORMED, "", ""},
    {"a raw line", "user=a\nb", ERR_MSG_MALFORMED, "", ""},
    {"a raw blank", "user=a b", ERR_MSG_MALFORMED, "", ""},
    {"raw letters of others", "user=\xC3\xBC", ERR_MSG_MALFORMED, "", ""},
    {"no UTF-8", "user=%FF", ERR_MSG_MALFORMED, "", ""},
    {"a longer form of /", "user=%C0%AF", ERR_MSG_MALFORMED, "", ""},
    {"a change of direction", "user=%E2%80%AE", ERR_MSG_MALFORMED, "", ""},
};

Test(form, it_is_read_strictly)
{
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        char user[MAX + 1] = "before", box[MAX] = "before";
        const struct form_field fields[] = {{"user", 1, user, sizeof user}, {"box", 0, box, sizeof box}};
        enum err e = form_read(span_of(bodies[i].body, strlen(bodies[i].body)), fields, 2);
        cr_expect(eq(int, e, bodies[i].e), "%s: %s", bodies[i].name, err_name(e));
        cr_expect(eq(str, user, (char *)bodies[i].user), "%s", bodies[i].name);
        cr_expect(eq(str, box, (char *)bodies[i].box), "%s", bodies[i].name);
    }
}

Test(form, a_zero_among_the_bytes_ends_nothing)
{
    char user[MAX + 1];
    const struct form_field fields[] = {{"user", 1, user, sizeof user}};
    cr_expect(eq(int, form_read(span_of("user=a\0b", 8), fields, 1), ERR_MSG_MALFORMED));
    cr_expect(eq(int, form_read(span_of("us\0r=a", 6), fields, 1), ERR_MSG_MALFORMED));
}

/* What was read before the error is gone, too, and not only its first character. */
Test(form, a_refused_one_leaves_no_secret)
{
    char secret[32], other[4];
    const struct form_field fields[] = {{"secret", 1, secret, sizeof secret}, {"x", 1, other, sizeof other}};
    static const char body[] = "secret=lake-and-lantern&x=%FF";
    cr_expect(eq(int, form_read(span_of(body, sizeof body - 1), fields, 2), ERR_MSG_MALFORMED));
    for (size_t i = 0; i < sizeof secret; i++)
        cr_expect(eq(chr, secret[i], 0), "%zu", i);
}

Test(form, a_long_body_is_not_looked_at)
{
    static char body[FORM_MAX + 2];
    static char value[FORM_MAX + 2];
    const struct form_field fields[] = {{"u", 1, value, sizeof value}};
    memset(body, 'a', sizeof body);
    memcpy(body, "u=", 2);
    cr_expect(eq(int, form_read(span_of(body, FORM_MAX), fields, 1), ERR_OK));
    cr_expect(eq(sz, strlen(value), FORM_MAX - 2));
    cr_expect(eq(int, form_read(span_of(body, FORM_MAX + 1), fields, 1), ERR_MSG_TOO_LONG));
}

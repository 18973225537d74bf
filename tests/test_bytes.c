#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "lib/base/bytes.h"
#include "lib/base/err.h"

Test(bytes, reader_stops_at_the_end_and_stays_failed)
{
    static const uint8_t in[] = {1, 2, 3, 4, 5};
    struct rd r = rd_of(in, sizeof in);
    cr_assert(eq(u32, rd_be32(&r), 0x01020304));
    cr_assert(not(r.failed));
    cr_assert(eq(u16, rd_be16(&r), 0));
    cr_assert(r.failed);
    cr_assert(eq(u8, rd_u8(&r), 0), "after a failure nothing is read any more");
    cr_assert(eq(sz, r.left, 1));
}

Test(bytes, reader_of_nothing)
{
    struct rd r = rd_of(NULL, 0);
    cr_assert(eq(ptr, (void *)rd_span(&r, 0).p, NULL));
    cr_assert(not(r.failed));
    rd_u8(&r);
    cr_assert(r.failed);
}

Test(bytes, writer_never_writes_past_its_end)
{
    uint8_t out[6] = {0, 0, 0, 0, 0, 0xEE};
    struct wr w = wr_of(out, 5);
    wr_be32(&w, 0xA1B2C3D4);
    wr_be16(&w, 0x1234);
    cr_assert(w.failed);
    cr_assert(eq(sz, w.len, 4));
    wr_u8(&w, 7);
    cr_assert(eq(sz, w.len, 4), "after a failure nothing is written any more");
    cr_assert(eq(u8, out[5], 0xEE));
}

static const struct {
    const char *text;
    long len;
} hex_rows[] = {{"", 0}, {"00", 1}, {"a1B2", 2}, {"0", -1}, {"0g", -1}, {"0102030405", -1}};

Test(bytes, hex)
{
    uint8_t out[4];
    for (size_t i = 0; i < sizeof hex_rows / sizeof hex_rows[0]; i++)
        cr_expect(eq(long, hex_decode(hex_rows[i].text, strlen(hex_rows[i].text), out, sizeof out),
                     hex_rows[i].len),
                  "%s", hex_rows[i].text);
    char text[9];
    hex_encode((const uint8_t *)"\x01\xAB\xFF\x00", 4, text);
    cr_assert(eq(str, text, "01abff00"));
}

Test(bytes, constant_time_comparison_sees_every_byte)
{
    uint8_t a[32] = {0}, b[32] = {0};
    cr_assert(bytes_equal_ct(a, b, sizeof a));
    for (size_t i = 0; i < sizeof a; i++) {
        b[i] = 1;
        cr_expect(not(bytes_equal_ct(a, b, sizeof a)), "byte %zu", i);
        b[i] = 0;
    }
}

Test(bytes, text_copy_cuts_and_terminates)
{
    char out[4];
    text_copy(out, sizeof out, "abcdef");
    cr_assert(eq(str, out, "abc"));
}

static const struct {
    const char *text;
    size_t cap;
    const char *copied;
} cuts[] = {
    {"a\u00e9", 3, "a"},     {"a\u00e9", 4, "a\u00e9"},       {"\u20ac", 3, ""},
    {"a\U0001F511", 5, "a"}, {"\U0001F511", 5, "\U0001F511"}, {"\x80\x80\x80\x80\x80", 5, "\x80\x80\x80\x80"},
};

Test(bytes, a_text_is_cut_between_characters)
{
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        char out[8];
        text_copy(out, cuts[i].cap, cuts[i].text);
        cr_expect(eq(str, out, (char *)cuts[i].copied), "row %zu", i);
    }
}

static const struct {
    const char *text;
    size_t len; /* 0: not to be shown */
} characters[] = {
    {"a", 1},
    {"~", 1},
    {"\xC2\xA0", 2},
    {"\xE2\x82\xAC", 3},
    {"\xF0\x9F\x94\x91", 4},
    {"", 0},
    {"\x1B", 0},
    {"\n", 0},
    {"\t", 0},
    {"\x7F", 0},
    {"\xC2\x9B", 0},
    {"\x80", 0},
    {"\xC3", 0},
    {"\xC3(", 0},
    {"\xFF", 0},
    {"\xC0\xAF", 0},
    {"\xE0\x80\xAF", 0},
    {"\xF0\x80\x80\xAF", 0},
    {"\xED\xA0\x80", 0},
    {"\xF4\x90\x80\x80", 0},
    {"\xF8\x88", 0},
    {"\xE2\x80\xA8", 0},
    {"\xE2\x80\xAE", 0},
    {"\xEF\xBB\xBF", 0},
    {"\xEF\xBF\xBF", 0},
};

Test(bytes, what_is_shown_has_nothing_else)
{
    char out[12];
    text_shown(out, sizeof out, "a\x1B[2J\xC3\xA4\xFF");
    cr_expect(eq(str, out, "a?[2J\xC3\xA4?"));
    text_shown(out, 4, "ab\xC3\xA4");
    cr_expect(eq(str, out, "ab"));
}

Test(bytes, only_what_can_be_shown_is_a_character)
{
    for (size_t i = 0; i < sizeof characters / sizeof characters[0]; i++)
        cr_expect(eq(sz, text_character(characters[i].text, strlen(characters[i].text)), characters[i].len),
                  "row %zu", i);
}

#define X(name, number, text) {number, #name},
static const struct {
    int number;
    const char *name;
} errors[] = {ERR_LIST(X)};

Test(err, names_and_numbers_are_unique_and_found)
{
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        cr_expect(eq(str, (char *)err_name((enum err)errors[i].number), (char *)errors[i].name));
        cr_expect(eq(int, (int)err_from_name(errors[i].name), errors[i].number));
        cr_expect(lt(sz, 5, strlen(err_text((enum err)errors[i].number))));
        for (size_t k = 0; k < i; k++)
            cr_expect(ne(int, errors[k].number, errors[i].number), "%s", errors[i].name);
    }
    cr_assert(not(err_name_known("NO_SUCH_ERROR")));
    cr_assert(eq(str, (char *)err_name((enum err)9999), "UNKNOWN"));
}

static const struct {
    const char *name, *text;
    size_t len; /* 0: no character */
    uint32_t code;
} codes[] = {
    {"a letter", "a", 1, 'a'},
    {"two bytes", "\xC3\xBC", 2, 0xFC},
    {"three", "\xE2\x82\xAC", 3, 0x20AC},
    {"four", "\xF0\x9F\x94\x91", 4, 0x1F511},
    {"the last", "\xF4\x8F\xBF\xBF", 4, 0x10FFFF},
    {"above it", "\xF4\x90\x80\x80", 0, 0},
    {"a continuation", "\x80", 0, 0},
    {"cut", "\xE2\x82", 0, 0},
    {"broken off", "\xE2\x82z", 0, 0},
    {"longer than need be", "\xC0\xAF", 0, 0},
    {"so in three", "\xE0\x80\xAF", 0, 0},
    {"so in four", "\xF0\x80\x80\xAF", 0, 0},
    {"a surrogate", "\xED\xA0\x80", 0, 0},
    {"no lead", "\xFF", 0, 0},
    {"nothing", "", 0, 0},
};

Test(bytes, characters_of_utf8_in_their_shortest_form)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        uint32_t code = 0;
        size_t len = utf8_character(codes[i].text, strlen(codes[i].text), &code);
        cr_expect(eq(sz, len, codes[i].len), "%s", codes[i].name);
        cr_expect(eq(u32, code, codes[i].code), "%s", codes[i].name);
    }
}

static const struct {
    const char *text, *json;
    size_t cap;
} strings[] = {
    {"plain", "plain", 40},    {"\"\\\n\x1B", "\\\"\\\\\\u000a\\u001b", 40}, {"\xC3\xBC", "\xC3\xBC", 40},
    {"a\xC3", "a\\ufffd", 40}, {"\xFF\xFE", "\\ufffd\\ufffd", 40},           {"ab\n", "ab", 6},
    {"a\xC3\xBC", "a", 3},
};

Test(bytes, json_strings_are_whole_characters)
{
    char out[40];
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        cr_expect(eq(sz, text_json(strings[i].text, out, strings[i].cap), strlen(strings[i].json)));
        cr_expect(eq(str, out, (char *)strings[i].json), "%zu", i);
    }
}

static const struct {
    const char *name, *text;
    size_t len;
} shown_characters[] = {
    {"a letter", "a", 1},       {"two bytes", "\u00e9", 2},         {"a tab", "\t", 0},
    {"a control", "\x1B", 0},   {"a soft hyphen", "\u00ad", 0},     {"no width", "\u200b", 0},
    {"a joiner", "\u200d", 0},  {"right to left", "\u202e", 0},     {"an invisible plus", "\u2064", 0},
    {"a tag", "\U000E0041", 0}, {"a byte order mark", "\ufeff", 0},
};

Test(bytes, what_shows_nothing_is_no_character_for_people)
{
    for (size_t i = 0; i < sizeof shown_characters / sizeof shown_characters[0]; i++) {
        const char *text = shown_characters[i].text;
        cr_expect(eq(sz, text_character(text, strlen(text)), shown_characters[i].len), "%s",
                  shown_characters[i].name);
    }
}

/* Flat JSON objects: what is taken, what is not, and what is left of a refused one. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "lib/json/json.h"
#include "tests/check.h"

Test(json, what_is_taken)
{
    static const struct {
        const char *name, *text;
        enum json_others others;
        enum err reason;
        const char *a, *b;
    } rows[] = {
        {"both", "{\"a\":\"12\",\"b\":\"\"}", JSON_REFUSE_OTHERS, ERR_OK, "12", ""},
        {"the other way round", "{\"b\":\"1234\",\"a\":\"12\"}", JSON_REFUSE_OTHERS, ERR_OK, "12", "1234"},
        {"brackets and quotes in a text", "{\"a\":\"[{\",\"b\":\"\\\"}\"}", JSON_REFUSE_OTHERS, ERR_OK, "[{",
         "\"}"},
        {"one lacks", "{\"a\":\"12\"}", JSON_REFUSE_OTHERS, ERR_MSG_MALFORMED, NULL, NULL},
        {"too short", "{\"a\":\"1\",\"b\":\"\"}", JSON_REFUSE_OTHERS, ERR_MSG_MALFORMED, NULL, NULL},
        {"too long", "{\"a\":\"12\",\"b\":\"12345\"}", JSON_REFUSE_OTHERS, ERR_MSG_TOO_LONG, NULL, NULL},
        {"a third", "{\"a\":\"12\",\"b\":\"\",\"c\":\"\"}", JSON_REFUSE_OTHERS, ERR_MSG_MALFORMED, NULL,
         NULL},
        {"a third, looked over", "{\"a\":\"12\",\"b\":\"\",\"c\":\"\"}", JSON_SKIP_OTHERS, ERR_OK, "12", ""},
        {"a number, looked over", "{\"c\":-1.5,\"a\":\"12\",\"b\":\"\"}", JSON_SKIP_OTHERS, ERR_OK, "12", ""},
        {"a third that is true", "{\"a\":\"12\",\"b\":\"\",\"c\":true}", JSON_SKIP_OTHERS, ERR_MSG_MALFORMED,
         NULL, NULL},
        {"a third that is nested", "{\"a\":\"12\",\"b\":\"\",\"c\":[]}", JSON_SKIP_OTHERS, ERR_MSG_MALFORMED,
         NULL, NULL},
        {"twice", "{\"a\":\"12\",\"b\":\"\",\"a\":\"12\"}", JSON_SKIP_OTHERS, ERR_MSG_MALFORMED, NULL, NULL},
        {"a delete character", "{\"a\":\"12\",\"b\":\"\x7F\"}", JSON_REFUSE_OTHERS, ERR_MSG_MALFORMED, NULL,
         NULL},
        {"beyond ASCII", "{\"a\":\"12\",\"b\":\"\xC3\xA4\"}", JSON_REFUSE_OTHERS, ERR_MSG_MALFORMED, NULL,
         NULL},
        {"nothing", "", JSON_REFUSE_OTHERS, ERR_MSG_MALFORMED, NULL, NULL},
        {"a brace", "{", JSON_REFUSE_OTHERS, ERR_MSG_MALFORMED, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char a[8], b[5];
        const struct json_field fields[] = {{"a", 2, a, sizeof a}, {"b", 0, b, sizeof b}};
        memset(a, 'x', sizeof a);
        memset(b, 'x', sizeof b);
        enum err e = json_read(span_of(rows[i].text, strlen(rows[i].text)), fields, 2, rows[i].others);
        cr_expect(eq(int, e, rows[i].reason), "%s: %s", rows[i].name, err_name(e));
        if (!e) {
            cr_expect(eq(str, a, (char *)rows[i].a), "%s", rows[i].name);
            cr_expect(eq(str, b, (char *)rows[i].b), "%s", rows[i].name);
        } else if (e == ERR_MSG_TOO_LONG) {
            cr_expect(is_wiped(a, sizeof a) && is_wiped(b, sizeof b), "%s", rows[i].name);
        }
    }
}

Test(json, length_and_depth_are_bounded)
{
    static char text[JSON_TEXT_MAX + 2];
    char a[8];
    const struct json_field field = {"a", 0, a, sizeof a};
    memset(text, ' ', sizeof text);
    memcpy(text, "{\"a\":\"1\"}", 9);
    cr_expect(eq(int, json_read(span_of(text, JSON_TEXT_MAX), &field, 1, JSON_SKIP_OTHERS), ERR_OK));
    cr_expect(
        eq(int, json_read(span_of(text, JSON_TEXT_MAX + 1), &field, 1, JSON_SKIP_OTHERS), ERR_MSG_TOO_LONG));
    memset(text, '[', sizeof text);
    cr_expect(
        eq(int, json_read(span_of(text, JSON_TEXT_MAX), &field, 1, JSON_SKIP_OTHERS), ERR_MSG_MALFORMED));
}

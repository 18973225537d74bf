/* The stranger at a door that the test plays: what it makes of answers, and that it notices a wrong one. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "sim/actors/stranger/attacks.h"
#include "sim/actors/stranger/stranger.h"
#include "tests/check.h"
#include "tests/support.h"

static struct bench b;
static unsigned connections;

static void start(void)
{
    connections = 0;
    bench_prepare(&b, &stranger_class, test_crypto());
    ASSERT_OK(bench_start(&b, &(struct component_args){.serial = ""}));
    bench_links(&b, LINK_UP);
}

static void stop(void)
{
    bench_free(&b);
}

TestSuite(stranger, .init = start, .fini = stop);

static void knock(const char *how)
{
    struct call_value value = {.number = 0};
    snprintf(value.text, sizeof value.text, "%s", how);
    node_on_call(&b.node, 0, &value);
}

/* What the door does with the next connection: news first, then bytes, if any. */
static void door(const char *news, const char *says)
{
    char tag[16];
    snprintf(tag, sizeof tag, "%u", ++connections);
    node_on_news(&b.node, 0, tag, news);
    if (says)
        node_on_bytes(&b.node, 0, tag, span_of(says, strlen(says)));
}

static void expect_note(const char *note, size_t failures)
{
    cr_expect(eq(str, bench_last(&b, TRACE_NOTE)->detail, (char *)note));
    cr_expect(eq(sz, bench_count(&b, TRACE_FAIL, ERR_DOOR_ANSWER), failures), "%s", note);
}

#define STATUS(n) "HTTP/1.1 " n " x\r\n\r\n"

Test(stranger, counts_what_is_answered_as_it_must_be)
{
    knock("two-lengths");
    door("open", STATUS("400"));
    expect_note("two-lengths: 400", 0);
    door("open", STATUS("404"));
    expect_note("knocked=1 wrong=0", 0);
}

Test(stranger, notices_each_wrong_answer)
{
    static const struct {
        const char *how, *news, *says, *honest, *note;
    } rows[] = {
        {"two-lengths", "open", STATUS("200"), STATUS("404"), "upon two-lengths: 200, not 400"},
        {"two-lengths", "refused", NULL, STATUS("404"), "upon two-lengths: refused, not 400"},
        {"another-name-in-tls", "open", STATUS("400"), STATUS("404"),
         "upon another-name-in-tls: 400, not refused"},
        {"options", "open", STATUS("40"), STATUS("404"), "upon options: 40 , not 400|405"},
        {"two-lengths", "open", STATUS("400"), STATUS("502"),
         "an honest request after two-lengths: 502, not 404"},
        {"no-http", "open", "<html>no head", STATUS("404"), "upon no-http: no head, not 400"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool noted = false;
        size_t before = b.trace_count;
        knock(rows[i].how);
        door(rows[i].news, rows[i].says);
        door("open", rows[i].honest);
        for (size_t k = before; k < b.trace_count; k++)
            noted |= strcmp(b.trace[k].detail, rows[i].note) == 0;
        cr_expect(noted, "%s", rows[i].note);
        expect_note("knocked=1 wrong=1", i + 1);
    }
}

Test(stranger, does_not_wait_for_ever)
{
    knock("two-lengths");
    door("open", NULL);
    bench_run_ms(&b, 7999);
    cr_expect(eq(sz, bench_count(&b, TRACE_FAIL, ERR_DOOR_ANSWER), 0));
    bench_run_ms(&b, 2);
    cr_expect(eq(sz, bench_count(&b, TRACE_FAIL, ERR_DOOR_ANSWER), 1));
    door("open", NULL);
    bench_run_ms(&b, 8001);
    expect_note("knocked=1 wrong=2", 2);
}

Test(stranger, all_are_made_one_after_the_other)
{
    unsigned count = 0;
    char note[60];
    knock("all");
    for (const struct attack *a; (a = attack_at("all", count)) != NULL; count++) {
        cr_assert(eq(str, a->name, attack_at(a->name, 0)->name));
        cr_expect(attack_at(a->name, 1) == NULL, "%s stands there twice", a->name);
        door("refused", NULL);
        door("open", STATUS("404"));
    }
    snprintf(note, sizeof note, "knocked=%u wrong=%u", count, count - 2); /* two must be refused */
    expect_note(note, count - 2);
}

/* None is cut, and of HTTP/2 each begins as a client must. */
Test(stranger, attacks_fit_and_begin_rightly)
{
    static uint8_t bytes[ATTACK_MAX];
    const struct attack *a;
    for (unsigned i = 0; (a = attack_at("all", i)) != NULL; i++) {
        struct wr w = wr_of(bytes, sizeof bytes);
        attack_write(a, &w);
        cr_expect(not(w.failed), "%s", a->name);
        cr_expect(a->text || a->bare || memcmp(bytes, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4", 28) == 0,
                  "%s", a->name);
    }
}

Test(stranger, answers_in_frames_are_understood)
{
#define SETTINGS "\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x80"
    static const struct {
        const char *name, *bytes;
        size_t len;
        const char *answer;
    } rows[] = {
        {"settings alone", SETTINGS, 15, NULL},
        {"half a frame", SETTINGS "\0\0\1\1", 19, NULL},
        {"a status of the table", SETTINGS "\0\0\1\1\4\0\0\0\1\x8d", 25, "404"},
        {"behind a change of the table", SETTINGS "\0\0\2\1\4\0\0\0\1\x20\x88", 26, "200"},
        {"behind a large one", SETTINGS "\0\0\4\1\4\0\0\0\1\x3f\xe1\x1f\x8c", 28, "400"},
        {"a literal",
         SETTINGS "\0\0\5\1\4\0\0\0\1\x48\3"
                  "421",
         29, "421"},
        {"another header first", SETTINGS "\0\0\1\1\4\0\0\0\1\xbe", 25, "?"},
        {"a literal that ends early",
         SETTINGS "\0\0\4\1\4\0\0\0\1\x48\3"
                  "42",
         28, "?"},
        {"no block at all", SETTINGS "\0\0\0\1\4\0\0\0\1", 24, "?"},
        {"the end of a stream", SETTINGS "\0\0\4\3\0\0\0\0\1\0\0\0\1", 28, "reset"},
        {"the end of all", "\0\0\x8\7\0\0\0\0\0\0\0\0\0\0\0\0\1", 17, "goaway"},
    };
    const struct attack *h2 = attack_at("h2-plain", 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *answer = attack_answer(h2, span_of(rows[i].bytes, rows[i].len));
        cr_expect(eq(str, (char *)(answer ? answer : "nothing yet"),
                     (char *)(rows[i].answer ? rows[i].answer : "nothing yet")),
                  "%s", rows[i].name);
    }
}

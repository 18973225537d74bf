/* A cast of a folder's own (tests/cards): what its classes declare is all that runner, worlds, judge and
 * language know of them, in both worlds. Runs the built programs and counts in their records. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "tests/launch.h"

static const char *const worlds[] = {"process", "virtual"};
static char directory[64];

static void set_up(void)
{
    launch_directory(directory);
}

static void tear_down(void)
{
    launch_remove(directory);
}

TestSuite(cards, .init = set_up, .fini = tear_down, .timeout = 120);

/* ---- runs ---- */

/* Both worlds beside each other, each with records of its own. Text of a world that ended otherwise fails. */
static void run_both(const char *scenario, const char *options, const int codes[2], char texts[2][8192])
{
    struct launch *l = calloc(2, sizeof *l);
    for (int w = 0; w < 2; w++)
        launch_start(&l[w], "run tests/cards/%s.yaml --world %s %s --quiet --out %s/%s", scenario, worlds[w],
                     options, directory, worlds[w]);
    for (int w = 0; w < 2; w++) {
        cr_expect(eq(int, launch_finish(&l[w]), codes[w]), "%s in the %s world:\n%s", scenario, worlds[w],
                  l[w].text);
        text_copy(texts[w], 8192, l[w].text);
    }
    free(l);
}

static char *record(int world, const char *variant, const char *file)
{
    char path[120];
    snprintf(path, sizeof path, "%s/%s/%s", directory, worlds[world], variant);
    return launch_file(path, file);
}

/* Events of a kind, by somebody, that contain a text. */
struct wanted {
    const char *by, *kind, *contains;
};

static unsigned count_events(int world, const char *variant, struct wanted w)
{
    char *text = record(world, variant, "trace.jsonl"), *rest = text, name[40], kind[20];
    unsigned n = 0;
    cr_assert(ne(ptr, text, NULL), "no trace of the %s world", worlds[world]);
    for (char *line; (line = launch_line(&rest));)
        n += strcmp(launch_member(line, "component", name, sizeof name), w.by) == 0 &&
             strcmp(launch_member(line, "kind", kind, sizeof kind), w.kind) == 0 && strstr(line, w.contains);
    free(text);
    return n;
}

/* ---- what each scenario must leave behind ---- */

#define EVENTS 8

static const struct scenario_row {
    const char *name, *variant;
    int code;
    const char *says;
    struct {
        struct wanted what;
        unsigned count;
    } events[EVENTS];
} scenarios[] = {
    {.name = "cards-exchange",
     .variant = "",
     .says = "PASS",
     .events = {{{"pad", "show", "\"open\""}, 1},
                {{"pad", "link", "card-here"}, 1},
                {{"pad", "link", "card-gone"}, 1},
                {{"pad", "note", "beats"}, 1},
                {{"token", "step", "CD-01/5"}, 1},
                {{"token", "step", "CD-01/6"}, 1},
                {{"token", "store", "+own/secret"}, 1}}},
    {.name = "cards-two-tokens",
     .variant = "",
     .says = "PASS",
     .events = {{{"pad", "link", "card-here"}, 2},
                {{"pad", "step", "CD-01/7"}, 2},
                {{"token", "step", "CD-01/6"}, 1},
                {{"other", "step", "CD-01/6"}, 1}}},
    {.name = "cards-two-readers",
     .variant = "",
     .says = "PASS",
     .events = {{{"pad", "show", "\"open\""}, 1},
                {{"door", "show", "\"open\""}, 1},
                {{"door", "link", "card-here"}, 1},
                {{"token", "link", "nfc up"}, 2},
                {{"token", "link", "nfc down"}, 1}}},
    {.name = "cards-taken-away",
     .variant = "",
     .says = "PASS",
     .events = {{{"pad", "fail", "DK_LINK_LOST"}, 1},
                {{"pad", "link", "card-here"}, 2},
                {{"pad", "link", "card-gone"}, 1},
                {{"token", "step", "CD-01/4"}, 2},
                {{"token", "step", "CD-01/5"}, 1},
                {{"pad", "show", "\"open\""}, 1}}},
    {.name = "cards-field",
     .variant = "",
     .says = "PASS",
     .events = {{{"token", "link", "field-on"}, 2},
                {{"token", "link", "field-off"}, 1},
                {{"token", "link", "nfc up"}, 1},
                {{"token", "link", "nfc down"}, 0},
                {{"pad", "link", "card-here"}, 2},
                {{"pad", "link", "card-gone"}, 0},
                {{"token", "step", "CD-01/4"}, 2},
                {{"token", "step", "CD-01/6"}, 1}}},
    {.name = "cards-killed",
     .variant = "token",
     .says = "PASS",
     .events = {{{"token", "life", "killed"}, 1},
                {{"token", "life", "started"}, 2},
                {{"token", "step", "CD-01/4"}, 2},
                {{"token", "step", "CD-01/5"}, 1}, /* what was under way died with it */
                {{"token", "store", "+own/secret"}, 1},
                {{"pad", "link", "card-gone"}, 1},
                {{"pad", "show", "\"open\""}, 1}}},
    {.name = "cards-killed",
     .variant = "pad",
     .says = "PASS",
     .events = {{{"pad", "life", "killed"}, 1},
                {{"pad", "life", "started"}, 2},
                {{"token", "link", "nfc down"}, 1},
                {{"token", "link", "nfc up"}, 2},
                {{"pad", "show", "\"open\""}, 1}}},
    {.name = "cards-no-key",
     .variant = "",
     .says = "PASS",
     .events = {{{"pad", "reject", "DK_STATUS"}, 1},
                {{"token", "step", "CD-01/4"}, 0},
                {{"pad", "claim", "open"}, 0},
                {{"token", "claim", "key"}, 0}}},
    {.name = "cards-boast",
     .variant = "key",
     .code = 1,
     .says = "do not hold the same \"key\" of site",
     .events = {{{"pad", "claim", "\"key\""}, 2}, {{"door", "claim", "\"key\""}, 1}}},
    {.name = "cards-boast",
     .variant = "here",
     .code = 1,
     .says = "door claims \"here\" of site, which pad holds already: at most one may"},
    {.name = "cards-boast",
     .variant = "open",
     .code = 1,
     .says = "pad claims \"open\" of site without a fresh \"proof\" before it"},
    {.name = "cards-nobody",
     .variant = "",
     .code = 1,
     .says = "nothing more could have come of it: the run was quiet",
     .events = {{{"pad", "note", "beats"}, 1}, {{"pad", "show", "\"ready\""}, 1}}},
};

Test(cards, scenarios_leave_what_they_must_in_both_worlds)
{
    char texts[2][8192];
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        const struct scenario_row *s = &scenarios[i];
        run_both(s->name, "", (const int[]){s->code, s->code}, texts);
        for (int w = 0; w < 2; w++) {
            cr_expect(ne(ptr, strstr(texts[w], s->says), NULL), "%s %s in the %s world:\n%s", s->name,
                      s->variant, worlds[w], texts[w]);
            for (size_t k = 0; k < EVENTS && s->events[k].what.by; k++)
                cr_expect(eq(u32, count_events(w, s->variant, s->events[k].what), s->events[k].count),
                          "%s %s in the %s world: %s %s %s", s->name, s->variant, worlds[w],
                          s->events[k].what.by, s->events[k].what.kind, s->events[k].what.contains);
        }
    }
}

Test(cards, a_broken_promise_ends_the_run_and_names_component_file_and_line)
{
    char texts[2][8192], path[120];
    run_both("cards-stumble", "", (const int[]){1, 1}, texts);
    for (int w = 0; w < 2; w++) {
        cr_expect(ne(ptr, strstr(texts[w], "token broke a promise between our own parts"), NULL), "%s",
                  texts[w]);
        cr_expect(ne(ptr, strstr(texts[w], "tests/cards/token.c:"), NULL), "%s", texts[w]);
        cr_expect(ne(ptr, strstr(texts[w], "FAIL  cards-stumble"), NULL), "%s", texts[w]);
        snprintf(path, sizeof path, "%s/%s", directory, worlds[w]);
        char *report = launch_file(path, "junit.xml");
        cr_expect(report && strstr(report, "token broke a promise"), "%s world", worlds[w]);
        free(report);
        cr_expect(eq(u32, count_events(w, "", (struct wanted){"token", "step", "CD-01/4"}), 1));
    }
}

/* ---- two worlds, the same words ---- */

/* One line each for what a component heard, showed, did and claimed; numbers, times and random bytes are not
 * in it. */
static void add_words(char *out, size_t cap, const char *by, char *trace)
{
    char name[40], kind[20], step[20], message[40], detail[100];
    for (char *line; (line = launch_line(&trace));) {
        if (strcmp(launch_member(line, "component", name, sizeof name), by) != 0)
            continue;
        launch_member(line, "kind", kind, sizeof kind);
        if (strcmp(kind, "note") == 0 || strcmp(kind, "fault") == 0)
            continue;
        size_t used = strlen(out);
        snprintf(out + used, cap - used, "%s %s %s %s\n", kind,
                 launch_member(line, "step", step, sizeof step),
                 launch_member(line, "message", message, sizeof message),
                 launch_member(line, "detail", detail, sizeof detail));
    }
}

/* Direction, header and length of each APDU of a component. */
static void add_apdus(char *out, size_t cap, const char *by, char *bytes)
{
    char at[8], who[40], hex[400];
    for (char *line; (line = launch_line(&bytes));) {
        launch_member(line, "at", at, sizeof at);
        if (strcmp(launch_member(line, strcmp(at, "out") == 0 ? "from" : "to", who, sizeof who), by) != 0)
            continue;
        launch_member(line, "hex", hex, sizeof hex);
        bool command = (strcmp(by, "token") == 0) == (strcmp(at, "in") == 0);
        size_t used = strlen(out), len = strlen(hex);
        snprintf(out + used, cap - used, "%s %.8s %zu\n", at, command ? hex : hex + len - 4, len / 2);
    }
}

static void say_all(int world, const char *variant, const char *by, char *out, size_t cap)
{
    char *trace = record(world, variant, "trace.jsonl"), *bytes = record(world, variant, "bytes.jsonl");
    cr_assert(trace && bytes);
    *out = '\0';
    add_words(out, cap, by, trace);
    add_apdus(out, cap, by, bytes);
    free(trace);
    free(bytes);
}

static const struct {
    const char *scenario, *variant;
    const char *who[3];
    unsigned apdus; /* of the first: commands and answers */
} alike[] = {
    {"cards-exchange", "", {"token", "pad"}, 8},    {"cards-two-readers", "", {"token", "pad", "door"}, 8},
    {"cards-taken-away", "", {"token", "pad"}, 7},  {"cards-field", "", {"token", "pad"}, 7},
    {"cards-killed", "token", {"token", "pad"}, 7}, {"cards-killed", "pad", {"token"}, 7},
    {"cards-no-key", "", {"token", "pad"}, 4},      {"cards-told", "", {"token", "pad"}, 8},
};

static unsigned count_lines(const char *text, const char *in, const char *out)
{
    unsigned n = 0;
    for (const char *p = text; *p; p = strchr(p, '\n') + 1)
        n += strncmp(p, in, strlen(in)) == 0 || strncmp(p, out, strlen(out)) == 0;
    return n;
}

Test(cards, both_worlds_tell_the_same)
{
    static char said[2][16384], texts[2][8192];
    for (size_t i = 0; i < sizeof alike / sizeof alike[0]; i++) {
        run_both(alike[i].scenario, "--bytes", (const int[]){0, 0}, texts);
        for (size_t k = 0; k < 3 && alike[i].who[k]; k++) {
            for (int w = 0; w < 2; w++)
                say_all(w, alike[i].variant, alike[i].who[k], said[w], sizeof said[w]);
            cr_expect(eq(str, said[0], said[1]), "%s %s of %s", alike[i].scenario, alike[i].variant,
                      alike[i].who[k]);
            if (k == 0)
                cr_expect(eq(u32, count_lines(said[0], "in ", "out "), alike[i].apdus), "%s %s\n%s",
                          alike[i].scenario, alike[i].variant, said[0]);
        }
    }
}

Test(cards, a_seed_gives_the_same_bytes_again)
{
    char *bytes[3];
    struct launch l;
    for (int i = 0; i < 3; i++) {
        launch_start(
            &l, "run tests/cards/cards-exchange.yaml --world virtual --seed %d --bytes --quiet --out %s/%d",
            i < 2 ? 7 : 8, directory, i);
        cr_expect(eq(int, launch_finish(&l), 0));
        char out[80];
        snprintf(out, sizeof out, "%s/%d", directory, i);
        bytes[i] = launch_file(out, "bytes.jsonl");
        cr_assert(ne(ptr, bytes[i], NULL));
    }
    cr_expect(eq(str, bytes[0], bytes[1]));
    cr_expect(ne(str, bytes[0], bytes[2]), "challenges come from the seed");
    for (int i = 0; i < 3; i++)
        free(bytes[i]);
}

/* ---- secrets ---- */

/* Records whose payload is a number of masked bytes and the status 9000. */
static unsigned count_masked(int world, size_t stars)
{
    char *text = record(world, "", "bytes.jsonl"), *rest = text, hex[400];
    unsigned n = 0;
    cr_assert(ne(ptr, text, NULL));
    for (char *line; (line = launch_line(&rest));) {
        launch_member(line, "hex", hex, sizeof hex);
        size_t masked = 0;
        while (strncmp(hex + 2 * masked, "2a", 2) == 0)
            masked++;
        n += masked == stars && strcmp(hex + 2 * masked, "9000") == 0;
    }
    free(text);
    return n;
}

Test(cards, a_secret_that_both_hold_is_masked_in_both_records)
{
    char texts[2][8192];
    run_both("cards-told", "--bytes", (const int[]){0, 0}, texts);
    for (int w = 0; w < 2; w++) {
        cr_expect(eq(u32, count_masked(w, 32), 2), "raw, sent and received, %s world", worlds[w]);
        cr_expect(eq(u32, count_masked(w, 64), 2), "as hex text, sent and received, %s world", worlds[w]);
    }
}

Test(cards, a_secret_that_is_given_away_fails_the_run)
{
    char texts[2][8192];
    run_both("cards-leak", "--bytes", (const int[]){1, 1}, texts);
    for (int w = 0; w < 2; w++) {
        cr_expect(ne(ptr, strstr(texts[w], "invariant 4: own/secret of token stands in "), NULL), "%s",
                  texts[w]);
        cr_expect(eq(u32, count_masked(w, 32), 1), "masked where it was sent, %s world", worlds[w]);
    }
    run_both("cards-leak", "", (const int[]){1, 1}, texts);
    for (int w = 0; w < 2; w++) {
        cr_expect(ne(ptr, strstr(texts[w], "apdu.log"), NULL), "the reader's log has it: %s", texts[w]);
        cr_expect(eq(ptr, record(w, "", "bytes.jsonl"), NULL), "nobody asked for it, %s world", worlds[w]);
    }
}

/* ---- the language reads what the classes declare ---- */

static const struct {
    const char *line, *says;
} wrong[] = {
    {"run: [pad, tokn]", "did you mean \"token\"?"},
    {"run: [pad, spaak]", "unknown component \"spaak\""},
    {"run: [token]", "the link \"nfc\" of token goes to nobody in particular"},
    {"run: [pad, token]\nsettings: {pad: {patience_ms: 0}}", "\"0\" is not a number from 1 to 5000"},
    {"run: [pad, token]\nsettings: {pad: {patience_ms: 5001}}", "\"5001\" is not a number from 1 to 5000"},
    {"run: [pad, token]\nsettings: {token: {round: 1}}", "did you mean \"rounds\"?"},
    {"run: [pad, token]\ngiven: {token: {key: lost}}",
     "unknown value of key of token \"lost\"; known are: absent"},
    {"run: [pad, token]\ndo: [{call: tuch, to: token}]", "did you mean \"touch\"?"},
    {"run: [pad, token]\ndo: [{call: touch, to: token}]", "the call touch lacks \"reader\""},
    {"run: [pad, token]\ndo: [{call: touch, to: token, reader: pad, pause: 2 s}]",
     "pause: \"2 s\" is out of bounds: it goes from 0 us to 1 s"},
    {"run: [pad, token]\ndo: [{call: field, to: pad, state: of}]", "did you mean \"off\"?"},
    {"run: [pad, token]\ndo: [{call: send, to: pad, hex: 8022}]", "is no hex; write it like \"80220000\""},
    {"run: [pad, token]\ndo: [{call: send, to: pad, hex: 80220000, times: 9}]",
     "\"9\" is not a number from 1 to 8"},
    {"run: [pad, token]\ndo: [{call: belong, to: token, vehicle: X}]",
     "no vehicle of this run has the serial \"X\""},
    {"run: [pad, token]\nfaults: [{cut: {link: body, component: pad, at: start, heal_after: 1 s}}]",
     "\"body\""},
};

Test(cards, what_no_class_declares_is_refused_with_a_word)
{
    char path[100];
    struct launch l;
    snprintf(path, sizeof path, "%s/bad.yaml", directory);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        FILE *f = fopen(path, "w");
        fprintf(f, "schema: 1\nname: bad\ntitle: x\nuse_case: CD-01\n%s\nexpect: [{event: note}]\n",
                wrong[i].line);
        fclose(f);
        launch_start(&l, "check %s", path);
        cr_expect(eq(int, launch_finish(&l), 2), "%s", wrong[i].line);
        cr_expect(ne(ptr, strstr(l.text, wrong[i].says), NULL), "%s\n%s", wrong[i].line, l.text);
    }
}

Test(cards, the_scenarios_of_the_other_cast_are_not_theirs)
{
    struct launch l;
    launch_start(&l, "check scenarios/pp01/pp01.yaml");
    cr_expect(eq(int, launch_finish(&l), 2));
    cr_expect(ne(ptr, strstr(l.text, "unknown component \"pki\""), NULL), "%s", l.text);
}

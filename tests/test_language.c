/* What a scenario file may be at all: sizes, characters, forms of YAML; and where its problems are. What
 * would be ignored is refused; what was understood is told. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "sim/language/language.h"
#include "tests/support.h"

static char directory[120], path[200];

static char *find_nothing(const char *name)
{
    (void)name;
    return NULL;
}

static void find_pp01(const char *name, char out[64])
{
    (void)name;
    strcpy(out, "pp01");
}

static void make_directory(void)
{
    scenario_finder = find_nothing;
    scenario_nearest = find_pp01;
    test_path(directory, sizeof directory, "language");
    mkdir(directory, 0700);
    snprintf(path, sizeof path, "%s/t.yaml", directory);
}

static void remove_directory(void)
{
    char command[200];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    cr_assert(eq(int, system(command), 0));
}

TestSuite(language, .init = make_directory, .fini = remove_directory, .timeout = 30);

#define HEAD "schema: 1\nname: t\ntitle: t\nuse_case: PP-01\n"
#define RUN  "run: [broker, pki, vos, gsdp, sgw, tbm, spaak]\n"
#define OK   "expect:\n  - {step: PP-01/1}\n"
#define ALL  HEAD RUN OK

static void write_text(const char *text, size_t len)
{
    FILE *f = fopen(path, "w");
    cr_assert(eq(sz, fwrite(text, 1, len, f), len));
    fclose(f);
}

static struct tree_problem load_written(void)
{
    struct scenario *s;
    size_t n;
    struct tree_problem p = {0};
    bool ok = scenario_load(path, &s, &n, &p);
    cr_expect(eq(int, ok, p.text[0] == '\0'));
    free(s);
    return p;
}

static struct tree_problem load(const char *text)
{
    write_text(text, strlen(text));
    return load_written();
}

static const struct {
    const char *text;
    unsigned line, column;
    const char *says;
} refusals[] = {
    /* forms of YAML */
    {"a: &x 1\n", 1, 4, "anchors and tags (x)"},
    {"a: *x\n", 1, 4, "aliases (*x)"},
    {"*x : 1\n", 1, 1, "aliases (*x)"},
    {"a: !!str 1\n", 1, 4, "anchors and tags (tag:yaml.org,2002:str)"},
    {"a: !x [1]\n", 1, 4, "anchors and tags (!x)"},
    {"? [a]\n: 1\n", 1, 3, "a key is a plain word"},
    {"%YAML 1.1\n---\na: 1\n", 1, 1, "directives"},
    {ALL "---\n" ALL, 8, 1, "a second document"},
    {ALL "<<: {limit: 1 s}\n", 8, 1, "unknown key in a scenario \"<<\""},
    {"# nothing\n", 1, 1, "the file is empty"},
    {HEAD RUN OK "limit: |\n  5 s\n", 8, 8, "a value is one line of text"},
    /* characters */
    {"title: \x1B[2J\n", 1, 8, "the byte 0x1B"},
    {"title: \xFF\n", 1, 8, "the byte 0xFF"},
    {"a: 1\ntitle: \xC3\xA9\xC3\n", 2, 9, "the byte 0xC3"},
    {"title: a\xE2\x80\xAE\n", 1, 9, "the byte 0xE2"},
    {"a: 1\r\nb: 2\r\nc: \x07\r\n", 3, 4, "the byte 0x07"},
    {"title: \"\\e[2J\"\n", 1, 8, "the byte 0x1B"},
    {"title: \"a\\nb\"\n", 1, 8, "the byte 0x0A"},
    {"\"a\\0b\": 1\n", 1, 1, "the byte 0x00"},
    {"title: \"\\x9B\"\n", 1, 8, "the byte 0xC2"},
    /* names */
    {"schema: 1\nname: ..\ntitle: t\nuse_case: PP-01\n" RUN OK, 2, 7, "a scenario's name has"},
    {"schema: 1\nname: \"\"\ntitle: t\nuse_case: PP-01\n" RUN OK, 2, 7, "a scenario's name has"},
    {"schema: 1\nname: a/b\ntitle: t\nuse_case: PP-01\n" RUN OK, 2, 7, "a scenario's name has"},
    {"schema: 1\nname: t\ntitle: \"\"\nuse_case: PP-01\n" RUN OK, 3, 8, "a text belongs here"},
    {"schema: 1\nname: t\ntitle: t\nuse_case: pp01\n" RUN OK, 4, 11, "is not a use case"},
    {ALL "given: {after: ../t}\n", 8, 16, "a scenario's name has"},
    {ALL "given: {after: pp1}\n", 8, 16, "to come after; did you mean \"pp01\"?"},
    /* durations and numbers */
    {ALL "limit: 4294968000000000 s\n", 8, 8, "is not a duration"},
    {ALL "limit: 18446744073709551616 us\n", 8, 8, "is not a duration"},
    {ALL "limit: 604801 s\n", 8, 8, "it goes from 1 ms to 604800 s"},
    {ALL "limit: 0 s\n", 8, 8, "it goes from 1 ms to 604800 s"},
    {ALL "limit: 5  s\n", 8, 8, "is not a duration"},
    {ALL "limit: +5 s\n", 8, 8, "is not a duration"},
    {ALL "faults:\n  - kill: {component: vos, at: PP-01/4, restart_after: 100 us}\n", 9, 56,
     "\"100 us\": this goes by whole milliseconds"},
    {ALL "faults:\n  - kill: {component: vos, at: PP-01/4, restart_after: 4294968 s}\n", 9, 56,
     "it goes from 0 us to 604800 s"},
    {ALL "faults:\n  - delay: {message: VehicleSubjectIdRequest, link: gsdp, by: 0 s}\n", 9, 63,
     "it goes from 1 ms"},
    {ALL "settings: {spaak: {retry_ms: 0x10}}\n", 8, 30, "\"0x10\" is not a number from 1 to 3600000"},
    {ALL "settings: {spaak: {retry_ms: 18446744073709551617}}\n", 8, 30, "is not a number from 1"},
    {ALL "settings: {spaak: {retry_ms: 1 }, vos: {renew_ms: 9}}\n", 8, 51, "is not a number from 10"},
    {HEAD RUN "expect: [{dropped: body, at_least: 0}]\n", 6, 36, "is not a number from 1"},
    /* steps */
    {HEAD RUN "expect: [{step: PP-01/09}]\n", 6, 17, "is not a step"},
    {HEAD RUN "expect: [{step: PP-1/9}]\n", 6, 17, "is not a step"},
    {HEAD RUN "expect: [{step: OP-01ab/9}]\n", 6, 17, "is not a step"},
    {HEAD RUN "expect: [{step: PP-01/100}]\n", 6, 17, "is not a step"},
    {HEAD RUN "expect: [{step: start}]\n", 6, 17, "no step that anybody does"},
    /* what would be ignored */
    {HEAD RUN "expect: []\n", 6, 9, "of 1 to 96 entries"},
    {ALL "never: []\n", 8, 8, "of 1 to 96 entries"},
    {ALL "settings: {}\n", 8, 11, "of 1 to"},
    {ALL "settings: {spaak: {}}\n", 8, 12, "takes a mapping of settings"},
    {ALL "settings: {spaak: x}\n", 8, 12, "takes a mapping of settings"},
    {ALL "settings: {broker: {x: 1}}\n", 8, 12, "takes a mapping of settings"},
    {ALL "given: {}\n", 8, 8, "of 1 to"},
    {ALL "given: {spaak: []}\n", 8, 9, "takes a mapping of defects"},
    {ALL "given: {gsdp: {x: y}}\n", 8, 16, "unknown defect of gsdp \"x\"; there is none"},
    {HEAD RUN "expect: [{state: {}}]\n", 6, 18, "of 1 to"},
    {HEAD RUN "expect: [{state: {spaak: {}}}]\n", 6, 19, "takes a mapping of states"},
    {HEAD RUN "expect: [{message: VehicleSubjectIdRequest, fields: {}}]\n", 6, 53, "of 1 to"},
    {HEAD "run: [broker, pki, vos, gsdp, tbm, spaak]\nexpect: [{shows: lamp, is: on}]\n", 6, 18,
     "there is none"},
    {HEAD RUN "expect: [{shows: lamp, is: on}]\n", 6, 18, "known are: gate"},
    {HEAD RUN "expect: [{state: {spaak: {vehcle/key: absent}}}]\n", 6, 27, "did you mean \"vehicle/key\"?"},
    {HEAD RUN "expect: [{state: {vos: {vehicle/SPAAK00000002: absent}}}]\n", 6, 25,
     "unknown key in the store of vos \"vehicle/SPAAK00000002\""},
    {HEAD RUN "expect: [{state: {pki: {\"\": absent}}}]\n", 6, 25, "has 1 to 95 bytes"},
    {ALL "never: [{message: TBM_Status}]\n", 8, 19, "is no message of the protocol"},
    {ALL "never: [{step: PP-01/2, any_order: true}]\n", 8, 36, "never takes no \"any_order\""},
    {ALL "never: [{message: VehicleIdentityRenew, path: [vos, tbm]}]\n", 8, 47, "never takes no \"path\""},
    {ALL "worlds: [virtual, virtual]\n", 8, 19, "stands twice"},
    {ALL "foreach: {[a]: [b]}\n", 8, 11, "a key is a plain word"},
    {ALL "foreach: {a: [b]}\n", 8, 11, "$a is used nowhere"},
    {ALL "foreach: {a: [PP-01/1, PP-01_1]}\n", 8, 24, "stands twice"},
    {ALL "foreach: {A: [b]}\n", 8, 11, "is no variable"},
    {ALL "foreach: {abcdefghijklmnopqrstuvwxyzabcdef: [b]}\n", 8, 11, "is no variable"},
    {HEAD RUN "foreach: {step: [PP-01/1]}\nexpect: [{step: $stpe}]\n", 7, 17, "did you mean \"step\"?"},
    {HEAD RUN "expect: [{step: $step}]\n", 6, 17, "unknown variable of foreach \"step\"; there is none"},
    /* what neither world can do */
    {HEAD "run: [broker, vos, gsdp, sgw, tbm, spaak]\n" OK
          "faults:\n  - cut: {link: pki, component: vos, at: start, heal_after: 1 ms}\n",
     9, 17, "unknown link \"pki\""},
    {ALL "faults:\n  - cut: {link: pki, component: tbm, at: start, heal_after: 1 ms}\n", 9, 17,
     "unknown link of tbm in this run \"pki\""},
    {ALL "faults:\n  - cut: {link: gsdp, component: hub, at: start, heal_after: 1 ms}\n", 9, 34,
     "unknown component of this run \"hub\""},
    {HEAD RUN "expect: [{message: VehicleSubjectIdRequest, fields: {ecu: SPAAK00000002}}]\n", 6, 59,
     "did you mean \"SPAAK00000001\"?"},
};

Test(language, what_is_refused_says_where_and_why)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct tree_problem p = load(refusals[i].text);
        cr_expect(eq(u32, p.line, refusals[i].line), "%s\n%s", refusals[i].text, p.text);
        cr_expect(eq(u32, p.column, refusals[i].column), "%s\n%s", refusals[i].text, p.text);
        cr_expect(ne(ptr, strstr(p.text, refusals[i].says), NULL), "%s\nsays: %s", refusals[i].text, p.text);
    }
}

static const struct {
    const char *text;
} accepted[] = {
    {"\xEF\xBB\xBF" ALL},
    {"---\n" ALL "...\n"},
    {ALL "limit: 5s\n"},
    {HEAD RUN "expect: [{step: OP-01a/12}]\n"},
    {HEAD RUN "expect: [{state: {vos: {retired/SPAAK00000001/2: absent, ecu/SPAAK00000001: present}}}]\n"},
    {"schema: 1\r\nname: t\r\ntitle: \xC3\xA4\r\nuse_case: OP-01a\r\n" RUN OK},
    {HEAD RUN "foreach: {abcdefghijklmnopqrstuvwxyzabcde: [PP-01/1]}\n"
              "expect: [{step: $abcdefghijklmnopqrstuvwxyzabcde}]\n"},
};

Test(language, what_is_unusual_but_clear_is_taken)
{
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        struct tree_problem p = load(accepted[i].text);
        cr_expect(eq(str, p.text, ""), "%s", accepted[i].text);
    }
}

/* ---- sizes ---- */

static void fill(char *out, size_t len, const char *with)
{
    for (size_t i = 0, n = strlen(with); i < len; i++)
        out[i] = with[i % n];
}

static const struct {
    const char *what, *before, *with;
    size_t bytes;
    const char *says;
} sizes[] = {
    {"flow lists", "a: ", "[", 200000, "go more than 16 deep"},
    {"flow lists on lines", "a: ", "[\n", 200000, "go more than 16 deep"},
    {"flow mappings", "a: ", "{a: ", 200000, "go more than 16 deep"},
    {"block lists", "a:\n ", "- ", 200000, "go more than 16 deep"},
    {"keys that are mappings", "", "? ", 200000, "a key is a plain word"},
    {"flow keys that are mappings", "{", "{", 200000, "a key is a plain word"},
    {"values", "a: [", "1,", 200000, "more than 20000 values"},
    {"a text", "a: ", "x", 200000, "is longer than 256 bytes"},
    {"a key", "", "x", 200000, "is longer than 256 bytes"},
    {"comments", "", "# a\n", 262140, "the file is empty"},
    {"a file", "", "# a\n", 262145, "is longer than 262144 bytes"},
    {"blanks", "a: ", " ", 200000, "a scenario lacks the key"},
    {"quotes", "a: \"", "\\x41", 200000, "not YAML"},
};

Test(language, sizes_have_bounds)
{
    static char text[TREE_FILE_MAX + 100];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t before = strlen(sizes[i].before);
        memcpy(text, sizes[i].before, before);
        fill(text + before, sizes[i].bytes - before, sizes[i].with);
        write_text(text, sizes[i].bytes);
        clock_t start = clock();
        struct tree_problem p = load_written();
        cr_expect(ne(ptr, strstr(p.text, sizes[i].says), NULL), "%s: %s", sizes[i].what, p.text);
        cr_expect(lt(long, (long)(clock() - start), (long)CLOCKS_PER_SEC), "%s", sizes[i].what);
    }
}

Test(language, keys_of_a_mapping_have_a_bound)
{
    static char text[20000];
    size_t len = 0;
    for (unsigned i = 0; i <= TREE_KEYS; i++)
        len += (size_t)sprintf(text + len, "a%u: 1\n", i);
    struct tree_problem p = load(text);
    cr_expect(ne(ptr, strstr(p.text, "more than 400 keys"), NULL), "%s", p.text);
    cr_expect(eq(u32, p.line, TREE_KEYS + 1));
}

Test(language, a_text_in_a_message_ends_between_characters)
{
    struct tree_problem p = load(HEAD RUN "expect: [{step: "
                                          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xC3\xA9\xC3\xA9}]\n");
    for (size_t i = 0, n; p.text[i]; i += n) {
        n = text_character(p.text + i, strlen(p.text + i));
        cr_assert(lt(sz, 0, n), "%s", p.text);
    }
}

/* ---- what is no file ---- */

Test(language, what_is_no_file_is_refused_at_once)
{
    static const char *const says[] = {"is a pipe", "is a folder", "is a device", "cannot be read"};
    struct tree_problem problems[4];
    cr_assert(eq(int, mkfifo(path, 0600), 0));
    problems[0] = load_written();
    unlink(path);
    cr_assert(eq(int, mkdir(path, 0700), 0));
    problems[1] = load_written();
    rmdir(path);
    cr_assert(eq(int, symlink("/dev/zero", path), 0));
    problems[2] = load_written();
    unlink(path);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    text_copy(address.sun_path, sizeof address.sun_path, path);
    cr_assert(eq(int, bind(s, (struct sockaddr *)&address, sizeof address), 0));
    problems[3] = load_written();
    close(s);
    for (size_t i = 0; i < 4; i++)
        cr_expect(ne(ptr, strstr(problems[i].text, says[i]), NULL), "%s", problems[i].text);
}

/* ---- suggestions ---- */

static const struct {
    const char *word, *meant;
} meant[] = {
    {"pp01-lost", "pp01-lost-response"},
    {"pp01-flod", "pp01-flood"},
    {"pp1", "pp01"},
    {"sgv", "sgw"},
    {"pad", NULL},
    {"", NULL},
    {"pp01-f", "pp01-flood"},
    {"gsw", "sgw"},
};

Test(language, what_was_meant_begins_alike_or_is_near)
{
    static const char *const words[] = {
        "pp01-flood", "pp01-lost-response", "pp01-lost-response-twice", "pp01", "sgw", "pki", NULL};
    for (size_t i = 0; i < sizeof meant / sizeof meant[0]; i++) {
        const char *closest = text_closest(meant[i].word, words);
        cr_expect(eq(str, (char *)(closest ? closest : "-"), (char *)(meant[i].meant ? meant[i].meant : "-")),
                  "%s", meant[i].word);
    }
}

Test(language, what_is_known_is_listed_in_whole_words)
{
    static const char *const words[] = {
        "a-rather-long-word-of-forty-characters-1", "a-rather-long-word-of-forty-characters-2",
        "a-rather-long-word-of-forty-characters-3", "a-rather-long-word-of-forty-characters-4", NULL};
    struct tree_problem p = {0};
    tree_unknown(&p, (struct tree_mark){1, 1}, "word", "other", words);
    cr_expect(ne(ptr, strstr(p.text, "characters-3, ..."), NULL), "%s", p.text);
}

/* ---- what was understood ---- */

static const char *const understood[] = {
    "# t[PP-01/9]\n",
    "\nlimit_us = 5000000\n",
    "\nforeach.step[0] = PP-01/9\n",
    "\nrun[7].\"v0002.spaak\" = spaak\n",
    "\nsettings.\"v0002.spaak\".retry_ms = 7\n",
    "\ndo[0].inject = 3A0#00\n",
    "\ndo[0].segment = body\n",
    "\ndo[0].count = 10\n",
    "\ndo[0].every_us = 5000\n",
    "\ndo[0].at = start\n",
    "\nfaults[0].kill.at = PP-01/9\n",
    "\nfaults[0].kill.after_ms = 200\n",
    "\nfaults[1].lose.nth = each\n",
    "\nexpect[0].fields.seq = 7\n",
    "\nexpect[0].path[1] = sgw\n",
    "\nexpect[1].reason = MSG_NO_ANSWER\n",
    "\nexpect[2].dropped = diagnostic\n",
    "\nexpect[3].state.spaak.vehicle/certificate = present\n",
};

Test(language, a_dump_tells_every_value_in_normal_form)
{
    struct scenario *s;
    struct tree_problem p = {0};
    char *text = NULL;
    size_t n, len;
    FILE *dump = open_memstream(&text, &len);
    load(HEAD "foreach: {step: [PP-01/9]}\nlimit: 5 s\n"
              "run: [broker, pki, vos, gsdp, sgw, tbm, spaak, {v0002.spaak: spaak}, v0002.sgw, v0002.tbm]\n"
              "settings: {v0002.spaak: {retry_ms: 007}}\n"
              "do: [{inject: 3A0#00, segment: body, count: 10, every: 5 ms, at: start}]\n"
              "faults:\n  - kill: {component: spaak, at: $step, after: 200 ms, restart_after: 1 s}\n"
              "  - lose: {message: VehicleSubjectIdRequest, link: gsdp, nth: each}\n"
              "expect:\n  - {message: VehicleSubjectIdRequest, path: [spaak, sgw, tbm], fields: {seq: 07}}\n"
              "  - {event: retry, reason: MSG_NO_ANSWER}\n  - {dropped: diagnostic}\n"
              "  - {state: {spaak: {vehicle/certificate: present}}}\n");
    cr_assert(scenario_load_and_dump(path, &s, &n, dump, &p), "%s", p.text);
    fclose(dump);
    for (size_t i = 0; i < sizeof understood / sizeof understood[0]; i++)
        cr_expect(ne(ptr, strstr(text, understood[i]), NULL), "%s is not in\n%s", understood[i], text);
    free(text);
    free(s);
}

/* ---- the document names what the tables have ---- */

static bool names_key(const char *document, const char *key)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "`%s`", key);
    return strstr(document, quoted);
}

Test(language, the_document_names_every_key)
{
    static const struct tree_key *const tables[] = {
        scenario_keys, given_keys, call_keys, inject_keys, field_keys, distance_keys, under_faults_keys};
    static const struct entry_form *const forms[] = {fault_forms, expect_forms};
    char *document = NULL;
    size_t cap = 0;
    FILE *f = fopen("docs/scenarios.md", "r");
    cr_assert(ne(ptr, f, NULL));
    cr_assert(lt(long, 0, getdelim(&document, &cap, EOF, f)));
    fclose(f);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        for (const struct tree_key *k = tables[i]; k->name; k++)
            cr_expect(names_key(document, k->name), "%s", k->name);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        for (const struct entry_form *form = forms[i]; form->name; form++)
            for (const struct tree_key *k = form->keys; k->name; k++)
                cr_expect(names_key(document, k->name), "%s of %s", k->name, form->name);
    free(document);
}

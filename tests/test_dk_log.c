/* What a run with Bluetooth leaves in dk.log: every SDU twice, every word of the links, no key; and that it
 * is read back. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/ccc/dk_fields.h"
#include "sim/commands.h"
#include "sim/run/dk_console.h"
#include "sim/run/dk_log.h"
#include "sim/run/records.h"
#include "sim/world/past.h"
#include "sim/world/world.h"
#include "tests/launch.h"

static char place[64], said[65536];

static void set_up(void)
{
    scenario_finder = scenario_find_quietly;
    launch_directory(place);
}

static void tear_down(void)
{
    launch_remove(place);
}

TestSuite(dk_log, .init = set_up, .fini = tear_down, .timeout = 240);

/* ---- words without keys ---- */

#define ADDRESS "4A1122334455/random"
#define KEY     "000102030405060708090A0B0C0D0E0F"

Test(dk_log, keys_are_hidden_and_nothing_else)
{
    static const struct {
        const char *words;
        bool news;
        const char *shown;
    } rows[] = {
        {"identity " ADDRESS " " KEY, false, "identity " ADDRESS " *"},
        {"encrypt " KEY, false, "encrypt *"},
        {"oob-of " ADDRESS " " KEY " " KEY, false, "oob-of " ADDRESS " " KEY " *"},
        {"oob " KEY " =" KEY, true, "oob " KEY " *"},
        {"new-ltk 3 16 =" KEY, true, "new-ltk 3 16 *"},
        {"new-irk " ADDRESS " =" KEY, true, "new-irk " ADDRESS " *"},
        {"advertise " ADDRESS " -", false, "advertise " ADDRESS " -"},
        {"scan", false, "scan"},
        {"heard -59 0303F5FF", true, "heard -59 0303F5FF"},
        {"up", true, "up"},
    };
    static const uint8_t key[BLE_KEY] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    char text[BLE_WORDS];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ble_words_hide(rows[i].words, rows[i].news, text, sizeof text);
        cr_expect(eq(str, text, (char *)rows[i].shown));
        cr_assert(zero(int, ble_words_fill(rows[i].shown, rows[i].news, key, text)), "%s", rows[i].shown);
        cr_expect(eq(str, text, (char *)rows[i].words));
    }
    static const char *const none[] = {"identity " ADDRESS, "steal " KEY, "encrypt " KEY " " KEY, ""};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        ble_words_hide(none[i], false, text, sizeof text);
        cr_expect(eq(str, text, (char *)"?"), "%s", none[i]);
    }
    ble_words_hide("advertise " ADDRESS " -", false, text, 12);
    cr_expect(eq(str, text, (char *)"?"), "no room");
}

/* ---- lines ---- */

#define LEAD "      12.345 ms  spaak phone " ADDRESS " "

Test(dk_log, lines_are_read_as_they_were_written)
{
    static const struct {
        const char *line, *address, *rest;
        enum dk_log_kind kind;
        enum err refused;
    } rows[] = {
        {LEAD "> 030100020100", ADDRESS, "030100020100", DK_LOG_LEAVES, ERR_OK},
        {LEAD "< 030100020100", ADDRESS, "030100020100", DK_LOG_REACHES, ERR_OK},
        {LEAD "tells open 0080 512", ADDRESS, "open 0080 512", DK_LOG_TELLS, ERR_OK},
        {LEAD "tries NOT_FOUND open 0080 512", ADDRESS, "open 0080 512", DK_LOG_TELLS, ERR_NOT_FOUND},
        {LEAD "hears new-ltk 3 16 *", ADDRESS, "new-ltk 3 16 *", DK_LOG_HEARS, ERR_OK},
        {LEAD "tries NOT_FOUND > 0301", ADDRESS, "0301", DK_LOG_LEAVES, ERR_NOT_FOUND},
        {"      12.345 ms  spaak - - tells scan-off", "", "scan-off", DK_LOG_TELLS, ERR_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dk_log_line l;
        const char *why = dk_log_read(rows[i].line, &l);
        cr_assert(eq(ptr, (void *)(uintptr_t)why, NULL), "%s: %s", rows[i].line, why);
        cr_expect(eq(u64, l.time_us, 12345));
        cr_expect(eq(str, l.who, (char *)"spaak"));
        cr_expect(eq(str, l.address, (char *)rows[i].address));
        cr_expect(eq(str, (char *)(uintptr_t)l.rest, (char *)rows[i].rest));
        cr_expect(eq(int, (int)l.kind, (int)rows[i].kind));
        cr_expect(eq(int, (int)l.refused, (int)rows[i].refused));
    }
}

Test(dk_log, what_is_no_line_is_refused)
{
    static const struct {
        const char *line, *why;
    } rows[] = {
        {"", "not a line"},
        {"hello", "not a line"},
        {"12.34 ms  spaak phone " ADDRESS " > 00", "not a line"},
        {"-2.345 ms  spaak phone " ADDRESS " > 00", "not a line"},
        {LEAD, "not a line"},
        {LEAD ">", "not a line"},
        {LEAD "says 00", "not a line"},
        {"12.345 ms  spaak phone 4A11/random > 00", "no address"},
        {"12.345 ms  spaak phone 4a1122334455/random > 00", "no address"},
        {"12.345 ms  spaak - - > 00", "an SDU goes over a link"},
        {LEAD "tells open 0080", "no words"},
        {LEAD "tells open 0080 512 7", "no words"},
        {LEAD "tells channel 0080 512", "no words"},
        {LEAD "hears new-ltk 3 16", "no words"},
        {LEAD "hears new-ltk 3 16 =" KEY, "no words"},
        {LEAD "tells encrypt " KEY, "no words"},
        {LEAD "tries LUNCH open 0080 512", "no"},
        {LEAD "tries OK open 0080 512", "not refused"},
        {LEAD "tries NOT_FOUND", "no"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dk_log_line l = {.time_us = 7};
        const char *why = dk_log_read(rows[i].line, &l);
        cr_assert(ne(ptr, (void *)(uintptr_t)why, NULL), "%s", rows[i].line);
        cr_expect(strstr(why, rows[i].why) != NULL, "%s: %s", rows[i].line, why);
        cr_expect(eq(u64, l.time_us, 7), "untouched");
    }
}

/* ---- runs ---- */

static void run(const char *scenario, const char *options)
{
    cr_assert(eq(int,
                 launch_run(said, sizeof said, "'%s/bin/spaaksim' run %s %s --out '%s/o'", launch_build(),
                            scenario, options, place),
                 0),
              "%s", said);
}

static char *log_of_run(void)
{
    char folder[80];
    snprintf(folder, sizeof folder, "%s/o", place);
    return launch_file(folder, "dk.log");
}

struct counts {
    size_t lines, left[2], reached[2], told[2], heard[2]; /* of spaak, of phone */
};

static struct counts count(char *text)
{
    struct counts n = {0};
    struct dk_log_line l;
    for (char *line; (line = launch_line(&text)); n.lines++) {
        const char *why = dk_log_read(line, &l);
        cr_assert(eq(ptr, (void *)(uintptr_t)why, NULL), "%s: %s", line, why);
        size_t *kinds[] = {[DK_LOG_LEAVES] = n.left,
                           [DK_LOG_REACHES] = n.reached,
                           [DK_LOG_TELLS] = n.told,
                           [DK_LOG_HEARS] = n.heard};
        kinds[l.kind][strcmp(l.who, "phone") == 0]++;
        cr_expect(strchr(l.rest, '=') == NULL && strcmp(l.rest, "?") != 0, "%s", line);
    }
    return n;
}

/* RQ, RS, Time_Sync, four commands with their answers, the event at the end. */
Test(dk_log, a_run_in_either_world_has_each_sdu_at_both_ends)
{
    static const char *const worlds[] = {"--world virtual --seed 7 --quiet", "--quiet"};
    for (size_t i = 0; i < 2; i++) {
        run("op06", worlds[i]);
        char *text = log_of_run();
        cr_assert(ne(ptr, text, NULL));
        struct counts n = count(text);
        size_t words = n.told[0] + n.told[1] + n.heard[0] + n.heard[1];
        cr_expect(eq(sz, n.lines, 24 + words), "%s", worlds[i]);
        cr_expect(eq(sz, n.left[0], 6));
        cr_expect(eq(sz, n.left[1], 6));
        cr_expect(eq(sz, n.reached[0], 6));
        cr_expect(eq(sz, n.reached[1], 6));
        cr_expect(ge(sz, n.told[0], 6));
        cr_expect(ge(sz, n.told[1], 9));
        cr_expect(ge(sz, n.heard[0], 6));
        cr_expect(ge(sz, n.heard[1], 8));
        free(text);
    }
}

Test(dk_log, who_is_at_the_other_end_is_named)
{
    run("op06", "--world virtual --seed 7 --quiet");
    char *text = log_of_run();
    static const char *const wanted[] = {" spaak - - tells advertise ",
                                         " phone spaak ",
                                         " hears heard -59 -\n",
                                         " phone spaak ",
                                         " spaak phone ",
                                         " hears up\n",
                                         " > 05020046",
                                         " < 05020046",
                                         " > 05030032",
                                         " hears encrypted 4 16\n",
                                         " hears new-ltk 3 16 *\n"};
    const char *at = text;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0] && at; i++) {
        at = strstr(at, wanted[i]);
        cr_expect(at != NULL, "%s", wanted[i]);
    }
    free(text);
}

Test(dk_log, no_bluetooth_no_log)
{
    run("pp01", "--world virtual --quiet");
    char *text = log_of_run();
    cr_expect(eq(ptr, text, NULL));
    free(text);
}

Test(dk_log, of_an_earlier_run_nothing_stays)
{
    run("op06", "--world virtual --quiet");
    run("pp01", "--world virtual --quiet");
    char *text = log_of_run();
    cr_expect(eq(ptr, text, NULL));
    free(text);
}

static struct run *live(const char *name, const struct run_options *o)
{
    static struct run r;
    struct scenario *s;
    struct tree_problem p = {0};
    size_t n;
    char *path = scenario_find_quietly(name);
    cr_assert(path && scenario_load(path, &s, &n, &p), "%s", p.text);
    world_run(&r, s, o);
    free(path);
    return &r;
}

Test(dk_log, its_limit_is_kept_and_told)
{
    char out[80];
    unsigned notes = 0;
    snprintf(out, sizeof out, "%s/o", place);
    const struct run_options o = {
        .world = WORLD_VIRTUAL, .seed = 7, .quiet = true, .out = out, .record_max = 2000};
    const struct run *r = live("op06", &o);
    for (size_t i = 0; i < r->event_count; i++)
        notes += r->events[i].kind == TRACE_NOTE && strstr(r->events[i].detail, "dk.log ends here") != NULL;
    cr_expect(eq(u32, notes, 1));
    char *text = log_of_run();
    cr_expect(le(sz, strlen(text), 2000));
    cr_expect(lt(sz, 1500, strlen(text)));
    free(text);
    past_forget();
}

Test(dk_log, a_log_that_somebody_changed_is_not_whole)
{
    static const char *const acts[] = {"echo x >>dk.log", "rm dk.log", "rm dk.log; echo hi >dk.log"};
    static struct launch l;
    char act[200];
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        launch_start_program(&l, "bin/spaaksim", "run passive-entry --quiet --out %s/%zu", place, i);
        snprintf(act, sizeof act, "until test -s %s/%zu/dk.log; do :; done; cd %s/%zu; %s", place, i, place,
                 i, acts[i]);
        launch_must(system(act) == 0, "shell", act);
        kill(-l.pid, SIGTERM);
        cr_expect(eq(int, launch_finish(&l), EXIT_FAILED), "%s: %s", acts[i], l.text);
        cr_expect(strstr(l.text, "dk.log is not whole: somebody else has changed it") != NULL, "%s: %s",
                  acts[i], l.text);
    }
}

/* ---- read back ---- */

static void read_back(const char *options)
{
    cr_assert(eq(int,
                 launch_run(said, sizeof said, "'%s/bin/spaaksim' dk %s <'%s/o/dk.log'", launch_build(),
                            options, place),
                 0),
              "%s", said);
}

static size_t lines_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void expect_in_order(const char *const *wanted, size_t count)
{
    const char *at = said;
    for (size_t i = 0; i < count && at; i++) {
        at = strstr(at, wanted[i]);
        cr_expect(at != NULL, "%s, in this order:\n%s", wanted[i], said);
    }
}

Test(dk_log, each_message_is_read_back_once)
{
    static const char *const wanted[] = {
        "phone spaak > Supplementary First_Approach_RQ, 70 bytes: key identifier (8), nonce 1 (8), tag 1 (4)",
        "spaak phone > Supplementary First_Approach_RS, 50 bytes: out-of-band data (38), nonce (8), tag (4)",
        "phone spaak > Supplementary Time_Sync, 23 bytes: event count 1, device time ",
        "spaak phone > SE DK_APDU_RQ, 19 bytes: SELECT applet 00 A4 04 00",
        "phone spaak > SE DK_APDU_RS, 6 bytes: 9000 ok, 4 bytes: 5C applet versions (2)",
        "spaak phone > SE DK_APDU_RQ, 105 bytes: AUTH0 80 80 01 01, fast, unlock",
        "spaak phone > SE DK_APDU_RQ, 4 bytes: CONTROL FLOW 80 3C 01 00, transaction ok",
        "spaak phone > Event notification, 2 bytes: category 01, code 00 deselect_SE"};
    static const char *const verbose[] = {"phone - tells oob\n",
                                          "phone - hears oob ",
                                          " *\n",
                                          "out-of-band data   ",
                                          "spaak phone hears encrypted 4 16\n",
                                          "max ppm            50\n",
                                          "code               00 deselect_SE\n"};
    run("op06", "--world virtual --seed 7 --quiet");
    read_back("");
    expect_in_order(wanted, sizeof wanted / sizeof wanted[0]);
    cr_expect(eq(sz, lines_of(said), 12), "%s", said);
    read_back("--verbose");
    expect_in_order(verbose, sizeof verbose / sizeof verbose[0]);
}

Test(dk_log, what_was_changed_or_lost_on_its_way_is_told)
{
    static const struct {
        const char *sed, *says;
        size_t lines;
    } rows[] = {
        {"/ < 05020046/d", "did not arrive\n", 13},
        {"s/ < 05020046../ < 0502004600/", "spaak phone < Supplementary First_Approach_RQ, 70 bytes", 14},
        {"s/ < 05020046../ < 0502004600/", " arrived changed, in line ", 14}, /* and not: did not arrive */
        {"/ > 05020046/d", "spaak phone < Supplementary First_Approach_RQ, 70 bytes", 12},
    };
    run("op06", "--world virtual --seed 7 --quiet");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert(eq(int,
                     launch_run(said, sizeof said, "sed '%s' '%s/o/dk.log' | '%s/bin/spaaksim' dk",
                                rows[i].sed, place, launch_build()),
                     0));
        cr_expect(strstr(said, rows[i].says) != NULL, "%s: %s", rows[i].sed, said);
        cr_expect(eq(sz, lines_of(said), rows[i].lines), "%s: %s", rows[i].sed, said);
        cr_expect(not(strstr(said, "arrived changed") && strstr(said, "did not arrive")), "%s", said);
    }
}

Test(dk_log, hex_is_read_and_what_is_none_is_refused)
{
    static const struct {
        const char *line;
        int code;
        const char *says;
    } rows[] = {
        {"dk 030100020101", 0, "Event notification, 2 bytes: category 01, code 01 BLE_pairing_ready\n"},
        {"dk '03 01:00 02 02 01'", 0, "category 02, code 01\n"},
        {"dk '> 030100020183'", 0, "category 01, code 83 busy\n"},
        {"dk 0b", 0, "not a DK message, 1 bytes\n"},
        {"dk 050400020102", 0, "Supplementary RKE_Auth_RQ, 2 bytes\n"},
        {"dk 050100020102", 0, "Supplementary Time_Sync, 2 bytes\n"},
        {"dk zz", EXIT_WRONG, "not hex"},
        {"dk 0", EXIT_WRONG, "not hex"},
        {"dk \"$(head -c 4098 /dev/zero | tr '\\0' 0)\"", EXIT_WRONG, "longer than an SDU"},
        {"dk </dev/null", 0, ""},
        {"dk <<E\n" LEAD "> 0\nE", EXIT_WRONG, "line 1: not hex"},
        {"dk <<E\n\n" LEAD "tells lies\nE", EXIT_WRONG, "line 2: these are no words"},
        {"dk <<E\n030100020101\nnonsense\nE", EXIT_WRONG, "line 2: not hex"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int code = launch_run(said, sizeof said, "'%s/bin/spaaksim' %s", launch_build(), rows[i].line);
        cr_expect(eq(int, code, rows[i].code), "%s: %s", rows[i].line, said);
        cr_expect(strstr(said, rows[i].says) != NULL, "%s: %s", rows[i].line, said);
    }
}

/* ---- the console ---- */

Test(dk_log, the_console_decodes_messages_and_shows_the_apdus)
{
    static const char *const wanted[] = {
        "phone           note   > Supplementary First_Approach_RQ, 70 bytes\n",
        "  key identifier ",
        "OP-06/4   spaak           first approach",
        "spaak           note   > Supplementary First_Approach_RS",
        "note   > Supplementary Time_Sync, 23 bytes\n",
        "spaak           apdu   > SELECT applet 00 A4 04 00, 13 bytes\n",
        "00a404000da00000 0809434343444b41 763100\n",
        "note   > Event notification, 2 bytes\n",
        "  code 00 deselect_SE\n"};
    run("op06", "--world virtual --seed 7 --verbose");
    expect_in_order(wanted, sizeof wanted / sizeof wanted[0]);
    run("op06", "--world virtual --seed 7");
    cr_expect(eq(ptr, strstr(said, "First_Approach_RQ"), NULL), "%s", said);
}

Test(dk_log, the_oldest_message_gives_way_on_the_console)
{
    struct dk_console *c = dk_console_new();
    uint8_t event[] = {DK_EVENT, DK_EVENT_NOTIFICATION, 0, 2, 1, 0};
    struct tap_event e = {.from = "phone", .to = ADDRESS, .out = true, .bytes = span_of(event, sizeof event)};
    for (e.time_us = 1; e.time_us <= 40; e.time_us++)
        dk_console_keep(c, NULL, &e);
    const struct trace_event *first = dk_console_first(c, UINT64_MAX);
    cr_assert(first != NULL);
    cr_expect(eq(u64, first->time_us, 9));
    cr_expect(eq(ptr, (void *)(uintptr_t)dk_console_first(c, 8), NULL));
    dk_console_free(c);
}

/* ---- the page ---- */

static bool has_own_name(const char *name)
{
    for (size_t i = 0; dk_message_names[i]; i++)
        if (strcmp(dk_message_names[i], name) == 0)
            return true;
    return false;
}

/* Each message, with each field and its length, stands in the table of docs/messages.md, and no other. */
Test(dk_log, the_page_has_every_message_with_its_fields)
{
    char *page = launch_file("docs", "messages.md"), row[600];
    const char *section = page ? strstr(page, "## Digital Key messages over Bluetooth LE") : NULL;
    cr_assert(section != NULL);
    size_t rows = 0;
    for (unsigned type = 0; type < DK_TYPES; type++)
        for (unsigned id = 0; id < 256; id++) {
            uint8_t sdu[] = {(uint8_t)type, (uint8_t)id, 0, 0};
            char fields[400] = "";
            const char *name = dk_message_name(span_of(sdu, sizeof sdu)), *field;
            if (!has_own_name(name))
                continue;
            size_t len, used = 0;
            for (size_t n = 0; (field = dk_fields_name((enum dk_type)type, (uint8_t)id, n, &len)); n++)
                used += (size_t)snprintf(fields + used, sizeof fields - used, "%s%s (%zu)", n ? ", " : "",
                                         field, len);
            snprintf(row, sizeof row, "\n| %u %02X | `%s` | ", type, id, name);
            const char *at = strstr(section, row);
            cr_expect(at != NULL, "%s", row);
            const char *has = at ? strstr(at, fields) : NULL;
            cr_expect(has && has < strchr(at + 1, '\n'), "%s: %s", row, fields);
            rows++;
        }
    cr_expect(eq(sz, rows, 10));
    for (unsigned code = 0; code < 256; code++) {
        const char *name = dk_event_name((uint8_t)code);
        snprintf(row, sizeof row, "\n| %02X | %s | ", code, name ? name : "");
        cr_expect(name ? strstr(section, row) != NULL : true, "%s", row);
    }
    free(page);
}

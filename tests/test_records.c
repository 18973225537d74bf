/* What a run leaves behind is what docs/trace.schema.json and docs/bytes.schema.json describe. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sim/run/records.h"
#include "tests/launch.h"

enum { NO_PYTHON = 127 };

static char directory[64];

static void make(void)
{
    launch_directory(directory);
}

static void drop(void)
{
    launch_remove(directory);
}

static void skip(const char *what)
{
    fprintf(stderr, "SKIPPED: %s\n", what);
    cr_skip_test("%s", what);
}

/* The checker's exit code for the records in that directory. */
static int check_records(const char *where, char *out, size_t cap)
{
    int rc = launch_run(out, cap, "python3 scripts/check-records.py '%s/%s'", directory, where);
    if (rc == NO_PYTHON)
        skip("records were not held against their schemas: python3 is missing");
    return rc;
}

static const struct {
    const char *cast, *scenario, *world; /* cast: folder below the build whose programs run it */
} runs[] = {
    {.cast = "bin", .scenario = "pp01", .world = "virtual"},
    {.cast = "bin", .scenario = "pp01", .world = "process"},
    {.cast = "bin", .scenario = "pp01-broker-restart", .world = "process"},
    {.cast = "bin", .scenario = "pp01-rogue-node", .world = "virtual"},
    {.cast = "bin", .scenario = "op01a", .world = "virtual"},
    {.cast = "bin", .scenario = "op01b", .world = "virtual"},
    {.cast = "tests/cards/bin", .scenario = "tests/cards/cards-exchange.yaml", .world = "virtual"},
    {.cast = "tests/cards/bin", .scenario = "tests/cards/cards-told.yaml", .world = "process"},
};

Test(records, every_line_is_as_the_schemas_say, .init = make, .fini = drop)
{
    char out[8192], where[20];
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        snprintf(where, sizeof where, "%zu", i);
        int rc =
            launch_run(out, sizeof out, "'%s/%s/spaaksim' run %s --world %s --bytes --quiet --out '%s/%s'",
                       launch_build(), runs[i].cast, runs[i].scenario, runs[i].world, directory, where);
        cr_expect(eq(int, rc, 0), "%s: %s", runs[i].scenario, out);
        rc = check_records(where, out, sizeof out);
        cr_expect(eq(int, rc, 0), "%s: %s", runs[i].scenario, out);
        cr_expect(strstr(out, "trace.jsonl: ") && strstr(out, "bytes.jsonl: "), "%s", out);
    }
}

/* Frames are data, not what lay in memory behind it. */
Test(records, a_seed_gives_the_same_bytes_on_every_medium, .init = make, .fini = drop)
{
    char out[8192];
    for (int i = 0; i < 2; i++)
        cr_expect(eq(int,
                     launch_run(out, sizeof out,
                                "'%s/bin/spaaksim' run pp01 --world virtual --bytes --quiet --out '%s/%d'",
                                launch_build(), directory, i),
                     0));
    cr_expect(
        eq(int,
           launch_run(out, sizeof out, "cmp '%s/0/bytes.jsonl' '%s/1/bytes.jsonl'", directory, directory), 0),
        "%s", out);
}

/* ---- what an earlier run left ---- */

/* What stands in out, with blanks between, in order. */
static const char *listed(char out[4096])
{
    launch_run(out, 4096, "cd '%s/out' && find . -mindepth 1 -printf '%%P\\n' | sort | tr '\\n' ' '",
               directory);
    return out;
}

static void run_with(const char *options)
{
    char out[8192];
    int rc = launch_run(out, sizeof out, "'%s/bin/spaaksim' run pp01 --quiet --out '%s/out' %s",
                        launch_build(), directory, options);
    cr_assert(eq(int, rc, 0), "%s: %s", options, out);
}

#define VIRTUAL_RECORDS ".spaaksim can.log junit.xml trace.jsonl "

Test(records, nothing_of_an_earlier_run_stays, .init = make, .fini = drop)
{
    char out[4096];
    run_with("--world process --bytes --keep-past");
    cr_expect(strstr(listed(out), "logs/spaak.log ") && strstr(out, "stores/spaak.db ") &&
                  strstr(out, "past/trace.jsonl ") && strstr(out, "bytes.jsonl "),
              "%s", out);
    run_with("--world virtual");
    cr_expect(eq(str, (char *)listed(out), VIRTUAL_RECORDS));
}

/* Files of a user's beside them, a folder that bears no mark, and one that a link leads to. */
Test(records, what_no_run_has_made_stays, .init = make, .fini = drop)
{
    char out[4096];
    run_with("--world virtual --keep-past");
    cr_assert(zero(int, launch_run(out, sizeof out,
                                   "cd '%s' && mkdir out/logs away && touch out/logs/letter out/logs/old.log "
                                   "out/past/letter away/old.db && ln -s ../away out/stores",
                                   directory)),
              "%s", out);
    run_with("--world virtual");
    cr_expect(eq(str, (char *)listed(out),
                 ".spaaksim can.log junit.xml logs logs/letter past past/.spaaksim past/letter stores "
                 "trace.jsonl "));
    cr_expect(
        zero(int, launch_run(out, sizeof out, "rm '%s/out/past/.spaaksim' && touch '%s/out/past/can.log'",
                             directory, directory)));
    run_with("--world virtual");
    cr_expect(zero(int, launch_run(out, sizeof out, "ls '%s/out/past/can.log' '%s/away/old.db'", directory,
                                   directory)),
              "%s", out);
}

/* ---- the checker itself ---- */

#define EVENT "{\"schema\":1,\"t_us\":5,\"seq\":2,\"cause\":1,\"component\":\"vos\",\"kind\":\"note\"}"
#define BYTES "\"t_us\":1,\"medium\":\"can\",\"port\":\"body\",\"from\":\"\",\"to\":\"sgw\",\"at\":\"in\""

static const struct {
    const char *name, *file, *lines, *says; /* says NULL: all right */
} lines[] = {
    {"plain", "trace", EVENT, NULL},
    {"nothing", "trace", "", NULL},
    {"later", "trace",
     EVENT "\n{\"schema\":1,\"t_us\":5,\"seq\":3,\"cause\":1,\"component\":\"vos\",\"kind\":\"note\"}", NULL},
    {"no newer", "trace", EVENT "\n" EVENT, ":2: seq 2 after 2"},
    {"unknown member", "trace",
     "{\"schema\":1,\"t_us\":5,\"seq\":2,\"cause\":1,\"component\":\"vos\",\"kind\":\"note\","
     "\"colour\":\"red\"}",
     ":1: colour is unknown"},
    {"member twice", "trace", "{\"schema\":1,\"t_us\":5,\"t_us\":5}", ":1: a member twice"},
    {"no schema", "trace", "{\"t_us\":5,\"seq\":2,\"cause\":1,\"component\":\"vos\",\"kind\":\"note\"}",
     ":1: schema is missing"},
    {"newer schema", "trace",
     "{\"schema\":2,\"t_us\":5,\"seq\":2,\"cause\":1,\"component\":\"vos\",\"kind\":\"note\"}",
     ":1: schema: 2 is against const"},
    {"unknown kind", "trace",
     "{\"schema\":1,\"t_us\":5,\"seq\":2,\"cause\":1,\"component\":\"vos\",\"kind\":\"sneeze\"}",
     ":1: kind: \"sneeze\" is against oneOf"},
    {"time as text", "trace",
     "{\"schema\":1,\"t_us\":\"5\",\"seq\":2,\"cause\":1,\"component\":\"vos\",\"kind\":\"note\"}",
     ":1: t_us: \"5\" is against type"},
    {"no JSON", "trace", "note", ":1: Expecting value"},
    {"bytes", "bytes", "{\"schema\":1," BYTES ",\"hex\":\"00ff\"}", NULL},
    {"half a byte", "bytes", "{\"schema\":1," BYTES ",\"hex\":\"00f\"}",
     ":1: hex: \"00f\" is against pattern"},
};

Test(records, the_checker_sees_what_is_wrong, .init = make, .fini = drop)
{
    char out[4096], path[100];
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        snprintf(path, sizeof path, "%s/trace.jsonl", directory);
        fclose(fopen(path, "we"));
        snprintf(path, sizeof path, "%s/%s.jsonl", directory, lines[i].file);
        FILE *f = fopen(path, "we");
        fprintf(f, "%s%s", lines[i].lines, *lines[i].lines ? "\n" : "");
        fclose(f);
        int rc = check_records(".", out, sizeof out);
        cr_expect(eq(int, rc, lines[i].says ? 1 : 0), "%s: %s", lines[i].name, out);
        if (lines[i].says)
            cr_expect(strstr(out, lines[i].says) != NULL, "%s: %s", lines[i].name, out);
        unlink(path);
    }
}

/* ---- the schema and the code ---- */

Test(records, the_schema_names_every_kind_in_order)
{
    char *schema = launch_file("docs", "trace.schema.json"), text[60], *at = schema;
    cr_assert(ne(ptr, schema, NULL));
    unsigned kinds = 0;
    for (char *p = schema; (p = strstr(p, "{\"const\": \"")); p++)
        kinds++;
    cr_expect(eq(u32, kinds, TRACE_KINDS));
    for (unsigned k = 0; k < TRACE_KINDS && at; k++) {
        snprintf(text, sizeof text, "{\"const\": \"%s\", \"description\": \"",
                 trace_kind_name((enum trace_kind)k));
        at = strstr(at, text);
        cr_expect(ne(ptr, at, NULL), "%s", text);
    }
    free(schema);
}

/* ---- junit.xml ---- */

static const struct {
    const char *name, *text, *read; /* read: as an XML reader must find it, in UTF-8 */
} texts[] = {
    {"plain", "2 is less", "2 is less"},
    {"markup", "<a b=\"c\" d='e'>&amp;]]>", "<a b=\"c\" d='e'>&amp;]]>"},
    {"blanks", "a\tb\nc\rd", "a\tb\nc\rd"},
    {"controls", "a\x01z\x1B[31mz", "a\xEF\xBF\xBDz\xEF\xBF\xBD[31mz"},
    {"two bytes", "gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F"},
    {"four bytes", "\xF0\x9F\x94\x91", "\xF0\x9F\x94\x91"},
    {"cut in a character", "gr\xC3", "gr\xEF\xBF\xBD"},
    {"no UTF-8", "\xFF\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
    {"a surrogate", "\xED\xA0\x80z", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz"},
    {"non-characters", "\xEF\xBF\xBE-\xEF\xBF\xBF", "\xEF\xBF\xBD-\xEF\xBF\xBD"},
    {"the last before them", "\xEF\xBF\xBD", "\xEF\xBF\xBD"},
    {"empty", "", ""},
};

static void write_report(const char *path)
{
    static struct report_row rows[sizeof texts / sizeof texts[0]];
    const size_t n = sizeof texts / sizeof texts[0];
    for (size_t i = 0; i < n; i++) {
        rows[i] = (struct report_row){.verdict = i ? (enum verdict)(1 + i % 3) : VERDICT_PASS,
                                      .seconds = 0.0123,
                                      .began_s = 1767225600 + (int64_t)i};
        text_copy(rows[i].label, sizeof rows[i].label, texts[i].name);
        text_copy(rows[i].world, sizeof rows[i].world, "virtual");
        text_copy(rows[i].detail, sizeof rows[i].detail, texts[i].text);
    }
    cr_assert(report_write_junit(fopen(path, "w"), rows, n));
}

/* Exit code of xmllint, which holds the report against tests/junit.xsd. */
static int check_report(const char *path, char *out, size_t cap)
{
    int rc = launch_run(out, cap, "xmllint --noout --schema tests/junit.xsd '%s'", path);
    if (rc == NO_PYTHON)
        skip("junit.xml was not held against its schema: xmllint (libxml2-utils) is missing");
    return rc;
}

Test(junit, whatever_the_text_it_is_as_its_schema_says, .init = make, .fini = drop)
{
    char out[4096], path[100];
    snprintf(path, sizeof path, "%s/junit.xml", directory);
    write_report(path);
    cr_expect(eq(int, check_report(path, out, sizeof out), 0), "%s", out);
}

/* Another reader finds every text as it was, but for what XML cannot say. The first passed and says nothing.
 */
Test(junit, readers_find_the_texts, .init = make, .fini = drop)
{
    char out[4096], path[100], *rest = out;
    snprintf(path, sizeof path, "%s/junit.xml", directory);
    write_report(path);
    int rc = launch_run(out, sizeof out,
                        "python3 -c 'import sys, xml.etree.ElementTree as x\n"
                        "for c in x.parse(sys.argv[1]).iter(\"testcase\"):\n"
                        "  for p in c: print(p.get(\"message\").encode().hex())' '%s'",
                        path);
    if (rc == NO_PYTHON)
        skip("no second reader of junit.xml: python3 is missing");
    cr_assert(eq(int, rc, 0), "%s", out);
    for (size_t i = 1; i < sizeof texts / sizeof texts[0]; i++) {
        char hex[200];
        hex_encode((const uint8_t *)texts[i].read, strlen(texts[i].read), hex);
        cr_expect(eq(str, strsep(&rest, "\n"), hex), "%s", texts[i].name);
    }
}

static const struct {
    const char *name, *sed; /* what is done to a report */
} damages[] = {
    {"no type", "s/ type=\"[A-Z]*\"//"},
    {"no timestamp", "s/ timestamp=\"[^\"]*\"//"},
    {"no hostname", "s/ hostname=\"[^\"]*\"//"},
    {"a zone", "s/\\(timestamp=\"[^\"]*\\)\"/\\1Z\"/"},
    {"a negative time", "s/ time=\"0/ time=\"-1/"},
};

Test(junit, its_schema_sees_what_is_missing, .init = make, .fini = drop)
{
    char out[4096], path[100];
    snprintf(path, sizeof path, "%s/junit.xml", directory);
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        write_report(path);
        cr_assert(eq(int, launch_run(out, sizeof out, "sed -i '%s' '%s'", damages[i].sed, path), 0));
        cr_expect(eq(int, check_report(path, out, sizeof out), 3), "%s: %s", damages[i].name, out);
    }
}

/* The number behind a text; -1 when it is not there. */
static double number_after(const char *text, const char *before)
{
    const char *at = text ? strstr(text, before) : NULL;
    return at ? atof(at + strlen(before)) : -1;
}

static const struct {
    const char *world;
    bool virtual_time;
} timed[] = {{"virtual", true}, {"process", false}};

Test(junit, its_time_is_the_consoles, .init = make, .fini = drop)
{
    char out[16384];
    for (size_t i = 0; i < sizeof timed / sizeof timed[0]; i++) {
        int rc = launch_run(out, sizeof out, "'%s/bin/spaaksim' run pp01 --world %s --out '%s/out'",
                            launch_build(), timed[i].world, directory);
        cr_assert(eq(int, rc, 0), "%s", out);
        const char *verdict = strstr(out, "PASS  pp01"), *ms = verdict ? strstr(verdict, " ms)") : NULL;
        cr_assert(ms != NULL, "%s", out);
        while (ms[-1] != ' ')
            ms--;
        char folder[80];
        snprintf(folder, sizeof folder, "%s/out", directory);
        char *report = launch_file(folder, "junit.xml");
        cr_expect(epsilon_eq(dbl, number_after(report, " time=\"") * 1e3, atof(ms), 0.11), "%s %s", report,
                  out);
        cr_expect(eq(int, number_after(report, "virtual_time_s\" value=\"") > 0, timed[i].virtual_time), "%s",
                  report);
        free(report);
    }
}

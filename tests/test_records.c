/* What a run leaves behind is what docs/trace.schema.json and docs/bytes.schema.json describe. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/env/trace.h"
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
    int rc = launch_shell(out, cap, "python3 scripts/check-records.py '%s/%s'", directory, where);
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

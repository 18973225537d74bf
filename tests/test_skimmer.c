/* The matrix of phase 2, seen from inside: in which state the phone is when it has answered. The rows are the
 * protocol's description, as in scenarios/op03/op03-out-of-order*.yaml, which have the status words and what
 * a reader finds from outside. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ccc/apdu.h"
#include "sim/commands.h"
#include "sim/run/run.h"
#include "sim/world/world.h"
#include "tests/support.h"

#define COMMANDS 11

static const struct row {
    const char *scenario, *state; /* where the reader has brought the phone */
    const char *next[COMMANDS];   /* after each command; NULL: has no cell */
} rows[] = {
    /*                    SELECT      REQUEST      VERIFY      WRITE DATA  GET DATA    GET RESPONSE
     *                    AUTH0       10/01        12/00       11/10       10/02 */
    {"op03-out-of-order",
     "unselected",
     {"SELECTED", "IDLE", "IDLE", "IDLE", "IDLE", "IDLE", "IDLE", "IDLE", "IDLE", "IDLE", "IDLE"}},
    {"op03-out-of-order",
     "selected",
     {"SELECTED", "REQUESTED", "SELECTED", "SELECTED", "SELECTED", "SELECTED", "SELECTED", "SELECTED", "IDLE",
      "SELECTED", "SELECTED"}},
    {"op03-out-of-order",
     "requested",
     {"SELECTED", "REQUESTED", "SECURE1", "SELECTED", "SELECTED", "SELECTED", "SELECTED", "SELECTED", "IDLE",
      "SELECTED", "SELECTED"}},
    {"op03-out-of-order",
     "secure1",
     {"SELECTED", "SELECTED", "SELECTED", "SECURE1", "SELECTED", "SELECTED", "SELECTED", "SELECTED", "IDLE",
      "SELECTED", "SELECTED"}},
    {"op03-out-of-order",
     "written",
     {"SELECTED", "SELECTED", "SELECTED", "SELECTED", "SELECTED", "SELECTED", "SELECTED", "CREATING", "IDLE",
      "SELECTED", "SELECTED"}},
    {"op03-out-of-order",
     "creating",
     {"SECURE2", "CREATING", "CREATING", "CREATING", "CREATING", "CREATING", "CREATING", "CREATING", "IDLE",
      "CREATING", "CREATING"}},
    {"op03-out-of-order",
     "secure2",
     {"SELECTED", "REQUESTED", "SELECTED", "SECURE2", "SECURE2", "SELECTED", "SELECTED", "SELECTED", "IDLE",
      "SELECTED", "SELECTED"}},
    {"op03-out-of-order-ends",
     "not-ready",
     {"IDLE", "IDLE", "IDLE", "IDLE", "IDLE", "IDLE", "IDLE", "IDLE", "IDLE", "IDLE", "IDLE"}},
    {"op03-out-of-order-ends",
     "paired",
     {"PAIRED", "PAIRED", "PAIRED", "PAIRED", "PAIRED", "PAIRED", "PAIRED", "PAIRED", "PAIRED", "PAIRED",
      "PAIRED"}},
    {"op03-out-of-order-ends",
     "read",
     {"SELECTED", "REQUESTED", "SELECTED", "SECURE2", "SECURE2", "SELECTED", "SELECTED", "SELECTED", "IDLE",
      "PAIRED", NULL}},
};

static bool is_state(const struct trace_event *e, const char *who)
{
    return e->kind == TRACE_STATE && strcmp(e->component, who) == 0;
}

/* The phone's state when the answer to the cell's command is there. */
static void find_states(const struct run *r, const struct row *row, char next[COMMANDS][16], size_t *n)
{
    char phone[16] = "IDLE";
    const size_t prefix = strlen(row->state);
    bool inside = false;
    *n = 0;
    for (size_t i = 0; i < r->event_count; i++) {
        const struct trace_event *e = &r->events[i];
        if (is_state(e, "phone"))
            text_copy(phone, sizeof phone, e->detail);
        if (!is_state(e, "skimmer"))
            continue;
        bool answer = strncmp(e->detail, "answer: ", 8) == 0;
        if (answer && inside) {
            cr_assert(lt(sz, *n, COMMANDS), "%s", row->state);
            text_copy(next[(*n)++], 16, phone);
        }
        inside = !answer && strncmp(e->detail, row->state, prefix) == 0 && e->detail[prefix] == ':';
    }
}

static void compare(const struct run *r, const struct row *row)
{
    char next[COMMANDS][16];
    size_t n, expected = 0;
    find_states(r, row, next, &n);
    while (expected < COMMANDS && row->next[expected])
        expected++;
    cr_assert(eq(sz, n, expected), "%s", row->state);
    for (size_t i = 0; i < n; i++)
        cr_expect(eq(str, next[i], (char *)row->next[i]), "%s, command %zu", row->state, i);
}

Test(skimmer, each_command_leads_where_it_must, .timeout = 120)
{
    static const char *const scenarios[] = {"op03-out-of-order", "op03-out-of-order-ends"};
    size_t compared = 0;
    scenario_finder = scenario_find_quietly;
    for (size_t f = 0; f < 2; f++) {
        struct run_options o = {.world = WORLD_VIRTUAL, .seed = 7, .quiet = true};
        struct run *r = calloc(1, sizeof *r);
        struct scenario *s = NULL;
        char path[80];
        size_t n = 0;
        snprintf(path, sizeof path, "scenarios/op03/%s.yaml", scenarios[f]);
        cr_assert(catalogue_load(path, &s, &n), "%s", path);
        cr_assert(eq(int, world_run(r, s, &o), VERDICT_PASS), "%s", s->name);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            if (strcmp(rows[i].scenario, scenarios[f]) == 0) {
                compare(r, &rows[i]);
                compared++;
            }
        run_free(r);
        free(r);
        free(s);
    }
    cr_expect(eq(sz, compared, sizeof rows / sizeof rows[0]));
}

/* ---- names for faults of a link with APDUs ---- */

Test(skimmer, APDUs_have_names)
{
    static const struct {
        const char *hex, *command, *answer;
    } rows_of_names[] = {
        {"84D480000101", "WRITE DATA", "0101"},
        {"80300000", "SPAKE2+ REQUEST", "0000"},
        {"9000", "?", "9000"},
        {"61D0", "?", "61D0"},
        {"0102036982", "unknown command", "6982"},
        {"80FE0000", "unknown command", "0000"},
        {"90", "?", "?"},
    };
    for (size_t i = 0; i < sizeof rows_of_names / sizeof rows_of_names[0]; i++) {
        uint8_t bytes[16];
        long len = hex_decode(rows_of_names[i].hex, strlen(rows_of_names[i].hex), bytes, sizeof bytes);
        const struct span in = span_of(bytes, (size_t)len);
        cr_expect(eq(str, (char *)apdu_command_name(in), (char *)rows_of_names[i].command), "%s",
                  rows_of_names[i].hex);
        cr_expect(eq(str, (char *)apdu_response_name(in), (char *)rows_of_names[i].answer), "%s",
                  rows_of_names[i].hex);
    }
    static const struct {
        const char *name;
        bool ok;
    } words[] = {{"WRITE DATA", true}, {"9000", true}, {"61D0", true},   {"WRITE DATE", false},
                 {"8000", false},      {"900", false}, {"90000", false}, {"?", false}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        cr_expect(eq(int, apdu_message_name_ok(words[i].name), words[i].ok), "%s", words[i].name);
}

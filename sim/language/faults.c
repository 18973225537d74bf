/* faults: what goes wrong. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/can/matrix.h"
#include "lib/media/media.h"
#include "sim/language/language.h"

#define DELAY_MAX_MS (TREE_DURATION_MAX_US / 1000)
#define NTH_MAX      100000

struct fault_reading {
    struct fault fault;
    uint32_t after_ms;
};

static bool read_nth(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    uint64_t v = FAULT_ALWAYS;
    bool each = y->kind == TREE_TEXT && strcmp(y->text, "each") == 0;
    if (!each && !tree_number(y, 0, k->max, &v, p))
        return false;
    if (!each && v == 0)
        return tree_bad(p, y->at, "messages are counted from 1; write \"each\" for all of them");
    *(unsigned *)at = (unsigned)v;
    return true;
}

static void print_nth(const struct tree_key *k, const void *at, char *out, size_t cap)
{
    const unsigned nth = *(const unsigned *)at;
    (void)k;
    snprintf(out, cap, nth == FAULT_ALWAYS ? "each" : "%u", nth);
}

static const struct key_kind key_nth = {"number, or each", read_nth, print_nth, ""};

#define MESSAGE_KEYS                                                                \
    KEY("message", message, struct fault_reading, fault.message, .required = true), \
        KEY("link", link, struct fault_reading, fault.link, .required = true),      \
        KEY("nth", nth, struct fault_reading, fault.nth, .max = NTH_MAX)
#define DELAY_KEY(text, ...) \
    KEY(text, ms, struct fault_reading, fault.delay_ms, .max = DELAY_MAX_MS, __VA_ARGS__)
#define MOMENT_KEYS                                                      \
    KEY("at", step, struct fault_reading, fault.step, .required = true), \
        KEY("after", ms, struct fault_reading, after_ms, .max = DELAY_MAX_MS)

static const struct tree_key message_keys[] = {MESSAGE_KEYS, END_OF_KEYS};
static const struct tree_key repeat_keys[] = {
    MESSAGE_KEYS, KEY("times", count, struct fault_reading, fault.times, .min = 1, .max = FAULT_COPIES - 1),
    DELAY_KEY("after", .required = false), END_OF_KEYS};
static const struct tree_key delay_keys[] = {MESSAGE_KEYS, DELAY_KEY("by", .required = true, .min = 1),
                                             END_OF_KEYS};
static const struct tree_key corrupt_keys[] = {
    MESSAGE_KEYS, KEY("byte", count, struct fault_reading, fault.byte, .max = 4096), END_OF_KEYS};
static const struct tree_key kill_keys[] = {
    KEY("component", member, struct fault_reading, fault.component, .required = true), MOMENT_KEYS,
    DELAY_KEY("restart_after", .required = true), END_OF_KEYS};
static const struct tree_key cut_keys[] = {
    KEY("link", link, struct fault_reading, fault.link, .required = true),
    KEY("component", member, struct fault_reading, fault.component, .required = true),
    KEY("at", step, struct fault_reading, fault.step),
    KEY("after", ms, struct fault_reading, after_ms, .max = DELAY_MAX_MS),
    KEY("nth", count, struct fault_reading, fault.nth, .min = 1, .max = NTH_MAX),
    DELAY_KEY("heal_after", .required = true),
    END_OF_KEYS};
static const struct tree_key refuse_keys[] = {
    KEY("component", member, struct fault_reading, fault.component, .required = true),
    KEY("nth", nth, struct fault_reading, fault.nth, .max = NTH_MAX),
    KEY("times", count, struct fault_reading, fault.times, .min = 1, .max = NTH_MAX), END_OF_KEYS};

const struct entry_form fault_forms[] = {
    {"lose", message_keys, FAULT_LOSE, TRACE_KINDS},
    {"repeat", repeat_keys, FAULT_REPEAT, TRACE_KINDS},
    {"delay", delay_keys, FAULT_DELAY, TRACE_KINDS},
    {"reorder", message_keys, FAULT_REORDER, TRACE_KINDS},
    {"corrupt", corrupt_keys, FAULT_CORRUPT, TRACE_KINDS},
    {"kill", kill_keys, FAULT_KILL, TRACE_KINDS},
    {"cut", cut_keys, FAULT_CUT, TRACE_KINDS},
    {"refuse", refuse_keys, FAULT_REFUSE, TRACE_KINDS},
    {.name = NULL},
};

/* A link carries frames, with the names of the matrix, or messages of the protocol, or bytes without a name:
 * a fault of a message that never goes there could not take effect. */
static bool check_message(const struct scenario *s, const struct fault *f, const struct tree *y,
                          struct tree_problem *p)
{
    const struct port_spec *port = NULL;
    unsigned k;
    for (size_t i = 0; i < s->member_count && !port; i++) {
        const struct component_class *c = s->members[i].class;
        if (c && component_port(c, f->link, &k))
            port = &c->ports[k];
    }
    assert(port); /* its reader has found it */
    bool frames = medium_find(media, port->medium)->frames;
    if (!frames && !port->name_of)
        return tree_bad(p, y->at, "messages on %s have no names; cut it instead", f->link);
    if (frames == (matrix_find_name(f->message) != NULL) || strcmp(f->message, "?") == 0)
        return true;
    if (frames)
        return tree_bad(p, y->at, "%s never goes by on %s: what goes there are frames, such as %s",
                        f->message, f->link, matrix_row((enum matrix_message)0)->name);
    return tree_bad(p, y->at, "%s never goes by on %s: what goes there are messages of the protocol",
                    f->message, f->link);
}

static bool no_such_link(const struct scenario *s, const struct member *m, const char *link,
                         const struct tree *y, struct tree_problem *p)
{
    const char *names[ENV_PORTS + 1];
    char label[80];
    size_t n = 0;
    for (unsigned i = 0; i < m->class->port_count; i++)
        if (link_is_whole(s, m, i))
            names[n++] = m->class->ports[i].name;
    names[n] = NULL;
    snprintf(label, sizeof label, "link of %.40s in this run", m->name);
    return tree_unknown(p, y->at, label, link, names);
}

/* What neither world, or only one of them, could do. */
static bool check_fault(const struct scenario *s, const struct fault *f, const struct tree *y,
                        struct tree_problem *p)
{
    const struct member *m = scenario_member(s, f->component);
    unsigned port;
    if (f->kind == FAULT_KILL && !f->step[0])
        return tree_bad(p, y->at, "nobody is there to be killed at the start; name a step");
    if (f->kind == FAULT_REFUSE && (!m || !m->class || !m->class->stores))
        return tree_bad(p, y->at, "\"%s\" keeps no store that could refuse", f->component);
    if (f->kind != FAULT_CUT)
        return true;
    if ((f->nth != 0) == (tree_get(y->items[0], "at") != NULL))
        return tree_bad(p, y->at, "a cut comes `at` a step, or at the `nth` message of the component there");
    if (!m || !m->class)
        return tree_bad(p, y->at, "\"%s\" has no links of its own to cut; kill it instead", f->component);
    if (component_port(m->class, f->link, &port) && link_is_whole(s, m, port))
        return true;
    return no_such_link(s, m, f->link, tree_get(y->items[0], "link"), p);
}

static bool read_form(const struct tree *y, struct fault_reading *r, struct tree_problem *p)
{
    const char *names[FAULT_KINDS + 1];
    unsigned k;
    *r = (struct fault_reading){.fault = {.nth = 1, .times = 1, .byte = 40}};
    if (y->kind != TREE_MAP || y->count != 1)
        return tree_bad(p, y->at,
                        "a fault is one key with its details, like \"lose: {message: ..., link: ...}\"");
    for (k = 0; fault_forms[k].name && strcmp(fault_forms[k].name, y->keys[0]) != 0; k++)
        names[k] = fault_forms[k].name;
    names[k] = NULL;
    if (!fault_forms[k].name)
        return tree_unknown(p, y->key_marks[0], "fault", y->keys[0], names);
    r->fault.kind = (enum fault_kind)fault_forms[k].kind;
    if (r->fault.kind == FAULT_CUT)
        r->fault.nth = 0;
    return tree_read_map(y->items[0], fault_forms[k].name, fault_forms[k].keys, r, p);
}

bool fault_read(const struct scenario *s, const struct tree *y, struct fault *out, struct tree_problem *p)
{
    struct fault_reading r;
    language_begin(s);
    if (!read_form(y, &r, p))
        return false;
    *out = r.fault;
    return r.fault.kind >= FAULT_KILL || check_message(s, &r.fault, y, p);
}

static bool read_fault(struct scenario *s, const struct tree *y, struct tree_problem *p)
{
    struct fault_reading r;
    if (!read_form(y, &r, p) || !check_fault(s, &r.fault, y, p))
        return false;
    if (r.fault.kind < FAULT_KILL && !check_message(s, &r.fault, y, p))
        return false;
    r.fault.number = (unsigned)s->faults.count + 1;
    s->fault_lines[s->faults.count] = y->at.line;
    s->fault_after_us[s->faults.count] = r.after_ms * 1000ull;
    r.fault.late = r.fault.kind == FAULT_KILL && r.after_ms;
    s->faults.faults[s->faults.count++] = r.fault;
    return true;
}

bool read_faults(void *out, const struct tree *y, struct tree_problem *p)
{
    if (!tree_list(y, 1, FAULT_MAX, "faults must be a list", p))
        return false;
    for (size_t i = 0; i < y->count; i++)
        if (!read_fault(out, y->items[i], p))
            return false;
    return true;
}

/* faults: what goes wrong. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/can/matrix.h"
#include "lib/media/media.h"
#include "sim/language/language.h"

struct fault_reading {
    struct fault fault;
    uint64_t delay_us, after_us;
};

static bool fault_message(void *out, const struct tree *y, struct tree_problem *p)
{
    return read_message(y, ((struct fault_reading *)out)->fault.message, p);
}

static bool fault_link(void *out, const struct tree *y, struct tree_problem *p)
{
    return read_link(y, ((struct fault_reading *)out)->fault.link, p);
}

static bool fault_component(void *out, const struct tree *y, struct tree_problem *p)
{
    return read_member(y, ((struct fault_reading *)out)->fault.component, p);
}

static bool fault_at(void *out, const struct tree *y, struct tree_problem *p)
{
    return read_step(y, ((struct fault_reading *)out)->fault.step, p);
}

static bool fault_nth(void *out, const struct tree *y, struct tree_problem *p)
{
    uint64_t v = FAULT_ALWAYS;
    bool each = y->kind == TREE_TEXT && strcmp(y->text, "each") == 0;
    if (!each && !tree_number(y, 100000, &v, p))
        return false;
    if (!each && v == 0)
        return tree_bad(p, y->line, "messages are counted from 1; write \"each\" for all of them");
    ((struct fault_reading *)out)->fault.nth = (unsigned)v;
    return true;
}

static bool fault_number(const struct tree *y, uint64_t max, unsigned *out, struct tree_problem *p)
{
    uint64_t v;
    if (!tree_number(y, max, &v, p))
        return false;
    *out = (unsigned)v;
    return true;
}

static bool fault_times(void *out, const struct tree *y, struct tree_problem *p)
{
    unsigned *times = &((struct fault_reading *)out)->fault.times;
    if (!fault_number(y, FAULT_COPIES - 1, times, p))
        return false;
    return *times || tree_bad(p, y->line, "repeated no times is no fault");
}

static bool fault_byte(void *out, const struct tree *y, struct tree_problem *p)
{
    return fault_number(y, 4096, &((struct fault_reading *)out)->fault.byte, p);
}

DURATION_READER(fault_delay, struct fault_reading, delay_us)
DURATION_READER(fault_after, struct fault_reading, after_us)

static const struct tree_key message_fault_keys[] = {{"message", fault_message, true},
                                                     {"link", fault_link, true},
                                                     {"nth", fault_nth, false},
                                                     {NULL, NULL, false}};
static const struct tree_key repeat_keys[] = {{"message", fault_message, true}, {"link", fault_link, true},
                                              {"nth", fault_nth, false},        {"times", fault_times, false},
                                              {"after", fault_delay, false},    {NULL, NULL, false}};
static const struct tree_key delay_keys[] = {{"message", fault_message, true},
                                             {"link", fault_link, true},
                                             {"nth", fault_nth, false},
                                             {"by", fault_delay, true},
                                             {NULL, NULL, false}};
static const struct tree_key corrupt_keys[] = {{"message", fault_message, true},
                                               {"link", fault_link, true},
                                               {"nth", fault_nth, false},
                                               {"byte", fault_byte, false},
                                               {NULL, NULL, false}};
static const struct tree_key kill_keys[] = {{"component", fault_component, true},
                                            {"at", fault_at, true},
                                            {"after", fault_after, false},
                                            {"restart_after", fault_delay, true},
                                            {NULL, NULL, false}};
static const struct tree_key cut_keys[] = {
    {"link", fault_link, true},    {"component", fault_component, true}, {"at", fault_at, true},
    {"after", fault_after, false}, {"heal_after", fault_delay, true},    {NULL, NULL, false}};

static const struct {
    const char *name;
    enum fault_kind kind;
    const struct tree_key *keys;
} fault_forms[] = {
    {"lose", FAULT_LOSE, message_fault_keys},
    {"repeat", FAULT_REPEAT, repeat_keys},
    {"delay", FAULT_DELAY, delay_keys},
    {"reorder", FAULT_REORDER, message_fault_keys},
    {"corrupt", FAULT_CORRUPT, corrupt_keys},
    {"kill", FAULT_KILL, kill_keys},
    {"cut", FAULT_CUT, cut_keys},
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
    assert(port); /* fault_link has found it */
    bool frames = medium_find(media, port->medium)->frames;
    if (!frames && !port->name_of)
        return tree_bad(p, y->line, "messages on %s have no names; cut it instead", f->link);
    if (frames == (matrix_find_name(f->message) != NULL) || strcmp(f->message, "?") == 0)
        return true;
    if (frames)
        return tree_bad(p, y->line, "%s never goes by on %s: what goes there are frames, such as %s",
                        f->message, f->link, matrix_row((enum matrix_message)0)->name);
    return tree_bad(p, y->line, "%s never goes by on %s: what goes there are messages of the protocol",
                    f->message, f->link);
}

/* What neither world, or only one of them, could do. */
static bool check_fault(const struct scenario *s, const struct fault *f, const struct tree *y,
                        struct tree_problem *p)
{
    const struct member *m = scenario_member(s, f->component);
    unsigned port;
    if (f->kind == FAULT_KILL && !f->step[0])
        return tree_bad(p, y->line, "nobody is there to be killed at the start; name a step");
    if (f->kind != FAULT_CUT)
        return true;
    if (!m || !m->class)
        return tree_bad(p, y->line, "\"%s\" has no links of its own to cut; kill it instead", f->component);
    if (!component_port(m->class, f->link, &port))
        return tree_bad(p, y->line, "%s has no link \"%s\"", f->component, f->link);
    return true;
}

static bool read_form(const struct tree *y, struct fault_reading *r, struct tree_problem *p)
{
    static const char *const names[] = {"lose", "repeat", "delay", "reorder", "corrupt", "kill", "cut", NULL};
    unsigned k;
    *r = (struct fault_reading){.fault = {.nth = 1, .times = 1, .byte = 40}};
    if (y->kind != TREE_MAP || y->count != 1)
        return tree_bad(p, y->line,
                        "a fault is one key with its details, like \"lose: {message: ..., link: ...}\"");
    for (k = 0; names[k] && strcmp(names[k], y->keys[0]) != 0;)
        k++;
    if (!names[k])
        return tree_unknown(p, y->key_lines[0], "fault", y->keys[0], names);
    r->fault.kind = fault_forms[k].kind;
    if (!tree_read_map(y->items[0], fault_forms[k].name, fault_forms[k].keys, r, p))
        return false;
    r->fault.delay_ms = (uint32_t)(r->delay_us / 1000);
    return true;
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
    if (s->faults.count == FAULT_MAX)
        return tree_bad(p, y->line, "more than %d faults", FAULT_MAX);
    if (!read_form(y, &r, p) || !check_fault(s, &r.fault, y, p))
        return false;
    if (r.fault.kind < FAULT_KILL && !check_message(s, &r.fault, y, p))
        return false;
    r.fault.number = (unsigned)s->faults.count + 1;
    s->fault_after_us[s->faults.count] = r.after_us;
    s->faults.faults[s->faults.count++] = r.fault;
    return true;
}

bool read_faults(void *out, const struct tree *y, struct tree_problem *p)
{
    if (y->kind != TREE_LIST)
        return tree_bad(p, y->line, "faults must be a list");
    for (size_t i = 0; i < y->count; i++)
        if (!read_fault(out, y->items[i], p))
            return false;
    return true;
}

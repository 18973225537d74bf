/* expect and never: what must happen, and what must not. */
#include <stdio.h>
#include <string.h>

#include "lib/msg/msg.h"
#include "sim/language/language.h"

#define AT_LEAST_MAX 10000000
#define KEYS_MAX     64

/* ---- kinds of values of their own ---- */

/* Kept as a part of the detail of the events that are summed up. */
#define SEGMENT_DETAIL "segment="

static bool read_segment(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    const char *names[SEGMENTS + 1] = {NULL};
    unsigned i;
    for (i = 0; i < SEGMENTS; i++)
        names[i] = segment_name((enum segment)i);
    if (!tree_word(y, "segment", names, &i, p))
        return false;
    snprintf(at, k->size, SEGMENT_DETAIL "%s", names[i]);
    return true;
}

static void print_segment(const struct tree_key *k, const void *at, char *out, size_t cap)
{
    (void)k;
    text_copy(out, cap, (const char *)at + strlen(SEGMENT_DETAIL));
}

static bool read_show(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    const struct scenario *s = language_scenario();
    const char *names[64];
    size_t n = 0;
    unsigned i;
    for (size_t m = 0; m < s->member_count; m++)
        for (const char *const *show = s->members[m].class ? s->members[m].class->shows : NULL;
             show && *show && n < 63; show++)
            names[n++] = *show;
    names[n] = NULL;
    if (!tree_word(y, "screen, lamp or door of this run", names, &i, p))
        return false;
    text_copy(at, k->size, names[i]);
    return true;
}

static void print_show(const struct tree_key *k, const void *at, char *out, size_t cap)
{
    (void)k;
    text_copy(out, cap, at);
}

static const struct key_kind key_segment = {"segment", read_segment, print_segment, ""},
                             key_show = {"screen, lamp or door", read_show, print_show, ""};

/* ---- parts ---- */

static bool read_path(void *out, const struct tree *y, struct tree_problem *p)
{
    struct expect *e = out;
    if (!tree_list(y, 2, SCENARIO_PATH, "path must be a list of components", p))
        return false;
    e->kind = EXPECT_PATH;
    for (size_t i = 0; i < y->count; i++) {
        char *at = e->path[e->path_count++];
        if (!read_member(y->items[i], at, p))
            return false;
        for (size_t k = 0; k < i; k++)
            if (strcmp(e->path[k], at) == 0)
                return tree_bad(p, y->items[i]->at, "\"%s\" stands twice; who carries a message does so once",
                                at);
        tree_understood(y->items[i], "", "%s", at);
    }
    return true;
}

struct fields {
    char ecu[SCENARIO_SERIAL];
    uint64_t seq;
    int error;
};

const struct tree_key field_keys[] = {KEY("ecu", vehicle, struct fields, ecu),
                                      KEY("seq", number, struct fields, seq, .max = UINT32_MAX),
                                      KEY("error", reason, struct fields, error), END_OF_KEYS};

/* As they stand in the detail of a message's events. */
static bool read_fields(void *out, const struct tree *y, struct tree_problem *p)
{
    struct expect *e = out;
    struct fields fields;
    char value[TREE_TEXT_MAX + 1];
    if (!tree_map(y, sizeof e->fields / sizeof e->fields[0], "fields must be a mapping", p) ||
        !tree_read_map(y, "the message's fields", field_keys, &fields, p))
        return false;
    for (const struct tree_key *k = field_keys; k->name; k++) {
        if (!tree_get(y, k->name))
            continue;
        k->kind->print(k, (const char *)&fields + k->offset, value, sizeof value);
        snprintf(e->fields[e->field_count++], sizeof e->fields[0], "%s=%.50s", k->name, value);
    }
    return true;
}

/* A misspelt key would be absent for ever. */
static bool check_key(const struct member *m, const struct tree *entries, size_t i, struct tree_problem *p)
{
    const struct scenario *s = language_scenario();
    const char *serials[SCENARIO_MEMBERS + 1], *names[KEYS_MAX + 1], *key = entries->keys[i];
    size_t n = 0, k = 0;
    char label[80];
    for (size_t v = 0; v < s->member_count; v++)
        if (s->members[v].serial[0])
            serials[n++] = s->members[v].serial;
    serials[n] = NULL;
    if (!*key || strlen(key) >= ENV_KEY_MAX)
        return tree_bad(p, entries->key_marks[i], "a key of a store has 1 to %d bytes", ENV_KEY_MAX - 1);
    if (component_key(m->class, serials, key))
        return true;
    for (const char *const *own = m->class->keys; own && *own && k < KEYS_MAX; own++)
        names[k++] = *own;
    for (const struct plant_item *item = m->class->plant; item && item->key && k < KEYS_MAX; item++)
        names[k++] = item->key;
    names[k] = NULL;
    snprintf(label, sizeof label, "key in the store of %.40s", m->name);
    return tree_unknown(p, entries->key_marks[i], label, key, names);
}

static bool read_state_entry(struct expect *e, const struct member *m, const struct tree *entries, size_t i,
                             struct tree_problem *p)
{
    static const char *const words[] = {"absent", "present", NULL};
    unsigned word;
    if (e->state_count == SCENARIO_STATES)
        return tree_bad(p, entries->at, "more than %d states", SCENARIO_STATES);
    struct state_check *s = &e->states[e->state_count++];
    if (!check_key(m, entries, i, p) || !tree_word(entries->items[i], "state", words, &word, p))
        return false;
    text_copy(s->component, sizeof s->component, m->name);
    text_copy(s->key, sizeof s->key, entries->keys[i]);
    s->present = word == 1;
    s->line = entries->key_marks[i].line;
    return tree_understood(entries->items[i], "", "%s", words[s->present]);
}

static bool read_member_state(void *out, const struct member *m, const struct tree *entries,
                              struct tree_problem *p)
{
    if (!m->class->stores)
        return tree_bad(p, entries->at, "%s keeps no store", m->name);
    for (size_t i = 0; i < entries->count; i++)
        if (!read_state_entry(out, m, entries, i, p))
            return false;
    return true;
}

static bool read_state(void *out, const struct tree *y, struct tree_problem *p)
{
    return read_by_member(y, "states: {key: present}", read_member_state, out, p);
}

/* ---- the forms of an entry ---- */

static const char *const event_names[] = {
#define X(name, text) text,
    TRACE_KIND_LIST(X)
#undef X
        NULL};

#define BY_KEY(...)     KEY("by", member, struct expect, component, __VA_ARGS__)
#define REASON_KEY(...) KEY("reason", reason, struct expect, reason, __VA_ARGS__)
#define TIME_KEYS                                                                       \
    KEY("within", us, struct expect, within_us, .min = 1, .max = TREE_DURATION_MAX_US), \
        KEY("any_order", flag, struct expect, any_order), END_OF_KEYS

static const struct tree_key message_keys[] = {
    KEY("message", message, struct expect, message, .required = true),
    KEY("step", step, struct expect, step),
    KEY("from", member, struct expect, component),
    KEY("to", member, struct expect, peer),
    PART("path", read_path),
    PART("fields", read_fields),
    TIME_KEYS};
static const struct tree_key step_keys[] = {KEY("step", step, struct expect, step, .required = true),
                                            BY_KEY(.required = false), TIME_KEYS};
static const struct tree_key event_keys[] = {
    KEY("event", word, struct expect, event, .required = true, .words = event_names),
    BY_KEY(.required = false),
    KEY("message", message, struct expect, message),
    KEY("step", step, struct expect, step),
    REASON_KEY(.required = false),
    KEY("detail", text, struct expect, detail, .min = 1),
    TIME_KEYS};
static const struct tree_key rejected_keys[] = {
    KEY("rejected", message, struct expect, message, .required = true), BY_KEY(.required = true),
    REASON_KEY(.required = true), TIME_KEYS};
static const struct tree_key dropped_keys[] = {
    KEY("dropped", segment, struct expect, detail, .required = true), BY_KEY(.required = false),
    REASON_KEY(.required = false),
    KEY("at_least", number, struct expect, at_least, .min = 1, .max = AT_LEAST_MAX), END_OF_KEYS};
static const struct tree_key shows_keys[] = {KEY("shows", show, struct expect, message, .required = true),
                                             KEY("is", text, struct expect, detail, .required = true),
                                             BY_KEY(.required = false), TIME_KEYS};
static const struct tree_key state_keys[] = {PART("state", read_state, .required = true), END_OF_KEYS};

/* An entry is of the first form whose key it has. */
const struct entry_form expect_forms[] = {
    {"state", state_keys, EXPECT_STATE, TRACE_KINDS},
    {"dropped", dropped_keys, EXPECT_COUNT, TRACE_DROP},
    {"rejected", rejected_keys, EXPECT_EVENT, TRACE_REJECT},
    {"shows", shows_keys, EXPECT_EVENT, TRACE_SHOW},
    {"event", event_keys, EXPECT_EVENT, TRACE_KINDS},
    {"message", message_keys, EXPECT_EVENT, TRACE_SEND},
    {"step", step_keys, EXPECT_EVENT, TRACE_KINDS},
    {.name = NULL},
};

/* ---- what could never be met, or always ---- */

static bool check_step(const struct expect *e, const struct tree *y, struct tree_problem *p)
{
    const struct tree *step = tree_get(y, "step");
    return !step || e->step[0] || tree_bad(p, step->at, "\"start\" is no step that anybody does");
}

/* Frames are not sent by components' own accounts: their rows stand in events of other kinds. */
static bool check_sent(const struct expect *e, const struct tree *y, struct tree_problem *p)
{
    if (e->event != TRACE_SEND || !tree_get(y, "message") || msg_type_from_name(e->message))
        return true;
    return tree_bad(
        p, tree_get(y, "message")->at,
        "\"%s\" is no message of the protocol, and no component traces that it sends one; take an "
        "event",
        e->message);
}

static bool check_shows(const struct expect *e, const struct tree *y, struct tree_problem *p)
{
    const struct member *m = scenario_member(language_scenario(), e->component);
    if (e->event != TRACE_SHOW || !m || !tree_get(y, "shows"))
        return true;
    for (const char *const *show = m->class ? m->class->shows : NULL; show && *show; show++)
        if (strcmp(*show, e->message) == 0)
            return true;
    return tree_bad(p, tree_get(y, "by")->at, "%s has no \"%s\" to show", m->name, e->message);
}

bool read_expectation(struct expect *e, const struct tree *y, const char *what, struct tree_problem *p)
{
    const struct entry_form *f = expect_forms;
    while (f->name && !tree_get(y, f->name))
        f++;
    if (!f->name)
        return tree_bad(
            p, y->at, "%s needs one of the keys message, step, event, rejected, dropped, shows, state", what);
    *e = (struct expect){.kind = (enum expect_kind)f->kind, .event = f->event, .reason = -1, .at_least = 1};
    e->line = y->at.line;
    e->detail_whole = f->event == TRACE_SHOW;
    return tree_read_map(y, what, f->keys, e, p) && check_step(e, y, p) && check_sent(e, y, p) &&
           check_shows(e, y, p);
}

bool read_expects(void *out, const struct tree *y, struct tree_problem *p)
{
    struct scenario *s = out;
    if (!tree_list(y, 1, SCENARIO_EXPECTS, "expect must be a list", p))
        return false;
    for (size_t i = 0; i < y->count; i++)
        if (!read_expectation(&s->expects[s->expect_count++], y->items[i], "an expectation", p))
            return false;
    return true;
}

static bool check_never(const struct expect *e, const struct tree *y, struct tree_problem *p)
{
    static const char *const useless[] = {"path", "any_order", NULL};
    if (e->kind == EXPECT_STATE || e->kind == EXPECT_COUNT)
        return tree_bad(p, y->at, "never takes message, step, event, shows or rejected");
    for (size_t i = 0; useless[i]; i++)
        if (tree_get(y, useless[i]))
            return tree_bad(p, tree_get(y, useless[i])->at, "never takes no \"%s\"", useless[i]);
    return true;
}

bool read_nevers(void *out, const struct tree *y, struct tree_problem *p)
{
    struct scenario *s = out;
    if (!tree_list(y, 1, SCENARIO_EXPECTS, "never must be a list", p))
        return false;
    for (size_t i = 0; i < y->count; i++) {
        struct expect *e = &s->nevers[s->never_count++];
        if (!read_expectation(e, y->items[i], "an entry of never", p) || !check_never(e, y->items[i], p))
            return false;
    }
    return true;
}

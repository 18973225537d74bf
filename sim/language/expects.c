/* expect and never: what must happen, and what must not. */
#include <stdio.h>
#include <string.h>

#include "sim/language/language.h"

static bool expect_component(void *out, const struct tree *y, struct tree_problem *p)
{
    return read_member(y, ((struct expect *)out)->component, p);
}
static bool expect_peer(void *out, const struct tree *y, struct tree_problem *p)
{
    return read_member(y, ((struct expect *)out)->peer, p);
}
static bool expect_step(void *out, const struct tree *y, struct tree_problem *p)
{
    return read_step(y, ((struct expect *)out)->step, p);
}
static bool expect_message(void *out, const struct tree *y, struct tree_problem *p)
{
    return read_message(y, ((struct expect *)out)->message, p);
}
static bool expect_reason(void *out, const struct tree *y, struct tree_problem *p)
{
    return read_reason(y, &((struct expect *)out)->reason, p);
}
TEXT_READER(expect_detail, struct expect, detail)
static bool expect_within(void *out, const struct tree *y, struct tree_problem *p)
{
    uint64_t *us = &((struct expect *)out)->within_us;
    if (!tree_duration_us(y, us, p))
        return false;
    return *us || tree_bad(p, y->line, "nothing happens within no time; leave it away for no limit");
}

static bool expect_event(void *out, const struct tree *y, struct tree_problem *p)
{
    static const char *const names[] = {
#define X(name, text) text,
        TRACE_KIND_LIST(X)
#undef X
            NULL};
    unsigned i;
    if (!tree_word(y, "event", names, &i, p))
        return false;
    ((struct expect *)out)->event = (enum trace_kind)i;
    return true;
}

static bool expect_any_order(void *out, const struct tree *y, struct tree_problem *p)
{
    static const char *const words[] = {"false", "true", NULL};
    unsigned i;
    if (!tree_word(y, "value of any_order", words, &i, p))
        return false;
    ((struct expect *)out)->any_order = i == 1;
    return true;
}

static bool expect_at_least(void *out, const struct tree *y, struct tree_problem *p)
{
    return tree_number(y, 10000000, &((struct expect *)out)->at_least, p);
}

static bool expect_path(void *out, const struct tree *y, struct tree_problem *p)
{
    struct expect *e = out;
    if (y->kind != TREE_LIST || y->count < 2 || y->count > SCENARIO_PATH)
        return tree_bad(p, y->line, "path must be a list of 2 to %d components", SCENARIO_PATH);
    e->kind = EXPECT_PATH;
    for (size_t i = 0; i < y->count; i++)
        if (!read_member(y->items[i], e->path[e->path_count++], p))
            return false;
    return true;
}

static bool expect_fields(void *out, const struct tree *y, struct tree_problem *p)
{
    static const char *const known[] = {"ecu", "seq", "error", NULL};
    struct expect *e = out;
    if (y->kind != TREE_MAP || y->count > 4)
        return tree_bad(p, y->line, "fields must be a mapping of at most 4 entries");
    for (size_t i = 0; i < y->count; i++) {
        size_t k = 0;
        char value[40];
        while (known[k] && strcmp(known[k], y->keys[i]) != 0)
            k++;
        if (!known[k])
            return tree_unknown(p, y->key_lines[i], "message field", y->keys[i], known);
        if (!tree_text(y->items[i], value, sizeof value, p))
            return false;
        snprintf(e->fields[e->field_count++], 64, "%s=%s", known[k], value);
    }
    return true;
}

static bool expect_dropped(void *out, const struct tree *y, struct tree_problem *p)
{
    struct expect *e = out;
    char name[16];
    if (!tree_text(y, name, sizeof name, p))
        return false;
    if (segment_from_name(name) == SEGMENTS)
        return tree_bad(p, y->line, "unknown segment \"%s\"", name);
    snprintf(e->detail, sizeof e->detail, "segment=%s", name);
    return true;
}

static bool state_entry(struct expect *e, const char *component, const struct tree *m, size_t i,
                        struct tree_problem *p)
{
    static const char *const words[] = {"absent", "present", NULL};
    unsigned word;
    if (e->state_count == SCENARIO_STATES)
        return tree_bad(p, m->line, "more than %d states", SCENARIO_STATES);
    struct state_check *s = &e->states[e->state_count++];
    if (strlen(m->keys[i]) >= sizeof s->key)
        return tree_bad(p, m->key_lines[i], "no key of a store is as long as that");
    if (!tree_word(m->items[i], "state", words, &word, p))
        return false;
    text_copy(s->component, sizeof s->component, component);
    text_copy(s->key, sizeof s->key, m->keys[i]);
    s->present = word == 1;
    s->line = m->key_lines[i];
    return true;
}

static bool expect_state(void *out, const struct tree *y, struct tree_problem *p)
{
    const struct scenario *s = language_scenario();
    if (y->kind != TREE_MAP)
        return tree_bad(p, y->line, "state must be a mapping of components");
    for (size_t c = 0; c < y->count; c++) {
        const struct tree *m = y->items[c];
        const struct member *who = scenario_member(s, y->keys[c]);
        if (!who)
            return tree_unknown(p, y->key_lines[c], "component of this run", y->keys[c], member_names(s));
        if (!who->class || !who->class->stores)
            return tree_bad(p, y->key_lines[c], "%s keeps no store", who->name);
        if (m->kind != TREE_MAP)
            return tree_bad(p, m->line, "the state of %s must be a mapping: {key: present}", who->name);
        for (size_t i = 0; i < m->count; i++)
            if (!state_entry(out, who->name, m, i, p))
                return false;
    }
    return true;
}

static bool expect_shows(void *out, const struct tree *y, struct tree_problem *p)
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
    if (!tree_word(y, "screen, lamp or door", names, &i, p))
        return false;
    text_copy(((struct expect *)out)->message, 32, names[i]);
    ((struct expect *)out)->detail_whole = true;
    return true;
}

#define COMMON_KEYS                                                           \
    {"within", expect_within, false}, {"any_order", expect_any_order, false}, \
    {                                                                         \
        NULL, NULL, false                                                     \
    }

static const struct tree_key message_keys[] = {{"message", expect_message, true},
                                               {"step", expect_step, false},
                                               {"from", expect_component, false},
                                               {"to", expect_peer, false},
                                               {"path", expect_path, false},
                                               {"fields", expect_fields, false},
                                               COMMON_KEYS};
static const struct tree_key step_keys[] = {
    {"step", expect_step, true}, {"by", expect_component, false}, COMMON_KEYS};
static const struct tree_key event_keys[] = {{"event", expect_event, true},
                                             {"by", expect_component, false},
                                             {"message", expect_message, false},
                                             {"step", expect_step, false},
                                             {"reason", expect_reason, false},
                                             {"detail", expect_detail, false},
                                             COMMON_KEYS};
static const struct tree_key rejected_keys[] = {{"rejected", expect_message, true},
                                                {"by", expect_component, true},
                                                {"reason", expect_reason, true},
                                                COMMON_KEYS};
static const struct tree_key dropped_keys[] = {{"dropped", expect_dropped, true},
                                               {"by", expect_component, false},
                                               {"reason", expect_reason, false},
                                               {"at_least", expect_at_least, false},
                                               {NULL, NULL, false}};
static const struct tree_key shows_keys[] = {
    {"shows", expect_shows, true}, {"is", expect_detail, true}, {"by", expect_component, false}, COMMON_KEYS};
static const struct tree_key state_keys[] = {{"state", expect_state, true}, {NULL, NULL, false}};

static const struct expect_form {
    const char *key;
    const struct tree_key *keys;
    enum expect_kind kind;
    enum trace_kind event;
} expect_forms[] = {
    {"state", state_keys, EXPECT_STATE, TRACE_KINDS},
    {"dropped", dropped_keys, EXPECT_COUNT, TRACE_DROP},
    {"rejected", rejected_keys, EXPECT_EVENT, TRACE_REJECT},
    {"shows", shows_keys, EXPECT_EVENT, TRACE_SHOW},
    {"event", event_keys, EXPECT_EVENT, TRACE_KINDS},
    {"message", message_keys, EXPECT_EVENT, TRACE_SEND},
    {"step", step_keys, EXPECT_EVENT, TRACE_KINDS},
};

static bool read_expect(struct expect *e, const struct tree *y, const char *what, struct tree_problem *p)
{
    const size_t n = sizeof expect_forms / sizeof expect_forms[0];
    size_t f = 0;
    while (f < n && !tree_get(y, expect_forms[f].key))
        f++;
    if (f == n)
        return tree_bad(p, y->line,
                        "%s needs one of the keys message, step, event, rejected, dropped, shows, state",
                        what);
    *e = (struct expect){
        .kind = expect_forms[f].kind, .event = expect_forms[f].event, .reason = -1, .at_least = 1};
    e->line = y->line;
    return tree_read_map(y, what, expect_forms[f].keys, e, p);
}

bool read_expects(void *out, const struct tree *y, struct tree_problem *p)
{
    struct scenario *s = out;
    if (y->kind != TREE_LIST || y->count > SCENARIO_EXPECTS)
        return tree_bad(p, y->line, "expect must be a list of at most %d entries", SCENARIO_EXPECTS);
    for (size_t i = 0; i < y->count; i++)
        if (!read_expect(&s->expects[s->expect_count++], y->items[i], "an expectation", p))
            return false;
    return true;
}

bool read_nevers(void *out, const struct tree *y, struct tree_problem *p)
{
    struct scenario *s = out;
    if (y->kind != TREE_LIST || y->count > SCENARIO_EXPECTS)
        return tree_bad(p, y->line, "never must be a list of at most %d entries", SCENARIO_EXPECTS);
    for (size_t i = 0; i < y->count; i++) {
        struct expect *e = &s->nevers[s->never_count++];
        if (!read_expect(e, y->items[i], "an entry of never", p))
            return false;
        if (e->kind != EXPECT_EVENT)
            return tree_bad(p, e->line, "never takes message, step, event, shows or rejected");
    }
    return true;
}

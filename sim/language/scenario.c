#include "sim/language/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/msg/msg.h"
#include "sim/cast.h"

#define DEFAULT_LIMIT_US 10000000u
#define DEFAULT_QUIET_US 200000u

const char *const world_names[] = {"process", "virtual", NULL};

static const char *const presence_words[] = {"absent", "present", NULL};
static const char *const identity_words[] = {"own", "foreign", NULL};
static const char *const certificate_words[] = {"absent", "present", "unreported", NULL};
static const char *const csr_words[] = {"absent", "valid", "wrong-subject", "weak-key", NULL};
static const char *const signer_words[] = {"valid", "expired", NULL};

/* ---- small readers ---- */

/* Defines a reader of one member that is a fixed text. */
#define TEXT_READER(function, type, member)                                         \
    static bool function(void *out, const struct tree *y, struct tree_problem *p)   \
    {                                                                               \
        return tree_text(y, ((type *)out)->member, sizeof((type *)out)->member, p); \
    }
#define DURATION_READER(function, type, member)                                   \
    static bool function(void *out, const struct tree *y, struct tree_problem *p) \
    {                                                                             \
        return tree_duration_us(y, &((type *)out)->member, p);                    \
    }
#define WORD_READER(function, type, member, what, words)                          \
    static bool function(void *out, const struct tree *y, struct tree_problem *p) \
    {                                                                             \
        return tree_word(y, what, words, &((type *)out)->member, p);              \
    }

static bool read_component(const struct tree *y, char out[16], struct tree_problem *p)
{
    unsigned i;
    if (!tree_word(y, "component", component_names, &i, p))
        return false;
    text_copy(out, 16, component_names[i]);
    return true;
}

static bool read_step(const struct tree *y, char out[12], struct tree_problem *p)
{
    unsigned number, step;
    char family[4];
    int end = 0;
    if (!tree_text(y, out, 12, p))
        return false;
    if (strcmp(out, "start") == 0)
        *out = '\0';
    else if (sscanf(out, "%2[A-Z]-%2u/%2u%n", family, &number, &step, &end) != 3 || out[end])
        return tree_bad(p, y->line, "\"%s\" is not a step; write it like \"PP-01/9\", or \"start\"", out);
    return true;
}

/* A message of the protocol, or a row of the matrix. */
static bool read_message(const struct tree *y, char out[32], struct tree_problem *p)
{
    const char *names[64];
    size_t n = 0;
    if (!tree_text(y, out, 32, p))
        return false;
    if (msg_type_from_name(out) || matrix_find_name(out) || strcmp(out, "?") == 0)
        return true;
    for (int t = 1; t < 500 && n < 40; t++)
        if (strcmp(msg_type_name((Spaak__V1__MessageType)t), "?") != 0)
            names[n++] = msg_type_name((Spaak__V1__MessageType)t);
    for (unsigned m = 0; m < MATRIX_MESSAGES; m++)
        names[n++] = matrix_row((enum matrix_message)m)->name;
    names[n] = NULL;
    return tree_unknown(p, y->line, "message", out, names);
}

static bool read_reason(const struct tree *y, int *out, struct tree_problem *p)
{
    static const char *const names[] = {
#define X(name, number, text) #name,
        ERR_LIST(X)
#undef X
            NULL};
    unsigned i;
    if (!tree_word(y, "reason", names, &i, p))
        return false;
    *out = (int)err_from_name(names[i]);
    return true;
}

/* ---- given ---- */

WORD_READER(given_drm_uuid, struct given, drm_uuid, "value of drm_uuid", presence_words)
WORD_READER(given_identity, struct given, identity, "value of identity", identity_words)
WORD_READER(given_certificate, struct given, certificate, "value of certificate", certificate_words)
WORD_READER(given_csr, struct given, pending_csr, "value of pending_csr", csr_words)
WORD_READER(given_signer, struct given, vos_signer, "value of signer", signer_words)
WORD_READER(given_ecu, struct given, ecu, "value of ecu", presence_words)

static bool given_spaak(void *out, const struct tree *y, struct tree_problem *p)
{
    static const struct tree_key keys[] = {{"drm_uuid", given_drm_uuid, false},
                                           {"identity", given_identity, false},
                                           {"certificate", given_certificate, false},
                                           {"pending_csr", given_csr, false},
                                           {NULL, NULL, false}};
    return tree_read_map(y, "given.spaak", keys, out, p);
}

static bool given_vos(void *out, const struct tree *y, struct tree_problem *p)
{
    static const struct tree_key keys[] = {
        {"signer", given_signer, false}, {"ecu", given_ecu, false}, {NULL, NULL, false}};
    return tree_read_map(y, "given.vos", keys, out, p);
}

static bool read_given(void *out, const struct tree *y, struct tree_problem *p)
{
    static const struct tree_key keys[] = {
        {"spaak", given_spaak, false}, {"vos", given_vos, false}, {NULL, NULL, false}};
    return tree_read_map(y, "given", keys, &((struct scenario *)out)->given, p);
}

/* ---- settings: component -> name -> number ---- */

static bool read_setting(struct scenario *s, const char *component, const struct tree *y, size_t i,
                         struct tree_problem *p)
{
    static const char *const none[] = {NULL};
    const struct component_row *row = component_find(component);
    const char *const *known = row && row->class && row->class->settings ? row->class->settings : none;
    uint64_t v;
    size_t k = 0;
    while (known[k] && strcmp(known[k], y->keys[i]) != 0)
        k++;
    if (!known[k])
        return tree_unknown(p, y->key_lines[i], "setting", y->keys[i], known);
    if (!tree_number(y->items[i], 86400000, &v, p))
        return false;
    if (s->setting_count == SCENARIO_SETTINGS)
        return tree_bad(p, y->line, "more than %d settings", SCENARIO_SETTINGS);
    snprintf(s->settings[s->setting_count++], 48, "%.15s.%.15s=%llu", component, known[k],
             (unsigned long long)v);
    return true;
}

static bool read_settings(void *out, const struct tree *y, struct tree_problem *p)
{
    if (y->kind != TREE_MAP)
        return tree_bad(p, y->line, "settings must be a mapping of components");
    for (size_t c = 0; c < y->count; c++) {
        const struct tree *m = y->items[c];
        if (!component_find(y->keys[c]))
            return tree_unknown(p, y->key_lines[c], "component", y->keys[c], component_names);
        for (size_t i = 0; m->kind == TREE_MAP && i < m->count; i++)
            if (!read_setting(out, y->keys[c], m, i, p))
                return false;
    }
    return true;
}

/* ---- do ---- */

static bool action_at(void *out, const struct tree *y, struct tree_problem *p)
{
    return read_step(y, ((struct action *)out)->when.step, p);
}
DURATION_READER(action_after, struct action, when.after_us)
DURATION_READER(action_every, struct action, every_us)

static bool action_call(void *out, const struct tree *y, struct tree_problem *p)
{
    static const char *const calls[] = {"renew-vehicle-identity", NULL};
    unsigned i;
    ((struct action *)out)->kind = ACTION_RENEW;
    return tree_word(y, "call", calls, &i, p);
}

static bool action_to(void *out, const struct tree *y, struct tree_problem *p)
{
    static const char *const callable[] = {"vos", NULL};
    unsigned i;
    (void)out;
    return tree_word(y, "component to call", callable, &i, p);
}

static bool action_inject(void *out, const struct tree *y, struct tree_problem *p)
{
    struct action *a = out;
    struct bus_frame f;
    a->kind = ACTION_INJECT;
    if (!tree_text(y, a->frame, sizeof a->frame, p))
        return false;
    if (bus_frame_parse(a->frame, &f))
        return tree_bad(p, y->line, "\"%.60s\" is not a frame; write it as candump does, like \"3A0#1122\"",
                        a->frame);
    return true;
}

static bool action_segment(void *out, const struct tree *y, struct tree_problem *p)
{
    static const char *const names[] = {"body", "telematics", "infotainment", "diagnostic", NULL};
    unsigned i;
    if (!tree_word(y, "segment", names, &i, p))
        return false;
    ((struct action *)out)->segment = (enum segment)i;
    return true;
}

static bool action_count(void *out, const struct tree *y, struct tree_problem *p)
{
    return tree_number(y, 1000000, &((struct action *)out)->count, p);
}

static bool read_do(void *out, const struct tree *y, struct tree_problem *p)
{
    static const struct tree_key call_keys[] = {{"call", action_call, true},
                                                {"to", action_to, true},
                                                {"at", action_at, false},
                                                {"after", action_after, false},
                                                {NULL, NULL, false}};
    static const struct tree_key inject_keys[] = {{"inject", action_inject, true},
                                                  {"segment", action_segment, true},
                                                  {"count", action_count, false},
                                                  {"every", action_every, false},
                                                  {"at", action_at, false},
                                                  {"after", action_after, false},
                                                  {NULL, NULL, false}};
    struct scenario *s = out;
    if (y->kind != TREE_LIST)
        return tree_bad(p, y->line, "do must be a list");
    for (size_t i = 0; i < y->count; i++) {
        if (s->action_count == SCENARIO_ACTIONS)
            return tree_bad(p, y->line, "more than %d actions", SCENARIO_ACTIONS);
        struct action *a = &s->actions[s->action_count++];
        *a = (struct action){.count = 1, .every_us = 1000, .segment = SEGMENT_DIAGNOSTIC};
        bool inject = tree_get(y->items[i], "inject") != NULL;
        if (!tree_read_map(y->items[i], inject ? "an inject action" : "a call action",
                           inject ? inject_keys : call_keys, a, p))
            return false;
    }
    return true;
}

/* ---- faults ---- */

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
    static const char *const names[] = {"gsdp",       "body", "telematics", "infotainment",
                                        "diagnostic", "pki",  NULL};
    unsigned i;
    if (!tree_word(y, "link", names, &i, p))
        return false;
    text_copy(((struct fault_reading *)out)->fault.link, 16, names[i]);
    return true;
}

static bool fault_component(void *out, const struct tree *y, struct tree_problem *p)
{
    return read_component(y, ((struct fault_reading *)out)->fault.component, p);
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
    return fault_number(y, FAULT_COPIES - 1, &((struct fault_reading *)out)->fault.times, p);
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

static bool read_fault(struct scenario *s, const struct tree *y, struct tree_problem *p)
{
    static const char *const names[] = {"lose", "repeat", "delay", "reorder", "corrupt", "kill", "cut", NULL};
    struct fault_reading r = {.fault = {.nth = 1, .times = 1, .byte = 40}};
    unsigned k;
    if (y->kind != TREE_MAP || y->count != 1)
        return tree_bad(p, y->line,
                        "a fault is one key with its details, like \"lose: {message: ..., link: ...}\"");
    for (k = 0; names[k] && strcmp(names[k], y->keys[0]) != 0;)
        k++;
    if (!names[k])
        return tree_unknown(p, y->key_lines[0], "fault", y->keys[0], names);
    if (s->faults.count == FAULT_MAX)
        return tree_bad(p, y->line, "more than %d faults", FAULT_MAX);
    r.fault.kind = fault_forms[k].kind;
    if (!tree_read_map(y->items[0], fault_forms[k].name, fault_forms[k].keys, &r, p))
        return false;
    r.fault.delay_ms = (uint32_t)(r.delay_us / 1000);
    r.fault.number = (unsigned)s->faults.count + 1;
    s->fault_after_us[s->faults.count] = r.after_us;
    s->faults.faults[s->faults.count++] = r.fault;
    return true;
}

static bool read_faults(void *out, const struct tree *y, struct tree_problem *p)
{
    if (y->kind != TREE_LIST)
        return tree_bad(p, y->line, "faults must be a list");
    for (size_t i = 0; i < y->count; i++)
        if (!read_fault(out, y->items[i], p))
            return false;
    return true;
}

/* ---- expect and never ---- */

static bool expect_component(void *out, const struct tree *y, struct tree_problem *p)
{
    return read_component(y, ((struct expect *)out)->component, p);
}
static bool expect_peer(void *out, const struct tree *y, struct tree_problem *p)
{
    return read_component(y, ((struct expect *)out)->peer, p);
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
DURATION_READER(expect_within, struct expect, within_us)

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
        if (!read_component(y->items[i], e->path[e->path_count++], p))
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

static bool expect_state(void *out, const struct tree *y, struct tree_problem *p)
{
    struct expect *e = out;
    unsigned word;
    if (y->kind != TREE_MAP)
        return tree_bad(p, y->line, "state must be a mapping of components");
    for (size_t c = 0; c < y->count; c++) {
        const struct tree *m = y->items[c];
        const struct component_row *row = component_find(y->keys[c]);
        if (!row || !row->class)
            return tree_unknown(p, y->key_lines[c], "component", y->keys[c], component_names);
        for (size_t i = 0; m->kind == TREE_MAP && i < m->count; i++) {
            if (e->state_count == SCENARIO_STATES)
                return tree_bad(p, y->line, "more than %d states", SCENARIO_STATES);
            struct state_check *s = &e->states[e->state_count++];
            if (!tree_word(m->items[i], "state", presence_words, &word, p))
                return false;
            text_copy(s->component, sizeof s->component, row->name);
            text_copy(s->key, sizeof s->key, m->keys[i]);
            s->present = word == GIVEN_PRESENT;
            s->line = m->key_lines[i];
        }
    }
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
        return tree_bad(p, y->line, "%s needs one of the keys message, step, event, rejected, dropped, state",
                        what);
    *e = (struct expect){
        .kind = expect_forms[f].kind, .event = expect_forms[f].event, .reason = -1, .at_least = 1};
    e->line = y->line;
    return tree_read_map(y, what, expect_forms[f].keys, e, p);
}

static bool read_expects(void *out, const struct tree *y, struct tree_problem *p)
{
    struct scenario *s = out;
    if (y->kind != TREE_LIST || y->count > SCENARIO_EXPECTS)
        return tree_bad(p, y->line, "expect must be a list of at most %d entries", SCENARIO_EXPECTS);
    for (size_t i = 0; i < y->count; i++)
        if (!read_expect(&s->expects[s->expect_count++], y->items[i], "an expectation", p))
            return false;
    return true;
}

static bool read_nevers(void *out, const struct tree *y, struct tree_problem *p)
{
    struct scenario *s = out;
    if (y->kind != TREE_LIST || y->count > SCENARIO_EXPECTS)
        return tree_bad(p, y->line, "never must be a list of at most %d entries", SCENARIO_EXPECTS);
    for (size_t i = 0; i < y->count; i++) {
        struct expect *e = &s->nevers[s->never_count++];
        if (!read_expect(e, y->items[i], "an entry of never", p))
            return false;
        if (e->kind != EXPECT_EVENT)
            return tree_bad(p, e->line, "never takes message, step, event or rejected");
    }
    return true;
}

/* ---- the top ---- */

TEXT_READER(read_name, struct scenario, name)
TEXT_READER(read_title, struct scenario, title)
TEXT_READER(read_use_case, struct scenario, use_case)
DURATION_READER(read_limit, struct scenario, limit_us)
DURATION_READER(read_quiet, struct scenario, quiet_us)

static bool read_schema(void *out, const struct tree *y, struct tree_problem *p)
{
    uint64_t v;
    (void)out;
    if (!tree_number(y, 1000, &v, p))
        return false;
    return v == 1 || tree_bad(p, y->line, "schema %llu is not known; this version reads schema 1",
                              (unsigned long long)v);
}

static bool read_worlds(void *out, const struct tree *y, struct tree_problem *p)
{
    struct scenario *s = out;
    unsigned w;
    if (y->kind != TREE_LIST || y->count == 0)
        return tree_bad(p, y->line, "worlds must be a list of process and virtual");
    memset(s->worlds, 0, sizeof s->worlds);
    for (size_t i = 0; i < y->count; i++) {
        if (!tree_word(y->items[i], "world", world_names, &w, p))
            return false;
        s->worlds[w] = true;
    }
    return true;
}

static bool read_run(void *out, const struct tree *y, struct tree_problem *p)
{
    struct scenario *s = out;
    if (y->kind != TREE_LIST || y->count == 0 || y->count > SCENARIO_COMPONENTS)
        return tree_bad(p, y->line, "run must be a list of 1 to %d components", SCENARIO_COMPONENTS);
    for (size_t i = 0; i < y->count; i++)
        if (!read_component(y->items[i], s->components[s->component_count++], p))
            return false;
    return true;
}

/* Its values were put in place before the reading; see scenario_load. */
static bool read_foreach(void *out, const struct tree *y, struct tree_problem *p)
{
    (void)out;
    (void)p;
    (void)y;
    return true;
}

static const struct tree_key top_keys[] = {{"schema", read_schema, true},
                                           {"name", read_name, true},
                                           {"title", read_title, true},
                                           {"use_case", read_use_case, true},
                                           {"worlds", read_worlds, false},
                                           {"foreach", read_foreach, false},
                                           {"limit", read_limit, false},
                                           {"quiet", read_quiet, false},
                                           {"run", read_run, true},
                                           {"given", read_given, false},
                                           {"settings", read_settings, false},
                                           {"do", read_do, false},
                                           {"faults", read_faults, false},
                                           {"expect", read_expects, true},
                                           {"never", read_nevers, false},
                                           {NULL, NULL, false}};

/* Replaces "$name" as a whole value all over the tree. */
static void substitute(struct tree *y, const char *variable, const char *value)
{
    if (y->kind == TREE_TEXT && y->text[0] == '$' && strcmp(y->text + 1, variable) == 0) {
        free(y->text);
        y->text = strdup(value);
    }
    for (size_t i = 0; i < y->count; i++)
        substitute(y->items[i], variable, value);
}

static bool check_whole(const struct scenario *s, const struct tree *y, struct tree_problem *p)
{
    const char *base = strrchr(s->file, '/') ? strrchr(s->file, '/') + 1 : s->file;
    size_t len = strlen(s->name);
    if (strncmp(base, s->name, len) != 0 || strcmp(base + len, ".yaml") != 0)
        return tree_bad(p, tree_get(y, "name")->line, "the name \"%s\" differs from the file's name",
                        s->name);
    for (size_t i = 0; i < s->faults.count; i++) {
        const struct fault *f = &s->faults.faults[i];
        bool runs = f->kind < FAULT_KILL;
        for (size_t c = 0; c < s->component_count; c++)
            runs |= strcmp(s->components[c], f->component) == 0;
        if (!runs)
            return tree_bad(p, tree_get(y, "faults")->line, "fault %u names \"%s\", which does not run here",
                            f->number, f->component);
    }
    return true;
}

static bool read_variant(const char *file, const char *variable, size_t index, struct scenario *s,
                         struct tree_problem *p)
{
    struct tree *y = tree_load(file, p);
    bool ok = false;
    if (!y)
        return false;
    *s =
        (struct scenario){.worlds = {true, true}, .limit_us = DEFAULT_LIMIT_US, .quiet_us = DEFAULT_QUIET_US};
    s->given.ecu = GIVEN_PRESENT;
    text_copy(s->file, sizeof s->file, file);
    if (variable) {
        const struct tree *values = tree_get(tree_get(y, "foreach"), variable);
        text_copy(s->variant, sizeof s->variant, values->items[index]->text);
        substitute(y, variable, s->variant);
    }
    if (tree_read_map(y, "a scenario", top_keys, s, p))
        ok = check_whole(s, y, p);
    tree_free(y);
    return ok;
}

static bool read_foreach_shape(const struct tree *y, char variable[32], size_t *count, struct tree_problem *p)
{
    const struct tree *foreach = tree_get(y, "foreach");
    *count = 1;
    variable[0] = '\0';
    if (!foreach)
        return true;
    if (foreach->kind != TREE_MAP || foreach->count != 1 || foreach->items[0]->kind != TREE_LIST)
        return tree_bad(p, foreach->line, "foreach is one variable with a list of values");
    *count = foreach->items[0]->count;
    if (*count == 0 || *count > SCENARIO_VARIANTS)
        return tree_bad(p, foreach->line, "foreach takes 1 to %d values", SCENARIO_VARIANTS);
    for (size_t i = 0; i < *count; i++)
        if (foreach->items[0]->items[i]->kind != TREE_TEXT)
            return tree_bad(p, foreach->items[0]->items[i]->line, "a plain value belongs here");
    text_copy(variable, 32, foreach->keys[0]);
    return true;
}

bool scenario_load(const char *file, struct scenario **out, size_t *count, struct tree_problem *problem)
{
    char variable[32];
    struct tree *y = tree_load(file, problem);
    bool ok = y && read_foreach_shape(y, variable, count, problem);
    tree_free(y);
    *out = ok && *count ? calloc(*count, sizeof **out) : NULL;
    for (size_t i = 0; *out && ok && i < *count; i++)
        ok = read_variant(file, variable[0] ? variable : NULL, i, &(*out)[i], problem);
    if (!ok) {
        free(*out);
        *out = NULL;
    }
    return ok && *out;
}

void scenario_label(const struct scenario *s, char out[96])
{
    if (s->variant[0])
        snprintf(out, 96, "%s[%s]", s->name, s->variant);
    else
        snprintf(out, 96, "%s", s->name);
}

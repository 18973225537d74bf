/* Words of the language: members, links, steps, messages, reasons. What is known comes from the cast, the
 * media, the protocol and the two central tables. */
#include <stdio.h>
#include <string.h>

#include "lib/ccc/apdu.h"
#include "lib/host/medium.h"
#include "lib/http/http.h"
#include "lib/mail/mail.h"
#include "lib/media/media.h"
#include "lib/msg/msg.h"
#include "sim/language/language.h"

#define LINKS_MAX    64
#define MESSAGES_MAX 192

static const struct scenario *current;

const struct scenario *language_scenario(void)
{
    return current;
}

void language_begin(const struct scenario *s)
{
    current = s;
}

/* All of them are kept as texts. */
static void print_text(const struct tree_key *k, const void *at, char *out, size_t cap)
{
    (void)k;
    text_copy(out, cap, at);
}

/* ---- names ---- */

static bool is_scenario_name(const char *text)
{
    size_t len = strlen(text);
    return len && len < SCENARIO_NAME && text[0] != '-' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static bool read_name(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    if (!tree_text(y, at, k->size, p))
        return false;
    return is_scenario_name(at) ||
           tree_bad(p, y->at,
                    "a scenario's name has small letters, digits and hyphens, like \"pp01-lost\"; at most %d",
                    SCENARIO_NAME - 1);
}

const struct key_kind key_name = {"name of a scenario", read_name, print_text, ""};

/* ---- use cases and steps: "OP-01a/12" ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What is behind "PP-01", or NULL. */
static const char *skip_use_case(const char *s)
{
    for (size_t i = 0; i < 2; i++, s++)
        if (*s < 'A' || *s > 'Z')
            return NULL;
    if (*s++ != '-')
        return NULL;
    for (size_t i = 0; i < 2; i++, s++)
        if (!is_digit(*s))
            return NULL;
    return s + (*s >= 'a' && *s <= 'z');
}

/* As components trace it: without a zero before the number. */
static bool is_step(const char *text)
{
    const char *s = skip_use_case(text);
    if (!s || *s++ != '/' || !is_digit(s[0]))
        return false;
    return s[1] == '\0' || (s[0] != '0' && is_digit(s[1]) && s[2] == '\0');
}

static bool read_use_case(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    char text[TREE_TEXT_MAX + 1];
    if (!tree_text(y, text, sizeof text, p))
        return false;
    const char *end = skip_use_case(text);
    if (!end || *end)
        return tree_bad(p, y->at, "\"%.40s\" is not a use case; write it like \"PP-01\"", text);
    text_copy(at, k->size, text);
    return true;
}

bool read_step(const struct tree *y, char out[12], struct tree_problem *p)
{
    char text[TREE_TEXT_MAX + 1];
    *out = '\0';
    if (!tree_text(y, text, sizeof text, p))
        return false;
    if (strcmp(text, "start") == 0)
        return true;
    if (!is_step(text))
        return tree_bad(p, y->at, "\"%.40s\" is not a step; write it like \"PP-01/9\", or \"start\"", text);
    text_copy(out, 12, text);
    return true;
}

static bool read_step_row(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    (void)k;
    return read_step(y, at, p);
}

static void print_step(const struct tree_key *k, const void *at, char *out, size_t cap)
{
    print_text(k, *(const char *)at ? at : "start", out, cap);
}

const struct key_kind key_use_case = {"use case", read_use_case, print_text, ""};
const struct key_kind key_step = {"step", read_step_row, print_step, ""};

/* ---- members ---- */

/* Names of all members, NULL at the end; good until the next call. */
static const char *const *member_names(const struct scenario *s)
{
    static const char *names[SCENARIO_MEMBERS + 1];
    for (size_t i = 0; i < s->member_count; i++)
        names[i] = s->members[i].name;
    names[s->member_count] = NULL;
    return names;
}

bool read_member(const struct tree *y, char out[ENV_NAME_MAX], struct tree_problem *p)
{
    unsigned i;
    if (!tree_word(y, "component of this run", member_names(current), &i, p))
        return false;
    text_copy(out, ENV_NAME_MAX, current->members[i].name);
    return true;
}

static bool read_member_row(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    (void)k;
    return read_member(y, at, p);
}

static bool read_vehicle(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    const char *serials[SCENARIO_MEMBERS + 1];
    size_t n = 0;
    unsigned found;
    for (size_t i = 0; i < current->member_count; i++)
        if (current->members[i].serial[0])
            serials[n++] = current->members[i].serial;
    serials[n] = NULL;
    if (!tree_word(y, "vehicle of this run", serials, &found, p))
        return false;
    text_copy(at, k->size, serials[found]);
    return true;
}

const struct key_kind key_member = {"component", read_member_row, print_text, ""};
const struct key_kind key_vehicle = {"serial of a vehicle", read_vehicle, print_text, ""};

bool read_one_member(const struct tree *y, size_t i, const char *form, member_reader *each, void *out,
                     struct tree_problem *p)
{
    const struct member *m = scenario_member(current, y->keys[i]);
    if (!m)
        return tree_unknown(p, y->key_marks[i], "component of this run", y->keys[i], member_names(current));
    if (!m->class || y->items[i]->kind != TREE_MAP || y->items[i]->count == 0)
        return tree_bad(p, y->key_marks[i], "%s takes a mapping of %s", m->name, form);
    return each(out, m, y->items[i], p);
}

bool read_by_member(const struct tree *y, const char *form, member_reader *each, void *out,
                    struct tree_problem *p)
{
    if (!tree_map(y, SCENARIO_MEMBERS, "a mapping of components belongs here", p))
        return false;
    for (size_t i = 0; i < y->count; i++)
        if (!read_one_member(y, i, form, each, out, p))
            return false;
    return true;
}

/* ---- links ---- */

static void add_name(const char **names, size_t *n, const char *name)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(names[i], name) == 0)
            return;
    if (*n < LINKS_MAX)
        names[(*n)++] = name;
}

static bool read_link(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    const char *names[LINKS_MAX + 1];
    size_t n = 0;
    unsigned found;
    for (size_t i = 0; i < current->member_count; i++) {
        const struct member *m = &current->members[i];
        for (unsigned port = 0; m->class && port < m->class->port_count; port++)
            if (link_is_whole(current, m, port))
                add_name(names, &n, m->class->ports[port].name);
    }
    names[n] = NULL;
    if (!tree_word(y, "link", names, &found, p))
        return false;
    text_copy(at, k->size, names[found]);
    return true;
}

const struct key_kind key_link = {"link", read_link, print_text, ""};

static bool reaches(const struct member *m, unsigned port, const struct member *server)
{
    unsigned reached;
    return m->class && server->class &&
           medium_reaches(m->class, m->group, &m->class->ports[port], server->class, server->group, &reached);
}

static bool is_reached(const struct member *asker, const struct member *m, unsigned port)
{
    unsigned reached;
    for (unsigned i = 0; asker->class && i < asker->class->port_count; i++)
        if (medium_reaches(asker->class, asker->group, &asker->class->ports[i], m->class, m->group,
                           &reached) &&
            reached == port)
            return true;
    return false;
}

static bool is_shared_with(const struct port_spec *spec, const struct member *other)
{
    return spec->end == PORT_SHARED &&
           (!spec->bench || (other->class && medium_at_bench(spec, other->class, other->group)));
}

bool link_is_whole(const struct scenario *s, const struct member *m, unsigned port)
{
    const enum port_end end = m->class->ports[port].end;
    for (size_t i = 0; i < s->member_count; i++)
        if (is_shared_with(&m->class->ports[port], &s->members[i]) ||
            (end == PORT_ASKS && reaches(m, port, &s->members[i])) ||
            (end == PORT_LISTENS && is_reached(&s->members[i], m, port)))
            return true;
    return false;
}

/* ---- messages: of the protocol, a row of the matrix, a request or a status of HTTP, whom a mail is to ----
 */

static bool read_message(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    const char *names[MESSAGES_MAX + MATRIX_MESSAGES + 1];
    char text[TREE_TEXT_MAX + 1];
    size_t n = 0;
    if (!tree_text(y, text, sizeof text, p))
        return false;
    text_copy(at, k->size, text);
    if (msg_type_from_name(text) || matrix_find_name(text) || http_message_name_ok(text) ||
        mail_message_name_ok(text) || apdu_message_name_ok(text) || strcmp(text, "?") == 0)
        return true;
    for (size_t i = 1; i < msg_type_count() && n < MESSAGES_MAX; i++)
        names[n++] = msg_type_at(i);
    for (unsigned m = 0; m < MATRIX_MESSAGES; m++)
        names[n++] = matrix_row((enum matrix_message)m)->name;
    names[n] = NULL;
    return tree_unknown(p, y->at, "message", text, names);
}

const struct key_kind key_message = {"message", read_message, print_text, ""};

/* ---- reasons ---- */

static bool read_reason(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    static const char *const names[] = {
#define X(name, number, text) #name,
        ERR_LIST(X)
#undef X
            NULL};
    unsigned i;
    (void)k;
    if (!tree_word(y, "reason", names, &i, p))
        return false;
    *(int *)at = (int)err_from_name(names[i]);
    return true;
}

static void print_reason(const struct tree_key *k, const void *at, char *out, size_t cap)
{
    (void)k;
    text_copy(out, cap, err_name((enum err) * (const int *)at));
}

const struct key_kind key_reason = {"reason", read_reason, print_reason, ""};

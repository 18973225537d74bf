/* Words of the language: members, links, steps, messages, reasons. What is known comes from the cast, the
 * media, the protocol and the two central tables. */
#include <stdio.h>
#include <string.h>

#include "lib/media/media.h"
#include "lib/msg/msg.h"
#include "sim/language/language.h"

static const struct scenario *current;

const struct scenario *language_scenario(void)
{
    return current;
}

void language_begin(const struct scenario *s)
{
    current = s;
}

const char *const *member_names(const struct scenario *s)
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

bool read_link(const struct tree *y, char out[16], struct tree_problem *p)
{
    const char *names[64];
    size_t n = 0;
    unsigned found;
    for (size_t i = 0; i < current->member_count; i++) {
        const struct component_class *c = current->members[i].class;
        for (size_t k = 0; c && k < c->port_count && n < 63; k++) {
            bool known = false;
            for (size_t j = 0; j < n; j++)
                known |= strcmp(names[j], c->ports[k].name) == 0;
            if (!known)
                names[n++] = c->ports[k].name;
        }
    }
    names[n] = NULL;
    if (!tree_word(y, "link", names, &found, p))
        return false;
    text_copy(out, 16, names[found]);
    return true;
}

bool read_step(const struct tree *y, char out[12], struct tree_problem *p)
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
bool read_message(const struct tree *y, char out[32], struct tree_problem *p)
{
    const char *names[192];
    size_t n = 0;
    if (!tree_text(y, out, 32, p))
        return false;
    if (msg_type_from_name(out) || matrix_find_name(out) || strcmp(out, "?") == 0)
        return true;
    for (size_t i = 1; i < msg_type_count() && n < 128; i++)
        names[n++] = msg_type_at(i);
    for (unsigned m = 0; m < MATRIX_MESSAGES; m++)
        names[n++] = matrix_row((enum matrix_message)m)->name;
    names[n] = NULL;
    return tree_unknown(p, y->line, "message", out, names);
}

bool read_reason(const struct tree *y, int *out, struct tree_problem *p)
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

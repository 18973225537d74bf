/* What may come next in a line: commands, names, calls and their parameters, links, messages, steps that were
 * seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/msg/msg.h"
#include "sim/language/language.h"
#include "sim/play/play.h"

/* What is being gathered: whatever begins with `beginning`, each once. */
struct found {
    const char *beginning;
    char **out;
    size_t count, cap;
};

static void add(struct found *f, const char *word)
{
    if (strncmp(word, f->beginning, strlen(f->beginning)) != 0 || f->count == f->cap)
        return;
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->out[i], word) == 0)
            return;
    f->out[f->count] = strdup(word);
    f->count += f->out[f->count] != NULL;
}

static void add_all(struct found *f, const char *const *words)
{
    for (; words && *words; words++)
        add(f, *words);
}

/* ---- what there is ---- */

static void add_links(struct found *f, const struct play *p)
{
    for (size_t i = 0; i < p->scenario.member_count; i++) {
        const struct component_class *c = p->scenario.members[i].class;
        for (size_t k = 0; c && k < c->port_count; k++)
            add(f, c->ports[k].name);
    }
}

static void add_owners(struct found *f, const struct play *p, const char *link)
{
    unsigned port;
    for (size_t i = 0; i < p->scenario.member_count; i++)
        if (p->scenario.members[i].class && component_port(p->scenario.members[i].class, link, &port))
            add(f, p->scenario.members[i].name);
}

static void add_messages(struct found *f)
{
    for (size_t i = 1; i < msg_type_count(); i++)
        add(f, msg_type_at(i));
    for (unsigned m = 0; m < MATRIX_MESSAGES; m++)
        add(f, matrix_row((enum matrix_message)m)->name);
}

static void add_steps(struct found *f, const struct play *p)
{
    for (size_t i = 0; i < p->run->event_count; i++)
        if (p->run->events[i].step[0])
            add(f, p->run->events[i].step);
}

static void add_commands(struct found *f)
{
    for (const struct play_command *c = play_commands; c->name; c++)
        add(f, c->name);
}

/* ---- calls ---- */

static void add_values(struct found *f, const struct play *p, const struct parameter_spec *spec)
{
    char text[ENV_TEXT_MAX + 40];
    for (size_t i = 0; spec->kind == PARAMETER_WORD && spec->words[i]; i++) {
        snprintf(text, sizeof text, "%s=%s", spec->name, spec->words[i]);
        add(f, text);
    }
    for (size_t i = 0; spec->kind == PARAMETER_VEHICLE && i < p->scenario.member_count; i++) {
        snprintf(text, sizeof text, "%s=%s", spec->name, p->scenario.members[i].serial);
        if (p->scenario.members[i].serial[0])
            add(f, text);
    }
    for (size_t i = 0; spec->kind == PARAMETER_READER && i < p->scenario.member_count; i++) {
        snprintf(text, sizeof text, "%s=%s", spec->name, p->scenario.members[i].name);
        if (member_is_reader(&p->scenario.members[i]))
            add(f, text);
    }
}

static void add_parameters(struct found *f, const struct play *p, const struct call_spec *call)
{
    char text[80];
    for (size_t i = 0; i < component_parameters(call); i++) {
        const struct parameter_spec *spec = &call->parameters[i];
        snprintf(text, sizeof text, "%s=", spec->name);
        if (strncmp(f->beginning, text, strlen(text)) == 0)
            add_values(f, p, spec);
        else
            add(f, text);
    }
}

static void add_of_call(struct found *f, const struct play *p, const struct words *w)
{
    const struct member *m = scenario_member(&p->scenario, w->word[0]);
    unsigned call;
    if (!m || !m->class)
        return;
    if (w->count > 1 && component_call(m->class, w->word[1], &call))
        add_parameters(f, p, &m->class->calls[call]);
    for (const struct call_spec *c = m->class->calls; w->count == 1 && c && c->name; c++)
        add(f, c->name);
}

/* ---- commands ---- */

static void add_names(struct found *f, const struct play *p, const struct words *w)
{
    if (w->count == 1)
        add_all(f, play_names(p));
}

static void add_topics(struct found *f, const struct play *p, const struct words *w)
{
    if (w->count == 1)
        add_commands(f);
    add_names(f, p, w);
}

static void add_cut(struct found *f, const struct play *p, const struct words *w)
{
    if (w->count == 1)
        add_links(f, p);
    else if (w->count == 2)
        add_owners(f, p, w->word[1]);
}

static void add_fault(struct found *f, const struct play *p, const struct words *w)
{
    static const char *const on[] = {"on", NULL};
    static const char *const details[] = {"nth", "each", "times", "after", "by", "byte", NULL};
    if (w->count == 1)
        add_messages(f);
    else if (w->count == 2)
        add_all(f, on);
    else if (w->count == 3)
        add_links(f, p);
    for (const char *const *d = details; w->count > 3 && *d; d++) {
        const struct play_command *c = play_commands;
        while (strcmp(c->name, w->word[0]) != 0)
            c++;
        if (strstr(c->form, *d))
            add(f, *d);
    }
}

static void add_distance(struct found *f, const struct play *p, const struct words *w)
{
    static const char *const details[] = {"from", "to", "loss", "delay", "relay", "jammed", NULL};
    const char *last = w->word[w->count - 1];
    if (strcmp(last, "from") == 0 || strcmp(last, "to") == 0)
        add_all(f, play_names(p));
    else if (w->count > 1)
        add_all(f, details);
}

static void add_wait(struct found *f, const struct play *p, const struct words *w)
{
    if (w->count == 1)
        add_steps(f, p);
}

static const struct {
    bool (*of)(struct play *p, const struct words *w);
    void (*add)(struct found *f, const struct play *p, const struct words *w);
} ways[] = {
    {play_kill, add_names},  {play_start, add_names}, {play_state, add_names},
    {play_help, add_topics}, {play_cut, add_cut},     {play_heal, add_cut},
    {play_fault, add_fault}, {play_wait, add_wait},   {play_distance, add_distance},
};

static void add_next(struct found *f, const struct play *p, const struct words *w)
{
    if (w->count == 0) {
        add_commands(f);
        add_all(f, play_names(p));
        return;
    }
    for (const struct play_command *c = play_commands; c->name; c++)
        for (size_t i = 0; strcmp(c->name, w->word[0]) == 0 && i < sizeof ways / sizeof ways[0]; i++)
            if (ways[i].of == c->run)
                ways[i].add(f, p, w);
    add_of_call(f, p, w);
}

/* The last word is the one that has begun; those before it, back to the last ";", say what may come. */
size_t play_complete(const struct play *p, const char *beginning, char **out, size_t cap)
{
    struct words w = {.count = 0};
    char unused[PLAY_PROBLEM];
    char text[PLAY_LINE_MAX + 1];
    size_t begun = strlen(beginning);
    while (begun && !strchr(" \t;", beginning[begun - 1]))
        begun--;
    struct found f = {.beginning = beginning + begun, .out = out, .cap = cap};
    if (begun > PLAY_LINE_MAX)
        return 0;
    memcpy(text, beginning, begun);
    text[begun] = '\0';
    for (const char *at = text; *at;)
        if (!words_next(&at, &w, unused))
            return 0;
    if (begun && text[begun - 1] == ';')
        w.count = 0;
    add_next(&f, p, &w);
    return f.count;
}

/* A line: commands with ";" between them, each of words; and calls, checked against their declarations. */
#include <stdio.h>
#include <string.h>

#include "lib/host/setup.h"
#include "lib/media/media.h"
#include "sim/play/input.h"
#include "sim/play/play.h"

#define MESSAGE_FORM "MESSAGE on LINK [nth N|each]"

const struct play_command play_commands[] = {
    {"kill", "NAME", "ends a component or a medium's helper at once", play_kill},
    {"start", "NAME", "starts who was killed", play_start},
    {"cut", "LINK NAME", "takes a link away from a component", play_cut},
    {"heal", "LINK NAME", "gives it back", play_heal},
    {"distance", "40 m from NAME to NAME [loss 20] [delay 50 ms] [relay] [jammed]",
     "so far apart are two devices of Bluetooth, and what is between them", play_distance},
    {"lose", MESSAGE_FORM, "the next such message gets lost, or the Nth, or each", play_fault},
    {"repeat", MESSAGE_FORM " [times N] [after 50 ms]", "comes more than once", play_fault},
    {"delay", MESSAGE_FORM " by 50 ms", "comes later", play_fault},
    {"reorder", MESSAGE_FORM, "comes after the one behind it", play_fault},
    {"corrupt", MESSAGE_FORM " [byte N]", "a byte of it is inverted", play_fault},
    {"clear", "", "takes back all that messages still have before them", play_clear},
    {"wait", "STEP", "until a step such as PP-01/19 is done, or the world is quiet", play_wait},
    {"run", "5 s", "lets so much time pass", play_run},
    {"done", "[STEP]",
     "who is played from outside has done what was asked first, or has brought about a step", play_done},
    {"state", "[NAME]", "who lives, links, states, screens, claims, faults that wait", play_state},
    {"help", "[NAME]", "what can be said; one command, or what one component can be asked", play_help},
    {"quit", "", "ends it, as the end of the input does", play_quit},
    {.name = NULL},
};

const char *const *play_names(const struct play *p)
{
    static const char *names[PLAY_NAMES + 1];
    size_t n = 0;
    for (size_t i = 0; i < p->scenario.member_count; i++)
        names[n++] = p->scenario.members[i].name;
    for (const struct setup *const *s = media_setups; *s && n < PLAY_NAMES; s++)
        if ((*s)->helper && !scenario_member(&p->scenario, (*s)->helper) &&
            p->run->ops->presence(p->run, (*s)->helper) != PRESENCE_NONE)
            names[n++] = (*s)->helper;
    names[n] = NULL;
    return names;
}

/* ---- text ---- */

static bool check_text(struct play *p, const char *line, size_t len)
{
    if (len > PLAY_LINE_MAX)
        return play_wrong(p, "a line has at most %d characters", PLAY_LINE_MAX);
    for (size_t i = 0, n; i < len; i += n) {
        n = line[i] == '\t' ? 1 : text_character(line + i, len - i);
        if (n == 0)
            return play_wrong(p, "a line is text, in UTF-8; character %zu is the byte 0x%02X", i + 1,
                              (unsigned char)line[i]);
    }
    return true;
}

/* ---- words ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool at_end(const char *s)
{
    return *s == '\0' || *s == ';' || *s == '#';
}

/* Quotes keep blanks and ";" together, and may stand in the middle: name="a b". */
static const char *take_word(const char *s, char **out)
{
    bool quoted = false;
    for (; *s && (quoted || (!is_blank(*s) && *s != ';')); s++) {
        if (*s == '"')
            quoted = !quoted;
        else
            *(*out)++ = *s;
    }
    *(*out)++ = '\0';
    return quoted ? NULL : s;
}

bool words_next(const char **at, struct words *out, char problem[PLAY_PROBLEM])
{
    const char *s = *at;
    char *text = out->text;
    bool too_many = false;
    *at += strlen(*at); /* behind a quote that is not closed nothing can be told apart */
    out->count = 0;
    for (s += strspn(s, " \t"); !at_end(s); s += strspn(s, " \t")) {
        too_many |= out->count == PLAY_WORDS;
        out->word[out->count] = text;
        out->count += !too_many;
        s = take_word(s, &text);
        if (!s)
            return !snprintf(problem, PLAY_PROBLEM, "a quote (\") is not closed");
    }
    out->word[out->count] = NULL;
    *at = *s == '#' ? s + strlen(s) : s + (*s == ';');
    return !too_many || !snprintf(problem, PLAY_PROBLEM, "more than %d words", PLAY_WORDS);
}

/* ---- calls ---- */

static bool unknown_call(struct play *p, const struct member *m, const char *word)
{
    const char *names[64];
    char label[80];
    size_t n = 0;
    for (const struct call_spec *c = m->class ? m->class->calls : NULL; c && c->name && n < 63; c++)
        names[n++] = c->name;
    names[n] = NULL;
    if (n == 0)
        return play_wrong(p, "%s takes no calls; it can be killed and started", m->name);
    if (!word)
        return play_wrong(p, "what is %s to do? `help %s` names its calls, like %s", m->name, m->name,
                          names[0]);
    snprintf(label, sizeof label, "call of %.40s", m->name);
    return play_unknown(p, label, word, names);
}

static bool unknown_parameter(struct play *p, const struct call_spec *call, const char *name)
{
    const char *names[ENV_VALUES + 1];
    char label[80];
    size_t n = 0;
    for (; n < component_parameters(call); n++)
        names[n] = call->parameters[n].name;
    names[n] = NULL;
    if (n == 0)
        return play_wrong(p, "%s takes no parameters", call->name);
    snprintf(label, sizeof label, "parameter of %.40s", call->name);
    return play_unknown(p, label, name, names);
}

static bool read_parameter(struct play *p, const struct call_spec *call, char *word, bool *given,
                           struct call_value *values)
{
    size_t k = 0;
    char *value = strchr(word, '=');
    if (!value)
        return play_wrong(p, "\"%.60s\" is no parameter; write name=value", word);
    *value++ = '\0';
    while (k < component_parameters(call) && strcmp(call->parameters[k].name, word) != 0)
        k++;
    if (k == component_parameters(call))
        return unknown_parameter(p, call, word);
    if (given[k])
        return play_wrong(p, "\"%s\" stands twice", word);
    given[k] = true;
    return parameter_read(&p->scenario, &call->parameters[k], value, &values[k], p->problem,
                          sizeof p->problem);
}

static bool call(struct play *p, const struct member *m, const struct words *w)
{
    struct action a = {.member = (size_t)(m - p->scenario.members)};
    bool given[ENV_VALUES] = {false};
    if (w->count < 2 || !m->class || !component_call(m->class, w->word[1], &a.call))
        return unknown_call(p, m, w->count < 2 ? NULL : w->word[1]);
    const struct call_spec *spec = &m->class->calls[a.call];
    for (size_t i = 2; i < w->count; i++)
        if (!read_parameter(p, spec, w->word[i], given, a.values))
            return false;
    if (!parameters_complete(&p->scenario, spec, given, a.values, p->problem, sizeof p->problem))
        return false;
    if (!m->external && p->run->ops->presence(p->run, m->name) != PRESENCE_ALIVE)
        return play_wrong(p, "%s is dead; `start %s` first", m->name, m->name);
    if (!externals_call(p->run, &a, p->driver->now_us(p->run)))
        p->run->ops->call(p->run, &a);
    p->asked = p->pending = true;
    return true;
}

/* ---- the line ---- */

bool play_unknown_word(struct play *p, const char *word)
{
    const char *names[PLAY_NAMES + 32];
    size_t n = 0;
    for (const struct play_command *c = play_commands; c->name; c++)
        names[n++] = c->name;
    for (const char *const *name = play_names(p); *name; name++)
        names[n++] = *name;
    names[n] = NULL;
    return play_unknown(p, "command or component", word, names);
}

static bool obey(struct play *p, const struct words *w)
{
    const struct member *m = scenario_member(&p->scenario, w->word[0]);
    for (const struct play_command *c = play_commands; c->name; c++)
        if (strcmp(c->name, w->word[0]) == 0)
            return c->run(p, w);
    return m ? call(p, m, w) : play_unknown_word(p, w->word[0]);
}

/* A script's lines stand between what came of them. */
static void repeat_line(const struct play *p, const char *line)
{
    line += strspn(line, " \t");
    if (*line && !p->by_hand && !p->options.quiet)
        play_say("> %s", line);
}

static unsigned count_commands(const char *at)
{
    unsigned n = 0;
    struct words w;
    char unused[PLAY_PROBLEM];
    while (*at)
        n += !words_next(&at, &w, unused) || w.count;
    return n;
}

bool play_line(struct play *p, const char *line, size_t len)
{
    char text[PLAY_LINE_MAX + 1];
    const char *at = text;
    struct words w;
    bool ok = true;
    p->undone = 0;
    len -= len && line[len - 1] == '\r';
    if (!check_text(p, line, len))
        return false;
    memcpy(text, line, len);
    text[len] = '\0';
    repeat_line(p, text);
    while (ok && *at && p->state == PLAY_GOES_ON && p->stretch.end != STRETCH_BREAK)
        ok = words_next(&at, &w, p->problem) && (!w.count || obey(p, &w));
    p->undone = count_commands(at);
    return ok;
}

/* ---- what was not done ---- */

static void tell_wrong(struct play *p)
{
    char rest[80] = "";
    p->wrong_lines++;
    if (p->undone)
        snprintf(rest, sizeof rest, "; not done: %u command%s behind it", p->undone,
                 p->undone > 1 ? "s" : "");
    if (p->by_hand) {
        play_say("%s%s", p->problem, rest);
        return;
    }
    fflush(stdout);
    fprintf(stderr, "line %u: %s%s\n", p->lines, p->problem, rest);
}

/* Behind `quit` nobody expects anything. */
static void tell_undone(const struct play *p)
{
    bool cut_off = p->state == PLAY_IS_OVER || p->stretch.end == STRETCH_BREAK;
    if (p->undone && cut_off)
        play_say("%s: %u more command%s of this line not done",
                 p->state == PLAY_IS_OVER ? "the world has ended" : "interrupted", p->undone,
                 p->undone > 1 ? "s" : "");
}

void play_tell_line(struct play *p, bool ok)
{
    if (ok)
        tell_undone(p);
    else
        tell_wrong(p);
}

/* Is it empty, or a comment? */
static bool says_nothing(const char *line)
{
    line += strspn(line, " \t;\r");
    return *line == '\0' || *line == '#';
}

#define LINES_LOOKED_AT 1000 /* for one that says something, at most */

/* Lines that the world no longer lived to hear. Nobody waits for more of them. */
void play_tell_unheard(struct play *p)
{
    struct input_line line;
    if (p->by_hand)
        play_say("the world has ended");
    for (unsigned i = 0; !p->by_hand && i < LINES_LOOKED_AT && input_wait(0, &line) == INPUT_LINE; i++) {
        p->lines++;
        if (!says_nothing(line.bytes)) {
            run_fail_as(p->run, FAILURE_AFTER,
                        "line %u and those behind it were not done: the world had ended", p->lines);
            return;
        }
    }
}

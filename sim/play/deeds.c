/* What lines do to the world: kills, cuts, faults of messages, time. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "sim/language/language.h"
#include "sim/play/play.h"

static uint64_t now_us(const struct play *p)
{
    return p->driver->now_us(p->run);
}

static void asked(struct play *p)
{
    p->asked = p->pending = true;
}

/* What the lines did stands in the trace, too. */
static void note(struct play *p, enum trace_kind kind, const char *text)
{
    run_note(p->run, now_us(p), kind, "runner", text, 0);
}

static bool takes(struct play *p, const struct words *w, size_t count, const char *form)
{
    return w->count == count || play_wrong(p, "write it like `%s%s%s`", w->word[0], *form ? " " : "", form);
}

/* ---- lives ---- */

static bool find(struct play *p, const char *name, enum presence *out)
{
    const struct member *m = scenario_member(&p->scenario, name);
    *out = p->run->ops->presence(p->run, name);
    if (m && m->external)
        return play_wrong(p, "%s is played from outside: do it there", name);
    return *out != PRESENCE_NONE || play_unknown(p, "component", name, play_names(p));
}

bool play_kill(struct play *p, const struct words *w)
{
    enum presence is;
    if (!takes(p, w, 2, "NAME") || !find(p, w->word[1], &is))
        return false;
    if (is == PRESENCE_DEAD)
        return play_wrong(p, "%s is dead already; `start %s` brings it back", w->word[1], w->word[1]);
    p->run->ops->kill(p->run, w->word[1]);
    asked(p);
    return true;
}

bool play_start(struct play *p, const struct words *w)
{
    enum presence is;
    if (!takes(p, w, 2, "NAME") || !find(p, w->word[1], &is))
        return false;
    if (is == PRESENCE_ALIVE)
        return play_wrong(p, "%s is alive; `kill %s` ends it", w->word[1], w->word[1]);
    p->run->ops->start(p->run, w->word[1]);
    asked(p);
    return true;
}

/* A line from whoever plays somebody from outside. */
bool play_done(struct play *p, const struct words *w)
{
    if (w->count > 2)
        return play_wrong(p, "write it like `done` or `done OP-01a/10`");
    if (!externals_awaited(p->run))
        return play_wrong(p, "nobody outside is waited for");
    externals_word(p->run, w->count == 2 ? w->word[1] : "", now_us(p));
    asked(p);
    return true;
}

/* ---- links ---- */

static bool unknown_link(struct play *p, const struct component_class *class, const char *name,
                         const char *link)
{
    const char *names[ENV_PORTS + 1];
    char label[80];
    size_t n = 0;
    for (; class && n < class->port_count; n++)
        names[n] = class->ports[n].name;
    names[n] = NULL;
    if (n == 0)
        return play_wrong(p, "%s has no links of its own to cut; kill it instead", name);
    snprintf(label, sizeof label, "link of %.40s", name);
    return play_unknown(p, label, link, names);
}

static bool find_link(struct play *p, const struct words *w, const struct link_watch **out)
{
    enum presence is;
    if (!takes(p, w, 3, "LINK NAME") || !find(p, w->word[2], &is))
        return false;
    const struct member *m = scenario_member(&p->scenario, w->word[2]);
    *out = links_find(p->run, w->word[2], w->word[1]);
    if (!*out)
        return unknown_link(p, m ? m->class : NULL, w->word[2], w->word[1]);
    return link_is_whole(&p->scenario, m, (*out)->port) ||
           play_wrong(p, "%s of %s has no other end in this world", w->word[1], w->word[2]);
}

bool play_cut(struct play *p, const struct words *w)
{
    const struct link_watch *link;
    char text[96];
    if (!find_link(p, w, &link))
        return false;
    if (link->cuts)
        return play_wrong(p, "%s of %s is cut already; `heal %s %s` gives it back", w->word[1], w->word[2],
                          w->word[1], w->word[2]);
    snprintf(text, sizeof text, "cut %.20s of %.40s", w->word[1], w->word[2]);
    note(p, TRACE_FAULT, text);
    links_cut(p->run, w->word[2], w->word[1], true);
    asked(p);
    return true;
}

bool play_heal(struct play *p, const struct words *w)
{
    const struct link_watch *link;
    char text[96];
    if (!find_link(p, w, &link))
        return false;
    if (!link->cuts)
        return play_wrong(p, "%s of %s is not cut", w->word[1], w->word[2]);
    snprintf(text, sizeof text, "heals %.20s of %.40s", w->word[1], w->word[2]);
    note(p, TRACE_NOTE, text);
    links_cut(p->run, w->word[2], w->word[1], false);
    asked(p);
    return true;
}

/* ---- faults of messages, in the words of the scenario language ---- */

#define DETAILS 8

/* {lose: {message: M, link: L, nth: 2}} of the words "lose M on L nth 2". */
struct form {
    struct tree top, details, values[DETAILS], *value_list[DETAILS], *top_list[1];
    char *keys[DETAILS], *top_keys[1];
    struct tree_mark marks[DETAILS], top_marks[1];
    char texts[DETAILS][64];
};

static bool add_detail(struct form *f, char *key, const char *text, const char *unit)
{
    size_t n = f->details.count;
    if (n == DETAILS)
        return false;
    snprintf(f->texts[n], sizeof f->texts[n], "%s%s%s", text, *unit ? " " : "", unit);
    f->values[n] = (struct tree){.kind = TREE_TEXT, .text = f->texts[n]};
    f->value_list[n] = &f->values[n];
    f->keys[n] = key;
    f->details.count++;
    return true;
}

static const char *unit_at(const struct words *w, size_t i)
{
    static const char *const units[] = {"us", "ms", "s", "cm", "m", NULL};
    for (size_t k = 0; i < w->count && units[k]; k++)
        if (strcmp(units[k], w->word[i]) == 0)
            return units[k];
    return "";
}

static bool add_details(struct play *p, const struct words *w, struct form *f)
{
    static char nth[] = "nth";
    for (size_t i = 4; i < w->count;) {
        bool each = strcmp(w->word[i], "each") == 0;
        if (!each && i + 1 == w->count)
            return play_wrong(p, "\"%.60s\" lacks its value", w->word[i]);
        const char *unit = each ? "" : unit_at(w, i + 2);
        if (!add_detail(f, each ? nth : w->word[i], w->word[each ? i : i + 1], unit))
            return play_wrong(p, "too many details");
        i += each ? 1 : *unit ? 3 : 2;
    }
    return true;
}

static bool make_form(struct play *p, const struct words *w, struct form *f)
{
    static char message[] = "message", link[] = "link";
    if (w->count < 4 || strcmp(w->word[2], "on") != 0)
        return play_wrong(p, "write it like `%s MESSAGE on LINK`; `help` names its details", w->word[0]);
    *f = (struct form){.top = {.kind = TREE_MAP, .count = 1}, .details = {.kind = TREE_MAP}};
    f->details.keys = f->keys;
    f->details.key_marks = f->marks;
    f->details.items = f->value_list;
    f->top_keys[0] = w->word[0];
    f->top_list[0] = &f->details;
    f->top.keys = f->top_keys;
    f->top.key_marks = f->top_marks;
    f->top.items = f->top_list;
    add_detail(f, message, w->word[1], "");
    add_detail(f, link, w->word[3], "");
    return add_details(p, w, f);
}

bool play_fault(struct play *p, const struct words *w)
{
    struct form form;
    struct fault f;
    struct tree_problem problem = {0};
    char text[96];
    if (!make_form(p, w, &form))
        return false;
    if (!fault_read(&p->scenario, &form.top, &f, &problem))
        return play_wrong(p, "%s", problem.text);
    if (!run_add_fault(p->run, &f))
        return play_wrong(p, "%d faults wait for their message; `state` names them, `clear` takes them back",
                          FAULT_MAX);
    fault_describe(&f, text);
    note(p, TRACE_NOTE, text);
    asked(p);
    return true;
}

bool play_clear(struct play *p, const struct words *w)
{
    if (!takes(p, w, 1, ""))
        return false;
    run_clear_faults(p->run);
    note(p, TRACE_NOTE, "takes back the faults of messages");
    asked(p);
    return true;
}

/* ---- distances, in the words of the scenario language ---- */

/* {distance: 40 m, from: phone, to: spaak, relay: true} of the words "distance 40 m from phone to spaak
 * relay". */
static bool make_distance(struct play *p, const struct words *w, struct form *f)
{
    *f = (struct form){.details = {.kind = TREE_MAP}};
    f->details.keys = f->keys;
    f->details.key_marks = f->marks;
    f->details.items = f->value_list;
    for (size_t i = 0; i < w->count;) {
        bool flag = strcmp(w->word[i], "relay") == 0 || strcmp(w->word[i], "jammed") == 0;
        if (!flag && i + 1 == w->count)
            return play_wrong(p, "\"%.60s\" lacks its value", w->word[i]);
        const char *unit = flag ? "" : unit_at(w, i + 2);
        if (!add_detail(f, w->word[i], flag ? "true" : w->word[i + 1], unit))
            return play_wrong(p, "too many details");
        i += flag ? 1 : *unit ? 3 : 2;
    }
    return true;
}

/* The world holds on to what it was told of two devices: their place is the same each time. */
static struct action *place_of(struct play *p, const struct action *a)
{
    size_t i = 0;
    while (i < p->move_count &&
           (p->moves[i].member != a->member || p->moves[i].port != a->port || p->moves[i].other != a->other))
        i++;
    if (i == PLAY_MOVES)
        return NULL;
    p->move_count += i == p->move_count;
    return &p->moves[i];
}

bool play_distance(struct play *p, const struct words *w)
{
    struct form form;
    struct action a;
    struct tree_problem problem = {0};
    if (w->count < 6)
        return play_wrong(p, "write it like `distance 40 m from phone to spaak`");
    if (!make_distance(p, w, &form))
        return false;
    language_begin(&p->scenario);
    if (!read_distance_action(&p->scenario, &form.details, &a, &problem))
        return play_wrong(p, "%s", problem.text);
    if (a.when.step[0] || a.when.after_us)
        return play_wrong(p, "a line is done at once: put `wait STEP` or `run 5 s` before it");
    struct action *place = place_of(p, &a);
    if (!place)
        return play_wrong(p, "more than %d pairs of devices", PLAY_MOVES);
    *place = a;
    run_move(p->run, place, now_us(p));
    asked(p);
    return true;
}

/* ---- time ---- */

static const char *why_not(enum stretch_end end)
{
    switch (end) {
    case STRETCH_QUIET:
        return "the world is quiet without it";
    case STRETCH_TIME:
        return "the scenario's limit has come";
    case STRETCH_BREAK:
        return "interrupted";
    default:
        return "the world has ended";
    }
}

bool play_wait(struct play *p, const struct words *w)
{
    struct stretch s = {.until_quiet = true, .until_us = now_us(p) + p->run->limit_us};
    struct tree_problem problem = {0};
    if (!takes(p, w, 2, "PP-01/19"))
        return false;
    struct tree y = {.kind = TREE_TEXT, .text = w->word[1]};
    if (!read_step(&y, s.step, &problem) || !s.step[0])
        return play_wrong(p, "\"%.60s\" is not a step; write it like `wait PP-01/19`", w->word[1]);
    p->asked = false;
    enum stretch_end end = play_proceed(p, s);
    return end == STRETCH_STEP || play_wrong(p, "%s did not come: %s", w->word[1], why_not(end));
}

bool play_run(struct play *p, const struct words *w)
{
    char text[64];
    uint64_t for_us;
    struct tree_problem problem = {0};
    struct tree y = {.kind = TREE_TEXT, .text = text};
    if (w->count < 2 || w->count > 3)
        return play_wrong(p, "write it like `run 5 s`");
    snprintf(text, sizeof text, "%s%s%s", w->word[1], w->count > 2 ? " " : "",
             w->count > 2 ? w->word[2] : "");
    if (!tree_duration(&y, 1, 0, TREE_DURATION_MAX_US, &for_us, &problem))
        return play_wrong(p, "%s", problem.text);
    if (for_us == 0 || for_us > PLAY_RUN_MAX_US)
        return play_wrong(p, "a run lasts from 1 us to %llu s", PLAY_RUN_MAX_US / 1000000ull);
    p->asked = false;
    play_proceed(p, (struct stretch){.until_us = now_us(p) + for_us});
    return true;
}

bool play_quit(struct play *p, const struct words *w)
{
    if (!takes(p, w, 1, ""))
        return false;
    p->state = PLAY_ENDS;
    return true;
}

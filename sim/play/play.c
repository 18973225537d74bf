#include "sim/play/play.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/commands.h"
#include "sim/play/input.h"
#include "sim/run/records.h"
#include "sim/world/past.h"

#define SIGNAL_TURNS 64      /* in virtual time a look for a signal costs more than a turn */
#define LATE_EVENTS  64      /* processes hand theirs over out of order by so many at most */
#define TWICE_US     1000000 /* two Ctrl-C within so long end it */

/* ---- words for people ---- */

void play_say(const char *format, ...)
{
    char line[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    input_print(line);
}

bool play_wrong(struct play *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->problem, sizeof p->problem, format, args);
    va_end(args);
    return false;
}

bool play_unknown(struct play *p, const char *what, const char *word, const char *const *candidates)
{
    const char *best = text_closest(word, candidates);
    if (best)
        return play_wrong(p, "unknown %s \"%.60s\"; did you mean \"%s\"?", what, word, best);
    play_wrong(p, "unknown %s \"%.60s\"; there %s", what, word, candidates[1] ? "are" : "is");
    for (size_t used; *candidates && (used = strlen(p->problem)) + 40 < sizeof p->problem; candidates++)
        snprintf(p->problem + used, sizeof p->problem - used, " %s", *candidates);
    return false;
}

static void say_failures(struct play *p)
{
    while (p->told < p->run->failure_count)
        play_say("%s", p->run->failures[p->told++]);
}

/* ---- the world goes on ---- */

static uint64_t now_us(const struct play *p)
{
    return p->driver->now_us(p->run);
}

static bool in_real_time(const struct play *p)
{
    return p->options.world == WORLD_PROCESS;
}

static uint64_t real_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

static void stop_by_signal(struct play *p)
{
    run_fail(p->run, "interrupted by %s", input_signal_name());
    p->state = PLAY_ENDS;
}

static void on_break(struct play *p)
{
    uint64_t t = real_us();
    if (p->broken_us && t - p->broken_us < TWICE_US)
        p->state = PLAY_ENDS;
    p->broken_us = t;
}

/* Processes are served by their world's loop; in virtual time here, between its turns. */
static void look_for_tools(struct play *p)
{
    const struct run_guest *guest = p->run->guest;
    if (guest && !in_real_time(p))
        guest->serve(guest->ctx, now_us(p));
}

static bool tools_wait(const struct play *p)
{
    const struct run_guest *guest = p->run->guest;
    return guest && guest->busy(guest->ctx);
}

static enum stretch_end look_for_signal(struct play *p)
{
    if (!in_real_time(p) && p->turns++ % SIGNAL_TURNS)
        return STRETCH_GOES_ON;
    look_for_tools(p);
    enum input_news news = input_signal();
    if (news == INPUT_BREAK)
        on_break(p);
    else if (news == INPUT_STOP)
        stop_by_signal(p);
    return news == INPUT_NOTHING ? STRETCH_GOES_ON : STRETCH_BREAK;
}

static bool step_came(struct play *p)
{
    struct stretch *s = &p->stretch;
    const struct run *r = p->run;
    size_t i = r->in_order ? s->seen : s->seen > LATE_EVENTS ? s->seen - LATE_EVENTS : 0;
    bool came = false;
    for (; i < r->event_count; i++)
        came |= strcmp(r->events[i].step, s->step) == 0 && r->events[i].time_us >= s->from_us;
    s->seen = r->event_count;
    return came;
}

/* A world is not quiet before it has come up. */
static bool is_up(const struct play *p)
{
    return p->run->links.all_ready || p->run->hopeless;
}

static bool enough(void *ctx, bool quiet)
{
    struct play *p = ctx;
    struct stretch *s = &p->stretch;
    s->end = look_for_signal(p);
    if (s->end != STRETCH_GOES_ON)
        return true;
    quiet &= is_up(p);
    p->pending &= !quiet;
    if (ferror(stdout))
        s->end = STRETCH_OVER;
    else if (s->step[0] && step_came(p))
        s->end = STRETCH_STEP;
    else if (s->until_served && !tools_wait(p))
        s->end = STRETCH_SERVED;
    else if (quiet && s->until_quiet)
        s->end = STRETCH_QUIET;
    return s->end != STRETCH_GOES_ON;
}

/* In real time in slices, so that a signal is not left waiting for the next event. */
static void take_slice(struct play *p)
{
    struct stretch *s = &p->stretch;
    uint64_t now = now_us(p), until = s->until_us;
    if (now >= until) {
        s->end = STRETCH_TIME;
        return;
    }
    if (in_real_time(p) && until - now > PLAY_SLICE_US)
        until = now + PLAY_SLICE_US;
    p->driver->proceed(p->run, until, enough, p);
    if (s->end == STRETCH_GOES_ON && now_us(p) < until)
        s->end = STRETCH_OVER; /* it has given up */
}

enum stretch_end play_proceed(struct play *p, struct stretch s)
{
    assert(p->state == PLAY_GOES_ON);
    s.seen = p->run->event_count;
    s.from_us = now_us(p);
    s.end = STRETCH_GOES_ON;
    p->stretch = s;
    while (p->stretch.end == STRETCH_GOES_ON)
        take_slice(p);
    if (p->run->in_order || p->stretch.end == STRETCH_QUIET)
        records_pump(p->run, UINT64_MAX); /* nothing is to come any more that belongs before these */
    say_failures(p);
    if (p->stretch.end == STRETCH_OVER)
        p->state = PLAY_IS_OVER;
    return p->stretch.end;
}

void play_settle(struct play *p)
{
    uint64_t limit_us = in_real_time(p) ? PLAY_PROCESS_US : PLAY_VIRTUAL_US;
    p->pending = true;
    enum stretch_end end =
        play_proceed(p, (struct stretch){.until_us = now_us(p) + limit_us, .until_quiet = true});
    if (end == STRETCH_TIME)
        play_say("not quiet after %llu s: something is still under way",
                 (unsigned long long)limit_us / 1000000);
}

/* ---- lines ---- */

static void take_line(struct play *p, const struct input_line *line)
{
    p->lines++;
    p->asked = false;
    p->stretch.end = STRETCH_GOES_ON;
    play_tell_line(p, play_line(p, line->bytes, line->len));
    if (p->asked && p->state == PLAY_GOES_ON && p->stretch.end != STRETCH_BREAK)
        play_settle(p);
}

static void end_input(struct play *p)
{
    if (p->pending)
        play_settle(p);
    if (p->state == PLAY_GOES_ON)
        p->state = PLAY_ENDS;
}

/* Virtual time stands still while a line is awaited. */
static void pass_time(struct play *p)
{
    if (in_real_time(p))
        play_proceed(p, (struct stretch){.until_us = now_us(p) + PLAY_SLICE_US});
}

/* A tool has come, has asked or has left: the world goes on until none waits any more. */
static void serve_tools(struct play *p)
{
    look_for_tools(p);
    if (!tools_wait(p))
        return;
    p->pending = true;
    play_proceed(p, (struct stretch){.until_us = now_us(p) + PLAY_VIRTUAL_US, .until_served = true});
}

static void take_turn(struct play *p)
{
    struct input_line line;
    enum input_news news = input_wait(in_real_time(p) ? 0 : -1, &line);
    if (news == INPUT_LINE)
        take_line(p, &line);
    else if (news == INPUT_BESIDE)
        serve_tools(p);
    else if (news == INPUT_END)
        end_input(p);
    else if (news == INPUT_BREAK)
        on_break(p);
    else if (news == INPUT_STOP)
        stop_by_signal(p);
    else
        pass_time(p);
    if (ferror(stdout) && p->state == PLAY_GOES_ON)
        p->state = PLAY_IS_OVER;
}

/* ---- the end ---- */

static bool is_outside(const struct play *p, const char *name)
{
    const struct member *m = scenario_member(&p->scenario, name);
    return m && m->external;
}

/* Who is dead or cut off cannot agree with the others. Empty when nothing stands in the way. */
static void why_unsettled(const struct play *p, char out[120])
{
    const struct run *r = p->run;
    out[0] = '\0';
    if (p->pending)
        snprintf(out, 120, "it was not quiet at the end");
    for (size_t i = 0; i < r->links.count; i++) {
        const struct member *m = &p->scenario.members[r->links.watched[i].member];
        if (r->links.watched[i].cuts)
            snprintf(out, 120, "a link of %s is cut at the end", m->name);
    }
    for (const char *const *name = play_names(p); *name; name++)
        if (!is_outside(p, *name) && r->ops->presence(p->run, *name) == PRESENCE_DEAD)
            snprintf(out, 120, "%s is dead at the end", *name);
}

static enum verdict judge(struct play *p)
{
    char why[120] = "";
    if (p->run->verdict != VERDICT_BLOCKED)
        why_unsettled(p, why);
    if (p->wrong_lines && !p->by_hand)
        run_fail(p->run, "%u of %u lines were wrong", p->wrong_lines, p->lines);
    p->run->unsettled = *why;
    enum verdict v = p->driver->close(p->run);
    if (*why)
        play_say("%s: whether all agree was not judged", why);
    return v;
}

static void print_verdict(struct play *p, enum verdict v)
{
    static const char *const colours[] = {"\033[32m", "\033[31m", "\033[33m", "\033[33m"};
    char label[96];
    const char *on = p->options.colour ? colours[v] : "", *off = *on ? "\033[0m" : "";
    scenario_label(&p->scenario, label);
    say_failures(p);
    play_say("%s%s%s  play %s  (%s world%s%s)%s%s", on, verdict_name(v), off, label,
             world_names[p->options.world], p->run->transport[0] ? ", " : "", p->run->transport,
             records_are_kept(p->run) ? "  records in " : "", records_are_kept(p->run) ? p->out : "");
}

static int exit_code(enum verdict v)
{
    if (v == VERDICT_BLOCKED)
        return EXIT_MISSING;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "spaaksim: standard output is closed; the play was ended\n");
        return EXIT_FAILED;
    }
    return v == VERDICT_FAIL ? EXIT_FAILED : EXIT_PASSED;
}

/* ---- the whole ---- */

static bool are_there(const struct play *p)
{
    return p->run->hopeless || !externals_awaited(p->run);
}

/* Lines of a pipe are for a world with all who stand in it; a person sees who is missing. */
static void wait_for_outsiders(struct play *p)
{
    while (!p->by_hand && p->state == PLAY_GOES_ON && !are_there(p))
        pass_time(p);
}

static int play(struct play *p)
{
    if (p->driver->open(p->run, &p->scenario, &p->options)) {
        if (p->by_hand)
            play_say("%s: %s; `help` names what can be said", p->scenario.name, p->scenario.title);
        wait_for_outsiders(p);
        play_settle(p);
        play_tell_ways(p);
        input_beside(p->run->guest && !in_real_time(p) ? p->run->guest->fd : -1);
        while (p->state == PLAY_GOES_ON)
            take_turn(p);
        if (p->state == PLAY_IS_OVER && !ferror(stdout))
            play_tell_unheard(p);
    }
    input_close();
    enum verdict v = judge(p);
    print_verdict(p, v);
    int rc = exit_code(v);
    run_free(p->run);
    return rc;
}

/* What the scenario does, and what it expects of that, is left out. Who injects frames comes along, and who
 * tests. */
static void open_scenario(struct play *p, const struct scenario *s)
{
    struct tree_problem full = {0};
    p->scenario = *s;
    p->scenario.action_count = p->scenario.expect_count = p->scenario.never_count = 0;
    p->scenario.faults.count = 0;
    scenario_add_callee(&p->scenario, "inject", &full);
    scenario_add_callee(&p->scenario, "open-gate", &full);
}

static bool mark_external(struct play *p)
{
    char problem[EXTERNAL_PROBLEM];
    if (!p->options.external || external_mark(&p->scenario, p->options.external, problem))
        return true;
    fprintf(stderr, "spaaksim: %s\n", problem);
    return false;
}

static bool load(struct play *p, const char *name)
{
    struct tree_problem problem = {0};
    struct scenario *variants = NULL;
    size_t count;
    char *path = scenario_find(name);
    bool ok = path && scenario_load(path, &variants, &count, &problem);
    if (ok)
        open_scenario(p, &variants[0]);
    else if (path)
        fprintf(stderr, "%s:%u:%u: %s\n", path, problem.line, problem.column, problem.text);
    free(variants);
    free(path);
    ok = ok && mark_external(p);
    if (!ok || p->scenario.worlds[p->options.world])
        return ok;
    fprintf(stderr, "spaaksim: %s is not made for the %s world; choose the other with --world\n", name,
            world_names[p->options.world]);
    return false;
}

int command_play(int argc, char **argv)
{
    struct options o;
    if (!options_read(OPTIONS_OF_PLAY, argc, argv, &o))
        return EXIT_WRONG;
    struct play *p = calloc(1, sizeof *p);
    struct run *r = calloc(1, sizeof *r);
    int rc = EXIT_WRONG;
    if (!p || !r)
        abort();
    p->options = o.run;
    p->options.open = true;
    p->options.print = input_print;
    p->run = r;
    p->driver = world_of(o.run.world);
    if (load(p, o.name ? o.name : PLAY_SCENARIO)) {
        snprintf(p->out, sizeof p->out, "%s%s", o.run.out ? o.run.out : "out/play-",
                 o.run.out ? "" : p->scenario.name);
        p->options.out = p->out;
        if (!input_open(p))
            abort();
        p->by_hand = input_is_by_hand();
        rc = play(p);
    }
    past_forget();
    free(r);
    free(p);
    return rc;
}

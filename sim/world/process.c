/* The process world of a scenario: every component a process, what carries bytes as each medium's set-up
 * says. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/host/process.h"
#include "lib/host/sqlite_store.h"
#include "sim/run/records.h"
#include "sim/world/interrupt.h"
#include "sim/world/process_connector.h"
#include "sim/world/process_external.h"
#include "sim/world/process_life.h"
#include "sim/world/world.h"

#define STOP_US    3000000u /* for a process to end */
#define OVERDUE_US 500u     /* what is due and waits for something is looked at again after that */

static struct process_world *world_of_run(const struct run *r)
{
    return r->world;
}

/* ---- what the run asks of its world ---- */

static void world_kill(struct run *r, const char *name)
{
    struct process_world *w = world_of_run(r);
    struct child *c = process_setup_child(w, name);
    if (!c) {
        run_fail(r, "there is no %s to kill in this run (%s)", name, r->transport);
        r->verdict = VERDICT_BLOCKED; /* the run as asked for cannot be had */
        w->give_up = true;
        return;
    }
    if (!c->pid)
        return;
    process_end(c, SIGKILL);
    w->active_us = process_now_us(w);
    run_note(r, process_now_us(w), TRACE_LIFE, name, "killed", 0);
}

static void world_start(struct run *r, const char *name)
{
    struct process_world *w = world_of_run(r);
    struct child *c = process_setup_child(w, name);
    struct zygote_report report;
    if (!c || (c->pid && !c->killed)) /* of two kills that meet, the first has brought it back */
        return;
    /* killed, perhaps not yet reaped */
    while (c->pid && c->forked && zygote_read(w->zygote, &report, true))
        process_report(w, &report);
    if (c->pid) {
        waitpid(c->pid, NULL, 0);
        process_forget(c);
        c->killed = false;
    }
    if (!process_start(w, c))
        w->give_up = true;
}

static void world_cut(struct run *r, const char *name, const char *link, bool cut)
{
    struct process_world *w = world_of_run(r);
    struct child *c = process_setup_child(w, name);
    char word[64];
    unsigned port;
    if (!c || !c->member || !component_port(c->member->class, link, &port))
        return;
    c->cut[port] = cut; /* stands in its configuration when it starts */
    if (!c->pid)
        return;
    snprintf(word, sizeof word, "%s %s", cut ? "cut" : "heal", link);
    process_say(c, word);
    c->cuts_under_way += cut;
    w->cuts_under_way += cut;
}

static void world_call(struct run *r, const struct action *a)
{
    struct process_world *w = world_of_run(r);
    const struct member *m = &r->scenario->members[a->member];
    const struct call_spec *call = &m->class->calls[a->call];
    struct child *c = process_setup_child(w, m->name);
    char word[1024];
    size_t used = (size_t)snprintf(word, sizeof word, "call %s", call->name);
    for (size_t i = 0; i < component_parameters(call) && used < sizeof word; i++) {
        const struct call_value *v = &a->values[i];
        enum parameter_kind kind = call->parameters[i].kind;
        if (kind == PARAMETER_TEXT || kind == PARAMETER_VEHICLE ||
            kind == PARAMETER_READER) /* left out: an empty text, not "0" */
            used += (size_t)snprintf(word + used, sizeof word - used, "%s%s", PROCESS_SEPARATOR, v->text);
        else
            used += (size_t)snprintf(word + used, sizeof word - used, "%s%llu", PROCESS_SEPARATOR,
                                     (unsigned long long)v->number);
    }
    if (!c || c->control < 0)
        run_fail(r, "%s is not there to be called", m->name);
    else
        process_say(c, word);
}

/* Stands in the configuration of its next life, in the place of an earlier one of the same two. */
static void keep_move(struct process_world *w, const struct action *a)
{
    size_t i = 0;
    while (i < w->move_count && (w->moves[i]->member != a->member || w->moves[i]->port != a->port ||
                                 w->moves[i]->other != a->other))
        i++;
    w->moves[i] = a;
    w->move_count += i == w->move_count;
}

static void world_move(struct run *r, const struct action *a)
{
    struct process_world *w = world_of_run(r);
    const struct member *m = &r->scenario->members[a->member];
    struct child *c = process_setup_child(w, m->name);
    char word[200];
    keep_move(w, a);
    snprintf(word, sizeof word, "radio %s %s %s", m->class->ports[a->port].name,
             r->scenario->members[a->other].name, a->way);
    if (c && c->control >= 0)
        process_say(c, word);
}

static void world_fault(struct run *r, const struct fault *f)
{
    struct process_world *w = world_of_run(r);
    char word[FAULT_TEXT_MAX + 8] = "fault ";
    fault_print(f, word + strlen(word));
    for (size_t i = 0; i < w->child_count; i++)
        process_say(&w->children[i], word);
}

static enum presence world_presence(struct run *r, const char *name)
{
    const struct child *c = process_setup_child(world_of_run(r), name);
    if (!c || (!c->member && !c->setup))
        return PRESENCE_NONE;
    return c->pid && !c->killed ? PRESENCE_ALIVE : PRESENCE_DEAD;
}

static enum link_state world_connector(struct run *r, unsigned group)
{
    return process_connector_state(world_of_run(r), group);
}

static void world_put(struct run *r, unsigned group, const struct bus_frame *f)
{
    process_connector_put(world_of_run(r), group, f);
}

static struct store *world_store(struct run *r, const char *name)
{
    struct process_world *w = world_of_run(r);
    struct child *c = process_setup_child(w, name);
    const char *reason;
    if (!c || !c->store_path[0] || !w->ending)
        return NULL;
    if (!c->store && !c->store_failed &&
        !(c->store = sqlite_store_open(c->store_path, SQLITE_STORE_READ, &reason))) {
        c->store_failed = true;
        run_fail(r, "the store of %s cannot be read: %s", name, reason);
    }
    return c->store;
}

static const char *world_folder(const struct run *r)
{
    return world_of_run(r)->scratch.path;
}

static void world_last_words(struct run *r, const char *name, char out[240])
{
    char log[760];
    process_setup_log(world_of_run(r), name, log, sizeof log);
    process_last_words(world_of_run(r), name, log, out);
}

static const struct world_ops ops = {.kill = world_kill,
                                     .start = world_start,
                                     .cut = world_cut,
                                     .call = world_call,
                                     .move = world_move,
                                     .fault = world_fault,
                                     .presence = world_presence,
                                     .last_words = world_last_words,
                                     .connector = world_connector,
                                     .put = world_put,
                                     .folder = world_folder,
                                     .interrupted = interrupt_came,
                                     .store = world_store};

/* ---- the loop ---- */

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *ctx)
{
    struct process_world *w = ctx;
    (void)s;
    if (!interrupt_heard())
        run_fail(w->run, "interrupted by %s", spawn_signal_name((int)si->ssi_signo));
    interrupt_take((int)si->ssi_signo);
    w->give_up = true;
    return 0;
}

/* Has nothing moved for so long, and has nobody anything to do? */
static bool is_quiet(struct process_world *w, uint64_t quiet_us)
{
    uint64_t sum = 0, t = process_now_us(w);
    bool pending = false;
    for (size_t i = 0; i < w->child_count; i++) {
        struct board_slot *slot = &w->board->slots[i];
        const struct child *c = &w->children[i];
        sum += atomic_load_explicit(&slot->activity, memory_order_relaxed);
        pending |= atomic_load_explicit(&slot->pending, memory_order_relaxed) != 0 || c->at_barrier ||
                   (c->member && c->pid && !atomic_load_explicit(&slot->ready, memory_order_acquire));
    }
    if (sum != w->activity || pending || w->cuts_under_way || process_setup_busy(w)) {
        w->activity = sum;
        w->active_us = t;
    }
    return t >= w->active_us + quiet_us;
}

static uint64_t next_turn_us(const struct process_world *w, uint64_t until_us, uint64_t quiet_us)
{
    uint64_t due = run_next_due_us(w->run), quiet = w->active_us + quiet_us;
    due = due < until_us ? due : until_us;
    return quiet < due ? quiet : due;
}

static void note_lateness(struct process_world *w, uint64_t due_us)
{
    uint64_t t = process_now_us(w);
    if (t > due_us && t - due_us > w->run->late_us)
        w->run->late_us = t - due_us;
}

/* All is seen, and what was sent has arrived. */
static bool is_over(struct process_world *w)
{
    return run_finished(w->run, process_now_us(w)) && (w->run->hopeless || !process_setup_busy(w));
}

static void process_proceed(struct run *r, uint64_t until_us, bool (*enough)(void *ctx, bool quiet),
                            void *ctx)
{
    struct process_world *w = world_of_run(r);
    uint64_t quiet_us = r->open ? WORLD_QUIET_PLAY_US : WORLD_QUIET_US;
    while (!w->give_up && !is_over(w) && process_now_us(w) < until_us) {
        uint64_t until = next_turn_us(w, until_us, quiet_us), t = process_now_us(w);
        int rc = sd_event_run(w->event, until > t ? until - t : OVERDUE_US);
        note_lateness(w, until > t ? until : t + OVERDUE_US);
        if (rc < 0 && rc != -EINTR)
            break;
        run_pump(r, process_now_us(w));
        process_external_hear(w);
        process_release_barriers(w);
        bool quiet = is_quiet(w, quiet_us) && run_idle(r);
        if (quiet) {
            run_on_quiet(r, process_now_us(w));
            w->active_us = process_now_us(w); /* looked at again after as long */
        }
        if (enough && enough(ctx, quiet))
            return;
    }
}

static uint64_t process_time(const struct run *r)
{
    return r->world ? process_now_us(r->world) : 0;
}

/* ---- the end ---- */

/* Does the end of the run wait for it? First only until it has let go of its store, its links and its
 * records: a component then closes its control socket. What becomes of its memory is waited for when all is
 * judged. */
static bool is_awaited(const struct child *c, bool to_the_end)
{
    bool keeps_nothing = c->is_zygote || (c->setup && c->tied) || (c->member && c->let_go);
    return c->pid && (to_the_end || !keeps_nothing);
}

static void wait_for_ends(struct process_world *w, bool to_the_end, uint64_t limit_us)
{
    for (bool any = true; any && process_now_us(w) < limit_us;) {
        any = false;
        for (size_t i = 0; i < w->child_count; i++)
            any |= is_awaited(&w->children[i], to_the_end);
        if (any)
            sd_event_run(w->event, 100000);
    }
}

/* A component stops when its control socket closes, a helper when its medium says so or by a signal: a broker
 * keeps nothing. */
static void ask_to_stop(struct process_world *w)
{
    for (size_t i = 0; i < w->child_count; i++) {
        struct child *c = &w->children[i];
        if (c->pid && c->control >= 0)
            shutdown(c->control, SHUT_WR);
        else if (c->pid && c->setup && !c->tied)
            c->setup->stop(c->state);
        else if (c->pid && c->setup)
            process_end(c, SIGKILL);
        else if (c->pid && !c->is_zygote)
            process_end(c, SIGTERM);
    }
}

static void kill_child(struct child *c)
{
    process_end(c, SIGKILL);
    if (!c->forked)
        waitpid(c->pid, NULL, 0);
    process_forget(c);
}

static void stop_all(struct process_world *w)
{
    w->end_us = process_now_us(w);
    w->ending = true;
    ask_to_stop(w);
    wait_for_ends(w, false, w->end_us + STOP_US);
    for (size_t i = 0; i < w->child_count; i++) {
        struct child *c = &w->children[i];
        bool stuck = is_awaited(c, false);
        if (stuck)
            process_end(c, SIGKILL); /* what it has to say then has an end */
        process_drain(w, c);
        process_drain_tap(c);
        if (!stuck)
            continue;
        run_fail_as(w->run, FAILURE_AFTER, "%s did not stop within 3 s and was killed", c->name);
        kill_child(c);
    }
    process_setup_drain(w);
    if (w->board)
        process_setup_audit(w);
}

/* All is judged: nothing stays behind. */
static void reap_all(struct process_world *w)
{
    if (w->zygote >= 0)
        shutdown(w->zygote, SHUT_WR);
    wait_for_ends(w, true, process_now_us(w) + STOP_US);
    for (size_t i = 0; i < w->child_count; i++)
        if (w->children[i].pid)
            kill_child(&w->children[i]);
}

/* ---- the beginning ---- */

static bool start_those(struct process_world *w, bool with_store)
{
    for (size_t i = 0; i < w->child_count; i++) {
        struct child *c = &w->children[i];
        if (c->member && !c->member->external && !c->pid && c->member->class->stores == with_store &&
            !process_start(w, c))
            return false;
    }
    return true;
}

/* In the order of the cast, whatever the order in the file. */
static bool add_members(struct process_world *w)
{
    const struct scenario *s = w->run->scenario;
    for (size_t k = 0; k < cast.count; k++)
        for (size_t i = 0; i < s->member_count; i++)
            if (s->members[i].class == cast.classes[k] && !process_setup_add(w, &s->members[i]))
                return false;
    return true;
}

static bool start_all(struct process_world *w)
{
    if (!add_members(w) || sd_event_add_io(w->event, NULL, w->zygote, EPOLLIN, process_on_zygote, w) < 0)
        return false;
    run_start(w->run);
    /* the stores are made while the zygote readies itself; who opens one has the longest way to go */
    return process_setup_stores(w) && start_those(w, true) && start_those(w, false);
}

static bool open_event(struct process_world *w)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (sd_event_new(&w->event) < 0)
        return false;
    if (w->run->options->open)
        return true;
    return sd_event_add_signal(w->event, NULL, SIGINT, on_signal, w) >= 0 &&
           sd_event_add_signal(w->event, NULL, SIGTERM, on_signal, w) >= 0 &&
           sd_event_add_signal(w->event, NULL, SIGHUP, on_signal, w) >= 0;
}

static void begin_clock(struct process_world *w)
{
    struct timespec mono, wall;
    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME, &wall);
    w->start_ns = (uint64_t)mono.tv_sec * 1000000000u + (uint64_t)mono.tv_nsec;
    w->run->wall_offset_us = (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000;
}

static bool process_open(struct run *r, const struct scenario *s, const struct run_options *options)
{
    struct process_world *w = calloc(1, sizeof *w);
    *r = (struct run){.verdict = VERDICT_BLOCKED};
    if (!w)
        return false;
    run_begin(r, s, options, &ops, w);
    w->run = r;
    w->zygote = w->board_fd = w->scratch.lock = -1;
    begin_clock(w);
    if (!records_open(r) || !open_event(w) || interrupt_heard() || !process_setup_open(w))
        return false;
    interrupt_look();
    if (interrupt_heard())
        return false;
    r->verdict = VERDICT_PASS;
    records_note_clock(r);
    if (!start_all(w))
        return false;
    process_connector_open_desk(w);
    return true;
}

static enum verdict process_close(struct run *r)
{
    struct process_world *w = world_of_run(r);
    if (!w)
        return r->verdict;
    uint64_t t = process_now_us(w);
    process_connector_close(w);
    process_external_close(w);
    if (w->event)
        stop_all(w);
    run_end(r, t);
    size_t judged = r->failure_count;
    if (w->event)
        reap_all(w);
    if (r->failure_count > judged)
        run_amend(r, t); /* somebody crashed while it ended */
    process_setup_close(w);
    sd_event_unref(w->event);
    free(w);
    r->world = NULL;
    return r->verdict;
}

const struct world_driver world_process = {process_open, process_proceed, process_time, process_close};

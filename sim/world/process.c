/* The process world of a scenario: every component a process, what carries bytes as each medium's set-up
 * says. */
#include <assert.h>
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
#include "sim/world/interrupt.h"
#include "sim/world/process_setup.h"
#include "sim/world/world.h"

#define STOP_US    3000000u /* for a process to end */
#define OVERDUE_US 500u     /* what is due and waits for something is looked at again after that */

static struct process_world *world_of_run(const struct run *r)
{
    return r->world;
}

static uint64_t now_us(const struct process_world *w)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return ((uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec - w->start_ns) / 1000;
}

static bool start_child(struct process_world *w, struct child *c);

/* ---- words and events between the runner and its children ---- */

static void say(struct child *c, const char *word)
{
    if (c->control >= 0)
        send(c->control, word, strlen(word), MSG_NOSIGNAL);
    c->world->active_us = now_us(c->world); /* before it has moved itself */
}

/* A child that stands at a barrier goes on when what was triggered there has been done. */
static void release_barriers(struct process_world *w)
{
    if (w->cuts_under_way)
        return;
    for (size_t i = 0; i < w->child_count; i++) {
        if (w->children[i].at_barrier)
            say(&w->children[i], "go");
        w->children[i].at_barrier = false;
    }
}

static bool is_barrier(const struct process_world *w, const struct trace_event *e)
{
    if (e->kind != TRACE_STEP && e->kind != TRACE_SEND && e->kind != TRACE_ACCEPT)
        return false;
    for (size_t i = 0; i < w->barrier_count; i++)
        if (strcmp(w->barriers[i], e->step) == 0)
            return true;
    return false;
}

static void take_event(struct process_world *w, struct child *c, struct trace_event *e)
{
    e->component[sizeof e->component - 1] = e->peer[sizeof e->peer - 1] = e->step[sizeof e->step - 1] = '\0';
    e->message[sizeof e->message - 1] = e->detail[sizeof e->detail - 1] = '\0';
    c->sequence = e->sequence;
    if (w->ending && e->time_us > w->end_us)
        return; /* links that fall as one after the other stops are nothing that the run has done */
    if (e->kind == TRACE_NOTE && strncmp(e->detail, "cut ", 4) == 0 && c->cuts_under_way) {
        c->cuts_under_way--;
        w->cuts_under_way--;
    }
    run_on_event(w->run, e);
    if (is_barrier(w, e)) {
        c->at_barrier = true;
        run_pump(w->run, now_us(w));
    }
    release_barriers(w);
}

static void drain(struct process_world *w, struct child *c)
{
    struct trace_event batch[PROCESS_TRACE_BATCH];
    for (;;) {
        ssize_t len = c->control < 0 ? -1 : recv(c->control, batch, sizeof batch, MSG_DONTWAIT);
        if (len <= 0)
            return;
        for (size_t i = 0; i < (size_t)len / sizeof batch[0]; i++)
            take_event(w, c, &batch[i]);
    }
}

static int on_control(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct child *c = ctx;
    (void)fd;
    drain(c->world, c);
    if (revents & (EPOLLHUP | EPOLLERR)) {
        c->let_go = true;
        sd_event_source_set_enabled(s, SD_EVENT_OFF);
    }
    return 0;
}

/* ---- bytes ---- */

static int on_tap(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct child *c = ctx;
    static uint8_t packet[sizeof(struct process_tap_head) + 70000];
    struct process_tap_head h;
    ssize_t len;
    while ((len = recv(fd, packet, sizeof packet, MSG_DONTWAIT)) >= (ssize_t)sizeof h) {
        memcpy(&h, packet, sizeof h);
        if (c->world->ending && h.time_us > c->world->end_us)
            continue;
        h.medium[sizeof h.medium - 1] = h.port[sizeof h.port - 1] = h.address[sizeof h.address - 1] = '\0';
        struct tap_event e = {.time_us = h.time_us,
                              .medium = h.medium,
                              .port = h.port,
                              .from = h.out ? c->name : h.address,
                              .to = h.out ? h.address : c->name,
                              .out = h.out,
                              .bytes = span_of(packet + sizeof h, (size_t)len - sizeof h)};
        run_on_tap(c->world->run, &e);
    }
    if (revents & (EPOLLHUP | EPOLLERR))
        sd_event_source_set_enabled(s, SD_EVENT_OFF);
    return 0;
}

/* ---- life of a child ---- */

static void forget(struct child *c)
{
    c->exit_source = sd_event_source_disable_unref(c->exit_source);
    c->control_source = sd_event_source_disable_unref(c->control_source);
    if (c->tap >= 0)
        on_tap(c->tap_source, c->tap, 0, c);
    c->tap_source = sd_event_source_disable_unref(c->tap_source);
    if (c->tap >= 0)
        close(c->tap);
    c->tap = -1;
    if (c->world->board) {
        atomic_store(&c->world->board->slots[c->slot].pending, 0);
        atomic_store(&c->world->board->slots[c->slot].ready, 0);
    }
    if (c->control >= 0)
        close(c->control);
    c->control = -1;
    c->pid = 0;
    c->at_barrier = false;
    c->world->cuts_under_way -= c->cuts_under_way;
    c->cuts_under_way = 0;
}

/* One that we send. A command beside is a shell: its children go with it. */
static void end_child(struct child *c, int signal_number)
{
    bool group = !c->member && !c->setup && !c->is_zygote;
    assert(c->pid > 1); /* 0, 1 and -1 are others, or everybody */
    c->killed = true;
    kill(group ? -c->pid : c->pid, signal_number);
}

static bool death_was_planned(struct process_world *w, const struct child *c, size_t *fault)
{
    for (size_t i = 0; i < w->run->scenario->faults.count; i++) {
        struct fault *f = &w->run->plan.faults[i];
        if (f->kind == FAULT_KILL && f->number && w->run->fault_fired[i] &&
            strcmp(f->component, c->name) == 0) {
            *fault = i;
            return true;
        }
    }
    return false;
}

/* Who was forked by it dies with it, and nobody tells of that. */
static void forget_forked(struct process_world *w)
{
    for (size_t i = 0; i < w->child_count; i++)
        if (w->children[i].forked && w->children[i].pid) {
            end_child(&w->children[i], SIGKILL);
            drain(w, &w->children[i]);
            forget(&w->children[i]);
        }
}

static void child_ended(struct child *c, int code, int status)
{
    struct process_world *w = c->world;
    size_t fault;
    drain(w, c);
    bool planned = c->killed;
    if (!planned && code == CLD_KILLED && status == SIGKILL && death_was_planned(w, c, &fault)) {
        planned = true;
        w->run->plan.faults[fault].number = 0;
        run_restart_later(w->run, fault, now_us(w));
    }
    forget(c);
    c->killed = false;
    if (!planned && (!w->ending || code != CLD_EXITED || status != 0))
        process_explain_death(w, c, code, status, now_us(w));
    if (c->is_zygote)
        forget_forked(w);
}

static int on_exit_of(sd_event_source *s, const siginfo_t *how, void *ctx)
{
    (void)s;
    child_ended(ctx, how->si_code, how->si_status);
    return 0;
}

/* The zygote tells of the end of one of its children. */
static void on_report(void *ctx, const struct zygote_report *report)
{
    struct process_world *w = ctx;
    for (size_t i = 0; i < w->child_count; i++)
        if (w->children[i].forked && w->children[i].pid == report->pid)
            child_ended(&w->children[i], report->code, report->status);
}

static int on_zygote(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct zygote_report report;
    while (zygote_read(fd, &report, false))
        on_report(ctx, &report);
    if (revents & (EPOLLHUP | EPOLLERR))
        sd_event_source_set_enabled(s, SD_EVENT_OFF);
    return 0;
}

bool process_setup_watch(struct process_world *w, struct child *c)
{
    if (!c->forked && sd_event_add_child(w->event, &c->exit_source, c->pid, WEXITED, on_exit_of, c) < 0)
        return false;
    if (c->tap >= 0 && sd_event_add_io(w->event, &c->tap_source, c->tap, EPOLLIN, on_tap, c) < 0)
        return false;
    return c->control < 0 ||
           sd_event_add_io(w->event, &c->control_source, c->control, EPOLLIN, on_control, c) >= 0;
}

/* A component: forked by the zygote, with its sockets. */
static int birth(struct process_world *w, struct child *c, const char *log)
{
    int control[2], tap[2] = {-1, -1};
    struct zygote_request r = {0};
    struct spawn_fd fds[ZYGOTE_FDS + 1];
    size_t n = 0;
    bool tapped = w->run->options->bytes;
    if (!process_setup_configure(w, c) ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0 ||
        (tapped && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, tap) != 0))
        return errno ? errno : EIO;
    fds[n++] = (struct spawn_fd){PROCESS_CONTROL_FD, control[1]};
    fds[n++] = (struct spawn_fd){PROCESS_BOARD_FD, w->board_fd};
    fds[n++] = (struct spawn_fd){PROCESS_TOKENS_FD, c->tokens};
    if (tapped)
        fds[n++] = (struct spawn_fd){PROCESS_TAP_FD, tap[1]};
    for (int i = 0, as = PROCESS_LISTEN_FD; i < ENV_PORTS; i++)
        if (c->listen_fd[i] >= 0)
            fds[n++] = (struct spawn_fd){as++, c->listen_fd[i]};
    fds[n] = (struct spawn_fd){-1, -1};
    text_copy(r.program, sizeof r.program, c->member->class->name);
    text_copy(r.configuration, sizeof r.configuration, c->configuration);
    text_copy(r.log, sizeof r.log, log);
    c->forked = true;
    int rc = zygote_fork(w->zygote, &r, fds, &c->pid, on_report, w);
    close(control[1]);
    close(c->tokens);
    if (tapped)
        close(tap[1]);
    c->control = control[0];
    c->tap = tap[0];
    c->let_go = false;
    return rc;
}

static bool start_child(struct process_world *w, struct child *c)
{
    char log[760];
    process_setup_log(w, c->name, log, sizeof log);
    int rc = c->member ? birth(w, c, log) : process_setup_helper(w, c);
    if (rc != 0) {
        run_fail(w->run, "%s cannot be started: %s", c->name, strerror(rc));
        forget(c);
        return false;
    }
    return process_setup_watch(w, c);
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
    end_child(c, SIGKILL);
    w->active_us = now_us(w);
    run_note(r, now_us(w), TRACE_LIFE, name, "killed", 0);
}

static void world_start(struct run *r, const char *name)
{
    struct process_world *w = world_of_run(r);
    struct child *c = process_setup_child(w, name);
    struct zygote_report report;
    if (!c)
        return;
    /* killed, perhaps not yet reaped */
    while (c->pid && c->forked && zygote_read(w->zygote, &report, true))
        on_report(w, &report);
    if (c->pid) {
        waitpid(c->pid, NULL, 0);
        forget(c);
        c->killed = false;
    }
    if (!start_child(w, c))
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
    say(c, word);
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
        if (kind == PARAMETER_TEXT || kind == PARAMETER_VEHICLE) /* left out: an empty text, not "0" */
            used += (size_t)snprintf(word + used, sizeof word - used, "%s%s", PROCESS_SEPARATOR, v->text);
        else
            used += (size_t)snprintf(word + used, sizeof word - used, "%s%llu", PROCESS_SEPARATOR,
                                     (unsigned long long)v->number);
    }
    if (!c || c->control < 0)
        run_fail(r, "%s is not there to be called", m->name);
    else
        say(c, word);
}

static void world_fault(struct run *r, const struct fault *f)
{
    struct process_world *w = world_of_run(r);
    char word[FAULT_TEXT_MAX + 8] = "fault ";
    fault_print(f, word + strlen(word));
    for (size_t i = 0; i < w->child_count; i++)
        say(&w->children[i], word);
}

static enum presence world_presence(struct run *r, const char *name)
{
    const struct child *c = process_setup_child(world_of_run(r), name);
    if (!c || (!c->member && !c->setup))
        return PRESENCE_NONE;
    return c->pid && !c->killed ? PRESENCE_ALIVE : PRESENCE_DEAD;
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
                                     .fault = world_fault,
                                     .presence = world_presence,
                                     .last_words = world_last_words,
                                     .store = world_store};

/* ---- the loop ---- */

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *ctx)
{
    struct process_world *w = ctx;
    (void)s;
    interrupt_take((int)si->ssi_signo);
    run_fail(w->run, "interrupted by %s", spawn_signal_name((int)si->ssi_signo));
    w->give_up = true;
    return 0;
}

/* Has nothing moved for so long, and has nobody anything to do? */
static bool is_quiet(struct process_world *w, uint64_t quiet_us)
{
    uint64_t sum = 0, t = now_us(w);
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
    uint64_t t = now_us(w);
    if (t > due_us && t - due_us > w->run->late_us)
        w->run->late_us = t - due_us;
}

/* All is seen, and what was sent has arrived. */
static bool is_over(struct process_world *w)
{
    return run_finished(w->run, now_us(w)) && (w->run->hopeless || !process_setup_busy(w));
}

static void process_proceed(struct run *r, uint64_t until_us, bool (*enough)(void *ctx, bool quiet),
                            void *ctx)
{
    struct process_world *w = world_of_run(r);
    uint64_t quiet_us = r->open ? WORLD_QUIET_PLAY_US : WORLD_QUIET_US;
    while (!w->give_up && !is_over(w) && now_us(w) < until_us) {
        uint64_t until = next_turn_us(w, until_us, quiet_us), t = now_us(w);
        int rc = sd_event_run(w->event, until > t ? until - t : OVERDUE_US);
        note_lateness(w, until > t ? until : t + OVERDUE_US);
        if (rc < 0 && rc != -EINTR)
            break;
        run_pump(r, now_us(w));
        release_barriers(w);
        bool quiet = is_quiet(w, quiet_us) && run_idle(r);
        if (quiet) {
            run_on_quiet(r, now_us(w));
            w->active_us = now_us(w); /* looked at again after as long */
        }
        if (enough && enough(ctx, quiet))
            return;
    }
}

static uint64_t process_time(const struct run *r)
{
    return r->world ? now_us(r->world) : 0;
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
    for (bool any = true; any && now_us(w) < limit_us;) {
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
            end_child(c, SIGKILL);
        else if (c->pid && !c->is_zygote)
            end_child(c, SIGTERM);
    }
}

static void kill_child(struct child *c)
{
    end_child(c, SIGKILL);
    if (!c->forked)
        waitpid(c->pid, NULL, 0);
    forget(c);
}

static void stop_all(struct process_world *w)
{
    w->end_us = now_us(w);
    w->ending = true;
    ask_to_stop(w);
    wait_for_ends(w, false, w->end_us + STOP_US);
    for (size_t i = 0; i < w->child_count; i++) {
        struct child *c = &w->children[i];
        drain(w, c);
        if (c->tap >= 0)
            on_tap(c->tap_source, c->tap, 0, c);
        if (!is_awaited(c, false))
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
    wait_for_ends(w, true, now_us(w) + STOP_US);
    for (size_t i = 0; i < w->child_count; i++)
        if (w->children[i].pid)
            kill_child(&w->children[i]);
}

/* ---- the beginning ---- */

static bool start_those(struct process_world *w, bool with_store)
{
    for (size_t i = 0; i < w->child_count; i++) {
        struct child *c = &w->children[i];
        if (c->member && !c->pid && c->member->class->stores == with_store && !start_child(w, c))
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
    if (!add_members(w) || sd_event_add_io(w->event, NULL, w->zygote, EPOLLIN, on_zygote, w) < 0)
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
    if (!records_open(r) || !open_event(w) || !process_setup_open(w))
        return false;
    r->verdict = VERDICT_PASS;
    return start_all(w);
}

static enum verdict process_close(struct run *r)
{
    struct process_world *w = world_of_run(r);
    if (!w)
        return r->verdict;
    uint64_t t = now_us(w);
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

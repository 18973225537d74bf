/* A child of a run from its birth to its end: what it is told, what it tells, and who hears of its death. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/host/process.h"
#include "sim/world/process_life.h"

#define TURN_PACKETS 64 /* that one child is heard with before the others have their turn */

uint64_t process_now_us(const struct process_world *w)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return ((uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec - w->start_ns) / 1000;
}

/* ---- words and events between the runner and its children ---- */

void process_say(struct child *c, const char *word)
{
    if (c->control >= 0)
        send(c->control, word, strlen(word), MSG_NOSIGNAL);
    c->world->active_us = process_now_us(c->world); /* before it has moved itself */
}

/* A child that stands at a barrier goes on when what was triggered there has been done. */
void process_release_barriers(struct process_world *w)
{
    if (w->cuts_under_way)
        return;
    for (size_t i = 0; i < w->child_count; i++) {
        if (w->children[i].at_barrier)
            process_say(&w->children[i], "go");
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
        run_pump(w->run, process_now_us(w));
    }
    process_release_barriers(w);
}

static bool drain_packet(struct process_world *w, struct child *c)
{
    struct trace_event batch[PROCESS_TRACE_BATCH];
    ssize_t len = c->control < 0 ? -1 : recv(c->control, batch, sizeof batch, MSG_DONTWAIT);
    for (size_t i = 0; len > 0 && i < (size_t)len / sizeof batch[0]; i++)
        take_event(w, c, &batch[i]);
    return len > 0;
}

void process_drain(struct process_world *w, struct child *c)
{
    while (drain_packet(w, c))
        ;
}

static int on_control(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct child *c = ctx;
    (void)fd;
    unsigned packets = 0;
    /* who floods us with what it traces must not keep us from the others and from the limit */
    while (packets < TURN_PACKETS && drain_packet(c->world, c))
        packets++;
    if (packets < TURN_PACKETS && revents & (EPOLLHUP | EPOLLERR)) {
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
                              .words = h.words,
                              .refused = (enum err)h.refused,
                              .bytes = span_of(packet + sizeof h, (size_t)len - sizeof h)};
        run_on_tap(c->world->run, &e);
    }
    if (revents & (EPOLLHUP | EPOLLERR))
        sd_event_source_set_enabled(s, SD_EVENT_OFF);
    return 0;
}

void process_drain_tap(struct child *c)
{
    if (c->tap >= 0)
        on_tap(c->tap_source, c->tap, 0, c);
}

/* ---- life of a child ---- */

void process_forget(struct child *c)
{
    c->exit_source = sd_event_source_disable_unref(c->exit_source);
    c->control_source = sd_event_source_disable_unref(c->control_source);
    process_drain_tap(c);
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
void process_end(struct child *c, int signal_number)
{
    bool group = !c->member && !c->is_zygote; /* with processes of their own, perhaps */
    assert(c->pid > 1);                       /* 0, 1 and -1 are others, or everybody */
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
            process_end(&w->children[i], SIGKILL);
            process_drain(w, &w->children[i]);
            process_forget(&w->children[i]);
        }
}

static void child_ended(struct child *c, int code, int status)
{
    struct process_world *w = c->world;
    size_t fault;
    process_drain(w, c);
    if (c->setup && c->pid > 1)
        kill(-c->pid, SIGKILL); /* what it led; its number is not anybody else's before this returns */
    bool planned = c->killed;
    if (!planned && code == CLD_KILLED && status == SIGKILL && death_was_planned(w, c, &fault)) {
        planned = true;
        w->run->plan.faults[fault].number = 0;
        run_restart_later(w->run, fault, process_now_us(w));
    }
    process_forget(c);
    c->killed = false;
    if (!planned && (!w->ending || code != CLD_EXITED || status != 0))
        process_explain_death(w, c, code, status, process_now_us(w));
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
void process_report(void *ctx, const struct zygote_report *report)
{
    struct process_world *w = ctx;
    for (size_t i = 0; i < w->child_count; i++)
        if (w->children[i].forked && w->children[i].pid == report->pid)
            child_ended(&w->children[i], report->code, report->status);
}

int process_on_zygote(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct zygote_report report;
    while (zygote_read(fd, &report, false))
        process_report(ctx, &report);
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
    bool tapped = records_want(w->run, c->member->class) != TAP_NONE;
    if (!process_setup_configure(w, c) ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0 ||
        (tapped && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, tap) != 0))
        return errno ? errno : EIO;
    fds[n++] = (struct spawn_fd){PROCESS_CONTROL_FD, control[1]};
    fds[n++] = (struct spawn_fd){PROCESS_BOARD_FD, w->board_fd};
    fds[n++] = (struct spawn_fd){PROCESS_TOKENS_FD, c->tokens};
    if (tapped)
        fds[n++] = (struct spawn_fd){PROCESS_TAP_FD, tap[1]};
    if (w->run->options->memo_fd > 0 && c->member->class->works)
        fds[n++] = (struct spawn_fd){PROCESS_MEMO_FD, w->run->options->memo_fd};
    for (int i = 0, as = PROCESS_LISTEN_FD; i < ENV_PORTS; i++)
        if (c->listen_fd[i] >= 0)
            fds[n++] = (struct spawn_fd){as++, c->listen_fd[i]};
    fds[n] = (struct spawn_fd){-1, -1};
    text_copy(r.program, sizeof r.program, c->member->class->name);
    text_copy(r.configuration, sizeof r.configuration, c->configuration);
    text_copy(r.log, sizeof r.log, log);
    c->forked = true;
    int rc = zygote_fork(w->zygote, &r, fds, &c->pid, process_report, w);
    close(control[1]);
    close(c->tokens);
    if (tapped)
        close(tap[1]);
    c->control = control[0];
    c->tap = tap[0];
    c->let_go = false;
    return rc;
}

bool process_start(struct process_world *w, struct child *c)
{
    char log[760];
    process_setup_log(w, c->name, log, sizeof log);
    int rc = c->member ? birth(w, c, log) : process_setup_helper(w, c);
    if (rc != 0) {
        run_fail(w->run, "%s cannot be started: %s", c->name, strerror(rc));
        process_forget(c);
        return false;
    }
    return process_setup_watch(w, c);
}

/* The process world of a scenario: every component a process, CAN over SocketCAN or the hub, GSDP over
 * mosquitto. */
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "lib/host/process.h"
#include "lib/host/sqlite_store.h"
#include "sim/cast.h"
#include "sim/plant/given.h"
#include "sim/world/process_setup.h"

#define OTHERS_US 2000000 /* the TBM waits this long for all others at most */

static uint64_t now_us(const struct world *w)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return ((uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec - w->start_ns) / 1000;
}

static struct child *child_find(struct world *w, const char *name)
{
    for (size_t i = 0; i < w->child_count; i++)
        if (strcmp(w->children[i].name, name) == 0)
            return &w->children[i];
    return NULL;
}

static bool start_child(struct world *w, struct child *c);

/* ---- words and events between the runner and its children ---- */

static void say(struct child *c, const char *word)
{
    if (c->control >= 0)
        send(c->control, word, strlen(word), MSG_NOSIGNAL);
}

/* A child that stands at a barrier goes on when what was triggered there has been done. */
static void release_barriers(struct world *w)
{
    if (w->cuts_under_way)
        return;
    for (size_t i = 0; i < w->child_count; i++) {
        if (w->children[i].at_barrier)
            say(&w->children[i], "go");
        w->children[i].at_barrier = false;
    }
}

static bool is_barrier(const struct world *w, const struct trace_event *e)
{
    if (e->kind != TRACE_STEP && e->kind != TRACE_SEND && e->kind != TRACE_ACCEPT)
        return false;
    for (size_t i = 0; i < w->barrier_count; i++)
        if (strcmp(w->barriers[i], e->step) == 0)
            return true;
    return false;
}

/* Links that do what they are for: a bus or a caller is there, a topic is subscribed to. */
static void count_link(struct child *c, const struct trace_event *e)
{
    bool gsdp = strncmp(e->detail, "gsdp ", 5) == 0;
    const char *state = strchr(e->detail, ' ');
    if (state && strcmp(state + 1, gsdp ? "subscribed" : "up") == 0)
        c->links_up++;
}

static void take_event(struct world *w, struct child *c, struct trace_event *e)
{
    e->component[sizeof e->component - 1] = e->peer[sizeof e->peer - 1] = e->step[sizeof e->step - 1] = '\0';
    e->message[sizeof e->message - 1] = e->detail[sizeof e->detail - 1] = '\0';
    c->sequence = e->sequence;
    if (e->kind == TRACE_NOTE && strncmp(e->detail, "cut ", 4) == 0 && w->cuts_under_way)
        w->cuts_under_way--;
    if (e->kind == TRACE_LINK)
        count_link(c, e);
    run_on_event(w->run, e);
    if (is_barrier(w, e)) {
        c->at_barrier = true;
        run_pump(w->run, now_us(w));
    }
    release_barriers(w);
}

/* The back end of a real OEM is up long before a vehicle wakes, and a vehicle's ECUs wake together: the TBM's
 * way to GSDP is opened when every other link is up, or has had time enough for it. */
static void open_gsdp_when_ready(struct world *w)
{
    bool ready = true;
    if (!w->waits_for_others)
        return;
    for (size_t i = 0; i < w->child_count; i++) {
        const struct child *c = &w->children[i];
        bool counts =
            c->row && c->row->class && strcmp(c->row->name, "rogue") != 0 && strcmp(c->name, "tbm") != 0;
        ready &= !counts || c->links_up + (c->cut[0] != '\0') >= c->row->class->port_count;
    }
    if (!ready && now_us(w) < OTHERS_US)
        return;
    struct child *tbm = child_find(w, "tbm");
    w->waits_for_others = false;
    tbm->cut[0] = '\0';
    say(tbm, "heal gsdp");
}

static void drain(struct world *w, struct child *c)
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
    if (revents & (EPOLLHUP | EPOLLERR))
        sd_event_source_set_enabled(s, SD_EVENT_OFF);
    return 0;
}

/* ---- life of a child ---- */

static void forget(struct child *c)
{
    c->exit_source = sd_event_source_disable_unref(c->exit_source);
    c->control_source = sd_event_source_disable_unref(c->control_source);
    if (c->control >= 0)
        close(c->control);
    c->control = -1;
    c->pid = 0;
    c->at_barrier = false;
}

static bool death_was_planned(struct world *w, const struct child *c, size_t *fault)
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

static void explain_death(struct world *w, struct child *c, int code, int status)
{
    char log[700];
    report_path(w->run, "logs", log, sizeof log);
    if (code == CLD_EXITED)
        run_fail(w->run, "%s ended by itself with exit code %d; see %s/%s.log", c->name, status, log,
                 c->name);
    else
        run_fail(w->run, "%s crashed with %s; see %s/%s.log", c->name, spawn_signal_name(status), log,
                 c->name);
    w->give_up = true;
}

static void child_ended(struct child *c, int code, int status)
{
    struct world *w = c->world;
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
    if (!planned && !w->ending)
        explain_death(w, c, code, status);
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
    struct world *w = ctx;
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

bool process_world_watch(struct world *w, struct child *c)
{
    if (!c->forked && sd_event_add_child(w->event, &c->exit_source, c->pid, WEXITED, on_exit_of, c) < 0)
        return false;
    return c->control < 0 ||
           sd_event_add_io(w->event, &c->control_source, c->control, EPOLLIN, on_control, c) >= 0;
}

/* A component of ours: forked by the zygote, with a control socket and perhaps a listening one. */
static int birth(struct world *w, struct child *c, const char *log)
{
    int pair[2];
    struct zygote_request r = {0};
    struct spawn_fd fds[3] = {{-1, -1}, {-1, -1}, {-1, -1}};
    if (!process_world_configure(w, c) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return errno ? errno : EIO;
    fds[0] = (struct spawn_fd){PROCESS_CONTROL_FD, pair[1]};
    if (c->listen_fd >= 0)
        fds[1] = (struct spawn_fd){PROCESS_LISTEN_FD, c->listen_fd};
    text_copy(r.program, sizeof r.program, c->row->class->name);
    text_copy(r.configuration, sizeof r.configuration, c->argument);
    text_copy(r.log, sizeof r.log, log);
    c->forked = true;
    int rc = zygote_fork(w->zygote, &r, fds, &c->pid, on_report, w);
    close(pair[1]);
    c->control = pair[0];
    return rc;
}

static bool start_child(struct world *w, struct child *c)
{
    char log[760], config_flag[] = "-c", *argv[] = {c->program, config_flag, c->argument, NULL};
    report_path(w->run, "logs", log, sizeof log - 60);
    snprintf(log + strlen(log), 60, "/%s.log", c->name);
    int rc = c->row->class ? birth(w, c, log) : spawn(argv, log, NULL, true, &c->pid);
    if (rc != 0) {
        run_fail(w->run, "%s cannot be started: %s", c->name, strerror(rc));
        forget(c);
        return false;
    }
    return process_world_watch(w, c);
}

/* ---- what the run asks of its world ---- */

static void world_kill(struct run *r, const char *component)
{
    struct child *c = child_find(r->world, component);
    if (!c || !c->pid)
        return;
    c->killed = true;
    kill(c->pid, SIGKILL);
    run_note(r, now_us(r->world), TRACE_LIFE, component, "killed", 0);
}

static void world_start(struct run *r, const char *component)
{
    struct world *w = r->world;
    struct child *c = child_find(w, component);
    /* killed, perhaps not yet reaped */
    struct zygote_report report;
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

static void world_cut(struct run *r, const char *component, const char *link, bool cut)
{
    struct world *w = r->world;
    struct child *c = child_find(w, component);
    char word[64];
    if (!c->pid) { /* from the start: stands in its configuration */
        text_copy(c->cut, sizeof c->cut, cut ? link : "");
        return;
    }
    text_copy(c->cut, sizeof c->cut, cut ? link : "");
    snprintf(word, sizeof word, "%s %s", cut ? "cut" : "heal", link);
    say(c, word);
    if (cut)
        w->cuts_under_way++;
}

static void world_renew(struct run *r)
{
    struct world *w = r->world;
    uint8_t out[64];
    size_t len = run_renew_call(out);
    if (w->admin_fd < 0)
        w->admin_fd = link_connect_unix(w->admin_path, SOCK_SEQPACKET);
    if (w->admin_fd < 0 || send(w->admin_fd, out, len, MSG_NOSIGNAL) < 0)
        run_fail(r, "the VOS cannot be called: %s", strerror(errno));
}

static void world_inject(struct run *r, size_t action)
{
    struct world *w = r->world;
    const struct action *a = &r->scenario->actions[action];
    char name[16] = "rogue";
    if (w->rogues++)
        snprintf(name, sizeof name, "rogue%u", w->rogues);
    struct child *c = process_world_add(w, "rogue", name);
    if (!c)
        return;
    snprintf(c->settings, sizeof c->settings,
             "set=segment=%s\nset=frame=%s\nset=count=%llu\nset=every_us=%llu\n", segment_name(a->segment),
             a->frame, (unsigned long long)a->count, (unsigned long long)a->every_us);
    if (!start_child(w, c))
        w->give_up = true;
}

static struct store *world_store(struct run *r, const char *component)
{
    struct world *w = r->world;
    struct child *c = child_find(w, component);
    const char *reason;
    if (!c || !c->row || !c->row->has_store || !w->ending)
        return NULL;
    if (!c->store && !c->store_failed &&
        !(c->store = sqlite_store_open(c->store_path, SQLITE_STORE_READ, &reason))) {
        c->store_failed = true;
        run_fail(r, "the store of %s cannot be read: %s", component, reason);
    }
    return c->store;
}

static const struct world_ops ops = {world_kill,  world_start,  world_cut,
                                     world_renew, world_inject, world_store};

/* ---- the loop ---- */

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *ctx)
{
    struct world *w = ctx;
    (void)s;
    run_fail(w->run, "interrupted by %s", spawn_signal_name((int)si->ssi_signo));
    w->give_up = true;
    return 0;
}

static void loop(struct world *w)
{
    struct run *r = w->run;
    while (!w->give_up && !run_finished(r, now_us(w)) && now_us(w) < r->limit_us) {
        uint64_t due = run_next_due_us(r), t = now_us(w), until = due < r->limit_us ? due : r->limit_us;
        if (w->waits_for_others && OTHERS_US < until)
            until = OTHERS_US;
        int rc = sd_event_run(w->event, until > t ? until - t : 0);
        if (rc < 0 && rc != -EINTR)
            break;
        run_pump(r, now_us(w));
        release_barriers(w);
        open_gsdp_when_ready(w);
    }
}

/* Runs the loop until all have ended, the zygote not counted unless told to. */
static void wait_for_ends(struct world *w, bool zygote_too, uint64_t limit_us)
{
    for (bool any = true; any && now_us(w) < limit_us;) {
        any = false;
        for (size_t i = 0; i < w->child_count; i++)
            any |= w->children[i].pid && (zygote_too || strcmp(w->children[i].name, "zygote") != 0);
        if (any)
            sd_event_run(w->event, 100000);
    }
}

static void stop_all(struct world *w)
{
    uint64_t limit_us = now_us(w) + 3000000;
    w->ending = true;
    for (size_t i = 0; i < w->child_count; i++) {
        struct child *c = &w->children[i];
        if (!c->pid || strcmp(c->name, "zygote") == 0)
            continue;
        if (c->control >= 0)
            shutdown(c->control, SHUT_WR); /* a component stops when its control socket closes */
        else
            kill(c->pid, c->row ? SIGKILL : SIGTERM); /* the broker keeps nothing */
    }
    if (w->hub_stop >= 0)
        close(w->hub_stop);
    w->hub_stop = -1;
    wait_for_ends(w, false, limit_us);
    if (w->zygote >= 0)
        shutdown(w->zygote, SHUT_WR);
    wait_for_ends(w, true, limit_us);
    for (size_t i = 0; i < w->child_count; i++) {
        struct child *c = &w->children[i];
        if (!c->pid)
            continue;
        run_fail(w->run, "%s did not stop within 3 s and was killed", c->name);
        kill(c->pid, SIGKILL);
        if (!c->forked)
            waitpid(c->pid, NULL, 0);
        forget(c);
    }
    process_world_read_frames(w);
}

static bool start_those(struct world *w, bool with_store)
{
    for (size_t i = 0; i < w->child_count; i++) {
        struct child *c = &w->children[i];
        if (c->row && !c->pid && c->row->has_store == with_store && !start_child(w, c))
            return false;
    }
    return true;
}

static bool start_all(struct world *w)
{
    const struct scenario *s = w->run->scenario;
    for (size_t k = 0; k < component_row_count; k++)
        for (size_t i = 0; i < s->component_count; i++)
            if (strcmp(component_rows[k].name, s->components[i]) == 0 &&
                !process_world_add(w, s->components[i], s->components[i]))
                return false;
    run_pump(w->run, 0); /* cuts that hold from the start */
    struct child *tbm = child_find(w, "tbm");
    w->waits_for_others = tbm && !tbm->cut[0];
    if (w->waits_for_others)
        text_copy(tbm->cut, sizeof tbm->cut, "gsdp");
    if (sd_event_add_io(w->event, NULL, w->zygote, EPOLLIN, on_zygote, w) < 0)
        return false;
    /* who needs no store starts while the stores are made */
    return start_those(w, false) && process_world_seed(w) && start_those(w, true);
}

static bool open_event(struct world *w)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return sd_event_new(&w->event) >= 0 && sd_event_add_signal(w->event, NULL, SIGINT, on_signal, w) >= 0 &&
           sd_event_add_signal(w->event, NULL, SIGTERM, on_signal, w) >= 0 &&
           sd_event_add_signal(w->event, NULL, SIGHUP, on_signal, w) >= 0;
}

static void begin_clock(struct world *w)
{
    struct timespec mono, wall;
    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME, &wall);
    w->start_ns = (uint64_t)mono.tv_sec * 1000000000u + (uint64_t)mono.tv_nsec;
    w->run->wall_offset_us = (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000;
}

enum verdict world_process_run(struct run *r, const struct scenario *s, const struct run_options *options)
{
    struct world *w = calloc(1, sizeof *w);
    *r = (struct run){0};
    if (!w || !run_begin(r, s, options, &ops, w)) {
        free(w);
        return r->verdict = VERDICT_BLOCKED;
    }
    w->run = r;
    w->hub_stop = w->hub_listen = w->recorder = w->admin_fd = w->zygote = -1;
    begin_clock(w);
    bool ready = open_event(w) && process_world_open(w);
    if (!ready)
        r->verdict = VERDICT_BLOCKED;
    else if (start_all(w))
        loop(w);
    uint64_t t = now_us(w);
    stop_all(w);
    run_end(r, t);
    process_world_close(w);
    sd_event_unref(w->event);
    free(w);
    return r->verdict;
}

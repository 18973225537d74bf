#include "sim/run/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/backend.pb-c.h"
#include "sim/plant/given.h"

const char *verdict_name(enum verdict v)
{
    static const char *const names[] = {"PASS", "FAIL", "BLOCKED", "SKIPPED"};
    return names[v];
}

void run_fail(struct run *r, const char *format, ...)
{
    va_list args;
    if (r->failure_count == RUN_FAILURES)
        return;
    va_start(args, format);
    vsnprintf(r->failures[r->failure_count++], RUN_FAILURE_TEXT, format, args);
    va_end(args);
}

/* ---- beginning ---- */

bool run_make_directories(const char *path)
{
    char part[512];
    text_copy(part, sizeof part, path);
    for (char *p = part + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        mkdir(part, 0755);
        *p = '/';
    }
    return mkdir(part, 0755) == 0 || errno == EEXIST;
}

static void add_trigger(struct run *r, enum trigger_kind kind, size_t index, struct moment when)
{
    struct trigger *t = &r->triggers[r->trigger_count++];
    *t = (struct trigger){.kind = kind, .when = when, .index = index};
    if (!when.step[0]) {
        t->state = TRIGGER_DUE;
        t->due_us = when.after_us;
    }
}

static void add_triggers(struct run *r)
{
    const struct scenario *s = r->scenario;
    for (size_t i = 0; i < s->action_count; i++)
        add_trigger(r, TRIGGER_ACTION, i, s->actions[i].when);
    for (size_t i = 0; i < s->faults.count; i++) {
        const struct fault *f = &s->faults.faults[i];
        struct moment when = {.after_us = s->fault_after_us[i]};
        text_copy(when.step, sizeof when.step, f->step);
        if (f->kind == FAULT_KILL || f->kind == FAULT_CUT)
            add_trigger(r, f->kind == FAULT_KILL ? TRIGGER_KILL : TRIGGER_CUT, i, when);
    }
}

bool run_begin(struct run *r, const struct scenario *s, const struct run_options *options,
               const struct world_ops *ops, void *world)
{
    char path[600];
    r->scenario = s;
    r->options = options;
    r->ops = ops;
    r->world = world;
    r->limit_us = s->limit_us;
    r->plan = s->faults;
    add_triggers(r);
    if (!run_make_directories(options->out)) {
        run_fail(r, "cannot make %s: %s", options->out, strerror(errno));
        return false;
    }
    report_path(r, "can.log", path, sizeof path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0) {
        run_fail(r, "%s is in use by another run; give this one a directory of its own with --out",
                 options->out);
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (ftruncate(fd, 0) != 0 || !(r->can_log = fdopen(fd, "w"))) {
        run_fail(r, "cannot write %s", path);
        return false;
    }
    return true;
}

/* ---- events ---- */

static bool worth_a_line(const struct run *r, const struct trace_event *e)
{
    switch ((enum trace_kind)e->kind) {
    case TRACE_SEND:
    case TRACE_STEP:
    case TRACE_ACCEPT:
    case TRACE_REJECT:
    case TRACE_HOLD:
    case TRACE_DROP:
    case TRACE_RETRY:
    case TRACE_FAIL:
    case TRACE_FAULT:
    case TRACE_CALL:
        return true;
    case TRACE_LIFE:
        return strcmp(e->detail, "started") != 0 || e->sequence > 1;
    default:
        return r->options->verbose;
    }
}

static void awaken_triggers(struct run *r, const struct trace_event *e)
{
    if (!e->step[0] || (e->kind != TRACE_STEP && e->kind != TRACE_SEND && e->kind != TRACE_ACCEPT))
        return;
    for (size_t i = 0; i < r->trigger_count; i++) {
        struct trigger *t = &r->triggers[i];
        if (t->state != TRIGGER_WAITS || strcmp(t->when.step, e->step) != 0)
            continue;
        /* a component that reaches the step of its own kill is ended by its host, at that very point */
        if (t->kind == TRIGGER_KILL && strcmp(r->plan.faults[t->index].component, e->component) == 0 &&
            t->when.after_us == 0) {
            t->state = TRIGGER_DONE;
            continue;
        }
        t->state = TRIGGER_DUE;
        t->due_us = e->time_us + t->when.after_us;
    }
}

static int event_order(const void *a, const void *b)
{
    const struct trace_event *x = a, *y = b;
    if (x->time_us != y->time_us)
        return x->time_us < y->time_us ? -1 : 1;
    if (strcmp(x->component, y->component) == 0)
        return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
    return 0;
}

/* Events of processes arrive in nearly, but not exactly, the order of their times. Equal ones stay as they
 * came. */
static void print_event(const struct run *r, const struct trace_event *e)
{
    char text[TRACE_TEXT_MAX];
    if (r->options->quiet || !worth_a_line(r, e))
        return;
    trace_text(e, r->options->colour, text);
    puts(text);
}

/* Processes hand their events over a little late; lines wait as long, to stand in order. */
#define PRINT_DELAY_US 6000

static void print_until(struct run *r, uint64_t time_us)
{
    while (r->printed < r->event_count && r->events[r->printed].time_us <= time_us)
        print_event(r, &r->events[r->printed++]);
}

static void keep_event(struct run *r, const struct trace_event *e)
{
    if (r->event_count == r->event_cap) {
        r->event_cap = r->event_cap ? 2 * r->event_cap : 256;
        r->events = realloc(r->events, r->event_cap * sizeof *r->events);
        if (!r->events)
            abort();
    }
    size_t at = r->event_count++;
    for (; at > 0 && event_order(e, &r->events[at - 1]) < 0; at--)
        r->events[at] = r->events[at - 1];
    r->events[at] = *e;
    if (at < r->printed) {
        print_event(r, e);
        r->printed++;
    }
}

void run_on_event(struct run *r, const struct trace_event *e)
{
    keep_event(r, e);
    if (e->kind == TRACE_FAULT && e->length >= 1 && e->length <= FAULT_MAX)
        r->fault_fired[e->length - 1] = true;
    awaken_triggers(r, e);
}

void run_on_frame(struct run *r, uint64_t now_us, const char *bus, const struct bus_frame *f)
{
    char line[BUS_LOG_MAX];
    r->frames++;
    bus_log_print((uint64_t)(r->wall_offset_us + (int64_t)now_us), bus, f, line);
    if (r->can_log)
        fprintf(r->can_log, "%s\n", line);
}

size_t run_renew_call(uint8_t out[64])
{
    char serial[] = GIVEN_SERIAL;
    Backend__V1__AdminRequest m = BACKEND__V1__ADMIN_REQUEST__INIT;
    m.action = BACKEND__V1__ADMIN_REQUEST__ACTION__ACTION_RENEW_VEHICLE_IDENTITY;
    m.ecu_serial = serial;
    return backend__v1__admin_request__pack(&m, out);
}

void run_note(struct run *r, uint64_t now_us, enum trace_kind kind, const char *component, const char *text,
              unsigned fault)
{
    struct trace_event e = {.kind = (uint16_t)kind, .time_us = now_us, .length = fault};
    text_copy(e.component, sizeof e.component, component);
    text_copy(e.detail, sizeof e.detail, text);
    run_on_event(r, &e);
}

/* ---- triggers ---- */

uint64_t run_next_due_us(const struct run *r)
{
    uint64_t t = UINT64_MAX;
    for (size_t i = 0; i < r->trigger_count; i++)
        if (r->triggers[i].state == TRIGGER_DUE && r->triggers[i].due_us < t)
            t = r->triggers[i].due_us;
    if (r->printed < r->event_count && r->events[r->printed].time_us + PRINT_DELAY_US < t)
        t = r->events[r->printed].time_us + PRINT_DELAY_US;
    if (r->complete && r->complete_at_us + r->scenario->quiet_us < t)
        t = r->complete_at_us + r->scenario->quiet_us;
    return t;
}

static void follow_up(struct run *r, enum trigger_kind kind, size_t index, uint64_t due_us)
{
    if (r->trigger_count == RUN_TRIGGERS)
        abort();
    r->triggers[r->trigger_count++] =
        (struct trigger){.kind = kind, .state = TRIGGER_DUE, .index = index, .due_us = due_us};
}

void run_restart_later(struct run *r, size_t fault, uint64_t now_us)
{
    follow_up(r, TRIGGER_RESTART, fault, now_us + r->plan.faults[fault].delay_ms * 1000ull);
}

static void fire(struct run *r, struct trigger *t, uint64_t now_us)
{
    const struct fault *f = &r->plan.faults[t->index];
    char text[96];
    switch (t->kind) {
    case TRIGGER_ACTION:
        if (r->scenario->actions[t->index].kind == ACTION_RENEW)
            r->ops->renew(r);
        else
            r->ops->inject(r, t->index);
        break;
    case TRIGGER_KILL:
        fault_describe(f, text);
        run_note(r, now_us, TRACE_FAULT, "runner", text, (unsigned)t->index + 1);
        r->plan.faults[t->index].number = 0; /* its host must not do it too */
        r->ops->kill(r, f->component);
        follow_up(r, TRIGGER_RESTART, t->index, now_us + f->delay_ms * 1000ull);
        break;
    case TRIGGER_RESTART:
        r->ops->start(r, f->component);
        break;
    case TRIGGER_CUT:
        fault_describe(f, text);
        run_note(r, now_us, TRACE_FAULT, "runner", text, (unsigned)t->index + 1);
        r->ops->cut(r, f->component, f->link, true);
        follow_up(r, TRIGGER_HEAL, t->index, now_us + f->delay_ms * 1000ull);
        break;
    case TRIGGER_HEAL:
        snprintf(text, sizeof text, "heals %s of %s", f->link, f->component);
        run_note(r, now_us, TRACE_NOTE, "runner", text, 0);
        r->ops->cut(r, f->component, f->link, false);
        break;
    }
}

void run_pump(struct run *r, uint64_t now_us)
{
    if (now_us >= PRINT_DELAY_US)
        print_until(r, now_us - PRINT_DELAY_US);
    for (size_t i = 0; i < r->trigger_count; i++) {
        struct trigger *t = &r->triggers[i];
        if (t->state != TRIGGER_DUE || t->due_us > now_us)
            continue;
        t->state = TRIGGER_DONE;
        fire(r, t, now_us);
    }
}

static bool triggers_done(const struct run *r)
{
    for (size_t i = 0; i < r->trigger_count; i++)
        if (r->triggers[i].state != TRIGGER_DONE)
            return false;
    for (size_t i = 0; i < r->scenario->faults.count; i++)
        if (!r->fault_fired[i])
            return false;
    return true;
}

bool run_finished(struct run *r, uint64_t now_us)
{
    if (r->judged != r->event_count) {
        r->judged = r->event_count;
        bool complete = triggers_done(r) && judge_events_met(r);
        if (complete && !r->complete)
            r->complete_at_us = now_us;
        r->complete = complete;
    }
    return r->complete && now_us >= r->complete_at_us + r->scenario->quiet_us;
}

/* ---- the end ---- */

void run_end(struct run *r, uint64_t now_us)
{
    char path[600], label[96];
    struct report_row row = {0};
    print_until(r, UINT64_MAX);
    if (r->can_log)
        fflush(r->can_log);
    report_path(r, "trace.jsonl", path, sizeof path);
    report_write_trace(r, path);
    if (r->verdict != VERDICT_BLOCKED) {
        judge_run(r);
        r->verdict = r->failure_count ? VERDICT_FAIL : VERDICT_PASS;
    }
    scenario_label(r->scenario, label);
    text_copy(row.label, sizeof row.label, label);
    text_copy(row.world, sizeof row.world, world_names[r->options->world]);
    row.verdict = r->verdict;
    row.seconds = (double)now_us / 1e6;
    if (r->failure_count)
        text_copy(row.detail, sizeof row.detail, r->failures[0]);
    report_path(r, "junit.xml", path, sizeof path);
    report_write_junit(path, &row, 1);
}

void run_free(struct run *r)
{
    free(r->events);
    if (r->can_log)
        fclose(r->can_log);
    r->events = NULL;
    r->can_log = NULL;
}

#include "lib/host/process_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

static void send_late(struct process *p, uint64_t now_us)
{
    for (struct late **at = &p->late; *at;) {
        struct late *late = *at;
        if (late->due_us > now_us) {
            at = &late->next;
            continue;
        }
        *at = late->next;
        p->links[late->port]->ops->send(p->links[late->port], late->address, span_of(late->bytes, late->len));
        free(late);
    }
}

static void run_timers(struct process *p)
{
    uint64_t now_us = process_host_now_us(&p->node);
    for (unsigned i = 0; i < p->node.class->timer_count; i++) {
        if (p->due_us[i] > now_us)
            continue;
        p->due_us[i] = ENV_NEVER;
        if (!p->node.class->timers[i].cyclic)
            process_host_note_activity(p);
        node_on_timer(&p->node, i);
    }
    send_late(p, now_us);
}

int process_loop_on_clock(sd_event_source *s, uint64_t usec, void *ctx)
{
    struct process *p = ctx;
    (void)s;
    (void)usec;
    p->clock_due_us = ENV_NEVER;
    run_timers(p);
    return 0;
}

/* One timer of the loop stands for all of the component's; it only moves when it must come earlier. */
static void arm_clock(struct process *p)
{
    uint64_t due_us = ENV_NEVER;
    for (unsigned i = 0; i < p->node.class->timer_count; i++)
        due_us = p->due_us[i] < due_us ? p->due_us[i] : due_us;
    for (struct late *l = p->late; l; l = l->next)
        due_us = l->due_us < due_us ? l->due_us : due_us;
    if (p->batched && p->trace_due_us < due_us)
        due_us = p->trace_due_us;
    if (due_us == ENV_NEVER || due_us >= p->clock_due_us)
        return;
    p->clock_due_us = due_us;
    sd_event_source_set_time(p->clock, p->start_ns / 1000 + due_us + 1);
    sd_event_source_set_enabled(p->clock, SD_EVENT_ONESHOT);
}

/* What the runner may look at: is anything to be done here? */
static void write_board(struct process *p)
{
    uint32_t pending = p->worker ? (uint32_t)worker_count(p->worker) : 0;
    if (!p->slot)
        return;
    for (unsigned i = 0; i < p->node.class->timer_count; i++)
        pending += p->due_us[i] != ENV_NEVER && !p->node.class->timers[i].cyclic;
    for (struct late *l = p->late; l; l = l->next)
        pending++;
    for (size_t i = 0; i < p->node.class->port_count; i++)
        pending += p->links[i]->ops->waits && p->links[i]->ops->waits(p->links[i]);
    atomic_store_explicit(&p->slot->pending, pending, memory_order_relaxed);
    atomic_store_explicit(&p->slot->ready, 1, memory_order_release);
}

/* After each input: first the disk, then the wires, then the trace; but a claim before the wires, for what
 * goes there may let others claim, and whoever is killed behind the wires has lost the rest of its trace. */
static bool settle(struct process *p)
{
    process_words_later(p);
    if (store_sync(p->node.store) != ERR_OK) {
        env_trace_reason(&p->node.env, TRACE_FAIL, "", "", ERR_STORE_FAILED, 0,
                         "it cannot be written: is the disk full?");
        process_words_flush(p);
        return false;
    }
    if (p->claims)
        process_words_flush(p);
    for (size_t i = 0; i < p->node.class->port_count; i++)
        p->links[i]->ops->flush(p->links[i]);
    if (p->dying) {
        process_words_flush(p);
        raise(SIGKILL);
    }
    if (p->batched && (p->urgent || process_host_now_us(&p->node) >= p->trace_due_us))
        process_words_flush(p);
    arm_clock(p);
    write_board(p);
    return true;
}

int process_loop_run(struct process *p)
{
    while (!p->stop) {
        if (!settle(p))
            return 1;
        int rc = sd_event_run(p->event, UINT64_MAX);
        if (rc < 0 && rc != -EINTR)
            return 1;
        /* what is ready already goes into the same transaction */
        for (int i = 0; i < 16 && !p->stop && !p->dying && sd_event_run(p->event, 0) > 0; i++)
            ;
    }
    bool settled = settle(p);
    process_words_flush(p);
    return settled ? 0 : 1;
}

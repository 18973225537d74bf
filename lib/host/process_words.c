#include "lib/host/process_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define TRACE_DELAY_US 2000

void process_words_flush(struct process *p)
{
    p->trace_due_us = ENV_NEVER;
    if (p->batched == 0)
        return;
    if (p->control >= 0)
        send(p->control, p->batch, p->batched * sizeof p->batch[0], MSG_NOSIGNAL);
    p->batched = 0;
    p->urgent = p->claims = false;
    fflush(stderr);
}

static void tell_cut(struct process *p, const char *word)
{
    node_trace(&p->node, TRACE_NOTE, word); /* "cut gsdp": the runner waits for it */
}

static bool set_cut(struct process *p, const char *link, bool cut)
{
    unsigned port;
    if (!component_port(p->node.class, link, &port))
        return false;
    p->links[port]->ops->set_cut(p->links[port], cut);
    return true;
}

/* "call <name>" and a value each, with PROCESS_SEPARATOR between; written by the runner, which has checked
 * them. */
static void obey_call(struct process *p, char *word)
{
    struct call_value values[ENV_VALUES] = {0};
    unsigned call;
    char *next = word;
    char *name = strsep(&next, PROCESS_SEPARATOR);
    if (!component_call(p->node.class, name, &call))
        return;
    size_t count = component_parameters(&p->node.class->calls[call]);
    for (size_t i = 0; i < count && next; i++) {
        text_copy(values[i].text, sizeof values[i].text, strsep(&next, PROCESS_SEPARATOR));
        values[i].number = strtoull(values[i].text, NULL, 10);
    }
    process_host_note_activity(p);
    node_on_call(&p->node, call, values);
}

static void obey_fault(struct process *p, const char *text)
{
    struct fault f;
    size_t at = 0;
    if (fault_parse(text, &f) != ERR_OK)
        return;
    while (at < p->plan.count && p->plan.faults[at].number != f.number)
        at++;
    if (at == FAULT_MAX)
        return;
    p->plan.count += at == p->plan.count;
    p->plan.faults[at] = f;
}

void process_words_radio(struct process *p, char *word)
{
    unsigned port;
    char *next = word, *link = strsep(&next, " "), *name = strsep(&next, " ");
    if (next && component_port(p->node.class, link, &port) && p->links[port]->ops->radio)
        p->links[port]->ops->radio(p->links[port], name, next);
}

static void obey(struct process *p, char *word)
{
    bool cut = strncmp(word, "cut ", 4) == 0;
    if (cut || strncmp(word, "heal ", 5) == 0)
        set_cut(p, word + (cut ? 4 : 5), cut);
    else if (strncmp(word, "fault ", 6) == 0)
        obey_fault(p, word + 6);
    else if (strncmp(word, "call ", 5) == 0)
        obey_call(p, word + 5);
    else if (strncmp(word, "radio ", 6) == 0)
        process_words_radio(p, word + 6);
}

/* One word from the runner; false when it has hung up. */
static bool hear(struct process *p, char word[PROCESS_WORD], int flags)
{
    ssize_t len;
    do
        len = recv(p->control, word, PROCESS_WORD - 1, flags);
    while (len < 0 && errno == EINTR);
    word[len > 0 ? len : 0] = '\0';
    return len > 0 || (len < 0 && errno == EAGAIN);
}

/* Blocks until the runner has done what it wanted to do at this step. What it says meanwhile takes effect
 * when the handler that is under way has returned; a cut is confirmed at once, because the runner waits for
 * that. */
static void wait_for_go(struct process *p)
{
    char word[PROCESS_WORD];
    process_words_flush(p);
    while (!p->stop) {
        if (!hear(p, word, 0)) {
            p->stop = true;
        } else if (strcmp(word, "go") == 0) {
            break;
        } else if (p->later_count < PROCESS_LATER) {
            memcpy(p->later[p->later_count++], word, sizeof word);
            if (strncmp(word, "cut ", 4) == 0)
                tell_cut(p, word);
            process_words_flush(p);
        }
    }
}

void process_words_later(struct process *p)
{
    for (size_t i = 0; i < p->later_count && !p->stop; i++)
        obey(p, p->later[i]);
    p->later_count = 0;
}

/* The runner acts on some events at once; the others may wait a little for company: each packet wakes it. */
static bool is_urgent(const struct trace_event *e)
{
    return e->kind == TRACE_LIFE || e->kind == TRACE_LINK || e->kind == TRACE_STATE ||
           e->kind == TRACE_FAULT || e->kind == TRACE_NOTE || e->kind == TRACE_FAIL;
}

void process_words_trace(struct node *n, const struct trace_event *e)
{
    struct process *p = process_host_of(n);
    char text[TRACE_TEXT_MAX];
    trace_text(e, false, text);
    fprintf(stderr, "%s\n", text);
    p->urgent |= is_urgent(e);
    p->claims |= e->kind == TRACE_CLAIM;
    if (p->batched == 0)
        p->trace_due_us = e->time_us + TRACE_DELAY_US;
    p->batch[p->batched++] = *e;
    if (p->batched == PROCESS_TRACE_BATCH)
        process_words_flush(p);
    if (e->kind != TRACE_STEP && e->kind != TRACE_SEND && e->kind != TRACE_ACCEPT)
        return;
    for (size_t i = 0; e->step[0] && i < p->barrier_count; i++)
        if (strcmp(p->barriers[i], e->step) == 0) {
            wait_for_go(p);
            return;
        }
}

int process_words_on_control(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct process *p = ctx;
    char word[PROCESS_WORD];
    (void)s;
    (void)fd;
    (void)revents;
    if (!hear(p, word, MSG_DONTWAIT)) {
        p->stop = true;
    } else if (strncmp(word, "cut ", 4) == 0 || strncmp(word, "heal ", 5) == 0) {
        obey(p, word);
        tell_cut(p, word);
    } else {
        obey(p, word);
    }
    return 0;
}

#include "lib/host/node.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct node *node_of(struct env *env)
{
    return (struct node *)env;
}

static uint64_t node_now_us(struct env *env)
{
    return node_of(env)->host->now_us(node_of(env));
}

static int64_t node_wall_ms(struct env *env)
{
    return node_of(env)->host->wall_ms(node_of(env));
}

static void node_timer_set(struct env *env, unsigned timer, uint64_t at_us)
{
    if (!node_of(env)->dead)
        node_of(env)->host->timer_set(node_of(env), timer, at_us);
}

/* ---- sending, through the fault plan ---- */

static void trace_fault(struct node *n, const struct fault *f)
{
    struct trace_event e = {.kind = TRACE_FAULT, .length = f->number};
    fault_describe(f, e.detail);
    text_copy(e.message, sizeof e.message, f->message);
    env_trace(&n->env, &e);
}

static void hold(struct node *n, unsigned port, const char *address, struct span bytes)
{
    struct node_held *h = &n->held;
    uint8_t *copy = malloc(bytes.len);
    if (!copy || h->used) {
        free(copy);
        n->host->send(n, port, address, bytes, 0);
        return;
    }
    memcpy(copy, bytes.p, bytes.len);
    *h = (struct node_held){.used = true, .port = port, .len = bytes.len, .bytes = copy};
    text_copy(h->address, sizeof h->address, address);
}

static void release_held(struct node *n, unsigned port)
{
    struct node_held *h = &n->held;
    if (!h->used || h->port != port)
        return;
    h->used = false;
    n->host->send(n, port, h->address, span_of(h->bytes, h->len), 0);
    free(h->bytes);
    h->bytes = NULL;
}

/* `named`: what carries the message name and may be corrupted, a part of `bytes`. */
static enum err send_with_faults(struct node *n, unsigned port, const char *address, struct span bytes,
                                 const char *message, size_t named_at, size_t named_len)
{
    uint8_t copy[sizeof(struct bus_frame) + ENV_VALUE_MAX];
    struct fault_outcome outcome;
    enum err e = ERR_OK;
    if (bytes.len > sizeof copy)
        return ERR_NO_SPACE;
    memcpy(copy, bytes.p, bytes.len);
    fault_apply(n->plan, n->class->ports[port].name, message, copy + named_at, named_len, &outcome);
    for (size_t i = 0; outcome.fired[i]; i++)
        trace_fault(n, outcome.fired[i]);
    if (outcome.hold) {
        hold(n, port, address, span_of(copy, bytes.len));
        return ERR_OK;
    }
    for (unsigned i = 0; !e && i < outcome.copies; i++)
        e = n->host->send(n, port, address, span_of(copy, bytes.len), outcome.delay_us[i]);
    release_held(n, port);
    return e;
}

static enum err node_send_frame(struct env *env, unsigned port, const struct bus_frame *f)
{
    struct node *n = node_of(env);
    struct span bytes = span_of(f, sizeof *f);
    if (n->dead)
        return ERR_KILLED;
    if (!n->host->link_up(n, port))
        return ERR_LINK_DOWN;
    if (!n->plan || !n->plan->count)
        return n->host->send(n, port, "", bytes, 0);
    const struct matrix_row *row = matrix_find(f->id);
    return send_with_faults(n, port, "", bytes, row ? row->name : "?", offsetof(struct bus_frame, data),
                            f->len);
}

static enum err node_send_bytes(struct env *env, unsigned port, const char *address, struct span bytes)
{
    struct node *n = node_of(env);
    const struct port_spec *spec = &n->class->ports[port];
    if (n->dead)
        return ERR_KILLED;
    if (!n->host->link_up(n, port))
        return ERR_LINK_DOWN;
    if (!n->plan || !n->plan->count || !spec->name_of)
        return n->host->send(n, port, address, bytes, 0);
    return send_with_faults(n, port, address, bytes, spec->name_of(bytes), 0, bytes.len);
}

static enum err node_subscribe(struct env *env, unsigned port, const char *topic)
{
    return node_of(env)->host->subscribe(node_of(env), port, topic);
}

/* ---- the store ---- */

static enum err node_store_get(struct env *env, const char *key, void *buf, size_t cap, size_t *len)
{
    struct node *n = node_of(env);
    struct span pending;
    int found = store_txn_get(&n->txn, key, &pending);
    if (found < 0)
        return ERR_NOT_FOUND;
    if (found == 0)
        return store_get(n->store, key, buf, cap, len);
    if (pending.len > cap)
        return ERR_NO_SPACE;
    memcpy(buf, pending.p, pending.len);
    *len = pending.len;
    return ERR_OK;
}

static enum err node_store_put(struct env *env, const char *key, struct span value)
{
    if (strlen(key) >= ENV_KEY_MAX || value.len > ENV_VALUE_MAX)
        return ERR_NO_SPACE;
    return store_txn_put(&node_of(env)->txn, key, value);
}

static enum err node_store_commit(struct env *env)
{
    struct node *n = node_of(env);
    struct trace_event e = {.kind = TRACE_STORE, .length = (uint32_t)n->txn.count};
    if (n->dead)
        return ERR_KILLED;
    enum err err = store_apply(n->store, n->txn.puts, n->txn.count);
    size_t used = 0;
    for (size_t i = 0; i < n->txn.count && used + 2 < sizeof e.detail; i++)
        used += (size_t)snprintf(e.detail + used, sizeof e.detail - used, "%s%s%s", i ? " " : "",
                                 n->txn.puts[i].value.p ? "+" : "-", n->txn.puts[i].key);
    store_txn_clear(&n->txn);
    if (!err)
        env_trace(env, &e);
    return err;
}

static enum err node_store_scan(struct env *env, const char *prefix, store_each *each, void *ctx)
{
    return store_scan(node_of(env)->store, prefix, each, ctx);
}

/* ---- tracing, and the kills that wait for a step ---- */

static void emit(struct node *n, struct trace_event *e)
{
    e->time_us = n->host->now_us(n);
    e->sequence = ++n->sequence;
    e->cause = n->cause;
    n->host->trace(n, e);
}

static void node_env_trace(struct env *env, struct trace_event *e)
{
    struct node *n = node_of(env);
    if (n->dead)
        return;
    emit(n, e);
    if (!n->plan || !e->step[0] ||
        (e->kind != TRACE_STEP && e->kind != TRACE_SEND && e->kind != TRACE_ACCEPT))
        return;
    struct fault *kill = fault_kill_at(n->plan, n->name, e->step);
    if (!kill)
        return;
    struct fault why = *kill;
    trace_fault(n, kill);
    kill->number = 0;
    n->host->die(n, &why);
}

void node_trace(struct node *n, enum trace_kind kind, const char *detail)
{
    struct trace_event e = {.kind = (uint16_t)kind};
    text_copy(e.component, sizeof e.component, n->name);
    text_copy(e.detail, sizeof e.detail, detail);
    emit(n, &e);
}

/* ---- life and inputs ---- */

static const struct env_ops ops = {
    .now_us = node_now_us,
    .wall_ms = node_wall_ms,
    .timer_set = node_timer_set,
    .send_frame = node_send_frame,
    .send_bytes = node_send_bytes,
    .subscribe = node_subscribe,
    .store_get = node_store_get,
    .store_put = node_store_put,
    .store_commit = node_store_commit,
    .store_scan = node_store_scan,
    .trace = node_env_trace,
};

void node_prepare(struct node *n, const struct node_host *host, const struct component_class *class,
                  const char *name, struct crypto *crypto, struct store *store, struct fault_plan *plan)
{
    text_copy(n->name, sizeof n->name, name);
    n->env = (struct env){.ops = &ops, .crypto = crypto, .name = n->name};
    n->host = host;
    n->class = class;
    n->store = store;
    n->plan = plan;
}

enum err node_start(struct node *n, const struct component_args *args)
{
    n->self = calloc(1, n->class->size);
    if (!n->self)
        return ERR_NO_MEMORY;
    n->dead = false;
    n->cause++;
    node_trace(n, TRACE_LIFE, "started");
    enum err e = n->class->init(n->self, &n->env, args);
    store_txn_clear(&n->txn);
    return e;
}

void node_stop(struct node *n)
{
    n->dead = true;
    if (n->self && n->class->fini)
        n->class->fini(n->self);
    if (n->self)
        OPENSSL_cleanse(n->self, n->class->size);
    free(n->self);
    n->self = NULL;
    free(n->held.bytes);
    n->held = (struct node_held){0};
    store_txn_free(&n->txn);
}

/* Opens and closes one input around a handler's call. */
#define NODE_INPUT(n, handler, ...)                          \
    do {                                                     \
        if ((n)->dead || !(n)->self || !(n)->class->handler) \
            return;                                          \
        (n)->cause++;                                        \
        (n)->class->handler((n)->self, __VA_ARGS__);         \
        if ((n)->txn.count)                                  \
            store_txn_clear(&(n)->txn);                      \
    } while (0)

void node_on_frame(struct node *n, unsigned port, const struct bus_frame *f)
{
    NODE_INPUT(n, on_frame, port, f);
}

void node_on_bytes(struct node *n, unsigned port, const char *address, struct span bytes)
{
    NODE_INPUT(n, on_bytes, port, address, bytes);
}

void node_on_link(struct node *n, unsigned port, enum link_state state)
{
    static const char *const names[] = {"down", "up", "subscribed"};
    char detail[40];
    if (n->dead || !n->self)
        return;
    snprintf(detail, sizeof detail, "%s %s", n->class->ports[port].name, names[state]);
    node_trace(n, TRACE_LINK, detail);
    NODE_INPUT(n, on_link, port, state);
}

void node_on_timer(struct node *n, unsigned timer)
{
    NODE_INPUT(n, on_timer, timer);
}

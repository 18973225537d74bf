#include "lib/host/node.h"

#include <assert.h>
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
    assert(timer < node_of(env)->class->timer_count);
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

static enum err put(struct node *n, unsigned port, const char *address, struct span bytes, uint64_t delay_us)
{
    enum err e = n->host->send(n, port, address, bytes, delay_us);
    if (n->host->tap)
        node_tap(n, port, true, address, bytes, e);
    return e;
}

static void hold(struct node *n, unsigned port, const char *address, struct span bytes)
{
    struct node_held *h = &n->held;
    uint8_t *copy = malloc(bytes.len ? bytes.len : 1);
    if (!copy || h->used) {
        free(copy);
        put(n, port, address, bytes, 0);
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
    put(n, port, h->address, span_of(h->bytes, h->len), 0);
    free(h->bytes);
    h->bytes = NULL;
}

static bool is_planned(const struct node *n)
{
    return n->plan && (n->plan->count || n->plan->census);
}

/* A message crosses that port, either way. True: the link is cut here, and the message lost. */
static bool is_cut_here(struct node *n, unsigned port)
{
    const struct fault *cut =
        is_planned(n) ? fault_cut_at(n->plan, n->name, n->class->ports[port].name) : NULL;
    if (cut)
        trace_fault(n, cut);
    return cut != NULL;
}

/* `named`: what carries the message name and may be corrupted, a part of `bytes`. */
static enum err send_with_faults(struct node *n, unsigned port, const char *address, struct span bytes,
                                 const char *message, size_t named_at, size_t named_len)
{
    struct fault_outcome outcome;
    enum err e = ERR_OK;
    uint8_t *copy = malloc(bytes.len ? bytes.len : 1);
    if (!copy)
        return ERR_NO_MEMORY;
    memcpy(copy, bytes.p, bytes.len);
    fault_apply(n->plan, n->class->ports[port].name, message, copy + named_at, named_len, &outcome);
    for (size_t i = 0; outcome.fired[i]; i++)
        trace_fault(n, outcome.fired[i]);
    if (outcome.hold)
        hold(n, port, address, span_of(copy, bytes.len));
    for (unsigned i = 0; !outcome.hold && !e && i < outcome.copies; i++)
        e = put(n, port, address, span_of(copy, bytes.len), outcome.delay_us[i]);
    if (!outcome.hold && outcome.copies == 0 && n->host->lose)
        n->host->lose(n, port, address, bytes);
    if (!outcome.hold)
        release_held(n, port);
    OPENSSL_cleanse(copy, bytes.len);
    free(copy);
    return e;
}

static enum err node_send_frame(struct env *env, unsigned port, const struct bus_frame *f)
{
    struct node *n = node_of(env);
    struct bus_frame clean = {.id = f->id, .flags = f->flags, .len = f->len};
    struct span bytes = span_of(&clean, sizeof clean);
    assert(port < n->class->port_count && n->media[port]->frames && f->len <= sizeof f->data);
    /* what the component left behind the data is its memory and nobody else's affair */
    memcpy(clean.data, f->data, bus_frame_data(f));
    if (n->dead)
        return ERR_KILLED;
    if (!n->host->link_up(n, port))
        return ERR_LINK_DOWN;
    if (!is_planned(n))
        return put(n, port, "", bytes, 0);
    if (is_cut_here(n, port))
        return ERR_OK;
    const struct matrix_row *row = matrix_find(f->id);
    return send_with_faults(n, port, "", bytes, row ? row->name : "?", offsetof(struct bus_frame, data),
                            f->len);
}

static enum err node_send_bytes(struct env *env, unsigned port, const char *address, struct span bytes)
{
    struct node *n = node_of(env);
    assert(port < n->class->port_count && !n->media[port]->frames && address);
    const struct port_spec *spec = &n->class->ports[port];
    if (n->dead)
        return ERR_KILLED;
    if (bytes.len > component_message_max(n->class))
        return ERR_NO_SPACE;
    if (n->media[port]->topics && !component_topic(n->class, n->serial, TOPIC_WRITE, address))
        return ERR_TOPIC_NOT_ALLOWED;
    if (!n->host->link_up(n, port))
        return ERR_LINK_DOWN;
    if (is_cut_here(n, port))
        return ERR_OK;
    if (!is_planned(n) || !spec->name_of)
        return put(n, port, address, bytes, 0);
    return send_with_faults(n, port, address, bytes, spec->name_of(bytes), 0, bytes.len);
}

static enum err node_subscribe(struct env *env, unsigned port, const char *topic)
{
    struct node *n = node_of(env);
    assert(port < n->class->port_count && n->media[port]->topics);
    if (!component_topic(n->class, n->serial, TOPIC_READ, topic))
        return ERR_TOPIC_NOT_ALLOWED;
    return n->host->subscribe(n, port, topic);
}

static enum err node_tell(struct env *env, unsigned port, const char *address, const char *news)
{
    struct node *n = node_of(env);
    assert(port < n->class->port_count && address && news);
    if (n->dead)
        return ERR_KILLED;
    enum err e = n->host->tell(n, port, address, news);
    if (n->host->tap)
        node_tap_words(n, port, true, address, news, e);
    return e;
}

static enum err node_work(struct env *env, unsigned work, struct span in)
{
    struct node *n = node_of(env);
    assert(n->class->works && n->class->works[work].name && n->class->on_work);
    return n->dead ? ERR_KILLED : n->host->work(n, work, in);
}

/* ---- the store ---- */

static enum err get_sealed(struct node *n, const char *key, void *buf, size_t cap, size_t *len)
{
    struct span pending;
    int found = store_txn_get(&n->txn, key, &pending);
    if (found < 0)
        return ERR_NOT_FOUND;
    return found > 0 ? seal_open(&n->seal, key, pending, buf, cap, len)
                     : seal_get(&n->seal, n->store, key, buf, cap, len);
}

static enum err node_store_get(struct env *env, const char *key, void *buf, size_t cap, size_t *len)
{
    struct node *n = node_of(env);
    struct span pending;
    if (seal_covers(n->class, key))
        return get_sealed(n, key, buf, cap, len);
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
    struct node *n = node_of(env);
    assert(n->class->stores && component_key(n->class, NULL, key));
    if (strlen(key) >= ENV_KEY_MAX || value.len > component_value_max(n->class))
        return ERR_NO_SPACE;
    if (!value.p || !seal_covers(n->class, key))
        return store_txn_put(&n->txn, key, value);
    struct seal_value sealed;
    enum err e = seal_make(&n->seal, key, value, &sealed);
    if (!e)
        e = store_txn_put(&n->txn, key, span_of(sealed.bytes, sealed.len));
    seal_value_free(&sealed);
    return e;
}

static enum err node_store_commit(struct env *env)
{
    struct node *n = node_of(env);
    struct trace_event e = {.kind = TRACE_STORE, .length = (uint32_t)n->txn.count};
    if (n->dead)
        return ERR_KILLED;
    /* a component that could not even begin is another matter */
    const struct fault *refusal = is_planned(n) && n->handling ? fault_refuse(n->plan, n->name) : NULL;
    if (refusal) {
        trace_fault(n, refusal);
        store_txn_clear(&n->txn);
        return ERR_STORE_FAILED;
    }
    enum err err = store_apply(n->store, n->txn.puts, n->txn.count);
    size_t used = 0;
    for (size_t i = 0; i < n->txn.count && used + 2 < sizeof e.detail; i++)
        used += (size_t)snprintf(e.detail + used, sizeof e.detail - used, "%s%s%s", i ? " " : "",
                                 n->txn.puts[i].value.p ? "+" : "-", n->txn.puts[i].key);
    store_txn_clear(&n->txn);
    n->secrets_known = false;
    if (!err)
        env_trace(env, &e);
    return err;
}

static enum err node_store_scan(struct env *env, const char *prefix, store_each *each, void *ctx)
{
    return seal_scan(&node_of(env)->seal, node_of(env)->store, prefix, each, ctx);
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

static void trace_as(struct node *n, enum trace_kind kind, const char *peer, const char *detail)
{
    struct trace_event e = {.kind = (uint16_t)kind};
    text_copy(e.component, sizeof e.component, n->name);
    text_copy(e.peer, sizeof e.peer, peer);
    text_copy(e.detail, sizeof e.detail, detail);
    emit(n, &e);
}

void node_trace(struct node *n, enum trace_kind kind, const char *detail)
{
    trace_as(n, kind, "", detail);
}

static void node_show(struct env *env, unsigned show, const char *text)
{
    struct node *n = node_of(env);
    struct trace_event e = {.kind = TRACE_SHOW};
    assert(show < ENV_SHOWS && n->shown && n->class->shows[show]);
    if (strncmp(n->shown[show], text, ENV_TEXT_MAX - 1) == 0)
        return;
    text_copy(n->shown[show], ENV_TEXT_MAX, text);
    text_copy(e.message, sizeof e.message, n->class->shows[show]);
    text_copy(e.detail, sizeof e.detail, text);
    env_trace(env, &e);
}

static void node_claim(struct env *env, unsigned claim, const char *subject, struct span value)
{
    struct node *n = node_of(env);
    struct trace_event e = {.kind = TRACE_CLAIM, .has_digest = value.p != NULL};
    uint8_t digest[SHA256_SIZE];
    assert(n->class->claims && n->class->claims[claim].name);
    if (value.p) {
        crypto_sha256(env->crypto, &value, 1, digest);
        memcpy(e.digest, digest, TRACE_DIGEST);
    }
    text_copy(e.message, sizeof e.message, n->class->claims[claim].name);
    text_copy(e.peer, sizeof e.peer, subject);
    env_trace(env, &e);
}

/* ---- life and inputs ---- */

static const struct env_ops ops = {
    .now_us = node_now_us,
    .wall_ms = node_wall_ms,
    .timer_set = node_timer_set,
    .send_frame = node_send_frame,
    .send_bytes = node_send_bytes,
    .subscribe = node_subscribe,
    .tell = node_tell,
    .work = node_work,
    .store_get = node_store_get,
    .store_put = node_store_put,
    .store_commit = node_store_commit,
    .store_scan = node_store_scan,
    .trace = node_env_trace,
    .show = node_show,
    .claim = node_claim,
};

void node_prepare(struct node *n, const struct node_host *host, const struct component_class *class,
                  const struct medium *const *media, const char *name, struct crypto *crypto,
                  struct store *store, struct fault_plan *plan)
{
    assert(class->port_count <= ENV_PORTS && class->timer_count <= ENV_TIMERS);
    assert(component_settings(class) <= ENV_SETTINGS && strlen(name) < ENV_NAME_MAX);
    text_copy(n->name, sizeof n->name, name);
    n->env = (struct env){.ops = &ops, .crypto = crypto, .name = n->name};
    n->host = host;
    n->class = class;
    n->store = store;
    n->seal = (struct seal){.crypto = crypto, .class = class};
    n->plan = plan;
    for (size_t i = 0; i < class->port_count; i++) {
        n->media[i] = medium_find(media, class->ports[i].medium);
        assert(n->media[i] && (n->media[i]->frames ? class->on_frame || !class->on_bytes : true));
    }
}

static enum err take_settings(struct node *n, const struct component_args *args)
{
    for (size_t i = 0; i < component_settings(n->class); i++) {
        const struct setting_spec *s = &n->class->settings[i];
        n->settings[i] = args->settings ? args->settings[i] : s->fallback;
        if (n->settings[i] < s->min || n->settings[i] > s->max)
            return ERR_SETTING_RANGE;
    }
    return ERR_OK;
}

static enum err take_store_key(struct node *n, const struct component_args *args)
{
    char text[64];
    size_t renewed;
    if (!n->class->sealed)
        return ERR_OK;
    if (args->store_key) {
        memcpy(n->store_key, args->store_key, ENV_STORE_KEY);
        n->seal.key = n->store_key;
    }
    enum err e = seal_check(&n->seal, args->former_store_key, n->store, &renewed);
    if (e || !renewed)
        return e;
    snprintf(text, sizeof text, "store key changed: %zu values sealed anew", renewed);
    node_trace(n, TRACE_NOTE, text);
    return ERR_OK;
}

enum err node_start(struct node *n, const struct component_args *args)
{
    struct component_args own = {.serial = n->serial, .settings = n->settings};
    assert(!n->self);
    text_copy(n->serial, sizeof n->serial, args->serial);
    enum err e = take_settings(n, args);
    if (e)
        return e;
    n->self = calloc(1, n->class->size);
    if (!n->self)
        return ERR_NO_MEMORY;
    n->dead = false;
    n->cause++;
    n->secrets_known = false;
    if (n->class->shows && !(n->shown = calloc(ENV_SHOWS, sizeof *n->shown)))
        return ERR_NO_MEMORY;
    node_trace(n, TRACE_LIFE, "started");
    e = take_store_key(n, args);
    if (e)
        return e;
    e = n->class->init(n->self, &n->env, &own);
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
    n->seal.key = NULL;
    OPENSSL_cleanse(n->store_key, sizeof n->store_key);
    free(n->shown);
    n->shown = NULL;
    free(n->held.bytes);
    n->held = (struct node_held){0};
    store_txn_free(&n->txn);
    node_tap_forget(n);
}

/* Opens and closes one input around a handler's call; inputs do not nest. */
#define NODE_INPUT(n, handler, ...)                          \
    do {                                                     \
        if ((n)->dead || !(n)->self || !(n)->class->handler) \
            return;                                          \
        assert(!(n)->handling);                              \
        (n)->handling = true;                                \
        (n)->cause++;                                        \
        (n)->class->handler((n)->self, __VA_ARGS__);         \
        (n)->handling = false;                               \
        if ((n)->txn.count)                                  \
            store_txn_clear(&(n)->txn);                      \
    } while (0)

void node_on_bytes(struct node *n, unsigned port, const char *address, struct span bytes)
{
    assert(port < n->class->port_count);
    if (!n->dead && n->self && is_cut_here(n, port))
        return;
    if (n->host->tap && n->self) /* nothing enters who is not there */
        node_tap(n, port, false, address, bytes, ERR_OK);
    if (!n->media[port]->frames) {
        NODE_INPUT(n, on_bytes, port, address, bytes);
        return;
    }
    const void *frame = bytes.p;
    assert(bytes.len == sizeof(struct bus_frame));
    NODE_INPUT(n, on_frame, port, frame);
}

void node_on_link(struct node *n, unsigned port, enum link_state state)
{
    static const char *const names[] = {"down", "up", "subscribed"};
    char detail[40];
    assert(port < n->class->port_count);
    if (n->dead || !n->self)
        return;
    snprintf(detail, sizeof detail, "%s %s", n->class->ports[port].name, names[state]);
    node_trace(n, TRACE_LINK, detail);
    NODE_INPUT(n, on_link, port, state);
}

void node_on_news(struct node *n, unsigned port, const char *address, const char *news)
{
    char detail[64];
    assert(port < n->class->port_count);
    if (n->dead || !n->self)
        return;
    /* what stands behind '=' is secret */
    snprintf(detail, sizeof detail, "%s %.*s", n->class->ports[port].name, (int)strcspn(news, "="), news);
    trace_as(n, TRACE_LINK, address, detail);
    if (n->host->tap)
        node_tap_words(n, port, false, address, news, ERR_OK);
    NODE_INPUT(n, on_news, port, address, news);
}

void node_on_timer(struct node *n, unsigned timer)
{
    assert(timer < n->class->timer_count);
    NODE_INPUT(n, on_timer, timer);
}

void node_on_work(struct node *n, unsigned work, enum err e, struct span result)
{
    NODE_INPUT(n, on_work, work, e, result);
}

static enum err call_run(struct node *n, const struct call_spec *call, const struct call_value *values)
{
    n->handling = true;
    n->cause++;
    enum err e = call->run(n->self, values);
    n->handling = false;
    store_txn_clear(&n->txn);
    return e;
}

void node_on_call(struct node *n, unsigned call, const struct call_value *values)
{
    if (n->dead || !n->self)
        return;
    const struct call_spec *spec = &n->class->calls[call];
    assert(spec->name && !n->handling);
    node_trace(n, TRACE_CALL, spec->name);
    enum err e = call_run(n, spec, values);
    if (e)
        env_trace_reason(&n->env, TRACE_REJECT, NULL, spec->name, e, 0, NULL);
}

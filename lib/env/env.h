/* The contract between a component and its host.
 *
 * A component is written once, without I/O. It gets inputs (a frame or bytes on a port, a link that changed,
 * a timer that fired) and answers with calls on its env: send, set a timer, read and write its store, trace.
 * It reaches nothing else. Two hosts implement env: lib/host/process.h (a Linux process) and
 * lib/host/virtual.h (an object in virtual time).
 *
 * What a component sends while it handles one input leaves only after the store transactions of that
 * input are durable; a killed component loses both together. */
#ifndef lib_env_env_h
#define lib_env_env_h

#include "lib/can/matrix.h"
#include "lib/crypto/p256.h"
#include "lib/env/trace.h"

#define ENV_TIMERS    8 /* timers per component, numbered from 0 */
#define ENV_PORTS     6
#define ENV_NEVER     UINT64_MAX
#define ENV_KEY_MAX   96   /* store key, characters */
#define ENV_VALUE_MAX 2048 /* store value, bytes */

struct env;

enum port_kind {
    PORT_CAN,  /* frames on one segment */
    PORT_GSDP, /* MQTT topics */
    PORT_CALL, /* requests to a server (bytes in, bytes out) */
    PORT_SERVE /* such a server; the address names the caller */
};

enum link_state {
    LINK_DOWN,
    LINK_UP,
    LINK_SUBSCRIBED /* GSDP: every subscription of this port is confirmed */
};

struct port_spec {
    const char *name; /* also the link's name in scenarios: "body", "gsdp", "pki" */
    enum port_kind kind;
    enum segment segment;                        /* CAN */
    enum matrix_node node;                       /* CAN: whose messages to receive; 0 = all */
    const char *(*name_of)(struct span payload); /* message name for faults; NULL: none */
};

/* What the world tells a component at start, beside its store. */
struct component_args {
    const char *serial;       /* ECU serial of the vehicle it belongs to; "" for a server */
    const char *const *pairs; /* "key=value", NULL at the end; NULL for none */
};

/* Value of a key in args->pairs, or the fallback. */
const char *component_arg(const struct component_args *args, const char *key, const char *fallback);
/* The same for a number; the fallback too when it is not one. */
uint64_t component_arg_number(const struct component_args *args, const char *key, uint64_t fallback);

struct component_class {
    const char *name;
    size_t size; /* of the instance; zeroed before init */
    const struct port_spec *ports;
    size_t port_count;
    const char *const *settings; /* names it takes in component_args.pairs, NULL at the end; NULL for none */
    /* Any handler but init may be NULL. init may read the store, subscribe and set timers; links come up
     * later, by on_link. */
    enum err (*init)(void *self, struct env *env, const struct component_args *args);
    void (*fini)(void *self);
    void (*on_frame)(void *self, unsigned port, const struct bus_frame *f);
    /* address: the topic (GSDP) or the caller (SERVE); "" otherwise. Borrowed, like the bytes. */
    void (*on_bytes)(void *self, unsigned port, const char *address, struct span bytes);
    void (*on_link)(void *self, unsigned port, enum link_state state);
    void (*on_timer)(void *self, unsigned timer);
};

struct env_ops {
    uint64_t (*now_us)(struct env *env);
    int64_t (*wall_ms)(struct env *env);
    void (*timer_set)(struct env *env, unsigned timer, uint64_t at_us);
    enum err (*send_frame)(struct env *env, unsigned port, const struct bus_frame *f);
    enum err (*send_bytes)(struct env *env, unsigned port, const char *address, struct span bytes);
    enum err (*subscribe)(struct env *env, unsigned port, const char *topic);
    enum err (*store_get)(struct env *env, const char *key, void *buf, size_t cap, size_t *len);
    enum err (*store_put)(struct env *env, const char *key, struct span value); /* p == NULL: delete */
    enum err (*store_commit)(struct env *env);
    enum err (*store_scan)(struct env *env, const char *prefix,
                           void (*each)(void *ctx, const char *key, struct span value), void *ctx);
    void (*trace)(struct env *env, struct trace_event *e);
};

struct env {
    const struct env_ops *ops;
    struct crypto *crypto;
    const char *name; /* of the component in this run */
};

/* Monotonic, since the run began. */
static inline uint64_t env_now_us(struct env *env)
{
    return env->ops->now_us(env);
}
/* Wall clock, since 1970; may step. */
static inline int64_t env_wall_ms(struct env *env)
{
    return env->ops->wall_ms(env);
}
static inline void env_random(struct env *env, void *out, size_t len)
{
    crypto_random(env->crypto, out, len);
}
/* Sets, moves, or with ENV_NEVER stops a timer. */
static inline void env_timer_set(struct env *env, unsigned timer, uint64_t at_us)
{
    env->ops->timer_set(env, timer, at_us);
}
static inline void env_timer_in(struct env *env, unsigned timer, uint64_t delay_us)
{
    env->ops->timer_set(env, timer, env->ops->now_us(env) + delay_us);
}
/* ERR_LINK_DOWN when the link is down: nothing was sent. */
static inline enum err env_send_frame(struct env *env, unsigned port, const struct bus_frame *f)
{
    return env->ops->send_frame(env, port, f);
}
static inline enum err env_send_bytes(struct env *env, unsigned port, const char *address, struct span bytes)
{
    return env->ops->send_bytes(env, port, address, bytes);
}
/* Kept by the host over reconnects; LINK_SUBSCRIBED tells when the broker has confirmed all. */
static inline enum err env_subscribe(struct env *env, unsigned port, const char *topic)
{
    return env->ops->subscribe(env, port, topic);
}
/* ERR_NOT_FOUND, ERR_NO_SPACE. Sees the puts of the transaction under way. */
static inline enum err env_store_get(struct env *env, const char *key, void *buf, size_t cap, size_t *len)
{
    return env->ops->store_get(env, key, buf, cap, len);
}
static inline enum err env_store_put(struct env *env, const char *key, struct span value)
{
    return env->ops->store_put(env, key, value);
}
static inline enum err env_store_delete(struct env *env, const char *key)
{
    return env->ops->store_put(env, key, (struct span){NULL, 0});
}
/* All puts and deletes since the last commit, or none of them. Without a commit they are forgotten when
 * the handler returns. */
static inline enum err env_store_commit(struct env *env)
{
    return env->ops->store_commit(env);
}
/* Committed entries whose key begins with prefix, in order of keys. */
static inline enum err env_store_scan(struct env *env, const char *prefix,
                                      void (*each)(void *ctx, const char *key, struct span value), void *ctx)
{
    return env->ops->store_scan(env, prefix, each, ctx);
}

/* ---- tracing; texts are copied, NULL counts as "" ---- */

void env_trace(struct env *env, struct trace_event *e);
void env_trace_step(struct env *env, const char *step, const char *what);
/* SEND, ACCEPT and RELAY carry the digest of the payload, which proves the path. */
void env_trace_message(struct env *env, enum trace_kind kind, const char *step, const char *message,
                       const char *peer, struct span payload, const char *detail);
/* REJECT, RETRY, FAIL, DROP (count in length), HOLD. */
void env_trace_reason(struct env *env, enum trace_kind kind, const char *step, const char *message,
                      enum err reason, uint32_t length, const char *detail);
void env_trace_state(struct env *env, const char *state);
void env_trace_note(struct env *env, enum trace_kind kind, const char *text);

#endif

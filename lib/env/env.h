/* What a component can do: its env. It gets inputs (a frame or bytes on a port, news of a medium, a link that
 * changed, a timer that fired, a work that is done) and answers with calls on its env: send, set a timer,
 * read and write its store, trace. It reaches nothing else. Two hosts implement env: lib/host/process.h (a
 * Linux process) and lib/host/virtual.h (an object in virtual time).
 *
 * What a component sends while it handles one input leaves only after the store transactions of that
 * input are durable. Killed at a step of its own it has done what comes before that step and loses what it
 * had not committed; killed from outside it loses both together.
 *
 * Port, timer, show, claim and work are indices into the tables of the class (lib/env/component.h); one
 * outside its table is a broken promise and ends the program. */
#ifndef lib_env_env_h
#define lib_env_env_h

#include "lib/crypto/p256.h"
#include "lib/env/component.h"
#include "lib/env/trace.h"

#define ENV_NEVER UINT64_MAX

struct env_ops {
    uint64_t (*now_us)(struct env *env);
    int64_t (*wall_ms)(struct env *env);
    void (*timer_set)(struct env *env, unsigned timer, uint64_t at_us);
    enum err (*send_frame)(struct env *env, unsigned port, const struct bus_frame *f);
    enum err (*send_bytes)(struct env *env, unsigned port, const char *address, struct span bytes);
    enum err (*subscribe)(struct env *env, unsigned port, const char *topic);
    enum err (*tell)(struct env *env, unsigned port, const char *address, const char *news);
    enum err (*work)(struct env *env, unsigned work, struct span in);
    enum err (*store_get)(struct env *env, const char *key, void *buf, size_t cap, size_t *len);
    enum err (*store_put)(struct env *env, const char *key, struct span value); /* p == NULL: delete */
    enum err (*store_commit)(struct env *env);
    enum err (*store_scan)(struct env *env, const char *prefix,
                           void (*each)(void *ctx, const char *key, struct span value), void *ctx);
    void (*trace)(struct env *env, struct trace_event *e);
    void (*show)(struct env *env, unsigned show, const char *text);
    void (*claim)(struct env *env, unsigned claim, const char *subject, struct span value);
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
/* ERR_TOPIC_NOT_ALLOWED for a topic that the class does not declare. */
static inline enum err env_send_bytes(struct env *env, unsigned port, const char *address, struct span bytes)
{
    return env->ops->send_bytes(env, port, address, bytes);
}
/* Kept by the host over reconnects; LINK_SUBSCRIBED tells when the broker has confirmed all. */
static inline enum err env_subscribe(struct env *env, unsigned port, const char *topic)
{
    return env->ops->subscribe(env, port, topic);
}
/* Tells a medium something beside bytes, in its own words (the header of the medium has them): "field-off" of
 * a reader, "open" with the name of a reader as address of a phone. ERR_BAD_ARGUMENT for a word that it does
 * not know. */
static inline enum err env_tell(struct env *env, unsigned port, const char *address, const char *news)
{
    return env->ops->tell(env, port, address, news);
}
/* Hands out a work; the input is copied. Its result comes by on_work, unless the component is killed before.
 */
static inline enum err env_work(struct env *env, unsigned work, struct span in)
{
    return env->ops->work(env, work, in);
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
/* What a screen, a lamp, a door shows; traced when it differs from what was shown before. */
static inline void env_show(struct env *env, unsigned show, const char *text)
{
    env->ops->show(env, show, text);
}
/* Holds from now on that the subject has this value; p == NULL: holds nothing of it any more. A restart
 * begins without claims. The value is traced as a digest. */
static inline void env_claim(struct env *env, unsigned claim, const char *subject, struct span value)
{
    env->ops->claim(env, claim, subject, value);
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

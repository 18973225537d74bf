#include "lib/env/env.h"

#include <stdlib.h>
#include <string.h>

const char *component_arg(const struct component_args *args, const char *key, const char *fallback)
{
    size_t len = strlen(key);
    for (const char *const *p = args->pairs; p && *p; p++)
        if (strncmp(*p, key, len) == 0 && (*p)[len] == '=')
            return *p + len + 1;
    return fallback;
}

uint64_t component_arg_number(const struct component_args *args, const char *key, uint64_t fallback)
{
    const char *text = component_arg(args, key, "");
    char *end;
    uint64_t v = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' ? v : fallback;
}

void env_trace(struct env *env, struct trace_event *e)
{
    text_copy(e->component, sizeof e->component, env->name);
    env->ops->trace(env, e);
}

static void fill(char *out, size_t cap, const char *text)
{
    if (text)
        text_copy(out, cap, text);
}

#define FILL(field, text) fill(field, sizeof field, text)

void env_trace_step(struct env *env, const char *step, const char *what)
{
    struct trace_event e = {.kind = TRACE_STEP};
    FILL(e.step, step);
    FILL(e.detail, what);
    env_trace(env, &e);
}

void env_trace_message(struct env *env, enum trace_kind kind, const char *step, const char *message,
                       const char *peer, struct span payload, const char *detail)
{
    struct trace_event e = {.kind = (uint16_t)kind, .length = (uint32_t)payload.len};
    uint8_t digest[SHA256_SIZE];
    crypto_sha256(env->crypto, &payload, 1, digest);
    memcpy(e.digest, digest, TRACE_DIGEST);
    e.has_digest = true;
    FILL(e.step, step);
    FILL(e.message, message);
    FILL(e.peer, peer);
    FILL(e.detail, detail);
    env_trace(env, &e);
}

void env_trace_reason(struct env *env, enum trace_kind kind, const char *step, const char *message,
                      enum err reason, uint32_t length, const char *detail)
{
    struct trace_event e = {.kind = (uint16_t)kind, .reason = (uint16_t)reason, .length = length};
    FILL(e.step, step);
    FILL(e.message, message);
    FILL(e.detail, detail);
    env_trace(env, &e);
}

void env_trace_state(struct env *env, const char *state)
{
    env_trace_note(env, TRACE_STATE, state);
}

void env_trace_note(struct env *env, enum trace_kind kind, const char *text)
{
    struct trace_event e = {.kind = (uint16_t)kind};
    FILL(e.detail, text);
    env_trace(env, &e);
}

#include "lib/env/env.h"

#include <stdio.h>
#include <string.h>

bool component_port(const struct component_class *class, const char *name, unsigned *out)
{
    for (unsigned i = 0; i < class->port_count; i++)
        if (strcmp(class->ports[i].name, name) == 0) {
            *out = i;
            return true;
        }
    return false;
}

bool component_call(const struct component_class *class, const char *name, unsigned *out)
{
    for (unsigned i = 0; class->calls && class->calls[i].name; i++)
        if (strcmp(class->calls[i].name, name) == 0) {
            *out = i;
            return true;
        }
    return false;
}

size_t component_settings(const struct component_class *class)
{
    size_t n = 0;
    while (class->settings && class->settings[n].name)
        n++;
    return n;
}

size_t component_parameters(const struct call_spec *call)
{
    size_t n = 0;
    while (call->parameters && call->parameters[n].name)
        n++;
    return n;
}

/* Does what the filter lets through include the whole of `topic`, which may be a filter itself? No serial:
 * any stands for it. */
static bool topic_within(const char *filter, const char *serial, const char *topic)
{
    static const char place[] = "{serial}";
    while (*filter) {
        bool is_place = strncmp(filter, place, sizeof place - 1) == 0;
        if (*filter == '+' || (is_place && !serial)) {
            topic += strcspn(topic, "/");
            filter += is_place ? sizeof place - 1 : 1;
        } else if (is_place) {
            size_t len = strlen(serial);
            if (!len || strncmp(topic, serial, len) != 0)
                return false;
            topic += len;
            filter += sizeof place - 1;
        } else if (*filter++ != *topic++) {
            return false;
        }
    }
    return *topic == '\0';
}

/* With the serial of any of these vehicles. */
static bool key_within(const char *filter, const char *const *serials, const char *key)
{
    if (!serials)
        return topic_within(filter, NULL, key);
    if (topic_within(filter, "", key))
        return true;
    for (; *serials; serials++)
        if (topic_within(filter, *serials, key))
            return true;
    return false;
}

bool component_key(const struct component_class *class, const char *const *serials, const char *key)
{
    char filter[ENV_KEY_MAX + 16];
    if (!class->keys)
        return true;
    for (const char *const *k = class->keys; *k; k++)
        if (key_within(*k, serials, key))
            return true;
    for (const struct plant_item *i = class->plant; i && i->key; i++) {
        snprintf(filter, sizeof filter, "%s%s", i->key, i->kind == PLANT_VEHICLES ? "{serial}" : "");
        if (key_within(filter, serials, key))
            return true;
    }
    return false;
}

bool component_topic(const struct component_class *class, const char *serial, enum topic_access access,
                     const char *topic)
{
    /* "#" reaches more levels than any declaration, and nothing is published on a filter */
    if (strpbrk(topic, access == TOPIC_WRITE ? "#+" : "#"))
        return false;
    for (const struct topic_rule *r = class->topics; r && r->filter; r++)
        if (r->access & access && topic_within(r->filter, serial, topic))
            return true;
    return false;
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

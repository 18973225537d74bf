#include "lib/env/trace.h"

#include <inttypes.h>
#include <string.h>

static const char *const kinds[TRACE_KINDS] = {
#define X(name, text) text,
    TRACE_KIND_LIST(X)
#undef X
};

const char *trace_kind_name(enum trace_kind k)
{
    return k < TRACE_KINDS ? kinds[k] : "?";
}

enum trace_kind trace_kind_from_name(const char *name)
{
    unsigned k = 0;
    while (k < TRACE_KINDS && strcmp(kinds[k], name) != 0)
        k++;
    return (enum trace_kind)k;
}

struct text {
    char *p;
    size_t cap, len;
};

static void add(struct text *t, const char *s)
{
    for (; *s && t->len + 1 < t->cap; s++)
        t->p[t->len++] = *s;
    t->p[t->len] = '\0';
}

static void add_json_string(struct text *t, const char *key, const char *value)
{
    if (!*value)
        return;
    add(t, ",\"");
    add(t, key);
    add(t, "\":\"");
    t->len += text_json(value, t->p + t->len, t->cap - t->len);
    add(t, "\"");
}

size_t trace_json(const struct trace_event *e, char out[TRACE_JSON_MAX])
{
    struct text t = {out, TRACE_JSON_MAX, 0};
    char number[96], digest[2 * TRACE_DIGEST + 1];
    snprintf(number, sizeof number,
             "{\"schema\":%d,\"t_us\":%" PRIu64 ",\"seq\":%" PRIu32 ",\"cause\":%" PRIu32, TRACE_SCHEMA,
             e->time_us, e->sequence, e->cause);
    add(&t, number);
    add_json_string(&t, "component", e->component);
    add_json_string(&t, "kind", trace_kind_name((enum trace_kind)e->kind));
    add_json_string(&t, "step", e->step);
    add_json_string(&t, "message", e->message);
    add_json_string(&t, "peer", e->peer);
    if (e->length) {
        snprintf(number, sizeof number, ",\"length\":%" PRIu32, e->length);
        add(&t, number);
    }
    if (e->has_digest) {
        hex_encode(e->digest, TRACE_DIGEST, digest);
        add_json_string(&t, "digest", digest);
    }
    if (e->reason)
        add_json_string(&t, "reason", err_name((enum err)e->reason));
    add_json_string(&t, "detail", e->detail);
    add(&t, "}");
    return t.len;
}

#define RED    "\033[31m"
#define YELLOW "\033[33m"
#define BOLD   "\033[1m"
#define PLAIN  "\033[0m"

static const char *colour_of(const struct trace_event *e)
{
    switch ((enum trace_kind)e->kind) {
    case TRACE_REJECT:
    case TRACE_FAIL:
    case TRACE_DROP:
        return RED;
    case TRACE_FAULT:
    case TRACE_RETRY:
    case TRACE_HOLD:
        return YELLOW;
    case TRACE_SEND:
        return BOLD;
    default:
        return "";
    }
}

/* Verb, message, reason and detail, as far as the event has them. */
static void tell_what(const struct trace_event *e, char out[240])
{
    const char *verb = "";
    if (e->kind != TRACE_SEND && e->kind != TRACE_STEP)
        verb = e->kind == TRACE_ACCEPT ? "verified " : trace_kind_name((enum trace_kind)e->kind);
    bool carried = e->kind == TRACE_SEND || e->kind == TRACE_ACCEPT;
    const char *detail = carried ? strstr(e->detail, "error=") : e->detail;
    snprintf(out, 240, "%s%s%s%s%s%s%s", verb, *verb && e->kind != TRACE_ACCEPT ? " " : "", e->message,
             e->reason ? "  " : "", e->reason ? err_name((enum err)e->reason) : "",
             detail && *detail && (*verb || *e->message) ? "  " : "", detail ? detail : "");
}

void trace_text(const struct trace_event *e, bool colour, char out[TRACE_TEXT_MAX])
{
    char who[80], what[240], size[24] = "";
    const char *on = colour ? colour_of(e) : "";
    if (e->kind == TRACE_SEND)
        snprintf(who, sizeof who, "%s -> %s", e->component, e->peer);
    else
        snprintf(who, sizeof who, "%s", e->component);
    if (e->kind == TRACE_SEND && e->length)
        snprintf(size, sizeof size, "  %" PRIu32 " B", e->length);
    tell_what(e, what);
    snprintf(out, TRACE_TEXT_MAX, "%s%9.1f ms  %-9s %-15s %s%s%s", on, (double)e->time_us / 1000.0, e->step,
             who, what, size, *on ? PLAIN : "");
}

bool trace_detail(const struct trace_event *e, const char *key, char *out, size_t cap)
{
    size_t key_len = strlen(key);
    for (const char *p = e->detail; *p;) {
        size_t word = strcspn(p, " ");
        if (word > key_len && p[key_len] == '=' && memcmp(p, key, key_len) == 0) {
            size_t len = word - key_len - 1 < cap - 1 ? word - key_len - 1 : cap - 1;
            memcpy(out, p + key_len + 1, len);
            out[len] = '\0';
            return true;
        }
        p += word;
        p += strspn(p, " ");
    }
    return false;
}

#include "lib/host/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[FAULT_KINDS] = {
#define X(name, text) text,
    FAULT_KIND_LIST(X)
#undef X
};

const char *fault_kind_name(enum fault_kind k)
{
    return k < FAULT_KINDS ? kinds[k] : "?";
}

void fault_print(const struct fault *f, char out[FAULT_TEXT_MAX])
{
    snprintf(out, FAULT_TEXT_MAX, "%u,%s,%s,%s,%s,%s,%u,%u,%u,%u", f->number, fault_kind_name(f->kind),
             f->link, f->message, f->component, f->step, f->nth, f->times, f->delay_ms, f->byte);
}

static bool field(const char **p, char *out, size_t cap)
{
    size_t len = strcspn(*p, ",");
    if (len >= cap)
        return false;
    memcpy(out, *p, len);
    out[len] = '\0';
    *p += len + ((*p)[len] == ',');
    return true;
}

static bool number(const char **p, unsigned *out)
{
    char text[16], *end;
    if (!field(p, text, sizeof text))
        return false;
    *out = (unsigned)strtoull(text, &end, 10);
    return *text && *end == '\0';
}

enum err fault_parse(const char *text, struct fault *out)
{
    struct fault f = {0};
    char kind[16];
    unsigned k = 0, delay;
    if (!number(&text, &f.number) || !field(&text, kind, sizeof kind))
        return ERR_BAD_SYNTAX;
    while (k < FAULT_KINDS && strcmp(kinds[k], kind) != 0)
        k++;
    f.kind = (enum fault_kind)k;
    if (k == FAULT_KINDS || !field(&text, f.link, sizeof f.link) ||
        !field(&text, f.message, sizeof f.message) || !field(&text, f.component, sizeof f.component) ||
        !field(&text, f.step, sizeof f.step) || !number(&text, &f.nth) || !number(&text, &f.times) ||
        !number(&text, &delay) || !number(&text, &f.byte))
        return ERR_BAD_SYNTAX;
    f.delay_ms = delay;
    *out = f;
    return ERR_OK;
}

void fault_describe(const struct fault *f, char out[96])
{
    if (f->kind == FAULT_KILL)
        snprintf(out, 96, "kill %s at %s", f->component, f->step);
    else if (f->kind == FAULT_CUT && f->nth)
        snprintf(out, 96, "cut %s of %s at its message %u", f->link, f->component, f->nth);
    else if (f->kind == FAULT_CUT)
        snprintf(out, 96, "cut %s%s%s", f->link, *f->component ? " of " : "", f->component);
    else if (f->kind == FAULT_REFUSE)
        snprintf(out, 96, "refuse commit %u of %s", f->nth, f->component);
    else if (f->nth == FAULT_ALWAYS)
        snprintf(out, 96, "%s each %s on %s", fault_kind_name(f->kind), f->message, f->link);
    else
        snprintf(out, 96, "%s %.47s number %u on %s", fault_kind_name(f->kind), f->message, f->nth, f->link);
}

static void act(const struct fault *f, uint8_t *bytes, size_t len, struct fault_outcome *out)
{
    uint64_t delay_us = f->delay_ms * 1000ull;
    switch (f->kind) {
    case FAULT_LOSE:
        out->copies = 0;
        break;
    case FAULT_REPEAT:
        for (unsigned i = 0; i < f->times && out->copies < FAULT_COPIES; i++)
            out->delay_us[out->copies++] = delay_us * (i + 1);
        break;
    case FAULT_DELAY:
        out->delay_us[0] = delay_us;
        break;
    case FAULT_REORDER:
        out->hold = true;
        break;
    case FAULT_CORRUPT:
        if (len)
            bytes[f->byte % len] ^= 0xFF;
        break;
    case FAULT_KILL:
    case FAULT_CUT:
    case FAULT_REFUSE:
    case FAULT_KINDS:
        break;
    }
}

/* What of them undid another: a message that is lost is not corrupted, nor is one that is corrupted twice at
 * the same byte, nor repeated one that is lost and sent again at once. */
static bool has_effect(const struct fault *const *fired, size_t count, size_t at, size_t len,
                       const struct fault_outcome *out)
{
    const struct fault *f = fired[at];
    size_t same = 0;
    for (size_t i = 0; i < count; i++) {
        const struct fault *g = fired[i];
        same += g->kind == FAULT_CORRUPT && len && g->byte % len == f->byte % len;
        if (f->kind == FAULT_DELAY && g->kind == FAULT_DELAY && i > at)
            return false; /* the last one counts */
    }
    if (out->copies == 0)
        return f->kind == FAULT_LOSE;
    return f->kind == FAULT_CORRUPT ? same % 2 == 1 : !(out->copies == 1 && !out->delay_us[0] && !out->hold);
}

static void keep_effective(const struct fault *const *fired, size_t count, size_t len,
                           struct fault_outcome *out)
{
    size_t n = 0;
    for (size_t i = 0; i < count && n < FAULT_COPIES; i++)
        if (has_effect(fired, count, i, len, out))
            out->fired[n++] = fired[i];
}

void fault_apply(struct fault_plan *plan, const char *link, const char *message, uint8_t *bytes, size_t len,
                 struct fault_outcome *out)
{
    const struct fault *fired[FAULT_MAX];
    size_t count = 0;
    *out = (struct fault_outcome){.copies = 1};
    if (plan->census)
        plan->census->message(plan->census->ctx, link, message);
    for (size_t i = 0; i < plan->count; i++) {
        struct fault *f = &plan->faults[i];
        if (f->kind >= FAULT_KILL || strcmp(f->link, link) != 0 || strcmp(f->message, message) != 0)
            continue;
        f->seen++;
        if (f->nth != FAULT_ALWAYS && f->seen != f->nth)
            continue;
        act(f, bytes, len, out);
        fired[count++] = f;
    }
    keep_effective(fired, count, len, out);
}

struct fault *fault_kill_at(struct fault_plan *plan, const char *component, const char *step)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct fault *f = &plan->faults[i];
        if (f->kind == FAULT_KILL && f->number && !f->late && strcmp(f->component, component) == 0 &&
            strcmp(f->step, step) == 0)
            return f;
    }
    return NULL;
}

const struct fault *fault_cut_at(struct fault_plan *plan, const char *component, const char *link)
{
    const struct fault *meant = NULL;
    for (size_t i = 0; i < plan->count; i++) {
        struct fault *f = &plan->faults[i];
        if (f->kind == FAULT_CUT && f->nth && strcmp(f->component, component) == 0 &&
            strcmp(f->link, link) == 0 && ++f->seen == f->nth)
            meant = f;
    }
    return meant;
}

const struct fault *fault_refuse(struct fault_plan *plan, const char *component)
{
    const struct fault *meant = NULL;
    if (plan->census)
        plan->census->commit(plan->census->ctx, component);
    for (size_t i = 0; i < plan->count; i++) {
        struct fault *f = &plan->faults[i];
        if (f->kind != FAULT_REFUSE || strcmp(f->component, component) != 0)
            continue;
        f->seen++;
        if (f->nth == FAULT_ALWAYS || (f->seen >= f->nth && f->seen - f->nth < f->times))
            meant = f;
    }
    return meant;
}

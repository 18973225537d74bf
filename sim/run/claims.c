#include "sim/run/claims.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void claims_begin(struct claims *c, const struct scenario *s)
{
    *c = (struct claims){.scenario = s};
}

void claims_free(struct claims *c)
{
    free(c->held);
    c->held = NULL;
    c->count = c->cap = 0;
}

static const struct claim_spec *find_spec(const struct component_class *class, const char *name)
{
    for (const struct claim_spec *s = class->claims; s && s->name; s++)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

static bool same_thing(const struct claim *a, const char *name, const char *subject)
{
    return strcmp(a->spec->name, name) == 0 && strcmp(a->subject, subject) == 0;
}

static void drop(struct claims *c, size_t i)
{
    c->held[i] = c->held[--c->count];
}

/* What components of another class come after was told to them. It may still be on its way: neither the death
 * of who told it calls it back, nor that more is told since. */
static bool is_told(const struct claims *c, const struct claim *told)
{
    const struct scenario *s = c->scenario;
    for (size_t i = 0; i < s->member_count; i++) {
        const struct component_class *class = s->members[i].class;
        if (!class || class == told->class)
            continue;
        for (const struct claim_spec *spec = class->claims; spec && spec->name; spec++)
            if (spec->kind == CLAIM_ONLY_AFTER && strcmp(spec->after, told->spec->name) == 0)
                return true;
    }
    return false;
}

/* A component that was killed claims nothing any more. */
static void forget_holder(struct claims *c, const char *holder)
{
    for (size_t i = c->count; i-- > 0;)
        if (strcmp(c->held[i].holder, holder) == 0 && !is_told(c, &c->held[i]))
            drop(c, i);
}

static void forget_former(struct claims *c, const struct claim *n, bool withdrawn)
{
    for (size_t i = c->count; i-- > 0;) {
        const struct claim *h = &c->held[i];
        if (same_thing(h, n->spec->name, n->subject) && strcmp(h->holder, n->holder) == 0 &&
            (withdrawn || h->used || !is_told(c, h)))
            drop(c, i);
    }
}

static bool others_hold(const struct claims *c, const struct claim *n, char problem[CLAIM_PROBLEM])
{
    for (size_t i = 0; i < c->count; i++) {
        if (!same_thing(&c->held[i], n->spec->name, n->subject) || strcmp(c->held[i].holder, n->holder) == 0)
            continue;
        snprintf(problem, CLAIM_PROBLEM, "%s claims \"%s\" of %s, which %s holds already: at most one may",
                 n->holder, n->spec->name, n->subject, c->held[i].holder);
        return true;
    }
    return false;
}

bool claims_unseen(const struct scenario *s, const struct member *holder, const struct claim_spec *spec)
{
    if (spec->kind != CLAIM_ONLY_AFTER || find_spec(holder->class, spec->after))
        return false;
    for (size_t i = 0; i < s->member_count; i++) {
        const struct member *m = &s->members[i];
        if (m->external && m->group == holder->group && m->class && find_spec(m->class, spec->after))
            return true;
    }
    return false;
}

static bool comes_after(struct claims *c, const struct claim *n, char problem[CLAIM_PROBLEM])
{
    for (size_t i = 0; i < c->count; i++) {
        struct claim *before = &c->held[i];
        if (!same_thing(before, n->spec->after, n->subject) || before->used ||
            memcmp(before->value, n->value, TRACE_DIGEST) != 0)
            continue;
        if (n->spec->within_us && n->time_us > before->time_us + n->spec->within_us)
            break;
        before->used = true;
        return true;
    }
    if (claims_unseen(c->scenario, scenario_member(c->scenario, n->holder), n->spec))
        return true;
    snprintf(problem, CLAIM_PROBLEM, "%s claims \"%s\" of %s without a fresh \"%s\" before it", n->holder,
             n->spec->name, n->subject, n->spec->after);
    return false;
}

static void hold(struct claims *c, const struct claim *n)
{
    if (c->count == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 16;
        struct claim *more = realloc(c->held, cap * sizeof *more);
        if (!more)
            abort();
        c->held = more;
        c->cap = cap;
    }
    c->held[c->count++] = *n;
}

bool claims_take(struct claims *c, const struct trace_event *e, char problem[CLAIM_PROBLEM])
{
    if (e->kind == TRACE_LIFE && strcmp(e->detail, "started") != 0)
        forget_holder(c, e->component);
    const struct member *m = e->kind == TRACE_CLAIM ? scenario_member(c->scenario, e->component) : NULL;
    const struct claim_spec *spec = m && m->class ? find_spec(m->class, e->message) : NULL;
    if (!spec)
        return true;
    struct claim n = {.spec = spec, .class = m->class, .time_us = e->time_us};
    text_copy(n.holder, sizeof n.holder, e->component);
    text_copy(n.subject, sizeof n.subject, e->peer);
    memcpy(n.value, e->digest, sizeof n.value);
    forget_former(c, &n, !e->has_digest);
    if (!e->has_digest)
        return true;
    bool ok = spec->kind == CLAIM_AT_MOST_ONE  ? !others_hold(c, &n, problem)
              : spec->kind == CLAIM_ONLY_AFTER ? comes_after(c, &n, problem)
                                               : true;
    hold(c, &n);
    return ok;
}

static void judge_equal(const struct claims *c, const struct claim *a, void (*fail)(void *, const char *),
                        void *ctx)
{
    char problem[CLAIM_PROBLEM];
    bool shared = false;
    for (size_t i = 0; i < c->count; i++) {
        const struct claim *b = &c->held[i];
        if (strcmp(b->holder, a->holder) == 0 || !same_thing(b, a->spec->name, a->subject))
            continue;
        shared |= b->class != a->class;
        if (a < b && memcmp(a->value, b->value, TRACE_DIGEST) != 0) {
            snprintf(problem, sizeof problem, "%s and %s do not hold the same \"%s\" of %s", a->holder,
                     b->holder, a->spec->name, a->subject);
            fail(ctx, problem);
        }
    }
    if (a->spec->shared && !shared) {
        snprintf(problem, sizeof problem, "%s holds \"%s\" of %s, and nobody else knows of it", a->holder,
                 a->spec->name, a->subject);
        fail(ctx, problem);
    }
}

void claims_judge(const struct claims *c, void (*fail)(void *ctx, const char *problem), void *ctx)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->held[i].spec->kind == CLAIM_EQUAL)
            judge_equal(c, &c->held[i], fail, ctx);
}

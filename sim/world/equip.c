#include "sim/world/equip.h"

#include <string.h>

#include "sim/world/interrupt.h"

bool equip_begin(struct run *r, struct crypto *c, int64_t now_ms, struct equipment *out)
{
    char problem[600] = "";
    *out = (struct equipment){0};
    if (r->scenario->given.after[0]) {
        out->past = past_of(r->scenario, r->options, now_ms, problem, sizeof problem);
        if (!out->past && !interrupt_heard()) /* an interrupt is told by whoever began the run */
            run_fail(r, "given after %s: %.240s", r->scenario->given.after, problem);
        if (!out->past)
            return false;
        out->plant = out->past->plant;
        return true;
    }
    enum err e = plant_make(c, now_ms / 1000, &out->plant);
    if (e)
        run_fail(r, "the authorities cannot be made: %s", err_text(e));
    return !e;
}

static size_t defects_of(const struct scenario *s, size_t member, const struct defect_spec **out)
{
    size_t n = 0;
    for (size_t i = 0; i < s->given.defect_count; i++)
        if (s->given.defects[i].member == member)
            out[n++] = s->given.defects[i].defect;
    return n;
}

static enum err equip_member(const struct scenario *s, const struct equipment *q, struct plant_shift *shift,
                             size_t member, struct store *store)
{
    const struct member *m = &s->members[member];
    const struct defect_spec *defects[SCENARIO_DEFECTS];
    size_t n = defects_of(s, member, defects);
    struct store *before = past_store(q->past, m->name);
    enum err e = before ? store_copy(before, store) : ERR_OK;
    return e ? e : plant_equip(shift, m->class, m->serial, !before, defects, n, store);
}

/* Each vehicle once. */
static void serials_of(const struct scenario *s, const char *out[SCENARIO_MEMBERS + 1])
{
    size_t n = 0;
    for (size_t i = 0; i < s->member_count; i++) {
        bool known = !s->members[i].serial[0];
        for (size_t k = 0; k < n; k++)
            known |= strcmp(out[k], s->members[i].serial) == 0;
        if (!known)
            out[n++] = s->members[i].serial;
    }
    out[n] = NULL;
}

/* For the run; and for a life after this one, which begins with the key in force. */
static void keep_store_keys(struct run *r, struct equipment *q, const struct plant_shift *shift)
{
    memcpy(q->plant.store_key, shift->store_key, ENV_STORE_KEY);
    memcpy(r->store_keys.key, shift->store_key, ENV_STORE_KEY);
    memcpy(r->store_keys.former, shift->former_store_key, ENV_STORE_KEY);
    r->store_keys.changed = shift->store_key_changed;
}

enum err equip_stores(struct run *r, struct equipment *q, struct crypto *c, int64_t now_ms,
                      struct store *(*store)(void *ctx, size_t member), void *ctx)
{
    const struct scenario *s = r->scenario;
    const char *serials[SCENARIO_MEMBERS + 1];
    struct plant_shift shift;
    serials_of(s, serials);
    enum err e = plant_open(&q->plant, c, now_ms / 1000, serials, &shift);
    if (e)
        return e;
    for (size_t i = 0; !e && i < s->member_count; i++) {
        if (!s->members[i].class || !s->members[i].class->stores)
            continue;
        struct store *to = store(ctx, i);
        e = to ? equip_member(s, q, &shift, i, to) : ERR_STORE_FAILED;
        if (e == ERR_NOT_FOUND)
            run_fail(r,
                     "the defects of %s need a life before that left what they change: `given: {after: ...}`",
                     s->members[i].name);
    }
    keep_store_keys(r, q, &shift);
    plant_close(&shift);
    return e;
}

void equip_end(struct equipment *q)
{
    plant_wipe(&q->plant);
}

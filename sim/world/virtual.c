/* The virtual world of a scenario. */
#include <stdlib.h>
#include <string.h>

#include "lib/host/virtual.h"
#include "sim/cast.h"
#include "sim/plant/given.h"
#include "sim/run/run.h"

#define EVENTS_MAX 20000000ull /* a livelock fails instead of hanging */

struct world {
    struct virtual *v;
    struct component_args args[SCENARIO_COMPONENTS + SCENARIO_ACTIONS];
    const char *pairs[SCENARIO_COMPONENTS + SCENARIO_ACTIONS][8];
    char texts[SCENARIO_ACTIONS][4][BUS_TEXT_MAX + 8];
    size_t count, rogues;
};

static void on_trace(void *ctx, const struct trace_event *e)
{
    run_on_event(ctx, e);
}

static void on_frame(void *ctx, uint64_t now_us, enum segment s, const struct bus_frame *f)
{
    run_on_frame(ctx, now_us, segment_name(s), f);
}

static bool is_broker(const char *component)
{
    return strcmp(component, "broker") == 0;
}

static void world_kill(struct run *r, const char *component)
{
    struct world *w = r->world;
    if (is_broker(component))
        virtual_broker_kill(w->v);
    else
        virtual_kill(virtual_find(w->v, component), "killed");
}

static void world_start(struct run *r, const char *component)
{
    struct world *w = r->world;
    struct virtual_node *n = is_broker(component) ? NULL : virtual_find(w->v, component);
    enum err e = ERR_OK;
    if (is_broker(component))
        virtual_broker_start(w->v);
    else if (!virtual_alive(n))
        e = virtual_start(n);
    if (e)
        run_fail(r, "%s does not start: %s (%s)", component, err_text(e), err_name(e));
}

static void world_cut(struct run *r, const char *component, const char *link, bool cut)
{
    struct world *w = r->world;
    virtual_cut(virtual_find(w->v, component), link, cut);
}

static void world_renew(struct run *r)
{
    struct world *w = r->world;
    uint8_t out[64];
    virtual_call(virtual_find(w->v, "vos"), "vos-admin", span_of(out, run_renew_call(out)));
}

static const char **settings_of(struct world *w, const struct scenario *s, const char *component)
{
    const char **pairs = w->pairs[w->count];
    size_t n = 0, len = strlen(component);
    for (size_t i = 0; i < s->setting_count && n < 7; i++)
        if (strncmp(s->settings[i], component, len) == 0 && s->settings[i][len] == '.')
            pairs[n++] = s->settings[i] + len + 1;
    return pairs;
}

static struct virtual_node *add(struct run *r, const char *component, const char *name)
{
    struct world *w = r->world;
    const struct component_row *row = component_find(component);
    struct component_args *args = &w->args[w->count];
    args->serial = row->in_vehicle ? GIVEN_SERIAL : "";
    args->pairs = settings_of(w, r->scenario, component);
    w->count++;
    return virtual_add(w->v, row->class, name, 0, args);
}

static void world_inject(struct run *r, size_t action)
{
    struct world *w = r->world;
    const struct action *a = &r->scenario->actions[action];
    char name[16], (*t)[BUS_TEXT_MAX + 8] = w->texts[action];
    const char **pairs = w->pairs[w->count];
    snprintf(name, sizeof name, w->rogues ? "rogue%zu" : "rogue", w->rogues + 1);
    w->rogues++;
    snprintf(t[0], sizeof t[0], "segment=%s", segment_name(a->segment));
    snprintf(t[1], sizeof t[1], "frame=%s", a->frame);
    snprintf(t[2], sizeof t[2], "count=%llu", (unsigned long long)a->count);
    snprintf(t[3], sizeof t[3], "every_us=%llu", (unsigned long long)a->every_us);
    struct virtual_node *n = add(r, "rogue", name);
    for (size_t i = 0; i < 4; i++)
        pairs[i] = t[i];
    if (!n || virtual_start(n))
        run_fail(r, "the injector does not start");
}

static struct store *world_store(struct run *r, const char *component)
{
    struct world *w = r->world;
    struct virtual_node *n = virtual_find(w->v, component);
    return n ? virtual_store(n) : NULL;
}

static const struct world_ops ops = {world_kill,  world_start,  world_cut,
                                     world_renew, world_inject, world_store};

static enum err seed(struct run *r)
{
    struct world *w = r->world;
    struct oem oem;
    struct given_stores stores = {world_store(r, "spaak"), world_store(r, "vos"), world_store(r, "gsdp"),
                                  world_store(r, "pki")};
    struct oem_options options = {.now_s = VIRTUAL_EPOCH_MS / 1000,
                                  .vos_signer_expired =
                                      r->scenario->given.vos_signer == GIVEN_SIGNER_EXPIRED};
    struct crypto *c = virtual_crypto(w->v, "world");
    if (!stores.spaak || !stores.vos || !stores.gsdp || !stores.pki)
        return ERR_NOT_FOUND;
    enum err e = oem_make(c, &options, &oem);
    if (e)
        return e;
    e = given_servers(c, &oem, &stores);
    if (!e)
        e = given_vehicle(c, &oem, &r->scenario->given, GIVEN_SERIAL, VIRTUAL_EPOCH_MS, &stores);
    oem_free(&oem);
    return e;
}

/* Servers first, whatever the order in the file. */
static enum err populate(struct run *r)
{
    const struct scenario *s = r->scenario;
    for (size_t k = 0; k < component_row_count; k++)
        for (size_t i = 0; i < s->component_count; i++)
            if (component_rows[k].class && strcmp(component_rows[k].name, s->components[i]) == 0 &&
                !add(r, s->components[i], s->components[i]))
                return ERR_NO_MEMORY;
    return seed(r);
}

static void start_all(struct run *r)
{
    run_pump(r, 0); /* cuts that hold from the start */
    for (size_t k = 0; k < component_row_count; k++)
        for (size_t i = 0; i < r->scenario->component_count; i++)
            if (component_rows[k].class && strcmp(component_rows[k].name, r->scenario->components[i]) == 0)
                world_start(r, component_rows[k].name);
}

static void loop(struct run *r)
{
    struct world *w = r->world;
    uint64_t turns = 0;
    while (!run_finished(r, virtual_now_us(w->v)) && virtual_now_us(w->v) < r->limit_us) {
        uint64_t due = run_next_due_us(r), limit = due < r->limit_us ? due : r->limit_us;
        virtual_step(w->v, limit > virtual_now_us(w->v) ? limit : virtual_now_us(w->v));
        run_pump(r, virtual_now_us(w->v));
        if (++turns > EVENTS_MAX) {
            run_fail(r, "more than %llu turns at %.1f ms: the components keep each other busy for ever",
                     EVENTS_MAX, (double)virtual_now_us(w->v) / 1e3);
            break;
        }
    }
}

enum verdict world_virtual_run(struct run *r, const struct scenario *s, const struct run_options *options)
{
    struct world *w = calloc(1, sizeof *w);
    struct virtual_hooks hooks = {r, on_trace, on_frame};
    *r = (struct run){.wall_offset_us = VIRTUAL_EPOCH_MS * 1000};
    if (!w || !run_begin(r, s, options, &ops, w)) {
        free(w);
        return r->verdict = VERDICT_BLOCKED;
    }
    text_copy(r->transport, sizeof r->transport, "CAN and GSDP in memory, virtual time");
    w->v = virtual_new(options->seed, &hooks, &r->plan);
    enum err e = w->v ? populate(r) : ERR_NO_MEMORY;
    if (e) {
        run_fail(r, "the world cannot be made: %s", err_text(e));
    } else {
        start_all(r);
        loop(r);
    }
    run_end(r, w->v ? virtual_now_us(w->v) : 0);
    virtual_free(w->v);
    free(w);
    return r->verdict;
}

/* The virtual world of a scenario. */
#include "lib/host/virtual.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/host/spawn.h"
#include "lib/media/media.h"
#include "sim/run/records.h"
#include "sim/uds/desk.h"
#include "sim/world/equip.h"
#include "sim/world/interrupt.h"
#include "sim/world/world.h"

#define P2_MS          150         /* of ECUs, for tools */
#define EVENTS_MAX     20000000ull /* a livelock fails instead of hanging */
#define TURNS_PER_LOOK 64          /* at signals that are blocked */

struct virtual_world {
    struct virtual *v;
    struct component_args args[SCENARIO_MEMBERS];
    uint64_t settings[SCENARIO_MEMBERS][ENV_SETTINGS];
    struct virtual_node *nodes[SCENARIO_MEMBERS]; /* NULL: a medium's */
    struct equipment equipment;
    uint64_t turns, active_us; /* when it last was not quiet */
    bool equipped;
};

static struct virtual_world *world_of_run(const struct run *r)
{
    return r->world;
}

static void on_trace(void *ctx, const struct trace_event *e)
{
    run_on_event(ctx, e);
}

static const struct run_players *players_of(const struct run *r)
{
    return r->options->players;
}

static void on_frame(void *ctx, uint64_t now_us, const char *bus, const struct bus_frame *f)
{
    const struct run_players *p = players_of(ctx);
    run_on_frame(ctx, now_us, bus, f);
    if (p)
        p->frame(p->ctx, now_us, bus, f);
}

static void on_outside(void *ctx, unsigned group, enum segment s, const struct bus_frame *f)
{
    struct run *r = ctx;
    if (s == SEGMENT_DIAGNOSTIC)
        run_on_connector(r, group, virtual_now_us(world_of_run(r)->v), f);
}

static bool talks(const struct component_class *class)
{
    for (size_t i = 0; i < class->port_count; i++) {
        const struct medium *m = medium_find(media, class->ports[i].medium);
        if (m && medium_talks(m))
            return true;
    }
    return false;
}

static enum tap_depth taps(void *ctx, const struct component_class *class)
{
    enum tap_depth depth = records_want(ctx, class);
    return depth == TAP_NONE && players_of(ctx) && talks(class) ? TAP_TALK : depth;
}

static void on_tap(void *ctx, const struct tap_event *e)
{
    const struct run_players *p = players_of(ctx);
    run_on_tap(ctx, e);
    if (p)
        p->tap(p->ctx, e);
}

static void on_keep(void *ctx, const struct medium *m, const char *file, struct span bytes)
{
    run_on_keep(ctx, m, file, bytes);
}

/* ---- what the run asks of its world ---- */

static void world_kill(struct run *r, const char *name)
{
    struct virtual *v = world_of_run(r)->v;
    struct virtual_node *n = virtual_find(v, name);
    if (n) {
        virtual_kill(n, "killed");
    } else {
        run_note(r, virtual_now_us(v), TRACE_LIFE, name, "killed", 0);
        virtual_helper(v, name, false);
    }
}

static void world_start(struct run *r, const char *name)
{
    struct virtual *v = world_of_run(r)->v;
    struct virtual_node *n = virtual_find(v, name);
    enum err e = n && !virtual_alive(n) ? virtual_start(n) : ERR_OK;
    if (!n)
        virtual_helper(v, name, true);
    if (e)
        run_fail(r, "%s does not start: %s (%s)", name, err_text(e), err_name(e));
}

static void world_cut(struct run *r, const char *name, const char *link, bool cut)
{
    virtual_cut(virtual_find(world_of_run(r)->v, name), link, cut);
}

static void world_call(struct run *r, const struct action *a)
{
    virtual_call(world_of_run(r)->nodes[a->member], a->call, a->values);
}

static void world_move(struct run *r, const struct action *a)
{
    const struct member *m = &r->scenario->members[a->member];
    virtual_radio(world_of_run(r)->nodes[a->member], m->class->ports[a->port].name,
                  r->scenario->members[a->other].name, a->way);
}

/* All nodes share the plan of the run. */
static void world_fault(struct run *r, const struct fault *f)
{
    (void)r;
    (void)f;
}

static enum presence world_presence(struct run *r, const char *name)
{
    struct virtual *v = world_of_run(r)->v;
    struct virtual_node *n = virtual_find(v, name);
    bool alive = n && virtual_alive(n);
    if (!n && !virtual_helper_known(v, name, &alive))
        return PRESENCE_NONE;
    return alive ? PRESENCE_ALIVE : PRESENCE_DEAD;
}

/* Without its hub the segment takes frames and loses them. */
static enum link_state world_connector(struct run *r, unsigned group)
{
    (void)r;
    (void)group;
    return LINK_UP;
}

static void world_put(struct run *r, unsigned group, const struct bus_frame *f)
{
    virtual_put(world_of_run(r)->v, group, SEGMENT_DIAGNOSTIC, f);
}

static struct store *world_store(struct run *r, const char *name)
{
    struct virtual_world *w = world_of_run(r);
    const struct member *m = scenario_member(r->scenario, name);
    struct virtual_node *n = w->v && m && m->class && m->class->stores ? virtual_find(w->v, name) : NULL;
    return n ? virtual_store(n) : NULL;
}

static const struct world_ops ops = {.kill = world_kill,
                                     .start = world_start,
                                     .cut = world_cut,
                                     .call = world_call,
                                     .move = world_move,
                                     .fault = world_fault,
                                     .presence = world_presence,
                                     .connector = world_connector,
                                     .put = world_put,
                                     .store = world_store};

/* ---- broken promises ---- */

static struct run *running; /* the innermost: a past is lived while its run waits */

/* An assertion has failed and said so: what is known of the run is written before the process ends. */
static void on_abort(int signal_number)
{
    struct run *r = running;
    (void)signal_number;
    running = NULL;
    if (!r)
        _exit(1);
    run_fail(r, "%s broke a promise between our own parts at %.1f ms; the line above names file and line",
             virtual_current(world_of_run(r)->v), (double)virtual_now_us(world_of_run(r)->v) / 1e3);
    r->verdict = VERDICT_FAIL;
    records_settle(r);
    records_report(r, virtual_now_us(world_of_run(r)->v));
    printf("%s\nFAIL  %s  (virtual world, %s)\n", r->failures[r->failure_count - 1], r->scenario->name,
           r->transport);
    fflush(NULL);
    _exit(1);
}

/* Held while components are at work. */
struct guard {
    struct run *outer;
    struct sigaction theirs;
};

static void guard_begin(struct guard *g, struct run *r)
{
    struct sigaction ours = {.sa_handler = on_abort};
    g->outer = running;
    running = r;
    sigaction(SIGABRT, &ours, &g->theirs);
}

static void guard_end(const struct guard *g)
{
    sigaction(SIGABRT, &g->theirs, NULL);
    running = g->outer;
}

static void proceed_until(struct run *r, uint64_t until_us, bool (*enough)(void *ctx, bool quiet), void *ctx);

static void virtual_proceed(struct run *r, uint64_t until_us, bool (*enough)(void *ctx, bool quiet),
                            void *ctx)
{
    struct guard g;
    guard_begin(&g, r);
    proceed_until(r, until_us, enough, ctx);
    guard_end(&g);
}

/* ---- beginning ---- */

static struct store *store_of(void *ctx, size_t member)
{
    struct virtual_world *w = ctx;
    return virtual_store(w->nodes[member]);
}

static bool add_member(struct run *r, size_t i)
{
    struct virtual_world *w = world_of_run(r);
    const struct member *m = &r->scenario->members[i];
    scenario_settings(r->scenario, i, w->settings[i]);
    w->args[i] = (struct component_args){.serial = m->serial, .settings = w->settings[i]};
    w->nodes[i] = virtual_add(w->v, m->class, m->name, m->group, &w->args[i]);
    return w->nodes[i];
}

/* In the order of the cast, whatever the order in the file. */
static bool each_member(struct run *r, bool (*fn)(struct run *r, size_t member))
{
    for (size_t k = 0; k < cast.count; k++)
        for (size_t i = 0; i < r->scenario->member_count; i++)
            if (r->scenario->members[i].class == cast.classes[k] && !fn(r, i))
                return false;
    return true;
}

static bool start_member(struct run *r, size_t i)
{
    const struct run_players *p = players_of(r);
    if (!p || p->lives(p->ctx, r->scenario->members[i].name))
        world_start(r, r->scenario->members[i].name);
    return true;
}

static bool populate(struct run *r)
{
    struct virtual_world *w = world_of_run(r);
    int64_t now_ms = r->wall_offset_us / 1000;
    enum err e = each_member(r, add_member) ? ERR_OK : ERR_NO_MEMORY;
    if (!e) {
        w->equipped = equip_begin(r, virtual_crypto(w->v, "world"), now_ms, &w->equipment);
        if (!w->equipped)
            return false;
        e = equip_stores(r, &w->equipment, virtual_crypto(w->v, "plant"), now_ms, store_of, w);
    }
    for (size_t i = 0; i < r->scenario->member_count; i++) {
        w->args[i].store_key = r->store_keys.key;
        w->args[i].former_store_key = r->store_keys.changed ? r->store_keys.former : NULL;
    }
    if (e)
        run_fail(r, "the world cannot be made: %s (%s)", err_text(e), err_name(e));
    return !e;
}

static bool virtual_open(struct run *r, const struct scenario *s, const struct run_options *options)
{
    int64_t epoch_ms = options->epoch_ms ? options->epoch_ms : VIRTUAL_EPOCH_MS;
    struct virtual_world *w = calloc(1, sizeof *w);
    *r = (struct run){.wall_offset_us = epoch_ms * 1000, .in_order = true, .verdict = VERDICT_BLOCKED};
    if (!w)
        return false;
    run_begin(r, s, options, &ops, w);
    if (options->out && !records_open(r))
        return false;
    text_copy(r->transport, sizeof r->transport, "CAN and GSDP in memory, virtual time");
    const struct virtual_options o = {
        .seed = options->seed,
        .epoch_ms = epoch_ms,
        .twins = media_twins,
        .hooks = {.ctx = r,
                  .on_trace = on_trace,
                  .on_frame = on_frame,
                  .on_tap = on_tap,
                  .taps = taps,
                  .on_keep = on_keep,
                  .on_outside = on_outside},
        .plan = &r->plan,
        .memo = options->memo,
    };
    w->v = virtual_new(&o);
    if (!w->v || !populate(r))
        return false;
    r->verdict = VERDICT_PASS;
    if (options->players)
        options->players->begin(options->players->ctx, r, w->v);
    struct guard g;
    guard_begin(&g, r);
    run_start(r);
    bool ok = each_member(r, start_member);
    guard_end(&g);
    if (ok && r->open)
        desk_open(r, P2_MS);
    return ok;
}

/* ---- going on ---- */

static uint64_t virtual_time(const struct run *r)
{
    const struct virtual_world *w = world_of_run(r);
    return w && w->v ? virtual_now_us(w->v) : 0;
}

static bool take_turn(struct run *r, uint64_t until_us, uint64_t quiet_us)
{
    struct virtual_world *w = world_of_run(r);
    uint64_t due = run_next_due_us(r), limit = due < until_us ? due : until_us, now = virtual_now_us(w->v);
    if (virtual_quiet(w->v) && w->active_us + quiet_us < limit)
        limit = w->active_us + quiet_us;
    virtual_step(w->v, limit > now ? limit : now);
    run_pump(r, virtual_now_us(w->v));
    if (w->turns % TURNS_PER_LOOK == 0)
        interrupt_look();
    if (interrupt_heard()) {
        run_fail(r, "interrupted by %s", spawn_signal_name(interrupt_heard()));
        return false;
    }
    if (virtual_stuck(w->v)) {
        run_fail(r, "time does not move on at %.1f ms: %s and others keep each other busy",
                 (double)virtual_now_us(w->v) / 1e3, virtual_current(w->v));
        return false;
    }
    if (++w->turns <= EVENTS_MAX)
        return true;
    run_fail(r, "more than %llu turns at %.1f ms: the components keep each other busy for ever", EVENTS_MAX,
             (double)virtual_now_us(w->v) / 1e3);
    return false;
}

static bool is_quiet(const struct run *r, uint64_t quiet_us)
{
    struct virtual_world *w = world_of_run(r);
    uint64_t now = virtual_now_us(w->v);
    if (!virtual_quiet(w->v) || !run_idle(r))
        w->active_us = now;
    if (now < w->active_us + quiet_us)
        return false;
    w->active_us = now; /* looked at again after as long */
    return true;
}

static void proceed_until(struct run *r, uint64_t until_us, bool (*enough)(void *ctx, bool quiet), void *ctx)
{
    struct virtual_world *w = world_of_run(r);
    uint64_t quiet_us = r->open ? WORLD_QUIET_PLAY_US : WORLD_QUIET_US;
    w->turns = 0;
    while (!run_finished(r, virtual_now_us(w->v)) && virtual_now_us(w->v) < until_us) {
        if (!take_turn(r, until_us, quiet_us))
            return;
        bool quiet = is_quiet(r, quiet_us);
        if (quiet)
            run_on_quiet(r, virtual_now_us(w->v));
        if (enough && enough(ctx, quiet))
            return;
    }
}

/* ---- the end ---- */

static void leave(struct run *r)
{
    struct virtual_world *w = world_of_run(r);
    struct past *result = r->options->result;
    for (size_t i = 0; i < r->scenario->member_count; i++)
        if (w->nodes[i] && r->scenario->members[i].class->stores &&
            past_take_store(result, r->scenario->members[i].name, virtual_store(w->nodes[i])))
            run_fail(r, "no memory for what %s leaves", r->scenario->members[i].name);
    result->plant = w->equipment.plant;
}

static enum verdict virtual_close(struct run *r)
{
    struct virtual_world *w = world_of_run(r);
    if (!w)
        return r->verdict;
    run_end_guest(r);
    run_end(r, virtual_time(r));
    if (r->options->result && r->verdict == VERDICT_PASS)
        leave(r);
    if (w->equipped)
        equip_end(&w->equipment);
    virtual_free(w->v);
    free(w);
    r->world = NULL;
    return r->verdict;
}

const struct world_driver world_virtual = {virtual_open, virtual_proceed, virtual_time, virtual_close};

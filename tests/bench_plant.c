/* Figures of diagnostics and of the plant, in the virtual world: a batch of CSRs through tester and PKI,
 * requests through the gateway, a whole life up to the verifiers. CPU time. Placement: pinned to one core by
 * scripts/bench.sh. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/pki/pki.h"
#include "ecu/spaak/spaak.h"
#include "lib/ccc/spake2p.h"
#include "sgw/sgw.h"
#include "sim/actors/tester/tester.h"
#include "sim/commands.h"
#include "sim/world/past.h"
#include "sim/world/world.h"
#include "tests/figures.h"

#define SERIAL   "SPAAK00000001"
#define MODULES  1000
#define REQUESTS 10000
#define PAUSE_US 1000 /* between two requests: below the rate that the gateway allows */
#define ROUNDS   5

/* ---- a world ---- */

struct plant_world {
    struct virtual *v;
    struct plant_shift shift;
    const char *awaited; /* beginning of the note that is waited for */
    bool came, sent;
    uint64_t frames;
};

static const struct component_args nobody = {.serial = "", .store_key = test_store_key};
static const struct component_args vehicle = {.serial = SERIAL, .store_key = test_store_key};

static void on_trace(void *ctx, const struct trace_event *e)
{
    struct plant_world *w = ctx;
    w->sent |= e->kind == TRACE_SEND;
    w->came |= w->awaited && e->kind == TRACE_NOTE && strncmp(e->detail, w->awaited, strlen(w->awaited)) == 0;
}

static void on_frame(void *ctx, uint64_t now_us, const char *bus, const struct bus_frame *f)
{
    struct plant_world *w = ctx;
    (void)now_us, (void)bus, (void)f;
    w->frames++;
}

static void world_begin(struct plant_world *w)
{
    static const char *serials[] = {SERIAL, NULL};
    struct oem_options options = {.now_s = VIRTUAL_EPOCH_MS / 1000};
    *w = (struct plant_world){.shift = {.now_s = options.now_s, .serials = serials}};
    const struct virtual_options o = {
        .seed = 1, .twins = media_twins, .hooks = {.ctx = w, .on_trace = on_trace, .on_frame = on_frame}};
    w->v = virtual_new(&o);
    figure_must(w->v, "a world");
    w->shift.crypto = virtual_crypto(w->v, "plant");
    memcpy(w->shift.store_key, test_store_key, sizeof w->shift.store_key);
    figure_must(!oem_make(w->shift.crypto, &options, &w->shift.oem), "the authorities");
}

static void world_end(struct plant_world *w)
{
    oem_free(&w->shift.oem);
    virtual_free(w->v);
}

/* Started with what the plant gives it; a module is one that the plant has finished. */
static struct virtual_node *join(struct plant_world *w, const struct component_class *class,
                                 const struct component_args *args)
{
    struct virtual_node *n = virtual_add(w->v, class, class->name, 0, args);
    figure_must(n, class->name);
    if (class->stores)
        figure_must(!plant_equip(&w->shift, class, args->serial, true, NULL, 0, virtual_store(n)),
                    class->name);
    if (class == &spaak_class)
        figure_must(!history_finish(w->shift.crypto, &w->shift.oem, SERIAL, w->shift.now_s, virtual_store(n)),
                    class->name);
    figure_must(!virtual_start(n), class->name);
    return n;
}

/* CPU until the note. */
static double until_s(struct plant_world *w, const char *note)
{
    double t = cpu_s();
    w->awaited = note;
    w->came = false;
    while (!w->came && virtual_step(w->v, virtual_now_us(w->v) + 3600000000ull))
        ;
    figure_must(w->came, note);
    return cpu_s() - t;
}

static void ask(struct plant_world *w, struct virtual_node *n, const struct component_class *class,
                const char *name, const struct call_value *values)
{
    unsigned call;
    uint64_t links_us = virtual_now_us(w->v) + 10000;
    while (virtual_now_us(w->v) < links_us && virtual_step(w->v, links_us))
        ;
    figure_must(component_call(class, name, &call), name);
    virtual_call(n, call, values);
}

/* ---- a batch ---- */

/* The modules' own work, key pairs and CSRs, is done when the call has been made. */
static double batch_s(void)
{
    struct call_value order[ENV_VALUES] = {{.number = 0}, {.number = MODULES}, {.number = 0}};
    struct call_value listed[ENV_VALUES] = {{.text = "SPAAK00001001"}, {.number = MODULES}};
    struct plant_world w;
    text_copy(order[3].text, sizeof order[3].text, "SPAAK00001001");
    world_begin(&w);
    struct virtual_node *pki = join(&w, &pki_class, &nobody);
    struct virtual_node *tester = join(&w, &tester_class, &nobody);
    join(&w, &sgw_class, &vehicle);
    ask(&w, pki, &pki_class, "register-serials", listed);
    ask(&w, tester, &tester_class, "certify", order);
    while (!w.sent && virtual_step(w.v, 3600000000ull))
        ;
    double s = until_s(&w, "certify=ended benches=0 made=1000 refused=0");
    world_end(&w);
    return s;
}

static void bench_batch(void)
{
    double took[ROUNDS], floors[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        struct p256_costs c = measure_p256();
        floors[i] = MODULES * (c.verify + c.sign);
        took[i] = batch_s();
    }
    figure_report("plant_batch_certificates", MODULES / figure_median(took, ROUNDS),
                  "certificates per second of CPU, 1,000 CSRs through tester and PKI",
                  MODULES / figure_median(floors, ROUNDS), "a CSR verified and a certificate signed each",
                  0.6);
}

/* ---- requests ---- */

/* Asks again and again, and answers nothing: a tool that another one has opened the gate for. `echo`: the
 * other end of the floor, which gives each frame back. */
struct asker {
    struct env *env;
    unsigned left;
};

static const struct port_spec asker_ports[] = {
    {.name = "diagnostic", .medium = "can", .segment = SEGMENT_DIAGNOSTIC, .node = NODE_TESTER}};
static const struct port_spec echo_ports[] = {
    {.name = "diagnostic", .medium = "can", .segment = SEGMENT_DIAGNOSTIC}};
static const struct timer_spec asker_timers[] = {{"pause", false}};

static void asker_ask(struct asker *a)
{
    struct bus_frame f = {.id = 0x7A0, .flags = BUS_FD | BUS_BRS, .len = 8};
    memcpy(f.data, "\x03\x22\xF1\x8C\xCC\xCC\xCC\xCC", 8);
    env_send_frame(a->env, 0, &f);
}

static enum err asker_init(void *self, struct env *env, const struct component_args *args)
{
    struct asker *a = self;
    (void)args;
    a->env = env;
    a->left = REQUESTS;
    return ERR_OK;
}

static void asker_on_link(void *self, unsigned port, enum link_state state)
{
    (void)port;
    if (state != LINK_DOWN)
        asker_ask(self);
}

static void asker_on_frame(void *self, unsigned port, const struct bus_frame *f)
{
    struct asker *a = self;
    (void)port;
    if (f->id != 0x7A8)
        return;
    if (--a->left)
        env_timer_in(a->env, 0, PAUSE_US);
    else
        env_trace_note(a->env, TRACE_NOTE, "asked=all");
}

static void asker_on_timer(void *self, unsigned timer)
{
    (void)timer;
    asker_ask(self);
}

static void echo_on_frame(void *self, unsigned port, const struct bus_frame *f)
{
    struct asker *a = self;
    struct bus_frame back = *f;
    (void)port;
    if (f->id != 0x7A0)
        return;
    back.id = 0x7A8;
    env_send_frame(a->env, 0, &back);
}

static const struct component_class asker_class = {.name = "asker",
                                                   .place = PLACE_OUTSIDE,
                                                   .size = sizeof(struct asker),
                                                   .ports = asker_ports,
                                                   .port_count = 1,
                                                   .timers = asker_timers,
                                                   .timer_count = 1,
                                                   .init = asker_init,
                                                   .on_frame = asker_on_frame,
                                                   .on_link = asker_on_link,
                                                   .on_timer = asker_on_timer};
static const struct component_class echo_class = {.name = "echo",
                                                  .place = PLACE_OUTSIDE,
                                                  .size = sizeof(struct asker),
                                                  .ports = echo_ports,
                                                  .port_count = 1,
                                                  .init = asker_init,
                                                  .on_frame = echo_on_frame};

/* Each request and each answer so often as a frame: on one segment, or on two. */
static double asked_s(struct plant_world *w, uint64_t frames)
{
    join(w, &asker_class, &nobody);
    w->frames = 0;
    double s = until_s(w, "asked=all");
    figure_must(w->frames >= frames * REQUESTS, "every request and answer as a frame");
    return s;
}

static double requests_s(void)
{
    struct call_value gate[ENV_VALUES] = {{.number = 1}, {.number = 0}};
    struct plant_world w;
    world_begin(&w);
    join(&w, &sgw_class, &vehicle);
    join(&w, &spaak_class, &vehicle);
    struct virtual_node *tester = join(&w, &tester_class, &nobody);
    ask(&w, tester, &tester_class, "open-gate", gate);
    until_s(&w, "gate=open");
    double s = asked_s(&w, 4);
    world_end(&w);
    return s;
}

static double echoes_s(void)
{
    struct plant_world w;
    world_begin(&w);
    join(&w, &echo_class, &nobody);
    double s = asked_s(&w, 2);
    world_end(&w);
    return s;
}

static void bench_requests(void)
{
    double took[ROUNDS], floors[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        floors[i] = echoes_s();
        took[i] = requests_s();
    }
    figure_report("virtual_uds_requests", REQUESTS / figure_median(took, ROUNDS),
                  "requests/s through the gateway on one core", REQUESTS / figure_median(floors, ROUNDS),
                  "a frame and its echo on one segment", 0);
}

/* ---- a life ---- */

static double scrypt_s(void)
{
    uint8_t out[2 * SPAKE2P_HALF];
    double t = cpu_s();
    for (int i = 0; i < 5; i++)
        figure_must(EVP_PBE_scrypt("12345678", 8, (const uint8_t *)"sixteen bytes of", 16, SPAKE2P_N_MIN,
                                   SPAKE2P_R, SPAKE2P_P, 1 << 30, out, sizeof out),
                    "scrypt");
    return (cpu_s() - t) / 5;
}

static double life_s(void)
{
    struct scenario *s = NULL;
    struct tree_problem p = {0};
    struct run *r = calloc(1, sizeof *r);
    struct run_options o = {.world = WORLD_VIRTUAL, .seed = 1, .quiet = true};
    size_t n;
    figure_must(r && scenario_load("scenarios/life/life.yaml", &s, &n, &p), p.text);
    double t = cpu_s();
    figure_must(world_run(r, s, &o) == VERDICT_PASS, "life");
    t = cpu_s() - t;
    run_free(r);
    free(r);
    free(s);
    return t;
}

static void bench_life(void)
{
    double took[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        double scrypt = scrypt_s();
        took[i] = (life_s() - scrypt) * 1e3;
    }
    figure_report("life_to_the_verifiers", figure_median(took, ROUNDS),
                  "ms of CPU, virtual world, authorities made, without scrypt", 12, "the limit, 12 ms", 1);
}

int main(void)
{
    bench_batch();
    bench_requests();
    bench_life();
    return 0;
}

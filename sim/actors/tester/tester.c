#include "sim/actors/tester/tester.h"

#include <string.h>

#include "sim/actors/tester/tester_parts.h"

static const struct port_spec ports[PORTS] = {
    {.name = "diagnostic", .medium = "can", .segment = SEGMENT_DIAGNOSTIC, .node = NODE_TESTER},
    {.name = "bench-2", .medium = "can", .segment = SEGMENT_DIAGNOSTIC, .node = NODE_TESTER, .bench = 2},
    {.name = "bench-3", .medium = "can", .segment = SEGMENT_DIAGNOSTIC, .node = NODE_TESTER, .bench = 3},
    [PORT_PLANT] = {.name = "plant", .medium = "call", .end = PORT_ASKS, .server = "pki", .optional = true},
};

/* A gate that is held is no news. */
static const struct timer_spec timers[TIMERS] = {
    {"sgw 1", false},    {"spaak 1", false},  {"tbm 1", false},   {"sgw 2", false},  {"spaak 2", false},
    {"tbm 2", false},    {"sgw 3", false},    {"spaak 3", false}, {"tbm 3", false},  {"answer 1", false},
    {"answer 2", false}, {"answer 3", false}, {"alive 1", true},  {"alive 2", true}, {"alive 3", true},
    {"pause 1", false},  {"pause 2", false},  {"pause 3", false}, {"page", false}};

static const struct setting_spec settings[SETTINGS + 1] = {
    [SETTING_ANSWER_MS] = {"answer_ms", 500, 50, 5000},
    [SETTING_PAUSE_MS] = {"pause_ms", 500, 10, 60000},
    [SETTING_TRIES] = {"tries", 20, 0, 1000},
    [SETTING_PAGE_MS] = {"page_ms", 1000, 10, 60000},
    [SETTINGS] = {.name = NULL},
};

#define ANCHOR(name) TESTER_ANCHOR_PREFIX name
static const struct plant_item plant[] = {
    {TESTER_EOL_KEY, PLANT_KEY, "tester-eol"},
    {TESTER_EOL_CERTIFICATE, PLANT_CERTIFICATE, "tester-eol"},
    {TESTER_SHOP_KEY, PLANT_KEY, "tester-workshop"},
    {TESTER_SHOP_CERT, PLANT_CERTIFICATE, "tester-workshop"},
    {TESTER_SECRET, PLANT_TESTER_SECRET, NULL},
    {ANCHOR("J"), PLANT_CERTIFICATE, "J"},
    {ANCHOR("J1"), PLANT_CERTIFICATE, "J1"},
    {ANCHOR("J_PhysicalKey"), PLANT_CERTIFICATE, "J_PhysicalKey"},
    {ANCHOR("Z1"), PLANT_CERTIFICATE, "Z1"},
    {ANCHOR("ZZ2"), PLANT_CERTIFICATE, "ZZ2"},
    {TESTER_ECU_CA, PLANT_CERTIFICATE, "ecu-ca"},
    {.key = NULL},
};

#define EXPIRED(name)                                       \
    {                                                       \
        name, "expired", DEFECT_EXPIRED, ANCHOR(name), NULL \
    }
static const struct defect_spec defects[] = {EXPIRED("J"),  EXPIRED("J1"),  EXPIRED("J_PhysicalKey"),
                                             EXPIRED("Z1"), EXPIRED("ZZ2"), {.name = NULL}};

static const char *const keys[] = {TESTER_JOB_PREFIX "+", TESTER_BATCH, TESTER_MODULE_PREFIX "+",
                                   TESTER_REPORT_PREFIX "+", NULL};
static const char *const secrets[] = {TESTER_EOL_KEY, TESTER_SHOP_KEY, TESTER_SECRET, NULL};

static void bench_init(struct tester *t, unsigned number)
{
    struct bench *b = &t->benches[number];
    const struct connection_timers its = {TIMER_CHANNELS + number * ECUS, TIMER_ANSWERS + number,
                                          TIMER_ALIVES + number};
    b->tester = t;
    b->number = number;
    connection_init(&b->con, t->env, number, &its, (uint32_t)t->settings[SETTING_ANSWER_MS]);
    b->con.on_end = job_on_end;
    b->con.owner = b;
}

static enum err tester_init(void *self, struct env *env, const struct component_args *args)
{
    struct tester *t = self;
    struct job kept;
    enum err e = ERR_OK;
    t->env = env;
    memcpy(t->settings, args->settings, sizeof t->settings);
    for (unsigned i = 0; !e && i < TESTER_BENCHES; i++) {
        bench_init(t, i);
        e = store_load_job(&t->benches[i], &kept);
        t->benches[i].waits_link = kept.kind != JOB_NONE;
    }
    if (e)
        return e;
    e = store_load_batch(t);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static void tester_fini(void *self)
{
    struct tester *t = self;
    for (unsigned i = 0; i < TESTER_BENCHES; i++)
        connection_fini(&t->benches[i].con);
}

/* What the life before had begun on that bench. */
static void resume(struct bench *b)
{
    struct job kept;
    if (!b->waits_link)
        return;
    b->waits_link = false;
    if (!store_load_job(b, &kept) && kept.kind != JOB_NONE)
        job_begin(b, &kept);
}

static void tester_on_link(void *self, unsigned port, enum link_state state)
{
    struct tester *t = self;
    bool up = state != LINK_DOWN;
    if (port == PORT_PLANT)
        t->plant_up = up;
    else
        t->benches[port].up = up;
    if (up && port == PORT_PLANT && t->batch.page)
        page_send(t);
    else if (up && port != PORT_PLANT)
        resume(&t->benches[port]);
    if (up)
        batch_pump(t);
}

static void tester_on_frame(void *self, unsigned port, const struct bus_frame *f)
{
    struct tester *t = self;
    connection_on_frame(&t->benches[port].con, f);
}

static void tester_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    (void)port, (void)address;
    page_on_answer(self, bytes);
}

static void tester_on_timer(void *self, unsigned timer)
{
    struct tester *t = self;
    if (timer == TIMER_PAGE)
        page_on_timer(t);
    else if (timer >= TIMER_PAUSES)
        job_on_pause(&t->benches[timer - TIMER_PAUSES]);
    for (unsigned i = 0; i < TESTER_BENCHES && timer < TIMER_PAUSES; i++)
        if (connection_on_timer(&t->benches[i].con, timer))
            return;
}

const struct component_class tester_class = {
    .name = "tester",
    .place = PLACE_OUTSIDE,
    .size = sizeof(struct tester),
    .stores = true,
    .keys = keys,
    .message_max = MESSAGE_MAX,
    .ports = ports,
    .port_count = PORTS,
    .timers = timers,
    .timer_count = TIMERS,
    .settings = settings,
    .calls = tester_calls,
    .lasting = tester_lasting,
    .plant = plant,
    .defects = defects,
    .secrets = secrets,
    .init = tester_init,
    .fini = tester_fini,
    .on_link = tester_on_link,
    .on_frame = tester_on_frame,
    .on_bytes = tester_on_bytes,
    .on_timer = tester_on_timer,
};

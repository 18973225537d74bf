/* The virtual world: its queue, its bus, its broker. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "lib/host/virtual.h"
#include "lib/media/media.h"
#include "tests/check.h"

/* ---- a node that writes down what happens to it ---- */

struct recorder {
    struct env *env;
    char name;
};

static char diary[4096];
static const char *topic = ""; /* what the next recorder subscribes to */

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(diary + strlen(diary), sizeof diary - strlen(diary), format, args);
    va_end(args);
}

static enum err recorder_init(void *self, struct env *env, const struct component_args *args)
{
    struct recorder *r = self;
    r->env = env;
    r->name = env->name[0];
    (void)args;
    return topic[0] ? env_subscribe(env, 1, topic) : ERR_OK;
}

static void recorder_on_frame(void *self, unsigned port, const struct bus_frame *f)
{
    struct recorder *r = self;
    (void)port;
    note("%c<%03X@%llu ", r->name, f->id, (unsigned long long)env_now_us(r->env));
}

static void recorder_on_bytes(void *self, unsigned port, const char *topic, struct span bytes)
{
    struct recorder *r = self;
    (void)port;
    note("%c<%s:%.*s ", r->name, topic, (int)bytes.len, (const char *)bytes.p);
}

static void recorder_on_timer(void *self, unsigned timer)
{
    struct recorder *r = self;
    note("%c!%u@%llu ", r->name, timer, (unsigned long long)env_now_us(r->env));
}

static void recorder_on_link(void *self, unsigned port, enum link_state state)
{
    struct recorder *r = self;
    if (port == 1)
        note("%c%d ", r->name, (int)state);
}

static const struct port_spec ports[] = {
    {.name = "body", .medium = "can", .segment = SEGMENT_BODY},
    {.name = "gsdp", .medium = "gsdp"},
};

static const struct timer_spec timers[] = {{"0", false}, {"1", false}, {"2", false}, {"3", false}};

/* Of a server, and of a vehicle: both kinds in one. */
static const struct topic_rule topics[] = {
    {"spaak/+/up/vos", TOPIC_READ},        {"spaak/V1/down/vos", TOPIC_WRITE},
    {"spaak/{serial}/other", TOPIC_WRITE}, {"spaak/{serial}/up/vos", TOPIC_WRITE},
    {"spaak/{serial}/down/+", TOPIC_READ}, {.filter = NULL}};

static const struct component_class recorder_class = {.name = "recorder",
                                                      .size = sizeof(struct recorder),
                                                      .ports = ports,
                                                      .port_count = 2,
                                                      .stores = true,
                                                      .timers = timers,
                                                      .timer_count = 4,
                                                      .topics = topics,
                                                      .init = recorder_init,
                                                      .on_frame = recorder_on_frame,
                                                      .on_bytes = recorder_on_bytes,
                                                      .on_timer = recorder_on_timer,
                                                      .on_link = recorder_on_link};

static const struct component_args none = {.serial = ""};

static struct virtual *world(void)
{
    const struct virtual_options options = {.seed = 1, .twins = media_twins};
    diary[0] = '\0';
    topic = "";
    struct virtual *v = virtual_new(&options);
    cr_assert(ne(ptr, v, NULL));
    return v;
}

static struct virtual_node *add(struct virtual *v, const char *name, const struct component_args *args)
{
    struct virtual_node *n = virtual_add(v, &recorder_class, name, 0, args);
    cr_assert(eq(int, virtual_start(n), ERR_OK));
    return n;
}

/* Sets its timer to now, or a microsecond later. */
static uint64_t pause_us;

static enum err spinner_init(void *self, struct env *env, const struct component_args *args)
{
    struct recorder *r = self;
    (void)args;
    r->env = env;
    env_timer_in(env, 0, 0);
    return ERR_OK;
}

static void spinner_on_timer(void *self, unsigned timer)
{
    struct recorder *r = self;
    env_timer_in(r->env, timer, pause_us);
}

Test(virtual, time_that_does_not_move_on_is_seen)
{
    static const struct component_class spinner_class = {.name = "spinner",
                                                         .size = sizeof(struct recorder),
                                                         .timers = timers,
                                                         .timer_count = 1,
                                                         .init = spinner_init,
                                                         .on_timer = spinner_on_timer};
    for (pause_us = 0; pause_us < 2; pause_us++) {
        struct virtual *v = world();
        cr_assert(eq(int, virtual_start(virtual_add(v, &spinner_class, "s", 0, &none)), ERR_OK));
        for (unsigned i = 0; i < 1000000 && !virtual_stuck(v); i++)
            virtual_step(v, 10000000);
        cr_expect(eq(int, virtual_stuck(v), pause_us == 0));
        virtual_free(v);
    }
}

static void run_to(struct virtual *v, uint64_t us)
{
    while (virtual_step(v, us))
        ;
}

static struct env *env_of(struct virtual_node *n)
{
    return (struct env *)n;
}

Test(virtual, timers_fire_in_order_and_may_be_moved)
{
    struct virtual *v = world();
    struct virtual_node *a = add(v, "a", &none);
    run_to(v, 1000);
    diary[0] = '\0';
    env_timer_set(env_of(a), 0, 5000);
    env_timer_set(env_of(a), 1, 3000);
    env_timer_set(env_of(a), 2, 4000);
    env_timer_set(env_of(a), 1, 9000); /* later */
    env_timer_set(env_of(a), 0, 2000); /* earlier */
    env_timer_set(env_of(a), 2, ENV_NEVER);
    env_timer_set(env_of(a), 3, 7); /* past: at once */
    run_to(v, 20000);
    cr_assert(eq(str, diary, "a!3@1000 a!0@2000 a!1@9000 "));
    EXPECT_WITHIN_MS(virtual_now_us(v), 20, 0, "the clock after the last event");
    virtual_free(v);
}

Test(virtual, equal_times_go_by_sequence)
{
    struct virtual *v = world();
    struct virtual_node *a = add(v, "a", &none), *b = add(v, "b", &none);
    run_to(v, 1000);
    diary[0] = '\0';
    env_timer_set(env_of(b), 0, 5000);
    env_timer_set(env_of(a), 0, 5000);
    env_timer_set(env_of(b), 1, 5000);
    run_to(v, 6000);
    cr_assert(eq(str, diary, "b!0@5000 a!0@5000 b!1@5000 "));
    virtual_free(v);
}

static void send(struct virtual_node *n, const char *text)
{
    struct bus_frame f;
    cr_assert(eq(int, bus_frame_parse(text, &f), ERR_OK));
    cr_assert(eq(int, env_send_frame(env_of(n), 0, &f), ERR_OK));
}

Test(virtual, bus_arbitrates_and_takes_its_time)
{
    struct virtual *v = world();
    struct virtual_node *a = add(v, "a", &none), *b = add(v, "b", &none);
    add(v, "c", &none);
    run_to(v, 1000);
    diary[0] = '\0';
    send(a, "400#"); /* on the wire at once */
    send(a, "300#");
    send(a, "100#"); /* behind 300: a node's frames keep their order */
    send(b, "200#");
    run_to(v, 10000);
    /* 47 bits and stuffing at 500 kbit/s: 98 us each */
    cr_assert(eq(str, diary,
                 "b<400@1098 c<400@1098 a<200@1196 c<200@1196 b<300@1294 c<300@1294 b<100@1392 c<100@1392 "));
    virtual_free(v);
}

static const struct {
    const char *frame;
    uint64_t us;
} wire[] = {{"100#0011223344556677", 232}, {"100##50011223344556677", 109}, {"100##40011223344556677", 258}};

Test(virtual, wire_times_by_format)
{
    for (size_t i = 0; i < sizeof wire / sizeof wire[0]; i++) {
        struct virtual *v = world();
        struct virtual_node *a = add(v, "a", &none);
        char want[40];
        add(v, "b", &none);
        run_to(v, 1000);
        diary[0] = '\0';
        send(a, wire[i].frame);
        run_to(v, 10000);
        snprintf(want, sizeof want, "b<100@%llu ", (unsigned long long)(1000 + wire[i].us));
        cr_expect(eq(str, diary, want), "%s", wire[i].frame);
        virtual_free(v);
    }
}

static void publish(struct virtual_node *n, const char *topic, const char *text)
{
    env_send_bytes(env_of(n), 1, topic, span_of(text, strlen(text)));
}

static struct virtual_node *add_subscriber(struct virtual *v, const char *name,
                                           const struct component_args *args, const char *filter)
{
    topic = filter;
    return add(v, name, args);
}

static const struct component_args v1 = {.serial = "V1"};

Test(virtual, broker_routes_by_topic_and_keeps_sessions)
{
    struct virtual *v = world();
    struct virtual_node *s = add_subscriber(v, "s", &none, "spaak/+/up/vos");
    struct virtual_node *t = add_subscriber(v, "t", &v1, "spaak/V1/down/+");
    run_to(v, 5000);
    cr_expect(eq(str, diary, "s1 t1 s2 t2 "));
    diary[0] = '\0';
    publish(t, "spaak/V1/up/vos", "hello");
    publish(t, "spaak/V2/up/vos", "not mine");
    publish(s, "spaak/V1/down/vos", "hi");
    publish(s, "spaak/V1/other", "nobody");
    run_to(v, 10000);
    cr_expect(eq(str, diary, "s<spaak/V1/up/vos:hello t<spaak/V1/down/vos:hi "));
    virtual_cut(t, "gsdp", true);
    diary[0] = '\0';
    publish(s, "spaak/V1/down/vos", "waits");
    run_to(v, 20000);
    cr_expect(eq(str, diary, ""));
    virtual_cut(t, "gsdp", false);
    run_to(v, 30000);
    cr_expect(eq(str, diary, "t1 t2 t<spaak/V1/down/vos:waits "));
    virtual_free(v);
}

Test(virtual, broker_that_dies_forgets)
{
    struct virtual *v = world();
    struct virtual_node *s = add_subscriber(v, "s", &none, "spaak/+/up/vos");
    struct virtual_node *t = add_subscriber(v, "t", &v1, "spaak/V1/down/+");
    run_to(v, 5000);
    virtual_cut(t, "gsdp", true);
    publish(s, "spaak/V1/down/vos", "lost");
    run_to(v, 6000);
    diary[0] = '\0';
    cr_assert(virtual_helper(v, "broker", false));
    virtual_cut(t, "gsdp", false);
    cr_expect(eq(int, env_send_bytes(env_of(s), 1, "spaak/V1/down/vos", span_of("x", 1)), ERR_LINK_DOWN));
    run_to(v, 50000);
    cr_assert(virtual_helper(v, "broker", true));
    run_to(v, 100000);
    cr_expect(strcmp(diary, "s0 s1 t1 s2 t2 ") == 0 || strcmp(diary, "s0 t1 s1 t2 s2 ") == 0, "%s", diary);
    cr_expect(eq(ptr, strstr(diary, "lost"), NULL));
    virtual_free(v);
}

Test(virtual, a_killed_node_is_silent_and_its_store_stays)
{
    struct virtual *v = world();
    struct virtual_node *a = add(v, "a", &none), *b = add(v, "b", &none);
    char buf[4];
    size_t len;
    run_to(v, 1000);
    store_set(virtual_store(a), "k", span_of("v", 1));
    env_timer_set(env_of(a), 0, 5000);
    virtual_kill(a, "killed");
    diary[0] = '\0';
    send(b, "100#");
    run_to(v, 10000);
    cr_expect(eq(str, diary, ""));
    cr_expect(not(virtual_alive(a)));
    cr_assert(eq(int, virtual_start(a), ERR_OK));
    cr_expect(eq(int, store_get(virtual_store(a), "k", buf, sizeof buf, &len), ERR_OK));
    virtual_free(v);
}

/* Traces, faults, seeded randomness, the node between a component and its host. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <openssl/rand.h>

#include "lib/env/trace.h"
#include "lib/host/fault.h"
#include "lib/host/seeded.h"
#include "tests/support.h"

/* ---- traces ---- */

Test(trace, json_escapes_and_leaves_out_what_is_empty)
{
    struct trace_event e = {.kind = TRACE_SEND, .time_us = 1500, .sequence = 2, .cause = 7, .length = 612};
    char json[TRACE_JSON_MAX];
    strcpy(e.component, "spaak");
    strcpy(e.detail, "a \"b\" \\ \n");
    e.has_digest = true;
    trace_json(&e, json);
    cr_assert(eq(str, json,
                 "{\"schema\":1,\"t_us\":1500,\"seq\":2,\"cause\":7,\"component\":\"spaak\",\"kind\":"
                 "\"send\",\"length\":612,"
                 "\"digest\":\"0000000000000000\",\"detail\":\"a \\\"b\\\" \\\\ \\u000a\"}"));
}

/* Every byte of every text takes the most room that it can. */
Test(trace, the_longest_event_is_whole)
{
    struct trace_event e = {.kind = TRACE_ACCEPT,
                            .time_us = UINT64_MAX,
                            .sequence = UINT32_MAX,
                            .cause = UINT32_MAX,
                            .length = UINT32_MAX,
                            .reason = ERR_MSG_SIGNER_NOT_BOUND,
                            .has_digest = true};
    char json[TRACE_JSON_MAX];
    memset(e.component, 1, sizeof e.component - 1);
    memset(e.peer, 2, sizeof e.peer - 1);
    memset(e.step, 3, sizeof e.step - 1);
    memset(e.message, 0xFF, sizeof e.message - 1);
    memset(e.detail, 4, sizeof e.detail - 1);
    size_t len = trace_json(&e, json);
    cr_expect(lt(sz, len, TRACE_JSON_MAX - 1));
    cr_expect(eq(str, json + len - 8, "\\u0004\"}"));
}

Test(trace, text_has_the_columns_that_people_read)
{
    struct trace_event e = {.kind = TRACE_SEND, .time_us = 3100, .length = 612};
    char text[TRACE_TEXT_MAX];
    strcpy(e.component, "spaak");
    strcpy(e.peer, "vos");
    strcpy(e.step, "PP-01/3");
    strcpy(e.message, "VehicleSubjectIdRequest");
    trace_text(&e, false, text);
    cr_assert(eq(str, text, "      3.1 ms  PP-01/3   spaak -> vos    VehicleSubjectIdRequest  612 B"));
}

Test(trace, details_by_key)
{
    struct trace_event e = {0};
    char value[8];
    strcpy(e.detail, "ecu=SPAAK1 seq=22 error=X");
    cr_assert(trace_detail(&e, "seq", value, sizeof value));
    cr_assert(eq(str, value, "22"));
    cr_assert(not(trace_detail(&e, "se", value, sizeof value)));
    cr_assert(not(trace_detail(&e, "q", value, sizeof value)));
    cr_assert(eq(int, trace_kind_from_name("reject"), TRACE_REJECT));
    cr_assert(eq(int, trace_kind_from_name("nonsense"), TRACE_KINDS));
}

/* ---- faults ---- */

static const struct {
    const char *text;
    unsigned nth_message; /* which message of the name is passed */
    unsigned copies;
    bool fires, held;
} faults[] = {
    {.text = "1,lose,gsdp,X,,,1,1,0,0", .nth_message = 1, .fires = true},
    {.text = "1,lose,gsdp,X,,,1,1,0,0", .nth_message = 2, .copies = 1},
    {.text = "1,lose,gsdp,X,,,2,1,0,0", .nth_message = 2, .fires = true},
    {.text = "1,lose,gsdp,X,,,0,1,0,0", .nth_message = 5, .fires = true},
    {.text = "1,repeat,gsdp,X,,,1,2,50,0", .nth_message = 1, .copies = 3, .fires = true},
    {.text = "1,delay,gsdp,X,,,1,1,20,0", .nth_message = 1, .copies = 1, .fires = true},
    {.text = "1,reorder,gsdp,X,,,1,1,0,0", .nth_message = 1, .copies = 1, .fires = true, .held = true},
    {.text = "1,corrupt,gsdp,X,,,1,1,0,2", .nth_message = 1, .copies = 1, .fires = true},
    {.text = "1,lose,pki,X,,,1,1,0,0", .nth_message = 1, .copies = 1},
    {.text = "1,lose,gsdp,Y,,,1,1,0,0", .nth_message = 1, .copies = 1},
    {.text = "1,kill,,,spaak,PP-01/9,1,1,10,0", .nth_message = 1, .copies = 1},
};

Test(fault, each_kind_acts_on_its_message_only)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct fault_plan plan = {.count = 1};
        struct fault_outcome out;
        uint8_t bytes[4] = {1, 2, 3, 4};
        cr_assert(eq(int, fault_parse(faults[i].text, &plan.faults[0]), ERR_OK), "%s", faults[i].text);
        char again[FAULT_TEXT_MAX];
        fault_print(&plan.faults[0], again);
        cr_expect(eq(str, again, (char *)faults[i].text));
        for (unsigned n = 1; n < faults[i].nth_message; n++)
            fault_apply(&plan, "gsdp", "X", bytes, sizeof bytes, &out);
        fault_apply(&plan, "gsdp", "X", bytes, sizeof bytes, &out);
        cr_expect(eq(u32, out.copies, faults[i].copies), "%s", faults[i].text);
        cr_expect(eq(int, out.fired[0] != NULL, faults[i].fires), "%s", faults[i].text);
        cr_expect(eq(int, out.hold, faults[i].held), "%s", faults[i].text);
        cr_expect(eq(u8, bytes[2], strstr(faults[i].text, "corrupt") ? 0xFC : 3), "%s", faults[i].text);
    }
}

static const struct {
    const char *name, *first, *second;
    unsigned copies;
    bool first_fires, second_fires;
} pairs[] = {
    {"corrupted, and back", "1,corrupt,gsdp,X,,,1,1,0,2", "2,corrupt,gsdp,X,,,1,1,0,2", 1, false, false},
    {"the same byte, counted on", "1,corrupt,gsdp,X,,,1,1,0,1", "2,corrupt,gsdp,X,,,1,1,0,5", 1, false,
     false},
    {"two bytes", "1,corrupt,gsdp,X,,,1,1,0,1", "2,corrupt,gsdp,X,,,1,1,0,2", 1, true, true},
    {"lost, and sent at once", "1,lose,gsdp,X,,,1,1,0,0", "2,repeat,gsdp,X,,,1,1,0,0", 1, false, false},
    {"lost, and sent later", "1,lose,gsdp,X,,,1,1,0,0", "2,repeat,gsdp,X,,,1,1,9,0", 1, true, true},
    {"repeated, and lost", "1,repeat,gsdp,X,,,1,1,0,0", "2,lose,gsdp,X,,,1,1,0,0", 0, false, true},
    {"corrupted, and lost", "1,corrupt,gsdp,X,,,1,1,0,0", "2,lose,gsdp,X,,,1,1,0,0", 0, false, true},
    {"held back, and lost", "1,reorder,gsdp,X,,,1,1,0,0", "2,lose,gsdp,X,,,1,1,0,0", 0, false, true},
    {"late, and later", "1,delay,gsdp,X,,,1,1,5,0", "2,delay,gsdp,X,,,1,1,9,0", 1, false, true},
    {"late and corrupted", "1,delay,gsdp,X,,,1,1,5,0", "2,corrupt,gsdp,X,,,1,1,0,0", 1, true, true},
};

static bool is_fired(const struct fault_outcome *out, unsigned number)
{
    for (size_t i = 0; out->fired[i]; i++)
        if (out->fired[i]->number == number)
            return true;
    return false;
}

Test(fault, what_another_undid_has_not_fired)
{
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct fault_plan plan = {.count = 2};
        struct fault_outcome out;
        uint8_t bytes[4] = {1, 2, 3, 4};
        cr_assert(eq(int, fault_parse(pairs[i].first, &plan.faults[0]), ERR_OK));
        cr_assert(eq(int, fault_parse(pairs[i].second, &plan.faults[1]), ERR_OK));
        fault_apply(&plan, "gsdp", "X", bytes, sizeof bytes, &out);
        cr_expect(eq(u32, out.copies, pairs[i].copies), "%s", pairs[i].name);
        cr_expect(eq(int, is_fired(&out, 1), pairs[i].first_fires), "%s", pairs[i].name);
        cr_expect(eq(int, is_fired(&out, 2), pairs[i].second_fires), "%s", pairs[i].name);
    }
}

Test(fault, malformed_text_is_refused)
{
    static const char *const bad[] = {"",
                                      "1",
                                      "x,lose,a,b,,,1,1,0,0",
                                      "1,explode,a,b,,,1,1,0,0",
                                      "1,lose,a,b,,,1,1,0",
                                      "1,lose,a_link_name_too_long,b,,,1,1,0,0"};
    struct fault f;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect(eq(int, fault_parse(bad[i], &f), ERR_BAD_SYNTAX), "%s", bad[i]);
}

Test(fault, kills_by_component_and_step)
{
    struct fault_plan plan = {.count = 1};
    fault_parse("4,kill,,,spaak,PP-01/9,1,1,10,0", &plan.faults[0]);
    cr_assert(eq(ptr, fault_kill_at(&plan, "vos", "PP-01/9"), NULL));
    cr_assert(eq(ptr, fault_kill_at(&plan, "spaak", "PP-01/8"), NULL));
    struct fault *f = fault_kill_at(&plan, "spaak", "PP-01/9");
    cr_assert(ne(ptr, f, NULL));
    f->number = 0;
    cr_assert(eq(ptr, fault_kill_at(&plan, "spaak", "PP-01/9"), NULL), "once");
}

/* ---- seeded randomness ---- */

Test(seeded, streams_repeat_and_differ_by_name_and_seed)
{
    struct seeded_stream a, b, c, d;
    uint8_t x[4][32];
    seeded_stream_init(&a, 7, "spaak");
    seeded_stream_init(&b, 7, "spaak");
    seeded_stream_init(&c, 7, "vos");
    seeded_stream_init(&d, 8, "spaak");
    struct seeded_stream *all[] = {&a, &b, &c, &d};
    for (size_t i = 0; i < 4; i++)
        seeded_stream_draw(all[i], x[i], 32);
    cr_expect(memcmp(x[0], x[1], 32) == 0);
    cr_expect(memcmp(x[0], x[2], 32) != 0);
    cr_expect(memcmp(x[0], x[3], 32) != 0);
}

static void sign_with(uint64_t seed, uint8_t point[P256_POINT], uint8_t sig[P256_SIG_MAX], size_t *len)
{
    struct seeded_context ctx;
    struct seeded_stream s;
    struct p256_key *k;
    uint8_t digest[SHA256_SIZE] = {9};
    seeded_stream_init(&s, seed, "x");
    seeded_use(&s);
    cr_assert(seeded_context_open(&ctx));
    struct crypto *c = crypto_new(ctx.openssl);
    cr_assert(eq(int, p256_generate(c, &k), ERR_OK));
    p256_public(k, point);
    cr_assert(eq(int, p256_sign(k, digest, sig, len), ERR_OK));
    p256_free(k);
    crypto_free(c);
    seeded_context_close(&ctx);
    seeded_use(NULL);
}

Test(seeded, openssl_keys_and_signatures_repeat_to_the_byte)
{
    uint8_t p[3][P256_POINT], s[3][P256_SIG_MAX];
    size_t n[3];
    sign_with(1, p[0], s[0], &n[0]);
    sign_with(1, p[1], s[1], &n[1]);
    sign_with(2, p[2], s[2], &n[2]);
    cr_expect(memcmp(p[0], p[1], P256_POINT) == 0);
    cr_expect(n[0] == n[1] && memcmp(s[0], s[1], n[0]) == 0);
    cr_expect(memcmp(p[0], p[2], P256_POINT) != 0);
}

/* ---- the node ---- */

struct probe {
    struct env *env;
    enum err seen;
};

static enum err probe_init(void *self, struct env *env, const struct component_args *args)
{
    (void)args;
    ((struct probe *)self)->env = env;
    return ERR_OK;
}

/* Puts without committing, except for timer 1. */
static void probe_on_timer(void *self, unsigned timer)
{
    struct probe *p = self;
    char buf[8];
    size_t len;
    env_store_put(p->env, "k", span_of("v", 1));
    p->seen = env_store_get(p->env, "k", buf, sizeof buf, &len);
    if (timer == 1)
        env_store_commit(p->env);
}

static const struct timer_spec probe_timers[] = {{"put", false}, {"commit", false}};

static const struct component_class probe_class = {.name = "probe",
                                                   .stores = true,
                                                   .size = sizeof(struct probe),
                                                   .timers = probe_timers,
                                                   .timer_count = 2,
                                                   .init = probe_init,
                                                   .on_timer = probe_on_timer};

Test(node, uncommitted_puts_end_with_their_handler)
{
    struct bench b;
    char buf[8];
    size_t len;
    bench_prepare(&b, &probe_class, test_crypto());
    cr_assert(eq(int, bench_start(&b, &(struct component_args){.serial = ""}), ERR_OK));
    node_on_timer(&b.node, 0);
    cr_expect(eq(int, ((struct probe *)b.node.self)->seen, ERR_OK), "sees its own put");
    cr_expect(eq(int, store_get(b.node.store, "k", buf, sizeof buf, &len), ERR_NOT_FOUND));
    cr_expect(eq(sz, bench_count(&b, TRACE_STORE, ERR_OK), 0));
    node_on_timer(&b.node, 1);
    cr_expect(eq(int, store_get(b.node.store, "k", buf, sizeof buf, &len), ERR_OK));
    cr_expect(eq(str, (char *)bench_last(&b, TRACE_STORE)->detail, "+k"));
    bench_free(&b);
}

Test(node, a_dead_component_has_no_effect)
{
    struct bench b;
    char buf[8];
    size_t len;
    bench_prepare(&b, &probe_class, test_crypto());
    bench_start(&b, &(struct component_args){.serial = ""});
    struct probe *p = b.node.self;
    b.node.dead = true;
    env_store_put(p->env, "k", span_of("v", 1));
    cr_expect(eq(int, env_store_commit(p->env), ERR_KILLED));
    cr_expect(eq(int, store_get(b.node.store, "k", buf, sizeof buf, &len), ERR_NOT_FOUND));
    size_t traced = b.trace_count;
    env_trace_state(p->env, "x");
    cr_expect(eq(sz, b.trace_count, traced));
    bench_free(&b);
}

static uint64_t settings_seen[2];

static enum err set_init(void *self, struct env *env, const struct component_args *args)
{
    (void)self;
    (void)env;
    settings_seen[0] = args->settings[0];
    settings_seen[1] = args->settings[1];
    return ERR_OK;
}

static const struct setting_spec set_settings[] = {{.name = "a", .fallback = 5, .min = 2, .max = 9},
                                                   {.name = "b", .fallback = 0, .min = 0, .max = 1},
                                                   {.name = NULL}};
static const struct component_class set_class = {
    .name = "set", .size = 1, .settings = set_settings, .init = set_init};

static const struct {
    const char *name;
    const uint64_t *settings;
    enum err reason;
    uint64_t a, b;
} set_rows[] = {
    {.name = "defaults", .settings = NULL, .reason = ERR_OK, .a = 5, .b = 0},
    {.name = "both bounds", .settings = (const uint64_t[]){2, 1}, .reason = ERR_OK, .a = 2, .b = 1},
    {.name = "below", .settings = (const uint64_t[]){1, 0}, .reason = ERR_SETTING_RANGE, .a = 0, .b = 0},
    {.name = "above", .settings = (const uint64_t[]){5, 2}, .reason = ERR_SETTING_RANGE, .a = 0, .b = 0},
};

Test(node, settings_keep_within_their_bounds)
{
    for (size_t i = 0; i < sizeof set_rows / sizeof set_rows[0]; i++) {
        struct bench b;
        settings_seen[0] = settings_seen[1] = 0;
        bench_prepare(&b, &set_class, test_crypto());
        enum err e =
            bench_start(&b, &(struct component_args){.serial = "", .settings = set_rows[i].settings});
        cr_expect(eq(int, e, set_rows[i].reason), "%s", set_rows[i].name);
        cr_expect(eq(u64, settings_seen[0], set_rows[i].a), "%s", set_rows[i].name);
        cr_expect(eq(u64, settings_seen[1], set_rows[i].b), "%s", set_rows[i].name);
        bench_free(&b);
    }
}

/* ---- keys of stores, as declared ---- */

static const char *const declared_keys[] = {"own", "vehicle/{serial}", "retired/{serial}/+", NULL};
static const struct plant_item planted[] = {
    {"anchor", PLANT_CERTIFICATE, "J"}, {"ecu/", PLANT_VEHICLES, NULL}, {.key = NULL}};
static const struct component_class keeper = {.keys = declared_keys, .plant = planted},
                                    silent = {.plant = planted};
static const char *const vehicles[] = {"V1", "V2", NULL};

static const struct {
    const struct component_class *class;
    const char *const *serials;
    const char *key;
    bool may;
} keys[] = {
    {&keeper, vehicles, "own", true},         {&keeper, vehicles, "owner", false},
    {&keeper, vehicles, "anchor", true},      {&keeper, vehicles, "vehicle/V2", true},
    {&keeper, vehicles, "vehicle/V3", false}, {&keeper, vehicles, "retired/V1/7", true},
    {&keeper, vehicles, "retired/V1", false}, {&keeper, vehicles, "ecu/V1", true},
    {&keeper, vehicles, "ecu/", false},       {&keeper, NULL, "vehicle/V3", true},
    {&keeper, NULL, "vehicl/V3", false},      {&silent, vehicles, "anything", true},
};

Test(env, a_store_holds_what_its_class_declares)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        cr_expect(eq(int, component_key(keys[i].class, keys[i].serials, keys[i].key), keys[i].may),
                  "row %zu: %s", i, keys[i].key);
}

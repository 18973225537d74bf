/* The phone in the virtual world: phase 0 over HTTP with its maker's server, then a vehicle's two readers
 * over NFC, which are the test's own; the vehicle behind them is the rig's. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/dos/dos.h"
#include "lib/host/seal.h"
#include "sim/actors/phone/phone.h"
#include "tests/check.h"
#include "tests/pairing_rig.h"
#include "tests/support.h"

/* ---- a reader: passes on what the test says to the card in its field ---- */

enum { READER_NFC };
enum { CALL_SAY, CALL_FIELD };

/* One message each way, of the one run that there is. */
static struct {
    struct span command;
    uint8_t answer[APDU_RESPONSE_MAX];
    size_t len;
    bool answered, here[2];
} air;

struct reader {
    struct env *env;
    char card[16];
    size_t number;
};

static enum err reader_init(void *self, struct env *env, const struct component_args *args)
{
    struct reader *r = self;
    (void)args;
    r->env = env;
    r->number = strcmp(env->name, "door") == 0;
    air.here[r->number] = false;
    return ERR_OK;
}

static void reader_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    (void)self;
    (void)port;
    (void)address;
    cr_assert(le(sz, bytes.len, sizeof air.answer));
    memcpy(air.answer, bytes.p, bytes.len);
    air.len = bytes.len;
    air.answered = true;
}

static void reader_on_news(void *self, unsigned port, const char *address, const char *news)
{
    struct reader *r = self;
    (void)port;
    air.here[r->number] = strcmp(news, "card-here") == 0;
    if (air.here[r->number])
        text_copy(r->card, sizeof r->card, address);
}

static void reader_on_link(void *self, unsigned port, enum link_state state)
{
    struct reader *r = self;
    if (state != LINK_DOWN)
        env_tell(r->env, port, "", "field-on");
}

static enum err call_say(void *self, const struct call_value *values)
{
    struct reader *r = self;
    (void)values;
    return env_send_bytes(r->env, READER_NFC, r->card, air.command);
}

static enum err call_field(void *self, const struct call_value *values)
{
    struct reader *r = self;
    air.here[r->number] = false;
    return env_tell(r->env, READER_NFC, "", values[0].number ? "field-on" : "field-off");
}

static const char *const callers[] = {"phone", NULL};
static const struct port_spec ports[] = {
    {.name = "nfc", .medium = "nfc", .end = PORT_LISTENS, .callers = callers}};
static const struct parameter_spec on_parameter[] = {
    {.name = "on", .kind = PARAMETER_NUMBER, .required = true, .max = 1}, {.name = NULL}};
static const struct call_spec calls[] = {[CALL_SAY] = {"say", "says it", NULL, call_say},
                                         [CALL_FIELD] = {"field", "its field", on_parameter, call_field},
                                         {.name = NULL}};
static const struct component_class reader_class = {.name = "reader",
                                                    .place = PLACE_VEHICLE,
                                                    .size = sizeof(struct reader),
                                                    .ports = ports,
                                                    .port_count = 1,
                                                    .calls = calls,
                                                    .init = reader_init,
                                                    .on_bytes = reader_on_bytes,
                                                    .on_news = reader_on_news,
                                                    .on_link = reader_on_link};

/* ---- the world ---- */

enum { DOS, PHONE, WCP, DOOR, NODES };

struct stage {
    struct virtual *v;
    struct virtual_node *nodes[NODES];
    struct rig *rig;
    size_t reader; /* WCP or DOOR: whose vehicle's end it is */
    char shown[ENV_SHOWS][ENV_TEXT_MAX];
    bool certified;
};

static void on_trace(void *ctx, const struct trace_event *e)
{
    struct stage *s = ctx;
    for (size_t i = 0; phone_class.shows[i]; i++)
        if (e->kind == TRACE_SHOW && strcmp(e->message, phone_class.shows[i]) == 0)
            text_copy(s->shown[i], sizeof s->shown[i], e->detail);
    s->certified |= e->kind == TRACE_CLAIM && strcmp(e->message, "instance-ca") == 0;
}

static const char *shown(const struct stage *s, const char *line)
{
    for (size_t i = 0; phone_class.shows[i]; i++)
        if (strcmp(phone_class.shows[i], line) == 0)
            return s->shown[i];
    return "";
}

static void pass_ms(struct stage *s, uint64_t ms)
{
    const uint64_t end_us = virtual_now_us(s->v) + ms * 1000;
    while (virtual_step(s->v, end_us))
        ;
}

static void call(struct stage *s, size_t node, const struct component_class *class, const char *name,
                 uint64_t number, const char *text)
{
    struct call_value value = {.number = number};
    unsigned index;
    cr_assert(component_call(class, name, &index));
    snprintf(value.text, sizeof value.text, "%s", text ? text : "");
    virtual_call(s->nodes[node], index, &value);
    pass_ms(s, 50);
}

static void tell_phone(struct stage *s, const char *name, uint64_t number, const char *text)
{
    call(s, PHONE, &phone_class, name, number, text);
}

/* The vehicle's end: nothing comes from a card that is not there. */
static void input(void *arg, struct span apdu, struct wr *answer)
{
    struct stage *s = arg;
    const uint64_t end_us = virtual_now_us(s->v) + 2000000;
    air.command = apdu;
    air.answered = false;
    virtual_call(s->nodes[s->reader], CALL_SAY, NULL);
    while (!air.answered && virtual_step(s->v, end_us))
        ;
    if (air.answered)
        wr_copy(answer, air.answer, air.len);
}

static void reset(void *arg)
{
    struct stage *s = arg;
    for (uint64_t on = 0; on < 2; on++)
        call(s, s->reader, &reader_class, "field", on, NULL);
}

static void put_key(struct store *store, const struct p256_key *key)
{
    const struct seal seal = {test_crypto(), &dos_class, test_store_key};
    uint8_t scalar[P256_SCALAR];
    struct seal_value v;
    ASSERT_OK(p256_private(key, scalar));
    ASSERT_OK(seal_make(&seal, DOS_KEY, span_of(scalar, sizeof scalar), &v));
    ASSERT_OK(store_set(store, DOS_KEY, span_of(v.bytes, v.len)));
    seal_value_free(&v);
}

static void put_certificate(struct store *store, const char *key, const struct rig_authority *a)
{
    ASSERT_OK(store_set(store, key, span_of(a->der, a->len)));
}

static struct stage *stage_new(void)
{
    static const struct component_args args = {.serial = "", .store_key = test_store_key};
    static const struct component_class *const classes[NODES] = {&dos_class, &phone_class, &reader_class,
                                                                 &reader_class};
    static const char *const names[NODES] = {"dos", "phone", "wcp", "door"};
    struct stage *s = calloc(1, sizeof *s);
    const struct virtual_options o = {
        .seed = 7, .twins = media_twins, .hooks = {.ctx = s, .on_trace = on_trace}};
    s->v = virtual_new(&o);
    s->rig = rig_new(test_crypto());
    s->rig->other_input = input;
    s->rig->other_reset = reset;
    s->rig->other_arg = s;
    s->reader = WCP;
    for (size_t i = 0; i < NODES; i++)
        s->nodes[i] = virtual_add(s->v, classes[i], names[i], 0, &args);
    put_key(virtual_store(s->nodes[DOS]), s->rig->d.key);
    put_certificate(virtual_store(s->nodes[DOS]), DOS_CERTIFICATE, &s->rig->d);
    put_certificate(virtual_store(s->nodes[DOS]), DOS_CROSS "SPAAKSIM", &s->rig->f);
    put_certificate(virtual_store(s->nodes[PHONE]), PHONE_ROOT, &s->rig->j);
    for (size_t i = 0; i < NODES; i++)
        ASSERT_OK(virtual_start(s->nodes[i]));
    pass_ms(s, 1000);
    return s;
}

static void stage_free(struct stage *s)
{
    virtual_free(s->v);
    rig_free(s->rig);
    free(s);
}

static void pair(struct stage *s)
{
    tell_phone(s, "place", 0, "wcp");
    tell_phone(s, "type-password", 0, RIG_PASSWORD);
    ASSERT_OK(rig_pair_phase_2(s->rig));
    ASSERT_OK(rig_phase_3(s->rig));
}

static void expect_opens(struct stage *s, size_t reader, const char *what)
{
    bool fast;
    s->reader = reader;
    EXPECT_OK(rig_unlock(s->rig, false, true, &fast), "%s", what);
    EXPECT_OK(rig_unlock(s->rig, true, true, &fast), "%s", what);
    cr_expect(fast, "%s", what);
}

/* ---- */

Test(handset_media, certified_by_its_maker_it_pairs_at_one_reader_and_opens_at_the_other)
{
    struct stage *s = stage_new();
    cr_assert(s->certified, "over HTTP");
    cr_expect(eq(str, (char *)shown(s, "field"), "nowhere"));
    pair(s);
    cr_expect(eq(str, (char *)shown(s, "framework"), "paired"));
    cr_expect(eq(str, (char *)shown(s, "keys"), "0 00010123456789AB active"));
    expect_opens(s, WCP, "where it was paired");
    tell_phone(s, "place", 0, "door");
    cr_expect(eq(str, (char *)shown(s, "field"), "in the field of door"));
    cr_expect(air.here[DOOR - WCP] && !air.here[0]);
    expect_opens(s, DOOR, "at the door");
    tell_phone(s, "lift", 0, NULL);
    cr_expect(eq(str, (char *)shown(s, "field"), "nowhere"));
    cr_expect(not(air.here[DOOR - WCP]));
    stage_free(s);
}

/* Whatever happens, it is found again where it lies, and opens. */
Test(handset_media, it_is_found_again)
{
    static const struct {
        const char *name;
        size_t node; /* who is killed, or whose link is cut */
        bool cut;
    } rows[] = {{"the reader dies", WCP, false},
                {"the reader is cut off", WCP, true},
                {"the phone is cut off", PHONE, true}};
    struct stage *s = stage_new();
    pair(s);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct virtual_node *n = s->nodes[rows[i].node];
        if (rows[i].cut)
            cr_assert(virtual_cut(n, "nfc", true), "%s", rows[i].name);
        else
            virtual_kill(n, rows[i].name);
        pass_ms(s, 1000);
        cr_expect(eq(str, (char *)shown(s, "field"), "nowhere"), "%s", rows[i].name);
        if (rows[i].cut)
            virtual_cut(n, "nfc", false);
        else
            ASSERT_OK(virtual_start(n));
        pass_ms(s, 1000);
        cr_expect(eq(str, (char *)shown(s, "field"), "in the field of wcp"), "%s", rows[i].name);
        expect_opens(s, WCP, rows[i].name);
    }
    stage_free(s);
}

Test(handset_media, without_battery_it_is_not_there)
{
    struct stage *s = stage_new();
    pair(s);
    cr_expect(air.here[0]);
    tell_phone(s, "battery", 0, NULL);
    cr_expect(not(air.here[0]));
    cr_expect(eq(str, (char *)shown(s, "framework"), "off"));
    EXPECT_ERR(rig_phase_3(s->rig), ERR_DK_LINK_LOST);
    tell_phone(s, "battery", 1, NULL);
    cr_expect(air.here[0]);
    expect_opens(s, WCP, "charged again");
    stage_free(s);
}

/* A phone that was killed has all that it had stored; where it lies its user says anew. */
Test(handset_media, killed_it_opens_when_it_is_laid_down_again)
{
    struct stage *s = stage_new();
    pair(s);
    virtual_kill(s->nodes[PHONE], "a test");
    pass_ms(s, 100);
    cr_expect(not(air.here[0]));
    ASSERT_OK(virtual_start(s->nodes[PHONE]));
    pass_ms(s, 100);
    cr_expect(not(air.here[0]));
    tell_phone(s, "place", 0, "wcp");
    expect_opens(s, WCP, "in its next life");
    stage_free(s);
}

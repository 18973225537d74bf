/* Topics: what a class declares, said by the host's own check, by the virtual broker and by a mosquitto with
 * the rules that are made for a run. One table for the three. */
#include "lib/host/twin.h"
#include "lib/media/media.h"
#include "tests/check.h"
#include "tests/mqtt.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define SERIAL "SPAAK00000001"

/* ---- classes ---- */

static const struct port_spec gsdp_port[] = {{.name = "gsdp", .medium = "gsdp"}};
static const struct topic_rule car_rules[] = {
    {"spaak/{serial}/up/+", TOPIC_WRITE},
    {"spaak/{serial}/down/+", TOPIC_READ},
    {"news/all", TOPIC_READ},
    {.filter = NULL},
};
static const struct topic_rule office_rules[] = {
    {"spaak/+/up/office", TOPIC_READ},
    {"spaak/+/down/office", TOPIC_WRITE},
    {"news/all", TOPIC_READ | TOPIC_WRITE},
    {.filter = NULL},
};
/* Hears and says everything: the other side of each row. */
static const struct topic_rule scribe_rules[] = {
    {"+/+", TOPIC_READ | TOPIC_WRITE},
    {"+/+/+/+", TOPIC_READ | TOPIC_WRITE},
    {"+/+/+/+/+", TOPIC_READ | TOPIC_WRITE},
    {.filter = NULL},
};

static struct heard {
    unsigned count; /* messages but the marker */
    bool marker;
} heard;

/* A topic of each class that ends a row: what was sent before it has come by then. */
#define CAR_READS     "spaak/" SERIAL "/down/marker"
#define CAR_WRITES    "spaak/" SERIAL "/up/marker"
#define OFFICE_READS  "spaak/marker/up/office"
#define OFFICE_WRITES "spaak/marker/down/office"

static void hear(const char *topic)
{
    bool marker = strstr(topic, "marker");
    heard.marker |= marker;
    heard.count += !marker;
}

struct client {
    struct env *env;
};
static bool hears_in_virtual[3];

static enum err client_init(void *self, struct env *env, const struct component_args *args)
{
    (void)args;
    ((struct client *)self)->env = env;
    return ERR_OK;
}

enum { CAR, OFFICE, SCRIBE, WHO };
static const char *const names[WHO] = {"car", "office", "scribe"};

static void client_on_bytes(void *self, unsigned port, const char *topic, struct span bytes)
{
    (void)port;
    (void)bytes;
    for (int i = 0; i < WHO; i++)
        if (hears_in_virtual[i] && strcmp(((struct client *)self)->env->name, names[i]) == 0)
            hear(topic);
}

#define CLASS(class_name, where, rules)                                                        \
    {                                                                                          \
        .name = class_name, .place = where, .size = sizeof(struct client), .ports = gsdp_port, \
        .port_count = 1, .topics = rules, .init = client_init, .on_bytes = client_on_bytes     \
    }
static const struct component_class classes[WHO] = {
    [CAR] = CLASS("car", PLACE_VEHICLE, car_rules),
    [OFFICE] = CLASS("office", PLACE_BACK_END, office_rules),
    [SCRIBE] = CLASS("scribe", PLACE_BACK_END, scribe_rules),
};
static const char *const serials[WHO] = {[CAR] = SERIAL, [OFFICE] = "", [SCRIBE] = ""};
static const char *const reads[] = {[CAR] = CAR_READS, [OFFICE] = OFFICE_READS};
static const char *const writes[] = {[CAR] = CAR_WRITES, [OFFICE] = OFFICE_WRITES};

/* ---- the table ---- */

#define READ  TOPIC_READ
#define WRITE TOPIC_WRITE

/* `declared`: what the host's check says. `heard`: messages that come through a broker which is asked all the
 * same. */
static const struct row {
    const char *name;
    int who;
    enum topic_access access;
    const char *topic;
    const char *sent; /* READ: where something is published; NULL: on the topic */
    bool declared;
    unsigned heard;
} rows[] = {
    {"its own", CAR, READ, "spaak/" SERIAL "/down/vos", NULL, true, 1},
    {"all of its own", CAR, READ, "spaak/" SERIAL "/down/+", "spaak/" SERIAL "/down/vos", true, 1},
    {"what is for all", CAR, READ, "news/all", NULL, true, 1},
    {"another's", CAR, READ, "spaak/SPAAK00000002/down/vos", NULL, false, 0},
    {"a serial that goes on", CAR, READ, "spaak/" SERIAL "2/down/vos", NULL, false, 0},
    {"everybody's, another's comes", CAR, READ, "spaak/+/down/+", "spaak/SPAAK00000002/down/vos", false, 0},
    {"everybody's, its own comes", CAR, READ, "spaak/+/down/+", "spaak/" SERIAL "/down/vos", false, 1},
    {"what it writes", CAR, READ, "spaak/" SERIAL "/up/vos", NULL, false, 0},
    {"a level too many", CAR, READ, "spaak/" SERIAL "/down/vos/x", NULL, false, 0},
    {"a level too few", CAR, READ, "spaak/" SERIAL "/down", "spaak/" SERIAL "/down/vos", false, 0},
    {"nothing", CAR, READ, "spaak/" SERIAL "/down/+", "news/other", true, 0},
    {"of every vehicle", OFFICE, READ, "spaak/+/up/office", "spaak/SPAAK00000002/up/office", true, 1},
    {"of one vehicle", OFFICE, READ, "spaak/SPAAK00000002/up/office", NULL, true, 1},
    {"another office's", OFFICE, READ, "spaak/+/up/+", "spaak/SPAAK00000002/up/vos", false, 0},
    {"its own", CAR, WRITE, "spaak/" SERIAL "/up/vos", NULL, true, 1},
    {"in another's name", CAR, WRITE, "spaak/SPAAK00000002/up/vos", NULL, false, 0},
    {"what it reads", CAR, WRITE, "spaak/" SERIAL "/down/vos", NULL, false, 0},
    {"what is for all, which it only reads", CAR, WRITE, "news/all", NULL, false, 0},
    {"to all at once", CAR, WRITE, "spaak/" SERIAL "/up/+", NULL, false, 0},
    {"to one vehicle", OFFICE, WRITE, "spaak/SPAAK00000002/down/office", NULL, true, 1},
    {"to all vehicles at once", OFFICE, WRITE, "spaak/+/down/office", NULL, false, 0},
    {"in another office's name", OFFICE, WRITE, "spaak/SPAAK00000002/down/vos", NULL, false, 0},
    {"what it reads and writes", OFFICE, WRITE, "news/all", NULL, true, 1},
    {"nowhere", OFFICE, WRITE, "spaak", NULL, false, 0},
};
#define ROWS (sizeof rows / sizeof rows[0])

static const char *verb(const struct row *r)
{
    return r->access == READ ? "reads" : "writes";
}

Test(topics, the_host_asks_the_declarations)
{
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        bool got = component_topic(&classes[r->who], serials[r->who], r->access, r->topic);
        cr_expect(eq(int, got, r->declared), "%s %s %s", names[r->who], verb(r), r->name);
    }
    cr_expect(not(component_topic(&classes[CAR], SERIAL, READ, "spaak/" SERIAL "/down/#")),
              "all levels below");
    cr_expect(not(component_topic(&classes[CAR], SERIAL, READ, "#")));
    cr_expect(not(component_topic(&classes[CAR], "", READ, "spaak//down/vos")), "without a vehicle");
    cr_expect(not(component_topic(&classes[CAR], SERIAL, READ, "")));
}

/* ---- the virtual broker ---- */

static struct virtual *world_begin(struct virtual_port *ports[WHO])
{
    static const struct component_args args[WHO] = {{.serial = SERIAL}, {.serial = ""}, {.serial = ""}};
    const struct virtual_options o = {.seed = 1, .twins = media_twins};
    struct virtual *v = virtual_new(&o);
    heard = (struct heard){0};
    for (int i = 0; i < WHO; i++) {
        struct virtual_node *n = virtual_add(v, &classes[i], names[i], 0, &args[i]);
        ports[i] = virtual_port(n, 0);
        ASSERT_OK(virtual_start(n));
    }
    while (!virtual_quiet(v))
        virtual_step(v, UINT64_MAX / 2);
    return v;
}

static void world_end(struct virtual *v)
{
    while (!virtual_quiet(v))
        virtual_step(v, UINT64_MAX / 2);
    virtual_free(v);
}

static void virtual_subscribe(struct virtual_port *p, const char *filter)
{
    EXPECT_OK(p->twin->subscribe(p, filter), "granted: %s", filter);
}

static void virtual_publish(struct virtual_port *p, const char *topic)
{
    EXPECT_OK(p->twin->send(p, topic, span_of("x", 1)), "taken: %s", topic);
}

static void hear_as(int who)
{
    for (int i = 0; i < WHO; i++)
        hears_in_virtual[i] = i == who;
}

static void ask_virtual(const struct row *r)
{
    struct virtual_port *ports[WHO], *who;
    struct virtual *v = world_begin(ports);
    who = ports[r->who];
    hear_as(r->access == READ ? r->who : SCRIBE);
    if (r->access == READ) {
        virtual_subscribe(who, r->topic);
        virtual_subscribe(who, reads[r->who]);
        virtual_publish(ports[SCRIBE], r->sent ? r->sent : r->topic);
        virtual_publish(ports[SCRIBE], reads[r->who]);
    } else {
        for (const struct topic_rule *f = scribe_rules; f->filter; f++)
            virtual_subscribe(ports[SCRIBE], f->filter);
        virtual_publish(who, r->topic);
        virtual_publish(who, writes[r->who]);
    }
    world_end(v);
}

Test(topics, the_virtual_broker_grants_and_stays_silent)
{
    for (size_t i = 0; i < ROWS; i++) {
        ask_virtual(&rows[i]);
        cr_expect(heard.marker, "%s %s %s", names[rows[i].who], verb(&rows[i]), rows[i].name);
        cr_expect(eq(u32, heard.count, rows[i].heard), "%s %s %s", names[rows[i].who], verb(&rows[i]),
                  rows[i].name);
    }
}

Test(topics, overlapping_subscriptions_deliver_once_in_the_virtual_world)
{
    struct virtual_port *ports[WHO];
    struct virtual *v = world_begin(ports);
    hear_as(CAR);
    virtual_subscribe(ports[CAR], "spaak/" SERIAL "/down/+");
    virtual_subscribe(ports[CAR], "spaak/" SERIAL "/down/vos");
    virtual_subscribe(ports[CAR], "spaak/+/down/vos");
    virtual_publish(ports[SCRIBE], "spaak/" SERIAL "/down/vos");
    world_end(v);
    cr_expect(eq(u32, heard.count, 1));
}

/* ---- mosquitto ---- */

static struct setup_instance instances[WHO];

static void broker_begin(void)
{
    for (int i = 0; i < WHO; i++)
        instances[i] = (struct setup_instance){names[i], &classes[i], serials[i], 0, false};
    if (!mqtt_broker_begin(instances, WHO))
        cr_skip("mosquitto is not installed");
    heard = (struct heard){0};
}

/* Turns the loop of who listens until the marker has come. */
static void wait_marker(struct mqtt *c)
{
    for (int i = 0; i < MQTT_TURNS && !heard.marker; i++)
        mqtt_turn(c);
}

static void ask_mosquitto(const struct row *r)
{
    struct mqtt who, scribe, *ear = r->access == READ ? &who : &scribe;
    heard = (struct heard){0};
    mqtt_join_as(&who, &instances[r->who]);
    mqtt_join_as(&scribe, &instances[SCRIBE]);
    ear->hear = hear;
    if (r->access == READ) {
        mqtt_subscribe(&who, r->topic);
        mqtt_subscribe(&who, reads[r->who]);
        mqtt_publish(&scribe, r->sent ? r->sent : r->topic);
        mqtt_publish(&scribe, reads[r->who]);
    } else {
        for (const struct topic_rule *f = scribe_rules; f->filter; f++)
            mqtt_subscribe(&scribe, f->filter);
        bool topic = mqtt_publish(&who, r->topic);
        cr_expect(eq(int, topic, !strchr(r->topic, '+')), "a filter does not leave libmosquitto");
        mqtt_publish(&who, writes[r->who]);
    }
    wait_marker(ear);
    cr_expect(eq(u32, who.refused, 0), "a subscription is granted, whatever it is");
    mqtt_leave(&who);
    mqtt_leave(&scribe);
}

Test(topics, a_mosquitto_with_our_rules_grants_and_stays_silent, .timeout = 120)
{
    broker_begin();
    for (size_t i = 0; i < ROWS; i++) {
        ask_mosquitto(&rows[i]);
        cr_expect(heard.marker, "%s %s %s", names[rows[i].who], verb(&rows[i]), rows[i].name);
        cr_expect(eq(u32, heard.count, rows[i].heard), "%s %s %s", names[rows[i].who], verb(&rows[i]),
                  rows[i].name);
    }
    mqtt_broker_end();
}

Test(topics, overlapping_subscriptions_deliver_once_at_our_mosquitto, .timeout = 120)
{
    struct mqtt car, scribe;
    broker_begin();
    mqtt_join_as(&car, &instances[CAR]);
    mqtt_join_as(&scribe, &instances[SCRIBE]);
    car.hear = hear;
    mqtt_subscribe(&car, "spaak/" SERIAL "/down/+");
    mqtt_subscribe(&car, "spaak/" SERIAL "/down/vos");
    mqtt_subscribe(&car, "spaak/+/down/vos");
    mqtt_publish(&scribe, "spaak/" SERIAL "/down/vos");
    mqtt_publish(&scribe, CAR_READS);
    wait_marker(&car);
    cr_expect(heard.marker);
    cr_expect(eq(u32, heard.count, 1));
    mqtt_leave(&car);
    mqtt_leave(&scribe);
    mqtt_broker_end();
}

Test(topics, nobody_joins_without_a_password, .timeout = 120)
{
    struct mqtt c;
    broker_begin();
    const char *password = mqtt_password(&instances[OFFICE]);
    const struct {
        const char *user, *password;
    } wrong[] = {{NULL, NULL}, {"office", "guess"}, {"nobody", password}, {SERIAL, password}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        mqtt_join(&c, wrong[i].user, wrong[i].password);
        cr_expect(lt(int, 0, c.result), "row %zu", i);
        mqtt_leave(&c);
    }
    mqtt_broker_end();
}

/* What a client of our broker cannot do to the others, though it has a user of its own. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>
#include <unistd.h>

#include "backend/vos/vos.h"
#include "lib/host/link.h"
#include "lib/media/gsdp/gsdp.h"
#include "lib/media/media.h"
#include "tbm/tbm.h"
#include "tests/mqtt.h"

#define UP "spaak/SPAAK00000001/up/vos"

static const struct setup_instance instances[] = {{"tbm", &tbm_class, "SPAAK00000001", 0, false},
                                                  {"vos", &vos_class, "", 0, false}};
static unsigned heard;

static void hear(const char *topic)
{
    (void)topic;
    heard++;
}

static void set_up(void)
{
    if (!mqtt_broker_begin(instances, 2)) {
        fprintf(stderr, "SKIPPED: mosquitto is not installed\n");
        cr_skip("mosquitto is not installed");
    }
}

static void tear_down(void)
{
    mqtt_broker_end();
}

TestSuite(broker_limits, .init = set_up, .fini = tear_down, .timeout = 60);

/* Turns until the client has heard so many, or what is under way has come. */
static void listen_for(struct mqtt *c, unsigned n)
{
    for (int i = 0; i < MQTT_TURNS && heard < n; i++)
        mqtt_turn(c);
    for (int i = 0; i < 10; i++)
        mqtt_turn(c);
}

static const char *const claims[] = {"@vos", "vos", "@tbm", "tbm"};

Test(broker_limits, a_client_is_who_its_user_is)
{
    struct mqtt vos, car;
    mqtt_join_as(&vos, &instances[1]);
    vos.hear = hear;
    mqtt_subscribe(&vos, UP);
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        mqtt_join_by_id(&car, claims[i], &instances[0]);
        cr_expect(eq(int, car.result == 0, claims[i][0] == '@'), "%s", claims[i]);
        mqtt_leave(&car);
    }
    mqtt_join_as(&car, &instances[0]);
    mqtt_publish(&car, UP);
    listen_for(&vos, 1);
    cr_expect(eq(u32, heard, 1), "the one whose id was claimed is still there");
    mqtt_leave(&car);
    mqtt_leave(&vos);
}

Test(broker_limits, who_sends_more_than_anybody_takes_is_cut_off)
{
    static const char big[3 * ENV_VALUE_MAX];
    struct mqtt vos, car;
    mqtt_join_as(&vos, &instances[1]);
    vos.hear = hear;
    mqtt_subscribe(&vos, UP);
    mqtt_join_as(&car, &instances[0]);
    cr_assert(eq(int, mosquitto_publish(car.m, NULL, UP, ENV_VALUE_MAX, big, 1, false), MOSQ_ERR_SUCCESS));
    for (int i = 0; i < MQTT_TURNS && !car.confirmed; i++)
        mqtt_turn(&car);
    listen_for(&vos, 1);
    cr_expect(eq(u32, heard, 1), "the longest that is allowed");
    mosquitto_publish(car.m, NULL, UP, sizeof big, big, 1, false);
    int rc = MOSQ_ERR_SUCCESS;
    for (int i = 0; i < MQTT_TURNS && rc == MOSQ_ERR_SUCCESS; i++)
        rc = mosquitto_loop(car.m, 5, 1);
    cr_expect(ne(int, rc, MOSQ_ERR_SUCCESS), "the connection is gone");
    listen_for(&vos, 1);
    cr_expect(eq(u32, heard, 1));
    mqtt_leave(&car);
    mqtt_leave(&vos);
}

Test(broker_limits, a_queue_has_an_end)
{
    struct mqtt vos, car;
    mqtt_stay = true;
    mqtt_join_as(&vos, &instances[1]);
    mqtt_subscribe(&vos, UP);
    mqtt_leave(&vos);
    mqtt_join_as(&car, &instances[0]);
    for (int i = 0; i < GSDP_QUEUE_MAX + 20; i++)
        mqtt_publish(&car, UP);
    mqtt_join_hearing(&vos, &instances[1], hear);
    listen_for(&vos, GSDP_QUEUE_MAX + 1);
    cr_expect(eq(u32, heard, GSDP_QUEUE_MAX));
    mqtt_leave(&car);
    mqtt_leave(&vos);
}

/* ---- our own end ---- */

static char words[200];

static void on_state(void *ctx, enum link_state state)
{
    *(enum link_state *)ctx = state;
}

static void on_bytes(void *ctx, const char *address, struct span bytes)
{
    (void)ctx;
    (void)address;
    snprintf(words + strlen(words), sizeof words - strlen(words), "%.*s ", (int)bytes.len,
             (const char *)bytes.p);
}

Test(broker_limits, a_message_longer_than_the_component_takes_does_not_reach_it)
{
    static const char *const sent[] = {"1234", "12345", "abc"};
    const struct port_spec port = {.name = "gsdp", .medium = "gsdp"};
    enum link_state state = LINK_DOWN;
    struct token_ring ring = {NULL, 0, 0};
    const char *reason = "";
    char endpoint[200];
    struct mqtt car;
    snprintf(endpoint, sizeof endpoint, "unix:%s;id=@vos;user=vos", mqtt_broker()->socket);
    cr_assert(token_ring_add(&ring, "gsdp", "vos", &broker_user_of(mqtt_broker(), &instances[1])->token));
    struct link_open o = {.spec = &port,
                          .name = "vos",
                          .endpoint = endpoint,
                          .tokens = &ring,
                          .runner = getpid(),
                          .message_max = 4,
                          .hooks = {&state, on_state, on_bytes, NULL}};
    cr_assert(ge(int, sd_event_new(&o.event), 0));
    struct link *l = link_driver_gsdp.open(&o, &reason);
    cr_assert(ne(ptr, l, NULL), "%s", reason);
    l->ops->subscribe(l, UP);
    while (state != LINK_SUBSCRIBED)
        sd_event_run(o.event, 10000);
    mqtt_join_as(&car, &instances[0]);
    for (size_t i = 0; i < 3; i++)
        mosquitto_publish(car.m, NULL, UP, (int)strlen(sent[i]), sent[i], 1, false);
    while (!strstr(words, "abc")) {
        mqtt_turn(&car);
        sd_event_run(o.event, 1000);
    }
    cr_expect(eq(str, words, "1234 abc "));
    mqtt_leave(&car);
    l->ops->close(l);
    token_ring_clear(&ring);
    sd_event_unref(o.event);
}

#include "tests/mqtt.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host/spawn.h"
#include "tests/launch.h"

static struct {
    char directory[64];
    struct broker broker;
    pid_t pid;
} own;

/* mosquitto says on a socket of the service manager's form when it is ready. */
static int ready_socket(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s/ready", own.directory);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    launch_must(bind(fd, (struct sockaddr *)&a, sizeof a) == 0, "bind", a.sun_path);
    setenv("NOTIFY_SOCKET", a.sun_path, 1);
    return fd;
}

bool mqtt_broker_begin(const struct setup_instance *instances, size_t count)
{
    char program[100], log[100], flag[] = "-c", *argv[] = {program, flag, own.broker.configuration, NULL},
                                 word[200];
    if (!broker_program())
        return false;
    launch_directory(own.directory);
    own.broker = (struct broker){0};
    launch_must(broker_prepare(&own.broker, own.directory, instances, count), "broker_prepare",
                own.directory);
    snprintf(program, sizeof program, "%s", broker_program());
    snprintf(log, sizeof log, "%s/log", own.directory);
    struct pollfd p = {.fd = ready_socket(), .events = POLLIN};
    launch_must(spawn(argv, log, NULL, true, &own.pid) == 0, "spawn", program);
    bool ready = poll(&p, 1, 20000) == 1 && recv(p.fd, word, sizeof word, 0) > 0;
    launch_must(ready, "mosquitto does not start", own.directory);
    close(p.fd);
    mosquitto_lib_init();
    return true;
}

void mqtt_broker_end(void)
{
    mosquitto_lib_cleanup();
    kill(own.pid, SIGTERM);
    waitpid(own.pid, NULL, 0);
    launch_remove(own.directory);
}

static void on_connect(struct mosquitto *m, void *ctx, int rc)
{
    (void)m;
    ((struct mqtt *)ctx)->result = rc;
}

static void on_subscribe(struct mosquitto *m, void *ctx, int mid, int n, const int *granted)
{
    struct mqtt *c = ctx;
    (void)m, (void)mid;
    for (int i = 0; i < n; i++) {
        c->confirmed += granted[i] <= 2;
        c->refused += granted[i] > 2;
    }
}

static void on_publish(struct mosquitto *m, void *ctx, int mid)
{
    (void)m, (void)mid;
    ((struct mqtt *)ctx)->confirmed++;
}

static void on_message(struct mosquitto *m, void *ctx, const struct mosquitto_message *msg)
{
    struct mqtt *c = ctx;
    (void)m;
    if (c->hear)
        c->hear(msg->topic);
}

void mqtt_turn(struct mqtt *c)
{
    mosquitto_loop(c->m, 5, 1);
}

static void wait_confirmed(struct mqtt *c, unsigned n)
{
    for (int i = 0; i < MQTT_TURNS && c->confirmed < n; i++)
        mqtt_turn(c);
    launch_must(c->confirmed == n, "the broker confirms", own.directory);
}

bool mqtt_stay;

const struct broker *mqtt_broker(void)
{
    return &own.broker;
}

static void join(struct mqtt *c, const char *id, const char *user, const char *password)
{
    c->m = mosquitto_new(id, !mqtt_stay, c);
    c->result = -1;
    mosquitto_int_option(c->m, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V311);
    mosquitto_connect_callback_set(c->m, on_connect);
    mosquitto_subscribe_callback_set(c->m, on_subscribe);
    mosquitto_publish_callback_set(c->m, on_publish);
    mosquitto_message_callback_set(c->m, on_message);
    if (user)
        mosquitto_username_pw_set(c->m, user, password);
    launch_must(mosquitto_connect(c->m, own.broker.socket, 0, 60) == MOSQ_ERR_SUCCESS, "connect",
                own.broker.socket);
    for (int i = 0; i < MQTT_TURNS && c->result < 0; i++)
        mqtt_turn(c);
}

void mqtt_join(struct mqtt *c, const char *user, const char *password)
{
    char id[64];
    snprintf(id, sizeof id, BROKER_PREFIX "%s", user ? user : "nobody");
    *c = (struct mqtt){.m = NULL};
    join(c, id, user, password);
}

void mqtt_join_by_id(struct mqtt *c, const char *id, const struct setup_instance *who)
{
    *c = (struct mqtt){.m = NULL};
    join(c, id, who->name, mqtt_password(who));
}

void mqtt_join_hearing(struct mqtt *c, const struct setup_instance *who, void (*hear)(const char *topic))
{
    char id[64];
    snprintf(id, sizeof id, BROKER_PREFIX "%s", who->name);
    *c = (struct mqtt){.hear = hear};
    join(c, id, who->name, mqtt_password(who));
}

const char *mqtt_password(const struct setup_instance *who)
{
    static char password[2 * TOKEN_SIZE + 1];
    hex_encode(broker_user_of(&own.broker, who)->token.bytes, TOKEN_SIZE, password);
    return password;
}

void mqtt_join_as(struct mqtt *c, const struct setup_instance *who)
{
    const struct broker_user *u = broker_user_of(&own.broker, who);
    launch_must(u, "no user", who->name);
    mqtt_join(c, u->name, mqtt_password(who));
    launch_must(c->result == 0, "not taken", who->name);
}

void mqtt_leave(struct mqtt *c)
{
    mosquitto_destroy(c->m);
    c->m = NULL;
}

void mqtt_subscribe(struct mqtt *c, const char *filter)
{
    launch_must(mosquitto_subscribe(c->m, NULL, filter, 1) == MOSQ_ERR_SUCCESS, "subscribe", filter);
    wait_confirmed(c, c->confirmed + 1);
}

bool mqtt_publish(struct mqtt *c, const char *topic)
{
    if (mosquitto_publish(c->m, NULL, topic, 1, "x", 1, false) != MOSQ_ERR_SUCCESS)
        return false;
    wait_confirmed(c, c->confirmed + 1);
    return true;
}

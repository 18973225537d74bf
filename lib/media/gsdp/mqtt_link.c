/* The GSDP port on MQTT. libmosquitto does the protocol; sockets, timers and reconnection are ours, so that
 * nothing blocks and a cut link stays cut. QoS 1, sessions that outlive connections.
 *
 * Endpoints: "unix:<socket>;user=<u>;id=<client>", whose password is the token by the user's name, or
 * "mqtts:<host>:<port>;ca=<f>;cert=<f>;key=<f>;id=<client>", with ";session=fresh" in a run's first life. */
#include <errno.h>
#include <fcntl.h>
#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/host/link.h"
#include "lib/media/gsdp/gsdp.h"
#include "lib/media/media.h"

#define QOS            1
#define KEEPALIVE_S    30
#define RETRY_FIRST_US 2000
#define RETRY_LAST_US  250000
#define MISC_US        1000000
#define EXPLAIN_MAX    3

struct message {
    struct message *next;
    char topic[GSDP_TOPIC_MAX];
    size_t len;
    uint8_t bytes[];
};

struct mqtt_link {
    struct link link;
    struct link_open o;
    struct mosquitto *m;
    char host[256];
    int port;
    bool cut, connected, tried;
    bool
        fresh; /* an old session at the broker is to be forgotten first: what waits there is of another run */
    bool forgotten;     /* that is done */
    int told;           /* the last error that the log has, once */
    unsigned explained; /* lines in which TLS itself said why, since it last was connected */
    char topics[GSDP_FILTERS_MAX][GSDP_FILTER_MAX];
    size_t topic_count, confirmed;
    sd_event_source *io, *timer;
    uint64_t pause_us;
    unsigned too_long; /* messages, so far: said ever more seldom */
    struct message *queue, **queue_end;
};

static void try_connect(struct mqtt_link *l);
static bool configure(struct mqtt_link *l, const char *endpoint);

static void watch(struct mqtt_link *l)
{
    if (l->io)
        sd_event_source_set_io_events(l->io,
                                      EPOLLIN | (mosquitto_want_write(l->m) ? (uint32_t)EPOLLOUT : 0u));
}

static int on_timer(sd_event_source *s, uint64_t now_us, void *ctx)
{
    struct mqtt_link *l = ctx;
    (void)s;
    (void)now_us;
    if (l->cut)
        return 0;
    if (mosquitto_socket(l->m) < 0) {
        try_connect(l);
        return 0;
    }
    mosquitto_loop_misc(l->m);
    sd_event_source_set_time_relative(l->timer, MISC_US);
    sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
    return 0;
}

static void arm(struct mqtt_link *l, uint64_t delay_us)
{
    l->timer = sd_event_source_disable_unref(l->timer);
    sd_event_add_time_relative(l->o.event, &l->timer, CLOCK_MONOTONIC, delay_us, 1, on_timer, l);
}

/* Somebody else's broker: each reason once in a row, one that is away is asked often. */
static void tell(struct mqtt_link *l, int rc)
{
    if (l->port && rc != l->told && rc != MOSQ_ERR_SUCCESS && !l->explained)
        fprintf(stderr, "%s: GSDP at %s: %s\n", l->o.name, l->host,
                rc == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(rc));
    l->told = rc;
}

static void lost(struct mqtt_link *l)
{
    bool was = l->connected;
    l->connected = false;
    l->io = sd_event_source_disable_unref(l->io);
    if (was)
        l->o.hooks.on_state(l->o.hooks.ctx, LINK_DOWN);
    if (!l->cut)
        arm(l, l->pause_us);
    l->pause_us = l->pause_us * 2 < RETRY_LAST_US ? l->pause_us * 2 : RETRY_LAST_US;
}

/* The session is empty now: from here on one that outlives connections. */
static void begin_again(struct mqtt_link *l)
{
    l->io = sd_event_source_disable_unref(l->io);
    mosquitto_disconnect(l->m);
    mosquitto_destroy(l->m);
    l->m = NULL;
    l->fresh = l->forgotten = l->tried = false;
    if (configure(l, l->o.endpoint))
        arm(l, 0);
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct mqtt_link *l = ctx;
    int rc = MOSQ_ERR_SUCCESS;
    (void)s;
    if (revents & EPOLLOUT)
        rc = mosquitto_loop_write(l->m, 1);
    if (rc == MOSQ_ERR_SUCCESS && revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
        rc = mosquitto_loop_read(l->m, 64);
    if (!l->cut)
        tell(l, rc);
    if (l->forgotten)
        begin_again(l);
    else if (rc != MOSQ_ERR_SUCCESS || mosquitto_socket(l->m) != fd)
        lost(l);
    else
        watch(l);
    return 0;
}

/* libmosquitto connects and at once says the password: to the very socket that was looked at before, whatever
 * its path leads to by then. */
static int connect_own(struct mqtt_link *l)
{
    char path[40];
    int pinned = open(l->host, O_PATH | O_CLOEXEC), rc = MOSQ_ERR_ERRNO;
    snprintf(path, sizeof path, "/proc/self/fd/%d", pinned);
    int probe = pinned < 0 ? -1 : link_connect_ours(&l->o, path, SOCK_STREAM, LINK_HELPER);
    if (probe >= 0) {
        close(probe);
        rc = mosquitto_connect(l->m, path, 0, KEEPALIVE_S);
    }
    if (pinned >= 0)
        close(pinned);
    return rc;
}

static int connect_remote(struct mqtt_link *l)
{
    int rc = l->tried ? mosquitto_reconnect(l->m) : mosquitto_connect(l->m, l->host, l->port, KEEPALIVE_S);
    l->tried = l->tried || rc == MOSQ_ERR_SUCCESS;
    return rc;
}

static void try_connect(struct mqtt_link *l)
{
    int rc = l->port ? connect_remote(l) : connect_own(l);
    tell(l, rc);
    if (rc != MOSQ_ERR_SUCCESS) {
        lost(l);
        return;
    }
    sd_event_add_io(l->o.event, &l->io, mosquitto_socket(l->m), EPOLLIN | EPOLLOUT, on_io, l);
    arm(l, MISC_US);
    watch(l);
}

/* ---- libmosquitto's callbacks ---- */

static void subscribe_all(struct mqtt_link *l)
{
    l->confirmed = 0;
    for (size_t i = 0; i < l->topic_count; i++)
        mosquitto_subscribe(l->m, NULL, l->topics[i], QOS);
    if (l->topic_count == 0)
        l->o.hooks.on_state(l->o.hooks.ctx, LINK_SUBSCRIBED);
}

static void on_connect(struct mosquitto *m, void *ctx, int rc)
{
    struct mqtt_link *l = ctx;
    (void)m;
    if (rc != 0) {
        fprintf(stderr, "%s: GSDP refuses the connection: %s\n", l->o.name, mosquitto_connack_string(rc));
        return;
    }
    l->explained = 0;
    l->forgotten = l->fresh;
    if (l->fresh)
        return;
    l->connected = true;
    l->pause_us = RETRY_FIRST_US;
    l->o.hooks.on_state(l->o.hooks.ctx, LINK_UP);
    subscribe_all(l);
}

static void on_subscribe(struct mosquitto *m, void *ctx, int mid, int count, const int *granted)
{
    struct mqtt_link *l = ctx;
    (void)m;
    (void)mid;
    for (int i = 0; i < count; i++) {
        if (granted[i] > 2) {
            fprintf(stderr, "%s: GSDP refuses a subscription\n", l->o.name);
            return;
        }
    }
    if (++l->confirmed == l->topic_count)
        l->o.hooks.on_state(l->o.hooks.ctx, LINK_SUBSCRIBED);
}

static void on_message(struct mosquitto *m, void *ctx, const struct mosquitto_message *msg)
{
    struct mqtt_link *l = ctx;
    (void)m;
    if (msg->payloadlen < 0 || (size_t)msg->payloadlen > l->o.message_max) {
        l->too_long++;
        if ((l->too_long & (l->too_long - 1)) == 0)
            fprintf(stderr, "%s: GSDP: %d bytes: %s (%s), %u so far\n", l->o.name, msg->payloadlen,
                    err_text(ERR_MSG_TOO_LONG), err_name(ERR_MSG_TOO_LONG), l->too_long);
        return;
    }
    l->o.hooks.on_bytes(l->o.hooks.ctx, msg->topic, span_of(msg->payload, (size_t)msg->payloadlen));
}

/* What TLS has to complain about stands nowhere else. */
static void on_log(struct mosquitto *m, void *ctx, int level, const char *text)
{
    struct mqtt_link *l = ctx;
    (void)m;
    if (level == MOSQ_LOG_ERR && l->explained++ < EXPLAIN_MAX)
        fprintf(stderr, "%s: GSDP at %s: %s\n", l->o.name, l->host, text);
}

/* ---- the link ---- */

static enum err mqtt_send(struct link *link, const char *topic, struct span bytes)
{
    struct mqtt_link *l = (struct mqtt_link *)link;
    if (!l->connected || l->cut)
        return ERR_LINK_DOWN;
    struct message *msg = malloc(sizeof *msg + bytes.len);
    if (!msg)
        return ERR_NO_MEMORY;
    msg->next = NULL;
    msg->len = bytes.len;
    text_copy(msg->topic, sizeof msg->topic, topic);
    memcpy(msg->bytes, bytes.p, bytes.len);
    if (!l->queue)
        l->queue_end = &l->queue;
    *l->queue_end = msg;
    l->queue_end = &msg->next;
    return ERR_OK;
}

static void mqtt_flush(struct link *link)
{
    struct mqtt_link *l = (struct mqtt_link *)link;
    if (!l->queue)
        return;
    while (l->queue) {
        struct message *msg = l->queue;
        l->queue = msg->next;
        /* offline: libmosquitto keeps it and sends it after the reconnect */
        mosquitto_publish(l->m, NULL, msg->topic, (int)msg->len, msg->bytes, QOS, false);
        free(msg);
    }
    watch(l);
}

static enum err mqtt_subscribe(struct link *link, const char *topic)
{
    struct mqtt_link *l = (struct mqtt_link *)link;
    if (l->topic_count == GSDP_FILTERS_MAX)
        return ERR_NO_SPACE;
    text_copy(l->topics[l->topic_count++], sizeof l->topics[0], topic);
    if (l->connected)
        mosquitto_subscribe(l->m, NULL, topic, QOS);
    return ERR_OK;
}

static void mqtt_set_cut(struct link *link, bool cut)
{
    struct mqtt_link *l = (struct mqtt_link *)link;
    l->cut = cut;
    if (!cut) {
        l->pause_us = RETRY_FIRST_US;
        try_connect(l);
    } else if (mosquitto_socket(l->m) >= 0) {
        shutdown(mosquitto_socket(l->m), SHUT_RDWR);
        mosquitto_loop_read(l->m, 1);
        lost(l);
    }
}

static void mqtt_close(struct link *link)
{
    struct mqtt_link *l = (struct mqtt_link *)link;
    mqtt_flush(link);
    sd_event_source_disable_unref(l->io);
    sd_event_source_disable_unref(l->timer);
    if (l->m) {
        mosquitto_disconnect(l->m);
        mosquitto_destroy(l->m);
    }
    mosquitto_lib_cleanup();
    free(l);
}

static bool parse_endpoint(struct mqtt_link *l, const char *endpoint)
{
    const char *rest = strchr(endpoint, ':');
    size_t len = rest ? strcspn(rest + 1, ";") : 0;
    if (!rest || len == 0 || len >= sizeof l->host)
        return false;
    memcpy(l->host, rest + 1, len);
    if (strncmp(endpoint, "unix:", 5) == 0)
        return true;
    char *colon = strrchr(l->host, ':');
    if (strncmp(endpoint, "mqtts:", 6) != 0 || !colon)
        return false;
    *colon = '\0';
    l->port = atoi(colon + 1);
    return l->port > 0;
}

static bool set_user(struct mqtt_link *l, const char *endpoint)
{
    char user[ENV_NAME_MAX], password[2 * TOKEN_SIZE + 1];
    const struct token *t = link_option(endpoint, "user", user, sizeof user)
                                ? token_ring_find(l->o.tokens, l->o.spec->name, user)
                                : NULL;
    if (!t)
        return false;
    hex_encode(t->bytes, TOKEN_SIZE, password);
    bool ok = mosquitto_username_pw_set(l->m, user, password) == MOSQ_ERR_SUCCESS;
    explicit_bzero(password, sizeof password);
    return ok;
}

static bool configure(struct mqtt_link *l, const char *endpoint)
{
    char id[64], ca[256], cert[256], key[256];
    if (!parse_endpoint(l, endpoint) || !link_option(endpoint, "id", id, sizeof id))
        return false;
    l->m = mosquitto_new(id, l->fresh, l);
    if (!l->m)
        return false;
    mosquitto_connect_callback_set(l->m, on_connect);
    mosquitto_subscribe_callback_set(l->m, on_subscribe);
    mosquitto_message_callback_set(l->m, on_message);
    mosquitto_log_callback_set(l->m, on_log);
    mosquitto_max_inflight_messages_set(l->m, 0);
    mosquitto_int_option(l->m, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_int_option(l->m, MOSQ_OPT_PROTOCOL_VERSION,
                         MQTT_PROTOCOL_V311); /* 5 answers otherwise: gsdp.h */
    if (l->port == 0)
        return set_user(l, endpoint);
    return link_option(endpoint, "ca", ca, sizeof ca) && link_option(endpoint, "cert", cert, sizeof cert) &&
           link_option(endpoint, "key", key, sizeof key) &&
           mosquitto_tls_set(l->m, ca, NULL, cert, key, NULL) == MOSQ_ERR_SUCCESS;
}

static struct link *mqtt_open(const struct link_open *o, const char **reason)
{
    static const struct link_ops ops = {.send = mqtt_send,
                                        .subscribe = mqtt_subscribe,
                                        .flush = mqtt_flush,
                                        .set_cut = mqtt_set_cut,
                                        .close = mqtt_close};
    struct mqtt_link *l = calloc(1, sizeof *l);
    char session[8] = "";
    if (!l)
        return NULL;
    mosquitto_lib_init();
    l->link.ops = &ops;
    l->o = *o;
    l->pause_us = RETRY_FIRST_US;
    l->fresh = link_option(o->endpoint, "session", session, sizeof session) && strcmp(session, "fresh") == 0;
    if (configure(l, o->endpoint)) {
        arm(l, 0);
        return &l->link;
    }
    *reason = "the GSDP endpoint or its certificates cannot be used";
    mqtt_close(&l->link);
    return NULL;
}

const struct link_driver link_driver_gsdp = {&medium_gsdp, mqtt_open};

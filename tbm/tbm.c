#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tbm/tbm_internal.h"

#define HOLD_MAX 16 /* messages held per direction and service */

static const char *const service_names[TBM_SERVICES] = {"vos", "gsdp"};

static const struct port_spec ports[] = {
    [TBM_PORT_TELEMATICS] = {.name = "telematics",
                             .medium = "can",
                             .segment = SEGMENT_TELEMATICS,
                             .node = NODE_TBM},
    /* the back end of a real OEM is up long before a vehicle wakes */
    [TBM_PORT_GSDP] = {.name = "gsdp", .medium = "gsdp", .waits = true, .name_of = msg_peek_name},
};

static const struct topic_rule topics[] = {
    {"spaak/{serial}/up/+", TOPIC_WRITE}, {"spaak/{serial}/down/+", TOPIC_READ}, {.filter = NULL}};

static const struct timer_spec timers[] = {
    [TBM_SERVICE_VOS] = {"ISO-TP vos", false},      [TBM_SERVICE_GSDP] = {"ISO-TP gsdp", false},
    [TBM_TIMER_STATUS] = {"TBM_Status", true},      [TBM_TIMER_RETRY] = {"GSDP takes it again", false},
    [TBM_TIMER_GSDP_LOST] = {"GSDP missing", true}, [TBM_TIMER_DIAGNOSTIC_CHANNEL] = {"ISO-TP UDS", false},
    [TBM_TIMER_DIAGNOSTIC] = {"UDS", false},
};

static const char *const keys[] = {DIAGNOSTIC_STORED, TBM_KEY_RETRY, NULL};
static const char *const secrets[] = {TBM_KEY_LEVEL, TBM_KEY_CLIENT, NULL};
static const struct plant_item plant[] = {
    {TBM_KEY_LEVEL, PLANT_LEVEL_WORKSHOP, "TBM"},
    {TBM_KEY_CLIENT, PLANT_CLIENT_KEY, "TBM"},
    {TBM_KEY_CERTIFICATE, PLANT_CLIENT_CERTIFICATE, "TBM"},
    {.key = NULL},
};
static const struct defect_spec defects[] = {
    {"client_certificate", "absent", DEFECT_ABSENT, TBM_KEY_CERTIFICATE, NULL}, {.name = NULL}};

/* ---- queues ---- */

static enum err queue_put(struct queue *q, struct span bytes)
{
    if (q->count == HOLD_MAX)
        return ERR_QUEUE_FULL;
    struct held *h = malloc(sizeof *h + bytes.len);
    if (!h)
        return ERR_NO_MEMORY;
    h->next = NULL;
    h->len = bytes.len;
    memcpy(h->bytes, bytes.p, bytes.len);
    if (!q->first)
        q->last = &q->first;
    *q->last = h;
    q->last = &h->next;
    q->count++;
    return ERR_OK;
}

static void queue_drop_first(struct queue *q)
{
    struct held *h = q->first;
    q->first = h->next;
    q->count--;
    free(h);
}

/* ---- the cyclic status ---- */

static void send_status(struct tbm *t)
{
    const struct matrix_row *row = matrix_row(MATRIX_TBM_STATUS);
    struct bus_frame f = {.id = row->id, .len = TBM_STATUS_LENGTH};
    if (t->gsdp >= LINK_UP)
        f.data[0] |= TBM_STATUS_CONNECTED;
    if (t->gsdp == LINK_SUBSCRIBED)
        f.data[0] |= TBM_STATUS_SUBSCRIBED;
    f.data[1] = t->alive;
    t->alive = (t->alive + 1) & 0x0F;
    f.data[TBM_STATUS_LENGTH - 1] = matrix_checksum(row->id, f.data, TBM_STATUS_LENGTH);
    if (t->telematics_up && !diagnostic_tx_off(&t->diagnostic))
        env_send_frame(t->env, TBM_PORT_TELEMATICS, &f);
    env_timer_in(t->env, TBM_TIMER_STATUS, row->cycle_ms * 1000u);
}

/* ---- vehicle to cloud ---- */

static void publish(struct tbm *t, struct service *s)
{
    while (t->gsdp == LINK_SUBSCRIBED && s->up.first) {
        struct span bytes = {s->up.first->bytes, s->up.first->len};
        if (env_send_bytes(t->env, TBM_PORT_GSDP, s->up_topic, bytes)) {
            env_timer_in(t->env, TBM_TIMER_RETRY, t->retry_s * 1000000ull);
            return;
        }
        env_trace_message(t->env, TRACE_RELAY, NULL, msg_peek_name(bytes), service_names[s - t->services],
                          bytes, "from=telematics to=gsdp");
        queue_drop_first(&s->up);
    }
}

static void take_up(struct tbm *t, struct service *s, struct span bytes)
{
    enum err e = queue_put(&s->up, bytes);
    if (e || t->gsdp != LINK_SUBSCRIBED)
        env_trace_reason(t->env, TRACE_HOLD, NULL, msg_peek_name(bytes), e ? e : ERR_LINK_DOWN,
                         (uint32_t)s->up.count, "from=telematics to=gsdp");
    publish(t, s);
}

/* ---- cloud to vehicle ---- */

static void transmit(struct tbm *t, struct service *s)
{
    if (!s->down.first || isotp_port_busy(&s->channel) || !t->telematics_up ||
        diagnostic_silent(&t->diagnostic) || diagnostic_tx_off(&t->diagnostic))
        return;
    struct span bytes = {s->down.first->bytes, s->down.first->len};
    env_trace_message(t->env, TRACE_RELAY, NULL, msg_peek_name(bytes), "spaak", bytes,
                      "from=gsdp to=telematics");
    enum err e = isotp_port_send(&s->channel, bytes);
    if (e)
        env_trace_reason(t->env, TRACE_REJECT, NULL, msg_peek_name(bytes), e, (uint32_t)bytes.len, NULL);
    queue_drop_first(&s->down);
}

static void on_channel(void *owner, struct isotp_port *channel, const struct isotp_event *ev)
{
    struct tbm *t = owner;
    struct service *s = &t->services[channel->timer];
    switch (ev->kind) {
    case ISOTP_RECEIVED:
        take_up(t, s, ev->message);
        break;
    case ISOTP_RX_FAILED:
    case ISOTP_TX_FAILED:
        env_trace_reason(t->env, TRACE_REJECT, NULL,
                         ev->kind == ISOTP_TX_FAILED ? channel->out->name : channel->in->name, ev->reason, 0,
                         NULL);
        break;
    case ISOTP_SENT:
    case ISOTP_NONE:
        break;
    }
}

static void tbm_on_frame(void *self, unsigned port, const struct bus_frame *f)
{
    struct tbm *t = self;
    (void)port;
    diagnostic_on_frame(&t->diagnostic, f);
    if (diagnostic_silent(&t->diagnostic))
        return;
    for (size_t i = 0; i < TBM_SERVICES; i++) {
        if (!diagnostic_rx_off(&t->diagnostic))
            isotp_port_input(&t->services[i].channel, f);
        transmit(t, &t->services[i]);
    }
}

static void tbm_on_bytes(void *self, unsigned port, const char *topic, struct span bytes)
{
    struct tbm *t = self;
    (void)port;
    for (size_t i = 0; i < TBM_SERVICES; i++) {
        struct service *s = &t->services[i];
        if (strcmp(topic, s->down_topic) != 0)
            continue;
        enum err e = bytes.len > MSG_MAX || bytes.len == 0 ? ERR_MSG_TOO_LONG : queue_put(&s->down, bytes);
        if (e)
            env_trace_reason(t->env, TRACE_REJECT, NULL, "?", e, (uint32_t)bytes.len, NULL);
        transmit(t, s);
        return;
    }
    env_trace_reason(t->env, TRACE_REJECT, NULL, "?", ERR_NOT_FOUND, (uint32_t)bytes.len, "unknown topic");
}

void tbm_proceed(struct tbm *t)
{
    for (size_t i = 0; i < TBM_SERVICES; i++) {
        publish(t, &t->services[i]);
        transmit(t, &t->services[i]);
    }
}

static void tbm_on_link(void *self, unsigned port, enum link_state state)
{
    struct tbm *t = self;
    if (port == TBM_PORT_TELEMATICS) {
        t->telematics_up = state != LINK_DOWN;
    } else if (t->gsdp != state) {
        t->gsdp = state;
        env_trace_state(t->env, state == LINK_DOWN ? "offline"
                                : state == LINK_UP ? "connected"
                                                   : "subscribed");
    }
    if (diagnostic_silent(&t->diagnostic))
        return;
    send_status(t);
    tbm_diagnostics_on_gsdp(t);
    tbm_proceed(t);
}

static void tbm_on_timer(void *self, unsigned timer)
{
    struct tbm *t = self;
    if (diagnostic_on_timer(&t->diagnostic, timer) || diagnostic_silent(&t->diagnostic))
        return;
    switch (timer) {
    case TBM_TIMER_STATUS:
        send_status(t);
        break;
    case TBM_TIMER_GSDP_LOST:
        tbm_diagnostics_on_gsdp_lost(t);
        break;
    case TBM_TIMER_RETRY:
        tbm_proceed(t);
        break;
    default:
        assert(timer < TBM_SERVICES);
        isotp_port_timer(&t->services[timer].channel);
        transmit(t, &t->services[timer]);
        break;
    }
}

/* ---- life ---- */

static void channels_init(struct tbm *t)
{
    static const enum matrix_message rows[TBM_SERVICES][2] = {
        {MATRIX_SPAAK_VOS_DOWN, MATRIX_SPAAK_VOS_UP},
        {MATRIX_SPAAK_GSDP_DOWN, MATRIX_SPAAK_GSDP_UP},
    };
    for (unsigned i = 0; i < TBM_SERVICES; i++) {
        struct isotp_port *c = &t->services[i].channel;
        isotp_port_init(c, t->env, TBM_PORT_TELEMATICS, i, rows[i][0], rows[i][1]);
        c->on_event = on_channel;
        c->owner = t;
    }
}

static void drop_all(struct queue *q)
{
    while (q->first)
        queue_drop_first(q);
}

/* What GSDP brings meanwhile stays: a broker would keep it until the TBM is back. */
void tbm_down(void *tbm)
{
    struct tbm *t = tbm;
    for (size_t i = 0; i < TBM_SERVICES; i++) {
        isotp_port_stop(&t->services[i].channel);
        drop_all(&t->services[i].up);
    }
    for (unsigned timer = TBM_TIMER_STATUS; timer <= TBM_TIMER_GSDP_LOST; timer++)
        env_timer_set(t->env, timer, ENV_NEVER);
    t->alive = 0;
}

void tbm_up(void *tbm)
{
    struct tbm *t = tbm;
    channels_init(t);
    send_status(t);
    tbm_diagnostics_on_gsdp(t);
    tbm_proceed(t);
}

static enum err tbm_init(void *self, struct env *env, const struct component_args *args)
{
    struct tbm *t = self;
    char topic[64];
    t->env = env;
    text_copy(t->serial, sizeof t->serial, args->serial);
    channels_init(t);
    for (unsigned i = 0; i < TBM_SERVICES; i++) {
        struct service *s = &t->services[i];
        snprintf(s->up_topic, sizeof s->up_topic, "spaak/%s/up/%s", t->serial, service_names[i]);
        snprintf(s->down_topic, sizeof s->down_topic, "spaak/%s/down/%s", t->serial, service_names[i]);
    }
    enum err e = tbm_diagnostics_init(t);
    snprintf(topic, sizeof topic, "spaak/%s/down/+", t->serial);
    return e ? e : env_subscribe(env, TBM_PORT_GSDP, topic);
}

static void tbm_fini(void *self)
{
    struct tbm *t = self;
    for (size_t i = 0; i < TBM_SERVICES; i++) {
        drop_all(&t->services[i].up);
        drop_all(&t->services[i].down);
        isotp_port_fini(&t->services[i].channel);
    }
    diagnostic_fini(&t->diagnostic);
}

const struct component_class tbm_class = {
    .name = "tbm",
    .place = PLACE_VEHICLE,
    .size = sizeof(struct tbm),
    .stores = true,
    .keys = keys,
    .secrets = secrets,
    .plant = plant,
    .defects = defects,
    .ports = ports,
    .port_count = sizeof ports / sizeof ports[0],
    .timers = timers,
    .timer_count = sizeof timers / sizeof timers[0],
    .topics = topics,
    .init = tbm_init,
    .fini = tbm_fini,
    .on_frame = tbm_on_frame,
    .on_bytes = tbm_on_bytes,
    .on_link = tbm_on_link,
    .on_timer = tbm_on_timer,
};

/* In the SpaaK Module's place: sends the commands that it is called to, and notes what comes back. Selected,
 * it sends as many APDUs as its setting says, one after the other; lost, it waits for what the reader finds.
 */
#include <stdio.h>
#include <string.h>

#include "lib/ccc/apdu.h"
#include "lib/msg/reader_channel.h"
#include "tests/readers/readers.h"

enum { TIMER_CHANNEL, TIMER_PATIENCE, TIMERS };
enum { SETTING_PLACE, SETTING_APDUS, SETTING_PATIENCE_MS };
enum { SHOW_CARD };

struct asker {
    struct env *env;
    struct reader_channel channel;
    uint64_t apdus, left, patience_us;
    uint8_t number;              /* of the last command */
    uint8_t pdu[READER_PDU_MAX]; /* the last APDU command, to be said again */
    size_t pdu_len;
};

static void put(struct asker *a, const struct reader_command *c)
{
    uint8_t pdu[READER_PDU_MAX];
    struct wr w = wr_of(pdu, sizeof pdu);
    reader_command_put(&w, c);
    reader_channel_send(&a->channel, span_of(pdu, w.len));
    if (c->type != READER_APDU)
        return;
    memcpy(a->pdu, pdu, w.len);
    a->pdu_len = w.len;
    env_timer_in(a->env, TIMER_PATIENCE, a->patience_us);
}

static void ask_poll(struct asker *a, enum reader_type type, bool applet, uint16_t gap_ms)
{
    uint8_t bytes[APDU_COMMAND_MAX];
    struct wr w = wr_of(bytes, sizeof bytes);
    const struct apdu_command select = {.cla = APDU_CLA_ISO,
                                        .ins = APDU_SELECT,
                                        .p1 = 0x04,
                                        .data =
                                            span_of(applet ? apdu_aid_applet : apdu_aid_framework, APDU_AID),
                                        .has_le = true};
    apdu_command_put(&w, &select);
    put(a, &(struct reader_command){
               .type = type, .number = ++a->number, .gap_ms = gap_ms, .apdu = span_of(bytes, w.len)});
}

/* Data are its length and 200 bytes: what goes and comes takes several frames. */
static void ask_apdu(struct asker *a)
{
    uint8_t data[200] = {0}, bytes[APDU_COMMAND_MAX];
    struct wr w = wr_of(bytes, sizeof bytes);
    memset(data, (int)a->left, sizeof data);
    const struct apdu_command c = {
        .cla = APDU_CLA_PLAIN, .ins = APDU_GET_DATA, .data = span_of(data, sizeof data), .has_le = true};
    apdu_command_put(&w, &c);
    a->left--;
    put(a,
        &(struct reader_command){.type = READER_APDU, .number = ++a->number, .apdu = span_of(bytes, w.len)});
}

static void note(struct asker *a, const struct reader_report *r)
{
    char text[96];
    const char *more = r->type == READER_LOST      ? reader_loss_name(r->loss)
                       : r->type == READER_REFUSED ? err_name(r->reason)
                                                   : "";
    snprintf(text, sizeof text, "%s %s %zu bytes", reader_type_name(r->type), more, r->apdu.len);
    env_trace_note(a->env, TRACE_NOTE, text);
}

static void on_message(void *owner, struct reader_channel *channel, struct span pdu)
{
    struct asker *a = owner;
    struct reader_report r;
    (void)channel;
    enum err e = reader_report_parse(pdu, &r);
    if (e) {
        env_trace_reason(a->env, TRACE_REJECT, NULL, NULL, e, (uint32_t)pdu.len, NULL);
        return;
    }
    note(a, &r);
    if (r.type == READER_SELECTED)
        a->left = a->apdus;
    if (r.type == READER_SELECTED || r.type == READER_LOST)
        env_show(a->env, SHOW_CARD, r.type == READER_SELECTED ? "here" : "none");
    if (r.type != READER_DONE)
        env_timer_set(a->env, TIMER_PATIENCE, ENV_NEVER);
    if (r.type != READER_SELECTED && r.type != READER_RESPONSE)
        return;
    if (a->left)
        ask_apdu(a);
    else
        env_trace_step(a->env, "RD-01/1", "has all answers");
}

/* ---- calls ---- */

static const char *const aids[] = {"framework", "applet", NULL};
static const struct parameter_spec poll_parameters[] = {
    {.name = "aid", .kind = PARAMETER_WORD, .words = aids}, {.name = NULL}};
static const struct parameter_spec repoll_parameters[] = {
    {.name = "aid", .kind = PARAMETER_WORD, .words = aids},
    {.name = "gap", .kind = PARAMETER_DURATION, .fallback = 50000, .min = 1000, .max = 10000000},
    {.name = NULL}};

static enum err call_poll(void *self, const struct call_value *values)
{
    ask_poll(self, READER_POLL, values[0].number == 1, 0);
    return ERR_OK;
}

static enum err call_repoll(void *self, const struct call_value *values)
{
    ask_poll(self, READER_REPOLL, values[0].number == 1, (uint16_t)(values[1].number / 1000));
    return ERR_OK;
}

static enum err call_off(void *self, const struct call_value *values)
{
    struct asker *a = self;
    (void)values;
    put(a, &(struct reader_command){.type = READER_OFF, .number = ++a->number});
    return ERR_OK;
}

static const struct call_spec calls[] = {
    {"poll", "has the reader poll", poll_parameters, call_poll},
    {"repoll", "has the field go off between", repoll_parameters, call_repoll},
    {"off", "has the field go off", NULL, call_off},
    {.name = NULL},
};

/* ---- the class ---- */

static void asker_on_frame(void *self, unsigned port, const struct bus_frame *f)
{
    (void)port;
    reader_channel_input(&((struct asker *)self)->channel, f);
}

/* Again with the same number: what is lost on the way is none of the card's business. */
static void asker_on_timer(void *self, unsigned timer)
{
    struct asker *a = self;
    if (timer == TIMER_CHANNEL) {
        reader_channel_timer(&a->channel);
        return;
    }
    env_trace_note(a->env, TRACE_NOTE, "says it again");
    reader_channel_send(&a->channel, span_of(a->pdu, a->pdu_len));
    env_timer_in(a->env, TIMER_PATIENCE, a->patience_us);
}

static enum err asker_init(void *self, struct env *env, const struct component_args *args)
{
    struct asker *a = self;
    a->env = env;
    a->apdus = args->settings[SETTING_APDUS];
    a->patience_us = args->settings[SETTING_PATIENCE_MS] * 1000;
    env_random(env, &a->number, 1);
    reader_channel_init(&a->channel, env, 0, TIMER_CHANNEL, (enum reader_place)args->settings[SETTING_PLACE],
                        READER_SIDE_SPAAK);
    a->channel.on_message = on_message;
    a->channel.owner = a;
    return ERR_OK;
}

static void asker_fini(void *self)
{
    reader_channel_fini(&((struct asker *)self)->channel);
}

static const struct port_spec ports[] = {
    {.name = "body", .medium = "can", .segment = SEGMENT_BODY, .node = NODE_SPAAK}};
static const struct timer_spec timers[TIMERS] = {
    [TIMER_CHANNEL] = {"channel", false}, [TIMER_PATIENCE] = {"patience", false}};
static const struct setting_spec settings[] = {[SETTING_PLACE] = {"place", 0, 0, 1},
                                               [SETTING_APDUS] = {"apdus", 2, 0, 100},
                                               [SETTING_PATIENCE_MS] = {"patience_ms", 1500, 10, 60000},
                                               {.name = NULL}};
static const char *const shows[] = {[SHOW_CARD] = "card", NULL};

const struct component_class asker_class = {
    .name = "asker",
    .place = PLACE_VEHICLE,
    .size = sizeof(struct asker),
    .ports = ports,
    .port_count = 1,
    .timers = timers,
    .timer_count = TIMERS,
    .settings = settings,
    .calls = calls,
    .shows = shows,
    .init = asker_init,
    .fini = asker_fini,
    .on_frame = asker_on_frame,
    .on_timer = asker_on_timer,
};

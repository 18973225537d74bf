#include <assert.h>
#include <string.h>

#include "ecu/hu/hu_internal.h"

#define LOST_CYCLES 5 /* of a cyclic message that stays away: its sender is gone */

static const struct port_spec ports[] = {
    [HU_PORT_INFOTAINMENT] = {.name = "infotainment",
                              .medium = "can",
                              .segment = SEGMENT_INFOTAINMENT,
                              .node = NODE_HU},
};
static const struct timer_spec timers[HU_TIMERS] = {
    [HU_TIMER_KEYS] = {"ISO-TP keys", false},
    [HU_TIMER_ANSWER] = {"answer", false},
    [HU_TIMER_BCM] = {"BCM_Status missing", true},
    [HU_TIMER_SPAAK] = {"SpaaK_Status missing", true},
};
static const struct setting_spec settings[] = {
    [HU_SETTING_ANSWER_MS] = {.name = "answer_ms", .fallback = 2000, .min = 1, .max = 3600000},
    {.name = NULL},
};
static const char *const shows[] = {
    [HU_SHOW_IGNITION] = "ignition", [HU_SHOW_SCREEN] = "screen", [HU_SHOW_KEYS] = "keys", NULL};

static void refuse(struct hu *h, enum matrix_message m, enum err e, size_t len)
{
    env_trace_reason(h->env, TRACE_REJECT, NULL, matrix_row(m)->name, e, (uint32_t)len, NULL);
}

static void watch(struct hu *h, unsigned timer, enum matrix_message m)
{
    env_timer_in(h->env, timer, matrix_row(m)->cycle_ms * 1000ull * LOST_CYCLES);
}

/* The SpaaK Module has spoken: nobody waits for its answer any more. */
static void answered(struct hu *h, bool goes_on)
{
    h->under_way = goes_on;
    env_timer_set(h->env, HU_TIMER_ANSWER, ENV_NEVER);
}

static void no_answer(struct hu *h)
{
    answered(h, false);
    screen_show(h, "no answer");
}

/* ---- BCM_Status ---- */

static void set_ignition(struct hu *h, enum hu_ignition to)
{
    if (h->ignition == to)
        return;
    h->ignition = to;
    screen_show_ignition(h);
    if (h->under_way)
        return; /* what it comes to the SpaaK Module says */
    screen_show(h, to == HU_IGNITION_ON ? "ready" : "off");
}

static void on_bcm_status(struct hu *h, const struct bus_frame *f)
{
    struct cabin_bcm_status s;
    enum err e = cabin_read_bcm_status(f, env_now_us(h->env), &h->heard_bcm, &s);
    if (e) {
        refuse(h, MATRIX_BCM_STATUS, e, f->len);
        return;
    }
    watch(h, HU_TIMER_BCM, MATRIX_BCM_STATUS);
    set_ignition(h, s.ignition ? HU_IGNITION_ON : HU_IGNITION_OFF);
}

/* ---- SpaaK_Status ---- */

static void note_spaak(struct hu *h)
{
    char text[96];
    snprintf(text, sizeof text, "SpaaK Module: pairing=%s verifiers=%s identity=%s keys=%u",
             h->spaak.pairing ? "yes" : "no", h->spaak.verifiers ? "yes" : "no",
             h->spaak.identity ? "yes" : "no", h->spaak.keys);
    env_trace_note(h->env, TRACE_NOTE, text);
}

static bool is_same(const struct cabin_spaak_status *a, const struct cabin_spaak_status *b)
{
    return a->pairing == b->pairing && a->verifiers == b->verifiers && a->identity == b->identity &&
           a->keys == b->keys;
}

/* The pairing is over, and the word of it got lost: nobody is left waiting. */
static void miss_end(struct hu *h, bool more_keys)
{
    const struct cabin_notification paired = {.what = CABIN_PAIRED};
    answered(h, false);
    if (more_keys)
        screen_show_notification(h, &paired, 0);
    else
        screen_show(h, "pairing has ended");
}

static void on_spaak_status(struct hu *h, const struct bus_frame *f)
{
    struct cabin_spaak_status s;
    enum err e = cabin_read_spaak_status(f, env_now_us(h->env), &h->heard_spaak, &s);
    if (e) {
        refuse(h, MATRIX_SPAAK_STATUS, e, f->len);
        return;
    }
    bool changed = !h->spaak_is_heard || !is_same(&s, &h->spaak);
    bool ended = h->under_way && h->spaak_is_heard && h->spaak.pairing && !s.pairing;
    bool more = s.keys > h->spaak.keys;
    h->spaak_is_heard = true;
    h->spaak = s;
    watch(h, HU_TIMER_SPAAK, MATRIX_SPAAK_STATUS);
    if (changed)
        note_spaak(h);
    if (ended)
        miss_end(h, more);
}

/* Nobody is left alone with a request to put the phone on the pad. */
static void lose_spaak(struct hu *h)
{
    h->spaak_is_heard = false;
    env_trace_note(h->env, TRACE_NOTE, "SpaaK Module: silent");
    if (h->under_way)
        no_answer(h);
}

/* ---- HU_NTF and SpaaK_HU_Keys ---- */

static void on_notification(struct hu *h, const struct bus_frame *f)
{
    struct cabin_notification n;
    enum err e = cabin_read_notification(f, env_now_us(h->env), &h->heard_notice, &n);
    if (e) {
        refuse(h, MATRIX_HU_NTF, e, f->len);
        return;
    }
    answered(h, screen_goes_on(n.what));
    if (n.what == CABIN_LIST_FOLLOWS)
        env_timer_in(h->env, HU_TIMER_ANSWER, h->answer_us);
    screen_show_notification(h, &n, h->wish);
    if (n.what != CABIN_KEY_NEEDED) /* it goes on */
        h->wish = 0;
}

static void on_keys(struct hu *h, struct span message)
{
    struct cabin_keys keys;
    enum err e = cabin_read_keys(message, &keys);
    if (e) {
        refuse(h, MATRIX_SPAAK_HU_KEYS, e, message.len);
        return;
    }
    answered(h, false);
    h->list = keys;
    screen_show_keys(h, &keys);
}

static void on_channel(void *owner, struct isotp_port *channel, const struct isotp_event *ev)
{
    struct hu *h = owner;
    (void)channel;
    if (ev->kind == ISOTP_RECEIVED)
        on_keys(h, ev->message);
    else if (ev->kind == ISOTP_RX_FAILED)
        refuse(h, MATRIX_SPAAK_HU_KEYS, ev->reason, 0);
}

static void hu_on_frame(void *self, unsigned port, const struct bus_frame *f)
{
    struct hu *h = self;
    (void)port;
    if (f->id == matrix_row(MATRIX_BCM_STATUS)->id)
        on_bcm_status(h, f);
    else if (f->id == matrix_row(MATRIX_SPAAK_STATUS)->id)
        on_spaak_status(h, f);
    else if (f->id == matrix_row(MATRIX_HU_NTF)->id)
        on_notification(h, f);
    else
        isotp_port_input(&h->keys, f);
}

/* ---- what a person presses ---- */

/* What is under way can be cancelled with the ignition off, too. */
static enum err may_ask(struct hu *h, enum cabin_wish wish)
{
    if (h->ignition == HU_IGNITION_ON || (wish == CABIN_CANCEL && h->under_way))
        return ERR_OK;
    screen_show(h, "switch the ignition on first");
    return ERR_IGNITION_OFF;
}

/* What a segment that is down does not take nobody answers either. */
static void ask(struct hu *h, const struct cabin_request *r)
{
    struct bus_frame f;
    cabin_write_request(r, &h->alive, &f);
    h->under_way = true;
    h->wish = (uint8_t)r->wish;
    screen_show(h, "one moment");
    env_send_frame(h->env, HU_PORT_INFOTAINMENT, &f);
    env_timer_in(h->env, HU_TIMER_ANSWER, h->answer_us);
}

static enum err ask_for(struct hu *h, enum cabin_wish wish)
{
    const struct cabin_request r = {.wish = wish};
    enum err e = may_ask(h, wish);
    if (!e)
        ask(h, &r);
    return e;
}

static enum err call_add_key(void *self, const struct call_value *values)
{
    struct hu *h = self;
    (void)values;
    enum err e = may_ask(h, CABIN_ADD_PHONE);
    if (e)
        return e;
    env_trace_step(h->env, "OP-02/2", "\"add digital key\" was chosen");
    env_trace_step(h->env, "OP-02/3", "sends PhoneKey_Req");
    ask(h, &(struct cabin_request){.wish = CABIN_ADD_PHONE});
    return ERR_OK;
}

static enum err call_cancel(void *self, const struct call_value *values)
{
    (void)values;
    return ask_for(self, CABIN_CANCEL);
}

/* A person deletes what a list has shown. */
static const struct cabin_key *listed(const struct hu *h, uint8_t index)
{
    for (size_t i = 0; i < h->list.count; i++)
        if (h->list.keys[i].index == index)
            return &h->list.keys[i];
    return NULL;
}

static enum err call_delete_key(void *self, const struct call_value *values)
{
    struct hu *h = self;
    struct cabin_request r = {.wish = CABIN_DELETE_KEY, .key = (uint8_t)values[0].number};
    const struct cabin_key *k = listed(h, r.key);
    enum err e = may_ask(h, r.wish);
    if (!e && !k) {
        screen_show(h, "look at the list of keys first");
        return ERR_LIST_CHANGED;
    }
    if (e)
        return e;
    memcpy(r.id, k->id, CABIN_KEY_ID);
    ask(h, &r);
    return ERR_OK;
}

static enum err call_show_keys(void *self, const struct call_value *values)
{
    (void)values;
    return ask_for(self, CABIN_LIST_KEYS);
}

static const struct parameter_spec key_parameter[] = {
    {.name = "key", .kind = PARAMETER_NUMBER, .required = true, .min = 1, .max = 255}, {.name = NULL}};
static const struct call_spec calls[] = {
    {"add-key", "the user chooses \"add digital key\" (OP-02)", NULL, call_add_key},
    {"cancel", "the user cancels what is under way", NULL, call_cancel},
    {"delete-key", "the user deletes a digital key of the list", key_parameter, call_delete_key},
    {"show-keys", "the user looks at the list of digital keys", NULL, call_show_keys},
    {.name = NULL},
};

/* ---- life ---- */

static void hu_on_timer(void *self, unsigned timer)
{
    struct hu *h = self;
    switch (timer) {
    case HU_TIMER_KEYS:
        isotp_port_timer(&h->keys);
        break;
    case HU_TIMER_ANSWER:
        no_answer(h);
        break;
    case HU_TIMER_BCM:
        set_ignition(h, HU_IGNITION_UNKNOWN);
        break;
    default:
        assert(timer == HU_TIMER_SPAAK);
        lose_spaak(h);
        break;
    }
}

static enum err hu_init(void *self, struct env *env, const struct component_args *args)
{
    struct hu *h = self;
    h->env = env;
    h->answer_us = args->settings[HU_SETTING_ANSWER_MS] * 1000;
    h->alive = cabin_alive_begin(env->crypto);
    isotp_port_init(&h->keys, env, HU_PORT_INFOTAINMENT, HU_TIMER_KEYS, MATRIX_HU_SPAAK_KEYS,
                    MATRIX_SPAAK_HU_KEYS);
    h->keys.on_event = on_channel;
    h->keys.owner = h;
    screen_show_ignition(h);
    screen_show(h, "off");
    return ERR_OK;
}

static void hu_fini(void *self)
{
    struct hu *h = self;
    isotp_port_fini(&h->keys);
}

const struct component_class hu_class = {
    .name = "hu",
    .place = PLACE_VEHICLE,
    .size = sizeof(struct hu),
    .ports = ports,
    .port_count = sizeof ports / sizeof ports[0],
    .timers = timers,
    .timer_count = HU_TIMERS,
    .settings = settings,
    .calls = calls,
    .shows = shows,
    .init = hu_init,
    .fini = hu_fini,
    .on_frame = hu_on_frame,
    .on_timer = hu_on_timer,
};

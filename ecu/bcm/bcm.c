#include "ecu/bcm/bcm.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "ecu/bcm/nonces.h"

#define KEY_BODY  "body-key" /* MAC of commands, from the plant */
#define KEY_DOORS "doors"    /* one byte, enum doors */

enum { PORT_BODY };
enum { TIMER_STATUS, TIMER_RELOCK, TIMER_START };
enum { SETTING_RELOCK_MS, SETTING_START_MS };
enum { SHOW_IGNITION, SHOW_DOORS, SHOW_ENGINE };
enum { CLAIM_UNLOCKED, CLAIM_STARTED };

enum doors { DOORS_LOCKED, DOORS_UNLOCKED, DOORS_OPEN, DOORS_STATES };
struct bcm {
    struct env *env;
    char serial[ENV_NAME_MAX];
    uint64_t relock_us, start_us;
    bool body_up, ignition, fob, engine;
    bool pressed; /* start, and waits for a command; no command waits for a press */
    enum doors doors;
    struct bcm_nonces nonces;
    uint8_t taken, alive;
    struct cabin_heard heard;
};

static const struct port_spec ports[] = {
    [PORT_BODY] = {.name = "body", .medium = "can", .segment = SEGMENT_BODY, .node = NODE_BCM},
};
static const struct timer_spec timers[] = {
    [TIMER_STATUS] = {"BCM_Status", true},
    [TIMER_RELOCK] = {"unlocked, and nobody opens", false},
    [TIMER_START] = {"start pressed", false},
};
static const struct setting_spec settings[] = {
    [SETTING_RELOCK_MS] = {.name = "relock_ms", .fallback = 30000, .min = 1, .max = 3600000},
    [SETTING_START_MS] = {.name = "start_ms", .fallback = 30000, .min = 1, .max = 3600000},
    {.name = NULL},
};
static const char *const shows[] = {
    [SHOW_IGNITION] = "ignition", [SHOW_DOORS] = "doors", [SHOW_ENGINE] = "engine", NULL};
static const char *const door_texts[DOORS_STATES] = {
    [DOORS_LOCKED] = "locked", [DOORS_UNLOCKED] = "unlocked", [DOORS_OPEN] = "open"};
/* Longer than its nonce is good no command is on its way; then the doors are still stored. */
#define FRESH_US 2000000
_Static_assert(BCM_NONCE_GOOD_US < FRESH_US, "the judge allows what the nonces do");
static const struct claim_spec claims[] = {
    [CLAIM_UNLOCKED] = {.name = "unlocked",
                        .kind = CLAIM_ONLY_AFTER,
                        .after = "authenticated",
                        .within_us = FRESH_US},
    [CLAIM_STARTED] = {.name = "started",
                       .kind = CLAIM_ONLY_AFTER,
                       .after = "authenticated",
                       .within_us = FRESH_US},
    {.name = NULL},
};
static const char *const keys[] = {KEY_DOORS, NULL};
static const char *const secrets[] = {KEY_BODY, NULL};
static const struct plant_item plant[] = {{KEY_BODY, PLANT_BODY_KEY, NULL}, {.key = NULL}};
static const struct defect_spec defects[] = {{"body_key", "absent", DEFECT_ABSENT, KEY_BODY, NULL},
                                             {.name = NULL}};

/* ---- what others hear and see ---- */

static void send_status(struct bcm *b)
{
    struct cabin_bcm_status s = {.ignition = b->ignition,
                                 .fob = b->fob,
                                 .locked = b->doors == DOORS_LOCKED,
                                 .engine = b->engine,
                                 .start = b->pressed,
                                 .taken = b->taken};
    struct bus_frame f;
    bcm_nonces_renew(&b->nonces, b->env);
    memcpy(s.nonce, b->nonces.list[0], sizeof s.nonce);
    if (b->body_up) {
        cabin_write_bcm_status(&s, &b->alive, &f);
        env_send_frame(b->env, PORT_BODY, &f);
    }
    env_timer_in(b->env, TIMER_STATUS, matrix_row(MATRIX_BCM_STATUS)->cycle_ms * 1000u);
}

/* After each change: shows, and tells at once. */
static void tell(struct bcm *b)
{
    env_show(b->env, SHOW_IGNITION, b->ignition ? "on" : "off");
    env_show(b->env, SHOW_DOORS, door_texts[b->doors]);
    env_show(b->env, SHOW_ENGINE, b->engine ? "running" : "off");
    send_status(b);
}

static void claim_transaction(struct bcm *b, unsigned claim, const char *transaction)
{
    env_claim(b->env, claim, b->serial, span_of(transaction, strlen(transaction)));
}

static void claim_nothing(struct bcm *b, unsigned claim)
{
    env_claim(b->env, claim, b->serial, (struct span){NULL, 0});
}

/* ---- doors ---- */

static void watch_doors(struct bcm *b)
{
    if (b->doors == DOORS_UNLOCKED)
        env_timer_in(b->env, TIMER_RELOCK, b->relock_us);
    else
        env_timer_set(b->env, TIMER_RELOCK, ENV_NEVER);
}

/* Latches move only when that is kept: nobody finds them elsewhere after a loss of power. */
static enum err move_doors(struct bcm *b, enum doors to)
{
    const uint8_t kept = (uint8_t)to;
    enum err e = env_store_put(b->env, KEY_DOORS, span_of(&kept, 1));
    if (!e)
        e = env_store_commit(b->env);
    if (e)
        return e;
    if (to == DOORS_LOCKED && b->doors != DOORS_LOCKED)
        claim_nothing(b, CLAIM_UNLOCKED);
    b->doors = to;
    watch_doors(b);
    return ERR_OK;
}

static void relock(struct bcm *b)
{
    enum err e = move_doors(b, DOORS_LOCKED);
    watch_doors(b); /* what failed is tried again */
    if (e)
        env_trace_reason(b->env, TRACE_FAIL, NULL, NULL, e, 0, "the doors do not lock themselves");
    else
        env_trace_note(b->env, TRACE_NOTE, "nobody opened: the doors lock themselves");
    tell(b);
}

/* ---- engine ---- */

static void set_pressed(struct bcm *b, bool pressed)
{
    b->pressed = pressed;
    env_timer_set(b->env, TIMER_START, pressed ? env_now_us(b->env) + b->start_us : ENV_NEVER);
}

static void stop_engine(struct bcm *b)
{
    if (b->engine)
        claim_nothing(b, CLAIM_STARTED);
    b->engine = false;
    set_pressed(b, false);
}

static void end_press(struct bcm *b)
{
    env_trace_note(b->env, TRACE_NOTE, "start: nobody authorised it in time");
    set_pressed(b, false);
    tell(b);
}

/* ---- commands ---- */

/* Claimed of doors that were not locked, too: a transaction serves one command. */
static enum err do_unlock(struct bcm *b, const char *transaction)
{
    enum err e = move_doors(b, b->doors == DOORS_OPEN ? DOORS_OPEN : DOORS_UNLOCKED);
    if (e)
        return e;
    claim_transaction(b, CLAIM_UNLOCKED, transaction);
    env_trace_step(b->env, "OP-06/8", "the doors are unlocked");
    return ERR_OK;
}

static enum err do_lock(struct bcm *b)
{
    if (b->doors != DOORS_OPEN)
        return move_doors(b, DOORS_LOCKED);
    env_trace_note(b->env, TRACE_NOTE, "a door is open: the doors do not lock");
    return ERR_OK;
}

/* Of use to the press that waits only: whoever presses later asks for a transaction of their own. */
static enum err do_start(struct bcm *b, const char *transaction)
{
    if (b->engine)
        return ERR_OK;
    if (!b->pressed)
        return ERR_START_NOT_PRESSED;
    b->engine = b->ignition = true;
    claim_transaction(b, CLAIM_STARTED, transaction);
    env_trace_step(b->env, "OP-06/8", "the engine starts");
    set_pressed(b, false);
    return ERR_OK;
}

static enum err obey(struct bcm *b, const struct cabin_command *m)
{
    char transaction[CABIN_TRANSACTION_TEXT];
    cabin_transaction_text(m->transaction, transaction);
    switch (m->order) {
    case CABIN_UNLOCK:
        return do_unlock(b, transaction);
    case CABIN_LOCK:
        return do_lock(b);
    case CABIN_START:
        return do_start(b, transaction);
    }
    return ERR_OK;
}

static void trace_command(struct bcm *b, const struct bus_frame *f, const struct cabin_command *m)
{
    static const char *const orders[] = {
        [CABIN_UNLOCK] = "unlock", [CABIN_LOCK] = "lock", [CABIN_START] = "start"};
    char transaction[CABIN_TRANSACTION_TEXT], detail[64];
    cabin_transaction_text(m->transaction, transaction);
    snprintf(detail, sizeof detail, "command=%s transaction=%s", orders[m->order], transaction);
    env_trace_message(b->env, TRACE_ACCEPT, NULL, matrix_row(MATRIX_SPAAK_BCM_CMD)->name, "spaak",
                      span_of(f->data, f->len), detail);
}

static enum err get_key(struct bcm *b, uint8_t key[CMAC_KEY])
{
    size_t len = 0;
    enum err e = env_store_get(b->env, KEY_BODY, key, CMAC_KEY, &len);
    return !e && len != CMAC_KEY ? ERR_STORE_FAILED : e;
}

static enum err read_command(struct bcm *b, const struct bus_frame *f, struct cabin_command *out)
{
    const uint64_t now_us = env_now_us(b->env);
    const struct cabin_nonces nonces = {.list = b->nonces.list, .count = bcm_nonces_good(&b->nonces, now_us)};
    uint8_t key[CMAC_KEY];
    enum err e = get_key(b, key);
    if (!e)
        e = cabin_read_command(b->env->crypto, key, &nonces, f, now_us, &b->heard, out);
    OPENSSL_cleanse(key, sizeof key);
    return e;
}

/* A command that was read is used up, whatever becomes of it: it is never read again. */
static void on_command(struct bcm *b, const struct bus_frame *f)
{
    const struct matrix_row *row = matrix_row(MATRIX_SPAAK_BCM_CMD);
    struct cabin_command m;
    enum err e = read_command(b, f, &m);
    if (e) {
        env_trace_reason(b->env, TRACE_REJECT, NULL, row->name, e, f->len, NULL);
        return;
    }
    bcm_nonces_use_up(&b->nonces, b->env);
    b->taken = (uint8_t)(b->taken + 1);
    trace_command(b, f, &m);
    e = obey(b, &m);
    if (e)
        env_trace_reason(b->env, e == ERR_START_NOT_PRESSED ? TRACE_REJECT : TRACE_FAIL, NULL, row->name, e,
                         f->len, NULL);
    tell(b);
}

/* ---- is the user there? ---- */

static enum err answer(struct bcm *b, const struct bus_frame *f)
{
    const struct cabin_answer a = {.ignition = b->ignition, .fob = b->fob};
    uint8_t key[CMAC_KEY], challenge[CABIN_CHALLENGE];
    struct bus_frame out;
    enum err e = cabin_read_ask(f, challenge);
    if (!e)
        e = get_key(b, key);
    if (!e)
        e = cabin_write_answer(b->env->crypto, key, challenge, &a, &out);
    OPENSSL_cleanse(key, sizeof key);
    return e ? e : env_send_frame(b->env, PORT_BODY, &out);
}

static void on_ask(struct bcm *b, const struct bus_frame *f)
{
    enum err e = answer(b, f);
    if (e)
        env_trace_reason(b->env, TRACE_REJECT, NULL, matrix_row(MATRIX_SPAAK_BCM_ASK)->name, e, f->len, NULL);
}

static void bcm_on_frame(void *self, unsigned port, const struct bus_frame *f)
{
    (void)port;
    if (f->id == matrix_row(MATRIX_SPAAK_BCM_CMD)->id)
        on_command(self, f);
    else if (f->id == matrix_row(MATRIX_SPAAK_BCM_ASK)->id)
        on_ask(self, f);
}

/* ---- what a person does ---- */

static enum err call_ignition(void *self, const struct call_value *values)
{
    struct bcm *b = self;
    bool on = values[0].number;
    if (on && !b->ignition)
        env_trace_step(b->env, "OP-02/1", "the ignition is on");
    b->ignition = on;
    if (!on)
        stop_engine(b);
    tell(b);
    return ERR_OK;
}

static enum err call_fob(void *self, const struct call_value *values)
{
    struct bcm *b = self;
    b->fob = values[0].number;
    tell(b);
    return ERR_OK;
}

static enum err call_pull_handle(void *self, const struct call_value *values)
{
    struct bcm *b = self;
    (void)values;
    if (b->doors == DOORS_LOCKED) {
        env_trace_note(b->env, TRACE_NOTE, "the handle was pulled: the doors are locked");
        return ERR_OK;
    }
    enum err e = move_doors(b, DOORS_OPEN);
    tell(b);
    return e;
}

static enum err call_press_start(void *self, const struct call_value *values)
{
    struct bcm *b = self;
    (void)values;
    if (b->engine) {
        env_trace_note(b->env, TRACE_NOTE, "start was pressed: the engine runs");
        return ERR_OK;
    }
    set_pressed(b, true);
    tell(b);
    return ERR_OK;
}

static enum err call_lock_doors(void *self, const struct call_value *values)
{
    struct bcm *b = self;
    (void)values;
    enum err e = move_doors(b, DOORS_LOCKED);
    set_pressed(b, false); /* nobody waits any more who locks the car */
    tell(b);
    return e;
}

static const char *const powers[] = {"off", "on", NULL};
static const char *const places[] = {"away", "here", NULL};
static const struct parameter_spec power_parameter[] = {
    {.name = "power", .kind = PARAMETER_WORD, .required = true, .words = powers}, {.name = NULL}};
static const struct parameter_spec place_parameter[] = {
    {.name = "place", .kind = PARAMETER_WORD, .required = true, .words = places}, {.name = NULL}};
static const struct call_spec calls[] = {
    {"ignition", "the driver switches the ignition", power_parameter, call_ignition},
    {"fob", "the key fob is in the car, or not", place_parameter, call_fob},
    {"pull-handle", "somebody pulls the door handle: unlocked doors open", NULL, call_pull_handle},
    {"press-start", "the driver presses the start button", NULL, call_press_start},
    {"lock-doors", "somebody shuts the doors and presses the lock button", NULL, call_lock_doors},
    {.name = NULL},
};

/* ---- life ---- */

static void bcm_on_timer(void *self, unsigned timer)
{
    struct bcm *b = self;
    switch (timer) {
    case TIMER_STATUS:
        send_status(b);
        break;
    case TIMER_RELOCK:
        relock(b);
        break;
    default:
        assert(timer == TIMER_START);
        end_press(b);
        break;
    }
}

static void bcm_on_link(void *self, unsigned port, enum link_state state)
{
    struct bcm *b = self;
    (void)port;
    b->body_up = state != LINK_DOWN;
    tell(b);
}

/* A controller that never had power finds its doors locked, as the plant left them. */
static enum err find_doors(struct bcm *b)
{
    uint8_t kept = DOORS_LOCKED;
    size_t len;
    enum err e = env_store_get(b->env, KEY_DOORS, &kept, 1, &len);
    if (e && e != ERR_NOT_FOUND)
        return e;
    if (kept >= DOORS_STATES)
        return ERR_RECORD_TORN;
    b->doors = (enum doors)kept;
    watch_doors(b);
    return ERR_OK;
}

static enum err bcm_init(void *self, struct env *env, const struct component_args *args)
{
    struct bcm *b = self;
    b->env = env;
    b->relock_us = args->settings[SETTING_RELOCK_MS] * 1000;
    b->start_us = args->settings[SETTING_START_MS] * 1000;
    text_copy(b->serial, sizeof b->serial, args->serial);
    b->alive = cabin_alive_begin(env->crypto);
    bcm_nonces_use_up(&b->nonces, b->env);
    return find_doors(b);
}

const struct component_class bcm_class = {
    .name = "bcm",
    .place = PLACE_VEHICLE,
    .size = sizeof(struct bcm),
    .stores = true,
    .keys = keys,
    .secrets = secrets,
    .plant = plant,
    .defects = defects,
    .ports = ports,
    .port_count = sizeof ports / sizeof ports[0],
    .timers = timers,
    .timer_count = sizeof timers / sizeof timers[0],
    .settings = settings,
    .calls = calls,
    .shows = shows,
    .claims = claims,
    .init = bcm_init,
    .on_frame = bcm_on_frame,
    .on_link = bcm_on_link,
    .on_timer = bcm_on_timer,
};

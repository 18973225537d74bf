#include "sim/actors/phone/phone.h"

#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/apdu.h"
#include "sim/actors/phone/phone_parts.h"

/* Without a server of its own a run has none of what it is asked for; the phone lies before readers all the
 * same. */
static const struct port_spec ports[] = {
    [PHONE_PORT_APP] = {.name = "app",
                        .medium = "http",
                        .end = PORT_ASKS,
                        .server = "tbe",
                        .optional = true,
                        .confidential = true,
                        .name_of = http_message_name},
    [PHONE_PORT_NFC] =
        {.name = "nfc", .medium = "nfc", .end = PORT_ASKS, .optional = true, .name_of = apdu_response_name},
    [PHONE_PORT_DEVICE] = {.name = "device",
                           .medium = "http",
                           .end = PORT_ASKS,
                           .server = "dos",
                           .optional = true,
                           .name_of = http_message_name},
    [PHONE_PORT_RADIO] = {.name = "radio",
                          .medium = "ble",
                          .end = PORT_ASKS,
                          .optional = true,
                          .name_of = dk_message_name,
                          .names = dk_message_names},
};

static const struct timer_spec timers[] = {
    [PHONE_TIMER_PATIENCE] = {.name = "patience"},
    [PHONE_TIMER_RETRY] = {.name = "retry"},
    [PHONE_TIMER_PLACE] = {.name = "place", .cyclic = true},
    [PHONE_TIMER_PASSWORD] = {.name = "password", .cyclic = true}, /* Ta: nobody waits for its end */
    [PHONE_TIMER_RELOAD] = {.name = "reload"},
    [PHONE_TIMER_PHASE0_PATIENCE] = {.name = "phase 0 patience"},
    [PHONE_TIMER_PHASE0_RETRY] = {.name = "phase 0 retry"},
    [PHONE_TIMER_TRACKING_PATIENCE] = {.name = "tracking patience"},
    [PHONE_TIMER_TRACKING_RETRY] = {.name = "tracking retry"},
    [PHONE_TIMER_TRACKING_PAUSE] = {.name = "tracking pause", .cyclic = true}, /* for ever */
    [PHONE_TIMER_RADIO] = {.name = "radio"},
    [PHONE_TIMER_STATE_PATIENCE] = {.name = "key state patience"},
    [PHONE_TIMER_STATE] = {.name = "key state", .cyclic = true},
};

static const struct setting_spec settings[] = {
    /* longer than the door waits, by default */
    [PHONE_SETTING_PATIENCE_MS] = {.name = "patience_ms", .fallback = 6000, .min = 10, .max = 60000},
    [PHONE_SETTING_RETRY_MS] = {.name = "retry_ms", .fallback = 500, .min = 10, .max = 60000},
    [PHONE_SETTING_TRIES] = {.name = "tries", .fallback = 5, .min = 1, .max = 100},
    [PHONE_SETTING_PASSWORD_S] = {.name = "password_s", .fallback = 600, .min = 1, .max = 86400},
    /* after `tries` in vain for the receipt of a key: then it asks as often again */
    [PHONE_SETTING_TRACKING_MS] = {.name = "tracking_ms", .fallback = 60000, .min = 10, .max = 86400000},
    /* it asks what has become of its keys, at the latest */
    [PHONE_SETTING_STATE_MS] = {.name = "state_ms", .fallback = 60000, .min = 10, .max = 86400000},
    {.name = NULL},
};

static const char *const shows[] = {
    [PHONE_SHOW_SCREEN] = "screen", [PHONE_SHOW_FRAMEWORK] = "framework", [PHONE_SHOW_KEYS] = "keys",
    [PHONE_SHOW_FIELD] = "field",   [PHONE_SHOW_RADIO] = "radio",         NULL};
static const struct claim_spec claims[] = {
    [PHONE_CLAIM_PASSWORD] = {.name = "pairing-password", .kind = CLAIM_AT_MOST_ONE},
    [PHONE_CLAIM_INSTANCE_CA] = {.name = "instance-ca",
                                 .kind = CLAIM_ONLY_AFTER,
                                 .after = "instance-ca-issued"},
    [PHONE_CLAIM_KEY] = {.name = "key", .kind = CLAIM_EQUAL},
    [PHONE_CLAIM_BOND] = {.name = "bond", .kind = CLAIM_EQUAL},
    {.name = NULL}};
static const struct plant_item plant[] = {{PHONE_ROOT, PLANT_CERTIFICATE, "J"}, {.key = NULL}};
static const char any_key[] = DK_RECORD_KEY_PREFIX "+", any_tracked[] = PHONE_TRACKED "+",
                  any_bond[] = PHONE_BOND "+";
static const char *const keys[] = {PHONE_CLIENT,      PHONE_VEHICLE,  PHONE_KEY,
                                   PHONE_SECRET,      PHONE_LINK_ID,  PHONE_LINK_PASSWORD,
                                   PHONE_LINK_UNTOLD, PHONE_PASSWORD, DK_RECORD_FRAMEWORK_NAME,
                                   any_key,           any_tracked,    PHONE_RADIO,
                                   PHONE_RADIO_ON,    any_bond,       NULL};
static const char *const secrets[] = {
    PHONE_SECRET,         PHONE_LINK_PASSWORD, PHONE_PASSWORD, DK_RECORD_FRAMEWORK_NAME,
    DK_RECORD_KEY_PREFIX, PHONE_RADIO,         PHONE_BOND,     NULL};

/* w0 and w1 of a password; as long as N = 32768 takes. */
static const struct work_spec works[] = {
    [PHONE_WORK_DERIVE] = {"scrypt", handset_derive, 100000, HANDSET_DERIVED_MAX}, {.name = NULL}};

/* ---- calls ---- */

/* So that the judge looks for it. */
static enum err call_sign_in(void *self, const struct call_value *values)
{
    struct phone *p = self;
    const struct phone_user *user = phone_user_at(values[0].number);
    if (p->handset.off)
        return ERR_MSG_UNEXPECTED;
    enum err e = env_store_put(p->env, PHONE_SECRET, span_of(user->secret, strlen(user->secret)));
    if (!e)
        e = env_store_commit(p->env);
    if (e)
        return e;
    OPENSSL_cleanse(p->token, sizeof p->token);
    p->user = user;
    phone_begin(p, PHONE_ASKS_TOKEN);
    return ERR_OK;
}

static enum err new_id(struct phone *p, const char *key)
{
    uint8_t bytes[PHONE_ID / 2];
    char text[PHONE_ID + 1];
    env_random(p->env, bytes, sizeof bytes);
    hex_encode(bytes, sizeof bytes, text);
    return env_store_put(p->env, key, span_of(text, PHONE_ID));
}

/* For the vehicle that it has asked for and not got: with the same key. */
static enum err keep_ask(struct phone *p, const char *vehicle)
{
    char before[PHONE_VEHICLE_MAX + 1] = "";
    size_t len;
    enum err e = env_store_get(p->env, PHONE_VEHICLE, before, PHONE_VEHICLE_MAX, &len);
    if (e && e != ERR_NOT_FOUND)
        return e;
    if (strcmp(before, vehicle) == 0)
        return ERR_OK;
    e = env_store_put(p->env, PHONE_VEHICLE, span_of(vehicle, strlen(vehicle)));
    if (!e)
        e = new_id(p, PHONE_KEY);
    return e ? e : env_store_commit(p->env);
}

static enum err call_ask_link(void *self, const struct call_value *values)
{
    struct phone *p = self;
    enum err e = p->handset.off ? ERR_MSG_UNEXPECTED : keep_ask(p, values[0].text);
    if (e)
        return e;
    p->wants_link = p->asks == PHONE_ASKS_TOKEN; /* then it asks when that has ended */
    if (!p->wants_link)
        phone_begin(p, phone_next_ask(p));
    return ERR_OK;
}

static enum err call_open_link(void *self, const struct call_value *values)
{
    (void)values;
    enum err e = phone_open_link(self);
    if (!e)
        handset_phase0_wanted(self);
    return e;
}

static enum err call_type_password(void *self, const struct call_value *values)
{
    enum err e = phone_enter(self, values[0].text);
    if (!e)
        handset_phase0_wanted(self);
    return e;
}

static enum err call_forget(void *self, const struct call_value *values)
{
    struct phone *p = self;
    (void)values;
    return p->handset.off ? ERR_MSG_UNEXPECTED : phone_forget(p);
}

static enum err call_forge_token(void *self, const struct call_value *values)
{
    return phone_forge(self, values[0].number);
}

static enum err call_place(void *self, const struct call_value *values)
{
    return handset_place(self, values[0].text);
}

static enum err call_lift(void *self, const struct call_value *values)
{
    (void)values;
    return handset_place(self, "");
}

static enum err battery_off(struct phone *p)
{
    p->handset.off = true;
    env_timer_set(p->env, PHONE_TIMER_RELOAD, ENV_NEVER);
    p->handset.noted = 0; /* it was in memory alone */
    phone_app_stop(p);
    handset_radio_stop(p);
    handset_close(p);
    return handset_settle(p);
}

static enum err battery_on(struct phone *p)
{
    p->handset.off = false;
    enum err e = handset_open(p);
    handset_radio_begin(p);
    handset_phase0_again(p);
    return e ? e : handset_settle(p);
}

static enum err call_battery(void *self, const struct call_value *values)
{
    struct phone *p = self;
    bool off = values[0].number == 0;
    if (off == p->handset.off)
        return ERR_OK;
    return off ? battery_off(p) : battery_on(p);
}

static enum err call_delete_key(void *self, const struct call_value *values)
{
    return handset_delete_key(self, (unsigned)values[0].number);
}

static enum err call_terminate_key(void *self, const struct call_value *values)
{
    return handset_terminate_key(self, (unsigned)values[0].number);
}

static enum err call_bluetooth(void *self, const struct call_value *values)
{
    return handset_radio_switch(self, values[0].number == 1);
}

static enum err call_pair_by_bluetooth(void *self, const struct call_value *values)
{
    (void)values;
    return handset_radio_pair(self);
}

static enum err call_want(void *self, const struct call_value *values)
{
    (void)values;
    return handset_radio_want(self);
}

static enum err call_check_keys(void *self, const struct call_value *values)
{
    (void)values;
    return handset_check_keys(self);
}

static enum err call_hand_out_slot(void *self, const struct call_value *values)
{
    return handset_hand_out_slot(self, (unsigned)values[0].number);
}

static enum err call_forge_receipt(void *self, const struct call_value *values)
{
    struct phone *p = self;
    (void)values;
    p->handset.tracking.forge = true;
    return ERR_OK;
}

static enum err call_misbehave(void *self, const struct call_value *values)
{
    return phone_misbehave(self, (enum phone_misbehaviour)values[0].number);
}

static const struct parameter_spec user_parameter[] = {
    {.name = "user", .kind = PARAMETER_WORD, .required = true, .words = phone_user_names}, {.name = NULL}};
static const struct parameter_spec vehicle_parameter[] = {{.name = "vehicle", .kind = PARAMETER_VEHICLE},
                                                          {.name = NULL}};
static const struct parameter_spec digits_parameter[] = {{.name = "digits",
                                                          .kind = PARAMETER_TEXT,
                                                          .required = true,
                                                          .check = phone_digits_ok,
                                                          .form = "12345678"},
                                                         {.name = NULL}};
static const char *const forgeries[] = {[PHONE_FORGE_NONE] = "none",
                                        [PHONE_FORGE_HS256] = "hs256",
                                        [PHONE_FORGE_OTHER_KEY] = "other-key",
                                        [PHONE_FORGE_OTHER_USER] = "other-user",
                                        NULL};
static const struct parameter_spec how_parameter[] = {
    {.name = "how", .kind = PARAMETER_WORD, .required = true, .words = forgeries}, {.name = NULL}};

static const struct parameter_spec misbehaviour_parameter[] = {
    {.name = "how", .kind = PARAMETER_WORD, .required = true, .words = phone_misbehaviour_names},
    {.name = NULL}};

static const struct parameter_spec reader_parameter[] = {
    {.name = "reader", .kind = PARAMETER_READER, .required = true, .form = "wcp"}, {.name = NULL}};
static const char *const battery_words[] = {"off", "on", NULL};
static const struct parameter_spec battery_parameter[] = {
    {.name = "state", .kind = PARAMETER_WORD, .required = true, .words = battery_words}, {.name = NULL}};
static const struct parameter_spec key_parameter[] = {
    {.name = "key", .kind = PARAMETER_NUMBER, .max = APPLET_KEYS - 1}, {.name = NULL}};

static const struct call_spec calls[] = {
    {"sign-in", "the app signs its user in", user_parameter, call_sign_in},
    {"ask-link", "the app asks for the deep link with the pairing password (OP-01a)", vehicle_parameter,
     call_ask_link},
    {"open-link", "the user opens the link: the framework holds its password", NULL, call_open_link},
    {"type-password", "the user types a password instead", digits_parameter, call_type_password},
    {"forget", "the user throws link and password away", NULL, call_forget},
    {"forge-token", "an attacker's app puts another token in the place of its own", how_parameter,
     call_forge_token},
    {"place", "the user lays the phone before a reader", reader_parameter, call_place},
    {"lift", "the user takes it away", NULL, call_lift},
    {"battery", "the battery is empty, or charged again", battery_parameter, call_battery},
    {"forge-receipt",
     "an attacker's phone: puts a receipt that it has signed itself in the place of the next", NULL,
     call_forge_receipt},
    {"bluetooth", "the user switches Bluetooth", battery_parameter, call_bluetooth},
    {"pair-by-bluetooth", "the user wants to pair without laying the phone down", NULL,
     call_pair_by_bluetooth},
    {"want", "the app asks the vehicle nearby for a transaction", NULL, call_want},
    {"misbehave", "an attacker's phone: what it says from now on is wrong in that way",
     misbehaviour_parameter, call_misbehave},
    {"delete-key", "the user deletes a Digital Key; nobody is told", key_parameter, call_delete_key},
    {"terminate-key", "the user ends a Digital Key; its vehicle hears so at the next contact", key_parameter,
     call_terminate_key},
    {"check-keys", "the user opens the wallet: the maker's server is asked what has become of the keys", NULL,
     call_check_keys},
    {"hand-out-slot", "the user hands a slot of a Digital Key to a friend", key_parameter,
     call_hand_out_slot},
    {.name = NULL},
};

/* ---- life ---- */

static void phone_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    if (port == PHONE_PORT_APP)
        phone_on_response(self, address, bytes);
    else if (port == PHONE_PORT_NFC)
        handset_on_command(self, bytes);
    else if (port == PHONE_PORT_RADIO)
        handset_radio_on_bytes(self, bytes);
    else if (handset_tracking_waits_for(self, address))
        handset_tracking_on_response(self, bytes);
    else if (handset_state_waits_for(self, address))
        handset_state_on_response(self, bytes);
    else
        handset_phase0_on_response(self, address, bytes);
}

static void phone_on_news(void *self, unsigned port, const char *address, const char *news)
{
    struct phone *p = self;
    if (port == PHONE_PORT_NFC)
        handset_on_news(p, news);
    else if (port == PHONE_PORT_RADIO)
        handset_radio_on_news(p, address, news);
    else if (port == PHONE_PORT_DEVICE && handset_tracking_waits_for(p, address))
        handset_tracking_on_news(p, news);
    else if (port == PHONE_PORT_DEVICE && handset_state_waits_for(p, address))
        handset_state_late(p);
    else if (port == PHONE_PORT_DEVICE)
        handset_phase0_on_news(p, address, news);
    else if (phone_waits_for(p, address))
        phone_retry(p, news);
}

static void phone_on_link(void *self, unsigned port, enum link_state state)
{
    if (port == PHONE_PORT_NFC)
        handset_on_link(self, state);
    else if (port == PHONE_PORT_RADIO)
        handset_radio_on_link(self, state);
    else if (port == PHONE_PORT_DEVICE) {
        handset_phase0_on_link(self, state);
        handset_tracking_on_link(self, state);
        handset_state_on_link(self, state);
    }
}

static void reload(struct phone *p)
{
    enum err e = handset_open(p);
    if (e)
        env_trace_reason(p->env, TRACE_FAIL, NULL, NULL, e, 0, "the records");
    handset_phase0_again(p);
}

static void place_again(struct phone *p)
{
    enum err e = handset_settle(p);
    if (e)
        env_trace_reason(p->env, TRACE_FAIL, NULL, NULL, e, 0, "before the reader");
}

static void phone_on_timer(void *self, unsigned timer)
{
    static void (*const fired[])(struct phone *) = {[PHONE_TIMER_RETRY] = phone_app_send,
                                                    [PHONE_TIMER_PLACE] = place_again,
                                                    [PHONE_TIMER_PASSWORD] = handset_on_password_timer,
                                                    [PHONE_TIMER_RELOAD] = reload,
                                                    [PHONE_TIMER_PHASE0_PATIENCE] = handset_phase0_late,
                                                    [PHONE_TIMER_PHASE0_RETRY] = handset_phase0_again,
                                                    [PHONE_TIMER_TRACKING_PATIENCE] = handset_tracking_late,
                                                    [PHONE_TIMER_TRACKING_RETRY] = handset_tracking_again,
                                                    [PHONE_TIMER_TRACKING_PAUSE] = handset_tracking_again,
                                                    [PHONE_TIMER_RADIO] = handset_radio_late,
                                                    [PHONE_TIMER_STATE_PATIENCE] = handset_state_late,
                                                    [PHONE_TIMER_STATE] = handset_state_look};
    if (timer == PHONE_TIMER_PATIENCE)
        phone_retry(self, "no answer");
    else
        fired[timer](self);
}

static void phone_on_work(void *self, unsigned work, enum err e, struct span result)
{
    (void)work;
    handset_on_derived(self, e, result);
}

static enum err phone_init(void *self, struct env *env, const struct component_args *args)
{
    struct phone *p = self;
    char client[PHONE_ID];
    size_t len;
    p->env = env;
    p->patience_us = args->settings[PHONE_SETTING_PATIENCE_MS] * 1000;
    p->retry_us = args->settings[PHONE_SETTING_RETRY_MS] * 1000;
    p->tries_max = args->settings[PHONE_SETTING_TRIES];
    p->tracking_us = args->settings[PHONE_SETTING_TRACKING_MS] * 1000;
    p->state_us = args->settings[PHONE_SETTING_STATE_MS] * 1000;
    p->password_s = args->settings[PHONE_SETTING_PASSWORD_S];
    enum err e = env_store_get(env, PHONE_CLIENT, client, sizeof client, &len);
    if (e == ERR_NOT_FOUND) {
        e = new_id(p, PHONE_CLIENT);
        if (!e)
            e = env_store_commit(env);
    }
    if (e)
        return e;
    phone_remember(p);
    handset_radio_begin(p);
    return handset_open(p);
}

static void phone_fini(void *self)
{
    struct phone *p = self;
    OPENSSL_cleanse(p->token, sizeof p->token);
    handset_close(p);
    phone_attack_close(p);
}

static const struct upset_spec upset = {.away = "lift", .back = "place"};
static const struct linked_spec linked = {.call = "bluetooth", .word = "on"};

const struct component_class phone_class = {
    .name = "phone",
    .place = PLACE_OUTSIDE,
    .stores = true,
    .keys = keys,
    .size = sizeof(struct phone),
    .value_max = DK_RECORD_FRAMEWORK_MAX,
    .message_max = PHONE_OUT_MAX,
    .ports = ports,
    .port_count = PHONE_PORTS,
    .timers = timers,
    .timer_count = sizeof timers / sizeof timers[0],
    .settings = settings,
    .calls = calls,
    .upset = &upset,
    .linked = &linked,
    .shows = shows,
    .claims = claims,
    .secrets = secrets,
    .sealed = secrets,
    .plant = plant,
    .works = works,
    .init = phone_init,
    .fini = phone_fini,
    .on_bytes = phone_on_bytes,
    .on_news = phone_on_news,
    .on_link = phone_on_link,
    .on_timer = phone_on_timer,
    .on_work = phone_on_work,
};

#include "sim/actors/phone/phone.h"

#include <openssl/crypto.h>
#include <string.h>

#include "sim/actors/phone/phone_parts.h"

static const struct port_spec ports[] = {[PHONE_PORT_APP] = {.name = "app",
                                                             .medium = "http",
                                                             .end = PORT_ASKS,
                                                             .server = "tbe",
                                                             .confidential = true,
                                                             .name_of = http_message_name}};

static const struct timer_spec timers[] = {
    [PHONE_TIMER_PATIENCE] = {.name = "patience"}, [PHONE_TIMER_RETRY] = {.name = "retry"}};

static const struct setting_spec settings[] = {
    /* longer than the door waits, by default */
    [PHONE_SETTING_PATIENCE_MS] = {.name = "patience_ms", .fallback = 6000, .min = 10, .max = 60000},
    [PHONE_SETTING_RETRY_MS] = {.name = "retry_ms", .fallback = 500, .min = 10, .max = 60000},
    [PHONE_SETTING_TRIES] = {.name = "tries", .fallback = 5, .min = 1, .max = 100},
    {.name = NULL},
};

static const char *const shows[] = {
    [PHONE_SHOW_SCREEN] = "screen", [PHONE_SHOW_FRAMEWORK] = "framework", NULL};
static const struct claim_spec claims[] = {
    [PHONE_CLAIM_PASSWORD] = {.name = "pairing-password", .kind = CLAIM_AT_MOST_ONE}, {.name = NULL}};
static const char *const keys[] = {PHONE_CLIENT,      PHONE_VEHICLE,  PHONE_KEY,
                                   PHONE_SECRET,      PHONE_LINK_ID,  PHONE_LINK_PASSWORD,
                                   PHONE_LINK_UNTOLD, PHONE_PASSWORD, NULL};
static const char *const secrets[] = {PHONE_SECRET, PHONE_LINK_PASSWORD, PHONE_PASSWORD, NULL};

/* ---- calls ---- */

/* So that the judge looks for it. */
static enum err call_sign_in(void *self, const struct call_value *values)
{
    struct phone *p = self;
    const struct phone_user *user = phone_user_at(values[0].number);
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
    enum err e = keep_ask(p, values[0].text);
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
    return phone_open_link(self);
}

static enum err call_type_password(void *self, const struct call_value *values)
{
    return phone_enter(self, values[0].text);
}

static enum err call_forget(void *self, const struct call_value *values)
{
    (void)values;
    return phone_forget(self);
}

static enum err call_forge_token(void *self, const struct call_value *values)
{
    return phone_forge(self, values[0].number);
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

static const struct call_spec calls[] = {
    {"sign-in", "the app signs its user in", user_parameter, call_sign_in},
    {"ask-link", "the app asks for the deep link with the pairing password (OP-01a)", vehicle_parameter,
     call_ask_link},
    {"open-link", "the user opens the link: the framework holds its password", NULL, call_open_link},
    {"type-password", "the user types a password instead", digits_parameter, call_type_password},
    {"forget", "the user throws link and password away", NULL, call_forget},
    {"forge-token", "an attacker's app puts another token in the place of its own", how_parameter,
     call_forge_token},
    {.name = NULL},
};

/* ---- life ---- */

static void phone_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    (void)port;
    phone_on_response(self, address, bytes);
}

static void phone_on_news(void *self, unsigned port, const char *address, const char *news)
{
    struct phone *p = self;
    (void)port;
    if (phone_waits_for(p, address))
        phone_retry(p, news);
}

static void phone_on_timer(void *self, unsigned timer)
{
    struct phone *p = self;
    if (timer == PHONE_TIMER_RETRY)
        phone_send(p);
    else
        phone_retry(p, "no answer");
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
    enum err e = env_store_get(env, PHONE_CLIENT, client, sizeof client, &len);
    if (e == ERR_NOT_FOUND) {
        e = new_id(p, PHONE_CLIENT);
        if (!e)
            e = env_store_commit(env);
    }
    if (!e)
        phone_remember(p);
    return e;
}

static void phone_fini(void *self)
{
    struct phone *p = self;
    OPENSSL_cleanse(p->token, sizeof p->token);
}

const struct component_class phone_class = {
    .name = "phone",
    .place = PLACE_OUTSIDE,
    .stores = true,
    .keys = keys,
    .size = sizeof(struct phone),
    .message_max = PHONE_OUT_MAX,
    .ports = ports,
    .port_count = sizeof ports / sizeof ports[0],
    .timers = timers,
    .timer_count = sizeof timers / sizeof timers[0],
    .settings = settings,
    .calls = calls,
    .shows = shows,
    .claims = claims,
    .secrets = secrets,
    .sealed = secrets,
    .init = phone_init,
    .fini = phone_fini,
    .on_bytes = phone_on_bytes,
    .on_news = phone_on_news,
    .on_timer = phone_on_timer,
};

#include "sim/actors/browser/browser.h"

#include <openssl/crypto.h>
#include <string.h>

#include "sim/actors/browser/browser_parts.h"

static const struct port_spec ports[] = {
    [BROWSER_PORT_PORTAL] = {.name = "portal",
                             .medium = "http",
                             .end = PORT_ASKS,
                             .server = "tbe",
                             .optional = true,
                             .confidential = true,
                             .name_of = http_message_name},
    [BROWSER_PORT_HOTLINE] = {.name = "hotline",
                              .medium = "http",
                              .end = PORT_ASKS,
                              .server = "tbe",
                              .optional = true,
                              .confidential = true,
                              .name_of = http_message_name},
};

static const struct timer_spec timers[] = {[BROWSER_TIMER_PATIENCE] = {.name = "patience"}};

static const struct setting_spec settings[] = {
    /* longer than the door waits, by default */
    [BROWSER_SETTING_PATIENCE_MS] = {.name = "patience_ms", .fallback = 6000, .min = 10, .max = 60000},
    {.name = NULL},
};

static const char *const shows[] = {[BROWSER_SHOW_PAGE] = "page", [BROWSER_SHOW_MESSAGE] = "message", NULL};
static const char *const keys[] = {BROWSER_JAR_PORTAL,    BROWSER_JAR_HOTLINE, BROWSER_FORM_TOKEN,
                                   BROWSER_PERSON_SECRET, BROWSER_PERSON_CODE, NULL};
static const char *const secrets[] = {BROWSER_JAR, BROWSER_FORM_TOKEN, BROWSER_PERSON_SECRET,
                                      BROWSER_PERSON_CODE, NULL};

/* ---- calls ---- */

static enum err begin(struct browser *b, enum browser_errand_kind kind, const struct call_value *vehicle)
{
    struct browser_errand errand = {.kind = kind, .port = BROWSER_PORT_PORTAL};
    if (vehicle)
        text_copy(errand.vehicle, sizeof errand.vehicle, vehicle->text);
    return browser_begin(b, &errand);
}

/* So that the judge looks for it. */
static enum err note_secret(struct browser *b, const char *key, const char *secret)
{
    enum err e = secret ? env_store_put(b->env, key, span_of(secret, strlen(secret))) : ERR_OK;
    return e ? e : env_store_commit(b->env);
}

static enum err sign_in(struct browser *b, unsigned port, uint64_t person)
{
    struct browser_errand errand = {
        .kind = BROWSER_SIGNS_IN, .port = port, .person = browser_person_at(person)};
    enum err e = note_secret(b, BROWSER_PERSON_SECRET, errand.person->secret);
    return e ? e : browser_begin(b, &errand);
}

static enum err call_sign_in(void *self, const struct call_value *values)
{
    return sign_in(self, BROWSER_PORT_PORTAL, values[0].number);
}

static enum err call_hotline_sign_in(void *self, const struct call_value *values)
{
    return sign_in(self, BROWSER_PORT_HOTLINE, values[0].number);
}

static enum err call_ask_mail(void *self, const struct call_value *values)
{
    return begin(self, values[1].number ? BROWSER_ASKS_MAIL_BY_ADDRESS : BROWSER_ASKS_MAIL, &values[0]);
}

static enum err call_open_vehicle(void *self, const struct call_value *values)
{
    return begin(self, BROWSER_OPENS_VEHICLE, &values[0]);
}

/* Where it is, or will be when what waits is done. */
static enum err begin_here(struct browser *b, enum browser_errand_kind kind)
{
    struct browser_errand errand = {.kind = kind, .port = b->queued ? b->queue[b->queued - 1].port : b->port};
    return browser_begin(b, &errand);
}

static enum err call_look_again(void *self, const struct call_value *values)
{
    (void)values;
    return begin_here(self, BROWSER_LOOKS_AGAIN);
}

static enum err call_sign_out(void *self, const struct call_value *values)
{
    (void)values;
    return begin_here(self, BROWSER_SIGNS_OUT);
}

/* While something is awaited: as by a second click, and what is awaited is heard of no more. */
static enum err call_send_again(void *self, const struct call_value *values)
{
    struct browser *b = self;
    (void)values;
    if (!b->waits || !b->last.len || b->last.port != b->port)
        return begin_here(b, BROWSER_SENDS_AGAIN);
    browser_submit(b, &b->last);
    return ERR_OK;
}

static enum err call_help_customer(void *self, const struct call_value *values)
{
    struct browser_errand errand = {.kind = BROWSER_HELPS,
                                    .port = BROWSER_PORT_HOTLINE,
                                    .person = browser_person_at(values[0].number),
                                    .code = values[2].number,
                                    .consent = values[3].number == 0};
    text_copy(errand.vehicle, sizeof errand.vehicle, values[1].text);
    enum err e = note_secret(self, BROWSER_PERSON_CODE, errand.person->code);
    return e ? e : browser_begin(self, &errand);
}

static enum err call_lose_cookies(void *self, const struct call_value *values)
{
    (void)values;
    return browser_cookies_forget(self);
}

static enum err call_forge(void *self, const struct call_value *values)
{
    struct browser *b = self;
    b->forgery = (enum browser_forgery)(values[0].number + 1);
    return ERR_OK;
}

static const char *const ways[] = {"list", "address", NULL};
static const char *const codes[] = {
    [BROWSER_CODE_RIGHT] = "right", [BROWSER_CODE_WRONG] = "wrong", [BROWSER_CODE_NONE] = "none", NULL};
static const char *const consents[] = {"yes", "no", NULL};
static const char *const forgeries[] = {[BROWSER_FORGE_TOKEN - 1] = "csrf",
                                        [BROWSER_FORGE_NONE - 1] = "no-csrf",
                                        [BROWSER_FORGE_ORIGIN - 1] = "origin",
                                        [BROWSER_FORGE_SITE - 1] = "site",
                                        NULL};

static const struct parameter_spec user_parameter[] = {
    {.name = "user", .kind = PARAMETER_WORD, .required = true, .words = browser_person_names},
    {.name = NULL}};
static const struct parameter_spec vehicle_parameter[] = {{.name = "vehicle", .kind = PARAMETER_VEHICLE},
                                                          {.name = NULL}};
static const struct parameter_spec mail_parameters[] = {{.name = "vehicle", .kind = PARAMETER_VEHICLE},
                                                        {.name = "by", .kind = PARAMETER_WORD, .words = ways},
                                                        {.name = NULL}};
static const struct parameter_spec help_parameters[] = {
    {.name = "customer", .kind = PARAMETER_WORD, .required = true, .words = browser_person_names},
    {.name = "vehicle", .kind = PARAMETER_VEHICLE},
    {.name = "code", .kind = PARAMETER_WORD, .words = codes},
    {.name = "consent", .kind = PARAMETER_WORD, .words = consents},
    {.name = NULL}};
static const struct parameter_spec how_parameter[] = {
    {.name = "how", .kind = PARAMETER_WORD, .required = true, .words = forgeries}, {.name = NULL}};

static const struct call_spec calls[] = {
    {"sign-in", "signs a customer in at the portal", user_parameter, call_sign_in},
    {"ask-mail",
     "asks for the deep link by mail (OP-01b), from the list of vehicles or by the page's address",
     mail_parameters, call_ask_mail},
    {"open-vehicle", "looks at the page of a vehicle", vehicle_parameter, call_open_vehicle},
    {"look-again", "has the page once more", NULL, call_look_again},
    {"sign-out", "signs out where it is", NULL, call_sign_out},
    {"hotline-sign-in", "signs an operator in at the hotline's desk", user_parameter, call_hotline_sign_in},
    {"help-customer", "the operator asks for the deep link on behalf of a customer who calls",
     help_parameters, call_help_customer},
    {"lose-cookies", "the browser forgets its sessions", NULL, call_lose_cookies},
    {"send-again", "sends the last form once more, as it was", NULL, call_send_again},
    {"forge", "an attacker has the next form sent otherwise", how_parameter, call_forge},
    {.name = NULL},
};

/* ---- life ---- */

static void browser_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    (void)port;
    browser_on_response(self, address, bytes);
}

static void give_up_waiting(struct browser *b, const char *why)
{
    browser_end_wait(b);
    OPENSSL_cleanse(&b->page, sizeof b->page);
    env_show(b->env, BROWSER_SHOW_PAGE, "no page");
    browser_give_up(b, why);
}

static void browser_on_news(void *self, unsigned port, const char *address, const char *news)
{
    struct browser *b = self;
    (void)port;
    if (browser_waits_for(b, address))
        give_up_waiting(b, news);
}

static void browser_on_timer(void *self, unsigned timer)
{
    (void)timer;
    give_up_waiting(self, "no-answer");
}

static enum err browser_init(void *self, struct env *env, const struct component_args *args)
{
    struct browser *b = self;
    b->env = env;
    b->patience_us = args->settings[BROWSER_SETTING_PATIENCE_MS] * 1000;
    return ERR_OK;
}

static void browser_fini(void *self)
{
    OPENSSL_cleanse(self, sizeof(struct browser));
}

const struct component_class browser_class = {
    .name = "browser",
    .place = PLACE_OUTSIDE,
    .stores = true,
    .keys = keys,
    .size = sizeof(struct browser),
    .message_max = BROWSER_PAGE_MAX,
    .ports = ports,
    .port_count = BROWSER_PORTS,
    .timers = timers,
    .timer_count = sizeof timers / sizeof timers[0],
    .settings = settings,
    .calls = calls,
    .shows = shows,
    .secrets = secrets,
    .sealed = secrets,
    .init = browser_init,
    .fini = browser_fini,
    .on_bytes = browser_on_bytes,
    .on_news = browser_on_news,
    .on_timer = browser_on_timer,
};

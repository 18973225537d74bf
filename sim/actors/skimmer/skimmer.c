#include "sim/actors/skimmer/skimmer.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "sim/actors/skimmer/skimmer_parts.h"

#define GAP_US 50000 /* field off before each contact: the shortest that a phone must notice */

enum { TIMER_GAP };

const char *const skimmer_state_names[] = {[SKIMMER_UNSELECTED] = "unselected",
                                           [SKIMMER_NOT_READY] = "not-ready",
                                           [SKIMMER_SELECTED] = "selected",
                                           [SKIMMER_REQUESTED] = "requested",
                                           [SKIMMER_SECURE1] = "secure1",
                                           [SKIMMER_WRITTEN] = "written",
                                           [SKIMMER_CREATING] = "creating",
                                           [SKIMMER_SECURE2] = "secure2",
                                           [SKIMMER_READ] = "read",
                                           [SKIMMER_PAIRED] = "paired",
                                           [SKIMMER_APPLET_SELECTED] = "applet-selected",
                                           [SKIMMER_KEYED] = "keyed",
                                           [SKIMMER_OPEN] = "open",
                                           [SKIMMER_OVER] = "over",
                                           NULL};

const char *const skimmer_wrong_names[] = {[SKIMMER_NOTHING] = "nothing",
                                           [SKIMMER_SPAKE_VERSION] = "spake-version",
                                           [SKIMMER_APPLET_VERSION] = "applet-version",
                                           [SKIMMER_SCRYPT] = "scrypt",
                                           [SKIMMER_POINT_OFF_CURVE] = "point-off-curve",
                                           [SKIMMER_POINT_AT_INFINITY] = "point-at-infinity",
                                           [SKIMMER_EVIDENCE] = "evidence",
                                           [SKIMMER_FOREIGN_VEHICLE] = "foreign-vehicle",
                                           [SKIMMER_FOREIGN_KEY] = "foreign-key",
                                           [SKIMMER_CERTIFICATE_FORGED] = "certificate",
                                           [SKIMMER_SIGNATURE] = "signature",
                                           [SKIMMER_UNKNOWN_VEHICLE] = "unknown-vehicle",
                                           NULL};

/* ---- field and card ---- */

const struct skimmer_job *skimmer_job(const struct skimmer *s)
{
    return s->count ? &s->jobs[s->first] : NULL;
}

void skimmer_field_gap(struct skimmer *s)
{
    if (s->field)
        env_tell(s->env, 0, "", "field-off");
    s->field = false;
    *s->card = '\0';
    s->awaits = SKIMMER_NO_ANSWER;
    env_timer_in(s->env, TIMER_GAP, GAP_US);
}

void skimmer_send(struct skimmer *s, struct span apdu, enum skimmer_awaits awaits)
{
    enum err e = env_send_bytes(s->env, 0, s->card, apdu);
    s->awaits = e ? SKIMMER_NO_ANSWER : awaits;
    if (e) /* the card has gone: another contact brings it back */
        env_trace_reason(s->env, TRACE_FAIL, NULL, NULL, e, (uint32_t)apdu.len, NULL);
}

/* ---- one job after the other ---- */

void skimmer_finish(struct skimmer *s, const char *word, const char *outcome)
{
    char text[ENV_TEXT_MAX];
    snprintf(text, sizeof text, "%s=%s", word, outcome);
    env_trace_note(s->env, TRACE_NOTE, text);
    s->jobs[s->first] = (struct skimmer_job){0};
    s->first = (s->first + 1) % SKIMMER_JOBS;
    s->count--;
    s->goes_on = false;
    skimmer_field_gap(s);
    if (!s->count)
        env_timer_set(s->env, TIMER_GAP, ENV_NEVER);
}

static void contact(struct skimmer *s)
{
    const struct skimmer_job *job = skimmer_job(s);
    bool goes_on = s->goes_on;
    s->goes_on = false;
    if (!job)
        return;
    if (job->kind == SKIMMER_SENDS)
        skimmer_send(s, span_of(job->apdu, job->apdu_len), SKIMMER_RAW);
    else if (job->kind == SKIMMER_SWEEPS && (!goes_on || s->follows))
        skimmer_sweep_contact(s);
    else if (goes_on)
        skimmer_drive_on(s);
    else
        skimmer_drive_begin(s, job->kind == SKIMMER_AUTHENTICATES);
}

static void raw_answer(struct skimmer *s, struct span answer)
{
    char hex[ENV_TEXT_MAX - 8];
    size_t n = answer.len < 40 ? answer.len : 40;
    hex_encode(answer.p + (answer.len - n), n, hex);
    skimmer_finish(s, "answer", hex);
}

static void skimmer_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    struct skimmer *s = self;
    enum skimmer_awaits awaited = s->awaits;
    (void)port;
    if (strcmp(address, s->card) != 0)
        return;
    s->awaits = SKIMMER_NO_ANSWER;
    if (awaited == SKIMMER_STEP)
        skimmer_drive_input(s, bytes);
    else if (awaited == SKIMMER_RAW)
        raw_answer(s, bytes);
    else if (awaited != SKIMMER_NO_ANSWER)
        skimmer_sweep_on_answer(s, awaited, bytes);
}

static void skimmer_on_news(void *self, unsigned port, const char *address, const char *news)
{
    struct skimmer *s = self;
    (void)port;
    if (strcmp(news, "card-here") == 0 && !*s->card) {
        text_copy(s->card, sizeof s->card, address);
        contact(s);
    } else if (strcmp(news, "card-gone") == 0 && strcmp(address, s->card) == 0) {
        *s->card = '\0';
        s->awaits = SKIMMER_NO_ANSWER;
        s->goes_on = s->follows = false;
    }
}

static void skimmer_on_timer(void *self, unsigned timer)
{
    struct skimmer *s = self;
    (void)timer;
    if (s->up && s->count)
        s->field = env_tell(s->env, 0, "", "field-on") == ERR_OK;
}

static void skimmer_on_link(void *self, unsigned port, enum link_state state)
{
    struct skimmer *s = self;
    (void)port;
    s->up = state != LINK_DOWN;
    if (s->up && s->count)
        skimmer_field_gap(s);
}

/* ---- calls ---- */

static enum err queue(struct skimmer *s, struct skimmer_job job)
{
    if (s->count == SKIMMER_JOBS)
        return ERR_BUSY;
    s->jobs[(s->first + s->count++) % SKIMMER_JOBS] = job;
    if (s->count == 1 && s->up)
        skimmer_field_gap(s);
    return ERR_OK;
}

static enum err call_pair(void *self, const struct call_value *values)
{
    struct skimmer_job job = {.kind = SKIMMER_PAIRS, .wrong = (enum skimmer_wrong)values[0].number};
    if (job.wrong > SKIMMER_CERTIFICATE_FORGED)
        return ERR_BAD_ARGUMENT;
    text_copy(job.digits, sizeof job.digits, values[1].text);
    return queue(self, job);
}

static enum err call_authenticate(void *self, const struct call_value *values)
{
    struct skimmer_job job = {.kind = SKIMMER_AUTHENTICATES, .wrong = (enum skimmer_wrong)values[0].number};
    if (job.wrong != SKIMMER_NOTHING && job.wrong < SKIMMER_SIGNATURE)
        return ERR_BAD_ARGUMENT;
    return queue(self, job);
}

static enum err call_sweep(void *self, const struct call_value *values)
{
    struct skimmer_job job = {.kind = SKIMMER_SWEEPS, .state = (enum skimmer_state)values[0].number};
    text_copy(job.digits, sizeof job.digits, values[1].text);
    return queue(self, job);
}

static enum err call_send(void *self, const struct call_value *values)
{
    struct skimmer_job job = {.kind = SKIMMER_SENDS};
    long len = hex_decode(values[0].text, strlen(values[0].text), job.apdu, sizeof job.apdu);
    if (len < 4)
        return ERR_BAD_ARGUMENT;
    job.apdu_len = (size_t)len;
    return queue(self, job);
}

static bool is_digits(const char *text)
{
    return strlen(text) == SKIMMER_DIGITS && strspn(text, "0123456789") == SKIMMER_DIGITS;
}

static bool is_apdu(const char *text)
{
    uint8_t bytes[SKIMMER_APDU_MAX];
    return hex_decode(text, strlen(text), bytes, sizeof bytes) >= 4;
}

static const struct parameter_spec wrong_parameters[] = {
    {.name = "wrong", .kind = PARAMETER_WORD, .required = true, .words = skimmer_wrong_names},
    {.name = "digits", .kind = PARAMETER_TEXT, .check = is_digits, .form = "12345678"},
    {.name = NULL}};
static const struct parameter_spec state_parameters[] = {
    {.name = "state", .kind = PARAMETER_WORD, .required = true, .words = skimmer_state_names},
    {.name = "digits", .kind = PARAMETER_TEXT, .check = is_digits, .form = "12345678"},
    {.name = NULL}};
static const struct parameter_spec authenticate_parameters[] = {
    {.name = "wrong", .kind = PARAMETER_WORD, .required = true, .words = skimmer_wrong_names},
    {.name = NULL}};
static const struct parameter_spec apdu_parameters[] = {
    {.name = "apdu", .kind = PARAMETER_TEXT, .required = true, .check = is_apdu, .form = "80300000"},
    {.name = NULL}};

static const struct call_spec calls[] = {
    {"pair", "pairs with the phone as a vehicle would, but for one wrong thing", wrong_parameters, call_pair},
    {"authenticate", "begins a transaction with the phone's applet, with a wrong thing in it",
     authenticate_parameters, call_authenticate},
    {"sweep", "says each command in a state, and looks what is left of it", state_parameters, call_sweep},
    {"send", "sends an APDU as it is", apdu_parameters, call_send},
    {.name = NULL},
};
static const struct lasting_spec lasting[] = {{"pair", "paired="},
                                              {"authenticate", "authenticated="},
                                              {"sweep", "swept="},
                                              {"send", "answer="},
                                              {.call = NULL}};

/* ---- life ---- */

static const char *const callers[] = {"phone", NULL};
static const struct port_spec ports[] = {
    {.name = "nfc", .medium = "nfc", .end = PORT_LISTENS, .callers = callers, .name_of = apdu_command_name}};
static const struct timer_spec timers[] = {[TIMER_GAP] = {.name = "field on"}};
static const struct plant_item plant[] = {{SKIMMER_KEY, PLANT_VEHICLE_KEY, SKIMMER_SUBJECT},
                                          {SKIMMER_CERTIFICATE, PLANT_VEHICLE_CERTIFICATE, SKIMMER_SUBJECT},
                                          {SKIMMER_J, PLANT_CERTIFICATE, "J"},
                                          {SKIMMER_J1, PLANT_CERTIFICATE, "J1"},
                                          {.key = NULL}};
static const char *const secrets[] = {SKIMMER_KEY, NULL};

static enum err skimmer_init(void *self, struct env *env, const struct component_args *args)
{
    struct skimmer *s = self;
    (void)args;
    s->env = env;
    return skimmer_vehicle_open(s);
}

static void skimmer_fini(void *self)
{
    struct skimmer *s = self;
    skimmer_vehicle_close(s);
    OPENSSL_cleanse(s, sizeof *s);
}

const struct component_class skimmer_class = {
    .name = "skimmer",
    .place = PLACE_OUTSIDE,
    .stores = true,
    .size = sizeof(struct skimmer),
    .ports = ports,
    .port_count = sizeof ports / sizeof ports[0],
    .timers = timers,
    .timer_count = sizeof timers / sizeof timers[0],
    .calls = calls,
    .lasting = lasting,
    .secrets = secrets,
    .plant = plant,
    .init = skimmer_init,
    .fini = skimmer_fini,
    .on_bytes = skimmer_on_bytes,
    .on_news = skimmer_on_news,
    .on_link = skimmer_on_link,
    .on_timer = skimmer_on_timer,
};

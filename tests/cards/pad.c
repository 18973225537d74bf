/* A reader with a lamp: asks each card for a proof and shows "open" only after it has checked one. */
#include <stdio.h>
#include <string.h>

#include "tests/cards/cards.h"

#define CARDS   8 /* in the field, like the medium */
#define COMMAND 64

enum { PORT_NFC, PORTS };
enum { TIMER_PATIENCE, TIMER_BEAT, TIMER_FIELD, TIMERS };
enum { SETTING_FIELD, SETTING_PATIENCE_MS, SETTING_ROUNDS };
enum { SHOW_LAMP };
enum { CLAIM_KEY, CLAIM_HERE, CLAIM_OPEN };

enum stage { STAGE_NONE, STAGE_SELECT, STAGE_PROVE, STAGE_DONE, STAGE_ASKED };

struct card {
    enum stage stage; /* STAGE_NONE: no card */
    char address[16], id[2 * CARDS_ID + 1];
    uint8_t challenge[CARDS_CHALLENGE];
};

struct pad {
    struct env *env;
    uint64_t patience_us, rounds;
    bool field_first, field_next;
    unsigned beats;
    uint8_t command[COMMAND]; /* what people wish to send instead, and how often still */
    size_t command_len;
    uint64_t times;
    struct card cards[CARDS];
};

static const struct span nothing = {NULL, 0};

static struct card *card_find(struct pad *p, const char *address)
{
    for (size_t i = 0; i < CARDS; i++)
        if (p->cards[i].stage && strcmp(p->cards[i].address, address) == 0)
            return &p->cards[i];
    return NULL;
}

static struct card *card_add(struct pad *p, const char *address)
{
    for (size_t i = 0; i < CARDS; i++)
        if (!p->cards[i].stage) {
            text_copy(p->cards[i].address, sizeof p->cards[i].address, address);
            return &p->cards[i];
        }
    return NULL;
}

static void card_forget(struct pad *p, struct card *c)
{
    if (c->id[0])
        env_claim(p->env, CLAIM_HERE, c->id, nothing);
    *c = (struct card){0};
}

static void lamp(struct pad *p, const char *colour)
{
    env_show(p->env, SHOW_LAMP, colour);
}

static void card_refuse(struct pad *p, struct card *c, enum err reason)
{
    env_trace_reason(p->env, TRACE_REJECT, NULL, NULL, reason, 0, c->address);
    c->stage = STAGE_DONE;
    lamp(p, "refused");
}

/* ---- commands ---- */

static void card_ask(struct pad *p, struct card *c, struct span command, enum stage stage)
{
    enum err e = env_send_bytes(p->env, PORT_NFC, c->address, command);
    c->stage = stage;
    if (e)
        card_refuse(p, c, e);
    else
        env_timer_in(p->env, TIMER_PATIENCE, p->patience_us);
}

static void ask_as_told(struct pad *p, struct card *c)
{
    p->times--;
    card_ask(p, c, span_of(p->command, p->command_len), STAGE_ASKED);
}

static void ask_select(struct pad *p, struct card *c)
{
    static const uint8_t select[] = {0x00, CARDS_SELECT, 0x04, 0x00, 5, 'C', 'A', 'R', 'D', 'S'};
    card_ask(p, c, span_of(select, sizeof select), STAGE_SELECT);
    env_trace_step(p->env, "CD-01/1", "asked who is there");
}

static void ask_proof(struct pad *p, struct card *c)
{
    uint8_t command[CARDS_HEADER + 1 + CARDS_CHALLENGE] = {0x80, CARDS_PROVE, 0, 0, CARDS_CHALLENGE};
    env_random(p->env, c->challenge, sizeof c->challenge);
    memcpy(command + CARDS_HEADER + 1, c->challenge, sizeof c->challenge);
    card_ask(p, c, span_of(command, sizeof command), STAGE_PROVE);
    env_trace_step(p->env, "CD-01/3", "asked for a proof");
}

/* ---- answers ---- */

static void take_id(struct pad *p, struct card *c, struct span data)
{
    if (data.len != CARDS_ID) {
        card_refuse(p, c, ERR_DK_ANSWER);
        return;
    }
    hex_encode(data.p, data.len, c->id);
    env_claim(p->env, CLAIM_HERE, c->id, span_of(c->id, sizeof c->id));
    ask_proof(p, c);
}

static void take_proof(struct pad *p, struct card *c, struct span data)
{
    uint8_t key[CARDS_KEY], long_one[SHA256_SIZE], mac[CARDS_MAC];
    size_t len;
    enum err e = env_store_get(p->env, CARDS_STORE_KEY, key, sizeof key, &len);
    if (!e) {
        cards_stretch(c->challenge, p->rounds, long_one);
        cards_mac(key, span_of(long_one, sizeof long_one), mac);
        e = span_equal(data, span_of(mac, sizeof mac)) ? ERR_OK : ERR_DK_EVIDENCE;
    }
    if (e) {
        card_refuse(p, c, e);
        return;
    }
    env_claim(p->env, CLAIM_KEY, "site", span_of(key, sizeof key));
    env_claim(p->env, CLAIM_OPEN, c->id, span_of(c->challenge, sizeof c->challenge));
    c->stage = STAGE_DONE;
    env_trace_step(p->env, "CD-01/7", "checked the proof");
    lamp(p, "open");
}

static bool anybody_asked(const struct pad *p)
{
    for (size_t i = 0; i < CARDS; i++)
        if (p->cards[i].stage != STAGE_NONE && p->cards[i].stage != STAGE_DONE)
            return true;
    return false;
}

static void pad_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    struct pad *p = self;
    struct card *c = card_find(p, address);
    (void)port;
    if (!c || bytes.len < 2)
        return;
    unsigned status = (unsigned)bytes.p[bytes.len - 2] << 8 | bytes.p[bytes.len - 1];
    struct span data = {bytes.p, bytes.len - 2};
    if (status != CARDS_OK && c->stage != STAGE_ASKED)
        card_refuse(p, c, ERR_DK_STATUS);
    else if (c->stage == STAGE_SELECT)
        take_id(p, c, data);
    else if (c->stage == STAGE_PROVE)
        take_proof(p, c, data);
    else if (p->times)
        ask_as_told(p, c);
    else
        c->stage = STAGE_DONE;
    if (!anybody_asked(p))
        env_timer_set(p->env, TIMER_PATIENCE, ENV_NEVER);
}

/* ---- cards that come and go ---- */

static void pad_on_news(void *self, unsigned port, const char *address, const char *news)
{
    struct pad *p = self;
    struct card *c = card_find(p, address);
    (void)port;
    if (strcmp(news, "card-here") == 0 && !c && (c = card_add(p, address))) {
        lamp(p, "card");
        ask_select(p, c);
    } else if (strcmp(news, "card-gone") == 0 && c) {
        if (c->stage != STAGE_DONE)
            env_trace_reason(p->env, TRACE_FAIL, "CD-01/7", NULL, ERR_DK_LINK_LOST, 0, address);
        card_forget(p, c);
        lamp(p, "ready");
    }
}

static enum err set_field(struct pad *p, bool on)
{
    enum err e = env_tell(p->env, PORT_NFC, "", on ? "field-on" : "field-off");
    for (size_t i = 0; !e && !on && i < CARDS; i++)
        card_forget(p, &p->cards[i]);
    if (e)
        return e;
    env_timer_set(p->env, TIMER_PATIENCE, ENV_NEVER);
    lamp(p, on ? "ready" : "dark");
    return ERR_OK;
}

static void pad_on_link(void *self, unsigned port, enum link_state state)
{
    struct pad *p = self;
    (void)port;
    for (size_t i = 0; i < CARDS; i++)
        card_forget(p, &p->cards[i]);
    if (state == LINK_UP && p->field_first)
        set_field(p, true);
}

static void pad_on_timer(void *self, unsigned timer)
{
    struct pad *p = self;
    if (timer == TIMER_FIELD) {
        set_field(p, p->field_next);
    } else if (timer == TIMER_BEAT) {
        p->beats++;
        env_timer_in(p->env, TIMER_BEAT, 20000);
        if (p->beats == 1)
            env_trace_note(p->env, TRACE_NOTE, "beats");
    } else {
        env_trace_reason(p->env, TRACE_FAIL, "CD-01/7", NULL, ERR_MSG_NO_ANSWER, 0, NULL);
        lamp(p, "refused");
    }
}

static enum err pad_init(void *self, struct env *env, const struct component_args *args)
{
    struct pad *p = self;
    p->env = env;
    p->field_first = args->settings[SETTING_FIELD];
    p->patience_us = args->settings[SETTING_PATIENCE_MS] * 1000;
    p->rounds = args->settings[SETTING_ROUNDS];
    lamp(p, "dark");
    env_timer_in(env, TIMER_BEAT, 20000);
    return ERR_OK;
}

/* ---- calls ---- */

static const char *const field_words[] = {"off", "on", NULL};
static const struct parameter_spec field_parameters[] = {
    {.name = "state", .kind = PARAMETER_WORD, .required = true, .words = field_words},
    {.name = "pause", .kind = PARAMETER_DURATION, .max = 1000000},
    {.name = NULL},
};

static enum err call_field(void *self, const struct call_value *values)
{
    struct pad *p = self;
    p->field_next = values[0].number;
    if (!values[1].number)
        return set_field(p, p->field_next);
    env_timer_in(p->env, TIMER_FIELD, values[1].number);
    return ERR_OK;
}

static bool is_command(const char *text)
{
    uint8_t bytes[COMMAND];
    return hex_decode(text, strlen(text), bytes, sizeof bytes) >= CARDS_HEADER;
}

static const struct parameter_spec send_parameters[] = {
    {.name = "hex", .kind = PARAMETER_TEXT, .required = true, .check = is_command, .form = "80220000"},
    {.name = "card", .kind = PARAMETER_TEXT},
    {.name = "times", .kind = PARAMETER_NUMBER, .fallback = 1, .min = 1, .max = 8},
    {.name = NULL},
};

static enum err call_send(void *self, const struct call_value *values)
{
    struct pad *p = self;
    struct card *c = card_find(p, values[1].text[0] ? values[1].text : "card1");
    long len = hex_decode(values[0].text, strlen(values[0].text), p->command, sizeof p->command);
    if (!c)
        return ERR_NOT_FOUND;
    if (len < 0 || c->stage != STAGE_DONE)
        return len < 0 ? ERR_BAD_SYNTAX : ERR_BUSY;
    p->command_len = (size_t)len;
    p->times = values[2].number;
    ask_as_told(p, c);
    return ERR_OK;
}

static const char *const boast_words[] = {"key", "here", "open", NULL};
static const struct parameter_spec boast_parameters[] = {
    {.name = "what", .kind = PARAMETER_WORD, .required = true, .words = boast_words},
    {.name = NULL},
};

/* Claims what is not so. */
static enum err call_boast(void *self, const struct call_value *values)
{
    struct pad *p = self;
    env_claim(p->env, (unsigned)values[0].number, "site", span_of("boast", 5));
    return ERR_OK;
}

static const struct call_spec calls[] = {
    {"field", "turns the field on or off", field_parameters, call_field},
    {"send", "sends a command to a card", send_parameters, call_send},
    {"boast", "claims what is not so", boast_parameters, call_boast},
    {.name = NULL},
};

/* ---- the class ---- */

static const char *const callers[] = {"token", NULL};
static const struct port_spec ports[PORTS] = {
    [PORT_NFC] = {.name = "nfc", .medium = "nfc", .end = PORT_LISTENS, .callers = callers},
};
static const struct timer_spec timers[TIMERS] = {
    [TIMER_PATIENCE] = {"patience", false},
    [TIMER_BEAT] = {"beat", true},
    [TIMER_FIELD] = {"field", false},
};
static const struct setting_spec settings[] = {
    [SETTING_FIELD] = {"field", 1, 0, 1},
    [SETTING_PATIENCE_MS] = {"patience_ms", 3000, 1, 5000},
    [SETTING_ROUNDS] = {"rounds", 100, 1, 1000000},
    {.name = NULL},
};
static const char *const shows[] = {[SHOW_LAMP] = "lamp", NULL};
static const struct claim_spec claims[] = {
    [CLAIM_KEY] = {.name = "key", .kind = CLAIM_EQUAL, .shared = true},
    [CLAIM_HERE] = {.name = "here", .kind = CLAIM_AT_MOST_ONE},
    [CLAIM_OPEN] = {.name = "open", .kind = CLAIM_ONLY_AFTER, .after = "proof"},
    {.name = NULL},
};
static const char *const secrets[] = {CARDS_STORE_KEY, NULL};
static const struct plant_item plant[] = {{CARDS_STORE_KEY, PLANT_KEY, "ecu-ca"}, {.key = NULL}};

const struct component_class pad_class = {
    .name = "pad",
    .place = PLACE_VEHICLE,
    .size = sizeof(struct pad),
    .stores = true,
    .ports = ports,
    .port_count = PORTS,
    .timers = timers,
    .timer_count = TIMERS,
    .settings = settings,
    .calls = calls,
    .shows = shows,
    .claims = claims,
    .secrets = secrets,
    .plant = plant,
    .init = pad_init,
    .on_bytes = pad_on_bytes,
    .on_link = pad_on_link,
    .on_news = pad_on_news,
    .on_timer = pad_on_timer,
};

#include "sim/actors/card/card.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "lib/card/card_chip.h"

#define AGAIN_US 200000 /* until it is offered again to a reader that lost it */

enum { PORT_NFC, PORTS };
enum { TIMER_PLACE, TIMERS };
enum { SHOW_FIELD };
enum { CLAIM_PROOF_MADE };

struct card {
    struct env *env;
    struct p256_key *key;
    uint8_t certificate[X509_MAX];
    struct card_chip chip;
    char wanted[ENV_NAME_MAX], at[ENV_NAME_MAX]; /* where it lies, and whom it was offered to; "" nowhere */
    bool up, field, closing;
    bool replays; /* an attacker's: says its last proof again */
    uint8_t last[APDU_RESPONSE_MAX];
    size_t last_len;
};

/* ---- where it lies ---- */

static void show(struct card *c)
{
    char text[ENV_TEXT_MAX];
    snprintf(text, sizeof text, "%s%s", c->field ? "in the field of " : "at ", c->at);
    env_show(c->env, SHOW_FIELD, c->up ? text : "nowhere");
}

static void leave_field(struct card *c)
{
    c->up = c->field = false;
    *c->at = '\0';
    card_chip_reset(&c->chip);
    show(c);
}

static void take_away(struct card *c)
{
    enum err e = env_tell(c->env, PORT_NFC, "", "close");
    c->closing = c->up && !e; /* then the link says when it has gone */
    leave_field(c);
}

static enum err put_down(struct card *c)
{
    enum err e = env_tell(c->env, PORT_NFC, c->wanted, "open");
    if (!e)
        text_copy(c->at, sizeof c->at, c->wanted);
    else if (e == ERR_LINK_DOWN || e == ERR_BUSY)
        env_timer_in(c->env, TIMER_PLACE, AGAIN_US);
    return e == ERR_LINK_DOWN || e == ERR_BUSY ? ERR_OK : e;
}

static enum err settle(struct card *c)
{
    if (*c->at && strcmp(c->at, c->wanted) != 0)
        take_away(c);
    return *c->at || c->closing || !*c->wanted ? ERR_OK : put_down(c);
}

static void card_on_link(void *self, unsigned port, enum link_state state)
{
    struct card *c = self;
    (void)port;
    if (state != LINK_DOWN) {
        c->up = *c->at != '\0';
        show(c);
    } else if (c->closing) {
        c->closing = false;
        settle(c);
    } else {
        leave_field(c);
        if (*c->wanted)
            env_timer_in(c->env, TIMER_PLACE, AGAIN_US);
    }
}

static void card_on_timer(void *self, unsigned timer)
{
    struct card *c = self;
    (void)timer;
    enum err e = settle(c);
    if (e)
        env_trace_reason(c->env, TRACE_FAIL, NULL, NULL, e, 0, "before the reader");
}

/* ---- what readers say ---- */

static void card_on_news(void *self, unsigned port, const char *address, const char *news)
{
    struct card *c = self;
    (void)port;
    (void)address;
    c->field = c->up && strcmp(news, "field-on") == 0;
    card_chip_reset(&c->chip);
    show(c);
}

/* What was signed, when that was an INTERNAL AUTHENTICATE that the card obeyed. */
static void note_proof(struct card *c, struct span command, struct span answer)
{
    struct apdu_command a;
    if (apdu_command_parse(command, &a) || a.ins != CARD_INTERNAL_AUTHENTICATE || answer.len <= 2)
        return;
    memcpy(c->last, answer.p, answer.len);
    c->last_len = answer.len;
    env_trace_step(c->env, "OP-02a/5", "the card signs the challenge");
    env_claim(c->env, CLAIM_PROOF_MADE, c->chip.vehicle, span_of(a.data.p + 1, CARD_CHALLENGE));
}

static bool is_replayed(const struct card *c, struct span command)
{
    struct apdu_command a;
    return c->replays && apdu_command_parse(command, &a) == ERR_OK && a.ins == CARD_INTERNAL_AUTHENTICATE;
}

static void card_on_bytes(void *self, unsigned port, const char *address, struct span command)
{
    struct card *c = self;
    uint8_t out[APDU_RESPONSE_MAX];
    struct wr w = wr_of(out, sizeof out);
    (void)port;
    (void)address;
    if (!c->field)
        return;
    if (is_replayed(c, command)) {
        env_send_bytes(c->env, PORT_NFC, "", span_of(c->last, c->last_len));
        return;
    }
    card_chip_input(&c->chip, command, &w);
    note_proof(c, command, span_of(out, w.len));
    env_send_bytes(c->env, PORT_NFC, "", span_of(out, w.len));
}

/* ---- calls ---- */

static enum err place(struct card *c, const char *reader)
{
    text_copy(c->wanted, sizeof c->wanted, reader);
    enum err e = settle(c);
    if (e)
        *c->wanted = '\0';
    return e;
}

static enum err call_place(void *self, const struct call_value *values)
{
    return place(self, values[0].text);
}

static enum err call_lift(void *self, const struct call_value *values)
{
    (void)values;
    return place(self, "");
}

static enum err call_replay(void *self, const struct call_value *values)
{
    struct card *c = self;
    (void)values;
    if (!c->last_len)
        return ERR_NOT_FOUND;
    c->replays = true;
    return ERR_OK;
}

static const struct parameter_spec reader_parameter[] = {
    {.name = "reader", .kind = PARAMETER_READER, .required = true, .form = "wcp"}, {.name = NULL}};

static const struct call_spec calls[] = {
    {"place", "the user lays the card before a reader", reader_parameter, call_place},
    {"lift", "the user takes it away", NULL, call_lift},
    {"replay", "an attacker's card: from now on it says its last proof again", NULL, call_replay},
    {.name = NULL},
};

/* ---- life ---- */

static enum err load_key(struct card *c)
{
    uint8_t scalar[P256_SCALAR];
    size_t len;
    enum err e = env_store_get(c->env, CARD_STORE_KEY, scalar, sizeof scalar, &len);
    if (!e)
        e = len == sizeof scalar ? p256_from_private(c->env->crypto, scalar, &c->key) : ERR_STORE_FAILED;
    OPENSSL_cleanse(scalar, sizeof scalar);
    return e;
}

static enum err card_init(void *self, struct env *env, const struct component_args *args)
{
    struct card *c = self;
    size_t len;
    (void)args;
    c->env = env;
    enum err e = load_key(c);
    if (!e)
        e = env_store_get(env, CARD_STORE_CERTIFICATE, c->certificate, sizeof c->certificate, &len);
    if (!e)
        e = card_chip_init(&c->chip, env->crypto, c->key, span_of(c->certificate, len));
    if (!e)
        show(c);
    return e;
}

static void card_fini(void *self)
{
    struct card *c = self;
    p256_free(c->key);
}

/* ---- the class ---- */

static const struct port_spec ports[PORTS] = {
    [PORT_NFC] = {.name = "nfc", .medium = "nfc", .end = PORT_ASKS, .optional = true},
};
static const struct timer_spec timers[TIMERS] = {[TIMER_PLACE] = {.name = "place", .cyclic = true}};
static const char *const shows[] = {[SHOW_FIELD] = "field", NULL};
static const struct claim_spec claims[] = {
    [CLAIM_PROOF_MADE] = {.name = "card-proof", .kind = CLAIM_EQUAL},
    {.name = NULL},
};
static const struct plant_item plant[] = {
    {CARD_STORE_KEY, PLANT_CARD_KEY, "J_PhysicalKey"},
    {CARD_STORE_CERTIFICATE, PLANT_CARD_CERTIFICATE, "J_PhysicalKey"},
    {.key = NULL},
};
static const struct defect_spec defects[] = {
    {"vehicle", "other", DEFECT_CARD_OTHER_VEHICLE, CARD_STORE_KEY, CARD_STORE_CERTIFICATE},
    {"certificate", "expired", DEFECT_CARD_EXPIRED, CARD_STORE_KEY, CARD_STORE_CERTIFICATE},
    {"certificate", "forged", DEFECT_CARD_FORGED, CARD_STORE_KEY, CARD_STORE_CERTIFICATE},
    {"key", "other", DEFECT_CARD_OTHER_KEY, CARD_STORE_KEY, CARD_STORE_CERTIFICATE},
    {.name = NULL},
};
static const char *const secrets[] = {CARD_STORE_KEY, NULL};

const struct component_class card_class = {
    .name = "card",
    .place = PLACE_OUTSIDE,
    .stores = true,
    .size = sizeof(struct card),
    .ports = ports,
    .port_count = PORTS,
    .timers = timers,
    .timer_count = TIMERS,
    .calls = calls,
    .shows = shows,
    .claims = claims,
    .secrets = secrets,
    .sealed = secrets,
    .plant = plant,
    .defects = defects,
    .init = card_init,
    .fini = card_fini,
    .on_bytes = card_on_bytes,
    .on_link = card_on_link,
    .on_news = card_on_news,
    .on_timer = card_on_timer,
};

/* A card that is carried from reader to reader. Its proofs take long: they are made beside it. */
#include <assert.h>
#include <string.h>

#include "tests/cards/cards.h"

enum { PORT_NFC, PORTS };
enum { TIMER_TOUCH, TIMERS };
enum { SETTING_ROUNDS };
enum { SHOW_SCREEN, SHOW_OWNER };
enum { CLAIM_KEY, CLAIM_PROOF };
enum { WORK_PROOF, WORK_ID };

struct token {
    struct env *env;
    uint64_t rounds;
    char reader[ENV_NAME_MAX];
    uint8_t own[CARDS_KEY], challenge[CARDS_CHALLENGE], proof[CARDS_MAC];
    unsigned works, stale; /* handed out; of these for a command that a reset has ended */
};

/* ---- works ---- */

/* in: rounds, challenge, key. */
static enum err work_proof(struct span in, uint8_t *out, size_t cap, size_t *len)
{
    uint8_t challenge[CARDS_CHALLENGE], key[CARDS_KEY], long_one[SHA256_SIZE];
    struct rd r = rd_of(in.p, in.len);
    uint64_t rounds = rd_be64(&r);
    rd_copy(&r, challenge, sizeof challenge);
    rd_copy(&r, key, sizeof key);
    if (r.failed || cap < CARDS_MAC)
        return ERR_TRUNCATED;
    cards_stretch(challenge, rounds, long_one);
    cards_mac(key, span_of(long_one, sizeof long_one), out);
    *len = CARDS_MAC;
    return ERR_OK;
}

static enum err work_id(struct span in, uint8_t *out, size_t cap, size_t *len)
{
    uint8_t digest[SHA256_SIZE];
    if (cap < CARDS_ID)
        return ERR_NO_SPACE;
    crypto_sha256(NULL, &in, 1, digest);
    memcpy(out, digest, CARDS_ID);
    *len = CARDS_ID;
    return ERR_OK;
}

static const struct work_spec works[] = {
    [WORK_PROOF] = {"proof", work_proof, 30000, CARDS_MAC},
    [WORK_ID] = {"id", work_id, 10, CARDS_ID},
    {.name = NULL},
};

/* ---- commands ---- */

static void answer(struct token *t, struct span data, unsigned status)
{
    uint8_t out[2 * CARDS_KEY + 2];
    struct wr w = wr_of(out, sizeof out);
    wr_copy(&w, data.p, data.len);
    wr_be16(&w, (uint16_t)status);
    env_send_bytes(t->env, PORT_NFC, "", span_of(out, w.len));
}

static void refuse(struct token *t, unsigned status)
{
    answer(t, (struct span){NULL, 0}, status);
}

static void token_id(const struct token *t, uint8_t out[CARDS_ID])
{
    size_t len;
    work_id(span_of(t->own, sizeof t->own), out, CARDS_ID, &len);
}

static void on_select(struct token *t)
{
    uint8_t id[CARDS_ID];
    token_id(t, id);
    answer(t, span_of(id, sizeof id), CARDS_OK);
    env_trace_step(t->env, "CD-01/2", "said who it is");
}

/* The quick work comes after the slow one, and its result too. */
static void on_prove(struct token *t, struct span data)
{
    uint8_t in[8 + CARDS_CHALLENGE + CARDS_KEY], key[CARDS_KEY];
    size_t len;
    struct wr w = wr_of(in, sizeof in);
    if (data.len != CARDS_CHALLENGE || env_store_get(t->env, CARDS_STORE_KEY, key, sizeof key, &len)) {
        refuse(t, CARDS_NO_DATA);
        return;
    }
    memcpy(t->challenge, data.p, sizeof t->challenge);
    wr_be64(&w, t->rounds);
    wr_copy(&w, t->challenge, sizeof t->challenge);
    wr_copy(&w, key, sizeof key);
    t->works += !env_work(t->env, WORK_PROOF, span_of(in, w.len));
    t->works += !env_work(t->env, WORK_ID, span_of(t->own, sizeof t->own));
    env_trace_step(t->env, "CD-01/4", "begins a proof");
}

static void on_give(struct token *t, uint8_t what)
{
    uint8_t key[CARDS_KEY];
    char hex[2 * CARDS_KEY + 1];
    size_t len;
    if (what == CARDS_GIVE_OWN) {
        answer(t, span_of(t->own, sizeof t->own), CARDS_OK);
    } else if (env_store_get(t->env, CARDS_STORE_KEY, key, sizeof key, &len)) {
        refuse(t, CARDS_NO_DATA);
    } else if (what == CARDS_GIVE_KEY) {
        answer(t, span_of(key, sizeof key), CARDS_OK);
    } else {
        hex_encode(key, sizeof key, hex);
        answer(t, span_of(hex, 2 * sizeof key), CARDS_OK);
    }
}

static void token_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    struct token *t = self;
    (void)port;
    (void)address;
    struct span data = {bytes.p + CARDS_HEADER + 1,
                        bytes.len > CARDS_HEADER ? bytes.len - CARDS_HEADER - 1 : 0};
    if (bytes.len < CARDS_HEADER)
        refuse(t, CARDS_NO_INS);
    else if (bytes.p[1] == CARDS_SELECT)
        on_select(t);
    else if (bytes.p[1] == CARDS_PROVE)
        on_prove(t, data);
    else if (bytes.p[1] == CARDS_GIVE)
        on_give(t, bytes.p[3]);
    else
        refuse(t, CARDS_NO_INS);
}

static void send_proof(struct token *t, struct span id)
{
    char subject[2 * CARDS_ID + 1];
    uint8_t key[CARDS_KEY];
    size_t len;
    hex_encode(id.p, id.len, subject);
    if (env_store_get(t->env, CARDS_STORE_KEY, key, sizeof key, &len))
        return;
    env_claim(t->env, CLAIM_KEY, "site", span_of(key, sizeof key));
    env_claim(t->env, CLAIM_PROOF, subject, span_of(t->challenge, sizeof t->challenge));
    env_trace_step(t->env, "CD-01/6", "sends the proof");
    answer(t, span_of(t->proof, sizeof t->proof), CARDS_OK);
}

static void token_on_work(void *self, unsigned work, enum err e, struct span result)
{
    struct token *t = self;
    t->works--;
    if (t->stale) {
        t->stale--;
        return;
    }
    if (e) {
        env_trace_reason(t->env, TRACE_FAIL, "CD-01/5", NULL, e, 0, works[work].name);
    } else if (work == WORK_PROOF) {
        memcpy(t->proof, result.p, sizeof t->proof);
        env_trace_step(t->env, "CD-01/5", "has a proof");
    } else {
        send_proof(t, result);
    }
}

/* ---- near and far ---- */

static void token_on_link(void *self, unsigned port, enum link_state state)
{
    struct token *t = self;
    (void)port;
    t->stale = t->works;
    env_show(t->env, SHOW_SCREEN, state == LINK_UP ? "near" : "far");
}

static void token_on_news(void *self, unsigned port, const char *address, const char *news)
{
    struct token *t = self;
    bool on = strcmp(news, "field-on") == 0;
    (void)port;
    (void)address;
    t->stale = t->works;
    env_show(t->env, SHOW_SCREEN, on ? "powered" : "near");
}

static void token_on_timer(void *self, unsigned timer)
{
    struct token *t = self;
    (void)timer;
    enum err e = env_tell(t->env, PORT_NFC, t->reader, "open");
    if (e)
        env_trace_reason(t->env, TRACE_FAIL, NULL, NULL, e, 0, t->reader);
}

/* ---- calls ---- */

static bool is_name(const char *text)
{
    return *text && strlen(text) < ENV_NAME_MAX;
}

static const struct parameter_spec touch_parameters[] = {
    {.name = "reader", .kind = PARAMETER_TEXT, .required = true, .check = is_name, .form = "pad"},
    {.name = "pause", .kind = PARAMETER_DURATION, .max = 1000000},
    {.name = NULL},
};

static enum err call_touch(void *self, const struct call_value *values)
{
    struct token *t = self;
    text_copy(t->reader, sizeof t->reader, values[0].text);
    if (!values[1].number)
        return env_tell(t->env, PORT_NFC, t->reader, "open");
    env_timer_in(t->env, TIMER_TOUCH, values[1].number);
    return ERR_OK;
}

static enum err call_leave(void *self, const struct call_value *values)
{
    struct token *t = self;
    (void)values;
    return env_tell(t->env, PORT_NFC, "", "close");
}

static const struct parameter_spec belong_parameters[] = {{.name = "vehicle", .kind = PARAMETER_VEHICLE},
                                                          {.name = NULL}};

static enum err call_belong(void *self, const struct call_value *values)
{
    struct token *t = self;
    env_show(t->env, SHOW_OWNER, values[0].text);
    return ERR_OK;
}

/* An assertion that fails, for tests of what is said of one. */
static enum err call_stumble(void *self, const struct call_value *values)
{
    const struct token *t = self;
    (void)values;
    assert(t->works == 0);
    return ERR_OK;
}

static const struct call_spec calls[] = {
    {"touch", "is held before a reader", touch_parameters, call_touch},
    {"leave", "is taken away", NULL, call_leave},
    {"belong", "is told its vehicle", belong_parameters, call_belong},
    {"stumble", "breaks a promise while it works", NULL, call_stumble},
    {.name = NULL},
};

/* ---- the class ---- */

/* Its own secret is made in its first life; the plant knows nothing of it. */
static enum err token_init(void *self, struct env *env, const struct component_args *args)
{
    struct token *t = self;
    size_t len;
    t->env = env;
    t->rounds = args->settings[SETTING_ROUNDS];
    enum err e = env_store_get(env, CARDS_STORE_OWN, t->own, sizeof t->own, &len);
    if (e != ERR_NOT_FOUND)
        return e;
    env_random(env, t->own, sizeof t->own);
    e = env_store_put(env, CARDS_STORE_OWN, span_of(t->own, sizeof t->own));
    return e ? e : env_store_commit(env);
}

static const struct port_spec ports[PORTS] = {
    [PORT_NFC] = {.name = "nfc", .medium = "nfc", .end = PORT_ASKS},
};
static const struct timer_spec timers[TIMERS] = {[TIMER_TOUCH] = {"touch", false}};
static const struct setting_spec settings[] = {[SETTING_ROUNDS] = {"rounds", 100, 1, 1000000},
                                               {.name = NULL}};
static const char *const shows[] = {[SHOW_SCREEN] = "screen", [SHOW_OWNER] = "owner", NULL};
static const struct claim_spec claims[] = {
    [CLAIM_KEY] = {.name = "key", .kind = CLAIM_EQUAL, .shared = true},
    [CLAIM_PROOF] = {.name = "proof", .kind = CLAIM_AT_MOST_ONE},
    {.name = NULL},
};
static const char *const keys[] = {CARDS_STORE_OWN, NULL};
static const char *const secrets[] = {CARDS_STORE_KEY, "own/", NULL};
static const struct plant_item plant[] = {{CARDS_STORE_KEY, PLANT_KEY, "ecu-ca"}, {.key = NULL}};
static const struct defect_spec defects[] = {
    {.name = "key", .value = "absent", .kind = DEFECT_ABSENT, .key = CARDS_STORE_KEY},
    {.name = NULL},
};

const struct component_class token_class = {
    .name = "token",
    .place = PLACE_OUTSIDE,
    .size = sizeof(struct token),
    .stores = true,
    .keys = keys,
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
    .defects = defects,
    .works = works,
    .init = token_init,
    .on_bytes = token_on_bytes,
    .on_link = token_on_link,
    .on_news = token_on_news,
    .on_timer = token_on_timer,
    .on_work = token_on_work,
};

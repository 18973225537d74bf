/* Pairs with the first lock that it hears, and opens it when it is told to. */
#include <string.h>

#include "tests/air/air.h"

enum { TIMER_AGAIN };
enum { SHOW_LAMP };
enum { CLAIM_LTK };

struct fob {
    struct env *env;
    bool pairs, opens; /* what it has been told to */
    bool encrypted;
    char lock[BLE_ADDRESS_TEXT]; /* heard last; "": none */
    uint8_t irk[BLE_KEY];
};

static bool fob_key(struct fob *f, uint8_t ltk[BLE_KEY])
{
    size_t len;
    return env_store_get(f->env, "lock", ltk, BLE_KEY, &len) == ERR_OK;
}

/* Under a new private address each time. */
static void fob_connect(struct fob *f)
{
    struct ble_said said = {.address.random = true};
    if (!f->lock[0] || (!f->pairs && !f->opens))
        return;
    f->encrypted = false;
    smp_private_address(f->env->crypto, f->irk, said.address.octets);
    if (air_tell(f->env, f->lock, BLE_TELL_CONNECT, &said) == ERR_OK)
        env_trace_step(f->env, f->pairs ? "BL-01/1" : "BL-02/1", "connects");
}

static void fob_on_up(struct fob *f)
{
    struct ble_said said = {.uuid = {2, {AIR_UUID}}};
    if (f->pairs)
        air_tell(f->env, f->lock, BLE_TELL_READ, &said);
    else if (fob_key(f, said.confirm))
        air_tell(f->env, f->lock, BLE_TELL_ENCRYPT, &said);
}

static void fob_on_down(struct fob *f)
{
    env_show(f->env, SHOW_LAMP, f->pairs || f->opens ? "lost" : "off");
    if (f->pairs || f->opens)
        env_timer_in(f->env, TIMER_AGAIN, 500000);
}

static void fob_on_new_ltk(struct fob *f, const struct ble_said *said)
{
    env_store_put(f->env, "lock", span_of(said->key, BLE_KEY));
    if (env_store_commit(f->env) != ERR_OK)
        return;
    f->pairs = false;
    env_claim(f->env, CLAIM_LTK, "pair", span_of(said->key, BLE_KEY));
    env_show(f->env, SHOW_LAMP, "paired");
    env_trace_step(f->env, "BL-01/7", "keeps the lock's key");
}

static void fob_open_channel(struct fob *f, uint16_t spsm)
{
    air_tell(f->env, f->lock, BLE_TELL_OPEN, &(struct ble_said){.spsm = spsm, .number = AIR_MTU});
}

static void fob_on_channel(struct fob *f)
{
    if (f->pairs) {
        air_tell(f->env, "", BLE_TELL_OOB, NULL);
        return;
    }
    env_trace_step(f->env, "BL-02/3", "asks to open");
    env_send_bytes(f->env, 0, f->lock, span_of("O", 1));
}

static void fob_on_auth_failed(struct fob *f)
{
    f->pairs = f->opens = false;
    env_trace_reason(f->env, TRACE_FAIL, "BL-01/5", NULL, ERR_DK_EVIDENCE, 0, f->lock);
    env_show(f->env, SHOW_LAMP, "refused");
}

static void fob_on_link_news(struct fob *f, enum ble_news verb, const struct ble_said *said)
{
    if (verb == BLE_NEWS_UP)
        fob_on_up(f);
    else if (verb == BLE_NEWS_DOWN)
        fob_on_down(f);
    else if (verb == BLE_NEWS_VALUE && said->value_len == 2)
        fob_open_channel(f, (uint16_t)(said->value[0] << 8 | said->value[1]));
    else if (verb == BLE_NEWS_CHANNEL)
        fob_on_channel(f);
    else if (verb == BLE_NEWS_ENCRYPTED && !f->pairs)
        fob_open_channel(f, AIR_SPSM);
    else if (verb == BLE_NEWS_NEW_LTK)
        fob_on_new_ltk(f, said);
    else if (verb == BLE_NEWS_AUTH_FAILED)
        fob_on_auth_failed(f);
}

static void fob_on_news(void *self, unsigned port, const char *address, const char *news)
{
    struct fob *f = self;
    enum ble_news verb;
    struct ble_said said;
    (void)port;
    if (ble_news_read(news, &verb, &said) != ERR_OK)
        return;
    if (verb == BLE_NEWS_HEARD) {
        text_copy(f->lock, sizeof f->lock, address);
        fob_connect(f);
    } else if (verb == BLE_NEWS_OOB) {
        env_trace_step(f->env, "BL-01/3", "sends its data");
        air_send_hello(f->env, f->lock, &said);
    } else {
        fob_on_link_news(f, verb, &said);
    }
}

static void fob_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    struct fob *f = self;
    (void)port;
    if (bytes.len && bytes.p[0] == 'D' && f->opens) {
        f->opens = false;
        env_trace_step(f->env, "BL-02/5", "is open");
        env_show(f->env, SHOW_LAMP, "green");
        return;
    }
    enum err e = f->pairs ? air_take_hello(f->env, address, bytes) : ERR_MSG_UNEXPECTED;
    if (e) {
        air_refuse(f->env, "BL-01/4", e, address);
        return;
    }
    env_trace_step(f->env, "BL-01/5", "pairs");
    air_tell(f->env, address, BLE_TELL_PAIR, NULL);
}

static void fob_on_link(void *self, unsigned port, enum link_state state)
{
    struct fob *f = self;
    struct ble_said said = {.address = {{0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5}, false}};
    (void)port;
    f->lock[0] = '\0';
    if (state == LINK_DOWN)
        return;
    memcpy(said.confirm, f->irk, BLE_KEY);
    air_tell(f->env, "", BLE_TELL_IDENTITY, &said);
    air_tell(f->env, "", BLE_TELL_SCAN, NULL);
}

static void fob_on_timer(void *self, unsigned timer)
{
    (void)timer;
    fob_connect(self);
}

static enum err fob_pair(void *self, const struct call_value *values)
{
    struct fob *f = self;
    (void)values;
    f->pairs = true;
    fob_connect(f);
    return ERR_OK;
}

static enum err fob_open(void *self, const struct call_value *values)
{
    struct fob *f = self;
    uint8_t ltk[BLE_KEY];
    if (!fob_key(f, ltk))
        return ERR_NOT_FOUND;
    f->opens = true;
    if (f->lock[0])
        air_tell(f->env, f->lock, BLE_TELL_DISCONNECT, &(struct ble_said){.reason = 0x13});
    (void)values;
    env_timer_in(f->env, TIMER_AGAIN, 100000);
    return ERR_OK;
}

static enum err fob_init(void *self, struct env *env, const struct component_args *args)
{
    struct fob *f = self;
    size_t len;
    (void)args;
    uint8_t ltk[BLE_KEY];
    f->env = env;
    if (fob_key(f, ltk))
        env_claim(env, CLAIM_LTK, "pair", span_of(ltk, sizeof ltk));
    if (env_store_get(env, "irk", f->irk, sizeof f->irk, &len) == ERR_OK)
        return ERR_OK;
    env_random(env, f->irk, sizeof f->irk);
    enum err e = env_store_put(env, "irk", span_of(f->irk, sizeof f->irk));
    return e ? e : env_store_commit(env);
}

static const struct port_spec ports[] = {
    {.name = "radio", .medium = "ble", .end = PORT_ASKS, .name_of = air_name_of, .names = air_names}};
static const struct timer_spec timers[] = {{.name = "again"}, {.name = NULL}};
static const struct call_spec calls[] = {{"pair", "pairs with the first lock that is heard", NULL, fob_pair},
                                         {"open", "opens the lock", NULL, fob_open},
                                         {.name = NULL}};
static const char *const keys[] = {"irk", "lock", NULL};
static const char *const shows[] = {"lamp", NULL};
static const struct claim_spec claims[] = {{.name = "LTK", .kind = CLAIM_EQUAL}, {.name = NULL}};

const struct component_class fob_class = {.name = "fob",
                                          .place = PLACE_OUTSIDE,
                                          .size = sizeof(struct fob),
                                          .stores = true,
                                          .keys = keys,
                                          .secrets = keys,
                                          .ports = ports,
                                          .port_count = 1,
                                          .timers = timers,
                                          .timer_count = 1,
                                          .calls = calls,
                                          .shows = shows,
                                          .claims = claims,
                                          .init = fob_init,
                                          .on_link = fob_on_link,
                                          .on_news = fob_on_news,
                                          .on_bytes = fob_on_bytes,
                                          .on_timer = fob_on_timer};

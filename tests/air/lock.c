/* Opens for the one fob that it has paired with, on an encrypted link. */
#include <string.h>

#include "tests/air/air.h"

enum { SHOW_DOOR };
enum { CLAIM_LTK };
enum { SETTING_ONE_SIDED };

struct lock {
    struct env *env;
    bool one_sided;   /* forgets the fob's data: what a broken one would do */
    bool approached;  /* data went both ways on this link */
    bool wants_hello; /* the fob's came, ours are to go */
    bool encrypted;
    char other[BLE_ADDRESS_TEXT];
    struct ble_said keys; /* as they come: IRK in confirm, LTK in key */
};

static void lock_keep(struct lock *l, const struct ble_said *said)
{
    uint8_t both[2 * BLE_KEY];
    memcpy(both, said->key, BLE_KEY);
    memcpy(both + BLE_KEY, l->keys.confirm, BLE_KEY);
    env_store_put(l->env, "fob", span_of(both, sizeof both));
    if (env_store_commit(l->env) != ERR_OK)
        return;
    env_claim(l->env, CLAIM_LTK, "pair", span_of(said->key, BLE_KEY));
    env_show(l->env, SHOW_DOOR, "paired");
    env_trace_step(l->env, "BL-01/6", "keeps the fob's keys");
}

/* The fob's, when this private address is one of its own. */
static bool lock_key_for(struct lock *l, const char *address, struct ble_said *out)
{
    uint8_t both[2 * BLE_KEY];
    size_t len;
    struct ble_address other;
    if (env_store_get(l->env, "fob", both, sizeof both, &len) != ERR_OK ||
        ble_address_read(address, &other) != ERR_OK ||
        !smp_resolves(l->env->crypto, both + BLE_KEY, other.octets))
        return false;
    memcpy(out->confirm, both, BLE_KEY);
    return true;
}

static void lock_on_key_wanted(struct lock *l, const char *address)
{
    struct ble_said said = {.level = 0};
    bool known = lock_key_for(l, address, &said);
    air_tell(l->env, address, known ? BLE_TELL_ENCRYPT : BLE_TELL_NO_KEY, &said);
}

static void lock_on_oob(struct lock *l, const struct ble_said *said)
{
    if (!l->wants_hello || air_send_hello(l->env, l->other, said) != ERR_OK)
        return;
    l->wants_hello = false;
    l->approached = !l->one_sided;
    env_trace_step(l->env, "BL-01/4", "has the fob's data, and has sent its own");
}

static void lock_on_link_news(struct lock *l, const char *address, enum ble_news verb,
                              const struct ble_said *said)
{
    if (verb == BLE_NEWS_UP) {
        text_copy(l->other, sizeof l->other, address);
        l->approached = l->wants_hello = l->encrypted = false;
    } else if (verb == BLE_NEWS_KEY_WANTED) {
        lock_on_key_wanted(l, address);
    } else if (verb == BLE_NEWS_ENCRYPTED) {
        l->encrypted = said->level == 4 && said->number == BLE_KEY;
    } else if (verb == BLE_NEWS_AUTH_FAILED) {
        air_refuse(l->env, "BL-01/5", ERR_DK_EVIDENCE, address);
    } else if (verb == BLE_NEWS_NEW_IRK) {
        memcpy(l->keys.confirm, said->key, BLE_KEY);
    } else if (verb == BLE_NEWS_NEW_LTK && l->approached) {
        lock_keep(l, said);
    } else if (verb == BLE_NEWS_NEW_LTK) {
        air_refuse(l->env, "BL-01/6", ERR_MSG_UNEXPECTED, address);
    }
}

static void lock_on_news(void *self, unsigned port, const char *address, const char *news)
{
    struct lock *l = self;
    enum ble_news verb;
    struct ble_said said;
    (void)port;
    if (ble_news_read(news, &verb, &said) != ERR_OK)
        return;
    if (verb == BLE_NEWS_OOB)
        lock_on_oob(l, &said);
    else
        lock_on_link_news(l, address, verb, &said);
}

static void lock_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    struct lock *l = self;
    (void)port;
    if (bytes.len && bytes.p[0] == 'H') {
        enum err e = l->one_sided ? ERR_OK : air_take_hello(l->env, address, bytes);
        l->wants_hello = !e;
        if (e)
            air_refuse(l->env, "BL-01/3", e, address);
        else
            air_tell(l->env, "", BLE_TELL_OOB, NULL);
    } else if (bytes.len && bytes.p[0] == 'O' && l->encrypted) {
        env_show(l->env, SHOW_DOOR, "open");
        env_trace_step(l->env, "BL-02/4", "opened");
        env_send_bytes(l->env, 0, address, span_of("D", 1));
    } else {
        air_refuse(l->env, "BL-02/4", ERR_MSG_UNEXPECTED, address);
    }
}

static void lock_on_link(void *self, unsigned port, enum link_state state)
{
    struct lock *l = self;
    static const struct ble_address own = {{0x00, 0xAA, 0x01, 0x00, 0x00, 0x01}, false};
    struct ble_said said = {.address = own, .uuid = {2, {AIR_UUID}}, .value = {0x03, 0x03, 0xF5, 0xFF}};
    (void)port;
    if (state == LINK_DOWN)
        return;
    said.value_len = 4;
    air_tell(l->env, "", BLE_TELL_ADVERTISE, &said);
    said.value[0] = 0x00;
    said.value[1] = AIR_SPSM;
    said.value_len = 2;
    air_tell(l->env, "", BLE_TELL_ATTRIBUTE, &said);
    air_tell(l->env, "", BLE_TELL_LISTEN, &(struct ble_said){.spsm = AIR_SPSM, .number = AIR_MTU});
}

static enum err lock_init(void *self, struct env *env, const struct component_args *args)
{
    struct lock *l = self;
    l->env = env;
    l->one_sided = args->settings[SETTING_ONE_SIDED];
    env_show(env, SHOW_DOOR, "shut");
    uint8_t both[2 * BLE_KEY];
    size_t len;
    if (env_store_get(env, "fob", both, sizeof both, &len) == ERR_OK)
        env_claim(env, CLAIM_LTK, "pair", span_of(both, BLE_KEY));
    return ERR_OK;
}

static const char *const callers[] = {"fob", NULL};
static const struct port_spec ports[] = {{.name = "radio",
                                          .medium = "ble",
                                          .end = PORT_LISTENS,
                                          .callers = callers,
                                          .name_of = air_name_of,
                                          .names = air_names}};
static const struct setting_spec settings[] = {{"one_sided", 0, 0, 1}, {.name = NULL}};
static const char *const keys[] = {"fob", NULL};
static const char *const shows[] = {"door", NULL};
static const struct claim_spec claims[] = {{.name = "LTK", .kind = CLAIM_EQUAL}, {.name = NULL}};

const struct component_class lock_class = {.name = "lock",
                                           .place = PLACE_VEHICLE,
                                           .size = sizeof(struct lock),
                                           .stores = true,
                                           .keys = keys,
                                           .secrets = keys,
                                           .ports = ports,
                                           .port_count = 1,
                                           .settings = settings,
                                           .shows = shows,
                                           .claims = claims,
                                           .init = lock_init,
                                           .on_link = lock_on_link,
                                           .on_news = lock_on_news,
                                           .on_bytes = lock_on_bytes};

/* A phone, as far as a reader can tell: answers to SELECT of framework or applet, and sends back what else it
 * gets. With the setting `plain` it is a card of somebody else's. */
#include <string.h>

#include "lib/ccc/apdu.h"
#include "lib/ccc/op_message.h"
#include "tests/readers/readers.h"

enum { SETTING_PLAIN };
enum { SHOW_FIELD };

struct phone {
    struct env *env;
    bool plain;
};

static void answer(struct phone *p, struct span data, unsigned status)
{
    uint8_t out[APDU_RESPONSE_MAX];
    struct wr w = wr_of(out, sizeof out);
    wr_copy(&w, data.p, data.len);
    wr_be16(&w, (uint16_t)status);
    env_send_bytes(p->env, 0, "", span_of(out, w.len));
}

static void select_answer(struct phone *p, struct span aid)
{
    static const struct op_select both = {
        .framework = {.v = {0x0100}, .n = 1}, .applet = {.v = {0x0100}, .n = 1}, .ready = true};
    uint8_t data[64];
    struct wr w = wr_of(data, sizeof data);
    if (p->plain) {
        answer(p, (struct span){NULL, 0}, APDU_SW_NOT_FOUND);
        return;
    }
    if (span_equal(aid, span_of(apdu_aid_applet, APDU_AID)))
        op_versions_put(&w, 0x5C, &both.applet);
    else
        op_select_put(&w, &both);
    answer(p, span_of(data, w.len), APDU_SW_OK);
}

static void phone_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    struct phone *p = self;
    struct apdu_command c;
    (void)port;
    (void)address;
    if (apdu_command_parse(bytes, &c))
        answer(p, (struct span){NULL, 0}, APDU_SW_WRONG_LENGTH);
    else if (c.ins == APDU_SELECT)
        select_answer(p, c.data);
    else
        answer(p, c.data, APDU_SW_OK);
    env_trace_step(p->env, "RD-02/1", "has answered");
}

static void phone_on_news(void *self, unsigned port, const char *address, const char *news)
{
    struct phone *p = self;
    (void)port;
    (void)address;
    env_show(p->env, SHOW_FIELD, strcmp(news, "field-on") == 0 ? "on" : "off");
}

static bool is_name(const char *text)
{
    return *text && strlen(text) < ENV_NAME_MAX;
}

static const struct parameter_spec touch_parameters[] = {
    {.name = "reader", .kind = PARAMETER_TEXT, .required = true, .check = is_name, .form = "wcp"},
    {.name = NULL},
};

static enum err call_touch(void *self, const struct call_value *values)
{
    struct phone *p = self;
    return env_tell(p->env, 0, values[0].text, "open");
}

static enum err call_leave(void *self, const struct call_value *values)
{
    struct phone *p = self;
    (void)values;
    return env_tell(p->env, 0, "", "close");
}

static const struct call_spec calls[] = {
    {"touch", "is held before a reader", touch_parameters, call_touch},
    {"leave", "is taken away", NULL, call_leave},
    {.name = NULL},
};

static enum err phone_init(void *self, struct env *env, const struct component_args *args)
{
    struct phone *p = self;
    p->env = env;
    p->plain = args->settings[SETTING_PLAIN];
    return ERR_OK;
}

static const struct port_spec ports[] = {{.name = "nfc", .medium = "nfc", .end = PORT_ASKS}};
static const struct setting_spec settings[] = {[SETTING_PLAIN] = {"plain", 0, 0, 1}, {.name = NULL}};
static const char *const shows[] = {[SHOW_FIELD] = "field", NULL};

const struct component_class phone_class = {
    .name = "phone",
    .place = PLACE_OUTSIDE,
    .size = sizeof(struct phone),
    .ports = ports,
    .port_count = 1,
    .settings = settings,
    .calls = calls,
    .shows = shows,
    .init = phone_init,
    .on_bytes = phone_on_bytes,
    .on_news = phone_on_news,
};

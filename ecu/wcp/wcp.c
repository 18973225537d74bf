#include "ecu/wcp/wcp.h"

#include <string.h>

#include "ecu/wcp/wcp_internal.h"
#include "lib/msg/cabin.h"

static const char *const callers[] = {"phone", "card", NULL};
static const struct port_spec ports[WCP_PORTS] = {
    [WCP_PORT_BODY] = {.name = "body", .medium = "can", .segment = SEGMENT_BODY, .node = NODE_WCP},
    [WCP_PORT_NFC] = {.name = "nfc",
                      .medium = "nfc",
                      .end = PORT_LISTENS,
                      .callers = callers,
                      .name_of = apdu_command_name},
};

static const struct timer_spec timers[WCP_TIMERS] = {
    [WCP_TIMER_CHANNEL] = {"ISO-TP SpaaK", false}, [WCP_TIMER_STATUS] = {"status", true},
    [WCP_TIMER_POLL] = {"SELECT again", true},     [WCP_TIMER_CARD] = {"card answers", false},
    [WCP_TIMER_GAP] = {"field on again", false},   [WCP_TIMER_IDLE] = {"SpaaK gone", true},
};

static const struct setting_spec settings[] = {
    [WCP_SETTING_PLACE] = {"place", READER_PAD, READER_PAD, READER_DOOR},
    [WCP_SETTING_POLL_MS] = {"poll_ms", 100, 10, 10000},
    /* the longest frame waiting time of ISO 14443-4 */
    [WCP_SETTING_CARD_MS] = {"card_ms", 5000, 10, 60000},
    /* longer than a pairing mode, in which nobody may come */
    [WCP_SETTING_IDLE_MS] = {"idle_ms", 330000, 10, 3600000},
    {.name = NULL},
};

static const char *const shows[] = {[WCP_SHOW_FIELD] = "field", [WCP_SHOW_CARD] = "card", NULL};

/* ---- the cyclic status ---- */

static void send_status(struct wcp *w)
{
    const struct matrix_row *row = matrix_row(reader_row_status(w->place));
    struct bus_frame f = {.id = row->id, .len = READER_STATUS_LENGTH};
    f.data[0] = (uint8_t)((w->nfc_up ? READER_STATUS_WORKS : 0) |
                          (w->field == WCP_FIELD_ON ? READER_STATUS_FIELD : 0) |
                          (w->selected ? READER_STATUS_CARD : 0));
    f.data[1] = w->alive;
    w->alive = (w->alive + 1) & 0x0F;
    f.data[READER_STATUS_LENGTH - 1] = matrix_checksum(row->id, f.data, READER_STATUS_LENGTH);
    env_send_frame(w->env, WCP_PORT_BODY, &f); /* the next one comes, whatever becomes of it */
    env_timer_in(w->env, WCP_TIMER_STATUS, row->cycle_ms * 1000ull);
}

/* ---- life ---- */

static void wcp_on_frame(void *self, unsigned port, const struct bus_frame *f)
{
    struct wcp *w = self;
    (void)port;
    reader_channel_input(&w->channel, f);
}

static void wcp_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    (void)port;
    cards_on_answer(self, address, bytes);
}

static void wcp_on_news(void *self, unsigned port, const char *address, const char *news)
{
    (void)port;
    if (strcmp(news, "card-here") == 0)
        cards_on_here(self, address);
    else if (strcmp(news, "card-gone") == 0)
        cards_on_gone(self, address);
}

static void wcp_on_link(void *self, unsigned port, enum link_state state)
{
    struct wcp *w = self;
    if (port == WCP_PORT_NFC)
        field_on_link(w, state != LINK_DOWN);
    else if (state != LINK_DOWN)
        send_status(w);
}

static void wcp_on_timer(void *self, unsigned timer)
{
    struct wcp *w = self;
    switch (timer) {
    case WCP_TIMER_CHANNEL:
        reader_channel_timer(&w->channel);
        break;
    case WCP_TIMER_STATUS:
        send_status(w);
        break;
    case WCP_TIMER_POLL:
        cards_on_poll(w);
        break;
    case WCP_TIMER_CARD:
        cards_on_deadline(w);
        break;
    case WCP_TIMER_GAP:
        field_on_gap_over(w);
        break;
    default:
        field_on_idle(w);
        break;
    }
}

static enum err wcp_init(void *self, struct env *env, const struct component_args *args)
{
    struct wcp *w = self;
    w->env = env;
    w->place = (enum reader_place)args->settings[WCP_SETTING_PLACE];
    w->poll_us = args->settings[WCP_SETTING_POLL_MS] * 1000;
    w->card_us = args->settings[WCP_SETTING_CARD_MS] * 1000;
    w->idle_us = args->settings[WCP_SETTING_IDLE_MS] * 1000;
    reader_channel_init(&w->channel, env, WCP_PORT_BODY, WCP_TIMER_CHANNEL, w->place, READER_SIDE_READER);
    w->channel.on_message = commands_on_message;
    w->channel.on_failed = commands_on_failed;
    w->channel.owner = w;
    w->alive = cabin_alive_begin(env->crypto) & 0x0F;
    field_show(w);
    env_timer_in(env, WCP_TIMER_STATUS, matrix_row(reader_row_status(w->place))->cycle_ms * 1000ull);
    return ERR_OK;
}

static void wcp_fini(void *self)
{
    struct wcp *w = self;
    reader_channel_fini(&w->channel);
}

const struct component_class wcp_class = {
    .name = "wcp",
    .place = PLACE_VEHICLE,
    .size = sizeof(struct wcp),
    .ports = ports,
    .port_count = WCP_PORTS,
    .timers = timers,
    .timer_count = WCP_TIMERS,
    .settings = settings,
    .own_setting = "place",
    .shows = shows,
    .init = wcp_init,
    .fini = wcp_fini,
    .on_frame = wcp_on_frame,
    .on_bytes = wcp_on_bytes,
    .on_link = wcp_on_link,
    .on_news = wcp_on_news,
    .on_timer = wcp_on_timer,
};

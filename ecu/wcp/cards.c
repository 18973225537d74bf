/* The cards in the field: who is a Digital Key device, and which one is served. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ecu/wcp/wcp_internal.h"
#include "lib/card/card.h"
#include "lib/ccc/applet_message.h"
#include "lib/ccc/tlv.h"

static struct wcp_card *find(struct wcp *w, const char *address)
{
    for (size_t i = 0; i < WCP_CARDS; i++)
        if (strcmp(w->cards[i].address, address) == 0)
            return &w->cards[i];
    return NULL;
}

static struct wcp_card *add(struct wcp *w, const char *address)
{
    struct wcp_card *c = find(w, address);
    for (size_t i = 0; !c && i < WCP_CARDS; i++)
        if (!w->cards[i].here)
            c = &w->cards[i];
    if (!c || c->here)
        return NULL;
    bool told = c->told && strcmp(c->address, address) == 0;
    *c = (struct wcp_card){.here = true, .told = told};
    text_copy(c->address, sizeof c->address, address);
    return c;
}

/* ---- what is due ---- */

static bool is_polled(const struct wcp_card *c)
{
    return c->here && c->kind != WCP_KIND_DEVICE && c->awaits == WCP_AWAITS_NONE;
}

/* Nobody is served before it has had its time to say what it is. */
static bool is_new(const struct wcp *w, const struct wcp_card *c)
{
    return c->here && c->kind == WCP_KIND_UNKNOWN && c->awaits == WCP_AWAITS_SELECT &&
           env_now_us(w->env) < c->asked_us + w->poll_us;
}

static bool has_deadline(const struct wcp_card *c)
{
    return c->here && c->awaits != WCP_AWAITS_NONE && !c->mute;
}

static void arm(struct wcp *w)
{
    uint64_t poll_us = ENV_NEVER, card_us = ENV_NEVER;
    for (size_t i = 0; i < WCP_CARDS; i++) {
        const struct wcp_card *c = &w->cards[i];
        if ((is_polled(c) || is_new(w, c)) && c->asked_us + w->poll_us < poll_us)
            poll_us = c->asked_us + w->poll_us;
        if (has_deadline(c) && c->asked_us + w->card_us < card_us)
            card_us = c->asked_us + w->card_us;
    }
    env_timer_set(w->env, WCP_TIMER_POLL, poll_us);
    env_timer_set(w->env, WCP_TIMER_CARD, card_us);
}

/* What of an APDU can be read without a key, in one line. */
static void trace_apdu(struct wcp *w, const struct wcp_card *c, bool command, struct span apdu)
{
    char line[APDU_LINE_MAX], detail[96];
    if (command)
        apdu_describe_command(apdu, line);
    else
        apdu_describe_response(apdu, line);
    snprintf(detail, sizeof detail, "%c %.90s", command ? '>' : '<', line);
    env_trace_message(w->env, TRACE_APDU, NULL, NULL, c->address, apdu, detail);
}

/* ---- SELECT ---- */

const char *const cards_targets[WCP_TARGETS] = {"framework", "applet", "card key"};

bool cards_select_ok(struct span command, enum wcp_target *target)
{
    const struct span aids[WCP_TARGETS] = {[WCP_FRAMEWORK] = {apdu_aid_framework, APDU_AID},
                                           [WCP_APPLET] = {apdu_aid_applet, APDU_AID},
                                           [WCP_CARD_KEY] = {card_aid, CARD_AID}};
    struct apdu_command c;
    unsigned t = 0;
    if (apdu_command_parse(command, &c) || c.cla != APDU_CLA_ISO || c.ins != APDU_SELECT || c.p1 != 0x04 ||
        c.p2 != 0x00)
        return false;
    while (t < WCP_TARGETS && !span_equal(c.data, aids[t]))
        t++;
    *target = (enum wcp_target)t;
    return t < WCP_TARGETS;
}

static void ask(struct wcp *w, struct wcp_card *c)
{
    c->kind = c->kind == WCP_KIND_OTHER ? WCP_KIND_OTHER : WCP_KIND_UNKNOWN;
    c->again = c->awaits != WCP_AWAITS_NONE;
    if (c->again) {
        c->awaits = WCP_AWAITS_STALE;
        return;
    }
    c->asked_us = env_now_us(w->env);
    /* one that cannot be asked is about to go, or is asked again */
    if (env_send_bytes(w->env, WCP_PORT_NFC, c->address, span_of(w->select, w->select_len)) == ERR_OK)
        c->awaits = WCP_AWAITS_SELECT;
}

static void tell(struct wcp *w, struct wcp_card *c, const char *why)
{
    char text[96];
    if (c->told)
        return;
    c->told = true;
    snprintf(text, sizeof text, "%s is no %s: %s", c->address,
             w->target == WCP_CARD_KEY ? "card key" : "Digital Key device", why);
    env_trace_note(w->env, TRACE_NOTE, text);
}

static enum err check_select(const struct wcp *w, struct span data)
{
    struct op_select framework;
    struct op_versions versions;
    struct card_hello hello;
    struct tlv t;
    if (w->target == WCP_CARD_KEY)
        return card_hello_parse(data, &hello);
    if (w->target == WCP_FRAMEWORK)
        return op_select_parse(data, &framework);
    enum err e = tlv_find_once(data, APPLET_TAG_VERSION, &t);
    return e ? e : op_versions_parse(t.value, &versions);
}

static void take_select(struct wcp *w, struct wcp_card *c, struct span answer)
{
    char why[40];
    struct span data;
    uint16_t sw = 0;
    enum err e = apdu_response_parse(answer, &data, &sw);
    if (!e && answer.len > sizeof c->answer)
        e = ERR_MSG_TOO_LONG;
    bool ok = !e && sw == APDU_SW_OK;
    if (ok)
        e = check_select(w, data);
    c->kind = ok && !e ? WCP_KIND_DEVICE : WCP_KIND_OTHER;
    if (c->kind == WCP_KIND_DEVICE) {
        memcpy(c->answer, answer.p, answer.len);
        c->answer_len = answer.len;
        return;
    }
    snprintf(why, sizeof why, "%04X", sw);
    tell(w, c, e ? err_name(e) : why);
}

/* ---- who is served ---- */

static size_t devices(struct wcp *w, struct wcp_card **last)
{
    size_t n = 0;
    for (size_t i = 0; i < WCP_CARDS; i++)
        if (w->cards[i].here && w->cards[i].kind == WCP_KIND_DEVICE) {
            *last = &w->cards[i];
            n++;
        }
    return n;
}

static bool any_new(const struct wcp *w)
{
    size_t i = 0;
    while (i < WCP_CARDS && !is_new(w, &w->cards[i]))
        i++;
    return i < WCP_CARDS;
}

static bool any_mute(const struct wcp *w)
{
    size_t i = 0;
    while (i < WCP_CARDS && !(w->cards[i].here && w->cards[i].mute))
        i++;
    return i < WCP_CARDS;
}

static void serve(struct wcp *w, struct wcp_card *c)
{
    w->selected = c;
    static const char *const steps[WCP_TARGETS] = {"OP-03/1", "OP-04/1", "OP-02a/2"};
    char text[48];
    snprintf(text, sizeof text, "selected the %s, forwards", cards_targets[w->target]);
    env_trace_step(w->env, steps[w->target], text);
    trace_apdu(w, c, true, span_of(w->select, w->select_len));
    trace_apdu(w, c, false, span_of(c->answer, c->answer_len));
    commands_say(w, READER_SELECTED, w->number, span_of(c->answer, c->answer_len));
}

static void refuse_all(struct wcp *w)
{
    if (w->selected && w->selected->awaits == WCP_AWAITS_APDU)
        w->selected->awaits = WCP_AWAITS_STALE;
    w->two = true;
    commands_lose(w, READER_LOST_SECOND);
}

/* After whatever changed about the cards. */
static void settle(struct wcp *w)
{
    struct wcp_card *device = NULL;
    size_t n = devices(w, &device);
    if (n > 1 && !w->two) {
        refuse_all(w);
    } else if (n < 2 && w->two) {
        w->two = false;
        if (device)
            ask(w, device);
    } else if (n == 1 && !w->two && !w->selected && !any_new(w)) {
        serve(w, device);
    }
    if (!w->selected && !w->two && any_mute(w))
        field_gap(w, WCP_RESET_MS * 1000ull);
    else
        arm(w);
    field_show(w);
}

/* ---- what happens ---- */

void cards_on_here(struct wcp *w, const char *address)
{
    struct wcp_card *c = w->field == WCP_FIELD_ON ? add(w, address) : NULL;
    if (!c)
        return;
    ask(w, c);
    settle(w);
}

void cards_on_gone(struct wcp *w, const char *address)
{
    struct wcp_card *c = find(w, address);
    if (!c || !c->here)
        return;
    bool was_selected = c == w->selected;
    *c = (struct wcp_card){0};
    if (was_selected)
        commands_lose(w, READER_LOST_LIFTED);
    settle(w);
}

/* The selected card says nothing, or nothing that could be carried. */
static void give_up(struct wcp *w)
{
    commands_lose(w, READER_LOST_MUTE);
    field_gap(w, WCP_RESET_MS * 1000ull);
    field_show(w);
}

static void take_response(struct wcp *w, const struct wcp_card *c, struct span answer)
{
    if (answer.len < READER_RESPONSE_MIN || answer.len > READER_RESPONSE_MAX) {
        env_trace_reason(w->env, TRACE_REJECT, NULL, "R-APDU", ERR_DK_ANSWER, (uint32_t)answer.len, NULL);
        give_up(w);
        return;
    }
    trace_apdu(w, c, false, answer);
    w->apdu.under_way = false;
    w->apdu.answered = true;
    memcpy(w->apdu.response, answer.p, answer.len);
    w->apdu.response_len = answer.len;
    commands_say(w, READER_RESPONSE, w->apdu.number, answer);
    settle(w);
}

void cards_on_answer(struct wcp *w, const char *address, struct span answer)
{
    struct wcp_card *c = find(w, address);
    if (!c || !c->here)
        return;
    enum wcp_awaits awaited = c->awaits;
    bool again = c->again;
    c->awaits = WCP_AWAITS_NONE;
    c->again = c->mute = false;
    if (awaited == WCP_AWAITS_APDU) {
        take_response(w, c, answer);
        return;
    }
    if (again)
        ask(w, c);
    else if (awaited == WCP_AWAITS_SELECT)
        take_select(w, c, answer);
    settle(w);
}

void cards_on_poll(struct wcp *w)
{
    for (size_t i = 0; i < WCP_CARDS; i++)
        if (is_polled(&w->cards[i]) && env_now_us(w->env) >= w->cards[i].asked_us + w->poll_us)
            ask(w, &w->cards[i]);
    settle(w);
}

void cards_on_deadline(struct wcp *w)
{
    for (size_t i = 0; i < WCP_CARDS; i++) {
        struct wcp_card *c = &w->cards[i];
        if (!has_deadline(c) || env_now_us(w->env) < c->asked_us + w->card_us)
            continue;
        if (c->awaits == WCP_AWAITS_APDU) {
            give_up(w);
            return;
        }
        c->mute = true;
        tell(w, c, "no answer");
    }
    settle(w);
}

void cards_begin(struct wcp *w)
{
    for (size_t i = 0; i < WCP_CARDS; i++) {
        w->cards[i].kind = WCP_KIND_UNKNOWN;
        w->cards[i].told = false;
        if (w->cards[i].here)
            ask(w, &w->cards[i]);
    }
    settle(w);
}

void cards_leave(struct wcp *w)
{
    for (size_t i = 0; i < WCP_CARDS; i++) {
        struct wcp_card *c = &w->cards[i];
        c->here = c->again = c->mute = false;
        c->awaits = WCP_AWAITS_NONE;
    }
    w->selected = NULL;
    w->two = false;
    arm(w);
}

void cards_forget(struct wcp *w)
{
    cards_leave(w);
    memset(w->cards, 0, sizeof w->cards);
}

enum err cards_send(struct wcp *w, struct span apdu)
{
    struct wcp_card *c = w->selected;
    assert(c && c->awaits == WCP_AWAITS_NONE);
    enum err e = env_send_bytes(w->env, WCP_PORT_NFC, c->address, apdu);
    if (e)
        return e;
    trace_apdu(w, c, true, apdu);
    c->awaits = WCP_AWAITS_APDU;
    c->asked_us = env_now_us(w->env);
    arm(w);
    return ERR_OK;
}

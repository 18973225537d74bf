/* What the SpaaK Module asks of the reader, and what it is told. */
#include <stdio.h>
#include <string.h>

#include "ecu/wcp/wcp_internal.h"

_Static_assert(READER_COMMAND_MAX == APDU_COMMAND_MAX && READER_RESPONSE_MAX == APDU_RESPONSE_MAX, "");

/* ---- reports ---- */

static void say(struct wcp *w, const struct reader_report *r)
{
    uint8_t pdu[READER_PDU_MAX];
    struct wr out = wr_of(pdu, sizeof pdu);
    reader_report_put(&out, r);
    enum err e = reader_channel_send(&w->channel, span_of(pdu, out.len));
    if (e)
        env_trace_reason(w->env, TRACE_FAIL, NULL, reader_type_name(r->type), e, (uint32_t)out.len, NULL);
}

void commands_say(struct wcp *w, enum reader_type type, uint8_t number, struct span apdu)
{
    say(w, &(struct reader_report){.type = type, .number = number, .apdu = apdu});
}

void commands_refuse(struct wcp *w, uint8_t number, const char *command, enum err reason)
{
    env_trace_reason(w->env, TRACE_REJECT, NULL, command, reason, 0, NULL);
    say(w, &(struct reader_report){.type = READER_REFUSED, .number = number, .reason = reason});
}

void commands_lose(struct wcp *w, enum reader_loss loss)
{
    env_trace_note(w->env, TRACE_NOTE, reader_loss_name(loss));
    w->selected = NULL;
    w->apdu.under_way = w->apdu.answered = false;
    say(w, &(struct reader_report){.type = READER_LOST, .number = w->number, .loss = loss});
}

/* ---- commands ---- */

/* Who begins anew is not told any more of what was before. */
static void replace(struct wcp *w)
{
    reader_channel_drop(&w->channel);
    w->polling = w->owes_done = false;
    w->selected = NULL;
    w->apdu.under_way = w->apdu.answered = false;
}

static void poll(struct wcp *w, const struct reader_command *c, enum wcp_target target)
{
    char text[32];
    replace(w);
    if (!w->nfc_up) {
        commands_refuse(w, c->number, reader_type_name(c->type), ERR_LINK_DOWN);
        return;
    }
    w->polling = w->owes_done = true;
    w->number = c->number;
    w->target = target;
    memcpy(w->select, c->apdu.p, c->apdu.len);
    w->select_len = c->apdu.len;
    snprintf(text, sizeof text, "polls for the %s", cards_targets[target]);
    env_trace_state(w->env, text);
    if (c->type == READER_REPOLL)
        field_gap(w, c->gap_ms * 1000ull);
    else if (w->field != WCP_FIELD_GAP && field_on(w) == ERR_OK)
        cards_begin(w);
}

static void off(struct wcp *w, const struct reader_command *c)
{
    replace(w);
    field_off(w);
    env_trace_state(w->env, "off");
    commands_say(w, READER_DONE, c->number, (struct span){NULL, 0});
}

/* Heard before: the card is not to hear it twice. */
static bool repeated(struct wcp *w, uint8_t number)
{
    if (number != w->apdu.number || (!w->apdu.under_way && !w->apdu.answered))
        return false;
    if (w->apdu.answered)
        commands_say(w, READER_RESPONSE, number, span_of(w->apdu.response, w->apdu.response_len));
    return true;
}

static void send_apdu(struct wcp *w, const struct reader_command *c)
{
    struct apdu_command parsed;
    enum err e = apdu_command_parse(c->apdu, &parsed);
    if (!e && repeated(w, c->number))
        return;
    if (!e && w->apdu.under_way)
        e = ERR_BUSY;
    else if (!e && !w->selected)
        e = ERR_NOT_FOUND;
    if (!e)
        e = cards_send(w, c->apdu);
    if (e) {
        commands_refuse(w, c->number, reader_type_name(c->type), e);
        return;
    }
    w->apdu.under_way = true;
    w->apdu.answered = false;
    w->apdu.number = c->number;
}

static void run(struct wcp *w, const struct reader_command *c)
{
    enum wcp_target target;
    if (c->type == READER_APDU)
        send_apdu(w, c);
    else if (c->type == READER_OFF)
        off(w, c);
    else if (!cards_select_ok(c->apdu, &target))
        commands_refuse(w, c->number, reader_type_name(c->type), ERR_BAD_ARGUMENT);
    else
        poll(w, c, target);
}

void commands_on_message(void *wcp, struct reader_channel *channel, struct span pdu)
{
    struct wcp *w = wcp;
    struct reader_command c;
    uint8_t number;
    (void)channel;
    enum err e = reader_command_parse(pdu, &c, &number);
    if (e) {
        commands_refuse(w, number, reader_type_name(pdu.p[0]), e);
        return;
    }
    run(w, &c);
    env_timer_set(w->env, WCP_TIMER_IDLE, w->polling ? env_now_us(w->env) + w->idle_us : ENV_NEVER);
    field_show(w);
}

void commands_on_failed(void *wcp, struct reader_channel *channel, bool received, enum err reason)
{
    struct wcp *w = wcp;
    const struct matrix_row *row = received ? channel->tp.in : channel->tp.out;
    env_trace_reason(w->env, TRACE_REJECT, NULL, row->name, reason, 0, NULL);
}

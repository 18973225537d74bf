/* The field: on while SpaaK wants to poll and the reader can. */
#include "ecu/wcp/wcp_internal.h"

void field_show(struct wcp *w)
{
    env_show(w->env, WCP_SHOW_FIELD, w->field == WCP_FIELD_ON ? "on" : "off");
    env_show(w->env, WCP_SHOW_CARD, w->two ? "two" : w->selected ? "here" : "none");
}

static void end(struct wcp *w)
{
    w->field = WCP_FIELD_OFF;
    cards_leave(w);
    env_timer_set(w->env, WCP_TIMER_GAP, ENV_NEVER);
}

/* It polls again when the reader is back. */
static void on_failure(struct wcp *w)
{
    end(w);
    if (w->polling)
        commands_lose(w, READER_LOST_FAILED);
}

enum err field_on(struct wcp *w)
{
    enum err e = w->nfc_up ? env_tell(w->env, WCP_PORT_NFC, "", "field-on") : ERR_LINK_DOWN;
    if (e) {
        on_failure(w);
        return e;
    }
    w->field = WCP_FIELD_ON;
    if (w->owes_done)
        commands_say(w, READER_DONE, w->number, (struct span){NULL, 0});
    w->owes_done = false;
    return ERR_OK;
}

void field_off(struct wcp *w)
{
    end(w);
    if (w->nfc_up)
        env_tell(w->env, WCP_PORT_NFC, "", "field-off"); /* a reader that is down has none */
}

void field_gap(struct wcp *w, uint64_t gap_us)
{
    field_off(w);
    w->field = WCP_FIELD_GAP;
    env_timer_in(w->env, WCP_TIMER_GAP, gap_us);
}

void field_on_gap_over(struct wcp *w)
{
    field_on(w);
    field_show(w);
}

void field_on_link(struct wcp *w, bool up)
{
    bool was_up = w->nfc_up;
    w->nfc_up = up;
    if (up && !was_up && w->polling)
        field_on(w);
    else if (!up && was_up)
        on_failure(w);
    if (!up)
        cards_forget(w);
    field_show(w);
}

void field_on_idle(struct wcp *w)
{
    env_trace_note(w->env, TRACE_NOTE, "nobody has asked for anything any more: field off");
    w->polling = w->owes_done = false;
    field_off(w);
    field_show(w);
}

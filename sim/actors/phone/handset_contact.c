/* Where the phone lies, and what readers say to it. */
#include <stdio.h>
#include <string.h>

#include "sim/actors/phone/phone_parts.h"

#define AGAIN_US 200000 /* until it is offered again to a reader that lost it */

static void reset(struct phone *p)
{
    struct handset_turn t;
    if (handset_begin(p, &t))
        handset_end(p, &t, dk_device_reset(&p->handset.device, DK_CONTACTLESS));
    else
        handset_show(p);
}

/* ---- lying somewhere ---- */

static void take_away(struct phone *p)
{
    struct handset *h = &p->handset;
    enum err e = env_tell(p->env, PHONE_PORT_NFC, "", "close");
    h->closing = h->up && !e; /* then the link says when it has gone */
    h->up = h->field = false;
    *h->at = '\0';
    reset(p);
}

static enum err put_down(struct phone *p)
{
    struct handset *h = &p->handset;
    enum err e = env_tell(p->env, PHONE_PORT_NFC, h->wanted, "open");
    if (!e)
        text_copy(h->at, sizeof h->at, h->wanted);
    else if (e == ERR_LINK_DOWN || e == ERR_BUSY)
        env_timer_in(p->env, PHONE_TIMER_PLACE, AGAIN_US);
    return e == ERR_LINK_DOWN || e == ERR_BUSY ? ERR_OK : e;
}

enum err handset_settle(struct phone *p)
{
    struct handset *h = &p->handset;
    const char *wanted = h->off ? "" : h->wanted;
    if (*h->at && strcmp(h->at, wanted) != 0)
        take_away(p);
    if (*h->at || h->closing || !*wanted)
        return ERR_OK;
    return put_down(p);
}

enum err handset_place(struct phone *p, const char *reader)
{
    struct handset *h = &p->handset;
    text_copy(h->wanted, sizeof h->wanted, reader);
    enum err e = handset_settle(p);
    if (e)
        *h->wanted = '\0';
    return e;
}

/* A reader that died has forgotten its cards: the phone lies there still, and is offered again. */
static void lost(struct phone *p)
{
    struct handset *h = &p->handset;
    h->up = h->field = false;
    *h->at = '\0';
    reset(p);
    if (*h->wanted)
        env_timer_in(p->env, PHONE_TIMER_PLACE, AGAIN_US);
}

void handset_on_link(struct phone *p, enum link_state state)
{
    struct handset *h = &p->handset;
    if (state != LINK_DOWN) {
        h->up = *h->at != '\0';
        handset_show(p);
    } else if (h->closing) {
        h->closing = false;
        handset_settle(p);
    } else {
        lost(p);
    }
}

/* ---- field and commands ---- */

void handset_on_news(struct phone *p, const char *news)
{
    struct handset *h = &p->handset;
    h->field = h->up && strcmp(news, "field-on") == 0;
    reset(p);
}

void handset_on_command(struct phone *p, struct span command)
{
    struct handset *h = &p->handset;
    struct handset_turn t;
    if (!h->field || !phone_attack_begin(p, command) || !handset_begin(p, &t))
        return;
    struct dk_step s = dk_device_input(&h->device, DK_CONTACTLESS, DK_TO_SELECTED, command);
    phone_attack_end(p);
    handset_end(p, &t, s);
}

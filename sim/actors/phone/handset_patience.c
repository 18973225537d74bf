/* Whom the phone leaves alone for a while, because its last links with that vehicle were refused: 1 s, 2 s, 4
 * s and so on, up to a minute. While it waits it listens again every few seconds, so that it knows whether
 * the vehicle is still there: one that has gone begins anew. */
#include <stdio.h>

#include "sim/actors/phone/handset_radio_parts.h"
#include "sim/actors/phone/phone_parts.h"

static struct phone_patience *patience(struct phone *p, unsigned vehicle)
{
    return &p->radio.patience[vehicle];
}

/* 0: it may be approached. */
static uint64_t left_us(struct phone *p, unsigned vehicle)
{
    const uint64_t now_us = env_now_us(p->env), until_us = patience(p, vehicle)->until_us;
    return now_us < until_us ? until_us - now_us : 0;
}

void handset_patience_forget(struct phone *p, unsigned vehicle)
{
    *patience(p, vehicle) = (struct phone_patience){.refused = 0};
}

void handset_patience_forget_all(struct phone *p)
{
    for (unsigned i = 0; i <= PHONE_RADIO_PAIRS; i++)
        handset_patience_forget(p, i);
}

static uint64_t pause_us(unsigned refused)
{
    uint64_t ms = HANDSET_PATIENCE_FIRST_MS;
    while (--refused && ms < HANDSET_PATIENCE_LAST_MS)
        ms *= 2;
    return (ms < HANDSET_PATIENCE_LAST_MS ? ms : HANDSET_PATIENCE_LAST_MS) * 1000;
}

void handset_patience_refused(struct phone *p, unsigned vehicle)
{
    struct phone_patience *v = patience(p, vehicle);
    char note[80];
    const uint64_t us = pause_us(++v->refused);
    v->until_us = env_now_us(p->env) + us;
    snprintf(note, sizeof note, "refused %u times: the vehicle is left alone for %u s", v->refused,
             (unsigned)(us / 1000000));
    if (v->refused > 1)
        env_trace_note(p->env, TRACE_NOTE, note);
}

bool handset_patience_admits(struct phone *p, unsigned vehicle)
{
    patience(p, vehicle)->heard = true;
    return left_us(p, vehicle) == 0;
}

unsigned handset_patience_listen_ms(struct phone *p)
{
    uint64_t first_us = 0;
    for (unsigned i = 0; i <= PHONE_RADIO_PAIRS; i++) {
        uint64_t us = left_us(p, i);
        if (patience(p, i)->refused && (!us || us > HANDSET_PATIENCE_LISTEN_MS * 1000))
            us = HANDSET_PATIENCE_LISTEN_MS * 1000;
        if (us && (!first_us || us < first_us))
            first_us = us;
    }
    return (unsigned)((first_us + 999) / 1000);
}

void handset_patience_listened(struct phone *p)
{
    for (unsigned i = 0; i <= PHONE_RADIO_PAIRS; i++) {
        if (!patience(p, i)->heard)
            handset_patience_forget(p, i);
        patience(p, i)->heard = false;
    }
}

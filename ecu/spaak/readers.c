/* The two NFC readers, pad and door handle (lib/msg/reader.h): a session's SELECT makes one poll, its other
 * commands go to the phone that is there. */
#include <stdlib.h>
#include <string.h>

#include "ecu/spaak/pairing.h"

#define LOST_WORD_MS 1000 /* without word of a POLL, or of a phone that the status has */
#define ANSWER_MS    1000 /* then the command is sent again: one of the two may be lost */
#define ROUNDS       8    /* so often; a reader speaks for a phone that is mute long before */

static enum spaak_place place_of(const struct spaak *s, const struct reader_channel *c)
{
    return c == s->readers[SPAAK_DOOR].channel ? SPAAK_DOOR : SPAAK_PAD;
}

static void wait(struct spaak *s, enum spaak_place place, bool on)
{
    s->readers[place].waited = on;
    env_timer_set(s->env, SPAAK_TIMER_ANSWER + place, on ? env_now_us(s->env) + ANSWER_MS * 1000 : ENV_NEVER);
}

/* ---- from a reader ---- */

/* Nobody's session: a phone may be on its way out (presence.c). */
static void on_presence(struct spaak *s, enum spaak_place place, const struct reader_report *r)
{
    if (r->type == READER_SELECTED)
        presence_on_selected(s, place);
    else if (r->type == READER_LOST)
        presence_on_lost(s, place, r->loss);
}

/* In the middle of a session it says that the phone was away, and that LOST got lost. */
static void on_selected(struct spaak *s, enum spaak_place place, struct span answer)
{
    bool awaited = s->readers[place].awaits;
    wait(s, place, false);
    s->readers[place].awaits = false;
    if (awaited)
        session_on_answer(s, place, answer);
    else
        session_on_lost(s, place, ERR_DK_LINK_LOST);
}

/* The same answer may be said twice. */
static void on_response(struct spaak *s, enum spaak_place place, struct span answer)
{
    if (!s->readers[place].waited)
        return;
    wait(s, place, false);
    session_on_answer(s, place, answer);
}

static void on_report(struct spaak *s, enum spaak_place place, const struct reader_report *r)
{
    struct spaak_reader *reader = &s->readers[place];
    bool of_polling = r->type == READER_SELECTED || r->type == READER_LOST;
    if (r->number != (of_polling ? reader->polled : reader->number))
        return; /* of a time that is over */
    if (!reader->session)
        on_presence(s, place, r);
    if (r->type == READER_SELECTED) {
        on_selected(s, place, r->apdu);
    } else if (r->type == READER_RESPONSE) {
        on_response(s, place, r->apdu);
    } else if (r->type == READER_LOST) {
        wait(s, place, false);
        session_on_lost(s, place, ERR_DK_LINK_LOST);
    } else if (r->type == READER_REFUSED) {
        wait(s, place, false);
        env_trace_reason(s->env, TRACE_FAIL, NULL, NULL, r->reason, 0,
                         place == SPAAK_PAD ? "the pad refuses" : "the door refuses");
        session_on_lost(s, place, r->reason);
    } else if (r->number == reader->polled) {
        reader->begun = true;
    }
}

static void on_message(void *owner, struct reader_channel *c, struct span pdu)
{
    struct spaak *s = owner;
    struct reader_report r;
    enum err e = reader_report_parse(pdu, &r);
    if (e)
        env_trace_reason(s->env, TRACE_REJECT, NULL, c->tp.in->name, e, (uint32_t)pdu.len, NULL);
    else
        on_report(s, place_of(s, c), &r);
}

static void on_failed(void *owner, struct reader_channel *c, bool received, enum err reason)
{
    struct spaak *s = owner;
    env_trace_reason(s->env, TRACE_REJECT, NULL, received ? c->tp.in->name : c->tp.out->name, reason, 0,
                     NULL);
}

void readers_on_late(struct spaak *s, enum spaak_place place)
{
    struct spaak_reader *r = &s->readers[place];
    if (r->waited == ROUNDS) {
        r->waited = 0;
        session_on_lost(s, place, ERR_MSG_NO_ANSWER);
        return;
    }
    session_repeat(s, place);
    r->waited++;
    env_timer_in(s->env, SPAAK_TIMER_ANSWER + place, ANSWER_MS * 1000);
}

/* ---- to a reader ---- */

static struct reader_channel *channel_of(struct spaak *s, enum spaak_place place)
{
    struct spaak_reader *r = &s->readers[place];
    if (r->channel)
        return r->channel;
    r->channel = calloc(1, sizeof *r->channel);
    if (!r->channel)
        return NULL;
    reader_channel_init(r->channel, s->env, SPAAK_PORT_BODY, SPAAK_TIMER_READER + place,
                        (enum reader_place)place, READER_SIDE_SPAAK);
    r->channel->on_message = on_message;
    r->channel->on_failed = on_failed;
    r->channel->owner = s;
    env_random(s->env, &r->number, 1); /* differs from that of the life before, as a rule */
    return r->channel;
}

static void put(struct spaak *s, enum spaak_place place, const struct reader_command *c)
{
    uint8_t out[READER_PDU_MAX];
    struct wr w = wr_of(out, sizeof out);
    struct reader_channel *channel = s->readers[place].channel;
    reader_command_put(&w, c);
    enum err e = reader_channel_send(channel, span_of(out, w.len));
    if (e)
        env_trace_reason(s->env, TRACE_FAIL, NULL, reader_type_name(c->type), e, (uint32_t)w.len, NULL);
}

static void say(struct spaak *s, enum spaak_place place, struct reader_command *c)
{
    struct reader_channel *channel = channel_of(s, place);
    if (!channel)
        return;
    c->number = ++s->readers[place].number;
    if (c->type != READER_APDU) {
        reader_channel_drop(channel);
        s->readers[place].polled = c->number;
    }
    put(s, place, c);
}

void readers_poll(struct spaak *s, enum spaak_place place, struct span select, unsigned gap_ms)
{
    if (place >= SPAAK_AIR) {
        radio_select(s, place - SPAAK_AIR, select, gap_ms);
        return;
    }
    struct reader_command c = {
        .type = gap_ms ? READER_REPOLL : READER_POLL, .gap_ms = (uint16_t)gap_ms, .apdu = select};
    struct spaak_reader *r = &s->readers[place];
    r->select_len = select.len <= sizeof r->select ? select.len : 0;
    memcpy(r->select, select.p, r->select_len);
    r->polled_us = env_now_us(s->env) + gap_ms * 1000ull;
    r->awaits = true;
    r->begun = false;
    wait(s, place, false); /* a phone may come at any time */
    say(s, place, &c);
}

void readers_on_status(struct spaak *s, enum spaak_place place, uint8_t flags)
{
    struct spaak_reader *r = &s->readers[place];
    uint8_t select[READER_SELECT];
    bool waits = r->session && r->awaits && r->select_len;
    if (!r->session)
        presence_on_status(s, place, flags);
    if (r->waited > 1 && !(flags & READER_STATUS_CARD)) { /* LOST got lost, or the reader began anew */
        wait(s, place, false);
        session_on_lost(s, place, ERR_DK_LINK_LOST);
        return;
    }
    bool polls = r->begun && flags & READER_STATUS_FIELD && !(flags & READER_STATUS_CARD);
    if (waits && polls && env_now_us(s->env) >= r->polled_us + LOST_WORD_MS * 1000)
        session_on_absent(s, place);
    if (!waits || polls || !(flags & READER_STATUS_WORKS) ||
        env_now_us(s->env) < r->polled_us + LOST_WORD_MS * 1000)
        return;
    memcpy(select, r->select, r->select_len);
    readers_poll(s, place, span_of(select, r->select_len), 0);
}

void readers_send(struct spaak *s, enum spaak_place place, struct span command)
{
    if (place >= SPAAK_AIR) {
        radio_send(s, place - SPAAK_AIR, command);
        return;
    }
    struct reader_command c = {.type = READER_APDU, .apdu = command};
    wait(s, place, true);
    s->readers[place].awaits = false;
    say(s, place, &c);
}

void readers_send_again(struct spaak *s, enum spaak_place place, struct span command)
{
    put(s, place,
        &(struct reader_command){.type = READER_APDU, .number = s->readers[place].number, .apdu = command});
}

void readers_off(struct spaak *s, enum spaak_place place)
{
    if (place >= SPAAK_AIR) {
        radio_deselect(s, place - SPAAK_AIR);
        return;
    }
    struct reader_command c = {.type = READER_OFF};
    presence_on_off(s, place);
    wait(s, place, false);
    s->readers[place].awaits = false;
    if (s->readers[place].channel)
        say(s, place, &c);
}

/* ---- life ---- */

void readers_on_frame(struct spaak *s, const struct bus_frame *f)
{
    for (size_t i = 0; i < SPAAK_PLACES; i++)
        if (s->readers[i].channel)
            reader_channel_input(s->readers[i].channel, f);
}

void readers_on_timer(struct spaak *s, enum spaak_place place)
{
    if (s->readers[place].channel)
        reader_channel_timer(s->readers[place].channel);
}

void readers_fini(struct spaak *s)
{
    for (unsigned i = SPAAK_AIR; i < SPAAK_ALL_PLACES; i++)
        session_drop(s, (enum spaak_place)i);
    for (unsigned i = 0; i < SPAAK_PLACES; i++) {
        session_drop(s, (enum spaak_place)i);
        if (s->readers[i].channel)
            reader_channel_fini(s->readers[i].channel);
        free(s->readers[i].channel);
        s->readers[i].channel = NULL;
        s->readers[i].presence = PRESENCE_NONE;
    }
}

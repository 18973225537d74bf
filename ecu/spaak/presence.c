/* A phone that has unlocked the doors and stays at the handle does not unlock them again when they are locked
 * beside it: it must have left the field in between. So its reader keeps the field until the phone is gone,
 * and where that was not to be seen (the field was off for a while) it looks whether somebody is still there.
 */
#include <string.h>

#include "ecu/spaak/pairing.h"

#define SEEN_MS 1000 /* a field is on so long before it says that nobody is there */
#define GONE_MS 1000 /* what the reader's status must say for so long, for one report can be forged */

static void free_reader(struct spaak *s, enum spaak_place place)
{
    s->readers[place].presence = PRESENCE_NONE;
    env_trace_note(s->env, TRACE_NOTE, "the phone has left the door");
    readers_off(s, place);
    unlock_look(s);
}

/* The same polling as before, with nobody behind it but this file. */
static void ask(struct spaak *s, enum spaak_place place)
{
    struct spaak_reader *r = &s->readers[place];
    uint8_t select[READER_SELECT];
    memcpy(select, r->select, r->select_len);
    r->presence = PRESENCE_ASKED;
    readers_poll(s, place, span_of(select, r->select_len), 0);
}

/* The reader has lost it, it says. Its status has the next word. */
static void doubt(struct spaak *s, enum spaak_place place)
{
    s->readers[place].presence = PRESENCE_LEAVING;
    s->readers[place].left_us = env_now_us(s->env);
}

void presence_begin(struct spaak *s, enum spaak_place place)
{
    s->readers[place].presence = PRESENCE_HERE;
}

void presence_on_unlocked(struct spaak *s)
{
    s->readers[SPAAK_DOOR].obeyed = true;
}

bool presence_holds(struct spaak *s, enum spaak_place place)
{
    struct spaak_reader *r = &s->readers[place];
    if (r->presence != PRESENCE_NONE && !r->obeyed && env_now_us(s->env) >= r->not_before_us) {
        env_trace_note(s->env, TRACE_NOTE, "the doors have not moved: the phone is asked again");
        r->presence = PRESENCE_NONE;
    }
    return r->presence != PRESENCE_NONE;
}

void presence_look(struct spaak *s, enum spaak_place place)
{
    if (s->readers[place].presence == PRESENCE_UNSEEN)
        ask(s, place);
}

void presence_on_off(struct spaak *s, enum spaak_place place)
{
    if (s->readers[place].presence != PRESENCE_NONE)
        s->readers[place].presence = PRESENCE_UNSEEN;
}

void presence_on_selected(struct spaak *s, enum spaak_place place)
{
    enum spaak_presence p = s->readers[place].presence;
    if (p == PRESENCE_ASKED || p == PRESENCE_LEAVING)
        s->readers[place].presence = PRESENCE_HERE;
}

/* Lifted; or a second phone has come: somebody has acted either way. */
void presence_on_lost(struct spaak *s, enum spaak_place place, enum reader_loss loss)
{
    enum spaak_presence p = s->readers[place].presence;
    if (p != PRESENCE_HERE && p != PRESENCE_ASKED)
        return;
    if (loss == READER_LOST_LIFTED || loss == READER_LOST_SECOND)
        doubt(s, place);
    else
        s->readers[place].presence = PRESENCE_UNSEEN;
}

/* A phone that is back before it counts as gone has stayed; so has one that never left. */
static void judge_leaving(struct spaak *s, enum spaak_place place, bool field, bool card)
{
    struct spaak_reader *r = &s->readers[place];
    if (card)
        r->presence = PRESENCE_HERE;
    else if (!field)
        r->presence = PRESENCE_UNSEEN;
    else if (env_now_us(s->env) >= r->left_us + GONE_MS * 1000)
        free_reader(s, place);
}

void presence_on_disputed(struct spaak *s, enum spaak_place place, uint8_t flags)
{
    if (s->readers[place].presence == PRESENCE_LEAVING && flags & READER_STATUS_CARD)
        s->readers[place].presence = PRESENCE_HERE;
}

/* What the reader said may have got lost, or the reader may have begun anew. */
void presence_on_status(struct spaak *s, enum spaak_place place, uint8_t flags)
{
    struct spaak_reader *r = &s->readers[place];
    bool field = flags & READER_STATUS_FIELD, card = flags & READER_STATUS_CARD;
    if (r->presence == PRESENCE_NONE)
        return;
    if (r->presence == PRESENCE_LEAVING) {
        judge_leaving(s, place, field, card);
        unlock_look(s);
        return;
    }
    bool seen = r->presence == PRESENCE_ASKED && env_now_us(s->env) >= r->polled_us + SEEN_MS * 1000;
    if (seen && card)
        r->presence = PRESENCE_HERE;
    else if (seen && field)
        doubt(s, place);
    else if (seen || (r->presence == PRESENCE_HERE && !card))
        r->presence = PRESENCE_UNSEEN;
    unlock_look(s);
}

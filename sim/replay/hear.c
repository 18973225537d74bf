#include <stdio.h>
#include <string.h>

#include "lib/media/media.h"
#include "sim/replay/player.h"

#define ROUNDS 20 /* of a cyclic message, by which two runs may be apart */

/* ---- findings ---- */

static const struct record_item *item(const struct player *p, size_t at)
{
    return &p->record->items[at];
}

void player_find(struct player *p, enum compare_result result, size_t at, const char *name, const char *text)
{
    p->explained += result == COMPARE_EXPLAINED;
    p->different += result == COMPARE_DIFFERENT;
    if (p->finding_count == PLAYER_FINDINGS) {
        p->findings_lost++;
        return;
    }
    struct player_finding *f = &p->findings[p->finding_count++];
    *f = (struct player_finding){.result = result};
    if (at < p->record->count) {
        f->line = item(p, at)->line;
        f->file = item(p, at)->file;
    }
    snprintf(f->text, sizeof f->text, "%.90s: %.300s", name, text);
}

void player_name(struct player *p, size_t at, char out[COMPARE_TEXT])
{
    const struct record_item *i = item(p, at);
    if (i->kind == RECORD_FRAME)
        compare_name_frame(i->who, &i->frame, out);
    else if (i->kind == RECORD_TELLS || i->kind == RECORD_HEARS)
        compare_name_words(i->kind == RECORD_HEARS, i->words, out);
    else if (i->kind == RECORD_LEAVES || i->kind == RECORD_REACHES)
        compare_name_sdu(&p->compare, i->who, i->bytes, out);
    else
        compare_name_apdu(&p->compare, i->who, i->kind == RECORD_COMMAND, i->bytes, out);
}

/* Said by those under test, and heard now; what the record has of it. */
static void take(struct player *p, size_t at, enum compare_result result, const char *text)
{
    char name[COMPARE_TEXT];
    p->done[at] = true;
    while (p->first_unheard < p->record->count && (!p->mine[p->first_unheard] || p->done[p->first_unheard]))
        p->first_unheard++;
    p->compared++;
    p->same += result == COMPARE_SAME;
    if (result == COMPARE_SAME)
        return;
    player_name(p, at, name);
    player_find(p, result, at, name, text);
}

/* ---- hearing ---- */

static bool is_of(const struct player *p, size_t at, const char *bus, uint32_t id)
{
    const struct record_item *x = item(p, at);
    return p->mine[at] && x->kind == RECORD_FRAME && x->frame.id == id && strcmp(x->who, bus) == 0;
}

/* Of a cyclic message the record may be some rounds behind: the next that is like this one, or `at`. */
static size_t skip_rounds(struct player *p, const char *bus, const struct bus_frame *f, size_t at)
{
    size_t n = 0;
    for (size_t i = at; i < p->record->count && n < ROUNDS; i++) {
        if (!is_of(p, i, bus, f->id))
            continue;
        n++;
        if (!compare_frames_alike(&item(p, i)->frame, f))
            continue;
        for (size_t k = at; k < i; k++)
            if (is_of(p, k, bus, f->id))
                p->done[k] = true;
        return i;
    }
    return at;
}

/* Or it is ahead, and has said this before. */
static bool is_round_again(const struct player *p, const char *bus, const struct bus_frame *f, size_t at)
{
    while (at-- > 0)
        if (is_of(p, at, bus, f->id))
            return compare_frames_alike(&item(p, at)->frame, f);
    return false;
}

static void unexpected(struct player *p, uint64_t now_us, bool cyclic, const char *name)
{
    if (now_us < p->end_us + p->offset_us && (!cyclic || p->compare.exact))
        player_find(p, COMPARE_DIFFERENT, SIZE_MAX, name, "is not in the record");
}

static size_t next_frame(const struct player *p, const char *bus, uint32_t id)
{
    size_t i = p->first_unheard;
    while (i < p->record->count && (p->done[i] || !is_of(p, i, bus, id)))
        i++;
    return i;
}

static void hear_mine(struct player *p, uint64_t now_us, const char *bus, const struct bus_frame *f)
{
    const struct matrix_row *row = matrix_find(f->id);
    char text[COMPARE_TEXT] = "", name[COMPARE_TEXT];
    bool rounds = row && row->cycle_ms && !p->compare.exact;
    size_t at = next_frame(p, bus, f->id);
    if (rounds && (at == p->record->count || !compare_frames_alike(&item(p, at)->frame, f))) {
        if (is_round_again(p, bus, f, at))
            return;
        at = skip_rounds(p, bus, f, at);
    }
    compare_name_frame(bus, f, name);
    if (at == p->record->count)
        unexpected(p, now_us, row && row->cycle_ms, name);
    else
        take(p, at, compare_frame(&p->compare, bus, &item(p, at)->frame, f, text), text);
}

void player_hear_frame(void *ctx, uint64_t now_us, const char *bus, const struct bus_frame *f)
{
    struct player *p = ctx;
    if (p->over || p->compare.beyond)
        return;
    if (whose_is_mine(p, bus, f))
        hear_mine(p, now_us, bus, f);
    player_go_on(p);
}

static size_t next_apdu(const struct player *p, bool command)
{
    size_t i = p->first_unheard;
    while (i < p->record->count &&
           !(p->mine[i] && !p->done[i] && item(p, i)->kind == (command ? RECORD_COMMAND : RECORD_ANSWER)))
        i++;
    return i;
}

/* ---- Bluetooth LE ---- */

size_t player_next_air(const struct player *p, const char *who, bool words)
{
    size_t i = p->first_unheard;
    while (i < p->record->count &&
           !(p->mine[i] && !p->done[i] && item(p, i)->kind == (words ? RECORD_TELLS : RECORD_LEAVES) &&
             strcmp(item(p, i)->who, who) == 0))
        i++;
    return i;
}

/* An address that was made anew is put back, so that words are those of the record. */
static void as_recorded(const struct player *p, struct span words, char out[BLE_WORDS])
{
    char text[BLE_WORDS], *rest = text;
    size_t used = 0;
    snprintf(text, sizeof text, "%.*s", (int)words.len, (const char *)words.p);
    *out = '\0';
    for (const char *word; (word = strsep(&rest, " ")) && used < BLE_WORDS;)
        used +=
            (size_t)snprintf(out + used, BLE_WORDS - used, "%s%s", used ? " " : "", air_recorded(p, word));
}

static enum compare_result compare_heard(struct player *p, size_t at, const struct tap_event *e,
                                         char text[COMPARE_TEXT])
{
    const struct record_item *i = item(p, at);
    const char *address = air_recorded(p, e->to);
    char words[BLE_WORDS];
    enum compare_result r;
    if (e->words) {
        as_recorded(p, e->bytes, words);
        r = compare_words(&p->compare, i->words, words, text);
    } else {
        r = compare_sdu(&p->compare, i->who, i->bytes, e->bytes, text);
    }
    if (r == COMPARE_DIFFERENT || strcmp(address, i->address) == 0)
        return r;
    snprintf(text, COMPARE_TEXT, "to %s in the record, now to %s", i->address, address);
    return COMPARE_DIFFERENT;
}

static void hear_air(struct player *p, const struct tap_event *e)
{
    char text[COMPARE_TEXT] = "", name[COMPARE_TEXT], words[BLE_WORDS];
    size_t at = player_next_air(p, e->from, e->words);
    if (at < p->record->count) {
        take(p, at, compare_heard(p, at, e, text), text);
    } else if (p->record->air) {
        snprintf(words, sizeof words, "%.*s", (int)e->bytes.len, (const char *)e->bytes.p);
        if (e->words)
            compare_name_words(false, words, name);
        else
            compare_name_sdu(&p->compare, e->from, e->bytes, name);
        unexpected(p, e->time_us, false, name);
    }
    player_wake_at(p, e->time_us);
}

/* ---- APDUs ---- */

/* Only what leaves somebody under test; it is handled later, when he is done with his turn. */
void player_hear_tap(void *ctx, const struct tap_event *e)
{
    struct player *p = ctx;
    const struct member *m = e->out ? scenario_member(p->scenario, e->from) : NULL;
    unsigned port;
    char text[COMPARE_TEXT] = "", name[COMPARE_TEXT];
    bool command = m && whose_apdu_port(m, PORT_LISTENS, &port);
    if (p->over || p->compare.beyond || !m)
        return;
    const struct medium *medium = medium_find(media, e->medium);
    if (medium && medium->words_shown) {
        hear_air(p, e);
        return;
    }
    if (!command && !whose_apdu_port(m, PORT_ASKS, &port))
        return;
    if (strcmp(m->class->ports[port].name, e->port) != 0)
        return;
    size_t at = next_apdu(p, command);
    if (at == p->record->count) {
        compare_name_apdu(&p->compare, command ? e->from : "", command, e->bytes, name);
        unexpected(p, e->time_us, false, name);
    } else {
        take(p, at, compare_apdu(&p->compare, item(p, at)->who, command, item(p, at)->bytes, e->bytes, text),
             text);
    }
    player_wake_at(p, e->time_us);
}

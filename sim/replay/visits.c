#include "sim/replay/visits.h"

#include <string.h>

#include "lib/media/nfc/nfc.h"

/* Each time a card comes a reader gives it another name. */
static bool is_same_visit(const struct record_item *a, const struct record_item *b)
{
    return strcmp(a->who, b->who) == 0 && strcmp(a->what, b->what) == 0;
}

size_t visits_next(const struct record *r, size_t from, const char *reader)
{
    const struct record_item *last = NULL;
    for (size_t i = from; i-- > 0 && !last;)
        if (r->items[i].kind == RECORD_COMMAND)
            last = &r->items[i];
    for (size_t i = from; i < r->count; i++) {
        const struct record_item *k = &r->items[i];
        if (k->kind != RECORD_COMMAND)
            continue;
        bool begins = !last || !is_same_visit(k, last);
        last = k;
        if (begins && (!*reader || strcmp(k->who, reader) == 0))
            return i;
    }
    return r->count;
}

size_t visits_last(const struct record *r, size_t first)
{
    size_t last = first;
    for (size_t i = first; i < r->count; i++) {
        const struct record_item *k = &r->items[i];
        bool here = is_same_visit(k, &r->items[first]);
        if (k->kind == RECORD_COMMAND && !here)
            break;
        if (here && (k->kind == RECORD_COMMAND || k->kind == RECORD_ANSWER))
            last = i;
    }
    return last;
}

/* The card of one member. */
static void put(const struct member *m, struct record *r)
{
    const struct upset_spec *u = m->class->upset;
    size_t from = 0;
    for (size_t i = 0; i < r->count; i++) {
        struct record_item *k = &r->items[i];
        if (k->kind != RECORD_CALL || !k->outside || strcmp(k->who, m->name) != 0)
            continue;
        if (strcmp(k->what, u->away) == 0 && from && r->items[from].time_us >= k->time_us)
            k->time_us = r->items[from].time_us + 1;
        size_t at =
            strcmp(k->what, u->back) == 0 && k->reader[0] ? visits_next(r, from, k->reader) : r->count;
        if (at == r->count)
            continue;
        uint64_t first_us = r->items[at].time_us;
        k->time_us = first_us > NFC_TOUCH_US ? first_us - NFC_TOUCH_US : 0;
        from = visits_last(r, at);
    }
}

void visits_from_outside(const struct scenario *s, struct record *r)
{
    for (size_t i = 0; i < s->member_count; i++)
        if (s->members[i].class && s->members[i].class->upset)
            put(&s->members[i], r);
}

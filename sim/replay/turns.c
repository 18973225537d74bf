#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/can/wire.h"
#include "lib/media/can/can.h"
#include "lib/media/media.h"
#include "lib/media/nfc/nfc.h"
#include "lib/msg/reader.h"
#include "sim/replay/player.h"
#include "sim/replay/visits.h"

#define LINKS_US 900u /* calls at the start come when the links are there */

static struct player_turn *add(struct player *p, enum player_deed deed, uint64_t at_us, size_t item,
                               size_t member)
{
    if (p->turn_count == p->turn_cap) {
        p->turn_cap = p->turn_cap ? 2 * p->turn_cap : 256;
        p->turns = realloc(p->turns, p->turn_cap * sizeof *p->turns);
        if (!p->turns)
            abort();
    }
    p->turns[p->turn_count] =
        (struct player_turn){.deed = deed, .at_us = at_us, .item = item, .member = member};
    return &p->turns[p->turn_count++];
}

/* A time so much earlier, but not before the beginning. */
static uint64_t before(uint64_t time_us, uint64_t by_us)
{
    return time_us > by_us ? time_us - by_us : 0;
}

static bool refuse_bus(const struct player *p, size_t at, char problem[RECORD_PROBLEM])
{
    const struct record_item *i = &p->record->items[at];
    char name[CAN_BUS_NAME], shown[80], known[SEGMENTS * (CAN_BUS_NAME + 2)] = "";
    size_t used = 0;
    for (unsigned s = 0; s < SEGMENTS; s++) {
        can_bus_name(0, (enum segment)s, name);
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", s ? ", " : "", name);
    }
    text_shown(shown, sizeof shown, i->who);
    snprintf(problem, RECORD_PROBLEM, "%s:%u: %s has no bus called \"%s\"; a vehicle's are %s", i->file,
             i->line, p->scenario->name, shown, known);
    return false;
}

static bool frame(struct player *p, size_t at, char problem[RECORD_PROBLEM])
{
    const struct record_item *i = &p->record->items[at];
    unsigned group;
    enum segment segment;
    if (!whose_bus(p, i->who, &group, &segment))
        return refuse_bus(p, at, problem);
    if (!whose_hears(p, group, segment))
        return true;
    if ((p->mine[at] = whose_is_mine(p, i->who, &i->frame)))
        return true;
    struct player_turn *t = add(p, DEED_FRAME, before(i->time_us, wire_time_us(&i->frame)), at, SIZE_MAX);
    t->group = group;
    t->segment = segment;
    return true;
}

/* Somebody who is no member under test and has such an end. */
static size_t find_puppet(const struct player *p, enum port_end end)
{
    unsigned port;
    size_t i = 0;
    while (i < p->scenario->member_count &&
           (p->lives[i] || !whose_apdu_port(&p->scenario->members[i], end, &port)))
        i++;
    return i;
}

static bool any_card_lives(const struct player *p)
{
    unsigned port;
    for (size_t i = 0; i < p->scenario->member_count; i++)
        if (p->lives[i] && whose_apdu_port(&p->scenario->members[i], PORT_ASKS, &port))
            return true;
    return false;
}

/* When it left the card, but after the command. */
static uint64_t answer_time(const struct player *p, size_t at)
{
    const struct record_item *i = &p->record->items[at];
    uint64_t at_us = before(i->time_us, nfc_air_us(i->bytes.len));
    while (at-- > 0)
        if (p->record->items[at].kind == RECORD_COMMAND && strcmp(p->record->items[at].who, i->who) == 0)
            return at_us > p->record->items[at].time_us ? at_us : p->record->items[at].time_us;
    return at_us;
}

static bool apdu(struct player *p, size_t at, char problem[RECORD_PROBLEM])
{
    const struct record_item *i = &p->record->items[at];
    size_t reader = whose_member(p, i->who), card = find_puppet(p, PORT_ASKS);
    bool command = i->kind == RECORD_COMMAND, reads = whose_lives(p, reader), answers = any_card_lives(p);
    unsigned port;
    if (reader == p->scenario->member_count ||
        !whose_apdu_port(&p->scenario->members[reader], PORT_LISTENS, &port)) {
        snprintf(problem, RECORD_PROBLEM, "%s:%u: %s has no reader called \"%s\"", i->file, i->line,
                 p->scenario->name, i->who);
        return false;
    }
    if (command ? reads : answers)
        p->mine[at] = reads || answers;
    else if (command && answers)
        add(p, DEED_COMMAND, i->time_us, at, reader);
    else if (!command && reads && card < p->scenario->member_count)
        add(p, DEED_ANSWER, answer_time(p, at), at, card)->reader = i->who;
    return true;
}

/* Its own end's lines of the log: what came is played, what it said is compared. */
static bool air(struct player *p, size_t at, char problem[RECORD_PROBLEM])
{
    const struct record_item *i = &p->record->items[at];
    size_t member = whose_member(p, i->who);
    bool comes = i->kind == RECORD_REACHES || i->kind == RECORD_HEARS;
    unsigned port;
    if (member == p->scenario->member_count || !whose_radio(&p->scenario->members[member], &port)) {
        snprintf(problem, RECORD_PROBLEM, "%s:%u: %s has nobody with Bluetooth called \"%s\"", i->file,
                 i->line, p->scenario->name, i->who);
        return false;
    }
    if (!p->lives[member])
        return true;
    if (!comes)
        p->mine[at] = true;
    else if (whose_is_on_air(p, member))
        add(p, i->kind == RECORD_HEARS ? DEED_NEWS : DEED_SDU, i->time_us, at, member);
    return true;
}

/* The call of the scenario that this one was: the nth of its name to that member. */
static const struct action *find_action(const struct player *p, size_t at)
{
    const struct record_item *i = &p->record->items[at];
    size_t nth = 0;
    for (size_t k = 0; k < at; k++)
        nth += p->record->items[k].kind == RECORD_CALL && strcmp(p->record->items[k].who, i->who) == 0 &&
               strcmp(p->record->items[k].what, i->what) == 0;
    for (size_t k = 0; k < p->scenario->action_count; k++) {
        const struct action *a = &p->scenario->actions[k];
        const struct member *m = &p->scenario->members[a->member];
        if (!a->moves && strcmp(m->name, i->who) == 0 &&
            strcmp(m->class->calls[a->call].name, i->what) == 0 && nth-- == 0)
            return a;
    }
    return NULL;
}

/* The reader at which its person has laid a card before that item; "": none. */
static const char *find_place(const struct player *p, size_t at, const struct upset_spec *u)
{
    const char *who = p->record->items[at].who;
    while (at-- > 0) {
        const struct record_item *i = &p->record->items[at];
        if (i->kind != RECORD_CALL || strcmp(i->who, who) != 0)
            continue;
        const struct action *a = strcmp(i->what, u->back) == 0 ? find_action(p, at) : NULL;
        if (a || strcmp(i->what, u->away) == 0)
            return a ? a->values[0].text : "";
    }
    return "";
}

/* Cards that come and go by their persons' hands. Who lays one before another reader takes it away first. */
static void visit(struct player *p, size_t at, size_t member, const struct action *a)
{
    const struct upset_spec *u = p->scenario->members[member].class->upset;
    unsigned port;
    if (!u || !whose_apdu_port(&p->scenario->members[member], PORT_ASKS, &port))
        return;
    uint64_t at_us = p->record->items[at].time_us;
    bool comes = strcmp(u->back, p->record->items[at].what) == 0 && a,
         goes = strcmp(u->away, p->record->items[at].what) == 0;
    const char *from = find_place(p, at, u), *to = comes ? a->values[0].text : "";
    if ((!comes && !goes) || (comes && strcmp(from, to) == 0))
        return;
    if (whose_lives(p, whose_member(p, from)))
        add(p, DEED_GO, at_us, at, member);
    if (comes && whose_lives(p, whose_member(p, to)))
        add(p, DEED_COME, *from ? at_us + NFC_TOUCH_US : at_us, at, member)->reader = to;
}

static bool call(struct player *p, size_t at, char problem[RECORD_PROBLEM])
{
    const struct record_item *i = &p->record->items[at];
    size_t member = whose_member(p, i->who);
    const struct action *a = find_action(p, at);
    if (member == p->scenario->member_count)
        return true;
    if (!p->lives[member]) {
        visit(p, at, member, a);
        return true;
    }
    if (a) {
        add(p, DEED_CALL, i->time_us, at, member)->action = a;
        return true;
    }
    snprintf(problem, RECORD_PROBLEM,
             "%s:%u: %s does not call \"%s\" of %s; is it a record of that scenario?", i->file, i->line,
             p->scenario->name, i->what, i->who);
    return false;
}

static void field(struct player *p, size_t at)
{
    const struct record_item *i = &p->record->items[at];
    size_t member = whose_member(p, i->who);
    unsigned port;
    if (member == p->scenario->member_count || p->lives[member] ||
        !whose_apdu_port(&p->scenario->members[member], PORT_LISTENS, &port))
        return;
    add(p, DEED_FIELD, i->time_us, at, member)->on = strcmp(i->what, "on") == 0;
}

/* ---- without a trace ---- */

/* The first APDU, or the first that those under test say of their own accord; the record's count: none. */
static size_t find_first(const struct player *p)
{
    size_t i = 0;
    while (i < p->record->count && p->record->items[i].kind != RECORD_COMMAND)
        i++;
    if (i < p->record->count)
        return i;
    for (i = 0; i < p->record->count; i++)
        if (p->mine[i] && !whose_is_cyclic(&p->record->items[i]))
            return i;
    return i;
}

/* Nobody has written down when cards came: as late as the first APDU of a visit allows. `last`: the last one
 * of the visit before; NULL: there was none. */
static void guess_visit(struct player *p, size_t at, const struct record_item *last)
{
    const struct record_item *first = &p->record->items[at];
    size_t reader = whose_member(p, first->who), card = find_puppet(p, PORT_ASKS);
    uint64_t go_us = before(first->time_us, 2 * NFC_TOUCH_US), come_us = before(first->time_us, NFC_TOUCH_US);
    if (reader == p->scenario->member_count)
        return;
    if (!p->lives[reader] && visits_next(p->record, 0, first->who) == at)
        add(p, DEED_FIELD, go_us, SIZE_MAX, reader)->on = true;
    if (card == p->scenario->member_count || any_card_lives(p))
        return;
    if (last && go_us <= last->time_us)
        go_us = last->time_us + 1;
    if (last && whose_lives(p, whose_member(p, last->who)))
        add(p, DEED_GO, go_us, SIZE_MAX, card);
    if (p->lives[reader])
        add(p, DEED_COME, come_us > go_us ? come_us : go_us, SIZE_MAX, card)->reader = first->who;
}

static void guess_visits(struct player *p)
{
    const struct record *r = p->record;
    const struct record_item *last = NULL;
    for (size_t at = visits_next(r, 0, ""); at < r->count; at = visits_next(r, at + 1, "")) {
        guess_visit(p, at, last);
        last = &r->items[visits_last(r, at)];
    }
}

/* When a card that lives was laid down: before the next visit to that reader, and where the record has none,
 * or when it was taken away, after the last. *visit: that one; the record's count: none yet. False: nobody
 * can tell. */
static bool guess_card(const struct player *p, const struct action *a, size_t *visit, uint64_t *at_us)
{
    const struct record *r = p->record;
    const struct component_class *class = p->scenario->members[a->member].class;
    const char *name = class->calls[a->call].name;
    bool known = *visit < r->count, comes = class->upset && strcmp(name, class->upset->back) == 0;
    if (!comes && !(class->upset && strcmp(name, class->upset->away) == 0))
        return false;
    size_t next = comes ? visits_next(r, known ? *visit + 1 : 0, a->values[0].text) : r->count;
    if (next < r->count) {
        *visit = next;
        *at_us = before(r->items[next].time_us, NFC_TOUCH_US);
    } else if (known) {
        *at_us = r->items[visits_last(r, *visit)].time_us + 1; /* after what is said there */
    }
    return next < r->count || known;
}

/* Nor when people called: those that wait for a step, or lay a card down, as late. */
static void guess(struct player *p)
{
    size_t first = find_first(p), visits[SCENARIO_MEMBERS];
    uint64_t first_us = 0, at_us;
    if (first < p->record->count)
        first_us = before(p->record->items[first].time_us, NFC_TOUCH_US);
    guess_visits(p);
    for (size_t i = 0; i < SCENARIO_MEMBERS; i++)
        visits[i] = p->record->count;
    for (size_t k = 0; k < p->scenario->action_count; k++) {
        const struct action *a = &p->scenario->actions[k];
        const struct component_class *class = p->scenario->members[a->member].class;
        if (a->moves || !p->lives[a->member])
            continue;
        bool late =
            a->when.step[0] || (class->upset && strcmp(class->upset->back, class->calls[a->call].name) == 0);
        if (!guess_card(p, a, &visits[a->member], &at_us))
            at_us = late ? first_us : LINKS_US + a->when.after_us;
        add(p, DEED_CALL, at_us, SIZE_MAX, a->member)->action = a;
    }
}

/* Who carries between a bus and cards can only be tried with both logs; who does between a bus and Bluetooth
 * LE too, where one clock has written both. */
static const char *find_lack(const struct player *p, const struct member *m)
{
    unsigned port;
    enum matrix_node node;
    const struct record *r = p->record;
    if (!whose_segment(m, SEGMENT_BODY, &node))
        return NULL;
    if (whose_apdu_port(m, PORT_LISTENS, &port) && !(r->apdus && r->frames))
        return "with cards: it takes can.log and apdu.log";
    if (whose_radio(m, &port) && p->compare.exact && r->air && !r->frames)
        return "by Bluetooth LE: dk.log of a seed needs can.log";
    return NULL;
}

static bool check_logs(const struct player *p, char problem[RECORD_PROBLEM])
{
    for (size_t i = 0; i < p->scenario->member_count; i++) {
        const struct member *m = &p->scenario->members[i];
        const char *lack = p->lives[i] ? find_lack(p, m) : NULL;
        if (!lack)
            continue;
        snprintf(problem, RECORD_PROBLEM, "%s speaks on the bus and %s", m->name, lack);
        return false;
    }
    return true;
}

/* Stable, and nearly in order already. */
static void sort(struct player *p)
{
    for (size_t i = 1; i < p->turn_count; i++) {
        struct player_turn t = p->turns[i];
        size_t k = i;
        for (; k > 0 && p->turns[k - 1].at_us > t.at_us; k--)
            p->turns[k] = p->turns[k - 1];
        p->turns[k] = t;
    }
}

bool turns_make(struct player *p, char problem[RECORD_PROBLEM])
{
    bool ok = check_logs(p, problem);
    for (size_t i = 0; ok && i < p->record->count; i++)
        switch (p->record->items[i].kind) {
        case RECORD_FRAME:
            ok = frame(p, i, problem);
            break;
        case RECORD_COMMAND:
        case RECORD_ANSWER:
            ok = apdu(p, i, problem);
            break;
        case RECORD_LEAVES:
        case RECORD_REACHES:
        case RECORD_TELLS:
        case RECORD_HEARS:
            ok = air(p, i, problem);
            break;
        case RECORD_CALL:
            ok = call(p, i, problem);
            break;
        case RECORD_FIELD:
            field(p, i);
            break;
        }
    if (ok && !p->record->trace)
        guess(p);
    sort(p);
    return ok;
}

/* Who stands where: which frames and links are those of who is under test. */
#include <string.h>

#include "lib/media/can/can.h"
#include "lib/media/media.h"
#include "lib/msg/reader.h"
#include "sim/replay/player.h"

bool whose_apdu_port(const struct member *m, enum port_end end, unsigned *port)
{
    for (unsigned i = 0; m->class && i < m->class->port_count; i++) {
        const struct medium *medium = medium_find(media, m->class->ports[i].medium);
        if (medium && medium->apdus && m->class->ports[i].end == end) {
            *port = i;
            return true;
        }
    }
    return false;
}

size_t whose_member(const struct player *p, const char *name)
{
    size_t i = 0;
    while (i < p->scenario->member_count && strcmp(p->scenario->members[i].name, name) != 0)
        i++;
    return i;
}

bool whose_lives(const struct player *p, size_t member)
{
    return member < p->scenario->member_count && p->lives[member];
}

bool whose_radio(const struct member *m, unsigned *port)
{
    for (unsigned i = 0; m->class && i < m->class->port_count; i++) {
        const struct medium *medium = medium_find(media, m->class->ports[i].medium);
        if (medium && medium->words_shown) {
            *port = i;
            return true;
        }
    }
    return false;
}

bool whose_is_on_air(const struct player *p, size_t member)
{
    const struct member *m = &p->scenario->members[member];
    unsigned port, other;
    if (!p->record->air || !p->lives[member] || !whose_radio(m, &port))
        return false;
    for (size_t i = 0; i < p->scenario->member_count; i++)
        if (p->lives[i] && whose_radio(&p->scenario->members[i], &other) &&
            p->scenario->members[i].class->ports[other].end != m->class->ports[port].end)
            return false;
    return true;
}

/* ---- whose frames ---- */

bool whose_bus(const struct player *p, const char *bus, unsigned *group, enum segment *segment)
{
    char name[CAN_BUS_NAME];
    for (unsigned g = 0; g < p->scenario->groups || g == 0; g++)
        for (unsigned s = 0; s < SEGMENTS; s++) {
            can_bus_name(g, (enum segment)s, name);
            if (strcmp(name, bus) == 0) {
                *group = g;
                *segment = (enum segment)s;
                return true;
            }
        }
    return false;
}

bool whose_segment(const struct member *m, enum segment s, enum matrix_node *node)
{
    for (size_t i = 0; m->class && i < m->class->port_count; i++) {
        const struct port_spec *port = &m->class->ports[i];
        const struct medium *medium = medium_find(media, port->medium);
        if (medium && medium->frames && port->segment == s) {
            *node = port->node;
            return true;
        }
    }
    return false;
}

/* Two readers are one node of the matrix: their places tell whose row it is. */
static bool is_of_place(const struct player *p, size_t member, const struct matrix_row *row)
{
    uint64_t settings[ENV_SETTINGS];
    const struct setting_spec *spec = p->scenario->members[member].class->settings;
    bool of_a_reader = false;
    scenario_settings(p->scenario, member, settings);
    for (unsigned place = 0; place < READER_PLACES; place++) {
        enum reader_place r = (enum reader_place)place;
        of_a_reader |= row == matrix_row(reader_row_status(r)) || row == matrix_row(reader_row_report(r));
    }
    for (size_t i = 0; of_a_reader && spec && spec[i].name; i++)
        if (strcmp(spec[i].name, "place") == 0) {
            enum reader_place r = (enum reader_place)settings[i];
            return row == matrix_row(reader_row_status(r)) || row == matrix_row(reader_row_report(r));
        }
    return true;
}

bool whose_is_mine(const struct player *p, const char *bus, const struct bus_frame *f)
{
    const struct matrix_row *row = matrix_find(f->id);
    unsigned group;
    enum segment segment;
    enum matrix_node node;
    if (!row || !whose_bus(p, bus, &group, &segment))
        return false;
    enum matrix_node sender = row->from == segment ? row->sender : NODE_SGW;
    for (size_t i = 0; i < p->scenario->member_count; i++) {
        const struct member *m = &p->scenario->members[i];
        if (p->lives[i] && m->class->place == PLACE_VEHICLE && m->group == group &&
            whose_segment(m, segment, &node) && node == sender && is_of_place(p, i, row))
            return true;
    }
    return false;
}

bool whose_hears(const struct player *p, unsigned group, enum segment segment)
{
    enum matrix_node node;
    for (size_t i = 0; i < p->scenario->member_count; i++)
        if (p->lives[i] && p->scenario->members[i].group == group &&
            whose_segment(&p->scenario->members[i], segment, &node))
            return true;
    return false;
}

bool whose_is_for_mine(const struct player *p, const struct player_turn *t)
{
    const struct matrix_row *row = matrix_find(p->record->items[t->item].frame.id);
    enum matrix_node node;
    for (size_t i = 0; row && i < p->scenario->member_count; i++)
        if (p->lives[i] && p->scenario->members[i].group == t->group &&
            whose_segment(&p->scenario->members[i], t->segment, &node) && (row->receivers & node))
            return true;
    return false;
}

bool whose_is_cyclic(const struct record_item *i)
{
    const struct matrix_row *row = i->kind == RECORD_FRAME ? matrix_find(i->frame.id) : NULL;
    return row && row->cycle_ms;
}

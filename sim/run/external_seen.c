/* What shows that somebody outside is there, or has done what he was asked. */
#include <string.h>

#include "lib/host/setup.h"
#include "lib/media/media.h"
#include "sim/run/external_parts.h"

/* "v0002.body" is of vehicle 2, "body" of the first. */
static bool is_bus_of(const struct run *r, const char *bus, unsigned group)
{
    char vehicle[8];
    snprintf(vehicle, sizeof vehicle, "v%04u.", group);
    return r->scenario->groups <= 1 || (group ? strncmp(bus, vehicle, 6) == 0 : bus[0] != 'v');
}

static bool sends(const struct component_class *class, enum matrix_node sender)
{
    for (size_t i = 0; i < class->port_count; i++)
        if (class->ports[i].node == sender && sender)
            return true;
    return false;
}

/* The matrix knows classes: where somebody of the run is of the same, nobody can tell whose frame it was. */
static bool is_of_one_alone(const struct run *r, const struct member *m, enum matrix_node sender)
{
    for (size_t i = 0; i < r->scenario->member_count; i++) {
        const struct member *other = &r->scenario->members[i];
        if (other != m && other->class && other->group == m->group && sends(other->class, sender))
            return false;
    }
    return true;
}

void externals_frame(struct run *r, uint64_t now_us, const char *bus, const struct bus_frame *f)
{
    const struct matrix_row *row = r->externals.count ? matrix_find(f->id) : NULL;
    for (size_t i = 0; row && i < r->externals.count; i++) {
        struct external_seat *e = &r->externals.seats[i];
        const struct member *m = external_member(r, e);
        bool tells =
            external_is_awaited(e) && (!e->there || !row->cycle_ms); /* cyclic ones only say that it lives */
        if (tells && is_bus_of(r, bus, m->group) && sends(m->class, row->sender) &&
            is_of_one_alone(r, m, row->sender))
            external_show(r, e, now_us);
    }
}

static bool asks_by(const struct component_class *class, const char *medium)
{
    for (size_t i = 0; i < class->port_count; i++)
        if (class->ports[i].end == PORT_ASKS && strcmp(class->ports[i].medium, medium) == 0)
            return true;
    return false;
}

/* Whose port of that medium asks, when that is one member alone and played from outside; NULL. */
static struct external_seat *only_asker(struct run *r, const char *medium)
{
    const struct scenario *s = r->scenario;
    struct external_seat *only = NULL;
    for (size_t i = 0; i < s->member_count; i++) {
        if (!s->members[i].class || !asks_by(s->members[i].class, medium))
            continue;
        if (only || !s->members[i].external)
            return NULL;
        only = external_seat_of(r, i);
    }
    return only;
}

/* A card at a reader shows who plays it when nobody of the run could be that card. */
void externals_tap(struct run *r, const struct tap_event *t)
{
    const struct medium *medium = r->externals.count ? medium_find(media, t->medium) : NULL;
    struct external_seat *only = medium && medium->apdus ? only_asker(r, t->medium) : NULL;
    if (only && !t->out)
        external_show(r, only, t->time_us);
}

/* The port of a class where devices come over the air; NULL. */
static const struct port_spec *air_port(const struct component_class *class)
{
    for (size_t i = 0; class && i < class->port_count; i++)
        if (class->ports[i].end == PORT_LISTENS && medium_find(media, class->ports[i].medium)->distances)
            return &class->ports[i];
    return NULL;
}

/* What became of a device's link: " up", " down 13"; "": it is none of that. */
static const char *link_change(const struct trace_event *e, const struct port_spec *port)
{
    size_t len = strlen(port->name);
    bool is_link = e->kind == TRACE_LINK && e->peer[0] && strncmp(e->detail, port->name, len) == 0;
    return is_link ? e->detail + len : "";
}

static void count_links(struct external_seat *e, const char *change)
{
    if (strcmp(change, " up") == 0)
        e->links++;
    else if (strncmp(change, " down", 5) == 0 && e->links)
        e->links--;
}

/* A device has come over the air, or has answered. */
static bool is_of_device(const struct trace_event *e, const char *change)
{
    return strcmp(change, " up") == 0 || (e->kind == TRACE_APDU && e->peer[0] && e->detail[0] == '<');
}

/* Addresses over the air name nobody: here, too, only when nobody of the run could be that device. */
void externals_event(struct run *r, const struct trace_event *e)
{
    if (!r->externals.count || (e->kind != TRACE_LINK && e->kind != TRACE_APDU && e->kind != TRACE_LIFE))
        return;
    const struct member *m = scenario_member(r->scenario, e->component);
    const struct port_spec *port = m ? air_port(m->class) : NULL;
    struct external_seat *only = port ? only_asker(r, port->medium) : NULL;
    if (!only)
        return;
    const char *change = link_change(e, port);
    count_links(only, change);
    if (e->kind == TRACE_LIFE)
        only->links = 0; /* who is killed says nothing of its links */
    if (is_of_device(e, change))
        external_show(r, only, e->time_us);
}

bool external_is_so(const struct run *r, const struct external_seat *e, const struct action *a)
{
    const struct component_class *class = external_member(r, e)->class;
    const struct call_spec *call = &class->calls[a->call];
    const struct linked_spec *linked = class->linked;
    if (!e->links || !linked || strcmp(call->name, linked->call) != 0)
        return false;
    const struct parameter_spec *p = call->parameters;
    return p->kind == PARAMETER_WORD && strcmp(p->words[a->values[0].number], linked->word) == 0;
}

bool external_may_come(const struct run *r, const struct external_seat *e, const struct action *a)
{
    const struct port_spec *port = &r->scenario->members[a->member].class->ports[a->port];
    const struct medium *medium = medium_find(media, port->medium);
    return !e->links && medium->near && medium->near(a->way);
}

/* ---- who came and was not let in ---- */

/* The log of a process ends so when its door has refused somebody, or what he said has ended his link. */
static bool has_refused(struct run *r, const char *process, char words[EXTERNAL_REFUSAL])
{
    words[0] = '\0';
    if (r->ops->last_words)
        r->ops->last_words(r, process, words);
    return strstr(words, " is refused: ") || strstr(words, " is ended: ");
}

static bool listens(const struct member *m, const char *medium)
{
    for (size_t i = 0; m->class && !m->external && i < m->class->port_count; i++)
        if (m->class->ports[i].end == PORT_LISTENS && strcmp(m->class->ports[i].medium, medium) == 0)
            return true;
    return false;
}

static const char *helper_of(const char *medium)
{
    for (size_t i = 0; media_setups[i]; i++)
        if (strcmp(media_setups[i]->medium->name, medium) == 0)
            return media_setups[i]->helper;
    return NULL;
}

static bool is_refused_at(struct run *r, const struct port_spec *port, char words[EXTERNAL_REFUSAL])
{
    const char *helper = port->end == PORT_SHARED ? helper_of(port->medium) : NULL;
    if (helper && has_refused(r, helper, words))
        return true;
    for (size_t i = 0; port->end == PORT_ASKS && i < r->scenario->member_count; i++)
        if (listens(&r->scenario->members[i], port->medium) &&
            has_refused(r, r->scenario->members[i].name, words))
            return true;
    return false;
}

bool external_refusal(struct run *r, const struct external_seat *e, char words[EXTERNAL_REFUSAL])
{
    const struct component_class *class = external_member(r, e)->class;
    for (size_t i = 0; i < class->port_count; i++)
        if (is_refused_at(r, &class->ports[i], words))
            return true;
    words[0] = '\0';
    return false;
}

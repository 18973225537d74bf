#include "sim/declarations.h"

#include <stdio.h>
#include <string.h>

#include "lib/media/media.h"

static const struct component_class *find(const struct cast *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->classes[i]->name, name) == 0)
            return c->classes[i];
    return NULL;
}

static bool unknown_medium(const struct component_class *class, const struct port_spec *p,
                           char problem[DECLARATION_PROBLEM])
{
    int n = snprintf(problem, DECLARATION_PROBLEM, "port \"%s\" of %s: no medium \"%s\"; there are", p->name,
                     class->name, p->medium ? p->medium : "");
    for (size_t i = 0; media[i] && n > 0 && n < DECLARATION_PROBLEM; i++)
        n += snprintf(problem + n, (size_t)(DECLARATION_PROBLEM - n), "%s %s", i ? "," : "", media[i]->name);
    return false;
}

static bool check_end(const struct cast *c, const struct component_class *class, const struct port_spec *p,
                      char problem[DECLARATION_PROBLEM])
{
    unsigned port;
    const struct component_class *server = p->end == PORT_ASKS && p->server ? find(c, p->server) : NULL;
    if (p->end == PORT_ASKS && p->server && !server) {
        snprintf(problem, DECLARATION_PROBLEM, "port \"%s\" of %s asks \"%s\", which is not in the cast",
                 p->name, class->name, p->server);
        return false;
    }
    if (server && !component_port(server, p->name, &port)) {
        snprintf(problem, DECLARATION_PROBLEM, "port \"%s\" of %s asks %s, which has no port of that name",
                 p->name, class->name, server->name);
        return false;
    }
    for (size_t i = 0; p->callers && p->callers[i]; i++)
        if (p->callers[i][0] && !find(c, p->callers[i])) { /* "": everybody */
            snprintf(problem, DECLARATION_PROBLEM,
                     "port \"%s\" of %s admits \"%s\", which is not in the cast", p->name, class->name,
                     p->callers[i]);
            return false;
        }
    return true;
}

static bool check_port(const struct cast *c, const struct component_class *class, const struct port_spec *p,
                       char problem[DECLARATION_PROBLEM])
{
    const struct medium *m = p->name && p->medium ? medium_find(media, p->medium) : NULL;
    if (!p->name) {
        snprintf(problem, DECLARATION_PROBLEM, "a port of %s has no name: is port_count right?", class->name);
        return false;
    }
    if (!m)
        return unknown_medium(class, p, problem);
    if (p->bench && (!m->frames || p->end != PORT_SHARED)) {
        snprintf(problem, DECLARATION_PROBLEM, "port \"%s\" of %s: only a bus has a bench", p->name,
                 class->name);
        return false;
    }
    if (m->frames ? !class->on_frame && class->on_bytes : !class->on_bytes && class->on_frame) {
        snprintf(problem, DECLARATION_PROBLEM,
                 "port \"%s\" of %s: what comes by %s goes to %s, which is not there", p->name, class->name,
                 m->name, m->frames ? "on_frame" : "on_bytes");
        return false;
    }
    return check_end(c, class, p, problem);
}

static size_t list_length(const char *const *list)
{
    size_t n = 0;
    while (list && n <= ENV_SHOWS && list[n])
        n++;
    return n;
}

static bool check_class(const struct cast *c, const struct component_class *class,
                        char problem[DECLARATION_PROBLEM])
{
    const struct {
        const char *table;
        size_t count, limit;
    } tables[] = {
        {"ports", class->port_count, ENV_PORTS},
        {"timers", class->timer_count, ENV_TIMERS},
        {"settings", component_settings(class), ENV_SETTINGS},
        {"shows", list_length(class->shows), ENV_SHOWS},
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        if (tables[i].count > tables[i].limit) {
            snprintf(problem, DECLARATION_PROBLEM, "%s has more than %zu %s, or their table lacks its end",
                     class->name, tables[i].limit, tables[i].table);
            return false;
        }
    for (const struct call_spec *call = class->calls; call && call->name; call++)
        if (component_parameters(call) > ENV_VALUES) {
            snprintf(problem, DECLARATION_PROBLEM, "the call \"%s\" of %s has more than %d parameters",
                     call->name, class->name, ENV_VALUES);
            return false;
        }
    unsigned index;
    for (const struct lasting_spec *l = class->lasting; l && l->call; l++)
        if (!component_call(class, l->call, &index)) {
            snprintf(problem, DECLARATION_PROBLEM, "%s says when its call \"%s\" is done, and has none",
                     class->name, l->call);
            return false;
        }
    for (const struct handout_spec *h = class->handouts; h && h->key; h++)
        if (!find(c, h->to)) {
            snprintf(problem, DECLARATION_PROBLEM, "%s hands \"%s\" to \"%s\", which is not in the cast",
                     class->name, h->key, h->to);
            return false;
        }
    if (!class->init) {
        snprintf(problem, DECLARATION_PROBLEM, "%s has no init", class->name);
        return false;
    }
    for (size_t i = 0; i < class->port_count; i++)
        if (!check_port(c, class, &class->ports[i], problem))
            return false;
    return true;
}

bool declarations_check(const struct cast *c, char problem[DECLARATION_PROBLEM])
{
    for (size_t i = 0; i < c->count; i++)
        if (!check_class(c, c->classes[i], problem))
            return false;
    return true;
}

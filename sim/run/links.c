#include "sim/run/links.h"

#include <stdlib.h>
#include <string.h>

#include "lib/media/media.h"
#include "sim/language/language.h"
#include "sim/run/run.h"

static const struct port_spec *spec_of(const struct scenario *s, const struct link_watch *w)
{
    return &s->members[w->member].class->ports[w->port];
}

/* An asking end without a certain server connects when it likes; an optional link counts when its other end
 * is there; a bench needs its vehicle. */
static bool is_awaited(const struct scenario *s, const struct link_watch *w)
{
    const struct port_spec *p = spec_of(s, w);
    unsigned reached;
    if (s->members[w->member].external)
        return false;
    if (p->end != PORT_ASKS)
        return !p->optional && (!p->bench || link_is_whole(s, &s->members[w->member], w->port));
    return p->server && scenario_server(s, &s->members[w->member], w->port, &reached);
}

void links_begin(struct links *l, const struct scenario *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->member_count; i++)
        n += s->members[i].class ? s->members[i].class->port_count : 0;
    *l = (struct links){.watched = calloc(n + 1, sizeof *l->watched)};
    if (!l->watched)
        abort();
    for (size_t i = 0; i < s->member_count; i++)
        for (unsigned k = 0; s->members[i].class && k < s->members[i].class->port_count; k++) {
            struct link_watch *w = &l->watched[l->count++];
            *w = (struct link_watch){.member = i, .port = k};
            w->awaited = is_awaited(s, w);
            w->gated = spec_of(s, w)->waits && !s->members[i].external;
        }
}

void links_free(struct links *l)
{
    free(l->watched);
    *l = (struct links){0};
}

static struct link_watch *find(const struct run *r, const char *name, const char *link, size_t link_len)
{
    for (size_t i = 0; i < r->links.count; i++) {
        struct link_watch *w = &r->links.watched[i];
        const char *own = spec_of(r->scenario, w)->name;
        if (strcmp(r->scenario->members[w->member].name, name) == 0 && strlen(own) == link_len &&
            memcmp(own, link, link_len) == 0)
            return w;
    }
    return NULL;
}

const struct link_watch *links_find(const struct run *r, const char *name, const char *link)
{
    return find(r, name, link, strlen(link));
}

static void set_cut(struct run *r, const struct link_watch *w, bool cut)
{
    r->ops->cut(r, r->scenario->members[w->member].name, spec_of(r->scenario, w)->name, cut);
}

void links_start(struct run *r)
{
    for (size_t i = 0; i < r->links.count; i++)
        if (r->links.watched[i]
                .gated) /* links_cut leaves one that a fault takes already at the start to us */
            set_cut(r, &r->links.watched[i], true);
}

void links_take(struct run *r, const struct trace_event *e)
{
    static const char *const states[] = {[LINK_UP] = "up", [LINK_SUBSCRIBED] = "subscribed"};
    if (r->links.all_ready || e->kind != TRACE_LINK)
        return;
    const char *state = strchr(e->detail, ' ');
    struct link_watch *w = state ? find(r, e->component, e->detail, (size_t)(state - e->detail)) : NULL;
    const struct medium *m = w ? medium_find(media, spec_of(r->scenario, w)->medium) : NULL;
    if (m && strcmp(state + 1, states[m->ready]) == 0)
        w->ready = true;
}

static bool missing(const struct link_watch *w)
{
    return w->awaited && !w->ready && !w->cuts;
}

void links_pump(struct run *r, uint64_t now_us)
{
    struct links *l = &r->links;
    bool others = true, all = true;
    if (l->all_ready)
        return;
    for (size_t i = 0; i < l->count; i++) {
        others &= l->watched[i].gated || !missing(&l->watched[i]);
        all &= !missing(&l->watched[i]);
    }
    for (size_t i = 0; others && i < l->count; i++) {
        struct link_watch *w = &l->watched[i];
        if (!w->gated)
            continue;
        w->gated = false;
        all &= !missing(w);
        if (!w->cuts)
            set_cut(r, w, false);
    }
    l->all_ready = others && all;
    if (!l->all_ready && now_us >= LINKS_DEADLINE_US)
        r->hopeless = true;
}

uint64_t links_due_us(const struct links *l)
{
    return l->all_ready ? UINT64_MAX : LINKS_DEADLINE_US;
}

void links_cut(struct run *r, const char *name, const char *link, bool cut)
{
    struct link_watch *w = find(r, name, link, strlen(link));
    bool was = w && (w->gated || w->cuts);
    if (!w)
        return;
    w->cuts = cut ? w->cuts + 1 : w->cuts ? w->cuts - 1 : 0;
    if (was != (w->gated || w->cuts))
        set_cut(r, w, cut);
}

static void fail_link(struct run *r, const char *link, const char *name)
{
    char words[240] = "";
    if (r->ops->last_words)
        r->ops->last_words(r, name, words);
    run_fail_as(r, FAILURE_WORLD, "the link \"%s\" of %s did not come up%s%s; see its log", link, name,
                words[0] ? "; it says last: " : "", words);
}

void links_judge(struct run *r)
{
    size_t others = 0;
    for (size_t i = 0; !r->links.all_ready && i < r->links.count; i++) {
        const struct link_watch *w = &r->links.watched[i];
        if (!missing(w) || w->gated)
            continue;
        const struct port_spec *p = spec_of(r->scenario, w);
        const char *name = r->scenario->members[w->member].name;
        if (r->failure_count) { /* one of them, or what came before, is the reason of the others */
            others++;
            continue;
        }
        if (p->end == PORT_ASKS)
            run_fail_as(r, FAILURE_WORLD, "the link \"%s\" of %s did not come up: %s did not take it",
                        p->name, name, p->server);
        else
            fail_link(r, p->name, name);
    }
    if (others)
        run_fail_as(r, FAILURE_AFTER, "%zu more link%s did not come up", others, others > 1 ? "s" : "");
}

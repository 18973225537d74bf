#include "sim/world/process_connector.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/media/media.h"
#include "sim/uds/desk.h"
#include "sim/world/process_life.h"

#define NAME  "connector"
#define P2_MS 500 /* a machine that does much else answers late */

size_t process_connector_list(struct process_world *w, struct setup_instance *out)
{
    for (unsigned g = 0; g < w->run->scenario->groups && w->connector_count < DESK_VEHICLES; g++) {
        const struct port_spec *theirs = run_connector(w->run, g);
        struct process_connector *k = &w->connectors[w->connector_count];
        if (!theirs)
            continue;
        k->world = w;
        k->port = *theirs;
        k->port.node = NODE_TESTER;
        k->class = (struct component_class){
            .name = NAME, .place = PLACE_OUTSIDE, .ports = &k->port, .port_count = 1};
        k->who = (struct setup_instance){NAME, &k->class, "", g, false};
        out[w->connector_count++] = k->who;
    }
    return w->connector_count;
}

struct link_tally *process_connector_tally(struct process_world *w, const struct setup_instance *who)
{
    for (size_t i = 0; i < w->connector_count; i++)
        if (who->class == &w->connectors[i].class)
            return &w->connectors[i].tally;
    return NULL;
}

/* ---- the link ---- */

static void on_state(void *ctx, enum link_state state)
{
    ((struct process_connector *)ctx)->state = state;
}

static void on_bytes(void *ctx, const char *address, struct span bytes)
{
    struct process_connector *k = ctx;
    struct bus_frame f;
    (void)address;
    memcpy(&f, bytes.p, sizeof f);
    run_on_connector(k->world->run, k->who.group, process_now_us(k->world), &f);
}

static void on_news(void *ctx, const char *address, const char *news)
{
    (void)ctx;
    (void)address;
    (void)news;
}

static size_t medium_of(const struct port_spec *port)
{
    size_t m = 0;
    while (strcmp(media_setups[m]->medium->name, port->medium) != 0)
        m++;
    return m;
}

static struct link *open_link(struct process_world *w, struct process_connector *k, const char **reason)
{
    size_t m = medium_of(&k->port);
    int listen_fd = -1;
    const struct setup_end end = {.who = &k->who,
                                  .listen_as = -1,
                                  .listen_fd = &listen_fd,
                                  .ring = &k->tokens,
                                  .endpoint = k->endpoint,
                                  .cap = sizeof k->endpoint};
    const struct link_open o = {.event = w->event,
                                .spec = &k->port,
                                .name = NAME,
                                .tally = &k->tally,
                                .endpoint = k->endpoint,
                                .tokens = &k->tokens,
                                .runner = getpid(),
                                .message_max = ENV_VALUE_MAX,
                                .hooks = {k, on_state, on_bytes, on_news}};
    *reason = "nothing carries its frames";
    if (!w->states[m] || !media_setups[m]->driver ||
        !media_setups[m]->endpoint(&w->media[m], w->states[m], &end))
        return NULL;
    return media_setups[m]->driver->open(&o, reason);
}

static struct process_connector *connector_of(struct process_world *w, unsigned group)
{
    for (size_t i = 0; i < w->connector_count; i++)
        if (w->connectors[i].who.group == group)
            return &w->connectors[i];
    return NULL;
}

enum link_state process_connector_state(struct process_world *w, unsigned group)
{
    struct process_connector *k = connector_of(w, group);
    const char *reason = "";
    if (k && !k->link && !k->failed) {
        k->link = open_link(w, k, &reason);
        k->failed = !k->link;
        if (k->failed)
            fprintf(stderr, "spaaksim: tools cannot speak to the vehicle: %s\n", reason);
    }
    return k ? k->state : LINK_DOWN;
}

void process_connector_put(struct process_world *w, unsigned group, const struct bus_frame *f)
{
    struct process_connector *k = connector_of(w, group);
    if (!k || !k->link || k->link->ops->send(k->link, "", span_of(f, sizeof *f)) != ERR_OK)
        return;
    k->link->ops->flush(k->link);
}

/* ---- the desk ---- */

static int on_desk(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct process_world *w = ctx;
    (void)s;
    (void)fd;
    (void)revents;
    if (w->run->guest)
        w->run->guest->serve(w->run->guest->ctx, process_now_us(w));
    return 0;
}

void process_connector_open_desk(struct process_world *w)
{
    desk_open(w->run, P2_MS);
    if (w->run->guest &&
        sd_event_add_io(w->event, &w->desk_source, w->run->guest->fd, EPOLLIN, on_desk, w) < 0)
        run_end_guest(w->run);
}

void process_connector_close(struct process_world *w)
{
    w->desk_source = sd_event_source_disable_unref(w->desk_source);
    run_end_guest(w->run);
    for (size_t i = 0; i < w->connector_count; i++) {
        struct process_connector *k = &w->connectors[i];
        if (k->link)
            k->link->ops->close(k->link);
        k->link = NULL;
        k->state = LINK_DOWN;
        token_ring_clear(&k->tokens);
    }
}

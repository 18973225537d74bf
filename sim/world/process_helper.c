/* The processes that belong to media: hub, broker and the like. */
#include <errno.h>
#include <string.h>

#include "lib/media/media.h"
#include "sim/world/process_life.h"

static size_t medium_index(const struct setup *setup)
{
    size_t i = 0;
    while (media_setups[i] != setup)
        i++;
    return i;
}

int process_setup_helper(struct process_world *w, struct child *c)
{
    struct setup_helper h;
    char log[760], *argv[SETUP_ARGUMENTS + 1] = {NULL};
    size_t i = medium_index(c->setup);
    if (!c->setup->helper_is(&w->media[i], w->states[i], &h))
        return ENOENT;
    for (size_t k = 0; k < SETUP_ARGUMENTS && h.arguments[k][0]; k++)
        argv[k] = h.arguments[k];
    c->tied = h.by_signal;
    process_setup_log(w, c->name, log, sizeof log);
    const struct spawn_how how = {h.fds, h.tied, h.leads, h.variable[0] ? h.variable : NULL};
    return spawn_with(argv, log, &how, &c->pid);
}

/* Somebody has come to the door of a helper that was not started yet. */
static int on_door(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct child *c = ctx;
    (void)s;
    (void)fd;
    (void)revents;
    if (!c->world->ending && !c->pid)
        process_start(c->world, c);
    return 0;
}

/* Who is named may be killed, and who drives by hand may do that, too: then it must be there. */
static bool may_wait(const struct process_world *w, const struct setup_helper *h, const char *name)
{
    return h->door > 0 && !w->run->options->open && !scenario_member(w->run->scenario, name);
}

static bool open_helper(struct process_world *w, size_t i)
{
    const struct setup *setup = media_setups[i];
    struct setup_helper h;
    if (!setup->helper_is || !setup->helper_is(&w->media[i], w->states[i], &h))
        return true;
    struct child *c = process_setup_child_new(w, setup->helper);
    if (!c)
        return false;
    c->setup = setup;
    c->state = w->states[i];
    if (!may_wait(w, &h, c->name))
        return process_start(w, c);
    sd_event_source *source = NULL;
    int rc = sd_event_add_io(w->event, &source, h.door, EPOLLIN, on_door, c);
    if (rc >= 0)
        rc = sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    if (rc >= 0)
        rc = sd_event_source_set_floating(source, 1);
    sd_event_source_unref(source);
    if (rc < 0)
        run_fail(w->run, "%s cannot be waited for: %s", c->name, strerror(-rc));
    return rc >= 0;
}

bool process_helpers_open(struct process_world *w)
{
    for (size_t i = 0; i < w->media_open; i++)
        if (w->states[i] && !open_helper(w, i))
            return false;
    return true;
}

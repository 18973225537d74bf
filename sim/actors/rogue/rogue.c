#include "sim/actors/rogue/rogue.h"

#include <stdio.h>

#define PER_TURN 64 /* frames at once when no pause is asked for */

enum { TIMER_NEXT };

struct injector {
    struct env *env;
    struct bus_frame frame;
    unsigned port;
    uint64_t left, every_us, sent, due_us;
    bool up, started;
};

static const struct port_spec ports[] = {
    [SEGMENT_BODY] = {.name = "body", .kind = PORT_CAN, .segment = SEGMENT_BODY, .node = NODE_TESTER},
    [SEGMENT_TELEMATICS] = {.name = "telematics",
                            .kind = PORT_CAN,
                            .segment = SEGMENT_TELEMATICS,
                            .node = NODE_TESTER},
    [SEGMENT_INFOTAINMENT] = {.name = "infotainment",
                              .kind = PORT_CAN,
                              .segment = SEGMENT_INFOTAINMENT,
                              .node = NODE_TESTER},
    [SEGMENT_DIAGNOSTIC] = {.name = "diagnostic",
                            .kind = PORT_CAN,
                            .segment = SEGMENT_DIAGNOSTIC,
                            .node = NODE_TESTER},
};

static enum err injector_init(void *self, struct env *env, const struct component_args *args)
{
    struct injector *i = self;
    i->env = env;
    i->port = segment_from_name(component_arg(args, "segment", "diagnostic"));
    i->left = component_arg_number(args, "count", 1);
    i->every_us = component_arg_number(args, "every_us", 1000);
    i->due_us = component_arg_number(args, "start_us", 0);
    if (i->port == SEGMENTS)
        return ERR_BAD_ARGUMENT;
    return bus_frame_parse(component_arg(args, "frame", ""), &i->frame);
}

static void inject(struct injector *i)
{
    char detail[64];
    uint64_t now_us = env_now_us(i->env);
    for (unsigned n = 0; i->left && now_us >= i->due_us && n < PER_TURN; n++) {
        if (env_send_frame(i->env, i->port, &i->frame))
            break;
        i->left--;
        i->sent++;
        i->due_us += i->every_us;
    }
    if (i->left) {
        env_timer_set(i->env, TIMER_NEXT, i->due_us > now_us ? i->due_us : now_us + 100);
        return;
    }
    snprintf(detail, sizeof detail, "injected=%llu segment=%s", (unsigned long long)i->sent,
             ports[i->port].name);
    env_trace_note(i->env, TRACE_NOTE, detail);
}

static void injector_on_link(void *self, unsigned port, enum link_state state)
{
    struct injector *i = self;
    if (port != i->port || state == LINK_DOWN || i->started)
        return;
    i->started = true;
    if (i->due_us < env_now_us(i->env))
        i->due_us = env_now_us(i->env);
    inject(i);
}

static void injector_on_timer(void *self, unsigned timer)
{
    (void)timer;
    inject(self);
}

const struct component_class injector_class = {
    .name = "rogue",
    .size = sizeof(struct injector),
    .ports = ports,
    .port_count = SEGMENTS,
    .init = injector_init,
    .on_link = injector_on_link,
    .on_timer = injector_on_timer,
};

#include "sim/actors/rogue/rogue.h"

#include <stdio.h>

#define PER_TURN 64          /* frames at once when no pause is asked for */
#define INJECTED "injected=" /* begins the note that all frames have gone */
#define JOBS     8           /* injections under way at the same time; each has the timer of its number */

struct job {
    struct bus_frame frame;
    unsigned port, counting; /* counting: the byte that is one more in each frame; 0: none */
    uint64_t left, every_us, sent, due_us;
};

struct rogue {
    struct env *env;
    struct job jobs[JOBS];
    bool up[SEGMENTS];
};

#define SEGMENT_PORT(number, text) \
    [number] = {.name = text, .medium = "can", .segment = number, .node = NODE_TESTER}
static const struct port_spec ports[] = {
    SEGMENT_PORT(SEGMENT_BODY, "body"),
    SEGMENT_PORT(SEGMENT_TELEMATICS, "telematics"),
    SEGMENT_PORT(SEGMENT_INFOTAINMENT, "infotainment"),
    SEGMENT_PORT(SEGMENT_DIAGNOSTIC, "diagnostic"),
};

static const struct timer_spec timers[JOBS] = {{"job 1", false}, {"job 2", false}, {"job 3", false},
                                               {"job 4", false}, {"job 5", false}, {"job 6", false},
                                               {"job 7", false}, {"job 8", false}};

static enum err rogue_init(void *self, struct env *env, const struct component_args *args)
{
    struct rogue *r = self;
    (void)args;
    r->env = env;
    return ERR_OK;
}

static void proceed(struct rogue *r, unsigned number)
{
    struct job *j = &r->jobs[number];
    char detail[64];
    uint64_t now_us = env_now_us(r->env);
    if (!j->left || !r->up[j->port])
        return;
    if (!j->sent && j->due_us < now_us)
        j->due_us = now_us;
    for (unsigned n = 0; j->left && now_us >= j->due_us && n < PER_TURN; n++) {
        if (env_send_frame(r->env, j->port, &j->frame))
            break;
        if (j->counting)
            j->frame.data[j->counting]++;
        j->left--;
        j->sent++;
        j->due_us += j->every_us;
    }
    if (j->left) {
        env_timer_set(r->env, number, j->due_us > now_us ? j->due_us : now_us + 100);
        return;
    }
    snprintf(detail, sizeof detail, INJECTED "%llu segment=%s", (unsigned long long)j->sent,
             ports[j->port].name);
    env_trace_note(r->env, TRACE_NOTE, detail);
}

static void rogue_on_link(void *self, unsigned port, enum link_state state)
{
    struct rogue *r = self;
    r->up[port] = state != LINK_DOWN;
    for (unsigned i = 0; i < JOBS; i++)
        if (r->jobs[i].left && r->jobs[i].port == port)
            proceed(r, i);
}

static void rogue_on_timer(void *self, unsigned timer)
{
    proceed(self, timer);
}

/* ---- the call ---- */

enum { INJECT_FRAME, INJECT_SEGMENT, INJECT_COUNT, INJECT_EVERY, INJECT_COUNTING };

static bool is_frame(const char *text)
{
    struct bus_frame f;
    return bus_frame_parse(text, &f) == ERR_OK;
}

static const char *const segments[] = {"body", "telematics", "infotainment", "diagnostic", NULL};

static const struct parameter_spec inject_parameters[] = {
    [INJECT_FRAME] =
        {.name = "frame", .kind = PARAMETER_TEXT, .required = true, .check = is_frame, .form = "3A0#1122"},
    [INJECT_SEGMENT] = {.name = "segment",
                        .kind = PARAMETER_WORD,
                        .words = segments,
                        .fallback = SEGMENT_DIAGNOSTIC},
    [INJECT_COUNT] = {.name = "count", .kind = PARAMETER_NUMBER, .fallback = 1, .min = 1, .max = 1000000},
    [INJECT_EVERY] = {.name = "every", .kind = PARAMETER_DURATION, .fallback = 1000, .max = 3600000000ull},
    [INJECT_COUNTING] = {.name = "counting", .kind = PARAMETER_NUMBER, .max = BUS_FD_MAX - 1},
    {.name = NULL},
};

static enum err inject(void *self, const struct call_value *values)
{
    struct rogue *r = self;
    unsigned i = 0;
    while (i < JOBS && r->jobs[i].left)
        i++;
    if (i == JOBS)
        return ERR_BUSY;
    r->jobs[i] = (struct job){.port = (unsigned)values[INJECT_SEGMENT].number,
                              .left = values[INJECT_COUNT].number,
                              .every_us = values[INJECT_EVERY].number,
                              .due_us = env_now_us(r->env)};
    enum err e = bus_frame_parse(values[INJECT_FRAME].text, &r->jobs[i].frame);
    r->jobs[i].counting = (unsigned)values[INJECT_COUNTING].number;
    if (!e && r->jobs[i].counting && r->jobs[i].counting >= r->jobs[i].frame.len)
        e = ERR_BAD_ARGUMENT;
    if (e)
        r->jobs[i].left = 0;
    else
        proceed(r, i);
    return e;
}

static const struct call_spec calls[] = {
    {"inject", "puts frames on a segment", inject_parameters, inject},
    {.name = NULL},
};

static const struct lasting_spec lasting[] = {{"inject", INJECTED}, {.call = NULL}};

const struct component_class rogue_class = {
    .name = "rogue",
    .place = PLACE_OUTSIDE,
    .size = sizeof(struct rogue),
    .ports = ports,
    .port_count = SEGMENTS,
    .timers = timers,
    .timer_count = JOBS,
    .calls = calls,
    .lasting = lasting,
    .init = rogue_init,
    .on_link = rogue_on_link,
    .on_timer = rogue_on_timer,
};

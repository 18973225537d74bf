/* A scenario, as read from its file and checked: who runs, what is given, what is done, what goes wrong, what
 * is expected, what must never happen. docs/scenarios.md explains the language. What components can be asked,
 * told and given is read from their classes. */
#ifndef sim_language_scenario_h
#define sim_language_scenario_h

#include <stdio.h>

#include "lib/env/cast.h"
#include "lib/env/trace.h"
#include "lib/host/fault.h"
#include "sim/language/tree.h"

#define SCENARIO_MEMBERS  48
#define SCENARIO_ACTIONS  48
#define SCENARIO_UPSETS   8 /* calls beside those of `do`, that a schedule of faults makes (sim/chaos) */
#define SCENARIO_GOALS    8
#define SCENARIO_EXPECTS  96
#define SCENARIO_SETTINGS 16
#define SCENARIO_DEFECTS  8
#define SCENARIO_PATH     6
#define SCENARIO_VARIANTS 24
#define SCENARIO_VARIANT  32
#define SCENARIO_STATES   10
#define SCENARIO_SERIAL   20
#define SCENARIO_NAME     48

enum world_kind { WORLD_PROCESS, WORLD_VIRTUAL, WORLDS };
extern const char *const world_names[]; /* NULL at the end */

/* How long a frame is on a bus of the process world; the virtual world's buses are always wires. */
enum bus_time { BUS_TIME_FREE, BUS_TIME_WIRE };

/* Who takes part: an instance of a class, or what belongs to a medium ("broker"). */
struct member {
    char name[ENV_NAME_MAX];
    const struct component_class *class; /* NULL: a medium's */
    unsigned group;                      /* its vehicle: 0 the first, n for "v000n." */
    char serial[SCENARIO_SERIAL];        /* of its vehicle; "" for who has none */
    bool external;                       /* played by somebody outside the run (sim/run/external.h) */
};

struct given {
    char after[SCENARIO_NAME]; /* the scenario that was lived before; "" for none */
    struct {
        size_t member;
        const struct defect_spec *defect;
    } defects[SCENARIO_DEFECTS];
    size_t defect_count;
};

struct setting {
    size_t member, number; /* of the setting in its class */
    uint64_t value;
};

/* When something is done: at the start of the run or when a step is traced, plus a delay. */
struct moment {
    char step[12]; /* "" = start */
    uint64_t after_us;
};

/* A call to a member; or, when it `moves`, how far away from it, on that port, the other is. */
struct action {
    unsigned line;
    struct moment when;
    size_t member;
    unsigned call;
    struct call_value values[ENV_VALUES];
    bool moves;
    unsigned port;
    size_t other;
    char way[60]; /* in the words of lib/host/link.h */
};

enum expect_kind {
    EXPECT_EVENT, /* a trace event */
    EXPECT_PATH,  /* a sent message that went a path */
    EXPECT_COUNT, /* events of a kind, lengths summed up */
    EXPECT_STATE  /* stores at the end */
};

struct state_check {
    char component[ENV_NAME_MAX], key[ENV_KEY_MAX];
    bool present;
    unsigned line;
};

struct expect {
    enum expect_kind kind;
    unsigned line;
    enum trace_kind event; /* TRACE_KINDS: SEND, STEP or ACCEPT */
    char component[ENV_NAME_MAX], peer[ENV_NAME_MAX], step[12], message[TRACE_MESSAGE], detail[ENV_TEXT_MAX];
    bool detail_whole;  /* the detail is all of it, not a part */
    int reason;         /* enum err, -1: any */
    uint64_t within_us; /* since the event of the expectation before; 0: no limit */
    uint64_t at_least;  /* COUNT */
    bool any_order;
    char path[SCENARIO_PATH][ENV_NAME_MAX];
    size_t path_count;
    char fields[4][64]; /* "key=value" */
    size_t field_count;
    struct state_check states[SCENARIO_STATES];
    size_t state_count;
};

/* What counts, and what people do, in a run under faults that were drawn (sim/chaos). */
struct under_faults {
    bool given;                                               /* the scenario says so itself */
    struct expect goal[SCENARIO_GOALS], ends[SCENARIO_GOALS]; /* all of the goal, or one of the clean ends */
    size_t goal_count, end_count;
    struct action
        repeats[SCENARIO_ACTIONS]; /* made one after the other, each `after` after the round began */
    size_t repeat_count;
    uint64_t every_us; /* from round to round */
    unsigned rounds;   /* at most */
};

struct scenario {
    char file[256], name[SCENARIO_NAME], title[120], use_case[8];
    char variant[SCENARIO_VARIANT]; /* value of the foreach variable in this variant, or "" */
    bool worlds[WORLDS];
    uint64_t limit_us, quiet_us;
    enum bus_time bus_time;
    struct member members[SCENARIO_MEMBERS];
    size_t member_count;
    unsigned groups; /* vehicles, numbers that are left out included */
    struct given given;
    struct setting settings[SCENARIO_SETTINGS];
    size_t setting_count;
    struct action actions[SCENARIO_ACTIONS + SCENARIO_UPSETS];
    size_t action_count;
    struct fault_plan faults;
    uint64_t fault_after_us[FAULT_MAX]; /* kill, cut: delay after their step */
    unsigned fault_lines[FAULT_MAX];
    struct expect expects[SCENARIO_EXPECTS];
    size_t expect_count;
    struct expect nevers[SCENARIO_EXPECTS];
    size_t never_count;
    unsigned unjudged[2 * SCENARIO_EXPECTS]; /* lines of what cannot be judged: it is of who is external */
    size_t unjudged_count;
    struct under_faults under_faults;
};

/* Reads a file; a foreach makes several scenarios of it. Free *out with free(). False and a problem
 * otherwise. */
bool scenario_load(const char *file, struct scenario **out, size_t *count, struct tree_problem *problem);
/* The same; also writes what was understood, a line for each value (dump.c). NULL: nobody wants it. */
bool scenario_load_and_dump(const char *file, struct scenario **out, size_t *count, FILE *dump,
                            struct tree_problem *problem);
/* Where scenarios that others name are looked up: gives a path to be freed, or NULL. Set by the program. */
extern char *(*scenario_finder)(const char *name);
/* The name that may have been meant; "" for none. NULL: nobody knows. Set by the program. */
extern void (*scenario_nearest)(const char *name, char out[64]);
/* "pp01-spaak-killed[PP-01/9]". */
void scenario_label(const struct scenario *s, char out[96]);
/* NULL for who does not take part. */
const struct member *scenario_member(const struct scenario *s, const char *name);
/* Settings of a member, in the order of its class. */
void scenario_settings(const struct scenario *s, size_t member, uint64_t out[ENV_SETTINGS]);
/* The member that an asking port reaches, and the port it reaches there; NULL when it does not take part. */
const struct member *scenario_server(const struct scenario *s, const struct member *m, unsigned port,
                                     unsigned *server_port);

/* ---- words of the language that others read too ---- */

/* A call's parameter from its text: checked against its declaration. False and a sentence. `s`: whose
 * vehicles. */
bool parameter_read(const struct scenario *s, const struct parameter_spec *spec, const char *text,
                    struct call_value *out, char *problem, size_t cap);
/* A fault from a mapping of one key: {lose: {message: ..., link: ...}}. `s`: whose links. */
bool fault_read(const struct scenario *s, const struct tree *y, struct fault *out, struct tree_problem *p);
/* Brings in who can be called so, when nobody who takes part can. */
bool scenario_add_callee(struct scenario *s, const char *call, struct tree_problem *p);
/* All parameters at their defaults; false and a sentence when a required one is left out (given[i] false). */
bool parameters_complete(const struct scenario *s, const struct call_spec *call, const bool *given,
                         struct call_value *values, char *problem, size_t cap);

#endif

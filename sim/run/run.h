/* One run of one scenario in one world: what both worlds share. A world feeds events, frames and bytes in;
 * the run triggers actions and faults, knows when all is seen, and is judged at its end. Whether records are
 * kept is another matter (sim/run/records.h): pasts and sweeps keep none. */
#ifndef sim_run_run_h
#define sim_run_run_h

#include "lib/host/node.h"
#include "sim/language/scenario.h"
#include "sim/run/claims.h"
#include "sim/run/external.h"
#include "sim/run/links.h"
#include "sim/run/match.h"

enum verdict { VERDICT_PASS, VERDICT_FAIL, VERDICT_BLOCKED, VERDICT_SKIPPED };
const char *verdict_name(enum verdict v);

#define RUN_FAILURES      24
#define RUN_FAILURE_TEXT  700
#define RUN_TRIGGERS      (SCENARIO_ACTIONS + SCENARIO_UPSETS + 2 * FAULT_MAX)
#define RUN_MEDIA         8
#define RUN_ANNOUNCEMENTS 16

/* In the order in which failures are told. */
enum failure_rank {
    FAILURE_WORLD,  /* the run could not go on as meant: a crash, an interrupt, something missing */
    FAILURE_RULE,   /* something that must not happen has */
    FAILURE_RECORD, /* a record is not whole */
    FAILURE_CAUSE,  /* the refusal behind what was missed */
    FAILURE_FAULT,  /* what the scenario itself sets off did not come about */
    FAILURE_EXPECT, /* the first expectation that was missed, and what came nearest */
    FAILURE_AFTER,  /* what follows from all that */
    FAILURE_HINT    /* where to read more */
};

enum trigger_kind { TRIGGER_ACTION, TRIGGER_KILL, TRIGGER_RESTART, TRIGGER_CUT, TRIGGER_HEAL };
enum trigger_state { TRIGGER_WAITS, TRIGGER_DUE, TRIGGER_DONE };

struct trigger {
    enum trigger_kind kind;
    enum trigger_state state;
    struct moment when;
    size_t index; /* of the action or the fault */
    uint64_t due_us;
};

struct run;

enum presence {
    PRESENCE_NONE, /* nobody in this world has the name */
    PRESENCE_DEAD, /* killed, or ended by itself */
    PRESENCE_ALIVE
};

/* Somebody beside the scenario who takes part in a run: tools at the connectors of its vehicles (sim/uds). It
 * is looked after in the turns of the world; as long as nobody comes it asks for none. */
struct run_guest {
    void *ctx;
    int fd; /* readable: serve has something to do */
    void (*serve)(void *ctx, uint64_t now_us);
    /* A frame of others was heard at the connector of a vehicle. */
    void (*frame)(void *ctx, unsigned group, uint64_t now_us, const struct bus_frame *f);
    void (*pump)(void *ctx, uint64_t now_us); /* does what is due */
    uint64_t (*due_us)(void *ctx);            /* UINT64_MAX: nothing */
    bool (*busy)(void *ctx);                  /* waits for somebody of the world */
    void (*close)(void *ctx);
};

/* Who puts a run to the test with faults that were drawn (sim/chaos): a fault that finds nothing to act on
 * and a call that is never made are then no failures, nothing that the scenario expects is looked for, and
 * the run ends when the trial says so. */
struct run_trial {
    void *ctx;
    void (*pump)(void *ctx, struct run *r, uint64_t now_us);
    uint64_t (*due_us)(void *ctx); /* UINT64_MAX: nothing */
    /* The world is quiet; true: something was set off, and the run goes on. */
    bool (*quiet)(void *ctx, struct run *r, uint64_t now_us);
    void (*judge)(void *ctx, struct run *r); /* adds failures; stores are there */
    /* An action of the scenario is about to be made; false: it is not made. NULL: each is. */
    bool (*may)(void *ctx, size_t action);
};

/* Who plays those of a virtual world who do not live in it (sim/replay): they have their places on the links,
 * and nobody starts them. */
struct virtual;
struct run_players {
    void *ctx;
    bool (*lives)(void *ctx, const char *member);
    void (*begin)(void *ctx, struct run *r,
                  struct virtual *v); /* everybody has a place, nobody has started */
    void (*frame)(void *ctx, uint64_t now_us, const char *bus, const struct bus_frame *f);
    void (*tap)(void *ctx, const struct tap_event *e); /* at who lives and has a port for APDUs */
};

/* What a world must be able to do. Names are those of members, and of the media's helpers. */
struct world_ops {
    void (*kill)(struct run *r, const char *name);
    void (*start)(struct run *r, const char *name);
    void (*cut)(struct run *r, const char *name, const char *link, bool cut);
    void (*call)(struct run *r, const struct action *a);
    /* That is how far away they are from now on, also in lives that are to come. */
    void (*move)(struct run *r, const struct action *a);
    /* A fault of r->plan is new or has changed: whoever keeps a copy hears of it. */
    void (*fault)(struct run *r, const struct fault *f);
    enum presence (*presence)(struct run *r, const char *name);
    /* What its log ends with; "" for nothing. NULL: this world has no logs. */
    void (*last_words)(struct run *r, const char *name, char out[240]);
    /* The diagnostic connector of a vehicle; asked for first, it is opened. Frames of others that are heard
     * there then go to run_on_connector. */
    enum link_state (*connector)(struct run *r, unsigned group);
    /* Puts a frame on the diagnostic segment there; one that does not go is lost. */
    void (*put)(struct run *r, unsigned group, const struct bus_frame *f);
    /* The folder of the run for sockets and what helpers leave, while the world is there; "": none. NULL:
     * this world has none. */
    const char *(*folder)(const struct run *r);
    /* Has somebody asked the run to end? For what takes long. */
    bool (*interrupted)(void);
    /* The component's store when the run is over; NULL when it has none. */
    struct store *(*store)(struct run *r, const char *name);
};

struct run_options {
    enum world_kind world;
    uint64_t seed;
    const char *out;                /* directory for the records, made when missing; NULL: no records */
    const char *choices[RUN_MEDIA]; /* of the media's options, in the order of the table */
    const char *beside;             /* a shell command to run beside the buses; NULL: none */
    int64_t epoch_ms;               /* virtual: wall clock at time 0; 0: VIRTUAL_EPOCH_MS */
    struct past *result;            /* virtual: gets what the run leaves; NULL: nobody wants it */
    struct work_memo *memo;         /* of other runs in virtual time, and lives before them; NULL: none */
    int memo_fd;                    /* the same for components that are processes; 0: they do every work */
    uint64_t record_max;            /* bytes of a record; 0: RECORD_MAX */
    const char *external;          /* names of members whom somebody outside plays: "phone,wcp"; NULL: none */
    uint64_t wait_us;              /* for them, each time; 0: EXTERNAL_WAIT_US */
    unsigned depth;                /* lives that this one is the past of */
    bool bytes;                    /* record all bytes that enter or leave a component */
    bool keep_past;                /* records of lives before the run, too */
    bool open;                     /* no end of its own, and signals are the caller's: a person drives it */
    unsigned columns;              /* of the terminal that shows it; 0: lines are as long as they are */
    uint64_t past_seed;            /* of the lives before a virtual run; 0: the run's */
    const struct run_trial *trial; /* NULL: the scenario judges */
    const struct run_players *players; /* virtual; NULL: everybody lives */
    const struct fault_census *census; /* virtual: hears what faults could be meant for; NULL: nobody */
    bool quiet, colour, verbose;
    void (*print)(const char *line); /* takes the lines for the console; NULL: standard output does */
};

struct run {
    const struct scenario *scenario;
    const struct run_options *options;
    const struct world_ops *ops;
    void *world;
    uint64_t limit_us;
    uint64_t late_us;              /* the most by which real time was ahead of what should have been done */
    int64_t wall_offset_us;        /* wall clock at time 0 */
    uint64_t grace_us;             /* on top of every `within`: MATCH_REAL_GRACE_US where time is real */
    bool in_order;                 /* events come in the order of their times: claims are judged at each */
    struct records *records;       /* NULL: none */
    const struct run_guest *guest; /* NULL: nobody */
    /* what happened */
    struct trace_event *events;
    size_t event_count, event_cap;
    uint64_t frames;
    /* triggers */
    struct fault_plan plan; /* the scenario's faults, with their counters in this run */
    bool fault_fired[FAULT_MAX];
    bool call_done[SCENARIO_ACTIONS + SCENARIO_UPSETS]; /* of those that take time: see calls.h */
    struct trigger triggers[RUN_TRIGGERS];
    size_t trigger_count;
    /* progress */
    struct matcher matcher;
    struct claims claims;
    struct links links;
    struct externals externals;
    size_t judged;
    bool complete;
    uint64_t complete_at_us;
    bool hopeless;  /* nothing that happens could make it pass any more */
    bool quiet_end; /* because the world was quiet and something still missing */
    bool open;      /* no end of its own: a person drives it (play); from the options */
    bool unsettled; /* ends while something is under way: who agrees with whom is not judged */
    /* result */
    enum verdict verdict;
    char failures[RUN_FAILURES][RUN_FAILURE_TEXT];
    uint8_t failure_ranks[RUN_FAILURES];
    size_t failure_count, failures_lost;        /* lost: there was no room for them */
    char announcements[RUN_ANNOUNCEMENTS][200]; /* for who drives it: where something is to be had */
    size_t announced;
    char transport[240];    /* what carries CAN and GSDP, in words */
    struct run_store_keys { /* what components' secrets are sealed with, beside their stores */
        uint8_t key[ENV_STORE_KEY], former[ENV_STORE_KEY];
        bool changed;
    } store_keys;
    double began_ms, wall_ms; /* on a clock that is never set; what the run took, known with its verdict */
};

/* Fills in a run that was zeroed. */
void run_begin(struct run *r, const struct scenario *s, const struct run_options *options,
               const struct world_ops *ops, void *world);
/* Time 0 has come: cuts that hold from the start, gates that wait for the rest. */
void run_start(struct run *r);
void run_on_event(struct run *r, const struct trace_event *e);
void run_on_frame(struct run *r, uint64_t now_us, const char *bus, const struct bus_frame *f);
void run_on_tap(struct run *r, const struct tap_event *e);
void run_on_keep(struct run *r, const struct medium *m, const char *file, struct span bytes);
/* The port by which somebody of that vehicle stands on its diagnostic segment; NULL: nobody does. */
const struct port_spec *run_connector(const struct run *r, unsigned group);
void run_on_connector(struct run *r, unsigned group, uint64_t now_us, const struct bus_frame *f);
/* The guest leaves, if there is one. */
void run_end_guest(struct run *r);
/* When the world must call run_pump at the latest; UINT64_MAX for no reason to. */
uint64_t run_next_due_us(const struct run *r);
/* Does what is due. */
void run_pump(struct run *r, uint64_t now_us);
/* A kill took effect in the component's own host: its restart is due after the fault's delay. */
void run_restart_later(struct run *r, size_t fault, uint64_t now_us);
/* Everything expected was seen, every fault fired, and the quiet time is over; or nothing more can come of
 * it. */
bool run_finished(struct run *r, uint64_t now_us);
/* On somebody's word a step has been reached: what waits for it is done. False when nothing does. */
bool run_take_step(struct run *r, const char *step, uint64_t now_us);
/* The world is quiet: nothing in flight, no timer pending but cyclic ones. Ends a run that still misses
 * something. */
void run_on_quiet(struct run *r, uint64_t now_us);
/* Nothing of the runner's own is still to come at a certain time. */
bool run_idle(const struct run *r);
/* Makes an action that moves, and notes it. */
void run_move(struct run *r, const struct action *a, uint64_t now_us);
/* Judges and gives the verdict. The stores are still there. */
void run_end(struct run *r, uint64_t now_us);
/* Something failed after that: the verdict is given anew. */
void run_amend(struct run *r, uint64_t now_us);
void run_free(struct run *r);
/* failures.c: a failure of the world, or of that rank. */
void run_fail(struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void run_fail_as(struct run *r, enum failure_rank rank, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A fault of messages, from now on; it gets a number. False when FAULT_MAX of them wait for their message
 * already. */
bool run_add_fault(struct run *r, const struct fault *f);
/* Takes all of these back. */
void run_clear_faults(struct run *r);
/* Does it still wait for a message? */
bool run_fault_waits(const struct run *r, size_t fault);
/* Says in the trace what the runner did. */
void run_note(struct run *r, uint64_t now_us, enum trace_kind kind, const char *component, const char *text,
              unsigned fault);
#endif

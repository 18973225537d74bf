/* One run of one scenario in one world: what both worlds share. A world feeds events and frames in; the run
 * prints them, triggers actions and faults, knows when all is seen, and hands the records to the judge. */
#ifndef sim_run_run_h
#define sim_run_run_h

#include <stdio.h>

#include "lib/host/store.h"
#include "sim/language/scenario.h"

enum verdict { VERDICT_PASS, VERDICT_FAIL, VERDICT_BLOCKED, VERDICT_SKIPPED };
const char *verdict_name(enum verdict v);

#define RUN_FAILURES     24
#define RUN_FAILURE_TEXT 320
#define RUN_TRIGGERS     (SCENARIO_ACTIONS + 2 * FAULT_MAX)

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

/* What a world must be able to do. */
struct world_ops {
    void (*kill)(struct run *r, const char *component);
    void (*start)(struct run *r, const char *component);
    void (*cut)(struct run *r, const char *component, const char *link, bool cut);
    void (*renew)(struct run *r);
    void (*inject)(struct run *r, size_t action);
    /* The component's store when the run is over; NULL when it has none. */
    struct store *(*store)(struct run *r, const char *component);
};

struct run_options {
    enum world_kind world;
    uint64_t seed;
    const char *out;  /* directory for the records, made when missing */
    const char *can;  /* "auto", "hub", "vcan", or "body=can0,telematics=can1,..." */
    const char *gsdp; /* "auto" or mqtts://host[:port] */
    const char *tap;  /* a command to run beside the buses; NULL: none */
    bool quiet, colour, verbose;
};

struct run {
    const struct scenario *scenario;
    const struct run_options *options;
    const struct world_ops *ops;
    void *world;
    uint64_t limit_us;
    /* records */
    struct trace_event *events;
    size_t event_count, event_cap;
    FILE *can_log;
    uint64_t frames;
    int64_t wall_offset_us; /* wall clock at time 0 */
    /* triggers */
    struct fault_plan plan; /* the scenario's faults, with their counters in this run */
    bool fault_fired[FAULT_MAX];
    struct trigger triggers[RUN_TRIGGERS];
    size_t trigger_count;
    /* progress */
    size_t judged;
    size_t printed; /* events before this one are on the console */
    bool complete;
    uint64_t complete_at_us;
    /* result */
    enum verdict verdict;
    char failures[RUN_FAILURES][RUN_FAILURE_TEXT];
    size_t failure_count;
    char transport[240]; /* what carries CAN and GSDP, in words */
    double wall_ms;
};

/* mkdir -p. */
bool run_make_directories(const char *path);
/* Opens the records. False and a failure when the directory cannot be made or is in use. */
bool run_begin(struct run *r, const struct scenario *s, const struct run_options *options,
               const struct world_ops *ops, void *world);
void run_on_event(struct run *r, const struct trace_event *e);
void run_on_frame(struct run *r, uint64_t now_us, const char *bus, const struct bus_frame *f);
/* When the world must call run_pump at the latest; UINT64_MAX for no reason to. */
uint64_t run_next_due_us(const struct run *r);
/* Does what is due. */
void run_pump(struct run *r, uint64_t now_us);
/* A kill took effect in the component's own host: its restart is due after the fault's delay. */
void run_restart_later(struct run *r, size_t fault, uint64_t now_us);
/* Everything expected was seen, every fault fired, and the quiet time is over. */
bool run_finished(struct run *r, uint64_t now_us);
/* Judges, writes the records, prints the verdict. The stores are still there. */
void run_end(struct run *r, uint64_t now_us);
void run_free(struct run *r);
void run_fail(struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The "renew vehicle identity" call for the scenario's vehicle, as bytes; returns their number. */
size_t run_renew_call(uint8_t out[64]);
/* Says in the trace what the runner did. */
void run_note(struct run *r, uint64_t now_us, enum trace_kind kind, const char *component, const char *text,
              unsigned fault);

/* judge.c: is every expectation about events met by the events so far? */
bool judge_events_met(const struct run *r);
/* Adds failures for all that does not hold: expectations, nevers, states, faults, invariants. */
void judge_run(struct run *r);

/* report.c */
void report_write_trace(const struct run *r, const char *path);
struct report_row {
    char label[96], world[12], detail[RUN_FAILURE_TEXT];
    enum verdict verdict;
    double seconds;
};
bool report_write_junit(const char *path, const struct report_row *rows, size_t n);
/* out/pp01 -> out/pp01/<file>. */
void report_path(const struct run *r, const char *file, char *out, size_t cap);

/* The two worlds. */
enum verdict world_virtual_run(struct run *r, const struct scenario *s, const struct run_options *options);
enum verdict world_process_run(struct run *r, const struct scenario *s, const struct run_options *options);

#endif

/* Components of a run whom somebody outside plays: nothing here starts them, their ends of links are open
 * (docs/air.md), and what they do shows at the ends of others.
 *
 * What a scenario expects of them cannot be judged and is named as such; what it asks of them is an
 * instruction to a person. An instruction is followed when the link shows it, when a step that the scenario
 * waits for is reached, or on somebody's word (a line). Who stands on a bus or listens must be there before
 * anything is asked of anybody. Each wait has a bound. */
#ifndef sim_run_external_h
#define sim_run_external_h

#include "lib/host/node.h"
#include "sim/language/scenario.h"

#define EXTERNAL_WAIT_US  60000000ull
#define EXTERNAL_SEATS    8
#define EXTERNAL_WISHES   16 /* as many as a scenario has calls */
#define EXTERNAL_PROBLEM  400
#define EXTERNAL_UNJUDGED 600
#define EXTERNAL_FOLDER   "external" /* of the records: what they need, for this user alone */

struct run;

/* What it was asked to do and nothing shows yet. */
struct external_wish {
    char what[160];
    uint64_t since_us;
};

struct external_seat {
    size_t member;
    bool stands;                                  /* must be there from the start */
    bool there;                                   /* has been seen */
    bool asked;                                   /* has been asked for something */
    struct external_wish wishes[EXTERNAL_WISHES]; /* the oldest first */
    size_t wish_count;
    unsigned links;   /* over the air, as others see them */
    char socket[108]; /* that it makes, when it listens; "": none */
    char where[1200]; /* how it comes, for a person */
};

struct externals {
    struct external_seat seats[EXTERNAL_SEATS];
    size_t count;
    uint64_t wait_us, looked_us;
    bool told_steps; /* a person has been told what can be typed */
};

/* external_mark.c: takes those of a list "phone,wcp" out of the scenario's hands. False and a sentence when
 * one of them cannot be played from outside. */
bool external_mark(struct scenario *s, const char *list, char problem[EXTERNAL_PROBLEM]);
/* "not judged, since it is played from outside: lines 24, 25; which ..."; "" for nothing. */
void external_unjudged(const struct scenario *s, char out[EXTERNAL_UNJUDGED]);

void externals_begin(struct run *r);
/* The links of a member are open: where, and a socket that it makes itself ("": none). */
void externals_open(struct run *r, size_t member, const char *where, const char *socket);
/* Is everybody there who stands somewhere? */
bool externals_there(const struct run *r);
/* Has nobody of them shown up, though nothing but what they do was expected? */
bool externals_nobody(const struct run *r);
/* Is somebody waited for? */
bool externals_awaited(const struct run *r);
/* False: the member is played here. */
bool externals_call(struct run *r, const struct action *a, uint64_t now_us);
/* How far away: false when the end that keeps it is played here. `text` is for a person. */
bool externals_move(struct run *r, const struct action *a, const char *text, uint64_t now_us);
void externals_frame(struct run *r, uint64_t now_us, const char *bus, const struct bus_frame *f);
void externals_tap(struct run *r, const struct tap_event *e);
void externals_event(struct run *r, const struct trace_event *e);
/* A step was reached that the scenario waited for. */
void externals_moved(struct run *r, uint64_t now_us);
/* A line from whoever plays: "" for "the oldest that is waited for is done", or the step that was reached. */
void externals_word(struct run *r, const char *line, uint64_t now_us);
/* Is a line taken now, which is a step or an Enter? */
bool externals_hear(const struct run *r, bool step);
/* May somebody who is there do something of his own accord? When calls wait for it, that is said, once. */
bool externals_may_act(struct run *r);
void externals_pump(struct run *r, uint64_t now_us);
uint64_t externals_due_us(const struct run *r);
/* What a run is that did not pass: BLOCKED, with the reason, when somebody who was asked never came. */
enum verdict externals_verdict(struct run *r);

#endif

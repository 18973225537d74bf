/* Plays everybody but those under test from a record, in a virtual world: frames onto their buses, commands
 * and answers between readers and cards, what people do. What the others said is told no earlier than it was,
 * and no earlier than those under test have said what came before it in the record. */
#ifndef sim_replay_player_h
#define sim_replay_player_h

#include "sim/replay/compare.h"
#include "sim/replay/record.h"
#include "sim/run/run.h"

#define PLAYER_PATIENCE_US 3000000u /* for what those under test have still to say */
#define PLAYER_FINDINGS    200      /* told; more are counted */

struct player_finding {
    enum compare_result result;
    unsigned line; /* of the record; 0: not in it */
    const char *file;
    char text[COMPARE_TEXT];
};

struct player_turn; /* what is to be played */
struct player_air;

struct player {
    struct run_players players; /* for the run's options */
    struct run_trial trial;
    const struct scenario *scenario; /* with its calls */
    const struct record *record;
    bool at_pace; /* of the record, by the clock on the wall */
    bool lives[SCENARIO_MEMBERS];
    struct compare compare;
    struct run *run;
    struct virtual *v;
    /* what is to come */
    struct player_turn *turns;
    size_t turn_count, turn_cap, next_turn;
    bool *mine, *done; /* of the record's items: said by those under test, and heard now */
    size_t first_unheard;
    size_t first_open;  /* of those that others wait for */
    uint64_t offset_us; /* by which this run is behind the record */
    uint64_t wake_us, stuck_us, end_us;
    struct player_air *air; /* NULL: nobody's radio is played */
    double began_ms;
    bool over;
    /* what came of it */
    struct player_finding *findings;
    size_t finding_count, findings_lost;
    size_t compared, same, explained, different, open, played;
};

/* *p is zeroed; then scenario, record, lives, at_pace, compare.exact are set. False and a sentence when the
 * record has nothing for those under test, or calls that the scenario does not make. */
bool player_prepare(struct player *p, char problem[RECORD_PROBLEM]);
void player_free(struct player *p);

/* Plays what is due and free; comes again at that time. */
void player_go_on(struct player *p);
void player_wake_at(struct player *p, uint64_t time_us);

/* hear.c: what those under test say, against the record. `at`: of its items; SIZE_MAX: none. */
void player_hear_frame(void *player, uint64_t now_us, const char *bus, const struct bus_frame *f);
void player_hear_tap(void *player, const struct tap_event *e);
void player_find(struct player *p, enum compare_result result, size_t at, const char *name, const char *text);
/* The next words, or SDU, that the record has of him; its count: none. */
size_t player_next_air(const struct player *p, const char *who, bool words);
void player_name(struct player *p, size_t at, char out[COMPARE_TEXT]);

/* turns.c: what is to be played and when, and what is to be heard. */
enum player_deed {
    DEED_FRAME,
    DEED_COMMAND,
    DEED_ANSWER,
    DEED_SDU,
    DEED_NEWS,
    DEED_CALL,
    DEED_FIELD,
    DEED_COME,
    DEED_GO
};
struct player_turn {
    enum player_deed deed;
    uint64_t at_us;
    size_t item, member; /* of the record (SIZE_MAX: none), of the scenario */
    unsigned group;      /* frame */
    enum segment segment;
    const struct action *action; /* call */
    const char *reader;          /* come, field */
    bool on;                     /* field */
};
bool turns_make(struct player *p, char problem[RECORD_PROBLEM]);

/* whose.c: who stands where. */
size_t whose_member(const struct player *p, const char *name);
/* Is he under test? */
bool whose_lives(const struct player *p, size_t member);
/* The vehicle and the segment that a bus of a log is; false: no such bus. */
bool whose_bus(const struct player *p, const char *bus, unsigned *group, enum segment *segment);
/* The node that a member is on that segment; false: he is not on it. */
bool whose_segment(const struct member *m, enum segment s, enum matrix_node *node);
/* Is one of those under test on that segment? */
bool whose_hears(const struct player *p, unsigned group, enum segment segment);
/* The port of a member that carries APDUs, at that end; false: none. */
bool whose_apdu_port(const struct member *m, enum port_end end, unsigned *port);
/* Do those under test put this frame on this bus? */
bool whose_is_mine(const struct player *p, const char *bus, const struct bus_frame *f);
/* Is the frame of a turn meant for one of them? */
bool whose_is_for_mine(const struct player *p, const struct player_turn *t);
/* Is this said again and again, so that nobody waits for it? */
bool whose_is_cyclic(const struct record_item *i);
/* The port by which a member is on the air; false: none. */
bool whose_radio(const struct member *m, unsigned *port);
/* Is he under test, and is what he hears there played? Not when who is at the other end is under test, too.
 */
bool whose_is_on_air(const struct player *p, size_t member);

/* pairs.c: SDUs that did not arrive as they left. */
void pairs_check(struct player *p);

/* air.c: the radios of those under test. */
void air_begin(struct player *p); /* before anybody starts */
void air_play(struct player *p, const struct player_turn *t);
/* What the record calls an address that the player has made anew. */
const char *air_recorded(const struct player *p, const char *address);

#endif

/* play: the world of a scenario, driven by hand. Its components and what they are given stay up; lines from
 * the keyboard or a pipe call, kill, cut and corrupt. What can be said is read from the classes of those who
 * take part. */
#ifndef sim_play_play_h
#define sim_play_play_h

#include "sim/options.h"
#include "sim/world/world.h"

#define PLAY_LINE_MAX 1000 /* characters of a line */
#define PLAY_WORDS    32   /* of one command, at most */
#define PLAY_PROBLEM  500
#define PLAY_VIRTUAL_US                                                                                     \
    60000000u                     /* so long at most a line waits until the world is quiet; of its own time \
                                   */
#define PLAY_PROCESS_US 10000000u /* of ours */
#define PLAY_RUN_MAX_US 86400000000u /* of `run` */
#define PLAY_SLICE_US   20000u       /* in real time: how long a key or Ctrl-C may wait */
#define PLAY_MOVES      64           /* pairs of devices whose distance is told */
#define PLAY_NAMES      (SCENARIO_MEMBERS + RUN_MEDIA)

/* What a stretch of the world's time ended with. */
enum stretch_end {
    STRETCH_GOES_ON,
    STRETCH_QUIET,
    STRETCH_TIME, /* until_us has come */
    STRETCH_STEP,
    STRETCH_SERVED,
    STRETCH_BREAK, /* Ctrl-C */
    STRETCH_OVER   /* nothing more can be had of this world */
};

struct stretch {
    uint64_t until_us;
    bool until_quiet;
    bool until_served; /* no tool waits for an answer */
    char step[12];     /* ends when it is traced; "": no step does */
    enum stretch_end end;
    size_t seen; /* events before this one were there already, or were looked at */
    uint64_t from_us;
};

enum play_state {
    PLAY_GOES_ON,
    PLAY_ENDS, /* quit, end of input, Ctrl-C twice, a signal */
    PLAY_IS_OVER
};

struct play {
    struct scenario scenario; /* without its do, faults, expect and never */
    struct run_options options;
    char out[600];
    struct run *run;
    const struct world_driver *driver;
    enum play_state state;
    struct stretch stretch;
    bool asked;   /* by this line, of the world, which is to go on until it is quiet */
    bool pending; /* it has not been quiet since */
    bool by_hand; /* a person types, who sees at once what is wrong */
    unsigned lines, wrong_lines, turns;
    unsigned undone; /* commands of the last line */
    size_t told;     /* failures of the run that were said */
    uint64_t broken_us;
    struct action moves[PLAY_MOVES]; /* the last of each pair */
    size_t move_count;
    char problem[PLAY_PROBLEM]; /* why the line is wrong */
};

/* The words of one command. */
struct words {
    char text[PLAY_LINE_MAX + PLAY_WORDS + 1];
    char *word[PLAY_WORDS + 1];
    size_t count;
};

struct play_command {
    const char *name, *form, *is;
    bool (*run)(struct play *p, const struct words *w);
};
extern const struct play_command play_commands[]; /* ends with a NULL name */

/* play.c */
/* Lets the world go on. */
enum stretch_end play_proceed(struct play *p, struct stretch s);
/* Until it is quiet; says so when it is not in time. */
void play_settle(struct play *p);
/* Keeps why a line is wrong; always false, for `return play_wrong(...)`. */
bool play_wrong(struct play *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for a word that is none of the candidates (NULL at the end): names the closest. */
bool play_unknown(struct play *p, const char *what, const char *word, const char *const *candidates);
/* A line of output. */
void play_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* lines.c */
/* Does what a line says; false with the problem. What it has left undone is counted. */
bool play_line(struct play *p, const char *line, size_t len);
/* Says what was wrong with the line, or which of its commands were not done. */
void play_tell_line(struct play *p, bool ok);
/* The world has ended: lines that it no longer lived to hear are a failure. */
void play_tell_unheard(struct play *p);
/* The words of the next command at *at, which moves behind it, wrong or not. False with the problem. */
bool words_next(const char **at, struct words *out, char problem[PLAY_PROBLEM]);
/* For a word that is neither a command nor a component; always false. */
bool play_unknown_word(struct play *p, const char *word);
/* Everybody who can be killed and started: members, then the media's helpers. NULL at the end; good until the
 * next call. */
const char *const *play_names(const struct play *p);

/* deeds.c: the commands. */
bool play_done(struct play *p, const struct words *w);
bool play_kill(struct play *p, const struct words *w);
bool play_start(struct play *p, const struct words *w);
bool play_cut(struct play *p, const struct words *w);
bool play_distance(struct play *p, const struct words *w);
bool play_heal(struct play *p, const struct words *w);
bool play_fault(struct play *p, const struct words *w);
bool play_clear(struct play *p, const struct words *w);
bool play_wait(struct play *p, const struct words *w);
bool play_run(struct play *p, const struct words *w);
bool play_quit(struct play *p, const struct words *w);

/* tell.c: what prints. */
/* Where a person reaches what runs: addresses for a browser, the mail; and what virtual time has not. */
void play_tell_ways(const struct play *p);
bool play_state(struct play *p, const struct words *w);
bool play_help(struct play *p, const struct words *w);

/* complete.c: what may stand at the end of a beginning of a line, whole words. How many; each is to be freed.
 */
size_t play_complete(const struct play *p, const char *beginning, char **out, size_t cap);

#endif

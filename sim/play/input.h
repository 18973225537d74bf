/* Where lines come from: a terminal, with readline, or whatever standard input is; and the signals that a
 * person sends. They are blocked and read from a descriptor, so that nothing is ever cut off in the middle.
 */
#ifndef sim_play_input_h
#define sim_play_input_h

#include "sim/play/play.h"

enum input_news {
    INPUT_NOTHING,
    INPUT_LINE,
    INPUT_BESIDE, /* the descriptor beside is readable */
    INPUT_END,
    INPUT_BREAK, /* SIGINT */
    INPUT_STOP   /* SIGTERM, SIGHUP; and SIGINT where nobody sits at a prompt */
};

struct input_line {
    const char *bytes; /* ends with a NUL, may hold others */
    size_t len;        /* longer than PLAY_LINE_MAX: the rest of it is lost */
};

/* False when there is no descriptor left. `completer`: whose names complete a line; kept. */
bool input_open(const struct play *completer);
void input_close(void);
/* Another descriptor that input_wait wakes for; -1: none. */
void input_beside(int fd);
/* Does a person type? */
bool input_is_by_hand(void);
/* Waits for a line, a signal, or so long (-1: for ever). A line is good until the next call. */
enum input_news input_wait(int timeout_ms, struct input_line *out);
/* The signal that has come meanwhile: NOTHING, BREAK or STOP. */
enum input_news input_signal(void);
/* Name of the signal of the last INPUT_STOP. */
const char *input_signal_name(void);
/* A line of output, in front of the prompt when one is shown. */
void input_print(const char *line);

#endif

/* A world that plays, for tests of tools at its desk: lines go in by a fifo, tools connect to its sockets. */
#ifndef tests_tool_h
#define tests_tool_h

#include "lib/base/bytes.h"
#include "tests/launch.h"

#define TOOL_WAIT_MS 20000 /* for what must come */

struct tool_play {
    struct launch program;
    char directory[64], records[500];
    int lines; /* what is written here it reads */
};

/* Plays a scenario, by name or path, in that world, until it is up. `records`: their folder below the test's
 * own. */
void tool_play_begin(struct tool_play *p, const char *world, const char *scenario, const char *records);
void tool_play_line(struct tool_play *p, const char *line);
/* `quit`; its exit code. The records are there until tool_play_clear. */
int tool_play_end(struct tool_play *p);
void tool_play_clear(struct tool_play *p);
/* Is there a socket left in its records? */
bool tool_play_left_sockets(const struct tool_play *p);

/* Runs `spaaksim uds` with the play's folder and these words behind it; its exit code. */
int tool_uds(const struct tool_play *p, const char *words, char *out, size_t cap);

/* A peer of "uds-sgw.sock"; -1 and errno. */
int tool_connect(const struct tool_play *p, const char *socket);
void tool_send(int fd, const char *hex);
/* The next packet in hex; "" when there is none in time, "end" when the other end has closed. */
const char *tool_answer(int fd, int timeout_ms);
/* Both. */
const char *tool_ask(int fd, const char *hex);

#endif

/* A board in shared memory on which each component's process keeps what the runner looks at without asking:
 * has it something to do, has anything happened. A killed process leaves what it had written. */
#ifndef lib_host_board_h
#define lib_host_board_h

#include "lib/host/link.h"

#define BOARD_SLOTS 64

struct board_slot {
    _Atomic uint64_t activity;            /* inputs taken, those of cyclic messages and timers not counted */
    _Atomic uint32_t pending;             /* timers that are not cyclic, late sends, works */
    _Atomic uint32_t ready;               /* 1 while its loop runs */
    struct link_tally tallies[ENV_PORTS]; /* by port */
};

struct board {
    struct board_slot slots[BOARD_SLOTS];
};

/* A new board: a descriptor to hand on, and the mapping. NULL and errno. */
struct board *board_make(int *fd);
struct board *board_open(int fd);
void board_close(struct board *b);

#endif

/* Quick birth of components: one process loads the libraries and readies OpenSSL once, then forks a component
 * whenever the runner asks. The runner talks to it over a socket that keeps message borders:
 *
 *   runner -> zygote   struct zygote_request, with descriptors beside it
 *   zygote -> runner   struct zygote_report: born (pid), or ended (pid and how)
 *
 * Started before anything else of a run, it readies itself while the runner does its own. When a medium has
 * moved the runner into another network, it follows.
 *
 * The zygote holds no keys and no world; a component begins in it as it would after exec. It dies with the
 * runner, and its children with it. */
#ifndef sim_world_zygote_h
#define sim_world_zygote_h

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lib/host/spawn.h"

#define ZYGOTE_FDS         13    /* descriptors of one component, at most */
#define ZYGOTE_PATIENCE_MS 10000 /* it answers in a millisecond; one that was stopped does not */

struct zygote_request {
    char program[32]; /* "": the first two descriptors are a user and a network namespace to go to */
    char configuration[256];
    char log[760];
    int numbers[ZYGOTE_FDS]; /* what the descriptors are called in the child; -1: not given */
};

enum zygote_news { ZYGOTE_BORN, ZYGOTE_ENDED };

struct zygote_report {
    enum zygote_news news;
    pid_t pid; /* born: 0 and an errno in status when that failed */
    int code;  /* ended: CLD_EXITED, CLD_KILLED, CLD_DUMPED */
    int status;
};

/* The runner's side. Starts the program; -1 and errno. */
int zygote_start(const char *program, const char *log, pid_t *pid);
/* Asks for a component; waits for the answer. Reports of ends that come meanwhile go to `ended`. 0 or an
 * errno. */
int zygote_fork(int socket, const struct zygote_request *r, const struct spawn_fd *fds, pid_t *pid,
                void (*ended)(void *ctx, const struct zygote_report *report), void *ctx);
/* Has it go to the network of the runner. 0 or an errno. */
int zygote_join(int socket);
/* One report, without blocking unless told to; false when there is none. */
bool zygote_read(int socket, struct zygote_report *out, bool block);

#endif

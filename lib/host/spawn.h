/* Starting the processes of a run. */
#ifndef lib_host_spawn_h
#define lib_host_spawn_h

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Descriptors that a child gets: its number there, ours here; -1 ends the list. */
struct spawn_fd {
    int theirs, ours;
};

struct spawn_how {
    const struct spawn_fd *fds; /* NULL: none */
    bool tied;  /* killed when this process dies, whatever it does itself; may open as many files as it may */
    bool leads; /* tied, with processes of its own: *pid is one of ours above it, the first of their group,
                   which is killed when this process dies; that ends as the program does */
    const char *variable; /* tied: "NAME=value" in its environment beside ours; NULL or "": none */
};

/* Runs argv (argv[0] is a path) with its output appended to a log file, in a process group of its own. 0 and
 * *pid, or an errno. The child gets no other descriptor of ours. */
int spawn_with(char *const *argv, const char *log, const struct spawn_how *how, pid_t *pid);
int spawn(char *const *argv, const char *log, const struct spawn_fd *fds, bool tied, pid_t *pid);

/* A listening Unix socket of that type; -1 and errno. Who connects does not block: many strangers in the
 * queue must not make it full. */
#define SPAWN_BACKLOG 4096
int spawn_listen(const char *path, int type);
/* Path of a program beside our own. */
void spawn_beside(const char *program, char *out, size_t cap);

/* What holds secrets leaves no core file of them, and nothing that it starts, unless SPAWN_CORES_VARIABLE is
 * in the environment. A debugger still attaches. */
#define SPAWN_CORES_VARIABLE "SPAAKSIM_CORES"
void spawn_without_cores(void);

/* "SIGSEGV" */
const char *spawn_signal_name(int number);

#endif

/* The process host: one component as a Linux process. Real time, OpenSSL's own randomness, an SQLite store,
 * links by the drivers that the program was built with.
 *
 * The program's one argument is a configuration file of lines "key=value", written by the runner:
 *   name, serial, store         of the component
 *   start_ns                    CLOCK_MONOTONIC when the run began: time 0 of traces and timers
 *   control                     descriptor of the socket to the runner; closed = stop
 *   sequence                    first number of trace events (a restart goes on counting)
 *   link.<port>                 endpoint, in the form of its driver (lib/host/link.h)
 *   cut=<port>                  this link is cut at first
 *   fault=<text>                of lib/host/fault.h
 *   barrier=<step>              after tracing this step, wait for the runner's word
 *   set=<key=value>             handed to the component as it is
 *
 * To the runner go packets of struct trace_event; from it come the words "go", "cut <port>", "heal <port>".
 */
#ifndef lib_host_process_h
#define lib_host_process_h

#include "lib/host/link.h"

/* Opens the store in a file; NULL and *reason when it cannot. */
typedef struct store *process_open_store(const char *path, const char **reason);

/* What a program is built with. */
struct process_parts {
    const struct component_class *class;
    const struct link_driver *drivers[4]; /* NULL at the end */
    process_open_store *open_store;       /* NULL: the component keeps nothing */
};

/* main() of a component's program. */
int process_main(const struct process_parts *parts, int argc, char **argv);

#define PROCESS_TRACE_BATCH 16 /* events in one packet, at most */

#endif

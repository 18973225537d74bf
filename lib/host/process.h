/* The process host: one component as a Linux process. Real time, OpenSSL's own randomness, an SQLite store,
 * links by the drivers that the program was built with.
 *
 * The program's one argument is a configuration file of lines "key=value", written by the runner:
 *   name, serial, store         of the component
 *   start_ns                    CLOCK_MONOTONIC when the run began: time 0 of traces and timers
 *   control                     descriptor of the socket to the runner; closed = stop
 *   sequence                    first number of trace events (a restart goes on counting)
 *   link.<port>                 endpoint, in the form of its driver
 *   cut=<port>                  this link is cut at first
 *   radio=<port> <name> <words> so far away is the other of that name (lib/host/link.h)
 *   fault=<text>                of lib/host/fault.h
 *   barrier=<step>              after tracing this step, wait for the runner's word
 *   set=<setting>=<number>      in place of the default
 *   board, slot                 descriptor of lib/host/board.h, and the place on it
 *   tap                         descriptor of the socket that hears all bytes
 *   tap_depth                   how much of them (enum tap_depth); left out: all
 *   store_key, former_store_key file of 32 bytes that nobody else may read: what its secrets are sealed with
 *   memo                        descriptor of what works came to in other runs (lib/host/work_memo.h)
 *   tokens                      descriptor of a ring (lib/host/token.h): what its links prove themselves by
 *
 * To the runner go packets of struct trace_event; from it come the words "go", "cut <port>", "heal <port>",
 * "fault <text>", which takes the place of the fault of the same number, and "call <name>" with a value for
 * each parameter, "radio <port> <name> <words>". Cuts are confirmed by a note of the same words.
 */
#ifndef lib_host_process_h
#define lib_host_process_h

#include "lib/host/link.h"

#define PROCESS_SEPARATOR    "\x1f" /* between the values of a call */
#define PROCESS_ENDPOINT_MAX 2048

/* Opens the store in a file; NULL and *reason when it cannot. */
typedef struct store *process_open_store(const char *path, const char **reason);

/* What a program is built with. */
struct process_parts {
    const struct component_class *class;
    const struct medium *const *media;
    const struct link_driver *const *drivers;
    process_open_store *open_store; /* for a class that stores */
};

/* In front of the bytes of each packet to the tap. */
struct process_tap_head {
    uint64_t time_us;
    uint32_t len;
    uint16_t refused;
    bool out, words; /* as in struct tap_event */
    char medium[16], port[16], address[ENV_KEY_MAX];
};

/* main() of a component's program. */
int process_main(const struct process_parts *parts, int argc, char **argv);

#define PROCESS_TRACE_BATCH 16 /* events in one packet, at most */

#endif

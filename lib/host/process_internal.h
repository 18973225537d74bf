/* The parts of the process host, which process.c brings up and down. Used by process*.c only. */
#ifndef lib_host_process_internal_h
#define lib_host_process_internal_h

#include "lib/host/board.h"
#include "lib/host/node.h"
#include "lib/host/process.h"
#include "lib/host/worker.h"

#define PROCESS_BARRIERS 16
#define PROCESS_WORD     1024 /* bytes of one word of the runner */
#define PROCESS_RADIOS   16
#define PROCESS_LATER    8 /* words that wait for the end of a handler */

/* A send that a fault has put off. */
struct late {
    struct late *next;
    uint64_t due_us;
    unsigned port;
    char address[ENV_KEY_MAX];
    size_t len;
    uint8_t bytes[];
};

struct process {
    struct node node; /* first */
    const struct process_parts *parts;
    sd_event *event;
    struct link *links[ENV_PORTS];
    bool up[ENV_PORTS];
    struct process_port {
        struct process *process;
        unsigned port;
    } ports[ENV_PORTS];
    uint64_t start_ns, due_us[ENV_TIMERS];
    sd_event_source *clock, *control_io, *work_io;
    uint64_t clock_due_us;
    struct late *late;
    struct worker *worker;  /* NULL until the first work */
    struct work_memo *memo; /* NULL: every work is done */
    int control, tap, tap_depth, board_fd, tokens_fd, memo_fd;
    struct token_ring tokens;
    pid_t runner;
    unsigned slot_number;
    struct board *board;
    struct board_slot *slot; /* NULL without a board */
    struct trace_event batch[PROCESS_TRACE_BATCH];
    size_t batched;
    bool urgent;
    bool claims;           /* and holds a claim */
    uint64_t trace_due_us; /* the batch goes at this time at the latest */
    struct fault_plan plan;
    char barriers[PROCESS_BARRIERS][12];
    size_t barrier_count;
    char later[PROCESS_LATER][PROCESS_WORD];
    size_t later_count;
    uint64_t settings[ENV_SETTINGS];
    struct store_key {
        bool given;
        uint8_t bytes[ENV_STORE_KEY];
    } store_key, former_store_key;
    char store_path[512], serial[40], name[ENV_NAME_MAX], endpoints[ENV_PORTS][PROCESS_ENDPOINT_MAX];
    bool cut[ENV_PORTS], stop, dying;
    char radios[PROCESS_RADIOS][PROCESS_WORD]; /* what its configuration says of distances */
    size_t radio_count;
    unsigned sequence;
};

/* ---- process_host.c: what a node asks of its host, and what its links bring ---- */

struct process *process_host_of(struct node *n);
/* Since the run began. */
uint64_t process_host_now_us(struct node *n);
/* An input came that is not of a cyclic message or timer. */
void process_host_note_activity(struct process *p);
const struct node_host *process_host_calls(const struct process *p);
/* What a link tells the port that is its context. */
struct link_hooks process_host_hooks(struct process *p, unsigned port);

/* ---- process_words.c: the trace, and the words of the runner ---- */

void process_words_trace(struct node *n, const struct trace_event *e);
/* Hands over what is traced and not yet said. */
void process_words_flush(struct process *p);
/* "<port> <name of the other> <the medium's words>" */
void process_words_radio(struct process *p, char *word);
/* Obeys what came while a handler was under way. */
void process_words_later(struct process *p);
/* The control socket is readable: an sd-event handler, of a struct process. */
int process_words_on_control(sd_event_source *s, int fd, uint32_t revents, void *ctx);

/* ---- process_loop.c ---- */

/* The clock of the loop: an sd-event handler, of a struct process. */
int process_loop_on_clock(sd_event_source *s, uint64_t usec, void *ctx);
/* Until it is to stop; what the program's end is to say. */
int process_loop_run(struct process *p);

/* ---- process_configure.c ---- */

/* The file of process.h; false after a word on stderr. */
bool process_configure(struct process *p, const struct component_class *class, const char *path);

#endif

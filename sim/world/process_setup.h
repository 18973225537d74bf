/* The making and unmaking of a process world: directories, media, stores, configuration files. Used by
 * process.c only. */
#ifndef sim_world_process_setup_h
#define sim_world_process_setup_h

#include <systemd/sd-event.h>

#include "lib/host/board.h"
#include "lib/host/setup.h"
#include "lib/host/spawn.h"
#include "sim/plant/tls.h"
#include "sim/run/records.h"
#include "sim/uds/desk.h"
#include "sim/world/equip.h"
#include "sim/world/scratch.h"
#include "sim/world/zygote.h"

/* Numbers of descriptors in a component's process. */
#define PROCESS_CONTROL_FD 3
#define PROCESS_BOARD_FD   4
#define PROCESS_TAP_FD     5
#define PROCESS_TOKENS_FD  6
#define PROCESS_MEMO_FD    7
#define PROCESS_LISTEN_FD  8 /* and on, one for each port that listens */
#define CHILDREN_MAX       (SCENARIO_MEMBERS + RUN_MEDIA + 2)
#define WORLD_BARRIERS     16

struct process_world;

/* A process of the run. */
struct child {
    struct process_world *world;
    char name[ENV_NAME_MAX], configuration[256], store_path[700];
    const struct member *member; /* NULL: a medium's, the zygote, a command beside */
    const struct setup *setup;   /* of whose medium it is the helper; NULL: of none */
    void *state;                 /* of that medium in this run */
    bool is_zygote, tied;
    pid_t pid;                /* 0: not running */
    int control;              /* our end of its control socket, -1: none */
    int tap;                  /* our end of the socket that hears its bytes, -1: none */
    int listen_fd[ENV_PORTS]; /* sockets that it serves, -1: none */
    int tokens;               /* of the life that begins: its sealed ring, -1: none */
    bool cut[ENV_PORTS];      /* links that are cut when it starts */
    unsigned cuts_under_way;  /* cuts that it was told and has not confirmed */
    unsigned slot;            /* on the board */
    uint32_t sequence;
    bool forked; /* by the zygote, which then tells of its end */
    bool let_go; /* of all that it had: it only ends yet */
    bool killed, at_barrier, store_failed;
    sd_event_source *exit_source, *control_source, *tap_source;
    struct store *store;                            /* opened by the judge */
    char external_where[700], external_socket[108]; /* who is played from outside: its links, for a person */
};

/* The runner's own end on the diagnostic segment of a vehicle (process_connector.h). */
struct process_connector {
    struct process_world *world;
    struct setup_instance who;
    struct component_class class;
    struct port_spec port;
    struct link_tally tally;
    struct token_ring tokens;
    struct link *link; /* NULL: nobody has asked for it */
    enum link_state state;
    bool failed; /* it cannot be opened */
    char endpoint[600];
};

struct process_world {
    struct run *run;
    sd_event *event;
    uint64_t start_ns;
    struct scratch scratch; /* sockets, configuration; removed at the end */
    struct child children[CHILDREN_MAX];
    size_t child_count;
    unsigned cuts_under_way;
    bool give_up, ending, auditing;
    unsigned deaths; /* that nobody had planned */
    uint64_t end_us; /* when it began to end: what is said of later times is not of the run */
    int zygote;      /* socket, -1: none */
    struct setup_instance instances[SCENARIO_MEMBERS + DESK_VEHICLES]; /* members, then connectors */
    struct process_connector connectors[DESK_VEHICLES];
    size_t connector_count;
    sd_event_source *desk_source, *word_source;
    char words[200];                     /* lines from who plays from outside, not yet taken */
    struct token_ring book;              /* all tokens of this run */
    struct tls_identity authority;       /* of its TLS; no length: not asked for yet */
    struct setup_world media[RUN_MEDIA]; /* what each medium was told */
    void *states[RUN_MEDIA];
    size_t media_open;
    struct board *board;
    int board_fd;
    uint64_t activity, active_us; /* sum over the board, and when it last moved */
    char barriers[WORLD_BARRIERS][12];
    size_t barrier_count;
    const struct action *moves[2 * SCENARIO_ACTIONS]; /* of do and repeat, the last of each two */
    size_t move_count;
};

/* Directory, media, the zygote. False and a failure in the run. */
bool process_setup_open(struct process_world *w);
void process_setup_close(struct process_world *w);
struct child *process_setup_child(struct process_world *w, const char *name);
struct child *process_setup_add(struct process_world *w, const struct member *m);
/* Stores of all components, as the scenario gives them. */
bool process_setup_stores(struct process_world *w);
/* Writes a component's configuration file, and its ring of tokens. */
bool process_setup_configure(struct process_world *w, struct child *c);
/* A place for another process; NULL and a failure when there is none. */
struct child *process_setup_child_new(struct process_world *w, const char *name);
/* process_helper.c: starts the helpers of all media that are open; one at whose door nobody stands may start
 * later. */
bool process_helpers_open(struct process_world *w);
/* Starts a medium's helper. 0 or an errno. */
int process_setup_helper(struct process_world *w, struct child *c);
/* Takes over a child that was just started: its exit is then seen by the loop. */
bool process_setup_watch(struct process_world *w, struct child *c);
/* Where its log goes. */
void process_setup_log(const struct process_world *w, const char *name, char *out, size_t cap);
/* process_death.c: a failure that says how a child ended, and what it said last. */
void process_explain_death(struct process_world *w, struct child *c, int code, int status, uint64_t at_us);
/* With what it gave up, or what its log ends with beside its trace; "" for nothing. */
void process_last_words(const struct process_world *w, const char *name, const char *log, char words[240]);
/* Records that media have not handed over yet. */
void process_setup_drain(struct process_world *w);
/* Is something on its way on a medium? */
bool process_setup_busy(struct process_world *w);
/* Everybody has ended: is all recorded that was sent? */
void process_setup_audit(struct process_world *w);

#endif

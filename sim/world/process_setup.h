/* The making and unmaking of a process world: directories, stores, broker, buses, configuration files. Used
 * by world_process.c only. */
#ifndef sim_world_process_setup_h
#define sim_world_process_setup_h

#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "lib/host/link.h"
#include "lib/host/spawn.h"
#include "lib/media/gsdp/mosquitto.h"
#include "sim/cast.h"
#include "sim/run/run.h"
#include "sim/world/zygote.h"

#define PROCESS_CONTROL_FD 3
#define PROCESS_LISTEN_FD  4
#define CHILDREN_MAX       (SCENARIO_COMPONENTS + SCENARIO_ACTIONS + 4)
#define WORLD_BARRIERS     16

struct world;

struct child {
    struct world *world;
    const struct component_row *row; /* NULL: hub, tap */
    char name[16], program[560], argument[600], store_path[700], settings[400], cut[16];
    pid_t pid;     /* 0: not running */
    int control;   /* our end of its control socket, -1: none */
    int listen_fd; /* socket that it serves, -1: none */
    uint32_t sequence;
    bool forked; /* by the zygote, which then tells of its end */
    bool killed, at_barrier, store_failed;
    size_t links_up; /* since the run began; tells when everybody is there */
    sd_event_source *exit_source, *control_source;
    struct store *store; /* opened by the judge */
};

enum can_transport { CAN_HUB, CAN_VCAN, CAN_INTERFACES };

struct world {
    struct run *run;
    sd_event *event;
    uint64_t start_ns;
    char directory[96]; /* of this run alone: sockets, configuration; removed at the end */
    struct child children[CHILDREN_MAX];
    size_t child_count;
    unsigned rogues, cuts_under_way;
    bool give_up, ending, waits_for_others;
    int zygote; /* socket, -1: none */
    struct broker broker;
    bool own_broker;
    char gsdp_host[256];
    /* CAN */
    enum can_transport can;
    char interfaces[SEGMENTS][16];
    char hub_path[108];
    int hub_listen, hub_stop;
    int recorder; /* hub connection or raw socket that hears every frame */
    /* servers */
    char pki_path[108], admin_path[108];
    int admin_fd;
    char barriers[WORLD_BARRIERS][12];
    size_t barrier_count;
};

/* Directory, CAN, listening sockets, broker's files. False and a failure in the run. */
bool process_world_open(struct world *w);
void process_world_close(struct world *w);
struct child *process_world_add(struct world *w, const char *component, const char *name);
/* Stores of all components, as the scenario gives them. */
bool process_world_seed(struct world *w);
/* Writes a component's configuration file. */
bool process_world_configure(struct world *w, struct child *c);
/* Takes over a child that was just started: its exit is then seen by the loop. */
bool process_world_watch(struct world *w, struct child *c);
/* Frames that the recorder has not handed over yet. */
void process_world_read_frames(struct world *w);

#endif

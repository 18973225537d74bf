/* CAN in the process world: vcan in a network namespace of the run's own, existing interfaces, or our hub;
 * and the recorder that hears every frame. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/host/link.h"
#include "lib/host/setup.h"
#include "lib/media/can/can.h"
#include "lib/media/can/can_control.h"
#include "lib/media/can/can_recorder.h"
#include "lib/media/can/can_socket.h"
#include "lib/media/can/hub.h"
#include "lib/media/media.h"

#define BUSES       HUB_BUSES
#define HUB_LISTENS 3 /* numbers of its descriptors in the hub's process */
#define HUB_STOPS   4
#define HUB_KNOWS   5
#define HUB_RECORDS 6
#define HUB_WAKES   7

#define WIRE_NEEDS "`bus_time: wire` needs --can hub or interfaces with a controller"

enum transport { ON_HUB, ON_VCAN, ON_INTERFACES };

struct can_setup {
    struct setup_world *world;
    enum transport transport;
    size_t bus_count;
    char interfaces[BUSES][IF_NAMESIZE]; /* by number of the bus */
    char hub_path[108], start[24];
    int hub_listen, hub_stop[2], hub_tokens;
    struct can_recorder recorder;
};

static void bus_name(size_t bus, char out[CAN_BUS_NAME])
{
    can_bus_name((unsigned)(bus / SEGMENTS), (enum segment)(bus % SEGMENTS), out);
}

static bool fail(struct setup_world *w, const char *format, const char *detail)
{
    char text[400];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, format, detail);
#pragma GCC diagnostic pop
    w->fail(w->ctx, text);
    return false;
}

/* ---- what carries the frames ---- */

/* Of the hub's own sockets: the token of a node on a bus has this name in the run's book. */
static bool node_token(struct setup_world *w, uint8_t bus, const char *name, char place[HUB_PLACE_MAX],
                       struct token *out)
{
    char in_book[TOKEN_PLACE];
    hub_place(bus, place);
    snprintf(in_book, sizeof in_book, "can.sock %s", place);
    return token_draw(w->book, in_book, name, out);
}

static uint8_t bus_of(const struct setup_instance *who, const struct port_spec *port)
{
    return (uint8_t)(medium_group(port, who->group) * SEGMENTS + port->segment);
}

static bool has_other_end(const struct setup_world *w, const struct port_spec *port)
{
    for (size_t i = 0; i < w->count; i++)
        if (medium_at_bench(port, w->instances[i].class, w->instances[i].group))
            return true;
    return false;
}

/* Who the hub knows: every port on a bus of this run. */
static bool list_nodes(struct setup_world *w, struct token_ring *ring)
{
    struct token t;
    char place[HUB_PLACE_MAX];
    bool ok = true;
    for (size_t i = 0; i < w->count; i++)
        for (size_t k = 0; ok && k < w->instances[i].class->port_count; k++) {
            const struct setup_instance *who = &w->instances[i];
            const struct port_spec *port = &who->class->ports[k];
            ok = strcmp(port->medium, medium_can.name) != 0 || !has_other_end(w, port) ||
                 (node_token(w, bus_of(who, port), who->name, place, &t) &&
                  token_ring_add(ring, place, who->name, &t));
        }
    explicit_bzero(&t, sizeof t);
    return ok;
}

static bool make_tokens(struct setup_world *w, struct can_setup *c)
{
    struct token_ring ring = {NULL, 0, 0};
    c->hub_tokens = list_nodes(w, &ring) ? token_ring_seal(&ring) : -1;
    token_ring_clear(&ring);
    return c->hub_tokens >= 0;
}

static bool open_hub(struct setup_world *w, struct can_setup *c)
{
    c->transport = ON_HUB;
    snprintf(c->hub_path, sizeof c->hub_path, "%s/can.sock", w->directory);
    snprintf(c->start, sizeof c->start, "%llu", (unsigned long long)w->start_ns);
    c->hub_listen = spawn_listen(c->hub_path, SOCK_SEQPACKET);
    if (c->hub_listen < 0 || pipe2(c->hub_stop, O_CLOEXEC) != 0 || !make_tokens(w, c))
        return fail(w, "cannot make the hub's sockets: %s", strerror(errno));
    return can_recorder_on_hub(&c->recorder) ||
           fail(w, "no shared memory for the records: %s", strerror(errno));
}

static bool find_bus(const struct can_setup *c, const char *name, size_t *out)
{
    char own[CAN_BUS_NAME];
    for (size_t b = 0; b < c->bus_count; b++) {
        bus_name(b, own);
        if (strcmp(own, name) == 0) {
            *out = b;
            return true;
        }
    }
    return false;
}

static bool record_interfaces(struct setup_world *w, struct can_setup *c)
{
    return can_recorder_on_interfaces(&c->recorder, c->interfaces) ||
           fail(w, "cannot listen on the CAN interfaces: %s", strerror(errno));
}

static bool open_interfaces(struct setup_world *w, struct can_setup *c)
{
    char copy[400], *save = NULL, problem[200];
    size_t bus;
    c->transport = ON_INTERFACES;
    text_copy(copy, sizeof copy, w->choice);
    for (char *part = strtok_r(copy, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(part, '=');
        if (equals)
            *equals = '\0';
        if (!equals || !find_bus(c, part, &bus) || strlen(equals + 1) >= IF_NAMESIZE)
            return fail(w,
                        "--can takes auto, hub, vcan, or a list like body=can0,telematics=can1; not \"%s\"",
                        w->choice);
        text_copy(c->interfaces[bus], IF_NAMESIZE, equals + 1);
        if (!can_control_ready(equals + 1, problem, sizeof problem))
            return fail(w, "%s", problem);
        if (w->wire_time && !can_control_has_controller(equals + 1))
            return fail(w, "%s is virtual and has no bit rate; " WIRE_NEEDS, equals + 1);
    }
    for (size_t b = 0; b < c->bus_count; b++) {
        char name[CAN_BUS_NAME];
        bus_name(b, name);
        if (!c->interfaces[b][0])
            return fail(w, "--can names no interface for the segment %s", name);
    }
    return record_interfaces(w, c);
}

/* "body=can0,telematics=can1": are all of them names of buses with an interface each? */
static bool takes(const char *choice, char *problem, size_t cap)
{
    static const char *const words[] = {"auto", "hub", "vcan"};
    struct can_setup all = {.bus_count = BUSES};
    char copy[400], *save = NULL;
    size_t bus;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(choice, words[i]) == 0)
            return true;
    text_copy(copy, sizeof copy, choice);
    bool ok = *copy && strlen(choice) < sizeof copy;
    for (char *part = strtok_r(copy, ",", &save); part && ok; part = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(part, '=');
        if (equals)
            *equals = '\0';
        ok = equals && equals[1] && strlen(equals + 1) < IF_NAMESIZE && find_bus(&all, part, &bus);
    }
    if (!ok)
        snprintf(problem, cap,
                 "--can takes auto, hub, vcan, or a list like body=can0,telematics=can1; not \"%.200s\"",
                 choice);
    return ok;
}

static bool try_vcan(struct can_setup *c, char *problem, size_t cap)
{
    const char *names[BUSES];
    for (size_t b = 0; b < c->bus_count; b++) {
        bus_name(b, c->interfaces[b]);
        names[b] = c->interfaces[b];
    }
    if (!can_control_kernel_has_can()) {
        snprintf(problem, cap, "this kernel has no CAN");
        return false;
    }
    return can_control_make_vcans(names, c->bus_count, problem, cap);
}

static bool can_open(struct setup_world *w, void *state)
{
    struct can_setup *c = state;
    char problem[160] = "chosen";
    bool chosen = strcmp(w->choice, "auto") != 0;
    *c = (struct can_setup){.world = w, .hub_listen = -1, .hub_stop = {-1, -1}, .hub_tokens = -1};
    c->bus_count = (size_t)w->groups * SEGMENTS;
    can_recorder_begin(&c->recorder, w, c->bus_count);
    if (c->bus_count > BUSES)
        return fail(w, "a run has room for 63 vehicles%s", "");
    if (chosen && strcmp(w->choice, "hub") != 0 && strcmp(w->choice, "vcan") != 0) {
        snprintf(w->described, sizeof w->described, "CAN on %s", w->choice);
        return open_interfaces(w, c);
    }
    if (w->wire_time && strcmp(w->choice, "vcan") == 0)
        return fail(w, "vcan has no bit rate; %s", WIRE_NEEDS);
    if (w->wire_time) {
        snprintf(problem, sizeof problem, "at the pace of a wire");
    } else if (strcmp(w->choice, "vcan") == 0 || (!chosen && !w->needs_network && !w->outsiders)) {
        if (try_vcan(c, problem, sizeof problem)) {
            c->transport = ON_VCAN;
            snprintf(w->described, sizeof w->described, "CAN on vcan in a namespace of its own");
            return record_interfaces(w, c);
        }
        if (chosen)
            return fail(w, "vcan: %s; use --can hub, or `make guest-test` for a kernel that has it", problem);
    } else if (!chosen) {
        text_copy(problem, sizeof problem, w->outsiders ? "others join it" : "this run reaches the network");
    }
    snprintf(w->described, sizeof w->described, "CAN on our hub: %.80s", problem);
    return open_hub(w, c);
}

static bool can_helper(struct setup_world *w, void *state, struct setup_helper *out)
{
    struct can_setup *c = state;
    if (c->transport != ON_HUB)
        return false;
    *out = (struct setup_helper){.fds = {{HUB_LISTENS, c->hub_listen},
                                         {HUB_STOPS, c->hub_stop[0]},
                                         {HUB_KNOWS, c->hub_tokens},
                                         {HUB_RECORDS, c->recorder.ring_fd},
                                         {HUB_WAKES, c->recorder.wake_fd},
                                         {-1, -1}}};
    c->recorder.hub_lives++;
    spawn_beside("hub", out->arguments[0], sizeof out->arguments[0]);
    snprintf(out->arguments[1], sizeof out->arguments[1], "%d,%d,%d,%d,%d", HUB_LISTENS, HUB_STOPS, HUB_KNOWS,
             HUB_RECORDS, HUB_WAKES);
    text_copy(out->arguments[2], sizeof out->arguments[2], c->start);
    text_copy(out->arguments[3], sizeof out->arguments[3], w->wire_time ? "wire" : "free");
    return true;
}

static bool can_endpoint(struct setup_world *w, void *state, const struct setup_end *e)
{
    const struct can_setup *c = state;
    const struct port_spec *port = &e->who->class->ports[e->port];
    uint8_t bus = bus_of(e->who, port);
    char place[HUB_PLACE_MAX];
    struct token t;
    if (!has_other_end(w, port)) {
        snprintf(e->endpoint, e->cap, "hub:");
        return true;
    }
    if (c->transport != ON_HUB) {
        snprintf(e->endpoint, e->cap, "can:%s", c->interfaces[bus]);
        return true;
    }
    snprintf(e->endpoint, e->cap, "hub:%s;group=%u", c->hub_path, medium_group(port, e->who->group));
    bool ok =
        node_token(w, bus, e->who->name, place, &t) && token_ring_add(e->ring, port->name, e->who->name, &t);
    explicit_bzero(&t, sizeof t);
    return ok;
}

/* The hub ends when this closes, after it has handed over what it has recorded. */
static void can_stop(void *state)
{
    struct can_setup *c = state;
    if (c->hub_stop[1] >= 0)
        close(c->hub_stop[1]);
    c->hub_stop[1] = -1;
}

static void can_drain(struct setup_world *w, void *state)
{
    (void)w;
    can_recorder_drain(&((struct can_setup *)state)->recorder);
}

static bool can_busy(struct setup_world *w, void *state, setup_tally *tally)
{
    (void)w;
    return can_recorder_busy(&((struct can_setup *)state)->recorder, tally);
}

static void can_audit(struct setup_world *w, void *state, setup_tally *tally)
{
    (void)w;
    can_recorder_audit(&((struct can_setup *)state)->recorder, tally);
}

static void can_close(struct setup_world *w, void *state)
{
    struct can_setup *c = state;
    const int fds[] = {c->hub_listen, c->hub_stop[0], c->hub_stop[1], c->hub_tokens};
    (void)w;
    if (!c->world)
        return;
    can_recorder_end(&c->recorder);
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

const struct setup setup_can = {
    .medium = &medium_can,
    .driver = &link_driver_can,
    .option = "can",
    .form = "auto|hub|vcan|LIST",
    .option_is = "what carries CAN; LIST is body=can0,telematics=can1,... (default auto)",
    .outside = "docs/air.md, CAN",
    .helper = "hub",
    .takes = takes,
    .size = sizeof(struct can_setup),
    .open = can_open,
    .helper_is = can_helper,
    .endpoint = can_endpoint,
    .stop = can_stop,
    .drain = can_drain,
    .busy = can_busy,
    .audit = can_audit,
    .close = can_close,
};

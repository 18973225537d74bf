/* Our CAN bus for machines without SocketCAN: packets between a node and the hub process, on a Unix socket
 * that keeps message borders.
 *
 *   node -> hub   HELLO   segment, filter, name, token; the hub answers WELCOME or BYE
 *   both ways     FRAMES  one or more frames, in order
 *   hub -> node   BYE     reason in words; the hub then closes
 *
 * Who greets is known by its token (lib/host/door.h), and is a node of that bus by that name; a second one by
 * the same name is its next life, and ends the first.
 *
 * The hub gives each node the frames of its segment that its filter lets through, in one order for all, and
 * never drops one, and records each before any node hears it. What a node sent before it died is on the bus,
 * too. When a node's queue grows, the hub stops reading from the segment's senders; a node that takes nothing
 * for two seconds is sent away. */
#ifndef lib_media_can_hub_h
#define lib_media_can_hub_h

#include "lib/can/matrix.h"
#include "lib/host/token.h"

#define HUB_PACKET_MAX 16384
#define HUB_FILTER_MAX 32
#define HUB_NAME_MAX   ENV_NAME_MAX
#define HUB_PLACE_MAX  16
#define HUB_NODES_MAX  256
#define HUB_STALL_MS   2000
#define HUB_STOP_MS    2000         /* for nodes to hang up, once it was told to stop */
#define HUB_QUEUE_HIGH (512 * 1024) /* bytes waiting for one node before its segment's senders are paused */

enum hub_packet { HUB_HELLO = 1, HUB_WELCOME, HUB_FRAMES, HUB_BYE };

#define HUB_BUSES 252 /* segments of all vehicles: number of the vehicle * SEGMENTS + segment */

struct hub_ring;

struct hub_hello {
    uint8_t segment; /* number of the bus */
    bool everything; /* no filter */
    uint32_t ids[HUB_FILTER_MAX];
    size_t id_count;
    char name[HUB_NAME_MAX];
    struct token token;
};

size_t hub_hello_write(const struct hub_hello *h, uint8_t out[256]);
enum err hub_hello_read(struct span packet, struct hub_hello *out);

/* Where a token for that bus is good. */
void hub_place(uint8_t segment, char out[HUB_PLACE_MAX]);

/* What a hub is started with. */
struct hub_setup {
    int listen_fd, stop_fd; /* it ends when stop_fd becomes readable or is closed */
    uint64_t start_ns;      /* CLOCK_MONOTONIC at time 0 of its records */
    bool wire_time;         /* frames take their time (hub_pace.h), else they pass at once */
    const struct token_ring *tokens;
    struct hub_ring *ring; /* what it records (hub_ring.h); NULL: nobody keeps it */
    int wake_fd;           /* event that wakes whoever reads the ring; -1: none */
};

/* Serves the listening socket until it is told to stop, and then until its nodes have hung up: what they sent
 * last is recorded. Returns an exit code. */
int hub_serve(const struct hub_setup *setup);

#endif

/* What the hub records: every frame as it is on a bus, before any node hears it, in memory that the hub
 * shares with the runner. A hub that is killed takes none of it along, and its next life goes on behind it.
 * Nothing is ever dropped: while there is no room the hub reads from nobody. */
#ifndef lib_media_can_hub_ring_h
#define lib_media_can_hub_ring_h

#include <stdatomic.h>

#include "lib/media/can/hub.h"

#define HUB_RING_FRAMES 32768u

struct hub_record {
    uint64_t time_us; /* since time 0 of the run */
    uint8_t bus;
    struct bus_frame frame;
};

struct hub_ring {
    _Atomic uint64_t put, taken;        /* frames, since the run began */
    _Atomic uint64_t unsent[HUB_BUSES]; /* whose sender left while they waited for the wire */
    struct hub_record records[HUB_RING_FRAMES];
};

/* A new ring: a descriptor to hand on, and the mapping. NULL and errno. */
struct hub_ring *hub_ring_make(int *fd);
struct hub_ring *hub_ring_open(int fd);
void hub_ring_close(struct hub_ring *r);

/* The hub's end. There must be room. */
uint64_t hub_ring_room(const struct hub_ring *r);
void hub_ring_put(struct hub_ring *r, uint64_t time_us, uint8_t bus, const struct bus_frame *f);
/* The runner's end. False when there is none. */
bool hub_ring_take(struct hub_ring *r, struct hub_record *out);

#endif

/* Hears every frame of a run for its records, on our hub or on interfaces, and says at the end whether all
 * are there that components sent. */
#ifndef lib_media_can_can_recorder_h
#define lib_media_can_can_recorder_h

#include <net/if.h>

#include "lib/host/setup.h"
#include "lib/media/can/hub.h"
#include "lib/media/can/hub_ring.h"

struct can_recorder {
    struct setup_world *world;
    /* on the hub: its memory, and what it wakes us by */
    struct hub_ring *ring;
    int ring_fd, wake_fd;
    unsigned hub_lives;
    /* on interfaces: one socket for all */
    int socket;
    const char (*interfaces)[IF_NAMESIZE]; /* by number of the bus */
    sd_event_source *io;
    size_t bus_count;
    uint64_t recorded[HUB_BUSES]; /* frames of this machine's, by number of the bus */
};

void can_recorder_begin(struct can_recorder *r, struct setup_world *w, size_t bus_count);
/* False and errno. */
bool can_recorder_on_hub(struct can_recorder *r);
bool can_recorder_on_interfaces(struct can_recorder *r, const char (*interfaces)[IF_NAMESIZE]);
/* Hands over what has come. */
void can_recorder_drain(struct can_recorder *r);
/* Does the hub have frames that no node has heard yet? A hub that was killed may have lost some: then nobody
 * knows. */
bool can_recorder_busy(const struct can_recorder *r, setup_tally *tally);
/* Fails the run for each bus of which frames are missing. `sent`: the tally of a port. */
void can_recorder_audit(struct can_recorder *r, setup_tally *tally);
void can_recorder_end(struct can_recorder *r);

#endif

/* The hub's door: who may be a node, and on which bus. A node's place in the ring of tokens is the name of
 * its bus. */
#ifndef lib_media_can_hub_door_h
#define lib_media_can_hub_door_h

#include "lib/host/door.h"
#include "lib/media/can/hub.h"

struct hub_door {
    struct door door;
    int epoll_fd, listen_fd;
    const struct token_ring *tokens;
    void *ctx;
    /* A node has greeted; the descriptor is the hub's from here. False: there is no room. */
    bool (*admit)(void *ctx, int fd, const struct hub_hello *hello);
};

/* `d` is filled in but for `door`. Strangers are watched by the same epoll, their data.ptr is in `d`. */
void hub_door_open(struct hub_door *d);
/* Takes an event of the listening socket or of a stranger; false when it is of neither. */
bool hub_door_event(struct hub_door *d, void *ptr, uint64_t now_ms);
/* Sends away who is late; until when epoll may sleep, -1 for no limit. */
int hub_door_sleep_ms(struct hub_door *d, uint64_t now_ms);

#endif

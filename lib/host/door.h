/* The door of a listening Unix socket: those who have connected and not yet proved who they are.
 *
 * A stranger has DOOR_MS to greet. DOOR_STRANGERS may wait, and the one who has waited longest gives way:
 * idle connections keep nobody out, since who belongs here greets as it connects. Another user's connection
 * is closed at once. Each refusal has its reason; the log has the 1st, 2nd, 4th, 8th ... of them.
 *
 * Works for sockets that keep message borders, where the first packet is the greeting, and for streams. It
 * has no loop of its own: lib/host/door_event.h is one on sd-event. */
#ifndef lib_host_door_h
#define lib_host_door_h

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/bytes.h"
#include "lib/base/err.h"

#define DOOR_STRANGERS    32
#define DOOR_MS           500
#define DOOR_GREETING_MAX 256 /* bytes */

struct stranger {
    struct door *door;
    int fd; /* -1: nobody */
    bool watched;
    uint64_t since_ms;
    unsigned number; /* in the order of arrival */
    size_t len;
    uint8_t said[DOOR_GREETING_MAX];
    void *watch; /* the loop's own */
};

struct door_hooks {
    void *ctx;
    /* From now on, or no longer: door_hear when there is something to read. False: it cannot be watched. */
    bool (*watch)(void *ctx, struct stranger *s);
    void (*unwatch)(void *ctx, struct stranger *s);
    /* What it has said so far. ERR_OK: it may come in; ERR_TRUNCATED: more is to come; anything else: refused
     * with this reason. */
    enum err (*judge)(void *ctx, struct span said);
    /* It comes in: the socket, no longer watched, is the hook's, unless this gives a reason. */
    enum err (*admit)(void *ctx, struct span said, int fd);
    /* It is refused, and still connected. NULL: closing says enough. */
    void (*refuse)(void *ctx, int fd, enum err reason);
};

struct door {
    struct door_hooks hooks;
    const char *owner, *name; /* of the component and its port, for the log; borrowed */
    struct stranger strangers[DOOR_STRANGERS];
    unsigned seen, refused;
};

void door_open(struct door *d, const char *owner, const char *name, const struct door_hooks *hooks);
/* Takes in those who wait at the listening socket. */
void door_accept(struct door *d, int listen_fd, uint64_t now_ms);
void door_hear(struct stranger *s);
/* Refuses those who have waited too long; milliseconds until the next is due, -1 when nobody waits. */
int door_expire(struct door *d, uint64_t now_ms);
/* All that wait are sent away. */
void door_close(struct door *d);

#endif

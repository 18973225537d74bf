/* A door (lib/host/door.h) on an sd-event loop. */
#ifndef lib_host_door_event_h
#define lib_host_door_event_h

#include "lib/host/door.h"
#include "lib/host/link.h"

struct door_event {
    struct door door; /* first */
    sd_event *event;
    int listen_fd;
    sd_event_source *accept, *deadline;
};

/* Opens it for the port of that link; of the hooks, watch and unwatch are this file's. The descriptor stays
 * the caller's. */
bool door_event_open(struct door_event *d, const struct link_open *o, int listen_fd,
                     const struct door_hooks *link);
/* Shut, nobody is taken in: who connects waits. */
void door_event_shut(struct door_event *d, bool shut);
/* Zeroed or open; frees all. */
void door_event_close(struct door_event *d);

/* A caller's greeting is its token, then its name without an end. ERR_LINK_NOT_ADMITTED when they are not
 * among those of this port; `name` gets the name. */
enum err door_check(const struct link_open *o, struct span greeting, char name[ENV_NAME_MAX]);
/* Writes one; 0 when there is no such token. */
size_t door_greeting(const struct link_open *o, const char *server, uint8_t out[TOKEN_SIZE + ENV_NAME_MAX]);

#endif

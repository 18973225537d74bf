/* Links to the outside, for the process host: one port of a component on one real transport.
 *
 * send only queues; flush writes, so that nothing leaves before the host has made the store durable. Bytes of
 * a medium of frames are a struct bus_frame each way. */
#ifndef lib_host_link_h
#define lib_host_link_h

#include <systemd/sd-event.h>

#include "lib/host/medium.h"

struct link;

struct link_hooks {
    void *ctx;
    void (*on_state)(void *ctx, enum link_state state);
    void (*on_bytes)(void *ctx, const char *address, struct span bytes);
    void (*on_news)(void *ctx, const char *address, const char *news);
};

struct link_ops {
    enum err (*send)(struct link *l, const char *address, struct span bytes);
    enum err (*subscribe)(struct link *l, const char *topic);                /* NULL: no topics */
    enum err (*tell)(struct link *l, const char *address, const char *news); /* NULL: nothing to tell */
    void (*flush)(struct link *l);
    void (*set_cut)(struct link *l, bool cut); /* fault: as if the cable were out */
    void (*close)(struct link *l);
};

struct link {
    const struct link_ops *ops;
};

struct link_open {
    sd_event *event;
    const struct port_spec *spec;
    const char *name;     /* of the component */
    const char *endpoint; /* where to; the form is the driver's, written by the medium's set-up */
    struct link_hooks hooks;
};

/* A transport. open gives NULL and a text in *reason when it cannot work; a peer that is not there yet is no
 * reason: the link then comes up later. */
struct link_driver {
    const struct medium *medium;
    struct link *(*open)(const struct link_open *o, const char **reason);
};

/* Value of ";key=" in an endpoint; false when there is none. */
bool link_option(const char *endpoint, const char *key, char *out, size_t cap);
/* Connects to a Unix socket of that type without blocking; -1 and errno. */
int link_connect_unix(const char *path, int type);
/* Calls fn in the loop's next turn. */
void link_defer(sd_event *event, int (*fn)(sd_event_source *s, void *ctx), void *ctx);

#endif

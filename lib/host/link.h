/* Links to the outside, for the process host: one port of a component on one real transport.
 *
 * send only queues; flush writes, so that nothing leaves before the host has made the store durable. Bytes of
 * a medium of frames are a struct bus_frame each way. */
#ifndef lib_host_link_h
#define lib_host_link_h

#include <stdatomic.h>
#include <systemd/sd-event.h>

#include "lib/host/medium.h"
#include "lib/host/token.h"

struct link;

struct link_hooks {
    void *ctx;
    void (*on_state)(void *ctx, enum link_state state);
    void (*on_bytes)(void *ctx, const char *address, struct span bytes);
    void (*on_news)(void *ctx, const char *address, const char *news);
};

struct link_ops {
    enum err (*send)(struct link *l, const char *address, struct span bytes);
    /* A fault has lost that on its way; NULL: nobody hears of it. */
    void (*lose)(struct link *l, const char *address, struct span bytes);
    enum err (*subscribe)(struct link *l, const char *topic);                /* NULL: no topics */
    enum err (*tell)(struct link *l, const char *address, const char *news); /* NULL: nothing to tell */
    void (*flush)(struct link *l);
    void (*set_cut)(struct link *l, bool cut); /* fault: as if the cable were out */
    /* The scenario says how far away the other of that name is and what is between: "<cm> <percent of packets
     * lost> <delay, us> <a relay, 0 or 1> <jammed, 0 or 1>". At the listening end; NULL: no distances. */
    enum err (*radio)(struct link *l, const char *name, const char *text);
    /* Will it do something later by itself? A run is not quiet then. NULL: never. */
    bool (*waits)(const struct link *l);
    void (*close)(struct link *l);
};

struct link {
    const struct link_ops *ops;
};

/* What a link of frames has handed over to what carries it, kept where it outlives the process. A medium of
 * its own mind may use under_way for what else is. */
struct link_tally {
    _Atomic uint64_t sent;      /* frames that were taken */
    _Atomic uint32_t under_way; /* frames of the system call that is being made */
    _Atomic uint32_t unsure;    /* of lives that were killed in the middle of one */
};

struct link_open {
    sd_event *event;
    const struct port_spec *spec;
    const char *name;                /* of the component */
    struct link_tally *tally;        /* NULL: nobody counts */
    const char *endpoint;            /* where to; the form is the driver's, written by the medium's set-up */
    const struct token_ring *tokens; /* of this process; lives as long as the link */
    pid_t runner;                    /* 0: nobody knows */
    size_t message_max;              /* longest message that the component takes, bytes */
    struct link_hooks hooks;
};

/* A transport. open gives NULL and a text in *reason when it cannot work; a peer that is not there yet is no
 * reason: the link then comes up later. */
struct link_driver {
    const struct medium *medium;
    struct link *(*open)(const struct link_open *o, const char **reason);
};

/* A life begins: what the one before was killed with is unsure. */
void link_tally_begin(struct link_tally *t);
/* Around a system call that hands over so many frames; done with how many were taken. NULL is none. */
void link_tally_try(struct link_tally *t, uint32_t frames);
void link_tally_done(struct link_tally *t, uint32_t taken);

/* Value of ";key=" in an endpoint; false when there is none. */
bool link_option(const char *endpoint, const char *key, char *out, size_t cap);
/* Connects to a Unix socket of that type without blocking; -1 and errno. */
int link_connect_unix(const char *path, int type);
/* The same to a socket of this run, at which the runner began to listen, or a helper that it started, and
 * nobody in their place: ERR_LINK_NOT_OURS as EPERM, said in the log. What a link proves itself by goes to no
 * other. */
enum link_server {
    LINK_RUNNER,
    LINK_HELPER,
    LINK_HELPERS_OWN, /* a process that a helper started, too */
    LINK_OUTSIDER     /* played by somebody outside the run: only the user is known */
};
/* Is that who is at the other end of a connected Unix socket, and of our user? */
bool link_is_ours(const struct link_open *o, int fd, enum link_server server);
int link_connect_ours(const struct link_open *o, const char *path, int type, enum link_server server);
/* Calls fn in the loop's next turn. */
void link_defer(sd_event *event, int (*fn)(sd_event_source *s, void *ctx), void *ctx);

#endif

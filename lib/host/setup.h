/* The set-up of a medium: what the runner of a process world does for it before the components start, besides
 * them and after them. Written against this header alone; the world names no medium. */
#ifndef lib_host_setup_h
#define lib_host_setup_h

#include <systemd/sd-event.h>

#include "lib/host/link.h"
#include "lib/host/medium.h"
#include "lib/host/spawn.h"
#include "lib/host/token.h"

/* Who takes part. */
struct setup_instance {
    const char *name;
    const struct component_class *class;
    const char *serial; /* of its vehicle; "" for who has none */
    unsigned group;     /* its vehicle */
    bool external;      /* nothing here starts it: somebody outside the run takes its ends */
};

/* A key with its TLS certificate, as the run's plant makes them; the caller wipes the key. */
#define SETUP_CERTIFICATE_MAX 1024 /* bytes of DER */
struct setup_identity {
    uint8_t scalar[TOKEN_SIZE]; /* P-256: as long as a token, and handed on as one */
    uint8_t certificate[SETUP_CERTIFICATE_MAX], authority[SETUP_CERTIFICATE_MAX];
    size_t certificate_len, authority_len;
};
enum setup_role {
    SETUP_SERVER,
    SETUP_CLIENT,
    SETUP_CLIENT_EXPIRED, /* ended yesterday */
    SETUP_CLIENT_FOREIGN  /* of another authority, which nobody trusts */
};

/* What the runner tells and offers. */
struct setup_world {
    sd_event *event;
    uint64_t start_ns;       /* CLOCK_MONOTONIC at time 0 */
    int64_t wall_offset_us;  /* wall clock at time 0 */
    const char *directory;   /* of this run alone */
    struct token_ring *book; /* of this run, for all media: token_draw */
    const char *choice;      /* value of the medium's option, "auto" when not given */
    bool needs_network;      /* a medium of this run lies outside this machine */
    bool by_hand;            /* a person drives it, who may want to come in from outside */
    bool outsiders;          /* somebody outside takes part, and must be able to reach the ends of others */
    bool wire_time;          /* buses take the time of real ones; a set-up that cannot do it fails */
    const struct setup_instance *instances;
    size_t count;
    unsigned groups;     /* vehicles */
    char described[120]; /* what carries it, for the verdict; "" for nothing worth a word */
    void *ctx;
    void (*fail)(void *ctx, const char *text); /* why it cannot work, and what to do */
    void (*frame)(void *ctx, uint64_t now_us, const char *bus, const struct bus_frame *f);
    /* A new identity for a host or a client of that name, below the one authority of this run, unless
     * the role says otherwise. */
    bool (*certify)(void *ctx, const char *name, enum setup_role role, struct setup_identity *out);
    /* A line for whoever drives it by hand: where something of this medium is to be had. */
    void (*announce)(void *ctx, const char *text);
    /* A descriptor, from now on the caller's, of the maildir of a medium that keeps what it carries; -1:
     * there is none. */
    int (*box)(void *ctx, const struct medium *m);
};

/* One port of one component, as it is made ready for a life of the component. */
struct setup_end {
    const struct setup_instance *who;
    unsigned port;
    int listen_as;           /* number in its process of a descriptor that it listens at */
    int *listen_fd;          /* here; -1 until the set-up makes it, then for all its lives */
    struct token_ring *ring; /* gets what the driver proves itself by, or knows others by */
    char *endpoint;          /* out: what the driver is opened with; names no secret */
    size_t cap;
};

/* A process that belongs to a medium, not to the cast. */
#define SETUP_ARGUMENTS 8
#define SETUP_FDS       40
struct setup_helper {
    char arguments[SETUP_ARGUMENTS][600]; /* the program's path first; "" ends them */
    struct spawn_fd fds[SETUP_FDS + 1];   /* -1 ends them */
    bool tied;                            /* does not ask for its parent's death signal itself */
    bool leads;                           /* tied, with processes of its own (lib/host/spawn.h) */
    bool by_signal;                       /* ended by SIGTERM; else by `stop` */
    char variable[200];                   /* tied: "NAME=value" in its environment; "": none */
    int door; /* a socket that listens already: who comes there first may start it; 0: it starts with the run
               */
};

/* How much a port has handed over; `ctx` is setup_world's. NULL when nobody counted. */
typedef const struct link_tally *setup_tally(void *ctx, const struct setup_instance *who, unsigned port);

struct setup {
    const struct medium *medium;
    const struct link_driver *driver; /* for ends that the runner itself has on it; NULL: it has none */
    const char *option;               /* "can": of the command line, and of make in capitals; NULL: none */
    const char *form;                 /* of its value, for the help */
    const char *option_is;            /* one line of help */
    /* Could that be a value of the option? False and a sentence when it never is; whether it works shows in
     * open. NULL: anything could. */
    bool (*takes)(const char *choice, char *problem, size_t cap);
    const char *only_real; /* what a person misses of it in virtual time, and how to get it; NULL: nothing */
    /* Does it listen to others on this machine? Then it is opened before any other, one of which may take the
     * run into a network of its own. NULL: never. */
    bool (*faces_machine)(const char *choice, bool by_hand);
    /* Where it is written how somebody outside takes an end of it; NULL: nobody can. */
    const char *outside;
    const char *helper;                        /* name of its process, as scenarios may kill it; NULL: none */
    size_t size;                               /* of its state, zeroed */
    bool (*needs_network)(const char *choice); /* NULL: never */
    /* False after w->fail. */
    bool (*open)(struct setup_world *w, void *state);
    /* Its process, in this run; false when there is none. NULL: never. */
    bool (*helper_is)(struct setup_world *w, void *state, struct setup_helper *out);
    bool (*endpoint)(struct setup_world *w, void *state, const struct setup_end *e);
    void (*stop)(void *state);                         /* the helper is to end; NULL: it gets a signal */
    void (*drain)(struct setup_world *w, void *state); /* records that were not handed over yet; NULL: none */
    /* Is something on its way that was handed over and nobody has heard yet? NULL: never. */
    bool (*busy)(struct setup_world *w, void *state, setup_tally *tally);
    /* Everybody has ended: fails the run when the medium has not recorded all that was sent. NULL: it records
     * nothing. */
    void (*audit)(struct setup_world *w, void *state, setup_tally *tally);
    void (*close)(struct setup_world *w, void *state);
};

/* Every asking port that reaches the listening port of `server`: calls each with the asker. */
void setup_each_caller(const struct setup_world *w, const struct setup_instance *server, unsigned port,
                       void (*each)(void *ctx, const struct setup_instance *asker, unsigned asking_port),
                       void *ctx);
/* Gives the driver of that end its token at a server, or of a client: by the place "<server>.<port>" and the
 * client's name it is the same one for both. */
bool setup_give_token(const struct setup_world *w, const struct setup_end *e, const char *place,
                      const char *client, const char *as);
/* The first instance that an asking port reaches; NULL when it does not take part. */
const struct setup_instance *setup_server_of(const struct setup_world *w, const struct setup_instance *asker,
                                             unsigned port, unsigned *server_port);
/* A list "who=/path/of/socket,...": is each path as short as a socket's has to be? For `takes`. */
bool setup_sockets_fit(const char *choice, char *problem, size_t cap);

#endif

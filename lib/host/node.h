/* What both hosts share: a component, its env, its store transaction, its trace numbers, its faults and the
 * tap. All that enters or leaves a component passes here. The host adds time, links and life. */
#ifndef lib_host_node_h
#define lib_host_node_h

#include "lib/env/env.h"
#include "lib/host/fault.h"
#include "lib/host/medium.h"
#include "lib/host/seal.h"
#include "lib/host/store.h"

struct node;

/* Who hears what enters and leaves a component. */
enum tap_depth {
    TAP_NONE,
    TAP_TALK, /* of media that have a log of their own (medium_talks) */
    TAP_ALL
};

/* Bytes that entered or left a component, as the tap hears them; borrowed. What its class declares as secret
 * is masked in them with '*'. */
struct tap_event {
    uint64_t time_us;
    const char *medium, *port, *from, *to; /* to or from is "" where the medium names nobody */
    bool out;                              /* left the component that was tapped */
    bool words; /* the bytes are a text: what the medium was told (out), or its news (medium.words_shown) */
    enum err refused; /* words that it did not take, and why */
    struct span bytes;
};

struct node_host {
    uint64_t (*now_us)(struct node *n);
    int64_t (*wall_ms)(struct node *n);
    void (*timer_set)(struct node *n, unsigned timer, uint64_t at_us);
    /* Puts bytes on the port's link after a delay (0: in order). A medium of frames: the bytes of a struct
     * bus_frame. */
    enum err (*send)(struct node *n, unsigned port, const char *address, struct span bytes,
                     uint64_t delay_us);
    /* A fault has lost them on their way, for a medium that tells of that; NULL: none does. */
    void (*lose)(struct node *n, unsigned port, const char *address, struct span bytes);
    bool (*link_up)(struct node *n, unsigned port);
    enum err (*subscribe)(struct node *n, unsigned port, const char *topic);
    enum err (*tell)(struct node *n, unsigned port, const char *address, const char *news);
    /* Runs the work and hands its result to node_on_work later. */
    enum err (*work)(struct node *n, unsigned work, struct span in);
    void (*trace)(struct node *n, const struct trace_event *e);
    /* Ends the component here and now; may return (virtual world): then nothing it does has effect. */
    void (*die)(struct node *n, const struct fault *why);
    /* Hears what enters and leaves; NULL: nobody listens. */
    void (*tap)(struct node *n, const struct tap_event *e);
};

/* A message that a reorder fault holds back. */
struct node_held {
    bool used;
    unsigned port;
    char address[ENV_KEY_MAX];
    size_t len;
    uint8_t *bytes;
};

struct node_secret {
    size_t len;
    uint8_t *bytes;
};

struct node {
    struct env env; /* first: an env is a node */
    const struct node_host *host;
    const struct component_class *class;
    const struct medium *media[ENV_PORTS];
    void *self;
    struct store *store;
    struct seal seal;
    uint8_t store_key[ENV_STORE_KEY];
    struct store_txn txn;
    struct fault_plan *plan; /* NULL: none */
    struct node_held held;
    struct node_secret *secrets; /* what the tap masks; kept while somebody listens */
    size_t secret_count;
    bool secrets_known;
    char (*shown)[ENV_TEXT_MAX]; /* NULL for a class that shows nothing */
    uint64_t settings[ENV_SETTINGS];
    uint32_t sequence, cause;
    bool dead, handling;
    bool talk_only; /* the tap hears no more than TAP_TALK */
    char serial[40];
    char name[ENV_NAME_MAX];
};

/* Fills in a zeroed node; the instance is created by node_start. media: what the class's ports are looked up
 * in; every port must find its medium there. */
void node_prepare(struct node *n, const struct node_host *host, const struct component_class *class,
                  const struct medium *const *media, const char *name, struct crypto *crypto,
                  struct store *store, struct fault_plan *plan);
/* ERR_SETTING_RANGE for a setting outside its bounds. What the class keeps sealed is checked before init, and
 * sealed anew when the key was changed: the errors of seal_check, and then nothing has been written. */
enum err node_start(struct node *n, const struct component_args *args);
/* Ends the instance: its memory is wiped and freed, its uncommitted puts are gone. */
void node_stop(struct node *n);

/* Inputs. Each is one step: a number for traces, and the end of any uncommitted transaction. */
void node_on_bytes(struct node *n, unsigned port, const char *address, struct span bytes);
void node_on_link(struct node *n, unsigned port, enum link_state state);
void node_on_news(struct node *n, unsigned port, const char *address, const char *news);
void node_on_timer(struct node *n, unsigned timer);
void node_on_work(struct node *n, unsigned work, enum err e, struct span result);
/* An operator's call; as many values as the call has parameters. */
void node_on_call(struct node *n, unsigned call, const struct call_value *values);

/* A host's own event about this node (life, links). */
void node_trace(struct node *n, enum trace_kind kind, const char *detail);

/* node_tap.c: tells the tap, secrets masked. Only to be called when host->tap is there. */
void node_tap(struct node *n, unsigned port, bool out, const char *address, struct span bytes);
void node_tap_words(struct node *n, unsigned port, bool out, const char *address, const char *words,
                    enum err refused);
void node_tap_forget(struct node *n);

#endif

/* The asking side of a use case: one exchange at a time, a request in it repeated until it is answered or
 * given up, and the next attempt after a back-off.
 *
 * An exchange has a correlation of its own; its requests are numbered 1, 2, 3 ... and an answer repeats
 * correlation and number of its request. What an answer means, and whether it may come now, is its owner's
 * affair. A component may have several requesters on the same channels; each has a timer of its own.
 *
 *   requester_begin    a new exchange
 *   requester_send     the first request, and from the answer's handler the next one
 *   requester_check    does this message answer the last request?
 *   requester_stop     the exchange has reached its end
 *   requester_give_up  it has not: back off, then resume
 *
 * Calls that break an order promised here are our own mistakes and end in an assertion. */
#ifndef lib_msg_requester_h
#define lib_msg_requester_h

#include "lib/env/env.h"
#include "lib/msg/msg.h"

#define REQUESTER_ATTEMPTS_MAX   6  /* transmissions of one request, the pause doubling each time */
#define REQUESTER_DOUBLES_MAX    6  /* the back-off doubles up to this often */
#define REQUESTER_JITTER_PERCENT 10 /* a pause is longer by at most this: many vehicles spread */

enum requester_state {
    REQUESTER_IDLE,      /* no exchange */
    REQUESTER_BEGUN,     /* an exchange that has not asked yet */
    REQUESTER_WAITS,     /* for the answer to the last request */
    REQUESTER_BACKS_OFF, /* until the time of the next attempt */
    REQUESTER_STATES
};

/* One kind of request; a static row. */
struct request {
    Spaak__V1__UseCase use_case;
    Spaak__V1__MessageType type;
    unsigned channel; /* the owner's number for the way it goes */
    const char *step; /* "PP-01/3" */
};

/* Who signs. One per component, borrowed by all its requesters; may change between two requests. */
struct requester_signer {
    const char *ecu_serial;
    const struct p256_key *key;
    struct span certificate; /* of the ECU identity, DER */
    const uint8_t *drm_uuid; /* MSG_UUID bytes; NULL until SP-02 has run */
};

struct requester_ops {
    /* Hands the bytes to a channel, which copies them. Nothing is lost for good: the repetition comes. */
    void (*transmit)(void *owner, unsigned channel, struct span bytes);
    /* False while nobody would hear us: the timer is set again and no attempt is counted. */
    bool (*reachable)(void *owner);
    /* REQUESTER_WAITS: a request is sealed and not yet on its way. REQUESTER_BACKS_OFF: the exchange has
     * failed. Takes note; calls nothing here. */
    void (*on_state)(void *owner, enum requester_state state);
    /* The back-off is over and the requester idle. The owner looks at its store, begins and goes on. */
    void (*resume)(void *owner);
};

struct requester_config {
    struct env *env;
    unsigned timer;           /* used by nobody else */
    uint64_t retry_us;        /* pause before the first repetition */
    uint64_t back_off_us;     /* pause after the first failure in a row */
    const char *const *peers; /* who is at the far end of each channel, for the trace */
    const struct requester_signer *signer;
    const struct requester_ops *ops; /* all four there */
    void *owner;
};

struct requester {
    struct requester_config config;
    enum requester_state state;
    uint8_t correlation[MSG_UUID];
    uint32_t sequence;             /* of the last request; 0: none in this exchange */
    unsigned attempts;             /* transmissions of that request */
    unsigned failures;             /* exchanges in a row that were given up */
    const struct request *request; /* the last one, borrowed; NULL: none in this exchange */
    size_t packed_len;
    uint8_t packed[MSG_MAX]; /* that request as it travels */
};

/* The config is copied; what it points to is borrowed for the requester's life. */
void requester_init(struct requester *r, const struct requester_config *config);
/* Only from REQUESTER_IDLE. */
void requester_begin(struct requester *r);
/* Seals, traces, transmits and repeats; gives up when it cannot be sealed. Only in an exchange; whatever was
 * asked before is not repeated any more. */
void requester_send(struct requester *r, const struct request *request, struct span body);
/* ERR_MSG_REPLAYED: of an earlier request or exchange, or nothing was asked. ERR_MSG_OUT_OF_ORDER: of a
 * request yet to come. The header must be one that msg_open accepted. */
enum err requester_check(const struct requester *r, const struct msg_header *h);
/* Only in an exchange. Traces the reason at the step of the last request. */
void requester_give_up(struct requester *r, enum err reason);
/* From any state: the exchange is done, or something else has overtaken it. Failures are forgotten. */
void requester_stop(struct requester *r);
/* To be called when its timer fires. */
void requester_on_timer(struct requester *r);

#endif

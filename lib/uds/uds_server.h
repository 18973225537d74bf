/* A UDS server (ISO 14229-1) without I/O: requests in (uds_server_receive), answers out (uds_server_take),
 * next deadline (uds_server_due_us), timers (uds_server_tick). Time is handed in, in microseconds of any
 * monotonic clock. An ECU is a table, below; the server is a struct of the caller and allocates nothing.
 *
 * What the transport tells besides messages: that a request begins to arrive and that it did not come to its
 * end (S3 stands still in between), and that an answer has left (S3 begins).
 *
 * What must outlive a power cut goes through the ECU's `store` before the positive answer leaves: data
 * written (2E), a routine's effect (31), wrong keys (27, before the negative answer too), the status of
 * trouble codes. A power cut is the struct thrown away, and made anew from what was stored.
 *
 * Handlers run inside receive, done and tick; they may call uds_server_default_session and no other function
 * of this header on the same server.
 *
 * Promises of the caller, asserted: the table is well-formed (uds_server_init), it outlives the server, and
 * no pointer is NULL that is not said to be. What a request says is never asserted. */
#ifndef lib_uds_uds_server_h
#define lib_uds_uds_server_h

#include "lib/uds/uds_dtc.h"
#include "lib/uds/uds_security.h"

#define UDS_ANSWER_MAX   2048 /* longest answer, bytes; what would be longer is refused with 14 */
#define UDS_SESSIONS_MAX 8
#define UDS_LEVELS_MAX   4
#define UDS_DTCS_MAX     16
#define UDS_ACCESS_MAX   2
#define UDS_QUEUE        6 /* answers that wait to be taken */

/* ---- the ECU as a table ---- */

/* A set of sessions by their place in the table: bit 0 is the default session. */
#define UDS_IN(row) ((uint8_t)(1u << (row)))
#define UDS_IN_ALL  0xFF

/* In these sessions, once this level is open (0: none need be) and the tester is authenticated. */
struct uds_access {
    uint8_t sessions;
    uint8_t level;
    bool authenticated;
};
/* For the rows of tables, inside their braces. */
#define UDS_FREE_IN(set)               .sessions = (set)
#define UDS_LOCKED_IN(set, number)     .sessions = (set), .level = (number)
#define UDS_CERTIFIED_IN(set)          .sessions = (set), .authenticated = true
#define UDS_SUBFUNCTIONS(table)        .subfunctions = (table), .subfunction_count = sizeof(table) / sizeof(table)[0]
#define UDS_OPTIONS(shortest, longest) .offered = true, .options_min = (shortest), .options_max = (longest)

struct uds_session {
    uint8_t id;
    uint16_t p2_ms;      /* P2server: to the first answer */
    uint32_t p2_star_ms; /* P2*server: after each 78; told in steps of 10 ms */
    /* UDS_OK, or why it may not be entered now (22). NULL: always. */
    enum uds_nrc (*may_enter)(void *ctx);
};

struct uds_subfunction {
    uint8_t id;
    struct uds_access access;
};

struct uds_service {
    uint8_t sid; /* one of enum uds_sid */
    struct uds_access access;
    /* All that it has in any session. None for services without, and for 31, whose routines have their own.
     */
    const struct uds_subfunction *subfunctions;
    size_t subfunction_count;
    bool physical_only; /* not there for functional requests */
};

struct uds_did {
    uint16_t id;
    uint16_t len_min, len_max;               /* of the value, bytes */
    struct uds_access read[UDS_ACCESS_MAX];  /* rows of no session: never */
    struct uds_access write[UDS_ACCESS_MAX]; /* any of them */
    /* Writes the value, of a length within the bounds; or 22. */
    enum uds_nrc (*read_value)(void *ctx, const struct uds_did *did, struct wr *out);
    /* The length is within the bounds. Makes ready what `store` will keep; 31 for a value that cannot be, 22,
     * 72, or PENDING. */
    enum uds_nrc (*write_value)(void *ctx, const struct uds_did *did, struct span value, uint32_t ticket);
};

struct uds_routine_form {
    bool offered;
    uint16_t options_min, options_max; /* length of routineControlOptionRecord, bytes */
};

struct uds_routine;
struct uds_routine_call {
    const struct uds_routine *routine;
    enum uds_routine_part part;
    struct span options; /* borrowed until the handler returns */
    uint32_t ticket;     /* for uds_server_done, after PENDING */
};

struct uds_routine {
    uint16_t id;
    struct uds_access access[UDS_ACCESS_MAX];           /* any of them */
    struct uds_routine_form forms[UDS_ROUTINE_RESULTS]; /* start, stop, results */
    bool durable;                                       /* start and stop end with `store` */
    /* Writes what follows the identifier; or 31, 24, 22, 72, in this order; or PENDING and writes nothing. */
    enum uds_nrc (*run)(void *ctx, const struct uds_routine_call *call, struct wr *out);
};

/* A level of 27: its odd subfunction, and how wrong keys are counted. The subfunctions themselves, odd and
 * even, stand in the service's row. */
struct uds_level {
    uint8_t level;
    uint8_t attempts;  /* wrong keys until the delay */
    uint32_t delay_ms; /* also after a start with a wrong key on record */
    /* K of this level, wiped by the server. False: the ECU was given none, and a seed is refused with 22. */
    bool (*key)(void *ctx, uint8_t level, uint8_t k[UDS_SECRET]);
};

/* What a new server begins with, and all of it that a power cut must not take. */
struct uds_stored {
    uint8_t failed[UDS_LEVELS_MAX]; /* wrong keys since the last right one, in the table's order */
    uint8_t status[UDS_DTCS_MAX];   /* of the trouble codes, in the table's order */
};

struct uds_server;

/* 29, for the ECU that has it: certificates are its own affair. Both may return PENDING; then the bytes come
 * with uds_server_done. */
struct uds_authenticator {
    /* A certificate (50-57, 5C): UDS_OK, and writes challengeServer. A new one replaces an older challenge.
     */
    enum uds_nrc (*verify_certificate)(void *ctx, uint8_t configuration, struct span certificate,
                                       struct span challenge, uint32_t ticket, struct wr *challenge_server);
    /* Proof of ownership over that challenge (58): UDS_OK, and writes sessionKeyInfo, usually nothing. Asked
     * once per challenge. */
    enum uds_nrc (*verify_proof)(void *ctx, struct span proof, struct span ephemeral, uint32_t ticket,
                                 struct wr *key_info);
};

struct uds_ecu {
    const struct uds_session *sessions; /* the first is the default session */
    const struct uds_service *services;
    const struct uds_did *dids;
    const struct uds_routine *routines;
    const struct uds_level *levels;
    const uint32_t *dtcs;
    size_t session_count, service_count, did_count, routine_count, level_count, dtc_count;
    uint8_t dtc_available;   /* DTCStatusAvailabilityMask: the bits that the ECU keeps */
    uint8_t dids_at_once;    /* most identifiers in one 22 */
    uint32_t s3_ms;          /* S3server: no request for so long, and the default session is back */
    uint32_t pending_max_ms; /* longest time that a request may be pending, then 10 */
    uint32_t reset_ms;       /* 11: from the answer's end until the ECU goes down */
    struct uds_authenticator authenticator;

    /* Makes durable what the handler changed, and *stored, both or neither. False: the ECU has taken back its
     * own change; the request gets 72. */
    bool (*store)(void *ctx, const struct uds_stored *stored);
    /* Each may be NULL: nothing to ask, nobody to tell. UDS_OK, or 22 and the like. */
    enum uds_nrc (*may_reset)(void *ctx, enum uds_reset kind);
    enum uds_nrc (*may_clear)(void *ctx);
    enum uds_nrc (*may_change_communication)(void *ctx, enum uds_communication wanted, uint8_t types);
    /* Session, level, authentication, communication or DTC setting may be others now. */
    void (*changed)(void *ctx, const struct uds_server *s);
};

/* ---- the server ---- */

enum uds_server_state {
    UDS_SERVER_READY,     /* waits for a request */
    UDS_SERVER_PENDING,   /* waits for uds_server_done */
    UDS_SERVER_ANSWERING, /* waits for the final answer to leave */
    UDS_SERVER_RESETTING, /* 11 was answered: deaf until reset_ms are over */
    UDS_SERVER_DOWN,      /* the owner ends this server and makes another */
};

/* The request that is being served. */
struct uds_request {
    uint8_t sid, subfunction;
    bool functional, suppressed;
    bool pending_said; /* a 78 went out: the final answer is never held back */
    bool durable;      /* ends with `store` */
    uint8_t reset;     /* of 11, once granted; else 0 */
    uint32_t ticket;
    uint64_t pending_due_us, pending_end_us;
};

/* One that waits to be taken: three bytes, or with the first of them 0 the answer buffer. */
struct uds_queued {
    uint8_t negative[UDS_NEGATIVE_LEN];
    bool final;
};

struct uds_server {
    const struct uds_ecu *ecu;
    void *ctx;
    struct crypto *crypto;
    enum uds_server_state state;
    struct uds_stored stored;
    uint8_t session;        /* row of the table */
    uint8_t level;          /* the one that is open; 0: locked */
    bool authenticated;     /* by 29 */
    bool challenged;        /* a challenge of 29 01 is out */
    uint8_t rx_off, tx_off; /* 28: what is off; bit 0 normal messages, bit 1 network management */
    bool dtcs_off;          /* 85 02: status does not change */
    struct {
        uint8_t level; /* 0: no seed is out */
        uint8_t bytes[UDS_SEED];
    } seed;
    uint64_t delay_end_us[UDS_LEVELS_MAX];
    bool arriving[2]; /* by enum uds_addressing */
    uint64_t s3_due_us, reset_due_us;
    struct uds_request request;
    struct uds_queued queue[UDS_QUEUE];
    size_t queued;
    bool leaving; /* the first of the queue was taken */
    uint8_t answer[UDS_ANSWER_MAX];
    size_t answer_len;
};

/* Power-on. `stored` is what `store` kept last; NULL: nothing yet, trouble codes are untested. A wrong key on
 * record starts its level's delay. */
void uds_server_init(struct uds_server *s, const struct uds_ecu *ecu, void *ctx, struct crypto *c,
                     const struct uds_stored *stored, uint64_t now_us);
/* Wipes what is secret. */
void uds_server_wipe(struct uds_server *s);

/* The transport received the first part of a longer request. */
void uds_server_arrival_begins(struct uds_server *s, enum uds_addressing a, uint64_t now_us);
/* The rest of it did not come: S3 goes on as if nothing had been. */
void uds_server_arrival_failed(struct uds_server *s, enum uds_addressing a, uint64_t now_us);
/* A whole message, borrowed until the call returns. What is no request is ignored. */
void uds_server_receive(struct uds_server *s, enum uds_addressing a, struct span pdu, uint64_t now_us);

/* The next answer, in order; false when there is none or one is still leaving. Borrowed until
 * uds_server_sent. */
bool uds_server_take(struct uds_server *s, struct span *pdu);
/* What was taken has left, or was given up by the transport. */
void uds_server_sent(struct uds_server *s, uint64_t now_us);

/* Ends the request that a handler answered with PENDING: UDS_OK and the bytes it would have written, or why
 * not. ERR_NOT_FOUND when the request of this ticket has ended already (pending_max_ms): what the ECU did for
 * it meanwhile is its own affair, and the same may have been asked again. The ECU's `store` is called from
 * here. */
enum err uds_server_done(struct uds_server *s, uint32_t ticket, enum uds_nrc nrc, struct span info,
                         uint64_t now_us);

/* The earliest time at which uds_server_tick has something to do; UDS_NEVER for none. */
uint64_t uds_server_due_us(const struct uds_server *s);
void uds_server_tick(struct uds_server *s, uint64_t now_us);

/* Back to the default session, locked, without a request: a routine that ends its own session. */
void uds_server_default_session(struct uds_server *s);
uint8_t uds_server_session_id(const struct uds_server *s);

/* The test behind a trouble code, by its place in the table, has ended. ERR_STORE_FAILED: the status is what
 * it was. While 85 02 is in force nothing changes and nothing is stored. */
enum err uds_server_report(struct uds_server *s, size_t dtc, bool failed);

#endif

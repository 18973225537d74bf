/* A UDS client (ISO 14229-1) without I/O: one request at a time. Requests and keep-alives out
 * (uds_client_take), answers in (uds_client_receive), next deadline (uds_client_due_us), timers
 * (uds_client_tick). Time is handed in, in microseconds of any monotonic clock; nothing is allocated.
 *
 * P2client runs from the request's end to the answer's beginning; each 78 starts P2*client anew. A physical
 * request ends with its first final answer. A functional one collects those of all who answer until P2client
 * is over, and of those who said 78 until theirs have come.
 *
 * What an answer says is never trusted: it must be of the service that was asked, echo subfunction and
 * identifier, and have a length that the service allows. How long a value is only the caller knows.
 *
 * Promises of the caller, asserted: no pointer is NULL; P2 is not 0, nor above P2*, nor that above
 * pending_max_ms. */
#ifndef lib_uds_uds_client_h
#define lib_uds_uds_client_h

#include "lib/uds/uds.h"

#define UDS_CLIENT_SOURCES 8 /* ECUs that may be pending at the same time */

enum uds_result {
    UDS_RESULT_NONE,        /* the call ended nothing */
    UDS_RESULT_POSITIVE,    /* answer */
    UDS_RESULT_NEGATIVE,    /* nrc */
    UDS_RESULT_SILENCE,     /* no answer, as bit 7 asked; its negative one had time to come */
    UDS_RESULT_COLLECTED,   /* a functional request is over; `answers` have come */
    UDS_RESULT_TIMEOUT,     /* no answer within P2client or P2*client */
    UDS_RESULT_PENDING,     /* 78 again and again for pending_max_ms */
    UDS_RESULT_WRONG_ECHO,  /* an answer of the right service about something else */
    UDS_RESULT_MALFORMED,   /* an answer of the right service and a wrong length */
    UDS_RESULT_STRAY,       /* nobody waits for this message; a request under way goes on */
    UDS_RESULT_LINK_FAILED, /* the transport gave up the request or its answer */
};

/* "positive", "wrong echo", ... */
const char *uds_result_name(enum uds_result r);

struct uds_client_event {
    enum uds_result result;
    enum uds_nrc nrc;   /* of NEGATIVE */
    uint32_t source;    /* of an answer, as it was handed in */
    struct span answer; /* borrowed as long as what was handed in */
    uint16_t answers;   /* of COLLECTED */
    bool last;          /* the request is over, another may begin */
};

struct uds_client_config {
    uint32_t p2_ms;          /* request's end to the answer's beginning: P2server and the way */
    uint32_t p2_star_ms;     /* the same after a 78 */
    uint32_t pending_max_ms; /* first 78 to the final answer */
    uint32_t keep_alive_ms;  /* S3client: below the S3server of all who are to be kept */
};
/* 150 ms, 5500 ms, 35 s, 2 s. */
struct uds_client_config uds_client_config_default(void);

enum uds_client_state {
    UDS_CLIENT_IDLE,
    UDS_CLIENT_ASKED,   /* the request waits to be taken */
    UDS_CLIENT_LEAVING, /* it was taken */
    UDS_CLIENT_WAITING, /* it has left */
};

struct uds_client {
    struct uds_client_config cfg;
    enum uds_client_state state;
    enum uds_addressing addressing;
    struct span request;
    uint16_t answers;
    unsigned arriving; /* answers whose first part is there */
    uint64_t p2_end_us, p2_star_end_us, pending_end_us;
    uint32_t pending[UDS_CLIENT_SOURCES]; /* who said 78 */
    size_t pending_count;
    bool keep_alive_due;
    uint64_t keep_alive_us; /* UDS_NEVER: not wanted */
};

void uds_client_init(struct uds_client *c, const struct uds_client_config *cfg);

/* Borrows the request until its last event. ERR_BUSY while one is under way, ERR_BAD_ARGUMENT for one that
 * is empty or no request. */
enum err uds_client_request(struct uds_client *c, enum uds_addressing a, struct span request);
/* Gives up the request, if any, without an event, and what had begun to arrive with it. */
void uds_client_abort(struct uds_client *c);
bool uds_client_busy(const struct uds_client *c);

/* Functional 3E 80 from now on, at once and every keep_alive_ms, or no more. */
void uds_client_keep_alive(struct uds_client *c, bool wanted, uint64_t now_us);

struct uds_client_out {
    enum uds_addressing addressing;
    struct span pdu;
    bool request; /* uds_client_sent is to follow; false: a keep-alive, of which nothing more is asked */
};
/* The next message to send; false for none. */
bool uds_client_take(struct uds_client *c, struct uds_client_out *out);
/* The request has left: P2client begins. */
void uds_client_sent(struct uds_client *c, uint64_t now_us);
/* The transport could not send it. *ev is always written. */
void uds_client_send_failed(struct uds_client *c, struct uds_client_event *ev);

/* The first part of a longer answer is there: the wait stands still until it is whole or failed. */
void uds_client_arrival_begins(struct uds_client *c);
/* *ev is always written: a physical request ends with it. */
void uds_client_arrival_failed(struct uds_client *c, struct uds_client_event *ev);
/* A whole message from an ECU; source is any number that tells the ECUs apart. `arrived` says that
 * arrival_begins told of it. *ev is always written. */
void uds_client_receive(struct uds_client *c, uint32_t source, struct span pdu, bool arrived, uint64_t now_us,
                        struct uds_client_event *ev);

/* The earliest time at which uds_client_tick has something to do; UDS_NEVER for none. */
uint64_t uds_client_due_us(const struct uds_client *c);
/* *ev is always written. */
void uds_client_tick(struct uds_client *c, uint64_t now_us, struct uds_client_event *ev);

/* Is this an answer to that request, by service, echo and length? POSITIVE, NEGATIVE, WRONG_ECHO, MALFORMED,
 * STRAY. */
enum uds_result uds_answer_check(struct span request, struct span answer);

#endif

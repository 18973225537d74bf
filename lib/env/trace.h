/* Trace events: what components and hosts tell the outside, on one clock. Plain fixed-size records, so that
 * a process hands them to the runner as they are and the virtual world keeps them in an array. */
#ifndef lib_env_trace_h
#define lib_env_trace_h

#include <stdio.h>

#include "lib/base/bytes.h"
#include "lib/base/err.h"

#define TRACE_KIND_LIST(X)                                                                     \
    X(LIFE, "life")     /* started, killed, stopped */                                         \
    X(STATE, "state")   /* a component's state machine moved */                                \
    X(STEP, "step")     /* a step of a use case was done */                                    \
    X(SEND, "send")     /* a message left its author: step, peer, length, digest */            \
    X(ACCEPT, "accept") /* a message was received and verified: step, peer, length, digest */  \
    X(REJECT, "reject") /* a message was refused: reason */                                    \
    X(RELAY, "relay")   /* SGW or TBM carried a message */                                     \
    X(APDU, "apdu")     /* a reader carried an APDU: peer is the card, detail what it says */  \
    X(HOLD, "hold")     /* the TBM keeps a message until its link is back */                   \
    X(DROP, "drop")     /* the SGW dropped frames: reason, count in length */                  \
    X(RETRY, "retry")   /* a request is sent again, or will be: reason */                      \
    X(FAIL, "fail")     /* a use case ended without success: reason */                         \
    X(STORE, "store")   /* a transaction was committed: keys in detail */                      \
    X(LINK, "link")     /* a port's link went up or down */                                    \
    X(FAULT, "fault")   /* an injected fault took effect: its number in length */              \
    X(CALL, "call")     /* an operator's call reached a component */                           \
    X(SHOW, "show")     /* a screen, a lamp, a door shows something else: message is which */  \
    X(CLAIM, "claim")   /* a component claims (digest) or no longer claims: subject in peer */ \
    X(NOTE, "note")     /* anything else worth a line */

enum trace_kind {
#define X(name, text) TRACE_##name,
    TRACE_KIND_LIST(X)
#undef X
        TRACE_KINDS
};

#define TRACE_NAME    32 /* name of an instance, with its end */
#define TRACE_MESSAGE 64 /* with its end: "POST /vehicles/SPAAK00000001/mail" */
#define TRACE_DIGEST  8  /* first bytes of a payload's SHA-256 */

struct trace_event {
    uint64_t time_us;  /* since the run began */
    uint32_t sequence; /* per component, never goes back; continues after a restart */
    uint32_t cause;    /* number of the input the component was working on */
    uint32_t length;   /* bytes, or a count */
    uint16_t kind;     /* enum trace_kind */
    uint16_t reason;   /* enum err */
    char component[TRACE_NAME];
    char peer[TRACE_NAME];
    char step[12]; /* "PP-01/9" */
    char message[TRACE_MESSAGE];
    uint8_t digest[TRACE_DIGEST];
    bool has_digest;
    char detail[96]; /* "key=value key=value" or words */
};

const char *trace_kind_name(enum trace_kind k);
/* TRACE_KINDS for an unknown name. */
enum trace_kind trace_kind_from_name(const char *name);

/* One JSON object without a line end, as docs/trace.schema.json describes it; returns its length. Every line
 * says the version, not a first one: so each can be read alone, after grep, split and cat. The version
 * changes when a member is taken away or gets another meaning. out holds TRACE_JSON_MAX characters, enough
 * for the longest event. */
#define TRACE_SCHEMA   1
#define TRACE_JSON_MAX 2048
size_t trace_json(const struct trace_event *e, char out[TRACE_JSON_MAX]);
/* One line for people: "     3.1 ms  PP-01/3   spaak -> vos    VehicleSubjectIdRequest  612 B". What varies
 * in length stands last, so that columns stay where they are. */
#define TRACE_TEXT_MAX 480
void trace_text(const struct trace_event *e, bool colour, char out[TRACE_TEXT_MAX]);
/* Value of "key=value" in the detail; false when there is none. */
bool trace_detail(const struct trace_event *e, const char *key, char *out, size_t cap);

#endif

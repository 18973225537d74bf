/* A line to one ECU of a vehicle, or to all of them, without I/O: whole UDS messages on one side, frames of
 * the diagnostic segment on the other. On it stand ISO-TP and a UDS client, which knows when a request is
 * over; what answers say goes through as it came, 78 included.
 *
 * Other testers may be on the same segment. A line takes, and gives flow control for, nothing but what may
 * answer its own request: it is deaf while it has none. A request that was begun goes on to its end even when
 * nobody waits for the answer any more, so that the next one does not get it. */
#ifndef sim_uds_line_h
#define sim_uds_line_h

#include "lib/can/isotp.h"
#include "lib/can/matrix.h"
#include "lib/uds/uds_client.h"

#define DESK_PDU_MAX  4095 /* longest message either way, bytes */
#define DESK_ECUS     8    /* that a line to all hears */
#define DESK_LINE_ECU 16   /* name of an ECU, with its end: "sgw" */

struct desk_channel {
    struct isotp tp;
    bool arriving; /* the client was told of a first part */
    uint8_t *rx;   /* DESK_PDU_MAX bytes */
};

struct desk_line {
    const struct matrix_row *row; /* of requests */
    enum uds_addressing addressing;
    struct uds_client client;
    bool unanswered; /* a keep-alive: nothing more is asked of it than to leave */
    struct desk_channel channels[DESK_ECUS];
    size_t count;
    struct isotp to_all; /* sends; of a line to all */
    uint8_t request[DESK_PDU_MAX];
};

/* The ECUs that the matrix has rows for, in its order; NULL behind the last. */
const struct matrix_row *desk_ecu(size_t number);
/* "sgw" */
void desk_ecu_name(const struct matrix_row *row, char out[DESK_LINE_ECU]);
/* The row of requests to all. */
const struct matrix_row *desk_all(void);

/* A row of requests. False without memory; close it all the same. */
bool desk_line_open(struct desk_line *l, const struct matrix_row *row, uint32_t p2_ms);
void desk_line_close(struct desk_line *l);

/* Begins a request, of which it keeps a copy. ERR_BUSY while one is under way; ERR_BAD_ARGUMENT for what is
 * no request; ERR_NO_SPACE for one that is too long, of all for a single frame. */
enum err desk_line_ask(struct desk_line *l, struct span request, uint64_t now_us);
/* Nobody waits any more: gives up a request that has not left whole. */
void desk_line_abandon(struct desk_line *l);
bool desk_line_busy(const struct desk_line *l);
/* 3E 80: nobody answers it, and it disturbs nobody. */
bool desk_is_keep_alive(struct span request);

/* A frame of the segment. True: *answer is a message that answers the request; it is good until the next
 * call.
 */
bool desk_line_input(struct desk_line *l, const struct bus_frame *f, uint64_t now_us, struct span *answer);
/* True: *f is to be put on the segment now. */
bool desk_line_output(struct desk_line *l, uint64_t now_us, struct bus_frame *f);
/* When desk_line_output or desk_line_tick has something to do; UDS_NEVER for no such time. */
uint64_t desk_line_due_us(const struct desk_line *l);
void desk_line_tick(struct desk_line *l, uint64_t now_us);

#endif

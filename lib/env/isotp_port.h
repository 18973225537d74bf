/* An ISO-TP channel on a component's CAN port: the engine of lib/can/isotp.h, its two matrix rows, its
 * buffers and its timer in one piece. */
#ifndef lib_env_isotp_port_h
#define lib_env_isotp_port_h

#include "lib/can/isotp.h"
#include "lib/env/env.h"

#define ISOTP_PORT_MAX 2048 /* longest message either way, bytes */
#define ISOTP_PORT_WAITS \
    8 /* WAITs in a row after which a component gives its message up: none may wait forever */

struct isotp_port {
    struct env *env;
    unsigned port, timer;
    const struct matrix_row *out, *in;
    const struct matrix_row *to_many; /* NULL, or one on which single frames come for many */
    void (*on_to_many)(void *owner, struct isotp_port *channel, struct span message);
    void (*on_event)(void *owner, struct isotp_port *channel, const struct isotp_event *ev);
    void *owner;
    struct isotp tp;
    struct isotp_port_buffers
        *buffers; /* from the first message on: most channels of a fleet never have one */
};

/* *c is zeroed before its first init, and may be begun anew. Sends on row `out`, receives on row `in`; the
 * timer number is used by nobody else. Rows that carry classic frames beside CAN FD are answered in the
 * format that came last. */
void isotp_port_init(struct isotp_port *c, struct env *env, unsigned port, unsigned timer,
                     enum matrix_message out, enum matrix_message in);
/* Wipes what went through it, and frees it. */
void isotp_port_fini(struct isotp_port *c);
/* Copies the message. ERR_BUSY while one is under way, ERR_NO_SPACE when it is too long, ERR_NO_MEMORY. */
enum err isotp_port_send(struct isotp_port *c, struct span message);
bool isotp_port_busy(const struct isotp_port *c);
/* Gives up what is under way, both ways, without an event: the node has gone down. isotp_port_init begins
 * anew.
 */
void isotp_port_stop(struct isotp_port *c);
/* The first part of a longer message is there. */
bool isotp_port_receiving(const struct isotp_port *c);
/* Any frame of the port; others' identifiers are ignored. */
void isotp_port_input(struct isotp_port *c, const struct bus_frame *f);
/* To be called when the channel's timer fires. */
void isotp_port_timer(struct isotp_port *c);

#endif

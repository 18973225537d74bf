/* The ISO-TP channel between the SpaaK Module and one of its readers, for either end: the rows of the
 * reader's place, and a short queue of what is still to be sent, as a channel carries one message at a time.
 * The component calls `input` with every frame of the port and `timer` with that timer. */
#ifndef lib_msg_reader_channel_h
#define lib_msg_reader_channel_h

#include "lib/env/isotp_port.h"
#include "lib/msg/reader.h"

#define READER_QUEUE 8

enum reader_side { READER_SIDE_SPAAK, READER_SIDE_READER };

struct reader_channel {
    struct isotp_port tp;
    /* A message came: parse it with the function of the other side. Borrowed. */
    void (*on_message)(void *owner, struct reader_channel *c, struct span pdu);
    /* One was lost on its way in (received) or out; it is not sent again. NULL: of no interest. */
    void (*on_failed)(void *owner, struct reader_channel *c, bool received, enum err reason);
    void *owner;
    struct {
        uint16_t len;
        uint8_t bytes[READER_PDU_MAX];
    } queue[READER_QUEUE];
    unsigned first, count;
};

/* *c is zeroed before its first init, and may be begun anew; then set callbacks and owner. */
void reader_channel_init(struct reader_channel *c, struct env *env, unsigned port, unsigned timer,
                         enum reader_place place, enum reader_side side);
void reader_channel_fini(struct reader_channel *c);
void reader_channel_input(struct reader_channel *c, const struct bus_frame *f);
void reader_channel_timer(struct reader_channel *c);
/* Sends it, or queues it behind the others. ERR_QUEUE_FULL, and what isotp_port_send says. */
enum err reader_channel_send(struct reader_channel *c, struct span pdu);
/* Forgets what is under way and what waits, both ways. May be called from on_message. */
void reader_channel_drop(struct reader_channel *c);

#endif

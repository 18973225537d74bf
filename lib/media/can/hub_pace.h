/* Bus time for the hub: frames of one segment go one after the other, each as long as on the wire, and of
 * those that wait arbitration picks the next. Without a clock: time is handed in, in nanoseconds.
 *
 * A sender's own frames stay in order: it is a controller with one mailbox after the other. A segment's time
 * runs on without gaps while frames wait, however late pace_advance is called; nothing that came later takes
 * part in an arbitration that lies before it. */
#ifndef lib_media_can_hub_pace_h
#define lib_media_can_hub_pace_h

#include "lib/media/can/hub.h"

#define PACE_NEVER   UINT64_MAX
#define PACE_WAITING 256 /* frames of one sender: above that it should be read no further */

struct pace;

/* A frame's last bit was on the segment at at_ns; `from` is NULL when its sender has left. */
typedef void pace_deliver(void *ctx, const void *from, uint8_t segment, const struct bus_frame *f,
                          uint64_t at_ns);

/* NULL: no memory. */
struct pace *pace_new(pace_deliver *deliver, void *ctx);
/* A sender is whatever address its caller knows it by. False: no memory, the frame is lost. */
bool pace_put(struct pace *p, const void *from, uint8_t segment, const struct bus_frame *f, uint64_t now_ns);
bool pace_full(const struct pace *p, const void *from);
/* A sender leaves: what it had waiting never comes; a frame already on the wire does. How many never come. */
size_t pace_forget(struct pace *p, const void *from);
/* Delivers, in order of their ends, the frames that end by now. */
void pace_advance(struct pace *p, uint64_t now_ns);
/* When the next frame ends; PACE_NEVER while nothing waits. */
uint64_t pace_next_ns(const struct pace *p);
/* Frames that wait or are on the wire. */
size_t pace_left(const struct pace *p);
void pace_free(struct pace *p);

#endif

/* Plays an ISO-TP engine against lines of text in virtual time; an assertion of Criterion names the line that
 * did not come true. A message of N bytes is 00 01 02 ... FF 00 ...
 *
 *   send N               begin to send a message of N bytes; refused N: it may not begin
 *   in FRAME             a frame arrives (candump's text)
 *   message N DL         the peer has a message of N bytes and frames of CAN_DL DL: classic for 8, FD above
 *   first, next K        it sends its first frame, its next K consecutive frames; `next all`: those left
 *   ms N, us N           time passes; timers that run out are reported
 *   busy, free           the receiver's application stops and starts taking messages
 *
 *   out FRAME            the engine puts this frame on the bus now; FRAME* begins with it, FRAME* and a slash
 *                        with a number is that many bytes long
 *   cf K                 it puts K consecutive frames on the bus now, of the right number, length and bytes;
 *                        `cf all`: to the end of the message
 *   quiet                it has nothing to put on the bus now
 *   received N           the next event: a message of N bytes
 *   sent                 the next event
 *   rxfail R, txfail R   the next event, with its reason
 *   nothing              no event is waiting */
#ifndef tests_isotp_player_h
#define tests_isotp_player_h

#include "lib/can/isotp.h"

#define ISOTP_PLAYER_EVENTS 16

struct isotp_player {
    struct isotp tp;
    uint8_t *rx, *payload;
    uint64_t now_us;
    struct isotp_event events[ISOTP_PLAYER_EVENTS];
    uint32_t received_len[ISOTP_PLAYER_EVENTS];
    bool received_ok[ISOTP_PLAYER_EVENTS];
    size_t first, count;
    struct {
        uint32_t len, done; /* of the peer's message */
        uint8_t dl, sn;
    } peer;
    const char *name, *line; /* for what went wrong */
};

/* name may be NULL. */
void isotp_player_open(struct isotp_player *p, const char *name, const struct isotp_config *cfg,
                       uint32_t rx_cap);
void isotp_player_line(struct isotp_player *p, const char *line);
/* Time moves to this millisecond since the beginning. */
void isotp_player_until(struct isotp_player *p, double ms);
/* An event that no line has taken is an error. */
void isotp_player_close(struct isotp_player *p);

/* All of it; lines end with NULL. */
void isotp_play(const struct isotp_config *cfg, uint32_t rx_cap, const char *const *lines);

#endif

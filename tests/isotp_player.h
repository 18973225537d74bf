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

/* Several lines, apart by "; "; NULL is none. */
void isotp_player_lines(struct isotp_player *p, const char *text);

/* All of it; lines end with NULL. */
void isotp_play(const struct isotp_config *cfg, uint32_t rx_cap, const char *const *lines);

/* ---- the same as tables: given, then at a millisecond since the beginning, when and then ---- */

#define ISOTP_STEPS_MAX 9

struct isotp_given {
    uint8_t tx_dl; /* 0: classic, 8 bytes */
    bool fd_8;     /* CAN FD frames of 8 bytes */
    bool extended_ids, address_byte;
    enum isotp_rx_padding rx_padding;
    bool padded;
    uint8_t pad_byte;
    uint8_t block_size, st_min, tx_wait_max;
    uint32_t n_bs_ms, n_cr_ms; /* 0: 1000 */
    uint32_t buffer;           /* 0: 5000 */
};

struct isotp_step {
    double ms;
    const char *when, *then;
};

struct isotp_row {
    const char *source; /* the case that it answers to */
    struct isotp_given given;
    struct isotp_step steps[ISOTP_STEPS_MAX];
    const char *otherwise; /* why we do otherwise than that case, or NULL */
};

/* Sends on 011 and receives on 010, or on 18DA0201 and 18DA0102. */
struct isotp_config isotp_given_config(const struct isotp_given *g);
void isotp_play_row(const struct isotp_row *r);
#define ISOTP_PLAY_ROWS(rows)                                   \
    do {                                                        \
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) \
            isotp_play_row(&rows[i]);                           \
    } while (0)

#endif

/* ISO-TP (ISO 15765-2:2016) without I/O, full duplex.
 *
 * Contract: frames in (isotp_input), frames out (isotp_output), next deadline (isotp_next_deadline),
 * timers (isotp_expire). Time is handed in, in microseconds of any monotonic clock. One struct is one
 * N_AI pair: it sends on tx_id, receives on rx_id, both directions at the same time.
 *
 * Ownership: the bytes given to isotp_send are borrowed until the message's SENT or TX_FAILED event.
 * A RECEIVED event points into the receive buffer, valid until the next isotp_input.
 *
 * Promises of the caller, asserted: no pointer is NULL (rx_buf may be, for a capacity of 0, and data for a
 * length of 0); isotp_init went well before anything else; a frame handed in was checked where it entered, so
 * that it holds no more than 64 bytes. What a frame says is never asserted.
 *
 * Failures a user can see (N_Result, 8.3.7): ERR_ISOTP_TIMEOUT_A, _TIMEOUT_BS, _TIMEOUT_CR,
 * _WRONG_SN, _INVALID_FS, _UNEXPECTED_PDU, _WFT_OVERRUN, _BUFFER_OVERFLOW; and _BAD_PADDING, which is our
 * own. Frames that the standard tells a node to ignore give no event. */
#ifndef lib_can_isotp_h
#define lib_can_isotp_h

#include "lib/can/frame.h"

#define ISOTP_NEVER UINT64_MAX

/* What the peer was agreed to do with bytes that a frame of up to 8 does not need (10.4.2). A frame of
 * another length is ignored. */
enum isotp_rx_padding {
    ISOTP_RX_ANY,      /* nothing was agreed: both are taken */
    ISOTP_RX_PADDED,   /* CAN_DL is 8, or more in CAN FD, and padding bytes are pad_byte (the value is ours to
                          ask) */
    ISOTP_RX_SHORTEST, /* CAN_DL is the smallest that holds the PCI and the data */
};

struct isotp_config {
    uint32_t tx_id, rx_id; /* 11 or 29 bits, and two unless address bytes tell the directions apart */
    bool extended_ids;     /* 29-bit identifiers */
    bool fd, brs;          /* frame format sent; with fd, tx_dl may exceed 8 */
    bool follow;           /* with fd: who sent classic frames last is sent classic frames */
    uint8_t tx_dl;         /* 8, 12, 16, 20, 24, 32, 48 or 64 */
    bool address_byte;     /* extended or mixed addressing: one byte before the PCI */
    uint8_t tx_address, rx_address;
    bool pad; /* fill frames up to tx_dl or 8; FD frames above 8 are always filled to a DLC step */
    uint8_t pad_byte;
    enum isotp_rx_padding rx_padding;
    uint8_t block_size;  /* sent in our flow control; 0 = no further flow control */
    uint8_t st_min;      /* sent in our flow control, coded as in table 20; reserved values are refused */
    uint8_t wft_max;     /* N_WFTmax: WAITs in a row that a busy receiver of ours sends before it gives up */
    uint8_t tx_wait_max; /* WAITs in a row that our sender bears; 0 = any number, as in the standard */
    /* How long a frame of ours is on the wire: STmin begins when it ends (9.6.5.4). NULL: it takes no time.
     */
    uint64_t (*frame_time_us)(const struct bus_frame *f);
    uint32_t n_as_ms; /* our frames: time until the bus takes one (N_As, N_Ar) */
    uint32_t n_bs_ms; /* wait for flow control */
    uint32_t n_cr_ms; /* wait for a consecutive frame */
    uint32_t n_br_ms; /* a busy receiver repeats WAIT this often */
};

enum isotp_event_kind { ISOTP_NONE, ISOTP_RECEIVED, ISOTP_SENT, ISOTP_RX_FAILED, ISOTP_TX_FAILED };

struct isotp_event {
    enum isotp_event_kind kind;
    enum err reason;     /* of the two failures */
    struct span message; /* of RECEIVED */
};

/* A state is named after what it waits for. */
enum isotp_tx_state {
    ISOTP_TX_IDLE,
    ISOTP_TX_FIRST, /* a single or first frame is to be taken by the bus */
    ISOTP_TX_WAIT_FC,
    ISOTP_TX_CONSECUTIVE /* the next consecutive frame is due at tx.due_us */
};
enum isotp_rx_state { ISOTP_RX_IDLE, ISOTP_RX_WAIT_CF };

struct isotp {
    struct isotp_config cfg;
    bool peer_fd; /* format of the last frame with data that came */
    struct {
        enum isotp_tx_state state;
        bool fd;
        uint8_t dl; /* TX_DL of the message under way */
        const uint8_t *data;
        uint32_t len, done;
        uint8_t sn, block_left, wait_count, limited; /* limited: block_left counts */
        uint32_t gap_us;
        uint64_t due_us, deadline_us;
    } tx;
    struct {
        enum isotp_rx_state state;
        uint8_t *buf;
        uint32_t cap, len, done;
        uint8_t sn, block_left, dl; /* dl: RX_DL, the CAN_DL of the first frame */
        uint8_t waits;              /* WAITs sent in a row */
        bool busy;
        uint8_t fc;                      /* flow control waiting to be sent: 0x30, 0x31, 0x32; 0 = none */
        uint64_t fc_due_us, deadline_us; /* fc_due_us ISOTP_NEVER: no WAIT is left to send */
    } rx;
};

/* CAN FD, 64 bytes, padding CC, the standard's one-second timers, no block limit, STmin 0, N_WFTmax 8. */
struct isotp_config isotp_config_default(uint32_t tx_id, uint32_t rx_id);
/* ERR_BAD_ARGUMENT for a tx_dl that the format does not have, `follow` without fd, an identifier beyond 11 or
 * 29 bits, one identifier for both directions, and a reserved st_min. rx_buf bounds what can be received; the
 * first frame of anything longer is answered with overflow. */
enum err isotp_init(struct isotp *i, const struct isotp_config *cfg, uint8_t *rx_buf, uint32_t rx_cap);

/* Another place to receive into, while nothing is being received: for who has none before it is needed. */
void isotp_set_buffer(struct isotp *i, uint8_t *rx_buf, uint32_t rx_cap);

/* ERR_BUSY while a message is under way; ERR_BAD_ARGUMENT for an empty one. */
enum err isotp_send(struct isotp *i, const uint8_t *data, uint32_t len, uint64_t now_us);
/* Gives up the message under way, if any, without an event. */
void isotp_abort_send(struct isotp *i);
bool isotp_sending(const struct isotp *i);
/* A message has begun to arrive and is not whole yet. */
bool isotp_receiving(const struct isotp *i);
/* A busy receiver answers with WAIT until it is set free, at most wft_max times; then the reception fails
 * with ERR_ISOTP_WFT_OVERRUN. */
void isotp_set_receiver_busy(struct isotp *i, bool busy, uint64_t now_us);

/* Frames of other identifiers are ignored. *ev is always written. A new message that cuts off the one being
 * received is reported with ERR_ISOTP_UNEXPECTED_PDU: as RX_FAILED when a first frame did it (the new
 * message is then being received), as the reason beside RECEIVED when a single frame did. */
void isotp_input(struct isotp *i, const struct bus_frame *f, uint64_t now_us, struct isotp_event *ev);
/* The message of a single frame that was sent to many, on an identifier that is not this channel's own, where
 * no flow control could come back; it points into *f. False for any other frame, and for what a node is told
 * to ignore. The channel's reception is not touched. */
bool isotp_input_to_many(struct isotp *i, uint32_t id, const struct bus_frame *f, struct span *message);
/* True: *f is to be put on the bus now. *ev is SENT when it ended the message. */
bool isotp_output(struct isotp *i, uint64_t now_us, struct bus_frame *f, struct isotp_event *ev);
/* The earliest time at which isotp_output or isotp_expire has something to do; ISOTP_NEVER for none. */
uint64_t isotp_next_deadline(const struct isotp *i);
/* Reports one timer that ran out, if any; call until it gives ISOTP_NONE. */
void isotp_expire(struct isotp *i, uint64_t now_us, struct isotp_event *ev);

/* Table 20: microseconds of an STmin byte; reserved values count as 127 ms. */
uint32_t isotp_st_min_us(uint8_t st_min);

#endif

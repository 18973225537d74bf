/* What the three files of the ISO-TP engine share: isotp.c (configuration, dispatch, time), isotp_receive.c
 * and isotp_send.c. Nobody else includes it. */
#ifndef lib_can_isotp_internal_h
#define lib_can_isotp_internal_h

#include "lib/can/isotp.h"

/* Protocol control information, high nibble of the first byte (table 9). */
enum { PCI_SF = 0x00, PCI_FF = 0x10, PCI_CF = 0x20, PCI_FC = 0x30 };
enum { FC_CTS = 0x30, FC_WAIT = 0x31, FC_OVERFLOW = 0x32 };

#define FF_SHORT_MAX 4095u /* longest FF_DL without the escape */

/* Bytes before the PCI. */
static inline size_t isotp_address_len(const struct isotp *i)
{
    return i->cfg.address_byte ? 1 : 0;
}

/* Longest message of a single frame with this CAN_DL (9.6.2). */
static inline size_t isotp_single_max(const struct isotp *i, size_t can_dl)
{
    return can_dl - isotp_address_len(i) - (can_dl > 8 ? 2u : 1u);
}

/* isotp_receive.c; `at` is where the PCI stands */
/* SF_DL and where the data begin; false for what 9.6.2 tells a node to ignore. */
bool isotp_single_length(const struct isotp *i, const struct bus_frame *f, size_t at, size_t *len,
                         size_t *head);
void isotp_input_single(struct isotp *i, const struct bus_frame *f, size_t at, struct isotp_event *ev);
void isotp_input_first(struct isotp *i, const struct bus_frame *f, size_t at, uint64_t now_us,
                       struct isotp_event *ev);
void isotp_input_consecutive(struct isotp *i, const struct bus_frame *f, size_t at, uint64_t now_us,
                             struct isotp_event *ev);
/* The frame is as long as the peer was agreed to make it when `used` of its bytes mean something. */
bool isotp_length_agreed(const struct isotp *i, const struct bus_frame *f, size_t used);
bool isotp_padding_agreed(const struct isotp *i, const struct bus_frame *f, size_t used);
/* Builds the flow control that is due. */
void isotp_output_flow_control(struct isotp *i, uint64_t now_us, struct bus_frame *f);
void isotp_expire_receiving(struct isotp *i, struct isotp_event *ev);

/* isotp_send.c */
/* A frame of that format, up to dl bytes. */
uint8_t *isotp_frame_begin(const struct isotp *i, struct bus_frame *f, bool fd, uint8_t dl);
void isotp_frame_end(const struct isotp *i, struct bus_frame *f, const uint8_t *end);
/* What is sent next goes in this format. */
bool isotp_send_fd(const struct isotp *i);

void isotp_input_flow_control(struct isotp *i, const struct bus_frame *f, size_t at, uint64_t now_us,
                              struct isotp_event *ev);
/* True: *f holds what the sender has to put on the bus now. */
bool isotp_output_sending(struct isotp *i, uint64_t now_us, struct bus_frame *f, struct isotp_event *ev);
void isotp_expire_sending(struct isotp *i, struct isotp_event *ev);

#endif

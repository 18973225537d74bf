/* The rig's phone brought into a state of its framework, and spoken to. Ends the program when it cannot be.
 */
#ifndef tests_phone_h
#define tests_phone_h

#include "tests/pairing_rig.h"

#define SELECT_FRAMEWORK "00A404000DA000000809434343444B46763100"
#define SELECT_APPLET    "00A404000DA000000809434343444B41763100"
#define SELECT_PPSE      "00A404000E325041592E5359532E444446303100"
#define REQUEST_OK                         \
    "80300000"                             \
    "2F"                                   \
    "5B020100"                             \
    "5C020100"                             \
    "7F5020"                               \
    "C01001020304050607080910111213141516" \
    "C10400001000"                         \
    "C2020008"                             \
    "C3020001"                             \
    "D6020001"                             \
    "00"
#define ZEROS_16 "00000000000000000000000000000000"
/* VERIFY with no point, and with a point but wrong evidence. */
#define VERIFY_ZEROS "8032000055524104" ZEROS_16 ZEROS_16 ZEROS_16 ZEROS_16 "5710" ZEROS_16 "00"
#define VERIFY_WRONG                                                   \
    "8032000055524104"                                                 \
    "ac84283f9a6fef4a5c618cbfcd0836542cda8338f8b2da4c5102cd8976b78f60" \
    "bac4ac9cba2e6a25c4b8a8e804c7ec19f913faf14dc7cc76768dda7b4c9eacb8" \
    "5710" ZEROS_16 "00"

/* Pairs up to the moment at which the phone is in that state; contactless, CREATING before the field is
 * reset.
 */
void phone_bring_to(struct rig *r, enum dk_device_state state);
/* One command over contactless, stored and derived as wanted; the status of its answer. */
uint16_t phone_send(struct rig *r, const char *hex);
uint16_t phone_send_over(struct rig *r, enum dk_link_id link, enum dk_to to, const char *hex);
/* The first step only. */
struct dk_step phone_step(struct rig *r, const char *hex);
/* What the right vehicle sends inside the channel. */
uint16_t phone_send_protected(struct rig *r, uint8_t ins, uint8_t p1, struct span plain);
/* A whole block in pieces; the status of the last answer. */
uint16_t phone_write_block(struct rig *r, struct key_data_buffer *b);
/* GET DATA, then GET RESPONSE as given until there is no more; the status of the last answer. */
uint16_t phone_read_object(struct rig *r, uint16_t tag, const char *get_response);
/* 10/02 with [H] read, from state SECURE2; the status. */
uint16_t phone_accept(struct rig *r);

#endif

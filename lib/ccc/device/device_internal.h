/* What the files of the framework share. */
#ifndef lib_ccc_device_device_internal_h
#define lib_ccc_device_device_internal_h

#include "lib/ccc/device/device.h"

/* A command to the framework, and where its answer goes. */
struct dk_input {
    enum dk_link_id link;
    const struct apdu_command *cmd;
    struct wr *out;
};

/* What a handler returns instead of a status word when there is none to put. */
enum {
    DK_SW_PUT = 0,  /* the answer is complete */
    DK_SW_LATER = 1 /* there is no answer yet: d->storing, or state DERIVING, says why */
};

/* ---- device.c ---- */

/* Wipes the pairing under way and, unless the vehicle accepted it, its key. */
void dk_end_pairing(struct dk_device *d, enum dk_device_state next);
/* From REQUEST to its end; the link is pairing.link. */
bool dk_pairing_open(const struct dk_device *d);
bool dk_pairing_open_on(const struct dk_device *d, enum dk_link_id link);
/* A password is there, and neither used up nor guessed at too often. */
bool dk_has_password(const struct dk_device *d);
bool dk_pairing_mode(const struct dk_device *d);
void dk_wipe_password(struct dk_device *d);
bool dk_scrypt_equal(const struct spake2p_scrypt *a, const struct spake2p_scrypt *b);
/* The entry of a key in applet, owned and later, and its bit in a change. */
size_t dk_key_index(const struct dk_device *d, const struct digital_key *k);
uint16_t dk_key_bit(const struct dk_device *d, const struct digital_key *k);
/* The key and everything that is kept for it. */
void dk_drop_key(struct dk_device *d, struct digital_key *k);
void dk_store_begin(struct dk_device *d, enum dk_storing_what what, enum dk_link_id link,
                    struct dk_change change);

/* ---- device_commands.c ---- */

void dk_framework_input(struct dk_device *d, const struct dk_input *in);
/* Puts the status that a handler returned; an error takes the data and the pairing along. */
void dk_framework_conclude(struct dk_device *d, enum dk_link_id link, struct wr *out, uint16_t sw);
uint16_t dk_framework_select(struct dk_device *d, const struct dk_input *in);
/* Any error over the link of the pairing ends the secure channel; the password stays, so that the vehicle may
 * begin again at REQUEST. */
void dk_after_error(struct dk_device *d, enum dk_link_id link);
/* REQUEST goes on when scrypt is done, VERIFY when its attempt is stored. */
uint16_t dk_put_share(struct dk_device *d, struct wr *out);
uint16_t dk_check_evidence(struct dk_device *d, struct wr *out);

/* ---- device_pairing.c ---- */

uint16_t dk_write_data(struct dk_device *d, const struct dk_input *in);
uint16_t dk_get_data(struct dk_device *d, const struct dk_input *in);
uint16_t dk_get_response(struct dk_device *d, const struct dk_input *in);
uint16_t dk_control_flow(struct dk_device *d, const struct dk_input *in);
/* 10/02 or 11/xx goes on when the key is stored, or is not. */
uint16_t dk_accept_stored(struct dk_device *d, bool stored);

/* ---- device_settle.c ---- */

/* The keys with which a transaction is open. */
void dk_sessions(const struct dk_device *d, struct digital_key *open[DK_LINKS]);
/* Does what waited for the end of those that were open before; true: it must be stored. */
bool dk_settle(struct dk_device *d, struct digital_key *const before[DK_LINKS], enum dk_link_id link);
/* Erases a key that is terminated, and whose vehicle knows, without a session: its last one was cut off;
 * true: it must be stored. */
bool dk_settle_ended(struct dk_device *d, enum dk_link_id link);
void dk_settle_stored(struct dk_device *d, bool stored);
/* An EXCHANGE with that key may have brought a notification; true: later.terminate has a new bit by it. */
bool dk_take_notification(struct dk_device *d, enum dk_link_id link, const struct digital_key *k);

/* ---- device_mailbox.c ---- */

/* clear: what cannot be read is erased, too. */
enum err dk_collect(struct dk_device *d, struct digital_key *k, bool clear);
/* Into KeyAtt, with its bit; what the vehicle put there is taken first. ERR_NO_SPACE. */
enum err dk_write_statement(struct dk_device *d, struct digital_key *k, struct span statement);
/* Something waits, and KeyAtt is free: bit 3 of SigBmp is clear. */
bool dk_waiting_due(struct dk_device *d, struct digital_key *k);
/* Writes it if it is due. */
void dk_write_waiting(struct dk_device *d, struct digital_key *k);
/* The vehicle has taken note of the termination. */
bool dk_termination_known(struct dk_device *d, struct digital_key *k);
/* dk_device_terminate without saying what it changed. */
enum err dk_terminate(struct dk_device *d, struct digital_key *k);

#endif

/* What the files of the applet share. */
#ifndef lib_ccc_device_applet_internal_h
#define lib_ccc_device_applet_internal_h

#include "lib/ccc/device/applet.h"

/* Back to SELECTED (or DESELECTED): no key, no channel, no staged write is left. */
void applet_end_transaction(struct applet_session *s, enum applet_state state);
/* EXCHANGE. The status of an error; 0: the answer is complete, and s->unstored says what must be stored. */
uint16_t applet_exchange(struct applet *a, enum dk_link_id link, const struct apdu_command *cmd,
                         struct wr *out);
/* The mailboxes as they were before an EXCHANGE that could not be stored, and the end of those that were
 * when it could. */
void applet_swap_mailboxes(struct applet_session *s);
/* The entry of the key, as an index. */
size_t applet_key_index(const struct applet *a, const struct digital_key *k);
/* Frees and wipes. */
void applet_free_key(struct digital_key *k);

#endif

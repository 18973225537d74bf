/* The life of a key behind its pairing: a server suspends, resumes or ends it (KM-01), and the VOS hears what
 * has become of it, whoever has done it (KM-02). Names of what is stored: spaak.h. */
#ifndef ecu_spaak_manage_h
#define ecu_spaak_manage_h

#include "ecu/spaak/pairing.h"
#include "lib/msg/manage.h"

void manage_init(struct spaak *s);
void manage_on_tbm_ready(struct spaak *s);
/* After each input: tells the VOS what was put meanwhile, and committed. */
void manage_settle(struct spaak *s);
/* From the VOS: KeyManage, and the acknowledgement of KeyStatus. */
enum err manage_on_key(struct spaak *s, const struct spaak_message *m);
enum err manage_on_ack(struct spaak *s, const struct spaak_message *m);

/* Puts: the key ends, and the VOS is to hear why. False: it had ended, or never was active, and nothing is
 * put. */
bool manage_put_ended(struct spaak *s, const struct vehicle_key *k, enum key_cause cause);
/* KM-02/1: that was kept. */
void manage_trace_ended(struct spaak *s, enum key_cause cause);
/* Puts: its record is deleted. */
void manage_put_gone(struct spaak *s, const struct vehicle_key *k);
/* Its state, as the vehicle has it; of a key that is forgotten, nothing. */
void manage_key_claim(struct spaak *s, const struct vehicle_key *k);
void manage_key_unclaim(struct spaak *s, const struct vehicle_key *k);

/* The server has resumed it, and its phone may have the statement of that in its mailbox, in the way of
 * others. */
bool manage_resumption_is_due(struct spaak *s, const struct vehicle_key *k);
/* It was looked for. */
void manage_resumption_taken(struct spaak *s, const struct vehicle_key *k);

#endif

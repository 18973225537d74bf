/* Inside vehicle_finish: what goes into an EXCHANGE and what comes out of it. No steps. */
#ifndef lib_ccc_vehicle_vehicle_finish_parts_h
#define lib_ccc_vehicle_vehicle_finish_parts_h

#include "lib/ccc/exchange.h"
#include "lib/ccc/vehicle/vehicle_finish.h"

/* What each phase does. */
struct vehicle_phase_rules {
    uint8_t purpose; /* AUTH0 P2, and P2 of CONTROL FLOW at the end */
    enum vehicle_admission admission;
    bool reads;    /* what is announced in KeyAtt */
    uint8_t fills; /* entries of the offer that it may write */
};
extern const struct vehicle_phase_rules vehicle_phase_rules[VEHICLE_PHASES];

/* The record that it is about. */
static inline struct vehicle_key *vehicle_finish_key(const struct vehicle_finish *f)
{
    return f->config->transaction.keys;
}

/* What is wrong with the configuration; NULL when nothing. */
const char *vehicle_finish_find_fault(const struct vehicle_finish_config *c, enum vehicle_phase phase);

/* ---- mailboxes: vehicle_mailbox.c ---- */

void vehicle_mailbox_put_read_bits(const struct vehicle_finish *f, struct wr *w);
/* Takes bitmaps and slot list, decides what to write of the offer. ERR_DK_ANSWER: another length. */
enum err vehicle_mailbox_take_bits(struct vehicle_finish *f);
/* As many things as fit into one EXCHANGE, from f->item on; the bitmaps go with the last, which commits. True
 * when nothing is left. */
bool vehicle_mailbox_put_writes(struct vehicle_finish *f, struct wr *w);

/* ---- statements in KeyAtt: vehicle_statement.c ---- */

/* The next piece; false when the area has no byte. */
bool vehicle_statement_put_read(struct vehicle_finish *f, struct wr *w);
enum vehicle_statement {
    VEHICLE_STATEMENT_PART,  /* read on */
    VEHICLE_STATEMENT_OWN,   /* our attestation, which the device has not fetched yet: it stays */
    VEHICLE_STATEMENT_FALSE, /* f->verdict says why */
    VEHICLE_STATEMENT_TRUE   /* f->found */
};
enum vehicle_statement vehicle_statement_take(struct vehicle_finish *f);
/* The record after what was found. */
void vehicle_statement_apply(enum vehicle_learnt found, struct vehicle_key *k);
/* ATTESTATION_VEHICLE_TERMINATES as a notification. */
enum err vehicle_statement_put_termination(const struct vehicle_finish *f, struct wr *w);

#endif

/* Where a card lay, as the lines of apdu.log say it: a visit is a row of commands of one reader to one card.
 */
#ifndef sim_replay_visits_h
#define sim_replay_visits_h

#include "sim/language/scenario.h"
#include "sim/replay/record.h"

/* The first command of the next visit that begins at that item or later; reader "": to any. The record's
 * count: none. */
size_t visits_next(const struct record *r, size_t from, const char *reader);
/* The last APDU of the visit that begins there. */
size_t visits_last(const struct record *r, size_t first);

/* Who is played from outside comes before he is asked, or long after: what was asked of his card is put to
 * the time of the visit. The record is in order, and is to be put in order again. */
void visits_from_outside(const struct scenario *s, struct record *r);

#endif

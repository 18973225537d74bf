/* Between external.c, external_seen.c and external_word.c. */
#ifndef sim_run_external_parts_h
#define sim_run_external_parts_h

#include "sim/run/run.h"

#define EXTERNAL_REFUSAL 240

const struct member *external_member(const struct run *r, const struct external_seat *e);
/* NULL: that member is played here. */
struct external_seat *external_seat_of(struct run *r, size_t member);
bool external_is_awaited(const struct external_seat *e);
/* Is what this call asks for so already, by a link that it has? */
bool external_is_so(const struct run *r, const struct external_seat *e, const struct action *a);
/* Do two devices hear each other, and have no link yet, when they are moved so? */
bool external_may_come(const struct run *r, const struct external_seat *e, const struct action *a);
/* The link has shown it: it is there, and all that it was asked for is done. */
void external_show(struct run *r, struct external_seat *e, uint64_t now_us);

void external_say(const struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The steps that calls wait for: a person who knows that one was reached may say so. "": none does. */
void external_steps(const struct run *r, char *out, size_t cap);
void external_drop_oldest(struct external_seat *e);
/* Was somebody refused at a door of its own: what the log of that door says of it last. */
bool external_refusal(struct run *r, const struct external_seat *e, char words[EXTERNAL_REFUSAL]);

#endif

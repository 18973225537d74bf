/* The bytes behind the console's APDU lines, for --verbose: what readers were heard to carry last. */
#ifndef sim_run_apdu_hex_h
#define sim_run_apdu_hex_h

#include "lib/env/trace.h"

#define APDU_HEX_KEPT 256 /* readers trace a SELECT only when its card has turned out to be a device */
#define APDU_HEX_ROW  32  /* bytes a line */
#define APDU_HEX_LINE 128 /* characters a line, with its end */

struct apdu_hex;

/* NULL: no memory. */
struct apdu_hex *apdu_hex_new(void);
void apdu_hex_free(struct apdu_hex *h);
/* Forgets the oldest for it. */
void apdu_hex_keep(struct apdu_hex *h, struct span apdu);
/* Line number `row` of what the event is about, below its text; false when there are no more, or when it was
 * not heard. */
bool apdu_hex_row(const struct apdu_hex *h, const struct trace_event *e, size_t row, char out[APDU_HEX_LINE]);

#endif

/* DK messages on the console, for --verbose: those that carry an APDU are told by whom they concern, with the
 * APDU; the others stand here, each with its fields, until what came before them is printed. */
#ifndef sim_run_dk_console_h
#define sim_run_dk_console_h

#include "lib/host/node.h"
#include "sim/run/apdu_hex.h"

struct dk_console;

/* NULL: no memory. */
struct dk_console *dk_console_new(void);
void dk_console_free(struct dk_console *c);
/* An SDU has left somebody; its APDU, if it carries one, goes to `hex`. The oldest gives way to it. */
void dk_console_keep(struct dk_console *c, struct apdu_hex *hex, const struct tap_event *e);
/* The oldest that is not later than that; NULL: there is none. */
const struct trace_event *dk_console_first(const struct dk_console *c, uint64_t until_us);
/* Line number `row` below it; false when there are no more. */
bool dk_console_row(const struct dk_console *c, size_t row, char out[APDU_HEX_LINE]);
void dk_console_drop(struct dk_console *c);

#endif

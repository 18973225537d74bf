/* Forms in which a secret may stand in a file. */
#ifndef sim_run_disguise_h
#define sim_run_disguise_h

#include "lib/base/bytes.h"

#define DISGUISE_MIN 8 /* bytes: shorter values stand everywhere */

/* Does the value stand there as it is, or as hex text? `any`: or as UTF-16, as browsers keep what was typed,
 * or in base64 of either alphabet, wherever in a group it begins. Lines that break it hide it. */
bool disguise_find(struct span text, struct span value, bool any);
/* Are there lines of a key log, as TLS libraries write them for SSLKEYLOGFILE? */
bool disguise_is_key_log(struct span text);

#endif

/* What classes say of themselves (lib/env/component.h), checked before anything relies on it. */
#ifndef sim_declarations_h
#define sim_declarations_h

#include "lib/env/cast.h"

#define DECLARATION_PROBLEM 300

/* False and a sentence for the first declaration that cannot be: too long a table, an unknown medium, a port
 * whose handler or other end is not there. */
bool declarations_check(const struct cast *c, char problem[DECLARATION_PROBLEM]);

#endif

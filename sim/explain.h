/* The remedy of each reason. */
#ifndef sim_explain_h
#define sim_explain_h

#include "lib/base/err.h"

struct explanation {
    enum err reason;
    const char *causes, *look;
};

/* NULL for ERR_OK and for a number that is none. */
const struct explanation *explain_find(enum err e);

#endif

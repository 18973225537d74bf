/* What the files of the language share. */
#ifndef sim_language_language_h
#define sim_language_language_h

#include "sim/language/scenario.h"

#define DURATION_READER(function, type, member)                                   \
    static bool function(void *out, const struct tree *y, struct tree_problem *p) \
    {                                                                             \
        return tree_duration_us(y, &((type *)out)->member, p);                    \
    }
/* Defines a reader of one member that is a fixed text. */
#define TEXT_READER(function, type, member)                                         \
    static bool function(void *out, const struct tree *y, struct tree_problem *p)   \
    {                                                                               \
        return tree_text(y, ((type *)out)->member, sizeof((type *)out)->member, p); \
    }

/* words.c. Readers of names see the scenario that is being read. */
const struct scenario *language_scenario(void);
void language_begin(const struct scenario *s);
bool read_member(const struct tree *y, char out[ENV_NAME_MAX], struct tree_problem *p);
bool read_step(const struct tree *y, char out[12], struct tree_problem *p);
bool read_message(const struct tree *y, char out[32], struct tree_problem *p);
bool read_reason(const struct tree *y, int *out, struct tree_problem *p);
/* A link that some component of the scenario has. */
bool read_link(const struct tree *y, char out[16], struct tree_problem *p);
/* Names of all members, NULL at the end; good until the next call. */
const char *const *member_names(const struct scenario *s);

/* members.c: run. */
bool read_members(struct scenario *s, const struct tree *top, struct tree_problem *p);

/* given.c, actions.c, faults.c, expects.c: out is the scenario. */
bool read_given(void *out, const struct tree *y, struct tree_problem *p);
bool read_settings(void *out, const struct tree *y, struct tree_problem *p);
bool read_do(void *out, const struct tree *y, struct tree_problem *p);
bool read_faults(void *out, const struct tree *y, struct tree_problem *p);
bool read_expects(void *out, const struct tree *y, struct tree_problem *p);
bool read_nevers(void *out, const struct tree *y, struct tree_problem *p);

#endif

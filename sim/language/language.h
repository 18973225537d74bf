/* What the files of the language share. */
#ifndef sim_language_language_h
#define sim_language_language_h

#include "sim/language/scenario.h"
#include "sim/language/table.h"

/* ---- words.c: kinds of values. Those that are names see the scenario that is being read. ---- */

const struct scenario *language_scenario(void);
void language_begin(const struct scenario *s);

extern const struct key_kind key_name;     /* char[SCENARIO_NAME]: of a scenario */
extern const struct key_kind key_use_case; /* char[8]: "PP-01", "OP-01a" */
extern const struct key_kind key_step;     /* char[12]: "PP-01/9", "" for start */
extern const struct key_kind key_member;   /* char[ENV_NAME_MAX] */
extern const struct key_kind key_link;     /* char[16]: a link that some component of the scenario has */
extern const struct key_kind key_message;  /* char[32] */
extern const struct key_kind key_reason;   /* int: enum err */
extern const struct key_kind key_vehicle;  /* char[SCENARIO_SERIAL]: a serial */

bool read_step(const struct tree *y, char out[12], struct tree_problem *p);
bool read_member(const struct tree *y, char out[ENV_NAME_MAX], struct tree_problem *p);
/* A mapping by members, each with a mapping of its own: `form` says of what. */
typedef bool member_reader(void *out, const struct member *m, const struct tree *entries,
                           struct tree_problem *p);
bool read_by_member(const struct tree *y, const char *form, member_reader *each, void *out,
                    struct tree_problem *p);
bool read_one_member(const struct tree *y, size_t i, const char *form, member_reader *each, void *out,
                     struct tree_problem *p);
/* Can cards be laid before it? */
bool member_is_reader(const struct member *m);
/* Is there another end, in this run, of that port? */
bool link_is_whole(const struct scenario *s, const struct member *m, unsigned port);

/* ---- members.c: run ---- */

bool read_members(struct scenario *s, const struct tree *top, struct tree_problem *p);

/* ---- given.c, actions.c, faults.c, expects.c: out is the scenario ---- */

bool read_given(void *out, const struct tree *y, struct tree_problem *p);
bool read_settings(void *out, const struct tree *y, struct tree_problem *p);
/* Two of a class in one vehicle with the same of what only one can have. */
bool check_settings(const struct scenario *s, const struct tree *y, struct tree_problem *p);
bool read_do(void *out, const struct tree *y, struct tree_problem *p);
bool read_faults(void *out, const struct tree *y, struct tree_problem *p);
bool read_expects(void *out, const struct tree *y, struct tree_problem *p);
bool read_nevers(void *out, const struct tree *y, struct tree_problem *p);
/* One entry of do, or of a list like it. */
bool read_action(struct scenario *s, const struct tree *y, struct action *out, struct tree_problem *p);
bool read_expectation(struct expect *e, const struct tree *y, const char *what, struct tree_problem *p);

/* ---- under_faults.c ---- */

bool read_under_faults(void *out, const struct tree *y, struct tree_problem *p);
/* What a scenario means that does not say it: the last that it expects in order, and its states. */
void under_faults_default(struct scenario *s);

/* distances.c */
bool read_distance_action(const struct scenario *s, const struct tree *y, struct action *out,
                          struct tree_problem *p);

/* ---- dump.c ---- */

/* What was made of every value of a tree: "faults[0].kill.after_ms = 200". */
void dump_write(const struct scenario *s, const struct tree *y, FILE *out);

/* ---- the tables, for who makes files ---- */

/* An entry of a list that has one of several forms, told by a key. */
struct entry_form {
    const char *name;
    const struct tree_key *keys;
    unsigned kind;         /* enum fault_kind, enum expect_kind */
    enum trace_kind event; /* expect: what meets it; TRACE_KINDS for several */
};
extern const struct entry_form fault_forms[], expect_forms[]; /* a NULL name at the end */
extern const struct tree_key scenario_keys[], given_keys[], call_keys[], inject_keys[], distance_keys[],
    field_keys[], under_faults_keys[];

#endif

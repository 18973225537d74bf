/* What components claim, judged by the kinds that they declare. No component is named here. */
#ifndef sim_run_claims_h
#define sim_run_claims_h

#include "sim/language/scenario.h"

struct claim {
    const struct claim_spec *spec;
    const struct component_class *class;
    char holder[ENV_NAME_MAX], subject[ENV_NAME_MAX];
    uint8_t value[TRACE_DIGEST];
    uint64_t time_us;
    bool used; /* something came after it that needed it */
};

struct claims {
    const struct scenario *scenario;
    struct claim *held;
    size_t count, cap;
};

#define CLAIM_PROBLEM 300

void claims_begin(struct claims *c, const struct scenario *s);
void claims_free(struct claims *c);
/* Would what it comes after have to be claimed by somebody of that vehicle who is played from outside, and of
 * whom nobody hears claims? */
bool claims_unseen(const struct scenario *s, const struct member *holder, const struct claim_spec *spec);
/* In order of time. What is unseen is not judged. False and a sentence when the event breaks "at most one" or
 * "only after". */
bool claims_take(struct claims *c, const struct trace_event *e, char problem[CLAIM_PROBLEM]);
/* When the run is quiet: do all who claim the same thing agree? Calls `fail` for each that does not hold. */
void claims_judge(const struct claims *c, void (*fail)(void *ctx, const char *problem), void *ctx);

#endif

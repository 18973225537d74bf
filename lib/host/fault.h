/* Injected faults. Link faults act where a component's bytes enter a link, whatever the link is; a kill acts
 * where the component traces a step; a refusal where it commits to its store. Each keeps count, and reports
 * through the caller when it took effect. */
#ifndef lib_host_fault_h
#define lib_host_fault_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"

#define FAULT_KIND_LIST(X) \
    X(LOSE, "lose")        \
    X(REPEAT, "repeat")    \
    X(DELAY, "delay")      \
    X(REORDER, "reorder")  \
    X(CORRUPT, "corrupt")  \
    X(KILL, "kill")        \
    X(CUT, "cut")          \
    X(REFUSE, "refuse")

enum fault_kind {
#define X(name, text) FAULT_##name,
    FAULT_KIND_LIST(X)
#undef X
        FAULT_KINDS
};

#define FAULT_ALWAYS 0
#define FAULT_MAX    32

struct fault {
    unsigned number; /* in the scenario, from 1 */
    enum fault_kind kind;
    char link[16];      /* "gsdp", "pki", or a segment's name */
    char message[64];   /* message name, or matrix row on CAN */
    char component[32]; /* kill, cut, refuse: whom; "" for cut = everyone on the link */
    char step[12];      /* kill, cut: when; "" = at the start */
    unsigned nth;   /* link faults: which message, refuse: which commit, from 1; FAULT_ALWAYS = each. cut: at
                       which message that the component sends or hears there; 0: not at one */
    unsigned times; /* repeat: further copies; refuse: commits one after the other */
    bool late;      /* kill: not at the step but some time after it, which is the runner's affair */
    uint32_t delay_ms; /* delay, repeat: how much later; kill: restart after; cut: heal after */
    unsigned byte;     /* corrupt: which byte is inverted, modulo the length */
    unsigned seen;     /* messages or commits counted so far */
};

/* Hears what faults could be meant for, each time that it comes by. */
struct fault_census {
    void *ctx;
    void (*message)(void *ctx, const char *link, const char *message);
    void (*commit)(void *ctx, const char *component);
};

struct fault_plan {
    struct fault faults[FAULT_MAX];
    size_t count;
    const struct fault_census *census; /* NULL: nobody counts */
};

const char *fault_kind_name(enum fault_kind k);
/* One line of text that fault_parse reads back; for handing a plan to a process. */
#define FAULT_TEXT_MAX 220
void fault_print(const struct fault *f, char out[FAULT_TEXT_MAX]);
enum err fault_parse(const char *text, struct fault *out);
/* For traces: "lose VehicleSubjectIdResponse 1 on gsdp". */
void fault_describe(const struct fault *f, char out[96]);

/* What becomes of one message: copies to send, each with its delay. Count 0: lost. */
#define FAULT_COPIES 4
struct fault_outcome {
    unsigned copies;
    uint64_t delay_us[FAULT_COPIES];
    bool hold; /* reorder: send it right after the next message of this link */
    const struct fault *fired[FAULT_COPIES + 1]; /* NULL-terminated: the faults that took effect */
};

/* Passes a message of that name through the plan; corrupts `bytes` in place when told to. */
void fault_apply(struct fault_plan *plan, const char *link, const char *message, uint8_t *bytes, size_t len,
                 struct fault_outcome *out);
/* The kill meant for this component right at this step, taken out of the plan by `number` = 0; NULL for none.
 */
struct fault *fault_kill_at(struct fault_plan *plan, const char *component, const char *step);
/* The cut that is meant for the component right at this message, sent or come over that link: the message is
 * lost, the cut itself is the runner's affair. NULL for none. */
const struct fault *fault_cut_at(struct fault_plan *plan, const char *component, const char *link);
/* The refusal meant for this commit of the component; NULL for none. */
const struct fault *fault_refuse(struct fault_plan *plan, const char *component);

#endif

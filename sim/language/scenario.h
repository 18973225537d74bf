/* A scenario, as read from its file and checked: who runs, what is given, what is done, what goes wrong, what
 * is expected, what must never happen. docs/scenarios.md explains the language. */
#ifndef sim_language_scenario_h
#define sim_language_scenario_h

#include "lib/can/matrix.h"
#include "lib/env/trace.h"
#include "lib/host/fault.h"
#include "sim/language/tree.h"

#define SCENARIO_COMPONENTS 12
#define SCENARIO_ACTIONS    8
#define SCENARIO_EXPECTS    48
#define SCENARIO_SETTINGS   16
#define SCENARIO_PATH       6
#define SCENARIO_VARIANTS   24
#define SCENARIO_STATES     10

enum world_kind { WORLD_PROCESS, WORLD_VIRTUAL, WORLDS };
extern const char *const world_names[]; /* NULL at the end */

/* State of the stores when the run begins. The first value of each is the default. */
enum given_presence { GIVEN_ABSENT, GIVEN_PRESENT };
enum given_identity { GIVEN_OWN, GIVEN_FOREIGN };
enum given_certificate { GIVEN_NO_CERTIFICATE, GIVEN_INSTALLED, GIVEN_UNREPORTED };
enum given_csr { GIVEN_NO_CSR, GIVEN_CSR_VALID, GIVEN_CSR_WRONG_SUBJECT, GIVEN_CSR_WEAK_KEY };
enum given_signer { GIVEN_SIGNER_VALID, GIVEN_SIGNER_EXPIRED };

struct given {
    unsigned drm_uuid;    /* enum given_presence */
    unsigned identity;    /* enum given_identity: whose key the module signs with */
    unsigned certificate; /* enum given_certificate */
    unsigned pending_csr; /* enum given_csr */
    unsigned vos_signer;  /* enum given_signer */
    unsigned ecu;         /* enum given_presence, default present: registered with the VOS */
};

/* When something is done: at the start of the run or when a step is traced, plus a delay. */
struct moment {
    char step[12]; /* "" = start */
    uint64_t after_us;
};

enum action_kind { ACTION_RENEW, ACTION_INJECT };

struct action {
    enum action_kind kind;
    struct moment when;
    enum segment segment; /* inject */
    char frame[BUS_TEXT_MAX];
    uint64_t count, every_us;
};

enum expect_kind {
    EXPECT_EVENT, /* a trace event */
    EXPECT_PATH,  /* a sent message that went a path */
    EXPECT_COUNT, /* events of a kind, lengths summed up */
    EXPECT_STATE  /* stores at the end */
};

struct state_check {
    char component[16], key[96];
    bool present;
    unsigned line;
};

struct expect {
    enum expect_kind kind;
    unsigned line;
    enum trace_kind event; /* TRACE_KINDS: SEND, STEP or ACCEPT */
    char component[16], peer[16], step[12], message[32], detail[64];
    int reason;         /* enum err, -1: any */
    uint64_t within_us; /* since the event of the expectation before; 0: no limit */
    uint64_t at_least;  /* COUNT */
    bool any_order;
    char path[SCENARIO_PATH][16];
    size_t path_count;
    char fields[4][64]; /* "key=value" */
    size_t field_count;
    struct state_check states[SCENARIO_STATES];
    size_t state_count;
};

struct scenario {
    char file[256], name[48], title[120], use_case[8];
    char variant[32]; /* value of the foreach variable in this variant, or "" */
    bool worlds[WORLDS];
    uint64_t limit_us, quiet_us;
    char components[SCENARIO_COMPONENTS][16];
    size_t component_count;
    struct given given;
    char settings[SCENARIO_SETTINGS][48]; /* "spaak.retry_ms=100" */
    size_t setting_count;
    struct action actions[SCENARIO_ACTIONS];
    size_t action_count;
    struct fault_plan faults;
    uint64_t fault_after_us[FAULT_MAX]; /* kill, cut: delay after their step */
    struct expect expects[SCENARIO_EXPECTS];
    size_t expect_count;
    struct expect nevers[SCENARIO_EXPECTS];
    size_t never_count;
};

/* Reads a file; a foreach makes several scenarios of it. Free *out with free(). False and a problem
 * otherwise. */
bool scenario_load(const char *file, struct scenario **out, size_t *count, struct tree_problem *problem);
/* "pp01-spaak-killed[PP-01/9]". */
void scenario_label(const struct scenario *s, char out[96]);

/* Components a scenario may name; NULL at the end. */
extern const char *const component_names[];

#endif

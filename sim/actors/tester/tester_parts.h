/* What the tester's files share. */
#ifndef sim_actors_tester_tester_parts_h
#define sim_actors_tester_tester_parts_h

#include "lib/pki/csr.h"
#include "lib/pki/ecu_identity.h"
#include "lib/uds/uds_security.h"
#include "lib/uds/uds_serial.h"
#include "sim/actors/tester/connection.h"
#include "sim/actors/tester/tester.h"

#define ANCHORS       5 /* slots of a SpaaK Module */
#define CHALLENGE     32
#define MODULES_MAX   (TESTER_BENCHES + TESTER_MADE_MAX)
#define BATCH_ID      16
#define PAGE_ITEMS    7    /* proto/plant.proto */
#define MESSAGE_MAX   4096 /* of a page and of its answer */
#define WHY_MAX       80
#define ANCHOR_TESTER ANCHORS /* as certificate: the tester's own, which is no CA's */

/* Ports: the benches, then the PKI. Bench b (from 0) has the port of that number. */
enum { PORT_PLANT = TESTER_BENCHES, PORTS };

enum {
    TIMER_CHANNELS,
    TIMER_ANSWERS = TIMER_CHANNELS + TESTER_BENCHES * ECUS,
    TIMER_ALIVES = TIMER_ANSWERS + TESTER_BENCHES,
    TIMER_PAUSES = TIMER_ALIVES + TESTER_BENCHES,
    TIMER_PAGE = TIMER_PAUSES + TESTER_BENCHES,
    TIMERS
};

enum { SETTING_ANSWER_MS, SETTING_PAUSE_MS, SETTING_TRIES, SETTING_PAGE_MS, SETTINGS };

/* Life of a module, DID 0200. */
enum { LIFE_OPEN = 1, LIFE_LOCKED = 2, LIFE_DONE = 3 };

enum role { ROLE_EOL, ROLE_WORKSHOP };

/* ---- jobs on a bench ---- */

enum job_kind {
    JOB_NONE,
    JOB_ANCHORS, /* RP-01 */
    JOB_ANCHOR,  /* one of them, whatever it is */
    JOB_COLLECT, /* RP-02: key pair and CSR */
    JOB_INSTALL, /* RP-02: the certificate, DONE */
    JOB_ACCESS,  /* security access, with keys right or wrong */
    JOB_OPEN,    /* the gate, and hold it */
    JOB_LEVEL,   /* the gate and a level of the module, and hold both */
    JOB_CLOSE,
    JOB_REQUEST, /* one of the user's own */
    JOBS
};

/* One request each, in rows of steps.c. */
enum step {
    STEP_SGW_EXTENDED,
    STEP_SGW_SERIAL,
    STEP_CERTIFICATE,
    STEP_PROOF,
    STEP_MODULE,
    STEP_SESSION,
    STEP_SEED,
    STEP_KEY,
    STEP_ANCHOR, /* and the four that follow */
    STEP_ANCHOR_LAST = STEP_ANCHOR + ANCHORS - 1,
    STEP_ONE_ANCHOR,
    STEP_FINGERPRINT, /* and the four that follow */
    STEP_FINGERPRINT_LAST = STEP_FINGERPRINT + ANCHORS - 1,
    STEP_LOCK,
    STEP_KEY_PAIR,
    STEP_MAKE_CSR,
    STEP_READ_CSR,
    STEP_IDENTITY,
    STEP_IDENTITY_PRINT,
    STEP_DONE,
    STEP_MODULE_DEFAULT,
    STEP_GATE_END,
    STEP_SGW_DEFAULT,
    STEP_REQUEST,
    STEP_END,
    STEPS
};

/* What an answer leads to. */
enum move {
    MOVE_ON,    /* the next of the job's steps */
    MOVE_TO,    /* that one of them */
    MOVE_AGAIN, /* the job begins anew, after a pause */
    MOVE_LATER, /* the same request again, in a second */
    MOVE_FAIL   /* the job has failed */
};
struct outcome {
    enum move move;
    enum step to;
    enum err reason; /* of AGAIN and FAIL */
};

struct job {
    enum job_kind kind;
    enum role role;
    unsigned at;     /* which of its steps */
    unsigned tries;  /* begun anew so often */
    unsigned delays; /* seconds that a delay of the module was waited for */
    unsigned slot;   /* ANCHOR: from 0 */
    unsigned certificate;
    uint8_t level;   /* ACCESS, LEVEL */
    bool wrong;      /* ACCESS: the keys */
    unsigned left;   /* ACCESS: keys still to be sent */
    bool of_batch;   /* begun by the batch, which goes on from its end */
    unsigned module; /* of the batch */
    enum ecu ecu;    /* REQUEST */
    uint8_t pdu[ENV_VALUE_TEXT / 2];
    size_t pdu_len;
    enum err failed; /* with what it ends */
    uint8_t life;
};

struct tester;

struct bench {
    struct tester *tester;
    unsigned number; /* from 0 */
    struct connection con;
    struct job job;
    bool up, held;   /* its link; its gate, for others */
    bool waits_link; /* a job of the life before, until the link is there */
    char sgw_serial[UDS_SERIAL_LEN + 1], serial[UDS_SERIAL_LEN + 1];
    uint8_t challenge[CHALLENGE], seed[UDS_SEED];
    char why[WHY_MAX]; /* of a failure, for people */
};

/* ---- the batch ---- */

enum module_state {
    MODULE_BARE = 1,  /* on a bench; RP-01 comes first */
    MODULE_WANTED,    /* on a bench; its CSR is to be read */
    MODULE_COLLECTED, /* its CSR is there, the PKI is to be asked */
    MODULE_CERTIFIED, /* on a bench; its certificate is to be installed */
    MODULE_ENDED      /* with `reason` */
};

struct batch {
    bool active, stopped; /* stopped: given up until it is asked for again */
    uint8_t id[BATCH_ID];
    unsigned benches, count; /* modules on benches come first, one each */
    struct {
        uint8_t state;
        uint16_t reason;
    } modules[MODULES_MAX];
    unsigned page, tries; /* page under way, from 1; 0: none */
};

/* A module as it lies in the store. */
struct module {
    enum module_state state;
    enum err reason;
    char serial[ECU_SERIAL_MAX + 1];
    uint8_t csr[CSR_MAX], certificate[ECU_IDENTITY_MAX];
    size_t csr_len, certificate_len;
};

struct tester {
    struct env *env;
    uint64_t settings[SETTINGS];
    struct bench benches[TESTER_BENCHES];
    bool plant_up;
    struct batch batch;
};

/* ---- steps.c: what is asked, and what an answer means ---- */

struct step_row {
    enum ecu ecu;
    const char *name;                                 /* in traces */
    const char *token;                                /* of the use case, for failures; NULL: of none */
    struct span head;                                 /* how the request begins */
    enum err (*build)(struct bench *b, struct wr *w); /* the rest; NULL: nothing */
    struct outcome (*take)(struct bench *b, struct span answer);  /* of a positive answer; NULL: goes on */
    struct outcome (*refused)(struct bench *b, enum uds_nrc nrc); /* NULL: as all */
};
const struct step_row *step_row(enum step s);
/* Ends with STEP_END. */
const enum step *job_steps(enum job_kind k);

static inline struct outcome goes_on(void)
{
    return (struct outcome){.move = MOVE_ON};
}
static inline struct outcome goes_to(enum step s)
{
    return (struct outcome){.move = MOVE_TO, .to = s};
}
static inline struct outcome goes_wrong(enum err e)
{
    return (struct outcome){.move = MOVE_FAIL, .reason = e};
}
/* What a refusal leads to when its step says nothing else. */
struct outcome step_refused(struct bench *b, enum uds_nrc nrc);

/* access.c: the gate, and the module's levels. */
enum err build_certificate(struct bench *b, struct wr *w);
enum err build_proof(struct bench *b, struct wr *w);
enum err build_session(struct bench *b, struct wr *w);
enum err build_seed(struct bench *b, struct wr *w);
enum err build_key(struct bench *b, struct wr *w);
struct outcome take_sgw_serial(struct bench *b, struct span answer);
struct outcome take_challenge(struct bench *b, struct span answer);
struct outcome take_gate_open(struct bench *b, struct span answer);
struct outcome take_module(struct bench *b, struct span answer);
struct outcome take_seed(struct bench *b, struct span answer);
struct outcome take_key(struct bench *b, struct span answer);
struct outcome refused_seed(struct bench *b, enum uds_nrc nrc);
struct outcome refused_key(struct bench *b, enum uds_nrc nrc);

/* anchors.c: RP-01. */
extern const char *const anchor_names[ANCHORS + 2]; /* the slots, then "tester" */
enum err build_anchor(struct bench *b, struct wr *w);
enum err build_one_anchor(struct bench *b, struct wr *w);
enum err build_fingerprint(struct bench *b, struct wr *w);
struct outcome take_verdict(struct bench *b, struct span answer);
struct outcome take_fingerprint(struct bench *b, struct span answer);
struct outcome take_lock(struct bench *b, struct span answer);

/* identity.c: RP-02 with a module. */
struct outcome take_key_pair(struct bench *b, struct span answer);
struct outcome take_status(struct bench *b, struct span answer);
struct outcome take_csr(struct bench *b, struct span answer);
enum err build_identity(struct bench *b, struct wr *w);
struct outcome take_identity_verdict(struct bench *b, struct span answer);
struct outcome take_identity_print(struct bench *b, struct span answer);
struct outcome take_done(struct bench *b, struct span answer);

/* ---- job.c ---- */

enum step job_step(const struct bench *b);
void job_begin(struct bench *b, const struct job *job);
/* On the end of a request, and of a pause. */
void job_on_end(void *bench, const struct uds_client_event *ev);
void job_on_pause(struct bench *b);

/* ---- store.c ---- */

#define KEPT_JOB 3
/* Keeps a job that goes on in the next life, before its first frame. */
enum err store_keep_job(struct bench *b, const struct job *job);
enum err store_drop_job(struct bench *b);
/* JOB_NONE when there is none. */
enum err store_load_job(struct bench *b, struct job *out);
enum err store_get_module(struct tester *t, unsigned number, struct module *out);
/* Without a commit. */
enum err store_put_module(struct tester *t, unsigned number, const struct module *m);
enum err store_put_batch(struct tester *t);
/* Drops the batch and its modules, and keeps a report on each: without a commit. */
enum err store_end_batch(struct tester *t);
/* ERR_NOT_FOUND when there is none. */
enum err store_load_batch(struct tester *t);
/* Whole entries of the store; ERR_STORE_FAILED when one is not there. */
enum err store_get(struct tester *t, const char *key, void *buf, size_t cap, size_t *len);

/* ---- batch.c ---- */

struct batch_order {
    bool anchors; /* RP-01 on the benches first */
    unsigned benches, made, bad;
    const char *first;
};
/* Makes and keeps a batch, or goes on with the one that is there. */
enum err batch_begin(struct tester *t, const struct batch_order *o);
/* Goes on with what is due; whenever something has ended or a link has come. */
void batch_pump(struct tester *t);
/* The module on that bench has its anchors, has given its CSR, has its certificate, or none of it: kept at
 * once. */
enum err batch_locked(struct bench *b);
enum err batch_collected(struct bench *b, struct span csr);
enum err batch_ended(struct bench *b, enum err reason);
void batch_stop(struct tester *t, enum err reason);

/* ---- pages.c ---- */

/* RP-02/3: sends the page under way. */
void page_send(struct tester *t);
void page_on_answer(struct tester *t, struct span bytes);
void page_on_timer(struct tester *t);

/* ---- calls.c ---- */

extern const struct call_spec tester_calls[];
extern const struct lasting_spec tester_lasting[];
/* The note that ends a call: of a job, of a batch. */
void call_ended(struct bench *b, const struct job *job);

#endif

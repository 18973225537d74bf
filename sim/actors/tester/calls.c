/* What a person or a scenario may ask of the tester. */
#include <stdio.h>
#include <string.h>

#include "sim/actors/tester/tester_parts.h"

#define LEVEL_WORKSHOP 0x01
#define LEVEL_PLANT    0x61

#define ENDED_ANCHORS "anchors="
#define ENDED_ANCHOR  "anchor="
#define ENDED_CERTIFY "certify="
#define ENDED_ACCESS  "access="
#define ENDED_OPEN    "gate="
#define ENDED_LEVEL   "level="
#define ENDED_CLOSE   "closed="
#define ENDED_REQUEST "uds="

const struct lasting_spec tester_lasting[] = {
    {"install-anchors", ENDED_ANCHORS},
    {"install-anchor", ENDED_ANCHOR},
    {"certify", ENDED_CERTIFY},
    {"provision", ENDED_CERTIFY},
    {"security-access", ENDED_ACCESS},
    {"open-gate", ENDED_OPEN},
    {"open-level", ENDED_LEVEL},
    {"close-gate", ENDED_CLOSE},
    {"uds", ENDED_REQUEST},
    {.call = NULL},
};

void call_ended(struct bench *b, const struct job *job)
{
    static const char *const begins[JOBS] = {[JOB_ANCHORS] = ENDED_ANCHORS "installed",
                                             [JOB_ANCHOR] = ENDED_ANCHOR "installed",
                                             [JOB_ACCESS] = ENDED_ACCESS "done",
                                             [JOB_OPEN] = ENDED_OPEN "open",
                                             [JOB_LEVEL] = ENDED_LEVEL "open",
                                             [JOB_CLOSE] = ENDED_CLOSE "yes",
                                             [JOB_REQUEST] = ENDED_REQUEST};
    char text[ENV_TEXT_MAX];
    const char *equals = strchr(begins[job->kind], '=');
    if (job->kind == JOB_REQUEST)
        snprintf(text, sizeof text, "%s%s bench=%u", begins[job->kind], b->why, b->number + 1);
    else if (job->failed)
        snprintf(text, sizeof text, "%.*sfailed bench=%u reason=%s", (int)(equals + 1 - begins[job->kind]),
                 begins[job->kind], b->number + 1, err_name(job->failed));
    else
        snprintf(text, sizeof text, "%s bench=%u", begins[job->kind], b->number + 1);
    env_trace_note(b->tester->env, TRACE_NOTE, text);
}

/* ---- on one bench ---- */

static enum err bench_of(struct tester *t, const struct call_value *value, struct bench **out)
{
    *out = &t->benches[value->number - 1];
    bool in_batch = t->batch.active && !t->batch.stopped && (*out)->number < t->batch.benches;
    if ((*out)->job.kind != JOB_NONE || (*out)->waits_link || in_batch)
        return ERR_BUSY;
    return (*out)->up ? ERR_OK : ERR_LINK_DOWN;
}

/* One that goes on in the next life. */
static enum err begin_kept(void *self, const struct call_value *bench, const struct job *job)
{
    struct bench *b;
    enum err e = bench_of(self, bench, &b);
    if (!e)
        e = store_keep_job(b, job);
    if (!e)
        job_begin(b, job);
    return e;
}

static enum err begin(void *self, const struct call_value *bench, const struct job *job)
{
    struct bench *b;
    enum err e = bench_of(self, bench, &b);
    if (!e)
        job_begin(b, job);
    return e;
}

static enum err install_anchors(void *self, const struct call_value *values)
{
    const struct job job = {.kind = JOB_ANCHORS};
    return begin_kept(self, &values[0], &job);
}

static enum err install_anchor(void *self, const struct call_value *values)
{
    const struct job job = {
        .kind = JOB_ANCHOR, .slot = (unsigned)values[1].number, .certificate = (unsigned)values[2].number};
    return begin_kept(self, &values[0], &job);
}

static enum err security_access(void *self, const struct call_value *values)
{
    const struct job job = {.kind = JOB_ACCESS,
                            .level = values[1].number ? LEVEL_PLANT : LEVEL_WORKSHOP,
                            .wrong = values[2].number != 0,
                            .left = (unsigned)values[3].number};
    return begin(self, &values[0], &job);
}

static enum err open_gate(void *self, const struct call_value *values)
{
    const struct job job = {.kind = JOB_OPEN, .role = values[1].number ? ROLE_WORKSHOP : ROLE_EOL};
    return begin(self, &values[0], &job);
}

/* As the role that needs no more than this level. */
static enum err open_level(void *self, const struct call_value *values)
{
    bool plant = values[1].number != 0;
    const struct job job = {.kind = JOB_LEVEL,
                            .role = plant ? ROLE_EOL : ROLE_WORKSHOP,
                            .level = plant ? LEVEL_PLANT : LEVEL_WORKSHOP};
    return begin(self, &values[0], &job);
}

static enum err close_gate(void *self, const struct call_value *values)
{
    const struct job job = {.kind = JOB_CLOSE};
    return begin(self, &values[0], &job);
}

static enum err uds(void *self, const struct call_value *values)
{
    static const enum ecu ecus[] = {ECU_SPAAK, ECU_TBM, ECU_SGW};
    struct job job = {.kind = JOB_REQUEST, .ecu = ecus[values[1].number]};
    long n = hex_decode(values[2].text, strlen(values[2].text), job.pdu, sizeof job.pdu);
    if (n <= 0 || job.pdu[0] & UDS_POSITIVE)
        return ERR_BAD_ARGUMENT;
    job.pdu_len = (size_t)n;
    return begin(self, &values[0], &job);
}

static enum err certify(void *self, const struct call_value *values)
{
    const struct batch_order order = {.benches = (unsigned)values[0].number,
                                      .made = (unsigned)values[1].number,
                                      .bad = (unsigned)values[2].number,
                                      .first = values[3].text[0] ? values[3].text : "SPAAK00001001"};
    return batch_begin(self, &order);
}

static enum err provision(void *self, const struct call_value *values)
{
    const struct batch_order order = {.anchors = true, .benches = (unsigned)values[0].number};
    return batch_begin(self, &order);
}

/* ---- parameters ---- */

static bool is_request(const char *text)
{
    uint8_t pdu[ENV_VALUE_TEXT / 2];
    long n = hex_decode(text, strlen(text), pdu, sizeof pdu);
    return n > 0 && !(pdu[0] & UDS_POSITIVE);
}

static const char *const levels[] = {"workshop", "plant", NULL};
static const char *const keys[] = {"right", "wrong", NULL};
static const char *const roles[] = {"eol", "workshop", NULL};
static const char *const ecus[] = {"spaak", "tbm", "sgw", NULL};
static const char *const slots[] = {"J", "J1", "J_PhysicalKey", "Z1", "ZZ2", NULL};

#define BENCH                                                                                     \
    {                                                                                             \
        .name = "bench", .kind = PARAMETER_NUMBER, .fallback = 1, .min = 1, .max = TESTER_BENCHES \
    }
#define WORD(text, list)                                        \
    {                                                           \
        .name = (text), .kind = PARAMETER_WORD, .words = (list) \
    }
#define END          \
    {                \
        .name = NULL \
    }

static const struct parameter_spec on_bench[] = {BENCH, END};
static const struct parameter_spec one_anchor[] = {
    BENCH,
    {.name = "slot", .kind = PARAMETER_WORD, .required = true, .words = slots},
    {.name = "certificate", .kind = PARAMETER_WORD, .required = true, .words = anchor_names},
    END};
static const struct parameter_spec of_access[] = {
    BENCH,
    WORD("level", levels),
    WORD("key", keys),
    {.name = "times", .kind = PARAMETER_NUMBER, .fallback = 1, .min = 1, .max = 10},
    END};
static const struct parameter_spec of_gate[] = {BENCH, WORD("role", roles), END};
static const struct parameter_spec of_level[] = {BENCH, WORD("level", levels), END};
static const struct parameter_spec of_request[] = {
    BENCH,
    WORD("ecu", ecus),
    {.name = "request", .kind = PARAMETER_TEXT, .required = true, .check = is_request, .form = "22F190"},
    END};
static const struct parameter_spec of_plant[] = {
    {.name = "benches", .kind = PARAMETER_NUMBER, .fallback = 1, .min = 1, .max = TESTER_BENCHES}, END};
static const struct parameter_spec of_batch[] = {
    {.name = "benches", .kind = PARAMETER_NUMBER, .fallback = 1, .min = 0, .max = TESTER_BENCHES},
    {.name = "made", .kind = PARAMETER_NUMBER, .max = TESTER_MADE_MAX},
    {.name = "bad", .kind = PARAMETER_NUMBER, .max = TESTER_MADE_MAX},
    {.name = "first", .kind = PARAMETER_TEXT, .check = ecu_serial_ok, .form = "SPAAK00001001"},
    END};

const struct call_spec tester_calls[] = {
    {"install-anchors", "RP-01: five trust anchors into the module on a bench, read back, locked", on_bench,
     install_anchors},
    {"install-anchor", "offers a certificate to one slot, whatever it is", one_anchor, install_anchor},
    {"certify", "RP-02: identities for the modules on the benches, and the rest of a batch", of_batch,
     certify},
    {"provision", "RP-01 and then RP-02 for the modules on the benches: all that the plant does", of_plant,
     provision},
    {"security-access", "tries keys for a level of the module", of_access, security_access},
    {"open-gate", "opens the SGW's gate and holds it", of_gate, open_gate},
    {"open-level", "opens the gate and a level of the module, and holds both: for tools of your own",
     of_level, open_level},
    {"close-gate", "closes the SGW's gate", on_bench, close_gate},
    {"uds", "one request of your own; the answer is traced", of_request, uds},
    {.name = NULL},
};

/* A job on a bench: request after request, until it is done or has failed. */
#include <assert.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "sim/actors/tester/tester_parts.h"

#define LATER_US 1000000u /* between two tries while a module lets nobody try */

enum step job_step(const struct bench *b)
{
    return job_steps(b->job.kind)[b->job.at];
}

static void go_to(struct bench *b, enum step s)
{
    const enum step *steps = job_steps(b->job.kind);
    unsigned at = 0;
    while (steps[at] != s && steps[at] != STEP_END)
        at++;
    b->job.at = at;
}

static bool is_closing(enum step s)
{
    return s == STEP_MODULE_DEFAULT || s == STEP_GATE_END || s == STEP_SGW_DEFAULT;
}

/* ---- the end ---- */

static void end_of_batch(struct bench *b, const struct job *ended)
{
    b->job.module = ended->module;
    enum err e = ended->failed                ? batch_ended(b, ended->failed)
                 : ended->kind == JOB_ANCHORS ? batch_locked(b)
                                              : ERR_OK;
    if (e)
        batch_stop(b->tester, e);
    batch_pump(b->tester);
}

static void end_job(struct bench *b)
{
    const struct job ended = b->job;
    b->held = ended.kind == JOB_REQUEST
                  ? b->held
                  : (ended.kind == JOB_OPEN || ended.kind == JOB_LEVEL) && !ended.failed;
    b->job = (struct job){.kind = JOB_NONE};
    if (!b->held)
        connection_keep_alive(&b->con, false);
    if (ended.of_batch) {
        end_of_batch(b, &ended);
        return;
    }
    /* told before it is forgotten: who is killed between tells it twice */
    call_ended(b, &ended);
    if (ended.kind == JOB_ANCHORS || ended.kind == JOB_ANCHOR)
        store_drop_job(b);
    batch_pump(b->tester); /* it may wait for this bench */
}

static void trace_trouble(struct bench *b, enum trace_kind kind, enum err reason)
{
    const struct step_row *row = step_row(job_step(b));
    char detail[ENV_TEXT_MAX];
    snprintf(detail, sizeof detail, "bench=%u%s%s", b->number + 1, b->why[0] ? " " : "", b->why);
    env_trace_reason(b->tester->env, kind, row->token, row->name, reason, b->job.tries, detail);
    b->why[0] = '\0';
}

/* ---- asking ---- */

static void move(struct bench *b, const struct outcome *o);

static enum err build(struct bench *b, const struct step_row *row, struct wr *w)
{
    if (job_step(b) == STEP_REQUEST) {
        wr_copy(w, b->job.pdu, b->job.pdu_len);
        return ERR_OK;
    }
    wr_copy(w, row->head.p, row->head.len);
    enum err e = row->build ? row->build(b, w) : ERR_OK;
    return !e && w->failed ? ERR_NO_SPACE : e;
}

static void ask(struct bench *b)
{
    uint8_t request[ISOTP_PORT_MAX];
    struct wr w = wr_of(request, sizeof request);
    const struct step_row *row = step_row(job_step(b));
    if (job_step(b) == STEP_END) {
        end_job(b);
        return;
    }
    enum err e = build(b, row, &w);
    if (!e)
        e = connection_ask(&b->con, row->ecu == ECUS ? b->job.ecu : row->ecu, span_of(request, w.len));
    OPENSSL_cleanse(request, sizeof request);
    if (e) {
        const struct outcome o = goes_wrong(e);
        move(b, &o);
    }
}

static void pause(struct bench *b, uint64_t us)
{
    env_timer_in(b->tester->env, TIMER_PAUSES + b->number, us);
}

static void fail(struct bench *b, enum err reason)
{
    trace_trouble(b, TRACE_FAIL, reason);
    b->job.failed = reason;
    go_to(b, STEP_MODULE_DEFAULT);
    ask(b);
}

static void begin_anew(struct bench *b, enum err reason)
{
    if (++b->job.tries > b->tester->settings[SETTING_TRIES]) {
        fail(b, reason);
        return;
    }
    trace_trouble(b, TRACE_RETRY, reason);
    connection_keep_alive(&b->con, false);
    b->job.at = 0;
    pause(b, b->tester->settings[SETTING_PAUSE_MS] * 1000);
}

static void move(struct bench *b, const struct outcome *o)
{
    switch (o->move) {
    case MOVE_ON:
        b->job.at++;
        ask(b);
        return;
    case MOVE_TO:
        go_to(b, o->to);
        ask(b);
        return;
    case MOVE_AGAIN:
        begin_anew(b, o->reason);
        return;
    case MOVE_LATER:
        pause(b, LATER_US);
        return;
    case MOVE_FAIL:
        fail(b, o->reason);
        return;
    }
}

/* ---- answers ---- */

/* What a request of the user's own came to. */
static void tell_answer(struct bench *b, const struct uds_client_event *ev)
{
    static const char dots[] = "...";
    char line[UDS_LINE_MAX], text[ENV_TEXT_MAX], hex[2 * 36 + 1];
    bool whole = ev->answer.len <= 36, came = ev->answer.len > 0;
    if (came) {
        hex_encode(ev->answer.p, whole ? ev->answer.len : 36, hex);
        snprintf(text, sizeof text, "answer bench=%u %s%s", b->number + 1, hex, whole ? "" : dots);
        env_trace_note(b->tester->env, TRACE_NOTE, text);
        uds_describe(ev->answer, line);
    }
    snprintf(b->why, sizeof b->why, "%.70s", came ? line : uds_result_name(ev->result));
    if (!came && ev->result != UDS_RESULT_SILENCE)
        b->job.failed = ERR_UDS_NO_ANSWER;
}

static struct outcome judge(struct bench *b, const struct uds_client_event *ev)
{
    const struct step_row *row = step_row(job_step(b));
    switch (ev->result) {
    case UDS_RESULT_POSITIVE:
        return row->take ? row->take(b, ev->answer) : goes_on();
    case UDS_RESULT_NEGATIVE:
        return row->refused ? row->refused(b, ev->nrc) : step_refused(b, ev->nrc);
    case UDS_RESULT_WRONG_ECHO:
    case UDS_RESULT_MALFORMED:
        snprintf(b->why, sizeof b->why, "%s", uds_result_name(ev->result));
        return (struct outcome){.move = MOVE_AGAIN, .reason = ERR_UDS_ANSWER};
    default:
        snprintf(b->why, sizeof b->why, "%s", uds_result_name(ev->result));
        return (struct outcome){.move = MOVE_AGAIN, .reason = ERR_UDS_NO_ANSWER};
    }
}

void job_on_end(void *bench, const struct uds_client_event *ev)
{
    struct bench *b = bench;
    struct outcome o = goes_on();
    assert(b->job.kind != JOB_NONE);
    if (b->job.kind == JOB_REQUEST)
        tell_answer(b, ev);
    else if (!is_closing(job_step(b)))
        o = judge(b, ev);
    move(b, &o);
}

void job_on_pause(struct bench *b)
{
    if (b->job.kind != JOB_NONE)
        ask(b);
}

void job_begin(struct bench *b, const struct job *job)
{
    assert(b->job.kind == JOB_NONE);
    b->job = *job;
    b->job.at = 0;
    b->why[0] = b->serial[0] = b->sgw_serial[0] = '\0'; /* whoever stands there may be another by now */
    if (job->kind != JOB_REQUEST && b->held)
        connection_keep_alive(&b->con, false);
    ask(b);
}

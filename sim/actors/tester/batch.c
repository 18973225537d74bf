/* RP-02 of a whole batch: CSRs from the benches one after the other, pages to the PKI, certificates back to
 * the benches. What is due follows from the states of the modules alone, and those lie in the store: a batch
 * goes on where it was, whoever was killed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/actors/tester/tester_parts.h"
#include "sim/plant/modules.h"

/* ---- making one ---- */

/* What is wrong with those that are to be wrong, one after the other. */
static const enum csr_defect flaws[] = {CSR_FLIPPED,     CSR_UNLISTED,      CSR_DUPLICATE,
                                        CSR_WEAK_KEY,    CSR_OTHER_SUBJECT, CSR_CUT,
                                        CSR_FOREIGN_KEY, CSR_ABSENT,        CSR_LONG};

/* Apart from each other as far as can be; a duplicate needs one before it. */
static void choose_flaws(const struct batch_order *o, struct csr_flaw *out)
{
    for (unsigned i = 0; i < o->bad; i++) {
        size_t at = (2 * i + 1) * (size_t)o->made / (2 * (size_t)o->bad);
        enum csr_defect defect = flaws[i % (sizeof flaws / sizeof flaws[0])];
        out[i] = (struct csr_flaw){at, defect == CSR_DUPLICATE && at == 0 ? CSR_FLIPPED : defect};
    }
}

static enum err keep_made(struct tester *t, const struct module_csr *made, unsigned count)
{
    enum err e = ERR_OK;
    for (unsigned i = 0; !e && i < count; i++) {
        struct module m = {.state = MODULE_COLLECTED, .csr_len = made[i].len};
        text_copy(m.serial, sizeof m.serial, made[i].ecu_serial);
        memcpy(m.csr, made[i].der, made[i].len);
        t->batch.modules[t->batch.benches + i].state = MODULE_COLLECTED;
        e = store_put_module(t, t->batch.benches + i, &m);
    }
    return e;
}

static enum err make_rest(struct tester *t, const struct batch_order *o)
{
    struct module_csr *made = calloc(o->made + 1, sizeof *made);
    struct csr_flaw *bad = calloc(o->bad + 1, sizeof *bad);
    enum err e = made && bad ? ERR_OK : ERR_NO_MEMORY;
    if (!e) {
        choose_flaws(o, bad);
        e = plant_make_csrs(t->env->crypto, o->first, o->made, bad, o->bad, made);
    }
    if (!e)
        e = keep_made(t, made, o->made);
    free(made);
    free(bad);
    return e;
}

static enum err make_batch(struct tester *t, const struct batch_order *o)
{
    struct module empty = {.state = o->anchors ? MODULE_BARE : MODULE_WANTED};
    t->batch = (struct batch){.benches = o->benches, .count = o->benches + o->made};
    env_random(t->env, t->batch.id, BATCH_ID);
    enum err e = store_put_batch(t);
    for (unsigned i = 0; !e && i < o->benches; i++) {
        t->batch.modules[i].state = (uint8_t)empty.state;
        e = store_put_module(t, i, &empty);
    }
    if (!e)
        e = make_rest(t, o);
    return e ? e : env_store_commit(t->env);
}

static enum err check_benches(struct tester *t, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (t->benches[i].job.kind != JOB_NONE)
            return ERR_BUSY;
        if (!t->benches[i].up)
            return ERR_LINK_DOWN;
    }
    return ERR_OK;
}

enum err batch_begin(struct tester *t, const struct batch_order *o)
{
    if (t->batch.active && !t->batch.stopped)
        return ERR_BUSY;
    if (!t->batch.active && (o->benches + o->made == 0 || o->bad > o->made))
        return ERR_BAD_ARGUMENT;
    enum err e = check_benches(t, t->batch.active ? t->batch.benches : o->benches);
    if (!e && !t->batch.active)
        e = make_batch(t, o);
    if (e)
        return e;
    t->batch.active = true;
    t->batch.stopped = false;
    t->batch.tries = 0;
    batch_pump(t);
    return ERR_OK;
}

/* ---- what a bench tells ---- */

static enum err keep_module(struct tester *t, unsigned number, const struct module *m)
{
    enum err e = store_put_module(t, number, m);
    if (!e)
        e = env_store_commit(t->env);
    if (e)
        return e;
    t->batch.modules[number].state = (uint8_t)m->state;
    t->batch.modules[number].reason = (uint16_t)m->reason;
    return ERR_OK;
}

enum err batch_locked(struct bench *b)
{
    struct module m = {.state = MODULE_WANTED};
    return keep_module(b->tester, b->job.module, &m);
}

enum err batch_collected(struct bench *b, struct span csr)
{
    struct module m = {.state = MODULE_COLLECTED, .csr_len = csr.len};
    text_copy(m.serial, sizeof m.serial, b->serial);
    memcpy(m.csr, csr.p, csr.len);
    return keep_module(b->tester, b->job.module, &m);
}

enum err batch_ended(struct bench *b, enum err reason)
{
    struct module m;
    enum err e = store_get_module(b->tester, b->job.module, &m);
    if (e)
        return e;
    if (!m.serial[0])
        text_copy(m.serial, sizeof m.serial, b->serial);
    m.state = MODULE_ENDED;
    m.reason = reason;
    return keep_module(b->tester, b->job.module, &m);
}

/* ---- the end ---- */

static void tell_refused(struct tester *t, unsigned number, const struct module *m)
{
    char detail[ENV_TEXT_MAX], bench[24] = "";
    if (number < t->batch.benches)
        snprintf(bench, sizeof bench, " bench=%u", number + 1);
    snprintf(detail, sizeof detail, "ecu=%s%s stays open", m->serial, bench);
    env_trace_reason(t->env, TRACE_FAIL, NULL, "EcuCertificate", m->reason, 0, detail);
}

static void tell_end(struct tester *t)
{
    struct module m;
    unsigned on_benches = 0, made = 0, refused = 0;
    char text[ENV_TEXT_MAX];
    for (unsigned i = 0; i < t->batch.count; i++) {
        bool bad = t->batch.modules[i].reason != ERR_OK;
        refused += bad;
        on_benches += !bad && i < t->batch.benches;
        made += !bad && i >= t->batch.benches;
        if (bad && !store_get_module(t, i, &m))
            tell_refused(t, i, &m);
    }
    snprintf(text, sizeof text, "certify=ended benches=%u made=%u refused=%u", on_benches, made, refused);
    env_trace_note(t->env, TRACE_NOTE, text);
}

void batch_stop(struct tester *t, enum err reason)
{
    char text[ENV_TEXT_MAX];
    t->batch.stopped = true;
    t->batch.page = 0;
    env_timer_set(t->env, TIMER_PAGE, ENV_NEVER);
    env_trace_reason(t->env, TRACE_FAIL, NULL, "EcuCertificatesRequest", reason, 0, NULL);
    snprintf(text, sizeof text, "certify=stopped reason=%s", err_name(reason));
    env_trace_note(t->env, TRACE_NOTE, text);
}

static void end_batch(struct tester *t)
{
    tell_end(t);
    enum err e = store_end_batch(t);
    if (!e)
        e = env_store_commit(t->env);
    if (e)
        batch_stop(t, e);
    else
        t->batch = (struct batch){.active = false};
}

/* ---- what is due ---- */

static bool find(const struct tester *t, unsigned count, enum module_state state, unsigned *out)
{
    for (unsigned i = 0; i < count; i++)
        if (t->batch.modules[i].state == state) {
            *out = i;
            return true;
        }
    return false;
}

static bool at_work(const struct tester *t)
{
    for (unsigned i = 0; i < t->batch.benches; i++)
        if (t->benches[i].job.of_batch)
            return true;
    return t->batch.page != 0;
}

/* A bench without a link, or with a job of its own, is waited for. */
static void begin_on_bench(struct tester *t, unsigned number, enum job_kind kind)
{
    const struct job job = {.kind = kind, .of_batch = true, .module = number};
    const struct bench *b = &t->benches[number];
    if (b->up && b->job.kind == JOB_NONE && !b->waits_link)
        job_begin(&t->benches[number], &job);
}

void batch_pump(struct tester *t)
{
    unsigned at;
    if (!t->batch.active || t->batch.stopped || at_work(t))
        return;
    if (find(t, t->batch.benches, MODULE_BARE, &at)) {
        begin_on_bench(t, at, JOB_ANCHORS);
    } else if (find(t, t->batch.benches, MODULE_WANTED, &at)) {
        begin_on_bench(t, at, JOB_COLLECT);
    } else if (find(t, t->batch.count, MODULE_COLLECTED, &at)) {
        t->batch.page = at / PAGE_ITEMS + 1;
        page_send(t);
    } else if (find(t, t->batch.benches, MODULE_CERTIFIED, &at)) {
        begin_on_bench(t, at, JOB_INSTALL);
    } else {
        end_batch(t);
    }
}

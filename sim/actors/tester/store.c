/* What the tester keeps: the job on each bench, a batch and its modules, reports. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/actors/tester/tester_parts.h"

#define BATCH_LEN  (BATCH_ID + 3)
#define MODULE_LEN (3 + 1 + ECU_SERIAL_MAX + 2 + CSR_MAX + 2 + ECU_IDENTITY_MAX)
#define REPORT_LEN 1024 /* modules with one serial in a batch: a production line has a few at most */

static enum err put(struct tester *t, const char *key, struct span value)
{
    return env_store_put(t->env, key, value);
}

enum err store_get(struct tester *t, const char *key, void *buf, size_t cap, size_t *len)
{
    enum err e = env_store_get(t->env, key, buf, cap, len);
    return e == ERR_NOT_FOUND || e == ERR_NO_SPACE ? ERR_STORE_FAILED : e;
}

/* ---- jobs ---- */

static void job_key(const struct bench *b, char key[ENV_KEY_MAX])
{
    snprintf(key, ENV_KEY_MAX, TESTER_JOB_PREFIX "%u", b->number + 1);
}

enum err store_keep_job(struct bench *b, const struct job *job)
{
    const uint8_t value[KEPT_JOB] = {(uint8_t)job->kind, (uint8_t)job->slot, (uint8_t)job->certificate};
    char key[ENV_KEY_MAX];
    job_key(b, key);
    enum err e = put(b->tester, key, span_of(value, sizeof value));
    return e ? e : env_store_commit(b->tester->env);
}

enum err store_drop_job(struct bench *b)
{
    char key[ENV_KEY_MAX];
    job_key(b, key);
    enum err e = env_store_delete(b->tester->env, key);
    return e ? e : env_store_commit(b->tester->env);
}

enum err store_load_job(struct bench *b, struct job *out)
{
    uint8_t value[KEPT_JOB];
    char key[ENV_KEY_MAX];
    size_t len;
    *out = (struct job){.kind = JOB_NONE};
    job_key(b, key);
    enum err e = env_store_get(b->tester->env, key, value, sizeof value, &len);
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    bool ok = !e && len == sizeof value && (value[0] == JOB_ANCHORS || value[0] == JOB_ANCHOR) &&
              value[1] < ANCHORS && value[2] <= ANCHOR_TESTER;
    if (!ok)
        return ERR_STORE_FAILED;
    *out = (struct job){.kind = (enum job_kind)value[0], .slot = value[1], .certificate = value[2]};
    return ERR_OK;
}

/* ---- modules ---- */

static void module_key(unsigned number, char key[ENV_KEY_MAX])
{
    snprintf(key, ENV_KEY_MAX, TESTER_MODULE_PREFIX "%04u", number + 1);
}

static void put_field(struct wr *w, const void *p, size_t len)
{
    wr_be16(w, (uint16_t)len);
    wr_copy(w, p, len);
}

static size_t read_field(struct rd *r, void *out, size_t cap)
{
    size_t len = rd_be16(r);
    if (len > cap)
        r->failed = true;
    else
        rd_copy(r, out, len);
    return len;
}

enum err store_put_module(struct tester *t, unsigned number, const struct module *m)
{
    uint8_t value[MODULE_LEN];
    char key[ENV_KEY_MAX];
    struct wr w = wr_of(value, sizeof value);
    module_key(number, key);
    wr_u8(&w, (uint8_t)m->state);
    wr_be16(&w, (uint16_t)m->reason);
    put_field(&w, m->serial, strlen(m->serial));
    put_field(&w, m->csr, m->csr_len);
    put_field(&w, m->certificate, m->certificate_len);
    return w.failed ? ERR_NO_SPACE : put(t, key, span_of(value, w.len));
}

static enum err read_module(struct span value, struct module *out)
{
    struct rd r = rd_of(value.p, value.len);
    memset(out, 0, sizeof *out);
    out->state = (enum module_state)rd_u8(&r);
    out->reason = (enum err)rd_be16(&r);
    read_field(&r, out->serial, ECU_SERIAL_MAX);
    out->csr_len = read_field(&r, out->csr, sizeof out->csr);
    out->certificate_len = read_field(&r, out->certificate, sizeof out->certificate);
    bool ok = !r.failed && !r.left && out->state >= MODULE_BARE && out->state <= MODULE_ENDED;
    return ok ? ERR_OK : ERR_STORE_FAILED;
}

enum err store_get_module(struct tester *t, unsigned number, struct module *out)
{
    uint8_t value[MODULE_LEN];
    char key[ENV_KEY_MAX];
    size_t len;
    module_key(number, key);
    enum err e = store_get(t, key, value, sizeof value, &len);
    return e ? e : read_module(span_of(value, len), out);
}

/* ---- the batch ---- */

enum err store_put_batch(struct tester *t)
{
    uint8_t value[BATCH_LEN];
    struct wr w = wr_of(value, sizeof value);
    wr_copy(&w, t->batch.id, BATCH_ID);
    wr_u8(&w, (uint8_t)t->batch.benches);
    wr_be16(&w, (uint16_t)t->batch.count);
    return put(t, TESTER_BATCH, span_of(value, w.len));
}

static enum err read_batch(struct span value, struct batch *out)
{
    struct rd r = rd_of(value.p, value.len);
    rd_copy(&r, out->id, BATCH_ID);
    out->benches = rd_u8(&r);
    out->count = rd_be16(&r);
    bool ok = !r.failed && !r.left && out->benches <= TESTER_BENCHES && out->count >= out->benches &&
              out->count - out->benches <= TESTER_MADE_MAX;
    return ok ? ERR_OK : ERR_STORE_FAILED;
}

enum err store_load_batch(struct tester *t)
{
    uint8_t value[BATCH_LEN];
    struct module m;
    size_t len;
    enum err e = env_store_get(t->env, TESTER_BATCH, value, sizeof value, &len);
    if (!e)
        e = read_batch(span_of(value, len), &t->batch);
    for (unsigned i = 0; !e && i < t->batch.count; i++) {
        e = store_get_module(t, i, &m);
        if (e)
            return e;
        t->batch.modules[i].state = (uint8_t)m.state;
        t->batch.modules[i].reason = (uint16_t)m.reason;
    }
    t->batch.active = !e;
    return e;
}

/* A module on a bench that never said who it is goes by its bench. Several of one serial stand in one
 * report, one after the other; that of an earlier batch gives way. */
static enum err put_report(struct tester *t, unsigned number, const struct module *m)
{
    char key[ENV_KEY_MAX];
    uint8_t value[REPORT_LEN];
    size_t len = 0;
    if (m->serial[0])
        snprintf(key, sizeof key, TESTER_REPORT_PREFIX "%s", m->serial);
    else
        snprintf(key, sizeof key, TESTER_REPORT_PREFIX "bench-%u", number + 1);
    enum err e = env_store_get(t->env, key, value, sizeof value, &len);
    if (e == ERR_NOT_FOUND || (!e && (len < BATCH_ID || memcmp(value, t->batch.id, BATCH_ID) != 0)))
        len = 0;
    else if (e)
        return e;
    struct wr w = wr_of(value + len, sizeof value - len);
    if (!len)
        wr_copy(&w, t->batch.id, BATCH_ID);
    wr_be16(&w, (uint16_t)m->reason);
    return w.failed ? ERR_OK : put(t, key, span_of(value, len + w.len));
}

enum err store_end_batch(struct tester *t)
{
    struct module m;
    char key[ENV_KEY_MAX];
    enum err e = env_store_delete(t->env, TESTER_BATCH);
    for (unsigned i = 0; !e && i < t->batch.count; i++) {
        e = store_get_module(t, i, &m);
        if (!e)
            e = put_report(t, i, &m);
        module_key(i, key);
        if (!e)
            e = env_store_delete(t->env, key);
    }
    return e;
}

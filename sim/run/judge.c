/* The verdict: expectations in order of time, things that must never happen, states of stores, faults that
 * must have fired, invariants of the system. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "backend/vos/vos.h"
#include "ecu/spaak/spaak.h"
#include "lib/msg/msg.h"
#include "proto/backend.pb-c.h"
#include "sim/plant/given.h"
#include "sim/run/run.h"

/* ---- events ---- */

static bool kind_matches(const struct expect *x, const struct trace_event *e)
{
    if (x->event != TRACE_KINDS)
        return e->kind == (uint16_t)x->event;
    return e->kind == TRACE_SEND || e->kind == TRACE_STEP || e->kind == TRACE_ACCEPT;
}

static bool fields_match(const struct expect *x, const struct trace_event *e)
{
    char value[64];
    for (size_t i = 0; i < x->field_count; i++) {
        char key[64];
        text_copy(key, sizeof key, x->fields[i]);
        char *equals = strchr(key, '=');
        *equals = '\0';
        if (!trace_detail(e, key, value, sizeof value) || strcmp(value, equals + 1) != 0)
            return false;
    }
    return true;
}

static bool event_matches(const struct expect *x, const struct trace_event *e)
{
    return kind_matches(x, e) && (!x->component[0] || strcmp(x->component, e->component) == 0) &&
           (!x->peer[0] || strcmp(x->peer, e->peer) == 0) && (!x->step[0] || strcmp(x->step, e->step) == 0) &&
           (!x->message[0] || strcmp(x->message, e->message) == 0) &&
           (x->reason < 0 || x->reason == e->reason) && (!x->detail[0] || strstr(e->detail, x->detail)) &&
           fields_match(x, e);
}

/* Does this event show that the message passed that hop? */
static bool hop_matches(const char *hop, bool last, const struct trace_event *sent,
                        const struct trace_event *e)
{
    if (strcmp(e->component, hop) != 0)
        return false;
    if (strcmp(hop, "sgw") == 0)
        return e->kind == TRACE_RELAY && e->length == sent->length;
    return e->kind == (last ? TRACE_ACCEPT : TRACE_RELAY) &&
           memcmp(e->digest, sent->digest, TRACE_DIGEST) == 0;
}

/* Index of the event that ends the path, or -1 with the hop where it broke. */
static long path_end(const struct run *r, const struct expect *x, size_t sent, size_t *broke)
{
    size_t at = sent;
    for (size_t h = 1; h < x->path_count; h++) {
        size_t i = at;
        while (i < r->event_count &&
               !hop_matches(x->path[h], h + 1 == x->path_count, &r->events[sent], &r->events[i]))
            i++;
        if (i == r->event_count) {
            *broke = h;
            return -1;
        }
        at = i;
    }
    return (long)at;
}

/* Index of the first event at or after `from` that meets the expectation, or -1. */
static long find_event(const struct run *r, const struct expect *x, size_t from, size_t *broke)
{
    *broke = 0;
    for (size_t i = from; i < r->event_count; i++) {
        if (!event_matches(x, &r->events[i]))
            continue;
        if (x->kind != EXPECT_PATH || path_end(r, x, i, broke) >= 0)
            return (long)i;
    }
    return -1;
}

static uint64_t summed(const struct run *r, const struct expect *x)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < r->event_count; i++)
        if (event_matches(x, &r->events[i]))
            sum += r->events[i].length;
    return sum;
}

static void describe(const struct expect *x, char out[200])
{
    snprintf(out, 200, "%s%s%s%s%s%s%s%s%s%s%s", x->event == TRACE_REJECT ? "refusal of " : "", x->step,
             x->step[0] ? " " : "", x->message,
             x->event != TRACE_KINDS && x->event != TRACE_SEND && x->event != TRACE_REJECT
                 ? trace_kind_name(x->event)
                 : "",
             x->component[0] ? " by " : "", x->component, x->peer[0] ? " to " : "", x->peer,
             x->reason >= 0 ? " for " : "", x->reason >= 0 ? err_name((enum err)x->reason) : "");
}

/* Walks the expectations; with failures == NULL stops at the first that is not met. */
static bool walk(const struct run *r, struct run *failures)
{
    size_t from = 0;
    uint64_t last_us = 0;
    char what[200];
    for (size_t i = 0; i < r->scenario->expect_count; i++) {
        const struct expect *x = &r->scenario->expects[i];
        size_t broke;
        if (x->kind == EXPECT_STATE)
            continue;
        describe(x, what);
        if (x->kind == EXPECT_COUNT) {
            uint64_t n = summed(r, x);
            if (n >= x->at_least)
                continue;
            if (!failures)
                return false;
            run_fail(failures, "%s:%u: expected at least %llu (%s, %s), saw %llu", r->scenario->file, x->line,
                     (unsigned long long)x->at_least, what, x->detail, (unsigned long long)n);
            continue;
        }
        long at = find_event(r, x, x->any_order ? 0 : from, &broke);
        if (at < 0 && !failures)
            return false;
        if (at < 0 && broke) {
            run_fail(failures, "%s:%u: %s did not reach %s", r->scenario->file, x->line, what,
                     x->path[broke]);
        } else if (at < 0) {
            run_fail(failures, "%s:%u: expected %s%s%s, it did not happen%s", r->scenario->file, x->line,
                     what, x->detail[0] ? " " : "", x->detail,
                     from && !x->any_order ? " after what was expected before it" : "");
        } else {
            uint64_t t = r->events[at].time_us;
            if (x->within_us && t > last_us + x->within_us) {
                if (!failures)
                    return false;
                run_fail(failures,
                         "%s:%u: %s came %.1f ms after the expectation before it, %.1f ms are allowed",
                         r->scenario->file, x->line, what, (double)(t - last_us) / 1e3,
                         (double)x->within_us / 1e3);
            }
            if (!x->any_order) {
                from = (size_t)at;
                last_us = t;
            }
        }
    }
    return true;
}

bool judge_events_met(const struct run *r)
{
    return walk(r, NULL);
}

/* The first refusals and failures of the run: mostly the reason for what is missing. */
static void add_hints(struct run *r)
{
    unsigned hints = 0;
    for (size_t i = 0; i < r->event_count && hints < 3; i++) {
        const struct trace_event *e = &r->events[i];
        if (e->kind != TRACE_REJECT && e->kind != TRACE_FAIL)
            continue;
        run_fail(r, "seen: %s %s %s%s%s (%s)", e->component, e->kind == TRACE_REJECT ? "refused" : "gave up",
                 e->message[0] ? e->message : e->step, ": ", err_text((enum err)e->reason),
                 err_name((enum err)e->reason));
        hints++;
    }
}

static void judge_nevers(struct run *r)
{
    char what[200];
    for (size_t i = 0; i < r->scenario->never_count; i++) {
        const struct expect *x = &r->scenario->nevers[i];
        size_t broke;
        long at = find_event(r, x, 0, &broke);
        if (at < 0 || (x->within_us && r->events[at].time_us >= x->within_us))
            continue;
        describe(x, what);
        run_fail(r, "%s:%u: %s must not happen, but did at %.1f ms", r->scenario->file, x->line, what,
                 (double)r->events[at].time_us / 1e3);
    }
}

static void judge_faults(struct run *r)
{
    char text[96];
    for (size_t i = 0; i < r->scenario->faults.count; i++) {
        if (r->fault_fired[i])
            continue;
        fault_describe(&r->scenario->faults.faults[i], text);
        run_fail(r, "the fault \"%s\" never fired: nothing it is meant for came by", text);
    }
}

/* ---- stores ---- */

static void judge_states(struct run *r)
{
    uint8_t value[ENV_VALUE_MAX];
    size_t len;
    for (size_t i = 0; i < r->scenario->expect_count; i++) {
        const struct expect *x = &r->scenario->expects[i];
        for (size_t k = 0; k < x->state_count; k++) {
            const struct state_check *c = &x->states[k];
            struct store *s = r->ops->store(r, c->component);
            bool present = s && store_get(s, c->key, value, sizeof value, &len) == ERR_OK;
            if (present != c->present)
                run_fail(r, "%s:%u: %s should be %s in the store of %s", r->scenario->file, c->line, c->key,
                         c->present ? "present" : "absent", c->component);
        }
    }
}

/* Invariant 2: what the vehicle holds as acknowledged is what the VOS holds as active. */
static void judge_agreement(struct run *r)
{
    struct store *spaak = r->ops->store(r, "spaak"), *vos = r->ops->store(r, "vos");
    uint8_t flag[8], k[X509_MAX], stored[ENV_VALUE_MAX];
    size_t len, k_len;
    if (!spaak || !vos || store_get(spaak, SPAAK_VEHICLE_ACKED, flag, sizeof flag, &len) ||
        store_get(spaak, SPAAK_VEHICLE_CERTIFICATE, k, sizeof k, &k_len))
        return;
    if (store_get(vos, VOS_VEHICLE_PREFIX GIVEN_SERIAL, stored, sizeof stored, &len)) {
        run_fail(r, "invariant 2: the vehicle holds an acknowledged certificate that the VOS does not know");
        return;
    }
    Backend__V1__VehicleRecord *m = backend__v1__vehicle_record__unpack(NULL, len, stored);
    bool renewing = m && m->state == BACKEND__V1__VEHICLE_RECORD__STATE__STATE_RENEWING;
    if (!m || (!renewing && (m->state != BACKEND__V1__VEHICLE_RECORD__STATE__STATE_ACTIVE ||
                             m->certificate.len != k_len || memcmp(m->certificate.data, k, k_len) != 0)))
        run_fail(r, "invariant 2: vehicle and VOS do not hold the same certificate [K]");
    backend__v1__vehicle_record__free_unpacked(m, NULL);
}

/* Invariant 4: an input that was refused has stored nothing. */
static void judge_refusals(struct run *r)
{
    for (size_t i = 0; i < r->event_count; i++) {
        const struct trace_event *e = &r->events[i];
        if (e->kind != TRACE_REJECT)
            continue;
        for (size_t k = 0; k < r->event_count; k++) {
            const struct trace_event *s = &r->events[k];
            if (s->kind == TRACE_STORE && s->cause == e->cause && strcmp(s->component, e->component) == 0)
                run_fail(r, "invariant 4: %s refused %s (%s) but stored %s", e->component, e->message,
                         err_name((enum err)e->reason), s->detail);
        }
    }
}

struct secrets {
    struct run *run;
    const char *component;
    const char *text; /* contents of one record file */
    size_t len;
    const char *file;
};

static void look_for_secret(void *ctx, const char *key, struct span value)
{
    struct secrets *s = ctx;
    char hex[2 * P256_SCALAR + 1];
    size_t key_len = strlen(key);
    if (value.len != P256_SCALAR || key_len < 4 || strcmp(key + key_len - 4, "/key") != 0)
        return;
    hex_encode(value.p, value.len, hex);
    if (memmem(s->text, s->len, value.p, value.len) || memmem(s->text, s->len, hex, sizeof hex - 1))
        run_fail(s->run, "invariant 4: %s of %s stands in %s", key, s->component, s->file);
    for (char *c = hex; *c; c++)
        if (*c >= 'a' && *c <= 'f')
            *c = (char)(*c - 'a' + 'A');
    if (memmem(s->text, s->len, hex, sizeof hex - 1))
        run_fail(s->run, "invariant 4: %s of %s stands in %s", key, s->component, s->file);
}

static void search_file(struct run *r, const char *path)
{
    static const char *const holders[] = {"spaak", "vos", "gsdp", "pki"};
    FILE *f = fopen(path, "re");
    char *text = NULL;
    size_t cap = 0;
    ssize_t len = f ? getdelim(&text, &cap, EOF, f) : -1;
    for (size_t i = 0; len > 0 && i < 4; i++) {
        struct store *store = r->ops->store(r, holders[i]);
        struct secrets s = {r, holders[i], text, (size_t)len, path};
        if (store)
            store_scan(store, "", look_for_secret, &s);
    }
    free(text);
    if (f)
        fclose(f);
}

/* Invariant 4: no private key in a record of the run. */
static void judge_secrets(struct run *r)
{
    char path[700], logs[600];
    static const char *const files[] = {"trace.jsonl", "can.log"};
    for (size_t i = 0; i < 2; i++) {
        report_path(r, files[i], path, sizeof path);
        search_file(r, path);
    }
    report_path(r, "logs", logs, sizeof logs);
    DIR *d = opendir(logs);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        snprintf(path, sizeof path, "%s/%.80s", logs, e->d_name);
        if (e->d_name[0] != '.')
            search_file(r, path);
    }
    if (d)
        closedir(d);
}

void judge_run(struct run *r)
{
    size_t before = r->failure_count;
    walk(r, r);
    judge_nevers(r);
    judge_states(r);
    judge_faults(r);
    judge_agreement(r);
    judge_refusals(r);
    judge_secrets(r);
    if (r->failure_count > before)
        add_hints(r);
}

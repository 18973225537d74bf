/* What holds in every run, whatever its scenario says; no component is named here. Claims: 1, 2, 3 and 5.
 * Refusals and secrets: 4. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/host/seal.h"
#include "sim/run/boxes.h"
#include "sim/run/judge.h"
#include "sim/run/records.h"

#define NEAR 1000 /* events */

/* ---- claims ---- */

static void fail_claim(void *ctx, const char *problem)
{
    run_fail_as(ctx, FAILURE_RULE, "%s", problem);
}

/* Where events came out of order, claims are taken now, from the sorted whole. */
static void judge_claims(struct run *r)
{
    char problem[CLAIM_PROBLEM];
    for (size_t i = 0; !r->in_order && i < r->event_count; i++)
        if (!claims_take(&r->claims, &r->events[i], problem))
            run_fail_as(r, FAILURE_RULE, "at %.1f ms: %s", (double)r->events[i].time_us / 1e3, problem);
    if (!r->unsettled)
        claims_judge(&r->claims, fail_claim, r);
}

/* ---- refusals ---- */

/* Invariant 4: an input that was refused has stored nothing. Events of one input lie together. */
static void judge_refusals(struct run *r)
{
    for (size_t i = 0; i < r->event_count; i++) {
        const struct trace_event *e = &r->events[i];
        if (e->kind != TRACE_REJECT)
            continue;
        for (size_t k = i > NEAR ? i - NEAR : 0; k < r->event_count && k < i + NEAR; k++) {
            const struct trace_event *s = &r->events[k];
            if (s->kind == TRACE_STORE && s->cause == e->cause && strcmp(s->component, e->component) == 0)
                run_fail_as(r, FAILURE_RULE, "invariant 4: %s refused %s (%s) but stored %s", e->component,
                            e->message, err_name((enum err)e->reason), s->detail);
        }
    }
}

/* ---- secrets ---- */

/* Values that a class declares as secret, raw and as hex text, in the records of the run. */
struct search {
    struct run *run;
    struct crypto *crypto;
    const char *component;
    const char *text; /* contents of one record file */
    size_t len;
    const char *file;
};

#define SECRET_MIN 8 /* shorter values stand everywhere */

static void upper(char *text)
{
    for (; *text; text++)
        if (*text >= 'a' && *text <= 'f')
            *text = (char)(*text - 'a' + 'A');
}

static void look_for_secret(void *ctx, const char *key, struct span value)
{
    struct search *s = ctx;
    char *hex = value.len >= SECRET_MIN ? malloc(2 * value.len + 1) : NULL;
    if (!hex)
        return;
    hex_encode(value.p, value.len, hex);
    bool found = memmem(s->text, s->len, value.p, value.len) || memmem(s->text, s->len, hex, 2 * value.len);
    upper(hex);
    found |= memmem(s->text, s->len, hex, 2 * value.len) != NULL;
    if (found)
        run_fail_as(s->run, FAILURE_RULE, "invariant 4: %s of %s stands in %s", key, s->component, s->file);
    OPENSSL_cleanse(hex, 2 * value.len);
    free(hex);
}

static void search_for(struct search *s, const struct member *m)
{
    struct store *store = m->class && m->class->secrets ? s->run->ops->store(s->run, m->name) : NULL;
    const struct seal seal = {.crypto = s->crypto, .class = m->class, .key = s->run->store_keys.key};
    s->component = m->name;
    for (const char *const *prefix = store ? m->class->secrets : NULL; prefix && *prefix; prefix++) {
        enum err e = seal_scan(&seal, store, *prefix, look_for_secret, s);
        if (e)
            run_fail_as(s->run, FAILURE_RECORD, "the secrets of %s cannot be looked for: %s (%s)", m->name,
                        err_text(e), err_name(e));
    }
}

static void search_file(struct run *r, const char *path, bool must_be_there)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && must_be_there)
        run_fail_as(r, FAILURE_RECORD, "%s cannot be read: %s", path, strerror(errno));
    if (fd < 0)
        return;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        run_fail_as(r, FAILURE_RECORD, "%s is no ordinary file: it cannot be searched for secrets", path);
    } else if (about.st_size) {
        size_t len = (size_t)about.st_size;
        char *text = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
        struct search s = {.run = r, .crypto = crypto_new(NULL), .text = text, .len = len, .file = path};
        if (text == MAP_FAILED)
            run_fail_as(r, FAILURE_RECORD, "%s cannot be read: %s", path, strerror(errno));
        for (size_t i = 0; s.crypto && text != MAP_FAILED && i < r->scenario->member_count; i++)
            search_for(&s, &r->scenario->members[i]);
        if (!s.crypto)
            run_fail_as(r, FAILURE_RECORD, "%s cannot be searched: %s", path, err_text(ERR_NO_MEMORY));
        crypto_free(s.crypto);
        if (text != MAP_FAILED)
            munmap(text, len);
    }
    close(fd);
}

/* Of each process one; those of helpers and of what an ended run left there are searched, too. */
static void search_logs(struct run *r)
{
    char path[700], logs[600];
    records_path(r, "logs", logs, sizeof logs);
    for (size_t i = 0; r->ops->last_words && i < r->scenario->member_count; i++) {
        snprintf(path, sizeof path, "%s/%s.log", logs, r->scenario->members[i].name);
        if (r->scenario->members[i].class && access(path, R_OK) != 0)
            run_fail_as(r, FAILURE_RECORD, "%s is gone: %s", path, strerror(errno));
    }
    DIR *d = opendir(logs);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        snprintf(path, sizeof path, "%s/%.80s", logs, e->d_name);
        if (e->d_name[0] != '.')
            search_file(r, path, false);
    }
    if (d)
        closedir(d);
}

/* Invariant 4: no secret in a record of the run. What a medium keeps is the exception: a secret may be what
 * is sent to a person; nobody else may read it there. */
static void judge_secrets(struct run *r)
{
    char path[700];
    const struct {
        const char *name;
        bool must_be_there;
    } files[] = {
        {"trace.jsonl", true}, {"can.log", true}, {"bytes.jsonl", r->options->bytes}, {RECORDS_APDUS, false}};
    if (!r->records)
        return;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        records_path(r, files[i].name, path, sizeof path);
        search_file(r, path, files[i].must_be_there);
    }
    search_logs(r);
    boxes_judge(r);
}

void judge_invariants(struct run *r)
{
    judge_claims(r);
    judge_refusals(r);
    judge_secrets(r);
}

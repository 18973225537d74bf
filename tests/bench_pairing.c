/* Whole owner pairings in virtual time, all components on: from "add digital key" at the head unit (OP-02/1)
 * to the receipt in the vehicle (OP-05/6), in a vehicle, back end and phone that live before and after.
 * Without scrypt, which a first run has done for the others (lib/host/work_memo.h). Beside it the time in
 * OpenSSL's P-256 operations of that very pairing. One core. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/ec.h>
#include <openssl/ecdh.h>
#include <openssl/ecdsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/work_memo.h"
#include "sim/commands.h"
#include "sim/world/past.h"
#include "sim/world/world.h"
#include "tests/figures.h"

enum { ROUNDS = 31 };

/* ---- the operations: each call of ours is timed (the Makefile has the same list) ---- */

static double in_p256_s;
static unsigned operations;

#define TIMED(type, name, parameters, arguments) \
    type __real_##name parameters;               \
    type __wrap_##name parameters;               \
    type __wrap_##name parameters                \
    {                                            \
        double t = cpu_s();                      \
        type result = __real_##name arguments;   \
        in_p256_s += cpu_s() - t;                \
        operations++;                            \
        return result;                           \
    }

TIMED(int, EC_KEY_generate_key, (EC_KEY * key), (key))
TIMED(int, EC_POINT_mul,
      (const EC_GROUP *group, EC_POINT *r, const BIGNUM *n, const EC_POINT *q, const BIGNUM *m, BN_CTX *ctx),
      (group, r, n, q, m, ctx))
TIMED(int, ECDSA_sign,
      (int type, const unsigned char *digest, int digest_len, unsigned char *sig, unsigned *sig_len,
       EC_KEY *key),
      (type, digest, digest_len, sig, sig_len, key))
TIMED(int, ECDSA_verify,
      (int type, const unsigned char *digest, int digest_len, const unsigned char *sig, int sig_len,
       EC_KEY *key),
      (type, digest, digest_len, sig, sig_len, key))
TIMED(int, ECDH_compute_key,
      (void *out, size_t len, const EC_POINT *public, const EC_KEY *key,
       void *(*kdf)(const void *in, size_t in_len, void *to, size_t *to_len)),
      (out, len, public, key, kdf))

/* ---- a pairing ---- */

struct look {
    struct run *run;
    size_t seen;
    enum trace_kind kind;
    const char *component, *step, *detail; /* what is waited for; NULL: any */
};

static bool is_there(void *ctx, bool quiet)
{
    struct look *l = ctx;
    (void)quiet;
    for (; l->seen < l->run->event_count; l->seen++) {
        const struct trace_event *e = &l->run->events[l->seen];
        if (e->kind == l->kind && strcmp(e->component, l->component) == 0 &&
            (!l->step || strcmp(e->step, l->step) == 0) && (!l->detail || strcmp(e->detail, l->detail) == 0))
            return true;
    }
    return false;
}

static void until(struct run *r, enum trace_kind kind, const char *component, const char *step,
                  const char *detail)
{
    struct look l = {.run = r, .kind = kind, .component = component, .step = step, .detail = detail};
    world_virtual.proceed(r, UINT64_MAX, is_there, &l);
    figure_must(l.seen < r->event_count, step ? step : detail);
}

struct pairing {
    double all_s, p256_s;
    unsigned operations;
};

static struct pairing pair(const struct scenario *s, struct work_memo *memo)
{
    struct run *r = calloc(1, sizeof *r);
    const struct run_options o = {.world = WORLD_VIRTUAL, .seed = 1, .quiet = true, .memo = memo};
    figure_must(r && world_virtual.open(r, s, &o), "a world");
    until(r, TRACE_CALL, "hu", NULL, "add-key");
    operations = 0;
    in_p256_s = 0;
    double t = cpu_s();
    until(r, TRACE_STEP, "spaak", "OP-05/6", NULL);
    const struct pairing p = {cpu_s() - t, in_p256_s, operations};
    world_virtual.proceed(r, UINT64_MAX, NULL, NULL);
    figure_must(world_virtual.close(r) == VERDICT_PASS, "the pairing");
    run_free(r);
    free(r);
    return p;
}

int main(void)
{
    struct tree_problem problem = {0};
    struct scenario *s;
    size_t n;
    double all_s[ROUNDS], p256_s[ROUNDS];
    char is[120];
    scenario_finder = scenario_find_quietly;
    char *path = scenario_find_quietly("op05");
    struct work_memo *memo = work_memo_new();
    figure_must(path && memo && scenario_load(path, &s, &n, &problem), "op05");
    struct pairing p = pair(s, memo);
    for (size_t i = 0; i < ROUNDS; i++) {
        p = pair(s, memo);
        all_s[i] = p.all_s;
        p256_s[i] = p.p256_s;
    }
    snprintf(is, sizeof is, "the %u P-256 operations of the same pairing alone", p.operations);
    figure_report("virtual_owner_pairings", 1 / figure_median(all_s, ROUNDS),
                  "1/s of CPU, all components, without scrypt, median of 31",
                  1 / figure_median(p256_s, ROUNDS), is, 0.4);
    past_forget();
    work_memo_free(memo);
    free(s);
    free(path);
    return 0;
}

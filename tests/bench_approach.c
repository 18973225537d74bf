/* First approaches in virtual time, all components on: from the vehicle that the phone recognises (OP-06/2)
 * to unlocked doors (OP-06/8), over the air, with pairing and one fast transaction. Beside it the time in
 * OpenSSL's operations, on P-256 and symmetric, of that very approach; what a clock takes is counted out. One
 * core.
 *
 * bench_approach BUILD: passive entry of separate processes, again and again, from the connection to unlocked
 * doors by the times of the trace; beside it the same in virtual time, by the CPU. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/ec.h>
#include <openssl/ecdh.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/work_memo.h"
#include "sim/commands.h"
#include "sim/world/past.h"
#include "sim/world/world.h"
#include "tests/figures.h"

enum { ROUNDS = 31, ENTRIES = 100, CLOCKS = 20000 };

/* ---- the operations: each call of ours is timed (the Makefile has the same list) ---- */

struct spent {
    double s;
    unsigned calls;
};
static struct spent on_p256, on_symmetric;

#define TIMED_IN(of, type, name, parameters, arguments) \
    type __real_##name parameters;                      \
    type __wrap_##name parameters;                      \
    type __wrap_##name parameters                       \
    {                                                   \
        double t = cpu_s();                             \
        type result = __real_##name arguments;          \
        (of).s += cpu_s() - t;                          \
        (of).calls++;                                   \
        return result;                                  \
    }
#define TIMED(type, name, parameters, arguments)  TIMED_IN(on_p256, type, name, parameters, arguments)
#define TIMED2(type, name, parameters, arguments) TIMED_IN(on_symmetric, type, name, parameters, arguments)

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
TIMED2(int, EVP_CipherInit_ex2,
       (EVP_CIPHER_CTX * ctx, const EVP_CIPHER *cipher, const unsigned char *key, const unsigned char *iv,
        int enc, const OSSL_PARAM params[]),
       (ctx, cipher, key, iv, enc, params))
TIMED2(int, EVP_CipherUpdate,
       (EVP_CIPHER_CTX * ctx, unsigned char *out, int *len, const unsigned char *in, int in_len),
       (ctx, out, len, in, in_len))
TIMED2(int, EVP_CipherFinal_ex, (EVP_CIPHER_CTX * ctx, unsigned char *out, int *len), (ctx, out, len))
TIMED2(int, EVP_MAC_init,
       (EVP_MAC_CTX * ctx, const unsigned char *key, size_t key_len, const OSSL_PARAM params[]),
       (ctx, key, key_len, params))
TIMED2(int, EVP_MAC_update, (EVP_MAC_CTX * ctx, const unsigned char *data, size_t len), (ctx, data, len))
TIMED2(int, EVP_MAC_final, (EVP_MAC_CTX * ctx, unsigned char *out, size_t *len, size_t size),
       (ctx, out, len, size))
TIMED2(int, EVP_KDF_derive, (EVP_KDF_CTX * ctx, unsigned char *key, size_t len, const OSSL_PARAM params[]),
       (ctx, key, len, params))

/* What the two readings of the clock add to a call. */
static double clock_s(void)
{
    double sum = 0;
    for (int i = 0; i < CLOCKS; i++) {
        double t = cpu_s();
        sum += cpu_s() - t;
    }
    return sum / CLOCKS;
}

/* ---- an approach in virtual time ---- */

struct look {
    struct run *run;
    size_t seen;
    const char *component, *step;
};

static bool is_there(void *ctx, bool quiet)
{
    struct look *l = ctx;
    (void)quiet;
    for (; l->seen < l->run->event_count; l->seen++) {
        const struct trace_event *e = &l->run->events[l->seen];
        if (e->kind == TRACE_STEP && strcmp(e->component, l->component) == 0 && strcmp(e->step, l->step) == 0)
            return true;
    }
    return false;
}

static void until(struct run *r, const char *component, const char *step)
{
    struct look l = {.run = r, .component = component, .step = step};
    world_virtual.proceed(r, UINT64_MAX, is_there, &l);
    figure_must(l.seen < r->event_count, step);
}

struct approach_cost {
    double all_s, crypto_s;
    struct spent p256, symmetric;
};

static struct approach_cost approach(const struct scenario *s, struct work_memo *memo, double clock)
{
    struct run *r = calloc(1, sizeof *r);
    const struct run_options o = {.world = WORLD_VIRTUAL, .seed = 1, .quiet = true, .memo = memo};
    struct approach_cost c;
    figure_must(r && world_virtual.open(r, s, &o), "a world");
    until(r, "phone", "OP-06/2");
    on_p256 = on_symmetric = (struct spent){0};
    double t = cpu_s();
    until(r, "bcm", "OP-06/8");
    c = (struct approach_cost){.all_s = cpu_s() - t, .p256 = on_p256, .symmetric = on_symmetric};
    c.crypto_s = c.p256.s + c.symmetric.s - (c.p256.calls + c.symmetric.calls) * clock;
    c.all_s -= (c.p256.calls + c.symmetric.calls) * 2 * clock;
    world_virtual.proceed(r, UINT64_MAX, NULL, NULL);
    figure_must(world_virtual.close(r) == VERDICT_PASS, s->name);
    run_free(r);
    free(r);
    return c;
}

static void load(const char *name, struct scenario **s)
{
    struct tree_problem problem = {0};
    size_t n;
    char *path = scenario_find_quietly(name);
    figure_must(path && scenario_load(path, s, &n, &problem), name);
    free(path);
}

static struct approach_cost median_of(const char *name)
{
    struct scenario *s;
    struct approach_cost c;
    double all_s[ROUNDS], crypto_s[ROUNDS];
    struct work_memo *memo = work_memo_new();
    const double clock = clock_s();
    figure_must(memo != NULL, "memory");
    load(name, &s);
    c = approach(s, memo, clock);
    for (size_t i = 0; i < ROUNDS; i++) {
        c = approach(s, memo, clock);
        all_s[i] = c.all_s;
        crypto_s[i] = c.crypto_s;
    }
    past_forget();
    work_memo_free(memo);
    free(s);
    c.all_s = figure_median(all_s, ROUNDS);
    c.crypto_s = figure_median(crypto_s, ROUNDS);
    return c;
}

static void first_approaches(void)
{
    const struct approach_cost c = median_of("op06");
    char is[120];
    snprintf(is, sizeof is, "the %u P-256 operations and %u symmetric calls of the same approach alone",
             c.p256.calls, c.symmetric.calls);
    figure_report("virtual_first_approaches", 1 / c.all_s,
                  "1/s of CPU, recognised to unlocked, all components, median of 31", 1 / c.crypto_s, is,
                  0.6);
}

/* ---- passive entry in processes ---- */

/* A phone whose Bluetooth is off is away: the doors are locked, and it comes near again. */
static void play(const char *build, const char *out)
{
    char command[500];
    snprintf(command, sizeof command,
             "%s/bin/spaaksim play passive-entry --world process --quiet --out %s >&2", build, out);
    FILE *lines = popen(command, "w");
    figure_must(lines != NULL, "spaaksim play");
    fprintf(lines, "run 4 s; ");
    for (int i = 0; i < ENTRIES; i++)
        fprintf(lines, "phone bluetooth state=off; run 300 ms; bcm lock-doors; run 100 ms; "
                       "phone bluetooth state=on; run 600 ms\n");
    fprintf(lines, "quit\n");
    figure_must(pclose(lines) == 0, "spaaksim play passive-entry");
}

static bool has(const char *line, const char *what)
{
    return strstr(line, what) != NULL;
}

/* Milliseconds from the phone that has recognised the vehicle, and connects, to the doors. */
static size_t read_trace(const char *out, double ms[ENTRIES])
{
    char path[300], line[2000];
    unsigned long long t = 0, began = 0;
    size_t n = 0;
    snprintf(path, sizeof path, "%s/trace.jsonl", out);
    FILE *f = fopen(path, "re");
    figure_must(f != NULL, "the trace");
    while (n < ENTRIES && fgets(line, sizeof line, f)) {
        const char *at = strstr(line, "\"t_us\":");
        if (!at || sscanf(at, "\"t_us\":%llu", &t) != 1)
            continue;
        if (has(line, "\"OP-06/2\"")) {
            began = t;
        } else if (began && has(line, "\"message\":\"doors\",\"detail\":\"unlocked\"")) {
            ms[n++] = (double)(t - began) / 1e3;
            began = 0;
        }
    }
    fclose(f);
    return n;
}

static void passive_entries(const char *build)
{
    static double ms[ENTRIES];
    char out[200], command[300];
    const double floor = median_of("passive-entry-relay-unseen").all_s * 1e3;
    test_path(out, sizeof out, "bench-approach");
    play(build, out);
    const size_t n = read_trace(out, ms);
    snprintf(command, sizeof command, "rm -rf %s", out);
    figure_must(system(command) == 0, "cleaning up");
    figure_must(n == ENTRIES, "each entry unlocks");
    const double median = figure_median(ms, n);
    static const char is[] = "the same entry of all components in virtual time, CPU, median of 31";
    figure_report("process_passive_entry", median, "ms from connecting to doors unlocked, median of 100",
                  floor, is, 20);
    figure_report("process_passive_entry_p99", ms[n * 99 / 100 - 1], "ms, 99th percentile of 100", floor, is,
                  100);
}

int main(int argc, char **argv)
{
    scenario_finder = scenario_find_quietly;
    if (argc == 2)
        passive_entries(argv[1]);
    else
        first_approaches();
    return 0;
}

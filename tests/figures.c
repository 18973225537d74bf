#include "tests/figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/host/sqlite_store.h"

double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double wall_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void figure_must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "%s failed\n", what);
    exit(1);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double figure_median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, compare);
    return v[n / 2];
}

void figure_report(const char *name, double value, const char *unit, double floor, const char *floor_is,
                   double goal)
{
    printf(
        "{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"floor\":%.6g,\"floor_is\":\"%s\",\"ratio\":%.3g,"
        "\"goal\":%.3g}\n",
        name, value, unit, floor, floor_is, value / floor, goal);
    fflush(stdout);
}

struct p256_costs measure_p256(void)
{
    struct crypto *c = test_crypto();
    struct p256_key *k;
    uint8_t digest[SHA256_SIZE] = {1}, sig[P256_SIG_MAX];
    size_t len = 0;
    struct p256_costs out;
    const int n = 3000;
    double t = cpu_s();
    for (int i = 0; i < n; i++) {
        p256_generate(c, &k);
        p256_free(k);
    }
    out.keygen = (cpu_s() - t) / n;
    p256_generate(c, &k);
    t = cpu_s();
    for (int i = 0; i < n; i++)
        p256_sign(k, digest, sig, &len);
    out.sign = (cpu_s() - t) / n;
    t = cpu_s();
    for (int i = 0; i < n; i++)
        p256_verify(k, digest, span_of(sig, len));
    out.verify = (cpu_s() - t) / n;
    p256_free(k);
    return out;
}

void bench_on_disk(struct bench *b, const struct component_class *class, const char *name)
{
    char path[200], side[220];
    const char *reason = "";
    bench_prepare(b, class, test_crypto());
    store_close(b->node.store);
    test_path(path, sizeof path, name);
    b->node.store = sqlite_store_open(path, SQLITE_STORE_DURABLE, &reason);
    if (!b->node.store) {
        fprintf(stderr, "%s\n", reason);
        exit(1);
    }
    store_set(b->node.store, "warm", span_of("", 0)); /* makes the log file */
    store_sync(b->node.store);
    unlink(path); /* the open files live on */
    snprintf(side, sizeof side, "%s-wal", path);
    unlink(side);
}

size_t figure_resident_bytes(void)
{
    unsigned long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f || fscanf(f, "%lu %lu", &pages, &resident) != 2)
        exit(1);
    fclose(f);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

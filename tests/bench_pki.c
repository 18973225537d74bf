/* A batch of modules through the PKI (RP-02), beside what it cannot do without: a CSR's signature verified, a
 * certificate signed. CPU time: nobody waits for a disk between two pages. Placement: pinned to one core by
 * scripts/bench.sh. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/figures.h"
#include "tests/line.h"

enum { MODULES = 1000, ROUNDS = 5 };

struct round {
    double batch_s, floor_s;
};

/* A PKI that has certified none of them: the tester's pages packed, answered, stored in SQLite, read. */
static double batch_s(struct line *l)
{
    struct bench pki;
    line_pki_on_disk(&pki, "SPAAK00000000", MODULES);
    line_forget_ever(l);
    double t = cpu_s();
    enum err e = line_run(l, &pki);
    if (!e)
        e = store_sync(pki.node.store);
    t = cpu_s() - t;
    const char *problem = e ? err_name(e) : line_judge(l, pki.node.store);
    if (problem) {
        fprintf(stderr, "bench_pki: %s\n", problem);
        exit(1);
    }
    bench_free(&pki);
    return t;
}

static double ratio(const struct round *r)
{
    return r->floor_s / r->batch_s;
}

static int compare(const void *a, const void *b)
{
    double x = ratio(a), y = ratio(b);
    return (x > y) - (x < y);
}

int main(void)
{
    static struct line l;
    struct round rounds[ROUNDS];
    line_make(&l, "SPAAK00000000", MODULES, NULL, 0);
    /* each beside its floor: others may be at work on this machine */
    for (int i = 0; i < ROUNDS; i++) {
        struct p256_costs c = measure_p256();
        rounds[i] = (struct round){batch_s(&l), MODULES * (c.verify + c.sign)};
    }
    qsort(rounds, ROUNDS, sizeof *rounds, compare);
    const struct round *median = &rounds[ROUNDS / 2];
    figure_report("pki_batch_certificates", MODULES / median->batch_s,
                  "certificates per second of CPU, a batch of 1,000", MODULES / median->floor_s,
                  "one verify and one sign each", 0.6);
    return 0;
}

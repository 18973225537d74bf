/* What the benchmarks share: clocks, the form of a row, what P-256 costs on this machine. */
#ifndef tests_figures_h
#define tests_figures_h

#include "tests/support.h"

/* Seconds of this process's CPU, and of the wall. */
double cpu_s(void);
double wall_s(void);
/* Ends the program, saying what failed. */
void figure_must(bool ok, const char *what);
/* Sorts them. */
double figure_median(double *v, size_t n);

/* One row: a JSON object on a line. The ratio is value / floor. */
void figure_report(const char *name, double value, const char *unit, double floor, const char *floor_is,
                   double goal);

/* Seconds of one operation each. */
struct p256_costs {
    double keygen, sign, verify;
};
struct p256_costs measure_p256(void);

/* A component on a bench whose store is SQLite on disk, durable when it is synced; the file has no name. */
void bench_on_disk(struct bench *b, const struct component_class *class, const char *name);
/* Of this process. */
size_t figure_resident_bytes(void);

#endif

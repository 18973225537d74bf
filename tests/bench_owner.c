/* bench_owner BUILD: an owner pairing of separate processes, again and again: wall time from "add digital
 * key" at the head unit (OP-02/2) to the receipt in the vehicle (OP-05/6), by the times of the trace. Beside
 * it what it cannot do without: the waits of scenario and protocol, one scrypt, the P-256 operations of both
 * ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ccc/primitives.h"
#include "tests/figures.h"

enum {
    RUNS = 9,
    SCRYPT_N = 4096,
    OPERATIONS = 61 /* on P-256, as bench_pairing counts them; priced as the cheapest kind, a signature */
};

/* Milliseconds of the scenario and of docs/pairing.md's timers: the phone is laid down 100 after OP-02/7; the
 * field is off for 100 between the halves of phase 2 and for 100 before phase 3; phase 4 begins kts_loop_ms
 * (1000) after it, with 100 of field off. */
static const double waits_ms = 100 + 100 + 100 + 1000 + 100;

static bool has(const char *line, const char *what)
{
    return strstr(line, what) != NULL;
}

static double read_trace(const char *out)
{
    char path[300], line[2000];
    unsigned long long t = 0, began = 0, ended = 0;
    snprintf(path, sizeof path, "%s/trace.jsonl", out);
    FILE *f = fopen(path, "re");
    figure_must(f != NULL, "the trace");
    while (!ended && fgets(line, sizeof line, f)) {
        const char *at = strstr(line, "\"t_us\":");
        if (!at || sscanf(at, "\"t_us\":%llu", &t) != 1)
            continue;
        if (has(line, "\"OP-02/2\""))
            began = t;
        else if (began && has(line, "\"OP-05/6\""))
            ended = t;
    }
    fclose(f);
    figure_must(ended > began, "a pairing in the trace");
    return (double)(ended - began) / 1e3;
}

static double pair_ms(const char *build, const char *out)
{
    char command[500];
    snprintf(command, sizeof command, "%s/bin/spaaksim run op05 --world process --quiet --out %s >&2", build,
             out);
    figure_must(system(command) == 0, "spaaksim run op05");
    return read_trace(out);
}

static double scrypt_ms(void)
{
    static const uint8_t salt[16] = {1};
    double took[RUNS];
    uint8_t out[80];
    for (size_t i = 0; i < RUNS; i++) {
        double t = wall_s();
        figure_must(ccc_scrypt(test_crypto(), span_of("73519264", 8), span_of(salt, sizeof salt), SCRYPT_N, 8,
                               1, out, sizeof out) == ERR_OK,
                    "scrypt");
        took[i] = (wall_s() - t) * 1e3;
    }
    return figure_median(took, RUNS);
}

int main(int argc, char **argv)
{
    double ms[RUNS];
    char out[200], command[300];
    figure_must(argc == 2, "usage: bench_owner BUILD");
    test_path(out, sizeof out, "bench-owner");
    for (size_t i = 0; i < RUNS; i++)
        ms[i] = pair_ms(argv[1], out);
    snprintf(command, sizeof command, "rm -rf %s", out);
    figure_must(system(command) == 0, "cleaning up");
    const struct p256_costs c = measure_p256();
    const double p256_ms = OPERATIONS * c.sign * 1e3;
    figure_report("process_owner_pairing", figure_median(ms, RUNS), "ms from OP-02/2 to OP-05/6, median of 9",
                  waits_ms + scrypt_ms() + p256_ms,
                  "waits of scenario and protocol (1400), one scrypt, 61 signatures on P-256", 2.5);
    return 0;
}

/* The program behind `make fuzz`: libFuzzer on the target that FUZZ_TARGET names. With FUZZ_SEEDS=DIR it
 * writes the seeds of all targets into DIR/<target>/ and ends; with FUZZ_LIST=1 it names the targets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz_targets.h"

static const struct fuzz_target *chosen;

struct seed_file {
    const char *dir, *target;
    unsigned n;
};

static void write_seed(void *arg, const uint8_t *p, size_t len)
{
    struct seed_file *s = arg;
    char path[400];
    snprintf(path, sizeof path, "%s/%s", s->dir, s->target);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/seed-%03u", s->dir, s->target, s->n++);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(p, 1, len, f) != len || fclose(f) != 0) {
        fprintf(stderr, "cannot write %s\n", path);
        exit(2);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *seeds = getenv("FUZZ_SEEDS"), *name = getenv("FUZZ_TARGET"), *list = getenv("FUZZ_LIST");
    (void)argc;
    (void)argv;
    for (size_t i = 0; i < fuzz_target_count; i++) {
        const struct fuzz_target *t = &fuzz_targets[i];
        if (list)
            puts(t->name);
        if (seeds)
            t->seed(write_seed, &(struct seed_file){seeds, t->name, 0});
        if (name && strcmp(name, t->name) == 0)
            chosen = t;
    }
    if (seeds || list)
        exit(0);
    if (!chosen) {
        fprintf(stderr, "FUZZ_TARGET names no target; FUZZ_LIST=1 lists them\n");
        exit(2);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    if (len <= FUZZ_INPUT_MAX)
        chosen->run(p, len);
    return 0;
}

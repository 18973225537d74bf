/* The program behind the line "scenarios" of `make fuzz`: fuzz_scenarios SEED COUNT FOLDER makes that many
 * malformed scenario files, one after the other in FOLDER/in/t.yaml, and ends with 1 at the first for which
 * something does not hold; it is then still there. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/commands.h"
#include "sim/language/scenario.h"
#include "tests/hostile.h"

#define LONGEST_S 1.0

/* Entries of a folder, "." and ".." not counted. */
static unsigned entries(const char *folder)
{
    unsigned n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    if (d)
        closedir(d);
    return n;
}

struct totals {
    unsigned long files, accepted, runs;
    double longest_s;
};

static bool check_one(struct hostile *h, const char *folder, struct totals *t)
{
    struct hostile_result r;
    char path[400], out[400];
    size_t len;
    snprintf(path, sizeof path, "%s/in/t.yaml", folder);
    snprintf(out, sizeof out, "%s/out", folder);
    const char *text = hostile_next(h, &len);
    hostile_check(path, out, text, len, &r);
    t->files++;
    t->accepted += r.accepted;
    t->runs += r.runs;
    t->longest_s = r.longest_s > t->longest_s ? r.longest_s : t->longest_s;
    if (r.problem[0])
        printf("  file %lu: %s\n", t->files, r.problem);
    else if (r.longest_s > LONGEST_S)
        printf("  file %lu: took %.1f s\n", t->files, r.longest_s);
    else if (entries(folder) > 2)
        printf("  file %lu: something was written beside its folder\n", t->files);
    else
        return true;
    return false;
}

int main(int argc, char **argv)
{
    struct totals t = {0};
    char in[400];
    unsigned long count;
    if (argc != 4) {
        fprintf(stderr, "usage: fuzz_scenarios SEED COUNT FOLDER\n");
        return 2;
    }
    snprintf(in, sizeof in, "%s/in", argv[3]);
    mkdir(argv[3], 0777);
    mkdir(in, 0777);
    scenario_finder = scenario_find_quietly;
    char **sources = scenario_files(&count);
    struct hostile *h = hostile_new(strtoull(argv[1], NULL, 10), sources, count);
    bool ok = true;
    for (unsigned long i = strtoul(argv[2], NULL, 10); ok && i > 0; i--)
        ok = check_one(h, argv[3], &t);
    printf("  %-16s %9lu files %lu accepted, %lu runs of them, the longest took %.0f ms  %s\n", "scenarios",
           t.files, t.accepted, t.runs, t.longest_s * 1e3, ok ? "ok" : "FAILED, see the file in its folder");
    hostile_free(h);
    for (size_t i = 0; i < count; i++)
        free(sources[i]);
    free(sources);
    return ok ? 0 : 1;
}

#include "tests/replay_bench.h"

#include <stdlib.h>
#include <string.h>

#include "sim/commands.h"
#include "tests/launch.h"

char replay_place[64], replay_said[32768], replay_problem[RECORD_PROBLEM];

bool replay_has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

void replay_set_up(void)
{
    scenario_finder = scenario_find_quietly;
    launch_directory(replay_place);
}

void replay_tear_down(void)
{
    launch_remove(replay_place);
}

void replay_record(const char *scenario, const char *options)
{
    int code =
        launch_run(replay_said, sizeof replay_said, "'%s/bin/spaaksim' run %s %s --quiet --out '%s/%s'",
                   launch_build(), scenario, options, replay_place, scenario);
    launch_must(code == 0, scenario, replay_said);
}

void replay_write(const char *name, const char *text, size_t len)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", replay_place, name);
    FILE *f = fopen(path, "w");
    launch_must(f && fwrite(text, 1, len, f) == len && fclose(f) == 0, "cannot write", path);
}

static struct scenario *load(const char *name)
{
    struct tree_problem p = {0};
    struct scenario *s = NULL;
    size_t n;
    char *path = scenario_find_quietly(name);
    launch_must(path && scenario_load(path, &s, &n, &p), name, p.text);
    free(path);
    return s;
}

bool replay_file(const char *scenario, const char *files, const char *alone, uint64_t seed, bool exact,
                 struct replay_result *out)
{
    static char paths[RECORD_FILES][200];
    struct replay_options o = {.alone = alone, .seed = seed, .exact = exact, .verbose = true};
    char list[200], *text = NULL;
    size_t len;
    struct scenario *s = load(scenario);
    FILE *f = open_memstream(&text, &len);
    text_copy(list, sizeof list, files);
    for (char *rest = list, *name; (name = strtok_r(rest, " ", &rest));) {
        snprintf(paths[o.file_count], sizeof paths[0], "%s/%s", replay_place, name);
        o.files[o.file_count] = paths[o.file_count];
        o.file_count++;
    }
    replay_problem[0] = '\0';
    *out = (struct replay_result){0};
    bool ok = replay_run(s, &o, f, out, replay_problem);
    fclose(f);
    text_copy(replay_said, sizeof replay_said, text);
    free(text);
    free(s);
    return ok;
}

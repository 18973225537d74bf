#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/can/matrix.h"
#include "sim/commands.h"
#include "sim/language/scenario.h"
#include "sim/world/past.h"

/* build/bin/spaaksim -> two folders up; else the working directory. */
const char *project_root(void)
{
    static char root[512];
    if (root[0])
        return root;
    ssize_t n = readlink("/proc/self/exe", root, sizeof root - 1);
    root[n > 0 ? n : 0] = '\0';
    char *build = strstr(root, "/build");
    for (char *next = build; next; next = strstr(next + 1, "/build"))
        build = next;
    if (build)
        *build = '\0';
    else
        strcpy(root, ".");
    return root;
}

struct file_list {
    char **paths;
    size_t count;
};

static void collect(struct file_list *list, const char *directory)
{
    struct dirent **entries;
    int n = scandir(directory, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char path[700];
        size_t len = strlen(entries[i]->d_name);
        snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);
        if (entries[i]->d_type == DT_DIR && entries[i]->d_name[0] != '.') {
            collect(list, path);
        } else if (len > 5 && strcmp(entries[i]->d_name + len - 5, ".yaml") == 0) {
            char **more = realloc(list->paths, (list->count + 1) * sizeof(char *));
            if (!more)
                abort();
            list->paths = more;
            list->paths[list->count++] = strdup(path);
        }
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

char **scenario_files(unsigned long *count)
{
    struct file_list list = {0};
    char path[600];
    snprintf(path, sizeof path, "%s/scenarios", project_root());
    collect(&list, path);
    *count = list.count;
    return list.paths;
}

static void name_of(const char *path, char out[64])
{
    const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    size_t len = strlen(base);
    snprintf(out, 64, "%.*s", (int)(len > 5 ? len - 5 : len), base);
}

void scenario_find_nearest(const char *name, char out[64])
{
    unsigned long count;
    char **paths = scenario_files(&count);
    char(*names)[64] = calloc(count + 1, sizeof *names);
    const char **list = calloc(count + 1, sizeof(const char *));
    for (size_t i = 0; names && list && i < count; i++) {
        name_of(paths[i], names[i]);
        list[i] = names[i];
    }
    const char *best = list ? text_closest(name, list) : NULL;
    snprintf(out, 64, "%s", best ? best : "");
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    free(paths);
    free(list);
    free(names);
}

static void not_found(const char *name)
{
    char meant[64], shown[200];
    scenario_find_nearest(name, meant);
    text_shown(shown, sizeof shown, name);
    fprintf(stderr, "spaaksim: no scenario \"%s\"%s%s%s; `spaaksim list` names them all\n", shown,
            *meant ? "; did you mean \"" : "", meant, *meant ? "\"?" : "");
}

char *scenario_find(const char *name)
{
    char *found;
    if (strchr(name, '/') || (strlen(name) > 5 && strcmp(name + strlen(name) - 5, ".yaml") == 0)) {
        if (access(name, R_OK) == 0)
            return strdup(name);
        char shown[600];
        text_shown(shown, sizeof shown, name);
        fprintf(stderr, "spaaksim: cannot read %s\n", shown);
        return NULL;
    }
    found = scenario_find_quietly(name);
    if (!found)
        not_found(name);
    return found;
}

/* The folders are read once in the life of a process: chains of lives ask again and again. */
char *scenario_find_quietly(const char *name)
{
    static char **paths;
    static unsigned long count;
    char base[64];
    if (!paths)
        paths = scenario_files(&count);
    for (size_t i = 0; i < count; i++) {
        name_of(paths[i], base);
        if (strcmp(base, name) == 0)
            return strdup(paths[i]);
    }
    return NULL;
}

static bool load(const char *path, struct scenario **out, size_t *count, FILE *dump)
{
    struct tree_problem problem = {0};
    char past[600], shown[600];
    text_shown(shown, sizeof shown, path);
    if (!scenario_load_and_dump(path, out, count, dump, &problem)) {
        fprintf(stderr, "%s:%u:%u: %s\n", shown, problem.line, problem.column, problem.text);
        return false;
    }
    for (size_t i = 0; i < *count; i++) /* mostly all variants come after the same */
        if ((i == 0 || strcmp((*out)[i].given.after, (*out)[i - 1].given.after) != 0) &&
            !past_check(&(*out)[i], past, sizeof past)) {
            fprintf(stderr, "%s: given after %s: %s\n", shown, (*out)[i].given.after, past);
            return false;
        }
    return true;
}

bool catalogue_load(const char *path, struct scenario **out, size_t *count)
{
    return load(path, out, count, NULL);
}

int command_list(int argc, char **argv)
{
    unsigned long count;
    char **paths = scenario_files(&count);
    int rc = EXIT_PASSED;
    (void)argv;
    if (argc > 1) {
        fprintf(stderr, "spaaksim list takes no arguments\n");
        rc = EXIT_WRONG;
    }
    for (size_t i = 0; i < count; i++) {
        struct scenario *s;
        size_t n;
        if (rc == EXIT_PASSED && catalogue_load(paths[i], &s, &n)) {
            printf("%-28s %-6s %s%s\n", s->name, s->use_case, s->title, n > 1 ? " (several variants)" : "");
            free(s);
        } else {
            rc = EXIT_WRONG;
        }
        free(paths[i]);
    }
    free(paths);
    return rc;
}

static bool check_file(const char *path, FILE *dump)
{
    struct scenario *s = NULL;
    size_t n;
    bool ok = load(path, &s, &n, dump);
    free(s);
    return ok;
}

static bool check_all(unsigned long *count, FILE *dump)
{
    char **paths = scenario_files(count);
    bool ok = true;
    for (size_t i = 0; i < *count; i++) {
        ok &= check_file(paths[i], dump);
        free(paths[i]);
    }
    free(paths);
    return ok;
}

int command_check(int argc, char **argv)
{
    bool dumps = argc > 1 && strcmp(argv[1], "--dump") == 0, ok = true;
    int first = dumps ? 2 : 1;
    unsigned long count = (unsigned long)(argc - first);
    FILE *dump = dumps ? stdout : NULL;
    for (int i = first; i < argc; i++)
        if (argv[i][0] == '-') {
            fprintf(stderr, "spaaksim check: unknown option \"%s\"; there is --dump, before the files\n",
                    argv[i]);
            return EXIT_WRONG;
        }
    if (first == argc)
        ok = check_all(&count, dump);
    for (int i = first; i < argc; i++)
        ok &= check_file(argv[i], dump);
    if (ok && !dumps)
        printf("%lu scenario files are well-formed\n", count);
    return ok ? EXIT_PASSED : EXIT_WRONG;
}

int command_dbc(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        fprintf(stderr, "spaaksim dbc takes no arguments and writes to standard output\n");
        return EXIT_WRONG;
    }
    matrix_write_dbc(stdout);
    return fflush(stdout) == 0 ? EXIT_PASSED : EXIT_FAILED;
}

#include "sim/run/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "sim/run/folder.h"
#include "sim/run/records.h"

#define SEED "seed-"

static const char *const files[] = {"trace.jsonl", "bytes.jsonl", RECORDS_APDUS,
                                    RECORDS_DK,    "junit.xml",   NULL};

/* Folders inside, and how the files end that runs make there: others stay, and their folder with them. */
static void drop_folders(int folder)
{
    static const char *const logs[] = {".log", NULL};
    static const char *const stores[] = {".db", ".db-wal", ".db-shm", NULL};
    static const char *const parameters[] = {".json", ".pem", NULL};
    folder_drop(folder, RECORDS_LOGS, logs);
    folder_drop(folder, RECORDS_STORES, stores);
    folder_drop(folder, EXTERNAL_FOLDER, parameters);
}

/* Of a life before, and of those before that; of a seed. */
static void drop_records(int folder, const char *name)
{
    int inside = folder_marked_inside(folder, name);
    if (inside < 0)
        return;
    drop_records(inside, RECORDS_PAST);
    drop_folders(inside);
    for (size_t i = 0; files[i]; i++)
        unlinkat(inside, files[i], 0);
    unlinkat(inside, "can.log", 0);
    close(inside);
    folder_drop_marked(folder, name);
}

/* "seed-17" and that end. */
static bool is_of_seed(const char *name, const char *end)
{
    if (strncmp(name, SEED, strlen(SEED)) != 0)
        return false;
    const char *digits = name + strlen(SEED);
    size_t n = strspn(digits, "0123456789");
    return n > 0 && strcmp(digits + n, end) == 0;
}

static void drop_schedule(int folder, const char *name)
{
    unlinkat(folder, name, 0);
}

static void drop_of_seeds(int folder, const char *end, void (*drop)(int folder, const char *name))
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        if (is_of_seed(e->d_name, end))
            drop(folder, e->d_name);
    if (d)
        closedir(d);
}

void leftovers_remove_schedules(int folder)
{
    drop_of_seeds(folder, ".yaml", drop_schedule);
}

/* Those of an earlier run would be taken for this one's: of another world, or should it be interrupted. */
const char *leftovers_remove(int folder)
{
    static const char *const sockets[] = {".sock", NULL};
    folder_clear(folder, sockets);
    drop_folders(folder);
    drop_records(folder, RECORDS_PAST);
    drop_of_seeds(folder, "", drop_records);
    for (size_t i = 0; files[i]; i++)
        if (unlinkat(folder, files[i], 0) != 0 && errno != ENOENT)
            return files[i];
    return NULL;
}

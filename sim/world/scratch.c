#include "sim/world/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define BEGINNING "spaaksim."
#define MEMORY    "/dev/shm" /* a run makes a dozen small files, which a disk is slow at */
#define BASE_MAX  40
#define LOCK      "lock"
#define AS_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
/* Between its making and its locking a folder has no lock: only an older one without is a dead run's. */
#define UNLOCKED_S 60
#define ATTEMPTS   16

static const char *base_of(void)
{
    const char *base = getenv("XDG_RUNTIME_DIR");
    struct statfs about;
    if (base && *base == '/' && strlen(base) <= BASE_MAX && access(base, W_OK) == 0)
        return base;
    return statfs(MEMORY, &about) == 0 && about.f_type == TMPFS_MAGIC && access(MEMORY, W_OK | X_OK) == 0
               ? MEMORY
               : "/tmp";
}

/* Sockets and files; a run makes no folders in it. */
static void empty(int folder)
{
    int fd = openat(folder, ".", AS_FOLDER);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(folder, e->d_name, 0);
    if (d)
        closedir(d);
}

/* The lock that is held while it is emptied keeps a second sweeper away. */
static int lock_of_the_dead(int folder, const struct stat *about)
{
    int lock = openat(folder, LOCK, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (lock < 0)
        return errno == ENOENT && about->st_mtime + UNLOCKED_S < time(NULL)
                   ? open("/dev/null", O_RDONLY | O_CLOEXEC)
                   : -1;
    if (flock(lock, LOCK_EX | LOCK_NB) == 0)
        return lock;
    close(lock);
    return -1;
}

static bool sweep_one(int base, const char *name)
{
    struct stat about;
    bool swept = false;
    int folder = openat(base, name, AS_FOLDER);
    if (folder < 0)
        return false;
    int lock = fstat(folder, &about) == 0 && about.st_uid == geteuid() && (about.st_mode & 077) == 0
                   ? lock_of_the_dead(folder, &about)
                   : -1;
    if (lock >= 0) {
        empty(folder);
        swept = unlinkat(base, name, AT_REMOVEDIR) == 0;
        close(lock);
    }
    close(folder);
    return swept;
}

unsigned scratch_sweep(const char *base)
{
    unsigned swept = 0;
    DIR *d = opendir(base);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        if (strncmp(e->d_name, BEGINNING, strlen(BEGINNING)) == 0)
            swept += sweep_one(dirfd(d), e->d_name);
    if (d)
        closedir(d);
    return swept;
}

/* False when a sweeper was there between the making and the locking: it took the folder for a dead run's. */
static bool take_lock(struct scratch *s)
{
    char path[SCRATCH_PATH + 8];
    struct stat about;
    snprintf(path, sizeof path, "%s/" LOCK, s->path);
    s->lock = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return s->lock >= 0 && flock(s->lock, LOCK_EX | LOCK_NB) == 0 && fstat(s->lock, &about) == 0 &&
           about.st_nlink == 1;
}

bool scratch_make(struct scratch *s, char problem[200])
{
    const char *base = base_of();
    s->lock = -1;
    scratch_sweep(base);
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        snprintf(s->path, sizeof s->path, "%s/" BEGINNING "XXXXXX", base);
        if (!mkdtemp(s->path))
            break;
        if (take_lock(s))
            return true;
        scratch_remove(s);
    }
    snprintf(problem, 200, "cannot make a folder in %s: %s", base, strerror(errno));
    s->path[0] = '\0';
    return false;
}

void scratch_remove(struct scratch *s)
{
    int folder = s->path[0] ? open(s->path, AS_FOLDER) : -1;
    if (folder >= 0) {
        empty(folder);
        close(folder);
        rmdir(s->path);
    }
    if (s->lock >= 0)
        close(s->lock);
    s->path[0] = '\0';
    s->lock = -1;
}

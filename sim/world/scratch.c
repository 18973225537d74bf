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
#define MARK      "a run of spaaksim\n" /* in the lock: by a name alone nothing is known as ours */
#define AS_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
/* Between its making and its locking a folder is empty. */
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

/* "spaaksim." and the six characters of mkdtemp. */
static bool is_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t len = strlen(BEGINNING);
    return strncmp(name, BEGINNING, len) == 0 && strlen(name) == len + 6 && strspn(name + len, letters) == 6;
}

/* A lock that says what it is; held while its folder is emptied, it keeps a second sweeper away. -1: the
 * folder is a living run's, or not of a run at all. */
static int lock_of_the_dead(int folder)
{
    char text[sizeof MARK] = "";
    int lock = openat(folder, LOCK, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (lock < 0)
        return -1;
    if (read(lock, text, sizeof text) == (ssize_t)sizeof MARK - 1 &&
        memcmp(text, MARK, sizeof MARK - 1) == 0 && flock(lock, LOCK_EX | LOCK_NB) == 0)
        return lock;
    close(lock);
    return -1;
}

/* One that was killed before it had locked its folder has left it empty: only such a one is removed without a
 * lock. */
static bool sweep_one(int base, const char *name)
{
    struct stat about;
    bool swept = false;
    int folder = openat(base, name, AS_FOLDER);
    if (folder < 0)
        return false;
    bool ours = fstat(folder, &about) == 0 && about.st_uid == geteuid() && (about.st_mode & 077) == 0;
    int lock = ours ? lock_of_the_dead(folder) : -1;
    if (lock >= 0) {
        empty(folder);
        close(lock);
    }
    if (lock >= 0 || (ours && about.st_mtime + UNLOCKED_S < time(NULL)))
        swept = unlinkat(base, name, AT_REMOVEDIR) == 0;
    close(folder);
    return swept;
}

unsigned scratch_sweep(const char *base)
{
    unsigned swept = 0;
    DIR *d = opendir(base);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        if (is_name(e->d_name))
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
           about.st_nlink == 1 && write(s->lock, MARK, sizeof MARK - 1) == (ssize_t)sizeof MARK - 1;
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

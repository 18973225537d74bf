#include "sim/run/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/bytes.h"

#define AS_FOLDER     (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define RECORDS_DEPTH 4 /* out/WORLD/NAME/variant */

static bool set_mark(int folder)
{
    static const char text[] = "Records of spaaksim. Its next run with this folder replaces them.\n";
    int fd = openat(folder, FOLDER_MARK, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    bool ok = fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1;
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool has_mark(int folder)
{
    struct stat about;
    return fstatat(folder, FOLDER_MARK, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(about.st_mode) &&
           about.st_uid == geteuid();
}

static bool holds_records_only(int folder, unsigned depth);

static bool is_folder_of_records(int folder, const char *name, unsigned depth)
{
    int fd = openat(folder, name, AS_FOLDER | O_NOFOLLOW);
    bool ours = fd >= 0 && (has_mark(fd) || holds_records_only(fd, depth));
    if (fd >= 0)
        close(fd);
    return ours;
}

/* Empty, or nothing in it but folders with a mark, or with nothing but such in them: made on the way. */
static bool holds_records_only(int folder, unsigned depth)
{
    int fd = depth ? openat(folder, ".", AS_FOLDER) : -1;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    bool only = d != NULL;
    for (struct dirent *e = d ? readdir(d) : NULL; e && only; e = readdir(d))
        only = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
               is_folder_of_records(folder, e->d_name, depth - 1);
    if (d)
        closedir(d);
    return only;
}

static bool make(const char *path)
{
    return mkdir(path, 0755) == 0 || errno == EEXIST;
}

/* Only the last is for records, and gets the mark: what comes to stand in those above it is not ours. */
static bool make_all(const char *path)
{
    char part[FOLDER_PATH + 1];
    text_copy(part, sizeof part, path);
    for (char *p = part + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (!make(part))
            return false;
        *p = '/';
    }
    return make(part);
}

static int problem_of(char problem[FOLDER_PROBLEM], const char *path, const char *why)
{
    snprintf(problem, FOLDER_PROBLEM, "cannot keep records in %.*s: %s", FOLDER_PATH, path, why);
    return -1;
}

int folder_claim(const char *path, char problem[FOLDER_PROBLEM])
{
    if (!*path)
        return problem_of(problem, "\"\"", "that is no name; leave --out away, or name a folder");
    if (strlen(path) > FOLDER_PATH)
        return problem_of(problem, path, "the path is longer than 400 bytes");
    int fd = make_all(path) ? open(path, AS_FOLDER) : -1;
    if (fd < 0)
        return problem_of(problem, path, strerror(errno));
    if (!has_mark(fd) && !holds_records_only(fd, RECORDS_DEPTH) &&
        !has_mark(fd)) { /* asked again: somebody may just be marking it */
        close(fd);
        return problem_of(problem, path,
                          "there are files in it that spaaksim did not make (it has no " FOLDER_MARK
                          "); name another with --out, or remove it");
    }
    if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0 && (has_mark(fd) || set_mark(fd)))
        return fd;
    int why = errno;
    close(fd);
    return problem_of(problem, path, strerror(why));
}

int folder_inside(int folder, const char *name, unsigned mode, char problem[FOLDER_PROBLEM])
{
    if (mkdirat(folder, name, mode) != 0 && errno != EEXIST)
        return problem_of(problem, name, strerror(errno));
    int fd = openat(folder, name, AS_FOLDER | O_NOFOLLOW);
    if (fd < 0 || fchmod(fd, mode) != 0) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        return problem_of(problem, name,
                          why == ELOOP || why == ENOTDIR ? "it is there, but no folder; remove it"
                                                         : strerror(why));
    }
    return fd;
}

FILE *folder_create(int folder, const char *name)
{
    if (unlinkat(folder, name, 0) != 0 && errno != ENOENT)
        return NULL;
    int fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (fd >= 0 && !f)
        close(fd);
    return f;
}

static bool ends_so(const char *name, const char *const *endings)
{
    size_t len = strlen(name);
    for (; *endings; endings++) {
        size_t end = strlen(*endings);
        if (len > end && strcmp(name + len - end, *endings) == 0)
            return true;
    }
    return false;
}

void folder_clear(int folder, const char *const *endings)
{
    int fd = openat(folder, ".", AS_FOLDER);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        if (ends_so(e->d_name, endings))
            unlinkat(folder, e->d_name, 0);
    if (d)
        closedir(d);
}

/* A link, or what is no folder, is not ours. */
static int open_inside(int folder, const char *name)
{
    return openat(folder, name, AS_FOLDER | O_NOFOLLOW);
}

void folder_drop(int folder, const char *name, const char *const *endings)
{
    int fd = open_inside(folder, name);
    if (fd < 0)
        return;
    folder_clear(fd, endings);
    close(fd);
    unlinkat(folder, name, AT_REMOVEDIR);
}

int folder_marked_inside(int folder, const char *name)
{
    int fd = open_inside(folder, name);
    if (fd < 0 || has_mark(fd))
        return fd;
    close(fd);
    return -1;
}

bool folder_is_marked(int folder, const char *name)
{
    int fd = folder_marked_inside(folder, name);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

void folder_drop_marked(int folder, const char *name)
{
    int fd = folder_marked_inside(folder, name);
    if (fd < 0)
        return;
    unlinkat(fd, FOLDER_MARK, 0);
    if (unlinkat(folder, name, AT_REMOVEDIR) != 0)
        set_mark(fd); /* somebody's files are in it: it stays what it was */
    close(fd);
}

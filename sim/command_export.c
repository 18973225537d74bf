/* What a run has written for somebody who plays a component from outside, copied to a folder of one's own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/commands.h"
#include "sim/run/external.h"

#define EXPORT_PATH      500
#define EXPORT_FILE_MAX  1048576  /* bytes of one file: an endpoint, a certificate */
#define EXPORT_TOTAL_MAX 16777216 /* of all */

/* What is copied from where to where. */
struct export
{
    int from, to;
    const char *path, *member; /* path of `from` */
    size_t total;              /* bytes so far */
    int copied;                /* files so far */
};

static int open_folder(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* out/NAME, or a folder of records. */
static const char *const places[] = {"out/", ""};

static int find_source(const char *name, char path[EXPORT_PATH])
{
    for (size_t i = strchr(name, '/') != NULL; i < sizeof places / sizeof places[0]; i++) {
        snprintf(path, EXPORT_PATH, "%s%s/" EXTERNAL_FOLDER, places[i], name);
        int fd = open_folder(path);
        if (fd >= 0)
            return fd;
    }
    return -1;
}

static int refuse(const char *path)
{
    fprintf(stderr, "spaaksim: %s: %s\n", path, strerror(errno));
    return -1;
}

/* "DIR/" asks what the link leads to. */
static int open_target(const char *path)
{
    char name[EXPORT_PATH];
    text_copy(name, sizeof name, path);
    for (size_t len = strlen(name); len > 1 && name[len - 1] == '/'; len--)
        name[len - 1] = '\0';
    return open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* A new folder, or an empty one, for this user alone; no link, which leads where somebody else wants. */
static int make_target(const char *path)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return refuse(path);
    int fd = open_target(path), again = fd < 0 ? -1 : dup(fd);
    DIR *d = again < 0 ? NULL : fdopendir(again);
    size_t entries = 0;
    while (d && readdir(d))
        entries++;
    if (d)
        closedir(d);
    if (fd >= 0 && entries <= 2 && fchmod(fd, 0700) == 0)
        return fd;
    if (entries > 2)
        errno = ENOTEMPTY;
    refuse(path);
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool refuse_entry(const struct export *e, const char *name, const char *why)
{
    char path[EXPORT_PATH + 260], shown[EXPORT_PATH + 260];
    snprintf(path, sizeof path, "%s/%.255s", e->path, name);
    text_shown(shown, sizeof shown, path);
    fprintf(stderr, "spaaksim: %s: %s\n", shown, why);
    return false;
}

/* What was read counts, not what the file says of itself: it may grow. */
static bool copy_bytes(struct export *e, const char *name, int in, int out)
{
    char bytes[4096];
    const char *why = NULL;
    size_t len = 0;
    ssize_t n;
    while (!why && (n = read(in, bytes, sizeof bytes)) != 0) {
        len += n > 0 ? (size_t)n : 0;
        if (n < 0 || (len <= EXPORT_FILE_MAX && write(out, bytes, (size_t)n) != n))
            why = strerror(errno);
        else if (len > EXPORT_FILE_MAX)
            why = "is longer than 1 MB, which nothing is that a run leaves";
        else if (e->total + len > EXPORT_TOTAL_MAX)
            why = "with it there are more than 16 MB, which no run leaves";
    }
    explicit_bzero(bytes, sizeof bytes);
    e->total += len;
    return why ? refuse_entry(e, name, why) : true;
}

/* A descriptor, or -1 after a message. A fifo would wait, a link leads elsewhere. */
static int open_entry(const struct export *e, const char *name)
{
    struct stat about;
    int in = openat(e->from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (in >= 0 && fstat(in, &about) == 0 && S_ISREG(about.st_mode))
        return in;
    refuse_entry(e, name,
                 in >= 0          ? "is not a file"
                 : errno == ELOOP ? "is a link, not a file"
                                  : strerror(errno));
    if (in >= 0)
        close(in);
    return -1;
}

static bool copy_file(struct export *e, const char *name)
{
    int in = open_entry(e, name), out = -1;
    if (in < 0)
        return false;
    out = openat(e->to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = out >= 0 ? copy_bytes(e, name, in, out) : refuse_entry(e, name, strerror(errno));
    close(in);
    if (out >= 0 && close(out) != 0 && ok)
        ok = refuse_entry(e, name, strerror(errno));
    e->copied += ok;
    return ok;
}

/* Files of that member in a folder: "phone.json", "phone.dos.cross-SPAAKSIM.pem". Stops when one fails. */
static bool for_each(struct export *e, int folder, bool (*take)(struct export *e, const char *name))
{
    size_t len = strlen(e->member);
    int again = dup(folder);
    DIR *d = again < 0 ? NULL : fdopendir(again);
    bool ok = d != NULL;
    if (!d && again >= 0)
        close(again);
    if (d)
        rewinddir(d); /* a copy of a descriptor stands where the other stands */
    for (struct dirent *at = d ? readdir(d) : NULL; at && ok; at = readdir(d))
        if (strncmp(at->d_name, e->member, len) == 0 && at->d_name[len] == '.')
            ok = take(e, at->d_name);
    if (d)
        closedir(d);
    return ok;
}

/* It was empty: what stands in it is ours. */
static bool remove_copy(struct export *e, const char *name)
{
    unlinkat(e->to, name, 0);
    return true;
}

static bool has(int folder, const char *member)
{
    char file[ENV_NAME_MAX + 8];
    snprintf(file, sizeof file, "%.*s.json", ENV_NAME_MAX, member);
    return faccessat(folder, file, R_OK, 0) == 0;
}

/* A run keeps no secret of who was played inside: its stores are sealed with a key that has gone with it. */
static void say_missing(const char *name, const char *member)
{
    for (size_t i = strchr(name, '/') != NULL; i < sizeof places / sizeof places[0]; i++) {
        char records[EXPORT_PATH];
        struct stat about;
        snprintf(records, sizeof records, "%s%s/trace.jsonl", places[i], name);
        if (stat(records, &about) != 0)
            continue;
        fprintf(stderr,
                "spaaksim: in %s%s %s was not played from outside: what it had lies in a sealed store, and "
                "the key of that run is gone\n",
                places[i], name, member);
        break;
    }
    fprintf(stderr,
            "spaaksim: no run of %s has left anything for %s; start one: spaaksim run %s --external %s, or "
            "play\n",
            name, member, name, member);
}

/* All, or none. */
static bool copy_all(struct export *e, const char *target)
{
    e->to = make_target(target);
    if (e->to < 0)
        return false;
    bool ok = for_each(e, e->from, copy_file);
    if (!ok)
        for_each(e, e->to, remove_copy);
    close(e->to);
    return ok && e->copied;
}

static int export(const char *name, const char *member, const char *target)
{
    char path[EXPORT_PATH];
    struct export e = {.from = find_source(name, path), .path = path, .member = member};
    if (e.from < 0 || !has(e.from, member)) {
        say_missing(name, member);
        if (e.from >= 0)
            close(e.from);
        return EXIT_MISSING;
    }
    bool ok = copy_all(&e, target);
    close(e.from);
    if (ok)
        printf("%d files for %s in %s\n", e.copied, member, target);
    return ok ? EXIT_PASSED : EXIT_FAILED;
}

int command_export(int argc, char **argv)
{
    const char *words[2] = {NULL}, *member = NULL;
    size_t n = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--for") == 0 && i + 1 < argc)
            member = argv[++i];
        else if (n < 2 && argv[i][0] != '-')
            words[n++] = argv[i];
        else
            n = 3;
    }
    if (n == 2 && member && member[0] && !strchr(member, '/') && strlen(words[0]) < EXPORT_PATH - 40 &&
        strlen(words[1]) < EXPORT_PATH)
        return export(words[0], member, words[1]);
    fprintf(stderr, "spaaksim export takes NAME --for MEMBER DIR; try spaaksim export --help\n");
    return EXIT_WRONG;
}

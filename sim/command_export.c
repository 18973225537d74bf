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

#define EXPORT_PATH 500

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

static bool copy_file(int from, int to, const char *name)
{
    char bytes[4096];
    struct stat about;
    ssize_t n = -1;
    int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); /* a fifo would wait */
    if (in >= 0 && (fstat(in, &about) != 0 || !S_ISREG(about.st_mode))) {
        close(in);
        errno = EINVAL;
        return false;
    }
    int out = in < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    while (out >= 0 && (n = read(in, bytes, sizeof bytes)) > 0)
        if (write(out, bytes, (size_t)n) != n) {
            n = -1;
            break;
        }
    explicit_bzero(bytes, sizeof bytes);
    if (in >= 0)
        close(in);
    if (out >= 0 && close(out) != 0)
        n = -1;
    return n == 0;
}

/* Files of that member: "phone.json", "phone.dos.cross-SPAAKSIM.pem". How many, -1 after a message. */
static int copy_all(int from, int to, const char *member)
{
    size_t len = strlen(member);
    int copied = 0, again = dup(from);
    DIR *d = again < 0 ? NULL : fdopendir(again);
    for (struct dirent *e = d ? readdir(d) : NULL; e && copied >= 0; e = readdir(d)) {
        if (strncmp(e->d_name, member, len) != 0 || e->d_name[len] != '.')
            continue;
        copied = copy_file(from, to, e->d_name) ? copied + 1 : refuse(e->d_name);
    }
    if (d)
        closedir(d);
    return copied;
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

static int export(const char *name, const char *member, const char *target)
{
    char path[EXPORT_PATH];
    int from = find_source(name, path), to = -1, copied = -1;
    if (from < 0 || !has(from, member)) {
        say_missing(name, member);
        if (from >= 0)
            close(from);
        return EXIT_MISSING;
    }
    to = make_target(target);
    if (to >= 0) {
        copied = copy_all(from, to, member);
        close(to);
    }
    close(from);
    if (copied > 0)
        printf("%d files for %s in %s\n", copied, member, target);
    return copied > 0 ? EXIT_PASSED : EXIT_FAILED;
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

#include "sim/run/secrets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/host/seal.h"
#include "lib/media/media.h"
#include "sim/run/boxes.h"
#include "sim/run/disguise.h"
#include "sim/run/folder.h"
#include "sim/run/records.h"

#define DEPTH 24 /* of folders in folders: a browser's profile has 10 */

/* One entry of a store that is declared secret. */
struct secret {
    struct secret *next;
    const char *component;
    size_t len;
    char key[ENV_KEY_MAX];
    uint8_t value[];
};

#define PART    16777216 /* of a file at a time */
#define OVERLAP 65536    /* more than any secret in any form */

struct search {
    struct run *run;
    struct crypto *crypto;
    struct secret *secrets; /* of all members, read once */
    const char *component;  /* whose they are, while they are read */
    bool out_of_memory;
    const char *file;
    uint8_t *part;    /* PART + OVERLAP of it at most */
    struct span text; /* what was read there */
    bool over;        /* the run is asked to end */
    bool by_others;   /* not written by the runner: a secret may stand there in any form */
};

/* ---- what is looked for ---- */

static void keep_secret(void *ctx, const char *key, struct span value)
{
    struct search *s = ctx;
    struct secret *n = value.len >= DISGUISE_MIN ? malloc(sizeof *n + value.len) : NULL;
    s->out_of_memory |= value.len >= DISGUISE_MIN && !n;
    if (!n)
        return;
    n->next = s->secrets;
    n->component = s->component;
    n->len = value.len;
    text_copy(n->key, sizeof n->key, key);
    memcpy(n->value, value.p, value.len);
    s->secrets = n;
}

static void gather_of(struct search *s, const struct member *m)
{
    struct store *store = m->class && m->class->secrets ? s->run->ops->store(s->run, m->name) : NULL;
    const struct seal seal = {.crypto = s->crypto, .class = m->class, .key = s->run->store_keys.key};
    s->component = m->name;
    for (const char *const *prefix = store ? m->class->secrets : NULL; prefix && *prefix; prefix++) {
        enum err e = seal_scan(&seal, store, *prefix, keep_secret, s);
        if (!e && s->out_of_memory)
            e = ERR_NO_MEMORY;
        if (e)
            run_fail_as(s->run, FAILURE_RECORD, "the secrets of %s cannot be looked for: %s (%s)", m->name,
                        err_text(e), err_name(e));
    }
}

static void gather(struct search *s)
{
    for (size_t i = 0; i < s->run->scenario->member_count; i++)
        gather_of(s, &s->run->scenario->members[i]);
}

static void forget(struct search *s)
{
    for (struct secret *n; (n = s->secrets);) {
        s->secrets = n->next;
        OPENSSL_cleanse(n, sizeof *n + n->len);
        free(n);
    }
}

/* ---- one file ---- */

static void search_text(struct search *s)
{
    for (const struct secret *n = s->secrets; n; n = n->next)
        if (disguise_find(s->text, span_of(n->value, n->len), s->by_others))
            run_fail_as(s->run, FAILURE_RULE, "invariant 4: %s of %s stands in %s", n->key, n->component,
                        s->file);
    if (s->by_others && disguise_is_key_log(s->text))
        run_fail_as(s->run, FAILURE_RULE,
                    "invariant 4: %s has keys of TLS connections: whoever recorded them can read them",
                    s->file);
}

/* Of [from, to); what the file has no longer is not there. False: it cannot be read. */
static bool search_part(struct search *s, int fd, off_t from, off_t to)
{
    size_t len = 0;
    ssize_t n;
    do {
        n = pread(fd, s->part + len, (size_t)(to - from) - len, from + (off_t)len);
        len += n > 0 ? (size_t)n : 0;
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (n < 0) {
        run_fail_as(s->run, FAILURE_RECORD, "%s cannot be read: %s", s->file, strerror(errno));
        return false;
    }
    s->text = span_of(s->part, len);
    search_text(s);
    return true;
}

static bool is_over(struct search *s)
{
    const struct run *r = s->run;
    if (s->over || !r->ops->interrupted || !r->ops->interrupted())
        return s->over;
    s->over = true;
    run_fail_as(s->run, FAILURE_RECORD,
                "interrupted: %s, and what comes after it, was not searched for secrets", s->file);
    return true;
}

/* Parts overlap, so that what stands across a border is found. Where a file has no bytes there is nothing to
 * find: one of a terabyte may have a page of them. */
static void search_open_file(struct search *s, int fd)
{
    struct stat about;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        run_fail_as(s->run, FAILURE_RECORD, "%s is no ordinary file: it cannot be searched for secrets",
                    s->file);
        return;
    }
    for (off_t at = 0, hole; at < about.st_size; at = hole) {
        off_t data = lseek(fd, at, SEEK_DATA);
        if (data < 0)
            return;
        hole = lseek(fd, data, SEEK_HOLE);
        hole = hole < 0 ? about.st_size : hole;
        for (off_t from = data; from < hole; from += PART)
            if (is_over(s) ||
                !search_part(s, fd, from, hole - from > PART + OVERLAP ? from + PART + OVERLAP : hole))
                return;
    }
}

static void search_file(struct search *s, int folder, const char *name, const char *path)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno != ENOENT)
        run_fail_as(s->run, FAILURE_RECORD, "%s cannot be read: %s", path, strerror(errno));
    if (fd < 0)
        return;
    s->file = path;
    search_open_file(s, fd);
    close(fd);
}

/* ---- folders ---- */

enum where {
    IN_RECORDS, /* of this run, or of a life before it */
    IN_LOGS,
    ELSEWHERE
};

static void search_folder(struct search *s, int folder, const char *path, enum where where, unsigned depth);

/* What somebody outside needs is written there on purpose, for this user alone. */
static bool is_handed_over(int folder, const char *name)
{
    struct stat about;
    return strcmp(name, EXTERNAL_FOLDER) == 0 && fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(about.st_mode) && about.st_uid == geteuid() && !(about.st_mode & (S_IRWXG | S_IRWXO));
}

/* Folders of the records that are not searched, and why. */
static bool may_hold(int folder, const char *name)
{
    for (size_t i = 0; media[i]; i++)
        if (media[i]->keeps && strcmp(media[i]->name, name) == 0)
            return true; /* it is judged by who may look into it */
    return strcmp(name, RECORDS_STORES) == 0 || is_handed_over(folder, name) ||
           (strcmp(name, RECORDS_PAST) != 0 && folder_is_marked(folder, name));
}

static void enter(struct search *s, int folder, const char *name, const char *path, enum where where,
                  unsigned depth)
{
    enum where next = where != IN_RECORDS               ? ELSEWHERE
                      : strcmp(name, RECORDS_PAST) == 0 ? IN_RECORDS
                      : strcmp(name, RECORDS_LOGS) == 0 ? IN_LOGS
                                                        : ELSEWHERE;
    if (where == IN_RECORDS && may_hold(folder, name))
        return;
    int inside = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inside < 0)
        run_fail_as(s->run, FAILURE_RECORD, "%s cannot be searched for secrets: %s", path, strerror(errno));
    else
        search_folder(s, inside, path, next, depth + 1);
}

/* What the runner itself writes, in hex and in no other form. */
static bool is_record(const char *name)
{
    return strcmp(name, "trace.jsonl") == 0 || strcmp(name, "can.log") == 0 ||
           strcmp(name, "bytes.jsonl") == 0;
}

/* A link or a socket has no bytes of its own; in the place of a record it hides them. */
static void look_at(struct search *s, int folder, const char *name, const char *path, enum where where,
                    unsigned depth)
{
    struct stat about;
    if (fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    bool ours = where == IN_RECORDS && is_record(name);
    s->by_others = !ours;
    if (S_ISREG(about.st_mode) || ours || (where == IN_LOGS && !S_ISDIR(about.st_mode)))
        search_file(s, folder, name, path);
    else if (S_ISDIR(about.st_mode))
        enter(s, folder, name, path, where, depth);
}

/* The descriptor is closed. */
static void search_folder(struct search *s, int folder, const char *path, enum where where, unsigned depth)
{
    char inside[PATH_MAX];
    DIR *d = depth < DEPTH ? fdopendir(folder) : NULL;
    if (!d) {
        run_fail_as(s->run, FAILURE_RECORD, "%s cannot be searched for secrets: %s", path,
                    depth < DEPTH ? strerror(errno) : "too many folders in folders");
        close(folder);
        return;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        bool is_dots = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
        if (!is_dots && snprintf(inside, sizeof inside, "%s/%s", path, e->d_name) < (int)sizeof inside)
            look_at(s, dirfd(d), e->d_name, inside, where, depth);
    }
    closedir(d);
}

/* ---- the run ---- */

/* Of each process one. */
static void miss_logs(struct run *r)
{
    char path[700], logs[600];
    records_path(r, RECORDS_LOGS, logs, sizeof logs);
    for (size_t i = 0; r->ops->last_words && i < r->scenario->member_count; i++) {
        snprintf(path, sizeof path, "%s/%s.log", logs, r->scenario->members[i].name);
        if (r->scenario->members[i].class && !r->scenario->members[i].external && access(path, R_OK) != 0)
            run_fail_as(r, FAILURE_RECORD, "%s is gone: %s", path, strerror(errno));
    }
}

static void miss_records(struct run *r)
{
    char path[700];
    const struct {
        const char *name;
        bool must_be_there;
    } files[] = {{"trace.jsonl", true}, {"can.log", true}, {"bytes.jsonl", r->options->bytes}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        records_path(r, files[i].name, path, sizeof path);
        if (files[i].must_be_there && access(path, R_OK) != 0)
            run_fail_as(r, FAILURE_RECORD, "%s cannot be read: %s", path, strerror(errno));
    }
}

static void search_whole(struct search *s)
{
    struct run *r = s->run;
    const char *own = r->ops->folder ? r->ops->folder(r) : "";
    int records = openat(records_folder(r), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int ours = *own ? open(own, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (records >= 0)
        search_folder(s, records, r->options->out, IN_RECORDS, 0);
    if (ours >= 0)
        search_folder(s, ours, own, ELSEWHERE, 0);
    if (records < 0 || (*own && ours < 0))
        run_fail_as(r, FAILURE_RECORD, "%s cannot be searched for secrets: %s",
                    records < 0 ? r->options->out : own, strerror(errno));
}

void secrets_judge(struct run *r)
{
    struct search s = {.run = r};
    if (!records_are_kept(r))
        return;
    s.crypto = crypto_new(NULL);
    s.part = malloc(PART + OVERLAP);
    miss_records(r);
    miss_logs(r);
    if (s.crypto && s.part) {
        gather(&s);
        search_whole(&s);
        forget(&s);
    } else {
        run_fail_as(r, FAILURE_RECORD, "%s cannot be searched: %s", r->options->out, err_text(ERR_NO_MEMORY));
    }
    free(s.part);
    crypto_free(s.crypto);
    boxes_judge(r);
}

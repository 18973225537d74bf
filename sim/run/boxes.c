#include "sim/run/boxes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/media/media.h"
#include "sim/run/folder.h"
#include "sim/run/records.h"

#define BOX_PARTS 3

/* In that order: what is being written, what is there, what a person's program has shown. */
static const char *const parts[BOX_PARTS] = {"tmp", "new", "cur"};
static const char *const endings[] = {".eml", ".eml:2,", ".eml:2,S", NULL};

static int open_inside(int folder, const char *name)
{
    return openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool is_used(const struct scenario *s, const struct medium *m)
{
    for (size_t i = 0; i < s->member_count; i++)
        for (size_t k = 0; s->members[i].class && k < s->members[i].class->port_count; k++)
            if (strcmp(s->members[i].class->ports[k].medium, m->name) == 0)
                return true;
    return false;
}

static bool make_parts(struct run *r, int box)
{
    char problem[FOLDER_PROBLEM];
    for (size_t i = 0; i < BOX_PARTS; i++) {
        int fd = folder_inside(box, parts[i], 0700, problem);
        if (fd < 0) {
            run_fail(r, "%s: %s", r->options->out, problem);
            return false;
        }
        folder_clear(fd, endings);
        close(fd);
    }
    return true;
}

static bool make_box(struct run *r, const struct medium *m)
{
    char problem[FOLDER_PROBLEM];
    int box = folder_inside(records_folder(r), m->name, 0700, problem);
    if (box < 0) {
        run_fail(r, "%s: %s", r->options->out, problem);
        return false;
    }
    bool ok = make_parts(r, box);
    close(box);
    return ok;
}

/* Of an earlier run; what a person has put there stays. */
static void remove_box(const struct run *r, const struct medium *m)
{
    int box = boxes_folder(r, m);
    for (size_t i = 0; box >= 0 && i < BOX_PARTS; i++) {
        int fd = open_inside(box, parts[i]);
        if (fd < 0)
            continue;
        folder_clear(fd, endings);
        close(fd);
        unlinkat(box, parts[i], AT_REMOVEDIR);
    }
    if (box < 0)
        return;
    close(box);
    unlinkat(records_folder(r), m->name, AT_REMOVEDIR);
}

bool boxes_open(struct run *r)
{
    bool ok = true;
    for (size_t i = 0; ok && media[i]; i++) {
        if (media[i]->keeps && is_used(r->scenario, media[i]))
            ok = make_box(r, media[i]);
        else if (media[i]->keeps)
            remove_box(r, media[i]);
    }
    return ok;
}

int boxes_folder(const struct run *r, const struct medium *m)
{
    return records_are_kept(r) ? open_inside(records_folder(r), m->name) : -1;
}

/* Written beside, then moved: who looks sees whole files only. */
static bool put_file(int box, const char *file, struct span bytes)
{
    int tmp = open_inside(box, parts[0]), new = open_inside(box, parts[1]);
    FILE *f = tmp < 0 || new < 0 ? NULL : folder_create(tmp, file);
    bool ok = f && fchmod(fileno(f), 0600) == 0 && fwrite(bytes.p, 1, bytes.len, f) == bytes.len;
    ok = f && fclose(f) == 0 && ok && renameat(tmp, file, new, file) == 0;
    if (tmp >= 0)
        close(tmp);
    if (new >= 0)
        close(new);
    return ok;
}

void boxes_keep(struct run *r, const struct medium *m, const char *file, struct span bytes)
{
    int box = boxes_folder(r, m);
    errno = 0;
    if (records_are_kept(r) && (box < 0 || !put_file(box, file, bytes)))
        run_fail_as(r, FAILURE_RECORD, "%s/%s/new/%s is not whole: %s", r->options->out, m->name, file,
                    strerror(errno ? errno : EIO));
    if (box >= 0)
        close(box);
}

void boxes_judge(struct run *r)
{
    struct stat about;
    for (size_t i = 0; media[i]; i++) {
        int box = media[i]->keeps && is_used(r->scenario, media[i]) ? boxes_folder(r, media[i]) : -1;
        if (box < 0)
            continue;
        if (fstat(box, &about) != 0 || (about.st_mode & 077))
            run_fail_as(r, FAILURE_RULE,
                        "invariant 4: others may look into %s/%s, where secrets may stand: it was made 0700",
                        r->options->out, media[i]->name);
        close(box);
    }
}

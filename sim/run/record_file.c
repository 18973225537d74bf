#include "sim/run/record_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "sim/run/folder.h"
#include "sim/run/records.h"

void record_file_say_broken(struct run *r, const char *name, int error)
{
    run_fail_as(r, FAILURE_RECORD, "%s/%s is not whole: %s", r->options->out, name, strerror(error));
    r->hopeless = true; /* a run without its records proves nothing */
}

bool record_file_open(struct run *r, struct record_file *k, const char *name)
{
    k->f = folder_create(records_folder(r), name);
    if (!k->f)
        run_fail(r, "cannot write %s/%s: %s", r->options->out, name, strerror(errno));
    k->name = name;
    return k->f;
}

void record_file_close(struct record_file *k)
{
    if (k->f)
        fclose(k->f);
    k->f = NULL;
}

bool record_file_has_room(struct run *r, struct record_file *k, uint64_t now_us, size_t len)
{
    char text[96];
    uint64_t limit = r->options->record_max ? r->options->record_max : RECORD_MAX;
    errno = 0; /* what a write then leaves in it is its reason */
    if (!k->f || k->full || k->broken)
        return false;
    k->bytes += len;
    if (k->bytes <= limit)
        return true;
    k->full = true;
    snprintf(text, sizeof text, "%s ends here: it has its %" PRIu64 " MB (--max-record)", k->name,
             limit / 1000000);
    run_note(r, now_us, TRACE_NOTE, "runner", text, 0);
    return false;
}

void record_file_print(struct record_file *k, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    k->written += (uint64_t)vfprintf(k->f, format, args);
    va_end(args);
}

void record_file_print_hex(struct record_file *k, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        record_file_print(k, "%02x", bytes.p[i]);
}

void record_file_check(struct run *r, struct record_file *k, bool flush)
{
    if (!k->f || k->broken)
        return;
    k->broken = (flush && fflush(k->f) != 0) || ferror(k->f);
    if (k->broken)
        record_file_say_broken(r, k->name, errno ? errno : EIO);
}

/* Is the file of that name still the one that was written, and as long? */
void record_file_look(struct run *r, const struct record_file *k)
{
    struct stat ours, there;
    if (!k->f || k->broken)
        return;
    bool same = fstat(fileno(k->f), &ours) == 0 &&
                fstatat(records_folder(r), k->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
                ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
    if (!same || (uint64_t)ours.st_size != k->written)
        run_fail_as(r, FAILURE_RECORD,
                    "%s/%s is not whole: somebody else has changed it while the run went on", r->options->out,
                    k->name);
}

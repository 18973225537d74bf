#include "sim/run/records.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/media/media.h"
#include "sim/run/apdu_hex.h"
#include "sim/run/boxes.h"
#include "sim/run/folder.h"
#include "sim/run/leftovers.h"

/* Processes hand their events over a little late; lines wait as long, to stand in order. */
#define PRINT_DELAY_US 6000

/* A file that is written line by line. */
struct record {
    const char *name; /* NULL: this run does not keep it */
    FILE *f;
    uint64_t bytes, written; /* asked for; and really, so that its end is known */
    bool full, broken;       /* broken: some of it could not be written, and that was said */
};

struct records {
    int folder, logs;                /* descriptors, -1: not open */
    struct record can, bytes, apdus; /* apdus: of a run that has a reader */
    struct apdu_hex *hex;            /* the same for the console; NULL: not wanted */
    size_t printed;                  /* events before this one are on the console */
};

void records_path(const struct run *r, const char *file, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%s", r->options->out, file);
}

static void say_broken(struct run *r, const char *name, int error)
{
    run_fail_as(r, FAILURE_RECORD, "%s/%s is not whole: %s", r->options->out, name, strerror(error));
    r->hopeless = true; /* a run without its records proves nothing */
}

/* Two runs in one folder would mix their records: the lock is held for as long as the descriptor. A folder of
 * another's is let go at once, so that nothing is written there. */
static bool open_folder(struct run *r)
{
    char problem[FOLDER_PROBLEM];
    struct records *k = r->records;
    k->folder = folder_claim(r->options->out, problem);
    if (k->folder < 0) {
        run_fail(r, "%s", problem);
        return false;
    }
    if (flock(k->folder, LOCK_EX | LOCK_NB) == 0)
        return true;
    close(k->folder);
    k->folder = -1;
    run_fail(r, "%s is in use by another run; give this one a folder of its own with --out", r->options->out);
    return false;
}

static bool open_record(struct run *r, struct record *k, const char *name)
{
    k->f = folder_create(r->records->folder, name);
    if (!k->f)
        run_fail(r, "cannot write %s/%s: %s", r->options->out, name, strerror(errno));
    k->name = name;
    return k->f;
}

static bool remove_old(struct run *r)
{
    const char *stays = leftovers_remove(r->records->folder);
    if (stays)
        run_fail(r, "cannot remove %s/%s, which an earlier run left: %s", r->options->out, stays,
                 strerror(errno));
    return !stays;
}

/* ---- what is heard ---- */

static bool has_apdus(const char *medium)
{
    const struct medium *m = medium_find(media, medium);
    return m && m->apdus;
}

static bool is_reader(const struct component_class *class)
{
    for (unsigned i = 0; i < class->port_count; i++)
        if (class->ports[i].end == PORT_LISTENS && has_apdus(class->ports[i].medium))
            return true;
    return false;
}

bool records_want(const struct run *r, const struct component_class *class)
{
    return r->options->bytes || (r->records && r->records->apdus.f && is_reader(class));
}

static bool any_reader(const struct run *r)
{
    for (size_t i = 0; i < r->scenario->member_count; i++)
        if (r->scenario->members[i].class && is_reader(r->scenario->members[i].class))
            return true;
    return false;
}

static bool open_apdus(struct run *r)
{
    if (r->options->verbose)
        r->records->hex = apdu_hex_new();
    return open_record(r, &r->records->apdus, RECORDS_APDUS);
}

bool records_open(struct run *r)
{
    r->records = calloc(1, sizeof *r->records);
    if (!r->records)
        return false;
    r->records->folder = r->records->logs = -1;
    return open_folder(r) && remove_old(r) && boxes_open(r) && open_record(r, &r->records->can, "can.log") &&
           (!r->options->bytes || open_record(r, &r->records->bytes, "bytes.jsonl")) &&
           (!any_reader(r) || open_apdus(r));
}

bool records_inside(struct run *r, const char *name, unsigned mode)
{
    char problem[FOLDER_PROBLEM];
    int fd = folder_inside(r->records->folder, name, mode, problem);
    if (fd < 0) {
        run_fail(r, "%s: %s", r->options->out, problem);
        return false;
    }
    close(fd);
    return true;
}

bool records_are_kept(const struct run *r)
{
    return r->records && r->records->folder >= 0;
}

int records_folder(const struct run *r)
{
    return records_are_kept(r) ? r->records->folder : -1;
}

static void close_record(struct record *k)
{
    if (k->f)
        fclose(k->f);
    k->f = NULL;
}

void records_close(struct run *r)
{
    if (!r->records)
        return;
    close_record(&r->records->can);
    close_record(&r->records->bytes);
    close_record(&r->records->apdus);
    apdu_hex_free(r->records->hex);
    if (r->records->folder >= 0)
        close(r->records->folder);
    free(r->records);
    r->records = NULL;
}

/* ---- the console ---- */

/* What a tool or an attacker notes is what whoever asked it wants to know. */
static bool is_from_outside(const struct run *r, const struct trace_event *e)
{
    const struct member *m = scenario_member(r->scenario, e->component);
    return m && m->class && m->class->place == PLACE_OUTSIDE;
}

static bool worth_a_line(const struct run *r, const struct trace_event *e)
{
    switch ((enum trace_kind)e->kind) {
    case TRACE_SEND:
    case TRACE_STEP:
    case TRACE_ACCEPT:
    case TRACE_REJECT:
    case TRACE_APDU:
    case TRACE_HOLD:
    case TRACE_DROP:
    case TRACE_RETRY:
    case TRACE_FAIL:
    case TRACE_FAULT:
    case TRACE_CALL:
    case TRACE_SHOW:
        return true;
    case TRACE_LIFE:
        return strcmp(e->detail, "started") != 0 || e->sequence > 1;
    case TRACE_NOTE:
        return r->options->verbose || is_from_outside(r, e);
    default:
        return r->options->verbose;
    }
}

#define ELLIPSIS "\xE2\x80\xA6"

/* Cuts a line at the width of the terminal; what sets colours takes none of it. */
static void fit(char text[TRACE_TEXT_MAX], unsigned columns)
{
    unsigned used = 0;
    char *cut = NULL;
    for (char *p = text; *p; p++) {
        if (*p == '\033')
            p += strcspn(p, "m");
        else if ((*p & 0xC0) != 0x80 && ++used == columns)
            cut = p; /* the last column: for the ellipsis, if more comes */
    }
    if (used <= columns || !cut)
        return;
    const char *plain = strstr(cut, "\033[0m") ? "\033[0m" : "";
    snprintf(cut, TRACE_TEXT_MAX - (size_t)(cut - text), ELLIPSIS "%s", plain);
}

static void print_line(const struct run *r, const char *text)
{
    if (r->options->print)
        r->options->print(text);
    else
        puts(text);
}

static void print_event(const struct run *r, const struct trace_event *e)
{
    char text[TRACE_TEXT_MAX], hex[APDU_HEX_LINE];
    if (r->options->quiet || !worth_a_line(r, e))
        return;
    trace_text(e, r->options->colour, text);
    if (r->options->columns)
        fit(text, r->options->columns);
    print_line(r, text);
    for (size_t i = 0; r->records->hex && apdu_hex_row(r->records->hex, e, i, hex); i++)
        print_line(r, hex);
}

static void print_until(struct run *r, uint64_t time_us)
{
    struct records *k = r->records;
    while (k->printed < r->event_count && r->events[k->printed].time_us <= time_us)
        print_event(r, &r->events[k->printed++]);
}

void records_event(struct run *r, size_t at)
{
    if (!r->records || at >= r->records->printed)
        return;
    print_event(r, &r->events[at]); /* late: out of its place, but said */
    r->records->printed++;
}

void records_pump(struct run *r, uint64_t now_us)
{
    if (r->records && now_us >= PRINT_DELAY_US)
        print_until(r, now_us - PRINT_DELAY_US);
}

uint64_t records_due_us(const struct run *r)
{
    const struct records *k = r->records;
    if (!k || k->printed >= r->event_count || r->options->quiet)
        return UINT64_MAX;
    return r->events[k->printed].time_us + PRINT_DELAY_US;
}

/* ---- the files ---- */

/* May so much more be written? What a record leaves out is said in the trace. */
static bool has_room(struct run *r, struct record *k, uint64_t now_us, size_t len)
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

static void look_at(struct run *r, struct record *k, bool flush)
{
    if (!k->f || k->broken)
        return;
    k->broken = (flush && fflush(k->f) != 0) || ferror(k->f);
    if (k->broken)
        say_broken(r, k->name, errno ? errno : EIO);
}

void records_frame(struct run *r, uint64_t now_us, const char *bus, const struct bus_frame *f)
{
    char line[BUS_LOG_MAX];
    if (!r->records)
        return;
    bus_log_print((uint64_t)(r->wall_offset_us + (int64_t)now_us), bus, f, line);
    if (!has_room(r, &r->records->can, now_us, strlen(line) + 1))
        return;
    r->records->can.written += (uint64_t)fprintf(r->records->can.f, "%s\n", line);
    look_at(r, &r->records->can, false);
}

static void write_hex(struct record *k, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        k->written += (uint64_t)fprintf(k->f, "%02x", bytes.p[i]);
}

/* The reader's end names the card; at the card's end there is only one reader, and its line is another's. */
static void log_apdu(struct run *r, const struct tap_event *e)
{
    struct record *k = &r->records->apdus;
    if (!*e->from || !*e->to || !has_apdus(e->medium))
        return;
    if (r->records->hex)
        apdu_hex_keep(r->records->hex, e->bytes);
    if (!has_room(r, k, e->time_us, 2 * e->bytes.len + 80))
        return;
    k->written += (uint64_t)fprintf(k->f, "%12.3f ms  %s %s %c ", (double)e->time_us / 1000.0,
                                    e->out ? e->from : e->to, e->out ? e->to : e->from, e->out ? '>' : '<');
    write_hex(k, e->bytes);
    k->written += (uint64_t)fprintf(k->f, "\n");
    look_at(r, k, false);
}

void records_tap(struct run *r, const struct tap_event *e)
{
    struct record *k = r->records ? &r->records->bytes : NULL;
    if (k)
        log_apdu(r, e);
    char from[TEXT_JSON_MAX(ENV_KEY_MAX)], to[TEXT_JSON_MAX(ENV_KEY_MAX)];
    if (!k || !has_room(r, k, e->time_us, 2 * e->bytes.len + 160))
        return;
    text_json(e->from, from, sizeof from);
    text_json(e->to, to, sizeof to);
    k->written += (uint64_t)fprintf(
        k->f,
        "{\"schema\":%d,\"t_us\":%" PRIu64
        ",\"medium\":\"%s\",\"port\":\"%s\",\"from\":\"%s\",\"to\":\"%s\",\"at\":\"%s\",\"hex\":\"",
        RECORDS_BYTES_SCHEMA, e->time_us, e->medium, e->port, from, to, e->out ? "out" : "in");
    write_hex(k, e->bytes);
    k->written += (uint64_t)fprintf(k->f, "\"}\n");
    look_at(r, k, false);
}

static void write_trace(struct run *r)
{
    char json[TRACE_JSON_MAX];
    struct record k = {0};
    if (!open_record(r, &k, "trace.jsonl"))
        return;
    errno = 0;
    for (size_t i = 0; i < r->event_count; i++) {
        trace_json(&r->events[i], json);
        fprintf(k.f, "%s\n", json);
    }
    look_at(r, &k, true);
    close_record(&k);
}

/* Is the file of that name still the one that was written, and as long? */
static void look_for_record(struct run *r, const struct record *k)
{
    struct stat ours, there;
    if (!k->f || k->broken)
        return;
    bool same = fstat(fileno(k->f), &ours) == 0 &&
                fstatat(r->records->folder, k->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
                ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
    if (!same || (uint64_t)ours.st_size != k->written)
        run_fail_as(r, FAILURE_RECORD,
                    "%s/%s is not whole: somebody else has changed it while the run went on", r->options->out,
                    k->name);
}

/* A folder that was taken away takes the records with it, whatever could still be written. */
static void look_for_folder(struct run *r)
{
    struct stat ours, there;
    if (r->records->folder < 0 || fstat(r->records->folder, &ours) != 0)
        return;
    if (stat(r->options->out, &there) != 0 || there.st_ino != ours.st_ino || there.st_dev != ours.st_dev) {
        run_fail_as(r, FAILURE_RECORD, "the records are gone: %s was removed while the run went on",
                    r->options->out);
        return;
    }
    look_for_record(r, &r->records->can);
    look_for_record(r, &r->records->bytes);
    look_for_record(r, &r->records->apdus);
}

void records_settle(struct run *r)
{
    if (!records_are_kept(r))
        return;
    print_until(r, UINT64_MAX);
    look_at(r, &r->records->can, true);
    look_at(r, &r->records->bytes, true);
    look_at(r, &r->records->apdus, true);
    write_trace(r);
    look_for_folder(r);
}

double records_clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

bool records_report(struct run *r, uint64_t now_us)
{
    r->wall_ms = records_clock_ms() - r->began_ms;
    struct report_row row = {.verdict = r->verdict,
                             .seconds = r->wall_ms / 1e3,
                             .virtual_s = r->options->world == WORLD_VIRTUAL ? (double)now_us / 1e6 : 0,
                             .began_s = (int64_t)time(NULL) - (int64_t)(r->wall_ms / 1e3)};
    if (!records_are_kept(r))
        return true;
    scenario_label(r->scenario, row.label);
    text_copy(row.world, sizeof row.world, world_names[r->options->world]);
    if (r->failure_count)
        text_copy(row.detail, sizeof row.detail, r->failures[0]);
    FILE *f = folder_create(r->records->folder, "junit.xml");
    if (f && report_write_junit(f, &row, 1))
        return true;
    say_broken(r, "junit.xml", errno);
    return false;
}

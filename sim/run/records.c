#include "sim/run/records.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Processes hand their events over a little late; lines wait as long, to stand in order. */
#define PRINT_DELAY_US 6000

struct records {
    FILE *can_log, *bytes_log; /* bytes_log: NULL unless asked for */
    size_t printed;            /* events before this one are on the console */
};

void records_path(const struct run *r, const char *file, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%s", r->options->out, file);
}

bool records_make_directories(const char *path)
{
    char part[512];
    text_copy(part, sizeof part, path);
    for (char *p = part + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        mkdir(part, 0755);
        *p = '/';
    }
    return mkdir(part, 0755) == 0 || errno == EEXIST;
}

/* The lock on can.log keeps others out for as long as the run lasts. */
static bool open_can_log(struct run *r)
{
    char path[600];
    records_path(r, "can.log", path, sizeof path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) {
        run_fail(r, "cannot write %s: %s; --out takes a directory of your own", path, strerror(errno));
        return false;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        run_fail(r, "%s is in use by another run; give this one a directory of its own with --out",
                 r->options->out);
        close(fd);
        return false;
    }
    if (ftruncate(fd, 0) == 0 && (r->records->can_log = fdopen(fd, "w")))
        return true;
    run_fail(r, "cannot write %s", path);
    close(fd);
    return false;
}

static bool open_bytes_log(struct run *r)
{
    char path[600];
    if (!r->options->bytes)
        return true;
    records_path(r, "bytes.jsonl", path, sizeof path);
    r->records->bytes_log = fopen(path, "we");
    if (!r->records->bytes_log)
        run_fail(r, "cannot write %s", path);
    return r->records->bytes_log;
}

/* Those of an earlier run would be taken for this one's, should it be interrupted; and what stands behind a
 * link of that name is not ours to write. */
static void remove_old(const struct run *r)
{
    static const char *const files[] = {"trace.jsonl", "bytes.jsonl", "junit.xml"};
    char path[600];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        records_path(r, files[i], path, sizeof path);
        unlink(path);
    }
}

bool records_open(struct run *r)
{
    r->records = calloc(1, sizeof *r->records);
    if (!r->records)
        return false;
    if (!records_make_directories(r->options->out)) {
        run_fail(r, "cannot make %s: %s", r->options->out, strerror(errno));
        return false;
    }
    if (!open_can_log(r))
        return false;
    remove_old(r);
    return open_bytes_log(r);
}

void records_close(struct run *r)
{
    if (!r->records)
        return;
    if (r->records->can_log)
        fclose(r->records->can_log);
    if (r->records->bytes_log)
        fclose(r->records->bytes_log);
    free(r->records);
    r->records = NULL;
}

/* ---- the console ---- */

static bool worth_a_line(const struct run *r, const struct trace_event *e)
{
    switch ((enum trace_kind)e->kind) {
    case TRACE_SEND:
    case TRACE_STEP:
    case TRACE_ACCEPT:
    case TRACE_REJECT:
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
    default:
        return r->options->verbose;
    }
}

static void print_event(const struct run *r, const struct trace_event *e)
{
    char text[TRACE_TEXT_MAX];
    if (r->options->quiet || !worth_a_line(r, e))
        return;
    trace_text(e, r->options->colour, text);
    if (r->options->print)
        r->options->print(text);
    else
        puts(text);
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

void records_frame(struct run *r, uint64_t now_us, const char *bus, const struct bus_frame *f)
{
    char line[BUS_LOG_MAX];
    if (!r->records)
        return;
    bus_log_print((uint64_t)(r->wall_offset_us + (int64_t)now_us), bus, f, line);
    fprintf(r->records->can_log, "%s\n", line);
}

void records_tap(struct run *r, const struct tap_event *e)
{
    FILE *f = r->records ? r->records->bytes_log : NULL;
    if (!f)
        return;
    fprintf(f,
            "{\"t_us\":%" PRIu64
            ",\"medium\":\"%s\",\"port\":\"%s\",\"from\":\"%s\",\"to\":\"%s\",\"at\":\"%s\",\"hex\":\"",
            e->time_us, e->medium, e->port, e->from, e->to, e->out ? "out" : "in");
    for (size_t i = 0; i < e->bytes.len; i++)
        fprintf(f, "%02x", e->bytes.p[i]);
    fputs("\"}\n", f);
}

static void write_trace(const struct run *r)
{
    char path[600], json[TRACE_JSON_MAX];
    records_path(r, "trace.jsonl", path, sizeof path);
    FILE *f = fopen(path, "we");
    if (!f)
        return;
    for (size_t i = 0; i < r->event_count; i++) {
        trace_json(&r->events[i], json);
        fprintf(f, "%s\n", json);
    }
    fclose(f);
}

void records_settle(struct run *r)
{
    if (!r->records)
        return;
    print_until(r, UINT64_MAX);
    fflush(r->records->can_log);
    if (r->records->bytes_log)
        fflush(r->records->bytes_log);
    write_trace(r);
}

void records_report(struct run *r, uint64_t now_us)
{
    char path[600], label[96];
    struct report_row row = {.verdict = r->verdict, .seconds = (double)now_us / 1e6};
    if (!r->records)
        return;
    scenario_label(r->scenario, label);
    text_copy(row.label, sizeof row.label, label);
    text_copy(row.world, sizeof row.world, world_names[r->options->world]);
    if (r->failure_count)
        text_copy(row.detail, sizeof row.detail, r->failures[0]);
    records_path(r, "junit.xml", path, sizeof path);
    report_write_junit(path, &row, 1);
}

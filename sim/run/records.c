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
#include "sim/run/boxes.h"
#include "sim/run/folder.h"
#include "sim/run/leftovers.h"
#include "sim/run/records_parts.h"

void records_path(const struct run *r, const char *file, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%s", r->options->out, file);
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

static bool remove_old(struct run *r)
{
    const char *stays = leftovers_remove(r->records->folder);
    if (stays)
        run_fail(r, "cannot remove %s/%s, which an earlier run left: %s", r->options->out, stays,
                 strerror(errno));
    return !stays;
}

/* ---- what is heard ---- */

static const struct medium *medium_of(const struct component_class *class, unsigned port)
{
    return medium_find(media, class->ports[port].medium);
}

static bool is_reader(const struct component_class *class)
{
    for (unsigned i = 0; i < class->port_count; i++) {
        const struct medium *m = medium_of(class, i);
        if (m && m->apdus && class->ports[i].end == PORT_LISTENS)
            return true;
    }
    return false;
}

static bool has_radio(const struct component_class *class, enum port_end end)
{
    for (unsigned i = 0; i < class->port_count; i++) {
        const struct medium *m = medium_of(class, i);
        if (m && m->words_shown && class->ports[i].end == end)
            return true;
    }
    return false;
}

enum tap_depth records_want(const struct run *r, const struct component_class *class)
{
    const struct records *k = r->records;
    if (r->options->bytes)
        return TAP_ALL;
    bool radio = k && k->dk.f && (has_radio(class, PORT_LISTENS) || has_radio(class, PORT_ASKS));
    return radio || (k && k->apdus.f && is_reader(class)) ? TAP_TALK : TAP_NONE;
}

static bool any_reader(const struct run *r)
{
    for (size_t i = 0; i < r->scenario->member_count; i++)
        if (r->scenario->members[i].class && is_reader(r->scenario->members[i].class))
            return true;
    return false;
}

/* Both ends of it. */
static bool any_air(const struct run *r)
{
    bool ends[2] = {false, false};
    for (size_t i = 0; i < r->scenario->member_count; i++) {
        const struct component_class *class = r->scenario->members[i].class;
        ends[0] |= class && has_radio(class, PORT_LISTENS);
        ends[1] |= class && has_radio(class, PORT_ASKS);
    }
    return ends[0] && ends[1];
}

static bool open_apdus(struct run *r)
{
    if (r->options->verbose && !r->records->hex)
        r->records->hex = apdu_hex_new();
    return record_file_open(r, &r->records->apdus, RECORDS_APDUS);
}

static bool open_air(struct run *r)
{
    if (r->options->verbose && !r->options->quiet)
        r->records->messages = dk_console_new();
    if (r->options->verbose && !r->records->hex)
        r->records->hex = apdu_hex_new();
    return record_file_open(r, &r->records->dk, RECORDS_DK);
}

bool records_open(struct run *r)
{
    r->records = calloc(1, sizeof *r->records);
    if (!r->records)
        return false;
    r->records->folder = r->records->logs = -1;
    return open_folder(r) && remove_old(r) && boxes_open(r) &&
           record_file_open(r, &r->records->can, "can.log") &&
           (!r->options->bytes || record_file_open(r, &r->records->bytes, "bytes.jsonl")) &&
           (!any_reader(r) || open_apdus(r)) && (!any_air(r) || open_air(r));
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

void records_close(struct run *r)
{
    if (!r->records)
        return;
    record_file_close(&r->records->can);
    record_file_close(&r->records->bytes);
    record_file_close(&r->records->apdus);
    record_file_close(&r->records->dk);
    apdu_hex_free(r->records->hex);
    dk_console_free(r->records->messages);
    if (r->records->folder >= 0)
        close(r->records->folder);
    free(r->records);
    r->records = NULL;
}

/* ---- the files ---- */

void records_frame(struct run *r, uint64_t now_us, const char *bus, const struct bus_frame *f)
{
    char line[BUS_LOG_MAX];
    if (!r->records)
        return;
    bus_log_print((uint64_t)(r->wall_offset_us + (int64_t)now_us), bus, f, line);
    if (!record_file_has_room(r, &r->records->can, now_us, strlen(line) + 1))
        return;
    record_file_print(&r->records->can, "%s\n", line);
    record_file_check(r, &r->records->can, false);
}

void records_note_clock(struct run *r)
{
    char text[ENV_TEXT_MAX];
    const uint64_t zero_us = (uint64_t)r->wall_offset_us;
    snprintf(text, sizeof text, RECORDS_ZERO, zero_us / 1000000, zero_us % 1000000);
    run_note(r, 0, TRACE_NOTE, "runner", text, 0);
}

/* The reader's end names the card; at the card's end there is only one reader, and its line is another's. */
static void log_apdu(struct run *r, const struct tap_event *e)
{
    struct record_file *k = &r->records->apdus;
    if (!*e->from || !*e->to)
        return;
    if (r->records->hex)
        apdu_hex_keep(r->records->hex, e->bytes);
    if (!record_file_has_room(r, k, e->time_us, 2 * e->bytes.len + 80))
        return;
    record_file_print(k, "%12.3f ms  %s %s %c ", (double)e->time_us / 1000.0, e->out ? e->from : e->to,
                      e->out ? e->to : e->from, e->out ? '>' : '<');
    record_file_print_hex(k, e->bytes);
    record_file_print(k, "\n");
    record_file_check(r, k, false);
}

static void log_dk(struct run *r, const struct tap_event *e)
{
    struct record_file *k = &r->records->dk;
    char lead[DK_LOG_LEAD];
    if (e->out && !e->words && !e->refused && r->options->verbose)
        dk_console_keep(r->records->messages, r->records->hex, e);
    dk_log_lead(&r->records->air, e, lead);
    if (!record_file_has_room(r, k, e->time_us, strlen(lead) + 2 * e->bytes.len + 1))
        return;
    record_file_print(k, "%s", lead);
    if (e->words)
        record_file_print(k, "%.*s", (int)e->bytes.len, (const char *)e->bytes.p);
    else
        record_file_print_hex(k, e->bytes);
    record_file_print(k, "\n");
    record_file_check(r, k, false);
}

static void log_bytes(struct run *r, const struct tap_event *e)
{
    struct record_file *k = &r->records->bytes;
    char from[TEXT_JSON_MAX(ENV_KEY_MAX)], to[TEXT_JSON_MAX(ENV_KEY_MAX)];
    if (!record_file_has_room(r, k, e->time_us, 2 * e->bytes.len + 160))
        return;
    text_json(e->from, from, sizeof from);
    text_json(e->to, to, sizeof to);
    record_file_print(
        k,
        "{\"schema\":%d,\"t_us\":%" PRIu64
        ",\"medium\":\"%s\",\"port\":\"%s\",\"from\":\"%s\",\"to\":\"%s\",\"at\":\"%s\",\"hex\":\"",
        RECORDS_BYTES_SCHEMA, e->time_us, e->medium, e->port, from, to, e->out ? "out" : "in");
    record_file_print_hex(k, e->bytes);
    record_file_print(k, "\"}\n");
    record_file_check(r, k, false);
}

void records_tap(struct run *r, const struct tap_event *e)
{
    const struct medium *m = r->records ? medium_find(media, e->medium) : NULL;
    if (m && m->apdus)
        log_apdu(r, e);
    if (m && m->words_shown)
        log_dk(r, e);
    if (r->records && !e->words && !e->refused)
        log_bytes(r, e);
}

static void write_trace(struct run *r)
{
    char json[TRACE_JSON_MAX];
    struct record_file k = {0};
    if (!record_file_open(r, &k, "trace.jsonl"))
        return;
    errno = 0;
    for (size_t i = 0; i < r->event_count; i++) {
        trace_json(&r->events[i], json);
        fprintf(k.f, "%s\n", json);
    }
    record_file_check(r, &k, true);
    record_file_close(&k);
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
    record_file_look(r, &r->records->can);
    record_file_look(r, &r->records->bytes);
    record_file_look(r, &r->records->apdus);
    record_file_look(r, &r->records->dk);
}

void records_settle(struct run *r)
{
    if (!records_are_kept(r))
        return;
    records_print_until(r, UINT64_MAX);
    record_file_check(r, &r->records->can, true);
    record_file_check(r, &r->records->bytes, true);
    record_file_check(r, &r->records->apdus, true);
    record_file_check(r, &r->records->dk, true);
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
    record_file_say_broken(r, "junit.xml", errno);
    return false;
}

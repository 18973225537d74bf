#include "sim/replay/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/json/json.h"
#include "lib/media/ble/ble.h"
#include "sim/language/text_file.h"
#include "sim/run/dk_log.h"
#include "sim/run/records.h"

#define DAY_US 86400000000ull /* a virtual run is shorter */

/* Where a file is being read, and what became of it. */
struct reading {
    struct record *record;
    const char *path;
    char *problem;
    unsigned line;
    int64_t epoch_us;
    uint64_t zero_us; /* of a trace: RECORDS_ZERO, 0 without one */
    uint8_t *block;
    size_t used, cap;
    bool (*take)(struct reading *r, const char *line); /* of the talk's line before; NULL: of an apdu.log */
};

static bool refuse(struct reading *r, const char *why)
{
    char shown[200];
    text_shown(shown, sizeof shown, r->path);
    if (r->line)
        snprintf(r->problem, RECORD_PROBLEM, "%s:%u: %s", shown, r->line, why);
    else
        snprintf(r->problem, RECORD_PROBLEM, "%s: %s", shown, why);
    return false;
}

static struct record_item *add(struct reading *r, enum record_kind kind, uint64_t time_us)
{
    struct record *k = r->record;
    if (k->count == k->cap) {
        k->cap = k->cap ? 2 * k->cap : 256;
        k->items = realloc(k->items, k->cap * sizeof *k->items);
        if (!k->items)
            abort();
    }
    k->items[k->count] =
        (struct record_item){.kind = kind, .time_us = time_us, .line = r->line, .file = r->path};
    return &k->items[k->count++];
}

/* ---- lines ---- */

/* "    12.345 ms  wcp card1 > 00a4..." */
static bool read_apdu(struct reading *r, const char *line)
{
    char reader[ENV_NAME_MAX], card[ENV_NAME_MAX], mark;
    char ms[10], us[4];
    int at = -1;
    if (sscanf(line, " %9[0-9].%3[0-9] ms %31s %31s %c %n", ms, us, reader, card, &mark, &at) != 5 ||
        at < 0 || strlen(us) != 3 || (mark != '<' && mark != '>'))
        return refuse(r, "not a line of an apdu.log (\"12.345 ms  READER CARD > HEX\")");
    size_t len = strlen(line + at);
    long n = hex_decode(line + at, len, r->block + r->used, r->cap - r->used);
    if (n < 2)
        return refuse(r, n < 0 ? "these are not whole bytes in hex" : "an APDU has two bytes at least");
    struct record_item *i = add(r, mark == '>' ? RECORD_COMMAND : RECORD_ANSWER,
                                strtoull(ms, NULL, 10) * 1000 + strtoull(us, NULL, 10));
    text_copy(i->who, sizeof i->who, reader);
    text_copy(i->what, sizeof i->what, card);
    i->bytes = span_of(r->block + r->used, (size_t)n);
    r->used += (size_t)n;
    return r->record->apdus = true;
}

static bool read_frame(struct reading *r, const char *line)
{
    struct bus_frame f;
    uint64_t time_us;
    char bus[17];
    if (bus_log_parse(line, &time_us, bus, &f))
        return refuse(r, "not a line of candump -L (\"(1767225600.000332) body 3B0#00\")");
    struct record_item *i = add(r, RECORD_FRAME, time_us);
    text_copy(i->who, sizeof i->who, bus);
    i->frame = f;
    return r->record->frames = true;
}

/* It stays in the block, with an end. */
static const char *keep_text(struct reading *r, const char *text)
{
    char *kept = (char *)r->block + r->used;
    size_t len = strlen(text) + 1;
    if (len > r->cap - r->used)
        abort(); /* the block is as long as the file */
    memcpy(kept, text, len);
    r->used += len;
    return kept;
}

static bool read_air(struct reading *r, const char *line)
{
    static const enum record_kind kinds[] = {[DK_LOG_LEAVES] = RECORD_LEAVES,
                                             [DK_LOG_REACHES] = RECORD_REACHES,
                                             [DK_LOG_TELLS] = RECORD_TELLS,
                                             [DK_LOG_HEARS] = RECORD_HEARS};
    struct dk_log_line l;
    const char *why = dk_log_read(line, &l);
    if (why)
        return refuse(r, why);
    uint8_t *to = r->block + r->used;
    bool words = l.kind == DK_LOG_TELLS || l.kind == DK_LOG_HEARS;
    size_t room = r->cap - r->used < BLE_MTU_MAX ? r->cap - r->used : BLE_MTU_MAX;
    long n = words ? 0 : hex_decode(l.rest, strlen(l.rest), to, room);
    if (!words && n <= 0)
        return refuse(r, strlen(l.rest) > 2 * BLE_MTU_MAX ? "longer than an SDU may be"
                                                          : "these are not whole bytes in hex");
    struct record_item *i = add(r, kinds[l.kind], l.time_us);
    text_copy(i->who, sizeof i->who, l.who);
    text_copy(i->what, sizeof i->what, l.other);
    text_copy(i->address, sizeof i->address, l.address);
    i->refused = l.refused;
    i->words = words ? keep_text(r, l.rest) : NULL;
    i->bytes = span_of(to, (size_t)n);
    r->used += (size_t)n;
    return r->record->air = true;
}

/* NULL, or why a line is of no log at all. */
static const char *find_stray(const char *line)
{
    if (!line[strspn(line, " \t\r")])
        return "an empty line";
    if (line[strlen(line) - 1] == '\r')
        return "the line ends with carriage return and line feed: a line feed alone ends it";
    return strncmp(line, "{\"schema\":", 10) == 0
               ? "an event of a trace.jsonl: that is read where it lies beside the first file"
               : NULL;
}

/* What is of no form is of the file's. */
static bool read_talk(struct reading *r, const char *line)
{
    const char *why = find_stray(line);
    if (why)
        return refuse(r, why);
    if (line[0] == '(')
        r->take = read_frame;
    else if (dk_log_is_line(line))
        r->take = read_air;
    else if (strstr(line, " ms "))
        r->take = read_apdu;
    return (r->take ? r->take : read_apdu)(r, line);
}

/* ---- files ---- */

static bool read_lines(struct reading *r, FILE *f, bool (*take)(struct reading *r, const char *line))
{
    static char line[RECORD_LINE_MAX];
    enum text_line got;
    while ((got = text_line_read(f, line, sizeof line)) != TEXT_LINE_NONE) {
        r->line++;
        if (got != TEXT_LINE_WHOLE)
            return refuse(r, got == TEXT_LINE_LAST ? "the file ends in the middle of a line"
                                                   : text_line_why(got));
        if (!take(r, line))
            return false;
    }
    return r->line > 0 || refuse(r, "the file is empty");
}

/* Whatever stands in a line is no longer in it. */
static bool read_bytes(struct reading *r, void *bytes, size_t len,
                       bool (*take)(struct reading *r, const char *line))
{
    FILE *f = len ? fmemopen(bytes, len, "r") : NULL;
    if (!f)
        return refuse(r, len ? strerror(errno) : "the file is empty");
    r->cap = len + 1;
    r->block = malloc(r->cap);
    if (!r->block)
        abort();
    bool ok = read_lines(r, f, take);
    fclose(f);
    return ok;
}

static bool read_file(struct reading *r, bool (*take)(struct reading *r, const char *line))
{
    char why[TEXT_FILE_WHY];
    size_t len;
    char *bytes = text_file_read(r->path, RECORD_FILE_MAX, &len, why);
    bool ok = bytes ? read_bytes(r, bytes, len, take) : refuse(r, why);
    free(bytes);
    return ok;
}

/* Frames of a virtual world tell its time; those of others begin with the first. */
static bool set_clock(struct record *r, size_t from, int64_t epoch_us)
{
    uint64_t first = UINT64_MAX, last = 0, epoch = (uint64_t)epoch_us;
    for (size_t i = from; i < r->count; i++)
        if (r->items[i].kind == RECORD_FRAME) {
            first = r->items[i].time_us < first ? r->items[i].time_us : first;
            last = r->items[i].time_us > last ? r->items[i].time_us : last;
        }
    if (last > first && last - first >= DAY_US)
        return false;
    bool ours = first >= epoch && last < epoch + DAY_US;
    if (last && !ours) {
        r->foreign_clock = true;
        r->foreign_us = r->foreign_files++ ? 0 : first;
    }
    for (size_t i = from; i < r->count; i++)
        if (r->items[i].kind == RECORD_FRAME)
            r->items[i].time_us -= ours ? epoch : first;
    return true;
}

/* What was read of a file that is refused stays in the record until it is freed. */
static bool keep(struct record *r, struct reading *reading, size_t from, bool ok)
{
    r->blocks[r->files++] = reading->block;
    reading->line = 0;
    if (ok && !set_clock(r, from, reading->epoch_us))
        return refuse(reading,
                      "from its first frame to its last is a day or more: a clock was set meanwhile");
    return ok;
}

bool record_read(struct record *r, const char *path, int64_t epoch_us, char problem[RECORD_PROBLEM])
{
    struct reading reading = {.record = r, .path = path, .problem = problem, .epoch_us = epoch_us};
    size_t from = r->count;
    if (r->files == RECORD_FILES)
        return refuse(&reading, "too many files");
    return keep(r, &reading, from, read_file(&reading, read_talk));
}

bool record_read_bytes(struct record *r, const char *name, struct span bytes, int64_t epoch_us,
                       char problem[RECORD_PROBLEM])
{
    struct reading reading = {.record = r, .path = name, .problem = problem, .epoch_us = epoch_us};
    union {
        const uint8_t *in;
        void *out;
    } u = {.in = bytes.p};
    size_t from = r->count;
    if (r->files == RECORD_FILES)
        return refuse(&reading, "too many files");
    return keep(r, &reading, from, read_bytes(&reading, u.out, bytes.len, read_talk));
}

/* ---- what people did ---- */

static bool is_zero(const char *component, const char *kind, const char *detail, uint64_t *zero_us)
{
    uint64_t s, us;
    char again[ENV_TEXT_MAX];
    if (strcmp(component, "runner") != 0 || strcmp(kind, "note") != 0 ||
        sscanf(detail, "time 0 is %12" SCNu64 ".%6" SCNu64, &s, &us) != 2)
        return false;
    snprintf(again, sizeof again, RECORDS_ZERO, s, us);
    *zero_us = s * 1000000 + us;
    return strcmp(again, detail) == 0;
}

/* The call that an event is; NULL: none. What is asked of somebody outside stands in a note of his, in the
 * words of sim/run/external.c; what else is noted there, of the air, is no call. */
static const char *find_call(const char *kind, const char *detail)
{
    static const char asked[] = "asked from outside: ", come[] = "come, ", air[] = "keeps the air itself",
                      done[] = " is done: it has a link";
    const size_t len = strlen(detail), end = sizeof done - 1;
    if (strcmp(kind, "call") == 0)
        return detail;
    if (strcmp(kind, "note") != 0)
        return NULL;
    if (len > end && strcmp(detail + len - end, done) == 0)
        return detail;
    if (strncmp(detail, asked, sizeof asked - 1) != 0)
        return NULL;
    detail += sizeof asked - 1;
    return strncmp(detail, come, sizeof come - 1) == 0 || strcmp(detail, air) == 0 ? NULL : detail;
}

/* Of its members only numbers are not texts. */
static bool read_event(struct reading *r, const char *line)
{
    char component[ENV_NAME_MAX] = "", kind[24] = "", detail[ENV_TEXT_MAX * 6] = "", message[80] = "";
    const struct json_field always[] = {{"component", 1, component, sizeof component},
                                        {"kind", 1, kind, sizeof kind}},
                            call[] = {{"detail", 0, detail, sizeof detail}},
                            show[] = {{"detail", 0, detail, sizeof detail},
                                      {"message", 1, message, sizeof message}};
    const char *at = strstr(line, "\"t_us\":");
    struct span text = span_of(line, strlen(line));
    char digits[16], end;
    if (!at || sscanf(at, "\"t_us\":%15[0-9]%c", digits, &end) != 2 || !strchr(",}", end) ||
        json_read(text, always, 2, JSON_SKIP_OTHERS))
        return refuse(r, "not an event of a trace.jsonl");
    const uint64_t time_us = strtoull(digits, NULL, 10);
    bool has_detail = !json_read(text, call, 1, JSON_SKIP_OTHERS);
    const char *said = has_detail ? find_call(kind, detail) : NULL;
    bool is_field = strcmp(kind, "show") == 0 && !json_read(text, show, 2, JSON_SKIP_OTHERS) &&
                    strcmp(message, "field") == 0 &&
                    (strcmp(detail, "on") == 0 || strcmp(detail, "off") == 0);
    if (has_detail && !r->zero_us && is_zero(component, kind, detail, &r->zero_us))
        return true;
    if (!said && !is_field)
        return true;
    struct record_item *i = add(r, said ? RECORD_CALL : RECORD_FIELD, time_us);
    said = said ? said : detail;
    text_copy(i->who, sizeof i->who, component);
    snprintf(i->what, sizeof i->what, "%.*s", (int)strcspn(said, " "), said);
    i->outside = strcmp(kind, "note") == 0;
    const char *reader = strstr(said, " reader=");
    if (reader) {
        reader += sizeof " reader=" - 1;
        snprintf(i->reader, sizeof i->reader, "%.*s", (int)strcspn(reader, " "), reader);
    }
    return true;
}

/* Frames came after time 0, and no run lasts so long. Everything then counts from the first of them: in a
 * process world it takes its time until anybody is there. */
static bool join_clocks(struct record *r, uint64_t zero_us)
{
    if (!zero_us || r->foreign_us < zero_us || r->foreign_us - zero_us >= DAY_US)
        return false;
    const uint64_t first_us = r->foreign_us - zero_us;
    for (size_t i = 0; i < r->count; i++) {
        struct record_item *k = &r->items[i];
        if (k->kind != RECORD_FRAME)
            k->time_us -= k->time_us < first_us ? k->time_us : first_us;
    }
    r->foreign_clock = false;
    return true;
}

bool record_read_trace(struct record *r, char problem[RECORD_PROBLEM])
{
    struct reading reading = {.record = r, .path = r->trace_path, .problem = problem};
    struct stat about;
    if (stat(r->trace_path, &about) != 0 && errno == ENOENT)
        return true;
    size_t talk = r->count;
    bool ok = read_file(&reading, read_event);
    free(reading.block);
    if (ok && r->foreign_clock && !join_clocks(r, reading.zero_us))
        r->count = talk;
    r->trace = ok && !r->foreign_clock;
    return ok;
}

static int order(const void *a, const void *b)
{
    const struct record_item *x = a, *y = b;
    return x->time_us < y->time_us ? -1 : x->time_us > y->time_us;
}

/* Merges, so that equal ones stay as they were read. */
void record_sort(struct record *r)
{
    struct record_item *other = calloc(r->count + 1, sizeof *other);
    if (!other)
        abort();
    for (size_t width = 1; width < r->count; width *= 2) {
        for (size_t from = 0; from < r->count; from += 2 * width) {
            size_t middle = from + width < r->count ? from + width : r->count;
            size_t end = from + 2 * width < r->count ? from + 2 * width : r->count, a = from, b = middle;
            for (size_t k = from; k < end; k++) {
                bool left = b == end || (a < middle && order(&r->items[a], &r->items[b]) <= 0);
                other[k] = r->items[left ? a++ : b++];
            }
        }
        memcpy(r->items, other, r->count * sizeof *other);
    }
    free(other);
}

void record_free(struct record *r)
{
    free(r->items);
    for (size_t i = 0; i < r->files; i++)
        free(r->blocks[i]);
    *r = (struct record){0};
}

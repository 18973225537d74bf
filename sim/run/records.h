/* What a run leaves behind, and what it says while it runs: trace.jsonl, can.log, apdu.log, dk.log,
 * bytes.jsonl, junit.xml and the lines on the console. A run without records has none of this. */
#ifndef sim_run_records_h
#define sim_run_records_h

#include <inttypes.h>
#include <stdio.h>

#include "sim/run/run.h"

/* Opens the records of a run in options->out. False and a failure when the directory cannot be made or is in
 * use. */
bool records_open(struct run *r);
void records_close(struct run *r);
/* An event was put in at that place. */
void records_event(struct run *r, size_t at);
void records_frame(struct run *r, uint64_t now_us, const char *bus, const struct bus_frame *f);
/* What a run in real time notes at its beginning, seconds and microseconds: its time 0, which all other
 * records count from, on the clock of can.log. */
#define RECORDS_ZERO "time 0 is %" PRIu64 ".%06" PRIu64 " on the clock of can.log"
void records_note_clock(struct run *r);
/* How much of a component of this class is to be heard: all with --bytes, else what apdu.log and dk.log keep.
 */
enum tap_depth records_want(const struct run *r, const struct component_class *class);
/* A line of bytes.jsonl, as docs/bytes.schema.json describes it. */
#define RECORDS_BYTES_SCHEMA 1
/* And of apdu.log, at the reader's end: "    12.345 ms  wcp card1 > 00a4...", which `spaaksim apdu` reads. */
#define RECORDS_APDUS "apdu.log"
/* And of dk.log, at both ends of Bluetooth LE (sim/run/dk_log.h), which `spaaksim dk` reads. */
#define RECORDS_DK "dk.log"
void records_tap(struct run *r, const struct tap_event *e);
/* Is there a folder with records of this run? */
bool records_are_kept(const struct run *r);
/* Its descriptor, which stays the run's; -1: there is none. */
int records_folder(const struct run *r);
/* Prints what is old enough to stand in order; when more is due. */
void records_pump(struct run *r, uint64_t now_us);
uint64_t records_due_us(const struct run *r);
/* Everything that was heard is in the files: trace.jsonl is written, the others are flushed. What could not
 * be written is a failure. */
void records_settle(struct run *r);
double records_clock_ms(void);
/* The verdict for CI, and how long the run took. False and a failure when it could not be written. */
bool records_report(struct run *r, uint64_t now_us);

/* A folder inside that of the records, where no earlier run has left anything. False and a failure. */
bool records_inside(struct run *r, const char *name, unsigned mode);
/* The one with the records of the life before, which the past makes itself. */
#define RECORDS_PAST   "past"
#define RECORDS_LOGS   "logs"
#define RECORDS_STORES "stores"
/* out/pp01 -> out/pp01/<file>. */
void records_path(const struct run *r, const char *file, char *out, size_t cap);

#define RECORD_MAX 256000000ull /* bytes of a log, unless told otherwise */

struct report_row {
    char label[96], world[12], detail[RUN_FAILURE_TEXT];
    enum verdict verdict;
    double seconds;   /* by the clock on the wall, as the console says it */
    double virtual_s; /* 0: the run had no time of its own */
    int64_t began_s;  /* since 1970 */
};
/* junit.xml, into a file that is closed. False and errno when it could not be written. */
bool report_write_junit(FILE *f, const struct report_row *rows, size_t n);

#endif

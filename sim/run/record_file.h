/* One file of a run's records, written line by line: no longer than it may be, and whole. */
#ifndef sim_run_record_file_h
#define sim_run_record_file_h

#include <stdio.h>

#include "sim/run/run.h"

struct record_file {
    const char *name; /* NULL: this run does not keep it */
    FILE *f;
    uint64_t bytes, written; /* asked for; and really, so that its end is known */
    bool full, broken;       /* broken: some of it could not be written, and that was said */
};

/* False and a failure when it cannot be made. */
bool record_file_open(struct run *r, struct record_file *k, const char *name);
void record_file_close(struct record_file *k);
/* May so much more be written? What a record leaves out is said in the trace. */
bool record_file_has_room(struct run *r, struct record_file *k, uint64_t now_us, size_t len);
void record_file_print(struct record_file *k, const char *format, ...) __attribute__((format(printf, 2, 3)));
void record_file_print_hex(struct record_file *k, struct span bytes);
/* What could not be written is a failure. */
void record_file_check(struct run *r, struct record_file *k, bool flush);
/* So is a file that somebody else has changed, or taken away. */
void record_file_look(struct run *r, const struct record_file *k);
void record_file_say_broken(struct run *r, const char *name, int error);

#endif

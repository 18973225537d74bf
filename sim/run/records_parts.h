/* Between the parts of the records (records.h): files, console. */
#ifndef sim_run_records_parts_h
#define sim_run_records_parts_h

#include "sim/run/apdu_hex.h"
#include "sim/run/dk_console.h"
#include "sim/run/dk_log.h"
#include "sim/run/record_file.h"

struct records {
    int folder, logs;                         /* descriptors, -1: not open */
    struct record_file can, bytes, apdus, dk; /* apdus: of a run that has a reader; dk: that has Bluetooth */
    struct dk_log air;
    struct dk_console *messages; /* for the console, and */
    struct apdu_hex *hex;        /* APDUs; NULL: not wanted */
    size_t printed;              /* events before this one are on the console */
};

/* console.c: the lines up to that time. */
void records_print_until(struct run *r, uint64_t time_us);

#endif

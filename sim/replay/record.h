/* What a run has left of the talk on its links, read back: apdu.log, dk.log, can.log (or any log of
 * candump -L), and trace.jsonl for what people did and when a reader's field changed. Every line is checked;
 * a file that is not whole is refused with its line. */
#ifndef sim_replay_record_h
#define sim_replay_record_h

#include "lib/ble/words.h"
#include "lib/can/frame.h"
#include "lib/env/component.h"

#define RECORD_FILE_MAX 67108864 /* bytes of one file */
#define RECORD_LINE_MAX 9000 /* characters: an APDU of NFC_APDU_MAX bytes in hex, and what stands before */
#define RECORD_FILES    4
#define RECORD_PROBLEM  400

enum record_kind {
    RECORD_COMMAND, /* reader to card */
    RECORD_ANSWER,  /* card to reader */
    RECORD_FRAME,   /* ended on a bus */
    RECORD_LEAVES,  /* an SDU, to the link */
    RECORD_REACHES, /* an SDU, from the link */
    RECORD_TELLS,   /* words to the radio */
    RECORD_HEARS,   /* its news */
    RECORD_CALL,    /* a person's, to a component */
    RECORD_FIELD    /* of a reader: on or off */
};

struct record_item {
    enum record_kind kind;
    uint64_t time_us;               /* as the file says it; of frames since the world's time 0 */
    unsigned line;                  /* of its file, from 1 */
    const char *file;               /* the name it was read under; the caller's */
    char who[ENV_NAME_MAX];         /* reader, bus, component */
    char what[ENV_NAME_MAX];        /* card, call, other end of a link; "on", "off" */
    struct span bytes;              /* of an APDU, of an SDU; the record's */
    bool outside;                   /* CALL: asked of somebody who was played from outside */
    char reader[ENV_NAME_MAX];      /* CALL: of its parameters; "": none */
    const char *words;              /* TELLS, HEARS: as the file has them; the record's */
    enum err refused;               /* TELLS, LEAVES: what the radio said to it */
    char address[BLE_ADDRESS_TEXT]; /* of a link; "" of the radio itself */
    struct bus_frame frame;
};

struct record {
    struct record_item *items; /* in the order of their times, equal ones as they were read */
    size_t count, cap;
    uint8_t *blocks[RECORD_FILES]; /* what bytes point into */
    size_t files;
    char trace_path[1000];          /* what items of the trace have for their file */
    bool apdus, frames, air, trace; /* air: Bluetooth LE */
    bool foreign_clock; /* frames were recorded by another clock than a virtual world's: they begin at 0 */
    uint64_t
        foreign_us; /* what that clock said with the first of them; 0: several files, that have several */
    unsigned foreign_files;
};

/* Reads a file into *r, zeroed before the first. `epoch_us`: the clock of a virtual world at its time 0.
 * False and a sentence with file and line. */
bool record_read(struct record *r, const char *path, int64_t epoch_us, char problem[RECORD_PROBLEM]);
/* The same of bytes that were a file of that name, which stays the caller's. */
bool record_read_bytes(struct record *r, const char *name, struct span bytes, int64_t epoch_us,
                       char problem[RECORD_PROBLEM]);
/* Reads what stands in the trace.jsonl of r->trace_path; a file that is not there is no problem. Frames of
 * real time are put where they belong, if it says what their clock said at its time 0; else what it has is
 * left out, since nobody knows when that was. */
bool record_read_trace(struct record *r, char problem[RECORD_PROBLEM]);
/* When all are read: into the order of their times. */
void record_sort(struct record *r);
void record_free(struct record *r);

#endif

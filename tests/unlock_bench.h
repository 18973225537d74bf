/* A SpaaK Module on a bench whose key is the rig's: the test plays both NFC readers, the phone is the rig's,
 * and so is the body controller, which takes what it must. */
#ifndef tests_unlock_bench_h
#define tests_unlock_bench_h

#include "lib/can/isotp.h"
#include "lib/msg/cabin.h"
#include "lib/msg/reader.h"
#include "tests/pairing_rig.h"
#include "tests/support.h"

#define UNLOCK_WAITING 8 /* messages of a reader that are not yet on the bus */

struct unlock_reader {
    struct isotp tp;
    uint8_t rx[READER_PDU_MAX];
    uint8_t waiting[UNLOCK_WAITING][READER_PDU_MAX];
    size_t waiting_len[UNLOCK_WAITING], waits;
    bool field, silent; /* silent: nothing that it says comes */
    uint8_t polled;     /* number of the last POLL or REPOLL */
    uint8_t select[32];
    size_t select_len, selects, apdus;
    size_t lifted_at;  /* the phone is taken away when this APDU comes, from 1 on; 0: never */
    unsigned delay_ms; /* passes before each answer to an APDU */
};

struct unlock_bench {
    struct bench b; /* first */
    struct rig *rig;
    struct unlock_reader readers[READER_PLACES];
    int phone; /* enum reader_place; -1: nowhere */
    struct cabin_bcm_status bcm;
    bool bcm_speaks, bcm_is_deaf; /* deaf: commands do not come */
    struct cabin_answer user;     /* what the body controller proves; here and on to begin with */
    bool asked;
    uint8_t challenge[CABIN_CHALLENGE];
    uint8_t alive, status_alive, request_alive, body_key[CMAC_KEY];
    struct cabin_heard heard;
    size_t commands, refused; /* that the body controller took, and did not */
    struct cabin_command last;
    size_t notices[CABIN_NOTICES];
    /* hears each SDU over Bluetooth; it may answer at once */
    void (*on_sdu)(struct span sdu);
    int signal_dbm;       /* as the radio hears each phone: -59, one metre; 0: it does not say */
    char measured[4][20]; /* whose signal was asked for */
    size_t measures;
    unsigned refuse_at; /* the n-th commit from now on, from 1, is refused; 0: none */
};

/* The phone was paired by the rig; tracked: and has fetched the receipt. Not started. */
struct unlock_bench *unlock_bench_new(bool tracked);
/* With the rig's present record of the key. */
void unlock_bench_start(struct unlock_bench *u);
/* From its store. */
void unlock_bench_restart(struct unlock_bench *u);
void unlock_bench_free(struct unlock_bench *u);
/* Until nobody has more to say at this time. */
void unlock_carry(struct unlock_bench *u);
/* Lays it before a reader, -1: takes it away. */
void unlock_lay(struct unlock_bench *u, int place);
/* Milliseconds pass, with BCM_Status and all that is said; whole tenths of a second. */
void unlock_pass(struct unlock_bench *u, unsigned ms);
/* Something of the body controller has changed: it says so at once. */
void unlock_tell(struct unlock_bench *u);
/* Of a key that is in the list, with the identity that the list has. */
void unlock_wish(struct unlock_bench *u, enum cabin_wish wish, uint8_t key);
/* The module's record of the key as stored; state 0: none. Not open. */
struct vehicle_key unlock_record(struct unlock_bench *u);
/* Its cyclic status, as it is. */
void unlock_status(struct unlock_bench *u, enum reader_place place);
/* It loses power, and has it again: field off, nobody selected. The phone is told of nothing else. */
void unlock_reset(struct unlock_bench *u, enum reader_place place);
/* Messages of that reader that it has not said, as somebody else on the bus. */
void unlock_forge(struct unlock_bench *u, enum reader_place place, const struct reader_report *r);
/* How often a step was traced since the last unlock_forget. */
size_t unlock_steps(const struct unlock_bench *u, const char *step, const char *detail);
void unlock_forget(struct unlock_bench *u);

#endif

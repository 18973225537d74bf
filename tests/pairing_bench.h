/* A SpaaK Module on a bench with all that owner pairing takes: the rig's authorities and its phone
 * (pairing_rig.h), a reader of the pad and a head unit that are the test's. */
#ifndef tests_pairing_bench_h
#define tests_pairing_bench_h

#include "lib/can/isotp.h"
#include "lib/card/card_chip.h"
#include "lib/ccc/records/vehicle_record.h"
#include "lib/msg/cabin.h"
#include "lib/msg/reader.h"
#include "tests/pairing_rig.h"
#include "tests/spy_store.h"
#include "tests/support.h"

#define PAIRING_NOTICES  256
#define PAIRING_QUEUE    4
#define PAIRING_SERIAL   "SPAAK00000001"
#define PAIRING_VERIFIER "0123456789abcdef"

struct pairing_bench {
    struct bench b;
    struct rig *rig;
    struct spy_store spy;
    /* the reader */
    struct isotp tp;
    uint8_t rx[512];
    bool polls, selected, here, mute; /* mute: it has heard nothing, and says nothing */
    uint8_t polled;
    struct card_chip *card; /* lies there in the place of the phone; NULL: the phone does */
    uint64_t off_until_us;  /* field off */
    uint8_t select[READER_COMMAND_MAX], answer[READER_RESPONSE_MAX];
    size_t select_len, answer_len, apdus;               /* APDU commands that reached the phone */
    uint8_t last_number, last_apdu[READER_COMMAND_MAX]; /* what the phone heard last */
    size_t last_len, last_apdu_len, polls_heard, offs_heard;
    uint8_t alive;
    /* at that APDU, counted from 0, in the place of an answer */
    enum pairing_trouble { PAIRING_NO_TROUBLE, PAIRING_LIFTED, PAIRING_REFUSED, PAIRING_LOST_WORD } trouble;
    size_t trouble_at;
    enum err refusal;
    bool troubled;
    struct {
        size_t len;
        uint8_t bytes[READER_PDU_MAX];
    } queue[PAIRING_QUEUE]; /* reports still to be said */
    size_t queued;
    bool carrying;
    /* the head unit */
    struct cabin_notification notices[PAIRING_NOTICES];
    size_t notice_count;
    size_t commands; /* to the body controller */
    struct cabin_heard heard;
    uint8_t hu_alive, bcm_alive;
    /* the body controller */
    struct cabin_answer user;
    bool bcm_is_mute; /* answers nothing */
    size_t asks;
    uint8_t challenge[CABIN_CHALLENGE];      /* the last */
    struct bus_frame answers[PAIRING_QUEUE]; /* still to be said */
    size_t answer_count;
};

/* With verifiers of RIG_PASSWORD, which the phone has; it does not lie on the pad. */
void pairing_open(struct pairing_bench *p);
void pairing_close(struct pairing_bench *p);
/* Another life with the same store; the bus and the phone were up all the time. */
void pairing_restart(struct pairing_bench *p);
/* The next life of a module that a transaction has ended. */
bool pairing_is_dead(const struct pairing_bench *p);

/* Ignition on and a key fob there, as the body controller says every 100 ms. */
void pairing_bcm_says(struct pairing_bench *p, bool ignition, bool fob);
/* All that it says. */
void pairing_bcm(struct pairing_bench *p, const struct cabin_bcm_status *s);
void pairing_wish(struct pairing_bench *p, enum cabin_wish wish);
/* Its answer to a challenge, under the key that both ends have; to be given or changed. */
struct bus_frame pairing_answer(struct pairing_bench *p, const uint8_t challenge[CABIN_CHALLENGE],
                                bool ignition, bool fob);
void pairing_place(struct pairing_bench *p);
void pairing_lift(struct pairing_bench *p);
/* The store has a key that was terminated, of a phone that has never come to hear it; slot: of its
 * identifier. Its name in the store. Known to the module's next life. */
void pairing_put_ended(struct pairing_bench *p, unsigned slot, char name[VEHICLE_RECORD_NAME_MAX]);
/* What the reader says every 500 ms. */
void pairing_reader_status(struct pairing_bench *p, uint8_t flags);
/* Any report, as if the reader had said it. */
void pairing_report(struct pairing_bench *p, const struct reader_report *r);
/* Time goes on, the reader's status with it. */
void pairing_run_ms(struct pairing_bench *p, unsigned ms);
/* Until nobody has more to say; pairing_run_ms and the others do it. */
void pairing_carry(struct pairing_bench *p);

enum cabin_notice pairing_said(const struct pairing_bench *p); /* the last; 0: nothing */
bool pairing_stored(struct pairing_bench *p, const char *key);
/* The vehicle's record of the phone's key is active, and both have the same secrets. NULL, or what is not so.
 */
const char *pairing_fault(struct pairing_bench *p);

#endif

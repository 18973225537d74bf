/* A diagnosed ECU for tests: the SpaaK Module's tables of sessions, identifiers, routines and trouble codes,
 * with stand-ins behind them, a store that can refuse or lose power at each commit, and virtual time.
 *
 * Data that begin with 30 stand for a certificate. A key pair takes 300 ms to make, a test of the readers
 * 11 s. A reset takes the ECU down 60 ms after its answer; it boots for 200 ms, as after a power cut. */
#ifndef tests_uds_ecu_h
#define tests_uds_ecu_h

#include "lib/uds/uds_server.h"

#define UDS_ECU_VIN      17
#define UDS_ECU_ANCHORS  5
#define UDS_ECU_ANSWERS  64
#define UDS_ECU_RESET_MS 60
#define UDS_ECU_BOOT_MS  200
#define UDS_ECU_SERIAL   "SPAAK00000001"

enum uds_ecu_life { UDS_ECU_OPEN = 1, UDS_ECU_LOCKED = 2, UDS_ECU_FINISHED = 3 };

/* All that outlives a power cut. */
struct uds_ecu_data {
    enum uds_ecu_life life;
    uint8_t vin[UDS_ECU_VIN];
    uint16_t timeout_s;
    uint8_t anchors[UDS_ECU_ANCHORS][SHA256_SIZE]; /* digests; zeros: the slot is empty */
    uint8_t identity[SHA256_SIZE];
    bool key_pair;
    struct uds_stored uds;
};

struct uds_ecu_answer {
    uint64_t at_us;
    size_t len;
    uint8_t bytes[UDS_ANSWER_MAX];
};

struct uds_ecu_bench {
    const struct uds_ecu *table; /* uds_ecu_spaak, unless changed before power on */
    struct crypto *crypto;
    struct uds_server server;
    struct uds_ecu_data kept, live;
    uint64_t now_us;
    uint64_t boot_us; /* UDS_NEVER: it is on */
    struct {
        uint16_t routine; /* 0: none goes on */
        uint32_t ticket;
        uint64_t due_us;
    } work;
    bool csr_made;
    /* The n-th commit from now, counted from 1: refused, or power is lost in it. */
    unsigned commits, refuse_at, cut_at;
    bool cut_keeps; /* power is lost just after it was kept, else just before */
    bool dead;      /* power was lost inside a call: whatever the server still says is lost */
    struct uds_ecu_answer answers[UDS_ECU_ANSWERS];
    size_t answered, read; /* so many came, so many of them were looked at */
};

extern const struct uds_ecu uds_ecu_spaak;
extern const uint8_t uds_ecu_secret[UDS_SECRET]; /* M */

/* Empty, in the first life, two trouble codes stored; not yet switched on. */
void uds_ecu_open(struct uds_ecu_bench *b, struct crypto *c);
void uds_ecu_power_on(struct uds_ecu_bench *b);
/* The struct is thrown away; it boots from what was kept. */
void uds_ecu_cut(struct uds_ecu_bench *b);
void uds_ecu_send(struct uds_ecu_bench *b, enum uds_addressing a, struct span pdu);
/* Time passes; what comes is put among the answers. */
void uds_ecu_run_until(struct uds_ecu_bench *b, uint64_t us);
/* Until so many answers wait to be read, at most this long. */
void uds_ecu_run_for_answers(struct uds_ecu_bench *b, size_t n, uint64_t most_us);
/* The next that nobody has read, or NULL. */
const struct uds_ecu_answer *uds_ecu_answer(struct uds_ecu_bench *b);
/* What a tester that has M answers to the seed of this level. */
void uds_ecu_key(struct uds_ecu_bench *b, uint8_t level, const uint8_t seed[UDS_SEED], uint8_t key[UDS_KEY]);

/* Of the tables: a routine that goes on has come to its end. */
void uds_ecu_work_done(struct uds_ecu_bench *b);

#endif

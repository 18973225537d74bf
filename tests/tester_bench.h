/* The tester of sim/actors/tester on a bench, with vehicles that are models: an SGW and a SpaaK Module each,
 * no more of them than RP-01 and RP-02 need, that answer from what they hold. The PKI is the real one. One
 * frame goes each way in a millisecond, so that a tester can be killed between any two. */
#ifndef tests_tester_bench_h
#define tests_tester_bench_h

#include "lib/can/isotp.h"
#include "tests/line.h"

#define TESTER_BENCH_VEHICLES 3
#define TESTER_BENCH_MESSAGE  2048
#define TESTER_BENCH_LOG      400
#define TESTER_BENCH_SWAPS    4
#define TESTER_BENCH_QUEUE    512

/* An answer in place of the right one; text NULL: none at all. */
struct swapped {
    const char *request; /* hex of how the request begins */
    const char *answer;  /* hex */
    unsigned times;      /* 0: for ever */
    unsigned bench;      /* from 0 */
};

struct model {
    struct model_channel {
        struct isotp tp;
        uint8_t rx[TESTER_BENCH_MESSAGE], tx[TESTER_BENCH_MESSAGE];
    } sgw, module;
    char serial[14], sgw_serial[14];
    bool gate_open;
    struct p256_key *claimed; /* of the tester's certificate */
    uint8_t session, level, life;
    uint8_t anchors[5][SHA256_SIZE]; /* of what is installed */
    struct p256_key *key;
    uint8_t csr[CSR_MAX], identity[SHA256_SIZE];
    size_t csr_len;
    unsigned keys_made, csrs_made, proofs;
    bool dead;
};

struct tester_bench {
    struct bench tester, pki;
    bool pki_away;  /* hears nothing */
    size_t flip_at; /* from 1: that byte of the PKI's next answer is another; 0: none */
    struct model models[TESTER_BENCH_VEHICLES];
    struct bench_sent queue[TESTER_BENCH_QUEUE];
    size_t head, tail;
    uint32_t noise; /* not 0: one answer in 16 is cut short or has another byte, by this seed */
    struct swapped swaps[TESTER_BENCH_SWAPS];
    char frames[64][BUS_TEXT_MAX]; /* the first of the tester's, as candump writes them */
    size_t frame_count;
    char log[TESTER_BENCH_LOG][2 * 48 + 8]; /* requests: identifier and the first 48 bytes in hex */
    size_t logged;
    uint64_t settings[4];
};

/* With the first `registered` serials on the PKI's list, and `made` from SPAAK00001001 on. */
void tester_bench_open(struct tester_bench *m, unsigned made);
void tester_bench_close(struct tester_bench *m);
/* Values in the order of the call's parameters. */
enum err tester_bench_call(struct tester_bench *m, const char *call, uint64_t a, uint64_t b, uint64_t c);
void tester_bench_step(struct tester_bench *m);
/* Until a note of the tester begins so, or that many milliseconds have passed; false then. */
bool tester_bench_until(struct tester_bench *m, const char *note, unsigned long ms);
/* The tester loses what it has not committed, and begins its next life. */
void tester_bench_kill(struct tester_bench *m);
/* "key key key" of the tester's store. */
void tester_bench_keys(struct tester_bench *m, char *out, size_t cap);

#endif

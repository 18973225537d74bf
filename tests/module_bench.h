/* A SpaaK Module on a bench with a tester at its diagnostics, in virtual time, and a store that can refuse or
 * lose power at each commit. What is asked and answered is text; steps are apart by "; ".
 *
 *   22F186 > 62F18601                 a request and its answers (apart by ","; "*" at the end: and more)
 *   all 3E80 > -                      to all; "-": none
 *   B 31010310                        sent, nothing awaited
 *   31010303 01 {J} > 7101030300      {name}: a certificate: of the plant's authorities, or one put by the
 * test level 61                          opens it wrong 01                          tries it with a wrong key
 *   wait 500 > 7F3178                 milliseconds pass, and just these answers come
 *   tbm 3; pad; door                  their cyclic messages, the TBM's with these flags
 *   cut                               power is lost; it boots */
#ifndef tests_module_bench_h
#define tests_module_bench_h

#include "tests/support.h"
#include "tests/tester.h"

#define MODULE_SERIAL "SPAAK00000001"
#define MODULE_BLOBS  24
#define MODULE_CSR    400

/* What the plant does, for steps: session and level, the five anchors, and so on. LOCK and DONE end before
 * the answer. */
#define MODULE_OPEN "1060 > 5060*; level 61"
#define MODULE_ANCHORS                                                                      \
    "3101030301{J} > 7101030300; 3101030302{J1} > 7101030300; 3101030303{J_PhysicalKey} > " \
    "7101030300; 3101030304{Z1} > 7101030300; 3101030305{ZZ2} > 7101030300"
#define MODULE_LOCK "310103054C4F434B > "
#define MODULE_DONE "31010305444F4E45 > "
#define MODULE_KEY  "31010301 > 7F3178,7101030100"

struct module_blob {
    char name[24];
    uint8_t bytes[X509_MAX + 16];
    size_t len;
};

struct module_bench {
    struct bench b;
    struct tester tester;
    struct module_blob blobs[MODULE_BLOBS];
    size_t blob_count;
    uint8_t alive[3];
    size_t others; /* frames that were no answers of diagnostics */
    char why[400];
    /* The n-th commit from now on, from 1; 0: none. */
    unsigned commits, refuse_at, cut_at;
    bool cut_keeps; /* power is lost behind it, else before */
};

/* With what the plant gives before the first life; finished: and with what it leaves. */
struct module_bench *module_open(bool finished);
void module_close(struct module_bench *m);
/* Power is back. */
enum err module_boot(struct module_bench *m);
/* What follows from the commits so far is not counted any more. */
void module_count_commits(struct module_bench *m);
/* True when all came as it stands there; else `why` says what did not. */
bool module_play(struct module_bench *m, const char *steps);
#define PLAY(m, ...) cr_assert(module_play(m, __VA_ARGS__), "%s", (m)->why)
/* Bytes for {name}; a name that there is gets others. */
void module_blob(struct module_bench *m, const char *name, struct span bytes);
/* The bytes of {name}. */
struct span module_bytes(struct module_bench *m, const char *name);
/* One request; the last answer, or NULL. */
const struct tester_answer *module_ask(struct module_bench *m, struct span pdu);
/* A message that is not of diagnostics arrives on a channel. */
void module_message(struct module_bench *m, enum matrix_message row, struct span bytes);
/* What the store holds; NULL: nothing. Good until the fourth call after it. */
struct span module_stored(struct module_bench *m, const char *key);
/* The request is refused for that reason, and leaves no transaction. */
void module_expect_refusal(struct module_bench *m, const char *name, const char *request, enum err reason);
/* How often a step was traced. */
size_t module_steps(const struct module_bench *m, const char *step);
/* Made by the plant for the module's present key pair, at `now_s`; put as {identity}. */
void module_certify(struct module_bench *m, int64_t now_s);

#endif

/* The phone as a component on a bench, before the vehicle of the rig: each APDU of the vehicle's end of
 * lib/ccc enters by the phone's NFC port. The test plays its device OEM's server and the key tracking server.
 * The phone dies, and its store refuses, where a test says; then it begins a new life, is laid before the
 * reader again, and goes on from its store. */
#ifndef tests_handset_bench_h
#define tests_handset_bench_h

#include "sim/actors/phone/phone_parts.h"
#include "tests/pairing_rig.h"
#include "tests/spy_store.h"
#include "tests/support.h"

struct handset_bench {
    struct bench b; /* first */
    struct rig *rig;
    struct spy_store *store; /* the bench's */
    const char *reader;      /* where it lies */
    size_t apdus, dies_at;   /* counted from 1: before that one it dies; 0: never */
    bool fired;              /* it did */
    size_t lives;
    char shown[PHONE_SHOW_RADIO + 1][ENV_TEXT_MAX]; /* lately, by line */
};

/* A phone that has been through phase 0 and lies before the reader, in its field. */
struct handset_bench *handset_bench_new(void);
void handset_bench_free(struct handset_bench *h);
/* Without phase 0; not started. */
struct handset_bench *handset_bench_prepare(void);

struct phone *handset_phone(struct handset_bench *h);
/* A call; what it was refused for. */
enum err handset_call(struct handset_bench *h, const char *name, uint64_t number, const char *text);
void handset_type_password(struct handset_bench *h);
/* The last thing that it showed there since it was made. */
const char *handset_shown(struct handset_bench *h, const char *line);
/* What the reader does, and the user. */
void handset_lay(struct handset_bench *h, const char *reader);
void handset_field(struct handset_bench *h, bool on);
/* A new life. */
void handset_restart(struct handset_bench *h);
/* One command; the length of the answer, 0: none came. */
size_t handset_say(struct handset_bench *h, const char *hex, uint8_t answer[APDU_RESPONSE_MAX]);
uint16_t handset_status(struct handset_bench *h, const char *hex);

/* The server of phase 0: answers the request that the phone has sent last. */
enum handset_forgery {
    HANDSET_HONEST,
    HANDSET_OTHER_KEY,  /* [E] is of another key */
    HANDSET_OTHER_NAME, /* of another name */
    HANDSET_OTHER_ROOT, /* [F] is signed by another root */
    HANDSET_NO_JSON,
    HANDSET_FORGERIES
};
void handset_certify(struct handset_bench *h, enum handset_forgery how);
bool handset_certified(struct handset_bench *h);

/* The steps of a key's life, to be tried again as docs/ccc.md says. */
enum err handset_pair(struct rig *r);
enum err handset_track(struct rig *r);
enum err handset_unlock(struct rig *r);
enum err handset_unlock_fast(struct rig *r);
/* Nothing secret stands in what was traced and shown so far, which is then forgotten. */
void handset_expect_silence(struct handset_bench *h);

#endif

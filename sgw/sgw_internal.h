/* What the files of the Security Gateway share. */
#ifndef sgw_sgw_internal_h
#define sgw_sgw_internal_h

#include "lib/msg/diagnostic.h"
#include "lib/pki/x509.h"
#include "sgw/sgw.h"

#define SGW_ANCHOR_J  "anchor/J"  /* of the plant */
#define SGW_ANCHOR_J1 "anchor/J1" /* of the plant: above testers */
#define SGW_REVOKED   "revoked/"  /* and the certificate's SHA-256 in hex */

enum { SGW_TIMER_REPORT, SGW_TIMER_TBM, SGW_TIMER_DIAGNOSTIC_CHANNEL, SGW_TIMER_DIAGNOSTIC };
enum { SGW_SHOW_GATE };

/* Rate of one row: a bucket of `burst` frames that refills at `per_second`. */
struct bucket {
    uint64_t full_at_us; /* when the bucket is full again */
};

#define DROP_ROWS 32 /* identifiers told apart between two reports */

/* Frames dropped since the last report. */
struct drop {
    uint32_t id;
    bool extended;
    enum segment segment;
    enum err reason;
    uint32_t count;
};

#define DROP_REASONS 7

struct drops {
    struct drop rows[DROP_ROWS];
    size_t count;
    uint32_t others[SEGMENTS][DROP_REASONS]; /* of identifiers that found no row: counted under none */
    bool report_due;
    uint32_t total[SEGMENTS]; /* since the SGW is up */
};

/* As DID 0251 tells it. */
enum role { ROLE_NONE = 0, ROLE_EOL = 1, ROLE_WORKSHOP = 2 };

#define GATE_CHALLENGE 32

/* A tester by its certificate. */
struct tester {
    enum role role;
    uint8_t digest[SHA256_SIZE];
    uint8_t public_key[P256_POINT];
};

struct gate {
    bool open;
    struct tester tester;  /* who is authenticated; zeros: nobody */
    struct tester claimed; /* whose certificate was good and whose proof is awaited */
    uint8_t challenge[GATE_CHALLENGE];
    unsigned wrong_proofs; /* since the last right one */
    uint64_t answers_until_us[MATRIX_MESSAGES];
};

struct sgw {
    struct env *env;
    char serial[33]; /* of its vehicle */
    struct bucket buckets[MATRIX_MESSAGES];
    struct drops drops;
    struct gate gate;
    struct diagnostic diagnostic;
};

/* sgw.c: the TBM's status is awaited from now on. */
void sgw_watch_tbm(struct sgw *g);

/* drops.c: frames that are dropped are counted, and summed up in the trace. */
void drops_count(struct sgw *g, enum segment from, const struct bus_frame *f, enum err reason);
void drops_on_timer(struct sgw *g);

/* gate.c: what crosses the SGW of diagnostics. Open exactly while the SGW's own server is in session 03 and
 * has authenticated a tester. */
void gate_update(struct sgw *g);
/* May this frame of a row of diagnostics cross? ERR_BUS_GATE_CLOSED, ERR_BUS_ROLE, ERR_BUS_NO_REQUEST. One
 * that may is remembered: answers to it may cross, too. */
enum err gate_pass(struct sgw *g, const struct matrix_row *row, const struct bus_frame *f);

/* authentication.c: 29, the tester's certificate and its proof. */
enum uds_nrc authentication_certificate(void *sgw, uint8_t configuration, struct span certificate,
                                        struct span challenge, uint32_t ticket, struct wr *challenge_server);
enum uds_nrc authentication_proof(void *sgw, struct span proof, struct span ephemeral, uint32_t ticket,
                                  struct wr *key_info);
void authentication_forget(struct sgw *g);

/* diagnostics.c */
enum err sgw_diagnostics_init(struct sgw *g);
/* Somebody on the diagnostic segment sends what it must not, or too much. */
void sgw_diagnostics_on_flood(struct sgw *g);
/* After each frame for the server: have proofs been wrong? */
void sgw_diagnostics_on_proofs(struct sgw *g);
void sgw_diagnostics_on_tbm(struct sgw *g, bool silent);

#endif

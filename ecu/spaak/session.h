/* Inside session.c and session_begin.c: one session with the phone at a reader. Allocated for its time. */
#ifndef ecu_spaak_session_h
#define ecu_spaak_session_h

#include "ecu/spaak/pairing.h"
#include "lib/ccc/vehicle/vehicle_pairing.h"

struct session {
    enum session_kind kind;
    bool over_radio;
    bool of_pairing;   /* who is told of its end: the pairing, or unlock.c */
    bool heard;        /* a phone has answered SELECT */
    uint64_t heard_us; /* and when */
    bool absent;       /* it was heard, and has not come back since the field was off */
    bool stored;       /* PAIRING: came to STORE_KEY */
    bool lacks_slots;  /* TRANSACTION: entries of its slot list are free */
    bool closing;      /* PAIRING: only the abort is still to be said */
    enum err closes;   /* why */
    int traced;        /* state of the protocol whose milestone stands in the trace */
    unsigned gap_ms;   /* field off before the next SELECT */
    enum vehicle_phase phase;
    uint8_t sent[READER_COMMAND_MAX]; /* the last command, should the bus have lost it */
    size_t sent_len;
    /* what the configurations borrow */
    struct p256_key *vehicle_key;
    uint8_t certificate[X509_MAX], attestation[ATTESTATION_MAX];
    size_t certificate_len;
    struct spake2p_verifier_set verifier;
    uint8_t known[SPAAK_KEYS][P256_POINT], kts_pk[P256_POINT];
    uint8_t tokens[MAILBOX_SLOTS * SPAAK_TOKEN];
    struct spaak_anchor physical; /* CARD */
    struct vehicle_pairing_config pairing_config;
    struct vehicle_finish_config finish_config;
    struct vehicle_transaction_config transaction_config;
    union {
        struct vehicle_pairing pairing;
        struct vehicle_finish finish;
        struct vehicle_transaction transaction;
        struct card_check card;
    } protocol;
};

/* Hands it over; its first step is done. */
void session_start(struct spaak *s, enum spaak_place place, struct session *n, struct vehicle_step first);
/* card.c: of SESSION_CARD. */
struct vehicle_step card_session_input(struct session *n, struct span answer);
struct vehicle_step card_session_lost(void);
void card_session_progress(struct spaak *s, struct session *n);
/* What a session goes by when the phone comes, however long that took. */
void session_set_time(struct session *n, int64_t now_s);

#endif

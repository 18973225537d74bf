/* What the files of the SpaaK Module share. */
#ifndef ecu_spaak_spaak_internal_h
#define ecu_spaak_spaak_internal_h

#include "ecu/spaak/pairing_types.h"
#include "ecu/spaak/spaak.h"
#include "lib/ccc/spake2p.h"
#include "lib/env/isotp_port.h"
#include "lib/msg/diagnostic.h"
#include "lib/msg/requester.h"
#include "lib/pki/csr.h"

enum { SPAAK_PORT_BODY, SPAAK_PORT_RADIO };
enum spaak_channel { SPAAK_VOS, SPAAK_GSDP, SPAAK_CHANNELS };
/* Whose cyclic message is waited for. */
enum spaak_sender { SPAAK_SENDER_TBM, SPAAK_SENDER_PAD, SPAAK_SENDER_DOOR, SPAAK_SENDERS };
enum spaak_hearing { SPAAK_NOT_JUDGED, SPAAK_HEARD, SPAAK_SILENT };
/* Routines of diagnostics. */
enum spaak_rid {
    SPAAK_RID_KEY = 0x0301,
    SPAAK_RID_CSR,
    SPAAK_RID_ANCHOR,
    SPAAK_RID_IDENTITY,
    SPAAK_RID_CLOSE,
    SPAAK_RID_READERS = 0x0310
};
/* The first timers are the channels' own. */
enum {
    SPAAK_TIMER_PROVISIONING = SPAAK_CHANNELS,
    SPAAK_TIMER_VERIFIERS,
    SPAAK_TIMER_TBM,
    SPAAK_TIMER_SILENT, /* of the first sender; the others' follow */
    SPAAK_TIMER_ROUTINE = SPAAK_TIMER_SILENT + SPAAK_SENDERS,
    SPAAK_TIMER_READER,                                     /* ISO-TP, one for each place */
    SPAAK_TIMER_ANSWER = SPAAK_TIMER_READER + SPAAK_PLACES, /* of a reader */
    SPAAK_TIMER_PAIRING_MODE = SPAAK_TIMER_ANSWER + SPAAK_PLACES,
    SPAAK_TIMER_OWNER_PAIRING,
    SPAAK_TIMER_NEXT_PHASE,
    SPAAK_TIMER_LOOK,
    SPAAK_TIMER_STATUS, /* of the cabin */
    SPAAK_TIMER_BCM,
    SPAAK_TIMER_KEYS,
    SPAAK_TIMER_USER, /* whether a key fob is there */
    SPAAK_TIMER_PASS_REPORT,
    SPAAK_TIMER_MANAGE,
    SPAAK_TIMER_LINK, /* one for each link, and the private address */
    SPAAK_TIMER_NEAR = SPAAK_TIMER_LINK + SPAAK_LINKS + 1,
    SPAAK_TIMER_DIAGNOSTIC_CHANNEL,
    SPAAK_TIMER_DIAGNOSTIC
};
enum {
    SPAAK_SETTING_RETRY_MS,
    SPAAK_SETTING_BACK_OFF_MS,
    SPAAK_SETTING_PAIRING_MODE_MS,
    SPAAK_SETTING_OWNER_PAIRING_MS,
    SPAAK_SETTING_KTS_MS,
    SPAAK_SETTING_KTS_LOOP_MS,
    SPAAK_SETTING_UNLOCK_MS,
    SPAAK_SETTING_KEY_S,
    SPAAK_SETTING_CARD_KEY_MS,
    SPAAK_SETTING_BLE_UNLOCK_MS,
    SPAAK_SETTING_BLE_UNLOCK_DBM,
    SPAAK_SETTING_BLE_START_DBM
};
enum {
    SPAAK_CLAIM_K,
    SPAAK_CLAIM_VERIFIERS,
    SPAAK_CLAIM_OWNER_KEY,
    SPAAK_CLAIM_AUTHENTICATED,
    SPAAK_CLAIM_KEY,
    SPAAK_CLAIM_CARD,
    SPAAK_CLAIM_KEY_STATE,
    SPAAK_CLAIM_BOND
};

/* A provisioning state is named after what it waits for. */
enum provisioning_state {
    PROVISIONING_WAIT_TBM,         /* the TBM's word that GSDP can be reached */
    PROVISIONING_WAIT_DRM_UUID,    /* SP-02/3 */
    PROVISIONING_WAIT_SUBJECT_ID,  /* PP-01/6 */
    PROVISIONING_WAIT_CERTIFICATE, /* PP-01/13 */
    PROVISIONING_WAIT_ACK,         /* PP-01/18 */
    PROVISIONING_WAIT_BACK_OFF,    /* the time of the next attempt */
    PROVISIONING_DONE,
    PROVISIONING_STATES
};

#define SPAAK_KEY_REPORT 12 /* state, cause, time of the server's word in 8 bytes, reason in 2 */

/* What has become of keys, and the VOS is told: one at a time. */
struct spaak_manage {
    bool due; /* something was put, or can be told now */
    uint8_t key_id[ENDPOINT_KEY_ID], sent[SPAAK_KEY_REPORT];
    struct requester requester;
};

/* SP-02 and PP-01. */
struct provisioning {
    enum provisioning_state state;
    enum provisioning_state then; /* of the last request: what is waited for */
    bool discard_pending;         /* the VOS refused the CSR: begin again at PP-01/3 */
    struct requester requester;
};

struct spaak_anchor {
    uint8_t der[X509_MAX];
    struct x509 cert;
};

/* How far the plant has come with it, as SPAAK_PLANT_LIFE and DID 0200 have it. */
enum plant_life {
    PLANT_UNREADABLE, /* the store holds what nobody put there */
    PLANT_OPEN,
    PLANT_LOCKED, /* the anchors are there for good */
    PLANT_DONE
};

/* What a routine of diagnostics leaves between its start, its end and the transaction that keeps it. */
struct spaak_routine {
    uint16_t pending; /* the routine whose request waits for the timer; 0: none */
    uint32_t ticket;
    bool closes;        /* LOCK or DONE: its life is another */
    bool keeps_nothing; /* a verdict, or what is there already: no transaction */
    const char *step;   /* to be traced once the transaction is kept; NULL: none */
    const char *what;
    uint8_t csr[CSR_MAX]; /* RP-02/2; empty: none was made since the start */
    size_t csr_len;
    bool readers_tested;
    uint8_t readers_lost; /* 0310: bit 0 pad, bit 1 door */
};

struct spaak {
    struct env *env;
    char serial[MSG_SERIAL_MAX + 1];
    bool finished; /* DONE: anchors and identity are loaded. Before, nothing is said to anybody but testers */
    bool begins;   /* DONE was kept a moment ago */
    bool retest;   /* what the trouble codes watch may have changed */
    struct diagnostic diagnostic;
    struct spaak_routine routine;
    enum spaak_hearing hearing[SPAAK_SENDERS];
    int alive[SPAAK_SENDERS]; /* last alive counter, -1 before the first */
    struct isotp_port channels[SPAAK_CHANNELS];
    struct spaak_waiting *waiting[SPAAK_CHANNELS]; /* what a channel will carry next, the first at its head */
    struct p256_key *ecu_key;
    uint8_t ecu_certificate[X509_MAX];
    size_t ecu_certificate_len;
    struct spaak_anchor j, j1, z1;
    struct msg_cert_slot verified[4]; /* signers seen */
    uint8_t drm_uuid[MSG_UUID];
    struct requester_signer signer; /* drm_uuid there: SP-02 has run */
    bool tbm_ready;                 /* connected to GSDP and subscribed to our topic */
    struct provisioning provisioning;
    struct requester verifiers;   /* PP-02: the report of a verifier set. PP-03: the request for one */
    struct requester pass_report; /* OP-04/7 */
    struct spaak_manage manage;   /* KM-02 */
    struct spaak_keys keys;
    struct spaak_reader readers[SPAAK_ALL_PLACES]; /* of a link only the session */
    struct spaak_radio radio;
    struct pairing pairing;
    struct deletion deletion;
    struct cabin cabin;
    uint64_t retry_us, back_off_us, pairing_mode_us, owner_pairing_us, kts_us, kts_loop_us, unlock_us,
        ble_unlock_us, key_us, card_key_us; /* settings */
    uint8_t ble_dbm[CABIN_START + 1];       /* below 0, by what is wanted */
};

/* A message that has been opened and verified; only its order is still to be judged. */
struct spaak_message {
    enum spaak_channel channel;
    struct span bytes; /* as it came */
    struct msg_opened opened;
};

/* load.c: anchors and identity out of the store. An error: one of them is missing or is not what it must be.
 */
enum err load_anchor(struct spaak *s, const char *key, enum x509_profile profile, struct spaak_anchor *a);
enum err load_all(struct spaak *s);
/* Forgets and wipes them. */
void load_nothing(struct spaak *s);

/* spaak.c */
void spaak_set_tbm_ready(struct spaak *s, bool ready);
/* diagnostics has taken it down, and up again: what is in the store is all there is. */
void spaak_down(void *spaak);
void spaak_up(void *spaak);

/* senders.c: the cyclic messages of TBM and readers, and who has fallen silent. */
void senders_init(struct spaak *s);
void senders_on_frame(struct spaak *s, const struct bus_frame *f);
/* A sender's timer of silence. */
void senders_on_timer(struct spaak *s, enum spaak_sender sender);
/* The time until a sender counts as silent begins now. */
void senders_wait(struct spaak *s, enum spaak_sender sender);

/* diagnostics.c: the table of UDS and its data (docs/uds.md). */
enum err spaak_diagnostics_init(struct spaak *s);

/* plant.c: routines of RP-01 and RP-02. */
enum plant_life plant_life(struct spaak *s);
#define PLANT_SLOTS 5
/* Slots 0 to 4: J, J1, J_PhysicalKey, Z1, ZZ2. */
const char *plant_slot_key(size_t slot);
/* Says it as the module's state. */
void plant_trace_life(struct spaak *s, enum plant_life life);
bool plant_is_stored(struct spaak *s, const char *key);
/* The public half of the ECU identity. ERR_NOT_FOUND without a pair. */
enum err plant_identity_point(struct spaak *s, uint8_t out[P256_POINT]);
enum uds_nrc plant_make_key(void *spaak, const struct uds_routine_call *call, struct wr *out);
/* Its time has come. */
void plant_end_key(struct spaak *s);
enum uds_nrc plant_make_csr(void *spaak, const struct uds_routine_call *call, struct wr *out);
enum uds_nrc plant_end(void *spaak, const struct uds_routine_call *call, struct wr *out);
/* Says in the trace why a request is refused with that. */
enum uds_nrc plant_refuse(struct spaak *s, enum uds_nrc nrc, const char *routine, enum err reason,
                          const char *detail);
/* The routine's transaction was kept, or was not. */
void plant_kept(struct spaak *s, bool kept);

/* anchors.c: certificates that the plant brings, and the verdict on each. */
enum uds_nrc anchors_install(void *spaak, const struct uds_routine_call *call, struct wr *out);
enum uds_nrc anchors_install_identity(void *spaak, const struct uds_routine_call *call, struct wr *out);

/* trouble.c: trouble codes, and the readers' test. Places in the table: */
enum spaak_dtc {
    SPAAK_DTC_ANCHOR_MISSING,
    SPAAK_DTC_IDENTITY_MISSING,
    SPAAK_DTC_IDENTITY_EXPIRED,
    SPAAK_DTC_VEHICLE_MISSING,
    SPAAK_DTC_VEHICLE_EXPIRED,
    SPAAK_DTC_VERIFIERS_MISSING,
    SPAAK_DTC_PAD_LOST,
    SPAAK_DTC_DOOR_LOST,
    SPAAK_DTC_TBM_SILENT,
    SPAAK_DTCS
};
extern const uint32_t trouble_codes[SPAAK_DTCS];
/* Tests what the store and the clock say, and who is silent. */
void trouble_test(struct spaak *s);
/* What is known of a sender has been judged anew. */
void trouble_on_sender(struct spaak *s, enum spaak_sender sender);
enum uds_nrc trouble_test_readers(void *spaak, const struct uds_routine_call *call, struct wr *out);
void trouble_end_test(struct spaak *s);

/* uplink.c: messages to the servers, one after the other. */
void uplink_send(struct spaak *s, enum spaak_channel channel, struct span bytes);
/* A channel may be free again. */
void uplink_follow(struct spaak *s, enum spaak_channel channel);
/* Forgets what waits. */
void uplink_drop(struct spaak *s);

/* messages.c: between the channels and the use cases. */
void messages_on_bytes(struct spaak *s, enum spaak_channel channel, struct span bytes);
/* Says in the trace that a message was verified and is permitted now. */
void messages_trace_accept(struct spaak *s, const struct spaak_message *m, const char *step);
/* A use case's requester on our channels. ops->transmit and ops->reachable are the two below. */
void messages_requester_init(struct spaak *s, struct requester *r, unsigned timer,
                             const struct requester_ops *ops);
void messages_transmit(void *spaak, unsigned channel, struct span bytes);
bool messages_reachable(void *spaak);

/* provisioning.c. What messages.c hands it returns a reason when the message is refused. */
void provisioning_init(struct spaak *s);
void provisioning_on_tbm_ready(struct spaak *s);
enum err provisioning_on_answer(struct spaak *s, const struct spaak_message *m);
enum err provisioning_on_renew(struct spaak *s, const struct spaak_message *m);

#define SPAAK_SET_ID  16
#define SPAAK_SECRETS (P256_SCALAR + P256_POINT) /* w0 || L, as they are sealed */
#define SPAAK_SCRYPT  (SPAKE2P_SALT + 4)         /* salt || N, as they are stored */

/* A set that was opened and checked; wiped by whoever has it. */
struct verifier_set {
    uint8_t id[SPAAK_SET_ID], scrypt[SPAAK_SCRYPT], secrets[SPAAK_SECRETS];
};

typedef Spaak__V1__OpSpake2Request__Reason verifier_reason;
#define VERIFIERS_TERMINATED SPAAK__V1__OP_SPAKE2_REQUEST__REASON__REASON_OWNER_KEY_TERMINATED
#define VERIFIERS_USED_UP    SPAAK__V1__OP_SPAKE2_REQUEST__REASON__REASON_ATTEMPTS_USED_UP
#define VERIFIERS_MISSING    SPAAK__V1__OP_SPAKE2_REQUEST__REASON__REASON_MISSING

/* verifier_store.c: a set's life in the store. Each is one transaction or none, unless it says that it puts.
 */
bool verifiers_are_stored(struct spaak *s);
bool verifiers_is_stored(struct spaak *s, const uint8_t id[SPAAK_SET_ID]);
bool verifiers_is_burnt(struct spaak *s, const uint8_t id[SPAAK_SET_ID]);
/* Takes the place of whatever there was, and ends the asking for one. */
enum err verifiers_store(struct spaak *s, const struct verifier_set *set, int64_t issued_at_ms);
/* Attempts with the set in force, counted so far. */
uint8_t verifiers_attempts(struct spaak *s);
enum err verifiers_store_attempts(struct spaak *s, uint8_t attempts);
/* Deletes the set because it was used up by failures: another is wanted. */
enum err verifiers_store_burnt(struct spaak *s);
/* Deletes the set because a pairing has used it. */
enum err verifiers_store_used(struct spaak *s);
/* Puts: nothing is left of it, as if there had never been one. */
void verifiers_put_retired(struct spaak *s);
/* REASON_UNSPECIFIED: none is asked for. */
verifier_reason verifiers_wanted(struct spaak *s);
enum err verifiers_store_wanted(struct spaak *s, verifier_reason reason);
/* Claims the set when the VOS has acknowledged it. */
void verifiers_claim(struct spaak *s);

/* verifiers.c: PP-02. A set is stored before it is reported, and reported until the VOS has acknowledged it.
 */
void verifiers_init(struct spaak *s);
/* After a start: a set whose attempts a power cut has used up is deleted. */
enum err verifiers_load(struct spaak *s);
void verifiers_on_tbm_ready(struct spaak *s);
enum err verifiers_on_set(struct spaak *s, const struct spaak_message *m);
enum err verifiers_on_ack(struct spaak *s, const struct spaak_message *m);
/* Asks or reports, whichever the store says is due, if we can be heard. */
void verifiers_go_on(struct spaak *s);

/* verifier_request.c: PP-03, and who uses a set. */
void verifiers_ask(struct spaak *s);
enum err verifiers_on_answer(struct spaak *s, const struct spaak_message *m);
/* OP-02/4: are there any? Else they are asked for. */
enum err verifiers_start_pairing_mode(struct spaak *s);
/* The attempts of the set in force are used up: it is deleted, and another wanted. */
enum err verifiers_burn(struct spaak *s);
/* Before VERIFY is sent: counts the attempt. ERR_VERIFIERS_MISSING, ERR_DK_ATTEMPTS. */
enum err verifiers_begin_attempt(struct spaak *s);
/* How it ended. Passed: the set has served. Failed the seventh time: it is deleted, and another asked for. */
enum err verifiers_end_attempt(struct spaak *s, bool passed);

/* identity.c: the vehicle identity's life in the store. Each is one transaction or none. */
enum err identity_store_drm_uuid(struct spaak *s, struct span uuid);
/* New key pair and CSR for the subject id; stored before it is ever sent (PP-01/8, /9). */
enum err identity_begin(struct spaak *s, const char *subject);
/* ERR_NOT_FOUND when no CSR is pending. */
enum err identity_pending_csr(struct spaak *s, uint8_t csr[CSR_MAX], size_t *len);
enum err identity_discard_pending(struct spaak *s);
/* Checks [K] against the pending key, subject and anchors (PP-01/14). */
enum err identity_verify(struct spaak *s, struct span certificate);
enum err identity_install(struct spaak *s, struct span certificate);
/* ERR_NOT_FOUND without [K]; digest is its SHA-256. */
enum err identity_installed(struct spaak *s, uint8_t digest[SHA256_SIZE], bool *acknowledged);
enum err identity_acknowledge(struct spaak *s);
/* The key that secrets for us are sealed to; free with p256_free. ERR_TRANSPORT_KEY_MISSING before the first
 * identity. */
enum err identity_transport_key(struct spaak *s, struct p256_key **out);
/* Claims [K] when the VOS has acknowledged it. */
void identity_claim(struct spaak *s);
/* Retires [K], transport key and verifier set because of a renewal issued then; ERR_MSG_REPLAYED when that is
 * not news. */
enum err identity_retire(struct spaak *s, int64_t issued_at_ms);

#endif

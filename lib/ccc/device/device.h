/* A phone as a vehicle sees it: the Digital Key framework (owner pairing, CCC-TS-101 chapters 5 and 6) in
 * front of the applet.
 *
 * The owner of the structure brings commands (dk_device_input, dk_device_message), field and link events
 * (dk_device_reset), the password, and creates the key when the framework waits for it (state CREATING,
 * dk_device_create_key). It keeps now_s current. Each call gives a step, which says what to do next:
 *
 *   DK_ANSWER   the answer goes back over step.link
 *   DK_STORE    step.change goes into the store in one transaction, then dk_device_stored; until then nothing
 *               of the device may be called, only read and saved
 *   DK_DERIVE   dk_derive of step.derivation, here or elsewhere, then dk_device_derived; meanwhile everything
 *               may be called
 *   DK_NOTHING  nothing
 *
 * What is stored when, always before the answer leaves, so that no vehicle believes what a restart forgets:
 *
 *   VERIFY                 framework: one more evidence_failures, before M[1] is looked at
 *   10/02, 11/xx           the new key; older keys of the same vehicle erased; framework: no password
 *   AUTH1                  the key: Kpersistent
 *   EXCHANGE, committing   the key: mailboxes, if the session wrote something
 *   end of a transaction   the key: what waited for it, see below; erased when the vehicle took note of its
 *                          termination
 *
 * What could not be stored is undone: the device is as its store says, the pairing or transaction has ended
 * as after any error, the answer is 6985. What the owner's own calls change is gathered for
 * dk_device_changes; he stores it after the call, before the next, and acts on what the call gave (a slot
 * handed out, a termination to send) once it is stored. That is not undone: a store which refuses it means
 * loading the device anew from its records. Before 10/02 nothing of a key is stored.
 *
 *   IDLE      SELECT framework -> SELECTED when a password was entered
 *   SELECTED  REQUEST -> REQUESTED, or first DERIVING while scrypt is computed
 *   REQUESTED VERIFY -> SECURE1
 *   SECURE1   WRITE DATA, the last piece -> WRITTEN
 *   WRITTEN   OP CONTROL FLOW 10/01 -> CREATING; the field may go off now, the channel stays
 *   CREATING  SELECT once the key is made -> SECURE2; anything else is refused without effect, for readers
 *             look around when the field comes back
 *   SECURE2   GET DATA, GET RESPONSE, WRITE DATA (attestation); once [H] was read whole, OP CONTROL FLOW
 * 10/02 or 11/xx -> PAIRED
 *
 * Any error status closes the channel and leads to SELECTED, an abort or the loss of the link to IDLE.
 * REQUEST in SECURE2 begins again. A command while scrypt is computed for that link is answered 6985 and
 * gives the derivation up; its result, when it comes, is kept for the next REQUEST while the password is the
 * same. When the password was changed or dropped meanwhile, REQUEST is answered 6985 with that result.
 *
 * One pairing at a time, on the link where REQUEST came: meanwhile the framework answers 6985 over the other
 * link, without effect. The applet does not answer over a link on which a pairing is under way, nor while it
 * has no key that a vehicle accepted (6A82); else it does, also with a password there.
 *
 * While a transaction with a key is open over any link (from a good AUTH1, or the first good EXCHANGE after a
 * fast AUTH0, for AUTH0 itself proves nothing), the framework keeps off its mailboxes: a receipt for KeyAtt
 * waits in owned.waiting, dk_device_collect is remembered, and both are done when the last transaction with
 * the key has ended. What waits is written when KeyAtt is free only (bit 3 of SigBmp is clear): at the end of
 * a transaction, or by dk_device_collect. A resumption and a termination go there at once; a receipt that lay
 * there unread waits again behind a resumption, and is dropped with a termination.
 *
 * The password is forgotten after DK_EVIDENCE_MAX wrong evidences, for each is a guess. With one password
 * DK_DERIVATIONS_MAX sets of scrypt parameters are derived, for each costs up to 64 MiB and 0.2 s; any more
 * are refused as if they were zero (6A88), which makes the vehicle give up, and the sets of before stay good.
 *
 * Details that no public text decides: docs/ccc.md.
 *
 * The owner looks at the state after each step: in CREATING with no pairing.key he calls
 * dk_device_create_key. After loading he sets now_s before anything else. owned.termination he hands to the
 * servers before he stores a step that erases the key. applet_encryption_key and applet_set_confidential
 * change the key's record, too, and do not show in dk_device_changes. dk_device_close comes before
 * applet_close.
 *
 * Promises of the owner, asserted: dk_device_open before anything else; no pointer is NULL; a partner is
 * certified after it was added; a key handed in is one of the applet's that its vehicle accepted; a DK_STORE
 * is answered before the next call. What a command holds, and when it comes, is never asserted. */
#ifndef lib_ccc_device_device_h
#define lib_ccc_device_device_h

#include "lib/ccc/attestation.h"
#include "lib/ccc/device/applet.h"
#include "lib/ccc/dk_cert.h"
#include "lib/ccc/dk_message.h"
#include "lib/ccc/key_data.h"

#define DK_DEVICE_PASSWORD_MAX 32
#define DK_DEVICE_NAME_MAX     48
#define DK_DEVICE_PARTNERS     4
#define DK_DEVICE_ID           16
#define DK_OPAQUE_MAX          1024 /* longest attestation of a vehicle OEM that we carry, bytes */
#define DK_EVIDENCE_MAX        7    /* wrong evidences for one password */
#define DK_DERIVATIONS_MAX     4    /* of scrypt in */
#define DK_DERIVATIONS_S       60   /* seconds; right evidence, or the password entered, begins anew */

enum dk_device_state {
    DK_IDLE,
    DK_SELECTED,
    DK_DERIVING,
    DK_REQUESTED,
    DK_SECURE1,
    DK_WRITTEN,
    DK_CREATING,
    DK_SECURE2,
    DK_PAIRED,
    DK_STATES
};
const char *dk_device_state_name(enum dk_device_state s);

/* A root of a vehicle OEM and what it certified for us. While one root replaces another there are two. */
#define DK_PARTNER_ANCHORS 2
struct dk_anchor {
    uint8_t root[X509_MAX], device_oem[X509_MAX]; /* J, F: DER */
    size_t root_len, device_oem_len;              /* root_len 0: free entry */
};

/* A vehicle OEM that this device OEM works with (phase 0): its roots, and our instance CA for it. */
struct dk_partner {
    char manufacturer[X509_CN_MAX + 1]; /* empty: free entry */
    struct dk_anchor anchors[DK_PARTNER_ANCHORS];
    uint8_t instance_ca[X509_MAX]; /* E: DER */
    size_t instance_ca_len;
    char instance_ca_id[X509_CN_MAX + 1];
};

/* What the framework keeps for each key of the applet, at the same index. */
struct dk_owned {
    bool paired;
    struct mailbox_map map;
    uint8_t long_term_shared_secret[CCC_KEY], kble_intro[CCC_KEY], kble_oob_master[CCC_KEY];
    bool has_kble_oob; /* the vehicle sent one, which goes before the derived master */
    uint8_t kble_oob[CCC_KEY];
    uint8_t irk[CCC_KEY], ble_address[DEVICE_CONFIG_BLE_ADDRESS];
    struct op_versions vehicle_versions;   /* of the applet protocol, for sharing */
    uint8_t vehicle_certificate[X509_MAX]; /* [K] */
    size_t vehicle_certificate_len;
    uint8_t attestation[DK_OPAQUE_MAX]; /* value of 5F5A, for the KTS; 0 length: none yet */
    size_t attestation_len;
    /* A receipt that waits to get into KeyAtt: for the end of a session, and until what lies there was read;
     * 0 length: none. */
    uint8_t waiting[ATTESTATION_LONG];
    size_t waiting_len;
    uint8_t termination[ATTESTATION_LONG]; /* ours; 0 length: not terminated */
    size_t termination_len;
};

/* Everything of the pairing under way; wiped when it ends. */
struct dk_pairing {
    enum dk_link_id link; /* where REQUEST came */
    struct spake2p_scrypt scrypt;
    uint8_t y[P256_POINT], m1[SPAKE2P_EVIDENCE]; /* of VERIFY, until the attempt is stored */
    struct spake2p spake;
    struct channel channel;
    struct spake2p_keys keys;
    struct op_versions vehicle_versions;
    uint16_t applet_version; /* agreed */
    struct key_data_buffer block;
    uint8_t object[X509_MAX]; /* answer to GET DATA, sent in pieces */
    size_t object_len, object_sent;
    uint16_t object_tag;
    bool endpoint_read;      /* [H] went out whole */
    struct digital_key *key; /* made in this pairing, not yet accepted by the vehicle */
    const struct dk_partner *partner;
    const struct dk_anchor *anchor; /* whose root stands behind [K] */
    bool attested;                  /* the attestation block is complete */
};

/* ---- steps ---- */

/* Whom a command is for. Contactless: whoever SELECT chose. Bluetooth LE: the type of the DK message says. */
enum dk_to { DK_TO_SELECTED, DK_TO_FRAMEWORK, DK_TO_APPLET };

enum dk_do { DK_NOTHING, DK_ANSWER, DK_STORE, DK_DERIVE };

/* Records of the store: bit i of put and erase is that of key i (the applet's and owned[i]); the framework's
 * own one holds partners, password and its counts. */
struct dk_change {
    uint16_t put, erase;
    bool framework;
};

/* What scrypt is wanted for, and what it gives. Secrets: whoever holds one wipes it. */
struct dk_derivation {
    uint8_t password[DK_DEVICE_PASSWORD_MAX];
    size_t len;
    struct spake2p_scrypt scrypt;
    uint32_t number; /* which one; never 0 */
};
struct dk_derived {
    struct dk_derivation from;
    struct spake2p_prover_set prover;
};

struct dk_step {
    enum dk_do what;
    enum dk_link_id link;            /* ANSWER, DERIVE: over which, for which */
    struct span answer;              /* in the device, until the next call for that link */
    struct dk_change change;         /* STORE */
    struct dk_derivation derivation; /* DERIVE; wiped by the owner */
};

/* Whom the last SELECT chose. */
enum dk_selected { DK_SELECTED_NOBODY, DK_SELECTED_FRAMEWORK, DK_SELECTED_APPLET };

struct dk_link {
    enum dk_selected selected;
    bool framed; /* the answer is a DK message of this type */
    enum dk_type type;
    uint8_t answer[DK_MESSAGE_HEADER + APDU_RESPONSE_MAX]; /* the APDU behind the room for a header */
    size_t answer_len;                                     /* of the APDU */
    uint32_t derivation; /* whose result brings the answer to REQUEST; 0: no answer is owed */
};

/* What is being stored, and what was before, should the store refuse it. */
enum dk_storing_what {
    DK_STORING_NOTHING,
    DK_STORING_EVIDENCE, /* VERIFY */
    DK_STORING_ACCEPTED, /* 10/02 */
    DK_STORING_APPLET,   /* AUTH1, EXCHANGE: the applet knows what was before, but for `told` */
    DK_STORING_SETTLED   /* what waited for the end of a session */
};
struct dk_storing {
    enum dk_storing_what what;
    enum dk_link_id link;
    bool answers; /* something was asked over the link */
    struct dk_change change;
    /* APPLET */
    bool told; /* later.terminate has its bit from this very command */
    /* ACCEPTED */
    uint8_t password[DK_DEVICE_PASSWORD_MAX];
    size_t password_len;
    int64_t password_since_s;
    uint8_t evidence_failures;
    bool derived;
    /* SETTLED */
    struct digital_key *key;
    struct dk_owned owned;
    struct mailboxes mailboxes;
    enum applet_key_state key_state;
    bool has_kpersistent;
    uint8_t kpersistent[TRANSACTION_KPERSISTENT];
};

/* What waits for the end of a session beside owned.waiting; not stored. */
struct dk_later {
    bool collect;
    uint8_t terminate; /* bit l: the vehicle said so over link l */
    bool noted;        /* the vehicle has taken note of its end, and the store has refused to keep that */
};

struct dk_device {
    struct crypto *crypto;
    struct applet *applet;
    uint8_t id[DK_DEVICE_ID]; /* random; which records are ours */
    int64_t now_s;
    char oem[X509_CN_MAX + 1], name[DK_DEVICE_NAME_MAX + 1]; /* manufacturer; friendly name */
    struct op_versions versions;                             /* of SPAKE2+ */
    const struct channel_rules *rules;                       /* channel_framework, unless changed */
    struct dk_partner partners[DK_DEVICE_PARTNERS];
    struct dk_owned owned[APPLET_KEYS];
    struct p256_key *enc_key; /* Device.Enc: receives sealed data from servers */

    uint8_t password[DK_DEVICE_PASSWORD_MAX];
    size_t password_len;       /* 0: none */
    int64_t password_since_s;  /* when it was entered, for timer Ta */
    uint8_t evidence_failures; /* for this password; counted before the evidence is looked at */
    /* Not stored. Whoever asks for too much scrypt waits, and nobody is locked out. */
    uint8_t derivations;
    int64_t derivations_since_s;
    uint32_t derivation; /* number of the last one */
    /* w0 and w1 of that password under these parameters, so that a retry costs no scrypt */
    bool derived;
    struct spake2p_scrypt derived_from;
    struct spake2p_prover_set prover;

    enum dk_device_state state;
    struct dk_pairing pairing;
    struct dk_link links[DK_LINKS];
    struct dk_later later[APPLET_KEYS];
    struct dk_change changed; /* by the owner's calls, until he asks */
    struct dk_storing storing;
};

/* The applet is borrowed. ERR_BAD_ARGUMENT, ERR_NO_SPACE: no identifier can be made of the name of the device
 * OEM. */
enum err dk_device_open(struct dk_device *d, struct crypto *c, struct applet *a, const char *oem);
/* Inside, for records: the same without Device.Enc, which the record brings. */
enum err dk_device_open_blank(struct dk_device *d, struct crypto *c, struct applet *a, const char *oem);
void dk_device_close(struct dk_device *d);

/* ---- the vehicle ---- */

/* One command; its answer comes with this step or a later one, and there is always one. */
struct dk_step dk_device_input(struct dk_device *d, enum dk_link_id link, enum dk_to to, struct span command);
/* One SDU of Bluetooth LE. DK_APDU_RQ of type 0 goes to the framework, of type 1 to the applet; answers are
 * whole DK messages of the same type, also those that come with a later step. Anything else is DK_NOTHING and
 * untouched: the owner parses it himself (dk_message_parse); types 2 to 7 may be for him, all else is
 * dropped. */
struct dk_step dk_device_message(struct dk_device *d, struct span sdu);
/* The field or link came up, or went away. May ask to store what waited for the end of a session, and to
 * erase a key whose vehicle knows that it was terminated, but whose last session was cut off. */
struct dk_step dk_device_reset(struct dk_device *d, enum dk_link_id link);
/* DK_STORE is done: ERR_OK when everything is in the store. Anything else: nothing of it is. */
struct dk_step dk_device_stored(struct dk_device *d, enum err stored);
/* In any thread or process, with its own crypto context. ERR_CRYPTO_FAILED. */
enum err dk_derive(struct crypto *c, const struct dk_derivation *from, struct dk_derived *out);
/* DK_DERIVE of that link and number (step.derivation.number) is done; NULL: it failed. Each is told, once: a
 * REQUEST may still wait for its answer. Nobody waits for the result of an earlier one. */
struct dk_step dk_device_derived(struct dk_device *d, enum dk_link_id link, uint32_t number,
                                 const struct dk_derived *w);
/* Makes the key that 10/01 asked for (state CREATING, pairing.key NULL). On an error pairing is dropped. */
enum err dk_device_create_key(struct dk_device *d);

/* ---- the owner himself ---- */

/* What the calls below have changed since the last time, and what commands have that need not be stored
 * before their answers (derivations, evidence that proved right or was the last): to be stored in one
 * transaction. The owner asks after each step. dk_partner_certify, add_root and drop_root change the
 * framework's record, too, and cannot say so. */
struct dk_change dk_device_changes(struct dk_device *d);

/* Phase 0, by the device OEM: a partner with an instance CA made in the applet. The certificates come from
 * outside: [E] is asked for the CA's key, which goes to public_key. One that was added and not certified yet
 * (power went) is given again, with the root as it is now. ERR_NO_SPACE, ERR_BUSY: it is certified. */
enum err dk_device_add_partner(struct dk_device *d, const char *manufacturer, struct span root,
                               struct dk_partner **out, uint8_t public_key[P256_POINT]);
/* Then both certificates; [F] is for the first root. ERR_NO_SPACE. */
enum err dk_partner_certify(struct dk_partner *p, struct span device_oem, struct span instance_ca);
/* A root that replaces the other in time, with the [F] that it gave us; either is good until one is dropped.
 * ERR_NO_SPACE (there are two), ERR_BUSY (it is there). */
enum err dk_partner_add_root(struct dk_partner *p, struct span root, struct span device_oem);
/* ERR_NOT_FOUND, ERR_BUSY (it is the only one). */
enum err dk_partner_drop_root(struct dk_partner *p, struct span root);

/* Phase 1: the user enters or drops the password. Eight digits are the rule of the caller. ERR_BAD_ARGUMENT.
 * Entering it, also the same again, begins its counts anew. Dropping it (timer Ta) also deletes a key whose
 * pairing did not end. Both change the framework's record. */
enum err dk_device_set_password(struct dk_device *d, struct span password);
void dk_device_forget_password(struct dk_device *d);

/* All that follow change the key's record; those that say so may leave it for the end of a session. */

/* After a transaction: reads the signalling bitmap, takes an attestation into owned[].attestation, and clears
 * the bits of what it took note of. ERR_BUSY: a session is open, it is done at its end. ERR_MSG_MALFORMED,
 * ERR_NO_SPACE: what KeyAtt announces is no attestation, or longer than DK_OPAQUE_MAX; it is cleared, and the
 * rest is done. At the end of a session such a one is left for the next call to say. */
enum err dk_device_collect(struct dk_device *d, struct digital_key *k);
/* Sharing: takes the lowest valid entry of 1 to 7 for a friend, marks it as handed out and tells the vehicle
 * by the signalling bitmap. ERR_NOT_FOUND: none is left, the vehicle must refill first. ERR_BUSY: a session
 * is open. ERR_DK_TERMINATED, ERR_DK_SUSPENDED. */
enum err dk_device_hand_out_slot(struct dk_device *d, struct digital_key *k, struct slot_id *slot,
                                 unsigned *entry);
/* A sealed key tracking receipt arrived: opens it, puts it into KeyAtt, sets the signalling bit; in a session
 * and behind a resumption it waits. A newer receipt replaces an older one. ERR_SIGNATURE_INVALID,
 * ERR_MSG_MALFORMED, ERR_NO_SPACE, ERR_DK_TERMINATED. */
enum err dk_device_receipt(struct dk_device *d, struct digital_key *k, const uint8_t ephemeral[P256_POINT],
                           struct span sealed);

/* Ends the key: state TERMINATED; sessions, Kpersistent and the confidential mailbox (tokens) gone. The
 * statement about it, with VehiclePropDat, is in owned.termination for the servers, and in KeyAtt for the
 * vehicle if it fits there; a receipt that waited is dropped. From then on the key answers its vehicle as
 * terminated, until that has cleared the bit of KeyAtt: then the key is deleted at the end of the
 * transaction, or at a reset of any link when that was cut off. The vehicle may also ask for all this, by a
 * statement of its own in EXCHANGE; it is done at the end of that session, with a step DK_STORE.
 * ERR_NO_SPACE: VehiclePropDat is longer than ATTESTATION_OEM_MAX, nothing has changed; ERR_DK_TERMINATED. */
enum err dk_device_terminate(struct dk_device *d, struct digital_key *k);
/* Bit i: the vehicle has cleared the bit of key i, and the store has refused to keep that. The vehicle
 * deletes its record all the same, so the phone must not forget it: such a key is deleted at the next reset
 * of any link. Who loads the records anew hands it over from one device to the next. */
uint16_t dk_device_noted(const struct dk_device *d);
void dk_device_note(struct dk_device *d, uint16_t keys);
/* While suspended, the key answers as if there were none, and its sessions are gone. ERR_DK_TERMINATED,
 * ERR_DK_SUSPENDED. */
enum err dk_device_suspend(struct dk_device *d, struct digital_key *k);
/* The statement, of a shape as in attestation.h and otherwise opaque, goes into KeyAtt; empty: there is none.
 * ERR_BAD_ARGUMENT: the key is not suspended; ERR_MSG_MALFORMED, ERR_NO_SPACE: the statement, it stays
 * suspended. */
enum err dk_device_resume(struct dk_device *d, struct digital_key *k, struct span statement);
/* Gone at once, and nobody is told. */
void dk_device_delete(struct dk_device *d, struct digital_key *k);

struct dk_owned *dk_device_owned(struct dk_device *d, const struct digital_key *k);

#endif

/* A phone as a vehicle sees it: the Digital Key framework (owner pairing, CCC-TS-101 chapters 5 and 6) in
 * front of the applet.
 *
 * The owner of the structure brings commands (dk_device_input), field and link events (dk_device_reset), the
 * password, and creates the key when the framework waits for it (dk_device_create_key). It keeps now_s
 * current. What one pairing leaves is in `owned`.
 *
 *   IDLE      SELECT framework -> SELECTED when a password was entered
 *   SELECTED  REQUEST -> REQUESTED
 *   REQUESTED VERIFY -> SECURE1
 *   SECURE1   WRITE DATA, the last piece -> WRITTEN
 *   WRITTEN   OP CONTROL FLOW 10/01 -> CREATING; the field may go off now, the channel stays
 *   CREATING  SELECT once the key is made -> SECURE2
 *   SECURE2   GET DATA, GET RESPONSE, WRITE DATA (attestation); OP CONTROL FLOW 10/02 -> PAIRED
 *
 * Any error status closes the channel and leads to SELECTED, an abort or the loss of the link to IDLE.
 * REQUEST in SECURE2 begins again. Details that no public text decides: docs/ccc.md.
 *
 * Promises of the owner, asserted: dk_device_open before anything else; no pointer is NULL; a partner is
 * certified after it was added; a key handed in is one of the applet's; out has APDU_RESPONSE_MAX bytes left.
 * What a command holds, and when it comes, is never asserted. */
#ifndef lib_ccc_device_device_h
#define lib_ccc_device_device_h

#include "lib/ccc/attestation.h"
#include "lib/ccc/device/applet.h"
#include "lib/ccc/dk_cert.h"
#include "lib/ccc/key_data.h"

#define DK_DEVICE_PASSWORD_MAX 32
#define DK_DEVICE_NAME_MAX     48
#define DK_DEVICE_PARTNERS     4
#define DK_DEVICE_ID           16
#define DK_OPAQUE_MAX          1024 /* longest attestation of a vehicle OEM that we carry, bytes */

enum dk_device_state {
    DK_IDLE,
    DK_SELECTED,
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
    /* A statement that waits for the end of a session to get into KeyAtt; 0 length: none. */
    uint8_t waiting[ATTESTATION_LONG];
    size_t waiting_len;
    uint8_t termination[ATTESTATION_LONG]; /* ours; 0 length: not terminated */
    size_t termination_len;
};

/* Everything of the pairing under way; wiped when it ends. */
struct dk_pairing {
    struct spake2p spake;
    struct channel channel;
    struct spake2p_keys keys;
    struct op_versions vehicle_versions;
    uint16_t applet_version; /* agreed */
    struct key_data_buffer block;
    uint8_t object[X509_MAX]; /* answer to GET DATA, sent in pieces */
    size_t object_len, object_sent;
    struct digital_key *key; /* made in this pairing, not yet accepted by the vehicle */
    const struct dk_partner *partner;
    const struct dk_anchor *anchor; /* whose root stands behind [K] */
    bool attested;                  /* the attestation block is complete */
};

/* Who gets the commands. */
enum dk_selected { DK_SELECTED_NOBODY, DK_SELECTED_FRAMEWORK, DK_SELECTED_APPLET };

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
    size_t password_len;      /* 0: none */
    int64_t password_since_s; /* when it was entered, for timer Ta */
    /* For this password, as stored. Wrong evidence is counted before it is looked at. */
    uint8_t evidence_failures, derivations;
    /* w0 and w1 of that password under these parameters, so that a retry costs no scrypt */
    bool derived;
    struct spake2p_scrypt derived_from;
    struct spake2p_prover_set prover;

    enum dk_device_state state;
    enum dk_selected selected;
    struct dk_pairing pairing;
};

/* The applet is borrowed. */
enum err dk_device_open(struct dk_device *d, struct crypto *c, struct applet *a, const char *oem);
void dk_device_close(struct dk_device *d);

/* Phase 0, by the device OEM: a partner with an instance CA made in the applet. The certificates come from
 * outside: [E] is asked for the CA's key, which goes to public_key. ERR_NO_SPACE, ERR_BUSY. */
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
 * Dropping it (timer Ta) also deletes a key whose pairing did not end. */
enum err dk_device_set_password(struct dk_device *d, struct span password);
void dk_device_forget_password(struct dk_device *d);

/* The field came up over this interface, or went away. */
void dk_device_reset(struct dk_device *d, enum transaction_interface interface);
/* Makes the key that 10/01 asked for (state CREATING, pairing.key NULL). On an error pairing is dropped. */
enum err dk_device_create_key(struct dk_device *d);
/* One command, one answer; never fails. out needs APDU_RESPONSE_MAX bytes. */
void dk_device_input(struct dk_device *d, struct span command, struct wr *out);

/* After a transaction: reads the signalling bitmap, takes an attestation into owned[].attestation, and clears
 * the bits of what it took note of. */
enum err dk_device_collect(struct dk_device *d, struct digital_key *k);
/* Sharing: takes the lowest valid entry of 1 to 7 for a friend, marks it as handed out and tells the vehicle
 * by the signalling bitmap. ERR_NOT_FOUND: none is left, the vehicle must refill first. */
enum err dk_device_hand_out_slot(struct dk_device *d, struct digital_key *k, struct slot_id *slot,
                                 unsigned *entry);
/* A sealed key tracking receipt arrived: opens it, puts it into KeyAtt, sets the signalling bit.
 * ERR_SIGNATURE_INVALID, ERR_MSG_MALFORMED, ERR_NO_SPACE. */
enum err dk_device_receipt(struct dk_device *d, struct digital_key *k, const uint8_t ephemeral[P256_POINT],
                           struct span sealed);
struct dk_owned *dk_device_owned(struct dk_device *d, const struct digital_key *k);

/* Inside: wipes the pairing under way and, unless the vehicle accepted it, its key. */
void dk_device_end_pairing(struct dk_device *d, enum dk_device_state next);

#endif

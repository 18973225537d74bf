/* The Digital Key applet: the secure-element side of a phone (CCC-TS-101 chapters 4 and 15).
 *
 * Commands from the vehicle arrive through applet_input (SELECT, AUTH0, AUTH1, EXCHANGE, CONTROL FLOW); the
 * functions above it are the internal link that only the device's own framework has. One transaction at a
 * time. Memory is fixed but for OpenSSL's keys; applet_close frees and wipes everything.
 *
 *   DESELECTED -> SELECTED -> KEYED or KEYED_FAST (AUTH0) -> AUTHENTICATED (AUTH1, or EXCHANGE after a fast
 *   AUTH0) -> SELECTED (CONTROL FLOW, any error)
 *
 * Promises of the framework, asserted: applet_open before anything else; no pointer is NULL; a key handed in
 * is one of this applet's and not deleted; out has APDU_RESPONSE_MAX bytes left. */
#ifndef lib_ccc_device_applet_h
#define lib_ccc_device_applet_h

#include "lib/ccc/channel.h"
#include "lib/ccc/device_config.h"
#include "lib/ccc/endpoint.h"
#include "lib/ccc/mailbox.h"
#include "lib/pki/x509.h"

#define APPLET_KEYS         8
#define APPLET_INSTANCE_CAS 4

/* Numbers are stored. */
enum applet_key_state {
    APPLET_KEY_NONE,
    APPLET_KEY_ACTIVE,
    APPLET_KEY_TERMINATED, /* opens nothing; tells the vehicle that it was terminated */
    APPLET_KEY_SUSPENDED   /* as if the vehicle were not known, until it is resumed */
};

/* Digital key structure (4.2). Nothing but the mailboxes, Kpersistent and the state changes after creation.
 */
struct digital_key {
    enum applet_key_state state;
    /* vehicle identifier, key options, applet version, vehicle.PK, authorized_PK, slot identifier, sizes */
    struct endpoint_creation creation;
    char endpoint_id[X509_CN_MAX + 1], instance_ca_id[X509_CN_MAX + 1];
    uint8_t key_id[ENDPOINT_KEY_ID];
    uint8_t device_pk[P256_POINT];
    struct p256_key *device_key, *vehicle_key; /* owned; vehicle_key is vehicle.PK, ready for use */
    struct p256_key *encryption_key;           /* owned; NULL until asked for */
    uint8_t certificate[X509_MAX];             /* [H] */
    size_t certificate_len;
    struct mailboxes mailboxes;
    struct mailbox_part auth1_confidential, auth1_private; /* what AUTH1 returns along */
    bool has_kpersistent;
    uint8_t kpersistent[TRANSACTION_KPERSISTENT];
};

struct applet_instance_ca {
    char id[X509_CN_MAX + 1];
    struct p256_key *key; /* owned; NULL: free entry */
};

enum applet_state {
    APPLET_DESELECTED,
    APPLET_SELECTED,
    APPLET_KEYED,      /* after AUTH0, standard */
    APPLET_KEYED_FAST, /* after AUTH0, fast: the vehicle may go on with EXCHANGE or with AUTH1 */
    APPLET_AUTHENTICATED,
    APPLET_STATES
};

struct applet_session {
    enum applet_state state;
    enum transaction_interface interface;
    struct transaction transaction;
    struct p256_key *ephemeral; /* owned */
    struct digital_key *key;    /* NULL: the vehicle is not known */
    struct channel channel;
    bool staged; /* an atomic EXCHANGE session is open */
    struct mailboxes stage;
};

struct applet {
    struct crypto *crypto;
    struct op_versions versions;
    bool versions_in_info; /* struct transaction */
    struct applet_instance_ca instance_cas[APPLET_INSTANCE_CAS];
    struct digital_key keys[APPLET_KEYS];
    struct applet_session session;
    uint8_t notification[CHANNEL_PLAIN_MAX]; /* last one of EXCHANGE; 0 length: none */
    size_t notification_len;
};

void applet_open(struct applet *a, struct crypto *c);
void applet_close(struct applet *a);

/* ---- internal link, for the framework ---- */

/* CREATE CA: one per vehicle OEM. ERR_BUSY: the name is taken; ERR_NO_SPACE. */
enum err applet_create_ca(struct applet *a, const char *id, uint8_t public_key[P256_POINT]);
enum err applet_delete_ca(struct applet *a, const char *id);

/* CREATE ENDPOINT: makes device.SK and [H]. ERR_NOT_FOUND: no such instance CA; ERR_NO_SPACE: no free entry,
 * or mailboxes larger than ours; ERR_KEY_INVALID: vehicle.PK. */
struct applet_create {
    const struct endpoint_creation *creation;
    const char *endpoint_id, *instance_ca_id;
    int64_t not_before_s, not_after_s;
};
enum err applet_create_endpoint(struct applet *a, const struct applet_create *create,
                                struct digital_key **out);
/* SETUP ENDPOINT: what AUTH1 returns along. ERR_BAD_ARGUMENT: outside the mailboxes, or too long. */
enum err applet_setup_endpoint(struct digital_key *k, const struct mailbox_part *confidential,
                               const struct mailbox_part *private_part);
/* Terminated keys open nothing any more but stay until they are deleted. */
void applet_terminate_endpoint(struct applet *a, struct digital_key *k);
void applet_delete_endpoint(struct applet *a, struct digital_key *k);

/* GET and SET DATA: what the framework may reach in plaintext, which is the private mailbox. ERR_DK_ACCESS,
 * ERR_BAD_ARGUMENT outside the mailbox, ERR_BUSY during an atomic session. */
enum err applet_get_data(struct applet *a, struct digital_key *k, enum mailbox_kind kind, size_t offset,
                         void *out, size_t len);
enum err applet_set_data(struct applet *a, struct digital_key *k, enum mailbox_kind kind, size_t offset,
                         struct span data);
/* CREATE ENCRYPTION KEY, SET CONFIDENTIAL DATA: the framework hands on what only the applet can open:
 * ECIES_v1 over offset(2) || data. ERR_SIGNATURE_INVALID, ERR_BAD_ARGUMENT, ERR_BUSY. */
enum err applet_encryption_key(struct applet *a, struct digital_key *k, uint8_t out[P256_POINT]);
enum err applet_set_confidential(struct applet *a, struct digital_key *k, const uint8_t ephemeral[P256_POINT],
                                 struct span sealed);

/* ---- the vehicle ---- */

/* The link came up over this interface, or went away: session keys and staged writes are gone. */
void applet_reset(struct applet *a, enum transaction_interface interface);
/* One command, one answer; never fails. out needs APDU_RESPONSE_MAX bytes. */
void applet_input(struct applet *a, const struct apdu_command *cmd, struct wr *out);

#endif

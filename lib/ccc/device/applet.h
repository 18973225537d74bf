/* The Digital Key applet: the secure-element side of a phone (CCC-TS-101 chapters 4 and 15).
 *
 * Commands from the vehicle arrive through applet_input (SELECT, AUTH0, AUTH1, EXCHANGE, CONTROL FLOW); the
 * functions above it are the internal link that only the device's own framework has. Each link has a session
 * with one transaction at a time; two may be open with the same key, but an atomic session of EXCHANGE keeps
 * the other link's EXCHANGE from that key. Memory is fixed but for OpenSSL's keys; applet_close frees and
 * wipes everything.
 *
 * A vehicle that is not known, and a key that is suspended, outside its validity or not yet accepted, are
 * answered alike and cost the same work: signatures and cryptograms are computed with a decoy's keys.
 *
 *   DESELECTED -> SELECTED -> KEYED or KEYED_FAST (AUTH0) -> AUTHENTICATED (AUTH1, or EXCHANGE after a fast
 *   AUTH0) -> SELECTED (CONTROL FLOW, any error)
 *
 * Promises of the framework, asserted: applet_open before anything else; no pointer is NULL; a key handed in
 * is one of this applet's and not deleted; out has APDU_RESPONSE_MAX bytes left; what applet_input wants
 * stored is answered by applet_stored before the next call. */
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
    APPLET_KEY_SUSPENDED,  /* as if the vehicle were not known, until it is resumed */
    APPLET_KEY_CREATED /* not yet accepted by the vehicle: no transaction finds it, and it is never stored */
};

/* The links to vehicles; the interface byte of a transaction follows from them. */
enum dk_link_id { DK_CONTACTLESS, DK_BLE, DK_LINKS };

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

/* What the last command changed in its key, until it is known to be stored. */
enum applet_unstored { APPLET_STORED, APPLET_KPERSISTENT, APPLET_MAILBOXES };

struct applet_session {
    enum applet_state state;
    struct transaction transaction;
    struct p256_key *ephemeral; /* owned */
    struct digital_key *key;    /* NULL: the vehicle is not known */
    struct channel channel;
    bool staged, wrote; /* an atomic EXCHANGE session is open; it changed something */
    enum applet_unstored unstored;
    struct mailboxes stage; /* the session's; what was before while they are unstored */
    bool had_kpersistent;   /* before, while the new one is unstored */
    uint8_t old_kpersistent[TRANSACTION_KPERSISTENT];
};

struct applet {
    struct crypto *crypto;
    int64_t now_s; /* the framework keeps it current; keys are valid by it */
    struct op_versions versions;
    bool versions_in_info; /* struct transaction */
    struct applet_instance_ca instance_cas[APPLET_INSTANCE_CAS];
    struct digital_key keys[APPLET_KEYS];
    /* Layout of each private mailbox, lent by the framework; NULL: a terminated key's cannot be written. */
    const struct mailbox_map *maps[APPLET_KEYS];
    struct digital_key decoy; /* stands for every key that is not there; made at the first AUTH0 */
    struct applet_session sessions[DK_LINKS];
    uint8_t notification[CHANNEL_PLAIN_MAX]; /* of the last EXCHANGE; 0 length: none */
    size_t notification_len;
};

void applet_open(struct applet *a, struct crypto *c);
void applet_close(struct applet *a);

/* ---- internal link, for the framework ---- */

/* CREATE CA: one per vehicle OEM. ERR_BUSY: the name is taken; ERR_NO_SPACE. */
enum err applet_create_ca(struct applet *a, const char *id, uint8_t public_key[P256_POINT]);
/* Its key again. ERR_NOT_FOUND. */
enum err applet_ca_public(const struct applet *a, const char *id, uint8_t public_key[P256_POINT]);
enum err applet_delete_ca(struct applet *a, const char *id);

/* CREATE ENDPOINT: makes device.SK and [H], state CREATED. ERR_NOT_FOUND: no such instance CA; ERR_NO_SPACE:
 * no free entry, or mailboxes larger than ours; ERR_KEY_INVALID: vehicle.PK. */
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
/* Whether these two would succeed, but for vehicle.PK; the same errors. */
enum err applet_check_create(const struct applet *a, const struct endpoint_creation *creation,
                             const char *instance_ca_id);
enum err applet_check_setup(const struct endpoint_creation *creation, const struct mailbox_part *confidential,
                            const struct mailbox_part *private_part);
/* The key goes from state CREATED to ACTIVE, from ACTIVE to SUSPENDED and back, from either to TERMINATED
 * (its Kpersistent and its confidential mailbox are wiped), and away. All but accepting and resuming take the
 * key's sessions along. */
void applet_accept_endpoint(struct digital_key *k);
void applet_suspend_endpoint(struct applet *a, struct digital_key *k);
void applet_resume_endpoint(struct digital_key *k);
void applet_terminate_endpoint(struct applet *a, struct digital_key *k);
void applet_delete_endpoint(struct applet *a, struct digital_key *k);
/* There is a key that a vehicle accepted, in whatever state. */
bool applet_has_key(const struct applet *a);
/* The key with which a transaction is open over that link, NULL: none. It is open from a good AUTH1, or from
 * the first good EXCHANGE after a fast AUTH0, to CONTROL FLOW, a reset or an error: AUTH0 alone proves
 * nothing. */
struct digital_key *applet_session_key(const struct applet *a, enum dk_link_id link);
/* With that key, over any link. */
bool applet_session_open(const struct applet *a, const struct digital_key *k);

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

/* The link came up, or went away: session keys and staged writes are gone. */
void applet_reset(struct applet *a, enum dk_link_id link);
/* One command, one answer; never fails. out needs APDU_RESPONSE_MAX bytes. Gives the key that must be stored
 * before the answer leaves (AUTH1: Kpersistent; EXCHANGE: mailboxes), NULL when none was changed. */
struct digital_key *applet_input(struct applet *a, enum dk_link_id link, const struct apdu_command *cmd,
                                 struct wr *out);
/* The key that applet_input named is stored. Or it is not: the key is as it was before the command and the
 * transaction has ended; the answer is void. */
void applet_stored(struct applet *a, enum dk_link_id link, bool stored);

#endif

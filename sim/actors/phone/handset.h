/* The phone's Digital Key framework and applet (lib/ccc/device) with what they need around them: records in
 * the store, scrypt beside the loop, a place before readers, the instance CA of phase 0.
 *
 *   handset.c          loaded, stored, gone when the battery is
 *   handset_steps.c    what happens to the framework, and every step that it asks for
 *   handset_contact.c  before which reader the phone lies; field and commands
 *   handset_phase0.c   asks the device OEM's server for the certificates of the instance CA
 *   handset_tracking.c asks it for the receipts of keys that a vehicle has accepted
 *   handset_state.c    asks it what has become of them
 *
 * Whatever happens to the framework happens in a turn: handset_begin, one call of dk_device, handset_end.
 * What the store refuses is as if it had not been asked for, and the device is loaded anew from its records.
 */
#ifndef sim_actors_phone_handset_h
#define sim_actors_phone_handset_h

#include "lib/ccc/records/dk_records.h"
#include "lib/env/env.h"
#include "lib/msg/tracking.h"

#define HANDSET_DERIVING_MAX 16  /* handed out, no result yet; one more fails */
#define HANDSET_DERIVED_MAX  194 /* w0, w1, w0*M, w0*N */

struct phone;

/* scrypt that was handed out; its results come in this order. */
struct handset_deriving {
    enum dk_link_id link;
    struct dk_derivation from; /* number 0: nobody waits for it any more */
};

/* What phase 0 asks for, and whether it does. */
struct handset_phase0 {
    bool up, asks;
    unsigned sent;              /* of all requests, for their tags */
    uint64_t tries;             /* of this ask */
    struct dk_partner *partner; /* while it asks */
    uint8_t public_key[P256_POINT];
};

/* The key whose receipt is asked for; one at a time. */
struct handset_tracking {
    bool up, asks, waits; /* waits: for the time to ask again */
    unsigned sent;        /* of all requests, for their tags */
    uint64_t tries;       /* of this key, since the last pause */
    unsigned index;
    uint8_t key_id[ENDPOINT_KEY_ID];
    uint16_t refused; /* bit i: the server will not track key i; asked again in the next life */
    bool forge;       /* an attacker's phone: puts a receipt of its own in the place of the server's */
    uint16_t claimed; /* bit i: key i, whose id is that */
    uint8_t claimed_ids[APPLET_KEYS][ENDPOINT_KEY_ID];
};

/* The key whose state is asked for; one at a time. */
struct handset_state {
    bool up, asks;
    unsigned sent; /* of all requests, for their tags */
    unsigned index;
    uint8_t key_id[ENDPOINT_KEY_ID];
    uint16_t due; /* bit i: key i is to be asked for, if it is tracked */
};

struct handset {
    struct applet applet;
    struct dk_device device;
    bool open;          /* both are */
    bool off;           /* no battery */
    enum err broken;    /* why the records could not be loaded */
    enum err store;     /* what the store said in this turn */
    uint16_t noted;     /* dk_device_noted, while the records are loaded anew */
    bool password_kept; /* there is an entry PHONE_PASSWORD */
    struct handset_deriving deriving[HANDSET_DERIVING_MAX];
    size_t deriving_first, deriving_count;
    uint8_t record[DK_RECORD_FRAMEWORK_MAX]; /* wiped after use */
    /* before readers */
    char wanted[ENV_NAME_MAX], at[ENV_NAME_MAX]; /* where the user put it; where it was opened; "": nowhere */
    bool up, closing, field;                     /* the reader has taken it; it is leaving; powered */
    struct handset_phase0 phase0;
    struct handset_tracking tracking;
    struct handset_state state;
};

/* What was before a turn. */
struct handset_turn {
    struct digital_key *sessions[DK_LINKS]; /* of a transaction over that link; NULL: none */
    enum dk_device_state state;
    bool had_password;
    uint8_t failures;
    struct dk_change also; /* what a call changes and does not say */
};

/* ---- handset.c ---- */

/* From the store, or made and stored at the first start. Records that cannot be read leave the framework
 * unusable, with a reason; one of a key leaves that key out. An error is the store's. */
enum err handset_open(struct phone *p);
/* As when the battery goes: what was not stored is gone. */
void handset_close(struct phone *p);
/* In one transaction. */
enum err handset_store(struct phone *p, struct dk_change change);
void handset_show(struct phone *p);

/* ---- handset_steps.c ---- */

/* False: there is no framework to turn to. */
bool handset_begin(struct phone *p, struct handset_turn *t);
/* Does what the step asks for and what follows from it. What the store said. */
enum err handset_end(struct phone *p, const struct handset_turn *t, struct dk_step s);
/* The same for a call of the owner's, which has no step. */
enum err handset_end_call(struct phone *p, const struct handset_turn *t);

/* What the vehicle left in the mailboxes of that key, in a transaction that has ended. */
void handset_collect(struct phone *p, struct digital_key *k);

enum err handset_set_password(struct phone *p, const char *digits);
enum err handset_forget_password(struct phone *p);
/* At the end of timer Ta. */
void handset_on_password_timer(struct phone *p);
enum err handset_delete_key(struct phone *p, unsigned index);
/* It opens nothing any more; deleted when its vehicle has heard so. Those of dk_device_terminate. */
enum err handset_terminate_key(struct phone *p, unsigned index);
/* The user hands a slot of that key to a friend: the next vehicle contact fills its place again. Those of
 * dk_device_hand_out_slot. */
enum err handset_hand_out_slot(struct phone *p, unsigned index);
/* The key tracking server's receipt for that key, sealed to the phone: into its mailbox, and the key is
 * tracked, in one transaction. The errors of dk_device_receipt. */
enum err handset_take_receipt(struct phone *p, unsigned index, const uint8_t ephemeral[P256_POINT],
                              struct span sealed);
/* A work: scrypt. */
enum err handset_derive(struct span in, uint8_t *out, size_t cap, size_t *len);
void handset_on_derived(struct phone *p, enum err e, struct span result);

/* ---- handset_contact.c ---- */

/* Before that reader, wherever it lay; "": nowhere. ERR_NOT_FOUND: no such reader. */
enum err handset_place(struct phone *p, const char *reader);
/* Where the user put it, as far as battery and reader allow. */
enum err handset_settle(struct phone *p);
void handset_on_link(struct phone *p, enum link_state state);
void handset_on_news(struct phone *p, const char *news);
void handset_on_command(struct phone *p, struct span command);
/* A link, or the field, came or went. */
void handset_reset_link(struct phone *p, enum dk_link_id link);

/* ---- handset_phase0.c ---- */

void handset_phase0_on_link(struct phone *p, enum link_state state);
void handset_phase0_on_response(struct phone *p, const char *tag, struct span bytes);
void handset_phase0_on_news(struct phone *p, const char *tag, const char *news);
/* Time to ask again, or no answer came. */
void handset_phase0_again(struct phone *p);
void handset_phase0_late(struct phone *p);
/* Somebody wants to pair: asks anew when all was in vain before. */
void handset_phase0_wanted(struct phone *p);
void handset_phase0_stop(struct phone *p);

/* ---- handset_tracking.c ---- */

/* Which keys are tracked. */
void handset_tracking_name(unsigned index, char out[ENV_KEY_MAX]);
/* After a start: claims them. */
void handset_tracking_open(struct phone *p);
/* A key was accepted and tried, perhaps: asks. */
void handset_tracking_look(struct phone *p);
void handset_tracking_on_link(struct phone *p, enum link_state state);
bool handset_tracking_waits_for(const struct phone *p, const char *tag);
void handset_tracking_on_response(struct phone *p, struct span bytes);
void handset_tracking_on_news(struct phone *p, const char *news);
void handset_tracking_again(struct phone *p);
void handset_tracking_late(struct phone *p);
void handset_tracking_stop(struct phone *p);
bool handset_is_tracked(struct phone *p, unsigned index);

/* ---- handset_state.c ---- */

/* The user opens the wallet. ERR_LINK_DOWN: the server is not reached. */
enum err handset_check_keys(struct phone *p);
/* Time to ask. */
void handset_state_look(struct phone *p);
void handset_state_on_link(struct phone *p, enum link_state state);
bool handset_state_waits_for(const struct phone *p, const char *tag);
void handset_state_on_response(struct phone *p, struct span bytes);
void handset_state_late(struct phone *p);
void handset_state_stop(struct phone *p);

#endif

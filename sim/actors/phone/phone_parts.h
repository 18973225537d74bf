/* What the phone's files share. */
#ifndef sim_actors_phone_parts_h
#define sim_actors_phone_parts_h

#include "lib/http/http.h"
#include "lib/token/token.h"
#include "sim/actors/phone/handset.h"
#include "sim/actors/phone/handset_radio.h"
#include "sim/actors/phone/misbehave.h"
#include "sim/actors/phone/phone.h"

enum { PHONE_PORT_APP, PHONE_PORT_NFC, PHONE_PORT_DEVICE, PHONE_PORT_RADIO, PHONE_PORTS };
enum {
    PHONE_TIMER_PATIENCE,
    PHONE_TIMER_RETRY,
    PHONE_TIMER_PLACE,
    PHONE_TIMER_PASSWORD,
    PHONE_TIMER_RELOAD,
    PHONE_TIMER_PHASE0_PATIENCE,
    PHONE_TIMER_PHASE0_RETRY,
    PHONE_TIMER_TRACKING_PATIENCE,
    PHONE_TIMER_TRACKING_RETRY,
    PHONE_TIMER_TRACKING_PAUSE,
    PHONE_TIMER_RADIO,
    PHONE_TIMER_STATE_PATIENCE,
    PHONE_TIMER_STATE
};
enum {
    PHONE_SETTING_PATIENCE_MS,
    PHONE_SETTING_RETRY_MS,
    PHONE_SETTING_TRIES,
    PHONE_SETTING_PASSWORD_S,
    PHONE_SETTING_TRACKING_MS,
    PHONE_SETTING_STATE_MS
};
enum { PHONE_SHOW_SCREEN, PHONE_SHOW_FRAMEWORK, PHONE_SHOW_KEYS, PHONE_SHOW_FIELD, PHONE_SHOW_RADIO };
enum { PHONE_CLAIM_PASSWORD, PHONE_CLAIM_INSTANCE_CA, PHONE_CLAIM_KEY, PHONE_CLAIM_BOND };
enum { PHONE_WORK_DERIVE };

#define PHONE_ID          32 /* characters of client and key */
#define PHONE_VEHICLE_MAX 32
#define PHONE_LINK_MAX    80
#define PHONE_OUT_MAX     5120

/* What the app is asking; one at a time. */
enum phone_ask { PHONE_ASKS_NOTHING, PHONE_ASKS_TOKEN, PHONE_ASKS_LINK, PHONE_ACKNOWLEDGES };

struct phone {
    struct env *env;
    uint64_t patience_us, retry_us, tries_max, password_s, tracking_us, state_us; /* settings */
    const struct phone_user *user; /* NULL: nobody has signed in */
    char token[TOKEN_MAX + 1];
    enum phone_ask asks;
    unsigned tries, sent; /* of this ask; of all requests, for their tags */
    bool wants_link;      /* asked for before the sign-in had ended */
    struct handset handset;
    struct phone_radio radio;
    struct phone_attack attack;
};

/* The app remembers the secrets of the test users, as a password manager would. */
struct phone_user {
    const char *name, *secret;
};
extern const char *const phone_user_names[];
const struct phone_user *phone_user_at(uint64_t index);

/* app.c */
void phone_begin(struct phone *p, enum phone_ask ask);
void phone_app_send(struct phone *p);
/* Again after a while, or no more. */
void phone_retry(struct phone *p, const char *why);
/* The app ends in the middle of what it does. */
void phone_app_stop(struct phone *p);
void phone_on_response(struct phone *p, const char *tag, struct span bytes);
/* For the vehicle in the store: the link, or only its acknowledgement, when a link is here that the last life
 * did not come to acknowledge. */
enum phone_ask phone_next_ask(struct phone *p);
/* Is this of the request that it waits for? */
bool phone_waits_for(const struct phone *p, const char *tag);

/* link.c: takes the deep link into the store. ERR_MSG_MALFORMED. */
enum err phone_take_link(struct phone *p, struct span body);
/* The framework takes the password of the link that the app holds. */
enum err phone_open_link(struct phone *p);
enum err phone_enter(struct phone *p, const char *digits);
enum err phone_forget(struct phone *p);
/* After a start. */
void phone_remember(struct phone *p);
bool phone_digits_ok(const char *text);

/* forge.c: puts a token in the place of the app's that looks like it. */
enum { PHONE_FORGE_NONE, PHONE_FORGE_HS256, PHONE_FORGE_OTHER_KEY, PHONE_FORGE_OTHER_USER };
enum err phone_forge(struct phone *p, uint64_t how);
/* A receipt for that key as the server would write it, signed by a key of the phone's own. */
enum err phone_forge_receipt(struct phone *p, const struct digital_key *k, uint8_t ephemeral[P256_POINT],
                             struct wr *sealed);

#endif

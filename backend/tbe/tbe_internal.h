/* What the TBE's files share. */
#ifndef backend_tbe_internal_h
#define backend_tbe_internal_h

#include "backend/tbe/tbe.h"
#include "lib/http/http.h"
#include "lib/json/json.h"
#include "lib/msg/msg.h"
#include "lib/token/token.h"
#include "proto/init.pb-c.h"

enum {
    TBE_PORT_APP,
    TBE_PORT_OPERATOR,
    TBE_PORT_INIT,
    TBE_PORT_MAIL,
    TBE_PORT_PORTAL,
    TBE_PORT_HOTLINE,
    TBE_PORTS
};
enum { TBE_TIMER_VOS, TBE_TIMER_MAILING, TBE_TIMER_AUDIT, TBE_TIMER_PAGE };
enum {
    TBE_SETTING_TOKEN_S,
    TBE_SETTING_SIGN_INS,
    TBE_SETTING_ASKS,
    TBE_SETTING_VOS_MS,
    TBE_SETTING_VEHICLE_ASKS,
    TBE_SETTING_MAIL_TRIES,
};
enum { TBE_WORK_HASH };

#define TBE_MESSAGE_MAX (HTTP_HEAD_MAX + JSON_TEXT_MAX)
#define TBE_ADDRESS     48  /* of a request, with its end (lib/media/http/http.h) */
#define TBE_ASKING_MAX  128 /* requests that wait for the VOS */
#define TBE_SIGNING_MAX 32  /* sign-ins that wait for their hash */
#define TBE_WORD        64  /* characters of names, secrets, keys */
#define TBE_ID          80  /* of a link, with its end */
#define TBE_KEY_MIN     16 /* characters of an idempotency key: who guesses one gains nothing, but may clash */
#define TBE_SALT        16
#define TBE_BUCKETS     4096
#define TBE_PENDING_MAX 64 /* entries of the audit trail that wait for their commit */
#define TBE_HASH        32
#define TBE_POLICY      240 /* Content-Security-Policy, with its end */

/* ---- who may sign in ---- */

/* A seeded test user: scrypt of its secret, N = 2^14, r = 8, p = 1. Customers, who have the app, sign in at
 * the portal too. */
struct tbe_user {
    const char *name;
    unsigned port; /* where it signs in */
    const char *scope;
    char salt[TBE_SALT + 1];
    uint8_t hash[TBE_HASH];
    char code_salt[TBE_SALT + 1]; /* of the code that a customer says to the hotline; "": none */
    uint8_t code_hash[TBE_HASH];
};
#define TBE_USERS 4
extern const struct tbe_user tbe_users[TBE_USERS];
/* TBE_USERS for whom we do not know. */
size_t tbe_user_find(const char *name);

/* Lets `per_minute` through at once and as many each minute; by when it is empty again. */
struct tbe_bucket {
    uint64_t empty_us;
};

/* ---- who asked for what ---- */

enum tbe_way { TBE_WAY_APP, TBE_WAY_PORTAL, TBE_WAY_OPERATOR };

struct tbe_audit {
    enum tbe_way way;
    char user[TBE_WORD + 1], by[TBE_WORD + 1], vehicle[MSG_SERIAL_MAX + 1];
    const char *what; /* a literal */
    enum err outcome;
};

#define TBE_AUDIT_KINDS 8 /* entries of a user that more may be merged into */

/* One that is in the store. number 0: none. */
struct tbe_audited {
    struct tbe_audit entry;
    char what[32];         /* in the place of the entry's */
    uint64_t number, used; /* used: in which order they were counted last */
    int64_t at_s, since_s;
    unsigned count;
};

/* ---- requests in our hands ---- */

struct tbe_caller {
    unsigned port;
    char address[TBE_ADDRESS];
};

struct tbe_visit {
    struct tbe_caller caller;
    const struct http_request *request;
    struct token_claims claims; /* of a route with a scope */
    char id[TBE_ID];            /* the part of the path that varies */
    unsigned wait_s;            /* with ERR_HTTP_RATE: until it would be let through */
};

enum tbe_ask {
    TBE_ASK_LINK,
    TBE_ASK_ACKNOWLEDGE,
    TBE_ASK_RENEW,
    TBE_ASK_STATUS,
    TBE_ASK_VEHICLES,
    TBE_ASK_MAILING, /* of mailing.c: caller and audit are empty */
};

/* A request that waits for the VOS. request_id 0: free. */
struct tbe_asking {
    uint64_t request_id, until_us;
    struct tbe_caller caller;
    enum tbe_ask ask;
    struct tbe_audit audit; /* its outcome comes with the answer */
    size_t mailing;
};

struct tbe_mailings; /* mailing_internal.h */

struct tbe_signing {
    struct tbe_caller caller;
    size_t user;
    char client[TBE_WORD + 1];
    unsigned page; /* 1 + the page that waits for it; 0: a token is wanted */
};

/* ---- the customers' portal and the hotline's page (tbe_portal.h) ---- */

#define TBE_SESSION_ID    32 /* random bytes: what the cookie says */
#define TBE_SESSIONS_EACH 4  /* of a user; one more ends the oldest */
#define TBE_SESSIONS      (TBE_USERS * TBE_SESSIONS_EACH)
#define TBE_PAGES_EACH    16 /* requests for pages that wait, of a user: for a code, the VOS, an outcome */
#define TBE_OUTCOMES_EACH 4  /* of them for an outcome: one more is answered at once */
/* So nobody takes the places of others, nor of those who sign in. */
#define TBE_PAGES_MAX (TBE_USERS * TBE_PAGES_EACH + TBE_SIGNING_MAX)

/* user TBE_USERS: free. */
struct tbe_session {
    uint8_t digest[SHA256_SIZE]; /* of its id */
    size_t user;
    unsigned port;
    int64_t begun_ms, seen_ms; /* wall clock */
    int64_t kept_ms;           /* seen_ms as the store has it */
};

enum tbe_page_for {
    TBE_PAGE_FREE,
    TBE_PAGE_SIGN_IN, /* waits for a hash */
    TBE_PAGE_CODE,
    TBE_PAGE_LIST, /* waits for the vehicles of a customer */
    TBE_PAGE_VEHICLE,
    TBE_PAGE_MAIL,
    TBE_PAGE_CALL,
    TBE_PAGE_CALLED,  /* waits for nothing yet */
    TBE_PAGE_OUTCOME, /* waits for the end of a mailing */
};

struct tbe_page {
    enum tbe_page_for wants;
    struct tbe_caller caller;
    uint8_t id[TBE_SESSION_ID]; /* of the session, for the tokens of its forms */
    size_t user;                /* who is signed in, or signs in */
    size_t customer;            /* whose vehicle; TBE_USERS: nobody that we know */
    char vehicle[MSG_SERIAL_MAX + 1], once[TBE_WORD + 1];
    int64_t issued_ms; /* of the form */
    uint64_t until_us; /* for an outcome */
};

struct tbe {
    struct env *env;
    struct p256_key *key;
    char key_id[TOKEN_WORD + 1];
    bool vos_up;
    uint64_t next_request_id;
    uint64_t token_s, sign_ins, asks, vos_us; /* settings */
    struct tbe_asking asking[TBE_ASKING_MAX]; /* slot = request_id modulo that */
    struct tbe_signing signing[TBE_SIGNING_MAX];
    size_t signing_first, signing_count;
    struct tbe_bucket sign_in_buckets[TBE_USERS], ask_buckets[TBE_USERS];
    uint64_t vehicle_asks, mail_tries;           /* settings */
    uint8_t bucket_secret[16];                   /* nobody outside knows what shares a bucket */
    struct tbe_bucket name_buckets[TBE_BUCKETS]; /* of users that are not known, or not there */
    struct tbe_bucket vehicle_buckets[TBE_BUCKETS];
    struct tbe_mailings *mailings;
    uint64_t audit_number, audit_uses;                      /* of the last entry */
    struct tbe_audited audited[TBE_USERS][TBE_AUDIT_KINDS]; /* the latest of each user, in no order */
    struct tbe_audit pending[TBE_PENDING_MAX];
    size_t pending_count;
    uint8_t form_key[SHA256_SIZE];
    char style_policy[TBE_POLICY];
    struct tbe_session sessions[TBE_SESSIONS];
    struct tbe_page pages[TBE_PAGES_MAX];
    struct tbe_bucket code_buckets[TBE_USERS], call_buckets[TBE_USERS]; /* per customer, per operator */
};

/* tbe.c: seconds until it would be let through; 0: it is. */
unsigned tbe_bucket_take(struct tbe *t, struct tbe_bucket *b, uint64_t per_minute);
/* The same of a vehicle, for whoever asks for a link. The table is fixed, and its order is secret: who names
 * many vehicles takes nothing from another but by chance. */
unsigned tbe_vehicle_take(struct tbe *t, const char *vehicle);
/* The same of a sign-in at that port, known or not: a name that nobody has there is let through as often as
 * one that somebody has. And of a telephone code. */
unsigned tbe_sign_in_take(struct tbe *t, unsigned port, const char *name);
unsigned tbe_code_take(struct tbe *t, size_t customer, const char *name, uint64_t per_minute);
/* The VOS has answered such an ask: a stranger's is given back. */
void tbe_vehicle_judge(struct tbe *t, const char *vehicle, enum err answer);

/* answer.c. The status of a reason; 500 for what is our own trouble. */
unsigned tbe_status_of(enum err reason);
/* To a caller that is gone nothing is sent. */
void tbe_answer(struct tbe *t, const struct tbe_caller *c, unsigned status, const char *json);
/* A problem document with the status of that reason. */
void tbe_refuse(struct tbe *t, const struct tbe_caller *c, enum err reason, unsigned retry_after_s);
/* ERR_HTTP_METHOD; allow: "GET, POST". */
void tbe_refuse_method(struct tbe *t, const struct tbe_caller *c, const char *allow);
/* The body as a flat JSON object: ERR_HTTP_TYPE, and those of json_read. */
enum err tbe_read_body(const struct http_request *r, const struct json_field *fields, size_t n);
/* Letters, digits, "-", "_" and "." of at least min and at most TBE_WORD characters. */
bool tbe_is_word(const char *text, size_t min);
/* The same characters, as many as an id of a link may have. */
bool tbe_is_id(const char *text);

/* sign_in.c. These and those below return why not, or ERR_OK: it was answered, or will be. */
enum err tbe_sign_in(struct tbe *t, struct tbe_visit *v);
/* Hands out the hash of a secret of at most TBE_WORD characters; salt NULL: nobody's. ERR_BUSY. */
enum err tbe_hash_begin(struct tbe *t, const struct tbe_signing *s, const char *salt, const char *secret);
void tbe_on_hash(struct tbe *t, enum err e, struct span hash);
enum err tbe_hash(struct span in, uint8_t *out, size_t cap, size_t *len);
/* Reads the key that tokens are signed with, or makes it. */
enum err tbe_key_load(struct tbe *t);
enum err tbe_authorise(struct tbe *t, const char *scope, struct tbe_visit *v);

/* vos.c: what the VOS is asked. */
enum err tbe_ask_link(struct tbe *t, struct tbe_visit *v);
enum err tbe_acknowledge(struct tbe *t, struct tbe_visit *v);
enum err tbe_renew(struct tbe *t, struct tbe_visit *v);
enum err tbe_status(struct tbe *t, struct tbe_visit *v);
/* Sends an ask; `about` is kept until its answer, its number is t->next_request_id. ERR_VOS_UNREACHABLE,
 * ERR_BUSY, ERR_MSG_TOO_LONG. */
enum err tbe_vos_ask(struct tbe *t, const struct tbe_asking *about, Init__V1__OpInitRequest *m);
/* May the text stand in JSON or mail as it is? Printable ASCII without blanks and quotes, not empty. */
bool tbe_is_plain(const char *text, size_t max);
void tbe_on_vos(struct tbe *t, struct span bytes);
/* The VOS is gone, or those whose time is over. */
void tbe_vos_lost(struct tbe *t);
void tbe_vos_late(struct tbe *t);
/* Nobody waits for this answer any more. */
void tbe_forget(struct tbe *t, unsigned port, const char *address);

/* audit.c. Puts, without committing. */
enum err tbe_audit_put(struct tbe *t, const struct tbe_audit *a);
/* In a transaction of its own, soon after this input: one that was refused stores nothing. */
void tbe_audit_later(struct tbe *t, const struct tbe_audit *a);
/* One that failed; of whom we do not know there is no entry. */
void tbe_audit_sign_in(struct tbe *t, unsigned port, size_t user, const char *client);
void tbe_audit_flush(struct tbe *t);
enum err tbe_audit_load(struct tbe *t);

/* users.c: a call. ERR_NOT_FOUND for whom we do not know, ERR_BAD_ARGUMENT for no address. */
enum err tbe_set_address(struct tbe *t, const char *user, const char *address);

/* mailing.c: what the class hands on. */
enum err tbe_mailing_load(struct tbe *t);
void tbe_mailing_fini(struct tbe *t);
void tbe_mailing_on_mail(struct tbe *t, const char *tag, const char *news);
void tbe_mailing_on_timer(struct tbe *t);
void tbe_mailing_on_vos_up(struct tbe *t);
/* To an ask that it made: the answer, or NULL and why there is none. */
void tbe_mailing_on_answer(struct tbe *t, const struct tbe_asking *asked, enum err e,
                           const Init__V1__OpInitResponse *m);

#endif

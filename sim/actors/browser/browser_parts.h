/* What the browser's files share. */
#ifndef sim_actors_browser_parts_h
#define sim_actors_browser_parts_h

#include "lib/http/http.h"
#include "sim/actors/browser/browser.h"
#include "sim/actors/browser/page.h"

enum { BROWSER_PORT_PORTAL, BROWSER_PORT_HOTLINE, BROWSER_PORTS };
enum { BROWSER_TIMER_PATIENCE };
enum { BROWSER_SETTING_PATIENCE_MS };
enum { BROWSER_SHOW_PAGE, BROWSER_SHOW_MESSAGE };

#define BROWSER_PATH_MAX  160
#define BROWSER_BODY_MAX  2048
#define BROWSER_OUT_MAX   4096  /* of a request */
#define BROWSER_PAGE_MAX  32768 /* of a response */
#define BROWSER_QUEUE     8     /* errands that wait for the one before */
#define BROWSER_REDIRECTS 5     /* one after the other; more is a loop */

/* ---- what a person wants ---- */

enum browser_errand_kind {
    BROWSER_SIGNS_IN,
    BROWSER_ASKS_MAIL,
    BROWSER_ASKS_MAIL_BY_ADDRESS, /* types the page's address, listed or not */
    BROWSER_OPENS_VEHICLE,
    BROWSER_LOOKS_AGAIN,
    BROWSER_SIGNS_OUT,
    BROWSER_HELPS,
    BROWSER_SENDS_AGAIN,
    BROWSER_ERRANDS
};

enum { BROWSER_CODE_RIGHT, BROWSER_CODE_WRONG, BROWSER_CODE_NONE };

struct browser_errand {
    enum browser_errand_kind kind;
    unsigned port;
    char vehicle[ENV_NAME_MAX];
    const struct browser_person *person; /* who signs in; whom the operator helps */
    uint64_t code;
    bool consent;
};

/* An attacker's hand in the next form. */
enum browser_forgery {
    BROWSER_HONEST,
    BROWSER_FORGE_TOKEN,  /* a token of the right form, drawn */
    BROWSER_FORGE_NONE,   /* no token */
    BROWSER_FORGE_ORIGIN, /* as another site's page would send it, by a browser that knows no SameSite */
    BROWSER_FORGE_SITE,   /* the same without Origin */
};

struct browser_form_sent {
    unsigned port;
    char path[BROWSER_PATH_MAX], body[BROWSER_BODY_MAX];
    size_t len; /* 0: none was sent */
};

struct browser {
    struct env *env;
    uint64_t patience_us;
    struct browser_errand queue[BROWSER_QUEUE]; /* the first is under way */
    size_t queued;
    unsigned stage; /* of the first */
    unsigned port;  /* where it is */
    char path[BROWSER_PATH_MAX];
    bool waits;
    unsigned sent, redirects;
    struct page page;  /* empty: none is there */
    bool keeps_secret; /* the page wants no referrer said: browsers then say "null" for an origin */
    enum browser_forgery forgery;
    struct browser_form_sent last;
};

/* ---- people.c: the test users' secrets, as a password manager remembers them ---- */

struct browser_person {
    const char *name, *secret;
    const char *code; /* for the telephone; NULL: an operator */
};
extern const char *const browser_person_names[];
const struct browser_person *browser_person_at(uint64_t index);

/* ---- errand.c ---- */

/* ERR_BUSY: too many wait. */
enum err browser_begin(struct browser *b, const struct browser_errand *errand);
/* A page is there: what comes next. */
void browser_go_on(struct browser *b);
/* It came to nothing: what waits behind it is not done either. */
void browser_give_up(struct browser *b, const char *message);

/* ---- form.c ---- */

/* The form as the person fills it in: ERR_NOT_FOUND: a field that is to be filled is not there;
 * ERR_NO_SPACE. */
enum err browser_fill(struct browser *b, const struct page_form *form, const struct browser_errand *errand,
                      struct browser_form_sent *out);

/* ---- surf.c ---- */

struct browser_ask {
    enum http_method method;
    const char *site;   /* Sec-Fetch-Site */
    const char *origin; /* NULL: not said */
    struct span body;   /* of a form */
};
/* Asks for a path of the host where it is. */
void browser_ask(struct browser *b, const char *path, const struct browser_ask *ask);
/* By the person's hand: an address typed, or a link of the page. */
void browser_visit(struct browser *b, const char *path, bool by_link);
void browser_submit(struct browser *b, const struct browser_form_sent *form);
void browser_on_response(struct browser *b, const char *tag, struct span bytes);
bool browser_waits_for(const struct browser *b, const char *tag);
void browser_end_wait(struct browser *b);

/* ---- jar.c: cookies ---- */

/* "" for none. */
void browser_cookie_get(struct browser *b, char *out, size_t cap);
/* A Set-Cookie line: ERR_BAD_SYNTAX for one that a browser would not keep under its name, or that is not as
 * ours are. Not committed. */
enum err browser_cookie_keep(struct browser *b, struct span line);
enum err browser_cookies_forget(struct browser *b);

#endif

/* A browser in front of the TBE on a bench: requests to portal and hotline, and what their pages say. */
#ifndef tests_portal_bench_h
#define tests_portal_bench_h

#include "backend/tbe/tbe.h"
#include "lib/http/http.h"
#include "tests/support.h"

enum { SITE_APP, SITE_OPERATOR, SITE_INIT, SITE_MAIL, SITE_PORTAL, SITE_HOTLINE };

#define SITE_ANNA      "lake-and-lantern"
#define SITE_BERT      "field-and-feather"
#define SITE_HUGO      "candle-and-compass"
#define SITE_OLGA      "harbour-and-hinge"
#define SITE_CODE      "48210973" /* anna's */
#define SITE_CODE_BERT "31415926"
#define SITE_CAR       "SPAAK00000001"
#define SITE_OTHER     "SPAAK00000002"
#define SITE_LINK      "https://pair.example/pair#vehicle=" SITE_CAR "&id=0001&password=12345678"

extern struct bench site;

/* What was answered last; status 0: nothing yet. */
struct site_answer {
    unsigned status;
    char lines[HTTP_LINES][1024];
    char body[8192];
    char title[80], h1[80], reason[40], outcome[20];
    char csrf[48], once[48]; /* of the page's first form */
    bool has_cookie;         /* a new one came */
};
extern struct site_answer said;

struct site_ask {
    unsigned port;
    enum http_method method;
    const char *path, *cookie, *body; /* a cookie's value, not its name */
    const char *type, *origin, *site, *query;
    const char *raw_cookie; /* the whole line, in the place of `cookie` */
    const char *address;    /* NULL: the next */
};

void site_start(void);
void site_start_with(const uint64_t *settings);
void site_stop(void);
/* The TBE dies and lives again, with its store. */
void site_restart(void);
/* A form is sent as one unless it says otherwise. */
void site_ask(const struct site_ask *a);
/* Reads what has been answered since the last request. */
void site_hear(void);
void site_get(unsigned port, const char *path, const char *cookie);
void site_post(unsigned port, const char *path, const char *cookie, const char *body);
/* The value of the cookie that came last. */
const char *site_cookie(void);
/* The form, and what is typed, until the answer; its cookie. */
void site_sign_in(unsigned port, const char *user, const char *secret, char cookie[64]);
/* A token for a form that no page at hand has. */
void site_token(unsigned port, const char *page, const char *cookie, const char *action, char out[48]);

/* How many requests the VOS has had since it was last looked; the number of the last. */
unsigned site_vos_asks(uint64_t *number);
/* Its answer to `number`: vehicles, or a link, or neither. */
void site_vos_says(uint64_t number, enum err e, const char *const *vehicles, const char *link);
/* Answers the one request for vehicles, which must be there. */
void site_vos_has(const char *const *vehicles);
/* The tag of the mail that left last; "": none. */
const char *site_mailed(void);

#endif

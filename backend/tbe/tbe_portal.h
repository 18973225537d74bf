/* The customers' portal and the hotline's page (docs/portal.md): what their files share, and the rest of the
 * TBE asks of them. Every answer is a page, or a 303 to one. */
#ifndef backend_tbe_portal_h
#define backend_tbe_portal_h

#include "backend/tbe/tbe_mailing.h"

#define TBE_PAGE_BODY  7000    /* bytes of a page, at most */
#define TBE_OUTCOME_US 2000000 /* a page waits so long: the door has less patience than a mail server */
#define TBE_FORM_TOKEN 44      /* base64url of an HMAC, with its end */

/* ---- for the rest of the TBE ---- */

void tbe_page_on_request(struct tbe *t, unsigned port, const char *address, struct span bytes);
/* The hash that page number `page` waits for. */
void tbe_page_on_hash(struct tbe *t, size_t page, enum err e, struct span hash);
/* Outcomes that did not come in time are told as they are. */
void tbe_pages_late(struct tbe *t);
void tbe_page_forget(struct tbe *t, unsigned port, const char *address);

/* ---- a request ---- */

struct tbe_page_visit {
    struct tbe_caller caller;
    const struct http_request *request;
    char path[HTTP_NAME_MAX + 2 * TBE_ID]; /* what the token of the form is bound to */
    char id[TBE_ID];                       /* the part of the path that varies */
    bool has_cookie;                       /* of the form of ours */
    uint8_t cookie[TBE_SESSION_ID];
    struct tbe_session *session; /* NULL: nobody is signed in */
    const char *step;            /* at which it is refused, if any */
    unsigned wait_s;             /* for HTTP_RATE */
};

/* ---- portal_session.c ---- */

/* Reads the key of forms, or makes it, and the sessions that a former life kept. */
enum err tbe_sessions_load(struct tbe *t);
/* Who comes, by the cookie; a session that is over is ended. */
void tbe_session_recognise(struct tbe *t, struct tbe_page_visit *v);
/* A new one, in the store; of the user's the oldest gives way. `former` ends with it, NULL: there is none. */
enum err tbe_session_begin(struct tbe *t, unsigned port, size_t user, const uint8_t *former,
                           uint8_t id[TBE_SESSION_ID]);
enum err tbe_session_end(struct tbe *t, struct tbe_session *s);
/* What binds the sign-in form to a browser before there is a session: kept nowhere, known again by its MAC.
 */
void tbe_visitor_make(struct tbe *t, unsigned port, uint8_t id[TBE_SESSION_ID]);
bool tbe_visitor_is(struct tbe *t, unsigned port, const uint8_t id[TBE_SESSION_ID]);
/* HMAC of session, host and the form's action. */
void tbe_form_token(struct tbe *t, unsigned port, const uint8_t id[TBE_SESSION_ID], const char *action,
                    char out[TBE_FORM_TOKEN]);

/* ---- portal_page.c: writing ---- */

struct tbe_page_out {
    unsigned status, retry_after_s; /* 0: no such line */
    const char *location, *allow;   /* NULL: no such line */
    const uint8_t *cookie;          /* a new id, NULL: stays as it is */
    bool no_cookie;                 /* the browser is to forget it */
    struct wr w;
    uint8_t body[TBE_PAGE_BODY];
};

/* For the policy of all pages: the digest of their style. */
void tbe_page_style_policy(struct tbe *t);
/* A page that has head and h1. */
void tbe_page_open(struct tbe_page_out *p, unsigned status, const char *title);
/* `<p role="alert" data-reason="...">`: what is the matter, and what to do next; with the status of it. */
void tbe_page_alert(struct tbe_page_out *p, enum err reason);
const char *tbe_page_words(enum err reason);
/* A form up to its first field: with the token, and `once` when something is begun. */
void tbe_page_form(struct tbe *t, struct tbe_page_out *p, unsigned port, const uint8_t *id,
                   const char *action, bool has_once);
/* When the form that `once` is of was made, wall clock; false: it is none of ours. */
bool tbe_once_issued(const char *once, int64_t *issued_ms);
/* `type` is what stands in its tag. */
void tbe_page_field(struct tbe_page_out *p, const char *name, const char *label, const char *type);
void tbe_page_paragraph(struct tbe_page_out *p, const char *text);
void tbe_page_button(struct tbe_page_out *p, const char *label);
void tbe_page_link(struct tbe_page_out *p, const char *before, const char *segment, const char *text);
/* Who is signed in, and the way out; at the end of a page. */
void tbe_page_signed_in(struct tbe *t, struct tbe_page_out *p, unsigned port, const uint8_t *id, size_t user);
/* Ends the page, sends and wipes it. */
void tbe_page_send(struct tbe *t, const struct tbe_caller *c, struct tbe_page_out *p);
/* 303, with nothing to read. */
void tbe_page_go(struct tbe *t, const struct tbe_caller *c, const char *before, const char *segment,
                 const uint8_t *cookie);
/* A page of nothing but that reason and the way back. */
void tbe_page_refuse(struct tbe *t, const struct tbe_caller *c, enum err reason, unsigned wait_s,
                     const char *allow);

/* ---- portal.c: what all pages need ---- */

/* The fields of the form; its token must be that of this session and path. FORM_FORGED, errors of form_read.
 */
struct form_field;
enum err tbe_form_take(struct tbe *t, const struct tbe_page_visit *v, const struct form_field *fields,
                       size_t n);
/* A page that waits; NULL: too many do, of this user. Free again with tbe_page_end. */
struct tbe_page *tbe_page_begin(struct tbe *t, const struct tbe_page_visit *v, enum tbe_page_for wants);
void tbe_page_end(struct tbe_page *g);
/* For an outcome: few of a user at a time. */
bool tbe_page_may_wait(const struct tbe *t, const struct tbe_page *g);
/* Those that wait for an outcome wait no longer than they may. */
void tbe_pages_arm(struct tbe *t);
/* Refused: traced, and ended. */
void tbe_page_fail(struct tbe *t, struct tbe_page *g, const char *step, enum err reason, unsigned wait_s);
/* Hands out the hash of what was typed. salt NULL: of nobody; it takes the same time. */
enum err tbe_page_hash(struct tbe *t, struct tbe_page *g, const char *salt, const char *secret);
/* The number of a user who is at home at that port; TBE_USERS: there is none. */
size_t tbe_user_at(const char *name, unsigned port);
const char *tbe_page_home(unsigned port); /* of who is signed in: "/vehicles", "/call" */

/* ---- pages: each returns why not, or ERR_OK: it was answered, or will be ---- */

/* portal_sign_in.c */
enum err tbe_get_sign_in(struct tbe *t, struct tbe_page_visit *v);
enum err tbe_post_sign_in(struct tbe *t, struct tbe_page_visit *v);
enum err tbe_post_sign_out(struct tbe *t, struct tbe_page_visit *v);
/* The form with an alert. cookie: of the visit, as it came; what is no visitor's is replaced. */
void tbe_sign_in_again(struct tbe *t, const struct tbe_caller *c, const uint8_t *cookie, enum err reason,
                       unsigned wait_s);
void tbe_signed_in(struct tbe *t, struct tbe_page *g, bool is_right);

/* portal_vehicles.c */
enum err tbe_get_vehicles(struct tbe *t, struct tbe_page_visit *v);
enum err tbe_get_vehicle(struct tbe *t, struct tbe_page_visit *v);
enum err tbe_post_mail(struct tbe *t, struct tbe_page_visit *v);
/* The way of one page each, with the list. */
void tbe_vehicles_page(struct tbe *t, struct tbe_page *g, const struct tbe_vehicles *list);
/* Says what became of the last mailing; waits for it while there is time. */
void tbe_outcome_page(struct tbe *t, struct tbe_page *g);
bool tbe_vehicles_have(const struct tbe_vehicles *list, const char *serial);
/* OP-01b/3 done: the mailing begins, and the browser goes where it hears of it. */
void tbe_mail_begin(struct tbe *t, struct tbe_page *g);

/* portal_call.c */
enum err tbe_get_call(struct tbe *t, struct tbe_page_visit *v);
enum err tbe_post_call(struct tbe *t, struct tbe_page_visit *v);
enum err tbe_get_called(struct tbe *t, struct tbe_page_visit *v);
void tbe_code_checked(struct tbe *t, struct tbe_page *g, bool is_right);
/* With the vehicles of the customer. */
void tbe_call_page(struct tbe *t, struct tbe_page *g, const struct tbe_vehicles *list);

#endif

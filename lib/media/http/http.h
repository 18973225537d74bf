/* HTTP: a port that listens is a host behind the run's door, a port that asks is a client of one. Both ends
 * see messages in the canonical forms of lib/http/http.h, the same bytes in both worlds.
 *
 * Process world: the door is an nginx of the run's own (TLS 1.3 and 1.2, mutual between components), which
 * hands requests over by SCGI; libcurl asks. Virtual world: the same readers and limits without either.
 *
 * The client sends a request to an address of its own choice, a tag ("" is one), and gets by that tag, once
 * for each request that it sent, bytes or a word:
 *
 * - bytes: a response, the server's, or the door's, which is a problem document;
 *
 * - "no-answer": the connection was lost, or nothing came for HTTP_ASK_MS: whether the server acted is
 * unknown;
 *
 * - "not-sent": the door was not reached: the server has not seen it;
 *
 * - "too-long": the response is longer than the component takes (message_max), or none that could be read.
 *
 * The server gets bytes from "<caller>/<number>": the caller's name as its certificate proved it, "" for who
 * has none; requests are numbered from 1 in each life. It answers to that address once (ERR_NOT_FOUND
 * afterwards), and hears "gone" by it when nobody waits for the answer any more. Neither end sends what is
 * not of the form (the reader's errors); an effect that has begun does not end with the request.
 *
 * Requests that are under way together may overtake each other, and so may their answers.
 *
 * What the door answers itself (lib/http/http_problem.h has them all): 504 MSG_NO_ANSWER when the server says
 * nothing for HTTP_ANSWER_MS; 502 HTTP_GONE when it dies or is cut off with the request in its hands; 413
 * MSG_TOO_LONG for more than the server takes. A request for a server that is dead or cut off waits for its
 * next life, up to HTTP_ANSWER_MS. When the client's own link goes down, all that it asked is forgotten: it
 * hears nothing of it, the server hears "gone". A request that a fault has lost is heard of by nobody.
 *
 * There is no connection that lasts, so a link says less than those of lib/host/medium.h: either end is up
 * while its component lives and it is not cut, the asking end only when it has a server in this run.
 *
 * A raw port (port_spec.raw) is a stranger's, in the process world; in the other it stays down. It tells by a
 * tag of its own "open <host> <protocol> <certificate>": a connection with TLS, that name asked for and that
 * protocol offered ("-": none), and a certificate shown: "foreign" (of another authority), "expired",
 * "server" (a server's), "neighbour" (a valid one of the run, but no caller's), "-" for none. It hears "open"
 * or "refused", then bytes both ways as they are, and "closed" when the door hangs up; "close" ends it.
 *
 * Callers are those that the server's port declares; a class named "" among them stands for everybody without
 * a certificate. Without it the door refuses who has none. */
#ifndef lib_media_http_http_h
#define lib_media_http_http_h

#include "lib/host/medium.h"
#include "lib/http/http.h"

#define HTTP_TAG_MAX    40  /* a client's address, with its end */
#define HTTP_ADDRESS    48  /* a server's, with its end */
#define HTTP_HOST_MAX   64  /* "<port>.<server>.example", as a certificate may have it */
#define HTTP_LOCAL_MAX  66  /* the same below "localhost" */
#define HTTP_ASKS_MAX   64  /* requests of one port that have no answer yet; one more is ERR_BUSY */
#define HTTP_HANDED_MAX 128 /* requests in one server's hands; more wait at the door */
#define HTTP_ANSWER_MS  3000
#define HTTP_ASK_MS     5000

/* Of nginx: what one client, and all without a certificate together, may ask for. */
#define HTTP_RATE_PER_S 1000
#define HTTP_BURST      500

extern const struct medium medium_http;

/* ---- of both worlds ---- */

void http_host_name(const char *server, const char *port, char out[2 * ENV_NAME_MAX + 16]);
/* "<port>.<server>.localhost": the same host for a browser on this machine, which looks nowhere else for it.
 */
void http_local_name(const char *server, const char *port, char out[2 * ENV_NAME_MAX + 18]);
void http_address(const char *caller, unsigned number, char out[HTTP_ADDRESS]);
/* May those come who show no certificate? */
bool http_is_public(const struct port_spec *p);
/* What a client may send: the errors of the reader, ERR_NO_SPACE for a tag that is too long. */
enum err http_ask_check(const char *tag, struct span bytes, struct http_request *out);
/* Would the server's component take it? `longest` is its message_max. */
bool http_fits(struct span bytes, size_t longest);

#endif

/* Problem documents (RFC 9457): how a server, or the door before it, says no.
 *
 *   {"type":"urn:spaaksim:reason:MSG_TOO_LONG","title":"the message is longer than its limit","status":413,
 *    "reason":"MSG_TOO_LONG"}
 *
 * "reason" is the stable name of lib/base/err.h; "detail" comes last, when there is one. */
#ifndef lib_http_http_problem_h
#define lib_http_http_problem_h

#include "lib/http/http.h"

#define HTTP_DETAIL_MAX  200  /* characters of a detail; more are cut off */
#define HTTP_PROBLEM_MAX 2000 /* bytes of a document, and of a response with one */

/* The document's length, in `out` with an end. detail: NULL or "" for none. */
size_t http_problem_text(unsigned status, enum err reason, const char *detail, char out[HTTP_PROBLEM_MAX]);
/* A whole response with one; its length. */
size_t http_problem_write(unsigned status, enum err reason, const char *detail,
                          uint8_t out[HTTP_PROBLEM_MAX]);
/* The reason of a response that is a problem document; ERR_NOT_FOUND when it is none, or its reason is no
 * name that we know. */
enum err http_problem_reason(const struct http_response *r, enum err *out);

/* What the door itself answers, by status: 0 at the end. */
struct http_door_problem {
    unsigned status;
    enum err reason;
};
extern const struct http_door_problem http_door_problems[];
/* What stands in the head of each such answer beside its type. */
void http_door_lines(unsigned status, struct http_response *out);
/* The status that the door answers for what a reader or a link said. */
unsigned http_door_status(enum err reason);
/* A whole response of the door to that: status and document. */
size_t http_door_write(enum err reason, uint8_t out[HTTP_PROBLEM_MAX]);

#endif

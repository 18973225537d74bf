/* JSON from outside: one flat object of texts, read strictly (RFC 8259, RFC 7493). Each name once, UTF-8, no
 * bytes after it, no zero in a text; nothing is nested, so nobody can make a reader go deep. */
#ifndef lib_json_json_h
#define lib_json_json_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"

#define JSON_TEXT_MAX 4096 /* bytes of an object */

/* A member and where its text goes, with an end: printable ASCII of `min` to `cap` - 1 characters. */
struct json_field {
    const char *name;
    size_t min;
    char *out;
    size_t cap;
};

/* Whether members beside the fields are an error, or of a later version of the sender. */
enum json_others { JSON_REFUSE_OTHERS, JSON_SKIP_OTHERS };

/* All fields, or an error and nothing of use in them. ERR_MSG_TOO_LONG: more than JSON_TEXT_MAX bytes, or a
 * text longer than its field. ERR_MSG_MALFORMED: whatever else; a skipped member is text or number. */
enum err json_read(struct span text, const struct json_field *fields, size_t n, enum json_others others);

#endif

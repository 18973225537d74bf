/* What a form sends: application/x-www-form-urlencoded (URL Standard, 5), read strictly. There is one way
 * for a field to come: each that is asked for once, no other, named as it is, its value in UTF-8 without
 * control characters. */
#ifndef lib_html_form_h
#define lib_html_form_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"

#define FORM_MAX    4096 /* bytes of a body */
#define FORM_FIELDS 16

struct form_field {
    const char *name;
    size_t min; /* bytes of the value at least; 0: may be missing, and is "" then */
    char *out;
    size_t cap; /* with its end */
};

/* ERR_MSG_TOO_LONG: the body, or a value for its field. ERR_MSG_MALFORMED: else not such a form. On an error
 * all fields are wiped: a secret may have been among them. */
enum err form_read(struct span body, const struct form_field *fields, size_t n);

#endif

/* Pages as bytes: a bounded writer whose foreign texts all pass an escaper (HTML, 13.1 and 13.2; RFC 3986,
 * 2.1). What is ours is written as it is and is a constant of the program; what is not goes through one of
 * the others, and nothing foreign belongs into a script, a style or the scheme of an address.
 *
 * Five characters are escaped everywhere (& < > " '), so that a text that lands in the wrong one of the two
 * places does no harm either. A text that is not UTF-8, or has a character that must not reach a terminal
 * (text_character), fails the page, as does one that is too long: `failed` of the writer is looked at once,
 * at the end. */
#ifndef lib_html_html_h
#define lib_html_html_h

#include "lib/base/bytes.h"

/* Ours, as it is. */
void html_raw(struct wr *w, const char *markup);
/* Between tags. */
void html_text(struct wr *w, const char *text);
/* ` name="value"`; the name is ours. */
void html_attribute(struct wr *w, const char *name, const char *value);
/* One segment of a path inside an attribute: what is not unreserved becomes %XX. "", "." and ".." fail. */
void html_segment(struct wr *w, const char *text);
void html_number(struct wr *w, unsigned number);

#endif

/* Shared by the readers and writers of lib/http. */
#ifndef lib_http_http_internal_h
#define lib_http_http_internal_h

#include "lib/http/http.h"

/* Printable ASCII, no blank at either end, not empty, not longer than max: ERR_MSG_MALFORMED,
 * ERR_MSG_TOO_LONG. */
enum err http_value_check(struct span value, size_t max);
/* A decimal number without sign and leading zeros, not above max. */
enum err http_number_read(struct span digits, size_t max, size_t *out);
/* Absolute, and the same whether decoded or not. */
bool http_path_ok(struct span path);
void http_text_put(struct wr *w, const char *text);
void http_number_put(struct wr *w, size_t number);

#endif

/* docs/api.json, for the tests that hold it against servers and against itself. */
#ifndef tests_api_file_h
#define tests_api_file_h

#include "tests/schema.h"

#define API_FILE "docs/api.json"

/* NULL, and a word on standard error: it cannot be read. To be given back with json_decref. */
json_t *api_open(void);
/* A member, or what it refers to. */
const json_t *api_at(const json_t *file, const json_t *thing, const char *name);
/* A text of a member, "" when there is none. */
const char *api_text(const json_t *thing, const char *name);
bool api_has(const json_t *list, const char *text);

/* An operation, and where it stands. NULL for operation: there is none of that id. */
struct api_spot {
    const char *path, *method;
    const json_t *item, *operation;
};
struct api_spot api_operation(const json_t *file, const char *id);

#endif

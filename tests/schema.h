/* The part of JSON Schema (2020-12) that docs/api.json uses. A keyword that is not known here is an error:
 * nothing is looked over. Patterns are such that POSIX and ECMA read them alike. */
#ifndef tests_schema_h
#define tests_schema_h

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define SCHEMA_WHY 300

/* jansson walks through what is const, too, but does not say so. */
#define SCHEMA_EACH(object, name, value) json_object_foreach((json_t *)(uintptr_t)(object), name, value)

/* What "#/..." names, as often as one refers to another; the thing itself when it refers to nothing. NULL: it
 * is not there. */
const json_t *schema_follow(const json_t *file, const json_t *thing);
/* Has it only keywords that are known here, all the way down? */
bool schema_known(const json_t *schema, char why[SCHEMA_WHY]);
bool schema_fits(const json_t *file, const json_t *schema, const json_t *value, char why[SCHEMA_WHY]);

#endif

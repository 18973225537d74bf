#include "tests/schema.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct look {
    const json_t *file, *schema, *value;
    char *why;
};

typedef bool keyword(const struct look *l, const json_t *says);

/* ---- references ---- */

static const json_t *find(const json_t *file, const char *path)
{
    char part[100];
    while (*path && file) {
        size_t len = strcspn(path, "/");
        snprintf(part, sizeof part, "%.*s", (int)len, path);
        file = json_object_get(file, part);
        path += len + (path[len] == '/');
    }
    return file;
}

const json_t *schema_follow(const json_t *file, const json_t *thing)
{
    const char *path;
    for (int i = 0; i < 8 && (path = json_string_value(json_object_get(thing, "$ref"))); i++)
        thing = strncmp(path, "#/", 2) == 0 ? find(file, path + 2) : NULL;
    return thing;
}

/* ---- keywords ---- */

static bool nothing(const struct look *l, const json_t *says)
{
    (void)l;
    return json_is_string(says);
}

static bool refers(const struct look *l, const json_t *says)
{
    (void)says;
    const json_t *there = schema_follow(l->file, l->schema);
    return there && schema_fits(l->file, there, l->value, l->why);
}

static bool is_type(const struct look *l, const json_t *says)
{
    const char *type = json_string_value(says);
    if (!type)
        return false;
    return strcmp(type, "object") == 0    ? json_is_object(l->value)
           : strcmp(type, "string") == 0  ? json_is_string(l->value)
           : strcmp(type, "integer") == 0 ? json_is_integer(l->value)
                                          : false;
}

static bool properties(const struct look *l, const json_t *says)
{
    const char *name;
    json_t *member;
    SCHEMA_EACH(l->value, name, member)
    {
        const json_t *schema = json_object_get(says, name);
        if (schema && !schema_fits(l->file, schema, member, l->why))
            return false;
    }
    return true;
}

static bool required(const struct look *l, const json_t *says)
{
    for (size_t i = 0; i < json_array_size(says); i++)
        if (!json_object_get(l->value, json_string_value(json_array_get(says, i))))
            return false;
    return json_is_array(says);
}

/* Only "false" is known. */
static bool no_others(const struct look *l, const json_t *says)
{
    const char *name;
    json_t *member;
    SCHEMA_EACH(l->value, name, member)
    {
        if (!json_object_get(json_object_get(l->schema, "properties"), name))
            return false;
    }
    return json_is_false(says);
}

static bool all_of(const struct look *l, const json_t *says)
{
    for (size_t i = 0; i < json_array_size(says); i++)
        if (!schema_fits(l->file, json_array_get(says, i), l->value, l->why))
            return false;
    return json_is_array(says);
}

static bool is_const(const struct look *l, const json_t *says)
{
    return json_equal(l->value, says);
}

static bool is_one_of(const struct look *l, const json_t *says)
{
    for (size_t i = 0; i < json_array_size(says); i++)
        if (json_equal(l->value, json_array_get(says, i)))
            return true;
    return false;
}

static bool has_pattern(const struct look *l, const json_t *says)
{
    regex_t r;
    const char *text = json_string_value(l->value), *pattern = json_string_value(says);
    if (!text || !pattern || regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    bool fits = regexec(&r, text, 0, NULL, 0) == 0;
    regfree(&r);
    return fits;
}

static bool is_long_enough(const struct look *l, const json_t *says)
{
    return json_is_string(l->value) && (json_int_t)json_string_length(l->value) >= json_integer_value(says);
}

static bool is_short_enough(const struct look *l, const json_t *says)
{
    return json_is_string(l->value) && (json_int_t)json_string_length(l->value) <= json_integer_value(says);
}

static bool is_large_enough(const struct look *l, const json_t *says)
{
    return json_is_integer(l->value) && json_integer_value(l->value) >= json_integer_value(says);
}

static bool is_small_enough(const struct look *l, const json_t *says)
{
    return json_is_integer(l->value) && json_integer_value(l->value) <= json_integer_value(says);
}

static const struct {
    const char *name;
    keyword *holds;
} keywords[] = {
    {"description", nothing},
    {"$ref", refers},
    {"type", is_type},
    {"properties", properties},
    {"required", required},
    {"additionalProperties", no_others},
    {"allOf", all_of},
    {"const", is_const},
    {"enum", is_one_of},
    {"pattern", has_pattern},
    {"minLength", is_long_enough},
    {"maxLength", is_short_enough},
    {"minimum", is_large_enough},
    {"maximum", is_small_enough},
};

static keyword *find_keyword(const char *name)
{
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        if (strcmp(keywords[i].name, name) == 0)
            return keywords[i].holds;
    return NULL;
}

/* ---- all of them ---- */

/* The innermost reason stays. */
static bool holds(const struct look *l, const char *name, const json_t *says)
{
    keyword *k = find_keyword(name);
    if (k && k(l, says))
        return true;
    char *shown = *l->why ? NULL : json_dumps(l->value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (shown)
        snprintf(l->why, SCHEMA_WHY, "%s \"%s\": %.200s", k ? "does not hold:" : "an unknown keyword:", name,
                 shown);
    free(shown);
    return false;
}

static bool look(const struct look *l)
{
    const char *name;
    json_t *says;
    SCHEMA_EACH(l->schema, name, says)
    {
        if (!holds(l, name, says))
            return false;
    }
    return json_is_object(l->schema);
}

bool schema_fits(const json_t *file, const json_t *schema, const json_t *value, char why[SCHEMA_WHY])
{
    return look(&(struct look){file, schema, value, why});
}

static bool parts_known(const char *name, const json_t *says, char why[SCHEMA_WHY])
{
    const char *member;
    json_t *part;
    if (strcmp(name, "properties") == 0)
        SCHEMA_EACH(says, member, part)
        {
            if (!schema_known(part, why))
                return false;
        }
    for (size_t i = 0; strcmp(name, "allOf") == 0 && i < json_array_size(says); i++)
        if (!schema_known(json_array_get(says, i), why))
            return false;
    return true;
}

bool schema_known(const json_t *schema, char why[SCHEMA_WHY])
{
    const char *name;
    json_t *says;
    SCHEMA_EACH(schema, name, says)
    {
        if (!find_keyword(name)) {
            snprintf(why, SCHEMA_WHY, "an unknown keyword: \"%s\"", name);
            return false;
        }
        if (!parts_known(name, says, why))
            return false;
    }
    return json_is_object(schema);
}

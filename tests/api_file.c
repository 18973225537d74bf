#include "tests/api_file.h"

#include <stdio.h>
#include <string.h>

json_t *api_open(void)
{
    json_error_t why;
    json_t *file = json_load_file(API_FILE, JSON_REJECT_DUPLICATES, &why);
    if (!file)
        fprintf(stderr, API_FILE ":%d: %s\n", why.line, why.text);
    return file;
}

const json_t *api_at(const json_t *file, const json_t *thing, const char *name)
{
    return schema_follow(file, json_object_get(thing, name));
}

const char *api_text(const json_t *thing, const char *name)
{
    const char *text = json_string_value(json_object_get(thing, name));
    return text ? text : "";
}

bool api_has(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), text) == 0)
            return true;
    return false;
}

struct api_spot api_operation(const json_t *file, const char *id)
{
    struct api_spot p = {.operation = NULL};
    json_t *item, *o;
    SCHEMA_EACH(json_object_get(file, "paths"), p.path, item)
    SCHEMA_EACH(item, p.method, o)
    {
        if (strcmp(api_text(o, "operationId"), id) == 0) {
            p.item = item;
            p.operation = o;
            return p;
        }
    }
    return p;
}

/* docs/api.json against itself, against the door's list of answers, and the checker of its schemas. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http/http_problem.h"
#include "tests/api_file.h"
#include "tests/check.h"

static json_t *file;

/* ---- the file ---- */

static const json_t *at(const json_t *thing, const char *name)
{
    return api_at(file, thing, name);
}

static void open_file(void)
{
    file = api_open();
    cr_assert(file != NULL);
}

static void close_file(void)
{
    json_decref(file);
}

TestSuite(api_file, .init = open_file, .fini = close_file, .timeout = 300);

static bool names(const char *list, const char *word)
{
    const char *found = strstr(list, word);
    return found && (found[strlen(word)] == '\0' || found[strlen(word)] == ' ');
}

/* ---- the door ---- */

/* What its list has and no client can get on these paths. */
static bool is_never_said(unsigned status)
{
    return status == 404    /* of paths of its own */
           || status == 408 /* who is slow is hung up on without a word */
           || status == 503 /* no limit of nginx's is set to say so */;
}

static bool door_says(unsigned status, const char *reason)
{
    for (const struct http_door_problem *p = http_door_problems; p->status; p++)
        if (p->status == status && strcmp(err_name(p->reason), reason) == 0)
            return !is_never_said(status);
    return false;
}

static void expect_door(const char *name, const json_t *responses)
{
    const char *status;
    json_t *response;
    for (const struct http_door_problem *p = http_door_problems; p->status; p++) {
        char number[12];
        snprintf(number, sizeof number, "%u", p->status);
        const json_t *by = json_object_get(at(responses, number), "x-by");
        cr_expect(is_never_said(p->status) || api_has(json_object_get(by, "door"), err_name(p->reason)),
                  "%s: %s %s", name, number, err_name(p->reason));
    }
    SCHEMA_EACH(responses, status, response)
    {
        const json_t *door = json_object_get(json_object_get(schema_follow(file, response), "x-by"), "door");
        for (size_t i = 0; i < json_array_size(door); i++)
            cr_expect(
                door_says((unsigned)strtoul(status, NULL, 10), json_string_value(json_array_get(door, i))),
                "%s %s", name, status);
    }
}

Test(api_file, the_doors_own_answers_are_those_of_its_list)
{
    const char *path, *method;
    json_t *item, *o;
    SCHEMA_EACH(json_object_get(file, "paths"), path, item)
    SCHEMA_EACH(item, method, o)
    {
        if (*api_text(o, "operationId"))
            expect_door(api_text(o, "operationId"), json_object_get(o, "responses"));
    }
}

/* ---- the file alone ---- */

static void expect_reasons(const char *status, const json_t *response)
{
    const char *who;
    json_t *list;
    const json_t *media_type =
        json_object_get(json_object_get(response, "content"), "application/problem+json");
    const json_t *properties =
        at(json_array_get(json_object_get(at(media_type, "schema"), "allOf"), 1), "properties");
    const json_t *reasons = json_object_get(at(properties, "reason"), "enum");
    size_t n = 0;
    cr_expect(eq(i64, json_integer_value(json_object_get(at(properties, "status"), "const")),
                 strtol(status, NULL, 10)));
    for (size_t i = 0; i < json_array_size(reasons); i++) {
        const char *name = json_string_value(json_array_get(reasons, i));
        cr_expect(err_name_known(name), "%s", name);
        SCHEMA_EACH(json_object_get(response, "x-by"), who, list)
        {
            if (api_has(list, name)) {
                n++;
                break;
            }
        }
    }
    cr_expect(eq(sz, n, json_array_size(reasons)), "%s: each reason is somebody's", status);
    SCHEMA_EACH(json_object_get(response, "x-by"), who, list)
    {
        for (size_t i = 0; i < json_array_size(list); i++)
            cr_expect(api_has(reasons, json_string_value(json_array_get(list, i))), "%s", status);
    }
    cr_expect(names("no sign-in wait same", api_text(response, "x-retry")), "%s", status);
    SCHEMA_EACH(json_object_get(response, "x-retry-reasons"), who, list)
    {
        cr_expect(api_has(reasons, who), "%s: %s", status, who);
        cr_expect(
            names("no sign-in wait same", api_text(json_object_get(response, "x-retry-reasons"), who)) &&
                strcmp(api_text(response, "x-retry"),
                       api_text(json_object_get(response, "x-retry-reasons"), who)) != 0,
            "%s: %s is an exception", status, who);
    }
}

static void expect_example(const json_t *content)
{
    char why[SCHEMA_WHY] = "";
    const char *type;
    json_t *media_type;
    SCHEMA_EACH(content, type, media_type)
    {
        cr_expect(schema_known(json_object_get(media_type, "schema"), why), "%s", why);
        cr_expect(schema_fits(file, at(media_type, "schema"), json_object_get(media_type, "example"), why),
                  "%s", why);
    }
}

Test(api_file, the_file_keeps_to_its_own_rules)
{
    char why[SCHEMA_WHY] = "";
    const char *path, *method, *status, *name;
    json_t *item, *o, *response, *schema;
    SCHEMA_EACH(json_object_get(file, "paths"), path, item)
    SCHEMA_EACH(item, method, o)
    {
        expect_example(json_object_get(json_object_get(o, "requestBody"), "content"));
        SCHEMA_EACH(json_object_get(o, "responses"), status, response)
        {
            const json_t *r = schema_follow(file, response);
            expect_example(json_object_get(r, "content"));
            if (status[0] > '3')
                expect_reasons(status, r);
        }
    }
    SCHEMA_EACH(json_object_get(json_object_get(file, "components"), "schemas"), name, schema)
    {
        cr_expect(schema_known(schema, why), "%s: %s", name, why);
    }
}

/* ---- the checker ---- */

Test(api_file, the_checker_of_schemas_refuses_what_does_not_fit)
{
    static const struct {
        const char *schema, *value;
        bool fits;
    } checks[] = {
        {"{\"type\":\"string\"}", "\"a\"", true},
        {"{\"type\":\"string\"}", "1", false},
        {"{\"type\":\"integer\"}", "1", true},
        {"{\"type\":\"integer\"}", "1.5", false},
        {"{\"type\":\"number\"}", "1", false},
        {"{\"pattern\":\"^[a-c]{2,3}$\"}", "\"abc\"", true},
        {"{\"pattern\":\"^[a-c]{2,3}$\"}", "\"abcd\"", false},
        {"{\"enum\":[\"a\",\"b\"]}", "\"c\"", false},
        {"{\"const\":401}", "401", true},
        {"{\"const\":401}", "\"401\"", false},
        {"{\"minLength\":2}", "\"a\"", false},
        {"{\"maxLength\":2}", "\"abc\"", false},
        {"{\"minimum\":2}", "1", false},
        {"{\"maximum\":2}", "3", false},
        {"{\"required\":[\"a\"]}", "{\"b\":1}", false},
        {"{\"properties\":{\"a\":{\"const\":1}}}", "{\"a\":2}", false},
        {"{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\":1}", true},
        {"{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"b\":1}", false},
        {"{\"allOf\":[{\"type\":\"string\"},{\"const\":\"a\"}]}", "\"b\"", false},
        {"{\"$ref\":\"#/components/schemas/Word\"}", "\"installation-0001\"", true},
        {"{\"$ref\":\"#/components/schemas/Word\"}", "\"short\"", false},
        {"{\"$ref\":\"#/components/schemas/Wort\"}", "\"installation-0001\"", false},
        {"{\"format\":\"uuid\"}", "\"a\"", false},
        {"{\"properties\":{\"a\":{\"format\":\"uuid\"}}}", "{\"a\":1}", false},
    };
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        char why[SCHEMA_WHY] = "";
        json_t *schema = json_loads(checks[i].schema, 0, NULL);
        json_t *value = json_loads(checks[i].value, JSON_DECODE_ANY, NULL);
        cr_assert(schema && value);
        cr_expect(eq(int, schema_fits(file, schema, value, why), checks[i].fits), "%zu: %s", i, why);
        cr_expect(eq(int, *why != '\0', !checks[i].fits), "%zu: a reason", i);
        json_decref(schema);
        json_decref(value);
    }
}

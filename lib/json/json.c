#include "lib/json/json.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <string.h>

/* Looked at before jansson parses: with nesting it would call itself as often as the sender likes. */
static bool is_flat(struct span text)
{
    unsigned opened = 0;
    bool inside = false;
    for (size_t i = 0; i < text.len; i++) {
        if (inside && text.p[i] == '\\')
            i++;
        else if (text.p[i] == '"')
            inside = !inside;
        else if (!inside)
            opened += text.p[i] == '{' || text.p[i] == '[';
    }
    return opened == 1;
}

static const struct json_field *find(const struct json_field *fields, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static enum err take(const json_t *value, const struct json_field *f)
{
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    if (!text || len < f->min)
        return ERR_MSG_MALFORMED;
    if (len >= f->cap)
        return ERR_MSG_TOO_LONG;
    for (size_t i = 0; i < len; i++)
        if (text[i] < 0x20 || text[i] > 0x7E)
            return ERR_MSG_MALFORMED;
    memcpy(f->out, text, len + 1);
    return ERR_OK;
}

static enum err take_all(json_t *o, const struct json_field *fields, size_t n, enum json_others others)
{
    const char *name;
    json_t *value;
    size_t found = 0;
    json_object_foreach(o, name, value)
    {
        const struct json_field *f = find(fields, n, name);
        bool skip = !f && others == JSON_SKIP_OTHERS && (json_is_string(value) || json_is_number(value));
        enum err e = f ? take(value, f) : skip ? ERR_OK : ERR_MSG_MALFORMED;
        if (e)
            return e;
        found += f != NULL;
    }
    return found == n ? ERR_OK : ERR_MSG_MALFORMED;
}

enum err json_read(struct span text, const struct json_field *fields, size_t n, enum json_others others)
{
    json_error_t why;
    if (text.len > JSON_TEXT_MAX)
        return ERR_MSG_TOO_LONG;
    if (!is_flat(text))
        return ERR_MSG_MALFORMED;
    json_object_seed(1); /* jansson would read a seed from a file; an object this short is no burden */
    json_t *o = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, &why);
    enum err e = json_is_object(o) ? take_all(o, fields, n, others) : ERR_MSG_MALFORMED;
    json_decref(o);
    for (size_t i = 0; e && i < n; i++)
        OPENSSL_cleanse(fields[i].out, fields[i].cap);
    return e;
}

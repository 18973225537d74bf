/* A form as it is filled in and sent: application/x-www-form-urlencoded, fields in the order of the page. */
#include <openssl/crypto.h>
#include <string.h>

#include "lib/token/base64url.h"
#include "sim/actors/browser/browser_parts.h"

#define TOKEN_BYTES 32

/* A digit is read wrongly. */
static void put_code(const struct browser_errand *errand, char out[PAGE_VALUE])
{
    const char *code = errand->person->code ? errand->person->code : "";
    if (errand->code == BROWSER_CODE_NONE)
        code = "";
    text_copy(out, PAGE_VALUE, code);
    if (errand->code == BROWSER_CODE_WRONG && *out)
        *out = *out == '9' ? '0' : (char)(*out + 1);
}

/* What the person enters into a field of that name; false: nothing. */
static bool entry_for(const struct browser_errand *errand, const char *name, char out[PAGE_VALUE])
{
    *out = '\0';
    if (strcmp(name, errand->kind == BROWSER_SIGNS_IN ? "user" : "customer") == 0)
        text_copy(out, PAGE_VALUE, errand->person->name);
    else if (strcmp(name, "secret") == 0)
        text_copy(out, PAGE_VALUE, errand->person->secret);
    else if (strcmp(name, "vehicle") == 0)
        text_copy(out, PAGE_VALUE, errand->vehicle);
    else if (strcmp(name, "code") == 0)
        put_code(errand, out);
    else
        return false;
    return true;
}

static void put_encoded(struct wr *w, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (; *text; text++) {
        uint8_t c = (uint8_t)*text;
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     strchr("*-._", c) != NULL;
        if (plain) {
            wr_u8(w, c);
        } else if (c == ' ') {
            wr_u8(w, '+');
        } else {
            wr_u8(w, '%');
            wr_u8(w, (uint8_t)digits[c >> 4]);
            wr_u8(w, (uint8_t)digits[c & 15]);
        }
    }
}

static void put_pair(struct wr *w, const char *name, const char *value)
{
    if (w->len)
        wr_u8(w, '&');
    put_encoded(w, name);
    wr_u8(w, '=');
    put_encoded(w, value);
}

static void put_false_token(struct browser *b, struct wr *w)
{
    uint8_t bytes[TOKEN_BYTES];
    char text[BASE64URL_LEN(TOKEN_BYTES) + 1] = "";
    struct wr token = wr_of(text, sizeof text - 1);
    env_random(b->env, bytes, sizeof bytes);
    base64url_encode(span_of(bytes, sizeof bytes), &token);
    put_pair(w, "csrf", text);
}

static enum err put_field(struct browser *b, const struct page_field *f, const struct browser_errand *errand,
                          struct wr *w)
{
    char entered[PAGE_VALUE] = "";
    bool is_token = strcmp(f->name, "csrf") == 0;
    if (is_token && b->forgery == BROWSER_FORGE_NONE)
        return ERR_OK;
    if (is_token && b->forgery == BROWSER_FORGE_TOKEN)
        put_false_token(b, w);
    else if (f->hidden)
        put_pair(w, f->name, f->value);
    else if (f->checkbox && strcmp(f->name, "consent") == 0 && !errand->consent)
        return ERR_OK; /* a box that is not ticked is not sent */
    else if (f->checkbox)
        put_pair(w, f->name, f->value);
    else if (entry_for(errand, f->name, entered))
        put_pair(w, f->name, entered);
    else
        return ERR_NOT_FOUND; /* nobody has told us what belongs there */
    OPENSSL_cleanse(entered, sizeof entered);
    return ERR_OK;
}

enum err browser_fill(struct browser *b, const struct page_form *form, const struct browser_errand *errand,
                      struct browser_form_sent *out)
{
    struct wr w = wr_of(out->body, sizeof out->body);
    enum err e = ERR_OK;
    out->port = b->port;
    text_copy(out->path, sizeof out->path, form->action);
    for (size_t i = 0; !e && i < form->field_count; i++)
        e = put_field(b, &form->fields[i], errand, &w);
    if (!e && (w.failed || w.len == 0))
        e = ERR_NO_SPACE;
    out->len = e ? 0 : w.len;
    return e;
}

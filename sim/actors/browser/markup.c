#include "sim/actors/browser/markup.h"

#include <string.h>

#define DOCTYPE "<!DOCTYPE html>"
#define STYLE   "style"

static bool is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_name(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || c == '-';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n';
}

static size_t left(const struct markup *m)
{
    return (size_t)(m->end - m->at);
}

static bool skip(struct markup *m, const char *text)
{
    size_t len = strlen(text);
    if (left(m) < len || memcmp(m->at, text, len) != 0)
        return false;
    m->at += len;
    return true;
}

static bool skip_blanks(struct markup *m)
{
    const char *from = m->at;
    while (m->at < m->end && is_blank(*m->at))
        m->at++;
    return m->at > from;
}

enum err markup_begin(struct markup *m, struct span html)
{
    *m = (struct markup){(const char *)html.p, (const char *)html.p + html.len};
    return skip(m, DOCTYPE) ? ERR_OK : ERR_BAD_SYNTAX;
}

static enum err read_name(struct markup *m, char out[MARKUP_NAME])
{
    size_t len = 0;
    if (m->at == m->end || !is_letter(*m->at))
        return ERR_BAD_SYNTAX;
    for (; m->at < m->end && is_name(*m->at); m->at++) {
        if (len + 1 == MARKUP_NAME)
            return ERR_NO_SPACE;
        out[len++] = *m->at;
    }
    out[len] = '\0';
    return ERR_OK;
}

/* One character, or the reference that stands for one: its bytes go to out, of which *len are there. */
static enum err read_character(struct markup *m, char *out, size_t *len)
{
    static const struct {
        const char *reference;
        char means;
    } rows[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''}};
    for (size_t i = 0; *m->at == '&' && i < sizeof rows / sizeof rows[0]; i++)
        if (skip(m, rows[i].reference)) {
            *out = rows[i].means;
            *len = 1;
            return ERR_OK;
        }
    *len = *m->at == '\n' ? 1 : text_character(m->at, left(m));
    if (*m->at == '&' || *m->at == '<' || *m->at == '>' || *len == 0)
        return ERR_BAD_SYNTAX;
    memcpy(out, m->at, *len);
    m->at += *len;
    return ERR_OK;
}

static enum err read_value(struct markup *m, char out[MARKUP_VALUE])
{
    size_t used = 0, len;
    while (m->at < m->end && *m->at != '"') {
        enum err e = used + 4 < MARKUP_VALUE ? read_character(m, out + used, &len) : ERR_NO_SPACE;
        if (e)
            return e;
        used += len;
    }
    out[used] = '\0';
    return skip(m, "\"") ? ERR_OK : ERR_BAD_SYNTAX;
}

static enum err read_attribute(struct markup *m, struct markup_piece *out)
{
    if (out->attribute_count == MARKUP_ATTRIBUTES)
        return ERR_NO_SPACE;
    struct markup_attribute *a = &out->attributes[out->attribute_count];
    char name[MARKUP_NAME];
    enum err e = read_name(m, name);
    if (!e && markup_value(out, name))
        e = ERR_BAD_SYNTAX; /* twice */
    if (e)
        return e;
    memcpy(a->name, name, sizeof name);
    a->value[0] = '\0';
    out->attribute_count++;
    return skip(m, "=\"") ? read_value(m, a->value) : ERR_OK;
}

static enum err read_tag(struct markup *m, struct markup_piece *out)
{
    out->kind = skip(m, "/") ? MARKUP_CLOSE : MARKUP_OPEN;
    enum err e = read_name(m, out->name);
    while (!e && out->kind == MARKUP_OPEN && skip_blanks(m) && m->at < m->end && *m->at != '>')
        e = read_attribute(m, out);
    return e ? e : skip(m, ">") ? ERR_OK : ERR_BAD_SYNTAX;
}

static enum err read_text(struct markup *m, struct markup_piece *out)
{
    char one[8];
    size_t used = 0, len;
    out->kind = MARKUP_TEXT;
    while (m->at < m->end && *m->at != '<') {
        enum err e = read_character(m, one, &len);
        if (e)
            return e;
        if (used + len < sizeof out->text) {
            memcpy(out->text + used, one, len);
            used += len;
        }
    }
    out->text[used] = '\0';
    return ERR_OK;
}

/* Its inside is no markup. */
static enum err pass_style(struct markup *m)
{
    const char *close = memmem(m->at, left(m), "</" STYLE ">", strlen("</" STYLE ">"));
    if (!close)
        return ERR_BAD_SYNTAX;
    m->at = close;
    return ERR_OK;
}

enum err markup_next(struct markup *m, struct markup_piece *out)
{
    out->attribute_count = 0;
    out->name[0] = out->text[0] = '\0';
    out->kind = MARKUP_END;
    if (m->at == m->end)
        return ERR_OK;
    if (!skip(m, "<"))
        return read_text(m, out);
    enum err e = read_tag(m, out);
    if (!e && out->kind == MARKUP_OPEN && strcmp(out->name, STYLE) == 0)
        e = pass_style(m);
    return e;
}

const char *markup_value(const struct markup_piece *tag, const char *name)
{
    for (size_t i = 0; i < tag->attribute_count; i++)
        if (strcmp(tag->attributes[i].name, name) == 0)
            return tag->attributes[i].value;
    return NULL;
}

#include "lib/html/html.h"

#include <stdio.h>
#include <string.h>

void html_raw(struct wr *w, const char *markup)
{
    wr_copy(w, markup, strlen(markup));
}

static const char *entity_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void html_text(struct wr *w, const char *text)
{
    size_t left = strlen(text);
    while (left && !w->failed) {
        size_t len = text_character(text, left);
        const char *entity = entity_of(*text);
        if (!len)
            w->failed = true;
        else if (entity)
            html_raw(w, entity);
        else
            wr_copy(w, text, len);
        text += len;
        left -= len;
    }
}

void html_attribute(struct wr *w, const char *name, const char *value)
{
    html_raw(w, " ");
    html_raw(w, name);
    html_raw(w, "=\"");
    html_text(w, value);
    html_raw(w, "\"");
}

/* By the table, not by ctype.h, whose answer a locale may change. */
static bool is_unreserved(char c)
{
    return c && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", c);
}

void html_segment(struct wr *w, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    if (!*text || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
        w->failed = true;
    for (size_t left = strlen(text), len; left && !w->failed; text += len, left -= len) {
        len = text_character(text, left);
        w->failed |= !len;
        for (size_t i = 0; i < len; i++) {
            uint8_t c = (uint8_t)text[i];
            const char hex[3] = {'%', digits[c >> 4], digits[c & 15]};
            wr_copy(w, is_unreserved(text[i]) ? text + i : hex, is_unreserved(text[i]) ? 1 : 3);
        }
    }
}

void html_number(struct wr *w, unsigned number)
{
    char text[12];
    snprintf(text, sizeof text, "%u", number);
    html_raw(w, text);
}

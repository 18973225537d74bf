#include "sim/actors/browser/page.h"

#include <openssl/crypto.h>
#include <string.h>

#include "sim/actors/browser/markup.h"

#define DEPTH_MAX 24

struct reading {
    struct page *page;
    char open[DEPTH_MAX][MARKUP_NAME]; /* tags that are not closed yet */
    size_t depth;
    bool begun; /* <html> was there */
    unsigned headings, titles;
    char title[PAGE_TEXT];
    struct page_form *form; /* in which it is; NULL */
};

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

static bool is_empty_element(const char *name)
{
    static const char *const names[] = {"meta", "input", "br", "hr", NULL};
    return is_one_of(name, names);
}

/* What would run, ask for another file, lead elsewhere, or send what this reader does not know. */
static bool is_foreign(const char *name)
{
    static const char *const names[] = {
        "script", "link",  "base",   "img",      "image", "picture",  "iframe",   "frame",  "object",
        "embed",  "audio", "video",  "source",   "track", "svg",      "math",     "canvas", "applet",
        "area",   "map",   "select", "textarea", "slot",  "template", "noscript", NULL};
    return is_one_of(name, names);
}

static bool is_foreign_attribute(const char *name)
{
    static const char *const names[] = {"src",    "srcset",     "style",      "srcdoc", "background",
                                        "target", "formaction", "http-equiv", "ping",   "formmethod",
                                        "form",   "download",   NULL};
    return strncmp(name, "on", 2) == 0 || is_one_of(name, names);
}

/* "/", and then no second: that would be another host. */
static bool is_own_path(const char *text)
{
    return text && text[0] == '/' && text[1] != '/' && text[1] != '\\';
}

static enum err take(char *out, size_t cap, const char *value)
{
    if (strlen(value) >= cap)
        return ERR_NO_SPACE;
    memcpy(out, value, strlen(value) + 1);
    return ERR_OK;
}

/* ---- tags ---- */

static enum err on_form(struct reading *r, const struct markup_piece *tag)
{
    const char *method = markup_value(tag, "method"), *action = markup_value(tag, "action");
    if (r->form || !method || strcmp(method, "post") != 0 || !is_own_path(action))
        return ERR_BAD_SYNTAX;
    if (r->page->form_count == PAGE_FORMS)
        return ERR_NO_SPACE;
    r->form = &r->page->forms[r->page->form_count++];
    return take(r->form->action, sizeof r->form->action, action);
}

static enum err on_input(struct reading *r, const struct markup_piece *tag)
{
    static const char *const types[] = {"hidden", "checkbox", "text", "password", NULL};
    const char *name = markup_value(tag, "name"), *value = markup_value(tag, "value"),
               *type = markup_value(tag, "type");
    if (!r->form || !name || !*name || (type && !is_one_of(type, types)))
        return ERR_BAD_SYNTAX;
    if (r->form->field_count == PAGE_FIELDS)
        return ERR_NO_SPACE;
    for (size_t i = 0; i < r->form->field_count; i++)
        if (strcmp(r->form->fields[i].name, name) == 0)
            return ERR_BAD_SYNTAX;
    struct page_field *f = &r->form->fields[r->form->field_count++];
    f->hidden = type && strcmp(type, "hidden") == 0;
    f->checkbox = type && strcmp(type, "checkbox") == 0;
    if (type && strcmp(type, "password") == 0 && value && *value)
        return ERR_BAD_SYNTAX; /* a secret comes from the person, never from a page */
    enum err e = take(f->name, sizeof f->name, name);
    return e ? e : take(f->value, sizeof f->value, value ? value : "");
}

static enum err on_link(struct reading *r, const struct markup_piece *tag)
{
    const char *to = markup_value(tag, "href");
    if (!to || (*to != '#' && !is_own_path(to)))
        return ERR_BAD_SYNTAX;
    if (*to == '#')
        return ERR_OK;
    if (r->page->link_count == PAGE_LINKS)
        return ERR_NO_SPACE;
    return take(r->page->links[r->page->link_count++], PAGE_VALUE, to);
}

/* A page has one message. */
static enum err on_message(struct reading *r, const struct markup_piece *tag)
{
    const char *outcome = markup_value(tag, "data-outcome"), *reason = markup_value(tag, "data-reason");
    if (!outcome && !reason)
        return ERR_OK;
    if (*r->page->outcome || *r->page->reason || (outcome && !*outcome) || (reason && !*reason))
        return ERR_BAD_SYNTAX;
    enum err e = take(r->page->outcome, PAGE_WORD, outcome ? outcome : "");
    return e ? e : take(r->page->reason, PAGE_WORD, reason ? reason : "");
}

static enum err read_attributes(struct reading *r, const struct markup_piece *tag)
{
    for (size_t i = 0; i < tag->attribute_count; i++)
        if (is_foreign_attribute(tag->attributes[i].name))
            return ERR_BAD_SYNTAX;
    enum err e = on_message(r, tag);
    if (e)
        return e;
    if (strcmp(tag->name, "form") == 0)
        return on_form(r, tag);
    if (strcmp(tag->name, "input") == 0)
        return on_input(r, tag);
    if (strcmp(tag->name, "a") == 0)
        return on_link(r, tag);
    if (strcmp(tag->name, "button") == 0 && markup_value(tag, "name"))
        return ERR_BAD_SYNTAX; /* forms differ by their action */
    return ERR_OK;
}

static enum err on_open(struct reading *r, const struct markup_piece *tag)
{
    bool is_html = strcmp(tag->name, "html") == 0;
    if (is_foreign(tag->name) || is_html == r->begun || (!is_html && r->depth == 0))
        return ERR_BAD_SYNTAX;
    r->begun = true;
    r->headings += strcmp(tag->name, "h1") == 0;
    r->titles += strcmp(tag->name, "title") == 0;
    enum err e = read_attributes(r, tag);
    if (e || is_empty_element(tag->name))
        return e;
    return r->depth == DEPTH_MAX ? ERR_NO_SPACE : take(r->open[r->depth++], MARKUP_NAME, tag->name);
}

static enum err on_close(struct reading *r, const struct markup_piece *tag)
{
    if (r->depth == 0 || strcmp(r->open[r->depth - 1], tag->name) != 0)
        return ERR_BAD_SYNTAX;
    r->depth--;
    if (strcmp(tag->name, "form") == 0)
        r->form = NULL;
    return ERR_OK;
}

static enum err on_text(struct reading *r, const struct markup_piece *piece)
{
    if (r->depth == 0)
        return piece->text[strspn(piece->text, " \n")] ? ERR_BAD_SYNTAX : ERR_OK;
    if (strcmp(r->open[r->depth - 1], "h1") == 0)
        return take(r->page->heading, PAGE_TEXT, piece->text);
    if (strcmp(r->open[r->depth - 1], "title") == 0)
        return take(r->title, PAGE_TEXT, piece->text);
    return ERR_OK;
}

static bool is_whole(const struct reading *r)
{
    return r->begun && r->depth == 0 && r->headings == 1 && r->titles == 1 && *r->title &&
           strcmp(r->title, r->page->heading) == 0;
}

static enum err read_pieces(struct reading *r, struct span html)
{
    static enum err (*const on[])(struct reading *, const struct markup_piece *) = {
        [MARKUP_OPEN] = on_open, [MARKUP_CLOSE] = on_close, [MARKUP_TEXT] = on_text};
    struct markup_piece piece;
    struct markup m;
    enum err e = markup_begin(&m, html);
    if (!e)
        e = markup_next(&m, &piece);
    while (!e && piece.kind != MARKUP_END) {
        e = on[piece.kind](r, &piece);
        if (!e)
            e = markup_next(&m, &piece);
    }
    OPENSSL_cleanse(&piece, sizeof piece);
    return e ? e : is_whole(r) ? ERR_OK : ERR_BAD_SYNTAX;
}

enum err page_read(struct span html, struct page *out)
{
    struct reading r = {.page = out};
    memset(out, 0, sizeof *out);
    enum err e = read_pieces(&r, html);
    if (e)
        OPENSSL_cleanse(out, sizeof *out);
    return e;
}

const struct page_form *page_form(const struct page *p, const char *action)
{
    for (size_t i = 0; i < p->form_count; i++)
        if (strcmp(p->forms[i].action, action) == 0)
            return &p->forms[i];
    return NULL;
}

bool page_links_to(const struct page *p, const char *path)
{
    for (size_t i = 0; i < p->link_count; i++)
        if (strcmp(p->links[i], path) == 0)
            return true;
    return false;
}

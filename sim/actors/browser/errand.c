/* What a person wants, as pages one after the other. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "sim/actors/browser/browser_parts.h"

enum act {
    ENDS,
    VISITS,  /* types an address */
    FOLLOWS, /* a link of the page */
    SUBMITS, /* a form of the page, by its action */
    RELOADS,
    REPEATS /* sends the last form once more */
};

/* "%s" of a path is the vehicle. */
struct stage {
    enum act act;
    const char *path;
};

#define STAGES 4
static const struct stage stages[BROWSER_ERRANDS][STAGES] = {
    [BROWSER_SIGNS_IN] = {{VISITS, "/"}, {SUBMITS, "/sign-in"}},
    [BROWSER_ASKS_MAIL] = {{VISITS, "/vehicles"}, {FOLLOWS, "/vehicles/%s"}, {SUBMITS, "/vehicles/%s/mail"}},
    [BROWSER_ASKS_MAIL_BY_ADDRESS] = {{VISITS, "/vehicles/%s"}, {SUBMITS, "/vehicles/%s/mail"}},
    [BROWSER_OPENS_VEHICLE] = {{VISITS, "/vehicles"}, {FOLLOWS, "/vehicles/%s"}},
    [BROWSER_LOOKS_AGAIN] = {{RELOADS, NULL}},
    [BROWSER_SIGNS_OUT] = {{VISITS, "/"}, {SUBMITS, "/sign-out"}},
    [BROWSER_HELPS] = {{VISITS, "/call"}, {SUBMITS, "/call"}},
    [BROWSER_SENDS_AGAIN] = {{REPEATS, NULL}},
};

static void path_of(const struct stage *s, const char *vehicle, char out[BROWSER_PATH_MAX])
{
    const char *gap = s->path ? strstr(s->path, "%s") : NULL;
    text_copy(out, BROWSER_PATH_MAX, s->path ? s->path : "");
    if (gap)
        snprintf(out, BROWSER_PATH_MAX, "%.*s%s%s", (int)(gap - s->path), s->path, vehicle, gap + 2);
}

static void submit(struct browser *b, const char *action)
{
    const struct page_form *form = page_form(&b->page, action);
    enum err e = form ? browser_fill(b, form, &b->queue[0], &b->last) : ERR_NOT_FOUND;
    if (e)
        browser_give_up(b, "not there");
    else
        browser_submit(b, &b->last);
}

static void act(struct browser *b, const struct stage *s)
{
    char path[BROWSER_PATH_MAX];
    path_of(s, b->queue[0].vehicle, path);
    switch (s->act) {
    case VISITS:
        browser_visit(b, path, false);
        return;
    case FOLLOWS:
        if (page_links_to(&b->page, path))
            browser_visit(b, path, true);
        else
            browser_give_up(b, "not there");
        return;
    case SUBMITS:
        submit(b, path);
        return;
    case RELOADS:
        text_copy(path, sizeof path, *b->path ? b->path : "/");
        browser_visit(b, path, true);
        return;
    case REPEATS:
        if (b->last.len && b->last.port == b->port)
            browser_submit(b, &b->last);
        else
            browser_give_up(b, "not there");
        return;
    default:
        return;
    }
}

static void begin_first(struct browser *b)
{
    b->stage = 0;
    if (b->port != b->queue[0].port)
        *b->path = '\0';
    b->port = b->queue[0].port;
    act(b, &stages[b->queue[0].kind][0]);
}

enum err browser_begin(struct browser *b, const struct browser_errand *errand)
{
    if (b->queued == BROWSER_QUEUE)
        return ERR_BUSY;
    b->queue[b->queued++] = *errand;
    if (b->queued == 1)
        begin_first(b);
    return ERR_OK;
}

void browser_go_on(struct browser *b)
{
    if (!b->queued)
        return;
    const struct stage *next = &stages[b->queue[0].kind][++b->stage];
    if (next->act != ENDS) {
        act(b, next);
        return;
    }
    memmove(b->queue, b->queue + 1, --b->queued * sizeof b->queue[0]);
    if (b->queued)
        begin_first(b);
}

void browser_give_up(struct browser *b, const char *message)
{
    b->queued = 0;
    env_show(b->env, BROWSER_SHOW_MESSAGE, message);
}

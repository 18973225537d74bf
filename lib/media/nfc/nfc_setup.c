/* NFC in the process world: a stream socket for each reader, in the run's own folder or where the option
 * says. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/host/setup.h"
#include "lib/media/media.h"
#include "lib/media/nfc/nfc.h"

#define PLACES 8 /* readers with a socket elsewhere */

struct nfc_setup {
    char made[PLACES][108]; /* sockets to be removed */
    size_t made_count;
};

/* Path of a reader's socket: its own in "pad=/run/pad.sock,door=...", else in the run's folder. */
static bool path_of(const struct setup_world *w, const char *reader, char *out, size_t cap)
{
    size_t len = strlen(reader);
    for (const char *p = w->choice; *p;) {
        size_t entry = strcspn(p, ",");
        if (entry > len + 1 && strncmp(p, reader, len) == 0 && p[len] == '=') {
            snprintf(out, cap, "%.*s", (int)(entry - len - 1), p + len + 1);
            return true;
        }
        p += entry + (p[entry] == ',');
    }
    snprintf(out, cap, "%s/%s.nfc", w->directory, reader);
    return false;
}

/* Every name in the option is a reader of this run. */
static bool nfc_open(struct setup_world *w, void *state)
{
    char text[300];
    (void)state;
    if (strcmp(w->choice, "auto") == 0)
        return true;
    for (const char *p = w->choice; *p;) {
        size_t entry = strcspn(p, ","), name = strcspn(p, "=");
        bool known = false;
        for (size_t i = 0; name < entry && i < w->count; i++)
            known |= strlen(w->instances[i].name) == name && strncmp(w->instances[i].name, p, name) == 0;
        if (!known) {
            snprintf(text, sizeof text,
                     "--nfc takes auto, or reader=socket,...; \"%.*s\" names no reader of this run",
                     (int)entry, p);
            w->fail(w->ctx, text);
            return false;
        }
        p += entry + (p[entry] == ',');
    }
    snprintf(w->described, sizeof w->described, "NFC at %.90s", w->choice);
    return true;
}

static bool listen_at(struct setup_world *w, struct nfc_setup *s, const struct setup_end *e)
{
    char path[108], text[300];
    bool elsewhere = path_of(w, e->who->name, path, sizeof path);
    if (e->who->external) { /* it listens itself */
        snprintf(e->endpoint, e->cap, "reader:;listen=%s", path);
        return true;
    }
    snprintf(e->endpoint, e->cap, "reader:%d%s", e->listen_as, elsewhere ? ";open=1" : "");
    if (*e->listen_fd >= 0)
        return true;
    *e->listen_fd = spawn_listen(path, SOCK_STREAM);
    if (*e->listen_fd < 0) {
        snprintf(text, sizeof text, "cannot make the socket %s of the reader %s: %s", path, e->who->name,
                 strerror(errno));
        w->fail(w->ctx, text);
        return false;
    }
    if (elsewhere && s->made_count < PLACES)
        text_copy(s->made[s->made_count++], sizeof s->made[0], path);
    return true;
}

/* Where tokens of a reader's cards are good. */
static void place_of(const char *reader, char out[TOKEN_PLACE])
{
    snprintf(out, TOKEN_PLACE, "%s.nfc", reader);
}

struct admitting {
    const struct setup_world *world;
    const struct setup_end *end;
    bool ok;
};

static void admit(void *ctx, const struct setup_instance *card, unsigned port)
{
    struct admitting *a = ctx;
    char place[TOKEN_PLACE];
    (void)port;
    place_of(a->end->who->name, place);
    a->ok = a->ok && setup_give_token(a->world, a->end, place, card->name, card->name);
}

static bool prepare_reader(struct setup_world *w, struct nfc_setup *s, const struct setup_end *e)
{
    char path[108];
    struct admitting a = {w, e, listen_at(w, s, e)};
    if (!path_of(w, e->who->name, path, sizeof path)) /* elsewhere it takes any card */
        setup_each_caller(w, e->who, e->port, admit, &a);
    return a.ok;
}

static bool prepare_card(struct setup_world *w, const struct setup_end *e)
{
    const struct setup_instance *who = e->who;
    char path[108], place[TOKEN_PLACE];
    unsigned reached;
    size_t len = (size_t)snprintf(e->endpoint, e->cap, "card:");
    bool ok = true;
    for (size_t i = 0; ok && i < w->count && len < e->cap; i++) {
        const struct setup_instance *r = &w->instances[i];
        if (!medium_reaches(who->class, who->group, &who->class->ports[e->port], r->class, r->group,
                            &reached))
            continue;
        place_of(r->name, place);
        if (!path_of(w, r->name, path, sizeof path))
            ok = setup_give_token(w, e, place, who->name, r->name);
        len += (size_t)snprintf(e->endpoint + len, e->cap - len, ";%s=%s", r->name, path);
        if (r->external && len < e->cap)
            len += (size_t)snprintf(e->endpoint + len, e->cap - len, ";" NFC_FOREIGN "%s=1", r->name);
    }
    return ok && len < e->cap;
}

static bool nfc_endpoint(struct setup_world *w, void *state, const struct setup_end *e)
{
    bool reader = e->who->class->ports[e->port].end == PORT_LISTENS;
    return reader ? prepare_reader(w, state, e) : prepare_card(w, e);
}

static void nfc_close(struct setup_world *w, void *state)
{
    struct nfc_setup *s = state;
    (void)w;
    for (size_t i = 0; i < s->made_count; i++)
        unlink(s->made[i]);
}

const struct setup setup_nfc = {
    .medium = &medium_nfc,
    .option = "nfc",
    .form = "auto|LIST",
    .option_is =
        "where readers listen; LIST is pad=/path/of/socket,door=... (default: in the run's own folder)",
    .outside = "docs/air.md, NFC",
    .size = sizeof(struct nfc_setup),
    .takes = setup_sockets_fit,
    .open = nfc_open,
    .endpoint = nfc_endpoint,
    .close = nfc_close,
};

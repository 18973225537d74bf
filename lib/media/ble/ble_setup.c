/* Bluetooth LE in the process world: a stream socket for each peripheral, in the run's own folder or where
 * the option says. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/host/setup.h"
#include "lib/media/ble/ble.h"
#include "lib/media/media.h"

#define ELSEWHERE 8 /* peripherals with a socket elsewhere */

struct ble_setup {
    char made[ELSEWHERE][108]; /* sockets to be removed */
    size_t made_count;
};

/* ---- the option: "spaak=/run/spaak.sock,..." ---- */

/* One entry of it; false at the end. */
static bool next_entry(const char **at, char name[ENV_NAME_MAX], char path[108])
{
    size_t entry = strcspn(*at, ","), equals = strcspn(*at, "=,");
    if (**at == '\0')
        return false;
    snprintf(name, ENV_NAME_MAX, "%.*s", (int)(equals < ENV_NAME_MAX ? equals : 0), *at);
    snprintf(path, 108, "%.*s", (int)(equals < entry ? entry - equals - 1 : 0), *at + equals + 1);
    *at += entry + ((*at)[entry] == ',');
    return true;
}

/* Of a peripheral's socket; true: it is elsewhere. */
static bool path_of(const struct setup_world *w, const char *peripheral, char out[108])
{
    char name[ENV_NAME_MAX];
    const char *at = strcmp(w->choice, "auto") == 0 ? "" : w->choice;
    while (next_entry(&at, name, out))
        if (strcmp(name, peripheral) == 0)
            return true;
    snprintf(out, 108, "%s/%s.ble", w->directory, peripheral);
    return false;
}

static const struct setup_instance *instance_of(const struct setup_world *w, const char *name)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->instances[i].name, name) == 0)
            return &w->instances[i];
    return NULL;
}

/* Asked before anybody is started, so that nothing else is said to have failed. */
static bool is_taken(const struct setup_instance *peripheral, const char *path)
{
    struct stat there;
    return !peripheral->external && lstat(path, &there) == 0;
}

static bool ble_open(struct setup_world *w, void *state)
{
    char name[ENV_NAME_MAX], path[108], text[300];
    const char *at = strcmp(w->choice, "auto") == 0 ? "" : w->choice;
    (void)state;
    while (next_entry(&at, name, path)) {
        const struct setup_instance *peripheral = *path ? instance_of(w, name) : NULL;
        if (peripheral && !is_taken(peripheral, path))
            continue;
        if (peripheral)
            snprintf(text, sizeof text, "--ble: the socket of %.32s cannot be made: %s is there already",
                     name, path);
        else
            snprintf(text, sizeof text,
                     "--ble takes auto, or peripheral=socket,...; \"%.32s\" names no peripheral of this run",
                     name);
        w->fail(w->ctx, text);
        return false;
    }
    if (strcmp(w->choice, "auto") != 0)
        snprintf(w->described, sizeof w->described, "Bluetooth LE at %.80s", w->choice);
    return true;
}

/* ---- peripherals ---- */

static void place_of(const char *peripheral, char out[TOKEN_PLACE])
{
    snprintf(out, TOKEN_PLACE, "%s.ble", peripheral);
}

static bool listen_at(struct setup_world *w, struct ble_setup *s, const struct setup_end *e)
{
    char path[108], text[300];
    bool elsewhere = path_of(w, e->who->name, path);
    if (e->who->external) { /* it listens itself */
        snprintf(e->endpoint, e->cap, "peripheral:;listen=%s", path);
        return true;
    }
    snprintf(e->endpoint, e->cap, "peripheral:%d%s", e->listen_as, elsewhere ? ";open=1" : "");
    if (*e->listen_fd >= 0)
        return true;
    *e->listen_fd = spawn_listen(path, SOCK_STREAM);
    if (*e->listen_fd < 0) {
        snprintf(text, sizeof text, "cannot make the socket %s of %s: %s", path, e->who->name,
                 strerror(errno));
        w->fail(w->ctx, text);
        return false;
    }
    if (elsewhere && s->made_count < ELSEWHERE)
        text_copy(s->made[s->made_count++], sizeof s->made[0], path);
    return true;
}

struct admitting {
    const struct setup_world *world;
    const struct setup_end *end;
    bool ok;
};

static void admit(void *ctx, const struct setup_instance *central, unsigned port)
{
    struct admitting *a = ctx;
    char place[TOKEN_PLACE];
    (void)port;
    place_of(a->end->who->name, place);
    a->ok = a->ok && setup_give_token(a->world, a->end, place, central->name, central->name);
}

/* ---- centrals ---- */

/* Somebody outside is told every path: the folder of a run is no matter of his. */
static bool add_peripheral(struct setup_world *w, const struct setup_end *e,
                           const struct setup_instance *peripheral, size_t *len)
{
    char path[108], place[TOKEN_PLACE];
    const char *name = peripheral->name;
    bool elsewhere = path_of(w, name, path), told = elsewhere || e->who->external;
    place_of(name, place);
    if (!elsewhere && !setup_give_token(w, e, place, e->who->name, name))
        return false;
    *len += (size_t)snprintf(e->endpoint + *len, e->cap - *len, ";%s%s%s%s",
                             peripheral->external && !e->who->external ? BLE_FOREIGN : "", name,
                             told ? "=" : "", told ? path : "");
    return *len < e->cap;
}

static bool prepare_central(struct setup_world *w, const struct setup_end *e)
{
    const struct setup_instance *who = e->who;
    unsigned reached, count = 0;
    size_t len = (size_t)snprintf(e->endpoint, e->cap, "central:%s", who->external ? "" : w->directory);
    bool ok = true;
    for (size_t i = 0; ok && i < w->count; i++) {
        const struct setup_instance *p = &w->instances[i];
        if (!medium_reaches(who->class, who->group, &who->class->ports[e->port], p->class, p->group,
                            &reached))
            continue;
        ok = ++count <= BLE_AIRS && add_peripheral(w, e, p, &len);
    }
    if (!ok)
        w->fail(w->ctx, "a central has more peripherals around it than its driver can be told of");
    return ok;
}

static bool ble_endpoint(struct setup_world *w, void *state, const struct setup_end *e)
{
    if (e->who->class->ports[e->port].end != PORT_LISTENS)
        return prepare_central(w, e);
    char path[108];
    struct admitting a = {w, e, listen_at(w, state, e)};
    if (!path_of(w, e->who->name, path)) /* elsewhere it takes any central */
        setup_each_caller(w, e->who, e->port, admit, &a);
    return a.ok;
}

static void ble_close(struct setup_world *w, void *state)
{
    struct ble_setup *s = state;
    (void)w;
    for (size_t i = 0; i < s->made_count; i++)
        unlink(s->made[i]);
}

const struct setup setup_ble = {
    .medium = &medium_ble,
    .option = "ble",
    .form = "auto|LIST",
    .option_is =
        "where peripherals of Bluetooth LE listen; LIST is spaak=/path/of/socket,... (default: in the "
        "run's own folder)",
    .outside = "docs/air-ble.md",
    .size = sizeof(struct ble_setup),
    .takes = setup_sockets_fit,
    .open = ble_open,
    .endpoint = ble_endpoint,
    .close = ble_close,
};

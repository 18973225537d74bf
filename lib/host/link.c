#include "lib/host/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/host/peer.h"

bool link_option(const char *endpoint, const char *key, char *out, size_t cap)
{
    char word[32];
    snprintf(word, sizeof word, ";%s=", key);
    const char *p = strstr(endpoint, word);
    if (!p)
        return false;
    p += strlen(word);
    size_t len = strcspn(p, ";");
    if (len >= cap)
        return false;
    memcpy(out, p, len);
    out[len] = '\0';
    return true;
}

int link_connect_unix(const char *path, int type)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof a) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

bool link_is_ours(const struct link_open *o, int fd, enum link_server server)
{
    pid_t pid = peer_process(fd);
    if (!peer_same_user(fd))
        return false;
    if (server == LINK_OUTSIDER)
        return true;
    if (!o->runner || server == LINK_RUNNER)
        return !o->runner || pid == o->runner;
    return server == LINK_HELPER ? peer_is_child(pid, o->runner) : peer_descends(pid, o->runner);
}

int link_connect_ours(const struct link_open *o, const char *path, int type, enum link_server server)
{
    static unsigned refused; /* said ever more seldom */
    int fd = link_connect_unix(path, type);
    if (fd < 0 || link_is_ours(o, fd, server))
        return fd;
    refused++;
    if ((refused & (refused - 1)) == 0)
        fprintf(stderr, "%s: %s: %s (%s), %u so far\n", o->name, o->spec->name, err_text(ERR_LINK_NOT_OURS),
                err_name(ERR_LINK_NOT_OURS), refused);
    close(fd);
    errno = EPERM;
    return -1;
}

struct deferred {
    int (*fn)(sd_event_source *s, void *ctx);
    void *ctx;
};

/* A source that has had its turn stays with its loop for as long as that lives, unless it is let go. */
static int on_deferred(sd_event_source *s, void *ctx)
{
    const struct deferred d = *(const struct deferred *)ctx;
    int rc = d.fn(s, d.ctx);
    sd_event_source_set_floating(s, 0);
    return rc;
}

void link_defer(sd_event *event, int (*fn)(sd_event_source *s, void *ctx), void *ctx)
{
    sd_event_source *source = NULL;
    struct deferred *d = malloc(sizeof *d);
    if (!d || sd_event_add_defer(event, &source, on_deferred, d) < 0) {
        free(d);
        return;
    }
    *d = (struct deferred){fn, ctx};
    sd_event_source_set_destroy_callback(source, free);
    sd_event_source_set_floating(source, 1);
    sd_event_source_unref(source);
}

void link_tally_begin(struct link_tally *t)
{
    if (t)
        atomic_fetch_add(&t->unsure, atomic_exchange(&t->under_way, 0));
}

void link_tally_try(struct link_tally *t, uint32_t frames)
{
    if (t)
        atomic_store(&t->under_way, frames);
}

void link_tally_done(struct link_tally *t, uint32_t taken)
{
    if (!t)
        return;
    atomic_fetch_add(&t->sent, taken);
    atomic_store(&t->under_way, 0);
}

/* Mail in the process world: a postbox of the run's own, or somebody else's server. The postbox's socket
 * listens before it runs, so nobody waits for it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/host/setup.h"
#include "lib/media/mail/mail.h"
#include "lib/media/mail/mail_ends.h"
#include "lib/media/mail/postbox.h"
#include "lib/media/media.h"

#define BUSY_US ((MAIL_SEND_MS + MAIL_ANSWER_MS) * 1000u + 500000u)

struct mail_setup {
    bool own;
    char socket[108];
    int listen_fd, folder_fd, text_fd;
    uint32_t under_way; /* messages without news, when that was looked at last */
    uint64_t since_us;
};

static bool is_remote(const char *choice)
{
    return strcmp(choice, "auto") != 0;
}

/* "smtp://host", "smtps://host:port": nothing else, no name and no password. */
static bool takes(const char *choice, char *problem, size_t cap)
{
    const char *host = strncmp(choice, "smtp://", 7) == 0 ? choice + 7 : choice + 8;
    size_t len = strlen(choice);
    if (!is_remote(choice) ||
        ((strncmp(choice, "smtp://", 7) == 0 || strncmp(choice, "smtps://", 8) == 0) && *host && len < 256 &&
         host[strspn(host, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:[]")] == '\0'))
        return true;
    snprintf(
        problem, cap,
        "--mail takes auto, or a server: smtp://host[:port], smtps://host[:port]; who we are there stands in "
        "the variables " MAIL_USER_VARIABLE " and " MAIL_PASSWORD_VARIABLE);
    return false;
}

static bool open_server(struct setup_world *w)
{
    if (!getenv(MAIL_USER_VARIABLE) != !getenv(MAIL_PASSWORD_VARIABLE)) {
        w->fail(w->ctx,
                "of " MAIL_USER_VARIABLE " and " MAIL_PASSWORD_VARIABLE " one is set: set both, or none");
        return false;
    }
    snprintf(w->described, sizeof w->described, "mail at %.100s", w->choice);
    return true;
}

static bool open_own(struct setup_world *w, struct mail_setup *s)
{
    if (!postbox_is_there()) {
        w->fail(w->ctx, "aiosmtpd is not installed; apt-get install python3-aiosmtpd, or --mail smtp://host");
        return false;
    }
    snprintf(w->described, sizeof w->described, "mail to our postbox");
    snprintf(s->socket, sizeof s->socket, "%.90s/mail.sock", w->directory);
    s->listen_fd = spawn_listen(s->socket, SOCK_STREAM);
    s->folder_fd = w->box ? w->box(w->ctx, &medium_mail) : -1;
    s->text_fd = postbox_text();
    if (s->listen_fd >= 0 && s->folder_fd >= 0 && s->text_fd >= 0)
        return true;
    w->fail(w->ctx, "the postbox's socket or maildir cannot be made");
    return false;
}

static bool mail_open(struct setup_world *w, void *state)
{
    struct mail_setup *s = state;
    s->listen_fd = s->folder_fd = s->text_fd = -1;
    s->own = !is_remote(w->choice);
    return s->own ? open_own(w, s) : open_server(w);
}

static bool mail_helper(struct setup_world *w, void *state, struct setup_helper *out)
{
    const struct mail_setup *s = state;
    (void)w;
    if (!s->own)
        return false;
    *out = (struct setup_helper){.fds = {{POSTBOX_LISTEN_FD, s->listen_fd},
                                         {POSTBOX_FOLDER_FD, s->folder_fd},
                                         {POSTBOX_TEXT_FD, s->text_fd},
                                         {-1, -1}},
                                 .tied = true,
                                 .by_signal = true,
                                 .door = s->listen_fd};
    text_copy(out->arguments[0], sizeof out->arguments[0], POSTBOX_PYTHON);
    text_copy(out->arguments[1], sizeof out->arguments[0], "-IB");
    snprintf(out->arguments[2], sizeof out->arguments[0], "/proc/self/fd/%d", POSTBOX_TEXT_FD);
    return true;
}

static bool mail_endpoint(struct setup_world *w, void *state, const struct setup_end *e)
{
    const struct mail_setup *s = state;
    snprintf(e->endpoint, e->cap, "%s%s", s->own ? MAIL_OWN : MAIL_SERVER, s->own ? s->socket : w->choice);
    return true;
}

static uint32_t under_way(const struct setup_world *w, setup_tally *tally)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < w->count; i++)
        for (unsigned k = 0; k < w->instances[i].class->port_count; k++) {
            bool is_mail = strcmp(w->instances[i].class->ports[k].medium, medium_mail.name) == 0;
            const struct link_tally *t = is_mail ? tally(w->ctx, &w->instances[i], k) : NULL;
            sum += t ? atomic_load(&t->under_way) : 0;
        }
    return sum;
}

/* There are messages without news yet. What a dead component leaves on the board is not waited for longer
 * than any news takes. */
static bool mail_busy(struct setup_world *w, void *state, setup_tally *tally)
{
    struct mail_setup *s = state;
    uint32_t sum = under_way(w, tally);
    uint64_t now_us = 0;
    sd_event_now(w->event, CLOCK_MONOTONIC, &now_us);
    if (sum != s->under_way)
        s->since_us = now_us;
    s->under_way = sum;
    return sum && now_us < s->since_us + BUSY_US;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void mail_close(struct setup_world *w, void *state)
{
    const struct mail_setup *s = state;
    (void)w;
    close_fd(s->listen_fd);
    close_fd(s->folder_fd);
    close_fd(s->text_fd);
}

const struct setup setup_mail = {
    .medium = &medium_mail,
    .option = "mail",
    .form = "auto|URL",
    .option_is = "own postbox, or an existing server: smtp://host[:port], smtps:// (default auto)",
    .helper = "postbox",
    .size = sizeof(struct mail_setup),
    .takes = takes,
    .needs_network = is_remote,
    .open = mail_open,
    .helper_is = mail_helper,
    .endpoint = mail_endpoint,
    .busy = mail_busy,
    .close = mail_close,
};

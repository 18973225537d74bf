/* The sending end in the process world: SMTP by libcurl, a connection for each message. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/err.h"
#include "lib/host/link.h"
#include "lib/media/curl_loop.h"
#include "lib/media/mail/mail.h"
#include "lib/media/mail/mail_ends.h"
#include "lib/media/media.h"

#define DATA_MAY_COME 354               /* RFC 5321 4.2.1: what follows is the message */
#define HELLO         "/sender.example" /* what EHLO says: not the name of this machine */

struct letter {
    struct letter *next;
    struct mail_link *link;
    CURL *easy; /* NULL: not begun, or over before it began */
    struct curl_slist *to;
    int fd;           /* of curl's, while it is under way */
    const char *over; /* what is told of it; NULL: it is under way */
    char tag[MAIL_TAG_MAX], news[MAIL_NEWS_MAX], from[MAIL_ADDRESS_MAX + 3];
    size_t len, read;
    uint8_t bytes[];
};

struct mail_link {
    struct link link;
    struct link_open o;
    const char *socket, *url; /* in the endpoint, one of them NULL */
    bool cut, up;
    sd_event_source *teller; /* fires in the loop's next turn */
    size_t count;
    struct letter *first;
    struct curl_loop *loop;
};

static void count_under_way(const struct mail_link *l)
{
    if (l->o.tally)
        atomic_store(&l->o.tally->under_way, (uint32_t)l->count);
}

static void stop(struct letter *m)
{
    if (m->easy)
        curl.easy_cleanup(m->easy);
    if (m->to)
        curl.slist_free_all(m->to);
    m->easy = NULL;
    m->to = NULL;
}

static void forget(struct letter *m)
{
    struct mail_link *l = m->link;
    struct letter **at = &l->first;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    l->count--;
    count_under_way(l);
    stop(m);
    OPENSSL_cleanse(m, sizeof *m + m->len);
    free(m);
}

/* ---- what became of it ---- */

/* The letter is gone before its component hears so: who hears may send again. */
static int on_over(sd_event_source *source, void *ctx)
{
    struct mail_link *l = ctx;
    (void)source;
    for (struct letter *m = l->first; m; m = l->first) {
        char tag[MAIL_TAG_MAX], news[MAIL_NEWS_MAX];
        while (m && !m->over)
            m = m->next;
        if (!m)
            break;
        text_copy(tag, sizeof tag, m->tag);
        text_copy(news, sizeof news, m->over);
        forget(m);
        l->o.hooks.on_news(l->o.hooks.ctx, tag, news);
    }
    return 0;
}

static void end(struct letter *m, const char *news)
{
    m->over = news;
    sd_event_source_set_enabled(m->link->teller, SD_EVENT_ONESHOT);
}

static void end_with_code(struct letter *m, unsigned code)
{
    mail_news(code, m->news);
    end(m, m->news);
}

/* By the last word of the server's. */
static void end_unanswered(struct letter *m)
{
    long code = 0;
    if (m->easy)
        curl.easy_getinfo(m->easy, CURLINFO_RESPONSE_CODE, &code);
    if (code == DATA_MAY_COME)
        end(m, "unknown");
    else
        end_with_code(m, code >= 400 && code < 600 ? (unsigned)code : MAIL_UNREACHED);
}

static void on_done(void *ctx, CURL *easy, CURLcode result)
{
    struct mail_link *l = ctx;
    struct letter *m = l->first;
    while (m->easy != easy)
        m = m->next;
    if (result == CURLE_OK) {
        end_with_code(m, 250);
    } else {
        fprintf(stderr, "%s: %s: %s\n", l->o.name, l->o.spec->name, curl.easy_strerror(result));
        end_unanswered(m);
    }
    stop(m);
}

/* ---- what goes out ---- */

static size_t on_read(char *out, size_t one, size_t cap, void *ctx)
{
    struct letter *m = ctx;
    size_t left = m->len - m->read, len = left < cap * one ? left : cap * one;
    memcpy(out, m->bytes + m->read, len);
    m->read += len;
    return len;
}

static curl_socket_t on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct letter *m = ctx;
    (void)purpose;
    m->fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    return m->fd < 0 ? CURL_SOCKET_BAD : m->fd;
}

/* Before anything of the letter is said: a socket in the postbox's place gets none. */
static int on_leaving(void *ctx, char *to, char *from, int to_port, int from_port)
{
    struct letter *m = ctx;
    const struct link_open *o = &m->link->o;
    (void)to;
    (void)from;
    (void)to_port;
    (void)from_port;
    if (link_is_ours(o, m->fd, LINK_RUNNER))
        return CURL_PREREQFUNC_OK;
    fprintf(stderr, "%s: %s: %s (%s)\n", o->name, o->spec->name, err_text(ERR_LINK_NOT_OURS),
            err_name(ERR_LINK_NOT_OURS));
    return CURL_PREREQFUNC_ABORT;
}

static void set_server(struct mail_link *l, struct letter *m)
{
    CURL *easy = m->easy;
    char url[300];
    const char *user = getenv(MAIL_USER_VARIABLE), *password = getenv(MAIL_PASSWORD_VARIABLE);
    if (l->socket) {
        curl.easy_setopt(easy, CURLOPT_URL, "smtp://postbox" HELLO);
        curl.easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, l->socket);
        curl.easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
        curl.easy_setopt(easy, CURLOPT_OPENSOCKETDATA, m);
        curl.easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_leaving);
        curl.easy_setopt(easy, CURLOPT_PREREQDATA, m);
        return;
    }
    snprintf(url, sizeof url, "%.270s" HELLO, l->url);
    curl.easy_setopt(easy, CURLOPT_URL, url);
    curl.easy_setopt(easy, CURLOPT_USE_SSL, (long)(user ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    if (!user || !password)
        return;
    curl.easy_setopt(easy, CURLOPT_USERNAME, user);
    curl.easy_setopt(easy, CURLOPT_PASSWORD, password);
}

static void set_letter(struct letter *m)
{
    CURL *easy = m->easy;
    curl.easy_setopt(easy, CURLOPT_MAIL_FROM, m->from);
    curl.easy_setopt(easy, CURLOPT_MAIL_RCPT, m->to);
    curl.easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl.easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl.easy_setopt(easy, CURLOPT_READDATA, m);
    curl.easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)m->len);
    curl.easy_setopt(easy, CURLOPT_PROXY, "");
    curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl.easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl.easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)MAIL_SEND_MS);
    /* of the last word, QUIT, which curl waits for where it stands */
    curl.easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, MAIL_SEND_MS / 1000L);
}

static void begin(struct mail_link *l, struct letter *m)
{
    uint8_t room[MAIL_ROOM];
    char to[MAIL_ADDRESS_MAX + 3];
    struct mail mail;
    if (mail_read(span_of(m->bytes, m->len), room, &mail)) {
        end_with_code(m, MAIL_NOT_TAKEN);
        return;
    }
    OPENSSL_cleanse(room, sizeof room);
    snprintf(m->from, sizeof m->from, "<%.*s>", (int)mail.from.len, (const char *)mail.from.p);
    snprintf(to, sizeof to, "<%.*s>", (int)mail.to.len, (const char *)mail.to.p);
    m->to = curl.slist_append(NULL, to);
    m->easy = m->to ? curl.easy_init() : NULL;
    if (!m->easy) {
        end_with_code(m, MAIL_UNREACHED);
        return;
    }
    set_server(l, m);
    set_letter(m);
    curl_loop_start(l->loop, m->easy);
}

/* ---- the link ---- */

static enum err take(struct mail_link *l, const char *tag, struct span bytes, struct letter **out)
{
    if (!l->up)
        return ERR_LINK_DOWN;
    if (strlen(tag) >= MAIL_TAG_MAX)
        return ERR_NO_SPACE;
    if (l->count == MAIL_UNDER_WAY)
        return ERR_BUSY;
    struct letter *m = calloc(1, sizeof *m + bytes.len);
    if (!m)
        return ERR_NO_MEMORY;
    m->link = l;
    text_copy(m->tag, sizeof m->tag, tag);
    m->len = bytes.len;
    memcpy(m->bytes, bytes.p, bytes.len);
    struct letter **at = &l->first;
    while (*at)
        at = &(*at)->next;
    *at = *out = m;
    l->count++;
    count_under_way(l);
    return ERR_OK;
}

static enum err mail_send(struct link *link, const char *tag, struct span bytes)
{
    struct letter *m;
    return take((struct mail_link *)link, tag, bytes, &m);
}

static void mail_lose(struct link *link, const char *tag, struct span bytes)
{
    struct letter *m;
    if (take((struct mail_link *)link, tag, bytes, &m) == ERR_OK)
        end(m, "unknown");
}

static void mail_flush(struct link *link)
{
    struct mail_link *l = (struct mail_link *)link;
    for (struct letter *m = l->first; m; m = m->next)
        if (!m->easy && !m->over)
            begin(l, m);
}

static void mail_set_cut(struct link *link, bool cut)
{
    struct mail_link *l = (struct mail_link *)link;
    bool was = l->up;
    l->cut = cut;
    l->up = !cut;
    for (struct letter *m = l->first; cut && m; m = m->next) {
        if (!m->over)
            end_unanswered(m);
        if (m->easy)
            curl_loop_stop(l->loop, m->easy);
        stop(m);
    }
    if (was != l->up)
        l->o.hooks.on_state(l->o.hooks.ctx, l->up ? LINK_UP : LINK_DOWN);
}

static int on_first_turn(sd_event_source *source, void *ctx)
{
    struct mail_link *l = ctx;
    (void)source;
    if (!l->cut)
        mail_set_cut(&l->link, false);
    return 0;
}

static void mail_close(struct link *link)
{
    struct mail_link *l = (struct mail_link *)link;
    for (struct letter *m = l->first, *next; m; m = next) {
        next = m->next;
        if (m->easy)
            curl_loop_stop(l->loop, m->easy);
        forget(m);
    }
    curl_loop_close(l->loop);
    sd_event_source_disable_unref(l->teller);
    free(l);
}

static bool make_teller(struct mail_link *l)
{
    return sd_event_add_defer(l->o.event, &l->teller, on_over, l) >= 0 &&
           sd_event_source_set_enabled(l->teller, SD_EVENT_OFF) >= 0;
}

static bool configure(struct mail_link *l)
{
    const char *e = l->o.endpoint;
    if (strncmp(e, MAIL_OWN, strlen(MAIL_OWN)) == 0)
        l->socket = e + strlen(MAIL_OWN);
    else if (strncmp(e, MAIL_SERVER, strlen(MAIL_SERVER)) == 0)
        l->url = e + strlen(MAIL_SERVER);
    return l->socket || l->url;
}

static struct link *mail_open(const struct link_open *o, const char **reason)
{
    static const struct link_ops ops = {.send = mail_send,
                                        .lose = mail_lose,
                                        .flush = mail_flush,
                                        .set_cut = mail_set_cut,
                                        .close = mail_close};
    struct mail_link *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->link.ops = &ops;
    l->o = *o;
    *reason = "a mail endpoint is " MAIL_OWN "<socket> or " MAIL_SERVER "<url>";
    if (configure(l) && make_teller(l) && (l->loop = curl_loop_open(o->event, on_done, l, reason))) {
        link_defer(o->event, on_first_turn, l);
        return &l->link;
    }
    mail_close(&l->link);
    return NULL;
}

const struct link_driver link_driver_mail = {&medium_mail, mail_open};

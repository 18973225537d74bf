#include "lib/media/mail/mail_sender.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/media/curl_loop.h"
#include "lib/media/mail/mail_ends.h"

#define DATA_MAY_COME 354               /* RFC 5321 4.2.1: what follows is the message */
#define HELLO         "/sender.example" /* what EHLO says: not the name of this machine */
#define SOCKETS_MAX   8                 /* that curl tries at a time, at several addresses of a host */

struct mail_sender {
    const struct mail_way *way;
    CURL *easy;
    struct curl_slist *to;
    char from[MAIL_ADDRESS_MAX + 3];
    struct span text;
    size_t read;
    int last_fd; /* of the thread alone */
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    struct mail_progress progress;
    bool stopped, quit;
    int fds[SOCKETS_MAX]; /* open; -1: free */
};

static void wake(const struct mail_sender *s)
{
    const uint64_t one = 1;
    if (write(s->way->wake_fd, &one, sizeof one) != sizeof one)
        abort(); /* a result that nobody hears of */
}

/* ---- sockets: closed by the thread, hung up by anybody ---- */

/* `from` becomes `to`; false when there is no such place, or it is too late for one. */
static bool swap_socket(struct mail_sender *s, int from, int to)
{
    bool done = false;
    for (size_t i = 0; i < SOCKETS_MAX && !done && !(s->stopped && to >= 0); i++) {
        done = s->fds[i] == from;
        if (done)
            s->fds[i] = to;
    }
    return done;
}

static curl_socket_t on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct mail_sender *s = ctx;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    (void)purpose;
    if (fd < 0)
        return CURL_SOCKET_BAD;
    pthread_mutex_lock(&s->lock);
    bool ok = swap_socket(s, -1, fd);
    pthread_mutex_unlock(&s->lock);
    if (!ok)
        close(fd);
    s->last_fd = ok ? fd : -1;
    return ok ? fd : CURL_SOCKET_BAD;
}

/* Forgotten before it is closed: its number may be another's at once. */
static int on_close(void *ctx, curl_socket_t fd)
{
    struct mail_sender *s = ctx;
    pthread_mutex_lock(&s->lock);
    swap_socket(s, fd, -1);
    pthread_mutex_unlock(&s->lock);
    return close(fd);
}

void mail_sender_stop(struct mail_sender *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopped = true;
    for (size_t i = 0; i < SOCKETS_MAX; i++)
        if (s->fds[i] >= 0)
            shutdown(s->fds[i], SHUT_RDWR);
    pthread_mutex_unlock(&s->lock);
}

/* Where there is no socket yet. */
static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct mail_sender *s = ctx;
    (void)a, (void)b, (void)c, (void)d;
    pthread_mutex_lock(&s->lock);
    bool stopped = s->stopped;
    pthread_mutex_unlock(&s->lock);
    return stopped;
}

/* ---- what is said ---- */

/* The code of an answer's last line; 0 for another. */
static unsigned code_of(const char *line, size_t len)
{
    if (len < 3 || line[0] < '2' || line[0] > '5' || line[1] < '0' || line[1] > '9' || line[2] < '0' ||
        line[2] > '9' || (len > 3 && line[3] == '-'))
        return 0;
    return (unsigned)(line[0] - '0') * 100 + (unsigned)(line[1] - '0') * 10 + (unsigned)(line[2] - '0');
}

/* What comes after the last word answers QUIT. */
static void take_code(struct mail_progress *p, unsigned code)
{
    p->code = code;
    if (p->stage == MAIL_LEAVING)
        p->stage = MAIL_ANSWERED;
    else if (code == DATA_MAY_COME)
        p->stage = MAIL_LEAVING;
}

/* libcurl gives up: an error was the last word, or there was none. */
static void take_quit(struct mail_progress *p)
{
    if (p->stage != MAIL_TALKING)
        return;
    p->stage = MAIL_ANSWERED;
    p->code = p->code < 400 ? 0 : p->code;
}

/* A line of the server's, code 0 for our QUIT. */
static void take_word(struct mail_sender *s, unsigned code)
{
    pthread_mutex_lock(&s->lock);
    enum mail_stage was = s->progress.stage;
    if (code && !s->quit)
        take_code(&s->progress, code);
    else if (!code)
        take_quit(&s->progress);
    s->quit = s->quit || s->progress.stage == MAIL_ANSWERED || !code;
    bool further = s->progress.stage != was;
    pthread_mutex_unlock(&s->lock);
    if (further)
        wake(s);
}

static size_t on_line(char *line, size_t one, size_t len, void *ctx)
{
    unsigned code = code_of(line, one * len);
    if (code)
        take_word(ctx, code);
    return one * len;
}

/* libcurl shows all that passes. */
static int on_shown(CURL *easy, curl_infotype type, char *bytes, size_t len, void *ctx)
{
    (void)easy;
    if (type == CURLINFO_HEADER_OUT && len >= 4 && memcmp(bytes, "QUIT", 4) == 0)
        take_word(ctx, 0);
    return 0;
}

static size_t on_read(char *out, size_t one, size_t cap, void *ctx)
{
    struct mail_sender *s = ctx;
    size_t left = s->text.len - s->read, len = left < cap * one ? left : cap * one;
    memcpy(out, s->text.p + s->read, len);
    s->read += len;
    return len;
}

/* Before anything of the letter is said: a socket in the postbox's place gets none. */
static int on_leaving(void *ctx, char *to, char *from, int to_port, int from_port)
{
    struct mail_sender *s = ctx;
    const struct link_open *o = s->way->o;
    (void)to;
    (void)from;
    (void)to_port;
    (void)from_port;
    if (link_is_ours(o, s->last_fd, LINK_RUNNER))
        return CURL_PREREQFUNC_OK;
    fprintf(stderr, "%s: %s: %s (%s)\n", o->name, o->spec->name, err_text(ERR_LINK_NOT_OURS),
            err_name(ERR_LINK_NOT_OURS));
    return CURL_PREREQFUNC_ABORT;
}

static void set_server(struct mail_sender *s)
{
    CURL *easy = s->easy;
    char url[300];
    const char *user = getenv(MAIL_USER_VARIABLE), *password = getenv(MAIL_PASSWORD_VARIABLE);
    if (s->way->socket) {
        curl.easy_setopt(easy, CURLOPT_URL, "smtp://postbox" HELLO);
        curl.easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, s->way->socket);
        curl.easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_leaving);
        curl.easy_setopt(easy, CURLOPT_PREREQDATA, s);
        return;
    }
    snprintf(url, sizeof url, "%.270s" HELLO, s->way->url);
    curl.easy_setopt(easy, CURLOPT_URL, url);
    curl.easy_setopt(easy, CURLOPT_USE_SSL, (long)(user ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    if (!user || !password)
        return;
    curl.easy_setopt(easy, CURLOPT_USERNAME, user);
    curl.easy_setopt(easy, CURLOPT_PASSWORD, password);
}

static void set_letter(struct mail_sender *s)
{
    CURL *easy = s->easy;
    curl.easy_setopt(easy, CURLOPT_MAIL_FROM, s->from);
    curl.easy_setopt(easy, CURLOPT_MAIL_RCPT, s->to);
    curl.easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl.easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl.easy_setopt(easy, CURLOPT_READDATA, s);
    curl.easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)s->text.len);
    curl.easy_setopt(easy, CURLOPT_PROXY, "");
    curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl.easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl.easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
}

/* What lets it be looked at and ended from outside. */
static void set_reins(struct mail_sender *s)
{
    CURL *easy = s->easy;
    curl.easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl.easy_setopt(easy, CURLOPT_OPENSOCKETDATA, s);
    curl.easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl.easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, s);
    curl.easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_line);
    curl.easy_setopt(easy, CURLOPT_HEADERDATA, s);
    curl.easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_shown);
    curl.easy_setopt(easy, CURLOPT_DEBUGDATA, s);
    curl.easy_setopt(easy, CURLOPT_VERBOSE, 1L);
    curl.easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl.easy_setopt(easy, CURLOPT_XFERINFODATA, s);
    curl.easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a name that nobody resolves is not waited for */
}

/* ---- the thread ---- */

static void *run(void *ctx)
{
    struct mail_sender *s = ctx;
    CURLcode result = curl.easy_perform(s->easy);
    curl.easy_cleanup(s->easy);
    s->easy = NULL;
    pthread_mutex_lock(&s->lock);
    s->progress.over = true;
    s->progress.why = curl.easy_strerror(result);
    pthread_mutex_unlock(&s->lock);
    wake(s);
    return NULL;
}

/* Signals are the main thread's business. */
static bool start(struct mail_sender *s)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&s->thread, NULL, run, s) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static void discard(struct mail_sender *s)
{
    if (s->easy)
        curl.easy_cleanup(s->easy);
    curl.slist_free_all(s->to);
    pthread_mutex_destroy(&s->lock);
    OPENSSL_cleanse(s, sizeof *s);
    free(s);
}

struct mail_sender *mail_sender_new(const struct mail_way *way, const struct mail *envelope, struct span text)
{
    char to[MAIL_ADDRESS_MAX + 3];
    struct mail_sender *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->way = way;
    s->text = text;
    memset(s->fds, -1, sizeof s->fds);
    pthread_mutex_init(&s->lock, NULL);
    snprintf(s->from, sizeof s->from, "<%.*s>", (int)envelope->from.len, (const char *)envelope->from.p);
    snprintf(to, sizeof to, "<%.*s>", (int)envelope->to.len, (const char *)envelope->to.p);
    s->to = curl.slist_append(NULL, to);
    s->easy = s->to ? curl.easy_init() : NULL;
    if (s->easy) {
        set_server(s);
        set_letter(s);
        set_reins(s);
        if (start(s))
            return s;
    }
    discard(s);
    return NULL;
}

struct mail_progress mail_sender_look(struct mail_sender *s)
{
    pthread_mutex_lock(&s->lock);
    struct mail_progress p = s->progress;
    pthread_mutex_unlock(&s->lock);
    return p;
}

void mail_sender_free(struct mail_sender *s)
{
    if (!s)
        return;
    pthread_join(s->thread, NULL);
    discard(s);
}

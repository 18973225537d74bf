/* The listening end: SCGI on sd-event. Only nginx of this run may connect; it sends whole requests, one to a
 * connection, and takes the answer until we close. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/http/http_problem.h"
#include "lib/media/http/http_ends.h"
#include "lib/media/http/http_tls.h"

#define FIRST_READ    2048 /* bytes; the length is known then */
#define ACCEPTS       16   /* in one turn */
#define SERVED_PUBLIC "NONE"
#define SERVED_NAMED  "SUCCESS"

enum state { READING, HANDED, ANSWERING };

struct exchange {
    struct exchange *before, *next;
    struct http_server *server;
    enum state state;
    int fd;
    sd_event_source *io;
    char address[HTTP_ADDRESS];
    size_t len, size; /* so far, of so many */
    uint8_t *bytes;   /* the request, then the response */
};

struct http_server {
    struct link link;
    struct link_open o;
    int listen_fd;
    bool cut, up;
    unsigned number, strangers;
    size_t count;
    struct exchange *exchanges;
    sd_event_source *accept;
};

/* Places that are free are listened for. */
static void watch_door(struct http_server *s)
{
    bool open = s->up && s->count < HTTP_HANDED_MAX;
    sd_event_source_set_enabled(s->accept, open ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void free_bytes(struct exchange *x)
{
    if (x->bytes)
        explicit_bzero(x->bytes, x->size);
    free(x->bytes);
    x->bytes = NULL;
    x->len = x->size = 0;
}

static void end_exchange(struct http_server *s, struct exchange *x)
{
    if (x->before)
        x->before->next = x->next;
    else
        s->exchanges = x->next;
    if (x->next)
        x->next->before = x->before;
    s->count--;
    sd_event_source_disable_unref(x->io);
    close(x->fd);
    free_bytes(x);
    free(x);
    watch_door(s);
}

/* ---- the answer ---- */

static void write_on(struct http_server *s, struct exchange *x)
{
    while (x->len < x->size) {
        ssize_t n = send(x->fd, x->bytes + x->len, x->size - x->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            sd_event_source_set_io_events(x->io, EPOLLOUT);
            return;
        }
        if (n < 0)
            break;
        x->len += (size_t)n;
    }
    end_exchange(s, x);
}

static bool take_answer(struct exchange *x, struct span bytes)
{
    uint8_t *copy = malloc(bytes.len);
    if (!copy)
        return false;
    memcpy(copy, bytes.p, bytes.len);
    free_bytes(x);
    x->bytes = copy;
    x->size = bytes.len;
    x->state = ANSWERING;
    return true;
}

/* What never reaches the component. */
static void refuse(struct exchange *x, enum err reason)
{
    uint8_t problem[HTTP_PROBLEM_MAX];
    size_t len = http_door_write(reason, problem);
    if (take_answer(x, span_of(problem, len)))
        write_on(x->server, x);
    else
        end_exchange(x->server, x);
}

/* ---- the request ---- */

/* The caller's name, "" for who showed no certificate. */
static enum err who_calls(const struct http_server *s, const struct http_request *q, const char **name)
{
    struct span verify = q->words[HTTP_WORD_VERIFY];
    struct token fingerprint;
    *name = "";
    if (span_is(verify, SERVED_PUBLIC))
        return http_is_public(s->o.spec) ? ERR_OK : ERR_LINK_NOT_ADMITTED;
    if (!span_is(verify, SERVED_NAMED) ||
        !http_tls_escaped_fingerprint(q->words[HTTP_WORD_CERTIFICATE], fingerprint.bytes))
        return ERR_LINK_NOT_ADMITTED;
    for (size_t i = 0; i < s->o.tokens->count; i++) {
        const struct token_entry *t = &s->o.tokens->entries[i];
        if (strcmp(t->place, s->o.spec->name) == 0 &&
            bytes_equal_ct(t->token.bytes, fingerprint.bytes, TOKEN_SIZE)) {
            *name = t->name;
            return ERR_OK;
        }
    }
    return ERR_LINK_NOT_ADMITTED;
}

static void hand_over(struct exchange *x, const struct http_request *q, const char *name)
{
    struct http_server *s = x->server;
    uint8_t *own = malloc(HTTP_MESSAGE_MAX);
    struct wr w = wr_of(own, HTTP_MESSAGE_MAX);
    enum err e = own ? http_request_write(q, &w) : ERR_NO_MEMORY;
    if (!e && !http_fits(span_of(own, w.len), s->o.message_max))
        e = ERR_MSG_TOO_LONG;
    free_bytes(x);
    if (e) {
        refuse(x, e);
    } else {
        x->state = HANDED;
        http_address(name, ++s->number, x->address);
        s->o.hooks.on_bytes(s->o.hooks.ctx, x->address, span_of(own, w.len));
    }
    if (own)
        explicit_bzero(own, w.len);
    free(own);
}

static void take_request(struct exchange *x)
{
    struct http_request q;
    const char *name = "";
    enum err e = http_request_read(span_of(x->bytes, x->len), HTTP_FROM_DOOR, &q);
    if (!e)
        e = who_calls(x->server, &q, &name);
    if (e)
        refuse(x, e);
    else
        hand_over(x, &q, name);
}

/* Room for all of it, once its length is known. */
static enum err make_room(struct exchange *x)
{
    size_t total;
    enum err e = http_request_size(span_of(x->bytes, x->len), &total);
    if (e == ERR_TRUNCATED)
        return x->len < x->size ? ERR_OK : ERR_MSG_MALFORMED;
    if (e || total < x->size) /* one more shows what does not belong there */
        return e ? e : x->len > total ? ERR_TRAILING_BYTES : ERR_OK;
    uint8_t *larger = malloc(total + 1);
    if (!larger)
        return ERR_NO_MEMORY;
    size_t len = x->len;
    memcpy(larger, x->bytes, len);
    free_bytes(x);
    x->bytes = larger;
    x->len = len;
    x->size = total + 1;
    return ERR_OK;
}

static bool is_whole(const struct exchange *x)
{
    size_t total;
    return http_request_size(span_of(x->bytes, x->len), &total) == ERR_OK && x->len == total;
}

/* Nobody waits any more. A request whose sender went away before it was handed over is not acted upon. */
static void hung_up(struct exchange *x)
{
    struct http_server *s = x->server;
    char address[HTTP_ADDRESS];
    bool handed = x->state == HANDED;
    text_copy(address, sizeof address, x->address);
    end_exchange(s, x);
    if (handed)
        s->o.hooks.on_news(s->o.hooks.ctx, address, "gone");
}

/* Reads all that is there: a connection that has ended shows it before its request is handed over. */
static void read_on(struct exchange *x)
{
    for (;;) {
        uint8_t more;
        bool reading = x->state == READING;
        ssize_t n = reading ? recv(x->fd, x->bytes + x->len, x->size - x->len, MSG_DONTWAIT)
                            : recv(x->fd, &more, 1, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0 || !reading) {
            hung_up(x);
            return;
        }
        x->len += (size_t)n;
        enum err e = make_room(x);
        if (e) {
            refuse(x, e);
            return;
        }
    }
    if (x->state == READING && is_whole(x))
        take_request(x);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
    struct exchange *x = ctx;
    (void)source;
    (void)fd;
    (void)revents;
    if (x->state == ANSWERING)
        write_on(x->server, x);
    else
        read_on(x);
    return 0;
}

/* ---- connections ---- */

/* Anybody of this user can reach the socket, nobody but nginx is heard there. */
static bool is_door(struct http_server *s, int fd)
{
    if (link_is_ours(&s->o, fd, LINK_HELPERS_OWN))
        return true;
    s->strangers++;
    if ((s->strangers & (s->strangers - 1)) == 0)
        fprintf(stderr, "%s: %s: %s (%s), %u so far\n", s->o.name, s->o.spec->name,
                err_text(ERR_LINK_NOT_ADMITTED), err_name(ERR_LINK_NOT_ADMITTED), s->strangers);
    return false;
}

static void begin_exchange(struct http_server *s, int fd)
{
    struct exchange *x = is_door(s, fd) ? calloc(1, sizeof *x) : NULL;
    uint8_t *bytes = x ? malloc(FIRST_READ) : NULL;
    if (!bytes || sd_event_add_io(s->o.event, &x->io, fd, EPOLLIN | EPOLLRDHUP, on_io, x) < 0) {
        free(bytes);
        free(x);
        close(fd);
        return;
    }
    x->server = s;
    x->fd = fd;
    x->bytes = bytes;
    x->size = FIRST_READ;
    x->next = s->exchanges;
    if (x->next)
        x->next->before = x;
    s->exchanges = x;
    s->count++;
    read_on(x);
}

static int on_accept(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
    struct http_server *s = ctx;
    (void)source;
    (void)revents;
    for (int i = 0; i < ACCEPTS && s->up && s->count < HTTP_HANDED_MAX; i++) {
        int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (peer < 0)
            break;
        begin_exchange(s, peer);
    }
    watch_door(s);
    return 0;
}

/* ---- the link ---- */

static enum err server_send(struct link *link, const char *address, struct span bytes)
{
    struct http_server *s = (struct http_server *)link;
    struct http_response r;
    enum err e = s->up ? http_response_read(bytes, &r) : ERR_LINK_DOWN;
    struct exchange *x = s->exchanges;
    while (!e && x && (x->state != HANDED || strcmp(x->address, address) != 0))
        x = x->next;
    if (e || !x)
        return e ? e : ERR_NOT_FOUND;
    return take_answer(x, bytes) ? ERR_OK : ERR_NO_MEMORY;
}

static void server_flush(struct link *link)
{
    struct http_server *s = (struct http_server *)link;
    for (struct exchange *x = s->exchanges, *next; x; x = next) {
        next = x->next;
        if (x->state == ANSWERING && x->len == 0)
            write_on(s, x);
    }
}

static void end_all(struct http_server *s)
{
    for (struct exchange *x = s->exchanges, *next; x; x = next) {
        next = x->next;
        end_exchange(s, x);
    }
}

static void server_set_cut(struct link *link, bool cut)
{
    struct http_server *s = (struct http_server *)link;
    bool was = s->up;
    s->cut = cut;
    s->up = !cut;
    if (cut)
        end_all(s);
    watch_door(s);
    if (was != s->up)
        s->o.hooks.on_state(s->o.hooks.ctx, s->up ? LINK_UP : LINK_DOWN);
}

static int on_first_turn(sd_event_source *source, void *ctx)
{
    struct http_server *s = ctx;
    (void)source;
    if (!s->cut)
        server_set_cut(&s->link, false);
    return 0;
}

static void server_close(struct link *link)
{
    struct http_server *s = (struct http_server *)link;
    server_flush(link);
    s->up = false;
    end_all(s);
    sd_event_source_disable_unref(s->accept);
    free(s);
}

struct link *http_server_open(const struct link_open *o, const char **reason)
{
    static const struct link_ops ops = {
        .send = server_send, .flush = server_flush, .set_cut = server_set_cut, .close = server_close};
    struct http_server *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->link.ops = &ops;
    s->o = *o;
    s->listen_fd = atoi(o->endpoint + strlen("serve:"));
    if (sd_event_add_io(o->event, &s->accept, s->listen_fd, EPOLLIN, on_accept, s) < 0) {
        *reason = "the socket of an HTTP port cannot be watched";
        free(s);
        return NULL;
    }
    watch_door(s);
    link_defer(o->event, on_first_turn, s);
    return &s->link;
}

/* A stranger's end: connections over the door's Unix socket, TLS as it is told, bytes as they are. */
#include <dlfcn.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/media/http/http_ends.h"
#include "lib/media/http/http_tls.h"

#define PIECE 4096 /* bytes that the component gets at once, at most */

/* Loaded with the first stranger: no other component has a use for it. */
#define SSL_CALLS(X)        \
    X(CTX_new)              \
    X(CTX_free)             \
    X(new)                  \
    X(free)                 \
    X(ctrl)                 \
    X(set_alpn_protos)      \
    X(use_PrivateKey)       \
    X(use_certificate_file) \
    X(set_fd)               \
    X(connect)              \
    X(read)                 \
    X(write)                \
    X(get_error)

static struct {
    __typeof__(&TLS_client_method) method;
#define X(name) __typeof__(&SSL_##name) name;
    SSL_CALLS(X)
#undef X
} tls;

struct visit {
    struct visit *next;
    struct http_raw *link;
    char tag[HTTP_TAG_MAX];
    int fd;
    SSL *ssl;
    sd_event_source *io;
    bool open, over, in_hook; /* over: goes as soon as nobody looks at it */
    uint8_t *out;             /* what waits to be written */
    size_t len, cap;
};

struct http_raw {
    struct link link;
    struct link_open o;
    char path[108], folder[256]; /* of the certificates: "<folder>/<name>.<port>.<kind>.crt" */
    bool cut, up;
    SSL_CTX *ctx;
    struct visit *visits;
};

static bool load(void)
{
    void *library = dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL);
    bool ok = library && (*(void **)&tls.method = dlsym(library, "TLS_client_method")) != NULL;
#define X(name) ok = ok && (*(void **)&tls.name = dlsym(library, "SSL_" #name)) != NULL;
    SSL_CALLS(X)
#undef X
    return ok;
}

/* ---- one visit ---- */

static struct visit *find(struct http_raw *r, const char *tag)
{
    struct visit *v = r->visits;
    while (v && (v->over || strcmp(v->tag, tag) != 0))
        v = v->next;
    return v;
}

static void end_visit(struct visit *v)
{
    struct visit **at = &v->link->visits;
    v->over = true;
    if (v->in_hook)
        return;
    while (*at != v)
        at = &(*at)->next;
    *at = v->next;
    sd_event_source_disable_unref(v->io);
    tls.free(v->ssl);
    if (v->fd >= 0)
        close(v->fd);
    free(v->out);
    free(v);
}

static void say(struct visit *v, const char *news)
{
    struct http_raw *r = v->link;
    v->in_hook = true;
    r->o.hooks.on_news(r->o.hooks.ctx, v->tag, news);
    v->in_hook = false;
}

static void watch(struct visit *v)
{
    bool writes = v->len && v->open;
    sd_event_source_set_io_events(v->io, (uint32_t)(EPOLLIN | (writes ? EPOLLOUT : 0)));
}

static bool goes_on(const struct visit *v, int rc)
{
    int e = tls.get_error(v->ssl, rc);
    return rc > 0 || e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
}

/* Whether the connection is still there; that it is not shows in reading, too, which says so. */
static void write_on(struct visit *v)
{
    int n = 1;
    while (v->open && !v->over && v->len && n > 0) {
        n = tls.write(v->ssl, v->out, v->len > 16384 ? 16384 : (int)v->len);
        if (n > 0) {
            v->len -= (size_t)n;
            memmove(v->out, v->out + n, v->len);
        } else if (!goes_on(v, n)) {
            v->len = 0;
        }
    }
    if (!v->over)
        watch(v);
}

/* False when the other end has gone. */
static bool read_on(struct visit *v)
{
    uint8_t piece[PIECE];
    int n = 1;
    while (!v->over && n > 0) {
        n = tls.read(v->ssl, piece, sizeof piece);
        if (n > 0) {
            v->in_hook = true;
            v->link->o.hooks.on_bytes(v->link->o.hooks.ctx, v->tag, span_of(piece, (size_t)n));
            v->in_hook = false;
        }
    }
    return v->over || goes_on(v, n);
}

/* True once it is done. */
static bool shake(struct visit *v)
{
    int rc = v->open ? 1 : tls.connect(v->ssl);
    if (v->open)
        return true;
    if (rc == 1) {
        v->open = true;
        say(v, "open");
    } else if (!goes_on(v, rc)) {
        say(v, "refused");
        v->over = true;
    }
    return v->open && !v->over;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
    struct visit *v = ctx;
    (void)source;
    (void)fd;
    (void)revents;
    if (shake(v) && !read_on(v)) {
        say(v, "closed");
        v->over = true;
    }
    if (v->over)
        end_visit(v);
    else
        write_on(v);
    return 0;
}

/* ---- beginning one ---- */

static bool show_certificate(const struct http_raw *r, SSL *ssl, const char *kind)
{
    char path[400], pem[HTTP_PEM_MAX];
    const struct token *scalar = token_ring_find(r->o.tokens, r->o.spec->name, kind);
    if (!scalar || !http_tls_key(scalar->bytes, pem))
        return false;
    snprintf(path, sizeof path, "%s/%s.%s.%s.crt", r->folder, r->o.name, r->o.spec->name, kind);
    BIO *b = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = b ? PEM_read_bio_PrivateKey(b, NULL, NULL, NULL) : NULL;
    bool ok = key && tls.use_PrivateKey(ssl, key) == 1 &&
              tls.use_certificate_file(ssl, path, SSL_FILETYPE_PEM) == 1;
    EVP_PKEY_free(key);
    BIO_free(b);
    explicit_bzero(pem, sizeof pem);
    return ok;
}

/* What is told: "open <host> <protocol> <certificate>", "-" for none. */
struct opening {
    char host[HTTP_HOST_MAX], protocol[16], kind[32];
};

static bool dress(const struct http_raw *r, SSL *ssl, struct opening *o)
{
    uint8_t protocol[sizeof o->protocol + 1];
    size_t len = strlen(o->protocol);
    bool ok = true;
    protocol[0] = (uint8_t)len;
    memcpy(protocol + 1, o->protocol, len);
    if (strcmp(o->host, "-") != 0) /* SSL_set_tlsext_host_name */
        ok = tls.ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, o->host) == 1;
    if (strcmp(o->protocol, "-") != 0)
        ok = ok && tls.set_alpn_protos(ssl, protocol, (unsigned)len + 1) == 0;
    if (strcmp(o->kind, "-") != 0)
        ok = ok && show_certificate(r, ssl, o->kind);
    return ok;
}

static enum err begin(struct http_raw *r, const char *tag, struct opening *o)
{
    struct visit *v = calloc(1, sizeof *v);
    if (!v)
        return ERR_NO_MEMORY;
    v->link = r;
    v->next = r->visits;
    r->visits = v;
    text_copy(v->tag, sizeof v->tag, tag);
    v->fd = link_connect_unix(r->path, SOCK_STREAM);
    v->ssl = tls.new(r->ctx);
    if (v->fd >= 0 && v->ssl && dress(r, v->ssl, o) && tls.set_fd(v->ssl, v->fd) == 1 &&
        sd_event_add_io(r->o.event, &v->io, v->fd, EPOLLIN | EPOLLOUT, on_io, v) >= 0) {
        tls.ctrl(v->ssl, SSL_CTRL_MODE, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
                 NULL);
        return ERR_OK;
    }
    end_visit(v);
    return ERR_LINK_DOWN;
}

static enum err raw_tell(struct link *link, const char *tag, const char *news)
{
    struct http_raw *r = (struct http_raw *)link;
    struct opening o;
    struct visit *v = find(r, tag);
    int all = 0;
    if (!r->up)
        return ERR_LINK_DOWN;
    if (v && strcmp(news, "close") == 0) {
        end_visit(v);
        return ERR_OK;
    }
    if (v || strlen(tag) >= HTTP_TAG_MAX ||
        sscanf(news, "open %63s %15s %31s%n", o.host, o.protocol, o.kind, &all) != 3 || news[all])
        return ERR_BAD_ARGUMENT;
    return begin(r, tag, &o);
}

/* ---- the link ---- */

static enum err raw_send(struct link *link, const char *tag, struct span bytes)
{
    struct visit *v = find((struct http_raw *)link, tag);
    if (!v)
        return ERR_NOT_FOUND;
    if (bytes.len > v->cap - v->len) {
        size_t cap = 2 * (v->len + bytes.len);
        uint8_t *larger = realloc(v->out, cap);
        if (!larger)
            return ERR_NO_MEMORY;
        v->out = larger;
        v->cap = cap;
    }
    memcpy(v->out + v->len, bytes.p, bytes.len);
    v->len += bytes.len;
    return ERR_OK;
}

static void raw_flush(struct link *link)
{
    struct http_raw *r = (struct http_raw *)link;
    for (struct visit *v = r->visits; v; v = v->next)
        if (v->len && !v->over)
            write_on(v);
}

static void forget_all(struct http_raw *r)
{
    for (struct visit *v = r->visits, *next; v; v = next) {
        next = v->next;
        end_visit(v);
    }
}

static void raw_set_cut(struct link *link, bool cut)
{
    struct http_raw *r = (struct http_raw *)link;
    bool was = r->up;
    r->cut = cut;
    r->up = !cut;
    if (cut)
        forget_all(r);
    if (was != r->up)
        r->o.hooks.on_state(r->o.hooks.ctx, r->up ? LINK_UP : LINK_DOWN);
}

static int on_first_turn(sd_event_source *source, void *ctx)
{
    struct http_raw *r = ctx;
    (void)source;
    if (!r->cut)
        raw_set_cut(&r->link, false);
    return 0;
}

static void raw_close(struct link *link)
{
    struct http_raw *r = (struct http_raw *)link;
    forget_all(r);
    tls.CTX_free(r->ctx);
    free(r);
}

struct link *http_raw_open(const struct link_open *o, const char **reason)
{
    static const struct link_ops ops = {
        .send = raw_send, .tell = raw_tell, .flush = raw_flush, .set_cut = raw_set_cut, .close = raw_close};
    struct http_raw *r = calloc(1, sizeof *r);
    const char *endpoint = o->endpoint + strlen("raw:");
    size_t len = strcspn(endpoint, ";");
    *reason = "a stranger at the door needs raw:<socket>;folder=..., and libssl";
    if (!r || len >= sizeof r->path || !link_option(endpoint, "folder", r->folder, sizeof r->folder) ||
        !load() || !(r->ctx = tls.CTX_new(tls.method()))) {
        free(r);
        return NULL;
    }
    r->link.ops = &ops;
    r->o = *o;
    memcpy(r->path, endpoint, len);
    link_defer(o->event, on_first_turn, r);
    return &r->link;
}

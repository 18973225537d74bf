/* HTTP in the process world: the sockets and identities of all HTTP ports, and nginx between them. All that
 * nginx needs is made before it starts; the sockets listen from then on, so nobody waits for it. */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/host/setup.h"
#include "lib/media/http/http_ends.h"
#include "lib/media/http/http_tls.h"
#include "lib/media/http/nginx.h"
#include "lib/media/media.h"

#define HOSTS_MAX   12
#define CLIENTS_MAX 64
#define TLS_FD      3 /* in nginx: its sockets */
#define TCP_FD      4
#define HOST_FD     10 /* and on: for each host its key and its SCGI socket */

struct host {
    const struct setup_instance *who;
    unsigned port;
    int listen_fd, path_fd, key_fd; /* the socket, the same by its path for nginx, and the key */
};

struct client {
    const char *who;
    unsigned port;
    struct setup_identity identity;
};

struct http_setup {
    int tls_fd, tcp_fd;
    unsigned tcp_port;
    char socket[108];
    struct host hosts[HOSTS_MAX];
    size_t host_count;
    struct client clients[CLIENTS_MAX];
    size_t client_count;
};

static bool takes(const char *choice, char *problem, size_t cap)
{
    if (strcmp(choice, "auto") == 0 || strcmp(choice, "tcp") == 0)
        return true;
    snprintf(problem, cap, "--http takes auto, or tcp: a port of 127.0.0.1 beside the socket, for a browser");
    return false;
}

/* ---- files ---- */

static bool write_file(const struct setup_world *w, const char *name, const char *text, size_t len)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", w->directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, text, len) == (ssize_t)len;
    if (fd >= 0)
        close(fd);
    return ok && len;
}

/* "<name>.crt" */
static bool write_certificate(const struct setup_world *w, const char *name, struct span der)
{
    char pem[HTTP_PEM_MAX], file[120];
    snprintf(file, sizeof file, "%s.crt", name);
    return write_file(w, file, pem, http_tls_certificate(der, pem));
}

/* In memory, and in no folder: only who has the descriptor can read it. */
static int key_file(const uint8_t scalar[TOKEN_SIZE])
{
    char pem[HTTP_PEM_MAX];
    size_t len = http_tls_key(scalar, pem);
    int fd = len ? memfd_create("key", MFD_CLOEXEC) : -1;
    if (fd >= 0 && write(fd, pem, len) != (ssize_t)len) {
        close(fd);
        fd = -1;
    }
    explicit_bzero(pem, sizeof pem);
    return fd;
}

/* ---- hosts ---- */

static bool is_host(const struct port_spec *p)
{
    return strcmp(p->medium, medium_http.name) == 0 && p->end == PORT_LISTENS;
}

static bool make_identity(struct setup_world *w, struct host *h, const char *name)
{
    struct setup_identity i = {.certificate_len = 0};
    bool ok = w->certify && w->certify(w->ctx, name, SETUP_SERVER, &i) &&
              write_certificate(w, name, span_of(i.certificate, i.certificate_len)) &&
              write_certificate(w, "tls-ca", span_of(i.authority, i.authority_len));
    h->key_fd = ok ? key_file(i.scalar) : -1;
    explicit_bzero(&i, sizeof i);
    return h->key_fd >= 0;
}

static bool make_host(struct setup_world *w, struct http_setup *s, const struct setup_instance *who,
                      unsigned port)
{
    char name[2 * ENV_NAME_MAX + 16], path[200];
    if (s->host_count == HOSTS_MAX)
        return false;
    struct host *h = &s->hosts[s->host_count++];
    *h = (struct host){who, port, -1, -1, -1};
    http_host_name(who->name, who->class->ports[port].name, name);
    snprintf(path, sizeof path, "%s/%s.%s.scgi", w->directory, who->name, who->class->ports[port].name);
    h->listen_fd = spawn_listen(path, SOCK_STREAM);
    h->path_fd = h->listen_fd < 0 ? -1 : open(path, O_PATH | O_CLOEXEC);
    return h->path_fd >= 0 && strlen(name) < HTTP_HOST_MAX && make_identity(w, h, name);
}

static bool make_hosts(struct setup_world *w, struct http_setup *s)
{
    bool ok = true;
    for (size_t i = 0; ok && i < w->count; i++)
        for (unsigned k = 0; ok && k < w->instances[i].class->port_count; k++)
            if (is_host(&w->instances[i].class->ports[k]))
                ok = make_host(w, s, &w->instances[i], k);
    return ok;
}

static int listen_tcp(unsigned *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&a, sizeof a) == 0 && listen(fd, SPAWN_BACKLOG) == 0 &&
        getsockname(fd, (struct sockaddr *)&a, &len) == 0) {
        *port = ntohs(a.sin_port);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool prepare_nginx(const struct setup_world *w, const struct http_setup *s)
{
    struct nginx_host hosts[HOSTS_MAX];
    const struct nginx_door d = {w->directory, s->socket, s->tcp_port, hosts, s->host_count};
    for (size_t i = 0; i < s->host_count; i++) {
        const struct host *h = &s->hosts[i];
        const struct port_spec *spec = &h->who->class->ports[h->port];
        char name[2 * ENV_NAME_MAX + 16], local[2 * ENV_NAME_MAX + 18];
        size_t longest = component_message_max(h->who->class);
        http_host_name(h->who->name, spec->name, name);
        hosts[i] = (struct nginx_host){.open_to_all = http_is_public(spec),
                                       .body_max = longest < HTTP_BODY_MAX ? longest : HTTP_BODY_MAX,
                                       .key_fd = HOST_FD + 2 * (int)i,
                                       .scgi_fd = HOST_FD + 2 * (int)i + 1};
        text_copy(hosts[i].name, sizeof hosts[i].name, name);
        http_local_name(h->who->name, spec->name, local);
        text_copy(hosts[i].local, sizeof hosts[i].local, local);
    }
    return nginx_prepare(&d);
}

/* By "tcp", and for a person who drives it. */
static bool has_port(const char *choice, bool by_hand)
{
    return by_hand || strcmp(choice, "tcp") == 0;
}

static bool make_door(struct setup_world *w, struct http_setup *s)
{
    bool tcp = has_port(w->choice, w->by_hand);
    snprintf(s->socket, sizeof s->socket, "%.90s/https.sock", w->directory);
    s->tls_fd = spawn_listen(s->socket, SOCK_STREAM);
    if (tcp)
        s->tcp_fd = listen_tcp(&s->tcp_port);
    return s->tls_fd >= 0 && (!tcp || s->tcp_fd >= 0) && make_hosts(w, s) && prepare_nginx(w, s);
}

/* Where a person gets in, and what is to be trusted for that. */
static void announce(struct setup_world *w, const struct http_setup *s)
{
    char name[2 * ENV_NAME_MAX + 18], line[200];
    for (size_t i = 0; i < s->host_count; i++) {
        const struct port_spec *spec = &s->hosts[i].who->class->ports[s->hosts[i].port];
        http_local_name(s->hosts[i].who->name, spec->name, name);
        snprintf(line, sizeof line, "open   https://%s:%u/", name, s->tcp_port);
        if (http_is_public(spec))
            w->announce(w->ctx, line);
    }
    snprintf(line, sizeof line, "trust  %s/tls-ca.crt  (curl --cacert; of this run alone)", w->directory);
    w->announce(w->ctx, line);
}

static bool http_open(struct setup_world *w, void *state)
{
    struct http_setup *s = state;
    s->tls_fd = s->tcp_fd = -1;
    if (!nginx_program()) {
        w->fail(w->ctx, "nginx is not installed; apt-get install nginx");
        return false;
    }
    if (!make_door(w, s)) {
        w->fail(w->ctx, "the sockets, certificates or configuration of the HTTP door cannot be made");
        return false;
    }
    if (s->tcp_port)
        snprintf(w->described, sizeof w->described, "HTTP on our nginx, port %u", s->tcp_port);
    else
        snprintf(w->described, sizeof w->described, "HTTP on our nginx");
    if (w->by_hand && s->host_count)
        announce(w, s);
    return true;
}

/* ---- nginx ---- */

static void hand_down(struct setup_helper *h, size_t *n, int theirs, int ours)
{
    h->fds[(*n)++] = (struct spawn_fd){theirs, ours};
    h->fds[*n] = (struct spawn_fd){-1, -1};
}

static bool http_helper(struct setup_world *w, void *state, struct setup_helper *out)
{
    static const char *const flags[] = {"-e", "stderr", "-p", NULL, "-c"};
    const struct http_setup *s = state;
    size_t n = 0;
    *out = (struct setup_helper){.tied = true, .leads = true, .by_signal = true};
    text_copy(out->arguments[0], sizeof out->arguments[0], nginx_program());
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        text_copy(out->arguments[i + 1], sizeof out->arguments[0], flags[i] ? flags[i] : w->directory);
    snprintf(out->arguments[6], sizeof out->arguments[6], "%s/" NGINX_CONFIGURATION, w->directory);
    snprintf(out->variable, sizeof out->variable, s->tcp_fd < 0 ? "NGINX=%d;" : "NGINX=%d;%d;", TLS_FD,
             TCP_FD);
    hand_down(out, &n, TLS_FD, s->tls_fd);
    if (s->tcp_fd >= 0)
        hand_down(out, &n, TCP_FD, s->tcp_fd);
    for (size_t i = 0; i < s->host_count; i++) {
        hand_down(out, &n, HOST_FD + 2 * (int)i, s->hosts[i].key_fd);
        hand_down(out, &n, HOST_FD + 2 * (int)i + 1, s->hosts[i].path_fd);
    }
    return true;
}

/* ---- ends ---- */

/* An asking port has one identity in all its lives. */
static struct client *client_of(struct setup_world *w, struct http_setup *s, const struct setup_instance *who,
                                unsigned port)
{
    char name[2 * ENV_NAME_MAX + 16];
    for (size_t i = 0; i < s->client_count; i++)
        if (strcmp(s->clients[i].who, who->name) == 0 && s->clients[i].port == port)
            return &s->clients[i];
    struct client *c = s->client_count < CLIENTS_MAX ? &s->clients[s->client_count] : NULL;
    snprintf(name, sizeof name, "%s.%s.client", who->name, who->class->ports[port].name);
    if (!c || !w->certify || !w->certify(w->ctx, who->name, SETUP_CLIENT, &c->identity) ||
        !write_certificate(w, name, span_of(c->identity.certificate, c->identity.certificate_len)))
        return NULL;
    c->who = who->name;
    c->port = port;
    s->client_count++;
    return c;
}

struct admitting {
    struct setup_world *world;
    struct http_setup *setup;
    const struct setup_end *end;
    bool ok;
};

/* The server knows its callers by their certificates. */
static void admit(void *ctx, const struct setup_instance *asker, unsigned port)
{
    struct admitting *a = ctx;
    struct client *c = a->ok ? client_of(a->world, a->setup, asker, port) : NULL;
    struct token fingerprint;
    a->ok = c != NULL;
    if (!c)
        return;
    http_tls_fingerprint(span_of(c->identity.certificate, c->identity.certificate_len), fingerprint.bytes);
    a->ok =
        token_ring_add(a->end->ring, a->end->who->class->ports[a->end->port].name, asker->name, &fingerprint);
}

static bool serve(struct setup_world *w, struct http_setup *s, const struct setup_end *e)
{
    struct admitting a = {w, s, e, true};
    const struct host *h = s->hosts;
    while (h < s->hosts + s->host_count && (strcmp(h->who->name, e->who->name) != 0 || h->port != e->port))
        h++;
    if (h == s->hosts + s->host_count)
        return false;
    if (*e->listen_fd < 0)
        *e->listen_fd = fcntl(h->listen_fd, F_DUPFD_CLOEXEC, 0);
    setup_each_caller(w, e->who, e->port, admit, &a);
    snprintf(e->endpoint, e->cap, "serve:%d", e->listen_as);
    return a.ok && *e->listen_fd >= 0;
}

/* A stranger's identities: for each kind a certificate in the folder, and its key in the ring. */
static bool equip_stranger(struct setup_world *w, const struct setup_end *e)
{
    static const struct {
        const char *name;
        enum setup_role role;
    } kinds[] = {{"foreign", SETUP_CLIENT_FOREIGN},
                 {"expired", SETUP_CLIENT_EXPIRED},
                 {"server", SETUP_SERVER},
                 {"neighbour", SETUP_CLIENT}};
    const char *port = e->who->class->ports[e->port].name;
    char file[3 * ENV_NAME_MAX];
    struct token key;
    bool ok = w->certify != NULL;
    for (size_t i = 0; ok && i < sizeof kinds / sizeof kinds[0]; i++) {
        struct setup_identity id = {.certificate_len = 0};
        snprintf(file, sizeof file, "%s.%s.%s", e->who->name, port, kinds[i].name);
        ok = w->certify(w->ctx, e->who->name, kinds[i].role, &id) &&
             write_certificate(w, file, span_of(id.certificate, id.certificate_len));
        memcpy(key.bytes, id.scalar, sizeof key.bytes);
        ok = ok && token_ring_add(e->ring, port, kinds[i].name, &key);
        explicit_bzero(&id, sizeof id);
    }
    explicit_bzero(&key, sizeof key);
    return ok;
}

static bool http_endpoint(struct setup_world *w, void *state, const struct setup_end *e)
{
    struct http_setup *s = state;
    const struct port_spec *spec = &e->who->class->ports[e->port];
    char host[2 * ENV_NAME_MAX + 16];
    unsigned reached;
    struct token key;
    if (spec->end == PORT_LISTENS)
        return serve(w, s, e);
    if (spec->raw) {
        snprintf(e->endpoint, e->cap, "raw:%s;folder=%s", s->socket, w->directory);
        return equip_stranger(w, e);
    }
    const struct setup_instance *server = setup_server_of(w, e->who, e->port, &reached);
    snprintf(e->endpoint, e->cap, "ask:");
    if (!server)
        return true;
    struct client *c = client_of(w, s, e->who, e->port);
    if (!c)
        return false;
    http_host_name(server->name, server->class->ports[reached].name, host);
    snprintf(e->endpoint, e->cap, "ask:%s;host=%s;ca=%s/tls-ca.crt;cert=%s/%s.%s.client.crt", s->socket, host,
             w->directory, w->directory, e->who->name, spec->name);
    memcpy(key.bytes, c->identity.scalar, sizeof key.bytes);
    bool ok = token_ring_add(e->ring, spec->name, HTTP_KEY, &key);
    explicit_bzero(&key, sizeof key);
    return ok;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void http_close(struct setup_world *w, void *state)
{
    struct http_setup *s = state;
    (void)w;
    close_fd(s->tls_fd);
    close_fd(s->tcp_fd);
    for (size_t i = 0; i < s->host_count; i++) {
        close_fd(s->hosts[i].listen_fd);
        close_fd(s->hosts[i].path_fd);
        close_fd(s->hosts[i].key_fd);
    }
    explicit_bzero(s, sizeof *s);
}

const struct setup setup_http = {
    .medium = &medium_http,
    .option = "http",
    .form = "auto|tcp",
    .option_is = "tcp: the door also listens at a port of 127.0.0.1, for a browser (default auto: in play)",
    .only_real =
        "no browser gets into a world in virtual time: with --world process the addresses to open stand "
        "here",
    .faces_machine = has_port,
    .helper = "nginx",
    .size = sizeof(struct http_setup),
    .takes = takes,
    .open = http_open,
    .helper_is = http_helper,
    .endpoint = http_endpoint,
    .close = http_close,
};

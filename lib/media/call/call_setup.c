/* Calls in the process world: a listening socket for each serving port, and a token for each caller that the
 * server declares. */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/host/setup.h"
#include "lib/media/call/call.h"
#include "lib/media/media.h"

struct call_setup {
    uint8_t secret[32]; /* of this run: what tokens are made of */
};

static bool call_open(struct setup_world *w, void *state)
{
    struct call_setup *s = state;
    if (RAND_bytes(s->secret, sizeof s->secret) == 1)
        return true;
    w->fail(w->ctx, "the crypto library gives no random bytes");
    return false;
}

static void token_of(const struct call_setup *s, const char *server, const char *port, const char *caller,
                     char out[CALL_TOKEN])
{
    uint8_t in[sizeof s->secret + 3 * ENV_NAME_MAX], digest[SHA256_DIGEST_LENGTH];
    struct wr w = wr_of(in, sizeof in);
    wr_copy(&w, s->secret, sizeof s->secret);
    const char *const parts[] = {server, port, caller};
    for (size_t i = 0; i < 3; i++) {
        char text[ENV_NAME_MAX] = "";
        text_copy(text, sizeof text, parts[i]);
        wr_copy(&w, text, sizeof text);
    }
    SHA256(in, w.len, digest);
    hex_encode(digest, (CALL_TOKEN - 1) / 2, out);
    OPENSSL_cleanse(in, sizeof in);
}

static void path_of(const struct setup_world *w, const char *server, const char *port, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%s.%s.call", w->directory, server, port);
}

struct admitting {
    const struct call_setup *setup;
    const struct setup_instance *server;
    const char *port;
    char *out;
    size_t cap, len;
};

static void admit(void *ctx, const struct setup_instance *asker, unsigned port)
{
    struct admitting *a = ctx;
    char token[CALL_TOKEN];
    (void)port;
    token_of(a->setup, a->server->name, a->port, asker->name, token);
    int n = snprintf(a->out + a->len, a->cap - a->len, "%s:%s,", asker->name, token);
    if (n > 0 && (size_t)n < a->cap - a->len)
        a->len += (size_t)n;
}

static bool serve(struct setup_world *w, const struct call_setup *s, const struct setup_instance *who,
                  unsigned port, int listen_as, char *out, size_t cap, int *listen_fd)
{
    char path[200];
    const char *name = who->class->ports[port].name;
    if (*listen_fd < 0) {
        path_of(w, who->name, name, path, sizeof path);
        *listen_fd = spawn_listen(path, SOCK_SEQPACKET);
    }
    int n = snprintf(out, cap, "serve:%d;admit=", listen_as);
    struct admitting a = {s, who, name, out, cap, (size_t)n};
    setup_each_caller(w, who, port, admit, &a);
    return *listen_fd >= 0;
}

static bool call_endpoint(struct setup_world *w, void *state, const struct setup_instance *who, unsigned port,
                          int listen_as, char *out, size_t cap, int *listen_fd)
{
    unsigned reached;
    char path[200], token[CALL_TOKEN];
    if (who->class->ports[port].end == PORT_LISTENS)
        return serve(w, state, who, port, listen_as, out, cap, listen_fd);
    const struct setup_instance *server = setup_server_of(w, who, port, &reached);
    if (!server) {
        snprintf(out, cap, "call:");
        return true;
    }
    path_of(w, server->name, server->class->ports[reached].name, path, sizeof path);
    token_of(state, server->name, server->class->ports[reached].name, who->name, token);
    snprintf(out, cap, "call:%s;as=%s;token=%s", path, who->name, token);
    return true;
}

static void call_close(struct setup_world *w, void *state)
{
    (void)w;
    OPENSSL_cleanse(state, sizeof(struct call_setup));
}

const struct setup setup_call = {
    .medium = &medium_call,
    .size = sizeof(struct call_setup),
    .open = call_open,
    .endpoint = call_endpoint,
    .close = call_close,
};

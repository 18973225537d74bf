#include "sim/world/process_external.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/host/seal.h"
#include "lib/host/sqlite_store.h"
#include "lib/media/media.h"
#include "lib/pki/x509.h"
#include "sim/world/process_life.h"

#define LINE_MAX_PEM 48 /* bytes of DER in a line of 64 characters */

/* ---- JSON ---- */

static void put_text(FILE *f, const char *text)
{
    fputc('"', f);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\' || (unsigned char)*text < 0x20)
            fprintf(f, "\\u%04x", (unsigned)(unsigned char)*text);
        else
            fputc(*text, f);
    }
    fputc('"', f);
}

static void put_hex(FILE *f, struct span bytes)
{
    fputc('"', f);
    for (size_t i = 0; i < bytes.len; i++)
        fprintf(f, "%02x", bytes.p[i]);
    fputc('"', f);
}

/* ---- files ---- */

/* The records' own folder is open; nobody else may read what is made in there. */
static FILE *create(struct process_world *w, const char *name)
{
    int folder = openat(records_folder(w->run), EXTERNAL_FOLDER, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int fd =
        folder < 0 ? -1 : openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f)
        run_fail(w->run, "cannot write " EXTERNAL_FOLDER "/%s: %s", name, strerror(errno));
    if (fd >= 0 && !f)
        close(fd);
    if (folder >= 0)
        close(folder);
    return f;
}

/* phone.dos.cross-SPAAKSIM.pem, for the tools that read PEM. */
static bool put_pem(struct process_world *w, const char *to, const char *of, const char *key, struct span der)
{
    char name[2 * ENV_NAME_MAX + ENV_KEY_MAX + 8];
    unsigned char line[80];
    snprintf(name, sizeof name, "%s.%s.%s.pem", to, of, key);
    for (char *p = name; *p; p++)
        *p = *p == '/' ? '-' : *p;
    FILE *f = create(w, name);
    if (!f)
        return false;
    fputs("-----BEGIN CERTIFICATE-----\n", f);
    for (size_t at = 0; at < der.len; at += LINE_MAX_PEM) {
        size_t n = der.len - at < LINE_MAX_PEM ? der.len - at : LINE_MAX_PEM;
        EVP_EncodeBlock(line, der.p + at, (int)n);
        fprintf(f, "%s\n", (const char *)line);
    }
    fputs("-----END CERTIFICATE-----\n", f);
    return fclose(f) == 0;
}

/* ---- links ---- */

static size_t medium_index(const char *name)
{
    size_t m = 0;
    while (strcmp(media_setups[m]->medium->name, name) != 0)
        m++;
    return m;
}

/* Whom it proves itself to, or who proves itself to it, and by what. */
static void put_tokens(FILE *f, const struct token_ring *ring, const char *port)
{
    bool any = false;
    fputs(", \"tokens\": {", f);
    for (size_t i = 0; i < ring->count; i++) {
        if (strcmp(ring->entries[i].place, port) != 0)
            continue;
        fputs(any ? ", " : "", f);
        put_text(f, ring->entries[i].name);
        fputs(": ", f);
        put_hex(f, span_of(ring->entries[i].token.bytes, TOKEN_SIZE));
        any = true;
    }
    fputs("}", f);
}

static bool put_link(struct process_world *w, struct child *c, unsigned port, FILE *f)
{
    char endpoint[4096], socket[108] = "";
    const struct component_class *class = c->member->class;
    const struct port_spec *p = &class->ports[port];
    const struct setup_instance who = {c->name, class, c->member->serial, c->member->group, true};
    size_t m = medium_index(p->medium);
    int listen_fd = -1;
    struct token_ring ring = {NULL, 0, 0};
    const struct setup_end end = {.who = &who,
                                  .port = port,
                                  .listen_as = -1,
                                  .listen_fd = &listen_fd,
                                  .ring = &ring,
                                  .endpoint = endpoint,
                                  .cap = sizeof endpoint};
    if (!media_setups[m]->endpoint(&w->media[m], w->states[m], &end)) {
        run_fail(w->run, "the link \"%s\" of %s cannot be prepared", p->name, c->name);
        return false;
    }
    fputs("{\"port\": ", f);
    put_text(f, p->name);
    fputs(", \"medium\": ", f);
    put_text(f, p->medium);
    fputs(", \"endpoint\": ", f);
    put_text(f, endpoint);
    if (media_setups[m]->medium->frames)
        fprintf(f, ", \"segment\": %u", (unsigned)p->segment);
    put_tokens(f, &ring, p->name);
    fputs("}", f);
    token_ring_clear(&ring);
    if (link_option(endpoint, "listen", socket, sizeof socket))
        text_copy(c->external_socket, sizeof c->external_socket, socket);
    size_t used = strlen(c->external_where);
    snprintf(c->external_where + used, sizeof c->external_where - used, "; %s at %s (%s)", p->name, endpoint,
             media_setups[m]->outside);
    return true;
}

static bool put_links(struct process_world *w, struct child *c, FILE *f)
{
    bool ok = true, any = false;
    fputs("  \"links\": [", f);
    for (unsigned i = 0; ok && i < c->member->class->port_count; i++) {
        if (!media_setups[medium_index(c->member->class->ports[i].medium)]->outside)
            continue;
        fputs(any ? ",\n    " : "\n    ", f);
        ok = put_link(w, c, i, f);
        any = true;
    }
    fputs("\n  ],\n", f);
    return ok;
}

/* ---- what lies in stores ---- */

struct handing {
    struct process_world *world;
    const char *to, *of;
    FILE *f;
    const char *filter; /* NULL: everything */
    bool any, ok;
};

/* "verifier-secrets/+/password": one level for the sign. */
static bool is_meant(const char *filter, const char *key)
{
    for (; filter && *filter && *filter != '+'; filter++, key++)
        if (*filter != *key)
            return false;
    if (!filter)
        return true;
    if (*filter != '+')
        return *key == '\0';
    return strcmp(key + strcspn(key, "/"), filter + 1) == 0;
}

static bool is_text(struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.p[i] < 0x20 || value.p[i] > 0x7e)
            return false;
    return value.len && value.len < 100;
}

static void put_entry(void *ctx, const char *key, struct span value)
{
    struct handing *h = ctx;
    struct x509 certificate;
    char text[104];
    if (!is_meant(h->filter, key))
        return;
    fputs(h->any ? ",\n      " : "\n      ", h->f);
    h->any = true;
    put_text(h->f, key);
    fputs(": {\"hex\": ", h->f);
    put_hex(h->f, value);
    if (is_text(value)) {
        snprintf(text, sizeof text, "%.*s", (int)value.len, (const char *)value.p);
        fputs(", \"text\": ", h->f);
        put_text(h->f, text);
        OPENSSL_cleanse(text, sizeof text);
    }
    fputs("}", h->f);
    if (x509_parse(value, &certificate) == ERR_OK)
        h->ok = put_pem(h->world, h->to, h->of, key, value) && h->ok;
}

/* What of a component's store goes to the external one: all of its own, of others what they declare. */
static bool hand_over(struct process_world *w, const struct child *from, const struct child *to, FILE *f)
{
    const struct component_class *class = from->member->class;
    const struct handout_spec all = {to->member->class->name, NULL},
                              *spec = from == to ? &all : class->handouts;
    const char *reason;
    struct crypto *crypto = crypto_new(NULL);
    struct store *store = sqlite_store_open(from->store_path, SQLITE_STORE_READ, &reason);
    const struct seal seal = {crypto, class, w->run->store_keys.key};
    struct handing h = {.world = w, .to = to->name, .of = from->name, .f = f, .ok = crypto && store};
    for (; h.ok && spec && (spec == &all || spec->key); spec++) {
        h.filter = spec->key;
        if (strcmp(spec->to, to->member->class->name) == 0)
            h.ok = seal_scan(&seal, store, "", put_entry, &h) == ERR_OK && h.ok;
        if (spec == &all)
            break;
    }
    store_close(store);
    crypto_free(crypto);
    return h.ok;
}

static bool put_stores(struct process_world *w, const struct child *to, FILE *f)
{
    bool ok = true, any = false;
    fputs("  \"stores\": {", f);
    for (size_t i = 0; ok && i < w->child_count; i++) {
        const struct child *from = &w->children[i];
        if (!from->store_path[0] || (from != to && !from->member->class->handouts))
            continue;
        fputs(any ? ",\n    " : "\n    ", f);
        put_text(f, from->name);
        fputs(": {", f);
        ok = hand_over(w, from, to, f);
        fputs("}", f);
        any = true;
    }
    fputs("\n  }\n", f);
    return ok;
}

/* ---- lines ---- */

static int on_words(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct process_world *w = ctx;
    size_t used = strlen(w->words);
    (void)revents;
    ssize_t n = read(fd, w->words + used, sizeof w->words - 1 - used);
    if (n <= 0)
        sd_event_source_set_enabled(s, SD_EVENT_OFF);
    w->words[n > 0 ? used + (size_t)n : used] = '\0';
    return 0;
}

/* A line that came before it was wanted waits, and a step goes past an Enter that does; a longer one than any
 * step is cut. */
void process_external_hear(struct process_world *w)
{
    char line[sizeof w->words], *from = w->words;
    if (!externals_hear(w->run, false))
        from += strspn(from, " \r\t\n");
    size_t len = strcspn(from, "\n"), lead = strspn(from, " \r\t");
    bool whole = from[len] == '\n', full = len == sizeof w->words - 1;
    if (!(whole || full) || !externals_hear(w->run, lead < len))
        return;
    snprintf(line, sizeof line, "%.*s", (int)(len - lead), from + lead);
    memmove(from, from + len + whole, strlen(from + len + whole) + 1);
    line[strcspn(line, " \r\t")] = '\0';
    externals_word(w->run, line, process_now_us(w));
    sd_event_source_set_enabled(w->word_source, SD_EVENT_ON);
}

/* Of a file, or nothing, epoll takes none: then nobody says anything. Nor in the background of a terminal,
 * where who reads is stopped. */
static void open_words(struct process_world *w)
{
    bool behind = isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) != getpgrp();
    bool own = w->run->open; /* of a play the lines are its own, and `done` is one */
    if (w->run->externals.count && !behind && !own)
        sd_event_add_io(w->event, &w->word_source, STDIN_FILENO, EPOLLIN, on_words, w);
}

/* ---- the whole ---- */

static bool open_one(struct process_world *w, struct child *c)
{
    char file[ENV_NAME_MAX + 8], path[700], where[sizeof c->external_where + 720];
    snprintf(file, sizeof file, "%s.json", c->name);
    FILE *f = create(w, file);
    if (!f)
        return false;
    fprintf(f, "{\n  \"name\": ");
    put_text(f, c->name);
    fprintf(f, ",\n  \"class\": \"%s\",\n  \"serial\": ", c->member->class->name);
    put_text(f, c->member->serial);
    fputs(",\n", f);
    bool ok = put_links(w, c, f) && put_stores(w, c, f);
    fputs("}\n", f);
    ok = fclose(f) == 0 && ok;
    if (!ok) {
        run_fail(w->run, "what %s needs from outside cannot be written", c->name);
        return false;
    }
    snprintf(path, sizeof path, EXTERNAL_FOLDER "/%s", file);
    records_path(w->run, path, where, sizeof where);
    size_t used = strlen(where);
    snprintf(where + used, sizeof where - used, "%s", c->external_where);
    externals_open(w->run, (size_t)(c->member - w->run->scenario->members), where, c->external_socket);
    return true;
}

bool process_external_open(struct process_world *w)
{
    bool ok = !w->run->externals.count || records_inside(w->run, EXTERNAL_FOLDER, 0700);
    for (size_t i = 0; ok && i < w->child_count; i++)
        if (w->children[i].member && w->children[i].member->external)
            ok = open_one(w, &w->children[i]);
    open_words(w);
    return ok;
}

void process_external_close(struct process_world *w)
{
    w->word_source = sd_event_source_disable_unref(w->word_source);
}

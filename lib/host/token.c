#include "lib/host/token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/bytes.h"

#define RING_MAX 65536 /* entries of a file that is read */

/* realloc would leave a copy behind */
static bool reserve(struct token_ring *r, size_t cap)
{
    struct token_entry *entries = cap <= r->cap ? r->entries : calloc(cap, sizeof *entries);
    if (!entries || entries == r->entries)
        return entries != NULL;
    if (r->count)
        memcpy(entries, r->entries, r->count * sizeof *entries);
    size_t count = r->count;
    token_ring_clear(r);
    *r = (struct token_ring){entries, count, cap};
    return true;
}

bool token_ring_add(struct token_ring *r, const char *place, const char *name, const struct token *t)
{
    if (r->count == r->cap && !reserve(r, r->cap ? 2 * r->cap : 8))
        return false;
    struct token_entry *e = &r->entries[r->count++];
    text_copy(e->place, sizeof e->place, place);
    text_copy(e->name, sizeof e->name, name);
    e->token = *t;
    return true;
}

const struct token *token_ring_find(const struct token_ring *r, const char *place, const char *name)
{
    for (size_t i = 0; r && i < r->count; i++)
        if (strcmp(r->entries[i].place, place) == 0 && strcmp(r->entries[i].name, name) == 0)
            return &r->entries[i].token;
    return NULL;
}

bool token_ring_admits(const struct token_ring *r, const char *place, const char *name, const struct token *t)
{
    const struct token *own = token_ring_find(r, place, name);
    return own && bytes_equal_ct(own->bytes, t->bytes, TOKEN_SIZE);
}

void token_ring_clear(struct token_ring *r)
{
    if (r->entries)
        explicit_bzero(r->entries, r->cap * sizeof *r->entries);
    free(r->entries);
    *r = (struct token_ring){NULL, 0, 0};
}

int token_ring_seal(const struct token_ring *r)
{
    size_t len = r->count * sizeof *r->entries;
    int fd = memfd_create("tokens", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    if ((!len || pwrite(fd, r->entries, len, 0) == (ssize_t)len) &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static void end_texts(struct token_ring *r)
{
    for (size_t i = 0; i < r->count; i++)
        r->entries[i].place[TOKEN_PLACE - 1] = r->entries[i].name[ENV_NAME_MAX - 1] = '\0';
}

bool token_ring_read(struct token_ring *r, int fd)
{
    struct stat st;
    token_ring_clear(r);
    if (fstat(fd, &st) != 0 || st.st_size < 0 || (size_t)st.st_size % sizeof *r->entries != 0 ||
        (size_t)st.st_size / sizeof *r->entries > RING_MAX)
        return false;
    size_t len = (size_t)st.st_size;
    if (len == 0)
        return true;
    if (!reserve(r, len / sizeof *r->entries) || pread(fd, r->entries, len, 0) != (ssize_t)len) {
        token_ring_clear(r);
        return false;
    }
    r->count = len / sizeof *r->entries;
    end_texts(r);
    return true;
}

bool token_draw(struct token_ring *book, const char *place, const char *name, struct token *out)
{
    const struct token *known = token_ring_find(book, place, name);
    if (known) {
        *out = *known;
        return true;
    }
    return getrandom(out->bytes, TOKEN_SIZE, 0) == TOKEN_SIZE && token_ring_add(book, place, name, out);
}

/* Tokens: what one end of a link proves itself by. The runner draws each once in a run; beside it only the
 * two ends of that link know it. They travel as a ring in a sealed memory file, handed down as a descriptor:
 * no file, argument, environment or log ever has one; but those of who is played from outside the run, for
 * whom they stand in a file of its own (sim/run/external.h). */
#ifndef lib_host_token_h
#define lib_host_token_h

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/env/component.h"

#define TOKEN_SIZE  32 /* bytes, random */
#define TOKEN_PLACE 64 /* characters, with the end */

struct token {
    uint8_t bytes[TOKEN_SIZE];
};

/* Whose token it is, and where it is good: a client's own port or a server's. */
struct token_entry {
    char place[TOKEN_PLACE], name[ENV_NAME_MAX];
    struct token token;
};

/* All of one process; zeroed at first. */
struct token_ring {
    struct token_entry *entries;
    size_t count, cap;
};

bool token_ring_add(struct token_ring *r, const char *place, const char *name, const struct token *t);
/* NULL when it has none. */
const struct token *token_ring_find(const struct token_ring *r, const char *place, const char *name);
/* Is it this name's at this place? Constant time in the token. */
bool token_ring_admits(const struct token_ring *r, const char *place, const char *name,
                       const struct token *t);
/* Wipes what it held. */
void token_ring_clear(struct token_ring *r);

/* A sealed memory file of all its entries; -1 and errno. */
int token_ring_seal(const struct token_ring *r);
/* Reads such a file, whose descriptor stays the caller's. False when it is none. */
bool token_ring_read(struct token_ring *r, int fd);

/* The runner's: the token of that name at that place, drawn when it is asked for first. */
bool token_draw(struct token_ring *book, const char *place, const char *name, struct token *out);

#endif

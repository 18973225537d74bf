/* The attacks, as data. What must not reach the TBE asks for /bad or /smuggled; what the door may let in, in
 * our form, for /let-in. */
#ifndef sim_actors_stranger_attacks_h
#define sim_actors_stranger_attacks_h

#include "lib/base/bytes.h"

#define ATTACK_MAX 2400000 /* bytes of one, at most */

struct attack {
    const char *name;
    const char *host;            /* asked for in the handshake; "-": none. NULL: the TBE's */
    const char *as;              /* certificate; NULL: none */
    const char *text;            /* HTTP/1.1: \1 stands for 1000 letters, \2 for NUL; NULL: `write` has it */
    void (*write)(struct wr *w); /* HTTP/2, behind the preface */
    bool bare;                   /* without the preface */
    const char *drip;            /* then this, a character every 300 ms; NULL: nothing */
    /* Refused as this nginx does it: RFC 9113 leaves it open whether a malformed request gets a status or
     * ends its stream, and what a limit of time or size does depends on what had arrived. */
    const char *answer; /* what comes first: a status, "reset" of the stream, "goaway", "closed", "refused"
                           (no handshake); two with "|" where the time decides */
};

extern const struct attack attacks_http1[], attacks_http2[],
    attacks_frames[]; /* each ends with a NULL name */

/* The one with that place among those that are called so: "all", "http1", "http2", or the name of one. NULL:
 * there are no more. */
const struct attack *attack_at(const char *how, unsigned index);
/* All bytes of it, preface and all. */
void attack_write(const struct attack *a, struct wr *w);
/* What is said in these bytes of an answer, as above; NULL: not yet anything. */
const char *attack_answer(const struct attack *a, struct span heard);

#endif

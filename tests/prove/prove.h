/* What the proofs share. A driver gives a parser every input of up to BOUND bytes at once: length and bytes
 * are unknown to the analysis. The input ends where its memory ends, so that one byte too far is outside.
 *
 * No driver ever runs: scripts/prove.sh has Frama-C's Eva compute what it could do. */
#ifndef tests_prove_prove_h
#define tests_prove_prove_h

#include "lib/base/bytes.h"

#ifndef BOUND
#define BOUND 16 /* for a compiler; a proof has its own, tests/prove/parsers.txt */
#endif

/* Any number from min to max. */
/*@ requires min <= max;
    assigns \result \from min, max;
    ensures min <= \result <= max; */
unsigned long prove_any(unsigned long min, unsigned long max);

static uint8_t prove_bytes[BOUND];

static inline struct span prove_input(void)
{
    size_t n = prove_any(0, BOUND);
    struct span in;
    for (size_t i = 0; i < BOUND; i++)
        prove_bytes[i] = (uint8_t)prove_any(0, 255);
    /*@ split n; */
    in.p = prove_bytes + (BOUND - n);
    in.len = n;
    return in;
}

/* What a parser hands out must be there, from the first byte to the last. */
static inline unsigned prove_reach(struct span s)
{
    return s.len ? (unsigned)s.p[0] + s.p[s.len - 1] : 0;
}

#endif

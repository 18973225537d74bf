/* The SGW on a bench, between a tester on the diagnostic segment and two test ECUs: 7A0 on the body segment,
 * 7A1 on the telematics segment. Conversations as text in virtual time; steps are apart by "; ".
 *
 *   7A0 22F190 > 62F190*        a request, and its answers (apart by ","): "*" ends what is not compared,
 *                               "-": none for 200 ms. An answer of another ECU has its identifier before it:
 *                               7DF 3E00 > 7A8 7E00,7AA 7E00
 *   B 7A0 31010310              sent without waiting for anything
 *   cert KIND > 69011100*       29 01 with a certificate of that kind (below), at 7A2
 *   proof KIND > 6903120000     29 03 good, bad, short, other (of another SGW), key (with an ephemeral key)
 *   open, open workshop         the way there: 10 03, 29 01, 29 03
 *   level                       opens level 01 of 7A0: 10 03, 27 01, 27 02
 *   D FRAME, B FRAME, T FRAME   a frame on the diagnostic, body, telematics segment (candump's text)
 *   frame FRAME*                the next frame that the diagnostic segment has seen begins with this
 *   clean                       no frame was seen there since
 *   wait N                      ms
 *   alive N                     ms, with 3E 80 to all every 2 s
 *   dropped REASON N            so many frames were dropped for that reason since the step before that asked
 *   dtc CODE STATUS             7A2 reports it with that status: dtc DA2068 09
 *   cut                         the SGW loses power and boots */
#ifndef tests_gate_bench_h
#define tests_gate_bench_h

#include "tests/support.h"
#include "tests/tester.h"

#define GATE_WHY    400
#define GATE_FRAMES 64

struct gate_bench {
    struct bench sgw;
    struct tester tester;
    struct tested_ecu body, telematics;
    struct bus_frame seen[GATE_FRAMES]; /* on the diagnostic segment, from the SGW */
    size_t seen_count, seen_read;
    uint8_t challenge[32];
    struct p256_key *key; /* of the last certificate */
    char why[GATE_WHY];
};

/* Certificates: eol, workshop; expired, early, other (chain), flipped (a bit), ca, garbage, role (an unknown
 * one), no-role, usage (of no signature: [K]'s), long (more than a certificate may have), revoked. */
void gate_bench_open(struct gate_bench *g, bool classic);
void gate_bench_close(struct gate_bench *g);
/* True when all of it came true; else g->why says what did not. */
bool gate_bench_play(struct gate_bench *g, const char *steps);

#endif

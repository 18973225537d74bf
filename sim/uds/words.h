/* What a person may say to an ECU, as words of a command line, and what it answers, as lines. */
#ifndef sim_uds_words_h
#define sim_uds_words_h

#include <stdio.h>

#include "lib/uds/uds.h"
#include "sim/uds/line.h"

#define WORDS_REQUESTS 16 /* of one command line */
#define WORDS_PROBLEM  200

/* Requests, one behind the other in `bytes`. */
struct words_requests {
    size_t count;
    struct span pdus[WORDS_REQUESTS];
    uint8_t bytes[DESK_PDU_MAX + WORDS_REQUESTS * 3];
};

/* "read F18C 0250" is a request for each identifier; spans point into *out. False and a sentence. */
bool words_read(int count, char **words, struct words_requests *out, char problem[WORDS_PROBLEM]);
/* A line for each form that words_read takes. */
void words_print_forms(FILE *out);

/* An answer: what it says, and its value in hex and, where it is one, as text; of trouble codes a line each.
 */
void words_tell(struct span answer, FILE *out);

#endif

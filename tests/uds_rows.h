/* Rows of a UDS conversation with the test ECU, as text in virtual time; steps are apart by "; ".
 *
 *   P 22F186 > 62F18601     a physical request, and the answers that are awaited (apart by ",")
 *   F 3E01 > -              a functional one; "-": silence, now
 *   B 31010301              sent without waiting for anything
 *   wait 400 > 7101030100   milliseconds pass, and just these answers have come; without ">": none
 *   cut                     power is lost; the ECU boots
 *
 * In an answer S is a new seed that is not zero, Z one of zeros, * any answer; in a request K is the right
 * key for the last seed, BAD a wrong one. What nobody awaited is an error, at the next step or at the end. */
#ifndef tests_uds_rows_h
#define tests_uds_rows_h

#include "tests/uds_ecu.h"

#define UDS_ROW_WHY 400

/* Where a row begins. */
enum uds_row_state {
    UDS_ROW_DEFAULT,
    UDS_ROW_EXTENDED,
    UDS_ROW_WORKSHOP, /* extended session, level 01 open */
    UDS_ROW_PLANT,
    UDS_ROW_PLANT_OPEN,  /* plant session, level 61 open */
    UDS_ROW_LOCKED_OPEN, /* the same in the second life */
    UDS_ROW_FINISHED,    /* third life, default session */
};

/* True when all of it came true; else why says what did not. */
bool uds_row_play(struct uds_ecu_bench *b, enum uds_row_state state, const char *steps,
                  char why[UDS_ROW_WHY]);
/* Switches the ECU on and leads it there. */
void uds_row_begin(struct uds_ecu_bench *b, enum uds_row_state state);
/* Steps on an ECU that is on already. */
bool uds_row_steps(struct uds_ecu_bench *b, const char *steps, char why[UDS_ROW_WHY]);

#endif

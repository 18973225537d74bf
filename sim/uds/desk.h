/* The desk: Unix sockets in the folder of a run's records, by which tools speak UDS to its ECUs while it goes
 * on. One socket for each ECU that takes part, uds-sgw.sock, and one to all of them, uds-all.sock; of a
 * further vehicle v0002.uds-sgw.sock. They keep message borders (SOCK_SEQPACKET): a packet is a UDS message,
 * both ways, and nothing else is said.
 *
 * Whoever connects must be the user who owns the folder. Requests to one ECU are served in the order in which
 * they came; their answers go to who asked. A peer that goes away takes its waiting request along; one that
 * does not read, or says more than DESK_PDU_MAX bytes, is sent away. */
#ifndef sim_uds_desk_h
#define sim_uds_desk_h

#include "sim/run/run.h"

#define DESK_VEHICLES 8  /* the first ones of a run have sockets */
#define DESK_PEERS    32 /* of all sockets of a run; further ones are sent away */
#define DESK_FILE     40

/* Name of a socket: the vehicle's group, "sgw". */
void desk_file(unsigned group, const char *ecu, char out[DESK_FILE]);

/* Becomes the guest of a run whose records are kept; without records, without a vehicle, or where there can
 * be no sockets, which is said on standard error, nobody does. p2_ms: how long an ECU may be silent. */
void desk_open(struct run *r, uint32_t p2_ms);

#endif

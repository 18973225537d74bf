/* Numbers of ECUs and vehicles as diagnostics tells them (F18C, F190). All of a vehicle follow from the
 * serial number of its SpaaK Module: letters of their own before its digits, "SPAAK00000001" to
 * "TBM0000000001" and "1SPAAK00000000001". */
#ifndef lib_uds_uds_serial_h
#define lib_uds_uds_serial_h

#include <stddef.h>

#define UDS_SERIAL_LEN  13 /* of an ECU */
#define UDS_VIN_LEN     17
#define UDS_VIN_LETTERS "1SPAAK"

/* len characters and an end: the letters, then the digits at the end of `serial`, as many as there is room
 * for, with zeros before them. len is UDS_VIN_LEN at most. */
void uds_serial_of(const char *letters, const char *serial, size_t len, char *out);

#endif

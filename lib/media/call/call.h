/* Calls between servers: requests and answers with borders, over a two-ended link (lib/host/medium.h says who
 * reaches whom and when it is up). The server gets the caller's name as address, in both worlds, and answers
 * to it. */
#ifndef lib_media_call_call_h
#define lib_media_call_call_h

#include "lib/host/medium.h"

#define CALL_PACKET_MAX 4096 /* bytes of a request or an answer */

extern const struct medium medium_call;

#endif

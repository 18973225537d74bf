/* Somebody else's broker, before a run relies on it: is the address one, does anybody answer there, are the
 * files for mutual TLS there. */
#ifndef lib_media_gsdp_gsdp_reach_h
#define lib_media_gsdp_gsdp_reach_h

#include <stdbool.h>
#include <stddef.h>

#define GSDP_HOST_MAX 256
#define GSDP_REACH_MS 3000 /* for a connection */

/* "mqtts://host", "mqtts://host:port", "mqtts://[address]:port" -> "host:port". False and a sentence. */
bool gsdp_address(const char *url, char host_port[GSDP_HOST_MAX], char *problem, size_t cap);
/* Connects, and hangs up again. False and a sentence with what to do. */
bool gsdp_reach(const char *host_port, char *problem, size_t cap);
/* Can that file be read? False and a sentence that names it and whose it is. */
bool gsdp_file(const char *path, const char *whose, char *problem, size_t cap);

#endif

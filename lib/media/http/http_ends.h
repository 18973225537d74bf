/* The two ends of the medium in the process world; http_link.c opens the one that an endpoint names. */
#ifndef lib_media_http_http_ends_h
#define lib_media_http_http_ends_h

#include "lib/host/link.h"
#include "lib/media/http/http.h"

/* In a client's ring: its private key, by this name. In a server's: SHA-256 of each caller's certificate, by
 * the caller's. */
#define HTTP_KEY "tls-key"

/* "serve:<descriptor>" of the listening socket. */
struct link *http_server_open(const struct link_open *o, const char **reason);
/* "ask:<socket>;host=<name>;ca=<file>;cert=<file>", or "ask:" for who has no server in this run. */
struct link *http_client_open(const struct link_open *o, const char **reason);
/* "raw:<socket>;folder=<of the certificates>"; the keys are in the ring by the kind of certificate. */
struct link *http_raw_open(const struct link_open *o, const char **reason);

#endif

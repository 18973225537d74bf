#include <string.h>

#include "lib/media/http/http_ends.h"
#include "lib/media/media.h"

static struct link *http_open(const struct link_open *o, const char **reason)
{
    if (strncmp(o->endpoint, "serve:", 6) == 0)
        return http_server_open(o, reason);
    if (strncmp(o->endpoint, "ask:", 4) == 0)
        return http_client_open(o, reason);
    if (strncmp(o->endpoint, "raw:", 4) == 0)
        return http_raw_open(o, reason);
    *reason = "an HTTP endpoint is serve:<descriptor> or ask:<socket>;host=...";
    return NULL;
}

const struct link_driver link_driver_http = {&medium_http, http_open};

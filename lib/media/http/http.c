#include "lib/media/http/http.h"

#include <stdio.h>
#include <string.h>

const struct medium medium_http = {.name = "http", .ready = LINK_UP};

void http_host_name(const char *server, const char *port, char out[2 * ENV_NAME_MAX + 16])
{
    snprintf(out, 2 * ENV_NAME_MAX + 16, "%s.%s.example", port, server);
}

void http_local_name(const char *server, const char *port, char out[2 * ENV_NAME_MAX + 18])
{
    snprintf(out, 2 * ENV_NAME_MAX + 18, "%s.%s.localhost", port, server);
}

void http_address(const char *caller, unsigned number, char out[HTTP_ADDRESS])
{
    snprintf(out, HTTP_ADDRESS, "%s/%u", caller, number);
}

bool http_is_public(const struct port_spec *p)
{
    for (const char *const *c = p->callers; c && *c; c++)
        if (!**c)
            return true;
    return false;
}

enum err http_ask_check(const char *tag, struct span bytes, struct http_request *out)
{
    return strlen(tag) >= HTTP_TAG_MAX ? ERR_NO_SPACE : http_request_read(bytes, HTTP_FROM_COMPONENT, out);
}

bool http_fits(struct span bytes, size_t longest)
{
    return bytes.len <= longest;
}

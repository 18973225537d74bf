/* nginx as the door of one run: configured from what the ports declare, with sockets that the runner made. */
#ifndef lib_media_http_nginx_h
#define lib_media_http_nginx_h

#include "lib/media/http/http.h"

/* A host behind the door. */
struct nginx_host {
    char name[HTTP_HOST_MAX], local[HTTP_LOCAL_MAX];
    bool open_to_all;    /* without a certificate, too */
    size_t body_max;     /* bytes */
    int key_fd, scgi_fd; /* in nginx: a file with its key, and the socket that serves it (O_PATH) */
};

struct nginx_door {
    const char *directory; /* of the run */
    const char *socket;    /* path, of TLS */
    unsigned tcp_port;     /* of 127.0.0.1, TLS, too; 0: none */
    const struct nginx_host *hosts;
    size_t count;
};

#define NGINX_CONFIGURATION "nginx.conf" /* in the directory; beside it tls-ca.crt and <host>.crt */

/* Writes the configuration. */
bool nginx_prepare(const struct nginx_door *d);
/* Path of the program, or NULL when it is not installed. */
const char *nginx_program(void);

#endif

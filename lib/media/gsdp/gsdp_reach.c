#include "lib/media/gsdp/gsdp_reach.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/bytes.h"

#define SCHEME       "mqtts://"
#define DEFAULT_PORT "8883"
#define PAUSE_MS     50

/* The colon before the port: an IPv6 address in brackets has others. */
static const char *find_port(const char *host)
{
    const char *bracket = strrchr(host, ']');
    return strchr(bracket ? bracket : host, ':');
}

bool gsdp_address(const char *url, char host_port[GSDP_HOST_MAX], char *problem, size_t cap)
{
    size_t scheme = strlen(SCHEME);
    const char *host = url + scheme, *port = NULL;
    if (strncmp(url, SCHEME, scheme) == 0)
        port = find_port(host);
    size_t host_len = port ? (size_t)(port - host) : strlen(url) > scheme ? strlen(host) : 0;
    if (strncmp(url, SCHEME, scheme) != 0 || host_len == 0 || host_len > 200 || strpbrk(host, "/?#;@ ")) {
        snprintf(problem, cap, "--gsdp takes auto or mqtts://host[:port], not \"%.200s\"", url);
        return false;
    }
    char *end = NULL;
    unsigned long number = port && port[1] >= '0' && port[1] <= '9' ? strtoul(port + 1, &end, 10) : 0;
    if (port && (number == 0 || number > 65535 || *end)) {
        snprintf(problem, cap, "--gsdp: a port is a number from 1 to 65535, not \"%.40s\"", port + 1);
        return false;
    }
    snprintf(host_port, GSDP_HOST_MAX, "%.*s:%s", (int)host_len, host, port ? port + 1 : DEFAULT_PORT);
    return true;
}

/* 0, or an errno. */
static int connect_within(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), e = 0;
    socklen_t len = sizeof e;
    if (fd < 0)
        return errno;
    if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        e = errno;
        if (e == EINPROGRESS)
            e = poll(&p, 1, GSDP_REACH_MS) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) == 0
                    ? e
                    : ETIMEDOUT;
    }
    close(fd);
    return e;
}

bool gsdp_reach(const char *host_port, char *problem, size_t cap)
{
    char host[GSDP_HOST_MAX];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    text_copy(host, sizeof host, host_port);
    char *port = strrchr(host, ':'), *name = host;
    *port++ = '\0';
    if (*name == '[') {
        name++;
        name[strcspn(name, "]")] = '\0';
    }
    int rc = getaddrinfo(name, port, &hints, &list), e = ETIMEDOUT;
    if (rc != 0) {
        snprintf(problem, cap, "the broker %s cannot be reached: %s", host_port, gai_strerror(rc));
        return false;
    }
    for (int left_ms = GSDP_REACH_MS; e && left_ms > 0; left_ms -= PAUSE_MS) {
        if (left_ms < GSDP_REACH_MS)
            poll(NULL, 0, PAUSE_MS);
        for (const struct addrinfo *a = list; a && e; a = a->ai_next)
            e = connect_within(a);
        if (e != ECONNREFUSED)
            break;
    }
    freeaddrinfo(list);
    if (e)
        snprintf(problem, cap,
                 "the broker %s cannot be reached: %s; start it, or leave --gsdp away for our own", host_port,
                 strerror(e));
    return e == 0;
}

bool gsdp_file(const char *path, const char *whose, char *problem, size_t cap)
{
    if (access(path, R_OK) == 0)
        return true;
    snprintf(problem, cap, "%s of %s cannot be read: %s; docs/hardware.md says how to make it", path, whose,
             strerror(errno));
    return false;
}

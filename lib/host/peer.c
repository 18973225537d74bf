#include "lib/host/peer.h"

#include <sys/socket.h>
#include <unistd.h>

static bool ask(int fd, struct ucred *out)
{
    socklen_t len = sizeof *out;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, out, &len) == 0;
}

bool peer_same_user(int fd)
{
    struct ucred who;
    return ask(fd, &who) && who.uid == geteuid();
}

pid_t peer_process(int fd)
{
    struct ucred who;
    return ask(fd, &who) ? who.pid : 0;
}

#include "lib/host/peer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* "71 (mosquitto) S 70 ...": a name may hold anything, brackets too. */
static pid_t parent_of(pid_t pid)
{
    char path[40], text[200];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *end = strrchr(text, ')');
    return end && strlen(end) > 4 ? (pid_t)strtol(end + 4, NULL, 10) : 0;
}

bool peer_is_child(pid_t pid, pid_t parent)
{
    return pid > 0 && parent > 0 && parent_of(pid) == parent;
}

bool peer_descends(pid_t pid, pid_t ancestor)
{
    for (int i = 0; i < 3 && pid > 1; i++) {
        pid = parent_of(pid);
        if (pid == ancestor)
            return ancestor > 0;
    }
    return false;
}

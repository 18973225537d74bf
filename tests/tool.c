#include "tests/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PDU_MAX 8192

void tool_play_begin(struct tool_play *p, const char *world, const char *scenario, const char *records)
{
    char fifo[100];
    launch_directory(p->directory);
    setenv("XDG_RUNTIME_DIR", p->directory, 1);
    snprintf(p->records, sizeof p->records, "%s/%s", p->directory, records);
    snprintf(fifo, sizeof fifo, "%s/lines", p->directory);
    launch_must(mkfifo(fifo, 0600) == 0, "mkfifo", fifo);
    p->lines = open(fifo, O_RDWR | O_CLOEXEC);
    launch_must(p->lines >= 0, "open", fifo);
    launch_shell(&p->program, "exec $S play '%s' --world %s --out '%s' <'%s'", scenario, world, p->records,
                 fifo);
    /* a line is only taken when the world has come up and is quiet */
    tool_play_line(p, "state broker");
    launch_must(launch_read(&p->program, "broker       alive"), "it does not play", p->program.text);
}

void tool_play_line(struct tool_play *p, const char *line)
{
    launch_must(dprintf(p->lines, "%s\n", line) > 0, "no line can be written", line);
}

int tool_play_end(struct tool_play *p)
{
    tool_play_line(p, "quit");
    int code = launch_finish(&p->program);
    close(p->lines);
    return code;
}

void tool_play_clear(struct tool_play *p)
{
    launch_remove(p->directory);
}

bool tool_play_left_sockets(const struct tool_play *p)
{
    char out[200];
    return launch_run(out, sizeof out, "ls '%s' | grep -q sock", p->records) == 0;
}

int tool_uds(const struct tool_play *p, const char *words, char *out, size_t cap)
{
    return launch_run(out, cap, "%s/bin/spaaksim uds '%s' %s", launch_build(), p->records, words);
}

int tool_connect(const struct tool_play *p, const char *socket_name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int n = snprintf(at.sun_path, sizeof at.sun_path, "%s/%s", p->records, socket_name);
    launch_must(n > 0 && (size_t)n < sizeof at.sun_path, "too long a path", p->records);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    int why = errno;
    if (fd >= 0)
        close(fd);
    errno = why;
    return -1;
}

void tool_send(int fd, const char *hex)
{
    uint8_t pdu[PDU_MAX];
    long n = hex_decode(hex, strlen(hex), pdu, sizeof pdu);
    launch_must(n >= 0 && send(fd, pdu, (size_t)n, MSG_NOSIGNAL) == n, "cannot send", hex);
}

const char *tool_answer(int fd, int timeout_ms)
{
    static char text[2 * PDU_MAX + 1];
    uint8_t pdu[PDU_MAX];
    struct pollfd p = {fd, POLLIN, 0};
    if (poll(&p, 1, timeout_ms) != 1)
        return "";
    ssize_t n = recv(fd, pdu, sizeof pdu, 0);
    if (n <= 0)
        return "end";
    hex_encode(pdu, (size_t)n, text);
    return text;
}

const char *tool_ask(int fd, const char *hex)
{
    tool_send(fd, hex);
    return tool_answer(fd, TOOL_WAIT_MS);
}

/* hub LISTEN_FD STOP_FD TOKENS_FD START_NS wire|free: the CAN hub as a process; started by spaaksim. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/media/can/hub.h"

int main(int argc, char **argv)
{
    struct token_ring tokens = {NULL, 0, 0};
    if (argc != 6) {
        fprintf(stderr, "usage: hub LISTEN_FD STOP_FD TOKENS_FD START_NS wire|free\n"
                        "Started by spaaksim; see lib/media/can/hub.h.\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN);
    if (!token_ring_read(&tokens, atoi(argv[3]))) {
        fprintf(stderr, "hub: the tokens cannot be read\n");
        return 1;
    }
    close(atoi(argv[3]));
    const struct hub_setup setup = {.listen_fd = atoi(argv[1]),
                                    .stop_fd = atoi(argv[2]),
                                    .start_ns = strtoull(argv[4], NULL, 10),
                                    .wire_time = strcmp(argv[5], "wire") == 0,
                                    .tokens = &tokens};
    int rc = hub_serve(&setup);
    token_ring_clear(&tokens);
    return rc;
}

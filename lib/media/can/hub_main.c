/* hub FDS START_NS wire|free: the CAN hub as a process; started by spaaksim. FDS: numbers of the descriptors
 * that it listens on, is stopped by, knows tokens from, records to and wakes the reader of its records by. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/media/can/hub_ring.h"

int main(int argc, char **argv)
{
    struct token_ring tokens = {NULL, 0, 0};
    struct hub_setup setup = {.tokens = &tokens};
    int tokens_fd, ring_fd;
    if (argc != 4 || sscanf(argv[1], "%d,%d,%d,%d,%d", &setup.listen_fd, &setup.stop_fd, &tokens_fd, &ring_fd,
                            &setup.wake_fd) != 5) {
        fprintf(stderr, "usage: hub LISTEN,STOP,TOKENS,RECORDS,WAKE START_NS wire|free\n"
                        "Started by spaaksim; see lib/media/can/hub.h.\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN);
    setup.start_ns = strtoull(argv[2], NULL, 10);
    setup.wire_time = strcmp(argv[3], "wire") == 0;
    setup.ring = hub_ring_open(ring_fd);
    if (!setup.ring || !token_ring_read(&tokens, tokens_fd)) {
        fprintf(stderr, "hub: the tokens or the records cannot be opened\n");
        return 1;
    }
    close(tokens_fd);
    int rc = hub_serve(&setup);
    token_ring_clear(&tokens);
    hub_ring_close(setup.ring);
    return rc;
}

/* hub LISTEN_FD STOP_FD START_NS wire|free: the CAN hub as a process; started by spaaksim. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "lib/media/can/hub.h"

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: hub LISTEN_FD STOP_FD START_NS wire|free\nStarted by spaaksim; see "
                        "lib/media/can/hub.h.\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN);
    return hub_serve(atoi(argv[1]), atoi(argv[2]), strtoull(argv[3], NULL, 10), strcmp(argv[4], "wire") == 0);
}

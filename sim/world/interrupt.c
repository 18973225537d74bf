#include "sim/world/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t heard;

void interrupt_take(int signal_number)
{
    heard = signal_number;
}

void interrupt_watch(void)
{
    const struct sigaction action = {.sa_handler = interrupt_take};
    const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaction(numbers[i], &action, NULL);
}

int interrupt_heard(void)
{
    return heard;
}

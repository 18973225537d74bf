#include "sim/world/interrupt.h"

#include <signal.h>
#include <stddef.h>

static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
static volatile sig_atomic_t heard;
static bool watched;

void interrupt_take(int signal_number)
{
    heard = signal_number;
}

void interrupt_watch(void)
{
    const struct sigaction action = {.sa_handler = interrupt_take};
    sigset_t open;
    sigemptyset(&open);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaction(numbers[i], &action, NULL);
        sigaddset(&open, numbers[i]);
    }
    watched = true;
    sigprocmask(SIG_UNBLOCK, &open, NULL);
}

void interrupt_look(void)
{
    sigset_t waiting;
    if (!watched || heard || sigpending(&waiting) != 0)
        return;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (sigismember(&waiting, numbers[i]) == 1)
            heard = numbers[i];
}

int interrupt_heard(void)
{
    return heard;
}

bool interrupt_came(void)
{
    interrupt_look();
    return heard;
}

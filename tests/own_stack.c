#include "tests/own_stack.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define STACK_SIZE (1024 * 1024)

struct call {
    void (*run)(void *arg);
    void *arg;
};

static void *enter(void *p)
{
    const struct call *c = p;
    c->run(c->arg);
    return NULL;
}

bool own_stack_keeps(void (*run)(void *arg), void *arg, const void *bytes, size_t len)
{
    struct call c = {run, arg};
    pthread_attr_t attr;
    pthread_t thread;
    void *stack =
        mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    bool started = stack != MAP_FAILED && pthread_attr_init(&attr) == 0 &&
                   pthread_attr_setstack(&attr, stack, STACK_SIZE) == 0 &&
                   pthread_create(&thread, &attr, enter, &c) == 0 && pthread_join(thread, NULL) == 0;
    if (!started)
        abort();
    bool kept = memmem(stack, STACK_SIZE, bytes, len) != NULL;
    pthread_attr_destroy(&attr);
    munmap(stack, STACK_SIZE);
    return kept;
}

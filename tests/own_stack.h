/* What an operation leaves on the stack: it runs on one of our own, which is searched afterwards. */
#ifndef tests_own_stack_h
#define tests_own_stack_h

#include <stdbool.h>
#include <stddef.h>

/* True when these bytes lie on the stack on which run(arg) has run. They must not be handed in by value. */
bool own_stack_keeps(void (*run)(void *arg), void *arg, const void *bytes, size_t len);

#endif

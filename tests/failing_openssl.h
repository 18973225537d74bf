/* OpenSSL refuses one call of ours, by its number. A program that uses this is linked so that each function
 * named in failing_openssl.c goes through it (the linker's --wrap, in the Makefile). */
#ifndef tests_failing_openssl_h
#define tests_failing_openssl_h

#include <stdbool.h>
#include <stddef.h>

/* The n-th call from now on fails, counted from 1. */
void failing_openssl_arm(size_t n);
/* No call fails any more; true when one did. */
bool failing_openssl_disarm(void);

#endif

/* What a program spends in OpenSSL's P-256 operations and in scrypt: each call of ours is timed. Programs
 * that use it have these functions wrapped by the linker (the Makefile reads their names from timed_p256.c).
 * One thread. */
#ifndef tests_timed_p256_h
#define tests_timed_p256_h

struct timed {
    double s; /* of CPU */
    unsigned calls;
};
struct timed_p256 {
    struct timed p256, scrypt;
};

/* From now on. */
void timed_p256_begin(void);
/* Since then. */
struct timed_p256 timed_p256_end(void);

#endif

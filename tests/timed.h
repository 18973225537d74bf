/* What a program spends in the operations that it cannot do without, OpenSSL's and scrypt: each call of ours
 * is timed. Programs that use it have these functions wrapped by the linker (the Makefile reads their names
 * from timed.c). One thread. */
#ifndef tests_timed_h
#define tests_timed_h

enum timed_kind {
    TIMED_P256,      /* a new key, a product, a signature, its check, an agreement */
    TIMED_POINTS,    /* a point to bytes, and a key from them */
    TIMED_SYMMETRIC, /* ciphers, MACs, hashes, key derivation */
    TIMED_SCRYPT,
    TIMED_KINDS
};
struct timed {
    double s; /* on one core that nobody else uses; of scrypt: of CPU */
    unsigned calls;
};
struct timed_kinds {
    struct timed of[TIMED_KINDS];
};

/* From now on these are timed, a bit (1 << TIMED_...) each; the others go through as they are. */
void timed_begin(unsigned kinds);
/* Since then. Nothing is timed any more. */
struct timed_kinds timed_end(void);
/* What the two readings of the clock add to a call at the least, in seconds; not to scrypt. */
double timed_clock_s(void);

#endif

/* Short hands for Criterion tests of bytes and reasons. */
#ifndef tests_check_h
#define tests_check_h

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/err.h"

static inline size_t unhex(const char *text, uint8_t *out, size_t cap)
{
    long n = hex_decode(text, strlen(text), out, cap);
    cr_assert(ge(long, n, 0), "%s", text);
    return (size_t)n;
}

/* A buffer and its length from a text of hex digits. */
#define HEX(name, text)                                 \
    uint8_t name[800];                                  \
    size_t name##_len = unhex(text, name, sizeof name); \
    (void)name##_len

static inline void expect_hex(struct span got, const char *want, const char *what)
{
    char text[2 * 800 + 1];
    cr_assert(le(sz, got.len, 800));
    hex_encode(got.p, got.len, text);
    cr_expect(eq(str, text, (char *)want), "%s", what);
}

static inline bool is_wiped(const void *p, size_t len)
{
    const uint8_t *b = p;
    for (size_t i = 0; i < len; i++)
        if (b[i])
            return false;
    return true;
}

static inline uint64_t apart_us(uint64_t a_us, uint64_t b_us)
{
    return a_us > b_us ? a_us - b_us : b_us - a_us;
}

/* An event's virtual time, in microseconds, against what was wanted, in milliseconds; 0 for the very
 * microsecond. */
#define EXPECT_WITHIN_MS(actual_us, wanted_ms, tolerance_ms, what)                                        \
    do {                                                                                                  \
        uint64_t at_us_ = (actual_us), wanted_us_ = (uint64_t)((wanted_ms)*1000.0 + 0.5);                 \
        cr_expect(le(u64, apart_us(at_us_, wanted_us_), (uint64_t)((tolerance_ms)*1000.0 + 0.5)),         \
                  "%s: came at %.3f ms, expected at %.3f ms, within %.3f ms", what, (double)at_us_ / 1e3, \
                  (double)wanted_us_ / 1e3, (double)(tolerance_ms));                                      \
    } while (0)

#define EXPECT_ERR(got, want) cr_expect(eq(str, (char *)err_name(got), (char *)err_name(want)))
#define EXPECT_OK(got, ...)   cr_expect(eq(str, (char *)err_name(got), "OK"), __VA_ARGS__)
#define ASSERT_OK(got)        cr_assert(eq(int, (int)(got), ERR_OK))

#endif

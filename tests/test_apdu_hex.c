/* The console's APDUs in hex: found by the digest that their event has, row by row. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <openssl/sha.h>
#include <string.h>

#include "sim/run/apdu_hex.h"

static struct trace_event event_of(const uint8_t *apdu, size_t len)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    struct trace_event e = {.kind = TRACE_APDU, .length = (uint32_t)len, .has_digest = true};
    SHA256(apdu, len, digest);
    memcpy(e.digest, digest, TRACE_DIGEST);
    return e;
}

static const char *text_of(const char *line)
{
    return line + strspn(line, " ");
}

Test(apdu_hex, rows_of_what_was_heard)
{
    uint8_t apdu[35];
    char line[APDU_HEX_LINE];
    struct apdu_hex *h = apdu_hex_new();
    for (size_t i = 0; i < sizeof apdu; i++)
        apdu[i] = (uint8_t)i;
    apdu_hex_keep(h, span_of(apdu, sizeof apdu));
    struct trace_event e = event_of(apdu, sizeof apdu);
    cr_assert(apdu_hex_row(h, &e, 0, line));
    cr_expect_str_eq(text_of(line), "0001020304050607 08090a0b0c0d0e0f 1011121314151617 18191a1b1c1d1e1f");
    cr_assert(apdu_hex_row(h, &e, 1, line));
    cr_expect_str_eq(text_of(line), "202122");
    cr_expect_not(apdu_hex_row(h, &e, 2, line));
    apdu_hex_free(h);
}

Test(apdu_hex, no_row_for_anything_else)
{
    const uint8_t heard[] = {0x90, 0x00}, other[] = {0x69, 0x85};
    char line[APDU_HEX_LINE];
    struct apdu_hex *h = apdu_hex_new();
    apdu_hex_keep(h, span_of(heard, sizeof heard));
    struct trace_event e = event_of(other, sizeof other);
    cr_expect_not(apdu_hex_row(h, &e, 0, line), "never heard");
    e = event_of(heard, sizeof heard);
    e.kind = TRACE_SEND;
    cr_expect_not(apdu_hex_row(h, &e, 0, line), "no APDU of a reader");
    e.kind = TRACE_APDU;
    e.has_digest = false;
    cr_expect_not(apdu_hex_row(h, &e, 0, line), "no digest");
    apdu_hex_free(h);
}

Test(apdu_hex, keeps_the_last)
{
    char line[APDU_HEX_LINE];
    struct apdu_hex *h = apdu_hex_new();
    for (uint16_t i = 0; i <= APDU_HEX_KEPT; i++)
        apdu_hex_keep(h, span_of((uint8_t[]){(uint8_t)(i >> 8), (uint8_t)i}, 2));
    struct trace_event first = event_of((uint8_t[]){0, 0}, 2), second = event_of((uint8_t[]){0, 1}, 2);
    cr_expect_not(apdu_hex_row(h, &first, 0, line));
    cr_assert(apdu_hex_row(h, &second, 0, line));
    cr_expect_str_eq(text_of(line), "0001");
    apdu_hex_free(h);
}

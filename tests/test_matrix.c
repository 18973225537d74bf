#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#include "lib/can/matrix.h"

Test(matrix, identifiers_and_names_are_unique)
{
    for (unsigned i = 0; i < MATRIX_MESSAGES; i++) {
        const struct matrix_row *a = matrix_row((enum matrix_message)i);
        cr_assert(a->name != NULL, "row %u is missing", i);
        cr_expect(le(u32, a->id, 0x7FF));
        cr_expect(eq(ptr, (void *)matrix_find(a->id), (void *)a));
        cr_expect(eq(ptr, (void *)matrix_find_name(a->name), (void *)a));
        cr_expect(gt(u16, a->per_second, 0));
    }
    cr_assert(eq(ptr, (void *)matrix_find(0x123), NULL));
}

Test(matrix, what_spaak_hears_on_the_body_segment)
{
    uint32_t ids[16];
    size_t n = matrix_filter(NODE_SPAAK, SEGMENT_BODY, ids, 16);
    cr_assert(eq(sz, n, 7));
    cr_assert(eq(u32, ids[0], 0x3A0));
    cr_assert(eq(sz, matrix_filter(NODE_SPAAK, SEGMENT_TELEMATICS, ids, 16), 0));
}

Test(matrix, segments_by_name)
{
    for (unsigned s = 0; s < SEGMENTS; s++)
        cr_expect(eq(int, segment_from_name(segment_name((enum segment)s)), (int)s));
    cr_assert(eq(int, segment_from_name("chassis"), SEGMENTS));
}

Test(matrix, checksum_depends_on_identifier_and_every_byte)
{
    uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 0};
    uint8_t sum = matrix_checksum(0x3A0, data, 8);
    cr_expect(ne(u8, sum, matrix_checksum(0x3A1, data, 8)));
    for (size_t i = 0; i < 7; i++) {
        data[i] ^= 0x40;
        cr_expect(ne(u8, sum, matrix_checksum(0x3A0, data, 8)), "byte %zu", i);
        data[i] ^= 0x40;
    }
}

Test(matrix, nodes_have_names)
{
    cr_expect(eq(str, (char *)matrix_node_name(NODE_SPAAK), "SPAAK"));
    cr_expect(eq(str, (char *)matrix_node_name(NODE_TESTER), "TESTER"));
    cr_expect(eq(str, (char *)matrix_node_name((enum matrix_node)64), "?"));
}

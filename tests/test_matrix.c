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
        cr_expect(lt(u16, 0, a->per_second));
    }
    cr_assert(eq(ptr, (void *)matrix_find(0x123), NULL));
}

Test(matrix, what_spaak_hears_on_the_body_segment)
{
    uint32_t ids[16];
    size_t n = matrix_filter(NODE_SPAAK, SEGMENT_BODY, ids, 16);
    cr_assert(eq(sz, n, 13));
    cr_assert(eq(u32, ids[0], 0x3A0));
    cr_assert(eq(u32, ids[5], 0x3B1));
    cr_assert(eq(u32, ids[7], 0x6C9));
    cr_assert(eq(u32, ids[9], 0x3B8));
    cr_assert(eq(u32, ids[10], 0x3C2));
    cr_assert(eq(u32, ids[12], 0x7DF));
    cr_assert(eq(sz, matrix_filter(NODE_SPAAK, SEGMENT_TELEMATICS, ids, 16), 0));
}

static const struct {
    enum matrix_node node;
    enum segment segment;
    size_t count;
    uint32_t ids[4];
} cabin[] = {
    {NODE_HU, SEGMENT_INFOTAINMENT, 4, {0x5A8, 0x3A8, 0x6D0, 0x3B8}},
    {NODE_HU, SEGMENT_BODY, 0, {0}},
    {NODE_BCM, SEGMENT_BODY, 2, {0x3C0, 0x3C1}},
    {NODE_BCM, SEGMENT_INFOTAINMENT, 0, {0}},
};

Test(matrix, what_head_unit_and_body_controller_hear)
{
    for (size_t i = 0; i < sizeof cabin / sizeof cabin[0]; i++) {
        uint32_t ids[16];
        size_t n = matrix_filter(cabin[i].node, cabin[i].segment, ids, 16);
        cr_assert(eq(sz, n, cabin[i].count), "row %zu", i);
        for (size_t k = 0; k < n; k++)
            cr_expect(eq(u32, ids[k], cabin[i].ids[k]), "row %zu, %zu", i, k);
    }
    const struct matrix_row *status = matrix_row(MATRIX_BCM_STATUS),
                            *command = matrix_row(MATRIX_SPAAK_BCM_CMD);
    cr_expect(eq(uint, matrix_relayed(status), SEGMENT_SET(SEGMENT_INFOTAINMENT)));
    cr_expect(eq(uint, matrix_relayed(command), 0), "commands stay on the body segment");
    cr_expect(eq(uint, command->formats, MATRIX_FD));
}

Test(matrix, a_message_to_many_is_heard_by_each_on_its_segment)
{
    static const struct {
        enum matrix_node node;
        enum segment segment;
        bool hears;
    } rows[] = {
        {NODE_SPAAK, SEGMENT_BODY, true},        {NODE_TBM, SEGMENT_TELEMATICS, true},
        {NODE_SGW, SEGMENT_DIAGNOSTIC, true},    {NODE_HU, SEGMENT_INFOTAINMENT, false},
        {NODE_SPAAK, SEGMENT_TELEMATICS, false}, {NODE_TESTER, SEGMENT_DIAGNOSTIC, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t ids[16];
        size_t n = matrix_filter(rows[i].node, rows[i].segment, ids, 16);
        bool heard = false;
        for (size_t k = 0; k < n; k++)
            heard = heard || ids[k] == 0x7DF;
        cr_expect(eq(int, heard, rows[i].hears), "row %zu", i);
    }
    const struct matrix_row *all = matrix_row(MATRIX_UDS_FUNCTIONAL);
    cr_expect(eq(uint, matrix_relayed(all), SEGMENT_SET(SEGMENT_BODY) | SEGMENT_SET(SEGMENT_TELEMATICS)));
    cr_expect(eq(uint, matrix_relayed(matrix_row(MATRIX_UDS_SGW_REQ)), 0), "it ends at the SGW");
}

/* Flow control comes back the other way: sender and receiver, from and to change places. */
Test(matrix, channels_have_two_directions)
{
    for (unsigned i = 0; i < MATRIX_MESSAGES; i++) {
        const struct matrix_row *a = matrix_row((enum matrix_message)i), *b = matrix_pair(a);
        if (a->kind != MATRIX_ISOTP) {
            cr_expect(eq(ptr, (void *)b, NULL), "%s", a->name);
            continue;
        }
        cr_assert(b != NULL, "%s", a->name);
        cr_expect(eq(ptr, (void *)matrix_pair(b), (void *)a));
        cr_expect(eq(uint, a->receivers, b->sender), "%s", a->name);
        cr_expect(eq(uint, a->to, SEGMENT_SET(b->from)), "%s", a->name);
        cr_expect(eq(uint, a->formats, b->formats), "%s", a->name);
        cr_expect(eq(int, matrix_diagnostic(a), matrix_diagnostic(b)), "%s", a->name);
        cr_expect(eq(int, matrix_diagnostic(a), (a->id & 0x7F0) == 0x7A0), "%s", a->name);
    }
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
    cr_expect(eq(str, (char *)matrix_node_name(NODE_BCM), "BCM"));
    cr_expect(eq(str, (char *)matrix_node_name((enum matrix_node)128), "?"));
}

/* A map of the right shape with any values, and BOUND bytes of any shape. */
#include "lib/ccc/mailbox.h"

#include "tests/prove/prove.h"

#define OFFSET(tag) tag, 2, (uint8_t)prove_any(0, 255), (uint8_t)prove_any(0, 255)

static void prove_check(const struct mailbox_map *m)
{
    size_t slot_len = prove_any(0, SIZE_MAX), private_size = prove_any(0, SIZE_MAX);
    if (mailbox_map_check(m, slot_len, private_size, prove_any(0, SIZE_MAX)) == ERR_OK)
        mailbox_attestation_size(m);
}

int main(void)
{
    struct span any = prove_input();
    const uint8_t shaped[] = {OFFSET(0xD0),
                              OFFSET(0xC0),
                              OFFSET(0xC1),
                              OFFSET(0xC2),
                              OFFSET(0xC3),
                              OFFSET(0xD1),
                              0xD2,
                              1,
                              (uint8_t)prove_any(0, 255)};
    struct mailbox_map m;
    mailbox_map_parse(any, &m);
    if (mailbox_map_parse(span_of(shaped, sizeof shaped), &m) == ERR_OK)
        prove_check(&m);
    /* without C2, C3 and D2 */
    const uint8_t least[] = {OFFSET(0xD0), OFFSET(0xC0), OFFSET(0xC1), OFFSET(0xD1)};
    if (mailbox_map_parse(span_of(least, sizeof least), &m) == ERR_OK)
        prove_check(&m);
    return 0;
}

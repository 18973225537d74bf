/* A tag looked for in each way. */
#include "lib/ccc/tlv.h"

#include "tests/prove/prove.h"

int main(void)
{
    struct span in = prove_input(), value;
    struct tlv t;
    const uint16_t tag = 0x5A;
    switch (prove_any(0, 3)) {
    case 0:
        if (tlv_find(in, tag, &t) == ERR_OK)
            prove_reach(t.value);
        break;
    case 1:
        if (tlv_find_once(in, tag, &t) == ERR_OK)
            prove_reach(t.value);
        break;
    case 2:
        if (tlv_find_exact(in, tag, 2, &value) == ERR_OK)
            prove_reach(value);
        break;
    default:
        tlv_well_formed(in);
    }
    return 0;
}

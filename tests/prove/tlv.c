/* TLVs taken off one after the other to the end or the first fault, and past it. */
#include "lib/ccc/tlv.h"

#include "tests/prove/prove.h"

int main(void)
{
    struct span in = prove_input();
    struct rd r = rd_of(in.p, in.len);
    struct tlv t;
    uint16_t tag;
    size_t whole;
    while (tlv_next(&r, &t)) {
        prove_reach(t.value);
        prove_reach(t.whole);
    }
    tlv_next(&r, &t); /* past its end or its failure */
    tlv_peek(in, &tag, &whole);
    return 0;
}

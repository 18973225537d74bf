/* One element read in each way. */
#include "lib/pki/der.h"

#include "tests/prove/prove.h"

int main(void)
{
    struct span in = prove_input(), s;
    struct rd r = rd_of(in.p, in.len), inner;
    uint8_t tag = (uint8_t)prove_any(0, 255);
    switch (prove_any(0, 5)) {
    case 0:
        inner = der_enter(&r, tag);
        prove_reach(span_of(inner.p, inner.left));
        break;
    case 1:
        prove_reach(der_element(&r, tag));
        break;
    case 2:
        while (der_optional(&r, tag, &inner))
            prove_reach(span_of(inner.p, inner.left));
        der_optional(&r, tag, &inner); /* after a failure */
        break;
    case 3:
        s = der_integer(&r);
        prove_reach(s);
        break;
    case 4:
        der_small(&r);
        break;
    default:
        prove_reach(der_bits(&r));
    }
    return 0;
}

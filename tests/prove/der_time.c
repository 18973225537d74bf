/* A time of either form. */
#include "lib/pki/der.h"

#include "tests/prove/prove.h"

int main(void)
{
    struct span in = prove_input();
    struct rd r = rd_of(in.p, in.len);
    der_time(&r);
    return 0;
}

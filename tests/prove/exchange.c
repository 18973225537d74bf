/* An option and operations to the end or the first fault. */
#include "lib/ccc/exchange.h"

#include "tests/prove/prove.h"

int main(void)
{
    struct span in = prove_input();
    struct rd r = rd_of(in.p, in.len);
    enum exchange_option option;
    struct exchange_op op;
    if (exchange_open(&r, &option))
        return 0;
    while (exchange_next(&r, &op) == ERR_OK)
        if (op.kind == EXCHANGE_WRITE || op.kind == EXCHANGE_NOTIFY)
            prove_reach(op.data);
    return 0;
}

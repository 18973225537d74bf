/* One SDU. */
#include "lib/ccc/dk_message.h"

#include "tests/prove/prove.h"

int main(void)
{
    struct dk_message m;
    if (dk_message_parse(prove_input(), &m) == ERR_OK)
        prove_reach(m.data);
    return 0;
}

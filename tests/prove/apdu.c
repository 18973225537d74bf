/* Commands and responses; what was read is written again. */
#include "lib/ccc/apdu.h"

#include "tests/prove/prove.h"

int main(void)
{
    struct span in = prove_input(), data;
    struct apdu_command c;
    uint16_t sw;
    uint8_t again[BOUND];
    if (apdu_command_parse(in, &c) == ERR_OK) {
        struct wr w = wr_of(again, sizeof again);
        prove_reach(c.data);
        apdu_command_put(&w, &c);
    }
    if (apdu_response_parse(in, &data, &sw) == ERR_OK)
        prove_reach(data);
    return 0;
}

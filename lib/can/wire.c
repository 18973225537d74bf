#include "lib/can/wire.h"

#define NOMINAL_NS_PER_BIT (1000000000u / WIRE_NOMINAL_BPS)
#define DATA_NS_PER_BIT    (1000000000u / WIRE_DATA_BPS)

uint64_t wire_time_us(const struct bus_frame *f)
{
    uint32_t data_bits = 8u * (f->flags & BUS_REMOTE ? 0u : f->len);
    uint32_t id_bits = f->flags & BUS_EXTENDED ? 20u : 0u;
    if (!(f->flags & BUS_FD)) /* one stuff bit in 20 */
        return (uint64_t)(47 + id_bits + data_bits) * 21 / 20 * NOMINAL_NS_PER_BIT / 1000;
    uint32_t crc = f->len > 16 ? 21u + 7u : 17u + 6u; /* with fixed stuff bits */
    uint32_t fast = (9u + data_bits + crc) * 33 / 32, slow = 30u + id_bits;
    uint32_t fast_ns = f->flags & BUS_BRS ? DATA_NS_PER_BIT : NOMINAL_NS_PER_BIT;
    return ((uint64_t)slow * NOMINAL_NS_PER_BIT + (uint64_t)fast * fast_ns) / 1000;
}

uint32_t wire_priority(const struct bus_frame *f)
{
    uint32_t remote = f->flags & BUS_REMOTE ? 1u : 0u;
    if (!(f->flags & BUS_EXTENDED)) /* base, RTR, IDE dominant */
        return f->id << 21 | remote << 20;
    /* base, SRR and IDE recessive, extension, RTR */
    return f->id >> 18 << 21 | 3u << 19 | (f->id & 0x3FFFFu) << 1 | remote;
}

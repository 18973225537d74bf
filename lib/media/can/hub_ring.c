#include "lib/media/can/hub_ring.h"

#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

struct hub_ring *hub_ring_open(int fd)
{
    void *p = mmap(NULL, sizeof(struct hub_ring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

struct hub_ring *hub_ring_make(int *fd)
{
    *fd = memfd_create("spaaksim frames", MFD_CLOEXEC);
    struct hub_ring *r = *fd >= 0 && ftruncate(*fd, sizeof(struct hub_ring)) == 0 ? hub_ring_open(*fd) : NULL;
    if (r || *fd < 0)
        return r;
    close(*fd);
    *fd = -1;
    return NULL;
}

void hub_ring_close(struct hub_ring *r)
{
    if (r)
        munmap(r, sizeof *r);
}

uint64_t hub_ring_room(const struct hub_ring *r)
{
    uint64_t used = atomic_load_explicit(&r->put, memory_order_relaxed) -
                    atomic_load_explicit(&r->taken, memory_order_acquire);
    return HUB_RING_FRAMES - used;
}

void hub_ring_put(struct hub_ring *r, uint64_t time_us, uint8_t bus, const struct bus_frame *f)
{
    uint64_t at = atomic_load_explicit(&r->put, memory_order_relaxed);
    assert(hub_ring_room(r) > 0);
    r->records[at % HUB_RING_FRAMES] = (struct hub_record){.time_us = time_us, .bus = bus, .frame = *f};
    atomic_store_explicit(&r->put, at + 1, memory_order_release);
}

bool hub_ring_take(struct hub_ring *r, struct hub_record *out)
{
    uint64_t at = atomic_load_explicit(&r->taken, memory_order_relaxed);
    if (at == atomic_load_explicit(&r->put, memory_order_acquire))
        return false;
    *out = r->records[at % HUB_RING_FRAMES];
    atomic_store_explicit(&r->taken, at + 1, memory_order_release);
    return true;
}

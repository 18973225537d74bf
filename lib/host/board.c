#include "lib/host/board.h"

#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

struct board *board_open(int fd)
{
    void *p = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

struct board *board_make(int *fd)
{
    *fd = memfd_create("spaaksim board", MFD_CLOEXEC);
    struct board *b = *fd >= 0 && ftruncate(*fd, sizeof(struct board)) == 0 ? board_open(*fd) : NULL;
    if (b || *fd < 0)
        return b;
    close(*fd);
    *fd = -1;
    return NULL;
}

void board_close(struct board *b)
{
    if (b)
        munmap(b, sizeof *b);
}

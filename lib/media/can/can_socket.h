/* SocketCAN raw sockets. */
#ifndef lib_media_can_can_socket_h
#define lib_media_can_can_socket_h

#include "lib/can/frame.h"

/* Opens a non-blocking raw socket with FD frames on an interface; "" = all interfaces. Receives only these
 * identifiers; ids NULL = all. -1 and errno. */
int can_socket_open(const char *interface, const uint32_t *ids, size_t n);
/* 1: a frame was read, 0: none there, -1: the interface is gone. */
int can_socket_read(int fd, struct bus_frame *out);
/* The same for a record. */
struct can_record {
    struct bus_frame frame;
    int interface;    /* its index */
    bool ours;        /* sent by this machine */
    uint64_t wall_us; /* the kernel's time stamp, since 1970 */
};
int can_socket_read_record(int fd, struct can_record *out);
/* 1: taken, 0: the interface takes no more just now, -1: it cannot take the frame at all. */
int can_socket_write(int fd, const struct bus_frame *f);

#endif

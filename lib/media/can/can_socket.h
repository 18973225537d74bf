/* SocketCAN raw sockets. */
#ifndef lib_media_can_can_socket_h
#define lib_media_can_can_socket_h

#include "lib/can/frame.h"

/* Opens a non-blocking raw socket with FD frames on an interface; "" = all interfaces. Receives only these
 * identifiers; ids NULL = all. -1 and errno. */
int can_socket_open(const char *interface, const uint32_t *ids, size_t n);
/* 1: a frame was read, 0: none there, -1: the interface is gone. */
int can_socket_read(int fd, struct bus_frame *out);
/* The same, with its interface's index and the kernel's time stamp (wall clock, microseconds). */
int can_socket_read_record(int fd, struct bus_frame *out, int *interface, uint64_t *wall_us);
/* False when the interface takes no more just now. */
bool can_socket_write(int fd, const struct bus_frame *f);

#endif

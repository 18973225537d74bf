/* Who is at the other end of a connected Unix socket, by the kernel's word. */
#ifndef lib_host_peer_h
#define lib_host_peer_h

#include <stdbool.h>
#include <sys/types.h>

bool peer_same_user(int fd);
/* The process that connected, or that called listen or socketpair; 0 when the kernel does not say. */
pid_t peer_process(int fd);
/* Was that process started by the other? */
bool peer_is_child(pid_t pid, pid_t parent);
/* By the other, a child or a grandchild of it? */
bool peer_descends(pid_t pid, pid_t ancestor);

#endif

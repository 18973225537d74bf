#include "lib/media/can/can_socket.h"

#include <errno.h>
#include <linux/can.h>
#include <linux/can/raw.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static bool set_filter(int fd, const uint32_t *ids, size_t n)
{
    struct can_filter filters[32];
    if (!ids)
        return true;
    for (size_t i = 0; i < n; i++)
        filters[i] =
            (struct can_filter){.can_id = ids[i], .can_mask = CAN_SFF_MASK | CAN_EFF_FLAG | CAN_RTR_FLAG};
    /* an empty list receives nothing */
    return setsockopt(fd, SOL_CAN_RAW, CAN_RAW_FILTER, filters, (socklen_t)(n * sizeof filters[0])) == 0;
}

int can_socket_open(const char *interface, const uint32_t *ids, size_t n)
{
    struct sockaddr_can a = {.can_family = AF_CAN};
    int on = 1, saved;
    int fd = socket(AF_CAN, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, CAN_RAW);
    if (fd < 0)
        return -1;
    if (*interface && (a.can_ifindex = (int)if_nametoindex(interface)) == 0)
        goto fail;
    if (n > 32 || !set_filter(fd, ids, n) ||
        setsockopt(fd, SOL_CAN_RAW, CAN_RAW_FD_FRAMES, &on, sizeof on) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&a, sizeof a) != 0)
        goto fail;
    int size = 4 << 20; /* a burst must not be lost while we are not scheduled */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return fd;
fail:
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static bool convert(const struct canfd_frame *k, size_t len, struct bus_frame *out)
{
    memset(out, 0, sizeof *out);
    if ((len != CAN_MTU && len != CANFD_MTU) || k->can_id & CAN_ERR_FLAG || k->len > BUS_FD_MAX)
        return false;
    bool extended = k->can_id & CAN_EFF_FLAG;
    out->id = k->can_id & (extended ? CAN_EFF_MASK : CAN_SFF_MASK);
    out->flags = (uint8_t)((extended ? BUS_EXTENDED : 0) | (k->can_id & CAN_RTR_FLAG ? BUS_REMOTE : 0));
    if (len == CANFD_MTU)
        out->flags = (uint8_t)(out->flags | BUS_FD | (k->flags & CANFD_BRS ? BUS_BRS : 0) |
                               (k->flags & CANFD_ESI ? BUS_ESI : 0));
    out->len = k->len;
    memcpy(out->data, k->data, k->len);
    return bus_frame_valid(out);
}

int can_socket_read_record(int fd, struct can_record *out)
{
    struct canfd_frame k;
    struct sockaddr_can from;
    char control[128];
    struct iovec iov = {&k, sizeof k};
    for (;;) {
        struct msghdr m = {.msg_name = &from,
                           .msg_namelen = sizeof from,
                           .msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof control};
        ssize_t len = recvmsg(fd, &m, MSG_DONTWAIT);
        if (len < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        if (!convert(&k, (size_t)len, &out->frame))
            continue;
        out->interface = from.can_ifindex;
        out->ours = m.msg_flags & MSG_DONTROUTE;
        out->wall_us = 0;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
            struct timeval t;
            if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMP)
                continue;
            memcpy(&t, CMSG_DATA(c), sizeof t);
            out->wall_us = (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_usec;
        }
        return 1;
    }
}

int can_socket_read(int fd, struct bus_frame *out)
{
    struct can_record r;
    int rc = can_socket_read_record(fd, &r);
    if (rc == 1)
        *out = r.frame;
    return rc;
}

int can_socket_write(int fd, const struct bus_frame *f)
{
    struct canfd_frame k = {.can_id = f->id, .len = f->len};
    bool fd_frame = f->flags & BUS_FD;
    if (f->flags & BUS_EXTENDED)
        k.can_id |= CAN_EFF_FLAG;
    if (f->flags & BUS_REMOTE)
        k.can_id |= CAN_RTR_FLAG;
    if (fd_frame)
        k.flags = (uint8_t)((f->flags & BUS_BRS ? CANFD_BRS : 0) | (f->flags & BUS_ESI ? CANFD_ESI : 0));
    memcpy(k.data, f->data, f->len);
    ssize_t size = fd_frame ? (ssize_t)CANFD_MTU : (ssize_t)CAN_MTU;
    if (write(fd, &k, (size_t)size) == size)
        return 1;
    return errno == EAGAIN || errno == ENOBUFS ? 0 : -1;
}

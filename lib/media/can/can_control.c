#include "lib/media/can/can_control.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/can.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* libsocketcan.h uses linux/if_link.h without including it */
#include <libsocketcan.h>

#define DEFAULT_BITRATE 500000

bool can_control_kernel_has_can(void)
{
    int fd = socket(AF_CAN, SOCK_RAW | SOCK_CLOEXEC, CAN_RAW);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool interface_flags(const char *name, bool set_up, short *flags)
{
    struct ifreq r = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    bool ok = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &r) == 0;
    if (ok && set_up && !(r.ifr_flags & IFF_UP)) {
        r.ifr_flags |= IFF_UP;
        ok = ioctl(fd, SIOCSIFFLAGS, &r) == 0;
    }
    *flags = r.ifr_flags;
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool is_can(const char *name)
{
    struct ifreq r = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    bool ok = fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &r) == 0 && r.ifr_hwaddr.sa_family == ARPHRD_CAN;
    if (fd >= 0)
        close(fd);
    return ok;
}

/* ---- the kernel's word on links ---- */

struct request {
    struct nlmsghdr header;
    struct ifinfomsg info;
    uint8_t attributes[256];
};

static void *attribute(struct request *r, unsigned short type, const void *data, size_t len)
{
    struct rtattr *a = (struct rtattr *)(void *)((uint8_t *)r + NLMSG_ALIGN(r->header.nlmsg_len));
    a->rta_type = type;
    a->rta_len = (unsigned short)RTA_LENGTH(len);
    if (len)
        memcpy(RTA_DATA(a), data, len);
    r->header.nlmsg_len = NLMSG_ALIGN(r->header.nlmsg_len) + (uint32_t)RTA_ALIGN(a->rta_len);
    return a;
}

/* Value of an attribute among len bytes of them; NULL and *size 0 when it is not there. */
static const void *find_attribute(const void *attributes, size_t len, unsigned short type, size_t *size)
{
    const uint8_t *p = attributes;
    struct rtattr a;
    *size = 0;
    while (len >= sizeof a) {
        memcpy(&a, p, sizeof a);
        if (a.rta_len < sizeof a || a.rta_len > len)
            return NULL;
        if (a.rta_type == type) {
            *size = a.rta_len - RTA_LENGTH(0);
            return p + RTA_LENGTH(0);
        }
        size_t step = RTA_ALIGN(a.rta_len) < len ? RTA_ALIGN(a.rta_len) : len;
        p += step;
        len -= step;
    }
    return NULL;
}

/* RTM_GETLINK: "can", "vcan", ...; "" when the kernel does not say. Not asked of /sys, which shows the
 * interfaces of the namespace that it was mounted in. */
static void link_kind(const char *name, char kind[16])
{
    static const size_t head = NLMSG_LENGTH(sizeof(struct ifinfomsg));
    struct request r = {.header = {.nlmsg_len = NLMSG_LENGTH(sizeof r.info),
                                   .nlmsg_type = RTM_GETLINK,
                                   .nlmsg_flags = NLM_F_REQUEST},
                        .info = {.ifi_index = (int)if_nametoindex(name)}};
    uint8_t answer[16384];
    struct nlmsghdr h = {0};
    size_t info_len, kind_len;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    ssize_t len =
        fd >= 0 && send(fd, &r, r.header.nlmsg_len, 0) > 0 ? recv(fd, answer, sizeof answer, 0) : -1;
    kind[0] = '\0';
    if (fd >= 0)
        close(fd);
    if (len < (ssize_t)head)
        return;
    memcpy(&h, answer, sizeof h);
    if (h.nlmsg_type != RTM_NEWLINK)
        return;
    const void *info = find_attribute(answer + head, (size_t)len - head, IFLA_LINKINFO, &info_len);
    const char *word = info ? find_attribute(info, info_len, IFLA_INFO_KIND, &kind_len) : NULL;
    if (word)
        snprintf(kind, 16, "%.*s", (int)kind_len, word);
}

bool can_control_has_controller(const char *interface)
{
    char kind[16];
    link_kind(interface, kind);
    return strcmp(kind, "can") == 0;
}

bool can_control_ready(const char *interface, char *problem, size_t cap)
{
    short flags = 0;
    if (if_nametoindex(interface) == 0) {
        snprintf(problem, cap, "there is no interface %s; `ip link` lists them", interface);
        return false;
    }
    if (!is_can(interface)) {
        snprintf(problem, cap, "%s is not a CAN interface", interface);
        return false;
    }
    if (interface_flags(interface, false, &flags) && flags & IFF_UP)
        return true;
    if (can_control_has_controller(interface) && can_set_bitrate(interface, DEFAULT_BITRATE) == 0 &&
        can_do_start(interface) == 0)
        return true;
    if (!can_control_has_controller(interface) && interface_flags(interface, true, &flags))
        return true;
    snprintf(problem, cap, "%s is down and we may not bring it up; as root: ip link set %s up%s", interface,
             interface,
             can_control_has_controller(interface) ? " type can bitrate 500000 dbitrate 2000000 fd on" : "");
    return false;
}

/* ---- vcan in a namespace ---- */

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, text, strlen(text)) < 0)
            perror(path);
        close(fd);
    }
}

static bool enter_namespace(void)
{
    char map[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (uid == 0 && unshare(CLONE_NEWNET) == 0)
        return true;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return false;
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    write_file("/proc/self/gid_map", map);
    return true;
}

/* RTM_NEWLINK: 0 or an errno. */
static int make_vcan(const char *name)
{
    struct request r = {.header = {.nlmsg_len = NLMSG_LENGTH(sizeof r.info),
                                   .nlmsg_type = RTM_NEWLINK,
                                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK},
                        .info = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP}};
    uint32_t mtu = CANFD_MTU;
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        uint8_t rest[256];
    } answer;
    attribute(&r, IFLA_IFNAME, name, strlen(name) + 1);
    attribute(&r, IFLA_MTU, &mtu, sizeof mtu);
    uint32_t before = r.header.nlmsg_len;
    struct rtattr *info = attribute(&r, IFLA_LINKINFO, NULL, 0);
    attribute(&r, IFLA_INFO_KIND, "vcan", 5);
    info->rta_len = (unsigned short)(r.header.nlmsg_len - before);
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), rc = EIO;
    if (fd >= 0 && send(fd, &r, r.header.nlmsg_len, 0) > 0 && recv(fd, &answer, sizeof answer, 0) > 0 &&
        answer.header.nlmsg_type == NLMSG_ERROR)
        rc = -answer.error.error;
    if (fd >= 0)
        close(fd);
    return rc;
}

bool can_control_make_vcans(const char *const *names, size_t n, char *problem, size_t cap)
{
    if (!enter_namespace()) {
        snprintf(problem, cap, "no network namespace may be made here: %s", strerror(errno));
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        int rc = make_vcan(names[i]);
        if (rc != 0) {
            snprintf(problem, cap, "the kernel makes no vcan interface: %s", strerror(rc));
            return false;
        }
    }
    return true;
}

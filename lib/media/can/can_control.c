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

/* A virtual interface has no device behind it; libsocketcan complains loudly about those, so it is kept away.
 */
bool can_control_has_controller(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/sys/class/net/%.15s/can_bittiming", name);
    if (access(path, F_OK) == 0)
        return true;
    snprintf(path, sizeof path, "/sys/devices/virtual/net/%.15s", name);
    return access(path, F_OK) != 0;
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

#include "sim/uds/desk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sim/run/records.h"
#include "sim/uds/line.h"

#define EVENTS_PER_TURN 64       /* before the world has its turn */
#define CONNECT_US      1000000u /* so long a request waits for the connector */
#define BACKLOG         16

struct ear;

struct peer {
    int fd; /* -1: nobody */
    struct ear *ear;
    bool waits;        /* it has a request that has not begun */
    uint64_t asked_us; /* its time, ... */
    uint64_t order;    /* ... and its place among all */
    size_t len;
    uint8_t request[DESK_PDU_MAX];
};

/* One socket. */
struct ear {
    unsigned group;
    int fd;
    char name[ENV_NAME_MAX], file[DESK_FILE]; /* "v0002.sgw"; file "": not made */
    struct desk_line line;
    struct peer *asker; /* of the request under way; NULL: none, or it has left */
};

struct desk {
    struct run_guest guest;
    struct run *run;
    int epoll_fd, spare_fd;
    uid_t owner;
    uint64_t orders;
    struct peer peers[DESK_PEERS];
    size_t ear_count;
    struct ear ears[]; /* as many as there is room for */
};

void desk_file(unsigned group, const char *ecu, char out[DESK_FILE])
{
    if (group)
        snprintf(out, DESK_FILE, "v%04u.uds-%s.sock", group, ecu);
    else
        snprintf(out, DESK_FILE, "uds-%s.sock", ecu);
}

/* ---- peers ---- */

/* Who has asked is not read until that is over: at most one request of each is kept. */
static void listen_to(struct desk *d, struct peer *p)
{
    bool asking = p->waits || p->ear->asker == p;
    struct epoll_event e = {.events = asking ? 0u : (uint32_t)EPOLLIN, .data.ptr = p};
    epoll_ctl(d->epoll_fd, EPOLL_CTL_MOD, p->fd, &e);
}

static void drop_peer(struct peer *p)
{
    if (p->ear->asker == p) {
        p->ear->asker = NULL;
        desk_line_abandon(&p->ear->line);
    }
    OPENSSL_cleanse(p->request, sizeof p->request);
    close(p->fd);
    p->fd = -1;
    p->waits = false;
}

static bool is_owner(const struct desk *d, int fd)
{
    struct ucred who;
    socklen_t len = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.uid == d->owner;
}

static struct peer *free_place(struct desk *d)
{
    for (size_t i = 0; i < DESK_PEERS; i++)
        if (d->peers[i].fd < 0)
            return &d->peers[i];
    return NULL;
}

/* This process has no descriptor left: who waits at the door is sent away with the one that was kept for
 * this, or epoll would tell of him for ever. */
static void turn_away(struct desk *d, struct ear *ear)
{
    if (d->spare_fd >= 0)
        close(d->spare_fd);
    int fd = accept4(ear->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        close(fd);
    d->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void admit(struct desk *d, struct ear *ear)
{
    int fd = accept4(ear->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
        turn_away(d, ear);
        return;
    }
    struct peer *p = fd >= 0 && is_owner(d, fd) ? free_place(d) : NULL;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};
    if (!p || epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0) {
        if (fd >= 0)
            close(fd);
        return;
    }
    p->fd = fd;
    p->ear = ear;
}

/* A packet without a byte is the end of a connection, too: nobody can tell them apart. */
static void hear(struct desk *d, struct peer *p, uint32_t events, uint64_t now_us)
{
    bool asking = p->waits || p->ear->asker == p;
    ssize_t n = asking ? 0 : recv(p->fd, p->request, sizeof p->request, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR) && !(events & (EPOLLHUP | EPOLLERR)))
        return;
    if (n <= 0 || (size_t)n > sizeof p->request) {
        drop_peer(p);
        return;
    }
    p->len = (size_t)n;
    p->waits = true;
    p->asked_us = now_us;
    p->order = d->orders++;
    listen_to(d, p);
}

static void desk_serve(void *ctx, uint64_t now_us)
{
    struct desk *d = ctx;
    struct epoll_event e;
    for (unsigned i = 0; i < EVENTS_PER_TURN && epoll_wait(d->epoll_fd, &e, 1, 0) == 1; i++) {
        struct peer *p = e.data.ptr;
        if (p >= d->peers && p < d->peers + DESK_PEERS)
            hear(d, p, e.events, now_us);
        else
            admit(d, e.data.ptr);
    }
}

static void answer(struct ear *ear, struct span pdu)
{
    struct peer *p = ear->asker;
    if (p && send(p->fd, pdu.p, pdu.len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)pdu.len)
        drop_peer(p);
}

/* ---- requests ---- */

static struct peer *next_in_turn(struct desk *d, const struct ear *ear)
{
    struct peer *first = NULL;
    for (size_t i = 0; i < DESK_PEERS; i++) {
        struct peer *p = &d->peers[i];
        if (p->fd >= 0 && p->ear == ear && p->waits && (!first || p->order < first->order))
            first = p;
    }
    return first;
}

static bool is_to_all(const struct ear *ear)
{
    return ear->line.addressing == UDS_FUNCTIONAL;
}

/* Of a keep-alive to all nobody hears anything. */
static bool disturbs(const struct ear *ear, struct span request)
{
    return !is_to_all(ear) || !desk_is_keep_alive(request);
}

/* All answer a request to all on the identifiers of their own: it and another are not under way at the same
 * time, and who came first goes first. */
static bool is_free(const struct desk *d, const struct ear *ear, const struct peer *p)
{
    if (desk_line_busy(&ear->line) || !disturbs(ear, span_of(p->request, p->len)))
        return !desk_line_busy(&ear->line);
    for (size_t i = 0; i < d->ear_count; i++) {
        const struct ear *other = &d->ears[i];
        if (other->group == ear->group && (is_to_all(ear) || is_to_all(other)) &&
            desk_line_busy(&other->line) && !other->line.unanswered)
            return false;
    }
    for (size_t i = 0; i < DESK_PEERS; i++) {
        const struct peer *q = &d->peers[i];
        if (q->fd >= 0 && q->waits && q->ear->group == ear->group && is_to_all(q->ear) != is_to_all(ear) &&
            q->order < p->order && disturbs(q->ear, span_of(q->request, q->len)))
            return false;
    }
    return true;
}

static void put_down(struct desk *d, struct peer *p)
{
    OPENSSL_cleanse(p->request, p->len);
    p->waits = false;
    listen_to(d, p);
}

static void note(const struct desk *d, const struct ear *ear, struct span request, uint64_t now_us)
{
    char line[UDS_LINE_MAX], text[UDS_LINE_MAX + ENV_NAME_MAX + 20];
    uds_describe(request, line);
    snprintf(text, sizeof text, "a tool asks %s: %s", ear->name, line);
    run_note(d->run, now_us, TRACE_NOTE, "runner", text, 0);
}

/* What is no request, or too long for all, is not sent: it stays without an answer. */
static void begin(struct desk *d, struct ear *ear, struct peer *p, uint64_t now_us)
{
    struct span request = span_of(p->request, p->len);
    if (d->run->ops->connector(d->run, ear->group) == LINK_DOWN) {
        if (now_us >= p->asked_us + CONNECT_US)
            put_down(d, p);
        return;
    }
    if (desk_line_ask(&ear->line, request, now_us) == ERR_OK) {
        ear->asker = p;
        note(d, ear, request, now_us);
    }
    put_down(d, p);
}

static void send_frames(struct desk *d, struct ear *ear, uint64_t now_us)
{
    struct bus_frame f;
    while (desk_line_output(&ear->line, now_us, &f))
        d->run->ops->put(d->run, ear->group, &f);
    desk_line_tick(&ear->line, now_us);
}

static void let_go(struct desk *d, struct ear *ear)
{
    struct peer *p = ear->asker;
    if (!p || desk_line_busy(&ear->line))
        return;
    ear->asker = NULL;
    listen_to(d, p);
}

static void desk_pump(void *ctx, uint64_t now_us)
{
    struct desk *d = ctx;
    for (size_t i = 0; i < d->ear_count; i++) {
        struct ear *ear = &d->ears[i];
        send_frames(d, ear, now_us);
        let_go(d, ear);
        struct peer *next = desk_line_busy(&ear->line) ? NULL : next_in_turn(d, ear);
        if (!next || !is_free(d, ear, next))
            continue;
        begin(d, ear, next, now_us);
        send_frames(d, ear, now_us);
        let_go(d, ear);
    }
}

static void desk_frame(void *ctx, unsigned group, uint64_t now_us, const struct bus_frame *f)
{
    struct desk *d = ctx;
    struct span pdu;
    for (size_t i = 0; i < d->ear_count; i++)
        if (d->ears[i].group == group && desk_line_input(&d->ears[i].line, f, now_us, &pdu))
            answer(&d->ears[i], pdu);
}

/* A request that waits for its turn is due with the end of the one before it. */
static uint64_t desk_due_us(void *ctx)
{
    struct desk *d = ctx;
    uint64_t due_us = UINT64_MAX;
    for (size_t i = 0; i < d->ear_count; i++) {
        uint64_t t = desk_line_due_us(&d->ears[i].line);
        due_us = t < due_us ? t : due_us;
    }
    for (size_t i = 0; i < DESK_PEERS; i++) {
        const struct peer *p = &d->peers[i];
        if (p->fd < 0 || !p->waits || !is_free(d, p->ear, p))
            continue;
        bool up = d->run->ops->connector(d->run, p->ear->group) != LINK_DOWN;
        uint64_t t = up ? p->asked_us : p->asked_us + CONNECT_US;
        due_us = t < due_us ? t : due_us;
    }
    return due_us;
}

static bool desk_busy(void *ctx)
{
    struct desk *d = ctx;
    bool busy = false;
    for (size_t i = 0; i < d->ear_count; i++)
        busy |= desk_line_busy(&d->ears[i].line);
    for (size_t i = 0; i < DESK_PEERS; i++)
        busy |= d->peers[i].fd >= 0 && d->peers[i].waits;
    return busy;
}

/* ---- beginning and end ---- */

static void desk_close(void *ctx)
{
    struct desk *d = ctx;
    for (size_t i = 0; i < DESK_PEERS; i++)
        if (d->peers[i].fd >= 0)
            drop_peer(&d->peers[i]);
    for (size_t i = 0; i < d->ear_count; i++) {
        struct ear *ear = &d->ears[i];
        if (ear->file[0])
            unlinkat(records_folder(d->run), ear->file, 0);
        if (ear->fd >= 0)
            close(ear->fd);
        desk_line_close(&ear->line);
    }
    if (d->epoll_fd >= 0)
        close(d->epoll_fd);
    if (d->spare_fd >= 0)
        close(d->spare_fd);
    free(d);
}

/* By the folder's descriptor: a path of any length is short so. */
static bool listen_at(struct desk *d, struct ear *ear, const char *file)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = ear};
    int folder = records_folder(d->run);
    snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/%s", folder, file);
    ear->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (ear->fd < 0 || (unlinkat(folder, file, 0) != 0 && errno != ENOENT) || fchmod(ear->fd, 0600) != 0 ||
        bind(ear->fd, (struct sockaddr *)&at, sizeof at) != 0)
        return false;
    text_copy(ear->file, sizeof ear->file, file);
    return fchmodat(folder, file, 0600, 0) == 0 && listen(ear->fd, BACKLOG) == 0 &&
           epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, ear->fd, &e) == 0;
}

static bool add_ear(struct desk *d, unsigned group, const struct matrix_row *row, uint32_t p2_ms)
{
    struct ear *ear = &d->ears[d->ear_count];
    char ecu[DESK_LINE_ECU], file[DESK_FILE];
    desk_ecu_name(row, ecu);
    desk_file(group, ecu, file);
    *ear = (struct ear){.group = group, .fd = -1};
    int prefix = group ? snprintf(ear->name, sizeof ear->name, "v%04u.", group) : 0;
    text_copy(ear->name + prefix, sizeof ear->name - (size_t)prefix, ecu);
    if (row != desk_all() && !scenario_member(d->run->scenario, ear->name))
        return true;
    d->ear_count++;
    return desk_line_open(&ear->line, row, p2_ms) && listen_at(d, ear, file);
}

static bool add_vehicle(struct desk *d, unsigned group, uint32_t p2_ms)
{
    for (size_t i = 0; i < DESK_ECUS && desk_ecu(i); i++)
        if (!add_ear(d, group, desk_ecu(i), p2_ms))
            return false;
    return add_ear(d, group, desk_all(), p2_ms);
}

static bool open_all(struct desk *d, uint32_t p2_ms)
{
    struct stat folder;
    unsigned vehicles = 0;
    d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    d->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (d->epoll_fd < 0 || fstat(records_folder(d->run), &folder) != 0)
        return false;
    d->owner = folder.st_uid;
    for (unsigned g = 0; g < d->run->scenario->groups && vehicles < DESK_VEHICLES; g++) {
        if (!run_connector(d->run, g))
            continue;
        vehicles++;
        if (!add_vehicle(d, g, p2_ms))
            return false;
    }
    return true;
}

void desk_open(struct run *r, uint32_t p2_ms)
{
    struct desk *d;
    if (records_folder(r) < 0)
        return;
    d = calloc(1, sizeof *d + DESK_VEHICLES * (DESK_ECUS + 1) * sizeof d->ears[0]);
    if (!d)
        return;
    d->run = r;
    for (size_t i = 0; i < DESK_PEERS; i++)
        d->peers[i].fd = -1;
    bool ok = open_all(d, p2_ms);
    if (!ok)
        fprintf(stderr, "spaaksim: no sockets for testers' tools in %s: %s\n", r->options->out,
                strerror(errno));
    if (!ok || !d->ear_count) {
        desk_close(d);
        return;
    }
    d->guest = (struct run_guest){d,         d->epoll_fd, desk_serve, desk_frame,
                                  desk_pump, desk_due_us, desk_busy,  desk_close};
    r->guest = &d->guest;
}

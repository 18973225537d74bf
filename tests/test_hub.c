/* The hub as a process, on sockets of its own. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/host/door.h"
#include "lib/host/link.h"
#include "lib/host/spawn.h"
#include "lib/media/can/can.h"
#include "lib/media/can/can_recorder.h"
#include "tests/support.h"

struct hub_process {
    char path[108];
    pid_t pid;
    int stop;
    struct hub_ring *ring; /* what it records */
    unsigned joined;       /* its nodes are "node0", "node1" ... */
};

static const struct token good = {{1, 2, 3}};

static void name_of(unsigned number, char out[HUB_NAME_MAX])
{
    snprintf(out, HUB_NAME_MAX, "node%u", number);
}

/* Eight nodes may be on each bus of the first vehicle. */
static struct token_ring ring_of_all(void)
{
    struct token_ring ring = {NULL, 0, 0};
    char name[HUB_NAME_MAX], place[HUB_PLACE_MAX];
    for (uint8_t s = 0; s < SEGMENTS; s++)
        for (unsigned i = 0; i < 8; i++) {
            name_of(i, name);
            hub_place(s, place);
            cr_assert(token_ring_add(&ring, place, name, &good));
        }
    return ring;
}

static struct hub_process start_at(bool wire_time)
{
    struct hub_process h = {.joined = 0};
    int stop[2], ring_fd;
    h.ring = hub_ring_make(&ring_fd);
    cr_assert(ne(ptr, h.ring, NULL));
    test_path(h.path, sizeof h.path, "hub");
    int listen_fd = spawn_listen(h.path, SOCK_SEQPACKET);
    cr_assert(ge(int, listen_fd, 0));
    cr_assert(eq(int, pipe(stop), 0));
    h.pid = fork();
    if (h.pid == 0) {
        close(stop[1]);
        fclose(stderr);
        struct token_ring ring = ring_of_all();
        _exit(hub_serve(&(struct hub_setup){.listen_fd = listen_fd,
                                            .stop_fd = stop[0],
                                            .wire_time = wire_time,
                                            .tokens = &ring,
                                            .ring = h.ring,
                                            .wake_fd = -1}));
    }
    close(stop[0]);
    close(listen_fd);
    close(ring_fd);
    h.stop = stop[1];
    return h;
}

static struct hub_process start(void)
{
    return start_at(false);
}

static void stop(struct hub_process *h)
{
    int status;
    close(h->stop);
    waitpid(h->pid, &status, 0);
    unlink(h->path);
    cr_expect(eq(int, status, 0), "the hub ends by itself");
    hub_ring_close(h->ring);
}

/* Waits for a packet, at most two seconds more than the hub's own patience. */
static ssize_t receive(int fd, uint8_t *buf, size_t cap)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, HUB_STALL_MS + 2000) != 1)
        return -1;
    return recv(fd, buf, cap, 0);
}

/* The hub's answer, 0 for none; *fd is the socket. */
static uint8_t greet(struct hub_process *h, const struct hub_hello *hello, int *fd)
{
    uint8_t buf[HUB_PACKET_MAX] = {0};
    *fd = link_connect_unix(h->path, SOCK_SEQPACKET);
    cr_assert(ge(int, *fd, 0));
    send(*fd, buf, hub_hello_write(hello, buf), 0);
    buf[0] = 0;
    return receive(*fd, buf, sizeof buf) > 0 ? buf[0] : 0;
}

static int join(struct hub_process *h, uint8_t segment, const uint32_t *ids, size_t n)
{
    struct hub_hello hello = {.segment = segment, .everything = ids == NULL, .id_count = n, .token = good};
    int fd;
    if (ids)
        memcpy(hello.ids, ids, n * sizeof *ids);
    name_of(h->joined++, hello.name);
    cr_assert(eq(u8, greet(h, &hello, &fd), HUB_WELCOME));
    return fd;
}

static void send_frames(int fd, uint32_t first_id, unsigned count, uint8_t tag)
{
    uint8_t buf[HUB_PACKET_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    wr_u8(&w, HUB_FRAMES);
    for (unsigned i = 0; i < count; i++) {
        struct bus_frame f = {.id = first_id + i, .len = 2, .data = {tag, (uint8_t)i}};
        bus_frame_write(&w, &f);
    }
    cr_assert(eq(int, (int)send(fd, buf, w.len, 0), (int)w.len));
}

/* The next `want` frames as text "id:tag,index ". */
static void read_frames(int fd, unsigned want, char *out, size_t cap)
{
    uint8_t buf[HUB_PACKET_MAX];
    out[0] = '\0';
    while (want) {
        ssize_t len = receive(fd, buf, sizeof buf);
        cr_assert(lt(int, 0, (int)len), "only \"%s\" came", out);
        cr_assert(eq(u8, buf[0], HUB_FRAMES));
        struct rd r = rd_of(buf + 1, (size_t)len - 1);
        struct bus_frame f;
        while (r.left && bus_frame_read(&r, &f) == ERR_OK) {
            snprintf(out + strlen(out), cap - strlen(out), "%X:%d,%d ", f.id, f.data[0], f.data[1]);
            want -= want > 0;
        }
    }
}

Test(hub, gives_each_node_its_segment_and_filter_in_order)
{
    struct hub_process h = start();
    static const uint32_t ids[] = {0x101, 0x103};
    char text[200];
    int a = join(&h, SEGMENT_BODY, NULL, 0), b = join(&h, SEGMENT_BODY, ids, 2),
        c = join(&h, SEGMENT_TELEMATICS, NULL, 0);
    send_frames(a, 0x100, 5, 7);
    read_frames(b, 2, text, sizeof text);
    cr_expect(eq(str, text, "101:7,1 103:7,3 "));
    send_frames(b, 0x200, 1, 8);
    read_frames(a, 1, text, sizeof text);
    cr_expect(eq(str, text, "200:8,0 "), "and not one's own frames");
    send_frames(c, 0x101, 1, 9);
    send_frames(a, 0x103, 1, 10);
    read_frames(b, 1, text, sizeof text);
    cr_expect(eq(str, text, "103:10,0 "), "nothing crosses segments");
    close(a);
    close(b);
    close(c);
    stop(&h);
}

/* Waits for so many records, as text "body 101 telematics 102 ". */
static void read_records(struct hub_process *h, unsigned want, char *out, size_t cap)
{
    struct hub_record r;
    char bus[CAN_BUS_NAME];
    out[0] = '\0';
    for (unsigned ms = 0; want && ms < 5000; ms++) {
        for (; want && hub_ring_take(h->ring, &r); want--) {
            can_bus_name(0, (enum segment)r.bus, bus);
            snprintf(out + strlen(out), cap - strlen(out), "%s %X ", bus, r.frame.id);
        }
        if (want)
            poll(NULL, 0, 1);
    }
    cr_expect(eq(u32, want, 0), "records that did not come");
}

Test(hub, records_all_buses_in_one_order)
{
    struct hub_process h = start();
    char text[200];
    int a = join(&h, SEGMENT_INFOTAINMENT, NULL, 0), b = join(&h, SEGMENT_BODY, NULL, 0);
    send_frames(a, 0x123, 1, 1);
    read_records(&h, 1, text, sizeof text);
    send_frames(b, 0x124, 2, 1);
    read_records(&h, 2, text + strlen(text), sizeof text - strlen(text));
    cr_expect(eq(str, text, "infotainment 123 body 124 body 125 "));
    close(a);
    close(b);
    stop(&h);
}

/* The hub is held while a node speaks, is spoken to, and is gone: it finds all of that at once. */
Test(hub, what_a_dead_node_said_last_is_on_the_bus)
{
    struct hub_process h = start();
    char text[1000];
    static const uint32_t only[] = {0x200};
    int dying = join(&h, SEGMENT_BODY, only, 1), other = join(&h, SEGMENT_BODY, NULL, 0);
    kill(h.pid, SIGSTOP);
    for (unsigned i = 0; i < 40; i++) {
        send_frames(dying, 0x100, 1, 1);
        send_frames(other, 0x200, 1, 1);
    }
    close(dying);
    kill(h.pid, SIGCONT);
    close(other);
    read_records(&h, 80, text, sizeof text);
    unsigned of_dying = 0;
    for (const char *p = text; (p = strstr(p, "body 100 ")); p++)
        of_dying++;
    cr_expect(eq(u32, of_dying, 40));
    stop(&h);
}

Test(hub, a_killed_hub_takes_no_record_along)
{
    struct hub_process h = start();
    char text[600];
    int a = join(&h, SEGMENT_BODY, NULL, 0), b = join(&h, SEGMENT_BODY, NULL, 0);
    send_frames(a, 0x100, 3, 1);
    read_frames(b, 3, text, sizeof text);
    kill(h.pid, SIGKILL);
    read_records(&h, 3, text, sizeof text);
    cr_expect(eq(str, text, "body 100 body 101 body 102 "));
    waitpid(h.pid, NULL, 0);
    close(h.stop);
    unlink(h.path);
    hub_ring_close(h.ring);
    close(a);
    close(b);
}

/* Nobody reads the records: senders wait, and nothing is lost. */
Test(hub, reads_from_nobody_while_there_is_no_room_for_records, .timeout = 60)
{
    struct hub_process h = start();
    struct hub_record r;
    unsigned sent = 0, taken = 0;
    int a = join(&h, SEGMENT_BODY, NULL, 0);
    struct pollfd p = {.fd = a, .events = POLLOUT};
    while (sent < 2 * HUB_RING_FRAMES && poll(&p, 1, 500) == 1) {
        send_frames(a, 0x100, 128, 1);
        sent += 128;
    }
    cr_expect(lt(u32, HUB_RING_FRAMES / 2, sent));
    cr_expect(lt(u32, sent, 2 * HUB_RING_FRAMES), "the sender waits");
    for (unsigned ms = 0; taken < sent && ms < 5000; ms++) {
        while (hub_ring_take(h.ring, &r)) {
            cr_assert(eq(u32, r.frame.id, 0x100 + taken % 128));
            taken++;
        }
        poll(NULL, 0, 1);
    }
    cr_expect(eq(u32, taken, sent));
    close(a);
    stop(&h);
}

/* ---- is all there that was sent? ---- */

static struct link_tally tallies[2];

static const struct link_tally *tally_of(void *ctx, const struct setup_instance *who, unsigned port)
{
    (void)ctx;
    (void)port;
    return &tallies[strcmp(who->name, "b") == 0];
}

static char audited[400];

static void note_audit(void *ctx, const char *text)
{
    (void)ctx;
    text_copy(audited, sizeof audited, text);
}

static void no_frame(void *ctx, uint64_t now_us, const char *bus, const struct bus_frame *f)
{
    (void)ctx;
    (void)now_us;
    (void)bus;
    (void)f;
}

static const struct {
    const char *what;
    uint64_t a_sent, b_sent;
    uint32_t unsure;
    unsigned recorded, unsent, hub_lives;
    const char *says; /* NULL: whole */
    bool busy;        /* as long as it goes on: some were not heard yet */
} audits[] = {
    {"all are there", 3, 2, 0, 5, 0, 1, NULL, false},
    {"one is missing", 3, 2, 0, 4, 0, 1, "on body 5 frames were sent (a 3, b 2), and 4 are recorded", true},
    {"none is there", 1, 0, 0, 0, 0, 1, "on body 1 frames were sent (a 1), and 0 are recorded", true},
    {"one more than anybody sent", 3, 2, 0, 6, 0, 1, "and 6 are recorded", false},
    {"one in the hands of a life that was killed", 3, 2, 1, 6, 0, 1, NULL, false},
    {"two more than it can be", 3, 2, 1, 7, 0, 1, "and 7 are recorded", false},
    {"one waited for the wire when its sender left", 3, 2, 0, 4, 1, 1, NULL, false},
    {"a hub was killed with some unread", 3, 2, 0, 1, 0, 2, NULL, false},
    {"a killed hub invents none", 3, 2, 0, 6, 0, 2, "and 6 are recorded", false},
};

Test(hub, a_record_that_is_not_whole_is_told)
{
    static const struct port_spec port = {.name = "body", .medium = "can", .segment = SEGMENT_BODY};
    static const struct component_class class = {.name = "x", .ports = &port, .port_count = 1};
    static const struct setup_instance who[] = {{.name = "a", .class = &class},
                                                {.name = "b", .class = &class}};
    for (size_t i = 0; i < sizeof audits / sizeof audits[0]; i++) {
        struct setup_world w = {.instances = who, .count = 2, .fail = note_audit, .frame = no_frame};
        struct can_recorder r;
        cr_assert(ge(int, sd_event_new(&w.event), 0));
        can_recorder_begin(&r, &w, SEGMENTS);
        cr_assert(can_recorder_on_hub(&r));
        for (unsigned k = 0; k < audits[i].recorded; k++)
            hub_ring_put(r.ring, 1, SEGMENT_BODY, &(struct bus_frame){.id = 0x100});
        atomic_store(&r.ring->unsent[SEGMENT_BODY], audits[i].unsent);
        r.hub_lives = audits[i].hub_lives;
        atomic_store(&tallies[0].sent, audits[i].a_sent);
        atomic_store(&tallies[0].unsure, audits[i].unsure);
        atomic_store(&tallies[1].sent, audits[i].b_sent);
        audited[0] = '\0';
        cr_expect(eq(int, can_recorder_busy(&r, tally_of), audits[i].busy), "%s", audits[i].what);
        can_recorder_audit(&r, tally_of);
        bool right = audits[i].says ? strstr(audited, audits[i].says) != NULL : !audited[0];
        cr_expect(right, "%s: %s", audits[i].what, audited);
        can_recorder_end(&r);
        sd_event_unref(w.event);
    }
}

/* Bytes that are not given are 0: so many as a whole greeting has, and one more or less. */
#define HELLO_LEN (4 + HUB_NAME_MAX + TOKEN_SIZE)

static const struct {
    const char *name;
    uint8_t bytes[8];
    size_t len;
    bool greeted;
    const char *says;
} wrongs[] = {
    {"no greeting", {HUB_FRAMES, 0}, 2, false, "(BAD_SYNTAX)"},
    {"unknown segment", {HUB_HELLO, 9, 0, 0}, 4, false, "(BAD_SYNTAX)"},
    {"too many filters", {HUB_HELLO, 0, 0, 200}, 4, false, "(BAD_SYNTAX)"},
    {"cut greeting", {HUB_HELLO, 0}, 2, false, "(BAD_SYNTAX)"},
    {"a byte too few", {HUB_HELLO, 0}, HELLO_LEN - 1, false, "(BAD_SYNTAX)"},
    {"a byte too many", {HUB_HELLO, 0}, HELLO_LEN + 1, false, "(BAD_SYNTAX)"},
    {"fewer filters than it says", {HUB_HELLO, 0, 0, 1}, HELLO_LEN, false, "(BAD_SYNTAX)"},
    {"a whole one without a token", {HUB_HELLO, 0}, HELLO_LEN, false, "(LINK_NOT_ADMITTED)"},
    {"longer than any", {HUB_HELLO, 0}, DOOR_GREETING_MAX + 1, false, "(MSG_TOO_LONG)"},
    {"cut frame", {HUB_FRAMES, 0, 0, 1, 0x23, 0, 8, 1}, 8, true, "not a frame"},
    {"unknown packet", {99}, 1, true, "unknown type"},
};

Test(hub, what_is_not_understood_is_sent_away_with_a_reason)
{
    struct hub_process h = start();
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        uint8_t buf[HUB_PACKET_MAX] = {0}, packet[2 * DOOR_GREETING_MAX] = {0};
        int fd =
            wrongs[i].greeted ? join(&h, SEGMENT_BODY, NULL, 0) : link_connect_unix(h.path, SOCK_SEQPACKET);
        memcpy(packet, wrongs[i].bytes, sizeof wrongs[i].bytes);
        send(fd, packet, wrongs[i].len, 0);
        ssize_t len = receive(fd, buf, sizeof buf - 1);
        cr_expect(lt(int, 5, (int)len), "%s", wrongs[i].name);
        cr_expect(eq(u8, buf[0], HUB_BYE), "%s", wrongs[i].name);
        cr_expect(strstr((const char *)buf + 1, wrongs[i].says) != NULL, "%s: %s", wrongs[i].name,
                  (const char *)buf + 1);
        cr_expect(eq(int, (int)receive(fd, buf, sizeof buf), 0), "%s: closed after it", wrongs[i].name);
        close(fd);
    }
    stop(&h);
}

Test(hub, never_drops_and_sends_away_who_stops_reading, .timeout = 60)
{
    struct hub_process h = start();
    static const uint32_t only[] = {0x1FF};
    char text[100];
    uint8_t buf[HUB_PACKET_MAX];
    struct hub_record record;
    unsigned records = 0;
    int sender = join(&h, SEGMENT_BODY, NULL, 0), reader = join(&h, SEGMENT_BODY, only, 1);
    int sleeper = join(&h, SEGMENT_BODY, NULL, 0);
    /* the reader takes one frame of each packet and must see them all; the sleeper takes nothing */
    for (unsigned n = 0; n < 400; n++) {
        struct pollfd p = {.fd = sender, .events = POLLOUT};
        cr_assert(eq(int, poll(&p, 1, HUB_STALL_MS + 5000), 1), "the sender is stuck at %u", n);
        send_frames(sender, 0x100, 256, (uint8_t)n);
        read_frames(reader, 1, text, sizeof text);
        while (hub_ring_take(h.ring, &record))
            records++;
        char want[32];
        snprintf(want, sizeof want, "1FF:%d,255 ", (uint8_t)n);
        cr_assert(eq(str, text, want));
    }
    ssize_t len = 1;
    while (len > 0)
        len = receive(sleeper, buf, sizeof buf);
    cr_expect(eq(int, (int)len, 0), "the sleeper is cut off");
    cr_expect(eq(u32, records, 400 * 256));
    close(sender);
    close(reader);
    close(sleeper);
    stop(&h);
}

/* 64 frames of 98 us each on a wire: the low identifier that comes while they wait goes before most of them.
 */
Test(hub, with_wire_time_frames_take_their_time_and_arbitration_decides)
{
    struct hub_process h = start_at(true);
    static const uint32_t only[] = {0x7C0};
    int flood = join(&h, SEGMENT_BODY, only, 1), other = join(&h, SEGMENT_BODY, only, 1);
    unsigned seen = 0, place = 0;
    uint64_t first_us = 0;
    struct hub_record r = {.time_us = 0};
    send_frames(flood, 0x200, 1000, 1);
    send_frames(other, 0x100, 1, 2);
    for (unsigned ms = 0; seen < 1001 && ms < 5000; ms++) {
        while (hub_ring_take(h.ring, &r)) {
            first_us = seen ? first_us : r.time_us;
            seen++;
            place = r.frame.id == 0x100 ? seen : place;
        }
        poll(NULL, 0, 1);
    }
    uint64_t us = r.time_us - first_us;
    cr_expect(eq(u32, seen, 1001));
    cr_expect(ge(u64, us, 1000 * 131), "1001 frames of 131 us came within %llu us", (unsigned long long)us);
    cr_expect(lt(u32, place, 1001), "the low identifier was the last");
    close(flood);
    close(other);
    stop(&h);
}

/* ---- who may come in ---- */

static const struct {
    const char *what, *name;
    uint8_t segment, token;
    uint8_t answer;
} doors[] = {
    {"its own bus, its own name", "node1", SEGMENT_BODY, 1, HUB_WELCOME},
    {"a name that the hub does not know", "rogue", SEGMENT_BODY, 1, HUB_BYE},
    {"no name", "", SEGMENT_BODY, 1, HUB_BYE},
    {"a bus of a vehicle that is not there", "node1", SEGMENTS + SEGMENT_BODY, 1, HUB_BYE},
    {"another token", "node1", SEGMENT_BODY, 2, HUB_BYE},
    {"a bus that is none", "node1", 0xFF, 1, HUB_BYE},
};

Test(hub, a_role_is_had_by_bus_name_and_token_together)
{
    struct hub_process h = start();
    for (size_t i = 0; i < sizeof doors / sizeof doors[0]; i++) {
        struct hub_hello hello = {.segment = doors[i].segment, .everything = true, .token = good};
        int fd;
        text_copy(hello.name, sizeof hello.name, doors[i].name);
        hello.token.bytes[0] = doors[i].token;
        cr_expect(eq(u8, greet(&h, &hello, &fd), doors[i].answer), "%s", doors[i].what);
        close(fd);
    }
    stop(&h);
}

Test(hub, the_next_life_of_a_node_ends_the_first)
{
    struct hub_process h = start();
    char text[100];
    uint8_t buf[8];
    int first = join(&h, SEGMENT_BODY, NULL, 0);
    h.joined = 0;
    int second = join(&h, SEGMENT_BODY, NULL, 0), other = join(&h, SEGMENT_BODY, NULL, 0);
    cr_expect(eq(int, (int)receive(first, buf, sizeof buf), 0), "the first hears that it is over");
    send_frames(second, 0x300, 1, 5);
    read_frames(other, 1, text, sizeof text);
    cr_expect(eq(str, text, "300:5,0 "));
    close(first);
    close(second);
    close(other);
    stop(&h);
}

/* More than the hub has room for nodes, and none of them says a word. */
Test(hub, idle_strangers_keep_no_node_out, .timeout = 30)
{
    struct hub_process h = start();
    int strangers[HUB_NODES_MAX + 50];
    uint8_t buf[200];
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        while ((strangers[i] = link_connect_unix(h.path, SOCK_SEQPACKET)) < 0)
            cr_assert(eq(int, errno, EAGAIN)); /* the hub has not yet come to take it */
    }
    close(join(&h, SEGMENT_BODY, NULL, 0));
    cr_expect(lt(int, 1, (int)receive(strangers[0], buf, sizeof buf)));
    cr_expect(eq(u8, buf[0], HUB_BYE), "the oldest gives way");
    int last = strangers[sizeof strangers / sizeof strangers[0] - 1];
    cr_expect(lt(int, 1, (int)receive(last, buf, sizeof buf)));
    cr_expect(eq(u8, buf[0], HUB_BYE), "who does not greet goes");
    cr_expect(eq(int, (int)receive(last, buf, sizeof buf), 0));
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++)
        close(strangers[i]);
    stop(&h);
}

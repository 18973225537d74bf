/* The thread that does works (lib/host/worker.h), and the tap's masking of secrets (lib/host/node_tap.c). */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/host/node.h"
#include "lib/host/worker.h"
#include "tests/check.h"

#define LIMIT_MS 10000 /* for a result to come */

/* ---- works ---- */

/* A work that waits until the test opens the gate: what is under way is then certain. */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static bool gate_open, gate_reached;

static void gate_set(bool open, bool reached)
{
    pthread_mutex_lock(&gate_lock);
    gate_open = open;
    gate_reached = reached;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate_lock);
}

static void gate_wait_reached(void)
{
    pthread_mutex_lock(&gate_lock);
    while (!gate_reached)
        pthread_cond_wait(&gate_moved, &gate_lock);
    pthread_mutex_unlock(&gate_lock);
}

static enum err work_gate(struct span in, uint8_t *out, size_t cap, size_t *len)
{
    pthread_mutex_lock(&gate_lock);
    gate_reached = true;
    pthread_cond_broadcast(&gate_moved);
    while (!gate_open)
        pthread_cond_wait(&gate_moved, &gate_lock);
    pthread_mutex_unlock(&gate_lock);
    *len = in.len < cap ? in.len : cap;
    memcpy(out, in.p, *len);
    return ERR_OK;
}

static enum err work_reverse(struct span in, uint8_t *out, size_t cap, size_t *len)
{
    if (in.len > cap)
        return ERR_NO_SPACE;
    for (size_t i = 0; i < in.len; i++)
        out[i] = in.p[in.len - 1 - i];
    *len = in.len;
    return ERR_OK;
}

enum { WORK_GATE, WORK_REVERSE };
static const struct work_spec works[] = {
    [WORK_GATE] = {"gate", work_gate, 0, 8},
    [WORK_REVERSE] = {"reverse", work_reverse, 0, 8},
    {.name = NULL},
};

static struct worker *begin(void)
{
    gate_set(false, false);
    struct worker *w = worker_new(works);
    cr_assert(ne(ptr, w, NULL));
    return w;
}

static void put(struct worker *w, unsigned work, const char *text)
{
    ASSERT_OK(worker_put(w, work, span_of(text, strlen(text))));
}

/* The next result; waits for it on the descriptor, as the host does. */
static void expect_result(struct worker *w, unsigned work, enum err want, const char *text)
{
    struct pollfd p = {.fd = worker_fd(w), .events = POLLIN};
    struct span result;
    unsigned got;
    uint64_t count;
    enum err e;
    while (!worker_take(w, &got, &e, &result)) {
        cr_assert(eq(int, poll(&p, 1, LIMIT_MS), 1), "no result \"%s\"", text);
        cr_assert(eq(int, (int)read(p.fd, &count, sizeof count), (int)sizeof count));
    }
    cr_expect(eq(u32, got, work));
    EXPECT_ERR(e, want);
    cr_expect(span_is(result, text), "%s: %.*s", text, (int)result.len, (const char *)result.p);
}

TestSuite(worker, .timeout = 60);

Test(worker, results_come_in_the_order_in_which_works_were_put)
{
    struct worker *w = begin();
    put(w, WORK_GATE, "slow");
    put(w, WORK_REVERSE, "abc");
    put(w, WORK_REVERSE, "much too long");
    put(w, WORK_REVERSE, "");
    cr_expect(eq(sz, worker_count(w), 4));
    gate_wait_reached();
    struct pollfd p = {.fd = worker_fd(w), .events = POLLIN};
    cr_expect(eq(int, poll(&p, 1, 0), 0), "nothing is done while the first is at it");
    gate_set(true, false);
    expect_result(w, WORK_GATE, ERR_OK, "slow");
    expect_result(w, WORK_REVERSE, ERR_OK, "cba");
    expect_result(w, WORK_REVERSE, ERR_NO_SPACE, "");
    expect_result(w, WORK_REVERSE, ERR_OK, "");
    cr_expect(eq(sz, worker_count(w), 0));
    worker_free(w);
}

Test(worker, the_input_is_copied)
{
    struct worker *w = begin();
    char text[] = "abc";
    put(w, WORK_GATE, "");
    put(w, WORK_REVERSE, text);
    memset(text, 'x', 3);
    gate_set(true, false);
    expect_result(w, WORK_GATE, ERR_OK, "");
    expect_result(w, WORK_REVERSE, ERR_OK, "cba");
    worker_free(w);
}

static void *open_gate(void *ctx)
{
    (void)ctx;
    gate_set(true, true);
    return NULL;
}

/* One is being done, one waits, one is done and not taken: freeing waits for the first and forgets the
 * others. */
Test(worker, freed_while_it_is_busy)
{
    struct worker *w = begin();
    pthread_t opener;
    put(w, WORK_REVERSE, "done");
    expect_result(w, WORK_REVERSE, ERR_OK, "enod");
    put(w, WORK_REVERSE, "left");
    put(w, WORK_GATE, "busy");
    put(w, WORK_REVERSE, "waits");
    gate_wait_reached();
    cr_assert(eq(int, pthread_create(&opener, NULL, open_gate, NULL), 0));
    worker_free(w);
    cr_expect(gate_open, "it was waited for");
    pthread_join(opener, NULL);
}

Test(worker, freed_before_its_first_work)
{
    struct worker *w = begin();
    struct span result;
    unsigned work;
    enum err e;
    cr_expect(not(worker_take(w, &work, &e, &result)));
    cr_expect(eq(sz, worker_count(w), 0));
    worker_free(w);
    worker_free(NULL);
}

static _Atomic unsigned counted;

static enum err work_count(struct span in, uint8_t *out, size_t cap, size_t *len)
{
    counted++;
    return work_reverse(in, out, cap, len);
}

/* Of two workers, as two processes would have them, the second takes what the first came to; another class
 * does not. */
Test(worker, what_the_same_class_asked_already_is_remembered)
{
    static const struct work_spec count[] = {{"count", work_count, 0, 8}, {.name = NULL}};
    static const char *const classes[] = {"vos", "vos", "tbe"};
    static const unsigned done[] = {1, 1, 2};
    int fd;
    struct work_memo *memo = work_memo_make(&fd);
    cr_assert(ne(ptr, memo, NULL));
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        struct worker *w = worker_new(count);
        struct work_memo *own = work_memo_open(fd);
        cr_assert(ne(ptr, w, NULL));
        cr_assert(ne(ptr, own, NULL));
        worker_remember(w, classes[i], own);
        put(w, 0, "abc");
        expect_result(w, 0, ERR_OK, "cba");
        cr_expect(eq(u32, counted, done[i]), "%s, the %zu. time", classes[i], i);
        worker_free(w);
        work_memo_close(own);
    }
    work_memo_free(memo);
    close(fd);
}

/* ---- masking ---- */

static struct {
    uint8_t bytes[256];
    size_t len;
    char from[40], to[40];
} tapped;

static uint64_t tap_now_us(struct node *n)
{
    (void)n;
    return 5;
}

static void tap_hear(struct node *n, const struct tap_event *e)
{
    (void)n;
    cr_assert(le(sz, e->bytes.len, sizeof tapped.bytes));
    memcpy(tapped.bytes, e->bytes.p, e->bytes.len);
    tapped.len = e->bytes.len;
    text_copy(tapped.from, sizeof tapped.from, e->from);
    text_copy(tapped.to, sizeof tapped.to, e->to);
}

static const struct node_host tap_host = {.now_us = tap_now_us, .tap = tap_hear};
static const struct medium air = {.name = "air", .ready = LINK_UP};
static const struct medium *const air_only[] = {&air, NULL};
static const struct port_spec air_port[] = {{.name = "ear", .medium = "air"},
                                            {.name = "whisper", .medium = "air", .confidential = true}};
static const char *const secret_keys[] = {"key/", "pin", NULL};
static const struct component_class keeper = {
    .name = "keeper", .stores = true, .ports = air_port, .port_count = 2, .secrets = secret_keys};

static const struct {
    const char *name, *in, *out;
} masks[] = {
    {"nothing secret", "0123456789", "0123456789"},
    {"empty", "", ""},
    {"raw", "<ABCDEFGHIJ>", "<**********>"},
    {"twice", "ABCDEFGHIJABCDEFGHIJ.", "********************."},
    {"all but its last byte", "ABCDEFGHI-", "ABCDEFGHI-"},
    {"as hex", "=4142434445464748494a=", "=********************="},
    {"as upper-case hex", "=4142434445464748494A=", "=********************="},
    {"two that share bytes", "(ABCDEFGHIJKLMNOP)", "(****************)"},
    {"one that meets itself", "xyxyxyxyxyxyxy-", "**************-"},
    {"too short to be one", "1234 1234", "1234 1234"},
    {"of a key that is not secret", "publicpublic", "publicpublic"},
};

/* A keeper of "ABCDEFGHIJ", of one that begins in its end, and of one that meets itself. */
static void prepare_keeper(struct node *n, struct store *store)
{
    node_prepare(n, &tap_host, &keeper, air_only, "keeper", NULL, store, NULL);
    ASSERT_OK(store_set(store, "key/a", span_of("ABCDEFGHIJ", 10)));
    ASSERT_OK(store_set(store, "key/b", span_of("GHIJKLMNOP", 10)));
    ASSERT_OK(store_set(store, "key/c", span_of("xyxyxyxyxy", 10)));
    ASSERT_OK(store_set(store, "pin", span_of("1234", 4)));
    ASSERT_OK(store_set(store, "name", span_of("publicpublic", 12)));
}

Test(tap, secrets_are_masked_and_nothing_else)
{
    struct node n = {0};
    struct store *store = store_memory_new();
    prepare_keeper(&n, store);
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        node_tap(&n, 0, i % 2, "peer", span_of(masks[i].in, strlen(masks[i].in)), ERR_OK);
        cr_expect(span_is(span_of(tapped.bytes, tapped.len), masks[i].out), "%s: %.*s", masks[i].name,
                  (int)tapped.len, (const char *)tapped.bytes);
        cr_expect(eq(str, i % 2 ? tapped.from : tapped.to, "keeper"));
        cr_expect(eq(str, i % 2 ? tapped.to : tapped.from, "peer"));
    }
    node_tap_forget(&n);
    store_close(store);
}

Test(tap, of_a_confidential_port_nothing_but_the_length_is_told)
{
    struct node n = {0};
    struct store *store = store_memory_new();
    prepare_keeper(&n, store);
    for (unsigned out = 0; out < 2; out++) {
        node_tap(&n, 1, out, "peer", span_of("<ABCDEFGHIJ> 12345678", 21), ERR_OK);
        cr_expect(span_is(span_of(tapped.bytes, tapped.len), "*********************"));
    }
    node_tap_forget(&n);
    store_close(store);
}

Test(tap, a_secret_is_known_after_the_commit_that_stores_it)
{
    struct node n = {0};
    struct store *store = store_memory_new();
    prepare_keeper(&n, store);
    node_tap(&n, 0, true, "", span_of("new-secret", 10), ERR_OK);
    cr_expect(span_is(span_of(tapped.bytes, tapped.len), "new-secret"));
    ASSERT_OK(store_set(store, "key/new", span_of("new-secret", 10)));
    n.secrets_known = false; /* as a commit leaves it */
    node_tap(&n, 0, true, "", span_of("new-secret", 10), ERR_OK);
    cr_expect(span_is(span_of(tapped.bytes, tapped.len), "**********"));
    node_tap_forget(&n);
    store_close(store);
}

/* ---- frames ---- */

static struct bus_frame sent;

static enum err frame_send(struct node *n, unsigned port, const char *address, struct span bytes,
                           uint64_t delay_us)
{
    (void)n, (void)port, (void)address, (void)delay_us;
    memcpy(&sent, bytes.p, sizeof sent);
    return ERR_OK;
}

static bool frame_link_up(struct node *n, unsigned port)
{
    (void)n, (void)port;
    return true;
}

static const struct node_host frame_host = {
    .now_us = tap_now_us, .tap = tap_hear, .send = frame_send, .link_up = frame_link_up};
static const struct medium bus = {.name = "bus", .frames = true, .ready = LINK_UP};
static const struct medium *const bus_only[] = {&bus, NULL};
static const struct port_spec bus_port[] = {{.name = "wire", .medium = "bus"}};
static void take_frame(void *self, unsigned port, const struct bus_frame *f)
{
    (void)self, (void)port, (void)f;
}
static const struct component_class driver = {
    .name = "driver", .ports = bus_port, .port_count = 1, .on_frame = take_frame};

static const struct {
    const char *name, *tapped; /* hex */
    struct bus_frame frame;    /* the data is 0xEE to its end */
    size_t data;               /* bytes of it that leave */
} frames[] = {
    {"classic",
     "00000123"
     "00"
     "02"
     "eeee",
     {.id = 0x123, .len = 2},
     2},
    {"extended FD",
     "1abcdef0"
     "05"
     "03"
     "eeeeee",
     {.id = 0x1ABCDEF0, .flags = BUS_EXTENDED | BUS_FD, .len = 3},
     3},
    {"remote",
     "00000001"
     "02"
     "08",
     {.id = 1, .flags = BUS_REMOTE, .len = 8},
     0},
    {"empty",
     "00000001"
     "00"
     "00",
     {.id = 1},
     0},
};

/* What a component leaves in memory behind a frame's data is neither sent nor recorded. */
Test(tap, a_frame_is_its_data_and_no_more)
{
    struct store *store = store_memory_new();
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        struct node n = {0};
        struct bus_frame f = frames[i].frame;
        char hex[2 * sizeof tapped.bytes + 1];
        memset(f.data, 0xEE, sizeof f.data);
        node_prepare(&n, &frame_host, &driver, bus_only, "driver", NULL, store, NULL);
        ASSERT_OK(n.env.ops->send_frame(&n.env, 0, &f));
        hex_encode(tapped.bytes, tapped.len, hex);
        cr_expect(eq(str, hex, (char *)frames[i].tapped), "%s", frames[i].name);
        for (size_t k = 0; k < sizeof sent.data; k++)
            cr_expect(eq(u8, sent.data[k], k < frames[i].data ? 0xEE : 0), "%s %zu", frames[i].name, k);
        node_tap_forget(&n);
    }
    store_close(store);
}

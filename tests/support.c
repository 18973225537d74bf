#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct bench *bench_of(struct node *n)
{
    return (struct bench *)n;
}

static uint64_t bench_now_us(struct node *n)
{
    return bench_of(n)->now_us;
}

static int64_t bench_wall_ms(struct node *n)
{
    return bench_of(n)->wall_ms + (int64_t)(bench_of(n)->now_us / 1000);
}

static void bench_timer_set(struct node *n, unsigned timer, uint64_t at_us)
{
    bench_of(n)->due_us[timer] = at_us;
}

static enum err bench_send(struct node *n, unsigned port, const char *address, struct span bytes,
                           uint64_t delay_us)
{
    struct bench *b = bench_of(n);
    (void)delay_us;
    if (b->sent_count == BENCH_SENT)
        abort();
    struct bench_sent *s = &b->sent[b->sent_count++];
    s->port = port;
    s->is_frame = n->media[port]->frames;
    if (s->is_frame)
        memcpy(&s->frame, bytes.p, sizeof s->frame);
    else
        memcpy(s->bytes, bytes.p, bytes.len);
    s->len = bytes.len;
    text_copy(s->address, sizeof s->address, address);
    return ERR_OK;
}

static bool bench_link_up(struct node *n, unsigned port)
{
    return bench_of(n)->up[port];
}

static enum err bench_subscribe(struct node *n, unsigned port, const char *topic)
{
    (void)n;
    (void)port;
    (void)topic;
    return ERR_OK;
}

static void bench_trace(struct node *n, const struct trace_event *e)
{
    struct bench *b = bench_of(n);
    if (b->trace_count == BENCH_TRACE)
        abort();
    b->trace[b->trace_count++] = *e;
}

static void bench_die(struct node *n, const struct fault *why)
{
    (void)why;
    n->dead = true;
}

static enum err bench_tell(struct node *n, unsigned port, const char *address, const char *news)
{
    struct bench *b = bench_of(n);
    b->told_count++;
    snprintf(b->told, sizeof b->told, "%s %s%s%s", n->class->ports[port].name, news, *address ? " " : "",
             address);
    size_t used = strlen(b->told_all);
    if (used + strlen(b->told) + 3 < sizeof b->told_all)
        snprintf(b->told_all + used, sizeof b->told_all - used, "; %s", b->told);
    if (b->on_tell)
        b->on_tell(b, address, news);
    return b->untold && strstr(news, b->untold) ? ERR_NO_SPACE : b->tell;
}

/* Done at once; its result comes with the time that passes next. */
static enum err bench_work(struct node *n, unsigned work, struct span in)
{
    struct bench *b = bench_of(n);
    const struct work_spec *spec = &n->class->works[work];
    if (b->work_count == BENCH_WORKS || spec->result_max > sizeof b->works[0].result)
        abort();
    b->works[b->work_count].work = work;
    b->works[b->work_count].e =
        spec->run(in, b->works[b->work_count].result, spec->result_max, &b->works[b->work_count].len);
    b->work_count++;
    return ERR_OK;
}

void bench_finish_works(struct bench *b)
{
    for (size_t i = 0; i < b->work_count; i++)
        node_on_work(&b->node, b->works[i].work, b->works[i].e, span_of(b->works[i].result, b->works[i].len));
    b->work_count = 0;
}

static const struct node_host host = {.now_us = bench_now_us,
                                      .wall_ms = bench_wall_ms,
                                      .timer_set = bench_timer_set,
                                      .send = bench_send,
                                      .link_up = bench_link_up,
                                      .subscribe = bench_subscribe,
                                      .tell = bench_tell,
                                      .work = bench_work,
                                      .trace = bench_trace,
                                      .die = bench_die};

void bench_prepare(struct bench *b, const struct component_class *class, struct crypto *crypto)
{
    memset(b, 0, sizeof *b);
    b->sent = calloc(BENCH_SENT, sizeof *b->sent);
    b->trace = calloc(BENCH_TRACE, sizeof *b->trace);
    b->wall_ms = TEST_NOW_S * 1000;
    for (size_t i = 0; i < ENV_TIMERS; i++)
        b->due_us[i] = ENV_NEVER;
    node_prepare(&b->node, &host, class, media, class->name, crypto, store_memory_new(), NULL);
}

enum err bench_start(struct bench *b, const struct component_args *args)
{
    struct component_args with_key = *args;
    if (!args->store_key)
        with_key.store_key = test_store_key;
    enum err e = node_start(&b->node, &with_key);
    if (!e)
        bench_links(b, LINK_SUBSCRIBED);
    return e;
}

void bench_free(struct bench *b)
{
    node_stop(&b->node);
    store_close(b->node.store);
    free(b->sent);
    free(b->trace);
}

void bench_links(struct bench *b, enum link_state state)
{
    for (unsigned i = 0; i < b->node.class->port_count; i++) {
        b->up[i] = state != LINK_DOWN;
        node_on_link(&b->node, i, state == LINK_DOWN ? state : b->node.media[i]->ready);
    }
}

void bench_frame(struct node *n, unsigned port, const struct bus_frame *f)
{
    node_on_bytes(n, port, "", span_of(f, sizeof *f));
}

void bench_run_ms(struct bench *b, uint64_t ms)
{
    uint64_t end_us = b->now_us + ms * 1000;
    for (;;) {
        unsigned next = 0;
        for (unsigned i = 1; i < ENV_TIMERS; i++)
            if (b->due_us[i] < b->due_us[next])
                next = i;
        if (b->due_us[next] > end_us)
            break;
        if (b->due_us[next] > b->now_us)
            b->now_us = b->due_us[next];
        b->due_us[next] = ENV_NEVER;
        node_on_timer(&b->node, next);
    }
    b->now_us = end_us;
}

size_t bench_count(const struct bench *b, enum trace_kind kind, enum err reason)
{
    size_t n = 0;
    for (size_t i = 0; i < b->trace_count; i++)
        n += b->trace[i].kind == kind && (reason == ERR_OK || b->trace[i].reason == reason);
    return n;
}

const struct trace_event *bench_last(const struct bench *b, enum trace_kind kind)
{
    for (size_t i = b->trace_count; i-- > 0;)
        if (b->trace[i].kind == kind)
            return &b->trace[i];
    return NULL;
}

struct crypto *test_crypto(void)
{
    static struct crypto *c;
    if (!c)
        c = crypto_new(NULL);
    return c;
}

const struct oem *test_oem(int64_t now_s)
{
    static struct oem o;
    struct oem_options options = {.now_s = now_s};
    if (!o.roles[0].key && oem_make(test_crypto(), &options, &o) != ERR_OK)
        abort();
    return &o;
}

const uint8_t test_store_key[ENV_STORE_KEY] = "a key that lies in no store ever";

void test_equip(const struct component_class *class, const char *serial, struct store *store)
{
    static const char *const nobody[] = {NULL};
    struct plant_shift shift = {
        .crypto = test_crypto(), .oem = *test_oem(TEST_NOW_S), .now_s = TEST_NOW_S, .serials = nobody};
    memcpy(shift.store_key, test_store_key, sizeof shift.store_key);
    if (plant_equip(&shift, class, serial, true, NULL, 0, store))
        abort();
}

enum err bench_secret(struct bench *b, const char *key, void *buf, size_t cap, size_t *len)
{
    return seal_get(&b->node.seal, b->node.store, key, buf, cap, len);
}

void test_path(char *out, size_t cap, const char *name)
{
    const char *base = getenv("TMPDIR");
    snprintf(out, cap, "%s/spaaksim-test.%d.%s", base ? base : "/tmp", (int)getpid(), name);
}

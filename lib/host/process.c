#include "lib/host/process.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/host/node.h"

#define PAIRS_MAX    24
#define BARRIERS_MAX 16

#define TRACE_DELAY_US 2000

/* A send that a fault has put off. */
struct late {
    struct late *next;
    uint64_t due_us;
    unsigned port;
    char address[96];
    size_t len;
    uint8_t bytes[];
};

struct process {
    struct node node; /* first */
    sd_event *event;
    struct link *links[ENV_PORTS];
    bool up[ENV_PORTS];
    struct process_port {
        struct process *process;
        unsigned port;
    } ports[ENV_PORTS];
    uint64_t start_ns, due_us[ENV_TIMERS];
    sd_event_source *clock, *control_io;
    uint64_t clock_due_us;
    struct late *late;
    int control;
    struct trace_event batch[PROCESS_TRACE_BATCH];
    size_t batched;
    bool urgent;
    uint64_t trace_due_us; /* the batch goes at this time at the latest */
    struct fault_plan plan;
    char barriers[BARRIERS_MAX][12];
    size_t barrier_count;
    const char *pairs[PAIRS_MAX + 1];
    size_t pair_count;
    char store_path[512], serial[40], name[16], endpoints[ENV_PORTS][512];
    bool cut[ENV_PORTS], stop;
    unsigned sequence;
};

static struct process *process_of(struct node *n)
{
    return (struct process *)n;
}

/* ---- time ---- */

static uint64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t host_now_us(struct node *n)
{
    return (monotonic_ns() - process_of(n)->start_ns) / 1000;
}

static int64_t host_wall_ms(struct node *n)
{
    struct timespec t;
    (void)n;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void host_timer_set(struct node *n, unsigned timer, uint64_t at_us)
{
    process_of(n)->due_us[timer] = at_us;
}

/* ---- links ---- */

static enum err host_send(struct node *n, unsigned port, const char *address, struct span bytes,
                          uint64_t delay_us)
{
    struct process *p = process_of(n);
    struct link *l = p->links[port];
    if (delay_us == 0)
        return l->ops->send(l, address, bytes);
    struct late *late = malloc(sizeof *late + bytes.len);
    if (!late)
        return ERR_NO_MEMORY;
    *late =
        (struct late){.next = p->late, .due_us = host_now_us(n) + delay_us, .port = port, .len = bytes.len};
    text_copy(late->address, sizeof late->address, address);
    memcpy(late->bytes, bytes.p, bytes.len);
    p->late = late;
    return ERR_OK;
}

static bool host_link_up(struct node *n, unsigned port)
{
    return process_of(n)->up[port];
}

static enum err host_subscribe(struct node *n, unsigned port, const char *topic)
{
    struct link *l = process_of(n)->links[port];
    return l->ops->subscribe ? l->ops->subscribe(l, topic) : ERR_BAD_ARGUMENT;
}

static void on_link_state(void *ctx, enum link_state state)
{
    struct process *p = ((struct process_port *)ctx)->process;
    unsigned port = ((struct process_port *)ctx)->port;
    p->up[port] = state != LINK_DOWN;
    node_on_link(&p->node, port, state);
}

static void on_link_bytes(void *ctx, const char *address, struct span bytes)
{
    struct process *p = ((struct process_port *)ctx)->process;
    unsigned port = ((struct process_port *)ctx)->port;
    struct bus_frame f;
    if (p->node.class->ports[port].kind != PORT_CAN) {
        node_on_bytes(&p->node, port, address, bytes);
        return;
    }
    memcpy(&f, bytes.p, sizeof f);
    node_on_frame(&p->node, port, &f);
}

/* ---- tracing ---- */

static void flush_trace(struct process *p)
{
    p->trace_due_us = ENV_NEVER;
    if (p->batched == 0)
        return;
    if (p->control >= 0)
        send(p->control, p->batch, p->batched * sizeof p->batch[0], MSG_NOSIGNAL);
    p->batched = 0;
    p->urgent = false;
    fflush(stderr);
}

static void set_cut(struct process *p, const char *link, bool cut)
{
    char note[64];
    snprintf(note, sizeof note, "%s %s", cut ? "cut" : "heal", link);
    for (size_t i = 0; i < p->node.class->port_count; i++)
        if (strcmp(p->node.class->ports[i].name, link) == 0)
            p->links[i]->ops->set_cut(p->links[i], cut);
    node_trace(&p->node, TRACE_NOTE, note);
}

static void obey(struct process *p, const char *word)
{
    if (strncmp(word, "cut ", 4) == 0)
        set_cut(p, word + 4, true);
    else if (strncmp(word, "heal ", 5) == 0)
        set_cut(p, word + 5, false);
}

/* Blocks until the runner has done what it wanted to do at this step. Words of cutting that come meanwhile
 * take effect right after it: the component is in the middle of a handler. */
static void wait_for_go(struct process *p)
{
    char word[64], later[8][64];
    size_t n = 0;
    flush_trace(p);
    for (;;) {
        ssize_t len = recv(p->control, word, sizeof word - 1, 0);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0) {
            p->stop = true;
            break;
        }
        word[len] = '\0';
        if (strcmp(word, "go") == 0)
            break;
        if (n < 8)
            memcpy(later[n++], word, sizeof word);
    }
    for (size_t i = 0; i < n; i++)
        obey(p, later[i]);
}

/* The runner acts on some events at once; the others may wait a little for company: each packet wakes it. */
static bool is_urgent(const struct trace_event *e)
{
    return e->kind == TRACE_LIFE || e->kind == TRACE_LINK || e->kind == TRACE_STATE ||
           e->kind == TRACE_FAULT || e->kind == TRACE_NOTE || e->kind == TRACE_FAIL;
}

static void host_trace(struct node *n, const struct trace_event *e)
{
    struct process *p = process_of(n);
    char text[TRACE_TEXT_MAX];
    trace_text(e, false, text);
    fprintf(stderr, "%s\n", text);
    p->urgent |= is_urgent(e);
    if (p->batched == 0)
        p->trace_due_us = e->time_us + TRACE_DELAY_US;
    p->batch[p->batched++] = *e;
    if (p->batched == PROCESS_TRACE_BATCH)
        flush_trace(p);
    if (e->kind != TRACE_STEP && e->kind != TRACE_SEND && e->kind != TRACE_ACCEPT)
        return;
    for (size_t i = 0; e->step[0] && i < p->barrier_count; i++)
        if (strcmp(p->barriers[i], e->step) == 0) {
            wait_for_go(p);
            return;
        }
}

static void host_die(struct node *n, const struct fault *why)
{
    (void)why;
    flush_trace(process_of(n));
    raise(SIGKILL);
}

static const struct node_host host = {host_now_us,  host_wall_ms,   host_timer_set, host_send,
                                      host_link_up, host_subscribe, host_trace,     host_die};

/* ---- the loop ---- */

static void send_late(struct process *p, uint64_t now_us)
{
    for (struct late **at = &p->late; *at;) {
        struct late *late = *at;
        if (late->due_us > now_us) {
            at = &late->next;
            continue;
        }
        *at = late->next;
        p->links[late->port]->ops->send(p->links[late->port], late->address, span_of(late->bytes, late->len));
        free(late);
    }
}

static void run_timers(struct process *p)
{
    uint64_t now_us = host_now_us(&p->node);
    for (unsigned i = 0; i < ENV_TIMERS; i++) {
        if (p->due_us[i] > now_us)
            continue;
        p->due_us[i] = ENV_NEVER;
        node_on_timer(&p->node, i);
    }
    send_late(p, now_us);
}

static int on_clock(sd_event_source *s, uint64_t usec, void *ctx)
{
    struct process *p = ctx;
    (void)s;
    (void)usec;
    p->clock_due_us = ENV_NEVER;
    run_timers(p);
    return 0;
}

/* One timer of the loop stands for all of the component's; it only moves when it must come earlier. */
static void arm_clock(struct process *p)
{
    uint64_t due_us = ENV_NEVER;
    for (unsigned i = 0; i < ENV_TIMERS; i++)
        due_us = p->due_us[i] < due_us ? p->due_us[i] : due_us;
    for (struct late *l = p->late; l; l = l->next)
        due_us = l->due_us < due_us ? l->due_us : due_us;
    if (p->batched && p->trace_due_us < due_us)
        due_us = p->trace_due_us;
    if (due_us == ENV_NEVER || due_us >= p->clock_due_us)
        return;
    p->clock_due_us = due_us;
    sd_event_source_set_time(p->clock, p->start_ns / 1000 + due_us + 1);
    sd_event_source_set_enabled(p->clock, SD_EVENT_ONESHOT);
}

static int on_control(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct process *p = ctx;
    char word[64];
    (void)s;
    (void)revents;
    ssize_t len = recv(fd, word, sizeof word - 1, MSG_DONTWAIT);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (len <= 0) {
        p->stop = true;
        return 0;
    }
    word[len] = '\0';
    obey(p, word);
    return 0;
}

/* After each input: first the disk, then the wires, then the trace. */
static bool settle(struct process *p)
{
    if (store_sync(p->node.store) != ERR_OK) {
        fprintf(stderr, "%s: the store cannot be written; stopping\n", p->name);
        return false;
    }
    for (size_t i = 0; i < p->node.class->port_count; i++)
        p->links[i]->ops->flush(p->links[i]);
    if (p->batched && (p->urgent || host_now_us(&p->node) >= p->trace_due_us))
        flush_trace(p);
    arm_clock(p);
    return true;
}

static int loop(struct process *p)
{
    while (!p->stop) {
        if (!settle(p))
            return 1;
        int rc = sd_event_run(p->event, UINT64_MAX);
        if (rc < 0 && rc != -EINTR)
            return 1;
        /* what is ready already goes into the same transaction */
        for (int i = 0; i < 16 && !p->stop && sd_event_run(p->event, 0) > 0; i++)
            ;
    }
    bool settled = settle(p);
    flush_trace(p);
    return settled ? 0 : 1;
}

/* ---- configuration ---- */

static bool port_of(const struct component_class *class, const char *name, unsigned *out)
{
    for (unsigned i = 0; i < class->port_count; i++)
        if (strcmp(class->ports[i].name, name) == 0) {
            *out = i;
            return true;
        }
    return false;
}

static bool configure_line(struct process *p, const struct component_class *class, char *line)
{
    char *value = strchr(line, '=');
    unsigned port;
    if (!value)
        return false;
    *value++ = '\0';
    if (strcmp(line, "name") == 0)
        text_copy(p->name, sizeof p->name, value);
    else if (strcmp(line, "serial") == 0)
        text_copy(p->serial, sizeof p->serial, value);
    else if (strcmp(line, "store") == 0)
        text_copy(p->store_path, sizeof p->store_path, value);
    else if (strcmp(line, "start_ns") == 0)
        p->start_ns = strtoull(value, NULL, 10);
    else if (strcmp(line, "control") == 0)
        p->control = atoi(value);
    else if (strcmp(line, "sequence") == 0)
        p->sequence = (unsigned)strtoul(value, NULL, 10);
    else if (strncmp(line, "link.", 5) == 0 && port_of(class, line + 5, &port))
        text_copy(p->endpoints[port], sizeof p->endpoints[port], value);
    else if (strcmp(line, "cut") == 0 && port_of(class, value, &port))
        p->cut[port] = true;
    else if (strcmp(line, "fault") == 0 && p->plan.count < FAULT_MAX)
        return fault_parse(value, &p->plan.faults[p->plan.count++]) == ERR_OK;
    else if (strcmp(line, "barrier") == 0 && p->barrier_count < BARRIERS_MAX)
        text_copy(p->barriers[p->barrier_count++], sizeof p->barriers[0], value);
    else if (strcmp(line, "set") == 0 && p->pair_count < PAIRS_MAX)
        p->pairs[p->pair_count++] = strdup(value);
    else
        return false;
    return true;
}

static bool configure(struct process *p, const struct component_class *class, const char *path)
{
    char line[1024];
    FILE *f = fopen(path, "re");
    bool ok = f != NULL;
    while (ok && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        ok = configure_line(p, class, line);
        if (!ok)
            fprintf(stderr, "%s: cannot use the line \"%s\" of %s\n", class->name, line, path);
    }
    if (f)
        fclose(f);
    else
        fprintf(stderr, "%s: cannot read %s: %s\n", class->name, path, strerror(errno));
    return ok;
}

/* ---- life ---- */

static struct link *open_link(struct process *p, const struct link_driver *const *drivers, unsigned port)
{
    const struct port_spec *spec = &p->node.class->ports[port];
    const char *reason = "this program has no driver for it";
    struct link *l = NULL;
    p->ports[port].process = p;
    p->ports[port].port = port;
    struct link_open o = {.event = p->event,
                          .spec = spec,
                          .name = p->name,
                          .endpoint = p->endpoints[port],
                          .hooks = {&p->ports[port], on_link_state, on_link_bytes}};
    for (; *drivers; drivers++)
        if ((*drivers)->kind == spec->kind)
            l = (*drivers)->open(&o, &reason);
    if (!l)
        fprintf(stderr, "%s: link %s (%s): %s\n", p->name, spec->name, p->endpoints[port], reason);
    return l;
}

static bool open_all(struct process *p, const struct process_parts *parts)
{
    const char *reason = "";
    const struct component_class *class = parts->class;
    struct store *store = parts->open_store ? parts->open_store(p->store_path, &reason) : store_memory_new();
    struct crypto *crypto = crypto_new(NULL);
    if (!store || !crypto || sd_event_new(&p->event) < 0) {
        fprintf(stderr, "%s: cannot start: %s\n", p->name, reason);
        return false;
    }
    node_prepare(&p->node, &host, class, p->name, crypto, store, &p->plan);
    p->node.sequence = p->node.cause = p->sequence;
    for (unsigned i = 0; i < class->port_count; i++) {
        p->links[i] = open_link(p, parts->drivers, i);
        if (!p->links[i])
            return false;
        if (p->cut[i])
            p->links[i]->ops->set_cut(p->links[i], true);
    }
    sd_event_add_time(p->event, &p->clock, CLOCK_MONOTONIC, UINT64_MAX, 1, on_clock, p);
    sd_event_source_set_enabled(p->clock, SD_EVENT_OFF);
    return p->control < 0 ||
           sd_event_add_io(p->event, &p->control_io, p->control, EPOLLIN, on_control, p) >= 0;
}

static void close_all(struct process *p)
{
    node_stop(&p->node);
    for (size_t i = 0; i < ENV_PORTS; i++)
        if (p->links[i])
            p->links[i]->ops->close(p->links[i]);
    while (p->late) {
        struct late *late = p->late;
        p->late = late->next;
        free(late);
    }
    sd_event_source_unref(p->clock);
    sd_event_source_unref(p->control_io);
    sd_event_unref(p->event);
    store_close(p->node.store);
    crypto_free(p->node.env.crypto);
    for (size_t i = 0; i < p->pair_count; i++) {
        union {
            const char *in;
            char *out;
        } u = {.in = p->pairs[i]};
        free(u.out);
    }
}

int process_main(const struct process_parts *parts, int argc, char **argv)
{
    static struct process p = {.control = -1, .trace_due_us = ENV_NEVER};
    struct component_args args = {.serial = p.serial, .pairs = p.pairs};
    int rc = 1;
    if (argc != 2 || argv[1][0] == '-') {
        fprintf(stderr,
                "usage: %s CONFIGURATION\nStarted by spaaksim; see lib/host/process.h for the file.\n",
                parts->class->name);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    static char log_buffer[16384];
    setvbuf(stderr, log_buffer, _IOFBF, sizeof log_buffer); /* written with the trace, and by exit */
    prctl(PR_SET_PDEATHSIG, SIGKILL);                       /* nothing outlives the runner */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* Ctrl-C is the runner's to handle */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    for (size_t i = 0; i < ENV_TIMERS; i++)
        p.due_us[i] = ENV_NEVER;
    p.clock_due_us = ENV_NEVER;
    if (!configure(&p, parts->class, argv[1]))
        return 2;
    if (open_all(&p, parts)) {
        uint8_t first;
        if (parts->open_store)
            crypto_random(p.node.env.crypto, &first,
                          1); /* who keeps keys signs: the generator is made ready now */
        enum err e = node_start(&p.node, &args);
        if (e)
            fprintf(stderr, "%s: cannot start: %s (%s)\n", p.name, err_text(e), err_name(e));
        else
            rc = loop(&p);
    }
    close_all(&p);
    return rc;
}

#include "lib/host/process.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "lib/host/board.h"
#include "lib/host/node.h"
#include "lib/host/peer.h"
#include "lib/host/spawn.h"
#include "lib/host/worker.h"

#define BARRIERS_MAX 16
#define WORD_MAX     1024 /* one word of the runner */
#define RADIOS_MAX   16
#define LATER_MAX    8 /* words that wait for the end of a handler */

#define TRACE_DELAY_US 2000

/* A send that a fault has put off. */
struct late {
    struct late *next;
    uint64_t due_us;
    unsigned port;
    char address[ENV_KEY_MAX];
    size_t len;
    uint8_t bytes[];
};

struct process {
    struct node node; /* first */
    const struct process_parts *parts;
    sd_event *event;
    struct link *links[ENV_PORTS];
    bool up[ENV_PORTS];
    struct process_port {
        struct process *process;
        unsigned port;
    } ports[ENV_PORTS];
    uint64_t start_ns, due_us[ENV_TIMERS];
    sd_event_source *clock, *control_io, *work_io;
    uint64_t clock_due_us;
    struct late *late;
    struct worker *worker; /* NULL until the first work */
    int control, tap, tap_depth, board_fd, tokens_fd;
    struct token_ring tokens;
    pid_t runner;
    unsigned slot_number;
    struct board *board;
    struct board_slot *slot; /* NULL without a board */
    struct trace_event batch[PROCESS_TRACE_BATCH];
    size_t batched;
    bool urgent;
    bool claims;           /* and holds a claim */
    uint64_t trace_due_us; /* the batch goes at this time at the latest */
    struct fault_plan plan;
    char barriers[BARRIERS_MAX][12];
    size_t barrier_count;
    char later[LATER_MAX][WORD_MAX];
    size_t later_count;
    uint64_t settings[ENV_SETTINGS];
    struct store_key {
        bool given;
        uint8_t bytes[ENV_STORE_KEY];
    } store_key, former_store_key;
    char store_path[512], serial[40], name[ENV_NAME_MAX], endpoints[ENV_PORTS][PROCESS_ENDPOINT_MAX];
    bool cut[ENV_PORTS], stop, dying;
    char radios[RADIOS_MAX][WORD_MAX]; /* what its configuration says of distances */
    size_t radio_count;
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

static void host_lose(struct node *n, unsigned port, const char *address, struct span bytes)
{
    struct link *l = process_of(n)->links[port];
    if (l->ops->lose)
        l->ops->lose(l, address, bytes);
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

static enum err host_tell(struct node *n, unsigned port, const char *address, const char *news)
{
    struct link *l = process_of(n)->links[port];
    return l->ops->tell ? l->ops->tell(l, address, news) : ERR_BAD_ARGUMENT;
}

/* An input came that is not of a cyclic message or timer. */
static void note_activity(struct process *p)
{
    if (p->slot)
        atomic_fetch_add_explicit(&p->slot->activity, 1, memory_order_relaxed);
}

static void on_link_state(void *ctx, enum link_state state)
{
    struct process *p = ((struct process_port *)ctx)->process;
    unsigned port = ((struct process_port *)ctx)->port;
    p->up[port] = state != LINK_DOWN;
    note_activity(p);
    node_on_link(&p->node, port, state);
}

static bool is_cyclic(const struct process *p, unsigned port, struct span bytes)
{
    struct bus_frame f;
    if (!p->node.media[port]->frames)
        return false;
    memcpy(&f, bytes.p, sizeof f);
    const struct matrix_row *row = matrix_find(f.id);
    return row && row->cycle_ms;
}

static void on_link_bytes(void *ctx, const char *address, struct span bytes)
{
    struct process *p = ((struct process_port *)ctx)->process;
    unsigned port = ((struct process_port *)ctx)->port;
    if (!is_cyclic(p, port, bytes))
        note_activity(p);
    node_on_bytes(&p->node, port, address, bytes);
}

static void on_link_news(void *ctx, const char *address, const char *news)
{
    struct process *p = ((struct process_port *)ctx)->process;
    note_activity(p);
    node_on_news(&p->node, ((struct process_port *)ctx)->port, address, news);
}

/* ---- work ---- */

static int on_work_done(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct process *p = ctx;
    struct span result;
    uint64_t count;
    unsigned work;
    enum err e;
    (void)s;
    (void)revents;
    if (read(fd, &count, sizeof count) < 0)
        return 0;
    while (!p->stop && worker_take(p->worker, &work, &e, &result)) {
        note_activity(p);
        node_on_work(&p->node, work, e, result);
    }
    return 0;
}

static enum err host_work(struct node *n, unsigned work, struct span in)
{
    struct process *p = process_of(n);
    if (!p->worker) {
        p->worker = worker_new(n->class->works);
        if (!p->worker ||
            sd_event_add_io(p->event, &p->work_io, worker_fd(p->worker), EPOLLIN, on_work_done, p) < 0)
            return ERR_WORK_FAILED;
    }
    return worker_put(p->worker, work, in);
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
    p->urgent = p->claims = false;
    fflush(stderr);
}

static void tell_cut(struct process *p, const char *word)
{
    node_trace(&p->node, TRACE_NOTE, word); /* "cut gsdp": the runner waits for it */
}

static bool set_cut(struct process *p, const char *link, bool cut)
{
    unsigned port;
    if (!component_port(p->node.class, link, &port))
        return false;
    p->links[port]->ops->set_cut(p->links[port], cut);
    return true;
}

/* "call <name>" and a value each, with PROCESS_SEPARATOR between; written by the runner, which has checked
 * them. */
static void obey_call(struct process *p, char *word)
{
    struct call_value values[ENV_VALUES] = {0};
    unsigned call;
    char *next = word;
    char *name = strsep(&next, PROCESS_SEPARATOR);
    if (!component_call(p->node.class, name, &call))
        return;
    size_t count = component_parameters(&p->node.class->calls[call]);
    for (size_t i = 0; i < count && next; i++) {
        text_copy(values[i].text, sizeof values[i].text, strsep(&next, PROCESS_SEPARATOR));
        values[i].number = strtoull(values[i].text, NULL, 10);
    }
    note_activity(p);
    node_on_call(&p->node, call, values);
}

static void obey_fault(struct process *p, const char *text)
{
    struct fault f;
    size_t at = 0;
    if (fault_parse(text, &f) != ERR_OK)
        return;
    while (at < p->plan.count && p->plan.faults[at].number != f.number)
        at++;
    if (at == FAULT_MAX)
        return;
    p->plan.count += at == p->plan.count;
    p->plan.faults[at] = f;
}

/* "<port> <name of the other> <the medium's words>" */
static void obey_radio(struct process *p, char *word)
{
    unsigned port;
    char *next = word, *link = strsep(&next, " "), *name = strsep(&next, " ");
    if (next && component_port(p->node.class, link, &port) && p->links[port]->ops->radio)
        p->links[port]->ops->radio(p->links[port], name, next);
}

static void obey(struct process *p, char *word)
{
    bool cut = strncmp(word, "cut ", 4) == 0;
    if (cut || strncmp(word, "heal ", 5) == 0)
        set_cut(p, word + (cut ? 4 : 5), cut);
    else if (strncmp(word, "fault ", 6) == 0)
        obey_fault(p, word + 6);
    else if (strncmp(word, "call ", 5) == 0)
        obey_call(p, word + 5);
    else if (strncmp(word, "radio ", 6) == 0)
        obey_radio(p, word + 6);
}

/* One word from the runner; false when it has hung up. */
static bool hear(struct process *p, char word[WORD_MAX], int flags)
{
    ssize_t len;
    do
        len = recv(p->control, word, WORD_MAX - 1, flags);
    while (len < 0 && errno == EINTR);
    word[len > 0 ? len : 0] = '\0';
    return len > 0 || (len < 0 && errno == EAGAIN);
}

/* Blocks until the runner has done what it wanted to do at this step. What it says meanwhile takes effect
 * when the handler that is under way has returned; a cut is confirmed at once, because the runner waits for
 * that. */
static void wait_for_go(struct process *p)
{
    char word[WORD_MAX];
    flush_trace(p);
    while (!p->stop) {
        if (!hear(p, word, 0)) {
            p->stop = true;
        } else if (strcmp(word, "go") == 0) {
            break;
        } else if (p->later_count < LATER_MAX) {
            memcpy(p->later[p->later_count++], word, sizeof word);
            if (strncmp(word, "cut ", 4) == 0)
                tell_cut(p, word);
            flush_trace(p);
        }
    }
}

static void obey_later(struct process *p)
{
    for (size_t i = 0; i < p->later_count && !p->stop; i++)
        obey(p, p->later[i]);
    p->later_count = 0;
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
    p->claims |= e->kind == TRACE_CLAIM;
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

/* The step of its kill is reached. What it has committed and sent until here takes effect, as in the virtual
 * world; nothing after it does. settle() ends it. */
static void host_die(struct node *n, const struct fault *why)
{
    (void)why;
    node_trace(n, TRACE_LIFE, "killed");
    n->dead = true;
    process_of(n)->dying = true;
}

/* Head of a packet to the tap, then port, address and bytes as they are. */
static void host_tap(struct node *n, const struct tap_event *e)
{
    struct process_tap_head h = {.time_us = e->time_us,
                                 .out = e->out,
                                 .words = e->words,
                                 .refused = (uint16_t)e->refused,
                                 .len = (uint32_t)e->bytes.len};
    text_copy(h.medium, sizeof h.medium, e->medium);
    text_copy(h.port, sizeof h.port, e->port);
    text_copy(h.address, sizeof h.address, e->out ? e->to : e->from);
    struct iovec parts[] = {{&h, sizeof h}, {NULL, e->bytes.len}};
    union {
        const uint8_t *in;
        void *out;
    } u = {.in = e->bytes.p};
    parts[1].iov_base = u.out;
    if (writev(process_of(n)->tap, parts, 2) < 0)
        process_of(n)->stop = true; /* a record that is not whole: the runner sees the end of this process */
}

#define HOST_CALLS                                                                                  \
    .now_us = host_now_us, .wall_ms = host_wall_ms, .timer_set = host_timer_set, .send = host_send, \
    .lose = host_lose, .link_up = host_link_up, .subscribe = host_subscribe, .tell = host_tell,     \
    .work = host_work, .trace = host_trace, .die = host_die

static const struct node_host host = {HOST_CALLS}, host_with_tap = {HOST_CALLS, .tap = host_tap};

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
    for (unsigned i = 0; i < p->node.class->timer_count; i++) {
        if (p->due_us[i] > now_us)
            continue;
        p->due_us[i] = ENV_NEVER;
        if (!p->node.class->timers[i].cyclic)
            note_activity(p);
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
    for (unsigned i = 0; i < p->node.class->timer_count; i++)
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
    char word[WORD_MAX];
    (void)s;
    (void)fd;
    (void)revents;
    if (!hear(p, word, MSG_DONTWAIT)) {
        p->stop = true;
    } else if (strncmp(word, "cut ", 4) == 0 || strncmp(word, "heal ", 5) == 0) {
        obey(p, word);
        tell_cut(p, word);
    } else {
        obey(p, word);
    }
    return 0;
}

/* What the runner may look at: is anything to be done here? */
static void write_board(struct process *p)
{
    uint32_t pending = p->worker ? (uint32_t)worker_count(p->worker) : 0;
    if (!p->slot)
        return;
    for (unsigned i = 0; i < p->node.class->timer_count; i++)
        pending += p->due_us[i] != ENV_NEVER && !p->node.class->timers[i].cyclic;
    for (struct late *l = p->late; l; l = l->next)
        pending++;
    for (size_t i = 0; i < p->node.class->port_count; i++)
        pending += p->links[i]->ops->waits && p->links[i]->ops->waits(p->links[i]);
    atomic_store_explicit(&p->slot->pending, pending, memory_order_relaxed);
    atomic_store_explicit(&p->slot->ready, 1, memory_order_release);
}

/* After each input: first the disk, then the wires, then the trace; but a claim before the wires, for what
 * goes there may let others claim, and whoever is killed behind the wires has lost the rest of its trace. */
static bool settle(struct process *p)
{
    obey_later(p);
    if (store_sync(p->node.store) != ERR_OK) {
        env_trace_reason(&p->node.env, TRACE_FAIL, "", "", ERR_STORE_FAILED, 0,
                         "it cannot be written: is the disk full?");
        flush_trace(p);
        return false;
    }
    if (p->claims)
        flush_trace(p);
    for (size_t i = 0; i < p->node.class->port_count; i++)
        p->links[i]->ops->flush(p->links[i]);
    if (p->dying) {
        flush_trace(p);
        raise(SIGKILL);
    }
    if (p->batched && (p->urgent || host_now_us(&p->node) >= p->trace_due_us))
        flush_trace(p);
    arm_clock(p);
    write_board(p);
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
        for (int i = 0; i < 16 && !p->stop && !p->dying && sd_event_run(p->event, 0) > 0; i++)
            ;
    }
    bool settled = settle(p);
    flush_trace(p);
    return settled ? 0 : 1;
}

/* ---- configuration ---- */

static bool configure_number(struct process *p, const char *key, const char *value)
{
    const struct {
        const char *key;
        int *number;
    } numbers[] = {{"control", &p->control},
                   {"tap", &p->tap},
                   {"tap_depth", &p->tap_depth},
                   {"board", &p->board_fd},
                   {"tokens", &p->tokens_fd}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (strcmp(key, numbers[i].key) == 0) {
            *numbers[i].number = atoi(value);
            return true;
        }
    if (strcmp(key, "start_ns") == 0)
        p->start_ns = strtoull(value, NULL, 10);
    else if (strcmp(key, "sequence") == 0)
        p->sequence = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(key, "slot") == 0)
        p->slot_number = (unsigned)strtoul(value, NULL, 10);
    else
        return false;
    return true;
}

static bool configure_setting(struct process *p, const struct component_class *class, char *line)
{
    char *value = strchr(line, '=');
    for (size_t i = 0; value && i < component_settings(class); i++)
        if (strncmp(class->settings[i].name, line, (size_t)(value - line)) == 0 &&
            !class->settings[i].name[value - line]) {
            p->settings[i] = strtoull(value + 1, NULL, 10);
            return true;
        }
    return false;
}

/* As long as it must be, and nobody else's to read. */
static bool read_store_key(const char *path, struct store_key *out)
{
    struct stat about;
    FILE *f = fopen(path, "re");
    out->given = f && fstat(fileno(f), &about) == 0 && S_ISREG(about.st_mode) && !(about.st_mode & 077) &&
                 about.st_size == ENV_STORE_KEY && setvbuf(f, NULL, _IONBF, 0) == 0 &&
                 fread(out->bytes, ENV_STORE_KEY, 1, f) == 1;
    if (f)
        fclose(f);
    if (!out->given)
        fprintf(stderr, "%s is no store key: a file of %d bytes that its owner alone may read\n", path,
                ENV_STORE_KEY);
    return out->given;
}

static bool configure_text(struct process *p, const struct component_class *class, const char *key,
                           char *value)
{
    unsigned port;
    if (strcmp(key, "name") == 0)
        text_copy(p->name, sizeof p->name, value);
    else if (strcmp(key, "serial") == 0)
        text_copy(p->serial, sizeof p->serial, value);
    else if (strcmp(key, "store") == 0)
        text_copy(p->store_path, sizeof p->store_path, value);
    else if (strcmp(key, "store_key") == 0)
        return read_store_key(value, &p->store_key);
    else if (strcmp(key, "former_store_key") == 0)
        return read_store_key(value, &p->former_store_key);
    else if (strncmp(key, "link.", 5) == 0 && component_port(class, key + 5, &port))
        text_copy(p->endpoints[port], sizeof p->endpoints[port], value);
    else if (strcmp(key, "cut") == 0 && component_port(class, value, &port))
        p->cut[port] = true;
    else if (strcmp(key, "radio") == 0 && p->radio_count < RADIOS_MAX)
        text_copy(p->radios[p->radio_count++], sizeof p->radios[0], value);
    else if (strcmp(key, "fault") == 0 && p->plan.count < FAULT_MAX)
        return fault_parse(value, &p->plan.faults[p->plan.count++]) == ERR_OK;
    else if (strcmp(key, "barrier") == 0 && p->barrier_count < BARRIERS_MAX)
        text_copy(p->barriers[p->barrier_count++], sizeof p->barriers[0], value);
    else
        return strcmp(key, "set") == 0 && configure_setting(p, class, value);
    return true;
}

static bool configure_line(struct process *p, const struct component_class *class, char *line)
{
    char *value = strchr(line, '=');
    if (!value)
        return false;
    *value++ = '\0';
    return configure_number(p, line, value) || configure_text(p, class, line, value);
}

static bool configure(struct process *p, const struct component_class *class, const char *path)
{
    char line[PROCESS_ENDPOINT_MAX + 64];
    FILE *f = fopen(path, "re");
    for (size_t i = 0; i < component_settings(class); i++)
        p->settings[i] = class->settings[i].fallback;
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

static struct link *open_link(struct process *p, unsigned port)
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
                          .tally = p->slot ? &p->slot->tallies[port] : NULL,
                          .tokens = &p->tokens,
                          .runner = p->runner,
                          .message_max = component_message_max(p->node.class),
                          .hooks = {&p->ports[port], on_link_state, on_link_bytes, on_link_news}};
    link_tally_begin(o.tally);
    for (const struct link_driver *const *d = p->parts->drivers; *d && !l; d++)
        if ((*d)->medium == p->node.media[port])
            l = (*d)->open(&o, &reason);
    if (!l)
        fprintf(stderr, "%s: link %s (%s): %s\n", p->name, spec->name, p->endpoints[port], reason);
    return l;
}

static bool open_board(struct process *p)
{
    if (p->board_fd < 0)
        return true;
    p->board = board_open(p->board_fd);
    if (p->board && p->slot_number < BOARD_SLOTS)
        p->slot = &p->board->slots[p->slot_number];
    return p->slot != NULL;
}

/* The descriptor is not needed any longer, and gone before anybody can be talked to. */
static bool read_tokens(struct process *p)
{
    p->runner = p->control >= 0 ? peer_process(p->control) : 0;
    if (p->tokens_fd < 0)
        return true;
    bool ok = token_ring_read(&p->tokens, p->tokens_fd);
    close(p->tokens_fd);
    if (!ok)
        fprintf(stderr, "%s: its tokens cannot be read\n", p->name);
    return ok;
}

static bool open_links(struct process *p)
{
    if (!read_tokens(p))
        return false;
    for (unsigned i = 0; i < p->node.class->port_count; i++) {
        p->links[i] = open_link(p, i);
        if (!p->links[i])
            return false;
        if (p->cut[i])
            p->links[i]->ops->set_cut(p->links[i], true);
    }
    for (size_t i = 0; i < p->radio_count; i++)
        obey_radio(p, p->radios[i]);
    return true;
}

static bool open_all(struct process *p)
{
    const char *reason = "";
    const struct process_parts *parts = p->parts;
    struct store *store =
        parts->class->stores ? parts->open_store(p->store_path, &reason) : store_memory_new();
    struct crypto *crypto = crypto_new(NULL);
    if (!store || !crypto || sd_event_new(&p->event) < 0 || !open_board(p)) {
        fprintf(stderr, "%s: cannot start: %s\n", p->name, reason);
        store_close(store);
        crypto_free(crypto);
        return false;
    }
    node_prepare(&p->node, p->tap >= 0 ? &host_with_tap : &host, parts->class, parts->media, p->name, crypto,
                 store, &p->plan);
    p->node.talk_only = p->tap_depth == TAP_TALK;
    p->node.sequence = p->node.cause = p->sequence;
    if (!open_links(p))
        return false;
    sd_event_add_time(p->event, &p->clock, CLOCK_MONOTONIC, UINT64_MAX, 1, on_clock, p);
    sd_event_source_set_enabled(p->clock, SD_EVENT_OFF);
    return p->control < 0 ||
           sd_event_add_io(p->event, &p->control_io, p->control, EPOLLIN, on_control, p) >= 0;
}

/* What others see of this process comes first; the runner need not wait for the rest. */
static void let_go(struct process *p)
{
    node_stop(&p->node);
    for (size_t i = 0; i < ENV_PORTS; i++)
        if (p->links[i])
            p->links[i]->ops->close(p->links[i]);
    store_close(p->node.store);
    fflush(stderr);
    if (p->tap >= 0)
        close(p->tap);
    if (p->control >= 0)
        close(p->control);
}

static void close_all(struct process *p)
{
    sd_event_source_unref(p->control_io); /* it watches what let_go closes */
    p->control_io = NULL;
    let_go(p);
    while (p->late) {
        struct late *late = p->late;
        p->late = late->next;
        free(late);
    }
    sd_event_source_unref(p->clock);
    sd_event_source_unref(p->work_io);
    worker_free(p->worker);
    board_close(p->board);
    sd_event_unref(p->event);
    crypto_free(p->node.env.crypto);
}

int process_main(const struct process_parts *parts, int argc, char **argv)
{
    static struct process p = {
        .control = -1, .tap = -1, .board_fd = -1, .tokens_fd = -1, .trace_due_us = ENV_NEVER};
    struct component_args args = {.serial = p.serial, .settings = p.settings};
    p.parts = parts;
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
    spawn_without_cores();                                  /* it may be started by others than the runner */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* Ctrl-C is the runner's to handle */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    for (size_t i = 0; i < ENV_TIMERS; i++)
        p.due_us[i] = ENV_NEVER;
    p.clock_due_us = ENV_NEVER;
    if (!configure(&p, parts->class, argv[1]))
        return 2;
    program_invocation_short_name = p.name; /* what a failed assertion begins with */
    if (open_all(&p)) {
        uint8_t first;
        if (parts->class->stores) /* who keeps keys signs: the generator is made ready now */
            crypto_random(p.node.env.crypto, &first, 1);
        args.store_key = p.store_key.given ? p.store_key.bytes : NULL;
        args.former_store_key = p.former_store_key.given ? p.former_store_key.bytes : NULL;
        enum err e = node_start(&p.node, &args);
        OPENSSL_cleanse(&p.former_store_key, sizeof p.former_store_key);
        if (e)
            fprintf(stderr, "%s: cannot start: %s (%s)\n", p.name, err_text(e), err_name(e));
        else
            rc = loop(&p);
    }
    close_all(&p);
    return rc;
}

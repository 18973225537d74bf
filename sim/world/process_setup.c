#include "sim/world/process_setup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/host/process.h"
#include "lib/host/sqlite_store.h"
#include "lib/media/media.h"
#include "sim/run/boxes.h"
#include "sim/world/process_connector.h"
#include "sim/world/process_external.h"

#define STORE_KEY_FILE        "store.key"
#define FORMER_STORE_KEY_FILE "former-store.key"

/* ---- files ---- */

static bool make_directory(struct process_world *w)
{
    char problem[200];
    if (scratch_make(&w->scratch, problem))
        return true;
    run_fail(w->run, "%s", problem);
    return false;
}

static bool make_logs(struct process_world *w)
{
    return records_inside(w->run, RECORDS_LOGS, 0755);
}

/* They hold private keys. */
static bool make_stores(struct process_world *w)
{
    return records_inside(w->run, RECORDS_STORES, 0700);
}

void process_setup_log(const struct process_world *w, const char *name, char *out, size_t cap)
{
    char file[80];
    snprintf(file, sizeof file, "logs/%s.log", name);
    records_path(w->run, file, out, cap);
}

/* ---- children ---- */

struct child *process_setup_child(struct process_world *w, const char *name)
{
    for (size_t i = 0; i < w->child_count; i++)
        if (strcmp(w->children[i].name, name) == 0)
            return &w->children[i];
    return NULL;
}

struct child *process_setup_child_new(struct process_world *w, const char *name)
{
    if (w->child_count == CHILDREN_MAX) {
        run_fail(w->run, "too many processes");
        return NULL;
    }
    struct child *c = &w->children[w->child_count];
    *c = (struct child){
        .world = w, .control = -1, .tap = -1, .tokens = -1, .slot = (unsigned)w->child_count++};
    for (size_t i = 0; i < ENV_PORTS; i++)
        c->listen_fd[i] = -1;
    text_copy(c->name, sizeof c->name, name);
    return c;
}

struct child *process_setup_add(struct process_world *w, const struct member *m)
{
    char file[80];
    struct child *c = process_setup_child_new(w, m->name);
    if (!c)
        return NULL;
    c->member = m;
    snprintf(c->configuration, sizeof c->configuration, "%s/%s.conf", w->scratch.path, m->name);
    snprintf(file, sizeof file, "stores/%s.db", m->name);
    if (m->class->stores)
        records_path(w->run, file, c->store_path, sizeof c->store_path);
    return c;
}

/* ---- media ---- */

static void on_problem(void *ctx, const char *text)
{
    struct process_world *w = ctx;
    run_fail_as(w->run, w->auditing ? FAILURE_RECORD : FAILURE_WORLD, "%s", text);
}

static void on_frame(void *ctx, uint64_t now_us, const char *bus, const struct bus_frame *f)
{
    struct process_world *w = ctx;
    run_on_frame(w->run, now_us, bus, f);
}

static void give_identity(const struct tls_identity *own, const struct tls_identity *authority,
                          struct setup_identity *out)
{
    static_assert(SETUP_CERTIFICATE_MAX == TLS_CERTIFICATE_MAX && TOKEN_SIZE == P256_SCALAR, "one form");
    memcpy(out->scalar, own->scalar, sizeof out->scalar);
    memcpy(out->certificate, own->der, own->len);
    memcpy(out->authority, authority->der, authority->len);
    out->certificate_len = own->len;
    out->authority_len = authority->len;
}

static enum err issue(struct crypto *c, const struct process_world *w, enum setup_role role, const char *name,
                      int64_t now_s, struct tls_identity *out)
{
    struct tls_identity other;
    enum tls_role as = role == SETUP_SERVER ? TLS_SERVER : TLS_CLIENT;
    if (role == SETUP_CLIENT_EXPIRED)
        return tls_issue_expired(c, &w->authority, as, name, now_s, out);
    if (role != SETUP_CLIENT_FOREIGN)
        return tls_issue(c, &w->authority, as, name, now_s, out);
    enum err e = tls_authority_make(c, now_s, &other);
    if (!e)
        e = tls_issue(c, &other, as, name, now_s, out);
    explicit_bzero(&other, sizeof other);
    return e;
}

/* The authority is made with the first identity: a run without TLS has none. */
static bool on_certify(void *ctx, const char *name, enum setup_role role, struct setup_identity *out)
{
    struct process_world *w = ctx;
    struct tls_identity own = {.len = 0};
    struct crypto *c = crypto_new(NULL);
    int64_t now_s = (int64_t)time(NULL);
    enum err e = c ? ERR_OK : ERR_NO_MEMORY;
    if (!e && !w->authority.len)
        e = tls_authority_make(c, now_s, &w->authority);
    if (!e)
        e = issue(c, w, role, name, now_s, &own);
    if (!e)
        give_identity(&own, &w->authority, out);
    explicit_bzero(&own, sizeof own);
    crypto_free(c);
    return e == ERR_OK;
}

static void on_announce(void *ctx, const char *text)
{
    struct process_world *w = ctx;
    struct run *r = w->run;
    if (r->announced < RUN_ANNOUNCEMENTS)
        text_copy(r->announcements[r->announced++], sizeof r->announcements[0], text);
}

static int on_box(void *ctx, const struct medium *m)
{
    const struct process_world *w = ctx;
    return boxes_folder(w->run, m);
}

static const char *choice_of(const struct run *r, size_t medium)
{
    return r->options->choices[medium] ? r->options->choices[medium] : "auto";
}

/* Media that no port of this run uses stay closed. */
static bool is_used(const struct scenario *s, const struct setup *setup)
{
    for (size_t i = 0; i < s->member_count; i++)
        for (size_t k = 0; s->members[i].class && k < s->members[i].class->port_count; k++)
            if (strcmp(s->members[i].class->ports[k].medium, setup->medium->name) == 0)
                return true;
    return false;
}

static size_t list_instances(struct process_world *w)
{
    const struct scenario *s = w->run->scenario;
    size_t n = 0;
    for (size_t i = 0; i < s->member_count; i++)
        if (s->members[i].class)
            w->instances[n++] =
                (struct setup_instance){s->members[i].name, s->members[i].class, s->members[i].serial,
                                        s->members[i].group, s->members[i].external};
    return n + process_connector_list(w, w->instances + n);
}

static bool open_medium(struct process_world *w, size_t i, size_t instances, bool network)
{
    const struct setup *setup = media_setups[i];
    char *t = w->run->transport;
    size_t used = strlen(t);
    w->media[i] = (struct setup_world){
        .event = w->event,
        .start_ns = w->start_ns,
        .wall_offset_us = w->run->wall_offset_us,
        .directory = w->scratch.path,
        .book = &w->book,
        .choice = choice_of(w->run, i),
        .needs_network = network,
        .by_hand = w->run->options->open,
        .outsiders = w->run->externals.count > 0,
        .wire_time = w->run->scenario->bus_time == BUS_TIME_WIRE,
        .instances = w->instances,
        .count = instances,
        .groups = w->run->scenario->groups,
        .ctx = w,
        .fail = on_problem,
        .frame = on_frame,
        .certify = on_certify,
        .announce = on_announce,
        .box = on_box,
    };
    w->states[i] = calloc(1, setup->size + 1);
    if (!w->states[i] || !setup->open(&w->media[i], w->states[i]))
        return false;
    if (w->media[i].described[0])
        snprintf(t + used, sizeof w->run->transport - used, "%s%s", used ? "; " : "", w->media[i].described);
    return true;
}

static bool faces_machine(const struct process_world *w, size_t i)
{
    return media_setups[i]->faces_machine &&
           media_setups[i]->faces_machine(choice_of(w->run, i), w->run->options->open);
}

static bool open_media(struct process_world *w)
{
    size_t instances = list_instances(w);
    bool network = false;
    for (size_t i = 0; media_setups[i]; i++)
        network |= media_setups[i]->needs_network && media_setups[i]->needs_network(choice_of(w->run, i));
    while (media_setups[w->media_open])
        w->media_open++;
    for (int outer = 1; outer >= 0; outer--)
        for (size_t i = 0; media_setups[i]; i++)
            if (faces_machine(w, i) == (bool)outer && is_used(w->run->scenario, media_setups[i]) &&
                !open_medium(w, i, instances, network))
                return false;
    return true;
}

void process_setup_drain(struct process_world *w)
{
    for (size_t i = 0; i < w->media_open; i++)
        if (w->states[i] && media_setups[i]->drain)
            media_setups[i]->drain(&w->media[i], w->states[i]);
}

static const struct link_tally *tally_of(void *ctx, const struct setup_instance *who, unsigned port)
{
    struct process_world *w = ctx;
    const struct link_tally *own = process_connector_tally(w, who);
    const struct child *c = process_setup_child(w, who->name);
    if (own)
        return own;
    return c && c->slot < BOARD_SLOTS ? &w->board->slots[c->slot].tallies[port] : NULL;
}

bool process_setup_busy(struct process_world *w)
{
    bool busy = false;
    for (size_t i = 0; i < w->media_open && !busy; i++)
        busy = w->states[i] && media_setups[i]->busy &&
               media_setups[i]->busy(&w->media[i], w->states[i], tally_of);
    return busy;
}

void process_setup_audit(struct process_world *w)
{
    w->auditing = true;
    for (size_t i = 0; i < w->media_open; i++)
        if (w->states[i] && media_setups[i]->audit)
            media_setups[i]->audit(&w->media[i], w->states[i], tally_of);
    w->auditing = false;
}

/* ---- configuration ---- */

/* How far away others are from a port, as it was said so far. */
static void write_moves(const struct process_world *w, const struct child *c, unsigned port, FILE *f)
{
    const struct scenario *s = w->run->scenario;
    for (size_t i = 0; i < w->move_count; i++) {
        const struct action *a = w->moves[i];
        if (&s->members[a->member] == c->member && a->port == port)
            fprintf(f, "radio=%s %s %s\n", c->member->class->ports[port].name, s->members[a->other].name,
                    a->way);
    }
}

static bool write_links(struct process_world *w, struct child *c, struct token_ring *ring, FILE *f)
{
    char endpoint[PROCESS_ENDPOINT_MAX];
    const struct component_class *class = c->member->class;
    struct setup_instance who = {c->name, class, c->member->serial, c->member->group, false};
    int listen_as = PROCESS_LISTEN_FD;
    for (unsigned i = 0; i < class->port_count; i++) {
        size_t m = 0;
        while (strcmp(media_setups[m]->medium->name, class->ports[i].medium) != 0)
            m++;
        const struct setup_end end = {.who = &who,
                                      .port = i,
                                      .listen_as = listen_as,
                                      .listen_fd = &c->listen_fd[i],
                                      .ring = ring,
                                      .endpoint = endpoint,
                                      .cap = sizeof endpoint};
        if (!media_setups[m]->endpoint(&w->media[m], w->states[m], &end)) {
            run_fail(w->run, "the link \"%s\" of %s cannot be prepared", class->ports[i].name, c->name);
            return false;
        }
        listen_as += class->ports[i].end == PORT_LISTENS;
        fprintf(f, "link.%s=%s\n", class->ports[i].name, endpoint);
        if (c->cut[i])
            fprintf(f, "cut=%s\n", class->ports[i].name);
        write_moves(w, c, i, f);
    }
    return true;
}

static void write_plan(struct process_world *w, FILE *f)
{
    char text[FAULT_TEXT_MAX];
    for (size_t i = 0; i < w->run->plan.count; i++) {
        const struct fault *fault = &w->run->plan.faults[i];
        bool used_up = fault->nth != FAULT_ALWAYS && w->run->fault_fired[i];
        if (fault->number == 0 || (fault->kind == FAULT_CUT && !fault->nth) || fault->late || used_up)
            continue;
        fault_print(fault, text);
        fprintf(f, "fault=%s\n", text);
    }
    for (size_t i = 0; i < w->barrier_count; i++)
        fprintf(f, "barrier=%s\n", w->barriers[i]);
}

static void write_settings(const struct process_world *w, const struct child *c, FILE *f)
{
    uint64_t values[ENV_SETTINGS];
    const struct scenario *s = w->run->scenario;
    scenario_settings(s, (size_t)(c->member - s->members), values);
    for (size_t i = 0; i < component_settings(c->member->class); i++)
        fprintf(f, "set=%s=%llu\n", c->member->class->settings[i].name, (unsigned long long)values[i]);
}

/* A file of the run's own folder: it goes with the folder. */
static void store_key_path(const struct process_world *w, const char *name, char out[SCRATCH_PATH + 32])
{
    snprintf(out, SCRATCH_PATH + 32, "%s/%s", w->scratch.path, name);
}

static void write_store_keys(const struct process_world *w, const struct child *c, FILE *f)
{
    char path[SCRATCH_PATH + 32];
    if (!c->member->class->sealed)
        return;
    store_key_path(w, STORE_KEY_FILE, path);
    fprintf(f, "store_key=%s\n", path);
    store_key_path(w, FORMER_STORE_KEY_FILE, path);
    if (w->run->store_keys.changed)
        fprintf(f, "former_store_key=%s\n", path);
}

static bool save_store_key(struct process_world *w, const char *name, const uint8_t key[ENV_STORE_KEY])
{
    char path[SCRATCH_PATH + 32];
    store_key_path(w, name, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, key, ENV_STORE_KEY) == ENV_STORE_KEY;
    if (fd >= 0)
        close(fd);
    if (!ok)
        run_fail(w->run, "cannot write %s: %s", path, strerror(errno));
    return ok;
}

static bool save_store_keys(struct process_world *w)
{
    const struct run_store_keys *k = &w->run->store_keys;
    return save_store_key(w, STORE_KEY_FILE, k->key) &&
           (!k->changed || save_store_key(w, FORMER_STORE_KEY_FILE, k->former));
}

bool process_setup_configure(struct process_world *w, struct child *c)
{
    int fd = open(c->configuration, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f) {
        run_fail(w->run, "cannot write %s: %s", c->configuration, strerror(errno));
        return false;
    }
    fprintf(f, "name=%s\nserial=%s\nstore=%s\nstart_ns=%llu\ncontrol=%d\nsequence=%u\nboard=%d\nslot=%u\n",
            c->name, c->member->serial, c->store_path, (unsigned long long)w->start_ns, PROCESS_CONTROL_FD,
            c->sequence, PROCESS_BOARD_FD, c->slot);
    enum tap_depth depth = records_want(w->run, c->member->class);
    if (depth)
        fprintf(f, "tap=%d\ntap_depth=%d\n", PROCESS_TAP_FD, (int)depth);
    if (w->run->options->memo_fd > 0 && c->member->class->works)
        fprintf(f, "memo=%d\n", PROCESS_MEMO_FD);
    struct token_ring ring = {NULL, 0, 0};
    bool ok = write_links(w, c, &ring, f);
    c->tokens = ok ? token_ring_seal(&ring) : -1;
    token_ring_clear(&ring);
    ok = ok && c->tokens >= 0 && fprintf(f, "tokens=%d\n", PROCESS_TOKENS_FD) > 0;
    write_plan(w, f);
    write_settings(w, c, f);
    write_store_keys(w, c, f);
    return fclose(f) == 0 && ok;
}

/* ---- stores ---- */

struct opened {
    struct process_world *world;
    struct store *stores[SCENARIO_MEMBERS];
    const char *reason;
};

static struct store *open_store(void *ctx, size_t member)
{
    struct opened *o = ctx;
    const struct child *c = process_setup_child(o->world, o->world->run->scenario->members[member].name);
    return o->stores[member] = sqlite_store_open(c->store_path, SQLITE_STORE_SEED, &o->reason);
}

bool process_setup_stores(struct process_world *w)
{
    struct opened o = {.world = w, .reason = ""};
    struct equipment q;
    struct crypto *c = crypto_new(NULL);
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    if (!c || !equip_begin(w->run, c, now_ms, &q)) {
        crypto_free(c);
        w->run->verdict = VERDICT_BLOCKED;
        return false;
    }
    enum err e = equip_stores(w->run, &q, c, now_ms, open_store, &o);
    for (size_t i = 0; i < SCENARIO_MEMBERS; i++) {
        if (o.stores[i] && store_sync(o.stores[i]))
            e = ERR_STORE_FAILED;
        store_close(o.stores[i]);
    }
    equip_end(&q);
    crypto_free(c);
    if (e)
        run_fail(w->run, "the world cannot be made: %s %s", err_text(e), o.reason);
    else if (!process_external_open(w))
        return false;
    return e == ERR_OK && save_store_keys(w);
}

/* ---- the whole ---- */

/* Steps at which the runner acts: whoever reaches one waits until that is done. */
static void collect_barriers(struct process_world *w)
{
    const struct run *r = w->run;
    for (size_t i = 0; i < r->trigger_count && w->barrier_count < WORLD_BARRIERS; i++)
        if (r->triggers[i].when.step[0])
            text_copy(w->barriers[w->barrier_count++], sizeof w->barriers[0], r->triggers[i].when.step);
}

static bool start_beside(struct process_world *w)
{
    char shell[] = "/bin/sh", flag[] = "-c", command[1024], log[760];
    char *argv[] = {shell, flag, command, NULL};
    struct child *c = w->run->options->beside ? process_setup_child_new(w, "tap") : NULL;
    if (!w->run->options->beside || !c)
        return !w->run->options->beside;
    text_copy(command, sizeof command, w->run->options->beside);
    process_setup_log(w, "tap", log, sizeof log);
    c->tied = true;
    int rc = spawn(argv, log, NULL, true, &c->pid);
    if (rc != 0)
        run_fail(w->run, "/bin/sh cannot be started: %s", strerror(rc));
    return rc == 0 && process_setup_watch(w, c);
}

static ino_t network_of(void)
{
    struct stat about;
    return stat("/proc/self/ns/net", &about) == 0 ? about.st_ino : 0;
}

/* One of the media may move this process into a network of its own: the zygote follows. */
static bool open_media_together(struct process_world *w)
{
    ino_t before = network_of();
    if (!open_media(w))
        return false;
    int rc = network_of() == before ? 0 : zygote_join(w->zygote);
    if (rc != 0)
        run_fail(w->run, "the components cannot go to the network of this run: %s", strerror(rc));
    return rc == 0;
}

/* Started first: it readies itself while the rest is prepared. */
static bool start_zygote(struct process_world *w)
{
    char program[560], log[760];
    struct child *c = process_setup_child_new(w, "zygote");
    if (!c)
        return false;
    c->is_zygote = true;
    spawn_beside("zygote", program, sizeof program);
    process_setup_log(w, "zygote", log, sizeof log);
    w->zygote = zygote_start(program, log, &c->pid);
    if (w->zygote < 0) {
        run_fail(w->run, "%s cannot be started: %s", program, strerror(errno));
        return false;
    }
    return process_setup_watch(w, c);
}

/* Descriptors: of the runner for each process its sockets, of each process its links. As many as the system
 * lets us have; those who start with fewer are told before something fails in the middle. */
static bool have_descriptors(struct process_world *w)
{
    struct rlimit limit;
    rlim_t needed = 64 + 8 * (rlim_t)w->run->scenario->member_count;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return true;
    if (limit.rlim_cur < needed) {
        limit.rlim_cur = needed < limit.rlim_max ? needed : limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= needed)
        return true;
    run_fail(w->run,
             "this run needs %llu descriptors, and only %llu are allowed: raise it with ulimit -n %llu",
             (unsigned long long)needed, (unsigned long long)limit.rlim_cur, (unsigned long long)needed);
    return false;
}

bool process_setup_open(struct process_world *w)
{
    if (!have_descriptors(w) || !make_logs(w) || !start_zygote(w) || !make_stores(w) || !make_directory(w))
        return false;
    w->board = board_make(&w->board_fd);
    if (!w->board) {
        run_fail(w->run, "no shared memory: %s", strerror(errno));
        return false;
    }
    collect_barriers(w);
    return open_media_together(w) && process_helpers_open(w) && start_beside(w);
}

void process_setup_close(struct process_world *w)
{
    for (size_t i = 0; i < w->child_count; i++) {
        store_close(w->children[i].store);
        for (size_t k = 0; k < ENV_PORTS; k++)
            if (w->children[i].listen_fd[k] >= 0)
                close(w->children[i].listen_fd[k]);
    }
    for (size_t i = 0; i < w->media_open; i++) {
        if (w->states[i] && media_setups[i]->close)
            media_setups[i]->close(&w->media[i], w->states[i]);
        free(w->states[i]);
    }
    token_ring_clear(&w->book);
    explicit_bzero(&w->authority, sizeof w->authority);
    board_close(w->board);
    if (w->board_fd >= 0)
        close(w->board_fd);
    if (w->zygote >= 0)
        close(w->zygote);
    scratch_remove(&w->scratch);
}

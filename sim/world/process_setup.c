#include "sim/world/process_setup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/host/sqlite_store.h"
#include "lib/media/can/can_control.h"
#include "lib/media/can/can_socket.h"
#include "lib/media/can/hub.h"
#include "sim/commands.h"
#include "sim/plant/given.h"

/* Where the certificates for somebody else's broker lie: ca.crt, and <client>.crt, <client>.key. */
#define GSDP_TLS_VARIABLE "SPAAKSIM_GSDP_TLS"
#define GSDP_TLS_DEFAULT  "gsdp-tls"

/* ---- files ---- */

static bool make_directory(struct world *w)
{
    const char *base = getenv("XDG_RUNTIME_DIR");
    if (!base || strlen(base) > 40 || access(base, W_OK) != 0)
        base = "/tmp";
    snprintf(w->directory, sizeof w->directory, "%s/spaaksim.XXXXXX", base);
    if (mkdtemp(w->directory))
        return true;
    run_fail(w->run, "cannot make a directory in %s: %s", base, strerror(errno));
    w->directory[0] = '\0';
    return false;
}

static void remove_files(const char *directory)
{
    char path[400];
    DIR *d = opendir(directory);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
        if (e->d_name[0] != '.')
            unlink(path);
    }
    if (d)
        closedir(d);
}

static bool make_output(struct world *w)
{
    char path[600];
    static const char *const folders[] = {"logs", "stores"};
    for (size_t i = 0; i < 2; i++) {
        report_path(w->run, folders[i], path, sizeof path);
        if (!run_make_directories(path)) {
            run_fail(w->run, "cannot make %s", path);
            return false;
        }
        remove_files(path);
    }
    chmod(path, 0700); /* stores hold private keys */
    return true;
}

/* ---- CAN ---- */

static struct child *new_child(struct world *w, const char *name)
{
    if (w->child_count == CHILDREN_MAX) {
        run_fail(w->run, "too many processes");
        return NULL;
    }
    struct child *c = &w->children[w->child_count++];
    *c = (struct child){.world = w, .control = -1, .listen_fd = -1};
    text_copy(c->name, sizeof c->name, name);
    return c;
}

static void program_path(char *out, size_t cap, const char *program)
{
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    snprintf(out, cap, "%s/%s", self, program);
}

/* Children without a scenario's row: the exit handler is set by whoever waits for them. */
static bool spawn_helper(struct world *w, const char *name, char *const *argv, const struct spawn_fd *fds,
                         bool tied)
{
    char log[700];
    pid_t pid;
    struct child *c = new_child(w, name);
    if (!c)
        return false;
    report_path(w->run, "logs", log, sizeof log);
    snprintf(log + strlen(log), 40, "/%s.log", name);
    int rc = spawn(argv, log, fds, tied, &pid);
    if (rc != 0) {
        run_fail(w->run, "%s cannot be started: %s", argv[0], strerror(rc));
        return false;
    }
    c->pid = pid;
    return process_world_watch(w, c);
}

static int on_frames(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    (void)s;
    (void)fd;
    (void)revents;
    process_world_read_frames(ctx);
    return 0;
}

static bool open_hub(struct world *w)
{
    uint8_t hello[256];
    struct hub_hello h = {.segment = HUB_ALL_SEGMENTS, .everything = true, .name = "recorder"};
    char program[560], listen_text[8] = "3", stop_text[8] = "4", start[24];
    char *argv[] = {program, listen_text, stop_text, start, NULL};
    int stop[2];
    program_path(program, sizeof program, "hub");
    snprintf(start, sizeof start, "%llu", (unsigned long long)w->start_ns);
    snprintf(w->hub_path, sizeof w->hub_path, "%s/can.sock", w->directory);
    w->hub_listen = spawn_listen(w->hub_path);
    if (w->hub_listen < 0 || pipe2(stop, O_CLOEXEC) != 0) {
        run_fail(w->run, "cannot make the hub's sockets: %s", strerror(errno));
        return false;
    }
    const struct spawn_fd fds[] = {{3, w->hub_listen}, {4, stop[0]}, {-1, -1}};
    bool ok = spawn_helper(w, "hub", argv, fds, false);
    close(stop[0]);
    w->hub_stop = stop[1];
    w->recorder = link_connect_unix(w->hub_path, SOCK_SEQPACKET);
    if (!ok || w->recorder < 0 || send(w->recorder, hello, hub_hello_write(&h, hello), MSG_NOSIGNAL) < 0)
        return false;
    return sd_event_add_io(w->event, NULL, w->recorder, EPOLLIN, on_frames, w) >= 0;
}

static bool open_recorder(struct world *w)
{
    w->recorder = can_socket_open("", NULL, 0);
    if (w->recorder < 0) {
        run_fail(w->run, "cannot listen on the CAN interfaces: %s", strerror(errno));
        return false;
    }
    return sd_event_add_io(w->event, NULL, w->recorder, EPOLLIN, on_frames, w) >= 0;
}

static bool parse_interfaces(struct world *w, const char *list)
{
    char copy[200], *save = NULL, problem[200];
    text_copy(copy, sizeof copy, list);
    for (char *part = strtok_r(copy, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(part, '=');
        if (equals)
            *equals = '\0';
        enum segment s = segment_from_name(part);
        if (!equals || s == SEGMENTS || strlen(equals + 1) >= sizeof w->interfaces[0]) {
            run_fail(w->run,
                     "--can takes auto, hub, vcan, or a list like body=can0,telematics=can1; not \"%s\"",
                     list);
            return false;
        }
        text_copy(w->interfaces[s], sizeof w->interfaces[s], equals + 1);
        if (!can_control_ready(equals + 1, problem, sizeof problem)) {
            run_fail(w->run, "%s", problem);
            return false;
        }
    }
    for (size_t s = 0; s < SEGMENTS; s++)
        if (!w->interfaces[s][0]) {
            run_fail(w->run, "--can names no interface for the segment %s", segment_name((enum segment)s));
            return false;
        }
    return true;
}

static bool try_vcan(struct world *w, char *problem, size_t cap)
{
    const char *names[SEGMENTS];
    for (size_t s = 0; s < SEGMENTS; s++) {
        names[s] = segment_name((enum segment)s);
        text_copy(w->interfaces[s], sizeof w->interfaces[s], names[s]);
    }
    if (!can_control_kernel_has_can()) {
        snprintf(problem, cap, "this kernel has no CAN");
        return false;
    }
    return can_control_make_vcans(names, SEGMENTS, problem, cap);
}

static bool open_can(struct world *w)
{
    const char *choice = w->run->options->can;
    char problem[160] = "chosen", *t = w->run->transport;
    const size_t cap = sizeof w->run->transport;
    bool chosen = strcmp(choice, "auto") != 0;
    bool remote_broker = strcmp(w->run->options->gsdp, "auto") != 0;
    if (chosen && strcmp(choice, "hub") != 0 && strcmp(choice, "vcan") != 0) {
        w->can = CAN_INTERFACES;
        snprintf(t, cap, "CAN on %s", choice);
        return parse_interfaces(w, choice) && open_recorder(w);
    }
    if (strcmp(choice, "vcan") == 0 || (!chosen && !remote_broker)) {
        if (try_vcan(w, problem, sizeof problem)) {
            w->can = CAN_VCAN;
            snprintf(t, cap, "CAN on vcan in a namespace of its own");
            return open_recorder(w);
        }
        if (chosen) {
            run_fail(w->run, "vcan: %s; use --can hub, or `make guest-test` for a kernel that has it",
                     problem);
            return false;
        }
    } else if (!chosen) {
        snprintf(problem, sizeof problem, "the broker is on the network");
    }
    w->can = CAN_HUB;
    snprintf(t, cap, "CAN on our hub: %s", problem);
    return open_hub(w);
}

void process_world_read_frames(struct world *w)
{
    uint8_t packet[HUB_PACKET_MAX];
    struct bus_frame f;
    if (w->recorder < 0)
        return;
    if (w->can == CAN_HUB) {
        ssize_t len;
        while ((len = recv(w->recorder, packet, sizeof packet, MSG_DONTWAIT)) > 0) {
            struct rd r = rd_of(packet + 1, (size_t)len - 1);
            if (packet[0] == HUB_BYE)
                run_fail(w->run, "can.log is not complete: the hub sent the recorder away: %.*s", (int)r.left,
                         (const char *)r.p);
            while (packet[0] == HUB_RECORD && r.left) {
                uint64_t time_us = rd_be64(&r);
                uint8_t segment = rd_u8(&r);
                if (bus_frame_read(&r, &f))
                    break;
                run_on_frame(w->run, time_us, segment_name((enum segment)segment), &f);
            }
        }
        return;
    }
    int index;
    uint64_t wall_us;
    char name[IF_NAMESIZE];
    while (can_socket_read_record(w->recorder, &f, &index, &wall_us) == 1) {
        if (!if_indextoname((unsigned)index, name))
            continue;
        for (size_t s = 0; s < SEGMENTS; s++)
            if (strcmp(w->interfaces[s], name) == 0)
                run_on_frame(w->run, (uint64_t)((int64_t)wall_us - w->run->wall_offset_us), name, &f);
    }
}

/* ---- GSDP ---- */

static bool open_gsdp(struct world *w)
{
    const char *url = w->run->options->gsdp;
    char *t = w->run->transport;
    size_t used = strlen(t);
    w->own_broker = strcmp(url, "auto") == 0;
    if (!w->own_broker) {
        if (strncmp(url, "mqtts://", 8) != 0 || !url[8]) {
            run_fail(w->run, "--gsdp takes auto or mqtts://host[:port], not \"%s\"", url);
            return false;
        }
        snprintf(w->gsdp_host, sizeof w->gsdp_host, "%s%s", url + 8, strchr(url + 8, ':') ? "" : ":8883");
        snprintf(t + used, sizeof w->run->transport - used, "; GSDP at %s", url);
        return true;
    }
    if (!broker_program()) {
        run_fail(w->run, "mosquitto is not installed; apt-get install mosquitto, or --gsdp mqtts://host");
        return false;
    }
    snprintf(t + used, sizeof w->run->transport - used, "; GSDP on our mosquitto");
    if (broker_prepare(&w->broker, w->directory, GIVEN_SERIAL))
        return true;
    run_fail(w->run, "cannot write the broker's configuration");
    return false;
}

static void gsdp_endpoint(struct world *w, const struct child *c, char *out, size_t cap)
{
    const struct broker_client *client = &w->broker.vehicle;
    const char *tls = getenv(GSDP_TLS_VARIABLE), *user = c->row->in_vehicle ? GIVEN_SERIAL : c->name;
    if (strcmp(c->name, "vos") == 0)
        client = &w->broker.vos;
    else if (strcmp(c->name, "gsdp") == 0)
        client = &w->broker.gsdp;
    if (w->own_broker) {
        snprintf(out, cap, "unix:%s;id=%s-%s;user=%s;password=%s", w->broker.socket, c->name, GIVEN_SERIAL,
                 client->user, client->password);
        return;
    }
    tls = tls ? tls : GSDP_TLS_DEFAULT;
    snprintf(out, cap, "mqtts:%s;id=%s-%s;ca=%s/ca.crt;cert=%s/%s.crt;key=%s/%s.key", w->gsdp_host, c->name,
             GIVEN_SERIAL, tls, tls, user, tls, user);
}

/* ---- children and their configuration ---- */

struct child *process_world_add(struct world *w, const char *component, const char *name)
{
    const struct component_row *row = component_find(component);
    if (!row->class && !w->own_broker) {
        static struct child elsewhere; /* the broker is somebody else's */
        return &elsewhere;
    }
    struct child *c = new_child(w, name);
    if (!c)
        return NULL;
    c->row = row;
    if (!row->class) {
        text_copy(c->program, sizeof c->program, broker_program());
        text_copy(c->argument, sizeof c->argument, w->broker.configuration);
        return c;
    }
    snprintf(c->argument, sizeof c->argument, "%s/%s.conf", w->directory, name);
    report_path(w->run, "stores", c->store_path, sizeof c->store_path);
    snprintf(c->store_path + strlen(c->store_path), 40, "/%s.db", name);
    if (strcmp(component, "pki") == 0)
        c->listen_fd = spawn_listen(w->pki_path);
    if (strcmp(component, "vos") == 0)
        c->listen_fd = spawn_listen(w->admin_path);
    return c;
}

static void write_links(struct world *w, const struct child *c, FILE *f)
{
    char endpoint[1000];
    for (size_t i = 0; i < c->row->class->port_count; i++) {
        const struct port_spec *spec = &c->row->class->ports[i];
        switch (spec->kind) {
        case PORT_CAN:
            snprintf(endpoint, sizeof endpoint, "%s:%s", w->can == CAN_HUB ? "hub" : "can",
                     w->can == CAN_HUB ? w->hub_path : w->interfaces[spec->segment]);
            break;
        case PORT_GSDP:
            gsdp_endpoint(w, c, endpoint, sizeof endpoint);
            break;
        case PORT_CALL:
            snprintf(endpoint, sizeof endpoint, "call:%s", w->pki_path);
            break;
        case PORT_SERVE:
            snprintf(endpoint, sizeof endpoint, "serve:%d", PROCESS_LISTEN_FD);
            break;
        }
        fprintf(f, "link.%s=%s\n", spec->name, endpoint);
    }
}

static void write_plan(struct world *w, FILE *f)
{
    char text[FAULT_TEXT_MAX];
    for (size_t i = 0; i < w->run->plan.count; i++) {
        const struct fault *fault = &w->run->plan.faults[i];
        bool late_kill = fault->kind == FAULT_KILL && w->run->scenario->fault_after_us[i];
        bool used_up = fault->nth != FAULT_ALWAYS && w->run->fault_fired[i];
        if (fault->number == 0 || fault->kind == FAULT_CUT || late_kill || used_up)
            continue;
        fault_print(fault, text);
        fprintf(f, "fault=%s\n", text);
    }
    for (size_t i = 0; i < w->barrier_count; i++)
        fprintf(f, "barrier=%s\n", w->barriers[i]);
}

bool process_world_configure(struct world *w, struct child *c)
{
    const struct scenario *s = w->run->scenario;
    size_t len = strlen(c->name);
    int fd = open(c->argument, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f) {
        run_fail(w->run, "cannot write %s: %s", c->argument, strerror(errno));
        return false;
    }
    fprintf(f, "name=%s\nserial=%s\nstore=%s\nstart_ns=%llu\ncontrol=%d\nsequence=%u\n", c->name,
            c->row->in_vehicle ? GIVEN_SERIAL : "", c->row->has_store ? c->store_path : "",
            (unsigned long long)w->start_ns, PROCESS_CONTROL_FD, c->sequence);
    write_links(w, c, f);
    write_plan(w, f);
    if (c->cut[0])
        fprintf(f, "cut=%s\n", c->cut);
    fputs(c->settings, f);
    for (size_t i = 0; i < s->setting_count; i++)
        if (strncmp(s->settings[i], c->name, len) == 0 && s->settings[i][len] == '.')
            fprintf(f, "set=%s\n", s->settings[i] + len + 1);
    return fclose(f) == 0;
}

/* ---- stores ---- */

bool process_world_seed(struct world *w)
{
    static const char *const names[] = {"spaak", "vos", "gsdp", "pki"};
    struct store *stores[4] = {NULL};
    struct oem oem;
    struct crypto *c = crypto_new(NULL);
    struct oem_options options = {.now_s = time(NULL),
                                  .vos_signer_expired =
                                      w->run->scenario->given.vos_signer == GIVEN_SIGNER_EXPIRED};
    const char *reason = "the crypto library fails";
    enum err e = c ? oem_make(c, &options, &oem) : ERR_CRYPTO_FAILED;
    for (size_t i = 0; !e && i < 4; i++) {
        char path[700];
        report_path(w->run, "stores", path, sizeof path);
        snprintf(path + strlen(path), 40, "/%s.db", names[i]);
        stores[i] = sqlite_store_open(path, SQLITE_STORE_SEED, &reason);
        e = stores[i] ? ERR_OK : ERR_STORE_FAILED;
    }
    struct given_stores given = {stores[0], stores[1], stores[2], stores[3]};
    if (!e)
        e = given_servers(c, &oem, &given);
    if (!e)
        e = given_vehicle(c, &oem, &w->run->scenario->given, GIVEN_SERIAL, (int64_t)options.now_s * 1000,
                          &given);
    for (size_t i = 0; i < 4; i++) {
        if (stores[i] && store_sync(stores[i]))
            e = ERR_STORE_FAILED;
        store_close(stores[i]);
    }
    if (c)
        oem_free(&oem);
    crypto_free(c);
    if (e)
        run_fail(w->run, "the world cannot be made: %s (%s)", err_text(e), reason);
    return e == ERR_OK;
}

/* ---- the whole ---- */

/* Steps at which the runner acts: whoever reaches one waits until that is done. */
static void collect_barriers(struct world *w)
{
    const struct run *r = w->run;
    for (size_t i = 0; i < r->trigger_count && w->barrier_count < WORLD_BARRIERS; i++)
        if (r->triggers[i].when.step[0])
            text_copy(w->barriers[w->barrier_count++], sizeof w->barriers[0], r->triggers[i].when.step);
}

static bool start_tap(struct world *w)
{
    char shell[] = "/bin/sh", flag[] = "-c", command[1024];
    char *argv[] = {shell, flag, command, NULL};
    if (!w->run->options->tap)
        return true;
    text_copy(command, sizeof command, w->run->options->tap);
    return spawn_helper(w, "tap", argv, NULL, true);
}

/* Started first: it readies itself while the rest is prepared. */
static bool start_zygote(struct world *w)
{
    char program[560], log[700];
    pid_t pid;
    struct child *c = new_child(w, "zygote");
    program_path(program, sizeof program, "zygote");
    report_path(w->run, "logs", log, sizeof log - 40);
    snprintf(log + strlen(log), 40, "/zygote.log");
    w->zygote = c ? zygote_start(program, log, &pid) : -1;
    if (w->zygote < 0) {
        run_fail(w->run, "%s cannot be started: %s", program, strerror(errno));
        return false;
    }
    c->pid = pid;
    return process_world_watch(w, c);
}

bool process_world_open(struct world *w)
{
    if (!make_output(w) || !make_directory(w))
        return false;
    snprintf(w->pki_path, sizeof w->pki_path, "%s/pki.sock", w->directory);
    snprintf(w->admin_path, sizeof w->admin_path, "%s/vos.sock", w->directory);
    collect_barriers(w);
    return open_can(w) && start_zygote(w) && open_gsdp(w) && start_tap(w);
}

void process_world_close(struct world *w)
{
    for (size_t i = 0; i < w->child_count; i++) {
        store_close(w->children[i].store);
        if (w->children[i].listen_fd >= 0)
            close(w->children[i].listen_fd);
    }
    if (w->recorder >= 0)
        close(w->recorder);
    if (w->hub_listen >= 0)
        close(w->hub_listen);
    if (w->admin_fd >= 0)
        close(w->admin_fd);
    if (w->zygote >= 0)
        close(w->zygote);
    if (w->directory[0]) {
        remove_files(w->directory);
        rmdir(w->directory);
    }
}

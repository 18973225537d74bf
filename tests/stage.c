#include "tests/stage.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/host/twin.h"
#include "lib/http/http_problem.h"
#include "lib/mail/mail.h"
#include "lib/media/mail/postbox.h"
#include "tests/launch.h"

struct stage stage;

/* ---- classes: one server, who may call it, and who may not ---- */

static const char *const callers[] = {"asker", NULL};
static const char *const everybody[] = {"asker", "", NULL};
static const struct port_spec server_ports[] = {
    {.name = "desk", .medium = "call", .end = PORT_LISTENS, .callers = callers},
    {.name = "plate", .medium = "nfc", .end = PORT_LISTENS, .callers = callers},
    {.name = "web", .medium = "http", .end = PORT_LISTENS, .callers = callers},
    {.name = "fair", .medium = "http", .end = PORT_LISTENS, .callers = everybody},
    {.name = "post", .medium = "mail"},
    {.name = "air", .medium = "ble", .end = PORT_LISTENS, .callers = callers},
};
static const struct port_spec asker_ports[] = {
    {.name = "desk", .medium = "call", .end = PORT_ASKS, .server = "server"},
    {.name = "plate", .medium = "nfc", .end = PORT_ASKS},
    {.name = "web", .medium = "http", .end = PORT_ASKS, .server = "server"},
    {.name = "fair", .medium = "http", .end = PORT_ASKS, .server = "server"},
    {.name = "post", .medium = "mail"},
    {.name = "air", .medium = "ble", .end = PORT_ASKS},
};

void stage_say(struct end *e, const char *who, const char *sign, const char *what, size_t len)
{
    size_t used = strlen(e->log);
    if (used)
        e->log[used++] = ' ';
    snprintf(e->log + used, sizeof e->log - used, "%s%s%.*s", who, sign, (int)len, what);
}

static bool hear_elsewhere(struct end *e, const char *address, char sign, struct span what)
{
    if (stage.on_heard)
        stage.on_heard(e, address, sign, what);
    return stage.on_heard;
}

static void hear_state(void *ctx, enum link_state state)
{
    if (hear_elsewhere(ctx, "", state == LINK_DOWN ? '-' : '+', span_of("", 0)))
        return;
    stage_say(ctx, state == LINK_DOWN ? "down" : "up", "", "", 0);
}

/* A request by its body, a response by its body or its status and reason; what is neither, whole. */
static struct span text_of_http(struct span bytes, char out[80])
{
    struct http_request q;
    struct http_response r;
    enum err reason = ERR_OK;
    if (http_request_read(bytes, HTTP_FROM_COMPONENT, &q) == ERR_OK)
        return q.body;
    if (http_response_read(bytes, &r) != ERR_OK)
        return bytes;
    if (r.status == 200)
        return r.body;
    http_problem_reason(&r, &reason);
    return span_of(out, (size_t)snprintf(out, 80, "%u/%s", r.status, err_name(reason)));
}

static bool is_http(void)
{
    return stage.port == PORT_WEB || stage.port == PORT_FAIR;
}

static void hear_bytes(void *ctx, const char *address, struct span bytes)
{
    char text[80];
    if (hear_elsewhere(ctx, address, '=', bytes))
        return;
    if (stage.on_request && ctx == stage_find("server")) {
        stage.on_request(address, bytes);
        return;
    }
    if (is_http()) {
        launch_must(bytes.len <= sizeof stage.heard, "a message of http", "too long");
        memcpy(stage.heard, bytes.p, bytes.len);
        stage.watched = span_of(stage.heard, bytes.len);
        bytes = text_of_http(bytes, text);
    }
    stage_say(ctx, address, "=", (const char *)bytes.p, bytes.len);
}

static void hear_news(void *ctx, const char *address, const char *news)
{
    if (hear_elsewhere(ctx, address, ':', span_of(news, strlen(news))))
        return;
    stage_say(ctx, address, ":", news, strlen(news));
}

/* Of the virtual world; the instance knows its end by its name. */
struct instance {
    struct end *end;
};

struct end *stage_find(const char *name)
{
    for (size_t i = 0; i < stage.count; i++)
        if (strcmp(stage.ends[i].name, name) == 0)
            return &stage.ends[i];
    launch_must(false, "nobody is called so", name);
    return NULL;
}

static enum err instance_init(void *self, struct env *env, const struct component_args *args)
{
    (void)args;
    ((struct instance *)self)->end = stage_find(env->name);
    return ERR_OK;
}

static void instance_on_link(void *self, unsigned port, enum link_state state)
{
    if (port == stage.port)
        hear_state(((struct instance *)self)->end, state);
}

static void instance_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    (void)port;
    hear_bytes(((struct instance *)self)->end, address, bytes);
}

static void instance_on_news(void *self, unsigned port, const char *address, const char *news)
{
    (void)port;
    hear_news(((struct instance *)self)->end, address, news);
}

#define CLASS(class_name, class_ports)                                                                     \
    {                                                                                                      \
        .name = class_name, .place = PLACE_OUTSIDE, .size = sizeof(struct instance), .ports = class_ports, \
        .port_count = PORTS, .init = instance_init, .on_link = instance_on_link,                           \
        .on_bytes = instance_on_bytes, .on_news = instance_on_news                                         \
    }
static const struct component_class server_class = CLASS("server", server_ports),
                                    asker_class = CLASS("asker", asker_ports),
                                    stranger_class = CLASS("stranger", asker_ports);

static void add_end(const char *name, const struct component_class *class)
{
    struct end *e = &stage.ends[stage.count];
    *e = (struct end){.name = name, .class = class, .listen_fd = -1};
    stage.instances[stage.count++] = (struct setup_instance){.name = name, .class = class, .serial = ""};
}

static const struct setup *setup_of_stage(void)
{
    static const struct setup *const setups[PORTS] = {&setup_call, &setup_nfc,  &setup_http,
                                                      &setup_http, &setup_mail, &setup_ble};
    return setups[stage.port];
}

static bool on_certify(void *ctx, const char *name, enum setup_role role, struct setup_identity *out)
{
    struct crypto *c = crypto_new(NULL);
    struct tls_identity own, *authority = &stage.authority;
    int64_t now_s = (int64_t)time(NULL);
    (void)ctx;
    if (!authority->len)
        launch_must(tls_authority_make(c, now_s, authority) == ERR_OK, "authority", "");
    launch_must(tls_issue(c, authority, role == SETUP_SERVER ? TLS_SERVER : TLS_CLIENT, name, now_s, &own) ==
                    ERR_OK,
                "identity", name);
    memcpy(out->scalar, own.scalar, sizeof out->scalar);
    memcpy(out->certificate, own.der, own.len);
    memcpy(out->authority, authority->der, authority->len);
    out->certificate_len = own.len;
    out->authority_len = authority->len;
    crypto_free(c);
    return true;
}

/* ---- what is kept ---- */

static int on_box(void *ctx, const struct medium *m)
{
    static const char *const parts[] = {"", "/tmp", "/new", "/cur"};
    char path[100];
    (void)ctx;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(path, sizeof path, "%s/%s%s", stage.directory, m->name, parts[i]);
        launch_must(mkdir(path, 0700) == 0, "mkdir", path);
    }
    snprintf(path, sizeof path, "%s/%s", stage.directory, m->name);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void on_keep(void *ctx, const struct medium *m, const char *file, struct span bytes)
{
    (void)ctx;
    launch_must(m->keeps && bytes.len <= sizeof stage.kept_bytes, "kept", file);
    snprintf(stage.kept_as, sizeof stage.kept_as, "%s", file);
    memcpy(stage.kept_bytes, bytes.p, bytes.len);
    stage.kept = span_of(stage.kept_bytes, bytes.len);
}

bool stage_kept(const char *file, struct span bytes)
{
    char path[100];
    if (!stage.process)
        return strcmp(stage.kept_as, file) == 0 && span_equal(stage.kept, bytes);
    snprintf(path, sizeof path, "%s/mail/new", stage.directory);
    char *is = launch_file(path, file);
    bool same = is && span_is(bytes, is);
    free(is);
    return same;
}

static void on_problem(void *ctx, const char *text)
{
    (void)ctx;
    launch_must(false, "set-up", text);
}

static void prepare_once(struct end *e)
{
    const struct setup_end end = {.who = &stage.instances[e - stage.ends],
                                  .port = stage.port,
                                  .listen_as = e->listen_fd,
                                  .listen_fd = &e->listen_fd,
                                  .ring = &e->ring,
                                  .endpoint = e->endpoint,
                                  .cap = sizeof e->endpoint};
    token_ring_clear(&e->ring);
    launch_must(setup_of_stage()->endpoint(&stage.world, stage.state, &end), "endpoint", e->name);
}

/* Sockets are there before anybody runs; a descriptor keeps its number, which is known the second time. */
static void prepare_endpoint(struct end *e)
{
    for (int i = 0; i < 2; i++)
        prepare_once(e);
}

static void start_helper(void)
{
    struct setup_helper h;
    char *argv[SETUP_ARGUMENTS + 1] = {NULL}, log[100];
    if (!setup_of_stage()->helper_is || !setup_of_stage()->helper_is(&stage.world, stage.state, &h))
        return;
    for (size_t i = 0; i < SETUP_ARGUMENTS && h.arguments[i][0]; i++)
        argv[i] = h.arguments[i];
    snprintf(log, sizeof log, "%s/helper.log", stage.directory);
    const struct spawn_how how = {h.fds, h.tied, h.leads, h.variable};
    launch_must(spawn_with(argv, log, &how, &stage.helper) == 0, "helper", argv[0]);
}

static void end_helper(void)
{
    if (stage.helper)
        kill(-stage.helper, SIGKILL);
    if (stage.helper)
        waitpid(stage.helper, NULL, 0);
    stage.helper = 0;
}

void stage_helper(bool alive)
{
    if (!stage.process)
        virtual_helper(stage.v, setup_of_stage()->helper, alive);
    else if (alive)
        start_helper();
    else
        end_helper();
}

static void begin_process(void)
{
    launch_directory(stage.directory);
    launch_must(sd_event_new(&stage.event) >= 0, "sd_event_new", "");
    stage.world = (struct setup_world){.event = stage.event,
                                       .directory = stage.directory,
                                       .book = &stage.book,
                                       .choice = "auto",
                                       .instances = stage.instances,
                                       .count = stage.count,
                                       .groups = 1,
                                       .fail = on_problem,
                                       .certify = on_certify,
                                       .box = on_box};
    stage.state = calloc(1, setup_of_stage()->size);
    launch_must(setup_of_stage()->open(&stage.world, stage.state), "set-up", "");
    for (size_t i = 0; i < stage.count; i++)
        prepare_endpoint(&stage.ends[i]);
    start_helper();
}

static void begin_virtual(void)
{
    static const struct component_args args = {.serial = ""};
    const struct virtual_options o = {.seed = 1, .twins = media_twins, .hooks = {.on_keep = on_keep}};
    stage.v = virtual_new(&o);
    for (size_t i = 0; i < stage.count; i++)
        stage.ends[i].node = virtual_add(stage.v, stage.ends[i].class, stage.ends[i].name, 0, &args);
}

bool stage_can(bool process, unsigned port)
{
    if (!process || port != PORT_POST || postbox_is_there() || getenv("CI"))
        return true;
    fprintf(stderr, "SKIPPED: no mail in the process world: python3-aiosmtpd is missing\n");
    return false;
}

void stage_begin(bool process, unsigned port, size_t askers)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    stage = (struct stage){.process = process, .port = port};
    add_end("server", &server_class);
    add_end("stranger", &stranger_class);
    for (size_t i = 0; i < askers; i++)
        add_end(names[i], &asker_class);
    process ? begin_process() : begin_virtual();
}

/* ---- what an end does ---- */

/* All that is ready now; what somebody waits for comes in expect_log. */
void stage_settle(void)
{
    while (stage.process && sd_event_run(stage.event, 0) > 0)
        ;
    while (!stage.process && !virtual_quiet(stage.v))
        virtual_step(stage.v, UINT64_MAX / 2);
}

void stage_flush(void)
{
    for (size_t i = 0; i < stage.count; i++)
        if (stage.ends[i].link)
            stage.ends[i].link->ops->flush(stage.ends[i].link);
}

static void start_process(struct end *e)
{
    static const struct link_driver *const drivers[PORTS] = {&link_driver_call, &link_driver_nfc,
                                                             &link_driver_http, &link_driver_http,
                                                             &link_driver_mail, &link_driver_ble};
    const char *reason = "";
    struct link_open o = {.event = stage.event,
                          .spec = &e->class->ports[stage.port],
                          .name = e->name,
                          .endpoint = e->endpoint,
                          .tokens = &e->ring,
                          .runner = getpid(),
                          .message_max = 2048,
                          .hooks = {e, hear_state, hear_bytes, hear_news}};
    e->link = drivers[stage.port]->open(&o, &reason);
    launch_must(e->link, "link", reason);
}

void stage_start(struct end *e)
{
    if (stage.process)
        start_process(e);
    else
        launch_must(virtual_start(e->node) == ERR_OK, "start", e->name);
}

void stage_kill(struct end *e)
{
    if (!stage.process) {
        virtual_kill(e->node, "killed");
        return;
    }
    e->link->ops->close(e->link);
    e->link = NULL;
}

void stage_cut(struct end *e, bool cut)
{
    if (stage.process)
        e->link->ops->set_cut(e->link, cut);
    else
        virtual_cut(e->node, e->class->ports[stage.port].name, cut);
}

enum err stage_tell(struct end *e, const char *address, const char *news)
{
    struct virtual_port *p = stage.process ? NULL : virtual_port(e->node, stage.port);
    return p ? p->twin->tell(p, address, news) : e->link->ops->tell(e->link, address, news);
}

enum err stage_radio(struct end *e, const char *name, const char *text)
{
    struct virtual_port *p = stage.process ? NULL : virtual_port(e->node, stage.port);
    return p ? p->twin->radio(p, name, text) : e->link->ops->radio(e->link, name, text);
}

enum err stage_send_bytes(struct end *e, const char *address, struct span bytes)
{
    struct virtual_port *p = stage.process ? NULL : virtual_port(e->node, stage.port);
    return p ? p->twin->send(p, address, bytes) : e->link->ops->send(e->link, address, bytes);
}

/* From the asker a request, from the server a response. */
static struct span http_of_text(bool asks, struct span text, uint8_t out[4096])
{
    static const char plain[] = "text/plain";
    char path[64];
    struct wr w = wr_of(out, 4096);
    struct http_request q = {.method = HTTP_POST, .body = text};
    struct http_response r = {.status = 200, .body = text};
    snprintf(path, sizeof path, "/%.*s", (int)text.len, (const char *)text.p);
    q.words[HTTP_WORD_PATH] = span_of(path, strlen(path));
    r.lines[HTTP_LINE_TYPE] = q.words[HTTP_WORD_TYPE] = span_of(plain, strlen(plain));
    launch_must((asks ? http_request_write(&q, &w) : http_response_write(&r, &w)) == ERR_OK, "message", path);
    return span_of(out, w.len);
}

struct span stage_mail(const char *to, uint8_t out[4096])
{
    static const char from[] = "desk@works.example", text[] = "Hello\n.\n..\n\303\274\n";
    const struct mail m = {.from = span_of(from, strlen(from)),
                           .to = span_of(to, strlen(to)),
                           .subject = span_of(to, strlen(to)),
                           .text = span_of(text, strlen(text))};
    struct wr w = wr_of(out, 4096);
    launch_must(mail_write(&m, &w) == ERR_OK, "message", to);
    return span_of(out, w.len);
}

enum err stage_send(struct end *e, const char *address, const char *text)
{
    uint8_t message[4096];
    struct span bytes = span_of(text, strlen(text));
    if (is_http())
        bytes = http_of_text(e->class->ports[stage.port].end == PORT_ASKS, bytes, message);
    else if (stage.port == PORT_POST && strchr(text, '@'))
        bytes = stage_mail(text, message);
    return stage_send_bytes(e, address, bytes);
}

void stage_finish(void)
{
    end_helper();
    for (size_t i = 0; stage.process && i < stage.count; i++) {
        if (stage.ends[i].link)
            stage_kill(&stage.ends[i]);
        if (stage.ends[i].listen_fd >= 0)
            close(stage.ends[i].listen_fd);
        token_ring_clear(&stage.ends[i].ring);
    }
    token_ring_clear(&stage.book);
    if (stage.process) {
        if (setup_of_stage()->close)
            setup_of_stage()->close(&stage.world, stage.state);
        free(stage.state);
        sd_event_unref(stage.event);
        launch_remove(stage.directory);
    }
    virtual_free(stage.v);
}

/* A mail server that takes its time, and the component that goes on meanwhile. The server holds a
 * conversation at one place and says so into the component's loop, as any other input would come; what the
 * loop does before the server is let go is seen by the order of events. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/media/mail/mail.h"
#include "lib/media/mail/mail_ends.h"
#include "tests/check.h"
#include "tests/stage.h"

TestSuite(mail_slow, .timeout = 120);

#define GIVEN_UP_MS 20000

enum spot { NOWHERE, AT_HELLO, AFTER_DATA, AT_QUIT };

static struct slow {
    enum spot place;
    bool hangs_up; /* instead of going on */
    unsigned connections;
    int listener, said[2], go[2];
    pthread_t thread;
    bool given_up; /* read after the thread has ended */
    sd_event *event;
    struct link *link;
    unsigned tasks, files; /* before */
    char log[4000];
    void (*on_other)(void);
} slow;

/* ---- the server ---- */

/* False when it hangs up, or the other has. */
static bool hold(enum spot here, int fd)
{
    char c = 'h';
    struct pollfd p[2] = {{slow.go[0], POLLIN, 0}, {fd, POLLRDHUP, 0}};
    if (here != slow.place)
        return true;
    if (write(slow.said[1], &c, 1) != 1 || poll(p, 2, GIVEN_UP_MS) <= 0)
        slow.given_up = true;
    if (p[0].revents && read(slow.go[0], &c, 1) == 1)
        return !slow.hangs_up;
    return false;
}

static bool answer(FILE *in, int fd, const char *line)
{
    bool text = strncmp(line, "DATA", 4) == 0, quit = strncmp(line, "QUIT", 4) == 0;
    char part[1000];
    dprintf(fd, text ? "354 go on\r\n" : quit ? "" : "250 yes\r\n");
    if (!text && !quit)
        return true;
    while (text && fgets(part, sizeof part, in) && strcmp(part, ".\r\n") != 0)
        ;
    if (!hold(text ? AFTER_DATA : AT_QUIT, fd))
        return false;
    dprintf(fd, text ? "250 taken\r\n" : "221 bye\r\n");
    return text;
}

static void converse(int fd)
{
    char line[1000];
    FILE *in = fdopen(fd, "r");
    if (hold(AT_HELLO, fd)) {
        dprintf(fd, "220 slow\r\n");
        while (fgets(line, sizeof line, in) && answer(in, fd, line))
            ;
    }
    fclose(in);
}

static void *serve(void *ctx)
{
    (void)ctx;
    for (unsigned i = 0; i < slow.connections; i++) {
        int fd = accept4(slow.listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            converse(fd);
    }
    return NULL;
}

static void let_go(void)
{
    cr_assert(eq(int, (int)write(slow.go[1], "g", 1), 1));
}

/* ---- the component ---- */

static void note(const char *word)
{
    size_t used = strlen(slow.log);
    snprintf(slow.log + used, sizeof slow.log - used, "%s%s", used ? " " : "", word);
}

static void on_news(void *ctx, const char *address, const char *news)
{
    char word[80];
    (void)ctx;
    snprintf(word, sizeof word, "%s:%s", address, news);
    note(word);
}

static void on_state(void *ctx, enum link_state state)
{
    (void)ctx;
    (void)state;
}

static int on_said(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
    char c;
    (void)source;
    (void)revents;
    (void)ctx;
    cr_assert(eq(int, (int)read(fd, &c, 1), 1));
    note("other");
    if (slow.on_other)
        slow.on_other();
    return 0;
}

static unsigned entries(const char *path)
{
    unsigned n = 0;
    DIR *d = opendir(path);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static int listen_somewhere(unsigned *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(fd, (const struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 100) == 0 &&
              getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void turn(void)
{
    cr_assert(ge(int, sd_event_run(slow.event, 10000), 0));
}

static void begin(enum spot place, const struct mail_limits *limits)
{
    static const struct port_spec spec = {.name = "post", .medium = "mail"};
    static char endpoint[80];
    static struct link_open o = {.spec = &spec,
                                 .name = "a",
                                 .endpoint = endpoint,
                                 .message_max = 4096,
                                 .hooks = {NULL, on_state, NULL, on_news}};
    const char *reason = "";
    unsigned port;
    /* libcurl, once loaded, stays */
    cr_assert(ge(int, sd_event_new(&o.event), 0));
    o.endpoint = MAIL_SERVER "smtp://127.0.0.1";
    struct link *first = link_driver_mail.open(&o, &reason);
    cr_assert(first != NULL, "%s", reason);
    sd_event_run(o.event, 0);
    first->ops->close(first);
    sd_event_unref(o.event);

    signal(SIGPIPE, SIG_IGN); /* as the host has it */
    slow = (struct slow){.place = place, .connections = 1};
    slow.tasks = entries("/proc/self/task");
    slow.files = entries("/proc/self/fd");
    slow.listener = listen_somewhere(&port);
    cr_assert(pipe2(slow.said, O_CLOEXEC) == 0 && pipe2(slow.go, O_CLOEXEC) == 0);
    cr_assert(sd_event_new(&slow.event) >= 0 &&
              sd_event_add_io(slow.event, NULL, slow.said[0], EPOLLIN, on_said, NULL) >= 0);
    snprintf(endpoint, sizeof endpoint, MAIL_SERVER "smtp://127.0.0.1:%u", port);
    o.endpoint = endpoint;
    o.event = slow.event;
    slow.link = mail_link_open(&o, limits, &reason);
    cr_assert(slow.link != NULL, "%s", reason);
    turn();
}

static void open_server(void)
{
    cr_assert(eq(int, pthread_create(&slow.thread, NULL, serve, NULL), 0));
}

static enum err send_to_server(void)
{
    uint8_t message[4096];
    return slow.link->ops->send(slow.link, "t", stage_mail("driver@home.example", message));
}

static void send_one(void)
{
    ASSERT_OK(send_to_server());
    slow.link->ops->flush(slow.link);
}

/* Until the log ends with that, at most GIVEN_UP_MS. */
static void run_until(const char *log)
{
    for (int i = 0; i < GIVEN_UP_MS / 10 && strcmp(slow.log, log) != 0; i++)
        turn();
    cr_assert(eq(str, slow.log, (char *)log));
}

/* The server has not waited in vain, and nothing is left of anybody. */
static void finish(void)
{
    pthread_join(slow.thread, NULL);
    cr_expect(not(slow.given_up), "the component was held");
    if (slow.link)
        slow.link->ops->close(slow.link);
    sd_event_unref(slow.event);
    close(slow.listener);
    for (int i = 0; i < 2; i++) {
        close(slow.said[i]);
        close(slow.go[i]);
    }
    /* the kernel lists a joined thread for a moment more */
    for (int i = 0; i < 100000 && entries("/proc/self/task") != slow.tasks; i++)
        sched_yield();
    cr_expect(eq(uint, entries("/proc/self/task"), slow.tasks), "threads");
    cr_expect(eq(uint, entries("/proc/self/fd"), slow.files), "descriptors");
}

static void close_link(void)
{
    slow.link->ops->close(slow.link);
    slow.link = NULL;
}

static const struct mail_limits patient = {GIVEN_UP_MS, GIVEN_UP_MS, GIVEN_UP_MS};

/* ---- slow ---- */

Test(mail_slow, a_server_that_thinks_about_the_text_holds_nobody)
{
    begin(AFTER_DATA, &patient);
    slow.on_other = let_go; /* without it no answer */
    open_server();
    send_one();
    run_until("other t:sent");
    finish();
}

Test(mail_slow, a_server_that_is_slow_at_quit_holds_nobody)
{
    begin(AT_QUIT, &patient);
    open_server();
    send_one();
    for (int i = 0; i < GIVEN_UP_MS / 10 && strlen(slow.log) < strlen("t:sent other"); i++)
        turn();
    cr_expect(strcmp(slow.log, "t:sent other") == 0 || strcmp(slow.log, "other t:sent") == 0, "%s", slow.log);
    let_go();
    finish();
}

static int on_time(sd_event_source *source, uint64_t now_us, void *ctx)
{
    (void)source;
    (void)now_us;
    (void)ctx;
    let_go();
    return 0;
}

static void let_go_late(void)
{
    cr_assert(
        ge(int, sd_event_add_time_relative(slow.event, NULL, CLOCK_MONOTONIC, 1500000, 1, on_time, NULL), 0));
}

Test(mail_slow, the_text_has_a_limit_of_its_own)
{
    static const struct mail_limits limits = {1200, GIVEN_UP_MS, GIVEN_UP_MS};
    begin(AFTER_DATA, &limits);
    slow.on_other = let_go_late;
    open_server();
    send_one();
    run_until("other t:sent");
    finish();
}

static const struct {
    const char *name;
    enum spot place;
    bool hangs_up;
    struct mail_limits limits;
    const char *log;
} ends[] = {
    {"greets nobody", AT_HELLO, false, {300, GIVEN_UP_MS, GIVEN_UP_MS}, "other t:refused 421"},
    {"never answers the text", AFTER_DATA, false, {GIVEN_UP_MS, 300, GIVEN_UP_MS}, "other t:unknown"},
    {"hangs up at the beginning", AT_HELLO, true, {GIVEN_UP_MS, 300, 300}, "other t:refused 421"},
    {"hangs up after the text", AFTER_DATA, true, {GIVEN_UP_MS, GIVEN_UP_MS, 300}, "other t:unknown"},
};

Test(mail_slow, what_is_told_of_a_server_that_is_too_slow_or_gone)
{
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        begin(ends[i].place, &ends[i].limits);
        slow.hangs_up = ends[i].hangs_up;
        slow.on_other = ends[i].hangs_up ? let_go : NULL;
        open_server();
        send_one();
        run_until(ends[i].log);
        finish();
    }
}

/* The server hears the end while it still holds: finish would say that it gave up. */
Test(mail_slow, a_goodbye_has_its_limit)
{
    static const struct mail_limits limits = {GIVEN_UP_MS, GIVEN_UP_MS, 300};
    begin(AT_QUIT, &limits);
    open_server();
    send_one();
    while (pthread_tryjoin_np(slow.thread, NULL) != 0)
        turn();
    open_server(); /* for finish to join */
    slow.place = NOWHERE;
    send_one();
    while (!strstr(slow.log, "t:sent") || !strstr(strstr(slow.log, "t:sent") + 1, "t:sent"))
        turn();
    finish();
}

/* ---- the end of a link, or of a process ---- */

Test(mail_slow, who_ends_with_a_message_under_way_leaves_nothing)
{
    static const enum spot places[] = {AT_HELLO, AFTER_DATA, AT_QUIT};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        begin(places[i], &patient);
        open_server();
        send_one();
        while (!strstr(slow.log, "other"))
            turn();
        close_link();
        finish();
    }
}

Test(mail_slow, who_ends_at_any_moment_leaves_nothing)
{
    for (unsigned turns = 0; turns < 40; turns++) {
        begin(NOWHERE, &patient);
        open_server();
        send_one();
        for (unsigned i = 0; i < turns * 10; i++)
            sched_yield();
        close_link();
        shutdown(slow.listener, SHUT_RDWR); /* it may never have connected */
        finish();
    }
}

Test(mail_slow, a_cut_link_tells_at_once_what_it_knows)
{
    static const struct {
        enum spot place;
        const char *log;
    } rows[] = {{AT_HELLO, "other t:refused 421"}, {AFTER_DATA, "other t:unknown"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin(rows[i].place, &patient);
        open_server();
        send_one();
        run_until("other");
        slow.link->ops->set_cut(slow.link, true);
        cr_expect(eq(int, send_to_server(), ERR_LINK_DOWN));
        run_until(rows[i].log);
        finish();
    }
}

/* Those that are hung up have their threads still when the next one comes. */
Test(mail_slow, who_is_hung_up_makes_room)
{
    begin(NOWHERE, &patient);
    slow.connections = MAIL_UNDER_WAY + 1;
    for (unsigned i = 0; i < MAIL_UNDER_WAY; i++)
        send_one();
    cr_expect(eq(uint, entries("/proc/self/task"), slow.tasks + MAIL_UNDER_WAY), "a thread each");
    cr_expect(eq(int, send_to_server(), ERR_BUSY));
    slow.link->ops->set_cut(slow.link, true);
    slow.link->ops->set_cut(slow.link, false);
    cr_expect(eq(int, send_to_server(), ERR_BUSY), "nothing is told yet");
    while (strlen(slow.log) < MAIL_UNDER_WAY * strlen("t:refused 421 ") - 1)
        turn();
    cr_expect(eq(ptr, strstr(slow.log, "sent"), NULL));
    send_one();
    open_server();
    while (!strstr(slow.log, "sent"))
        turn();
    shutdown(slow.listener, SHUT_RDWR); /* some were hung up before they had connected */
    finish();
}

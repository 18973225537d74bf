/* Whole runs with a mail port (tests/mail), in both worlds: the postbox, the maildir and the secret in it,
 * and what a server's last word means. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/media/mail/mail.h"
#include "lib/media/mail/mail_ends.h"
#include "lib/media/mail/postbox.h"
#include "tests/check.h"
#include "tests/launch.h"
#include "tests/stage.h"

static char directory[64];

static void set_up(void)
{
    launch_directory(directory);
}

static void tear_down(void)
{
    launch_remove(directory);
}

TestSuite(postbox, .init = set_up, .fini = tear_down, .timeout = 180);

/* Continuous integration has it. */
static void need_postbox(void)
{
    if (postbox_is_there() || getenv("CI"))
        return;
    fprintf(stderr, "SKIPPED: no mail in the process world: python3-aiosmtpd is missing\n");
    cr_skip_test("python3-aiosmtpd is missing");
}

static void start(struct launch *l, const char *scenario, const char *world, const char *more)
{
    launch_start_program(l, "tests/mail/bin/spaaksim", "run tests/mail/%s.yaml --world %s --out %s/%s %s",
                         scenario, world, directory, world, more);
}

/* A mail that a run has kept, to be freed; NULL when there is none. */
static char *letter(const char *world, const char *name)
{
    char place[100];
    snprintf(place, sizeof place, "%s/%s/mail/new", directory, world);
    return launch_file(place, name);
}

/* ---- runs ---- */

static const struct {
    const char *name;
    unsigned letters; /* that the postbox has */
} scenarios[] = {
    {"mail-sent", 2},           {"mail-refused", 0},    {"mail-lost", 1},
    {"mail-corrupt", 0},        {"mail-repeated", 3},   {"mail-cut", 2},
    {"mail-postbox-killed", 1}, {"mail-no-postbox", 0}, {"mail-clerk-killed", 0},
};

static void expect_letters(const char *world, unsigned want, const char *what)
{
    char name[MAIL_FILE_MAX];
    static uint8_t room[MAIL_ROOM];
    struct mail m;
    for (unsigned i = 1; i <= want + 1; i++) {
        mail_file_name(i, name);
        char *text = letter(world, name);
        cr_expect(eq(int, text != NULL, i <= want), "%s, %s: %s", what, world, name);
        if (text)
            cr_expect(eq(int, mail_read(span_of(text, strlen(text)), room, &m), ERR_OK), "%s %s", what, name);
        free(text);
    }
}

static void run_all(const char *world)
{
    static struct launch l;
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        start(&l, scenarios[i].name, world, "--quiet");
        cr_expect(eq(int, launch_finish(&l), 0), "%s, %s: %s", scenarios[i].name, world, l.text);
        expect_letters(world, scenarios[i].letters, scenarios[i].name);
    }
}

Test(postbox, scenarios_pass_in_the_virtual_world)
{
    run_all("virtual");
}

Test(postbox, scenarios_pass_in_the_process_world)
{
    need_postbox();
    run_all("process");
}

Test(postbox, the_same_seed_gives_the_same_mail)
{
    static struct launch l;
    char *letters[2];
    for (int i = 0; i < 2; i++) {
        start(&l, "mail-sent", "virtual", "--seed 7 --quiet");
        cr_assert(eq(int, launch_finish(&l), 0), "%s", l.text);
        letters[i] = letter("virtual", "0002.eml");
        cr_assert(letters[i] != NULL);
    }
    cr_expect(eq(str, letters[0], letters[1]));
    free(letters[0]);
    free(letters[1]);
}

/* ---- the secret ---- */

static bool record_has(const char *world, const char *file, const char *text)
{
    char place[100];
    snprintf(place, sizeof place, "%s/%s", directory, world);
    char *record = launch_file(place, file);
    cr_assert(record != NULL, "%s", file);
    bool has = strstr(record, text) != NULL;
    free(record);
    return has;
}

static void expect_mode(const char *world, const char *part, int mode)
{
    char path[120];
    struct stat about;
    snprintf(path, sizeof path, "%s/%s/mail%s", directory, world, part);
    cr_assert(eq(int, stat(path, &about), 0));
    cr_expect(eq(int, (int)(about.st_mode & 0777), mode), "%s", path);
}

static void look_for_secret(const char *world)
{
    static struct launch l;
    char secret[33], hex[65];
    start(&l, "mail-sent", world, "--bytes --quiet");
    cr_assert(eq(int, launch_finish(&l), 0), "%s", l.text);
    char *text = letter(world, "0001.eml"), *at = text ? strstr(text, "open#") : NULL;
    cr_assert(at != NULL, "the link stands in the mail, whole");
    snprintf(secret, sizeof secret, "%.32s", at + 5);
    cr_assert(eq(sz, strspn(secret, "0123456789abcdef"), 32));
    hex_encode((const uint8_t *)secret, 32, hex);
    cr_expect(not(record_has(world, "trace.jsonl", secret)));
    cr_expect(not(record_has(world, "bytes.jsonl", secret)));
    cr_expect(not(record_has(world, "bytes.jsonl", hex)));
    hex_encode((const uint8_t *)"Guten Tag", 9, hex);
    cr_expect(not(record_has(world, "bytes.jsonl", hex)), "nor anything else of it");
    cr_expect(record_has(world, "bytes.jsonl", "2a2a2a2a"), "but that there was something");
    expect_mode(world, "", 0700);
    expect_mode(world, "/new", 0700);
    expect_mode(world, "/new/0001.eml", 0600);
    free(text);
}

Test(postbox, a_secret_stands_in_the_mail_and_nowhere_else)
{
    look_for_secret("virtual");
    need_postbox();
    look_for_secret("process");
}

Test(postbox, a_run_whose_mail_others_may_read_fails)
{
    need_postbox();
    static struct launch l;
    char path[100];
    start(&l, "mail-no-postbox", "process", "");
    cr_assert(launch_read(&l, "ML-01/1"), "%s", l.text);
    snprintf(path, sizeof path, "%s/process/mail", directory);
    cr_assert(eq(int, chmod(path, 0750), 0));
    cr_expect(eq(int, launch_finish(&l), 1), "%s", l.text);
    cr_expect(ne(ptr, strstr(l.text, "others may look into"), NULL), "%s", l.text);
}

/* ---- what is left ---- */

Test(postbox, mail_of_an_earlier_run_is_gone)
{
    static struct launch l;
    char path[100];
    start(&l, "mail-sent", "virtual", "--quiet");
    cr_assert(eq(int, launch_finish(&l), 0), "%s", l.text);
    start(&l, "mail-corrupt", "virtual", "--quiet");
    cr_assert(eq(int, launch_finish(&l), 0), "%s", l.text);
    expect_letters("virtual", 0, "the next run");
    start(&l, "mail-sent", "virtual", "--quiet");
    cr_assert(eq(int, launch_finish(&l), 0), "%s", l.text);
    launch_start(&l, "run tests/cards/cards-exchange.yaml --world virtual --quiet --out %s/virtual",
                 directory);
    cr_assert(eq(int, launch_finish(&l), 0), "%s", l.text);
    snprintf(path, sizeof path, "%s/virtual/mail", directory);
    cr_expect(eq(int, access(path, F_OK), -1), "a run without mail has no maildir");
}

Test(postbox, there_is_none_without_a_mail_port)
{
    static struct launch l;
    char logs[80];
    launch_start(&l, "run tests/cards/cards-exchange.yaml --world process --quiet --out %s/cards", directory);
    cr_assert(eq(int, launch_finish(&l), 0), "%s", l.text);
    snprintf(logs, sizeof logs, "%s/cards/logs", directory);
    char *pad = launch_file(logs, "pad.log"), *postbox = launch_file(logs, "postbox.log");
    cr_expect(pad != NULL && postbox == NULL);
    free(pad);
    free(postbox);
}

/* Nobody of ours has to ask how it ended: it is a child of the runner. */
static bool is_gone(pid_t pid)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    FILE *f = fopen(path, "re");
    bool gone = !f || fgetc(f) == EOF;
    if (f)
        fclose(f);
    return gone;
}

/* At any moment of its start. */
Test(postbox, dies_with_a_runner_that_is_killed)
{
    need_postbox();
    static struct launch l;
    for (unsigned ms = 0; ms < 200; ms += 20) {
        pid_t postbox = 0;
        start(&l, "mail-repeated", "process", "");
        while (!postbox)
            postbox = launch_find(l.pid, "python3");
        usleep(ms * 1000);
        kill(l.pid, SIGKILL);
        cr_expect(eq(int, launch_finish(&l), 1000 + SIGKILL));
        for (int i = 0; i < 500 && !is_gone(postbox); i++)
            usleep(10000);
        cr_expect(is_gone(postbox), "after %u ms", ms);
    }
}

Test(postbox, an_option_that_is_no_server_is_refused)
{
    static const char *const options[] = {"http://host", "smtp://", "smtp://user:word@host",
                                          "smtp://host/path", "host"};
    static struct launch l;
    char more[80];
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        snprintf(more, sizeof more, "--mail %s", options[i]);
        start(&l, "mail-sent", "process", more);
        cr_expect(eq(int, launch_finish(&l), 2), "%s: %s", options[i], l.text);
        cr_expect(ne(ptr, strstr(l.text, "--mail takes"), NULL), "%s", l.text);
    }
}

/* ---- strangers ---- */

/* Who is no process of this run: what it hears at the socket, 'x' for nothing. */
static char knock_as_stranger(const char *path)
{
    int ends[2];
    char heard = 'x';
    pid_t self = getpid();
    cr_assert(eq(int, pipe(ends), 0));
    pid_t child = fork();
    if (child == 0) {
        if (fork() != 0)
            _exit(0);
        while (getppid() == self)
            usleep(1000);
        usleep(50000); /* until its parent is no longer one of ours */
        int fd = link_connect_unix(path, SOCK_STREAM);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        poll(&p, 1, 10000);
        ssize_t n = fd < 0 ? -1 : recv(fd, &heard, 1, 0);
        heard = n == 1 ? heard : n == 0 ? '-' : '?';
        _exit(write(ends[1], &heard, 1) != 1);
    }
    waitpid(child, NULL, 0);
    cr_assert(eq(int, (int)read(ends[0], &heard, 1), 1));
    close(ends[0]);
    close(ends[1]);
    return heard;
}

Test(postbox, hears_nobody_but_its_run)
{
    need_postbox();
    char path[100], byte = 'x';
    stage_begin(true, PORT_POST, 1);
    snprintf(path, sizeof path, "%s/mail.sock", stage.directory);
    cr_expect(eq(chr, knock_as_stranger(path), '-'), "hung up without a word");
    for (int i = 0; i < 100; i++) { /* who has ended before it is looked at */
        pid_t child = fork();
        if (child == 0)
            _exit(link_connect_unix(path, SOCK_STREAM) < 0);
        waitpid(child, NULL, 0);
    }
    int fd = link_connect_unix(path, SOCK_STREAM);
    cr_assert(ge(int, fd, 0));
    while (recv(fd, &byte, 1, MSG_DONTWAIT) < 0)
        usleep(1000);
    cr_expect(eq(chr, byte, '2'), "one of the run is greeted");
    close(fd);
    stage_finish();
}

/* Its path is another's now: the sender does not hand its letter over. */
Test(postbox, a_socket_in_its_place_gets_no_letter)
{
    char path[100], moved[110], heard[400] = "";
    int ends[2];
    stage_begin(true, PORT_POST, 1);
    snprintf(path, sizeof path, "%s/mail.sock", stage.directory);
    snprintf(moved, sizeof moved, "%s.moved", path);
    cr_assert(eq(int, rename(path, moved), 0));
    cr_assert(eq(int, pipe(ends), 0));
    pid_t squatter = fork(); /* who listens is known by its process */
    if (squatter == 0) {
        int fd = spawn_listen(path, SOCK_STREAM);
        int peer = -1;
        while (peer < 0)
            peer = accept(fd, NULL, NULL);
        if (write(peer, "220 x\r\n", 7) != 7)
            _exit(1);
        for (ssize_t n; (n = read(peer, heard, sizeof heard)) > 0;)
            if (write(ends[1], heard, (size_t)n) != n || write(peer, "250 x\r\n", 7) != 7)
                break;
        _exit(0);
    }
    close(ends[1]);
    while (access(path, F_OK) != 0)
        ;
    stage_start(stage_find("a"));
    stage_settle();
    ASSERT_OK(stage_send(stage_find("a"), "t", "driver@home.example"));
    stage_flush();
    for (int i = 0; i < 600 && !strstr(stage_find("a")->log, "refused"); i++)
        sd_event_run(stage.event, 10000);
    cr_expect(eq(str, stage_find("a")->log, "up t:refused 421"));
    stage_kill(stage_find("a"));
    waitpid(squatter, NULL, 0);
    size_t len = 0;
    for (ssize_t n; (n = read(ends[0], heard + len, sizeof heard - 1 - len)) > 0;)
        len += (size_t)n;
    heard[len] = '\0';
    cr_expect(eq(ptr, strstr(heard, "MAIL"), NULL), "%s", heard);
    cr_expect(eq(ptr, strstr(heard, "home.example"), NULL), "%s", heard);
    close(ends[0]);
    stage_start(stage_find("a"));
    stage_finish();
}

/* ---- a server's last word ---- */

#define TURNS 6

static const struct script {
    const char *what;
    const char *says[TURNS]; /* at first, and after each line; "..." nothing more, NULL: hangs up */
    const char *news;
} scripts[] = {
    {"takes it", {"220 x", "250 x", "250 x", "250 x", "354 x", "250 x"}, "sent"},
    {"hangs up", {NULL}, "refused 421"},
    {"is closed", {"554 x"}, "refused 554"},
    {"is busy", {"421 x"}, "refused 421"},
    {"wants to know who we are", {"220 x", "250 x", "530 x"}, "refused 530"},
    {"does not know the recipient", {"220 x", "250 x", "250 x", "550 x"}, "refused 550"},
    {"has no room for the recipient", {"220 x", "250 x", "250 x", "452 x"}, "refused 452"},
    {"hangs up at the recipient", {"220 x", "250 x", "250 x", NULL}, "refused 421"},
    {"wants no message", {"220 x", "250 x", "250 x", "250 x", "451 x"}, "refused 451"},
    {"hangs up before the message", {"220 x", "250 x", "250 x", "250 x", NULL}, "refused 421"},
    {"hangs up after the message", {"220 x", "250 x", "250 x", "250 x", "354 x", NULL}, "unknown"},
    {"refuses the message", {"220 x", "250 x", "250 x", "250 x", "354 x", "554 x"}, "refused 554"},
    {"refuses the message for now", {"220 x", "250 x", "250 x", "250 x", "354 x", "451 x"}, "refused 451"},
    {"is slow at the recipient", {"220 x", "250 x", "250 x", "..."}, "refused 421"},
    {"is slow after the message", {"220 x", "250 x", "250 x", "250 x", "354 x", "..."}, "unknown"},
};

/* Reads a line, or the message; false at the end. */
static bool hear(int fd, FILE *dialog, const char *end)
{
    char last[8] = "";
    size_t len = strlen(end), n = 0;
    for (char c; read(fd, &c, 1) == 1;) {
        fputc(c, dialog);
        memmove(last, last + (n == len), n - (n == len));
        n -= n == len;
        last[n++] = c;
        if (n == len && memcmp(last, end, len) == 0)
            return true;
    }
    return false;
}

static void serve(int listener, const struct script *s, FILE *dialog)
{
    int fd = accept(listener, NULL, NULL);
    for (size_t i = 0; i < TURNS && s->says[i]; i++) {
        if (strcmp(s->says[i], "...") == 0) {
            hear(fd, dialog, "never");
            break;
        }
        dprintf(fd, "%s\r\n", s->says[i]);
        if (!hear(fd, dialog, s->says[i][0] == '3' ? "\r\n.\r\n" : "\r\n"))
            break;
    }
    close(fd);
    fflush(dialog);
    _exit(0);
}

struct talk {
    char news[60], dialog[4096];
};

static void on_talk_news(void *ctx, const char *address, const char *news)
{
    struct talk *t = ctx;
    snprintf(t->news, sizeof t->news, "%s:%s", address, news);
}

static void on_talk_state(void *ctx, enum link_state state)
{
    (void)ctx;
    (void)state;
}

static int listen_at(unsigned *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(fd, (const struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 5) == 0 &&
              getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    *port = ntohs(a.sin_port);
    return fd;
}

/* Turns until the server has heard all, too. */
static void send_one(unsigned port, pid_t server, struct talk *t)
{
    static const struct mail_limits limits = {2000, 1000, 2000};
    static const struct port_spec spec = {.name = "post", .medium = "mail"};
    char endpoint[80];
    uint8_t message[4096];
    const char *reason = "";
    struct link_open o = {.spec = &spec, .name = "a", .endpoint = endpoint, .message_max = 4096};
    sd_event *event;
    cr_assert(ge(int, sd_event_new(&event), 0));
    snprintf(endpoint, sizeof endpoint, MAIL_SERVER "smtp://127.0.0.1:%u", port);
    o.event = event;
    o.hooks = (struct link_hooks){t, on_talk_state, NULL, on_talk_news};
    struct link *l = mail_link_open(&o, &limits, &reason);
    cr_assert(l != NULL, "%s", reason);
    while (sd_event_run(event, 0) > 0)
        ;
    ASSERT_OK(l->ops->send(l, "t", stage_mail("driver@home.example", message)));
    l->ops->flush(l);
    bool done = false;
    for (int i = 0; i < 1000 && (!t->news[0] || !done); i++) {
        done = done || waitpid(server, NULL, WNOHANG) == server;
        sd_event_run(event, 10000);
    }
    cr_expect(done, "the server has heard the end");
    if (!done)
        kill(server, SIGKILL);
    l->ops->close(l);
    sd_event_unref(event);
}

static void talk(const struct script *s, struct talk *t)
{
    unsigned port;
    int listener = listen_at(&port);
    FILE *dialog = tmpfile();
    *t = (struct talk){.news = ""};
    pid_t server = fork();
    if (server == 0)
        serve(listener, s, dialog);
    close(listener);
    send_one(port, server, t);
    rewind(dialog);
    t->dialog[fread(t->dialog, 1, sizeof t->dialog - 1, dialog)] = '\0';
    fclose(dialog);
}

Test(postbox, what_is_told_is_the_server_s_last_word)
{
    static struct talk t;
    char want[60];
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        talk(&scripts[i], &t);
        snprintf(want, sizeof want, "t:%s", scripts[i].news);
        cr_expect(eq(str, t.news, want), "a server that %s", scripts[i].what);
    }
}

/* A dot at the beginning of a line is doubled on the wire; the machine's name is not told. */
Test(postbox, the_envelope_is_that_of_the_message)
{
    static struct talk t;
    static const char head[] = "EHLO sender.example\r\nMAIL FROM:<desk@works.example>\r\n"
                               "RCPT TO:<driver@home.example>\r\nDATA\r\nDate: Thu, 01 Jan 1970 ";
    static const char tail[] = "\r\n\r\nHello\r\n..\r\n...\r\n=C3=BC\r\n.\r\n";
    talk(&scripts[0], &t);
    cr_expect(eq(int, strncmp(t.dialog, head, strlen(head)), 0), "%s", t.dialog);
    const char *end = strstr(t.dialog, tail);
    cr_assert(end != NULL, "%s", t.dialog);
    cr_expect(eq(str, (char *)end + strlen(tail), "QUIT\r\n"), "%s", t.dialog);
}

Test(postbox, who_we_are_is_not_said_without_tls)
{
    static const struct script s = {
        "has no TLS", {"220 x", "250-x\r\n250 AUTH PLAIN LOGIN", "235 x", "250 x"}, ""};
    static struct talk t;
    setenv(MAIL_USER_VARIABLE, "desk", 1);
    setenv(MAIL_PASSWORD_VARIABLE, "geheim", 1);
    talk(&s, &t);
    cr_expect(eq(str, t.news, "t:refused 421"));
    cr_expect(eq(ptr, strstr(t.dialog, "AUTH"), NULL), "%s", t.dialog);
    cr_expect(eq(ptr, strstr(t.dialog, "MAIL"), NULL), "%s", t.dialog);
}

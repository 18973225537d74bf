/* Chromium at the door of a running world: portal and hotline, by mouse and by keyboard, with scripts and
 * without (tests/chromium.py). What it is told to trust is the run's authority, and nothing else. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/media/http/nginx.h"
#include "tests/launch.h"

#define PAGES 15 /* three visits of five pages */

static bool has(const char *program)
{
    char text[200];
    return launch_run(text, sizeof text, "command -v %s", program) == 0;
}

static void skip_without_chromium(void)
{
    static const char *const programs[] = {"chromium", "chromedriver", "certutil"};
    for (size_t i = 0; i < 3; i++)
        if (!has(programs[i])) {
            fprintf(stderr, "SKIPPED: no browser of people at the door: %s is missing\n", programs[i]);
            cr_skip_test("%s is missing", programs[i]);
        }
}

/* ---- a world that is up as long as its lines do not end ---- */

struct world {
    struct launch play;
    char directory[64]; /* of the test; the records are in "run" */
    char door[300];     /* the folder of the run's nginx */
    unsigned port;
    int lines;
};

static void find_door(struct world *w)
{
    char path[64], line[4096] = "";
    snprintf(path, sizeof path, "%d/cmdline", (int)launch_find(w->play.pid, "nginx"));
    int proc = open("/proc", O_PATH | O_DIRECTORY), fd = openat(proc, path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    close(fd);
    close(proc);
    cr_assert(gt(long, n, 0), "nginx is not found");
    for (ssize_t i = 0; i < n; i++)
        if (!line[i])
            line[i] = ' ';
    const char *at = strstr(line, " -p ");
    cr_assert(at != NULL, "%s", line);
    snprintf(w->door, sizeof w->door, "%.*s", (int)strcspn(at + 4, " "), at + 4);
}

static void find_port(struct world *w)
{
    char *text = launch_file(w->door, NGINX_CONFIGURATION), *at = text ? strstr(text, "127.0.0.1:") : NULL;
    cr_assert(at != NULL, "the door has no port for browsers");
    w->port = (unsigned)atoi(at + strlen("127.0.0.1:"));
    free(text);
}

static void bring_up(struct world *w)
{
    static const char line[] = "vos register-owner user=anna\n";
    char path[100];
    launch_directory(w->directory);
    snprintf(path, sizeof path, "%s/lines", w->directory);
    cr_assert(eq(int, mkfifo(path, 0600), 0));
    launch_shell(&w->play, "exec $S play op01b --http tcp --out %s/run <%s", w->directory, path);
    w->lines = open(path, O_WRONLY | O_CLOEXEC);
    cr_assert(eq(long, write(w->lines, line, sizeof line - 1), sizeof line - 1));
    cr_assert(launch_read(&w->play, "register-owner"), "%s", w->play.text);
    find_door(w);
    find_port(w);
}

static void take_down(struct world *w)
{
    close(w->lines);
    cr_expect(eq(int, launch_finish(&w->play), 0), "%s", w->play.text);
}

/* ---- what is kept ---- */

static void read_password(const struct world *w, char out[16])
{
    char folder[100];
    snprintf(folder, sizeof folder, "%s/run/mail/new", w->directory);
    char *mail = launch_file(folder, "0001.eml"), *at = mail ? strstr(mail, "&password=") : NULL;
    cr_assert(at != NULL, "%s", mail ? mail : "no mail");
    snprintf(out, 16, "%.8s", at + strlen("&password="));
    cr_assert(eq(sz, strspn(out, "0123456789"), 8));
    free(mail);
}

/* Pictures and sources of all pages; the password, the link stand in none. */
static void look_at_pages(const char *folder, const char *password)
{
    size_t pictures = 0, sources = 0;
    DIR *d = opendir(folder);
    cr_assert(d != NULL);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        const char *end = strrchr(e->d_name, '.');
        pictures += end && strcmp(end, ".png") == 0;
        if (!end || strcmp(end, ".html") != 0)
            continue;
        char *text = launch_file(folder, e->d_name);
        cr_assert(text != NULL);
        cr_expect(strstr(text, "<h1>") != NULL, "%s", e->d_name);
        cr_expect(strstr(text, password) == NULL && strstr(text, "pair.example") == NULL, "%s", e->d_name);
        free(text);
        sources++;
    }
    closedir(d);
    cr_expect(eq(sz, pictures, PAGES));
    cr_expect(eq(sz, sources, PAGES));
}

/* Kept for whoever wants to look: the last time's go first. */
static void keep(const char *folder, const char *where)
{
    char text[300];
    cr_expect(eq(int,
                 launch_run(text, sizeof text, "rm -rf %s/chromium-%s && cp -r %s %s/chromium-%s",
                            launch_build(), where, folder, launch_build(), where),
                 0),
              "%s", text);
}

static void visit(const char *where)
{
    static char said[65536];
    struct world w = {.port = 0};
    char folder[100], password[16];
    bring_up(&w);
    snprintf(folder, sizeof folder, "%s/run/browser", w.directory);
    cr_assert(eq(int, mkdir(folder, 0700), 0));
    int code = launch_run(said, sizeof said, "python3 tests/chromium.py %s %u %s/tls-ca.crt %s %s/run/mail",
                          where, w.port, w.door, folder, w.directory);
    take_down(&w);
    cr_expect(eq(int, code, 0), "%s", said);
    cr_expect(strstr(said, "\ndone\n") != NULL, "%s", said);
    if (code == 0) {
        read_password(&w, password);
        look_at_pages(folder, password);
    }
    keep(folder, where);
    launch_remove(w.directory);
}

TestSuite(chromium, .init = skip_without_chromium, .timeout = 240);

Test(chromium, customers_at_the_portal)
{
    visit("portal");
}

Test(chromium, operators_at_the_hotline)
{
    visit("hotline");
}

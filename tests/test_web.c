/* Whole runs with HTTP ports (tests/web), in both worlds, and what is left of nginx when somebody is killed.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/launch.h"

static char directory[64];

static void set_up(void)
{
    launch_directory(directory);
}

static void tear_down(void)
{
    launch_remove(directory);
}

TestSuite(web, .init = set_up, .fini = tear_down, .timeout = 120);

static void start(struct launch *l, const char *scenario, const char *world)
{
    launch_start_program(l, "tests/web/bin/spaaksim", "run tests/web/%s.yaml --world %s --out %s/%s",
                         scenario, world, directory, world);
}

Test(web, scenarios_pass_in_both_worlds)
{
    static const char *const scenarios[] = {"web-ask",         "web-lost", "web-repeated", "web-shop-killed",
                                            "web-door-killed", "web-cut",  "web-long"};
    static const char *const worlds[] = {"virtual", "process"};
    static struct launch l;
    for (size_t i = 0; i < 2 * sizeof scenarios / sizeof scenarios[0]; i++) {
        start(&l, scenarios[i / 2], worlds[i % 2]);
        cr_expect(eq(int, launch_finish(&l), 0), "%s, %s: %s", scenarios[i / 2], worlds[i % 2], l.text);
    }
}

Test(web, the_same_seed_gives_the_same_trace)
{
    static struct launch l;
    char *traces[2], place[80];
    for (int i = 0; i < 2; i++) {
        start(&l, "web-repeated", "virtual");
        cr_assert(eq(int, launch_finish(&l), 0), "%s", l.text);
        snprintf(place, sizeof place, "%s/virtual", directory);
        traces[i] = launch_file(place, "trace.jsonl");
        cr_assert(traces[i] != NULL);
    }
    cr_expect(eq(str, traces[0], traces[1]));
    free(traces[0]);
    free(traces[1]);
}

/* It is no more, or nobody has asked yet how it ended. */
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

static bool goes(pid_t pid)
{
    for (int i = 0; i < 500 && !is_gone(pid); i++)
        usleep(10000);
    return is_gone(pid);
}

struct door {
    pid_t master, worker;
};

/* A run that has a request under way for seconds. */
static struct door begin_long_run(struct launch *l)
{
    start(l, "web-lost", "process");
    cr_assert(launch_read(l, "lose POST /a"), "%s", l->text);
    struct door d = {0, 0};
    for (int i = 0; i < 500 && !d.worker; i++) { /* nobody has waited for it so far */
        usleep(10000);
        d.master = launch_find(l->pid, "nginx");
        d.worker = d.master ? launch_find(d.master, "nginx") : 0;
    }
    cr_assert(d.master > 1 && d.worker > 1);
    return d;
}

Test(web, nothing_of_nginx_outlives_a_runner_that_was_killed)
{
    static struct launch l;
    struct door d = begin_long_run(&l);
    kill(l.pid, SIGKILL);
    cr_expect(goes(d.master), "the master");
    cr_expect(goes(d.worker), "the worker");
    cr_expect(eq(int, launch_finish(&l), 1000 + SIGKILL));
}

/* Nobody of the group is there, when those who have ended are taken off. */
static bool group_goes(pid_t group)
{
    bool gone = false;
    for (int i = 0; i < 500 && !gone; i++, usleep(10000)) {
        while (waitpid(-group, NULL, WNOHANG) > 0)
            ;
        gone = kill(-group, 0) != 0 && errno == ESRCH;
    }
    return gone;
}

/* At any moment of nginx's start: what it has by then is gone, and what it would have comes no more. */
Test(web, nothing_is_left_of_a_door_that_had_only_begun)
{
    static struct launch l;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (unsigned half_ms = 0; half_ms < 24; half_ms++) {
        pid_t nginx = 0;
        start(&l, "web-lost", "process");
        while (!nginx)
            nginx = launch_find(l.pid, "nginx");
        pid_t group = getpgid(nginx);
        cr_assert(gt(int, group, 1));
        usleep(half_ms * 500);
        kill(l.pid, SIGKILL);
        cr_expect(eq(int, launch_finish(&l), 1000 + SIGKILL));
        cr_expect(group_goes(group), "after %u half milliseconds", half_ms);
    }
}

Test(web, a_master_that_is_killed_takes_its_worker_along_and_fails_the_run)
{
    static struct launch l;
    struct door d = begin_long_run(&l);
    kill(d.master, SIGKILL);
    cr_expect(goes(d.worker), "the worker");
    cr_expect(eq(int, launch_finish(&l), 1), "%s", l.text);
    cr_expect(ne(ptr, strstr(l.text, "nginx"), NULL), "%s", l.text);
}

Test(web, nothing_is_left_when_a_run_has_ended)
{
    static struct launch l;
    struct door d = begin_long_run(&l);
    cr_expect(eq(int, launch_finish(&l), 0), "%s", l.text);
    cr_expect(is_gone(d.master) && is_gone(d.worker));
}

/* A run without HTTP ports starts none. */
Test(web, there_is_no_door_without_http_ports)
{
    static struct launch l;
    char logs[80];
    launch_start(&l, "run tests/cards/cards-exchange.yaml --world process --quiet --out %s/cards", directory);
    cr_assert(eq(int, launch_finish(&l), 0), "%s", l.text);
    snprintf(logs, sizeof logs, "%s/cards/logs", directory);
    char *pad = launch_file(logs, "pad.log"), *nginx = launch_file(logs, "nginx.log");
    cr_expect(pad != NULL && nginx == NULL);
    free(pad);
    free(nginx);
}

Test(web, a_browser_has_a_port_when_it_is_asked_for)
{
    static struct launch l;
    launch_start_program(&l, "tests/web/bin/spaaksim",
                         "run tests/web/web-ask.yaml --world process --http tcp --out %s/tcp", directory);
    cr_expect(eq(int, launch_finish(&l), 0), "%s", l.text);
    const char *port = strstr(l.text, "HTTP on our nginx, port ");
    cr_assert(port != NULL, "%s", l.text);
    cr_expect(gt(int, atoi(port + strlen("HTTP on our nginx, port ")), 1023));
    launch_start_program(&l, "tests/web/bin/spaaksim", "run tests/web/web-ask.yaml --http 8080 --out %s/bad",
                         directory);
    cr_expect(eq(int, launch_finish(&l), 2), "%s", l.text);
}

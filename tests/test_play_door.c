/* A person at the door of a world that plays: the addresses that are printed are opened with curl, as they
 * stand there. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tool.h"

#define SIGN_IN "-d '{\"user\":\"anna\",\"secret\":\"lake-and-lantern\",\"client\":\"a-browser-of-anna\"}'"
#define JSON    "-H 'Content-Type: application/json' "

TestSuite(play_door, .timeout = 120);

static struct tool_play p;

/* The word behind `before` in what was printed. */
static void printed(const char *before, char *out, size_t cap)
{
    const char *at = strstr(p.program.text, before);
    cr_assert(ne(ptr, (void *)at, NULL), "%s: %s", before, p.program.text);
    at += strlen(before);
    snprintf(out, cap, "%.*s", (int)strcspn(at, " \n"), at);
}

static void begin(const char *scenario)
{
    tool_play_begin(&p, "process", scenario, "records");
}

#define TOO_LONG JSON "-d $(printf %070000d 0)"

Test(play_door, what_is_printed_can_be_opened)
{
    static const struct {
        const char *name, *host, *path, *more, *answer;
    } rows[] = {
        {"signing in", "app.tbe.localhost", "v1/tokens", JSON SIGN_IN, "200 {\"access_token\""},
        {"a wrong secret", "app.tbe.localhost", "v1/tokens",
         JSON "-d '{\"user\":\"anna\",\"secret\":\"x\",\"client\":\"a-browser-of-anna\"}'", "401 {"},
        {"the same in HTTP/1.1", "app.tbe.localhost", "v1/tokens", "--http1.1 " JSON SIGN_IN,
         "200 {\"access_token\""},
        {"the name that components use", "app.tbe.example", "v1/tokens", JSON SIGN_IN,
         "200 {\"access_token\""},
        {"a long body", "app.tbe.localhost", "v1/tokens", TOO_LONG, "413 {"},
        {"a long body in HTTP/1.1", "app.tbe.localhost", "v1/tokens", "--http1.1 " TOO_LONG, "413 {"},
        {"the other host", "operator.tbe.localhost", "", "", "404 {"},
        {"a name that is none", "other.tbe.localhost", "", "", "curl: (35)"},
        {"a server that is no host", "app.vos.localhost", "", "", "curl: (35)"},
    };
    char address[200], trust[200], out[1200], want[200];
    begin("op01a");
    printed("open   https://operator.tbe.localhost:", address, sizeof address);
    printed("trust  ", trust, sizeof trust);
    printed("open   https://app.tbe.localhost:", address, sizeof address);
    long port = strtol(address, NULL, 10);
    snprintf(want, sizeof want, "%ld/", port);
    cr_assert(eq(str, address, want));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        launch_run(out, sizeof out,
                   "curl -sS --cacert %s --connect-to ::127.0.0.1: https://%s:%ld/%s %s "
                   "-w ' %%{http_code}' 2>&1 | awk '{ code = $NF; $NF = \"\"; print code, $0 }'",
                   trust, rows[i].host, port, rows[i].path, rows[i].more);
        bool failed = strncmp(rows[i].answer, "curl", 4) == 0;
        const char *at = failed ? strstr(out, rows[i].answer) : out;
        cr_expect(at && strncmp(at, rows[i].answer, strlen(rows[i].answer)) == 0, "%s: %s", rows[i].name,
                  out);
    }
    /* without being told whom to trust */
    launch_run(out, sizeof out, "curl -sS https://app.tbe.localhost:%ld/ --connect-to ::127.0.0.1: 2>&1",
               port);
    cr_expect(ne(ptr, strstr(out, "curl: (60)"), NULL), "%s", out);
    cr_expect(eq(int, tool_play_end(&p), 0), "%s", p.program.text);
    launch_run(out, sizeof out, "curl -sS --cacert %s https://127.0.0.1:%ld/ 2>&1", trust, port);
    cr_expect(ne(ptr, strstr(out, "curl: "), NULL), "nobody listens any more: %s", out);
    cr_expect(eq(int, launch_run(out, sizeof out, "test -e %s", trust), 1), "the run's folder is gone");
    tool_play_clear(&p);
}

/* Of a run nobody was asked for, and where there is no host nobody is told of one. */
Test(play_door, a_run_and_a_world_without_hosts_have_no_port)
{
    begin("pp01");
    cr_expect(eq(int, tool_play_end(&p), 0), "%s", p.program.text);
    cr_expect(eq(ptr, strstr(p.program.text, "https://"), NULL), "%s", p.program.text);
    cr_expect(eq(ptr, strstr(p.program.text, "\ntrust "), NULL), "%s", p.program.text);
    char out[32000];
    int rc = launch_run(out, sizeof out, "%s/bin/spaaksim run op01a --world process --quiet --out %s/run",
                        launch_build(), p.directory);
    cr_expect(eq(int, rc, 0), "%s", out);
    cr_expect(ne(ptr, strstr(out, "HTTP on our nginx;"), NULL), "no port: %s", out);
    tool_play_clear(&p);
}

Test(play_door, virtual_time_says_that_it_has_none)
{
    tool_play_begin(&p, "virtual", "op01a", "records");
    cr_expect(eq(int, tool_play_end(&p), 0), "%s", p.program.text);
    cr_expect(ne(ptr, strstr(p.program.text, "no browser gets into a world in virtual time"), NULL), "%s",
              p.program.text);
    cr_expect(eq(ptr, strstr(p.program.text, "https://"), NULL), "%s", p.program.text);
    tool_play_clear(&p);
}

/* Somebody outside who stands there and acts late, and what a person types meanwhile. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/launch.h"
#include "tests/support.h"

TestSuite(external_word, .timeout = 180);

#define BEGINNING                                          \
    "schema: 1\n"                                          \
    "name: outside\n"                                      \
    "title: a SpaaK Module from outside takes its time\n"  \
    "use_case: OP-06\n"                                    \
    "run: [vos, gsdp, sgw, tbm, spaak, bcm, wcp, phone]\n" \
    "limit: 12 s\n"                                        \
    "given:\n"                                             \
    "  after: op03\n"
#define UNLOCKED "expect:\n  - {shows: doors, by: bcm, is: unlocked}\n"

struct scene {
    char directory[64];
    struct launch module, run;
    int lines; /* what is typed */
};

/* The module is ready before the run begins. */
static void begin(struct scene *s, const char *scenario)
{
    char path[128];
    if (!launch_has_cryptography())
        cr_skip_test("python3-cryptography is missing");
    launch_directory(s->directory);
    snprintf(path, sizeof path, "%s/outside.yaml", s->directory);
    FILE *f = fopen(path, "w");
    cr_assert(f != NULL);
    fputs(scenario, f);
    fclose(f);
    snprintf(path, sizeof path, "%s/typed", s->directory);
    cr_assert(eq(int, mkfifo(path, 0600), 0));
    s->lines = open(path, O_RDWR | O_CLOEXEC);
    cr_assert(le(int, 0, s->lines));
    launch_shell(&s->module,
                 "exec python3 tests/when_there.py tests/late_spaak.py %s/o/external/spaak.json 2>&1",
                 s->directory);
    cr_assert(launch_read(&s->module, "ready"), "%s", s->module.text);
    launch_shell(&s->run, "exec '%s/bin/spaaksim' run %s/outside.yaml --external spaak --out %s/o <%s 2>&1",
                 launch_build(), s->directory, s->directory, path);
}

static void type(const struct scene *s, const char *text)
{
    cr_assert(eq(long, write(s->lines, text, strlen(text)), (long)strlen(text)));
}

static void end(struct scene *s)
{
    cr_expect(eq(int, launch_finish(&s->run), 0), "%s", s->run.text);
    cr_expect(strstr(s->run.text, "PASS  outside") != NULL, "%s", s->run.text);
    cr_expect(eq(int, launch_finish(&s->module), 0), "%s", s->module.text);
    close(s->lines);
    launch_remove(s->directory);
}

/* All are at rest for longer than a run that nobody plays from outside would go on. */
Test(external_word, who_stands_there_may_act_until_the_limit)
{
    static struct scene s;
    begin(&s, BEGINNING UNLOCKED);
    end(&s);
    cr_expect(strstr(s.run.text, "calls wait for") == NULL, "%s", s.run.text);
}

/* Nothing is asked of anybody, and a call waits for what only the module can do. */
Test(external_word, a_step_is_taken_when_nothing_is_asked)
{
    static struct scene s;
    static const char hint[] = "external  calls wait for OP-06/7: type the step when it is reached\n";
    begin(&s, BEGINNING "do:\n  - {call: pull-handle, to: bcm, at: OP-06/7, after: 100 ms}\n" UNLOCKED
                        "  - {shows: doors, by: bcm, is: open}\n");
    cr_assert(launch_read(&s.run, hint), "%s", s.run.text);
    cr_assert(launch_read(&s.run, "show doors  unlocked\n"), "%s", s.run.text);
    type(&s, "\n");
    cr_assert(launch_read(&s.run, "external  no call waits for Enter now; they wait for OP-06/7\n"), "%s",
              s.run.text);
    type(&s, " rubbish\n");
    cr_assert(launch_read(&s.run, "external  no call waits for \"rubbish\"; they wait for OP-06/7\n"), "%s",
              s.run.text);
    type(&s, "OP-06/7\n");
    end(&s);
    cr_expect(strstr(strstr(s.run.text, hint) + 1, hint) == NULL, "it is said once: %s", s.run.text);
}

/* Of a pipe all is there at once: the second Enter is for what is asked a second later, and stands in no
 * step's way. */
Test(external_word, a_step_goes_past_an_enter_that_waits)
{
    static const char asked[] = "schema: 1\n"
                                "name: outside\n"
                                "title: lines of a pipe\n"
                                "use_case: OP-02\n"
                                "run: [vos, gsdp, sgw, tbm, spaak, bcm, hu, wcp]\n"
                                "limit: 5 s\n"
                                "given:\n"
                                "  after: pp02\n"
                                "do:\n"
                                "  - {call: add-key, to: hu, after: 1 s}\n"
                                "  - {call: fob, to: bcm, place: here, at: OP-02/7}\n"
                                "expect:\n"
                                "  - {event: call, by: bcm, detail: fob}\n";
    static const char *const order[] = {"external  hu is there\n", "OP-02/7 is taken as reached",
                                        "external  now hu: add-key",
                                        "external  hu: add-key is taken as done, on somebody's word\n"};
    char directory[64], path[128], out[16000];
    launch_directory(directory);
    snprintf(path, sizeof path, "%s/outside.yaml", directory);
    FILE *f = fopen(path, "w");
    cr_assert(f != NULL);
    fputs(asked, f);
    fclose(f);
    launch_run(out, sizeof out,
               "printf '\\n\\nOP-02/7\\n' | '%s/bin/spaaksim' run %s --external hu --wait 20 --verbose --out "
               "%s/o 2>&1",
               launch_build(), path, directory);
    const char *from = out;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        from = strstr(from, order[i]);
        cr_assert(ne(ptr, (void *)from, NULL), "%s: %s", order[i], out);
    }
    launch_remove(directory);
}

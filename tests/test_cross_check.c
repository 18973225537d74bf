/* A second implementation derives the keys of a recorded pairing: scripts/cross-check.py. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { NO_PACKAGE = 77, NO_PYTHON = 127 };

/* Said on standard error, too, where scripts/run-tests.sh finds it. */
static void skip(void)
{
    fprintf(stderr, "SKIPPED: the second implementation did not run: python3-cryptography is missing\n");
    cr_skip_test("python3-cryptography is missing");
}

/* Runs record_exchange, through sed with that script, into the cross-check; its output goes to out. */
static int cross_check(const char *sed, char *out, size_t cap)
{
    const char *build = getenv("SPAAKSIM_BUILD");
    char command[300];
    snprintf(command, sizeof command,
             "%s/tests/record_exchange | sed '%s' | python3 scripts/cross-check.py 2>&1",
             build ? build : "build", sed);
    FILE *f = popen(command, "r");
    cr_assert(f != NULL);
    size_t n = fread(out, 1, cap - 1, f);
    out[n] = '\0';
    int status = pclose(f);
    int rc = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return rc == NO_PYTHON ? NO_PACKAGE : rc;
}

/* What the check reads is there, package or not. */
Test(cross_check, recording_is_complete)
{
    static const char *const members[] = {"\"x\"",
                                          "\"pairing_request\"",
                                          "\"pairing_verify_answer\"",
                                          "\"pairing_kenc\"",
                                          "\"kpersistent\"",
                                          "\"standard_vehicle_esk\"",
                                          "\"fast_kmac\"",
                                          "\"h\"",
                                          "\"result\": \"OK\""};
    static char out[20000];
    const char *build = getenv("SPAAKSIM_BUILD");
    char command[200];
    snprintf(command, sizeof command, "%s/tests/record_exchange", build ? build : "build");
    FILE *f = popen(command, "r");
    cr_assert(f != NULL);
    out[fread(out, 1, sizeof out - 1, f)] = '\0';
    cr_expect(eq(int, pclose(f), 0));
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        cr_expect(strstr(out, members[i]) != NULL, "%s", members[i]);
}

Test(cross_check, second_implementation_agrees)
{
    char out[8192];
    int rc = cross_check("", out, sizeof out);
    if (rc == NO_PACKAGE)
        skip();
    cr_expect(eq(int, rc, 0), "%s", out);
    size_t lines = 0;
    for (const char *p = out; (p = strstr(p, "agree ")); p++)
        lines++;
    cr_expect(eq(sz, lines, 30), "%s", out);
}

static const struct {
    const char *changed, *sed, *message;
} changes[] = {
    {"password", "s/47110815/47110816/", "DIFFERS X = x*G + w0*M"},
    {"evidence", "s/\\(verify_answer\": \"5810\\)../\\100/", "DIFFERS M[2]"},
    {"fast key", "s/\\(fast_kmac\": \"\\)...../\\100000/", "DIFFERS fast kmac"},
};

Test(cross_check, changes_are_noticed)
{
    char out[8192];
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        int rc = cross_check(changes[i].sed, out, sizeof out);
        if (rc == NO_PACKAGE)
            skip();
        cr_expect(eq(int, rc, 1), "%s", changes[i].changed);
        cr_expect(strstr(out, changes[i].message) != NULL, "%s: %s", changes[i].changed, out);
    }
}

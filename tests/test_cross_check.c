/* Second implementations that share nothing with ours: scripts/cross-check.py derives the keys of a recorded
 * pairing, scripts/check-messages.py verifies the example of docs/messages.md and the messages of a run. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "tests/launch.h"

enum { NO_PACKAGE = 77, NO_PYTHON = 127 };

/* Said on standard error, too, where scripts/run-tests.sh finds it. */
static void skip(void)
{
    fprintf(stderr, "SKIPPED: the second implementation did not run: python3-cryptography is missing\n");
    cr_skip_test("python3-cryptography is missing");
}

/* The exit code of a second implementation; skips the test when there is none. */
#define CHECK(rc, out, ...)                            \
    do {                                               \
        rc = launch_run(out, sizeof out, __VA_ARGS__); \
        if (rc == NO_PACKAGE || rc == NO_PYTHON)       \
            skip();                                    \
    } while (0)

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, word)); p++)
        n++;
    return n;
}

/* ---- a pairing ---- */

#define PAIRING "'%s/tests/record_exchange' | sed '%s' | python3 scripts/cross-check.py"

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
    cr_expect(eq(int, launch_run(out, sizeof out, "'%s/tests/record_exchange'", launch_build()), 0));
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        cr_expect(strstr(out, members[i]) != NULL, "%s", members[i]);
}

Test(cross_check, second_implementation_agrees)
{
    char out[8192];
    int rc;
    CHECK(rc, out, PAIRING, launch_build(), "");
    cr_expect(eq(int, rc, 0), "%s", out);
    cr_expect(eq(sz, count(out, "agree "), 30), "%s", out);
}

static const struct {
    const char *changed, *sed, *message;
} changes[] = {
    {"password", "s/47110815/47110816/", "DIFFERS X = x*G + w0*M"},
    /* a digit that may be 0 by itself */
    {"evidence", "s/\\(verify_answer\": \"5810\\)0/\\11/;t;s/\\(verify_answer\": \"5810\\)./\\10/",
     "DIFFERS M[2]"},
    {"fast key", "s/\\(fast_kmac\": \"\\)...../\\100000/", "DIFFERS fast kmac"},
};

Test(cross_check, changes_are_noticed)
{
    char out[8192];
    int rc;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        CHECK(rc, out, PAIRING, launch_build(), changes[i].sed);
        cr_expect(eq(int, rc, 1), "%s", changes[i].changed);
        cr_expect(strstr(out, changes[i].message) != NULL, "%s: %s", changes[i].changed, out);
    }
}

/* ---- messages ---- */

#define EXAMPLE "sed '%s' docs/messages.md | python3 scripts/check-messages.py --example /dev/stdin"

static const struct {
    const char *changed, *sed, *message; /* message NULL: verifies */
} pages[] = {
    {"nothing", "", NULL},
    {"a header's field", "s/^\\(header.sequence_number *38\\)01/\\102/", "DIFFERS the header's fields"},
    {"the tag", "s/^\\(signed.tag *\\)73/\\153/", "DIFFERS tag and lengths"},
    {"a length", "s/^\\(signed.body_length *000000\\)14/\\115/", "DIFFERS tag and lengths"},
    {"the hash", "s/^\\(sha256 *\\)../\\100/", "DIFFERS sha256"},
    {"the signature", "s/^\\(signature *304402201e\\)../\\100/", "DIFFERS the envelope has these parts"},
    {"the key", "s/^\\(private_key *\\)37/\\136/", "DIFFERS the private key"},
};

Test(cross_check, the_example_verifies_as_printed)
{
    char out[8192];
    int rc;
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        CHECK(rc, out, EXAMPLE, pages[i].sed);
        cr_expect(eq(int, rc, pages[i].message ? 1 : 0), "%s: %s", pages[i].changed, out);
        if (pages[i].message)
            cr_expect(strstr(out, pages[i].message) != NULL, "%s: %s", pages[i].changed, out);
    }
}

Test(cross_check, every_message_of_a_run_verifies)
{
    char out[8192], directory[64];
    int rc;
    launch_directory(directory);
    rc = launch_run(out, sizeof out, "'%s/bin/spaaksim' run pp01 --world virtual --bytes --quiet --out %s",
                    launch_build(), directory);
    cr_assert(eq(int, rc, 0), "%s", out);
    CHECK(rc, out, "python3 scripts/check-messages.py %s/bytes.jsonl", directory);
    cr_expect(eq(int, rc, 0), "%s", out);
    cr_expect(strstr(out, "agree   8 requests and 8 responses") != NULL, "%s", out);
    /* one bit of the body that travels */
    CHECK(rc, out,
          "sed 's/\\(\"medium\":\"gsdp\".*\"hex\":\"0a120a10\\)4/\\15/' %s/bytes.jsonl | "
          "python3 scripts/check-messages.py /dev/stdin",
          directory);
    cr_expect(eq(int, rc, 1), "%s", out);
    launch_remove(directory);
}

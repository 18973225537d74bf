/* Second implementations that share nothing with ours: scripts/cross-check.py derives the keys of a recorded
 * pairing and of the transactions of docs/apdu.md, scripts/check-messages.py verifies the example of
 * docs/messages.md and the messages of a run. */
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

/* ---- the page of the APDUs ---- */

#define APDUS "sed '%s' docs/apdu.md | python3 scripts/cross-check.py --example /dev/stdin"

static const struct {
    const char *changed, *sed, *message; /* message NULL: all agrees */
} apdu_pages[] = {
    {"nothing", "", NULL},
    {"the flag", "s/^\\(standard.auth0 *8080000\\)1/\\17/", "DIFFERS standard.auth0"},
    {"the ephemeral key", "s/^\\(standard.vehicle_esk *\\)6f/\\16e/", "DIFFERS standard.vehicle_esk"},
    {"Kdh", "s/^\\(standard.kdh *\\)1c/\\11d/", "DIFFERS standard.kdh"},
    {"the agreed version", "s/696c655c020100$/696c655c020101/", "DIFFERS standard.info_volatile"},
    {"the version in both", "s/7374656e745c020100$/7374656e745c0201005c020100/",
     "DIFFERS standard.info_persistent"},
    {"Krmac", "s/^\\(standard.krmac *\\)96/\\197/", "DIFFERS standard.krmac"},
    {"Kpersistent", "s/^\\(kpersistent *\\)01/\\100/", "DIFFERS kpersistent"},
    {"the vehicle's signature", "s/^\\(standard.auth1 *80810000429e40\\)be/\\1bf/",
     "DIFFERS the signature by vehicle_pk"},
    {"the device's key", "s/^\\(device_pk *042\\)f/\\1e/", "DIFFERS"},
    {"the R-MAC of AUTH1", "s/242decf46bde99000$/242decf46bde89000/", "DIFFERS standard.auth1_answer"},
    {"a chaining value", "s/^\\(standard.mcv *\\)47/\\146/", "DIFFERS standard.mcv"},
    {"the cryptogram", "s/^\\(fast.cryptogram *\\)8e/\\18f/", "DIFFERS fast.auth0_answer"},
    {"the C-MAC of EXCHANGE", "s/^\\(fast.exchange  *84c900001806\\)f0/\\1f1/", "DIFFERS fast.exchange"},
    {"what was read", "s/^\\(fast.exchange_answer_plain *010\\)1/\\12/",
     "DIFFERS fast.exchange_answer_plain"},
    {"a number of which nothing is known", "s/^versions /fast.other 00\\nversions /",
     "DIFFERS nothing is known of fast.other"},
    {"no numbers", "s/^```$//", "DIFFERS"},
};

Test(cross_check, the_transactions_of_the_page_are_computed_anew)
{
    char out[8192];
    int rc;
    for (size_t i = 0; i < sizeof apdu_pages / sizeof apdu_pages[0]; i++) {
        CHECK(rc, out, APDUS, apdu_pages[i].sed);
        cr_expect(eq(int, rc, apdu_pages[i].message ? 1 : 0), "%s: %s", apdu_pages[i].changed, out);
        if (apdu_pages[i].message)
            cr_expect(strstr(out, apdu_pages[i].message) != NULL, "%s: %s", apdu_pages[i].changed, out);
        else
            cr_expect(eq(sz, count(out, "agree "), 44), "%s", out);
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

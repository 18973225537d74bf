/* The judge's search for secrets: one is planted in each place where a run, its helpers or a browser leave
 * files, in each form, and the run fails with the file named. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/run/disguise.h"
#include "tests/launch.h"

TestSuite(secrets, .timeout = 180);

static char directory[64];

static void make(void)
{
    launch_directory(directory);
    setenv("XDG_RUNTIME_DIR", directory, 1);
}

static void drop(void)
{
    launch_remove(directory);
}

/* ---- forms ---- */

Test(secrets, are_known_in_every_form)
{
    static const char value[] = "lake-and-lantern~\x01\xFF";
    static const struct {
        const char *name, *text;
        size_t len; /* 0: to its end */
        bool plain, any;
    } rows[] = {
        {"as it is", "..lake-and-lantern~\x01\xFF..", 0, true, true},
        {"one short", "..lake-and-lantern~\x01", 0, false, false},
        {"hex", "6c616b652d616e642d6c616e7465726e7e01ff", 0, true, true},
        {"hex in capitals", "6C616B652D616E642D6C616E7465726E7E01FF", 0, true, true},
        {"UTF-16", "l\0a\0k\0e\0-\0a\0n\0d\0-\0l\0a\0n\0t\0e\0r\0n\0~\0\x01\0\xFF", 38, false, true},
        {"base64", "bGFrZS1hbmQtbGFudGVybn4B/w==", 0, false, true},
        {"base64url", "bGFrZS1hbmQtbGFudGVybn4B_w", 0, false, true},
        {"base64 behind one byte", "Omxha2UtYW5kLWxhbnRlcm5+Af8=", 0, false, true},
        {"base64url behind one byte", "Omxha2UtYW5kLWxhbnRlcm5-Af8", 0, false, true},
        {"base64 behind two and before one", "YTpsYWtlLWFuZC1sYW50ZXJufgH/Cg==", 0, false, true},
        {"base64 of another", "bGFrZS1hbmQtbGFudGVybn4Bfw==", 0, false, false},
    };
    const struct span secret = span_of(value, sizeof value - 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct span text = span_of(rows[i].text, rows[i].len ? rows[i].len : strlen(rows[i].text));
        cr_expect(eq(int, disguise_find(text, secret, false), rows[i].plain), "%s", rows[i].name);
        cr_expect(eq(int, disguise_find(text, secret, true), rows[i].any), "%s", rows[i].name);
    }
    cr_expect(not(disguise_find(span_of("short..", 7), span_of("short", 5), true)), "stands everywhere");
}

#define DIGITS "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

Test(secrets, a_key_log_is_known)
{
    static const struct {
        const char *text;
        bool is;
    } rows[] = {
        {"# SSL/TLS secrets log file\nCLIENT_RANDOM " DIGITS " " DIGITS "\n", true},
        {"CLIENT_TRAFFIC_SECRET_0 " DIGITS " " DIGITS "\n", true},
        {"of CLIENT_RANDOM and CLIENT_HANDSHAKE_TRAFFIC_SECRET " DIGITS " " DIGITS, true},
        {"CLIENT_RANDOM is a label of key logs, and this is no key log: " DIGITS "\n", false},
        {"CLIENT_RANDOM 0011", false},
        {"CLIENT_RANDOM " DIGITS, true},
        {"", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_expect(eq(int, disguise_is_key_log(span_of(rows[i].text, strlen(rows[i].text))), rows[i].is), "%s",
                  rows[i].text);
}

/* ---- places ---- */

#define SECRET "lake-and-lantern" /* of anna: the phone's store has it when she has signed in */

/* $D: the test's folder; $O: of the records. The commands run beside the scenario. */
static const struct {
    const char *name, *command;
    const char *file; /* that the verdict names; NULL: the run passes */
} places[] = {
    {"nowhere", "true", NULL},
    {"nginx's log", "echo " SECRET " >>$O/logs/nginx.log", "logs/nginx.log"},
    {"a log of its own", "echo GET /?a=" SECRET " >$O/logs/access.log", "logs/access.log"},
    {"the log of the command", "echo " SECRET, "logs/tap.log"},
    {"a temporary file of nginx", "for d in $D/spaaksim.*; do echo " SECRET " >$d/0000000001; done",
     "/0000000001"},
    {"a folder of such", "for d in $D/spaaksim.*; do mkdir -p $d/scgi/1; echo " SECRET " >$d/scgi/1/2; done",
     "/scgi/1/2"},
    {"a browser's profile",
     "mkdir -p $O/browser/Default/Sessions; echo " SECRET " >$O/browser/Default/Sessions/Tabs_1",
     "browser/Default/Sessions/Tabs_1"},
    {"the same in UTF-16", "mkdir -p $O/browser; printf " SECRET " | sed 's/./&\\x00/g' >$O/browser/History",
     "browser/History"},
    {"the same in base64", "printf 'anna:" SECRET "' | base64 >$O/request.txt", "request.txt"},
    {"a key log", "echo CLIENT_RANDOM " DIGITS " " DIGITS " >$O/keys.log",
     "keys.log has keys of TLS connections"},
    {"a folder called as the mail's, but inside another", "mkdir -p $O/x/mail; echo " SECRET " >$O/x/mail/1",
     "x/mail/1"},
    {"across the border of what is read at a time",
     "head -c 16777210 /dev/zero >$O/dump; echo " SECRET " >>$O/dump", "/dump"},
    {"behind a terabyte of nothing", "truncate -s 1T $O/dump; echo " SECRET " >>$O/dump", "/dump"},
    {"where stores lie", "echo " SECRET " >$O/stores/note", NULL},
    {"the records of another run", "mkdir -p $O/other; touch $O/other/.spaaksim; echo " SECRET " >$O/other/1",
     NULL},
    {"what a link leads to", "echo " SECRET " >$D/outside; ln -s $D/outside $O/link", NULL},
};

Test(secrets, are_found_wherever_a_run_leaves_files, .init = make, .fini = drop)
{
    static struct launch l;
    char want[200];
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        setenv("PLANT", places[i].command, 1);
        launch_shell(
            &l,
            "export D=%s O=%s/o%zu; exec $S run op01a --world process --quiet --out $O --tap \"$PLANT; "
            "exec sleep 100\"",
            directory, directory, i);
        int rc = launch_finish(&l);
        cr_expect(eq(int, rc, places[i].file ? 1 : 0), "%s: %s", places[i].name, l.text);
        if (!places[i].file)
            continue;
        bool is_keys = strstr(places[i].file, "TLS") != NULL;
        snprintf(want, sizeof want, "%s%s", places[i].file, is_keys ? "" : "\n");
        cr_expect(ne(ptr, strstr(l.text, want), NULL), "%s: %s", places[i].name, l.text);
        cr_expect(ne(ptr, strstr(l.text, "invariant 4: "), NULL), "%s: %s", places[i].name, l.text);
        cr_expect(is_keys || strstr(l.text, " of phone stands in "), "%s: %s", places[i].name, l.text);
    }
}

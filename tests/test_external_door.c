/* Who comes to play somebody from outside, and is sent away: the run that then misses him says why. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/host/link.h"
#include "tests/check.h"
#include "tests/launch.h"
#include "tests/support.h"

TestSuite(external_door, .timeout = 180);

static const char scenario[] = "schema: 1\n"
                               "name: outside\n"
                               "title: somebody from outside is sent away\n"
                               "use_case: OP-03\n"
                               "run: [dos, vos, gsdp, sgw, tbm, spaak, bcm, hu, wcp, phone]\n"
                               "limit: 20 s\n"
                               "given:\n"
                               "  after: pp02\n"
                               "do:\n"
                               "  - {call: place, to: phone, reader: wcp, at: start, after: 300 ms}\n"
                               "expect:\n"
                               "  - {step: OP-04/4, by: spaak}\n";

/* TT: the token that it was given. */
#define TT       "TT"
#define GREETING "040025" TT "70686f6e65" /* "phone" */

static const struct {
    const char *what, *who, *place, *token, *until;
    int type;
    const char *says, *sent_away;
} rows[] = {
    {"a HELLO that is cut off", "hu", "\"hub:", "{\"hu\": \"", "waiting for hu", SOCK_SEQPACKET, "01020100",
     "hub: a stranger on can.sock is refused: the text does not follow its grammar (BAD_SYNTAX), 1 so far"},
    {"the token of nobody", "hu", "\"hub:", "{\"hu\": \"", "waiting for hu", SOCK_SEQPACKET,
     "01020100"
     "6875000000000000000000000000000000000000000000000000000000000000"
     "3d4abe781ecde3c5defdeb2e52efeeb2bbc1949ec5495d456a0d307f6d7953b8",
     "hub: a stranger on can.sock is refused: the peer did not prove that it may be here "
     "(LINK_NOT_ADMITTED), 1 so far"},
    {"no greeting", "phone", "card:;wcp=", "{\"wcp\": \"", "show field", SOCK_STREAM, "00",
     "wcp: a stranger on nfc is refused: the text does not follow its grammar (BAD_SYNTAX), 1 so far"},
    {"a greeting without a name", "phone", "card:;wcp=", "{\"wcp\": \"", "show field", SOCK_STREAM,
     "040020" TT, "wcp: a stranger on nfc is refused: the text does not follow its grammar (BAD_SYNTAX)"},
    {"more behind the greeting", "phone", "card:;wcp=", "{\"wcp\": \"", "show field", SOCK_STREAM,
     GREETING "00", "wcp: a stranger on nfc is refused: the text does not follow its grammar (BAD_SYNTAX)"},
    {"another's name", "phone", "card:;wcp=", "{\"wcp\": \"", "show field", SOCK_STREAM,
     "040025" TT "70686f6e66",
     "wcp: a stranger on nfc is refused: the peer did not prove that it may be here (LINK_NOT_ADMITTED)"},
    {"no frame, once it was taken", "phone", "card:;wcp=", "{\"wcp\": \"", "show field", SOCK_STREAM,
     GREETING "|090000",
     "wcp: the contact of nfc with card1 is ended: not a well-formed message (MSG_MALFORMED), 1 so far"},
    {"an answer to nothing, once it was taken", "phone", "card:;wcp=", "{\"wcp\": \"", "show field",
     SOCK_STREAM, GREETING "|0000029000", "wcp: the contact of nfc with card1 is ended: "},
};

/* The text behind `before`, up to the next quote. */
static void cut_out(const char *text, const char *before, char *out, size_t cap)
{
    const char *p = strstr(text, before);
    cr_assert(p != NULL, "%s", before);
    p += strlen(before);
    snprintf(out, cap, "%.*s", (int)strcspn(p, "\"';"), p);
}

/* The other end says something, or closes. */
static void wait_for_word(int fd, const char *what)
{
    char buf[300];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    cr_assert(eq(int, poll(&p, 1, LAUNCH_LIMIT_MS), 1), "%s", what);
    cr_expect(le(long, 0, recv(fd, buf, sizeof buf, MSG_DONTWAIT)), "%s", what);
}

/* "|": what is behind it comes after an answer. */
static void say(int fd, const char *says, const char *token, const char *what)
{
    uint8_t bytes[300];
    char hex[600];
    for (const char *p = says; *p; p += strcspn(p, "|"), p += *p == '|') {
        size_t part = strcspn(p, "|");
        const char *gap = strstr(p, TT);
        bool has = gap && gap < p + part;
        size_t before = has ? (size_t)(gap - p) : part, behind = has ? before + strlen(TT) : part;
        snprintf(hex, sizeof hex, "%.*s%s%.*s", (int)before, p, has ? token : "", (int)(part - behind),
                 p + behind);
        size_t len = unhex(hex, bytes, sizeof bytes);
        cr_assert(eq(sz, (size_t)send(fd, bytes, len, MSG_NOSIGNAL), len), "%s", what);
        wait_for_word(fd, what);
    }
}

static void check_row(const char *directory, size_t i)
{
    static struct launch run;
    char folder[80], name[40], path[200], token[80];
    launch_shell(&run,
                 "exec '%s/bin/spaaksim' run %s/outside.yaml --external %s --wait 3 --out %s/o </dev/null "
                 "2>&1",
                 launch_build(), directory, rows[i].who, directory);
    cr_assert(launch_read(&run, rows[i].until), "%s: %s", rows[i].what, run.text);
    snprintf(folder, sizeof folder, "%s/o/external", directory);
    snprintf(name, sizeof name, "%s.json", rows[i].who);
    char *file = launch_file(folder, name);
    cr_assert(file != NULL);
    cut_out(file, rows[i].place, path, sizeof path);
    cut_out(file, rows[i].token, token, sizeof token);
    free(file);
    int fd = link_connect_unix(path, rows[i].type);
    cr_assert(le(int, 0, fd), "%s", path);
    say(fd, rows[i].says, token, rows[i].what);
    cr_expect(eq(int, launch_finish(&run), 3), "%s: %s", rows[i].what, run.text);
    const char *blocked = strstr(run.text, "who is played from outside, did not come within 3 s");
    cr_assert(ne(ptr, (void *)blocked, NULL), "%s: %s", rows[i].what, run.text);
    cr_expect(strstr(blocked, rows[i].sent_away) != NULL, "%s: %s", rows[i].what, blocked);
    close(fd);
}

Test(external_door, who_was_sent_away_is_no_riddle)
{
    char directory[64], path[128];
    launch_directory(directory);
    snprintf(path, sizeof path, "%s/outside.yaml", directory);
    FILE *f = fopen(path, "w");
    cr_assert(f != NULL);
    fputs(scenario, f);
    fclose(f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_row(directory, i);
    launch_remove(directory);
}

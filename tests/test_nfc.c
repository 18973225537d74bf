/* NFC frames from a card that is not ours: a plain stream socket, while the pad of tests/cards runs as a
 * process with its socket at a place of our choice. What the pad hears is counted in its trace. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/media/nfc/nfc.h"
#include "tests/check.h"
#include "tests/launch.h"

#define LIMIT_MS 20000 /* for a frame, or the end of a connection */
#define SELECT   "00a40400054341524453"
#define HELD \
    1 /* number of the card that stays: the pad waits for its answer, so that the run is never quiet */

static char directory[64], path[100];
static struct launch run;

static void set_up(void)
{
    launch_directory(directory);
    snprintf(path, sizeof path, "%s/pad.sock", directory);
}

static void tear_down(void)
{
    launch_remove(directory);
}

TestSuite(nfc, .init = set_up, .fini = tear_down, .timeout = 120);

/* ---- the run ---- */

static void start_pad(const char *more)
{
    char file[100];
    snprintf(file, sizeof file, "%s/frames.yaml", directory);
    FILE *f = fopen(file, "w");
    fprintf(f,
            "schema: 1\nname: frames\ntitle: a card that is not ours\nuse_case: CD-01\nlimit: 100 s\nrun: "
            "[pad]\n%s"
            "expect: [{shows: lamp, is: open, by: pad}]\n",
            more);
    fclose(f);
    launch_start(&run, "run %s --nfc pad=%s --verbose --out %s/out", file, path, directory);
    cr_assert(launch_read(&run, "nfc up"), "%s", run.text);
}

/* Ends the run and gives its trace, to be freed. */
static char *end_pad(void)
{
    char out[80];
    kill(run.pid, SIGINT);
    cr_expect(eq(int, launch_finish(&run), 1));
    cr_expect(ne(ptr, strstr(run.text, "interrupted by SIGINT"), NULL), "it ended before it was told to:\n%s",
              run.text);
    snprintf(out, sizeof out, "%s/out", directory);
    char *trace = launch_file(out, "trace.jsonl");
    cr_assert(ne(ptr, trace, NULL));
    return trace;
}

/* What the pad heard and said of a card: news, then reasons of refusals and failures. */
static void heard_of(const char *trace, unsigned card, char *out, size_t cap)
{
    char *copy = strdup(trace), *rest = copy, name[20], who[20], text[40];
    *out = '\0';
    snprintf(name, sizeof name, "card%u", card);
    for (char *line; (line = launch_line(&rest));) {
        bool news =
            strcmp(launch_member(line, "peer", who, sizeof who), name) == 0 && strstr(line, "\"link\"");
        bool reason =
            strcmp(launch_member(line, "detail", who, sizeof who), name) == 0 && strstr(line, "\"reason\"");
        launch_member(line, news ? "detail" : "reason", text, sizeof text);
        size_t used = strlen(out);
        if (news || reason)
            snprintf(out + used, cap - used, "%s%s", used ? " " : "", news ? text + strlen("nfc ") : text);
    }
    free(copy);
}

/* ---- the card ---- */

static int card_open(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(eq(int, connect(fd, (struct sockaddr *)&a, sizeof a), 0));
    return fd;
}

/* False at the end of the connection. */
static bool card_read(int fd, uint8_t *out, size_t len)
{
    for (size_t got = 0; got < len;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        cr_assert(eq(int, poll(&p, 1, LIMIT_MS), 1), "the reader says nothing");
        ssize_t n = read(fd, out + got, len - got);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

/* "01:", "00:00a404...", "end" */
static void expect_frame(int fd, const char *want, const char *what)
{
    uint8_t head[NFC_HEADER], payload[300];
    char text[700] = "end";
    if (card_read(fd, head, sizeof head)) {
        size_t len = (size_t)head[1] << 8 | head[2];
        cr_assert(le(sz, len, sizeof payload));
        cr_assert(card_read(fd, payload, len), "%s", what);
        hex_encode(head, 1, text);
        text[2] = ':';
        hex_encode(payload, len, text + 3);
    }
    cr_expect(eq(int, strncmp(text, want, strlen(want)), 0), "%s: came \"%s\", expected \"%s\"", what, text,
              want);
}

static void card_write(int fd, const char *hex, bool piecewise)
{
    uint8_t bytes[NFC_HEADER + NFC_APDU_MAX + 8];
    size_t len = unhex(hex, bytes, sizeof bytes), step = piecewise ? 1 : len;
    for (size_t at = 0; at < len; at += step)
        cr_assert(eq(sz, (size_t)send(fd, bytes + at, step, MSG_NOSIGNAL), step));
}

/* Before the pad, with its field on, and asked who it is. */
static int card_touch(const char *what)
{
    int fd = card_open();
    expect_frame(fd, "01:", what);
    expect_frame(fd, "00:" SELECT, what);
    return fd;
}

/* ---- frames ---- */

#define LOST "card-here card-gone DK_LINK_LOST"

static const struct {
    const char *name, *sends; /* when it was asked who it is */
    bool piecewise, closes;
    const char *answer; /* what comes back then; NULL: nothing is awaited */
    const char *heard;
} frames[] = {
    {"an answer byte by byte", "00 0006 01020304 9000", true, false, "00:8011000010", "card-here"},
    {"two frames in one write", "00 0006 01020304 9000 00 0002 9000", false, false, "00:8011000010",
     "card-here DK_EVIDENCE"},
    {"an error status", "00 0002 6a88", false, false, NULL, "card-here DK_STATUS"},
    {"an answer without a command", "00 0002 6a88 00 0002 9000", false, false, "end",
     "card-here DK_STATUS card-gone"},
    {"a header that announces too much", "00 1001", false, false, "end", LOST},
    {"the largest that can be announced", "00 ffff", false, false, "end", LOST},
    {"an unknown type", "04 0000", false, false, "end", LOST},
    {"a type that no byte order makes right", "ff ffff ff", false, false, "end", LOST},
    {"field on, from a card", "01 0000", false, false, "end", LOST},
    {"field off, from a card", "02 0000", false, false, "end", LOST},
    {"tag lost", "03 0000", false, false, "end", LOST},
    {"tag lost byte by byte", "03 0000", true, false, "end", LOST},
    {"tag lost with a payload", "03 0001 00", false, false, "end", LOST},
    {"closes with nothing said", "", false, true, NULL, LOST},
    {"closes in the middle of a header", "00 00", false, true, NULL, LOST},
    {"closes in the middle of an answer", "00 0006 0102", false, true, NULL, LOST},
    {"answers and closes", "00 0002 6a88", false, true, NULL, "card-here DK_STATUS card-gone"},
};
#define FRAMES (sizeof frames / sizeof frames[0])

static void squeeze(const char *from, char *out)
{
    for (; *from; from++)
        if (*from != ' ')
            *out++ = *from;
    *out = '\0';
}

Test(nfc, frames_of_a_stranger)
{
    int cards[FRAMES];
    char hex[100], heard[200];
    start_pad("settings: {pad: {patience_ms: 5000}}\n");
    int held = card_touch("held");
    for (size_t i = 0; i < FRAMES; i++) {
        cards[i] = card_touch(frames[i].name);
        squeeze(frames[i].sends, hex);
        card_write(cards[i], hex, frames[i].piecewise);
        if (frames[i].answer)
            expect_frame(cards[i], frames[i].answer, frames[i].name);
        close(cards[i]);
    }
    close(card_touch("the pad is still there"));
    char *trace = end_pad();
    for (size_t i = 0; i < FRAMES; i++) {
        heard_of(trace, HELD + 1 + (unsigned)i, heard, sizeof heard);
        bool begins = strncmp(heard, frames[i].heard, strlen(frames[i].heard)) == 0;
        cr_expect(begins, "%s: heard \"%s\", expected \"%s\"", frames[i].name, heard, frames[i].heard);
    }
    heard_of(trace, HELD, heard, sizeof heard);
    cr_expect(eq(str, heard, "card-here"), "who keeps to the form is not disturbed");
    close(held);
    free(trace);
}

/* 4096 bytes are an answer, one more is none. */
Test(nfc, the_longest_answer)
{
    static char hex[2 * (NFC_HEADER + NFC_APDU_MAX) + 1];
    char heard[100];
    start_pad("settings: {pad: {patience_ms: 5000}}\n");
    int held = card_touch("held"), card = card_touch("longest");
    memset(hex, '0', sizeof hex - 1);
    memcpy(hex, "001000", 6);
    memcpy(hex + sizeof hex - 5, "9000", 4);
    card_write(card, hex, false);
    close(card_touch("the pad has read on"));
    char *trace = end_pad();
    heard_of(trace, 2, heard, sizeof heard);
    cr_expect(eq(str, heard, "card-here DK_ANSWER"), "taken whole, and not what an id looks like");
    close(held);
    close(card);
    free(trace);
}

Test(nfc, the_ninth_card_is_not_taken)
{
    int cards[NFC_CARDS];
    char heard[100];
    start_pad("settings: {pad: {patience_ms: 5000}}\n");
    for (int i = 0; i < NFC_CARDS; i++)
        cards[i] = card_touch("eight fit");
    int ninth = card_open();
    expect_frame(ninth, "end", "the ninth");
    card_write(cards[3], "030000", false);
    expect_frame(cards[3], "end", "one leaves");
    close(cards[3]);
    cards[3] = card_touch("there is room again");
    char *trace = end_pad();
    heard_of(trace, NFC_CARDS + 1, heard, sizeof heard);
    cr_expect(eq(str, heard, "card-here"), "numbers go on; the ninth that was sent away had none");
    heard_of(trace, 4, heard, sizeof heard);
    cr_expect(eq(str, heard, LOST));
    for (int i = 0; i < NFC_CARDS; i++)
        close(cards[i]);
    close(ninth);
    free(trace);
}

/* The field goes off before the answer is there: the answer meets it on its way, and ends nothing. */
Test(nfc, the_field)
{
    char heard[100];
    start_pad("settings: {pad: {field: 0}}\n"
              "do:\n"
              "  - {call: field, to: pad, state: on, pause: 200 ms}\n"
              "  - {call: field, to: pad, state: off, at: CD-01/1, after: 100 ms}\n"
              "  - {call: field, to: pad, state: on, pause: 300 ms, at: CD-01/1, after: 150 ms}\n");
    int card = card_open();
    expect_frame(card, "02:", "taken, without field");
    expect_frame(card, "01:", "field on");
    expect_frame(card, "00:" SELECT, "asked");
    expect_frame(card, "02:", "field off");
    card_write(card, "000006010203049000", false);
    expect_frame(card, "01:", "field on again");
    expect_frame(card, "00:" SELECT, "asked anew");
    card_write(card, "000006010203049000", false);
    expect_frame(card, "00:8011000010", "goes on");
    char *trace = end_pad();
    heard_of(trace, 1, heard, sizeof heard);
    cr_expect(eq(str, heard, "card-here card-here"));
    close(card);
    free(trace);
}

Test(nfc, a_place_for_no_reader_of_the_run_is_refused)
{
    launch_start(&run, "run tests/cards/cards-exchange.yaml --nfc gate=%s --out %s/out", path, directory);
    cr_expect(eq(int, launch_finish(&run), 3));
    cr_expect(ne(ptr, strstr(run.text, "\"gate="), NULL), "%s", run.text);
    cr_expect(ne(ptr, strstr(run.text, "names no reader of this run"), NULL), "%s", run.text);
}

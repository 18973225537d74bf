/* A stranger at the real socket of a peripheral: what is refused and why, that nobody else feels it, and the
 * examples of docs/air-ble.md read back. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/crypto/smp.h"
#include "lib/media/ble/ble.h"
#include "lib/media/ble/frames.h"
#include "tests/check.h"
#include "tests/launch.h"
#include "tests/stage.h"

#define TURNS 2000 /* of the loop, 1 ms each at most */

TestSuite(ble_door, .timeout = 120);

/* ---- the stage: a peripheral, and a raw socket before it ---- */

static void begin(void)
{
    static const char *const words[] = {
        "advertise 4A1122334455/random 0303F5FF",
        "attribute D3B5A1309E234B3A8BE46B1EE5F980A3 open 0080",
        "listen 0080 512",
    };
    stage_begin(true, PORT_AIR, 2);
    stage_start(stage_find("server"));
    stage_settle();
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        ASSERT_OK(stage_tell(stage_find("server"), "", words[i]));
}

static int knock(void)
{
    char path[100];
    snprintf(path, sizeof path, "%s/server.ble", stage.directory);
    int fd = link_connect_unix(path, SOCK_STREAM);
    cr_assert(ge(int, fd, 0));
    return fd;
}

static void say(int fd, const uint8_t *bytes, size_t len)
{
    cr_assert(eq(int, (int)send(fd, bytes, len, MSG_NOSIGNAL), (int)len));
}

static size_t bytes_of(const char *hex, uint8_t *out, size_t cap)
{
    size_t len = 0;
    for (; *hex; hex++) {
        unsigned byte;
        if (*hex == ' ')
            continue;
        cr_assert(len < cap && sscanf(hex, "%2x", &byte) == 1, "%s", hex);
        out[len++] = (uint8_t)byte;
        hex++;
    }
    return len;
}

static void say_hex(int fd, const char *hex)
{
    uint8_t bytes[1024];
    say(fd, bytes, bytes_of(hex, bytes, sizeof bytes));
}

/* A greeting with the token of one and the name of another. */
static void greet(int fd, const char *whose, const char *name)
{
    const struct token *t = token_ring_find(&stage_find(whose)->ring, "air", "server");
    uint8_t frame[80] = {BLE_GREETING, 0, (uint8_t)(TOKEN_SIZE + strlen(name))};
    cr_assert(t != NULL);
    memcpy(frame + BLE_HEADER, t->bytes, TOKEN_SIZE);
    memcpy(frame + BLE_HEADER + TOKEN_SIZE, name, strlen(name));
    say(fd, frame, BLE_HEADER + TOKEN_SIZE + strlen(name));
}

/* So many octets; -1: hung up, 0: nothing came. */
static int hear(int fd, uint8_t *out, size_t want)
{
    size_t len = 0;
    for (int turns = 0; turns < TURNS && len < want; turns++) {
        ssize_t n = recv(fd, out + len, want - len, MSG_DONTWAIT);
        if (n == 0)
            return -1;
        len += n > 0 ? (size_t)n : 0;
        if (n < 0)
            sd_event_run(stage.event, 1000);
        stage_flush();
    }
    return len == want ? (int)len : 0;
}

static bool is_ended(int fd)
{
    uint8_t rest[64];
    int n = 1;
    while (n > 0)
        n = hear(fd, rest, 1);
    return n < 0;
}

static void expect_frame(int fd, const char *hex)
{
    uint8_t must[400], is[400];
    size_t len = bytes_of(hex, must, sizeof must);
    cr_assert(eq(int, hear(fd, is, len), (int)len), "%s", hex);
    cr_expect(memcmp(is, must, len) == 0, "%s", hex);
}

#define SCAN      "01 0001 01"
#define HEARD     "02 000c c5 01 55443322114a 0303f5ff"
#define CONNECT   "03 000f 01 01 eeddccbbaa7b 01 55443322114a"
#define CONNECTED "04 0001 01"
#define OPEN      "07 0013 01 0e00 0500 14 01 0a00 8000 4000 0002 f700 0a00"
#define OPENED    "07 0013 01 0e00 0500 15 01 0a00 4000 0002 f700 0a00 0000"

static void scan(int fd)
{
    say_hex(fd, SCAN);
    expect_frame(fd, HEARD);
}

static void connect_link(int fd)
{
    scan(fd);
    say_hex(fd, CONNECT);
    expect_frame(fd, CONNECTED);
}

static void open_channel(int fd)
{
    connect_link(fd);
    say_hex(fd, OPEN);
    expect_frame(fd, OPENED);
}

/* ---- what is refused ---- */

enum stand { KNOCKED, GREETED, LINKED, OPENED_CHANNEL };

static const struct row {
    const char *what;
    enum stand from;
    const char *hex;
    enum err reason;
} rows[] = {
    {"nothing", KNOCKED, "", ERR_LINK_GREETING_LATE},
    {"half a greeting", KNOCKED, "00 0021 00112233", ERR_LINK_GREETING_LATE},
    {"a frame before the greeting", KNOCKED, SCAN, ERR_LINK_NOT_ADMITTED},
    {"a greeting without a name", KNOCKED,
     "00 0020 3d4abe781ecde3c5defdeb2e52efeeb2bbc1949ec5495d456a0d307f6d7953b8", ERR_LINK_NOT_ADMITTED},
    {"a greeting with a token of nobody's", KNOCKED,
     "00 0021 3d4abe781ecde3c5defdeb2e52efeeb2bbc1949ec5495d456a0d307f6d7953b8 61", ERR_LINK_NOT_ADMITTED},
    {"a greeting that is too long", KNOCKED, "00 ffff 00", ERR_LINK_NOT_ADMITTED},
    {"other words", KNOCKED, "474554202f20485454502f312e310d0a0d0a", ERR_LINK_NOT_ADMITTED},
    {"a second greeting", GREETED,
     "00 0021 3d4abe781ecde3c5defdeb2e52efeeb2bbc1949ec5495d456a0d307f6d7953b8 61", ERR_MSG_UNEXPECTED},
    {"an unknown type", GREETED, "08 0000", ERR_MSG_MALFORMED},
    {"a type of another form", GREETED, "ff 0001 00", ERR_MSG_MALFORMED},
    {"over-long", GREETED, "07 012d 01", ERR_MSG_TOO_LONG},
    {"listen without a word", GREETED, "01 0000", ERR_MSG_MALFORMED},
    {"listen: neither yes nor no", GREETED, "01 0001 02", ERR_MSG_MALFORMED},
    {"an advertisement, from a central", GREETED, "02 0008 c5 01 55443322114a", ERR_MSG_UNEXPECTED},
    {"connected, from a central", GREETED, "04 0001 01", ERR_MSG_UNEXPECTED},
    {"connect, truncated", GREETED, "03 000e 01 01 eeddccbbaa7b 01 5544332211", ERR_MSG_MALFORMED},
    {"connect with more behind it", GREETED, "03 0010 01 01 eeddccbbaa7b 01 55443322114a 00",
     ERR_MSG_MALFORMED},
    {"connect by an address of no type", GREETED, "03 000f 01 02 eeddccbbaa7b 01 55443322114a",
     ERR_MSG_MALFORMED},
    {"of no link at all", GREETED, "07 0000", ERR_MSG_MALFORMED},
    {"a second connect", LINKED, CONNECT, ERR_MSG_MALFORMED},
    {"terminate without a reason", LINKED, "05 0001 01", ERR_MSG_MALFORMED},
    {"a control PDU without opcode", LINKED, "06 0001 01", ERR_MSG_MALFORMED},
    {"an unknown opcode", LINKED, "06 0002 01 0c", ERR_MSG_UNEXPECTED},
    {"LL_START_ENC_RSP before LL_ENC_REQ", LINKED, "06 0002 01 06", ERR_MSG_UNEXPECTED},
    {"LL_ENC_REQ, truncated", LINKED, "06 0017 01 03 0000000000000000 0000 1302f1e0dfcebdac 24abdc",
     ERR_MSG_UNEXPECTED},
    {"L2CAP without a channel", LINKED, "07 0004 01 000004", ERR_MSG_MALFORMED},
    {"L2CAP: more than its length says", LINKED, "07 0006 01 0000 0400 08", ERR_MSG_MALFORMED},
    {"L2CAP: less than its length says", LINKED, "07 0006 01 0200 0400 08", ERR_MSG_MALFORMED},
    {"ATT: nothing", LINKED, "07 0005 01 0000 0400", ERR_MSG_MALFORMED},
    {"ATT: an MTU", LINKED, "07 0008 01 0300 0400 02 1700", ERR_MSG_UNEXPECTED},
    {"ATT: a UUID of three octets", LINKED, "07 000d 01 0800 0400 08 0100 ffff f5ff00", ERR_MSG_MALFORMED},
    {"signalling: shorter than it says", LINKED, "07 0009 01 0400 0500 14 01 0a00", ERR_MSG_MALFORMED},
    {"signalling: a request without its words", LINKED, "07 000b 01 0600 0500 14 01 0200 8000",
     ERR_MSG_MALFORMED},
    {"signalling: an MTU of 22", LINKED, "07 0013 01 0e00 0500 14 01 0a00 8000 4000 1600 f700 0a00",
     ERR_MSG_MALFORMED},
    {"signalling: a channel that is fixed", LINKED,
     "07 0013 01 0e00 0500 14 01 0a00 8000 0400 0002 f700 0a00", ERR_MSG_MALFORMED},
    {"SMP: nothing", LINKED, "07 0005 01 0000 0600", ERR_MSG_MALFORMED},
    {"no credits at all", OPENED_CHANNEL, "07 000d 01 0800 0500 16 01 0400 4000 0000", ERR_MSG_UNEXPECTED},
    {"more credits than can be", OPENED_CHANNEL, "07 000d 01 0800 0500 16 01 0400 4000 ffff",
     ERR_MSG_UNEXPECTED},
    {"an SDU longer than the MTU", OPENED_CHANNEL, "07 0008 01 0300 4000 0102 00", ERR_MSG_TOO_LONG},
    {"an SDU longer than it said", OPENED_CHANNEL, "07 0009 01 0400 4000 0100 0000", ERR_MSG_TOO_LONG},
    {"an SDU without its length", OPENED_CHANNEL, "07 0006 01 0100 4000 01", ERR_MSG_MALFORMED},
};

/* Standard error goes to a file for a while: there the reasons stand. */
static int silence(void)
{
    char path[100];
    snprintf(path, sizeof path, "%s/log", stage.directory);
    fflush(stderr);
    int kept = dup(STDERR_FILENO);
    FILE *f = fopen(path, "w");
    cr_assert(kept >= 0 && f && dup2(fileno(f), STDERR_FILENO) >= 0);
    fclose(f);
    return kept;
}

/* As it was; what was said meanwhile. */
static char *hear_log(int kept)
{
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    char *log = launch_file(stage.directory, "log");
    cr_assert(log != NULL);
    return log;
}

static void expect_logged(const char *log, enum err reason, unsigned so_far, const char *what)
{
    char want[80];
    snprintf(want, sizeof want, "(%s), %u so far\n", err_name(reason), so_far);
    cr_expect(strstr(log, want) != NULL, "%s: %s is not in: %s", what, want, log);
}

static void reach(int fd, enum stand to)
{
    static void (*const ways[])(int fd) = {[LINKED] = connect_link, [OPENED_CHANNEL] = open_channel};
    if (to >= GREETED)
        greet(fd, "a", "a");
    if (ways[to])
        ways[to](fd);
}

static void expect_unharmed_beside(int other)
{
    say_hex(other, "07 000d 01 0800 4000 0600 03010002 0104");
    expect_frame(other, "07 000d 01 0800 0500 16 01 0400 4000 0100");
}

/* Another phone, whose link was there before: nothing has happened to it. */
static void expect_unharmed(int other)
{
    expect_unharmed_beside(other);
    int fd = knock();
    greet(fd, "a", "a");
    scan(fd);
    close(fd);
}

static int join_beside(void)
{
    int fd = knock();
    greet(fd, "b", "b");
    scan(fd);
    say_hex(fd, "03 000f 01 01 eeddccbbaa7c 01 55443322114a");
    expect_frame(fd, CONNECTED);
    say_hex(fd, OPEN);
    expect_frame(fd, OPENED);
    return fd;
}

static void check(const struct row *row)
{
    begin();
    int kept = silence(), other = join_beside(), fd = knock();
    reach(fd, row->from);
    say_hex(fd, row->hex);
    cr_expect(is_ended(fd), "%s", row->what);
    close(fd);
    expect_unharmed(other);
    close(other);
    char *log = hear_log(kept);
    expect_logged(log, row->reason, 1, row->what);
    free(log);
    stage_finish();
}

Test(ble_door, bad_bytes_are_refused_with_a_reason_and_harm_nobody_else)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(&rows[i]);
}

/* ---- which attribute, which link ---- */

/* Core Specification, volume 3 part F, 3.4.4.1: the handle in an error is the first of the request. */
Test(ble_door, an_attribute_is_found_within_the_handles_of_the_request)
{
    static const struct {
        const char *request, *answer;
    } reads[] = {
        {"07 001a 01 1500 0400 08 0100 ffff a380f9e51e6be48b3a4b239e30a1b5d3",
         "07 000b 01 0600 0400 09 04 0100 0080"},
        {"07 001a 01 1500 0400 08 0100 0100 a380f9e51e6be48b3a4b239e30a1b5d3",
         "07 000b 01 0600 0400 09 04 0100 0080"},
        {"07 001a 01 1500 0400 08 0000 ffff a380f9e51e6be48b3a4b239e30a1b5d3",
         "07 000a 01 0500 0400 01 08 0000 01"},
        {"07 001a 01 1500 0400 08 0000 0000 a380f9e51e6be48b3a4b239e30a1b5d3",
         "07 000a 01 0500 0400 01 08 0000 01"},
        {"07 001a 01 1500 0400 08 0200 0100 a380f9e51e6be48b3a4b239e30a1b5d3",
         "07 000a 01 0500 0400 01 08 0200 01"},
        {"07 001a 01 1500 0400 08 0200 ffff a380f9e51e6be48b3a4b239e30a1b5d3",
         "07 000a 01 0500 0400 01 08 0200 0a"},
        {"07 001a 01 1500 0400 08 3412 ffff a380f9e51e6be48b3a4b239e30a1b5d3",
         "07 000a 01 0500 0400 01 08 3412 0a"},
        {"07 000c 01 0700 0400 08 0100 ffff 0028", "07 000a 01 0500 0400 01 08 0100 0a"},
    };
    begin();
    int fd = knock();
    reach(fd, LINKED);
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
        say_hex(fd, reads[i].request);
        expect_frame(fd, reads[i].answer);
    }
    close(fd);
    stage_finish();
}

/* Connects that are lost on the air leave gaps, and the number is the central's to choose. */
Test(ble_door, a_link_may_have_any_number)
{
    static const char *const numbers[] = {"00", "c8", "c8", "01", "ff"};
    char hex[80];
    begin();
    int fd = knock();
    reach(fd, GREETED);
    scan(fd);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        snprintf(hex, sizeof hex, "03 000f %s 01 eeddccbbaa7b 01 55443322114a", numbers[i]);
        say_hex(fd, hex);
        snprintf(hex, sizeof hex, "04 0001 %s", numbers[i]);
        expect_frame(fd, hex);
        snprintf(hex, sizeof hex, "05 0002 %s 13", numbers[i]);
        say_hex(fd, hex);
    }
    close(fd);
    stage_finish();
}

/* ---- one name, one device ---- */

Test(ble_door, the_second_of_one_name_is_refused_until_the_first_has_gone)
{
    begin();
    int kept = silence(), first = knock(), second = knock(), third = knock();
    greet(first, "a", "a");
    connect_link(first);
    greet(second, "a", "a");
    cr_expect(is_ended(second), "two devices with one name");
    greet(third, "b", "a");
    cr_expect(is_ended(third), "another's name");
    say_hex(first, OPEN);
    expect_frame(first, OPENED);
    close(first);
    close(second);
    second = knock();
    greet(second, "a", "a"); /* the loop has not yet heard that the first has gone */
    connect_link(second);
    close(second);
    close(third);
    char *log = hear_log(kept);
    expect_logged(log, ERR_LINK_TWICE, 1, "the second");
    expect_logged(log, ERR_LINK_NOT_ADMITTED, 2, "the third");
    free(log);
    stage_finish();
}

/* ---- what is cut, slow or too much ---- */

Test(ble_door, a_frame_in_single_octets_is_a_frame)
{
    uint8_t bytes[64];
    begin();
    int fd = knock();
    greet(fd, "a", "a");
    connect_link(fd);
    for (size_t i = 0, len = bytes_of(OPEN, bytes, sizeof bytes); i < len; i++) {
        say(fd, bytes + i, 1);
        stage_settle();
    }
    expect_frame(fd, OPENED);
    close(fd);
    stage_finish();
}

Test(ble_door, a_frame_that_is_cut_off_ends_one_link_alone)
{
    begin();
    int other = join_beside(), fd = knock();
    greet(fd, "a", "a");
    connect_link(fd);
    say_hex(fd, "07 0013 01 0e00");
    stage_settle();
    close(fd);
    stage_settle();
    expect_unharmed(other);
    close(other);
    stage_finish();
}

/* It asks and asks, and reads no answer. */
Test(ble_door, who_reads_nothing_is_put_off)
{
    uint8_t frame[64];
    ssize_t n = 0;
    begin();
    int kept = silence(), other = join_beside(), fd = knock();
    greet(fd, "a", "a");
    connect_link(fd);
    size_t len =
        bytes_of("07 001a 01 1500 0400 08 0100 ffff a380f9e51e6be48b3a4b239e30a1b5d3", frame, sizeof frame);
    for (int i = 0; i < 400000 && (n >= 0 || errno == EAGAIN); i++) {
        n = send(fd, frame, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        stage_flush();
        sd_event_run(stage.event, 0);
    }
    cr_expect(n < 0 && errno != EAGAIN, "it was never sent away");
    expect_unharmed(other);
    close(fd);
    close(other);
    char *log = hear_log(kept);
    expect_logged(log, ERR_LINK_PEER_STALLED, 1, "who reads nothing");
    free(log);
    stage_finish();
}

static void begin_far(void)
{
    begin();
    ASSERT_OK(stage_radio(stage_find("server"), "a", "100 0 60000000 0 0")); /* a minute each way */
}

/* What waits for the radio is bounded, and is no more than frames. */
Test(ble_door, what_waits_for_the_radio_has_a_limit)
{
    static const char *const frames[] = {"07 0006 01 0100 0400 08",
                                         "03 000f 01 01 eeddccbbaa7b 01 55443322114a"};
    for (size_t k = 0; k < sizeof frames / sizeof frames[0]; k++) {
        uint8_t frame[64];
        begin_far();
        int kept = silence(), other = join_beside(), fd = knock();
        greet(fd, "a", "a");
        size_t len = bytes_of(frames[k], frame, sizeof frame);
        for (int i = 0; i < BLE_ON_WAY; i++) {
            say(fd, frame, len);
            if (i % 50 == 0)
                stage_settle();
        }
        stage_settle();
        char *log = hear_log(kept);
        cr_expect(strstr(log, err_name(ERR_QUEUE_FULL)) == NULL, "as many as may wait: %s", log);
        free(log);
        kept = silence();
        say(fd, frame, len);
        cr_expect(is_ended(fd), "one more: %s", frames[k]);
        expect_unharmed_beside(other);
        close(fd);
        close(other);
        log = hear_log(kept);
        expect_logged(log, ERR_QUEUE_FULL, 1, frames[k]);
        free(log);
        stage_finish();
    }
}

Test(ble_door, what_is_no_frame_does_not_wait)
{
    begin_far();
    int kept = silence(), fd = knock();
    greet(fd, "a", "a");
    say_hex(fd, "07 0000");
    cr_expect(is_ended(fd));
    close(fd);
    char *log = hear_log(kept);
    expect_logged(log, ERR_MSG_MALFORMED, 1, "of no link");
    free(log);
    stage_finish();
}

static size_t links_heard(int fd, unsigned ms)
{
    uint8_t byte[4];
    size_t n = 0;
    for (unsigned turn = 0; turn < ms; turn++) {
        sd_event_run(stage.event, 1000);
        stage_flush();
        stage_find("server")->log[0] = '\0';
        while (recv(fd, byte, sizeof byte, MSG_DONTWAIT) == (ssize_t)sizeof byte)
            n++;
    }
    return n;
}

/* Each link comes, none sooner than a radio can make it. */
Test(ble_door, links_come_one_after_the_other)
{
    struct timespec from, to;
    begin();
    int fd = knock();
    greet(fd, "a", "a");
    scan(fd);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < 20; i++) {
        say_hex(fd, CONNECT);
        say_hex(fd, "05 0002 01 13");
    }
    for (size_t n = 0; n < 20;)
        n += links_heard(fd, 1);
    clock_gettime(CLOCK_MONOTONIC, &to);
    long ms = (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
    cr_expect(ms >= 19 * BLE_CONNECT_GAP_MS - 1, "20 links in %ld ms", ms);
    close(fd);
    stage_finish();
}

/* ---- the examples ---- */

/* The hex of a line up to two blanks; what stands behind '=' in `plain`. */
static void read_line(const char *line, char hex[300], char plain[300])
{
    const char *end = strstr(line, "  ");
    size_t len = end ? (size_t)(end - line) : strlen(line);
    const char *equals = strstr(line, "  = ");
    snprintf(hex, 300, "%.*s", (int)len, line);
    snprintf(plain, 300, "%s", equals ? equals + 4 : "");
}

/* Which of the words a line begins with, and what follows it; -1: none. */
static int word_of(const char *line, const char **rest)
{
    static const char *const words[] = {"central ", "peripheral ", "ltk "};
    for (int i = 0; i < 3; i++)
        if (strncmp(line, words[i], strlen(words[i])) == 0) {
            *rest = line + strlen(words[i]) + strspn(line + strlen(words[i]), " ");
            return i;
        }
    return -1;
}

static char *examples(void)
{
    char *text = launch_file("docs", "air-ble.md");
    cr_assert(text != NULL);
    char *at = strstr(text, "\n## Two examples\n");
    cr_assert(at != NULL);
    memmove(text, at, strlen(at) + 1);
    return text;
}

Test(ble_door, the_first_example_is_what_our_peripheral_says)
{
    char *text = examples(), *rest = text, hex[300], plain[300];
    const char *what;
    unsigned sent = 0, heard = 0;
    begin();
    int fd = knock();
    for (char *line; (line = strsep(&rest, "\n")) && !strstr(line, "LTK");) {
        int word = word_of(line, &what);
        read_line(word < 0 ? "" : what, hex, plain);
        if (word == 0 && sent++ == 0) /* the token is another in each run */
            greet(fd, "a", "a");
        else if (word == 0)
            say_hex(fd, hex);
        else if (word == 1 && ++heard)
            expect_frame(fd, hex);
    }
    cr_expect(eq(u32, sent, 7));
    cr_expect(eq(u32, heard, 5));
    close(fd);
    stage_finish();
    free(text);
}

struct cipher_example {
    struct crypto *crypto;
    uint8_t ltk[SMP_KEY], skd[SMP_KEY], iv[8], key[SMP_KEY];
    uint64_t numbers[2];
    unsigned opened;
};

static void reversed(const uint8_t *p, size_t len, uint8_t *out)
{
    for (size_t i = 0; i < len; i++)
        out[i] = p[len - 1 - i];
}

static void open_example(struct cipher_example *x, int word, const uint8_t *frame, size_t len,
                         const char *plain)
{
    uint8_t nonce[SMP_NONCE] = {0}, out[300], must[300];
    size_t must_len = bytes_of(plain, must, sizeof must);
    nonce[0] = (uint8_t)x->numbers[word]++;
    nonce[4] = word == 0 ? 0x80 : 0;
    memcpy(nonce + 5, x->iv, sizeof x->iv);
    ASSERT_OK(smp_open(x->crypto, x->key, nonce, frame[0] == BLE_CONTROL ? 3 : 2, span_of(frame + 4, len - 4),
                       out));
    cr_assert(eq(sz, len - 4 - SMP_MIC, must_len));
    cr_expect(memcmp(out, must, must_len) == 0, "%s", plain);
    x->opened++;
}

static void take_example(struct cipher_example *x, int word, const char *hex, const char *plain)
{
    uint8_t frame[300];
    size_t len = bytes_of(hex, frame, sizeof frame);
    if (word == 2) {
        memcpy(x->ltk, frame, sizeof x->ltk);
        return;
    }
    cr_assert(eq(sz, len, BLE_HEADER + ((size_t)frame[1] << 8) + frame[2]), "%s", hex);
    if (*plain) {
        open_example(x, word, frame, len, plain);
    } else if (frame[4] == LL_ENC_REQ) {
        reversed(frame + 15, 8, x->skd + 8);
        memcpy(x->iv, frame + 23, 4);
    } else if (frame[4] == LL_ENC_RSP) {
        reversed(frame + 5, 8, x->skd);
        memcpy(x->iv + 4, frame + 13, 4);
        ASSERT_OK(smp_e(x->crypto, x->ltk, x->skd, x->key));
    }
}

Test(ble_door, the_second_example_opens_with_its_key)
{
    char *text = examples(), *rest = strstr(text, "LTK"), hex[300], plain[300];
    struct cipher_example x = {.crypto = crypto_new(NULL)};
    const char *what;
    cr_assert(rest != NULL);
    for (char *line; (line = strsep(&rest, "\n"));) {
        int word = word_of(line, &what);
        if (word < 0)
            continue;
        read_line(what, hex, plain);
        take_example(&x, word, hex, plain);
    }
    cr_expect(eq(u32, x.opened, 3));
    crypto_free(x.crypto);
    free(text);
}

/* What users name or pipe in is hostile until it was read: pipes nobody writes into, devices without an end,
 * files that say a wrong size, zeros, escapes of a terminal, long lines, many lines. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/commands.h"
#include "sim/language/text_file.h"
#include "sim/replay/record.h"
#include "sim/run/dk_pairs.h"
#include "tests/check.h"
#include "tests/launch.h"

static char place[64], said[32768];

static void set_up(void)
{
    launch_directory(place);
}

static void tear_down(void)
{
    launch_remove(place);
}

TestSuite(files_of_users, .init = set_up, .fini = tear_down, .timeout = 120);

/* $D is the test's folder. `timeout` makes a hang a failure: 124. */
static int call(const char *line)
{
    return launch_run(said, sizeof said, "S='%s/bin/spaaksim' D='%s'; %s", launch_build(), place, line);
}

#define LEAD "   1.000 ms  spaak phone 4A1122334455/random "

Test(files_of_users, what_is_no_file_is_refused_and_not_waited_for)
{
    static const char *const commands[] = {"timeout 30 $S replay %s --of unlock --alone phone",
                                           "timeout 30 $S check %s", "timeout 30 $S run %s"};
    static const struct {
        const char *file, *says;
    } files[] = {{"$D/fifo", "is a pipe, not a file"},
                 {"$D/folder", "is a folder, not a file"},
                 {"/dev/zero", "is a device, not a file"},
                 {"$D/empty", "the file is empty"}};
    cr_assert(eq(int, call("mkfifo $D/fifo; mkdir $D/folder; : >$D/empty"), 0));
    for (size_t c = 0; c < sizeof commands / sizeof commands[0]; c++)
        for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
            char line[200], *at = strstr(commands[c], "%s");
            snprintf(line, sizeof line, "%.*s%s%s", (int)(at - commands[c]), commands[c], files[f].file,
                     at + 2);
            cr_expect(eq(int, call(line), EXIT_WRONG), "%s: %s", line, said);
            cr_expect(c == 2 || strstr(said, files[f].says) != NULL, "%s: %s", line, said);
        }
}

Test(files_of_users, a_trace_that_is_a_pipe_is_refused)
{
    cr_assert(eq(int, call("mkfifo $D/trace.jsonl; echo '" LEAD "> 0301000101' >$D/dk.log"), 0));
    cr_expect(eq(int, call("timeout 30 $S replay $D/dk.log --of op06 --alone phone"), EXIT_WRONG));
    cr_expect(strstr(said, "trace.jsonl: is a pipe, not a file") != NULL, "%s", said);
}

/* In /proc a file has the size 0, and more bytes than that: a process whose name is a log. */
Test(files_of_users, the_size_that_a_file_says_is_not_believed)
{
    static char log[45000], problem[RECORD_PROBLEM];
    char path[60], *const arguments[] = {log, (char[]){"-c"}, (char[]){"echo; read x; :"}, NULL};
    struct record r = {0};
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t pid;
    for (size_t used = 0, i = 0; i < 10; i++)
        used += (size_t)snprintf(log + used, sizeof log - used, LEAD "> %0*d\n", 4000, 0);
    strcat(log, LEAD "tells scan\n");
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && posix_spawn_file_actions_init(&actions) == 0);
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    cr_assert(posix_spawn(&pid, "/bin/sh", &actions, NULL, arguments, environ) == 0);
    cr_assert(read(ends[1], path, 1) == 1); /* it runs, and has its name */
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    cr_expect(not(record_read(&r, path, 0, problem)));
    cr_expect(strstr(problem, "cmdline:12: a byte of value zero") != NULL, "%s", problem);
    cr_expect(eq(sz, r.count, 11));
    record_free(&r);
    close(ends[0]);
    close(ends[1]);
    waitpid(pid, NULL, 0);
    posix_spawn_file_actions_destroy(&actions);
}

/* ---- lines ---- */

Test(files_of_users, a_line_is_taken_whole_or_said_why_not)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum text_line got[3];
        const char *first;
    } rows[] = {
        {"", 0, {TEXT_LINE_NONE}, ""},
        {"ab\n", 3, {TEXT_LINE_WHOLE, TEXT_LINE_NONE}, "ab"},
        {"ab", 2, {TEXT_LINE_LAST, TEXT_LINE_NONE}, "ab"},
        {"\n\n", 2, {TEXT_LINE_WHOLE, TEXT_LINE_WHOLE, TEXT_LINE_NONE}, ""},
        {"1234567\nb\n", 10, {TEXT_LINE_WHOLE, TEXT_LINE_WHOLE}, "1234567"},
        {"12345678\nb\n", 11, {TEXT_LINE_LONG, TEXT_LINE_WHOLE}, "1234567"},
        {"a\0c\nb\n", 6, {TEXT_LINE_ZERO, TEXT_LINE_WHOLE}, "a"},
        {"\0", 1, {TEXT_LINE_ZERO, TEXT_LINE_NONE}, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[8], bytes[16] = "";
        memcpy(bytes, rows[i].bytes, rows[i].len);
        FILE *f = fmemopen(bytes, rows[i].len + (rows[i].len == 0), "r");
        cr_assert(f != NULL);
        if (rows[i].len == 0)
            getc(f);
        for (size_t n = 0; n < 3 && (n == 0 || rows[i].got[n]); n++) {
            cr_expect(eq(int, (int)text_line_read(f, out, sizeof out), (int)rows[i].got[n]), "%zu", i);
            cr_expect(n || strcmp(out, rows[i].first) == 0, "%zu: %s", i, out);
        }
        fclose(f);
    }
}

Test(files_of_users, what_follows_a_zero_is_not_hidden)
{
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"printf '030100020101\\n0301\\00000020101\\n030100020101\\n' | $S dk",
         "line 2: a byte of value zero"},
        {"printf '6A88\\n90\\00000\\n6A88\\n' | $S apdu", "line 2: a byte of value zero"},
        {"printf '\\00030100020101' | $S dk", "line 1: a byte of value zero"},
        {"timeout 30 $S dk </dev/zero", "line 1: a line of more than 1 MB"},
        {"timeout 30 $S apdu </dev/zero", "line 1: a line of more than 1 MB"},
        {"$S dk <$D", "Is a directory"},
        {"$S apdu <$D", "Is a directory"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect(eq(int, call(rows[i].line), EXIT_WRONG), "%s: %s", rows[i].line, said);
        cr_expect(strstr(said, rows[i].says) != NULL, "%s: %s", rows[i].line, said);
    }
    call(rows[0].line);
    const char *first = strstr(said, "category 01");
    cr_expect(first && strstr(first + 1, "category 01"), "the lines around it are read: %s", said);
}

/* ---- terminals ---- */

Test(files_of_users, no_escape_reaches_the_terminal)
{
    static const char *const rows[] = {
        "printf '   1.000 ms  a\\033[31m b\\033]0;x\\007 4A1122334455/random > 030100020101\\n' | $S dk",
        "printf '   1.000 ms  a\\033[31m b 4A1122334455/random tells scan\\n' | $S dk --verbose",
        "printf '   1.000 ms  a\\033[31m b 4A1122334455/random > 03zz\\n' | $S dk",
        "printf '   1.000 ms  a\\033[31m b > 6A88\\n' | $S apdu",
        "printf '   1.000 ms  a\\033[31m b > zz\\n' | $S apdu",
        "printf '   1.000 ms  a\\033[31m b\\033[2J > 00a40400\\n' >$D/apdu.log; "
        "$S replay $D/apdu.log --of unlock --alone phone",
        "A=4A1122334455/random; F=\"$D/$(printf 'a\\033.log')\"; printf \"   1.000 ms  phone spaak $A > "
        "030100020101\\n   1.000 ms  spaak phone $A < 030100020102\\n\" >\"$F\"; "
        "$S replay \"$F\" --of op06 --alone phone",
        "A=4A1122334455/random; printf \"   1.000 ms  phone a\\033[31m $A > 030100020101\\n   1.000 ms  "
        "a\\033[31m phone $A < 030100020102\\n\" >$D/dk.log; "
        "$S replay $D/dk.log --of op06 --alone phone",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        call(rows[i]);
        cr_expect(strchr(said, '?') != NULL, "%s", rows[i]);
        cr_expect(strpbrk(said, "\033\007") == NULL, "%s: %s", rows[i], said);
    }
}

/* ---- long and many ---- */

Test(files_of_users, an_apdu_may_be_as_long_as_one_on_the_link)
{
    cr_expect(eq(int, call("H=$(head -c 8188 /dev/zero | tr '\\0' 0); echo \"< ${H}9000\" | $S apdu"), 0));
    cr_expect(strstr(said, "< 9000 ok, 4094 bytes") != NULL, "%s", said);
    cr_expect(eq(int,
                 call("H=$(head -c 8190 /dev/zero | tr '\\0' 0); printf \"< ${H}9000\\n6A88\\n\" | $S apdu"),
                 EXIT_WRONG));
    cr_expect(strstr(said, "line 1: not hex, or too long") != NULL && strstr(said, "6A88") != NULL, "%s",
              said);
    cr_expect(eq(int, call("(head -c 50000 /dev/zero | tr '\\0' 0; echo) | $S apdu | wc -l"), 0));
    const char *once = strstr(said, "too long");
    cr_expect(once && !strstr(once + 1, "too long"), "refused once: %s", said);
}

static size_t pairs[4][2], pair_count;

static void keep(void *ctx, size_t left, size_t came)
{
    (void)ctx;
    cr_assert(pair_count < 4);
    pairs[pair_count][0] = left;
    pairs[pair_count++][1] = came;
}

Test(files_of_users, the_first_that_left_is_the_first_that_came)
{
    static const uint8_t x[] = {1}, y[] = {2};
    struct dk_pair list[] = {
        {"a", "b", span_of(x, 1), 0, true}, /* before what has left */
        {"a", "b", span_of(x, 1), 1, false}, {"a", "b", span_of(x, 1), 2, false},
        {"a", "b", span_of(y, 1), 3, true},                                       /* its like never left */
        {"b", "a", span_of(y, 1), 4, false},                                      /* another way */
        {"a", "b", span_of(x, 1), 5, true},  {"a", "b", span_of(x, 1), 6, false}, /* lost */
    };
    pair_count = 0;
    dk_pairs_find(list, sizeof list / sizeof list[0], keep, NULL);
    cr_assert(eq(sz, pair_count, 2));
    cr_expect(pairs[0][0] == 1 && pairs[0][1] == 0 && pairs[1][0] == 2 && pairs[1][1] == 5);
}

/* No two are alike: where each is sought among all, 40,000 and 40,000 take a minute. */
Test(files_of_users, many_lines_take_no_longer_than_they_are_long)
{
    static const char many[] =
        "awk 'BEGIN { for (i = 0; i < 40000; i++) printf \"   1.000 ms  spaak phone 4A1122334455/random > "
        "0301%06x\\n   1.000 ms  phone spaak 4A1122334455/random < 0302%06x\\n\", i, i }' >$D/dk.log; ";
    char line[400];
    snprintf(line, sizeof line, "%stimeout 20 $S dk <$D/dk.log | wc -l", many);
    cr_expect(eq(int, call(line), 0));
    cr_expect(eq(int, atoi(said), 120000), "%s", said);
    call("timeout 20 $S replay $D/dk.log --of op06 --alone spaak | tail -1");
    cr_expect(strstr(said, " 80004 unexplained") != NULL, "%s", said);
}

/* ---- a copy ---- */

#define RUN "rm -rf $D/r $D/x; mkdir -p $D/r/external; echo '{}' >$D/r/external/phone.json; "

Test(files_of_users, what_cannot_be_copied_whole_is_not_copied)
{
    static const struct {
        const char *with, *says;
    } rows[] = {
        {"mkfifo $D/r/external/phone.a", "/r/external/phone.a: is not a file"},
        {"ln -s /etc/passwd $D/r/external/phone.a", "/r/external/phone.a: is a link, not a file"},
        {"head -c 1048577 /dev/zero >$D/r/external/phone.a", "/r/external/phone.a: is longer than 1 MB"},
        {"for i in 1 2 3 4 5 6 7 8 9 a b c d e f g; do head -c 1048576 /dev/zero >$D/r/external/phone.$i; "
         "done",
         ": with it there are more than 16 MB"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[600];
        snprintf(line, sizeof line,
                 RUN "%s; timeout 30 $S export $D/r --for phone $D/x; echo code $?; ls -A $D/x",
                 rows[i].with);
        call(line);
        cr_expect(strstr(said, rows[i].says) != NULL, "%s: %s", rows[i].with, said);
        const char *code = strstr(said, "code 1\n");
        cr_expect(code && strcmp(code, "code 1\n") == 0, "and nothing stays: %s", said);
    }
    cr_expect(eq(int,
                 call(RUN "head -c 1048576 /dev/zero >$D/r/external/phone.a; "
                          "$S export $D/r --for phone $D/x && wc -c <$D/x/phone.a"),
                 0));
    cr_expect(strstr(said, "1048576") != NULL, "%s", said);
}

/* For tests that run programs: starting them, reading what they say, reading their records. */
#ifndef tests_launch_h
#define tests_launch_h

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define LAUNCH_LIMIT_MS 60000 /* without a word from the program; then the test fails */

struct launch {
    pid_t pid;
    int out;
    char text[32768];
    size_t len;
};

/* What a test cannot go on without: says so and aborts. */
void launch_must(bool ok, const char *what, const char *detail);

/* A directory of the test's own; removed with all that is in it by launch_remove. */
void launch_directory(char out[64]);
void launch_remove(const char *directory);

/* Runs a line of the shell, in a process group of its own; it finds the programs as $S, those of tests/cards
 * as $CARDS. */
void launch_shell(struct launch *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Starts spaaksim of the cards with these arguments. */
void launch_start(struct launch *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with another program of the build: "bin/spaaksim". */
void launch_start_program(struct launch *l, const char *program, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Waits for more and adds it to the text; false at the end. */
bool launch_piece(struct launch *l);
/* Reads until the text contains `until`; false when the output ended before. */
bool launch_read(struct launch *l, const char *until);
/* Reads to the end; the exit code, 1000 and the signal for another end. */
int launch_finish(struct launch *l);

/* Descendant of that process with that name; 0 when there is none. */
pid_t launch_find(pid_t ancestor, const char *name);
/* The folder of the programs under test. */
const char *launch_build(void);
/* Runs a command of the shell to its end; the exit code, -1 for another end. What it says goes to out, cut.
 */
int launch_run(char *out, size_t cap, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Is there what docs/examples need? If not, it is said on standard error, where scripts/run-tests.sh finds
 * it. */
bool launch_has_cryptography(void);

/* A whole file as text, to be freed; NULL when there is none. */
char *launch_file(const char *directory, const char *name);
/* Cuts the next line off, NULL at the end. */
char *launch_line(char **rest);
/* Text of a member of one JSON line of a record, "" when it has none. */
const char *launch_member(const char *line, const char *name, char *out, size_t cap);

#endif

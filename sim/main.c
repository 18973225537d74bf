/* spaaksim: the command for people and for CI. */
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/host/spawn.h"
#include "sim/commands.h"
#include "sim/declarations.h"
#include "sim/help.h"
#include "sim/language/scenario.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"run", command_run},       {"play", command_play},       {"list", command_list},
    {"check", command_check},   {"explain", command_explain}, {"dbc", command_dbc},
    {"apdu", command_apdu},     {"dk", command_dk},           {"uds", command_uds},
    {"export", command_export}, {"replay", command_replay},
};

/* Whoever starts us without one of them must not find our files and sockets in its place. */
static void keep_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDONLY); /* who writes to what is closed hears of it */
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* What a program says and nobody can read is no success; a reader that has left of itself has read enough. */
static int check_output(int rc)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    bool lost = fflush(stdout) != 0 || ferror(stdout);
    if (!lost || (poll(&out, 1, 0) == 1 && out.revents & POLLERR))
        return rc;
    fprintf(stderr, "spaaksim: standard output could not be written: not all that was said is there\n");
    return rc == EXIT_PASSED ? EXIT_FAILED : rc;
}

static bool asks(const char *argument, const char *word, const char *letter)
{
    return strcmp(argument, word) == 0 || strcmp(argument, letter) == 0;
}

static int obey(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            if (argc > 2 && asks(argv[2], "--help", "-h")) {
                help_print_command(argv[1], stdout);
                return EXIT_PASSED;
            }
            return commands[i].run(argc - 1, argv + 1);
        }
    const char *names[sizeof commands / sizeof commands[0] + 1] = {NULL};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        names[i] = commands[i].name;
    const char *best = text_closest(argv[1], names);
    fprintf(stderr, "spaaksim: unknown command \"%.60s\"%s%s%s; try spaaksim --help\n", argv[1],
            best ? "; did you mean \"" : "", best ? best : "", best ? "\"?" : "");
    return EXIT_WRONG;
}

int main(int argc, char **argv)
{
    keep_standard_descriptors();
    spawn_without_cores();
    signal(SIGPIPE, SIG_IGN);         /* who no longer reads does not end a run in the middle */
    signal(SIGXFSZ, SIG_IGN);         /* a limit of files is an error like a full disk */
    setvbuf(stdout, NULL, _IOLBF, 0); /* a pipe sees each line when it happens, too */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    scenario_finder = scenario_find_quietly;
    scenario_nearest = scenario_find_nearest;
    if (argc < 2) {
        help_print(stderr);
        return EXIT_WRONG;
    }
    if (asks(argv[1], "--help", "-h") || strcmp(argv[1], "help") == 0) {
        if (argc > 2)
            help_print_command(argv[2], stdout);
        else
            help_print(stdout);
        return check_output(EXIT_PASSED);
    }
    if (asks(argv[1], "--version", "-V")) {
        puts("spaaksim " SPAAKSIM_VERSION ", scenario schema 1");
        return check_output(EXIT_PASSED);
    }
    char problem[DECLARATION_PROBLEM];
    if (!declarations_check(&cast, problem)) {
        fprintf(stderr, "spaaksim: %s\n", problem);
        return EXIT_WRONG;
    }
    return check_output(obey(argc, argv));
}

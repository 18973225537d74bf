/* spaaksim: the command for people and for CI. */
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/commands.h"
#include "sim/declarations.h"
#include "sim/language/scenario.h"
#include "sim/options.h"

static void print_usage(FILE *out)
{
    fputs("spaaksim: a digital-key vehicle and its back end on one machine\n"
          "\n"
          "usage: spaaksim run NAME|FILE [options]     run a scenario\n"
          "       spaaksim run --all [options]         run all, in both worlds, several at a time\n"
          "       spaaksim play [NAME|FILE] [options]  drive a scenario's world by hand, line by line\n"
          "       spaaksim list                        name the scenarios\n"
          "       spaaksim check [FILE...]             check scenario files without running them\n"
          "       spaaksim dbc                         write the CAN message matrix as a DBC file\n"
          "       spaaksim apdu [HEX...]               Digital Key APDUs as text; without HEX, lines of "
          "standard "
          "input\n"
          "\n"
          "options of run; play --help tells of its own:\n",
          out);
    options_print(OPTIONS_OF_RUN, out);
    fputs("\n"
          "examples:\n"
          "  spaaksim run pp01\n"
          "  spaaksim run pp01 --world virtual --seed 7\n"
          "  spaaksim run scenarios/pp01/pp01-lost-response.yaml --verbose\n"
          "  spaaksim run --all\n"
          "  spaaksim play pp01\n"
          "  spaaksim apdu 803C1209 '< 9000'\n"
          "\n"
          "exit: 0 passed, 1 failed, 2 the command line or a scenario is wrong, 3 something needed is "
          "missing\n",
          out);
}

static void print_play_usage(FILE *out)
{
    fputs("spaaksim play: a scenario's components and what it is given, driven by hand\n"
          "\n"
          "usage: spaaksim play [NAME|FILE] [options]\n"
          "\n"
          "Its do, faults, expect and never are not used. Lines from the keyboard or a pipe drive the world; "
          "the line\n"
          "`help` names them all. Without NAME: " PLAY_SCENARIO ".\n"
          "\n"
          "options:\n",
          out);
    options_print(OPTIONS_OF_PLAY, out);
    fputs("\n"
          "examples:\n"
          "  spaaksim play\n"
          "  spaaksim play pp01 --world virtual --seed 7\n"
          "  echo 'vos renew-vehicle-identity; wait PP-01/9; kill spaak' | spaaksim play pp01\n"
          "\n"
          "exit: 0 what holds in every run held, 1 it did not, or a line of a pipe was wrong, 2 the command "
          "line or the\n"
          "scenario is wrong, 3 something needed is missing\n",
          out);
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    void (*print_usage)(FILE *out);
} commands[] = {
    {"run", command_run, print_usage},   {"play", command_play, print_play_usage},
    {"list", command_list, print_usage}, {"check", command_check, print_usage},
    {"dbc", command_dbc, print_usage},   {"apdu", command_apdu, print_usage},
};

/* Whoever starts us without one of them must not find our files and sockets in its place. */
static void keep_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
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

static int obey(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
                commands[i].print_usage(stdout);
                return EXIT_PASSED;
            }
            return commands[i].run(argc - 1, argv + 1);
        }
    fprintf(stderr, "spaaksim: unknown command \"%s\"; try spaaksim --help\n", argv[1]);
    return EXIT_WRONG;
}

int main(int argc, char **argv)
{
    keep_standard_descriptors();
    signal(SIGPIPE, SIG_IGN);         /* who no longer reads does not end a run in the middle */
    signal(SIGXFSZ, SIG_IGN);         /* a limit of files is an error like a full disk */
    setvbuf(stdout, NULL, _IOLBF, 0); /* a pipe sees each line when it happens, too */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    scenario_finder = scenario_find_quietly;
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_WRONG;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return EXIT_PASSED;
    }
    char problem[DECLARATION_PROBLEM];
    if (!declarations_check(&cast, problem)) {
        fprintf(stderr, "spaaksim: %s\n", problem);
        return EXIT_WRONG;
    }
    return check_output(obey(argc, argv));
}

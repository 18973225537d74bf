/* spaaksim: the command for people and for CI. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/host/setup.h"
#include "lib/media/media.h"
#include "sim/commands.h"
#include "sim/language/scenario.h"

static void usage(FILE *out)
{
    fputs("spaaksim: a digital-key vehicle and its back end on one machine\n"
          "\n"
          "usage: spaaksim run NAME|FILE [options]     run a scenario\n"
          "       spaaksim run --all [options]         run all, in both worlds, several at a time\n"
          "       spaaksim list                        name the scenarios\n"
          "       spaaksim check [FILE...]             check scenario files without running them\n"
          "       spaaksim dbc                         write the CAN message matrix as a DBC file\n"
          "       spaaksim apdu [HEX...]               Digital Key APDUs as text; without HEX, lines of "
          "standard "
          "input\n"
          "\n"
          "options of run:\n"
          "  --world process|virtual  separate processes in real time (default), or one process in virtual "
          "time\n"
          "  --seed N                 root of all randomness in the virtual world (default 1)\n"
          "  --out DIR                where the records go (default out/NAME)\n",
          out);
    for (const struct setup *const *s = media_setups; *s; s++)
        if ((*s)->option)
            fprintf(out, "  --%s %-*s %s\n", (*s)->option, 22 - (int)strlen((*s)->option), (*s)->form,
                    (*s)->option_is);
    fputs("  --bytes                  record every byte that enters or leaves a component in bytes.jsonl; "
          "secrets "
          "masked\n"
          "  --keep-past              keep the records of the lives before the run, too\n"
          "  --tap COMMAND            run a shell command beside the buses, e.g. 'candump -L any'\n"
          "  --jobs N                 with --all: runs at the same time (default: processors)\n"
          "  --quiet, --verbose       verdict only; every event\n"
          "\n"
          "examples:\n"
          "  spaaksim run pp01\n"
          "  spaaksim run pp01 --world virtual --seed 7\n"
          "  spaaksim run scenarios/pp01/pp01-lost-response.yaml --verbose\n"
          "  spaaksim run --all\n"
          "  spaaksim apdu 803C1209 '< 9000'\n"
          "\n"
          "exit: 0 passed, 1 failed, 2 the command line or a scenario is wrong, 3 something needed is "
          "missing\n",
          out);
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"run", command_run}, {"list", command_list}, {"check", command_check},
    {"dbc", command_dbc}, {"apdu", command_apdu},
};

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* a pipe sees each line when it happens, too */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    scenario_finder = scenario_find_quietly;
    if (argc < 2) {
        usage(stderr);
        return EXIT_WRONG;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return EXIT_PASSED;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
                usage(stdout);
                return EXIT_PASSED;
            }
            return commands[i].run(argc - 1, argv + 1);
        }
    fprintf(stderr, "spaaksim: unknown command \"%s\"; try spaaksim --help\n", argv[1]);
    return EXIT_WRONG;
}

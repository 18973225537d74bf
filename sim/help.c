#include "sim/help.h"

#include <string.h>

#include "sim/commands.h"
#include "sim/options.h"
#include "sim/uds/words.h"

#define EXITS \
    "exit: 0 passed, 1 failed, 2 the command line or a scenario is wrong, 3 something needed is missing\n"

static void print_words(FILE *out)
{
    fputs("\nwords:\n", out);
    words_print_forms(out);
    fputs("\noptions:\n"
          "  --timeout MS             how long silence lasts (default 2000)\n"
          "  --hex                    final answers in hex, and nothing else\n",
          out);
}

static const struct help {
    const char *name, *line, *form, *about;
    unsigned options; /* whose; 0: none */
    const char *examples, *exits;
} helps[] = {
    {"run", "run a scenario, or --all of them in both worlds",
     "run NAME|FILE [options]\n       spaaksim run --all [options]",
     "Runs a scenario and judges it. The first lines of a failure name its cause; records stay in "
     "out/NAME.\n",
     OPTIONS_OF_RUN,
     "  spaaksim run pp01\n"
     "  spaaksim run pp01 --world virtual --seed 7\n"
     "  spaaksim run scenarios/pp01/pp01-lost-response.yaml --verbose\n"
     "  spaaksim run op03 --external phone --wait 120\n"
     "  spaaksim run pp01 --world virtual --faults random --seeds 1000\n"
     "  spaaksim run --all\n",
     EXITS},
    {"play", "drive a scenario's world by hand, line by line", "play [NAME|FILE] [options]",
     "A scenario's components and what it is given, driven by hand. Its do, faults, expect and never are not "
     "used. Lines "
     "from\nthe keyboard or a pipe drive the world; the line `help` names them all. Without "
     "NAME: " PLAY_SCENARIO ".\n",
     OPTIONS_OF_PLAY,
     "  spaaksim play\n"
     "  spaaksim play pp01 --world virtual --seed 7\n"
     "  echo 'vos renew-vehicle-identity; wait PP-01/9; kill spaak' | spaaksim play pp01\n",
     "exit: 0 what holds in every run held, 1 it did not, or a line of a pipe was wrong, 2 the command line "
     "or the\n"
     "scenario is wrong, 3 something needed is missing\n"},
    {"uds", "speak UDS to an ECU of a running world", "uds NAME|FOLDER ECU WORDS [--timeout MS] [--hex]",
     "Speaks UDS to an ECU of a world that plays or runs: by name, or by the folder of its records. ECU is "
     "spaak, tbm, sgw\nor all, of a further vehicle v0002.sgw. Any other tool connects to uds-ECU.sock in "
     "that "
     "folder.\n",
     OPTIONS_OF_UDS,
     "  spaaksim uds pp01 sgw read F18C 0250\n"
     "  spaaksim uds pp01 sgw session 03\n"
     "  spaaksim uds out/play-pp01 tbm dtc --timeout 500\n"
     "  spaaksim uds pp01 all raw 3E00 --hex\n",
     "exit: 0 a positive answer, 1 a negative one or silence, 2 the command line is wrong, 3 no such world "
     "runs,\nor it runs without that ECU\n"},
    {"export", "what somebody outside needs to play a component of a run",
     "export NAME|FOLDER --for MEMBER DIR",
     "Copies what a run with --external has written for that member to a folder for this user alone: its "
     "links "
     "and what\nproves it there, the password, roots, a CA key for tests, as JSON, and certificates as PEM "
     "(docs/air.md).\n",
     0,
     "  spaaksim run op03 --external phone      # leaves it in out/op03/external, too\n"
     "  spaaksim export op03 --for phone /tmp/phone\n",
     "exit: 0 copied, 1 it could not be, 2 the command line is wrong, 3 no run has left it\n"},
    {"replay", "a recorded talk against one end of it, alone",
     "replay FILE... --of SCENARIO --alone LIST [options]",
     "Plays apdu.log, dk.log, can.log against some components of a scenario, in virtual time: they begin "
     "with what its\npast gives, everybody else is played from the record, and what they say is compared "
     "with "
     "it, field by field. A\ntrace.jsonl beside the first file tells when people did what they did. "
     "docs/replay.md\n\noptions:\n"
     "  --of SCENARIO            whose components, past and calls\n"
     "  --alone LIST             who is tested, e.g. phone, or spaak,wcp\n"
     "  --seed N                 the record is of a virtual run with that seed: not a byte may differ\n"
     "  --pace record|fast       by the clock on the wall, or as fast as it goes (default)\n"
     "  --verbose                tell also what new random numbers explain\n",
     0,
     "  spaaksim run unlock --world virtual --seed 7\n"
     "  spaaksim replay out/unlock/apdu.log --of unlock --alone phone --seed 7\n"
     "  spaaksim replay out/unlock/can.log out/unlock/apdu.log --of unlock --alone spaak,door --seed 7\n"
     "  spaaksim replay measured.log --of unlock --alone phone --verbose\n",
     "exit: 0 no difference, or none but explained ones; 1 others, the first of them is told first; 2 the "
     "command line,\nthe scenario or a file is wrong\n"},
    {"list", "name the scenarios", "list", "Names the scenarios with their use case and title.\n", 0,
     "  spaaksim list\n", EXITS},
    {"check", "check scenario files without running them", "check [--dump] [FILE...]",
     "Reads scenario files, all of the project without FILE, and says what is wrong with them; with --dump "
     "what was\n"
     "understood, a line for each value.\n",
     0,
     "  spaaksim check\n"
     "  spaaksim check --dump scenarios/pp01/pp01.yaml\n",
     "exit: 0 all are well-formed, 2 one is not\n"},
    {"explain", "what a reason means, and what to look at", "explain [REASON...]",
     "Tells of a reason that stands in a trace or a verdict: what it says, what it mostly comes from, where "
     "to look.\n"
     "REASON is its name, or its number as messages carry it. Without REASON: names them all.\n",
     0,
     "  spaaksim explain CSR_ALREADY_ISSUED\n"
     "  spaaksim explain 300\n"
     "  spaaksim explain\n",
     "exit: 0 it is known, 2 it is not\n"},
    {"dbc", "write the CAN message matrix as a DBC file", "dbc",
     "Writes the CAN message matrix to standard output, for the tools that read DBC files.\n", 0,
     "  spaaksim dbc >spaak.dbc\n", EXITS},
    {"apdu", "Digital Key APDUs as text", "apdu [HEX...]",
     "Digital Key APDUs in hex as readable lines; without HEX, lines of standard input.\n", 0,
     "  spaaksim apdu 803C1209 '< 9000'\n", EXITS},
    {"dk", "Digital Key messages of Bluetooth LE as text", "dk [--verbose] [HEX...]",
     "Digital Key messages in hex as readable lines; without HEX, lines of standard input, as dk.log has "
     "them: each message\n"
     "where it leaves, and again where it arrives if it was changed on its way; at the end, which did not "
     "arrive.\n\noptions:\n"
     "      --verbose  each field on a line of its own, and what made and ended the links\n",
     0,
     "  spaaksim dk 030100020101\n"
     "  spaaksim dk --verbose <out/op06/dk.log\n",
     EXITS},
};

#define HELPS (sizeof helps / sizeof helps[0])

void help_print(FILE *out)
{
    fputs("spaaksim: a digital-key vehicle and its back end on one machine\n\nusage: spaaksim COMMAND "
          "[...]\n\n",
          out);
    for (size_t i = 0; i < HELPS; i++)
        fprintf(out, "  %-10s %s\n", helps[i].name, helps[i].line);
    fputs("\n`spaaksim COMMAND --help` tells of its options; `spaaksim --version` which one this "
          "is.\n\nexamples:\n",
          out);
    fputs(helps[0].examples, out);
    fputs("  spaaksim play pp01\n  spaaksim explain CSR_ALREADY_ISSUED\n\n" EXITS, out);
}

void help_print_command(const char *name, FILE *out)
{
    const struct help *h = helps;
    while (h < helps + HELPS && strcmp(h->name, name) != 0)
        h++;
    if (h == helps + HELPS) {
        help_print(out);
        return;
    }
    fprintf(out, "usage: spaaksim %s\n\n%s", h->form, h->about);
    if (h->options == OPTIONS_OF_UDS) {
        print_words(out);
    } else if (h->options) {
        fputs("\noptions:\n", out);
        options_print((enum options_of)h->options, out);
    }
    fprintf(out, "\nexamples:\n%s\n%s", h->examples, h->exits);
}

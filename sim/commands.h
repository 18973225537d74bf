/* The subcommands of spaaksim. Each takes its own name as argv[0] and gives an exit code. */
#ifndef sim_commands_h
#define sim_commands_h

#include <stdbool.h>
#include <stddef.h>

enum { EXIT_PASSED, EXIT_FAILED, EXIT_WRONG, EXIT_MISSING };

int command_run(int argc, char **argv);
int command_play(int argc, char **argv);
int command_list(int argc, char **argv);
int command_check(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_dbc(int argc, char **argv);
int command_apdu(int argc, char **argv);
int command_dk(int argc, char **argv);
int command_uds(int argc, char **argv);
int command_export(int argc, char **argv);
int command_replay(int argc, char **argv);

/* catalogue.c: the scenarios of a file whose lives before them can be lived; false and a message otherwise.
 * Free *out in either case. */
struct scenario;
bool catalogue_load(const char *path, struct scenario **out, size_t *count);

/* What play takes when no scenario is named. */
#define PLAY_SCENARIO "pp01"

/* command_run.c: runs all variants of a file one after the other, or the one of that value; an exit code.
 * cause: gets RUN_FAILURE_TEXT bytes that say why the first of them failed; NULL: nobody asks. */
struct run_options;
int run_file(const char *path, const struct run_options *options, const char *variant, char *cause);

/* Root of the project: where scenarios/ and build/ are. Found from the program's own place. */
const char *project_root(void);

/* Paths of all scenario files, in order; free each and the list. */
char **scenario_files(unsigned long *count);
/* Path of a scenario by name or by path; NULL and a message with a suggestion when there is none. Free it. */
char *scenario_find(const char *name);
/* The same without a message, by name only: for what scenarios say of each other. */
char *scenario_find_quietly(const char *name);
/* The name of a scenario that may have been meant; "" for none. */
void scenario_find_nearest(const char *name, char out[64]);

#endif

/* What the commands say of themselves. */
#ifndef sim_help_h
#define sim_help_h

#include <stdio.h>

#define SPAAKSIM_VERSION "0.8"

/* All commands. */
void help_print(FILE *out);
/* One; all for a name that is none. */
void help_print_command(const char *name, FILE *out);

#endif

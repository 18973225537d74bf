/* A folder for records: only one that bears our mark, or is empty or new, or holds nothing but such, is
 * written to. What is in it is reached from its descriptor and no link is followed. */
#ifndef sim_run_folder_h
#define sim_run_folder_h

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define FOLDER_MARK    ".spaaksim"
#define FOLDER_PATH    400 /* longest path, bytes: files in it stay below PATH_MAX and the bounds of sockets */
#define FOLDER_PROBLEM 600

/* Makes the folder and those above it, which get no mark, or takes one that is ours. Its descriptor, or -1
 * and a sentence on why it cannot be used and what to do. */
int folder_claim(const char *path, char problem[FOLDER_PROBLEM]);
/* A folder inside, with that mode; the same. */
int folder_inside(int folder, const char *name, unsigned mode, char problem[FOLDER_PROBLEM]);
/* A file in it to write, empty; what stood there under that name is removed first, be it a link. NULL and
 * errno. */
FILE *folder_create(int folder, const char *name);
/* Removes the files whose names end so (NULL ends the list). */
void folder_clear(int folder, const char *const *endings);
/* A folder inside that a run has filled: removes the files that end so, and the folder when nothing else is
 * in it. */
void folder_drop(int folder, const char *name, const char *const *endings);
/* Descriptor of a folder inside that bears our mark, -1: there is none. */
int folder_marked_inside(int folder, const char *name);
bool folder_is_marked(int folder, const char *name);
/* Removes it, when nothing but the mark is in it. */
void folder_drop_marked(int folder, const char *name);

#endif

/* What a user names is read by these: neither a pipe nor a device is waited for, and nothing is longer than
 * its reader has said. */
#ifndef sim_language_text_file_h
#define sim_language_text_file_h

#include <stddef.h>
#include <stdio.h>

#define TEXT_FILE_WHY 120

/* All bytes of a regular file, as many as were really read, with a zero behind them; to be freed. NULL and
 * why: "is a pipe, not a file". `max` in bytes, of the file. */
char *text_file_read(const char *path, size_t max, size_t *len, char why[TEXT_FILE_WHY]);

enum text_line {
    TEXT_LINE_NONE,   /* the end of the file, or an error of it */
    TEXT_LINE_WHOLE,  /* and its end, which is not kept */
    TEXT_LINE_LAST,   /* without an end */
    TEXT_LINE_LONG,   /* longer than cap - 1 bytes; all of it is passed over */
    TEXT_LINE_ZERO,   /* with a byte of value zero; out ends before it, all of the line is passed over */
    TEXT_LINE_ENDLESS /* more than TEXT_LINE_PASSED_MAX bytes: nothing is to be read any more */
};

#define TEXT_LINE_PASSED_MAX 1048576 /* bytes; a device has no end */

/* out: cap bytes, always terminated. Of a long line it has the beginning. */
enum text_line text_line_read(FILE *f, char *out, size_t cap);
/* Why nothing can be made of the line; NULL for one that is a text. */
const char *text_line_why(enum text_line got);

#endif

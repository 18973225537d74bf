/* What the commands share that take hex from people: captures, logs, lines of a pipe. */
#ifndef sim_hex_reader_h
#define sim_hex_reader_h

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Hex with or without blanks and colons. The bytes in `out`, at most `cap`; how many, or -1: not hex, or
 * more. */
long hex_read(const char *text, uint8_t *out, size_t cap);
/* "spaaksim COMMAND: line N: WHY: TEXT" on standard error, the text without escapes and cut; number 0: of no
 * file. False. */
bool hex_refuse(const char *command, const char *text, unsigned number, const char *why);

#endif

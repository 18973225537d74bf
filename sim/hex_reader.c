#include "sim/hex_reader.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/bytes.h"

long hex_read(const char *text, uint8_t *out, size_t cap)
{
    char pair[2];
    size_t digits = 0;
    for (; *text; text++) {
        if (isspace((unsigned char)*text) || *text == ':')
            continue;
        if (digits / 2 == cap)
            return -1;
        pair[digits++ % 2] = *text;
        if (digits % 2 == 0 && hex_decode(pair, 2, &out[digits / 2 - 1], 1) < 0)
            return -1;
    }
    return digits % 2 ? -1 : (long)(digits / 2);
}

bool hex_refuse(const char *command, const char *text, unsigned number, const char *why)
{
    char lead[61], shown[121], where[24] = "";
    snprintf(lead, sizeof lead, "%.60s", text);
    lead[strcspn(lead, "\n")] = '\0';
    text_shown(shown, sizeof shown, lead);
    if (number)
        snprintf(where, sizeof where, "line %u: ", number);
    fprintf(stderr, "spaaksim %s: %s%s: %s\n", command, where, why, shown);
    return false;
}

/* spaaksim apdu: Digital Key APDUs as text, for logs and captures. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/ccc/apdu.h"
#include "sim/commands.h"

#define LINE_MAX_TEXT 1200
#define LEAD_MAX      120 /* of what stands before the mark, with its end */

/* A command begins with a class that Digital Key uses; what does not is an answer. ">" and "<" say so aloud.
 */
static bool is_command(char mark, const uint8_t *p, size_t len)
{
    if (mark)
        return mark == '>';
    return len >= 4 && (p[0] == APDU_CLA_ISO || p[0] == APDU_CLA_PLAIN || p[0] == APDU_CLA_SECURE);
}

/* Hex with or without blanks and colons. What stands before ">" or "<", as in apdu.log, stands there again.
 */
static bool describe(const char *text)
{
    char hex[LINE_MAX_TEXT] = "", line[APDU_LINE_MAX], lead[LEAD_MAX], shown[LEAD_MAX];
    uint8_t bytes[LINE_MAX_TEXT / 2];
    size_t n = 0, before = strcspn(text, "<>");
    char mark = text[before];
    before = mark ? before : 0;
    for (const char *p = text + before + (mark != 0); *p && n < sizeof hex; p++)
        if (!isspace((unsigned char)*p) && *p != ':')
            hex[n++] = *p;
    long len = n < sizeof hex ? hex_decode(hex, n, bytes, sizeof bytes) : -1;
    if (len <= 0) {
        snprintf(lead, sizeof lead, "%.60s", text);
        text_shown(shown, sizeof shown, lead);
        fprintf(stderr, "spaaksim apdu: not hex, or too long: %s\n", shown);
        return false;
    }
    struct span apdu = span_of(bytes, (size_t)len);
    bool command = is_command(mark, bytes, (size_t)len);
    if (command)
        apdu_describe_command(apdu, line);
    else
        apdu_describe_response(apdu, line);
    snprintf(lead, sizeof lead, "%.*s", (int)(before < LEAD_MAX ? before : LEAD_MAX - 1), text);
    text_shown(shown, sizeof shown, lead);
    printf("%s%s %s\n", shown, command ? ">" : "<", line);
    return true;
}

int command_apdu(int argc, char **argv)
{
    char line[LINE_MAX_TEXT];
    bool ok = true;
    for (int i = 1; i < argc; i++)
        ok &= describe(argv[i]);
    while (argc == 1 && fgets(line, sizeof line, stdin))
        if (line[strspn(line, " \t\r\n")])
            ok &= describe(line);
    return ok ? EXIT_PASSED : EXIT_WRONG;
}

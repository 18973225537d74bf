/* spaaksim apdu: Digital Key APDUs as text, for logs and captures. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/ccc/apdu.h"
#include "lib/media/nfc/nfc.h"
#include "sim/commands.h"
#include "sim/hex_reader.h"
#include "sim/language/text_file.h"

#define LEAD_MAX      120                           /* of what stands before the mark, with its end */
#define LINE_MAX_TEXT (3 * NFC_APDU_MAX + LEAD_MAX) /* hex with a blank after each byte */

/* A command begins with a class that Digital Key uses; what does not is an answer. ">" and "<" say so aloud.
 */
static bool is_command(char mark, const uint8_t *p, size_t len)
{
    if (mark)
        return mark == '>';
    return len >= 4 && (p[0] == APDU_CLA_ISO || p[0] == APDU_CLA_PLAIN || p[0] == APDU_CLA_SECURE);
}

/* What stands before ">" or "<", as in apdu.log, stands there again. `number` of the line, 0: no file. */
static bool describe(const char *text, unsigned number)
{
    char line[APDU_LINE_MAX], lead[LEAD_MAX], shown[LEAD_MAX];
    uint8_t bytes[NFC_APDU_MAX];
    size_t before = strcspn(text, "<>");
    char mark = text[before];
    before = mark ? before : 0;
    long len = hex_read(text + before + (mark != 0), bytes, sizeof bytes);
    if (len <= 0)
        return hex_refuse("apdu", text, number, "not hex, or too long");
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

static bool read_log(void)
{
    static char line[LINE_MAX_TEXT];
    enum text_line got = TEXT_LINE_NONE;
    bool ok = true;
    for (unsigned number = 1; got != TEXT_LINE_ENDLESS; number++) {
        got = text_line_read(stdin, line, sizeof line);
        if (got == TEXT_LINE_NONE)
            break;
        if (text_line_why(got))
            ok = hex_refuse("apdu", line, number, text_line_why(got));
        else if (line[strspn(line, " \t\r")])
            ok &= describe(line, number);
    }
    if (ferror(stdin))
        ok = hex_refuse("apdu", "the input", 0, strerror(errno));
    return ok;
}

int command_apdu(int argc, char **argv)
{
    bool ok = true;
    for (int i = 1; i < argc; i++)
        ok &= describe(argv[i], 0);
    if (argc == 1)
        ok = read_log();
    return ok ? EXIT_PASSED : EXIT_WRONG;
}

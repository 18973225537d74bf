/* The DBC file, by itself and as other programs read it. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/can/matrix.h"
#include "tests/support.h"

#define CHECKSUM_COMMENT \
    "XOR of the identifier's two bytes, of the seven bytes before this one, and of A5 (hex)."

static char *dbc_text(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    matrix_write_dbc(f);
    fclose(f);
    return text;
}

/* "SPAAK,TBM", sorted by name. */
static void receivers_of(const struct matrix_row *row, char out[80])
{
    static const enum matrix_node by_name[] = {NODE_BCM, NODE_HU,     NODE_SGW, NODE_SPAAK,
                                               NODE_TBM, NODE_TESTER, NODE_WCP};
    out[0] = '\0';
    for (size_t i = 0; i < sizeof by_name / sizeof by_name[0]; i++)
        if (row->receivers & by_name[i])
            snprintf(out + strlen(out), 80 - strlen(out), "%s%s", out[0] ? "," : "",
                     matrix_node_name(by_name[i]));
}

Test(dbc, lists_every_message)
{
    char *text = dbc_text();
    for (unsigned i = 0; i < MATRIX_MESSAGES; i++) {
        const struct matrix_row *row = matrix_row((enum matrix_message)i);
        char expected[120];
        snprintf(expected, sizeof expected, "BO_ %u %s: %u %s\n SG_ ", row->id, row->name, row->length,
                 matrix_node_name(row->sender));
        cr_expect(strstr(text, expected) != NULL, "with a signal, which names its receivers: %s", expected);
    }
    free(text);
}

Test(dbc, says_what_tools_and_people_need)
{
    static const char *const lines[] = {
        " SG_ AliveCounter : 8|4@1+ (1,0) [0|15] \"\" SPAAK\n",
        " SG_ CardSelected : 2|1@1+ (1,0) [0|1] \"\" SPAAK\n",
        "BO_ 1448 HU_NTF: 8 SPAAK\n SG_ Notice : 0|8@1+ (1,0) [0|255] \"\" HU\n",
        " SG_ Reason : 31|16@0+ (1,0) [0|65535] \"\" HU\n",
        " SG_ Nonce : 23|32@0+ (1,0) [0|4294967295] \"\" SPAAK,HU\n",
        " SG_ Mac : 135|64@0+ (1,0) [0|18446744073709551615] \"\" BCM\n",
        "BA_ \"GenMsgCycleTime\" BO_ 952 100;\n",
        "BA_ \"VFrameFormat\" BO_ 960 14;\n",
        "VAL_ 960 Command 1 \"unlock\" 2 \"lock\" 3 \"start\" ;\n",
        "BA_ \"GenMsgCycleTime\" BO_ 928 100;\n",
        "BA_ \"BusType\" \"CAN FD\";\n",
        "CM_ SG_ 928 Checksum \"" CHECKSUM_COMMENT "\";\n",
        "CM_ BO_ 928 \"Every 100 ms, and at once when a value changes.\";\n",
        "CM_ BO_ 952 \"Every 100 ms, and at once when a value changes.\";\n",
        "CM_ BO_ 936 \"Every 500 ms.\";\n",
        "CM_ BO_ 944 \"Every 500 ms.\";\n",
        "CM_ BO_ 945 \"Every 500 ms.\";\n",
        "CM_ BO_ 1712 \"Carries ISO-TP (ISO 15765-2), messages of up to 2048 bytes; its frames have up to "
        "64 bytes, flow control and last frames fewer.\";\n",
        "CM_ BO_ 1952 \"Carries ISO-TP (ISO 15765-2), messages of up to 2048 bytes; its frames have up to "
        "64 bytes, flow control and last frames fewer. Classic frames too: answers are then classic.\";\n",
        "CM_ BO_ 2015 \"Single frames of ISO-TP (ISO 15765-2), messages of up to 62 bytes to all who hear "
        "them. "
        "Classic frames too: answers are then classic.\";\n",
        " SG_ IsoTpFrame : 4|4@1+ (1,0) [0|15] \"\" SPAAK,SGW,TBM\n",
        "VAL_ 1712 IsoTpFrame 0 \"single\" 1 \"first\" 2 \"consecutive\" 3 \"flow control\" ;\n",
    };
    char *text = dbc_text();
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        cr_expect(strstr(text, lines[i]) != NULL, "%s", lines[i]);
    free(text);
}

/* The comment tells the truth. */
Test(dbc, the_checksum_is_what_its_comment_says)
{
    static const uint8_t data[8] = {0x03, 0x07, 1, 2, 3, 4, 5, 0};
    uint8_t want = 0x03 ^ 0xA0 ^ 0xA5;
    for (size_t i = 0; i < 7; i++)
        want ^= data[i];
    cr_expect(eq(u8, matrix_checksum(0x3A0, data, sizeof data), want));
}

/* ---- read by others ---- */

enum { MISSING = 77 };

/* Tries every python3 there is: Debian's packages are Debian's python's. */
static int read_by(const char *parser, const char *path, char *out, size_t cap)
{
    static const char *const pythons[] = {"python3", "/usr/bin/python3"};
    for (size_t i = 0; i < 2; i++) {
        char command[400];
        snprintf(command, sizeof command, "%s scripts/dbc-read.py %s %s 2>/dev/null", pythons[i], parser,
                 path);
        FILE *f = popen(command, "r");
        cr_assert(f != NULL);
        out[fread(out, 1, cap - 1, f)] = '\0';
        int status = pclose(f);
        if (WIFEXITED(status) && WEXITSTATUS(status) != MISSING && WEXITSTATUS(status) != 127)
            return WEXITSTATUS(status);
    }
    return MISSING;
}

static void compare(const char *parser, const char *out)
{
    for (unsigned i = 0; i < MATRIX_MESSAGES; i++) {
        const struct matrix_row *row = matrix_row((enum matrix_message)i);
        char line[200], receivers[80];
        receivers_of(row, receivers);
        snprintf(line, sizeof line, "%u %s from %s to %s %u bytes %s\n", row->id, row->name,
                 matrix_node_name(row->sender), receivers, row->length,
                 row->formats & MATRIX_FD ? "FD" : "classic");
        cr_expect(strstr(out, line) != NULL, "%s did not read\n%sbut\n%s", parser, line, out);
    }
    cr_expect(strstr(out, "bus CAN FD\n") != NULL, "%s: %s", parser, out);
    cr_expect(strstr(out, "TBM_Status.Checksum: " CHECKSUM_COMMENT "\n") != NULL, "%s: %s", parser, out);
}

static void other_parser_agrees(const char *parser)
{
    static char out[8192];
    char path[108];
    test_path(path, sizeof path, parser);
    FILE *f = fopen(path, "w");
    cr_assert(f != NULL);
    matrix_write_dbc(f);
    fclose(f);
    int rc = read_by(parser, path, out, sizeof out);
    unlink(path);
    if (rc == MISSING) {
        fprintf(stderr, "SKIPPED: the DBC file was not read by %s, which is missing\n", parser);
        cr_skip_test("%s is missing", parser);
    }
    cr_assert(eq(int, rc, 0), "%s", parser);
    compare(parser, out);
}

Test(dbc, canmatrix_reads_the_same_matrix)
{
    other_parser_agrees("canmatrix");
}

Test(dbc, cantools_reads_the_same_matrix)
{
    other_parser_agrees("cantools");
}

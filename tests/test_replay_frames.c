/* Frames, and messages that frames carry, against those of a record: the field that differs is named, what is
 * drawn anew is explained, and what follows from it ends the comparison. */
#include <stdio.h>
#include <string.h>

#include "lib/can/matrix.h"
#include "sim/replay/compare.h"
#include "tests/check.h"

TestSuite(replay_frames, .timeout = 60);

static bool begins(const char *text, const char *part)
{
    return strncmp(text, part, strlen(part)) == 0;
}

static struct bus_frame frame(const char *text)
{
    struct bus_frame f;
    cr_assert(eq(int, bus_frame_parse(text, &f), ERR_OK), "%s", text);
    return f;
}

Test(replay_frames, fields_of_frames)
{
    static const struct {
        bool exact, checksum; /* set in both */
        const char *recorded, *got;
        enum compare_result result;
        const char *says;
    } rows[] = {
        {false, true, "3A8#0300000000000000", "3A8#0300000000000000", COMPARE_SAME, ""},
        {false, true, "3A8#0305000000000000", "3A8#0306000000000000", COMPARE_EXPLAINED,
         "AliveCounter: begins anywhere"},
        {true, true, "3A8#0305000000000000", "3A8#0306000000000000", COMPARE_DIFFERENT,
         "AliveCounter: 5 in the record, now 6"},
        {false, true, "3A8#0305000000000000", "3A8#0205000000000000", COMPARE_DIFFERENT,
         "PairingMode: 1 in the record, now 0"},
        {false, false, "3A8#0305000000000011", "3A8#0305000000000012", COMPARE_DIFFERENT, "Checksum: 17 in"},
        {false, true, "3A8#0305000000000000", "3A8#03050000", COMPARE_DIFFERENT, "format: flags 0, 8 bytes"},
        {false, true, "3B8#0105112233440000", "3B8#0105112233550000", COMPARE_EXPLAINED,
         "Nonce: a new random number"},
        {false, false, "6C1#0201", "6C1#0301", COMPARE_DIFFERENT, "ISO-TP: byte 1 of 2 is 02"},
        {false, false, "6C1#020401", "6C1#020402", COMPARE_EXPLAINED, "OFF: number 1 in the record, now 2"},
        {true, false, "6C1#020401", "6C1#020402", COMPARE_DIFFERENT, "OFF: number 1 in the record, now 2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct compare c = {.exact = rows[i].exact};
        char text[COMPARE_TEXT] = "";
        struct bus_frame f[2] = {frame(rows[i].recorded), frame(rows[i].got)};
        for (size_t k = 0; k < 2; k++)
            if (rows[i].checksum && f[k].len == 8)
                f[k].data[7] = matrix_checksum(f[k].id, f[k].data, 8);
        enum compare_result r = compare_frame(&c, "body", &f[0], &f[1], text);
        cr_expect(eq(int, (int)r, (int)rows[i].result), "row %zu: %s", i, text);
        cr_expect(begins(text, rows[i].says), "row %zu: %s", i, text);
        compare_free(&c);
    }
}

/* One key: index, state, identity, name. */
#define KEYS(state, identity, name) "6D0##0001201010" state identity "0A" name
#define PHONE                       "70686F6E6520"
#define F2C4                        PHONE "46324334"
#define A1B2                        PHONE "41314232"

Test(replay_frames, messages_in_frames)
{
    static const struct {
        bool exact;
        const char *recorded, *got;
        enum compare_result result;
        const char *says;
        bool roots;
    } rows[] = {
        {false, KEYS("2", "F2C4E314", F2C4), KEYS("2", "F2C4E314", F2C4), COMPARE_SAME, "", false},
        {false, KEYS("2", "F2C4E314", F2C4), KEYS("2", "A1B2E314", A1B2), COMPARE_EXPLAINED,
         "SpaaK_HU_Keys: identities of keys are of the life before", false},
        {true, KEYS("2", "F2C4E314", F2C4), KEYS("2", "A1B2E314", A1B2), COMPARE_DIFFERENT,
         "SpaaK_HU_Keys: byte 4 of 18 is f2 in the record, now a1", false},
        {false, KEYS("2", "F2C4E314", F2C4), KEYS("3", "F2C4E314", F2C4), COMPARE_DIFFERENT,
         "SpaaK_HU_Keys: byte 3 of 18 is 02 in the record, now 03", false},
        {false, KEYS("2", "F2C4E314", F2C4), KEYS("2", "F2C4E314", A1B2), COMPARE_DIFFERENT,
         "SpaaK_HU_Keys: byte 15 of 18 is 46", false},
        {false, "6D0#0100", "6D0#0101", COMPARE_DIFFERENT, "SpaaK_HU_Keys: byte 1 of 1 is 00", false},
        /* no message at all, twice */
        {false, "6B0#021122", "6B0#021123", COMPARE_DIFFERENT, "SpaaK_VOS_Up: byte 2 of 2 is 22", false},
        {false, "7A8#0462F19041", "7A8#0462F19042", COMPARE_DIFFERENT,
         "UDS positive: ReadDataByIdentifier F190, 1 bytes: byte 4 of 4 is 41", false},
        {false, "7A8#0462F19041", "7A8#037F2231", COMPARE_DIFFERENT, "UDS positive: ReadData", false},
        {false, "7A8#0467011122", "7A8#0467013344", COMPARE_EXPLAINED,
         "UDS positive: SecurityAccess 01 requestSeed, 2 bytes: a new random number", true},
        {true, "7A8#0467011122", "7A8#0467013344", COMPARE_DIFFERENT, "UDS positive: SecurityAccess", false},
        {false, "7A8#0467011122", "7A8#0367011122", COMPARE_DIFFERENT, "UDS positive: SecurityAccess", false},
        {false, "7A0#0427021122", "7A0#0427023344", COMPARE_EXPLAINED, "UDS SecurityAccess 02", false},
        {false, "7A0#0427021122", "7A0#0427043344", COMPARE_DIFFERENT, "UDS SecurityAccess 02", false},
        {false, "7AA#0469011122", "7AA#0469013344", COMPARE_EXPLAINED, "UDS positive: Authentication 01",
         true},
        {false, "7A2#0429031122", "7A2#0429033344", COMPARE_EXPLAINED, "UDS Authentication 03", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct compare c = {.exact = rows[i].exact};
        char text[COMPARE_TEXT] = "";
        struct bus_frame f[2] = {frame(rows[i].recorded), frame(rows[i].got)};
        enum compare_result r = compare_frame(&c, "body", &f[0], &f[1], text);
        cr_expect(eq(int, (int)r, (int)rows[i].result), "row %zu: %s", i, text);
        cr_expect(begins(text, rows[i].says), "row %zu: %s", i, text);
        cr_expect(eq(int, c.roots, rows[i].roots), "row %zu", i);
        compare_free(&c);
    }
}

Test(replay_frames, what_is_played_ends_it_where_it_answers_other_numbers)
{
    static const struct {
        bool roots, keys; /* have differed before */
        const char *played, *says;
    } rows[] = {
        {true, true, KEYS("2", "F2C4E314", F2C4), NULL}, /* answers no number */
        {true, true, "6B8#021122", NULL},                /* is no message */
        {true, true, "7A0#0322F190", NULL},
        {true, true, "7A0#022701", NULL},
        {true, false, "7A0#0427021122",
         "UDS SecurityAccess 02 sendKey, 2 bytes, which answers its own numbers"},
        {true, false, "7A2#0429031122", "UDS Authentication 03 proofOfOwnership, 2 bytes, which answers"},
        {false, true, "7A0#0427021122", NULL},
        {true, false, "6C0#020401", "OFF, which answers its own numbers"},
        {false, true, "5A0#030001F2C4E31400", "PhoneKey_Req, which names a key of its own life before"},
        {true, false, "5A0#030001F2C4E31400", NULL},
        {true, true, "5A0#0400000000000000", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct compare c = {.roots = rows[i].roots, .keys = rows[i].keys};
        struct bus_frame f = frame(rows[i].played);
        compare_played_frame(&c, "body", &f);
        cr_expect(eq(int, c.beyond, rows[i].says != NULL), "row %zu: %s", i, c.why);
        cr_expect(ne(ptr, strstr(c.why, rows[i].says ? rows[i].says : ""), NULL), "row %zu: %s", i, c.why);
        compare_free(&c);
    }
}

#include "tests/hostile_values.h"

#include <stdlib.h>
#include <string.h>

uint64_t chance_draw(struct chance *c)
{
    c->state ^= c->state << 13;
    c->state ^= c->state >> 7;
    c->state ^= c->state << 17;
    return c->state;
}

size_t chance_below(struct chance *c, size_t n)
{
    return (size_t)(chance_draw(c) % n);
}

#define ANY(c, list) ((list)[chance_below(c, sizeof(list) / sizeof((list)[0]))])

/* ---- values ---- */

/* By kind of value: some are right, some nearly. */
static const struct {
    const char *kind;
    const char *values[9];
} examples[] = {
    {"component", {"spaak", "vos", "tbm", "sgw", "broker", "rogue", "v0002.spaak", "nobody", "spak"}},
    {"link", {"gsdp", "pki", "body", "telematics", "diagnostic", "infotainment", "gsdp", "call", ""}},
    {"message",
     {"VehicleSubjectIdRequest", "VehicleSubjectIdResponse", "VehicleIdentityCSRResponse", "TBM_Status",
      "SpaaK_VOS_Up", "?", "vehiclesubjectidrequest", "C2VUsecaseCompletionAck", "Message"}},
    {"reason", {"MSG_NO_ANSWER", "CERT_EXPIRED", "LINK_DOWN", "OK", "BUS_NOT_ALLOWED", "ok", "", "7", "X"}},
    {"step",
     {"PP-01/9", "PP-01/3", "SP-02/5", "start", "OP-01a/12", "PP-01/09", "PP-1/1", "PP-01/", "PP-01/100"}},
    {"use case", {"PP-01", "OP-01a", "PP-1", "pp-01", "PP-01/1", "", "PP-01aa", "PP-99", "SP-02"}},
    {"duration", {"100 ms", "2 s", "500 us", "0 s", "1 ms", "604800 s", "604801 s", "5 min", "5"}},
    {"duration in whole ms", {"100 ms", "2 s", "500 us", "0 s", "1 ms", "20 s", "4294968 s", "1.5 s", "7"}},
    {"number", {"1", "2", "3", "100", "0", "4096", "4294967296", "18446744073709551616", "-1"}},
    {"number, or each", {"1", "2", "each", "0", "all", "100000", "100001", "1.0", "EACH"}},
    {"false or true", {"true", "false", "yes", "True", "1", "", "no", "true", "false"}},
    {"segment", {"body", "diagnostic", "telematics", "infotainment", "bodies", "", "body", "7", "can"}},
    {"serial of a vehicle",
     {"SPAAK00000001", "SPAAK00000002", "", "spaak", "SPAAK0000000", "SPAAK00000001", "1", "0", "x"}},
};

/* For any place: what no value of the language is, or hardly one. */
static const char *const hostile_values[] = {"",
                                             "-1",
                                             "0x10",
                                             "1e9",
                                             "18446744073709551616",
                                             "4294968 s",
                                             "100 us",
                                             "99999999999999999999 s",
                                             "null",
                                             "~",
                                             "true",
                                             "$x",
                                             "$step",
                                             "../../etc/passwd",
                                             "..",
                                             "/tmp/x",
                                             "a b",
                                             "%s%n%s",
                                             "\x1B[31m",
                                             "a\nb",
                                             "a\rb",
                                             "\x07",
                                             "\xFF\xFE",
                                             "\xC3",
                                             "\xC0\xAF",
                                             "\xED\xA0\x80",
                                             "\xE2\x80\xAE",
                                             "\xC3\xA9\xC3\xA9",
                                             "\xF0\x9F\x94\x91",
                                             "&a",
                                             "*a",
                                             "!!str",
                                             "<<",
                                             "{",
                                             "]",
                                             "- a",
                                             "a: b",
                                             "#",
                                             "'",
                                             "\"",
                                             "\t",
                                             "@",
                                             "`",
                                             "|",
                                             ">",
                                             "spaak",
                                             "vos",
                                             "PP-01/9",
                                             "present",
                                             "absent",
                                             "3A0#0011",
                                             "001#0000000000000000",
                                             "virtual",
                                             "t",
                                             "sp02",
                                             "pp01"};

char *value_copy(const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        abort();
    return copy;
}

static char *long_text(struct chance *c)
{
    static const size_t lengths[] = {31, 32, 47, 48, 95, 96, 119, 120, 255, 256, 257, 5000};
    size_t len = ANY(c, lengths);
    char *text = malloc(len + 2);
    if (!text)
        abort();
    bool wide = chance_below(c, 3) == 0;
    for (size_t i = 0; i < len; i++)
        text[i] = wide ? (i % 2 ? '\xA9' : '\xC3') : 'a';
    text[len] = '\0';
    return text;
}

char *value_hostile(struct chance *c)
{
    return chance_below(c, 8) == 0 ? long_text(c) : value_copy(ANY(c, hostile_values));
}

char *value_of_kind(struct chance *c, const struct tree_key *k)
{
    size_t words = 0;
    while (k->words && k->words[words])
        words++;
    if (words && chance_below(c, 4))
        return value_copy(k->words[chance_below(c, words)]);
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++)
        if (strcmp(examples[i].kind, k->kind->name) == 0 && chance_below(c, 8))
            return value_copy(examples[i].values[chance_below(c, 9)]);
    return value_hostile(c);
}

/* ---- the tables ---- */

static const struct tree_key *const plain_tables[] = {
    scenario_keys, given_keys, call_keys, inject_keys, field_keys, distance_keys, under_faults_keys};

static size_t form_count(const struct entry_form *forms)
{
    size_t n = 0;
    while (forms[n].name)
        n++;
    return n;
}

static const struct tree_key *any_table(struct chance *c)
{
    size_t plain = sizeof plain_tables / sizeof plain_tables[0], faults = form_count(fault_forms),
           i = chance_below(c, plain + faults + form_count(expect_forms));
    if (i < plain)
        return plain_tables[i];
    return i < plain + faults ? fault_forms[i - plain].keys : expect_forms[i - plain - faults].keys;
}

const struct tree_key *row_any(struct chance *c)
{
    const struct tree_key *keys = any_table(c);
    size_t n = 0;
    while (keys[n].name)
        n++;
    return n ? &keys[chance_below(c, n)] : &scenario_keys[0];
}

const struct tree_key *row_named(struct chance *c, const char *name)
{
    const struct tree_key *row = NULL;
    for (unsigned tries = 0; !row && tries < 40; tries++)
        row = table_find(any_table(c), name);
    return row;
}

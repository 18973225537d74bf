#include <stdio.h>
#include <string.h>

#include "lib/ccc/apdu.h"
#include "lib/ccc/tlv.h"
#include "sim/replay/compare.h"

/* The fields that differ from run to run. */
enum variety { VARIES_POINT, VARIES_RANDOM, VARIES_LIFE, VARIES_FOLLOWS };
static const struct {
    bool command;
    uint8_t ins; /* of the command, or of the one that is answered */
    uint16_t tag;
    enum variety variety;
} varying[] = {
    {true, APDU_SPAKE2P_REQUEST, 0x7F50, VARIES_LIFE}, /* salt of the verifiers, from the life before */
    {false, APDU_SPAKE2P_REQUEST, 0x50, VARIES_POINT},
    {true, APDU_SPAKE2P_VERIFY, 0x52, VARIES_POINT},
    {true, APDU_SPAKE2P_VERIFY, 0x57, VARIES_FOLLOWS},
    {false, APDU_SPAKE2P_VERIFY, 0x58, VARIES_FOLLOWS},
    {true, APDU_AUTH0, 0x87, VARIES_POINT},
    {true, APDU_AUTH0, 0x4C, VARIES_RANDOM},
    {true, APDU_AUTH0, 0x4D, VARIES_LIFE}, /* the vehicle's, from the life before */
    {false, APDU_AUTH0, 0x86, VARIES_POINT},
    {false, APDU_AUTH0, 0x9D, VARIES_FOLLOWS},
    {true, APDU_AUTH1, 0x9E, VARIES_FOLLOWS},
};

static bool find_varying(const struct compare_talk *t, bool command, uint16_t tag, enum variety *out)
{
    for (size_t i = 0; i < sizeof varying / sizeof varying[0]; i++)
        if (varying[i].command == command && varying[i].ins == t->ins && varying[i].tag == tag) {
            *out = varying[i].variety;
            return true;
        }
    return false;
}

struct compare_talk *compare_talk_of(struct compare *c, const char *reader)
{
    size_t i = 0;
    while (i < COMPARE_READERS - 1 && c->talks[i].reader[0] && strcmp(c->talks[i].reader, reader) != 0)
        i++;
    text_copy(c->talks[i].reader, sizeof c->talks[i].reader, reader);
    return &c->talks[i];
}

/* GET RESPONSE brings the rest of what was asked before. */
void compare_hear(struct compare_talk *t, bool command, struct span apdu)
{
    struct apdu_command c;
    if (!command || apdu_command_parse(apdu, &c) || c.ins == APDU_GET_RESPONSE)
        return;
    t->cla = c.cla;
    t->ins = c.ins;
}

void compare_end(struct compare *c, const char *why)
{
    if (c->beyond || c->exact)
        return;
    c->beyond = true;
    text_copy(c->why, sizeof c->why, why);
}

/* Under session keys: secure messaging, and the answer to AUTH1. */
static bool is_sealed(const struct compare_talk *t, bool command)
{
    return t->cla == APDU_CLA_SECURE || (!command && t->ins == APDU_AUTH1);
}

static const char *name_of_tag(const struct compare_talk *t, bool command, uint16_t tag)
{
    const char *name = apdu_tag_name(command ? t->ins : 0, tag);
    return name ? name : "field";
}

/* ---- data ---- */

enum compare_result compare_say(char out[COMPARE_TEXT], enum compare_result result, const char *what,
                                struct span a, struct span b)
{
    size_t at = 0;
    while (at < a.len && at < b.len && a.p[at] == b.p[at])
        at++;
    if (a.len != b.len)
        snprintf(out, COMPARE_TEXT, "%s: %zu bytes in the record, now %zu", what, a.len, b.len);
    else
        snprintf(out, COMPARE_TEXT, "%s: byte %zu of %zu is %02x in the record, now %02x", what, at + 1,
                 a.len, a.p[at], b.p[at]);
    return result;
}

enum compare_result compare_explain(char out[COMPARE_TEXT], const char *what, const char *why)
{
    snprintf(out, COMPARE_TEXT, "%s: %s", what, why);
    return COMPARE_EXPLAINED;
}

static bool are_points(const struct compare *c, struct span a, struct span b)
{
    return a.len == P256_POINT && b.len == P256_POINT && !p256_check_point(c->crypto, a.p) &&
           !p256_check_point(c->crypto, b.p);
}

static enum compare_result field(struct compare *c, const struct compare_talk *t, bool command,
                                 const struct tlv *a, const struct tlv *b, char out[COMPARE_TEXT])
{
    enum variety v;
    char what[80];
    snprintf(what, sizeof what, "%02X %s", a->tag, name_of_tag(t, command, a->tag));
    if (span_equal(a->value, b->value))
        return COMPARE_SAME;
    if (c->exact || a->value.len != b->value.len || !find_varying(t, command, a->tag, &v))
        return compare_say(out, COMPARE_DIFFERENT, what, a->value, b->value);
    if (v == VARIES_FOLLOWS)
        return c->roots ? compare_explain(out, what, "follows from a new random number")
                        : compare_say(out, COMPARE_DIFFERENT, what, a->value, b->value);
    if (v == VARIES_POINT && !are_points(c, a->value, b->value)) {
        snprintf(out, COMPARE_TEXT, "%s: no point of the curve %s", what,
                 p256_check_point(c->crypto, a->value.p) ? "in the record" : "now");
        return COMPARE_DIFFERENT;
    }
    c->roots = true;
    return compare_explain(out, what,
                           v == VARIES_LIFE ? "of the life before, which each run lives anew"
                                            : "a new random number");
}

static enum compare_result worse(enum compare_result a, enum compare_result b)
{
    return a > b ? a : b;
}

/* The first field that nothing explains is told, else the first that differs. */
static enum compare_result tags(struct compare *c, const struct compare_talk *t, bool command, struct span a,
                                struct span b, char out[COMPARE_TEXT])
{
    struct rd ra = rd_of(a.p, a.len), rb = rd_of(b.p, b.len);
    struct tlv x, y;
    enum compare_result all = COMPARE_SAME;
    while (tlv_next(&ra, &x)) {
        char text[COMPARE_TEXT];
        if (!tlv_next(&rb, &y) || x.tag != y.tag) {
            snprintf(out, COMPARE_TEXT, "%02X %s is missing, or something stands before it", x.tag,
                     name_of_tag(t, command, x.tag));
            return COMPARE_DIFFERENT;
        }
        enum compare_result r = field(c, t, command, &x, &y, text);
        if (r > all)
            text_copy(out, COMPARE_TEXT, text);
        all = worse(all, r);
    }
    if (!tlv_next(&rb, &y))
        return all;
    snprintf(out, COMPARE_TEXT, "%02X %s is not in the record", y.tag, name_of_tag(t, command, y.tag));
    return COMPARE_DIFFERENT;
}

static enum compare_result data(struct compare *c, const struct compare_talk *t, bool command, struct span a,
                                struct span b, char out[COMPARE_TEXT])
{
    if (span_equal(a, b))
        return COMPARE_SAME;
    if (is_sealed(t, command))
        return !c->exact && c->roots ? compare_explain(out, "ciphertext", "follows from a new random number")
                                     : compare_say(out, COMPARE_DIFFERENT, "ciphertext", a, b);
    if (a.len && b.len && tlv_well_formed(a) && tlv_well_formed(b))
        return tags(c, t, command, a, b, out);
    return compare_say(out, COMPARE_DIFFERENT, "data", a, b);
}

/* ---- commands and answers ---- */

static enum compare_result commands(struct compare *c, struct compare_talk *t, struct span recorded,
                                    struct span got, char out[COMPARE_TEXT])
{
    static const char *const names[] = {"CLA", "INS", "P1", "P2"};
    struct apdu_command a, b;
    if (apdu_command_parse(recorded, &a) || apdu_command_parse(got, &b))
        return compare_say(out, COMPARE_DIFFERENT, "command", recorded, got);
    for (size_t i = 0; i < 4; i++)
        if (recorded.p[i] != got.p[i])
            return compare_say(out, COMPARE_DIFFERENT, names[i], span_of(recorded.p + i, 1),
                               span_of(got.p + i, 1));
    enum compare_result r = data(c, t, true, a.data, b.data, out);
    if (r != COMPARE_SAME || a.has_le == b.has_le)
        return r;
    snprintf(out, COMPARE_TEXT, "Le %s", a.has_le ? "is missing" : "is not in the record");
    return COMPARE_DIFFERENT;
}

static enum compare_result answers(struct compare *c, struct compare_talk *t, struct span recorded,
                                   struct span got, char out[COMPARE_TEXT])
{
    struct span a, b;
    uint16_t x, y;
    if (apdu_response_parse(recorded, &a, &x) || apdu_response_parse(got, &b, &y))
        return compare_say(out, COMPARE_DIFFERENT, "answer", recorded, got);
    if (x == y)
        return data(c, t, false, a, b, out);
    snprintf(out, COMPARE_TEXT, "status %04X (%s) in the record, now %04X (%s)", x, apdu_status_name(x), y,
             apdu_status_name(y));
    return COMPARE_DIFFERENT;
}

enum compare_result compare_fields(struct compare *c, struct compare_talk *t, bool command,
                                   struct span recorded, struct span got, char out[COMPARE_TEXT])
{
    compare_hear(t, command, recorded);
    if (span_equal(recorded, got))
        return COMPARE_SAME;
    return command ? commands(c, t, recorded, got, out) : answers(c, t, recorded, got, out);
}

enum compare_result compare_apdu(struct compare *c, const char *reader, bool command, struct span recorded,
                                 struct span got, char out[COMPARE_TEXT])
{
    return compare_fields(c, compare_talk_of(c, reader), command, recorded, got, out);
}

/* Does it prove that its sender knows the random numbers of both? */
bool compare_follows(const struct compare_talk *t, bool command, struct span apdu)
{
    struct apdu_command c;
    struct span d = {0};
    uint16_t sw;
    enum variety v;
    struct tlv f;
    if (command ? apdu_command_parse(apdu, &c) : apdu_response_parse(apdu, &d, &sw))
        return false;
    d = command ? c.data : d;
    if (is_sealed(t, command))
        return d.len > 0;
    for (struct rd r = rd_of(d.p, d.len); tlv_next(&r, &f);)
        if (find_varying(t, command, f.tag, &v) && v == VARIES_FOLLOWS)
            return true;
    return false;
}

void compare_played_apdu(struct compare *c, const char *reader, bool command, struct span played)
{
    struct compare_talk *t = compare_talk_of(c, reader);
    char name[COMPARE_TEXT], why[COMPARE_TEXT];
    compare_hear(t, command, played);
    if (!c->roots || !compare_follows(t, command, played))
        return;
    compare_name_apdu(c, reader, command, played, name);
    snprintf(why, sizeof why,
             "the record goes on with %.120s, made of its own random numbers: nobody with others can take it",
             name);
    compare_end(c, why);
}

void compare_name_apdu(struct compare *c, const char *reader, bool command, struct span apdu,
                       char out[COMPARE_TEXT])
{
    const uint8_t header[] = {0, compare_talk_of(c, reader)->ins, 0, 0};
    if (!command && !header[1])
        text_copy(out, COMPARE_TEXT, "answer");
    else
        snprintf(out, COMPARE_TEXT, "%s%s", command ? "" : "answer to ",
                 apdu_command_name(command ? apdu : span_of(header, sizeof header)));
}

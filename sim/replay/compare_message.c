/* What ISO-TP carries, whole: talk between SpaaK and a reader, a tester's UDS, the list of keys, and signed
 * messages. Which of them it is says the row of the matrix. */
#include <stdio.h>
#include <string.h>

#include "lib/msg/cabin.h"
#include "lib/msg/msg.h"
#include "lib/msg/reader.h"
#include "lib/uds/uds.h"
#include "sim/replay/compare.h"

/* ---- readers ---- */

static const char *place_of(uint32_t id, bool *command)
{
    static const char *const names[READER_PLACES] = {"pad's messages", "door's messages"};
    for (unsigned i = 0; i < READER_PLACES; i++) {
        *command = id == matrix_row(reader_row_command((enum reader_place)i))->id;
        if (*command || id == matrix_row(reader_row_report((enum reader_place)i))->id)
            return names[i];
    }
    return NULL;
}

/* Their types, numbers, and the APDUs in them. */
struct carried {
    unsigned type;
    uint8_t number;
    struct span apdu;
    uint16_t rest; /* gap, loss, reason */
};

static bool parse(bool command, struct span pdu, struct carried *out)
{
    struct reader_command c;
    struct reader_report r;
    if (command ? reader_command_parse(pdu, &c, NULL) : reader_report_parse(pdu, &r))
        return false;
    *out = command ? (struct carried){c.type, c.number, c.apdu, c.gap_ms}
                   : (struct carried){r.type, r.number, r.apdu,
                                      (uint16_t)((unsigned)r.loss + (unsigned)r.reason)};
    return true;
}

static enum compare_result carried(struct compare *c, const char *place, bool command, struct span a,
                                   struct span b, char out[COMPARE_TEXT])
{
    struct carried x, y;
    char text[COMPARE_TEXT] = "";
    if (!parse(command, a, &x) || !parse(command, b, &y))
        return compare_say(out, COMPARE_DIFFERENT, "message", a, b);
    if (x.type != y.type || x.rest != y.rest) {
        snprintf(out, COMPARE_TEXT, "%s (%u) in the record, now %s (%u)", reader_type_name(x.type), x.rest,
                 reader_type_name(y.type), y.rest);
        return COMPARE_DIFFERENT;
    }
    enum compare_result r = x.apdu.len || y.apdu.len
                                ? compare_fields(c, compare_talk_of(c, place), command, x.apdu, y.apdu, text)
                                : COMPARE_SAME;
    if (r != COMPARE_SAME) {
        snprintf(out, COMPARE_TEXT, "%s: %.300s", reader_type_name(x.type), text);
        return r;
    }
    if (x.number == y.number)
        return COMPARE_SAME;
    snprintf(out, COMPARE_TEXT, "%s: number %u in the record, now %u", reader_type_name(x.type), x.number,
             y.number);
    c->roots |= !c->exact;
    return c->exact ? COMPARE_DIFFERENT : COMPARE_EXPLAINED;
}

static void played_carried(struct compare *c, const char *place, bool command, struct span played)
{
    struct carried x;
    char why[COMPARE_TEXT];
    if (!parse(command, played, &x))
        return; /* refused whatever was asked */
    compare_hear(compare_talk_of(c, place), command, x.apdu);
    if (!c->roots || !(x.number || compare_follows(compare_talk_of(c, place), command, x.apdu)))
        return;
    snprintf(why, sizeof why, "the record goes on with %s, which answers its own numbers",
             reader_type_name(x.type));
    compare_end(c, why);
}

/* ---- UDS ---- */

/* ISO 14229-1, 10.4 and 10.6: all of its random numbers, and what is made of them. Else a value is the same
 * in each run. */
static const struct {
    uint8_t sid;
    bool answer, root; /* root: others answer it */
    uint8_t mask, subfunction;
    const char *why;
} uds_varying[] = {
    {UDS_SID_SECURITY_ACCESS, true, true, 1, 1, "a new random number"},
    {UDS_SID_SECURITY_ACCESS, false, false, 1, 0, "of a seed, with a secret of the life before"},
    {UDS_SID_AUTHENTICATION, true, true, UDS_SUBFUNCTION_MASK, UDS_AUTH_CERTIFICATE, "a new random number"},
    {UDS_SID_AUTHENTICATION, false, false, UDS_SUBFUNCTION_MASK, UDS_AUTH_CERTIFICATE,
     "of the life before, which each run lives anew"},
    {UDS_SID_AUTHENTICATION, false, false, UDS_SUBFUNCTION_MASK, UDS_AUTH_PROOF,
     "signed over a challenge, with a key of the life before"},
};

/* Its row above; the number of rows: none, its bytes count. */
static size_t find_uds(struct span pdu)
{
    const size_t rows = sizeof uds_varying / sizeof uds_varying[0];
    size_t i = 0;
    while (i < rows &&
           !(pdu.len > 2 && pdu.p[0] == uds_varying[i].sid + (uds_varying[i].answer ? UDS_POSITIVE : 0) &&
             (pdu.p[1] & uds_varying[i].mask) == uds_varying[i].subfunction))
        i++;
    return i;
}

static enum compare_result uds(struct compare *c, struct span a, struct span b, char out[COMPARE_TEXT])
{
    char line[UDS_LINE_MAX], what[UDS_LINE_MAX + 8];
    const size_t i = find_uds(a);
    uds_describe(a, line);
    snprintf(what, sizeof what, "UDS %s", line);
    if (c->exact || i == sizeof uds_varying / sizeof uds_varying[0] || a.len != b.len ||
        memcmp(a.p, b.p, 2) != 0)
        return compare_say(out, COMPARE_DIFFERENT, what, a, b);
    c->roots |= uds_varying[i].root;
    return compare_explain(out, what, uds_varying[i].why);
}

/* Only a key or a proof answers a random number: whatever else a tester asks has the same answer. */
static void played_uds(struct compare *c, struct span played)
{
    char line[UDS_LINE_MAX], why[COMPARE_TEXT];
    bool key = played.len > 2 && played.p[0] == UDS_SID_SECURITY_ACCESS && !(played.p[1] & 1);
    bool proof = played.len > 2 && played.p[0] == UDS_SID_AUTHENTICATION &&
                 (played.p[1] & UDS_SUBFUNCTION_MASK) == UDS_AUTH_PROOF;
    if (!c->roots || !(key || proof))
        return;
    uds_describe(played, line);
    snprintf(why, sizeof why, "the record goes on with UDS %s, which answers its own numbers", line);
    compare_end(c, why);
}

/* ---- the list of keys ---- */

/* A name without what the vehicle makes of the identity: "phone F2C4". */
static size_t given_name(const struct cabin_key *k)
{
    char made[5];
    size_t len = strlen(k->name);
    snprintf(made, sizeof made, "%02X%02X", k->id[0], k->id[1]);
    return len >= 4 && strcmp(k->name + len - 4, made) == 0 ? len - 4 : len;
}

/* Those are drawn when keys are paired; nothing else in the list is. */
static bool only_identities_differ(struct span a, struct span b)
{
    struct cabin_keys x, y;
    if (cabin_read_keys(a, &x) || cabin_read_keys(b, &y) || x.count != y.count)
        return false;
    for (size_t i = 0; i < x.count; i++) {
        const struct cabin_key *k = &x.keys[i], *l = &y.keys[i];
        const size_t given = given_name(k);
        if (k->index != l->index || k->state != l->state || given != given_name(l) ||
            strncmp(k->name, l->name, given) != 0)
            return false;
    }
    return true;
}

static enum compare_result keys(struct compare *c, const char *name, struct span a, struct span b,
                                char out[COMPARE_TEXT])
{
    if (c->exact || !only_identities_differ(a, b))
        return compare_say(out, COMPARE_DIFFERENT, name, a, b);
    c->keys = true;
    snprintf(out, COMPARE_TEXT, "%s: identities of keys are of the life before, which each run lives anew",
             name);
    return COMPARE_EXPLAINED;
}

/* ---- all of them ---- */

/* "Certificate", "Key_Tracking_Request"; NULL: none of the signed messages. */
static const char *signed_name(struct span pdu)
{
    const char *name = msg_peek_name(pdu);
    return name && strcmp(name, "?") != 0 ? name : NULL;
}

enum compare_result compare_message(struct compare *c, const struct matrix_row *row, struct span a,
                                    struct span b, char out[COMPARE_TEXT])
{
    bool command;
    const char *place = place_of(row->id, &command), *x = signed_name(a), *y = signed_name(b);
    if (place)
        return carried(c, place, command, a, b, out);
    if (span_equal(a, b))
        return COMPARE_SAME;
    if (matrix_diagnostic(row))
        return uds(c, a, b, out);
    if (row == matrix_row(MATRIX_SPAAK_HU_KEYS))
        return keys(c, row->name, a, b, out);
    if (!x || !y || strcmp(x, y) != 0 || c->exact)
        return compare_say(out, COMPARE_DIFFERENT, x ? x : row->name, a, b);
    snprintf(out, COMPARE_TEXT, "%s: signed over a new nonce, with keys of the life before", x);
    c->roots = true;
    return COMPARE_EXPLAINED;
}

/* An answer to a number that was never asked, or what follows from others' random numbers. */
void compare_played_message(struct compare *c, const struct matrix_row *row, struct span played)
{
    bool command;
    const char *place = place_of(row->id, &command);
    const char *name = place || matrix_diagnostic(row) ? NULL : signed_name(played);
    char why[COMPARE_TEXT];
    if (place)
        played_carried(c, place, command, played);
    else if (matrix_diagnostic(row))
        played_uds(c, played);
    if (!name || !c->roots)
        return;
    snprintf(why, sizeof why, "the record goes on with %s, which answers its own numbers", name);
    compare_end(c, why);
}

#include "lib/ccc/apdu.h"

#include <stdio.h>
#include <string.h>

#include "lib/ccc/tlv.h"

const uint8_t apdu_aid_framework[APDU_AID] = {0xA0, 0x00, 0x00, 0x08, 0x09, 'C', 'C',
                                              'C',  'D',  'K',  'F',  'v',  '1'};
const uint8_t apdu_aid_applet[APDU_AID] = {0xA0, 0x00, 0x00, 0x08, 0x09, 'C', 'C',
                                           'C',  'D',  'K',  'A',  'v',  '1'};

static const struct {
    uint8_t ins;
    const char *name;
} instructions[] = {
    {APDU_SELECT, "SELECT"},
    {APDU_SPAKE2P_REQUEST, "SPAKE2+ REQUEST"},
    {APDU_SPAKE2P_VERIFY, "SPAKE2+ VERIFY"},
    {APDU_WRITE_DATA, "WRITE DATA"},
    {APDU_GET_DATA, "GET DATA"},
    {APDU_GET_RESPONSE, "GET RESPONSE"},
    {APDU_CONTROL_FLOW, "CONTROL FLOW"},
    {APDU_AUTH0, "AUTH0"},
    {APDU_AUTH1, "AUTH1"},
    {APDU_EXCHANGE, "EXCHANGE"},
    {APDU_CREATE_RANGING_KEY, "CREATE RANGING KEY"},
    {0x88, "INTERNAL AUTHENTICATE"}, /* ISO 7816-4, of the card key */
    {0xB0, "READ BINARY"},
};

static const struct {
    uint16_t sw;
    const char *name;
} statuses[] = {
    {APDU_SW_OK, "ok"},
    {APDU_SW_WRONG_LENGTH, "wrong length"},
    {APDU_SW_SECURE_MESSAGING, "secure messaging check failed"},
    {APDU_SW_CONDITIONS, "out of sequence"},
    {APDU_SW_WRONG_DATA, "wrong data"},
    {APDU_SW_NOT_FOUND, "application not found"},
    {APDU_SW_NO_MEMORY, "not enough memory"},
    {APDU_SW_INVALID, "invalid or zero data, or wrong evidence"},
    {APDU_SW_WRONG_P1P2, "wrong P1 or P2"},
    {APDU_SW_WRONG_LE, "wrong Le"},
    {APDU_SW_INS, "instruction not supported"},
    {APDU_SW_CLA, "class not supported"},
    {APDU_SW_NOT_READY, "device not ready for pairing"},
};

static const struct {
    uint8_t p1, p2;
    const char *name;
} flows[] = {
    {0x10, 0x01, "continue: key creation data complete"},
    {0x10, 0x02, "continue: device key accepted"},
    {0x10, 0x03, "continue"},
    {0x10, 0x0F, "continue"},
    {0x11, 0x10, "end: paired"},
    {0x11, 0x11, "end: go on over another radio"},
    {0x12, 0x00, "abort: no reason given"},
    {0x12, 0x01, "abort: no matching SPAKE2+ version"},
    {0x12, 0x02, "abort: no matching applet version"},
    {0x12, 0x03, "abort: timeout"},
    {0x12, 0x04, "abort: timeout at SPAKE2+ REQUEST"},
    {0x12, 0x05, "abort: timeout at SPAKE2+ VERIFY"},
    {0x12, 0x06, "abort: timeout at WRITE DATA"},
    {0x12, 0x07, "abort: timeout at GET DATA"},
    {0x12, 0x08, "abort: no physical key present"},
    {0x12, 0x09, "abort: device evidence wrong"},
    {0x12, 0x0A, "abort: key data wrong"},
    {0x12, 0x0B, "abort: certificate verification failed"},
    {0x12, 0x0C, "abort: invalid curve point"},
    {0x12, 0x0D, "abort: password attempts used up"},
    {0x12, 0x7F, "abort: other"},
};

static const struct {
    uint8_t ins; /* 0: in answers */
    uint16_t tag;
    const char *name;
} tags[] = {
    {0, 0x5A, "SPAKE2+ versions"},
    {0, 0x5C, "applet versions"},
    {0, 0xD4, "pairing mode"},
    {0, 0x50, "X"},
    {0, 0x58, "evidence M[2]"},
    {0, 0x86, "endpoint_ePK"},
    {0, 0x9D, "cryptogram"},
    {APDU_SPAKE2P_REQUEST, 0x5B, "SPAKE2+ version"},
    {APDU_SPAKE2P_REQUEST, 0x5C, "applet versions"},
    {APDU_SPAKE2P_REQUEST, 0x7F50, "scrypt"},
    {APDU_SPAKE2P_REQUEST, 0xD6, "brand"},
    {APDU_SPAKE2P_VERIFY, 0x52, "Y"},
    {APDU_SPAKE2P_VERIFY, 0x57, "evidence M[1]"},
    {APDU_WRITE_DATA, 0x7F4A, "endpoint creation data"},
    {APDU_WRITE_DATA, 0x7F4B, "certificate [K]"},
    {APDU_WRITE_DATA, 0x7F4C, "intermediate certificate"},
    {APDU_WRITE_DATA, 0x7F4D, "mailbox mapping"},
    {APDU_WRITE_DATA, 0x7F4E, "device configuration"},
    {APDU_WRITE_DATA, 0x5F5A, "attestation"},
    {APDU_WRITE_DATA, 0x5F5F, "end of data"},
    {APDU_AUTH0, 0x5C, "applet version"},
    {APDU_AUTH0, 0x87, "vehicle_ePK"},
    {APDU_AUTH0, 0x4C, "transaction identifier"},
    {APDU_AUTH0, 0x4D, "vehicle identifier"},
    {APDU_AUTH1, 0x9E, "vehicle signature"},
};

const char *apdu_flow_name(uint8_t p1, uint8_t p2)
{
    for (size_t i = 0; i < sizeof flows / sizeof flows[0]; i++)
        if (flows[i].p1 == p1 && flows[i].p2 == p2)
            return flows[i].name;
    return NULL;
}

const char *apdu_tag_name(uint8_t ins, uint16_t tag)
{
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
        if (tags[i].ins == ins && tags[i].tag == tag)
            return tags[i].name;
    return NULL;
}

enum err apdu_command_parse(struct span in, struct apdu_command *out)
{
    struct rd r = rd_of(in.p, in.len);
    struct apdu_command c = {.cla = rd_u8(&r), .ins = rd_u8(&r), .p1 = rd_u8(&r), .p2 = rd_u8(&r)};
    if (r.failed)
        return ERR_TRUNCATED;
    if (r.left > 1) {
        uint8_t lc = rd_u8(&r);
        c.data = rd_span(&r, lc);
        if (r.failed || lc == 0) /* Lc = 00 with more behind it begins an extended length */
            return ERR_TRUNCATED;
    }
    if (r.left == 1) {
        rd_u8(&r); /* how much is expected: we answer what there is */
        c.has_le = true;
    }
    if (r.left)
        return ERR_TRAILING_BYTES;
    *out = c;
    return ERR_OK;
}

void apdu_command_put(struct wr *w, const struct apdu_command *c)
{
    wr_u8(w, c->cla);
    wr_u8(w, c->ins);
    wr_u8(w, c->p1);
    wr_u8(w, c->p2);
    if (c->data.len > APDU_DATA_MAX)
        w->failed = true;
    if (c->data.len) {
        wr_u8(w, (uint8_t)c->data.len);
        wr_copy(w, c->data.p, c->data.len);
    }
    if (c->has_le)
        wr_u8(w, 0);
}

enum err apdu_response_parse(struct span in, struct span *data, uint16_t *sw)
{
    if (in.len < 2)
        return ERR_TRUNCATED;
    *data = span_of(in.p, in.len - 2);
    *sw = (uint16_t)(in.p[in.len - 2] << 8 | in.p[in.len - 1]);
    return ERR_OK;
}

const char *apdu_status_name(uint16_t sw)
{
    if ((sw & 0xFF00) == APDU_SW_MORE)
        return "more data";
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (statuses[i].sw == sw)
            return statuses[i].name;
    return "unknown status";
}

static const char *instruction_name(uint8_t ins)
{
    for (size_t i = 0; i < sizeof instructions / sizeof instructions[0]; i++)
        if (instructions[i].ins == ins)
            return instructions[i].name;
    return "unknown command";
}

const char *apdu_command_name(struct span in)
{
    struct apdu_command c;
    return apdu_command_parse(in, &c) ? "?" : instruction_name(c.ins);
}

const char *apdu_response_name(struct span in)
{
    static __thread char name[5];
    struct span data;
    uint16_t sw;
    if (apdu_response_parse(in, &data, &sw))
        return "?";
    snprintf(name, sizeof name, "%04X", sw);
    return name;
}

bool apdu_message_name_ok(const char *name)
{
    for (size_t i = 0; i < sizeof instructions / sizeof instructions[0]; i++)
        if (strcmp(instructions[i].name, name) == 0)
            return true;
    return strlen(name) == 4 && strspn(name, "0123456789ABCDEF") == 4 && (name[0] == '6' || name[0] == '9');
}

/* ": 5B SPAKE2+ version (2), 99 (1)" when the data are TLVs from end to end; nothing otherwise (ciphertext).
 */
static void append_tags(char out[APDU_LINE_MAX], uint8_t ins, struct span data)
{
    struct rd r = rd_of(data.p, data.len);
    struct tlv t;
    const char *before = ":";
    if (data.len == 0 || !tlv_well_formed(data))
        return;
    for (size_t used = strlen(out); used + 48 < APDU_LINE_MAX && tlv_next(&r, &t); used = strlen(out)) {
        const char *name = apdu_tag_name(ins, t.tag);
        snprintf(out + used, APDU_LINE_MAX - used, "%s %02X%s%s (%zu)", before, t.tag, name ? " " : "",
                 name ? name : "", t.value.len);
        before = ",";
    }
}

/* What P1 and P2 say, or "" when they say nothing. */
static const char *parameters_name(const struct apdu_command *c)
{
    static const struct {
        uint8_t ins, p1, p2_from, p2_to;
        const char *name;
    } rows[] = {
        {APDU_WRITE_DATA, 0x80, 0, 0, ", last piece"},
        {APDU_AUTH0, 0x00, 0x01, 0x01, ", standard, unlock"},
        {APDU_AUTH0, 0x01, 0x01, 0x01, ", fast, unlock"},
        {APDU_AUTH0, 0x04, 0x01, 0x01, ", standard, unlock, EXCHANGE follows"},
        {APDU_AUTH0, 0x05, 0x01, 0x01, ", fast, unlock, EXCHANGE follows"},
        {APDU_AUTH0, 0x04, 0x07, 0x07, ", standard, pairing phase 3, EXCHANGE follows"},
        {APDU_AUTH0, 0x04, 0x08, 0x08, ", standard, pairing phase 4, EXCHANGE follows"},
        {APDU_CONTROL_FLOW, 0x00, 0x00, 0xFF, ", transaction failed"},
        {APDU_CONTROL_FLOW, 0x01, 0x00, 0xFF, ", transaction ok"},
        {APDU_CONTROL_FLOW, 0x40, 0x00, 0xFF, ", application specific"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].ins == c->ins && rows[i].p1 == c->p1 && c->p2 >= rows[i].p2_from &&
            c->p2 <= rows[i].p2_to)
            return rows[i].name;
    return "";
}

void apdu_describe_command(struct span in, char out[APDU_LINE_MAX])
{
    struct apdu_command c;
    if (apdu_command_parse(in, &c)) {
        snprintf(out, APDU_LINE_MAX, "not an APDU, %zu bytes", in.len);
        return;
    }
    const char *name = instruction_name(c.ins), *what = "";
    if (c.ins == APDU_SELECT && span_equal(c.data, span_of(apdu_aid_framework, APDU_AID)))
        what = " framework";
    else if (c.ins == APDU_SELECT && span_equal(c.data, span_of(apdu_aid_applet, APDU_AID)))
        what = " applet";
    const char *flow = c.ins == APDU_CONTROL_FLOW ? apdu_flow_name(c.p1, c.p2) : NULL;
    int n = snprintf(out, APDU_LINE_MAX, "%s%s%s %02X %02X %02X %02X%s%s", flow ? "OP " : "", name, what,
                     c.cla, c.ins, c.p1, c.p2, flow ? ", " : "", flow ? flow : parameters_name(&c));
    if (c.ins != APDU_CONTROL_FLOW || c.data.len)
        snprintf(out + n, APDU_LINE_MAX - (size_t)n, ", %zu bytes", c.data.len);
    if (c.cla != APDU_CLA_SECURE && c.ins != APDU_SELECT)
        append_tags(out, c.ins, c.data);
}

void apdu_describe_response(struct span in, char out[APDU_LINE_MAX])
{
    struct span data;
    uint16_t sw;
    if (apdu_response_parse(in, &data, &sw)) {
        snprintf(out, APDU_LINE_MAX, "not a response, %zu bytes", in.len);
        return;
    }
    snprintf(out, APDU_LINE_MAX, "%04X %s, %zu bytes", sw, apdu_status_name(sw), data.len);
    append_tags(out, 0, data);
}

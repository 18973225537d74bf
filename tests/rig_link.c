/* The link between vehicle and phone, with its faults. */
#include <string.h>

#include "tests/rig_parts.h"

const char *const rig_fault_names[RIG_FAULTS] = {"none",
                                                 "command lost",
                                                 "answer lost",
                                                 "command repeated",
                                                 "answer repeated",
                                                 "command cut",
                                                 "answer cut",
                                                 "bit of command flipped",
                                                 "bit of answer flipped",
                                                 "replaced"};

const char *const rig_commands[RIG_COMMANDS] = {
    "00A404000DA000000809434343444B46763100",                       /* SELECT framework */
    "00A404000DA000000809434343444B41763100",                       /* SELECT applet */
    "00A4040005A00000000100",                                       /* SELECT something else */
    "80300000045B02010000",                                         /* SPAKE2+ REQUEST */
    "8032000004520201000000",                                       /* SPAKE2+ VERIFY, a byte too many */
    "84D48000184FAC89109242B8F800CD7407680D37FA34237FBA336E416300", /* WRITE DATA */
    "84CA000018DED1D7E536BB17E338BA770A21FA1348AD77C0B91745E7FB00", /* GET DATA */
    "84C0000000",                                                   /* GET RESPONSE */
    "803C1001",                                                     /* OP CONTROL FLOW: key data complete */
    "803C1002",                                                     /* OP CONTROL FLOW: key accepted */
    "803C1200",             /* OP CONTROL FLOW: abort; CONTROL FLOW of the applet */
    "80800000045C02010000", /* AUTH0 */
    "80810000049E02000000", /* AUTH1 */
    "84C90000181CC26B216642B49B8526B6D1F1F1F3F942BE4AEBA25F052300", /* EXCHANGE */
};

static void flip(uint8_t *p, size_t len, unsigned arg)
{
    if (len)
        p[(len - 1) * (arg % 9) / 8] ^= (uint8_t)(1u << arg % 8);
}

/* The command to the phone; the length of what it gets, 0 when it gets nothing. */
static size_t spoil_command(const struct rig *r, uint8_t *p, size_t len)
{
    switch (r->fault.kind) {
    case RIG_LOSE_COMMAND:
        return 0;
    case RIG_CUT_COMMAND:
        return len * r->fault.arg / 8;
    case RIG_FLIP_COMMAND:
        flip(p, len, r->fault.arg);
        return len;
    case RIG_REPLACE:
        return (size_t)hex_decode(rig_commands[r->fault.arg], strlen(rig_commands[r->fault.arg]), p,
                                  APDU_COMMAND_MAX);
    default:
        return len;
    }
}

static size_t spoil_answer(const struct rig *r, uint8_t *p, size_t len)
{
    switch (r->fault.kind) {
    case RIG_LOSE_ANSWER:
        return 0;
    case RIG_CUT_ANSWER:
        return len * r->fault.arg / 8;
    case RIG_FLIP_ANSWER:
        flip(p, len, r->fault.arg);
        return len;
    case RIG_REPEAT_ANSWER:
        if (r->last_answer_len)
            memcpy(p, r->last_answer, r->last_answer_len);
        return r->last_answer_len ? r->last_answer_len : len;
    default:
        return len;
    }
}

static void note_verify(struct rig *r, struct span command)
{
    struct apdu_command c;
    if (apdu_command_parse(command, &c) == ERR_OK && c.cla == APDU_CLA_PLAIN && c.ins == APDU_SPAKE2P_VERIFY)
        r->verifies_seen++;
}

bool rig_carry(struct rig *r, struct span command, uint8_t answer[APDU_RESPONSE_MAX], size_t *len)
{
    bool here = r->fault.kind != RIG_NO_FAULT && r->fault.apdu == r->apdus;
    uint8_t sent[APDU_COMMAND_MAX], honest[APDU_RESPONSE_MAX];
    struct wr w = wr_of(answer, APDU_RESPONSE_MAX);
    size_t n = command.len;
    memcpy(sent, command.p, command.len);
    r->apdus++;
    if (here)
        r->fault_on_protected = command.p[0] == APDU_CLA_SECURE && command.p[1] != APDU_GET_RESPONSE;
    note_verify(r, command);
    if (here)
        n = spoil_command(r, sent, n);
    r->fault_fired |= !span_equal(span_of(sent, n), command);
    if (n == 0)
        return false;
    if (here && r->fault.kind == RIG_REPEAT_COMMAND) {
        rig_phone_input(r, span_of(sent, n), &w);
        w = wr_of(answer, APDU_RESPONSE_MAX);
        r->fault_fired = true;
    }
    if (r->tap)
        r->tap(r->tap_arg, true, span_of(sent, n));
    rig_phone_input(r, span_of(sent, n), &w);
    memcpy(honest, answer, w.len);
    *len = here ? spoil_answer(r, answer, w.len) : w.len;
    r->fault_fired |= !span_equal(span_of(answer, *len), span_of(honest, w.len));
    if (r->tap && *len)
        r->tap(r->tap_arg, false, span_of(answer, *len));
    if (!here) {
        memcpy(r->last_answer, answer, *len);
        r->last_answer_len = *len;
    }
    return *len != 0;
}

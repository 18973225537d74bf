#include "lib/msg/reader.h"

#include <assert.h>

/* ---- what a message of each type carries ---- */

enum direction { DIRECTION_NONE, DIRECTION_COMMAND, DIRECTION_REPORT };

static const struct {
    uint8_t type;
    const char *name;
    uint8_t direction;
    bool gap;
    uint16_t apdu_min, apdu_max; /* 0: none */
    uint8_t rest;                /* bytes of a body that is neither */
} forms[] = {
    {READER_POLL, "POLL", DIRECTION_COMMAND, false, READER_COMMAND_MIN, READER_COMMAND_MAX, 0},
    {READER_APDU, "APDU", DIRECTION_COMMAND, false, READER_COMMAND_MIN, READER_COMMAND_MAX, 0},
    {READER_REPOLL, "REPOLL", DIRECTION_COMMAND, true, READER_COMMAND_MIN, READER_COMMAND_MAX, 0},
    {READER_OFF, "OFF", DIRECTION_COMMAND, false, 0, 0, 0},
    {READER_SELECTED, "SELECTED", DIRECTION_REPORT, false, READER_RESPONSE_MIN, READER_RESPONSE_MAX, 0},
    {READER_RESPONSE, "RESPONSE", DIRECTION_REPORT, false, READER_RESPONSE_MIN, READER_RESPONSE_MAX, 0},
    {READER_LOST, "LOST", DIRECTION_REPORT, false, 0, 0, 1},
    {READER_DONE, "DONE", DIRECTION_REPORT, false, 0, 0, 0},
    {READER_REFUSED, "REFUSED", DIRECTION_REPORT, false, 0, 0, 2},
};

#define FORMS (sizeof forms / sizeof forms[0])

/* FORMS when there is none. */
static size_t form_of(unsigned type)
{
    size_t i = 0;
    while (i < FORMS && forms[i].type != type)
        i++;
    return i;
}

const char *reader_type_name(unsigned type)
{
    size_t i = form_of(type);
    return i < FORMS ? forms[i].name : NULL;
}

const char *reader_loss_name(enum reader_loss loss)
{
    static const char *const names[READER_LOSSES] = {"?", "lifted", "mute", "second card", "failed"};
    return loss < READER_LOSSES ? names[loss] : "?";
}

/* ---- writing ---- */

static void put_head(struct wr *w, enum reader_type type, uint8_t number, enum direction d, size_t apdu)
{
    size_t i = form_of(type);
    assert(i < FORMS && forms[i].direction == d && apdu >= forms[i].apdu_min && apdu <= forms[i].apdu_max);
    (void)i, (void)d, (void)apdu;
    wr_u8(w, (uint8_t)type);
    wr_u8(w, number);
}

void reader_command_put(struct wr *w, const struct reader_command *c)
{
    put_head(w, c->type, c->number, DIRECTION_COMMAND, c->apdu.len);
    assert(c->type != READER_REPOLL || (c->gap_ms >= READER_GAP_MIN_MS && c->gap_ms <= READER_GAP_MAX_MS));
    if (c->type == READER_REPOLL)
        wr_be16(w, c->gap_ms);
    wr_copy(w, c->apdu.p, c->apdu.len);
}

void reader_report_put(struct wr *w, const struct reader_report *r)
{
    put_head(w, r->type, r->number, DIRECTION_REPORT, r->apdu.len);
    assert(r->type != READER_LOST || (r->loss >= READER_LOST_LIFTED && r->loss < READER_LOSSES));
    assert(r->type != READER_REFUSED || r->reason);
    if (r->type == READER_LOST)
        wr_u8(w, (uint8_t)r->loss);
    else if (r->type == READER_REFUSED)
        wr_be16(w, (uint16_t)r->reason);
    wr_copy(w, r->apdu.p, r->apdu.len);
}

/* ---- reading ---- */

/* The head is taken; a body of bytes other than an APDU is left for the caller. */
static enum err take(struct rd *r, enum direction d, size_t *form, uint16_t *gap_ms, struct span *apdu)
{
    size_t i = form_of(rd_u8(r));
    rd_u8(r);
    if (r->failed)
        return ERR_TRUNCATED;
    if (i == FORMS || forms[i].direction != d)
        return i == FORMS ? ERR_MSG_MALFORMED : ERR_MSG_WRONG_DIRECTION;
    *form = i;
    *gap_ms = forms[i].gap ? rd_be16(r) : 0;
    if (r->failed || r->left < (size_t)forms[i].apdu_min + forms[i].rest)
        return ERR_TRUNCATED;
    if (forms[i].apdu_max == 0)
        return r->left > forms[i].rest ? ERR_TRAILING_BYTES : ERR_OK;
    if (r->left > forms[i].apdu_max)
        return ERR_MSG_TOO_LONG;
    *apdu = rd_span(r, r->left);
    return ERR_OK;
}

enum err reader_command_parse(struct span pdu, struct reader_command *out, uint8_t *number)
{
    struct reader_command c = {0};
    struct rd r = rd_of(pdu.p, pdu.len);
    size_t form;
    if (number)
        *number = pdu.len > 1 ? pdu.p[1] : 0;
    enum err e = take(&r, DIRECTION_COMMAND, &form, &c.gap_ms, &c.apdu);
    if (e)
        return e;
    if (forms[form].gap && (c.gap_ms < READER_GAP_MIN_MS || c.gap_ms > READER_GAP_MAX_MS))
        return ERR_BAD_ARGUMENT;
    c.type = (enum reader_type)pdu.p[0];
    c.number = pdu.p[1];
    *out = c;
    return ERR_OK;
}

enum err reader_report_parse(struct span pdu, struct reader_report *out)
{
    struct reader_report m = {0};
    struct rd r = rd_of(pdu.p, pdu.len);
    size_t form;
    uint16_t no_gap;
    enum err e = take(&r, DIRECTION_REPORT, &form, &no_gap, &m.apdu);
    if (e)
        return e;
    m.type = (enum reader_type)pdu.p[0];
    m.number = pdu.p[1];
    if (m.type == READER_LOST)
        m.loss = (enum reader_loss)rd_u8(&r);
    else if (m.type == READER_REFUSED)
        m.reason = (enum err)rd_be16(&r);
    if (m.type == READER_LOST && (m.loss < READER_LOST_LIFTED || m.loss >= READER_LOSSES))
        return ERR_BAD_ARGUMENT;
    if (m.type == READER_REFUSED && m.reason == ERR_OK)
        return ERR_BAD_ARGUMENT;
    *out = m;
    return ERR_OK;
}

/* ---- rows of the matrix ---- */

static const struct {
    enum matrix_message command, report, status;
} rows[READER_PLACES] = {
    [READER_PAD] = {MATRIX_SPAAK_WCP_CMD, MATRIX_WCP_SPAAK_RSP, MATRIX_WCP_STATUS},
    [READER_DOOR] = {MATRIX_SPAAK_DOOR_CMD, MATRIX_DOOR_SPAAK_RSP, MATRIX_DOOR_STATUS},
};

enum matrix_message reader_row_command(enum reader_place p)
{
    return rows[p].command;
}

enum matrix_message reader_row_report(enum reader_place p)
{
    return rows[p].report;
}

enum matrix_message reader_row_status(enum reader_place p)
{
    return rows[p].status;
}

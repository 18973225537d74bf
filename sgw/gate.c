#include <openssl/crypto.h>
#include <string.h>

#include "sgw/sgw_internal.h"

/* P2*server and a second: an answer that comes later than this after its request belongs to nothing. */
#define ANSWER_MS (DIAGNOSTIC_P2_STAR_MS + 1000)
/* What was asked before the gate closed may still be answered for so long. */
#define TAIL_MS 100
#define PADDING 0xCC

/* What a workshop may ask for: services, and of those with a choice the subfunctions up to this one. What is
 * missing belongs to the plant: its session, and its security level. */
static const struct {
    uint8_t sid, subfunction_max;
} workshop[] = {
    {UDS_SID_SESSION_CONTROL, UDS_SESSION_EXTENDED},
    {UDS_SID_ECU_RESET, UDS_SUBFUNCTION_MASK},
    {UDS_SID_CLEAR_DTCS, UDS_SUBFUNCTION_MASK},
    {UDS_SID_READ_DTCS, UDS_SUBFUNCTION_MASK},
    {UDS_SID_READ_DATA, UDS_SUBFUNCTION_MASK},
    {UDS_SID_SECURITY_ACCESS, DIAGNOSTIC_LEVEL_WORKSHOP + 1},
    {UDS_SID_COMMUNICATION_CONTROL, UDS_SUBFUNCTION_MASK},
    {UDS_SID_WRITE_DATA, UDS_SUBFUNCTION_MASK},
    {UDS_SID_ROUTINE_CONTROL, UDS_SUBFUNCTION_MASK},
    {UDS_SID_TESTER_PRESENT, UDS_SUBFUNCTION_MASK},
    {UDS_SID_DTC_SETTING, UDS_SUBFUNCTION_MASK},
};

/* ---- open and closed ---- */

static void forget_requests(struct sgw *g)
{
    uint64_t end_us = env_now_us(g->env) + TAIL_MS * 1000ull;
    for (size_t i = 0; i < MATRIX_MESSAGES; i++)
        if (g->gate.answers_until_us[i] > end_us)
            g->gate.answers_until_us[i] = end_us;
}

/* What a tester has opened in the ECUs is his: whoever comes next begins in their default session. */
static void end_sessions(struct sgw *g)
{
    const struct matrix_row *row = matrix_row(MATRIX_UDS_FUNCTIONAL);
    struct bus_frame f = {.id = row->id, .len = 8};
    const uint8_t pdu[] = {0x02, UDS_SID_SESSION_CONTROL, UDS_SESSION_DEFAULT | UDS_SUPPRESS};
    memset(f.data, PADDING, sizeof f.data);
    memcpy(f.data, pdu, sizeof pdu);
    for (unsigned to = 0; to < SEGMENTS; to++)
        if (matrix_relayed(row) & SEGMENT_SET(to))
            env_send_frame(g->env, to, &f);
}

void gate_update(struct sgw *g)
{
    const struct uds_server *s = &g->diagnostic.server;
    bool open = !diagnostic_silent(&g->diagnostic) && s->state != UDS_SERVER_RESETTING && s->authenticated &&
                uds_server_session_id(s) == UDS_SESSION_EXTENDED;
    if (!open)
        OPENSSL_cleanse(&g->gate.tester, sizeof g->gate.tester);
    if (open == g->gate.open)
        return;
    g->gate.open = open;
    if (!open)
        forget_requests(g);
    end_sessions(g);
    env_show(g->env, SGW_SHOW_GATE,
             !open                                  ? "closed"
             : g->gate.tester.role == ROLE_WORKSHOP ? "open to a workshop"
                                                    : "open to the end of line");
}

/* ---- what crosses ---- */

/* The first bytes of a message in its single or first frame; false for other frames. */
static bool message_begins(const struct bus_frame *f, const uint8_t **head, size_t *len)
{
    size_t at;
    switch (f->data[0] >> 4) {
    case 0:
        at = f->data[0] ? 1 : 2;
        break;
    case 1:
        at = f->data[0] & 0x0F || f->data[1] ? 2 : 6;
        break;
    default:
        return false;
    }
    *head = f->data + at;
    *len = f->len > at ? f->len - at : 0;
    return true;
}

/* The ECUs check what they are asked; a workshop does not even get to ask for what is the plant's. */
static bool role_reaches(enum role role, const struct bus_frame *f)
{
    const uint8_t *head;
    size_t len;
    if (role == ROLE_EOL || !message_begins(f, &head, &len))
        return role != ROLE_NONE;
    for (size_t i = 0; len && i < sizeof workshop / sizeof workshop[0]; i++)
        if (workshop[i].sid == head[0])
            return len == 1 || !uds_sid_has_subfunction(head[0]) ||
                   (head[1] & UDS_SUBFUNCTION_MASK) <= workshop[i].subfunction_max;
    return false;
}

/* Is this the row on which an ECU answers what comes on `request`? */
static bool answers(const struct matrix_row *row, const struct matrix_row *request)
{
    if (request->kind == MATRIX_SINGLE)
        return row->receivers & NODE_TESTER && row->sender & request->receivers;
    return row == matrix_pair(request);
}

static void expect_answers(struct sgw *g, const struct matrix_row *request)
{
    uint64_t until_us = env_now_us(g->env) + ANSWER_MS * 1000ull;
    for (size_t i = 0; i < MATRIX_MESSAGES; i++)
        if (answers(matrix_row((enum matrix_message)i), request))
            g->gate.answers_until_us[i] = until_us;
}

static enum err pass_request(struct sgw *g, const struct matrix_row *row, const struct bus_frame *f)
{
    if (!g->gate.open)
        return ERR_BUS_GATE_CLOSED;
    if (!role_reaches(g->gate.tester.role, f))
        return ERR_BUS_ROLE;
    expect_answers(g, row);
    return ERR_OK;
}

/* 7F sid 78: the answer itself comes later. */
static bool says_pending(const struct bus_frame *f)
{
    return f->len >= 4 && f->data[0] == UDS_NEGATIVE_LEN && f->data[1] == UDS_NEGATIVE &&
           f->data[3] == UDS_NRC_PENDING;
}

static enum err pass_answer(struct sgw *g, const struct matrix_row *row, const struct bus_frame *f)
{
    uint64_t now_us = env_now_us(g->env);
    uint64_t *until_us = &g->gate.answers_until_us[row - matrix_row((enum matrix_message)0)];
    if (now_us >= *until_us)
        return ERR_BUS_NO_REQUEST;
    if (g->gate.open && says_pending(f))
        *until_us = now_us + ANSWER_MS * 1000ull;
    return ERR_OK;
}

enum err gate_pass(struct sgw *g, const struct matrix_row *row, const struct bus_frame *f)
{
    return row->sender == NODE_TESTER ? pass_request(g, row, f) : pass_answer(g, row, f);
}

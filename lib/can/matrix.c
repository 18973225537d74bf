#include "lib/can/matrix.h"

#include <string.h>

/* Bursts: one longest ISO-TP message and its flow controls; rates: what a 500k/2M segment can carry. A tester
 * may have classic frames only, which takes more of them; a rate of its own leaves the rest of a segment to
 * the vehicle. */
#define ISOTP_BURST           192
#define ISOTP_PER_SECOND      4000
#define DIAGNOSTIC_BURST      320
#define DIAGNOSTIC_PER_SECOND 1500
#define FUNCTIONAL_BURST      16
#define FUNCTIONAL_PER_SECOND 50

#define TO(s) SEGMENT_SET(SEGMENT_##s)

#define ISOTP_ROW(number, text, sender_, receivers_, from_, to_)                                     \
    {                                                                                                \
        .id = (number), .name = (text), .kind = MATRIX_ISOTP, .sender = (sender_),                   \
        .receivers = (receivers_), .from = SEGMENT_##from_, .to = (to_), .length = BUS_FD_MAX,       \
        .formats = MATRIX_FD, .pdu_max = 2048, .burst = ISOTP_BURST, .per_second = ISOTP_PER_SECOND, \
    }
#define DIAGNOSTIC_ROW(number, text, sender_, receivers_, from_, to_)                          \
    {                                                                                          \
        .id = (number), .name = (text), .kind = MATRIX_ISOTP, .sender = (sender_),             \
        .receivers = (receivers_), .from = SEGMENT_##from_, .to = (to_), .length = BUS_FD_MAX, \
        .formats = MATRIX_ANY_FORMAT, .pdu_max = 2048, .burst = DIAGNOSTIC_BURST,              \
        .per_second = DIAGNOSTIC_PER_SECOND,                                                   \
    }
#define FRAME_ROW(number, text, sender_, receivers_, from_, to_, length_, cycle_ms_, burst_, rate_)   \
    {                                                                                                 \
        .id = (number), .name = (text), .kind = MATRIX_FRAME, .sender = (sender_),                    \
        .receivers = (receivers_), .from = SEGMENT_##from_, .to = (to_), .length = (length_),         \
        .formats = MATRIX_CLASSIC, .cycle_ms = (cycle_ms_), .burst = (burst_), .per_second = (rate_), \
    }

static const struct matrix_row rows[MATRIX_MESSAGES] = {
    [MATRIX_TBM_STATUS] = FRAME_ROW(0x3A0, "TBM_Status", NODE_TBM, NODE_SPAAK, TELEMATICS, TO(BODY),
                                    TBM_STATUS_LENGTH, 100, 8, 50),
    [MATRIX_SPAAK_VOS_UP] = ISOTP_ROW(0x6B0, "SpaaK_VOS_Up", NODE_SPAAK, NODE_TBM, BODY, TO(TELEMATICS)),
    [MATRIX_SPAAK_VOS_DOWN] = ISOTP_ROW(0x6B8, "SpaaK_VOS_Down", NODE_TBM, NODE_SPAAK, TELEMATICS, TO(BODY)),
    [MATRIX_SPAAK_GSDP_UP] = ISOTP_ROW(0x6B1, "SpaaK_GSDP_Up", NODE_SPAAK, NODE_TBM, BODY, TO(TELEMATICS)),
    [MATRIX_SPAAK_GSDP_DOWN] =
        ISOTP_ROW(0x6B9, "SpaaK_GSDP_Down", NODE_TBM, NODE_SPAAK, TELEMATICS, TO(BODY)),
    [MATRIX_PHONE_KEY_REQ] =
        FRAME_ROW(0x5A0, "PhoneKey_Req", NODE_HU, NODE_SPAAK, INFOTAINMENT, TO(BODY), 8, 0, 4, 10),
    [MATRIX_HU_NTF] = FRAME_ROW(0x5A8, "HU_NTF", NODE_SPAAK, NODE_HU, BODY, TO(INFOTAINMENT), 8, 0, 4, 10),
    [MATRIX_SPAAK_STATUS] =
        FRAME_ROW(0x3A8, "SpaaK_Status", NODE_SPAAK, NODE_HU, BODY, TO(INFOTAINMENT), 8, 500, 4, 10),
    [MATRIX_WCP_STATUS] = FRAME_ROW(0x3B0, "WCP_Status", NODE_WCP, NODE_SPAAK, BODY, TO(BODY),
                                    READER_STATUS_LENGTH, 500, 4, 10),
    [MATRIX_DOOR_STATUS] = FRAME_ROW(0x3B1, "Door_Status", NODE_WCP, NODE_SPAAK, BODY, TO(BODY),
                                     READER_STATUS_LENGTH, 500, 4, 10),
    [MATRIX_SPAAK_WCP_CMD] = ISOTP_ROW(0x6C0, "SpaaK_WCP_Cmd", NODE_SPAAK, NODE_WCP, BODY, TO(BODY)),
    [MATRIX_WCP_SPAAK_RSP] = ISOTP_ROW(0x6C8, "WCP_SpaaK_Rsp", NODE_WCP, NODE_SPAAK, BODY, TO(BODY)),
    [MATRIX_SPAAK_DOOR_CMD] = ISOTP_ROW(0x6C1, "SpaaK_Door_Cmd", NODE_SPAAK, NODE_WCP, BODY, TO(BODY)),
    [MATRIX_DOOR_SPAAK_RSP] = ISOTP_ROW(0x6C9, "Door_SpaaK_Rsp", NODE_WCP, NODE_SPAAK, BODY, TO(BODY)),
    /* the cabin; what its frames hold stands in lib/msg/cabin.h */
    [MATRIX_SPAAK_HU_KEYS] = ISOTP_ROW(0x6D0, "SpaaK_HU_Keys", NODE_SPAAK, NODE_HU, BODY, TO(INFOTAINMENT)),
    [MATRIX_HU_SPAAK_KEYS] = ISOTP_ROW(0x6D8, "HU_SpaaK_Keys", NODE_HU, NODE_SPAAK, INFOTAINMENT, TO(BODY)),
    [MATRIX_BCM_STATUS] = FRAME_ROW(0x3B8, "BCM_Status", NODE_BCM, NODE_SPAAK | NODE_HU, BODY,
                                    TO(BODY) | TO(INFOTAINMENT), 8, 100, 8, 50),
    [MATRIX_SPAAK_BCM_CMD] = {.id = 0x3C0,
                              .name = "SpaaK_BCM_Cmd",
                              .kind = MATRIX_FRAME,
                              .sender = NODE_SPAAK,
                              .receivers = NODE_BCM,
                              .from = SEGMENT_BODY,
                              .to = TO(BODY),
                              .length = 24,
                              .formats = MATRIX_FD,
                              .burst = 4,
                              .per_second = 10},
    [MATRIX_SPAAK_BCM_ASK] =
        FRAME_ROW(0x3C1, "SpaaK_BCM_Ask", NODE_SPAAK, NODE_BCM, BODY, TO(BODY), 8, 0, 4, 20),
    [MATRIX_BCM_SPAAK_ANSWER] = {.id = 0x3C2,
                                 .name = "BCM_SpaaK_Answer",
                                 .kind = MATRIX_FRAME,
                                 .sender = NODE_BCM,
                                 .receivers = NODE_SPAAK,
                                 .from = SEGMENT_BODY,
                                 .to = TO(BODY),
                                 .length = 24,
                                 .formats = MATRIX_FD,
                                 .burst = 4,
                                 .per_second = 20},
    [MATRIX_UDS_SPAAK_REQ] =
        DIAGNOSTIC_ROW(0x7A0, "UDS_SpaaK_Req", NODE_TESTER, NODE_SPAAK, DIAGNOSTIC, TO(BODY)),
    [MATRIX_UDS_SPAAK_RSP] =
        DIAGNOSTIC_ROW(0x7A8, "UDS_SpaaK_Rsp", NODE_SPAAK, NODE_TESTER, BODY, TO(DIAGNOSTIC)),
    [MATRIX_UDS_TBM_REQ] =
        DIAGNOSTIC_ROW(0x7A1, "UDS_TBM_Req", NODE_TESTER, NODE_TBM, DIAGNOSTIC, TO(TELEMATICS)),
    [MATRIX_UDS_TBM_RSP] =
        DIAGNOSTIC_ROW(0x7A9, "UDS_TBM_Rsp", NODE_TBM, NODE_TESTER, TELEMATICS, TO(DIAGNOSTIC)),
    [MATRIX_UDS_SGW_REQ] =
        DIAGNOSTIC_ROW(0x7A2, "UDS_SGW_Req", NODE_TESTER, NODE_SGW, DIAGNOSTIC, TO(DIAGNOSTIC)),
    [MATRIX_UDS_SGW_RSP] =
        DIAGNOSTIC_ROW(0x7AA, "UDS_SGW_Rsp", NODE_SGW, NODE_TESTER, DIAGNOSTIC, TO(DIAGNOSTIC)),
    [MATRIX_UDS_FUNCTIONAL] = {.id = 0x7DF,
                               .name = "UDS_Functional",
                               .kind = MATRIX_SINGLE,
                               .sender = NODE_TESTER,
                               .receivers = NODE_SPAAK | NODE_TBM | NODE_SGW,
                               .from = SEGMENT_DIAGNOSTIC,
                               .to = TO(BODY) | TO(TELEMATICS) | TO(DIAGNOSTIC),
                               .length = BUS_FD_MAX,
                               .formats = MATRIX_ANY_FORMAT,
                               .pdu_max = BUS_FD_MAX - 2,
                               .burst = FUNCTIONAL_BURST,
                               .per_second = FUNCTIONAL_PER_SECOND},
};

/* Requests and answers of one channel are so far apart. */
#define PAIR_BIT 0x08u

static const char *const segments[SEGMENTS] = {"body", "telematics", "infotainment", "diagnostic"};

static const char *const nodes[MATRIX_NODES] = {"SPAAK", "SGW", "TBM", "HU", "WCP", "TESTER", "BCM"};

/* Segments that each node stands on. */
static const unsigned stands[MATRIX_NODES] = {
    TO(BODY),       TO(BODY) | TO(TELEMATICS) | TO(INFOTAINMENT) | TO(DIAGNOSTIC),
    TO(TELEMATICS), TO(INFOTAINMENT),
    TO(BODY),       TO(DIAGNOSTIC),
    TO(BODY)};

const struct matrix_row *matrix_row(enum matrix_message m)
{
    return &rows[m];
}

const struct matrix_row *matrix_find(uint32_t id)
{
    for (size_t i = 0; i < MATRIX_MESSAGES; i++)
        if (rows[i].id == id)
            return &rows[i];
    return NULL;
}

const struct matrix_row *matrix_find_name(const char *name)
{
    for (size_t i = 0; i < MATRIX_MESSAGES; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

const struct matrix_row *matrix_pair(const struct matrix_row *row)
{
    return row->kind == MATRIX_ISOTP ? matrix_find(row->id ^ PAIR_BIT) : NULL;
}

unsigned matrix_relayed(const struct matrix_row *row)
{
    return row->to & ~SEGMENT_SET(row->from);
}

bool matrix_diagnostic(const struct matrix_row *row)
{
    return row->sender == NODE_TESTER || row->receivers & NODE_TESTER;
}

const char *segment_name(enum segment s)
{
    return s < SEGMENTS ? segments[s] : "?";
}

enum segment segment_from_name(const char *name)
{
    size_t i = 0;
    while (i < SEGMENTS && strcmp(segments[i], name) != 0)
        i++;
    return (enum segment)i;
}

const char *matrix_node_name(enum matrix_node n)
{
    for (size_t i = 0; i < MATRIX_NODES; i++)
        if ((unsigned)n == 1u << i)
            return nodes[i];
    return "?";
}

static bool hears(const struct matrix_row *row, enum matrix_node node, enum segment s)
{
    for (unsigned n = 0; n < MATRIX_NODES; n++)
        if ((unsigned)node == 1u << n && row->receivers & node && row->to & stands[n] & SEGMENT_SET(s))
            return true;
    return false;
}

size_t matrix_filter(enum matrix_node node, enum segment s, uint32_t *ids, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < MATRIX_MESSAGES; i++)
        if (hears(&rows[i], node, s) && n < cap)
            ids[n++] = rows[i].id;
    return n;
}

uint8_t matrix_checksum(uint32_t id, const uint8_t *data, size_t len)
{
    uint8_t x = (uint8_t)(id ^ id >> 8);
    for (size_t i = 0; i + 1 < len; i++)
        x = (uint8_t)(x ^ data[i]);
    return (uint8_t)(x ^ 0xA5);
}

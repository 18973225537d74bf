#include "lib/can/matrix.h"

#include <string.h>

/* Bursts: one longest ISO-TP message and its flow controls; rates: what a 500k/2M segment can carry. */
#define ISOTP_BURST      192
#define ISOTP_PER_SECOND 4000

#define ISOTP_ROW(id, name, sender, receivers, from, to)                                     \
    {                                                                                        \
        id, name, MATRIX_ISOTP, sender, receivers, from, to, 64, true, 0, 2048, ISOTP_BURST, \
            ISOTP_PER_SECOND                                                                 \
    }
#define FRAME_ROW(id, name, sender, receivers, from, to, len, cycle_ms, burst, rate)              \
    {                                                                                             \
        id, name, MATRIX_FRAME, sender, receivers, from, to, len, false, cycle_ms, 0, burst, rate \
    }

static const struct matrix_row rows[MATRIX_MESSAGES] = {
    [MATRIX_TBM_STATUS] = FRAME_ROW(0x3A0, "TBM_Status", NODE_TBM, NODE_SPAAK, SEGMENT_TELEMATICS,
                                    SEGMENT_BODY, TBM_STATUS_LENGTH, 100, 8, 50),
    [MATRIX_SPAAK_VOS_UP] =
        ISOTP_ROW(0x6B0, "SpaaK_VOS_Up", NODE_SPAAK, NODE_TBM, SEGMENT_BODY, SEGMENT_TELEMATICS),
    [MATRIX_SPAAK_VOS_DOWN] =
        ISOTP_ROW(0x6B8, "SpaaK_VOS_Down", NODE_TBM, NODE_SPAAK, SEGMENT_TELEMATICS, SEGMENT_BODY),
    [MATRIX_SPAAK_GSDP_UP] =
        ISOTP_ROW(0x6B1, "SpaaK_GSDP_Up", NODE_SPAAK, NODE_TBM, SEGMENT_BODY, SEGMENT_TELEMATICS),
    [MATRIX_SPAAK_GSDP_DOWN] =
        ISOTP_ROW(0x6B9, "SpaaK_GSDP_Down", NODE_TBM, NODE_SPAAK, SEGMENT_TELEMATICS, SEGMENT_BODY),
    [MATRIX_PHONE_KEY_REQ] = FRAME_ROW(0x5A0, "PhoneKey_Req", NODE_HU, NODE_SPAAK, SEGMENT_INFOTAINMENT,
                                       SEGMENT_BODY, 8, 0, 4, 10),
    [MATRIX_HU_NTF] =
        FRAME_ROW(0x5A8, "HU_NTF", NODE_SPAAK, NODE_HU, SEGMENT_BODY, SEGMENT_INFOTAINMENT, 8, 0, 4, 10),
    [MATRIX_SPAAK_STATUS] = FRAME_ROW(0x3A8, "SpaaK_Status", NODE_SPAAK, NODE_HU, SEGMENT_BODY,
                                      SEGMENT_INFOTAINMENT, 8, 500, 4, 10),
    [MATRIX_WCP_STATUS] =
        FRAME_ROW(0x3B0, "WCP_Status", NODE_WCP, NODE_SPAAK, SEGMENT_BODY, SEGMENT_BODY, 8, 500, 4, 10),
    [MATRIX_SPAAK_WCP_CMD] =
        ISOTP_ROW(0x6C0, "SpaaK_WCP_Cmd", NODE_SPAAK, NODE_WCP, SEGMENT_BODY, SEGMENT_BODY),
    [MATRIX_WCP_SPAAK_RSP] =
        ISOTP_ROW(0x6C8, "WCP_SpaaK_Rsp", NODE_WCP, NODE_SPAAK, SEGMENT_BODY, SEGMENT_BODY),
    [MATRIX_UDS_REQ] =
        ISOTP_ROW(0x7A0, "UDS_SpaaK_Req", NODE_TESTER, NODE_SPAAK, SEGMENT_DIAGNOSTIC, SEGMENT_BODY),
    [MATRIX_UDS_RSP] =
        ISOTP_ROW(0x7A8, "UDS_SpaaK_Rsp", NODE_SPAAK, NODE_TESTER, SEGMENT_BODY, SEGMENT_DIAGNOSTIC),
};

static const char *const segments[SEGMENTS] = {"body", "telematics", "infotainment", "diagnostic"};

static const char *const nodes[MATRIX_NODES] = {"SPAAK", "SGW", "TBM", "HU", "WCP", "TESTER"};

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

size_t matrix_filter(enum matrix_node node, enum segment s, uint32_t *ids, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < MATRIX_MESSAGES; i++)
        if (rows[i].receivers & node && rows[i].to == s && n < cap)
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

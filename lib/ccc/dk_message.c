#include "lib/ccc/dk_message.h"

#include <stdio.h>

static const char *const types[DK_TYPES] = {"Framework",     "SE",        "UWB", "Event", "OEM app",
                                            "Supplementary", "Head unit", "BTCS"};

static const struct {
    enum dk_type type;
    uint8_t id;
    const char *described, *name;
} names[] = {
    {DK_FRAMEWORK, DK_APDU_RQ, "DK_APDU_RQ", "DK_APDU_RQ"},
    {DK_FRAMEWORK, DK_APDU_RS, "DK_APDU_RS", "DK_APDU_RS"},
    {DK_SE, DK_APDU_RQ, "DK_APDU_RQ", "DK_APDU_RQ"},
    {DK_SE, DK_APDU_RS, "DK_APDU_RS", "DK_APDU_RS"},
    {DK_EVENT, DK_EVENT_NOTIFICATION, "notification", "DK_Event"},
    {DK_SUPPLEMENTARY, DK_TIME_SYNC, "Time_Sync", "Time_Sync"},
    {DK_SUPPLEMENTARY, DK_FIRST_APPROACH_RQ, "First_Approach_RQ", "First_Approach_RQ"},
    {DK_SUPPLEMENTARY, DK_FIRST_APPROACH_RS, "First_Approach_RS", "First_Approach_RS"},
    {DK_SUPPLEMENTARY, DK_RKE_RQ, "RKE_Auth_RQ", "RKE_Auth_RQ"},
    {DK_SUPPLEMENTARY, DK_RKE_RS, "RKE_Auth_RS", "RKE_Auth_RS"},
};

const char *const dk_message_names[] = {"DK_APDU_RQ",  "DK_APDU_RS",        "DK_Event",
                                        "Time_Sync",   "First_Approach_RQ", "First_Approach_RS",
                                        "RKE_Auth_RQ", "RKE_Auth_RS",       NULL};

void dk_message_put_header(struct wr *w, enum dk_type type, uint8_t id, size_t len)
{
    if (len > 0xFFFF)
        w->failed = true;
    wr_u8(w, (uint8_t)type);
    wr_u8(w, id);
    wr_be16(w, (uint16_t)len);
}

void dk_message_put(struct wr *w, const struct dk_message *m)
{
    dk_message_put_header(w, m->type, m->id, m->data.len);
    wr_copy(w, m->data.p, m->data.len);
}

enum err dk_message_parse(struct span in, struct dk_message *out)
{
    struct rd r = rd_of(in.p, in.len);
    uint8_t type = rd_u8(&r), id = rd_u8(&r);
    uint16_t len = rd_be16(&r);
    struct span data = rd_span(&r, len);
    if (r.failed)
        return ERR_TRUNCATED;
    if (r.left)
        return ERR_TRAILING_BYTES;
    if (type >= DK_TYPES) /* bits 7 and 6 are zero, and there are no types above */
        return ERR_BAD_ARGUMENT;
    *out = (struct dk_message){(enum dk_type)type, id, data};
    return ERR_OK;
}

const char *dk_message_name(struct span in)
{
    struct dk_message m;
    if (dk_message_parse(in, &m))
        return NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].type == m.type && names[i].id == m.id)
            return names[i].name;
    return types[m.type];
}

void dk_message_describe(struct span in, char out[DK_LINE_MAX])
{
    struct dk_message m;
    if (dk_message_parse(in, &m)) {
        snprintf(out, DK_LINE_MAX, "not a DK message, %zu bytes", in.len);
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].type == m.type && names[i].id == m.id) {
            snprintf(out, DK_LINE_MAX, "%s %s, %zu bytes", types[m.type], names[i].described, m.data.len);
            return;
        }
    snprintf(out, DK_LINE_MAX, "%s %02X, %zu bytes", types[m.type], m.id, m.data.len);
}

#include "lib/ccc/dk_fields.h"

#include <stdio.h>
#include <string.h>

#include "lib/ccc/apdu.h"
#include "lib/ccc/approach.h"

static const struct {
    enum dk_type type;
    uint8_t id, len;
    const char *name;
    enum dk_nature nature;
} rows[] = {
    {DK_EVENT, DK_EVENT_NOTIFICATION, 1, "category", DK_PLAIN},
    {DK_EVENT, DK_EVENT_NOTIFICATION, 1, "code", DK_PLAIN},
    {DK_SUPPLEMENTARY, DK_TIME_SYNC, 8, "event count", DK_PLAIN},
    {DK_SUPPLEMENTARY, DK_TIME_SYNC, 8, "device time", DK_CLOCK},
    {DK_SUPPLEMENTARY, DK_TIME_SYNC, 1, "uncertainty", DK_PLAIN},
    {DK_SUPPLEMENTARY, DK_TIME_SYNC, 1, "skew available", DK_PLAIN},
    {DK_SUPPLEMENTARY, DK_TIME_SYNC, 2, "max ppm", DK_PLAIN},
    {DK_SUPPLEMENTARY, DK_TIME_SYNC, 1, "success", DK_PLAIN},
    {DK_SUPPLEMENTARY, DK_TIME_SYNC, 2, "retry delay", DK_PLAIN},
    {DK_SUPPLEMENTARY, DK_FIRST_APPROACH_RQ, FIRST_APPROACH_KEY_ID, "key identifier", DK_SEALED},
    {DK_SUPPLEMENTARY, DK_FIRST_APPROACH_RQ, FIRST_APPROACH_NONCE, "nonce 1", DK_RANDOM},
    {DK_SUPPLEMENTARY, DK_FIRST_APPROACH_RQ, FIRST_APPROACH_TAG, "tag 1", DK_SEALED},
    {DK_SUPPLEMENTARY, DK_FIRST_APPROACH_RQ, FIRST_APPROACH_OOB, "out-of-band data", DK_SEALED},
    {DK_SUPPLEMENTARY, DK_FIRST_APPROACH_RQ, FIRST_APPROACH_NONCE, "nonce 2", DK_RANDOM},
    {DK_SUPPLEMENTARY, DK_FIRST_APPROACH_RQ, FIRST_APPROACH_TAG, "tag 2", DK_SEALED},
    {DK_SUPPLEMENTARY, DK_FIRST_APPROACH_RS, FIRST_APPROACH_OOB, "out-of-band data", DK_SEALED},
    {DK_SUPPLEMENTARY, DK_FIRST_APPROACH_RS, FIRST_APPROACH_NONCE, "nonce", DK_RANDOM},
    {DK_SUPPLEMENTARY, DK_FIRST_APPROACH_RS, FIRST_APPROACH_TAG, "tag", DK_SEALED},
};

static const struct {
    enum dk_event event;
    const char *name;
} events[] = {
    {DK_EVENT_DESELECT_SE, "deselect_SE"},
    {DK_EVENT_BLE_PAIRING_READY, "BLE_pairing_ready"},
    {DK_EVENT_REQUEST_STANDARD, "request_standard_transaction"},
    {DK_EVENT_REQUEST_OWNER_PAIRING, "request_owner_pairing"},
    {DK_EVENT_GENERAL_ERROR, "general_error"},
    {DK_EVENT_SE_BUSY, "SE_busy"},
    {DK_EVENT_SE_TRANSACTION_LOST, "SE_transaction_lost"},
    {DK_EVENT_BUSY, "busy"},
    {DK_EVENT_TEMPORARILY_BLOCKED, "temporarily_blocked"},
    {DK_EVENT_OOB_MISMATCH, "OOB_mismatch"},
    {DK_EVENT_BLE_PAIRING_FAILED, "BLE_pairing_failed"},
    {DK_EVENT_FIRST_APPROACH_FAILED, "first_approach_failed"},
    {DK_EVENT_WRONG_PARAMETERS, "wrong_parameters"},
};

size_t dk_fields(const struct dk_message *m, struct dk_field out[DK_FIELDS_MAX])
{
    struct rd r = rd_of(m->data.p, m->data.len);
    size_t n = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].type == m->type && rows[i].id == m->id && n < DK_FIELDS_MAX)
            out[n++] = (struct dk_field){rows[i].name, rows[i].nature, rd_span(&r, rows[i].len)};
    return r.failed || r.left ? 0 : n;
}

const char *dk_fields_name(enum dk_type type, uint8_t id, size_t n, size_t *len)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].type == type && rows[i].id == id && n-- == 0) {
            *len = rows[i].len;
            return rows[i].name;
        }
    return NULL;
}

bool dk_message_is_apdu(const struct dk_message *m)
{
    return m->type <= DK_SE && (m->id == DK_APDU_RQ || m->id == DK_APDU_RS);
}

const char *dk_event_name(uint8_t code)
{
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (events[i].event == code)
            return events[i].name;
    return NULL;
}

static bool is_number(const struct dk_message *m)
{
    return m->type == DK_SUPPLEMENTARY && m->id == DK_TIME_SYNC;
}

/* The code means something else in another category. */
static const char *event_of(const struct dk_message *m, const struct dk_field *f)
{
    bool is_code = m->type == DK_EVENT && m->data.len == 2 && f->value.p == m->data.p + 1 &&
                   m->data.p[0] == DK_EVENT_COMMAND_COMPLETE;
    return is_code ? dk_event_name(f->value.p[0]) : NULL;
}

void dk_fields_describe(const struct dk_message *m, const struct dk_field *f, char out[DK_VALUE_MAX])
{
    char hex[2 * FIRST_APPROACH_OOB + 1] = "";
    const char *event = event_of(m, f);
    unsigned long long number = 0;
    for (size_t i = 0; i < f->value.len; i++)
        number = number << 8 | f->value.p[i];
    if (f->value.len <= FIRST_APPROACH_OOB)
        hex_encode(f->value.p, f->value.len, hex);
    if (is_number(m))
        snprintf(out, DK_VALUE_MAX, "%llu", number);
    else
        snprintf(out, DK_VALUE_MAX, "%s%s%s", hex, event ? " " : "", event ? event : "");
}

static void describe_all(const struct dk_message *m, char *out, size_t cap)
{
    struct dk_field f[DK_FIELDS_MAX];
    char value[DK_VALUE_MAX];
    size_t n = dk_fields(m, f), used = 0;
    for (size_t i = 0; i < n && used < cap; i++) {
        dk_fields_describe(m, &f[i], value);
        if (f[i].nature == DK_SEALED || f[i].nature == DK_RANDOM)
            snprintf(value, sizeof value, "(%zu)", f[i].value.len);
        used += (size_t)snprintf(out + used, cap - used, "%s%s %s", i ? ", " : "", f[i].name, value);
    }
}

void dk_fields_line(struct span sdu, char out[DK_TEXT_MAX])
{
    struct dk_message m;
    char head[DK_LINE_MAX], rest[DK_TEXT_MAX - DK_LINE_MAX - 2] = "";
    dk_message_describe(sdu, head);
    if (dk_message_parse(sdu, &m) == ERR_OK && dk_message_is_apdu(&m)) {
        _Static_assert(sizeof rest >= APDU_LINE_MAX, "an APDU's line fits");
        if (m.id == DK_APDU_RQ)
            apdu_describe_command(m.data, rest);
        else
            apdu_describe_response(m.data, rest);
    } else if (dk_message_parse(sdu, &m) == ERR_OK) {
        describe_all(&m, rest, sizeof rest);
    }
    snprintf(out, DK_TEXT_MAX, "%s%s%s", head, *rest ? ": " : "", rest);
}

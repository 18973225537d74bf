#include "sim/run/dk_console.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ccc/dk_fields.h"

#define KEPT    32
#define SDU_MAX 128 /* longer ones carry APDUs */
#define INDENT  41  /* where the detail of an event begins */

struct dk_console {
    size_t first, count;
    struct kept {
        struct trace_event event;
        uint8_t sdu[SDU_MAX];
        size_t len;
    } kept[KEPT];
};

struct dk_console *dk_console_new(void)
{
    return calloc(1, sizeof(struct dk_console));
}

void dk_console_free(struct dk_console *c)
{
    free(c);
}

static void put(struct dk_console *c, const struct tap_event *e)
{
    if (c->count == KEPT)
        dk_console_drop(c);
    struct kept *k = &c->kept[(c->first + c->count++) % KEPT];
    char text[DK_LINE_MAX];
    *k = (struct kept){.event = {.time_us = e->time_us, .kind = TRACE_NOTE}, .len = e->bytes.len};
    memcpy(k->sdu, e->bytes.p, e->bytes.len);
    text_copy(k->event.component, sizeof k->event.component, e->from);
    dk_message_describe(e->bytes, text);
    snprintf(k->event.detail, sizeof k->event.detail, "> %.90s", text);
}

void dk_console_keep(struct dk_console *c, struct apdu_hex *hex, const struct tap_event *e)
{
    struct dk_message m;
    if (dk_message_parse(e->bytes, &m) == ERR_OK && dk_message_is_apdu(&m)) {
        if (hex)
            apdu_hex_keep(hex, m.data);
    } else if (c && e->bytes.len <= SDU_MAX) {
        put(c, e);
    }
}

const struct trace_event *dk_console_first(const struct dk_console *c, uint64_t until_us)
{
    const struct trace_event *e = c && c->count ? &c->kept[c->first].event : NULL;
    return e && e->time_us <= until_us ? e : NULL;
}

bool dk_console_row(const struct dk_console *c, size_t row, char out[APDU_HEX_LINE])
{
    const struct kept *k = &c->kept[c->first];
    struct dk_message m;
    struct dk_field f[DK_FIELDS_MAX];
    char value[DK_VALUE_MAX];
    if (dk_message_parse(span_of(k->sdu, k->len), &m) || row >= dk_fields(&m, f))
        return false;
    dk_fields_describe(&m, &f[row], value);
    int used = snprintf(out, APDU_HEX_LINE, "%*s%s ", INDENT, "", f[row].name);
    snprintf(out + used, APDU_HEX_LINE - (size_t)used, "%.60s%s", value, strlen(value) > 60 ? ".." : "");
    return true;
}

void dk_console_drop(struct dk_console *c)
{
    c->first = (c->first + 1) % KEPT;
    c->count--;
}

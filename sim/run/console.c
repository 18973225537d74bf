/* What a run says while it runs. */
#include <stdio.h>
#include <string.h>

#include "sim/run/records.h"
#include "sim/run/records_parts.h"

/* Processes hand their events over a little late; lines wait as long, to stand in order. */
#define PRINT_DELAY_US 6000

/* What a tool or an attacker notes is what whoever asked it wants to know. */
static bool is_from_outside(const struct run *r, const struct trace_event *e)
{
    const struct member *m = scenario_member(r->scenario, e->component);
    return m && m->class && m->class->place == PLACE_OUTSIDE;
}

static bool worth_a_line(const struct run *r, const struct trace_event *e)
{
    switch ((enum trace_kind)e->kind) {
    case TRACE_SEND:
    case TRACE_STEP:
    case TRACE_ACCEPT:
    case TRACE_REJECT:
    case TRACE_APDU:
    case TRACE_HOLD:
    case TRACE_DROP:
    case TRACE_RETRY:
    case TRACE_FAIL:
    case TRACE_FAULT:
    case TRACE_CALL:
    case TRACE_SHOW:
        return true;
    case TRACE_LIFE:
        return strcmp(e->detail, "started") != 0 || e->sequence > 1;
    case TRACE_NOTE:
        return r->options->verbose || is_from_outside(r, e);
    default:
        return r->options->verbose;
    }
}

#define ELLIPSIS "\xE2\x80\xA6"

/* Cuts a line at the width of the terminal; what sets colours takes none of it. */
static void fit(char text[TRACE_TEXT_MAX], unsigned columns)
{
    unsigned used = 0;
    char *cut = NULL;
    for (char *p = text; *p; p++) {
        if (*p == '\033')
            p += strcspn(p, "m");
        else if ((*p & 0xC0) != 0x80 && ++used == columns)
            cut = p; /* the last column: for the ellipsis, if more comes */
    }
    if (used <= columns || !cut)
        return;
    const char *plain = strstr(cut, "\033[0m") ? "\033[0m" : "";
    snprintf(cut, TRACE_TEXT_MAX - (size_t)(cut - text), ELLIPSIS "%s", plain);
}

static void print_line(const struct run *r, const char *text)
{
    if (r->options->print)
        r->options->print(text);
    else
        puts(text);
}

static void print_text(const struct run *r, const struct trace_event *e)
{
    char text[TRACE_TEXT_MAX];
    trace_text(e, r->options->colour, text);
    if (r->options->columns)
        fit(text, r->options->columns);
    print_line(r, text);
}

/* DK messages that came before. */
static void print_messages(struct run *r, uint64_t until_us)
{
    struct dk_console *c = r->records->messages;
    char row[APDU_HEX_LINE];
    for (const struct trace_event *e; (e = dk_console_first(c, until_us)); dk_console_drop(c)) {
        print_text(r, e);
        for (size_t i = 0; dk_console_row(c, i, row); i++)
            print_line(r, row);
    }
}

static void print_event(const struct run *r, const struct trace_event *e)
{
    char hex[APDU_HEX_LINE];
    if (r->options->quiet || !worth_a_line(r, e))
        return;
    print_text(r, e);
    for (size_t i = 0; r->records->hex && apdu_hex_row(r->records->hex, e, i, hex); i++)
        print_line(r, hex);
}

void records_print_until(struct run *r, uint64_t time_us)
{
    struct records *k = r->records;
    while (k->printed < r->event_count && r->events[k->printed].time_us <= time_us) {
        if (r->events[k->printed].time_us)
            print_messages(r, r->events[k->printed].time_us - 1);
        print_event(r, &r->events[k->printed++]);
    }
    print_messages(r, time_us);
}

void records_event(struct run *r, size_t at)
{
    if (!r->records || at >= r->records->printed)
        return;
    print_event(r, &r->events[at]); /* late: out of its place, but said */
    r->records->printed++;
}

void records_pump(struct run *r, uint64_t now_us)
{
    if (r->records && now_us >= PRINT_DELAY_US)
        records_print_until(r, now_us - PRINT_DELAY_US);
}

uint64_t records_due_us(const struct run *r)
{
    const struct records *k = r->records;
    if (!k || k->printed >= r->event_count || r->options->quiet)
        return UINT64_MAX;
    return r->events[k->printed].time_us + PRINT_DELAY_US;
}

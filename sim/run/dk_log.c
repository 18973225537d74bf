#include "sim/run/dk_log.h"

#include <stdio.h>
#include <string.h>

static const char *name_of(const struct dk_log *l, const char *address)
{
    for (size_t i = 0; *address && i < DK_LOG_AIRS; i++)
        if (strcmp(l->airs[i].address, address) == 0)
            return l->airs[i].name;
    return "-";
}

/* An address that is advertised, or that somebody connects under, is his. */
static void learn(struct dk_log *l, const struct tap_event *e)
{
    static const char *const verbs[] = {"advertise ", "connect "};
    char words[BLE_WORDS], address[BLE_ADDRESS_TEXT];
    snprintf(words, sizeof words, "%.*s", (int)e->bytes.len, (const char *)e->bytes.p);
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(verbs[i]);
        if (strncmp(words, verbs[i], len) != 0)
            continue;
        snprintf(address, sizeof address, "%.*s", (int)strcspn(words + len, " "), words + len);
        if (strcmp(name_of(l, address), e->from) == 0)
            return;
        struct dk_log_air *a = &l->airs[l->next++ % DK_LOG_AIRS];
        text_copy(a->address, sizeof a->address, address);
        text_copy(a->name, sizeof a->name, e->from);
    }
}

void dk_log_lead(struct dk_log *l, const struct tap_event *e, char out[DK_LOG_LEAD])
{
    const char *who = e->out ? e->from : e->to, *address = e->out ? e->to : e->from;
    char tries[60];
    if (e->words && e->out && !e->refused)
        learn(l, e);
    snprintf(tries, sizeof tries, "tries %.48s", err_name(e->refused));
    snprintf(out, DK_LOG_LEAD, "%12.3f ms  %.31s %.31s %.40s %s ", (double)e->time_us / 1000.0, who,
             name_of(l, address), *address ? address : "-",
             !e->words    ? e->out ? ">" : "<"
             : !e->out    ? "hears"
             : e->refused ? tries
                          : "tells");
}

/* ---- reading ---- */

bool dk_log_is_line(const char *line)
{
    char address[41];
    return sscanf(line, " %*9[0-9].%*3[0-9] ms %*31s %*31s %40s", address) == 1 &&
           (strcmp(address, "-") == 0 || strchr(address, '/'));
}

static bool read_kind(const char *verb, enum dk_log_kind *out)
{
    static const char *const verbs[] = {
        [DK_LOG_LEAVES] = ">", [DK_LOG_REACHES] = "<", [DK_LOG_TELLS] = "tells", [DK_LOG_HEARS] = "hears"};
    for (unsigned i = 0; i < 4; i++)
        if (strcmp(verbs[i], verb) == 0) {
            *out = (enum dk_log_kind)i;
            return true;
        }
    return false;
}

/* "tries NOT_FOUND open 0080 512". */
static const char *read_tries(struct dk_log_line *l)
{
    char reason[49];
    int len = 0;
    l->kind = DK_LOG_TELLS;
    if (sscanf(l->rest, "%48s %n", reason, &len) != 1 || !len || !err_name_known(reason))
        return "nothing is refused with such a reason";
    l->refused = err_from_name(reason);
    l->rest += len;
    return l->refused ? NULL : "what is taken is not refused";
}

static const char *check_words(const struct dk_log_line *l)
{
    static const uint8_t nothing[BLE_KEY];
    char words[BLE_WORDS];
    return ble_words_fill(l->rest, l->kind == DK_LOG_HEARS, nothing, words)
               ? "these are no words of Bluetooth LE (lib/ble/words.h)"
               : NULL;
}

const char *dk_log_read(const char *line, struct dk_log_line *out)
{
    static const char none[] = "not a line of a dk.log (\"12.345 ms  WHO OTHER ADDRESS > HEX\")";
    struct dk_log_line l = {.refused = ERR_OK};
    struct ble_address address;
    char link[41], verb[7];
    unsigned long long ms;
    unsigned us;
    int first = 0, digits = 0, at = -1;
    if (!dk_log_is_line(line) ||
        sscanf(line, " %9llu.%n%3u%n ms %31s %31s %40s %6s%n", &ms, &first, &us, &digits, l.who, l.other,
               link, verb, &at) != 6 ||
        at < 0 || digits - first != 3 || line[at] != ' ')
        return none;
    l.time_us = ms * 1000 + us;
    l.rest = line + at + 1;
    if (strcmp(link, "-") != 0 && ble_address_read(link, &address))
        return "no address of a link (\"4A1122334455/random\")";
    text_copy(l.address, sizeof l.address, strcmp(link, "-") == 0 ? "" : link);
    const char *why = NULL;
    if (strcmp(verb, "tries") == 0)
        why = read_tries(&l);
    else if (!read_kind(verb, &l.kind))
        return none;
    if (!why && l.kind >= DK_LOG_TELLS)
        why = check_words(&l);
    else if (!why && !*l.address)
        why = "an SDU goes over a link, and has its address";
    if (!why)
        *out = l;
    return why;
}

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

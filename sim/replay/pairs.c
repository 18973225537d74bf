/* An SDU stands in the log twice, where it leaves and where it arrives. What a link has lost has one line;
 * two that differ have been changed since, and the one that is not played would not be missed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/replay/player.h"

#define AIR "air" /* one talk, however many links */

static const struct record_item *item(const struct player *p, size_t at)
{
    return &p->record->items[at];
}

static bool is_way(const struct record_item *left, const struct record_item *came)
{
    return left->kind == RECORD_LEAVES && strcmp(left->who, came->what) == 0 &&
           strcmp(left->what, came->who) == 0;
}

static bool is_tested(const struct player *p, const struct record_item *i)
{
    for (size_t k = 0; k < p->scenario->member_count; k++)
        if (p->lives[k] && (strcmp(p->scenario->members[k].name, i->who) == 0 ||
                            strcmp(p->scenario->members[k].name, i->what) == 0))
            return true;
    return false;
}

/* The first of those that are still to arrive: the same, or any. The record's count: none. */
static size_t find(const struct player *p, const bool *paired, const struct record_item *came, bool same)
{
    size_t i = 0;
    while (i < p->record->count &&
           (paired[i] || !is_way(item(p, i), came) || (same && !span_equal(item(p, i)->bytes, came->bytes))))
        i++;
    return i;
}

static void report(struct player *p, struct compare *apart, size_t left, const struct record_item *came)
{
    char text[COMPARE_TEXT] = "", name[COMPARE_TEXT], told[COMPARE_TEXT];
    static const char now[] = " in the record, now ";
    compare_sdu(apart, AIR, item(p, left)->bytes, came->bytes, text);
    char *at = strstr(text, now);
    if (at)
        *at = '\0';
    compare_name_sdu(apart, AIR, came->bytes, name);
    snprintf(told, sizeof told, "%.160s where it leaves, %.60s where it reaches %s (line %u)", text,
             at ? at + strlen(now) : "otherwise", came->who, came->line);
    player_find(p, COMPARE_DIFFERENT, left, name, told);
}

void pairs_check(struct player *p)
{
    size_t n = p->record->count;
    struct compare apart = {.exact = true};
    bool *paired = calloc(n + 1, sizeof *paired);
    if (!paired)
        abort();
    for (size_t i = 0; i < n; i++) {
        size_t left = item(p, i)->kind == RECORD_REACHES ? find(p, paired, item(p, i), true) : n;
        if (left < n)
            paired[left] = paired[i] = true;
    }
    for (size_t i = 0; i < n; i++) {
        if (item(p, i)->kind == RECORD_REACHES)
            compare_played_sdu(&apart, AIR, item(p, i)->bytes);
        if (item(p, i)->kind != RECORD_REACHES || paired[i] || !is_tested(p, item(p, i)))
            continue;
        size_t left = find(p, paired, item(p, i), false); /* none: the other end kept no log */
        if (left < n) {
            paired[left] = true;
            report(p, &apart, left, item(p, i));
        }
    }
    free(paired);
}

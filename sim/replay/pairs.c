/* An SDU stands in the log twice, where it leaves and where it arrives. What a link has lost has one line;
 * two that differ have been changed since, and the one that is not played would not be missed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/replay/player.h"
#include "sim/run/dk_pairs.h"

#define AIR "air" /* one talk, however many links */

static const struct record_item *item(const struct player *p, size_t at)
{
    return &p->record->items[at];
}

static bool is_tested(const struct player *p, const struct record_item *i)
{
    for (size_t k = 0; k < p->scenario->member_count; k++)
        if (p->lives[k] && (strcmp(p->scenario->members[k].name, i->who) == 0 ||
                            strcmp(p->scenario->members[k].name, i->what) == 0))
            return true;
    return false;
}

/* Of an SDU that arrives, the one that left: the record's count, none. Of one that leaves, the reverse. */
static void keep_pair(void *ctx, size_t left, size_t came)
{
    size_t *other = ctx;
    other[left] = came;
    other[came] = left;
}

/* Those without a pair, by their bytes or by their way alone. */
static void find(const struct player *p, size_t *other, bool same)
{
    size_t n = p->record->count, count = 0;
    struct dk_pair *list = calloc(n + 1, sizeof *list);
    if (!list)
        abort();
    for (size_t i = 0; i < n; i++) {
        const struct record_item *x = item(p, i);
        bool came = x->kind == RECORD_REACHES;
        if (other[i] == n && (came || (x->kind == RECORD_LEAVES && !x->refused)))
            list[count++] = (struct dk_pair){.from = came ? x->what : x->who,
                                             .to = came ? x->who : x->what,
                                             .bytes = same ? x->bytes : span_of(NULL, 0),
                                             .at = i,
                                             .came = came};
    }
    dk_pairs_find(list, count, keep_pair, other);
    free(list);
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
    size_t *other = malloc((n + 1) * sizeof *other);
    bool *same = calloc(n + 1, sizeof *same);
    if (!other || !same)
        abort();
    for (size_t i = 0; i < n; i++)
        other[i] = n;
    find(p, other, true);
    for (size_t i = 0; i < n; i++)
        same[i] = other[i] < n;
    find(p, other, false); /* none even so: the other end kept no log */
    for (size_t i = 0; i < n; i++) {
        if (item(p, i)->kind != RECORD_REACHES)
            continue;
        compare_played_sdu(&apart, AIR, item(p, i)->bytes);
        if (!same[i] && other[i] < n && is_tested(p, item(p, i)))
            report(p, &apart, other[i], item(p, i));
    }
    free(same);
    free(other);
}

/* under_faults: what a run is to come to when faults were drawn for it, and what people do on the way. */
#include <string.h>

#include "sim/language/language.h"

#define EVERY_MIN_US     1000000u
#define EVERY_MAX_US     3600000000u
#define DEFAULT_EVERY_US 30000000u
#define DEFAULT_ROUNDS   3
#define ROUNDS_MAX       20

static bool check_goal(const struct expect *e, const struct tree *y, struct tree_problem *p)
{
    static const char *const useless[] = {"path", "any_order", "within", NULL};
    if (e->kind == EXPECT_COUNT)
        return tree_bad(p, y->at, "here go message, step, event, shows, rejected and state");
    for (size_t i = 0; useless[i]; i++)
        if (tree_get(y, useless[i]))
            return tree_bad(p, tree_get(y, useless[i])->at, "under faults there is no \"%s\"", useless[i]);
    return true;
}

static bool read_goals(struct expect *out, size_t *count, const struct tree *y, const char *what,
                       struct tree_problem *p)
{
    if (!tree_list(y, 1, SCENARIO_GOALS, "goal and clean_ends must be lists", p))
        return false;
    for (size_t i = 0; i < y->count; i++) {
        struct expect *e = &out[(*count)++];
        if (!read_expectation(e, y->items[i], what, p) || !check_goal(e, y->items[i], p))
            return false;
    }
    return true;
}

static bool read_goal(void *out, const struct tree *y, struct tree_problem *p)
{
    struct under_faults *u = out;
    return read_goals(u->goal, &u->goal_count, y, "a goal", p);
}

static bool read_ends(void *out, const struct tree *y, struct tree_problem *p)
{
    struct under_faults *u = out;
    return read_goals(u->ends, &u->end_count, y, "a clean end", p);
}

/* The calls need the whole scenario: read_under_faults reads them. */
static bool read_repeat(void *out, const struct tree *y, struct tree_problem *p)
{
    (void)out;
    return tree_list(y, 1, SCENARIO_ACTIONS, "repeat must be a list of calls", p);
}

const struct tree_key under_faults_keys[] = {
    PART("goal", read_goal, .required = true),
    PART("clean_ends", read_ends),
    PART("repeat", read_repeat),
    KEY("every", us, struct under_faults, every_us, .min = EVERY_MIN_US, .max = EVERY_MAX_US),
    KEY("rounds", count, struct under_faults, rounds, .min = 1, .max = ROUNDS_MAX),
    END_OF_KEYS,
};

static bool read_repeats(struct scenario *s, const struct tree *y, struct tree_problem *p)
{
    struct under_faults *u = &s->under_faults;
    for (size_t i = 0; y && i < y->count; i++) {
        struct action *a = &u->repeats[u->repeat_count++];
        if (!read_action(s, y->items[i], a, p))
            return false;
        if (a->when.step[0])
            return tree_bad(p, tree_get(y->items[i], "at")->at,
                            "what is repeated goes by time alone: take \"after\"");
    }
    return true;
}

static void begin(struct under_faults *u)
{
    *u = (struct under_faults){.every_us = DEFAULT_EVERY_US, .rounds = DEFAULT_ROUNDS};
}

bool read_under_faults(void *out, const struct tree *y, struct tree_problem *p)
{
    struct scenario *s = out;
    begin(&s->under_faults);
    s->under_faults.given = true;
    return tree_read_map(y, "under_faults", under_faults_keys, &s->under_faults, p) &&
           read_repeats(s, tree_get(y, "repeat"), p);
}

static void add_goal(struct under_faults *u, const struct expect *e)
{
    if (u->goal_count == SCENARIO_GOALS)
        return;
    struct expect *goal = &u->goal[u->goal_count++];
    *goal = *e;
    if (goal->kind == EXPECT_PATH) {
        goal->kind = EXPECT_EVENT;
        text_copy(goal->component, sizeof goal->component, e->path[0]);
    }
    goal->within_us = 0;
    goal->field_count = 0;
}

void under_faults_default(struct scenario *s)
{
    const struct expect *last = NULL;
    begin(&s->under_faults);
    for (size_t i = 0; i < s->expect_count; i++) {
        const struct expect *e = &s->expects[i];
        if (e->kind == EXPECT_STATE)
            add_goal(&s->under_faults, e);
        else if (e->kind != EXPECT_COUNT && !e->any_order)
            last = e;
    }
    if (last)
        add_goal(&s->under_faults, last);
}

/* do: how far away from each other two devices of a medium with distances are, and what is between them. */
#include <stdio.h>
#include <string.h>

#include "lib/media/media.h"
#include "sim/language/language.h"

#define DISTANCE_MAX_CM 100000
#define LOSS_MAX        90
#define DELAY_MAX_MS    10000

struct distance_reading {
    struct action action;
    char from[ENV_NAME_MAX], to[ENV_NAME_MAX];
    unsigned distance_cm, loss;
    uint32_t delay_ms;
    bool relay, jammed;
};

/* "40 m", "30 cm" */
static bool read_distance(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    char text[TREE_TEXT_MAX + 1];
    if (!tree_text(y, text, sizeof text, p))
        return false;
    size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits + (text[digits] == ' ');
    bool metres = strcmp(unit, "m") == 0;
    unsigned number = 0, cm;
    for (size_t i = 0; i < digits && i < 7; i++)
        number = 10 * number + (unsigned)(text[i] - '0');
    cm = metres ? 100 * number : number;
    if (digits == 0 || digits > 6 || (!metres && strcmp(unit, "cm") != 0) || cm > k->max)
        return tree_bad(p, y->at,
                        "\"%.40s\" is not a distance; write it like \"40 m\" or \"30 cm\", at most %llu m",
                        text, (unsigned long long)k->max / 100);
    *(unsigned *)at = cm;
    return true;
}

static void print_distance(const struct tree_key *k, const void *at, char *out, size_t cap)
{
    (void)k;
    snprintf(out, cap, "%u", *(const unsigned *)at);
}

static const struct key_kind key_distance = {"distance", read_distance, print_distance, "_cm"};

const struct tree_key distance_keys[] = {
    KEY("distance", distance, struct distance_reading, distance_cm, .max = DISTANCE_MAX_CM, .required = true),
    KEY("from", member, struct distance_reading, from, .required = true),
    KEY("to", member, struct distance_reading, to, .required = true),
    KEY("loss", count, struct distance_reading, loss, .max = LOSS_MAX),
    KEY("delay", ms, struct distance_reading, delay_ms, .max = DELAY_MAX_MS),
    KEY("relay", flag, struct distance_reading, relay),
    KEY("jammed", flag, struct distance_reading, jammed),
    KEY("at", step, struct distance_reading, action.when.step),
    KEY("after", us, struct distance_reading, action.when.after_us, .max = TREE_DURATION_MAX_US),
    END_OF_KEYS};

/* The listening end keeps the way. */
static bool find_way(const struct scenario *s, const struct member *asks, const struct member *listens,
                     struct action *a)
{
    for (unsigned i = 0; asks->class && listens->class && i < asks->class->port_count; i++) {
        const struct port_spec *port = &asks->class->ports[i];
        if (!medium_find(media, port->medium)->distances ||
            !medium_reaches(asks->class, asks->group, port, listens->class, listens->group, &a->port))
            continue;
        a->member = (size_t)(listens - s->members);
        a->other = (size_t)(asks - s->members);
        return true;
    }
    return false;
}

bool read_distance_action(const struct scenario *s, const struct tree *y, struct action *out,
                          struct tree_problem *p)
{
    struct distance_reading r = {.loss = 0};
    if (!tree_read_map(y, "the distance", distance_keys, &r, p))
        return false;
    const struct member *from = scenario_member(s, r.from), *to = scenario_member(s, r.to);
    if (!find_way(s, from, to, &r.action) && !find_way(s, to, from, &r.action))
        return tree_bad(p, y->at, "%s and %s have no link of a medium with distances", r.from, r.to);
    r.action.moves = true;
    snprintf(r.action.way, sizeof r.action.way, "%u %u %u %u %u", r.distance_cm, r.loss, 1000 * r.delay_ms,
             r.relay, r.jammed);
    *out = r.action;
    return true;
}

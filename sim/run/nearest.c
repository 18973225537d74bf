#include <stdio.h>
#include <string.h>

#include "sim/run/failures.h"

#define DIFFERENCES 190

/* What an expectation may ask of an event. */
enum trait { OF_STEP, OF_MESSAGE, OF_KIND, OF_COMPONENT, OF_PEER, OF_REASON, OF_DETAIL, TRAITS };

static const struct {
    const char *word; /* before what the event has */
    unsigned weight;  /* how much agreement in it says */
} traits[TRAITS] = {
    [OF_STEP] = {"step ", 8},     [OF_MESSAGE] = {"message ", 8}, [OF_KIND] = {"event ", 3},
    [OF_COMPONENT] = {"by ", 4},  [OF_PEER] = {"to ", 2},         [OF_REASON] = {"reason ", 4},
    [OF_DETAIL] = {"detail ", 2},
};

/* What is asked; NULL when nothing is. */
static const char *asked(const struct expect *x, enum trait t)
{
    const char *texts[TRAITS] = {[OF_STEP] = x->step,
                                 [OF_MESSAGE] = x->message,
                                 [OF_COMPONENT] = x->component,
                                 [OF_PEER] = x->peer,
                                 [OF_DETAIL] = x->field_count ? x->fields[0] : x->detail};
    if (t == OF_KIND)
        return x->event == TRACE_KINDS ? NULL : trace_kind_name(x->event);
    if (t == OF_REASON)
        return x->reason < 0 ? NULL : err_name((enum err)x->reason);
    return texts[t] && *texts[t] ? texts[t] : NULL;
}

static const char *shown(const struct trace_event *e, enum trait t)
{
    const char *texts[TRAITS] = {[OF_STEP] = e->step,
                                 [OF_MESSAGE] = e->message,
                                 [OF_KIND] = trace_kind_name((enum trace_kind)e->kind),
                                 [OF_COMPONENT] = e->component,
                                 [OF_PEER] = e->peer,
                                 [OF_REASON] = e->reason ? err_name((enum err)e->reason) : "",
                                 [OF_DETAIL] = e->detail};
    return texts[t];
}

/* The expectation with all but one trait taken out says whether the event has that one. */
static bool agrees(const struct expect *x, const struct trace_event *e, enum trait t)
{
    struct expect one = {.event = TRACE_KINDS, .reason = -1};
    if (t == OF_DETAIL) {
        one.event = (enum trace_kind)e->kind;
        memcpy(one.detail, x->detail, sizeof one.detail);
        one.detail_whole = x->detail_whole;
        memcpy(one.fields, x->fields, sizeof one.fields);
        one.field_count = x->field_count;
        return match_event(&one, e);
    }
    return strcmp(asked(x, t), shown(e, t)) == 0;
}

static unsigned score(const struct expect *x, const struct trace_event *e)
{
    unsigned sum = 0;
    bool about = !x->step[0] && !x->message[0];
    for (enum trait t = 0; t < TRAITS; t++) {
        if (!asked(x, t) || !agrees(x, e, t))
            continue;
        sum += traits[t].weight;
        about |= t == OF_STEP || t == OF_MESSAGE;
    }
    return about ? sum : 0;
}

static size_t add_difference(char *out, size_t cap, size_t used, const char *word, const char *has,
                             const char *wanted)
{
    int n = snprintf(out + used, cap - used, "%s%s%.60s, not %.60s", used ? "; " : "", word,
                     *has ? has : "without", wanted);
    return n < 0 || (size_t)n >= cap - used ? cap - 1 : used + (size_t)n;
}

static void tell_differences(const struct expect *x, const struct trace_event *e, bool early,
                             char out[DIFFERENCES])
{
    size_t used = 0;
    out[0] = '\0';
    for (enum trait t = 0; t < TRAITS && used < DIFFERENCES - 1; t++)
        if (asked(x, t) && !agrees(x, e, t))
            used = add_difference(out, DIFFERENCES, used, traits[t].word, shown(e, t), asked(x, t));
    if (!out[0])
        text_copy(out, DIFFERENCES,
                  early ? "but before what was expected before it" : "but it did not go that way");
}

void event_tell(const struct trace_event *e, char out[EVENT_TEXT])
{
    snprintf(out, EVENT_TEXT, "%s%s%s%s%s %s%s%s%s%s%s at %.1f ms", e->step, e->step[0] ? " " : "",
             e->component, e->peer[0] ? " -> " : "", e->peer, trace_kind_name((enum trace_kind)e->kind),
             e->message[0] ? " " : "", e->message, e->reason ? " (" : "",
             e->reason ? err_name((enum err)e->reason) : "", e->reason ? ")" : "", (double)e->time_us / 1e3);
}

bool nearest_event(const struct run *r, const struct expect *x, size_t from, char out[NEAREST_TEXT])
{
    size_t best = r->event_count;
    unsigned best_score = 0;
    char differs[DIFFERENCES], event[EVENT_TEXT];
    for (size_t i = 0; i < r->event_count; i++) {
        unsigned s = score(x, &r->events[i]);
        bool later = best < from && i >= from; /* of two that are as near, the one in its turn */
        if (s > best_score || (s && s == best_score && later)) {
            best = i;
            best_score = s;
        }
    }
    if (best == r->event_count)
        return false;
    const struct trace_event *e = &r->events[best];
    tell_differences(x, e, best < from, differs);
    event_tell(e, event);
    snprintf(out, NEAREST_TEXT, "%s: %s", event, differs);
    return true;
}

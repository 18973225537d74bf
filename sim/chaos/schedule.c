#include "sim/chaos/schedule.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "sim/language/language.h"

bool schedule_upset(const struct component_class *class, unsigned *away, unsigned *back)
{
    return class && class->upset && component_call(class, class->upset->away, away) &&
           component_call(class, class->upset->back, back);
}

static void add_fault(struct scenario *out, const struct disturbance *d)
{
    size_t at = out->faults.count;
    if (at == FAULT_MAX)
        return;
    struct fault *f = &out->faults.faults[at];
    *f = d->fault;
    f->number = (unsigned)at + 1;
    f->late = f->kind == FAULT_KILL && d->after_us;
    f->seen = 0;
    out->fault_after_us[at] = d->after_us;
    out->faults.count++;
}

void schedule_apply(const struct scenario *s, const struct schedule *from, struct scenario *out)
{
    *out = *s;
    out->faults = (struct fault_plan){0};
    for (size_t i = 0; i < from->count; i++) {
        const struct disturbance *d = &from->items[i];
        if (!d->upset) {
            add_fault(out, d);
        } else if (out->action_count + 2 <= SCENARIO_ACTIONS + SCENARIO_UPSETS) {
            out->actions[out->action_count++] = d->away;
            out->actions[out->action_count++] = d->back;
        }
    }
}

/* ---- writing ---- */

static void print_text(FILE *out, const char *name, const char *text)
{
    bool plain = *text;
    for (const char *p = text; *p; p++)
        plain = plain && (isalpha((unsigned char)*p) || strchr("_/-.", *p) ||
                          (p > text && isdigit((unsigned char)*p)));
    fprintf(out, "%s: %s%s%s", name, plain ? "" : "\"", text, plain ? "" : "\"");
}

static void print_us(FILE *out, const char *name, uint64_t us)
{
    if (us)
        fprintf(out, ", %s: %llu %s", name, (unsigned long long)(us % 1000 ? us : us / 1000),
                us % 1000 ? "us" : "ms");
}

static void print_ms(FILE *out, const char *name, uint32_t ms)
{
    fprintf(out, ", %s: %u ms", name, ms);
}

static void print_nth(FILE *out, unsigned nth)
{
    if (nth == FAULT_ALWAYS)
        fputs(", nth: each", out);
    else
        fprintf(out, ", nth: %u", nth);
}

static void print_moment(FILE *out, const char *step, uint64_t after_us)
{
    fprintf(out, ", at: %s", *step ? step : "start");
    print_us(out, "after", after_us);
}

static void print_of_messages(FILE *out, const struct fault *f)
{
    print_text(out, "message", f->message);
    print_text(out, ", link", f->link);
    print_nth(out, f->nth);
    if (f->kind == FAULT_REPEAT)
        fprintf(out, ", times: %u, after: %u ms", f->times, f->delay_ms);
    if (f->kind == FAULT_DELAY)
        print_ms(out, "by", f->delay_ms);
    if (f->kind == FAULT_CORRUPT)
        fprintf(out, ", byte: %u", f->byte);
}

static void print_fault(FILE *out, const struct disturbance *d)
{
    const struct fault *f = &d->fault;
    fprintf(out, "  - %s: {", fault_kind_name(f->kind));
    if (f->kind < FAULT_KILL) {
        print_of_messages(out, f);
    } else if (f->kind == FAULT_REFUSE) {
        print_text(out, "component", f->component);
        print_nth(out, f->nth);
        fprintf(out, ", times: %u", f->times);
    } else {
        if (f->kind == FAULT_CUT) {
            print_text(out, "link", f->link);
            fputs(", ", out);
        }
        print_text(out, "component", f->component);
        print_moment(out, f->step, d->after_us);
        print_ms(out, f->kind == FAULT_CUT ? "heal_after" : "restart_after", f->delay_ms);
    }
    fputs("}\n", out);
}

static void print_value(FILE *out, const struct parameter_spec *spec, const struct call_value *v)
{
    char text[64];
    if (spec->kind == PARAMETER_WORD) {
        text_copy(text, sizeof text, spec->words[v->number]);
    } else if (spec->kind == PARAMETER_NUMBER || spec->kind == PARAMETER_DURATION) {
        fprintf(out, ", %s: %llu%s", spec->name, (unsigned long long)v->number,
                spec->kind == PARAMETER_DURATION ? " us" : "");
        return;
    } else if (!v->text[0]) {
        return;
    } else {
        text_copy(text, sizeof text, v->text);
    }
    fputs(", ", out);
    print_text(out, spec->name, text);
}

static void print_action(FILE *out, const struct scenario *s, const struct action *a)
{
    const struct member *m = &s->members[a->member];
    const struct call_spec *call = &m->class->calls[a->call];
    fprintf(out, "  - {call: %s, to: %s", call->name, m->name);
    for (size_t i = 0; i < component_parameters(call); i++)
        print_value(out, &call->parameters[i], &a->values[i]);
    print_moment(out, a->when.step, a->when.after_us);
    fputs("}\n", out);
}

void schedule_print(const struct scenario *s, const struct schedule *from, FILE *out)
{
    const char *head = "faults:\n";
    for (size_t i = 0; i < from->count; i++)
        if (!from->items[i].upset) {
            fputs(head, out);
            head = "";
            print_fault(out, &from->items[i]);
        }
    head = "do:\n";
    for (size_t i = 0; i < from->count; i++)
        if (from->items[i].upset) {
            fputs(head, out);
            head = "";
            print_action(out, s, &from->items[i].away);
            print_action(out, s, &from->items[i].back);
        }
}

/* ---- reading ---- */

static const struct tree_key keys[] = {PART("faults", read_faults), PART("do", read_do), END_OF_KEYS};

static bool is_pair(const struct scenario *s, const struct action *a)
{
    unsigned away, back;
    return a[0].member == a[1].member && schedule_upset(s->members[a->member].class, &away, &back) &&
           a[0].call == away && a[1].call == back;
}

static bool gather(const struct scenario *read, struct schedule *out, struct tree_problem *p)
{
    *out = (struct schedule){0};
    for (size_t i = 0; i < read->faults.count; i++)
        out->items[out->count++] =
            (struct disturbance){.fault = read->faults.faults[i], .after_us = read->fault_after_us[i]};
    for (size_t i = 0; i < read->action_count; i += 2) {
        if (i + 1 == read->action_count || !is_pair(read, &read->actions[i]))
            return tree_bad(p, (struct tree_mark){read->actions[i].line, 1},
                            "do of a schedule takes something away and puts it back, in pairs");
        if (i / 2 == SCHEDULE_UPSETS || out->count == SCHEDULE_MAX)
            return tree_bad(p, (struct tree_mark){read->actions[i].line, 1}, "the schedule is too long");
        out->items[out->count++] =
            (struct disturbance){.upset = true, .away = read->actions[i], .back = read->actions[i + 1]};
    }
    return true;
}

bool schedule_read(const char *file, const struct scenario *s, struct schedule *out,
                   struct tree_problem *problem)
{
    struct tree *y = tree_load(file, problem);
    struct scenario *read = malloc(sizeof *read);
    if (!read)
        abort();
    *read = *s;
    read->action_count = read->faults.count = 0;
    language_begin(read);
    bool ok = y && tree_read_map(y, "a schedule", keys, read, problem) && gather(read, out, problem);
    tree_free(y);
    free(read);
    return ok;
}

#include "sim/replay/replay.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/virtual.h"
#include "lib/host/work_memo.h"
#include "lib/media/media.h"
#include "sim/replay/player.h"
#include "sim/replay/visits.h"
#include "sim/run/run.h"
#include "sim/world/past.h"
#include "sim/world/world.h"

/* ---- who, and what ---- */

static bool mark(struct player *p, const char *name, size_t len, char problem[RECORD_PROBLEM])
{
    const struct scenario *s = p->scenario;
    for (size_t i = 0; i < s->member_count; i++)
        if (s->members[i].class && strlen(s->members[i].name) == len &&
            strncmp(s->members[i].name, name, len) == 0)
            return p->lives[i] = true;
    char shown[80], text[64];
    snprintf(text, sizeof text, "%.*s", (int)(len < 60 ? len : 60), name);
    text_shown(shown, sizeof shown, text);
    snprintf(problem, RECORD_PROBLEM, "--alone: nobody in %s is called \"%s\"", s->name, shown);
    return false;
}

static bool mark_all(struct player *p, const char *list, char problem[RECORD_PROBLEM])
{
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (!mark(p, at, strcspn(at, ","), problem))
            return false;
    return true;
}

/* Beside the first file, when its run has left one. */
static bool read_trace(struct record *r, const char *file, char problem[RECORD_PROBLEM])
{
    const char *slash = strrchr(file, '/');
    int n = snprintf(r->trace_path, sizeof r->trace_path, "%.*strace.jsonl",
                     slash ? (int)(slash + 1 - file) : 0, file);
    return n >= (int)sizeof r->trace_path || record_read_trace(r, problem);
}

static bool read_all(struct record *r, const struct scenario *s, const struct replay_options *o,
                     char problem[RECORD_PROBLEM])
{
    for (size_t i = 0; i < o->file_count; i++)
        if (!record_read(r, o->files[i], VIRTUAL_EPOCH_MS * 1000, problem))
            return false;
    const bool real = r->foreign_clock;
    if (!read_trace(r, o->files[0], problem))
        return false;
    if (real && r->apdus) {
        snprintf(
            problem, RECORD_PROBLEM,
            "frames and APDUs of a run in real time: a bus takes longer here than it did there, and a card "
            "would answer before it was asked: give one of the files");
        return false;
    }
    if (r->foreign_clock && r->air) {
        snprintf(problem, RECORD_PROBLEM,
                 "frames and Bluetooth of a run in real time have two clocks, and no trace.jsonl beside the "
                 "first file joins them: give one of the files");
        return false;
    }
    record_sort(r);
    visits_from_outside(s, r);
    record_sort(r);
    return true;
}

/* ---- telling ---- */

/* Names come from the record and its file. */
static void tell(FILE *out, const struct player_finding *f)
{
    char text[sizeof f->text], file[NAME_MAX + 1];
    const char *name = f->file && strrchr(f->file, '/') ? strrchr(f->file, '/') + 1 : f->file;
    fprintf(out, "%-10s ", f->result == COMPARE_DIFFERENT ? "differs" : "explained");
    text_shown(file, sizeof file, name ? name : "");
    text_shown(text, sizeof text, f->text);
    if (f->line)
        fprintf(out, "%s:%u  ", file, f->line);
    fprintf(out, "%s\n", text);
}

static void tell_all(FILE *out, const struct player *p, enum compare_result result)
{
    for (size_t i = 0; i < p->finding_count; i++)
        if (p->findings[i].result == result)
            tell(out, &p->findings[i]);
}

/* The first of its links of which no run keeps a log; NULL: none. */
static const char *find_unrecorded(const struct member *m)
{
    for (unsigned i = 0; m->class && i < m->class->port_count; i++) {
        const struct medium *medium = medium_find(media, m->class->ports[i].medium);
        if (medium && !medium->frames && !medium_talks(medium))
            return m->class->ports[i].name;
    }
    return NULL;
}

/* What may be behind the differences, and is in no file. */
static void tell_notes(FILE *out, const struct player *p)
{
    for (size_t i = 0; i < p->scenario->member_count; i++) {
        const struct member *m = &p->scenario->members[i];
        const char *link = p->lives[i] ? find_unrecorded(m) : NULL;
        if (link)
            fprintf(out,
                    "note: %s speaks by \"%s\", too; what passes there is in no record and is not played\n",
                    m->name, link);
    }
    if (p->record->foreign_clock)
        fprintf(out,
                "note: a log of frames of real time has no clock in common with trace.jsonl: when people "
                "called is guessed\n");
}

static void report(FILE *out, const struct player *p, const struct replay_options *o)
{
    tell_all(out, p, COMPARE_DIFFERENT);
    if (o->verbose)
        tell_all(out, p, COMPARE_EXPLAINED);
    if (p->findings_lost)
        fprintf(out, "and %zu more\n", p->findings_lost);
    if (p->different)
        tell_notes(out, p);
    if (p->compare.beyond)
        fprintf(out, "ends here: %s\n", p->compare.why);
    fprintf(out, "%s  %s against %s: %zu messages compared, %zu the same, %zu explained, %zu unexplained",
            p->different ? "FAIL" : "PASS", p->scenario->name, o->alone, p->compared, p->same, p->explained,
            p->different);
    fprintf(out, "; %zu not comparable; %zu played\n", p->open, p->played);
}

static void keep_result(const struct player *p, struct replay_result *out)
{
    *out = (struct replay_result){.compared = p->compared,
                                  .same = p->same,
                                  .explained = p->explained,
                                  .different = p->different,
                                  .open = p->open,
                                  .played = p->played};
    for (size_t i = 0; i < p->finding_count; i++)
        if (p->findings[i].result == COMPARE_DIFFERENT) {
            text_copy(out->first, sizeof out->first, p->findings[i].text);
            return;
        }
}

/* ---- running ---- */

/* Its people are played, too; what it expects is not looked at. */
static struct scenario *without_deeds(const struct scenario *s)
{
    struct scenario *bare = malloc(sizeof *bare);
    if (!bare)
        abort();
    *bare = *s;
    bare->action_count = bare->expect_count = bare->never_count = 0;
    bare->faults.count = 0;
    return bare;
}

static bool live(struct player *p, const struct replay_options *o, char problem[RECORD_PROBLEM])
{
    struct scenario *bare = without_deeds(p->scenario);
    struct run *r = calloc(1, sizeof *r);
    struct work_memo *memo = work_memo_new();
    const struct run_options options = {.world = WORLD_VIRTUAL,
                                        .seed = o->seed,
                                        .quiet = true,
                                        .memo = memo,
                                        .trial = &p->trial,
                                        .players = &p->players};
    if (!r)
        abort();
    world_run(r, bare, &options);
    bool ok = p->over;
    if (!ok)
        snprintf(problem, RECORD_PROBLEM, "the run came to no end: %.300s",
                 r->failure_count ? r->failures[0] : "no reason is known");
    run_free(r);
    free(r);
    free(bare);
    work_memo_free(memo);
    past_forget();
    return ok;
}

bool replay_run(const struct scenario *s, const struct replay_options *o, FILE *out,
                struct replay_result *result, char problem[RECORD_PROBLEM])
{
    struct record record = {0};
    struct player *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    p->scenario = s;
    p->record = &record;
    p->at_pace = o->at_pace;
    p->compare.exact = o->exact;
    bool ok = mark_all(p, o->alone, problem) && read_all(&record, s, o, problem) &&
              player_prepare(p, problem) && live(p, o, problem);
    if (ok) {
        report(out, p, o);
        keep_result(p, result);
    }
    player_free(p);
    free(p);
    record_free(&record);
    return ok;
}

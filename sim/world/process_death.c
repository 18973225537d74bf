/* Why a process ended: from its exit, its trace and its log. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "sim/world/process_setup.h"

/* The line with which an assertion ended the component, if one did. */
static bool find_broken_promise(const char *log, char line[240])
{
    FILE *f = fopen(log, "re");
    bool found = false;
    char text[240];
    while (f && fgets(text, sizeof text, f))
        if (strstr(text, ": Assertion `")) {
            text[strcspn(text, "\n")] = '\0';
            memcpy(line, text, sizeof text);
            found = true;
        }
    if (f)
        fclose(f);
    return found;
}

/* With what it gave up, or what its log ends with beside its trace; "" for nothing. */
void process_last_words(const struct process_world *w, const char *name, const char *log, char words[240])
{
    char line[240];
    struct statvfs disk;
    words[0] = '\0';
    for (size_t i = w->run->event_count; i-- > 0;) {
        const struct trace_event *e = &w->run->events[i];
        if (strcmp(e->component, name) != 0)
            continue;
        if (e->kind == TRACE_FAIL)
            snprintf(words, 240, "%s (%s) %s", err_text((enum err)e->reason), err_name((enum err)e->reason),
                     e->detail);
        break;
    }
    FILE *f = words[0] ? NULL : fopen(log, "re");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        bool traced = strlen(line) > 14 && strncmp(line + 9, " ms  ", 5) == 0;
        if (line[0] && !traced)
            memcpy(words, line, sizeof line);
    }
    if (f)
        fclose(f);
    if (!words[0] && statvfs(w->run->options->out, &disk) == 0 && disk.f_bavail == 0)
        text_copy(words, 240, "the disk of its records is full");
}

/* Of several that end together the first is mostly the reason of the others. */
void process_explain_death(struct process_world *w, struct child *c, int code, int status, uint64_t at_us)
{
    char log[760], words[240];
    enum failure_rank rank = w->deaths++ ? FAILURE_AFTER : FAILURE_WORLD;
    process_setup_log(w, c->name, log, sizeof log);
    if (code != CLD_EXITED && status == SIGABRT && find_broken_promise(log, words)) {
        run_fail(w->run, "%s broke a promise between our own parts: %s", c->name, words);
    } else if (code == CLD_EXITED) {
        process_last_words(w, c->name, log, words);
        run_fail_as(w->run, rank, "%s ended by itself with exit code %d%s%s; see %s", c->name, status,
                    words[0] ? ": " : "", words, log);
    } else {
        run_fail_as(w->run, rank, "%s crashed with %s at %.1f ms; see %s", c->name, spawn_signal_name(status),
                    (double)at_us / 1e3, log);
    }
    w->give_up = !w->run->open || c->is_zygote; /* a person can start it again */
}

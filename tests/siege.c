#include "tests/siege.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS_FIRST 2

/* ---- processes ---- */

static bool read_text(const char *path, char *out, size_t cap)
{
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(out, 1, cap - 1, f) : 0;
    out[n] = '\0';
    if (f)
        fclose(f);
    return n > 0;
}

/* "VmHWM:	    8108 kB" */
static long field_of(pid_t pid, const char *field)
{
    char path[60], text[4000];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    const char *at = read_text(path, text, sizeof text) ? strstr(text, field) : NULL;
    return at ? strtol(at + strlen(field), NULL, 10) : -1;
}

static bool is_ours(const struct siege *s, pid_t pid)
{
    for (int depth = 0; depth < 3 && pid > 1; depth++, pid = (pid_t)field_of(pid, "\nPPid:"))
        if (pid == s->run.pid)
            return true;
    return false;
}

void siege_weigh(struct siege *s)
{
    DIR *d = opendir("/proc");
    char path[60];
    s->process_count = 0;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        struct siege_process *p = &s->processes[s->process_count];
        if (pid <= 0 || s->process_count == SIEGE_PROCESSES || !is_ours(s, pid))
            continue;
        *p = (struct siege_process){.pid = pid, .peak_kb = field_of(pid, "VmHWM:")};
        snprintf(path, sizeof path, "/proc/%d/comm", pid);
        if (read_text(path, p->name, sizeof p->name))
            p->name[strcspn(p->name, "\n")] = '\0';
        s->process_count++;
    }
    closedir(d);
}

long siege_grown(struct siege *s, const char **name)
{
    long most = 0;
    *name = "nobody";
    for (size_t i = 0; i < s->process_count; i++) {
        long now_kb = field_of(s->processes[i].pid, "VmHWM:");
        if (now_kb - s->processes[i].peak_kb <= most)
            continue;
        most = now_kb - s->processes[i].peak_kb;
        *name = s->processes[i].name;
    }
    return most;
}

/* ---- the play ---- */

/* "spaaksim.XXXXXX", which the run has made in the test's directory. */
static void find_sockets(struct siege *s)
{
    DIR *d = opendir(s->directory);
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        if (strncmp(e->d_name, "spaaksim.", 9) == 0)
            snprintf(s->sockets, sizeof s->sockets, "%s/%.60s", s->directory, e->d_name);
    closedir(d);
    launch_must(s->sockets[0], "no folder of the run", s->run.text);
}

static void wait_for(struct siege *s, const char *until)
{
    struct launch *l = &s->run;
    char *found;
    while (!(found = strstr(l->text + s->read, until)))
        launch_must(launch_piece(l), until, l->text);
    s->read = (size_t)(found - l->text) + strlen(until);
}

void siege_begin(struct siege *s, const char *program, const char *scenario, const char *until)
{
    char path[100];
    *s = (struct siege){.lines = -1};
    launch_directory(s->directory);
    snprintf(path, sizeof path, "%s/lines", s->directory);
    launch_must(mkfifo(path, 0600) == 0, "mkfifo", path);
    s->score = mmap(NULL, sizeof *s->score, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    launch_must(s->score != MAP_FAILED, "mmap", "");
    setenv("XDG_RUNTIME_DIR", s->directory, 1);
    /* components that are killed on purpose must not look for leaks */
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
    launch_start_program(&s->run, program, "play %s --world process --verbose --out %s/out <%s", scenario,
                         s->directory, path);
    s->lines = open(path, O_WRONLY | O_CLOEXEC);
    wait_for(s, until);
    find_sockets(s);
}

/* However long it takes: a world that is slow is not quiet for this. */
void siege_do(struct siege *s, const char *line, const char *until)
{
    char *found;
    launch_must(dprintf(s->lines, "%s\n", line) > 0, "a line", line);
    while (!(found = strstr(s->run.text + s->read, until))) {
        launch_must(dprintf(s->lines, "run 20 ms\n") > 0, "a line", until);
        launch_must(launch_piece(&s->run), until, s->run.text);
    }
    s->read = (size_t)(found - s->run.text) + strlen(until);
}

void siege_attack(struct siege *s, attack *how, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", s->sockets, name);
    launch_must(access(path, F_OK) == 0, "no such socket", path);
    unsigned before = s->score->rounds;
    s->attackers[s->attacker_count++] = attack_start(how, path, s->score);
    while (s->score->rounds < before + ROUNDS_FIRST) /* the test's own limit ends this */
        poll(NULL, 0, 1);
}

void siege_relieve(struct siege *s)
{
    while (s->attacker_count) {
        pid_t pid = s->attackers[--s->attacker_count];
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
}

int siege_finish(struct siege *s)
{
    launch_must(dprintf(s->lines, "quit\n") > 0, "quit", "");
    close(s->lines);
    return launch_finish(&s->run);
}

void siege_end(struct siege *s)
{
    siege_relieve(s);
    munmap(s->score, sizeof *s->score);
    launch_remove(s->directory);
}

size_t siege_count(struct siege *s, const char *a, const char *b)
{
    char *text = launch_file(s->directory, "out/trace.jsonl"), *rest = text;
    size_t count = 0;
    for (char *line = launch_line(&rest); line; line = launch_line(&rest))
        count += strstr(line, a) && strstr(line, b);
    free(text);
    return count;
}

/* A new exchange begins a new count: each answer that is verified ends one. */
size_t siege_most_retries(struct siege *s)
{
    char *text = launch_file(s->directory, "out/trace.jsonl"), *rest = text, who[40];
    size_t most = 0, now = 0;
    for (char *line = launch_line(&rest); line; line = launch_line(&rest)) {
        bool spaak = strcmp(launch_member(line, "component", who, sizeof who), "spaak") == 0;
        if (spaak && strstr(line, "\"kind\":\"retry\""))
            now++;
        else if (spaak && strstr(line, "\"kind\":\"accept\""))
            now = 0;
        most = now > most ? now : most;
    }
    free(text);
    return most;
}

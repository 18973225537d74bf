#include "tests/launch.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void launch_must(bool ok, const char *what, const char *detail)
{
    if (ok)
        return;
    fprintf(stderr, "%s: %s\n", what, detail);
    abort();
}

void launch_directory(char out[64])
{
    const char *base = getenv("TMPDIR");
    snprintf(out, 64, "%.40s/cards.XXXXXX", base && strlen(base) <= 40 ? base : "/tmp");
    launch_must(mkdtemp(out), "mkdtemp", out);
}

void launch_remove(const char *directory)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    launch_must(system(command) == 0, "system", command);
}

const char *launch_build(void)
{
    const char *build = getenv("SPAAKSIM_BUILD");
    return build ? build : "build";
}

int launch_run(char *out, size_t cap, const char *format, ...)
{
    char command[800] = "exec 2>&1; ";
    size_t used = strlen(command), len = 0;
    va_list args;
    va_start(args, format);
    used += (size_t)vsnprintf(command + used, sizeof command - used, format, args);
    va_end(args);
    launch_must(used < sizeof command, "too long a command", command);
    FILE *f = popen(command, "re");
    launch_must(f != NULL, "popen", command);
    for (int c; (c = fgetc(f)) != EOF;)
        if (len + 1 < cap)
            out[len++] = (char)c;
    out[len] = '\0';
    int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void name_programs(void)
{
    char path[300];
    snprintf(path, sizeof path, "%s/bin/spaaksim", launch_build());
    setenv("S", path, 1);
    snprintf(path, sizeof path, "%s/tests/cards/bin/spaaksim", launch_build());
    setenv("CARDS", path, 1);
}

static void run_shell(struct launch *l, const char *command)
{
    int pipe_fds[2];
    launch_must(pipe2(pipe_fds, O_CLOEXEC) == 0, "pipe2", command);
    name_programs();
    l->len = 0;
    l->text[0] = '\0';
    l->pid = fork();
    if (l->pid == 0) {
        setpgid(0, 0);
        dup2(pipe_fds[1], 1);
        dup2(pipe_fds[1], 2);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    setpgid(l->pid, l->pid); /* so that it has its group when this returns */
    close(pipe_fds[1]);
    l->out = pipe_fds[0];
}

void launch_shell(struct launch *l, const char *format, ...)
{
    char command[1600];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    run_shell(l, command);
}

void launch_start(struct launch *l, const char *format, ...)
{
    char arguments[700], command[800];
    va_list args;
    va_start(args, format);
    vsnprintf(arguments, sizeof arguments, format, args);
    va_end(args);
    snprintf(command, sizeof command, "exec $CARDS %s", arguments);
    run_shell(l, command);
}

void launch_start_program(struct launch *l, const char *program, const char *format, ...)
{
    char arguments[700], command[900];
    va_list args;
    va_start(args, format);
    vsnprintf(arguments, sizeof arguments, format, args);
    va_end(args);
    snprintf(command, sizeof command, "exec '%s'/%s %s", launch_build(), program, arguments);
    run_shell(l, command);
}

bool launch_piece(struct launch *l)
{
    struct pollfd p = {.fd = l->out, .events = POLLIN};
    launch_must(poll(&p, 1, LAUNCH_LIMIT_MS) == 1, "no word for too long", l->text);
    ssize_t n = read(l->out, l->text + l->len, sizeof l->text - 1 - l->len);
    if (n <= 0)
        return false;
    l->len += (size_t)n;
    l->text[l->len] = '\0';
    return true;
}

bool launch_read(struct launch *l, const char *until)
{
    while (!until || !strstr(l->text, until))
        if (!launch_piece(l))
            return false;
    return true;
}

int launch_finish(struct launch *l)
{
    int status;
    launch_read(l, NULL);
    close(l->out);
    launch_must(waitpid(l->pid, &status, 0) == l->pid, "waitpid", l->text);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

pid_t launch_find(pid_t ancestor, const char *name)
{
    DIR *d = opendir("/proc");
    pid_t found = 0;
    for (struct dirent *e = readdir(d); e && !found; e = readdir(d)) {
        pid_t pid = (pid_t)atoi(e->d_name);
        for (pid_t p = pid; p > 1 && !found;) {
            char path[64], comm[32] = "";
            int parent = 0;
            snprintf(path, sizeof path, "/proc/%d/stat", (int)p);
            FILE *f = fopen(path, "r");
            if (!f || fscanf(f, "%*d (%31[^)]) %*c %d", comm, &parent) != 2)
                parent = 0;
            if (f)
                fclose(f);
            if (p == pid && strcmp(comm, name) != 0)
                break;
            if (parent == ancestor)
                found = pid;
            p = parent;
        }
    }
    closedir(d);
    return found;
}

char *launch_file(const char *directory, const char *name)
{
    char path[400], *text = NULL;
    size_t cap = 0;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "re");
    if (f && getdelim(&text, &cap, EOF, f) < 0) {
        free(text); /* it has a place even for nothing */
        text = strdup("");
    }
    if (f)
        fclose(f);
    return text;
}

char *launch_line(char **rest)
{
    char *line = *rest && **rest ? strsep(rest, "\n") : NULL;
    return line && *line ? line : NULL;
}

const char *launch_member(const char *line, const char *name, char *out, size_t cap)
{
    char key[40];
    snprintf(key, sizeof key, "\"%s\":\"", name);
    const char *p = strstr(line, key);
    size_t len = p ? strcspn(p + strlen(key), "\"") : 0;
    snprintf(out, cap, "%.*s", (int)len, p ? p + strlen(key) : "");
    return out;
}

bool launch_has_cryptography(void)
{
    char out[200];
    if (launch_run(out, sizeof out, "python3 -c 'import cryptography' 2>&1") == 0)
        return true;
    fprintf(stderr, "SKIPPED: the examples did not run: python3-cryptography is missing\n");
    return false;
}

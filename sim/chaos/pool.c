#include "sim/chaos/pool.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/run/folder.h"

bool pool_open(struct pool *p)
{
    void *shared = mmap(NULL, POOL_JOBS * sizeof(struct trial_result), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return false;
    for (size_t i = 0; i < POOL_JOBS; i++) {
        p->slots[i].result = (struct trial_result *)shared + i;
        p->slots[i].said = -1;
    }
    return true;
}

void pool_close(struct pool *p)
{
    for (size_t i = 0; i < POOL_JOBS; i++)
        if (p->slots[i].said >= 0)
            close(p->slots[i].said);
    munmap(p->slots[0].result, POOL_JOBS * sizeof(struct trial_result));
}

static void work(const struct pool *p, const struct pool_slot *slot)
{
    struct run_options o = *p->options;
    char out[FOLDER_PATH + 60];
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* nothing goes on when the whole is killed */
    if (dup2(slot->said, STDOUT_FILENO) < 0 || dup2(slot->said, STDERR_FILENO) < 0)
        _exit(1);
    o.seed = slot->seed;
    o.quiet = true;
    o.colour = false;
    o.out = NULL;
    if (p->folder) {
        snprintf(out, sizeof out, "%s/seed-%llu", p->folder, (unsigned long long)slot->seed);
        o.out = out;
    }
    slot->result->alone = false;
    trial_run(p->scenario, p->census, &slot->under, &o, slot->result, NULL);
    fflush(NULL);
    _exit(0);
}

static struct pool_slot *free_slot(struct pool *p)
{
    struct pool_slot *s = p->slots;
    while (s->pid)
        s++;
    return s;
}

bool pool_start(struct pool *p, uint64_t seed, const struct schedule *under)
{
    struct pool_slot *s = free_slot(p);
    if (s->said < 0)
        s->said = memfd_create("said", MFD_CLOEXEC);
    if (s->said < 0 || ftruncate(s->said, 0) != 0 || lseek(s->said, 0, SEEK_SET) != 0)
        return false;
    s->seed = seed;
    s->under = *under;
    *s->result = (struct trial_result){.verdict = VERDICT_FAIL};
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        work(p, s);
    s->pid = pid > 0 ? pid : 0; /* never -1: who ends that, ends everybody */
    p->running += pid > 0;
    return pid > 0;
}

/* Its process did not come to its own end: what it said last is the cause. */
static void take_last_words(struct pool_slot *s, int status)
{
    char *cause = s->result->cause;
    off_t end = lseek(s->said, 0, SEEK_END),
          from = end > RUN_FAILURE_TEXT - 1 ? end - (RUN_FAILURE_TEXT - 1) : 0;
    ssize_t n = pread(s->said, cause, RUN_FAILURE_TEXT - 1, from);
    s->result->verdict = VERDICT_FAIL;
    cause[n > 0 ? n : 0] = '\0';
    for (char *c = cause; *c; c++)
        *c = *c == '\n' ? ' ' : *c;
    if (n <= 0)
        snprintf(cause, RUN_FAILURE_TEXT, "it gave no reason (exit status 0x%x)", (unsigned)status);
}

struct pool_slot *pool_wait(struct pool *p)
{
    int status;
    pid_t pid = p->running ? waitpid(-1, &status, 0) : -1;
    for (size_t i = 0; pid > 0 && i < POOL_JOBS; i++) {
        struct pool_slot *s = &p->slots[i];
        if (s->pid != pid)
            continue;
        s->pid = 0;
        p->running--;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            take_last_words(s, status);
        return s;
    }
    return NULL;
}

void pool_stop(struct pool *p)
{
    for (size_t i = 0; i < POOL_JOBS; i++)
        if (p->slots[i].pid > 0)
            kill(p->slots[i].pid, SIGTERM);
    while (p->running)
        pool_wait(p);
}

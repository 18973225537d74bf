#include "lib/host/worker.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct job {
    struct job *next;
    unsigned work;
    enum err e;
    size_t in_len, out_len, size;
    uint8_t *out; /* behind the input */
    uint8_t bytes[];
};

struct list {
    struct job *first, **end;
};

struct worker {
    const struct work_spec *works;
    const char *class;
    struct work_memo *memo; /* NULL: every work is done */
    struct crypto *crypto;  /* for its digests */
    int fd;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    bool started, stop;
    struct list todo, done;
    struct job *taken;
    size_t count;
};

static void append(struct list *l, struct job *j)
{
    j->next = NULL;
    if (!l->first)
        l->end = &l->first;
    *l->end = j;
    l->end = &j->next;
}

static struct job *take_first(struct list *l)
{
    struct job *j = l->first;
    if (j)
        l->first = j->next;
    return j;
}

static void job_free(struct job *j)
{
    if (j)
        OPENSSL_cleanse(j->bytes, j->size);
    free(j);
}

static void *work_loop(void *ctx)
{
    struct worker *w = ctx;
    const uint64_t one = 1;
    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        struct job *j = take_first(&w->todo);
        if (!j) {
            pthread_cond_wait(&w->more, &w->lock);
            continue;
        }
        pthread_mutex_unlock(&w->lock);
        j->e = work_memo_run(w->memo, w->crypto, w->class, &w->works[j->work], span_of(j->bytes, j->in_len),
                             j->out, &j->out_len);
        pthread_mutex_lock(&w->lock);
        append(&w->done, j);
        if (write(w->fd, &one, sizeof one) != sizeof one)
            abort(); /* a result that nobody hears of */
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

struct worker *worker_new(const struct work_spec *works)
{
    struct worker *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->works = works;
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->more, NULL);
    if (w->fd >= 0)
        return w;
    free(w);
    return NULL;
}

void worker_remember(struct worker *w, const char *class, struct work_memo *memo)
{
    w->crypto = crypto_new(NULL);
    w->class = class;
    w->memo = w->crypto ? memo : NULL;
}

int worker_fd(const struct worker *w)
{
    return w->fd;
}

size_t worker_count(const struct worker *w)
{
    return w->count;
}

/* Signals are the main thread's business. */
static bool start(struct worker *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    w->started = pthread_create(&w->thread, NULL, work_loop, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return w->started;
}

enum err worker_put(struct worker *w, unsigned work, struct span in)
{
    size_t size = in.len + w->works[work].result_max;
    struct job *j = malloc(sizeof *j + size);
    if (!j || (!w->started && !start(w))) {
        free(j);
        return ERR_WORK_FAILED;
    }
    *j = (struct job){.work = work, .in_len = in.len, .size = size, .out = j->bytes + in.len};
    if (in.len)
        memcpy(j->bytes, in.p, in.len);
    w->count++;
    pthread_mutex_lock(&w->lock);
    append(&w->todo, j);
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->lock);
    return ERR_OK;
}

bool worker_take(struct worker *w, unsigned *work, enum err *e, struct span *result)
{
    job_free(w->taken);
    pthread_mutex_lock(&w->lock);
    struct job *j = w->taken = take_first(&w->done);
    pthread_mutex_unlock(&w->lock);
    if (!j)
        return false;
    assert(j->out_len <= j->size - j->in_len);
    w->count--;
    *work = j->work;
    *e = j->e;
    *result = span_of(j->out, j->e ? 0 : j->out_len);
    return true;
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->lock);
    if (w->started)
        pthread_join(w->thread, NULL);
    for (struct job *j; (j = take_first(&w->todo));)
        job_free(j);
    for (struct job *j; (j = take_first(&w->done));)
        job_free(j);
    job_free(w->taken);
    crypto_free(w->crypto);
    close(w->fd);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->more);
    free(w);
}

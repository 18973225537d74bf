/* A thread beside a component's own, which does its works, one after the other, in the order in which they
 * came. It touches nothing but the bytes that it was given. */
#ifndef lib_host_worker_h
#define lib_host_worker_h

#include "lib/host/work_memo.h"

struct worker;

/* NULL and errno. The thread begins with the first work. */
struct worker *worker_new(const struct work_spec *works);
/* Before the first work: what this class asked already comes from `memo`, which is borrowed (work_memo.h). */
void worker_remember(struct worker *w, const char *class, struct work_memo *memo);
/* Becomes readable when a result is there. */
int worker_fd(const struct worker *w);
enum err worker_put(struct worker *w, unsigned work, struct span in);
/* Works handed out whose result was not taken. */
size_t worker_count(const struct worker *w);
/* The next result, if there is one. `result` is good until the next call. */
bool worker_take(struct worker *w, unsigned *work, enum err *e, struct span *result);
/* Waits for the work that is being done; the others are forgotten. */
void worker_free(struct worker *w);

#endif

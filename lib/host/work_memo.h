/* What works came to, for runs that follow or stand beside each other: a work is a pure function of its bytes
 * (work_spec), so who asks the same again gets the same without its time. In memory that all processes share
 * which are forked after it was made; of what went in there is only the SHA-256. What failed is not kept, and
 * when there is no room a work is done again. */
#ifndef lib_host_work_memo_h
#define lib_host_work_memo_h

#include "lib/crypto/p256.h"
#include "lib/env/component.h"

#define WORK_MEMO_RESULT 256 /* bytes; longer results are not kept */

struct work_memo;

/* For this process and those that it forks. NULL without memory. */
struct work_memo *work_memo_new(void);
/* The same with a descriptor beside it, for processes that begin elsewhere. NULL and errno. */
struct work_memo *work_memo_make(int *fd);
struct work_memo *work_memo_open(int fd);
/* This process needs it no longer; NULL is fine. */
void work_memo_close(struct work_memo *m);
/* Wipes what is in it, for all processes; NULL is fine. */
void work_memo_free(struct work_memo *m);
/* As spec->run with spec->result_max; `class` is the name of the class whose work it is. m may be NULL: the
 * work is done. */
enum err work_memo_run(struct work_memo *m, struct crypto *c, const char *class, const struct work_spec *spec,
                       struct span in, uint8_t *out, size_t *len);

#endif

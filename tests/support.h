/* What tests share: a script interpreter for ISO-TP, a component on a bench without a world, worlds in
 * memory. */
#ifndef tests_support_h
#define tests_support_h

#include "lib/host/node.h"
#include "lib/host/virtual.h"
#include "lib/media/media.h"
#include "sim/plant/oem.h"
#include "sim/plant/plant.h"
#include "tests/history.h"

/* ---- a component alone on a bench: everything it sends, traces and stores is kept ---- */

#define BENCH_SENT  512
#define BENCH_TRACE 512
#define BENCH_WORKS 4

struct bench_sent {
    unsigned port;
    bool is_frame;
    struct bus_frame frame;
    char address[96];
    uint8_t bytes[8192]; /* the longest that a component sends on a bench */
    size_t len;
};

struct bench {
    struct node node; /* first */
    uint64_t now_us, due_us[ENV_TIMERS];
    int64_t wall_ms;
    bool up[ENV_PORTS];
    struct bench_sent *sent;
    size_t sent_count;
    struct trace_event *trace;
    size_t trace_count;
    struct {
        unsigned work;
        enum err e;
        size_t len;
        uint8_t result[256];
    } works[BENCH_WORKS];
    size_t work_count;
    size_t told_count;   /* by env_tell; the last is kept */
    char told[160];      /* "nfc open wcp" */
    char told_all[4096]; /* each behind "; ", while there is room */
    const char *untold;  /* what contains this is refused with NO_SPACE; NULL: nothing */
    enum err tell;       /* what it gets for an answer */
    /* hears it, too; NULL: nobody. It may not answer before it has returned */
    void (*on_tell)(struct bench *b, const char *address, const char *words);
};

/* Starts the component with all links up unless told otherwise; the store may be filled before by the caller.
 */
void bench_prepare(struct bench *b, const struct component_class *class, struct crypto *crypto);
enum err bench_start(struct bench *b, const struct component_args *args);
void bench_free(struct bench *b);
void bench_links(struct bench *b, enum link_state state);
/* A frame arrives. */
void bench_frame(struct node *n, unsigned port, const struct bus_frame *f);
/* Moves time, firing timers in order. */
void bench_run_ms(struct bench *b, uint64_t ms);
/* Hands over the results of the works that were handed out. */
void bench_finish_works(struct bench *b);
/* Number of traced events of a kind, with that reason unless it is ERR_OK. */
size_t bench_count(const struct bench *b, enum trace_kind kind, enum err reason);
/* The last traced event of a kind, or NULL. */
const struct trace_event *bench_last(const struct bench *b, enum trace_kind kind);

/* ---- authorities for tests ---- */

struct crypto *test_crypto(void);
const struct oem *test_oem(int64_t now_s);
#define TEST_NOW_S 1767225600ll
/* What secrets lie sealed with, on a bench and in what test_equip makes. */
extern const uint8_t test_store_key[ENV_STORE_KEY];
/* What the plant gives a class before its first life, by those authorities. No vehicles are registered. */
void test_equip(const struct component_class *class, const char *serial, struct store *store);

/* What lies sealed on a bench, as its component sees it. */
enum err bench_secret(struct bench *b, const char *key, void *buf, size_t cap, size_t *len);

/* A file of its own in the test's temporary directory. */
void test_path(char *out, size_t cap, const char *name);

#endif

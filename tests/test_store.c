/* One list of tests, two kinds of store. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host/sqlite_store.h"
#include "lib/host/store.h"
#include "tests/support.h"

static struct store *open_memory(void)
{
    return store_memory_new();
}

static struct store *open_sqlite(void)
{
    const char *reason = "";
    char path[200];
    test_path(path, sizeof path, "store.db");
    struct store *s = sqlite_store_open(path, SQLITE_STORE_DURABLE, &reason);
    cr_assert(ne(ptr, s, NULL), "%s", reason);
    store_set(s, "warm", span_of("", 0)); /* makes the log file */
    store_apply(s, &(struct store_put){"warm", {NULL, 0}}, 1);
    store_sync(s);
    unlink(path); /* the open files live on */
    strcat(path, "-wal");
    unlink(path);
    return s;
}

static struct store *(*const kinds[])(void) = {open_memory, open_sqlite};

static void get_is(struct store *s, const char *key, const char *want)
{
    char buf[64];
    size_t len;
    enum err e = store_get(s, key, buf, sizeof buf, &len);
    if (!want) {
        cr_expect(eq(int, e, ERR_NOT_FOUND), "%s", key);
        return;
    }
    cr_expect(eq(int, e, ERR_OK), "%s", key);
    cr_expect(span_is(span_of(buf, len), want), "%s", key);
}

static struct store_put put(const char *key, const char *value)
{
    return (struct store_put){key, {(const uint8_t *)value, value ? strlen(value) : 0}};
}

static void collect(void *ctx, const char *key, struct span value)
{
    char *out = ctx;
    sprintf(out + strlen(out), "%s=%.*s;", key, (int)value.len, (const char *)value.p);
}

Test(store, the_same_promises_in_every_kind)
{
    for (size_t k = 0; k < 2; k++) {
        struct store *s = kinds[k]();
        char small[2], all[100] = "";
        size_t len;
        struct store_put first[] = {put("a/1", "one"), put("a/2", "two"), put("b/1", "")};
        cr_expect(eq(int, store_apply(s, first, 3), ERR_OK));
        get_is(s, "a/1", "one");
        get_is(s, "b/1", "");
        get_is(s, "c", NULL);
        cr_expect(eq(int, store_get(s, "a/1", small, sizeof small, &len), ERR_NO_SPACE));
        struct store_put second[] = {put("a/1", NULL), put("a/3", "three"), put("a/2", "zwei"),
                                     put("nothing", NULL)};
        cr_expect(eq(int, store_apply(s, second, 4), ERR_OK));
        cr_expect(eq(int, store_sync(s), ERR_OK));
        get_is(s, "a/1", NULL);
        cr_expect(eq(int, store_scan(s, "a/", collect, all), ERR_OK));
        cr_expect(eq(str, all, "a/2=zwei;a/3=three;"));
        store_close(s);
    }
}

Test(store, transaction_in_the_making)
{
    struct store_txn t = {0};
    struct span v;
    cr_expect(eq(int, store_txn_get(&t, "k", &v), 0));
    store_txn_put(&t, "k", span_of("1", 1));
    store_txn_put(&t, "k", span_of("22", 2));
    cr_expect(eq(int, store_txn_get(&t, "k", &v), 1));
    cr_expect(span_is(v, "22"));
    store_txn_put(&t, "k", (struct span){NULL, 0});
    cr_expect(eq(int, store_txn_get(&t, "k", &v), -1));
    store_txn_clear(&t);
    cr_expect(eq(int, store_txn_get(&t, "k", &v), 0));
    store_txn_free(&t);
}

Test(sqlite_store, file_is_for_its_owner_only_and_survives)
{
    char path[200], side[220];
    const char *reason = "";
    struct stat st;
    test_path(path, sizeof path, "survives.db");
    struct store *s = sqlite_store_open(path, SQLITE_STORE_DURABLE, &reason);
    cr_assert(ne(ptr, s, NULL), "%s", reason);
    store_set(s, "k", span_of("v", 1));
    store_sync(s);
    store_close(s);
    cr_expect(eq(int, stat(path, &st), 0));
    cr_expect(eq(int, (int)(st.st_mode & 0777), 0600));
    s = sqlite_store_open(path, SQLITE_STORE_READ, &reason);
    cr_assert(ne(ptr, s, NULL), "%s", reason);
    get_is(s, "k", "v");
    store_close(s);
    unlink(path);
    snprintf(side, sizeof side, "%s-wal", path);
    unlink(side);
    snprintf(side, sizeof side, "%s-shm", path);
    unlink(side);
}

/* In a run nobody waits for the disk, and yet what was synced is there when its process is killed. */
Test(sqlite_store, what_was_synced_survives_a_kill_and_the_rest_does_not)
{
    static const enum sqlite_store_mode modes[] = {SQLITE_STORE_LIVE, SQLITE_STORE_DURABLE};
    char path[200], command[260];
    const char *reason = "";
    for (size_t i = 0; i < 2; i++) {
        test_path(path, sizeof path, "killed.db");
        pid_t pid = fork();
        if (pid == 0) {
            struct store *s = sqlite_store_open(path, modes[i], &reason);
            store_set(s, "k", span_of("v", 1));
            store_sync(s);
            store_set(s, "k", span_of("w", 1));
            kill(getpid(), SIGKILL);
        }
        cr_assert(eq(int, waitpid(pid, NULL, 0), pid));
        struct store *s = sqlite_store_open(path, modes[i], &reason);
        cr_assert(ne(ptr, s, NULL), "%s", reason);
        get_is(s, "k", "v");
        store_close(s);
        snprintf(command, sizeof command, "rm -f %s*", path);
        cr_assert(eq(int, system(command), 0));
    }
}

Test(sqlite_store, what_is_no_store_is_explained)
{
    char path[200];
    const char *reason = "";
    test_path(path, sizeof path, "letter.db");
    FILE *f = fopen(path, "w");
    for (unsigned i = 0; i < 600; i++)
        fputs("not a database\n", f);
    fclose(f);
    cr_expect(eq(ptr, sqlite_store_open(path, SQLITE_STORE_READ, &reason), NULL));
    cr_expect(strstr(reason, "not a database") != NULL, "%s", reason);
    unlink(path);
}

Test(sqlite_store, unusable_path_is_explained)
{
    const char *reason = "";
    cr_assert(eq(ptr, sqlite_store_open("/nonexistent/x.db", SQLITE_STORE_DURABLE, &reason), NULL));
    cr_assert(strstr(reason, "/nonexistent/x.db") != NULL);
}

#include "lib/host/sqlite_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum statement { GET, PUT, DELETE, BEGIN, COMMIT, STATEMENTS };

struct sqlite_store {
    struct store store;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS]; /* each made when it is used first */
    bool open;                            /* a transaction is open */
};

/* NULL when it cannot be made. */
static sqlite3_stmt *statement(struct sqlite_store *s, enum statement which)
{
    static const char *const sql[STATEMENTS] = {
        [GET] = "SELECT value FROM store WHERE key = ?1",
        [PUT] = "INSERT INTO store (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
        [DELETE] = "DELETE FROM store WHERE key = ?1",
        [BEGIN] = "BEGIN IMMEDIATE",
        [COMMIT] = "COMMIT",
    };
    if (!s->statements[which] && sqlite3_prepare_v3(s->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                                                    &s->statements[which], NULL) != SQLITE_OK)
        return NULL;
    return s->statements[which];
}

static enum err run(sqlite3_stmt *s)
{
    if (!s)
        return ERR_STORE_FAILED;
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    return rc == SQLITE_DONE ? ERR_OK : ERR_STORE_FAILED;
}

static enum err begin(struct sqlite_store *s)
{
    if (s->open)
        return ERR_OK;
    enum err e = run(statement(s, BEGIN));
    s->open = e == ERR_OK;
    return e;
}

static enum err sqlite_get(struct store *store, const char *key, void *buf, size_t cap, size_t *len)
{
    sqlite3_stmt *get = statement((struct sqlite_store *)store, GET);
    enum err e = ERR_NOT_FOUND;
    if (!get)
        return ERR_STORE_FAILED;
    sqlite3_bind_text(get, 1, key, -1, SQLITE_STATIC);
    int rc = sqlite3_step(get);
    if (rc == SQLITE_ROW) {
        size_t n = (size_t)sqlite3_column_bytes(get, 0);
        e = n > cap ? ERR_NO_SPACE : ERR_OK;
        if (!e && n)
            memcpy(buf, sqlite3_column_blob(get, 0), n);
        *len = n;
    } else if (rc != SQLITE_DONE) {
        e = ERR_STORE_FAILED;
    }
    sqlite3_reset(get);
    return e;
}

static enum err put(struct sqlite_store *s, const struct store_put *p)
{
    sqlite3_stmt *stmt = statement(s, p->value.p ? PUT : DELETE);
    if (!stmt)
        return ERR_STORE_FAILED;
    sqlite3_bind_text(stmt, 1, p->key, -1, SQLITE_STATIC);
    if (p->value.p)
        sqlite3_bind_blob64(stmt, 2, p->value.p, p->value.len, SQLITE_STATIC);
    return run(stmt);
}

static enum err sqlite_apply(struct store *store, const struct store_put *puts, size_t n)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    enum err e = begin(s);
    if (!e && sqlite3_exec(s->db, "SAVEPOINT one", NULL, NULL, NULL) != SQLITE_OK)
        e = ERR_STORE_FAILED;
    for (size_t i = 0; !e && i < n; i++)
        e = put(s, &puts[i]);
    if (e)
        sqlite3_exec(s->db, "ROLLBACK TO one", NULL, NULL, NULL);
    sqlite3_exec(s->db, "RELEASE one", NULL, NULL, NULL);
    return e;
}

static enum err sqlite_sync(struct store *store)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    if (!s->open)
        return ERR_OK;
    s->open = false;
    return run(statement(s, COMMIT));
}

static enum err sqlite_scan(struct store *store, const char *prefix, store_each *each, void *ctx)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    size_t len = strlen(prefix);
    int rc;
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(s->db, "SELECT key, value FROM store WHERE key >= ?1 ORDER BY key", -1, &stmt,
                           NULL))
        return ERR_STORE_FAILED;
    sqlite3_bind_text(stmt, 1, prefix, -1, SQLITE_STATIC);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *key = (const char *)sqlite3_column_text(stmt, 0);
        if (strncmp(key, prefix, len) != 0) {
            rc = SQLITE_DONE;
            break;
        }
        each(ctx, key, span_of(sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1)));
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? ERR_OK : ERR_STORE_FAILED;
}

static void sqlite_close(struct store *store)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    if (s->open)
        run(statement(s, COMMIT));
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(s->statements[i]);
    sqlite3_close(s->db);
    free(s);
}

static bool open_file(struct sqlite_store *s, const char *path, enum sqlite_store_mode mode)
{
    static const char *const pragmas[] = {
        [SQLITE_STORE_DURABLE] =
            ("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
             "PRAGMA wal_autocheckpoint = 4000;"),
        [SQLITE_STORE_LIVE] =
            ("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
             "PRAGMA wal_autocheckpoint = 4000;"),
        [SQLITE_STORE_SEED] =
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;",
        /* a WAL file without exclusive locking would need shared memory, which not every file system has */
        [SQLITE_STORE_READ] = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF;",
    };
    /* made by us, so that nobody else may ever read it */
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    close(fd);
    return sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
           sqlite3_busy_timeout(s->db, 2000) == SQLITE_OK &&
           /* the log is as good as the file; folding it in costs three more waits for the disk */
           (mode == SQLITE_STORE_SEED ||
            sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) == SQLITE_OK) &&
           sqlite3_exec(s->db, pragmas[mode], NULL, NULL, NULL) == SQLITE_OK &&
           (mode == SQLITE_STORE_READ ||
            sqlite3_exec(
                s->db,
                "CREATE TABLE IF NOT EXISTS store (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
                NULL, NULL, NULL) == SQLITE_OK) &&
           statement(s, GET); /* what is no store shows now */
}

struct store *sqlite_store_open(const char *path, enum sqlite_store_mode mode, const char **reason)
{
    static const struct store_ops ops = {sqlite_get, sqlite_apply, sqlite_sync, sqlite_scan, sqlite_close};
    static char text[200];
    struct sqlite_store *s = calloc(1, sizeof *s);
    if (s)
        s->store.ops = &ops;
    if (s && open_file(s, path, mode))
        return &s->store;
    snprintf(text, sizeof text, "%s: %s", path, s && s->db ? sqlite3_errmsg(s->db) : "cannot be made");
    *reason = text;
    if (s)
        sqlite_close(&s->store);
    return NULL;
}

struct store *sqlite_store_open_live(const char *path, const char **reason)
{
    return sqlite_store_open(path, SQLITE_STORE_LIVE, reason);
}

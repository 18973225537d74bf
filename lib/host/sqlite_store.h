/* A store in an SQLite file: one table of keys and values, write-ahead log, durable at sync. What was applied
 * since the last sync is one SQLite transaction, so many small transactions share one wait for the disk. */
#ifndef lib_host_sqlite_store_h
#define lib_host_sqlite_store_h

#include "lib/host/store.h"

enum sqlite_store_mode {
    SQLITE_STORE_DURABLE, /* a component's: WAL, a commit survives a power cut */
    SQLITE_STORE_SEED,    /* the runner's, before anybody reads: no syncing at all */
    SQLITE_STORE_READ     /* the judge's */
};

/* Makes the file (0600) when missing. NULL when it cannot be opened; *reason then says why (static text). */
struct store *sqlite_store_open(const char *path, enum sqlite_store_mode mode, const char **reason);

/* The same for a component, in the form that the process host takes. */
struct store *sqlite_store_open_durable(const char *path, const char **reason);

#endif

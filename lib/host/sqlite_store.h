/* A store in an SQLite file: one table of keys and values, write-ahead log, kept at sync. What was applied
 * since the last sync is one SQLite transaction, so many small transactions share one wait for the disk. */
#ifndef lib_host_sqlite_store_h
#define lib_host_sqlite_store_h

#include "lib/host/store.h"

enum sqlite_store_mode {
    SQLITE_STORE_DURABLE, /* WAL, a commit survives a power cut */
    SQLITE_STORE_LIVE, /* a component's in a run: WAL, a commit survives the death of any process. A power cut
                          ends the run itself, so nobody waits for the disk */
    SQLITE_STORE_SEED, /* the runner's, before anybody reads: no syncing at all */
    SQLITE_STORE_READ  /* the judge's */
};

/* Makes the file (0600) when missing. NULL when it cannot be opened; *reason then says why (static text). */
struct store *sqlite_store_open(const char *path, enum sqlite_store_mode mode, const char **reason);

/* The same for a component, in the form that the process host takes. */
struct store *sqlite_store_open_live(const char *path, const char **reason);

#endif

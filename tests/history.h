/* What a SpaaK Module's store holds after the plant, and after so much of PP-01, written by hand: states in
 * between that a life in a scenario passes through but does not end in. */
#ifndef tests_history_h
#define tests_history_h

#include "lib/host/store.h"
#include "sim/plant/oem.h"

enum history_certificate { HISTORY_NO_CERTIFICATE, HISTORY_INSTALLED, HISTORY_UNREPORTED };

struct history {
    bool drm_uuid, pending_csr;
    enum history_certificate certificate;
};

/* What RP-01 and RP-02 leave: five anchors, key pair and certificate of the module with that serial, DONE.
 * What the plant gives before is not in it (test_equip). */
enum err history_finish(struct crypto *c, const struct oem *o, const char *serial, int64_t now_s,
                        struct store *s);
enum err history_write(struct crypto *c, const struct oem *o, const struct history *g, int64_t now_ms,
                       struct store *s);

#endif

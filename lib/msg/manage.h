/* The life of a key behind its pairing, between servers (proto/tracking.proto): words by which a server
 * suspends, resumes or ends a key (manageKey, KM-01), and news of a key that has ended (eventNotification,
 * KM-02). Each hop keeps the state of the key and the time of the word behind it: an older word changes
 * nothing, the same again gets the same answer, and what has ended stays ended.
 *
 * A read message borrows, as in tracking.h. */
#ifndef lib_msg_manage_h
#define lib_msg_manage_h

#include "lib/msg/tracking.h"

/* Numbers travel, here and in spaak.proto, and are stored. 0 is none. */
enum key_action { KEY_TERMINATE = 1, KEY_SUSPEND, KEY_RESUME, KEY_ACTIONS };
enum key_cause {
    KEY_BY_SERVER = 1,
    KEY_BY_DEVICE_OEM,
    KEY_BY_DEVICE,
    KEY_IN_CAR,
    KEY_OWNER_CHANGE,
    KEY_CAUSES
};

/* "terminate", "suspend", "resume", NULL at the end; first is that of KEY_TERMINATE. */
extern const char *const key_action_names[];
/* "active", "suspended", "terminated"; "unknown". */
const char *key_state_name(enum key_state s);
/* "by the server", ...; "" for none. */
const char *key_cause_text(enum key_cause c);
/* What the action makes of a key, and back. */
enum key_state key_state_after(enum key_action a);
enum key_action key_action_for(enum key_state s);

/* ManageRequest, or EventNotification of a key that has ended. */
struct manage_ask {
    bool event;
    uint64_t number; /* not 0; the answer repeats it */
    uint8_t key_id[TRACKING_KEY_ID];
    enum key_action action; /* of an event: KEY_TERMINATE */
    enum key_cause cause;
    int64_t issued_ms;      /* since 1970 */
    struct span resumption; /* of a RESUME to the DOS; else empty */
};

struct manage_answer {
    bool event;
    uint64_t number;
    enum err error; /* then state, its time and resumption are empty */
    uint8_t key_id[TRACKING_KEY_ID];
    int64_t issued_ms; /* of the ask */
    enum key_state state;
    int64_t state_ms;
    struct span resumption;
};

enum tracking_kind { TRACKING_NOTHING, TRACKING_TRACK, TRACKING_TRACKED, TRACKING_MANAGE, TRACKING_MANAGED };
/* Which message it announces to be; nothing else of it is checked. */
enum tracking_kind tracking_peek(struct span in);

/* ERR_NO_SPACE. */
enum err manage_ask_write(const struct manage_ask *a, struct wr *out);
enum err manage_answer_write(const struct manage_answer *a, struct wr *out);
/* ERR_MSG_MALFORMED, ERR_MSG_VERSION. The number is told when it could be read, also of a refused one. */
enum err manage_ask_read(struct span in, struct tracking_memory *m, struct manage_ask *out);
enum err manage_answer_read(struct span in, struct tracking_memory *m, struct manage_answer *out);

/* Into the record, unless it stands there. ERR_MSG_STALE: the record has a newer word. ERR_KEY_ENDED: it has
 * ended, and is not to be ended. */
enum err manage_record_change(struct tracking_record *r, const struct manage_ask *a);
struct manage_answer manage_answer_of(const struct manage_ask *a, enum err error,
                                      const struct tracking_record *r);
/* To who has asked. When it cannot be sent that is traced: it asks again, and gets the same. */
void manage_answer_send(struct env *env, unsigned port, const char *caller, const struct manage_answer *a);
/* For the trace: what the ask is called. */
const char *manage_ask_name(const struct manage_ask *a);

/* ---- the claim "key-state" ---- */

/* Vehicle and servers claim the same of a key; KEY_STATE_NONE: holds nothing of it. */
void manage_claim(struct env *env, unsigned claim, const uint8_t key_id[TRACKING_KEY_ID], enum key_state s);
/* Both claims of a key that is tracked: one that has ended is nobody's any more. */
void manage_claim_record(struct env *env, unsigned key, unsigned state, const uint8_t key_id[TRACKING_KEY_ID],
                         const struct tracking_record *r);
/* After a start: of all below prefix, as tracking_claim_all. */
void manage_claim_all(struct env *env, unsigned key, unsigned state, const char *prefix);

#endif

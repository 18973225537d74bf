/* What the files of a mailing share. */
#ifndef backend_tbe_mailing_internal_h
#define backend_tbe_mailing_internal_h

#include "backend/tbe/tbe_mailing.h"
#include "proto/tbe_records.pb-c.h"

#define MAILINGS_MAX 64 /* without an outcome that the VOS knows */
#define MAILING_KEY  32 /* hex digits */
#define MAILING_TAG  32 /* of a mail, with its end; the medium takes 40 */
#define MAILING_CLIENT \
    "mailing" /* who holds the link, to the VOS; no app has it: their names are longer (TBE_KEY_MIN) */

#define MAILING_ASKING  TBE_RECORDS__V1__MAILING_RECORD__STATE__STATE_ASKING
#define MAILING_LEAVING TBE_RECORDS__V1__MAILING_RECORD__STATE__STATE_LEAVING
#define MAILING_SENT    TBE_RECORDS__V1__MAILING_RECORD__STATE__STATE_SENT
#define MAILING_REFUSED TBE_RECORDS__V1__MAILING_RECORD__STATE__STATE_REFUSED
#define MAILING_UNKNOWN TBE_RECORDS__V1__MAILING_RECORD__STATE__STATE_UNKNOWN
#define MAILING_FAILED  TBE_RECORDS__V1__MAILING_RECORD__STATE__STATE_FAILED

/* As it is worked with (stored as tbe_records.v1.MailingRecord). */
struct mailing_record {
    char vehicle[MSG_SERIAL_MAX + 1], user[TBE_WORD + 1]; /* in the key */
    TbeRecords__V1__MailingRecord__State state;
    bool settled;
    char operator_[TBE_WORD + 1], once[TBE_WORD + 1];
    char key[MAILING_KEY + 1], link_id[TBE_ID];
    int64_t asked_ms;                   /* begun, wall clock */
    char called_by[TBE_WORD + 1];       /* the last operator who began one, this or a former, and when */
    char address[MAIL_ADDRESS_MAX + 1]; /* where it goes, or went */
    int64_t called_ms;
    unsigned code, tries;
    enum err reason;
};

/* One that has no outcome yet, or whose outcome the VOS does not know. */
struct mailing {
    bool used;
    struct mailing_record r;
    uint64_t request_id; /* at the VOS; 0: none */
    uint64_t due_us;     /* what is next; ENV_NEVER: it waits for news, or for the VOS */
    unsigned silent;     /* times that the VOS did not answer, in a row */
    char tag[MAILING_TAG];
};

struct tbe_mailings {
    struct mailing all[MAILINGS_MAX];
    uint64_t tags;
};

/* mailing.c. Does what is next by its state. */
void mailing_go_on(struct tbe *t, struct mailing *m);
/* It had begun to leave. */
void mailing_on_unknown(struct tbe *t, struct mailing *m);
/* Puts, without committing. */
enum err mailing_put_audit(struct tbe *t, const struct mailing_record *r, const char *what, enum err outcome);

/* mailing_record.c. Puts, without committing. ERR_NOT_FOUND: there is none. */
enum err mailing_record_get(struct tbe *t, const char *vehicle, const char *user, struct mailing_record *out);
enum err mailing_record_put(struct tbe *t, const struct mailing_record *r);
/* Calls for each in the store; what is broken is passed over and traced. */
enum err mailing_record_each(struct tbe *t, const char *user,
                             void (*each)(void *ctx, const struct mailing_record *r), void *ctx);
/* Makes room for one more of this user: the oldest that is settled goes. ERR_BUSY: there is none. */
enum err mailing_record_make_room(struct tbe *t, const char *user, const char *vehicle);

/* mailing_letter.c: what the user gets. ERR_LINK_DOWN and others: nothing has left. */
enum err mailing_letter_send(struct tbe *t, const struct mailing_record *r, const char *deep_link,
                             const char *tag);

#endif

/* OP-01b/3 to 8: the deep link leaves by mail. What the portal and the hotline ask of it, and hear from it.
 *
 * A user has one mailing at a time for a vehicle, and the last one is kept: it lies in the store before the
 * VOS is asked for the link, and before the mail begins to leave, so whoever is killed, it ends with one of
 * its outcomes. Who is not the owner hears so from the VOS and touches no mailing of the owner's. The link
 * itself is never stored. What becomes of it:
 *
 * - sent: the VOS marks the password as delivered;
 *
 * - refused: nobody has it, the password is undelivered as before (LinkRelease);
 *
 * - unknown: somebody may have it; it is revoked (LinkRevoke), and a new attempt sends a new one;
 *
 * - failed: the VOS gave no link, with its reason; or no mail server was reached (ERR_MAIL_UNREACHABLE).
 *
 * While the VOS is away a mailing waits for it. The user is told as soon as the mail has its outcome; until
 * the VOS has heard it, too, the next mailing is ERR_BUSY. Should the VOS then say that the link of a mail
 * that was sent has been revoked meanwhile, the outcome becomes unknown, and the portal hears it again. */
#ifndef backend_tbe_mailing_h
#define backend_tbe_mailing_h

#include "backend/tbe/tbe_internal.h"
#include "lib/mail/mail.h"

enum tbe_mailing_state {
    TBE_MAILING_NONE, /* there was none */
    TBE_MAILING_UNDER_WAY,
    TBE_MAILING_SENT,
    TBE_MAILING_REFUSED,
    TBE_MAILING_UNKNOWN,
    TBE_MAILING_FAILED,
};

struct tbe_mailing {
    enum tbe_mailing_state state;
    char user[TBE_WORD + 1];            /* whose link it is */
    char operator_[TBE_WORD + 1];       /* who asked on the user's behalf; "" at the portal */
    char once[TBE_WORD + 1];            /* of the form: the same form again begins nothing new */
    int64_t called_ms;                  /* of the last call */
    char called_by[TBE_WORD + 1];       /* the last operator who began one, this or a former; "": none */
    char address[MAIL_ADDRESS_MAX + 1]; /* where it goes; of one that has left: where it went */
    int64_t asked_ms;                   /* begun, wall clock */
    unsigned code;                      /* REFUSED: of the mail server */
    enum err reason;                    /* FAILED */
};

struct tbe_mailing_ask {
    const char *vehicle, *user, *operator_, *once; /* as in struct tbe_mailing; authorised by the caller */
    int64_t issued_ms;                             /* when the form was made, wall clock */
};

/* ERR_OK: it has begun; or `once` is that of the last one, or of a form that was made before that had begun.
 * ERR_BUSY: another is under way for that vehicle,
 * or there are too many at all. ERR_HTTP_RATE: too many for this vehicle. ERR_VOS_UNREACHABLE: nothing was
 * begun. ERR_MSG_MALFORMED: vehicle, user, operator or `once` are no words; ERR_NOT_FOUND: no such user. */
enum err tbe_mailing_begin(struct tbe *t, const struct tbe_mailing_ask *ask);
/* The last of the vehicle, for its user only: another's is TBE_MAILING_NONE. */
enum err tbe_mailing_get(struct tbe *t, const char *vehicle, const char *user, struct tbe_mailing *out);
/* Where it goes: "anna@customer.example"; "a***@customer.example" for an operator's eyes. */
void tbe_address_of(struct tbe *t, size_t user, char out[MAIL_ADDRESS_MAX + 1]);
void tbe_address_mask(const char *address, char out[MAIL_ADDRESS_MAX + 1]);

/* Asks the VOS which vehicles a user owns; the answer comes to the portal by the caller's address. */
enum err tbe_vehicles_ask(struct tbe *t, const struct tbe_caller *caller, const char *user);

/* ---- portal.c has these ---- */

#define TBE_VEHICLES_MAX 16
struct tbe_vehicles {
    char serials[TBE_VEHICLES_MAX][MSG_SERIAL_MAX + 1];
    size_t count;
};
/* To a tbe_vehicles_ask: e is why there is no list. The caller may be gone. */
void tbe_portal_on_vehicles(struct tbe *t, const struct tbe_caller *caller, enum err e,
                            const struct tbe_vehicles *list);
/* A mailing has its outcome. */
void tbe_portal_on_mailing(struct tbe *t, const char *vehicle);

#endif

/* Shared by the writer and the reader of mails. */
#ifndef lib_mail_mail_internal_h
#define lib_mail_mail_internal_h

#include "lib/mail/mail.h"

#define MAIL_WORD_BEGIN "=?utf-8?Q?"
#define MAIL_WORD_END   "?="
#define MAIL_LINE       76 /* of encoded lines, RFC 2045 6.7 and RFC 2047 2 */

/* How a text travels. */
enum mail_form { MAIL_PLAIN, MAIL_QUOTED };
extern const char *const mail_form_names[];

extern const char *const mail_days[7], *const mail_months[12]; /* from Thursday, the day of 1970 */

/* Of a date; the other way: false when there is no such day. */
struct mail_day {
    unsigned year, month, day; /* month and day from 1 */
};
struct mail_day mail_day_of(int64_t days);
bool mail_days_of(struct mail_day d, int64_t *days);
/* Would the subject be taken for an encoded word, or broken, if it went as it is? */
bool mail_subject_is_plain(struct span subject);
enum mail_form mail_form_of(struct span text);

#endif

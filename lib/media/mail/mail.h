/* Mail: a component hands a message over and hears what became of it. Nobody of a run receives any; a person
 * reads them in the records.
 *
 * A message is the canonical bytes of lib/mail/mail.h, whose From and To are the envelope, too. It is sent to
 * an address of the sender's choice, a tag ("" is one), by which one news comes for it:
 * "sent"         the server has taken it
 * "refused 550"  it was not taken, with the server's code: 4yz for now, 5yz for good. The medium itself says
 *                421 when the server was not reached, or did not let the text begin to leave in MAIL_SEND_MS,
 *                and 554 for bytes that are no such message
 * "unknown"      the connection was lost, or MAIL_ANSWER_MS ran out, after the text began to leave: the
 *                server may have it. Who sends again may send twice
 *
 * The news comes MAIL_SEND_MS and MAIL_ANSWER_MS after the sending at the latest. Nobody waits meanwhile: a
 * server may think, and the component goes on.
 *
 * The port is PORT_SHARED, up while its component lives and it is not cut. ERR_BUSY for more than
 * MAIL_UNDER_WAY messages at a time, ERR_NO_SPACE for a tag that is too long. Messages may overtake each
 * other.
 *
 * Process world: libcurl speaks SMTP, in a thread for each message, to the postbox, a helper of the run
 * (postbox.py) at a socket of the run's; or to any server (--mail). Virtual world: the same postbox in
 * memory. Either postbox takes everything but messages to "<code>@refused.example", which it refuses with
 * that code, 400 to 599. A postbox that is killed is waited for, up to MAIL_SEND_MS; what it had in its hands
 * is unknown, and kept.
 *
 * Faults: a message that is lost is lost after it began to leave: "unknown", and no server has it. One that
 * is corrupted is no message any more: "refused 554". One that is repeated is sent twice, each with its news.
 * A cut link is down, and then ends what is under way with "refused 421" or "unknown", as far as it had come.
 *
 * What was taken lies in "mail" among the records, a maildir of files 0001.eml and on in the order of their
 * arrival, the same bytes in both worlds. Secrets may stand there and nowhere else: the folder is 0700, the
 * judge does not search it, the tap hears of messages only how long they are (medium.keeps). A server of
 * somebody else's keeps what it takes: then the folder stays empty. */
#ifndef lib_media_mail_mail_h
#define lib_media_mail_mail_h

#include "lib/host/medium.h"
#include "lib/mail/mail.h"

#define MAIL_TAG_MAX   40 /* with its end */
#define MAIL_UNDER_WAY 32
#define MAIL_SEND_MS   5000  /* from the sending until the text begins to leave */
#define MAIL_ANSWER_MS 30000 /* from then until the server's answer to it */
#define MAIL_QUIT_MS   5000  /* for the goodbye of a server, after the news */
#define MAIL_NEWS_MAX  24

#define MAIL_UNREACHED 421 /* RFC 5321 4.2.1: the service is not available */
#define MAIL_NOT_TAKEN 554 /* the transaction failed */

extern const struct medium medium_mail;

/* ---- of both worlds ---- */

/* "sent" for 250 and all below 400, else "refused <code>". */
void mail_news(unsigned code, char out[MAIL_NEWS_MAX]);
/* Are the bytes a message? What is none is shown to no server. */
bool mail_is_one(struct span bytes);
/* What the postbox answers to a message: 250, or the code that the recipient asks for. */
unsigned mail_answer(struct span bytes);
/* "0001.eml" */
#define MAIL_FILE_MAX 24
void mail_file_name(unsigned number, char out[MAIL_FILE_MAX]);

#endif

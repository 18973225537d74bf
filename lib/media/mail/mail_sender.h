/* One message on its way to a server: libcurl speaks SMTP in a thread of its own. Neither the multi interface
 * is enough, for libcurl waits for the answer to the message and to QUIT where it stands.
 *
 * The thread touches the sender alone and what it was given; who has the sender looks how far it is, sets the
 * limits, and hangs up. */
#ifndef lib_media_mail_mail_sender_h
#define lib_media_mail_mail_sender_h

#include "lib/host/link.h"
#include "lib/mail/mail.h"

enum mail_stage {
    MAIL_TALKING, /* the server has nothing of the text */
    MAIL_LEAVING, /* it may have all of it */
    MAIL_ANSWERED /* its last word is said, or it had none; what follows is QUIT */
};

struct mail_progress {
    enum mail_stage stage;
    unsigned code;   /* of the server's last whole answer before QUIT; 0: none */
    bool over;       /* the thread has nothing more to do */
    const char *why; /* in words, once it is over */
};

/* All of it outlives the sender. */
struct mail_way {
    const struct link_open *o; /* name, port and runner */
    const char *socket, *url;  /* one of them NULL */
    int wake_fd;               /* an eventfd: written to when a sender has come further */
};

struct mail_sender;

/* libcurl is loaded (curl_load). `text` is the message as it stands in bytes, and outlives the sender. NULL:
 * there is no memory or no thread. */
struct mail_sender *mail_sender_new(const struct mail_way *way, const struct mail *envelope,
                                    struct span text);
struct mail_progress mail_sender_look(struct mail_sender *s);
/* Hangs up, without waiting: it is over soon. */
void mail_sender_stop(struct mail_sender *s);
/* Waits for the thread: at once when it is over, else stop comes first. NULL is allowed. */
void mail_sender_free(struct mail_sender *s);

#endif

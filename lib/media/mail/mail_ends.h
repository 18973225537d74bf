/* Between set-up, driver and tests: where a port sends its mail to, and how long it waits there. */
#ifndef lib_media_mail_mail_ends_h
#define lib_media_mail_mail_ends_h

#include "lib/host/link.h"

#define MAIL_OWN    "own:"    /* and the postbox's socket */
#define MAIL_SERVER "server:" /* and a URL */

/* Who the run is for somebody else's server; both or neither. With them, nothing is said before TLS. */
#define MAIL_USER_VARIABLE     "SPAAKSIM_MAIL_USER"
#define MAIL_PASSWORD_VARIABLE "SPAAKSIM_MAIL_PASSWORD"

/* The driver's are those of mail.h. */
struct mail_limits {
    unsigned send_ms, answer_ms, quit_ms;
};

/* As link_driver.open, with limits of its own. */
struct link *mail_link_open(const struct link_open *o, const struct mail_limits *limits, const char **reason);

#endif

/* Between set-up and driver: where a port sends its mail to. */
#ifndef lib_media_mail_mail_ends_h
#define lib_media_mail_mail_ends_h

#include <stdbool.h>
#include <stddef.h>

#define MAIL_OWN    "own:"    /* and the postbox's socket */
#define MAIL_SERVER "server:" /* and a URL */

/* Who the run is for somebody else's server; both or neither. With them, nothing is said before TLS. */
#define MAIL_USER_VARIABLE     "SPAAKSIM_MAIL_USER"
#define MAIL_PASSWORD_VARIABLE "SPAAKSIM_MAIL_PASSWORD"

#endif

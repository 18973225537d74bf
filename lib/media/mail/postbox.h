/* The postbox of a run: a program in Python on aiosmtpd, whose text is in ours. */
#ifndef lib_media_mail_postbox_h
#define lib_media_mail_postbox_h

#include <stdbool.h>

#define POSTBOX_PYTHON    "/usr/bin/python3"
#define POSTBOX_LISTEN_FD 3 /* in the postbox: its socket */
#define POSTBOX_FOLDER_FD 4 /* the maildir */
#define POSTBOX_TEXT_FD   5 /* its own text */

/* Are Python and aiosmtpd there? */
bool postbox_is_there(void);
/* Its text, in memory: nobody can put another in its place. -1 and errno. */
int postbox_text(void);

#endif

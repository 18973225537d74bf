/* A cast with a mail port: a clerk who writes letters. */
#ifndef tests_mail_post_h
#define tests_mail_post_h

#include "lib/env/env.h"

extern const struct component_class clerk_class;

#endif

/* A cast with HTTP ports: a shop that answers, and visitors that ask. */
#ifndef tests_web_web_h
#define tests_web_web_h

#include "lib/env/env.h"

extern const struct component_class shop_class, visitor_class;

#endif

/* The portal's side of a mailing. */
#include "backend/tbe/tbe_mailing.h"

void tbe_portal_on_vehicles(struct tbe *t, const struct tbe_caller *caller, enum err e,
                            const struct tbe_vehicles *list)
{
    (void)t;
    (void)caller;
    (void)e;
    (void)list;
}

void tbe_portal_on_mailing(struct tbe *t, const char *vehicle)
{
    (void)t;
    (void)vehicle;
}

/* Until there is a mailing: nothing can be asked. */
#include <stdio.h>

#include "backend/tbe/tbe_mailing.h"

enum err tbe_mailing_begin(struct tbe *t, const struct tbe_mailing_ask *ask)
{
    (void)t;
    (void)ask;
    return ERR_VOS_UNREACHABLE;
}

enum err tbe_mailing_get(struct tbe *t, const char *vehicle, const char *user, struct tbe_mailing *out)
{
    (void)t;
    (void)vehicle;
    (void)user;
    *out = (struct tbe_mailing){.state = TBE_MAILING_NONE};
    return ERR_OK;
}

void tbe_address_of(struct tbe *t, size_t user, char out[MAIL_ADDRESS_MAX + 1])
{
    (void)t;
    snprintf(out, MAIL_ADDRESS_MAX + 1, "%s@customer.example", tbe_users[user].name);
}

void tbe_address_mask(const char *address, char out[MAIL_ADDRESS_MAX + 1])
{
    (void)address;
    snprintf(out, MAIL_ADDRESS_MAX + 1, "***");
}

enum err tbe_vehicles_ask(struct tbe *t, const struct tbe_caller *caller, const char *user)
{
    (void)t;
    (void)caller;
    (void)user;
    return ERR_VOS_UNREACHABLE;
}

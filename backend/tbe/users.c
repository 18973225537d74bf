/* Test users, and where mail to them goes. Their secrets stand with who signs in (sim/actors, tests), here is
 * what they hash to. */
#include <stdio.h>
#include <string.h>

#include "backend/tbe/tbe_mailing.h"

const struct tbe_user tbe_users[TBE_USERS] = {
    {.name = "anna",
     .port = TBE_PORT_APP,
     .scope = TBE_SCOPE_PAIRING,
     .salt = "spaaksim-anna-01",
     .hash = {0x35, 0x46, 0x9c, 0x4e, 0x7f, 0xe8, 0x39, 0xf0, 0x9f, 0xfa, 0xd7,
              0xec, 0x1b, 0xe6, 0x38, 0x33, 0xd8, 0xf8, 0x09, 0x4a, 0x0b, 0x31,
              0xdd, 0x78, 0xd6, 0x6b, 0xf3, 0x8c, 0x49, 0x06, 0x8c, 0x67}},
    {.name = "bert",
     .port = TBE_PORT_APP,
     .scope = TBE_SCOPE_PAIRING,
     .salt = "spaaksim-bert-01",
     .hash = {0xe4, 0xea, 0xb0, 0x55, 0x12, 0xa9, 0x03, 0x0e, 0x47, 0x85, 0x7b,
              0x14, 0x7b, 0x08, 0x2a, 0xb9, 0x6b, 0x8c, 0x98, 0xc8, 0x8b, 0xb5,
              0x42, 0x45, 0x76, 0x52, 0xc0, 0x16, 0x20, 0x6a, 0x3a, 0xe8}},
    {.name = "olga",
     .port = TBE_PORT_OPERATOR,
     .scope = TBE_SCOPE_RENEWAL,
     .salt = "spaaksim-olga-01",
     .hash = {0x0b, 0x02, 0x13, 0x48, 0x83, 0x39, 0x78, 0x7b, 0xc4, 0x47, 0x84,
              0xaf, 0x42, 0x26, 0xca, 0xe0, 0x45, 0x13, 0x65, 0x05, 0x06, 0xf6,
              0x36, 0x75, 0x08, 0x58, 0x77, 0x23, 0x31, 0xb6, 0xd4, 0xb9}},
};

size_t tbe_user_find(const char *name)
{
    size_t i = 0;
    while (i < TBE_USERS && strcmp(tbe_users[i].name, name) != 0)
        i++;
    return i;
}

/* ---- addresses ---- */

static void address_key(const char *user, char out[ENV_KEY_MAX])
{
    snprintf(out, ENV_KEY_MAX, TBE_ADDRESS_PREFIX "%s", user);
}

void tbe_address_of(struct tbe *t, size_t user, char out[MAIL_ADDRESS_MAX + 1])
{
    char key[ENV_KEY_MAX];
    size_t len = 0;
    address_key(tbe_users[user].name, key);
    if (env_store_get(t->env, key, out, MAIL_ADDRESS_MAX, &len))
        len = (size_t)snprintf(out, MAIL_ADDRESS_MAX + 1, "%s@customer.example", tbe_users[user].name);
    out[len] = '\0';
}

void tbe_address_mask(const char *address, char out[MAIL_ADDRESS_MAX + 1])
{
    const char *at = strchr(address, '@');
    if (!at || at == address)
        text_copy(out, MAIL_ADDRESS_MAX + 1, "***");
    else
        snprintf(out, MAIL_ADDRESS_MAX + 1, "%c***%.200s", address[0], at);
}

enum err tbe_set_address(struct tbe *t, const char *user, const char *address)
{
    char key[ENV_KEY_MAX];
    if (tbe_user_find(user) == TBE_USERS)
        return ERR_NOT_FOUND;
    if (!mail_address_ok(span_of(address, strlen(address))))
        return ERR_BAD_ARGUMENT;
    address_key(user, key);
    enum err e = env_store_put(t->env, key, span_of(address, strlen(address)));
    return e ? e : env_store_commit(t->env);
}

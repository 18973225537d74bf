/* The deep link and the password in it. The app hands on nothing that is not of the form. */
#include <openssl/crypto.h>
#include <string.h>

#include "lib/json/json.h"
#include "sim/actors/phone/phone_parts.h"

#define DEEP_LINK 256

bool phone_digits_ok(const char *text)
{
    return strlen(text) == PHONE_DIGITS && strspn(text, "0123456789") == PHONE_DIGITS;
}

/* The value of a name in a fragment, "a=1&b=2". */
static bool take(const char *fragment, const char *name, char *out, size_t cap)
{
    size_t len = strlen(name);
    for (const char *at = fragment; at; at = strchr(at, '&') ? strchr(at, '&') + 1 : NULL) {
        if (strncmp(at, name, len) != 0 || at[len] != '=')
            continue;
        size_t value = strcspn(at + len + 1, "&");
        if (value >= cap)
            return false;
        memcpy(out, at + len + 1, value);
        out[value] = '\0';
        return true;
    }
    return false;
}

static enum err store_link(struct phone *p, const char *id, const char *password)
{
    enum err e = env_store_put(p->env, PHONE_LINK_ID, span_of(id, strlen(id)));
    if (!e)
        e = env_store_put(p->env, PHONE_LINK_PASSWORD, span_of(password, PHONE_DIGITS));
    if (!e)
        e = env_store_put(p->env, PHONE_LINK_UNTOLD, span_of("\1", 1));
    return e ? e : env_store_commit(p->env);
}

/* Of the link that the password came with: no two phones hold the same. */
static void claim(struct phone *p)
{
    char id[PHONE_LINK_MAX] = "";
    size_t len;
    if (env_store_get(p->env, PHONE_LINK_ID, id, sizeof id - 1, &len) == ERR_OK)
        env_claim(p->env, PHONE_CLAIM_PASSWORD, id, span_of(id, len));
}

enum err phone_take_link(struct phone *p, struct span body)
{
    char id[PHONE_LINK_MAX], link[DEEP_LINK], password[PHONE_DIGITS + 1], known[PHONE_LINK_MAX];
    const struct json_field fields[] = {{"id", 1, id, sizeof id}, {"deep_link", 1, link, sizeof link}};
    enum err e = json_read(body, fields, 2, JSON_SKIP_OTHERS);
    const char *fragment = e ? NULL : strchr(link, '#');
    if (!e && (!fragment || strncmp(link, "https://", 8) != 0 ||
               !take(fragment + 1, "password", password, sizeof password) || !phone_digits_ok(password) ||
               !take(fragment + 1, "id", known, sizeof known) || strcmp(known, id) != 0))
        e = ERR_MSG_MALFORMED;
    if (!e)
        e = store_link(p, id, password);
    if (!e)
        claim(p);
    OPENSSL_cleanse(link, sizeof link);
    OPENSSL_cleanse(password, sizeof password);
    return e;
}

/* ---- the framework ---- */

enum err phone_enter(struct phone *p, const char *digits)
{
    return phone_digits_ok(digits) ? handset_set_password(p, digits) : ERR_BAD_ARGUMENT;
}

enum err phone_open_link(struct phone *p)
{
    char password[PHONE_DIGITS + 1] = "";
    size_t len;
    enum err e = env_store_get(p->env, PHONE_LINK_PASSWORD, password, PHONE_DIGITS, &len);
    if (!e)
        e = phone_enter(p, password);
    OPENSSL_cleanse(password, sizeof password);
    return e;
}

static enum err forget_link(struct phone *p)
{
    static const char *const keys[] = {PHONE_LINK_ID, PHONE_LINK_PASSWORD, PHONE_LINK_UNTOLD,
                                       PHONE_KEY,     PHONE_VEHICLE,       NULL};
    enum err e = ERR_OK;
    for (const char *const *key = keys; !e && *key; key++)
        e = env_store_delete(p->env, *key);
    return e ? e : env_store_commit(p->env);
}

enum err phone_forget(struct phone *p)
{
    char id[PHONE_LINK_MAX] = "";
    size_t len;
    bool held = env_store_get(p->env, PHONE_LINK_ID, id, sizeof id - 1, &len) == ERR_OK;
    enum err e = forget_link(p);
    if (!e && held)
        env_claim(p->env, PHONE_CLAIM_PASSWORD, id, (struct span){NULL, 0});
    return e ? e : handset_forget_password(p);
}

void phone_remember(struct phone *p)
{
    claim(p);
}

/* The deep link and the password in it. The app hands on nothing that is not of the form; the framework holds
 * one password. */
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

static void show(struct phone *p, bool entered)
{
    env_show(p->env, PHONE_SHOW_FRAMEWORK, entered ? "password entered" : "no password");
}

enum err phone_enter(struct phone *p, const char *digits)
{
    if (!phone_digits_ok(digits))
        return ERR_BAD_ARGUMENT;
    enum err e = env_store_put(p->env, PHONE_PASSWORD, span_of(digits, PHONE_DIGITS));
    if (!e)
        e = env_store_commit(p->env);
    if (!e)
        show(p, true);
    return e;
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

enum err phone_forget(struct phone *p)
{
    static const char *const keys[] = {
        PHONE_LINK_ID, PHONE_LINK_PASSWORD, PHONE_LINK_UNTOLD, PHONE_PASSWORD, PHONE_KEY, PHONE_VEHICLE,
        NULL};
    char id[PHONE_LINK_MAX] = "";
    size_t len;
    bool held = env_store_get(p->env, PHONE_LINK_ID, id, sizeof id - 1, &len) == ERR_OK;
    enum err e = ERR_OK;
    for (const char *const *key = keys; !e && *key; key++)
        e = env_store_delete(p->env, *key);
    if (!e)
        e = env_store_commit(p->env);
    if (e)
        return e;
    if (held)
        env_claim(p->env, PHONE_CLAIM_PASSWORD, id, (struct span){NULL, 0});
    show(p, false);
    return ERR_OK;
}

void phone_remember(struct phone *p)
{
    uint8_t password[PHONE_DIGITS];
    size_t len;
    bool entered = env_store_get(p->env, PHONE_PASSWORD, password, sizeof password, &len) == ERR_OK;
    OPENSSL_cleanse(password, sizeof password);
    claim(p);
    show(p, entered);
}

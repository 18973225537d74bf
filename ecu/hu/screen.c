#include <stdio.h>
#include <string.h>

#include "ecu/hu/hu_internal.h"

static const char *const ignition_texts[] = {
    [HU_IGNITION_UNKNOWN] = "unknown", [HU_IGNITION_OFF] = "off", [HU_IGNITION_ON] = "on"};

static const struct {
    const char *text;
    bool goes_on;
} notices[CABIN_NOTICES] = {
    [CABIN_CLICK_LINK] = {"click the link in your phone and follow its app", true},
    [CABIN_PUT_PHONE] = {"put the phone on the charging pad", true},
    [CABIN_PAIRING] = {"pairing: leave the phone where it is", true},
    [CABIN_LEAVE_PHONE] = {"almost done: leave the phone on the pad, or put it back", true},
    [CABIN_PAIRED] = {"paired: your phone is a key", false},
    [CABIN_FAILED] = {"pairing failed", false},
    [CABIN_CANCELLED] = {"cancelled", false},
    [CABIN_TIME_OVER] = {"time is over: begin again", false},
    [CABIN_KEY_DELETED] = {"key deleted", false},
    [CABIN_NO_VERIFIERS] = {"the car is being prepared, please wait", true},
    [CABIN_KEY_NEEDED] = {"bring a key fob, or put your card key on the charging pad", true},
    [CABIN_LIST_FOLLOWS] = {"the keys are being read", true},
    [CABIN_TAKE_CARD] = {"take the card away, click the link in your phone and follow its app", true},
    [CABIN_PAIRING_AIR] = {"pairing over Bluetooth: keep the phone in the car", true},
    [CABIN_STAY_NEAR] = {"almost done: keep the phone in the car, Bluetooth on", true},
};

static const char *const key_states[] = {[CABIN_KEY_PENDING] = "pending",
                                         [CABIN_KEY_ACTIVE] = "active",
                                         [CABIN_KEY_SUSPENDED] = "suspended",
                                         [CABIN_KEY_TERMINATED] = "terminated"};

bool screen_goes_on(enum cabin_notice what)
{
    return notices[what].goes_on;
}

void screen_show(struct hu *h, const char *text)
{
    env_show(h->env, HU_SHOW_SCREEN, text);
}

void screen_show_ignition(struct hu *h)
{
    env_show(h->env, HU_SHOW_IGNITION, ignition_texts[h->ignition]);
}

/* What failed is what was asked for last, else the pairing. */
static const char *text_of(enum cabin_notice what, uint8_t wish)
{
    if (what == CABIN_FAILED && wish == CABIN_DELETE_KEY)
        return "no key was deleted";
    if (what == CABIN_FAILED && wish == CABIN_LIST_KEYS)
        return "no list of keys";
    return notices[what].text;
}

void screen_show_notification(struct hu *h, const struct cabin_notification *n, uint8_t wish)
{
    char text[ENV_TEXT_MAX];
    const char *what = text_of(n->what, wish);
    if (n->what == CABIN_FAILED && n->reason)
        snprintf(text, sizeof text, "%s: %s", what, err_text((enum err)n->reason));
    else if (n->what == CABIN_KEY_DELETED && n->key)
        snprintf(text, sizeof text, "key %u deleted", n->key);
    else
        text_copy(text, sizeof text, what);
    screen_show(h, text);
}

/* ---- the list of keys: whole entries, as many as the line holds ---- */

static size_t key_text(const struct cabin_key *k, char *out, size_t cap)
{
    return (size_t)snprintf(out, cap, "%u %s%s(%s)", k->index, k->name, k->name[0] ? " " : "",
                            key_states[k->state]);
}

#define MORE_MAX sizeof ", 16 more"

void screen_show_keys(struct hu *h, const struct cabin_keys *keys)
{
    char line[ENV_TEXT_MAX] = "", one[CABIN_NAME_MAX + 32], count[32];
    size_t len = 0, i = 0;
    for (; i < keys->count; i++) {
        size_t n = key_text(&keys->keys[i], one, sizeof one);
        size_t room = sizeof line - len - (i + 1 < keys->count ? MORE_MAX : 1);
        if (n + (len ? 2 : 0) > room)
            break;
        len += (size_t)snprintf(line + len, sizeof line - len, "%s%s", len ? ", " : "", one);
    }
    if (i < keys->count)
        snprintf(line + len, sizeof line - len, "%s%zu more", len ? ", " : "", keys->count - i);
    env_show(h->env, HU_SHOW_KEYS, keys->count ? line : "none");
    snprintf(count, sizeof count, "%zu key%s", keys->count, keys->count == 1 ? "" : "s");
    screen_show(h, count);
}

/* KM-01/8: the phone asks its maker's server what has become of its tracked keys: when it is reached, when
 * the user opens the wallet, and after a while again. Suspension and resumption it hears from nobody else, an
 * end perhaps from the vehicle first: what it knows already changes nothing. */
#include <stdio.h>
#include <string.h>

#include "lib/http/http_problem.h"
#include "lib/json/json.h"
#include "lib/msg/manage.h"
#include "lib/token/base64url.h"
#include "sim/actors/phone/phone_parts.h"

static struct handset_state *state(struct phone *p)
{
    return &p->handset.state;
}

static struct span text_span(const char *text)
{
    return span_of(text, strlen(text));
}

/* ---- asking ---- */

static void tag_of(const struct handset_state *t, char out[16])
{
    snprintf(out, 16, "s%u", t->sent);
}

bool handset_state_waits_for(const struct phone *p, const char *tag)
{
    char mine[16];
    tag_of(&p->handset.state, mine);
    return p->handset.state.asks && strcmp(tag, mine) == 0;
}

static enum err write(const struct phone *p, struct wr *out)
{
    char path[80], hex[2 * ENDPOINT_KEY_ID + 1];
    struct http_request q = {.method = HTTP_GET};
    hex_encode(p->handset.state.key_id, ENDPOINT_KEY_ID, hex);
    snprintf(path, sizeof path, "/v1/keys/%s", hex);
    q.words[HTTP_WORD_PATH] = text_span(path);
    return http_request_write(&q, out);
}

/* The next key of those that are to be asked for. */
static void go_on(struct phone *p)
{
    struct handset_state *t = state(p);
    uint8_t out[256];
    char tag[16];
    struct wr w = wr_of(out, sizeof out);
    unsigned i = 0;
    t->asks = false;
    env_timer_set(p->env, PHONE_TIMER_STATE_PATIENCE, ENV_NEVER);
    while (i < APPLET_KEYS && !(t->due & 1u << i && handset_is_tracked(p, i)))
        i++;
    if (i == APPLET_KEYS || !t->up || !p->handset.open)
        return;
    t->due &= (uint16_t) ~(1u << i);
    t->index = i;
    memcpy(t->key_id, p->handset.applet.keys[i].key_id, sizeof t->key_id);
    t->sent++;
    tag_of(t, tag);
    enum err e = write(p, &w);
    if (!e)
        e = env_send_bytes(p->env, PHONE_PORT_DEVICE, tag, span_of(out, w.len));
    t->asks = !e;
    if (t->asks)
        env_timer_in(p->env, PHONE_TIMER_STATE_PATIENCE, p->patience_us);
}

void handset_state_look(struct phone *p)
{
    state(p)->due = UINT16_MAX;
    env_timer_in(p->env, PHONE_TIMER_STATE, p->state_us);
    if (!state(p)->asks)
        go_on(p);
}

enum err handset_check_keys(struct phone *p)
{
    if (!p->handset.open)
        return p->handset.broken ? p->handset.broken : ERR_MSG_UNEXPECTED;
    if (!state(p)->up)
        return ERR_LINK_DOWN;
    handset_state_look(p);
    return ERR_OK;
}

void handset_state_on_link(struct phone *p, enum link_state link)
{
    state(p)->up = link != LINK_DOWN;
    handset_state_stop(p);
    if (state(p)->up)
        handset_state_look(p);
}

/* Without an answer: it is asked again after a while. */
void handset_state_late(struct phone *p)
{
    if (!state(p)->asks)
        return;
    env_trace_reason(p->env, TRACE_RETRY, "KM-01/8", "KeyState", ERR_MSG_NO_ANSWER, 0, NULL);
    go_on(p);
}

void handset_state_stop(struct phone *p)
{
    state(p)->asks = false;
    env_timer_set(p->env, PHONE_TIMER_STATE_PATIENCE, ENV_NEVER);
    env_timer_set(p->env, PHONE_TIMER_STATE, ENV_NEVER);
}

/* ---- the answer ---- */

struct heard {
    enum key_state state;
    uint8_t resumption[TRACKING_RESUMPTION_MAX];
    size_t resumption_len;
};

static enum err read_answer(struct span bytes, struct heard *out)
{
    char word[16], text[BASE64URL_LEN(TRACKING_RESUMPTION_MAX) + 1];
    const struct json_field fields[] = {{"state", 1, word, sizeof word},
                                        {"resumption", 0, text, sizeof text}};
    struct http_response r;
    enum err reason, e = http_response_read(bytes, &r);
    if (!e && r.status != 200)
        return http_problem_reason(&r, &reason) == ERR_OK && reason ? reason : ERR_MSG_MALFORMED;
    if (!e)
        e = json_read(r.body, fields, 2, JSON_SKIP_OTHERS);
    if (e)
        return e;
    long len = base64url_decode(text_span(text), out->resumption, sizeof out->resumption);
    out->resumption_len = len < 0 ? 0 : (size_t)len;
    for (out->state = KEY_ACTIVE; out->state < KEY_STATES; out->state++)
        if (strcmp(word, key_state_name(out->state)) == 0)
            return len < 0 ? ERR_MSG_MALFORMED : ERR_OK;
    return ERR_MSG_MALFORMED;
}

/* One call of the framework, or none. */
static enum err apply(struct phone *p, struct digital_key *k, const struct heard *h, const char **what)
{
    struct dk_device *d = &p->handset.device;
    *what = NULL;
    if (h->state == KEY_TERMINATED && k->state != APPLET_KEY_TERMINATED) {
        *what = "hears from its server that the key has ended";
        return dk_device_terminate(d, k);
    }
    if (h->state == KEY_SUSPENDED && k->state == APPLET_KEY_ACTIVE) {
        *what = "hears from its server that the key is suspended";
        return dk_device_suspend(d, k);
    }
    if (h->state == KEY_ACTIVE && k->state == APPLET_KEY_SUSPENDED) {
        *what = "hears from its server that the key is resumed";
        return dk_device_resume(d, k, span_of(h->resumption, h->resumption_len));
    }
    return ERR_OK;
}

static enum err take(struct phone *p, const struct heard *h)
{
    struct handset_turn t;
    const char *what;
    struct digital_key *k = &p->handset.applet.keys[state(p)->index];
    if (!handset_begin(p, &t))
        return ERR_OK; /* it is loaded anew, and asks then */
    if (memcmp(k->key_id, state(p)->key_id, sizeof k->key_id) != 0 || k->state == APPLET_KEY_NONE)
        return ERR_OK;                        /* deleted meanwhile */
    memset(t.sessions, 0, sizeof t.sessions); /* they end with the key */
    enum err e = apply(p, k, h, &what);
    enum err stored = handset_end_call(p, &t);
    if (!e)
        e = stored;
    if (!e && what)
        env_trace_step(p->env, "KM-01/8", what);
    return e;
}

void handset_state_on_response(struct phone *p, struct span bytes)
{
    struct heard h = {.state = KEY_STATE_NONE};
    state(p)->asks = false;
    enum err e = read_answer(bytes, &h);
    if (!e)
        e = take(p, &h);
    if (e)
        env_trace_reason(p->env, TRACE_REJECT, "KM-01/8", "KeyState", e, (uint32_t)bytes.len, NULL);
    go_on(p);
}

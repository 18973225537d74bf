/* The app over HTTP: signs in, asks for the link, acknowledges it. One request at a time; what may have been
 * lost is sent again, and the Idempotency-Key in the store says that it is the same. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "lib/http/http_problem.h"
#include "lib/json/json.h"
#include "sim/actors/phone/phone_parts.h"

static const struct phone_user users[] = {
    {"anna", "lake-and-lantern"}, {"bert", "field-and-feather"}, {"mallory", "whatever-it-may-be"}};
const char *const phone_user_names[] = {"anna", "bert", "mallory", NULL};

const struct phone_user *phone_user_at(uint64_t index)
{
    return &users[index];
}

static void show(struct phone *p, const char *text)
{
    env_show(p->env, PHONE_SHOW_SCREEN, text);
}

static void end(struct phone *p)
{
    p->asks = PHONE_ASKS_NOTHING;
    env_timer_set(p->env, PHONE_TIMER_PATIENCE, ENV_NEVER);
    env_timer_set(p->env, PHONE_TIMER_RETRY, ENV_NEVER);
}

void phone_app_stop(struct phone *p)
{
    end(p);
    OPENSSL_cleanse(p->token, sizeof p->token);
    p->user = NULL;
    p->wants_link = false;
}

/* ---- asking ---- */

static struct span text_span(const char *text)
{
    return span_of(text, strlen(text));
}

/* "" where there is none. */
static void stored(struct phone *p, const char *key, char *out, size_t cap)
{
    size_t len = 0;
    memset(out, 0, cap);
    if (env_store_get(p->env, key, out, cap - 1, &len))
        *out = '\0';
}

enum phone_ask phone_next_ask(struct phone *p)
{
    char vehicle[PHONE_VEHICLE_MAX + 1], id[PHONE_LINK_MAX], untold[2];
    stored(p, PHONE_VEHICLE, vehicle, sizeof vehicle);
    stored(p, PHONE_LINK_ID, id, sizeof id);
    stored(p, PHONE_LINK_UNTOLD, untold, sizeof untold);
    size_t len = strlen(vehicle);
    return *untold && len && strncmp(id, vehicle, len) == 0 && id[len] == '-' ? PHONE_ACKNOWLEDGES
                                                                              : PHONE_ASKS_LINK;
}

/* The texts that a request points to. */
struct words {
    char path[160], body[300], authorization[TOKEN_MAX + 8], key[PHONE_ID + 1];
};

static void fill_sign_in(struct phone *p, struct words *w)
{
    char client[PHONE_ID + 1];
    stored(p, PHONE_CLIENT, client, sizeof client);
    snprintf(w->path, sizeof w->path, "/v1/tokens");
    snprintf(w->body, sizeof w->body, "{\"user\":\"%s\",\"secret\":\"%s\",\"client\":\"%s\"}", p->user->name,
             p->user->secret, client);
}

static void fill_link(struct phone *p, struct words *w)
{
    char vehicle[PHONE_VEHICLE_MAX + 1];
    stored(p, PHONE_VEHICLE, vehicle, sizeof vehicle);
    stored(p, PHONE_KEY, w->key, sizeof w->key);
    snprintf(w->path, sizeof w->path, "/v1/pairing-passwords");
    snprintf(w->body, sizeof w->body, "{\"vehicle\":\"%s\"}", vehicle);
}

static void fill_acknowledgement(struct phone *p, struct words *w)
{
    char id[PHONE_LINK_MAX];
    stored(p, PHONE_LINK_ID, id, sizeof id);
    snprintf(w->path, sizeof w->path, "/v1/pairing-passwords/%s/acknowledge", id);
}

static enum err write(struct phone *p, struct wr *out)
{
    struct words w = {.path = ""};
    struct http_request q = {.method = HTTP_POST};
    if (p->asks == PHONE_ASKS_TOKEN)
        fill_sign_in(p, &w);
    else if (p->asks == PHONE_ASKS_LINK)
        fill_link(p, &w);
    else
        fill_acknowledgement(p, &w);
    if (*p->token)
        snprintf(w.authorization, sizeof w.authorization, "Bearer %s", p->token);
    q.words[HTTP_WORD_PATH] = text_span(w.path);
    q.words[HTTP_WORD_AUTHORIZATION] = text_span(w.authorization);
    q.words[HTTP_WORD_IDEMPOTENCY_KEY] = text_span(w.key);
    if (*w.body)
        q.words[HTTP_WORD_TYPE] = text_span(http_type_name(HTTP_TYPE_JSON));
    q.body = text_span(w.body);
    enum err e = http_request_write(&q, out);
    OPENSSL_cleanse(&w, sizeof w);
    return e;
}

static void tag_of(const struct phone *p, char out[16])
{
    snprintf(out, 16, "q%u", p->sent);
}

void phone_app_send(struct phone *p)
{
    uint8_t out[PHONE_OUT_MAX];
    char tag[16];
    struct wr w = wr_of(out, sizeof out);
    p->sent++;
    tag_of(p, tag);
    if (p->asks == PHONE_ASKS_LINK)
        env_trace_step(p->env, "OP-01a/1", "asks for the deep link");
    if (p->asks == PHONE_ACKNOWLEDGES)
        env_trace_step(p->env, "OP-01a/9", "acknowledges the link that it holds");
    env_timer_in(p->env, PHONE_TIMER_PATIENCE, p->patience_us);
    enum err e = write(p, &w);
    if (!e)
        e = env_send_bytes(p->env, PHONE_PORT_APP, tag, span_of(out, w.len));
    OPENSSL_cleanse(out, sizeof out);
    if (e)
        phone_retry(p, err_name(e));
}

void phone_begin(struct phone *p, enum phone_ask ask)
{
    end(p);
    p->asks = ask;
    p->tries = 0;
    phone_app_send(p);
}

void phone_retry(struct phone *p, const char *why)
{
    char text[ENV_TEXT_MAX];
    enum phone_ask ask = p->asks;
    end(p);
    if (++p->tries >= p->tries_max) {
        snprintf(text, sizeof text, "gave up: %s", why);
        show(p, text);
        return;
    }
    p->asks = ask;
    env_timer_in(p->env, PHONE_TIMER_RETRY, p->retry_us);
}

bool phone_waits_for(const struct phone *p, const char *tag)
{
    char mine[16];
    tag_of(p, mine);
    return p->asks != PHONE_ASKS_NOTHING && strcmp(tag, mine) == 0;
}

/* ---- answers ---- */

static enum err take_token(struct phone *p, struct span body)
{
    char type[16];
    const struct json_field fields[] = {{"access_token", 1, p->token, sizeof p->token},
                                        {"token_type", 6, type, sizeof type}};
    return json_read(body, fields, 2, JSON_SKIP_OTHERS);
}

static void signed_in(struct phone *p)
{
    char text[ENV_TEXT_MAX];
    snprintf(text, sizeof text, "signed in as %s", p->user->name);
    end(p);
    show(p, text);
    if (p->wants_link) {
        p->wants_link = false;
        phone_begin(p, phone_next_ask(p));
    }
}

/* The next ask is another one. */
static void end_ask(struct phone *p)
{
    enum err e = env_store_delete(p->env, PHONE_KEY);
    if (!e)
        e = env_store_delete(p->env, PHONE_VEHICLE);
    if (!e)
        e = env_store_delete(p->env, PHONE_LINK_UNTOLD);
    if (!e)
        e = env_store_commit(p->env);
    if (e)
        env_trace_reason(p->env, TRACE_FAIL, "OP-01a/9", NULL, e, 0, NULL);
}

static void acknowledged(struct phone *p)
{
    end_ask(p);
    end(p);
    show(p, "link here");
}

static void refused(struct phone *p, const struct http_response *r)
{
    enum err reason;
    char text[ENV_TEXT_MAX];
    if (http_problem_reason(r, &reason) != ERR_OK)
        reason = ERR_MSG_MALFORMED;
    if (r->status == 502 || r->status == 503 || r->status == 504) {
        phone_retry(p, err_name(reason));
        return;
    }
    if (p->asks == PHONE_ACKNOWLEDGES && r->status == 404)
        end_ask(p); /* the link is void: the password was replaced meanwhile */
    end(p);
    snprintf(text, sizeof text, "refused: %s", err_name(reason));
    if (r->status == 401) { /* a token that is not taken is none */
        OPENSSL_cleanse(p->token, sizeof p->token);
        p->wants_link = false;
    }
    show(p, text);
}

static enum err take(struct phone *p, const struct http_response *r)
{
    enum err e;
    switch (p->asks) {
    case PHONE_ASKS_TOKEN:
        e = take_token(p, r->body);
        if (!e)
            signed_in(p);
        return e;
    case PHONE_ASKS_LINK:
        e = phone_take_link(p, r->body);
        if (!e)
            phone_begin(p, PHONE_ACKNOWLEDGES);
        return e;
    default:
        acknowledged(p);
        return ERR_OK;
    }
}

void phone_on_response(struct phone *p, const char *tag, struct span bytes)
{
    struct http_response r;
    if (!phone_waits_for(p, tag))
        return; /* it was asked again meanwhile */
    enum err e = http_response_read(bytes, &r);
    if (!e && r.status / 100 != 2) {
        refused(p, &r);
        return;
    }
    if (!e)
        e = take(p, &r);
    if (!e)
        return;
    env_trace_reason(p->env, TRACE_REJECT, NULL, http_message_name(bytes), e, (uint32_t)bytes.len, NULL);
    phone_retry(p, err_name(e));
}

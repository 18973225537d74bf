/* Sessions of portal and hotline. A browser has a random id in a cookie, the store has its digest only: who
 * reads the store can be nobody. Before sign-in there is an id too, so that a sign-in form is of use in the
 * browser alone that asked for it; it is made of randomness, time and a MAC, and kept nowhere: those who only
 * look at the page cost no room. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "backend/tbe/tbe_portal.h"
#include "lib/token/base64url.h"

#define IDLE_MS     900000   /* 15 min */
#define ABSOLUTE_MS 28800000 /* 8 h */
#define VISITOR_S   3600
#define STEP_MS     60000 /* a clock may step back so far; and no oftener is it written when it was seen */
#define RECORD_FORM 1
#define RECORD_MAX  (2 + 8 + 8 + TBE_WORD)
#define NONCE       12 /* of a visitor's id: random, then seconds in 4 bytes, then the MAC */
#define MAC         16
#define COOKIE      "__Host-s"

/* ---- the store ---- */

static void key_of(const uint8_t digest[SHA256_SIZE], char out[ENV_KEY_MAX + 1])
{
    snprintf(out, ENV_KEY_MAX + 1, "%s", TBE_SESSION);
    hex_encode(digest, SHA256_SIZE, out + strlen(TBE_SESSION));
}

static enum err put(struct tbe *t, const struct tbe_session *s)
{
    char key[ENV_KEY_MAX + 1];
    uint8_t record[RECORD_MAX];
    struct wr w = wr_of(record, sizeof record);
    key_of(s->digest, key);
    wr_u8(&w, RECORD_FORM);
    wr_u8(&w, (uint8_t)s->port);
    wr_be64(&w, (uint64_t)s->begun_ms);
    wr_be64(&w, (uint64_t)s->seen_ms);
    wr_copy(&w, tbe_users[s->user].name, strlen(tbe_users[s->user].name));
    return env_store_put(t->env, key, span_of(record, w.len));
}

static bool read_record(const char *key, struct span value, struct tbe_session *s)
{
    char name[TBE_WORD + 1];
    struct rd r = rd_of(value.p, value.len);
    const char *hex = key + strlen(TBE_SESSION);
    uint8_t form = rd_u8(&r);
    s->port = rd_u8(&r);
    s->begun_ms = (int64_t)rd_be64(&r);
    s->seen_ms = s->kept_ms = (int64_t)rd_be64(&r);
    if (r.failed || form != RECORD_FORM || r.left > TBE_WORD)
        return false;
    snprintf(name, sizeof name, "%.*s", (int)r.left, (const char *)r.p);
    s->user = tbe_user_at(name, s->port);
    return s->user < TBE_USERS && hex_decode(hex, strlen(hex), s->digest, sizeof s->digest) == SHA256_SIZE;
}

static bool within(int64_t now_ms, int64_t since_ms, int64_t limit_ms)
{
    return since_ms <= now_ms + STEP_MS && now_ms - since_ms < limit_ms;
}

static bool is_alive(struct tbe *t, const struct tbe_session *s)
{
    int64_t now_ms = env_wall_ms(t->env);
    return within(now_ms, s->begun_ms, ABSOLUTE_MS) && within(now_ms, s->seen_ms, IDLE_MS);
}

static struct tbe_session *free_slot(struct tbe *t)
{
    for (size_t i = 0; i < TBE_SESSIONS; i++)
        if (t->sessions[i].user == TBE_USERS)
            return &t->sessions[i];
    return NULL;
}

struct loading {
    struct tbe *t;
    size_t over_count;
    char over[TBE_SESSIONS][ENV_KEY_MAX + 1]; /* what is to go; the rest goes at the next start */
};

static void load_one(void *ctx, const char *key, struct span value)
{
    struct loading *l = ctx;
    struct tbe_session s;
    struct tbe_session *slot = free_slot(l->t);
    if (slot && read_record(key, value, &s) && is_alive(l->t, &s))
        *slot = s;
    else if (l->over_count < TBE_SESSIONS)
        text_copy(l->over[l->over_count++], ENV_KEY_MAX + 1, key);
}

static enum err load_key(struct tbe *t)
{
    size_t len;
    enum err e = env_store_get(t->env, TBE_FORM_KEY, t->form_key, sizeof t->form_key, &len);
    if (!e)
        return len == sizeof t->form_key ? ERR_OK : ERR_STORE_FAILED;
    if (e != ERR_NOT_FOUND)
        return e;
    env_random(t->env, t->form_key, sizeof t->form_key);
    e = env_store_put(t->env, TBE_FORM_KEY, span_of(t->form_key, sizeof t->form_key));
    return e ? e : env_store_commit(t->env);
}

enum err tbe_sessions_load(struct tbe *t)
{
    struct loading l = {.t = t};
    for (size_t i = 0; i < TBE_SESSIONS; i++)
        t->sessions[i].user = TBE_USERS;
    enum err e = load_key(t);
    if (!e)
        e = env_store_scan(t->env, TBE_SESSION, load_one, &l);
    for (size_t i = 0; i < l.over_count && !e; i++)
        e = env_store_delete(t->env, l.over[i]);
    return e || !l.over_count ? e : env_store_commit(t->env);
}

/* ---- begin and end ---- */

static void digest_of(struct tbe *t, const uint8_t id[TBE_SESSION_ID], uint8_t out[SHA256_SIZE])
{
    const struct span part = {id, TBE_SESSION_ID};
    crypto_sha256(t->env->crypto, &part, 1, out);
}

static struct tbe_session *find(struct tbe *t, unsigned port, const uint8_t id[TBE_SESSION_ID])
{
    uint8_t digest[SHA256_SIZE];
    digest_of(t, id, digest);
    for (size_t i = 0; i < TBE_SESSIONS; i++) {
        struct tbe_session *s = &t->sessions[i];
        if (s->user < TBE_USERS && s->port == port && bytes_equal_ct(s->digest, digest, sizeof digest))
            return s;
    }
    return NULL;
}

/* Into the transaction under way; the slot is free when that is kept. */
static enum err drop(struct tbe *t, const struct tbe_session *s)
{
    char key[ENV_KEY_MAX + 1];
    key_of(s->digest, key);
    return env_store_delete(t->env, key);
}

enum err tbe_session_end(struct tbe *t, struct tbe_session *s)
{
    enum err e = drop(t, s);
    if (!e)
        e = env_store_commit(t->env);
    s->user = TBE_USERS; /* whatever the store says: nobody is signed in by it in this life */
    return e;
}

/* The slot for one more of that user: a free one while the user has few, else that of the oldest. */
static struct tbe_session *slot_for(struct tbe *t, size_t user)
{
    struct tbe_session *oldest = NULL;
    size_t count = 0;
    for (size_t i = 0; i < TBE_SESSIONS; i++) {
        struct tbe_session *s = &t->sessions[i];
        if (s->user != user)
            continue;
        count++;
        if (!oldest || s->begun_ms < oldest->begun_ms)
            oldest = s;
    }
    return count < TBE_SESSIONS_EACH ? free_slot(t) : oldest;
}

enum err tbe_session_begin(struct tbe *t, unsigned port, size_t user, const uint8_t *former,
                           uint8_t id[TBE_SESSION_ID])
{
    int64_t now_ms = env_wall_ms(t->env);
    struct tbe_session s = {
        .user = user, .port = port, .begun_ms = now_ms, .seen_ms = now_ms, .kept_ms = now_ms};
    struct tbe_session *before = former ? find(t, port, former) : NULL;
    enum err e = before ? tbe_session_end(t, before) : ERR_OK;
    struct tbe_session *slot = slot_for(t, user);
    if (!e && !slot)
        e = ERR_BUSY;
    if (!e && slot->user < TBE_USERS)
        e = drop(t, slot);
    env_random(t->env, id, TBE_SESSION_ID);
    digest_of(t, id, s.digest);
    if (!e)
        e = put(t, &s);
    if (!e)
        e = env_store_commit(t->env);
    if (!e)
        *slot = s;
    return e;
}

/* ---- the cookie ---- */

static bool take_id(struct span text, uint8_t id[TBE_SESSION_ID])
{
    return text.len == BASE64URL_LEN(TBE_SESSION_ID) &&
           base64url_decode(text, id, TBE_SESSION_ID) == TBE_SESSION_ID;
}

/* Two of that name are none: a browser keeps one of a "__Host-" name. */
static bool take_cookie(struct span all, uint8_t id[TBE_SESSION_ID])
{
    static const char name[] = COOKIE "=";
    const size_t len = sizeof name - 1;
    struct span found = {NULL, 0};
    unsigned count = 0;
    for (size_t at = 0, end; at < all.len; at = end + 2) {
        const uint8_t *semicolon = memchr(all.p + at, ';', all.len - at);
        end = semicolon ? (size_t)(semicolon - all.p) : all.len;
        if (end - at < len || memcmp(all.p + at, name, len) != 0)
            continue;
        found = span_of(all.p + at + len, end - at - len);
        count++;
    }
    return count == 1 && take_id(found, id);
}

static void be_seen(struct tbe *t, struct tbe_session *s)
{
    s->seen_ms = env_wall_ms(t->env);
    if (s->seen_ms >= s->kept_ms && s->seen_ms - s->kept_ms < STEP_MS)
        return;
    s->kept_ms = s->seen_ms;
    if (put(t, s) || env_store_commit(t->env))
        env_trace_reason(t->env, TRACE_FAIL, NULL, "session", ERR_STORE_FAILED, 0, NULL);
}

void tbe_session_recognise(struct tbe *t, struct tbe_page_visit *v)
{
    v->has_cookie = take_cookie(v->request->words[HTTP_WORD_COOKIE], v->cookie);
    v->session = v->has_cookie ? find(t, v->caller.port, v->cookie) : NULL;
    if (!v->session)
        return;
    if (is_alive(t, v->session)) {
        be_seen(t, v->session);
        return;
    }
    env_trace_note(t->env, TRACE_NOTE, "a session is over");
    (void)tbe_session_end(t, v->session);
    v->session = NULL;
}

/* ---- what binds a form to a browser ---- */

static void mac_of(struct tbe *t, const char *what, unsigned port, struct span id, struct span action,
                   uint8_t out[SHA256_SIZE])
{
    const uint8_t host = (uint8_t)port;
    const struct span parts[] = {{(const uint8_t *)what, strlen(what) + 1}, {&host, 1}, id, action};
    crypto_hmac(t->env->crypto, t->form_key, parts, sizeof parts / sizeof parts[0], out);
}

static void visitor_mac(struct tbe *t, unsigned port, const uint8_t id[TBE_SESSION_ID],
                        uint8_t out[SHA256_SIZE])
{
    mac_of(t, "visitor", port, span_of(id, TBE_SESSION_ID - MAC), span_of("", 0), out);
}

void tbe_visitor_make(struct tbe *t, unsigned port, uint8_t id[TBE_SESSION_ID])
{
    uint8_t mac[SHA256_SIZE];
    struct wr w = wr_of(id + NONCE, 4);
    env_random(t->env, id, NONCE);
    wr_be32(&w, (uint32_t)(env_wall_ms(t->env) / 1000));
    visitor_mac(t, port, id, mac);
    memcpy(id + TBE_SESSION_ID - MAC, mac, MAC);
    OPENSSL_cleanse(mac, sizeof mac);
}

bool tbe_visitor_is(struct tbe *t, unsigned port, const uint8_t id[TBE_SESSION_ID])
{
    uint8_t mac[SHA256_SIZE];
    struct rd r = rd_of(id + NONCE, 4);
    int64_t since_ms = (int64_t)rd_be32(&r) * 1000;
    visitor_mac(t, port, id, mac);
    bool is_ours = bytes_equal_ct(mac, id + TBE_SESSION_ID - MAC, MAC);
    OPENSSL_cleanse(mac, sizeof mac);
    return is_ours && within(env_wall_ms(t->env), since_ms, VISITOR_S * 1000);
}

void tbe_form_token(struct tbe *t, unsigned port, const uint8_t id[TBE_SESSION_ID], const char *action,
                    char out[TBE_FORM_TOKEN])
{
    uint8_t mac[SHA256_SIZE];
    struct wr w = wr_of(out, TBE_FORM_TOKEN - 1);
    mac_of(t, "form", port, span_of(id, TBE_SESSION_ID), span_of(action, strlen(action)), mac);
    base64url_encode(span_of(mac, sizeof mac), &w);
    out[w.len] = '\0';
    OPENSSL_cleanse(mac, sizeof mac);
}

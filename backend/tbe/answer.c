/* What is said over HTTP: statuses, headers, problem documents; and how a body is read. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "backend/tbe/tbe_internal.h"
#include "lib/http/http_problem.h"

static const struct {
    enum err reason;
    unsigned status;
} statuses[] = {
    {ERR_MSG_MALFORMED, 400},
    {ERR_HTTP_KEY, 400},
    {ERR_MSG_TOO_LONG, 413},
    {ERR_NOT_FOUND, 404},
    {ERR_HTTP_METHOD, 405},
    {ERR_HTTP_TYPE, 415},
    {ERR_SIGN_IN, 401},
    {ERR_SESSION_MISSING, 401},
    {ERR_FORM_FORGED, 403},
    {ERR_FORM_FOREIGN, 403},
    {ERR_CONSENT_MISSING, 403},
    {ERR_CONSENT_WRONG, 403},
    {ERR_TOKEN_MISSING, 401},
    {ERR_TOKEN_MALFORMED, 401},
    {ERR_TOKEN_ALGORITHM, 401},
    {ERR_TOKEN_KEY, 401},
    {ERR_SIGNATURE_INVALID, 401},
    {ERR_TOKEN_ISSUER, 401},
    {ERR_TOKEN_AUDIENCE, 401},
    {ERR_TOKEN_NOT_YET_VALID, 401},
    {ERR_TOKEN_EXPIRED, 401},
    {ERR_TOKEN_SCOPE, 403},
    {ERR_HTTP_RATE, 429},
    {ERR_ECU_UNKNOWN, 404},
    {ERR_NOT_PROVISIONED, 409},
    {ERR_NOT_OWNER, 403},
    {ERR_PASSWORD_DELIVERED, 409},
    {ERR_PASSWORD_PENDING, 409},
    {ERR_VERIFIERS_MISSING, 409},
    {ERR_VERIFIERS_BURNT, 409},
    {ERR_VOS_UNREACHABLE, 503},
    {ERR_BUSY, 503},
    {ERR_MSG_NO_ANSWER, 504},
};

unsigned tbe_status_of(enum err reason)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (statuses[i].reason == reason)
            return statuses[i].status;
    return 500;
}

static struct span text_span(const char *text)
{
    return span_of(text, strlen(text));
}

/* Writes and sends; wiped, for it may have had a token or a password. */
static void send(struct tbe *t, const struct tbe_caller *c, struct http_response *r)
{
    uint8_t out[TBE_MESSAGE_MAX];
    struct wr w = wr_of(out, sizeof out);
    r->lines[HTTP_LINE_CACHE_CONTROL] = text_span("no-store");
    r->lines[HTTP_LINE_TYPE_OPTIONS] = text_span("nosniff");
    enum err e = http_response_write(r, &w);
    if (!e)
        e = env_send_bytes(t->env, c->port, c->address, span_of(out, w.len));
    if (e)
        env_trace_reason(t->env, TRACE_FAIL, NULL, NULL, e, (uint32_t)w.len, c->address);
    OPENSSL_cleanse(out, sizeof out);
}

void tbe_answer(struct tbe *t, const struct tbe_caller *c, unsigned status, const char *json)
{
    struct http_response r = {.status = status};
    if (!*c->address)
        return;
    if (json) {
        r.lines[HTTP_LINE_TYPE] = text_span(http_type_name(HTTP_TYPE_JSON));
        r.body = text_span(json);
    }
    send(t, c, &r);
}

static void refuse(struct tbe *t, const struct tbe_caller *c, enum err reason, unsigned retry_after_s,
                   const char *allow)
{
    char text[HTTP_PROBLEM_MAX], seconds[12];
    unsigned status = tbe_status_of(reason);
    struct http_response r = {.status = status};
    if (!*c->address)
        return;
    if (status == 500 && reason != ERR_INTERNAL) { /* our own trouble is no caller's affair */
        env_trace_reason(t->env, TRACE_FAIL, NULL, NULL, reason, 0, c->address);
        reason = ERR_INTERNAL;
    }
    snprintf(seconds, sizeof seconds, "%u", retry_after_s ? retry_after_s : 1);
    if (status == 429 || status == 503)
        r.lines[HTTP_LINE_RETRY_AFTER] = text_span(seconds);
    if (status == 401)
        r.lines[HTTP_LINE_WWW_AUTHENTICATE] = text_span(reason == ERR_SIGN_IN || reason == ERR_TOKEN_MISSING
                                                            ? "Bearer"
                                                            : "Bearer error=\"invalid_token\"");
    if (status == 405)
        r.lines[HTTP_LINE_ALLOW] = text_span(allow);
    r.lines[HTTP_LINE_TYPE] = text_span(http_type_name(HTTP_TYPE_PROBLEM));
    r.body = span_of(text, http_problem_text(status, reason, NULL, text));
    send(t, c, &r);
}

void tbe_refuse(struct tbe *t, const struct tbe_caller *c, enum err reason, unsigned retry_after_s)
{
    refuse(t, c, reason, retry_after_s, "");
}

void tbe_refuse_method(struct tbe *t, const struct tbe_caller *c, const char *allow)
{
    refuse(t, c, ERR_HTTP_METHOD, 0, allow);
}

enum err tbe_read_body(const struct http_request *r, const struct json_field *fields, size_t n)
{
    if (!n)
        return r->body.len ? ERR_MSG_MALFORMED : ERR_OK;
    if (http_type_of(r->words[HTTP_WORD_TYPE]) != HTTP_TYPE_JSON)
        return ERR_HTTP_TYPE;
    return json_read(r->body, fields, n, JSON_REFUSE_OTHERS);
}

bool tbe_is_id(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");
    return len > 0 && len < TBE_ID && !text[len];
}

bool tbe_is_word(const char *text, size_t min)
{
    size_t len = strlen(text);
    return len >= min && len <= TBE_WORD && (!len || tbe_is_id(text));
}

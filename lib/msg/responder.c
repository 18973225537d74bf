#include "lib/msg/responder.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum err load_key(struct responder *r)
{
    uint8_t scalar[P256_SCALAR];
    size_t len;
    enum err e = env_store_get(r->env, RESPONDER_KEY, scalar, sizeof scalar, &len);
    if (!e)
        e = len == sizeof scalar ? p256_from_private(r->env->crypto, scalar, &r->key) : ERR_STORE_FAILED;
    OPENSSL_cleanse(scalar, sizeof scalar);
    return e;
}

enum err responder_init(struct responder *r, struct env *env, unsigned port, const char *service,
                        const char *peer)
{
    char topic[64];
    size_t len;
    r->env = env;
    r->port = port;
    r->service = service;
    r->peer = peer;
    r->cache = calloc(RESPONDER_CACHE, sizeof *r->cache);
    if (!r->cache)
        return ERR_NO_MEMORY;
    enum err e = load_key(r);
    if (!e)
        e = env_store_get(env, RESPONDER_CERTIFICATE, r->certificate, X509_MAX, &r->certificate_len);
    if (!e)
        e = env_store_get(env, RESPONDER_ECU_ANCHOR, r->ecu_anchor_der, X509_MAX, &len);
    if (!e)
        e = x509_parse(span_of(r->ecu_anchor_der, len), &r->ecu_anchor);
    if (e)
        return e;
    snprintf(topic, sizeof topic, "spaak/+/up/%s", service);
    return env_subscribe(env, port, topic);
}

void responder_fini(struct responder *r)
{
    p256_free(r->key);
    free(r->cache);
}

enum err responder_open(struct responder *r, const char *topic, struct span bytes, struct msg_opened *out)
{
    char expected[96];
    struct msg_policy policy = {
        .crypto = r->env->crypto,
        .direction = MSG_REQUEST,
        .signer = X509_ECU_IDENTITY,
        .issuer = &r->ecu_anchor,
        .now_ms = env_wall_ms(r->env),
        .cache = {r->cache, RESPONDER_CACHE},
    };
    enum err e = msg_open(&policy, bytes, out);
    if (e)
        return e;
    snprintf(expected, sizeof expected, "spaak/%s/up/%s", out->header.ecu_serial, r->service);
    return strcmp(topic, expected) == 0 ? ERR_OK : ERR_MSG_SIGNER_NOT_BOUND;
}

void responder_trace_accept(struct responder *r, const struct msg_opened *m, struct span bytes,
                            const char *step)
{
    char detail[MSG_DESCRIPTION_MAX];
    msg_describe(&m->header, detail);
    env_trace_message(r->env, TRACE_ACCEPT, step, msg_type_name(m->header.type), r->peer, bytes, detail);
}

enum err responder_send(struct responder *r, const struct response *response)
{
    uint8_t out[MSG_MAX];
    size_t len;
    char topic[96], detail[MSG_DESCRIPTION_MAX];
    struct msg_header h = {.use_case = response->use_case, .type = response->type, .error = response->error};
    h.issued_at_ms = env_wall_ms(r->env);
    text_copy(h.ecu_serial, sizeof h.ecu_serial, response->ecu_serial);
    if (response->request) {
        memcpy(h.correlation, response->request->correlation, MSG_UUID);
        h.sequence = response->request->sequence;
        h.has_drm_uuid = response->request->has_drm_uuid;
        memcpy(h.drm_uuid, response->request->drm_uuid, MSG_UUID);
    } else {
        env_random(r->env, h.correlation, MSG_UUID);
    }
    enum err e = msg_seal(r->env->crypto, MSG_RESPONSE, &h, response->body, r->key,
                          span_of(r->certificate, r->certificate_len), out, &len);
    if (e)
        return e;
    snprintf(topic, sizeof topic, "spaak/%s/down/%s", h.ecu_serial, r->service);
    msg_describe(&h, detail);
    env_trace_message(r->env, TRACE_SEND, response->step, msg_type_name(h.type), r->peer, span_of(out, len),
                      detail);
    return env_send_bytes(r->env, r->port, topic, span_of(out, len));
}

/* Phase 0: [E] for a phone's instance CA, [F] beside it. */
#include <stdio.h>
#include <string.h>

#include "backend/dos/dos_internal.h"
#include "lib/ccc/dk_cert.h"
#include "lib/json/json.h"
#include "lib/token/base64url.h"

#define DEVICE_OEM       "phonemaker"
#define DAY_S            86400ll
#define YEARS_S          (10 * 365 * DAY_S)
#define CERTIFICATE_TEXT (BASE64URL_LEN(X509_MAX) + 1)

/* What a phone asks for. */
struct ask {
    char vehicle_oem[DOS_VEHICLE_OEM_MAX + 1], identifier[X509_CN_MAX + 1];
    uint8_t public_key[P256_POINT];
};

static enum err read_ask(struct dos *d, const struct http_request *r, struct ask *out)
{
    char key[BASE64URL_LEN(P256_POINT) + 1];
    const struct json_field fields[] = {{"vehicle_oem", 1, out->vehicle_oem, sizeof out->vehicle_oem},
                                        {"identifier", 1, out->identifier, sizeof out->identifier},
                                        {"public_key", sizeof key - 1, key, sizeof key}};
    if (http_type_of(r->words[HTTP_WORD_TYPE]) != HTTP_TYPE_JSON)
        return ERR_HTTP_TYPE;
    enum err e = json_read(r->body, fields, 3, JSON_REFUSE_OTHERS);
    if (e)
        return e;
    if (base64url_decode(span_of(key, strlen(key)), out->public_key, P256_POINT) != P256_POINT ||
        !dos_is_name(out->vehicle_oem))
        return ERR_MSG_MALFORMED;
    return p256_check_point(d->env->crypto, out->public_key);
}

/* The name that a phone of ours gives to its instance CA for that vehicle OEM, and no other. */
static enum err check_identifier(const struct ask *a)
{
    char id[X509_CN_MAX + 1];
    enum err e = dk_cert_instance_ca_id(DEVICE_OEM, a->vehicle_oem, id);
    if (e)
        return ERR_MSG_MALFORMED;
    return strcmp(id, a->identifier) == 0 ? ERR_OK : ERR_CERT_SUBJECT_MISMATCH;
}

static enum err issue(struct dos *d, const struct ask *a, uint8_t out[X509_MAX], size_t *len)
{
    const int64_t now_s = env_wall_ms(d->env) / 1000;
    struct x509 issuer;
    enum err e = x509_parse(span_of(d->certificate, d->certificate_len), &issuer);
    if (e)
        return e;
    const struct x509_template t = {.profile = X509_INSTANCE_CA,
                                    .subject = a->identifier,
                                    .issuer = issuer.subject,
                                    .not_before_s = now_s - DAY_S,
                                    .not_after_s = now_s + YEARS_S,
                                    .public_key = a->public_key,
                                    .issuer_public_key = issuer.public_key};
    return x509_issue(d->env->crypto, &t, d->key, out, len);
}

/* The one that this key was given before. */
static bool find_issued(struct dos *d, const char *entry, const struct ask *a, uint8_t out[X509_MAX],
                        size_t *len)
{
    struct x509 before;
    return env_store_get(d->env, entry, out, X509_MAX, len) == ERR_OK &&
           x509_parse(span_of(out, *len), &before) == ERR_OK &&
           memcmp(before.public_key, a->public_key, P256_POINT) == 0 &&
           x509_check_time(&before, env_wall_ms(d->env) / 1000) == ERR_OK;
}

static enum err issue_and_store(struct dos *d, const char *entry, const struct ask *a, uint8_t out[X509_MAX],
                                size_t *len)
{
    enum err e = issue(d, a, out, len);
    if (!e)
        e = env_store_put(d->env, entry, span_of(out, *len));
    return e ? e : env_store_commit(d->env);
}

static void put_text(struct span der, char out[CERTIFICATE_TEXT])
{
    struct wr w = wr_of(out, CERTIFICATE_TEXT - 1);
    base64url_encode(der, &w);
    out[w.len] = '\0';
}

static void answer(struct dos *d, const struct dos_visit *v, unsigned status, struct span f, struct span e)
{
    char f_text[CERTIFICATE_TEXT], e_text[CERTIFICATE_TEXT], json[2 * CERTIFICATE_TEXT + 80];
    put_text(f, f_text);
    put_text(e, e_text);
    snprintf(json, sizeof json, "{\"device_oem_certificate\":\"%s\",\"instance_ca_certificate\":\"%s\"}",
             f_text, e_text);
    dos_answer(d, v->address, status, json);
}

enum err dos_certify_instance_ca(struct dos *d, const struct dos_visit *v)
{
    struct ask a;
    char entry[ENV_KEY_MAX], text[160];
    uint8_t f[X509_MAX], certificate[X509_MAX];
    size_t f_len, len;
    enum err e = read_ask(d, v->request, &a);
    if (!e)
        e = check_identifier(&a);
    if (e)
        return e;
    snprintf(entry, sizeof entry, DOS_CROSS "%s", a.vehicle_oem);
    e = env_store_get(d->env, entry, f, sizeof f, &f_len);
    if (e)
        return e; /* NOT_FOUND: no vehicle OEM that we work with */
    snprintf(entry, sizeof entry, DOS_ISSUED "%s/%s", v->phone, a.vehicle_oem);
    const bool known = find_issued(d, entry, &a, certificate, &len);
    if (!known)
        e = issue_and_store(d, entry, &a, certificate, &len);
    if (e)
        return e;
    snprintf(text, sizeof text, "instance CA of %s certified for %s%s", v->phone, a.vehicle_oem,
             known ? ", as before" : "");
    env_trace_note(d->env, TRACE_NOTE, text);
    env_claim(d->env, DOS_CLAIM_INSTANCE_CA, v->phone, span_of(certificate, len));
    answer(d, v, known ? 200 : 201, span_of(f, f_len), span_of(certificate, len));
    return ERR_OK;
}

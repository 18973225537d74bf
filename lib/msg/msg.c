#include "lib/msg/msg.h"

#include <stdio.h>
#include <string.h>

#define DIGEST_TAG_REQUEST  "spaak.v1.request"
#define DIGEST_TAG_RESPONSE "spaak.v1.response"

#define CERT_WAYS 4 /* places in the cache that one certificate can have */

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* ---- names, from the descriptors that protoc-c writes ---- */

#define TYPES_MAX     128
#define TYPE_NAME_MAX 32

/* Words of a name that stay in capitals. */
static bool is_acronym(const char *word, size_t len)
{
    static const char *const acronyms[] = {"CSR", "C2V", "BLE", "NFC"};
    for (size_t i = 0; i < COUNT(acronyms); i++)
        if (strlen(acronyms[i]) == len && memcmp(acronyms[i], word, len) == 0)
            return true;
    return false;
}

/* VEHICLE_IDENTITY_CSR_REQUEST becomes VehicleIdentityCSRRequest. */
static void write_name(const char *constant, char out[TYPE_NAME_MAX])
{
    size_t used = 0;
    while (*constant) {
        size_t len = strcspn(constant, "_");
        bool acronym = is_acronym(constant, len);
        for (size_t i = 0; i < len && used + 1 < TYPE_NAME_MAX; i++) {
            char c = constant[i];
            out[used++] = i && !acronym && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        }
        constant += len + (constant[len] == '_');
    }
    out[used] = '\0';
}

static const char (*type_names(void))[TYPE_NAME_MAX]
{
    static char names[TYPES_MAX][TYPE_NAME_MAX];
    const ProtobufCEnumDescriptor *d = &spaak__v1__message_type__descriptor;
    for (size_t i = 0; !names[0][0] && i < d->n_values; i++)
        write_name(d->values[d->n_values - 1 - i].name, names[d->n_values - 1 - i]);
    return (const char(*)[TYPE_NAME_MAX])names;
}

size_t msg_type_count(void)
{
    size_t n = spaak__v1__message_type__descriptor.n_values;
    return n < TYPES_MAX ? n : TYPES_MAX;
}

const char *msg_type_at(size_t i)
{
    return type_names()[i];
}

const char *msg_type_name(Spaak__V1__MessageType t)
{
    const ProtobufCEnumDescriptor *d = &spaak__v1__message_type__descriptor;
    for (size_t i = 1; i < msg_type_count(); i++)
        if (d->values[i].value == (int)t)
            return type_names()[i];
    return "?";
}

Spaak__V1__MessageType msg_type_from_name(const char *name)
{
    for (size_t i = 1; i < msg_type_count(); i++)
        if (strcmp(type_names()[i], name) == 0)
            return (Spaak__V1__MessageType)spaak__v1__message_type__descriptor.values[i].value;
    return SPAAK__V1__MESSAGE_TYPE__MESSAGE_TYPE_UNSPECIFIED;
}

void msg_describe(const struct msg_header *h, char out[MSG_DESCRIPTION_MAX])
{
    snprintf(out, MSG_DESCRIPTION_MAX, "ecu=%s seq=%u%s%s", h->ecu_serial, h->sequence,
             h->error ? " error=" : "", h->error ? err_name(h->error) : "");
}

static void *arena_alloc(void *ctx, size_t size)
{
    struct msg_arena *a = ctx;
    size_t need = (size + 15) & ~(size_t)15;
    if (size > a->cap || need > a->cap - a->used)
        return NULL;
    void *p = a->buf + a->used;
    a->used += need;
    return p;
}

static void arena_free(void *ctx, void *p)
{
    (void)ctx;
    (void)p;
}

void msg_arena_init(struct msg_arena *a, void *buf, size_t cap)
{
    size_t skew = (16 - (uintptr_t)buf % 16) % 16;
    a->buf = (uint8_t *)buf + skew;
    a->cap = cap - skew;
    a->used = 0;
    a->allocator = (ProtobufCAllocator){arena_alloc, arena_free, a};
}

/* What is signed: a tag, then body and header, each with its length in front. */
static void signed_digest(struct crypto *c, enum msg_direction direction, struct span body,
                          struct span header, uint8_t out[SHA256_SIZE])
{
    const char *tag = direction == MSG_REQUEST ? DIGEST_TAG_REQUEST : DIGEST_TAG_RESPONSE;
    uint8_t body_len[4], header_len[4];
    struct wr w = wr_of(body_len, 4);
    wr_be32(&w, (uint32_t)body.len);
    w = wr_of(header_len, 4);
    wr_be32(&w, (uint32_t)header.len);
    struct span parts[] = {span_of(tag, strlen(tag)), {body_len, 4}, body, {header_len, 4}, header};
    crypto_sha256(c, parts, COUNT(parts), out);
}

/* protobuf-c takes writable pointers but only reads what is packed. */
static ProtobufCBinaryData binary(struct span s)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } u = {.in = s.p};
    return (ProtobufCBinaryData){s.len, u.out};
}

static char *text(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {.in = s};
    return u.out;
}

static size_t pack_header(const struct msg_header *h, uint8_t *out, size_t cap)
{
    Spaak__V1__SpaakHeader m = SPAAK__V1__SPAAK_HEADER__INIT;
    m.protocol_version = MSG_VERSION;
    m.use_case = h->use_case;
    m.message_type = h->type;
    m.ecu_serial = text(h->ecu_serial);
    if (h->has_drm_uuid)
        m.drm_uuid = binary(span_of(h->drm_uuid, MSG_UUID));
    m.correlation_id = binary(span_of(h->correlation, MSG_UUID));
    m.sequence_number = h->sequence;
    m.issued_at_ms = h->issued_at_ms;
    m.error = (uint32_t)h->error;
    if (spaak__v1__spaak_header__get_packed_size(&m) > cap)
        return 0;
    return spaak__v1__spaak_header__pack(&m, out);
}

enum err msg_seal(struct crypto *c, enum msg_direction direction, const struct msg_header *h,
                  struct span body, const struct p256_key *key, struct span certificate, uint8_t out[MSG_MAX],
                  size_t *len)
{
    uint8_t header[192], digest[SHA256_SIZE], sig[P256_SIG_MAX];
    size_t sig_len, header_len = pack_header(h, header, sizeof header);
    if (header_len == 0)
        return ERR_NO_SPACE;
    signed_digest(c, direction, body, span_of(header, header_len), digest);
    enum err e = p256_sign(key, digest, sig, &sig_len);
    if (e)
        return e;
    Spaak__V1__SpaakMessage m = SPAAK__V1__SPAAK_MESSAGE__INIT;
    Spaak__V1__SpaakRequest req = SPAAK__V1__SPAAK_REQUEST__INIT;
    Spaak__V1__SpaakResponse resp = SPAAK__V1__SPAAK_RESPONSE__INIT;
    m.body = binary(body);
    if (direction == MSG_REQUEST) {
        req.header = binary(span_of(header, header_len));
        req.signature = binary(span_of(sig, sig_len));
        req.certificate = binary(certificate);
        m.authenticated_case = SPAAK__V1__SPAAK_MESSAGE__AUTHENTICATED_REQUEST;
        m.request = &req;
    } else {
        resp.header = binary(span_of(header, header_len));
        resp.signature = binary(span_of(sig, sig_len));
        resp.certificate = binary(certificate);
        m.authenticated_case = SPAAK__V1__SPAAK_MESSAGE__AUTHENTICATED_RESPONSE;
        m.response = &resp;
    }
    if (spaak__v1__spaak_message__get_packed_size(&m) > MSG_MAX)
        return ERR_MSG_TOO_LONG;
    *len = spaak__v1__spaak_message__pack(&m, out);
    return ERR_OK;
}

/* The envelope, cut into its parts; pointers into the arena. */
struct parts {
    enum msg_direction direction;
    struct span body, header, signature, certificate;
};

static struct span span_from(ProtobufCBinaryData b)
{
    return (struct span){b.data, b.len};
}

static enum err split(struct span in, struct msg_arena *arena, struct parts *out)
{
    if (in.len > MSG_MAX)
        return ERR_MSG_TOO_LONG;
    Spaak__V1__SpaakMessage *m = spaak__v1__spaak_message__unpack(&arena->allocator, in.len, in.p);
    if (!m)
        return ERR_MSG_MALFORMED;
    out->body = span_from(m->body);
    if (m->authenticated_case == SPAAK__V1__SPAAK_MESSAGE__AUTHENTICATED_REQUEST) {
        out->direction = MSG_REQUEST;
        out->header = span_from(m->request->header);
        out->signature = span_from(m->request->signature);
        out->certificate = span_from(m->request->certificate);
    } else if (m->authenticated_case == SPAAK__V1__SPAAK_MESSAGE__AUTHENTICATED_RESPONSE) {
        out->direction = MSG_RESPONSE;
        out->header = span_from(m->response->header);
        out->signature = span_from(m->response->signature);
        out->certificate = span_from(m->response->certificate);
    } else {
        return ERR_MSG_MALFORMED;
    }
    return ERR_OK;
}

static enum err read_header(struct span in, struct msg_arena *arena, struct msg_header *out)
{
    struct msg_header h = {0};
    Spaak__V1__SpaakHeader *m = spaak__v1__spaak_header__unpack(&arena->allocator, in.len, in.p);
    if (!m)
        return ERR_MSG_MALFORMED;
    h.use_case = m->use_case;
    h.type = m->message_type;
    h.sequence = m->sequence_number;
    h.issued_at_ms = m->issued_at_ms;
    h.error = (enum err)m->error;
    if (m->protocol_version != MSG_VERSION)
        return ERR_MSG_VERSION;
    if (strlen(m->ecu_serial) > MSG_SERIAL_MAX || m->correlation_id.len != MSG_UUID ||
        (m->drm_uuid.len != 0 && m->drm_uuid.len != MSG_UUID))
        return ERR_MSG_MALFORMED;
    text_copy(h.ecu_serial, sizeof h.ecu_serial, m->ecu_serial);
    memcpy(h.correlation, m->correlation_id.data, MSG_UUID);
    h.has_drm_uuid = m->drm_uuid.len == MSG_UUID;
    if (h.has_drm_uuid)
        memcpy(h.drm_uuid, m->drm_uuid.data, MSG_UUID);
    *out = h;
    return ERR_OK;
}

/* Where it stands, or is to be put: a slot of its set that is free, or the one that its digest gives. */
static struct msg_cert_slot *find_slot(const struct msg_cert_cache *c, const uint8_t digest[SHA256_SIZE],
                                       bool *known)
{
    size_t ways = c->count < CERT_WAYS ? c->count : CERT_WAYS;
    struct msg_cert_slot *set = &c->slots[(digest[0] | (size_t)digest[1] << 8) % (c->count / ways) * ways];
    struct msg_cert_slot *to = &set[digest[2] % ways];
    *known = false;
    for (size_t i = 0; i < ways && !*known; i++) {
        *known = set[i].used && memcmp(set[i].digest, digest, SHA256_SIZE) == 0;
        if (*known || (!set[i].used && to->used))
            to = &set[i];
    }
    return to;
}

static enum err check_signer(const struct msg_policy *p, struct span der, struct x509 *cert)
{
    uint8_t digest[SHA256_SIZE];
    struct msg_cert_slot *slot = NULL;
    bool known;
    enum err e = x509_parse(der, cert);
    if (!e)
        e = x509_check_profile(p->crypto, cert, p->signer);
    if (!e)
        e = x509_check_time(cert, p->now_ms / 1000);
    if (!e)
        e = x509_check_time(p->issuer, p->now_ms / 1000);
    if (e)
        return e;
    if (p->cache.count) {
        crypto_sha256(p->crypto, &der, 1, digest);
        slot = find_slot(&p->cache, digest, &known);
        if (known)
            return ERR_OK;
    }
    e = x509_check_issued(p->crypto, cert, p->issuer);
    if (!e && slot) {
        slot->used = true;
        memcpy(slot->digest, digest, sizeof digest);
    }
    return e;
}

static enum err check_binding(const struct msg_policy *p, const struct msg_header *h, const struct x509 *cert)
{
    if (p->ecu_serial && strcmp(h->ecu_serial, p->ecu_serial) != 0)
        return ERR_MSG_WRONG_ECU;
    if (p->direction == MSG_REQUEST && strcmp(h->ecu_serial, cert->subject) != 0)
        return ERR_MSG_SIGNER_NOT_BOUND;
    return ERR_OK;
}

static enum err check_signature(const struct msg_policy *p, const struct parts *parts,
                                const struct x509 *cert)
{
    uint8_t digest[SHA256_SIZE];
    struct p256_key *key;
    enum err e = p256_from_public(p->crypto, cert->public_key, &key);
    if (e)
        return e;
    signed_digest(p->crypto, parts->direction, parts->body, parts->header, digest);
    e = p256_verify(key, digest, parts->signature);
    p256_free(key);
    return e;
}

enum err msg_open(const struct msg_policy *p, struct span in, struct msg_opened *out)
{
    uint8_t memory[3 * MSG_MAX];
    struct msg_arena arena;
    struct parts parts;
    struct x509 cert;
    memset(&out->header, 0, sizeof out->header);
    out->body = (struct span){NULL, 0};
    msg_arena_init(&arena, memory, sizeof memory);
    enum err e = split(in, &arena, &parts);
    if (!e)
        e = read_header(parts.header, &arena, &out->header);
    if (!e && parts.direction != p->direction)
        e = ERR_MSG_WRONG_DIRECTION;
    if (!e)
        e = check_signer(p, parts.certificate, &cert);
    if (!e)
        e = check_binding(p, &out->header, &cert);
    if (!e)
        e = check_signature(p, &parts, &cert);
    if (!e && (out->header.issued_at_ms < p->now_ms - MSG_FRESHNESS_MS ||
               out->header.issued_at_ms > p->now_ms + MSG_FRESHNESS_MS))
        e = ERR_MSG_STALE;
    if (e)
        return e;
    if (parts.body.len)
        memcpy(out->storage, parts.body.p, parts.body.len);
    out->body = span_of(out->storage, parts.body.len);
    return ERR_OK;
}

const char *msg_peek_name(struct span in)
{
    uint8_t memory[3 * MSG_MAX];
    struct msg_arena arena;
    struct parts parts;
    struct msg_header h;
    msg_arena_init(&arena, memory, sizeof memory);
    if (split(in, &arena, &parts) || read_header(parts.header, &arena, &h))
        return "?";
    return msg_type_name(h.type);
}

/* Who may do more: SecurityAccess (27) by seed and key, Authentication (29) by certificate. */
#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/uds/uds_server_internal.h"

/* ---- 27 ---- */

void uds_seed_drop(struct uds_server *s)
{
    OPENSSL_cleanse(&s->seed, sizeof s->seed);
}

/* The row of the level whose seed or key this subfunction is about. */
static size_t level_row(const struct uds_server *s, uint8_t subfunction)
{
    uint8_t level = subfunction & 1 ? subfunction : (uint8_t)(subfunction - 1);
    size_t row = 0;
    while (row < s->ecu->level_count && s->ecu->levels[row].level != level)
        row++;
    assert(row < s->ecu->level_count); /* the service's row offers it */
    return row;
}

/* A full count falls by one when its delay has ended: one more try per delay. */
static bool delay_runs(struct uds_server *s, size_t row, uint64_t now_us)
{
    const struct uds_level *l = &s->ecu->levels[row];
    if (now_us < s->delay_end_us[row])
        return true;
    if (s->stored.failed[row] >= l->attempts)
        s->stored.failed[row] = (uint8_t)(l->attempts - 1);
    return false;
}

static bool has_key(struct uds_server *s, const struct uds_level *l)
{
    uint8_t k[UDS_SECRET];
    bool there = l->key(s->ctx, l->level, k);
    OPENSSL_cleanse(k, sizeof k);
    return there;
}

static enum uds_nrc request_seed(struct uds_server *s, struct span pdu, struct wr *out, uint64_t now_us)
{
    static const uint8_t open_already[UDS_SEED];
    size_t row = level_row(s, s->request.subfunction);
    const struct uds_level *l = &s->ecu->levels[row];
    /* 13, 37, the zero seed, 22 */
    if (pdu.len != 2)
        return UDS_NRC_LENGTH;
    if (delay_runs(s, row, now_us))
        return UDS_NRC_DELAY;
    uds_seed_drop(s);
    if (s->level == l->level) {
        wr_copy(out, open_already, sizeof open_already);
        return UDS_OK;
    }
    if (!has_key(s, l))
        return UDS_NRC_CONDITIONS;
    uds_security_seed(s->crypto, s->seed.bytes);
    s->seed.level = l->level;
    wr_copy(out, s->seed.bytes, sizeof s->seed.bytes);
    return UDS_OK;
}

/* The count is durable before the tester hears of it, so that no power cut gives a try back. A store that
 * refuses leaves it counted here. */
static enum uds_nrc count_wrong_key(struct uds_server *s, size_t row, uint64_t now_us)
{
    const struct uds_level *l = &s->ecu->levels[row];
    if (s->stored.failed[row] < l->attempts)
        s->stored.failed[row]++;
    bool last = s->stored.failed[row] >= l->attempts;
    if (last)
        s->delay_end_us[row] = now_us + l->delay_ms * 1000ull;
    enum uds_nrc nrc = uds_commit(s);
    return nrc ? nrc : last ? UDS_NRC_ATTEMPTS : UDS_NRC_INVALID_KEY;
}

static enum uds_nrc open_level(struct uds_server *s, size_t row)
{
    uint8_t failed = s->stored.failed[row];
    s->stored.failed[row] = 0;
    if (failed && uds_commit(s)) {
        s->stored.failed[row] = failed;
        return UDS_NRC_PROGRAMMING;
    }
    s->level = s->ecu->levels[row].level;
    uds_changed(s);
    return UDS_OK;
}

/* ERR_OK: *right says whether this is the key for the seed that is out. */
static enum err compare_key(struct uds_server *s, const struct uds_level *l, const uint8_t *key, bool *right)
{
    uint8_t k[UDS_SECRET], wanted[UDS_KEY];
    enum err e = l->key(s->ctx, l->level, k) ? ERR_OK : ERR_NOT_FOUND;
    if (!e)
        e = uds_security_key(s->crypto, k, l->level, s->seed.bytes, wanted);
    *right = !e && bytes_equal_ct(key, wanted, UDS_KEY);
    OPENSSL_cleanse(k, sizeof k);
    OPENSSL_cleanse(wanted, sizeof wanted);
    return e;
}

static enum uds_nrc send_key(struct uds_server *s, struct span pdu, uint64_t now_us)
{
    size_t row = level_row(s, s->request.subfunction);
    const struct uds_level *l = &s->ecu->levels[row];
    bool right;
    /* 13 before 24: a malformed request does not touch the seed */
    if (pdu.len != 2 + UDS_KEY)
        return UDS_NRC_LENGTH;
    if (s->seed.level != l->level)
        return UDS_NRC_SEQUENCE;
    enum err e = compare_key(s, l, pdu.p + 2, &right);
    uds_seed_drop(s); /* each is good for one key */
    if (e)
        return UDS_NRC_GENERAL_REJECT;
    return right ? open_level(s, row) : count_wrong_key(s, row, now_us);
}

enum uds_nrc uds_serve_security(struct uds_server *s, struct span pdu, struct wr *out, uint64_t now_us)
{
    return s->request.subfunction & 1 ? request_seed(s, pdu, out, now_us) : send_key(s, pdu, now_us);
}

/* ---- 29 ---- */

/* Answer to 01 and 03: return parameter, then a length and its bytes, which a handler writes. */
#define LENGTH_AT 3
#define BYTES_AT  5

static void begin_bytes(struct wr *out, enum uds_auth_return value)
{
    wr_u8(out, (uint8_t)value);
    wr_be16(out, 0);
    assert(out->len == BYTES_AT);
}

static enum uds_nrc certificate(struct uds_server *s, struct span pdu, struct wr *out)
{
    struct rd r = rd_of(pdu.p + 2, pdu.len - 2);
    uint8_t configuration = rd_u8(&r);
    struct span cert = rd_span(&r, rd_be16(&r)), challenge = rd_span(&r, rd_be16(&r));
    if (r.failed || r.left)
        return UDS_NRC_LENGTH;
    s->challenged = false;
    begin_bytes(out, UDS_AUTH_PROOF_NEEDED);
    return s->ecu->authenticator.verify_certificate(s->ctx, configuration, cert, challenge, s->request.ticket,
                                                    out);
}

static enum uds_nrc proof(struct uds_server *s, struct span pdu, struct wr *out)
{
    struct rd r = rd_of(pdu.p + 2, pdu.len - 2);
    struct span bytes = rd_span(&r, rd_be16(&r)), ephemeral = rd_span(&r, rd_be16(&r));
    if (r.failed || r.left)
        return UDS_NRC_LENGTH;
    if (!s->challenged)
        return UDS_NRC_SEQUENCE;
    s->challenged = false; /* each is good for one proof */
    begin_bytes(out, UDS_AUTH_COMPLETE);
    return s->ecu->authenticator.verify_proof(s->ctx, bytes, ephemeral, s->request.ticket, out);
}

enum uds_nrc uds_serve_authentication(struct uds_server *s, struct span pdu, struct wr *out, uint64_t now_us)
{
    (void)now_us;
    switch (s->request.subfunction) {
    case UDS_AUTH_CERTIFICATE:
        return certificate(s, pdu, out);
    case UDS_AUTH_PROOF:
        return proof(s, pdu, out);
    case UDS_AUTH_CONFIGURATION:
        wr_u8(out, UDS_AUTH_APCE);
        return pdu.len == 2 ? UDS_OK : UDS_NRC_LENGTH;
    case UDS_AUTH_END:
        wr_u8(out, UDS_AUTH_DEAUTHENTICATED);
        return pdu.len == 2 ? UDS_OK : UDS_NRC_LENGTH;
    default:
        return UDS_NRC_NO_SUBFUNCTION;
    }
}

static void become(struct uds_server *s, bool authenticated, bool challenged)
{
    s->authenticated = authenticated;
    s->challenged = challenged;
    uds_changed(s);
}

static void end_bytes(struct wr *out)
{
    size_t len = out->len - BYTES_AT;
    out->buf[LENGTH_AT] = (uint8_t)(len >> 8);
    out->buf[LENGTH_AT + 1] = (uint8_t)len;
}

enum uds_nrc uds_authentication_end(struct uds_server *s, enum uds_nrc nrc, struct wr *out)
{
    if (nrc || out->failed)
        return nrc ? nrc : UDS_NRC_TOO_LONG;
    switch (s->request.subfunction) {
    case UDS_AUTH_CERTIFICATE:
        end_bytes(out);
        wr_be16(out, 0); /* no ephemeral key */
        if (!out->failed)
            become(s, s->authenticated, true);
        return UDS_OK;
    case UDS_AUTH_PROOF:
        end_bytes(out);
        become(s, true, false);
        return UDS_OK;
    case UDS_AUTH_END:
        become(s, false, false);
        return UDS_OK;
    default:
        return UDS_OK;
    }
}

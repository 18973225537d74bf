#include "lib/msg/cabin.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

enum { BYTE_COUNTER = 1, BYTE_CHECKSUM = 7, FRAME_LENGTH = 8 };
enum { BYTE_TRANSACTION = 2, BYTE_NONCE = 10, BYTE_ZEROS = 14, BYTE_MAC = 16 };
enum { BYTE_CHALLENGE = 8 };

/* Bits of SpaaK_Status and BCM_Status, byte 0. */
enum { SPAAK_PAIRING = 1, SPAAK_VERIFIERS = 2, SPAAK_IDENTITY = 4 };
enum { BCM_IGNITION = 1, BCM_FOB = 2, BCM_LOCKED = 4, BCM_ENGINE = 8, BCM_START = 16 };

/* ---- what all frames have ---- */

uint8_t cabin_alive_begin(struct crypto *c)
{
    uint8_t counter;
    crypto_random(c, &counter, 1);
    return counter;
}

static void begin_frame(enum matrix_message m, uint8_t *alive, struct bus_frame *out)
{
    const struct matrix_row *row = matrix_row(m);
    *out = (struct bus_frame){.id = row->id, .len = row->length};
    if (row->formats == MATRIX_FD)
        out->flags = BUS_FD | BUS_BRS;
    out->data[BYTE_COUNTER] = *alive;
    *alive = (uint8_t)(*alive + 1);
}

static void end_frame(struct bus_frame *out)
{
    out->data[BYTE_CHECKSUM] = matrix_checksum(out->id, out->data, out->len);
}

static enum err check_form(enum matrix_message m, const struct bus_frame *f)
{
    const struct matrix_row *row = matrix_row(m);
    assert(f->id == row->id);
    if (f->len != row->length)
        return ERR_BUS_LENGTH;
    unsigned want = row->formats == MATRIX_FD ? BUS_FD : 0;
    return (f->flags & (BUS_EXTENDED | BUS_REMOTE | BUS_FD)) == want ? ERR_OK : ERR_BUS_FLAGS;
}

static bool is_stale(const struct cabin_heard *h, const struct bus_frame *f, uint64_t now_us)
{
    return h->any && h->counter == f->data[BYTE_COUNTER] && now_us - h->at_us < CABIN_STALE_US;
}

static void hear(struct cabin_heard *h, const struct bus_frame *f, uint64_t now_us)
{
    *h = (struct cabin_heard){.any = true, .counter = f->data[BYTE_COUNTER], .at_us = now_us};
}

static enum err check_frame(enum matrix_message m, const struct bus_frame *f, uint64_t now_us,
                            const struct cabin_heard *heard)
{
    enum err e = check_form(m, f);
    if (e)
        return e;
    if (matrix_checksum(f->id, f->data, f->len) != f->data[BYTE_CHECKSUM])
        return ERR_BUS_CHECKSUM;
    return is_stale(heard, f, now_us) ? ERR_BUS_STALE_COUNTER : ERR_OK;
}

/* ---- PhoneKey_Req ---- */

static bool request_is_sound(const struct cabin_request *r)
{
    return r->wish >= CABIN_ADD_PHONE && r->wish <= CABIN_LIST_KEYS &&
           (r->wish == CABIN_DELETE_KEY) == (r->key != 0);
}

void cabin_write_request(const struct cabin_request *r, uint8_t *alive, struct bus_frame *out)
{
    assert(request_is_sound(r));
    begin_frame(MATRIX_PHONE_KEY_REQ, alive, out);
    out->data[0] = (uint8_t)r->wish;
    out->data[2] = r->key;
    memcpy(out->data + 3, r->id, CABIN_KEY_ID);
    end_frame(out);
}

enum err cabin_read_request(const struct bus_frame *f, uint64_t now_us, struct cabin_heard *heard,
                            struct cabin_request *out)
{
    enum err e = check_frame(MATRIX_PHONE_KEY_REQ, f, now_us, heard);
    struct cabin_request r = {.wish = (enum cabin_wish)f->data[0], .key = f->data[2]};
    if (r.wish == CABIN_DELETE_KEY)
        memcpy(r.id, f->data + 3, CABIN_KEY_ID);
    if (!e && !request_is_sound(&r))
        e = ERR_MSG_MALFORMED;
    if (e)
        return e;
    hear(heard, f, now_us);
    *out = r;
    return ERR_OK;
}

/* ---- HU_NTF ---- */

static bool notification_is_sound(const struct cabin_notification *n)
{
    return n->what >= CABIN_CLICK_LINK && n->what < CABIN_NOTICES &&
           (n->what == CABIN_FAILED || n->reason == 0);
}

void cabin_write_notification(const struct cabin_notification *n, uint8_t *alive, struct bus_frame *out)
{
    assert(notification_is_sound(n));
    begin_frame(MATRIX_HU_NTF, alive, out);
    out->data[0] = (uint8_t)n->what;
    out->data[2] = n->key;
    struct wr reason = wr_of(out->data + 3, 2);
    wr_be16(&reason, n->reason);
    end_frame(out);
}

enum err cabin_read_notification(const struct bus_frame *f, uint64_t now_us, struct cabin_heard *heard,
                                 struct cabin_notification *out)
{
    enum err e = check_frame(MATRIX_HU_NTF, f, now_us, heard);
    struct rd reason = rd_of(f->data + 3, 2);
    const struct cabin_notification n = {
        .what = (enum cabin_notice)f->data[0], .key = f->data[2], .reason = rd_be16(&reason)};
    if (!e && !notification_is_sound(&n))
        e = ERR_MSG_MALFORMED;
    if (e)
        return e;
    hear(heard, f, now_us);
    *out = n;
    return ERR_OK;
}

/* ---- SpaaK_Status ---- */

void cabin_write_spaak_status(const struct cabin_spaak_status *s, uint8_t *alive, struct bus_frame *out)
{
    begin_frame(MATRIX_SPAAK_STATUS, alive, out);
    out->data[0] = (uint8_t)((s->pairing ? SPAAK_PAIRING : 0) | (s->verifiers ? SPAAK_VERIFIERS : 0) |
                             (s->identity ? SPAAK_IDENTITY : 0));
    out->data[2] = s->keys;
    end_frame(out);
}

enum err cabin_read_spaak_status(const struct bus_frame *f, uint64_t now_us, struct cabin_heard *heard,
                                 struct cabin_spaak_status *out)
{
    enum err e = check_frame(MATRIX_SPAAK_STATUS, f, now_us, heard);
    if (e)
        return e;
    hear(heard, f, now_us);
    *out = (struct cabin_spaak_status){.pairing = f->data[0] & SPAAK_PAIRING,
                                       .verifiers = f->data[0] & SPAAK_VERIFIERS,
                                       .identity = f->data[0] & SPAAK_IDENTITY,
                                       .keys = f->data[2]};
    return ERR_OK;
}

/* ---- SpaaK_HU_Keys ---- */

static bool name_can_be_shown(const char *name, size_t len)
{
    for (size_t at = 0, n; at < len; at += n) {
        n = text_character(name + at, len - at);
        if (!n)
            return false;
    }
    return true;
}

static bool key_is_sound(const struct cabin_key *k)
{
    return k->index && k->state >= CABIN_KEY_PENDING && k->state <= CABIN_KEY_TERMINATED &&
           name_can_be_shown(k->name, strlen(k->name));
}

void cabin_write_keys(const struct cabin_keys *k, struct wr *out)
{
    assert(k->count <= CABIN_KEYS);
    wr_u8(out, (uint8_t)k->count);
    for (size_t i = 0; i < k->count; i++) {
        const struct cabin_key *key = &k->keys[i];
        assert(key_is_sound(key));
        wr_u8(out, key->index);
        wr_u8(out, (uint8_t)key->state);
        wr_copy(out, key->id, CABIN_KEY_ID);
        wr_u8(out, (uint8_t)strlen(key->name));
        wr_copy(out, key->name, strlen(key->name));
    }
}

static enum err read_key(struct rd *r, struct cabin_key *out)
{
    out->index = rd_u8(r);
    out->state = (enum cabin_key_state)rd_u8(r);
    struct span id = rd_span(r, CABIN_KEY_ID);
    struct span name = rd_span(r, rd_u8(r));
    if (r->failed)
        return ERR_TRUNCATED;
    if (name.len > CABIN_NAME_MAX || memchr(name.p, 0, name.len))
        return ERR_MSG_MALFORMED;
    memcpy(out->id, id.p, CABIN_KEY_ID);
    memcpy(out->name, name.p, name.len);
    out->name[name.len] = '\0';
    return key_is_sound(out) ? ERR_OK : ERR_MSG_MALFORMED;
}

enum err cabin_read_keys(struct span message, struct cabin_keys *out)
{
    struct rd r = rd_of(message.p, message.len);
    struct cabin_keys k = {.count = rd_u8(&r)};
    enum err e = r.failed ? ERR_TRUNCATED : k.count > CABIN_KEYS ? ERR_MSG_MALFORMED : ERR_OK;
    for (size_t i = 0; !e && i < k.count; i++)
        e = read_key(&r, &k.keys[i]);
    if (!e && r.left)
        e = ERR_TRAILING_BYTES;
    if (!e)
        *out = k;
    return e;
}

/* ---- BCM_Status ---- */

void cabin_write_bcm_status(const struct cabin_bcm_status *s, uint8_t *alive, struct bus_frame *out)
{
    begin_frame(MATRIX_BCM_STATUS, alive, out);
    out->data[0] =
        (uint8_t)((s->ignition ? BCM_IGNITION : 0) | (s->fob ? BCM_FOB : 0) | (s->locked ? BCM_LOCKED : 0) |
                  (s->engine ? BCM_ENGINE : 0) | (s->start ? BCM_START : 0));
    memcpy(out->data + 2, s->nonce, CABIN_NONCE);
    out->data[6] = s->taken;
    end_frame(out);
}

enum err cabin_read_bcm_status(const struct bus_frame *f, uint64_t now_us, struct cabin_heard *heard,
                               struct cabin_bcm_status *out)
{
    enum err e = check_frame(MATRIX_BCM_STATUS, f, now_us, heard);
    if (e)
        return e;
    hear(heard, f, now_us);
    *out = (struct cabin_bcm_status){.ignition = f->data[0] & BCM_IGNITION,
                                     .fob = f->data[0] & BCM_FOB,
                                     .locked = f->data[0] & BCM_LOCKED,
                                     .engine = f->data[0] & BCM_ENGINE,
                                     .start = f->data[0] & BCM_START,
                                     .taken = f->data[6]};
    memcpy(out->nonce, f->data + 2, CABIN_NONCE);
    return ERR_OK;
}

/* ---- SpaaK_BCM_Cmd, BCM_SpaaK_Answer: bytes 0 to 15 and a MAC ---- */

static enum err frame_mac(struct crypto *c, const uint8_t key[CMAC_KEY], const struct bus_frame *f,
                          uint8_t out[CMAC_SIZE])
{
    const uint8_t id[2] = {(uint8_t)(f->id >> 8), (uint8_t)f->id};
    const struct span parts[] = {span_of(id, sizeof id), span_of(f->data, BYTE_MAC)};
    return crypto_cmac(c, key, parts, 2, out);
}

static enum err put_mac(struct crypto *c, const uint8_t key[CMAC_KEY], struct bus_frame *f)
{
    uint8_t mac[CMAC_SIZE];
    enum err e = frame_mac(c, key, f, mac);
    if (!e)
        memcpy(f->data + BYTE_MAC, mac, CABIN_COMMAND_MAC);
    OPENSSL_cleanse(mac, sizeof mac);
    return e;
}

enum err cabin_write_command(struct crypto *c, const uint8_t key[CMAC_KEY], const struct cabin_command *m,
                             uint8_t *alive, struct bus_frame *out)
{
    assert(m->order >= CABIN_UNLOCK && m->order <= CABIN_START);
    begin_frame(MATRIX_SPAAK_BCM_CMD, alive, out);
    out->data[0] = (uint8_t)m->order;
    memcpy(out->data + BYTE_TRANSACTION, m->transaction, CABIN_TRANSACTION);
    memcpy(out->data + BYTE_NONCE, m->nonce, CABIN_NONCE);
    return put_mac(c, key, out);
}

static enum err check_mac(struct crypto *c, const uint8_t key[CMAC_KEY], const struct bus_frame *f,
                          enum err wrong)
{
    uint8_t mac[CMAC_SIZE];
    enum err e = frame_mac(c, key, f, mac);
    if (!e && !bytes_equal_ct(mac, f->data + BYTE_MAC, CABIN_COMMAND_MAC))
        e = wrong;
    OPENSSL_cleanse(mac, sizeof mac);
    return e;
}

static bool command_is_sound(const struct bus_frame *f)
{
    return f->data[0] >= CABIN_UNLOCK && f->data[0] <= CABIN_START && !f->data[BYTE_ZEROS] &&
           !f->data[BYTE_ZEROS + 1];
}

static bool answers(const struct bus_frame *f, const struct cabin_nonces *nonces)
{
    for (size_t i = 0; i < nonces->count; i++)
        if (bytes_equal_ct(nonces->list[i], f->data + BYTE_NONCE, CABIN_NONCE))
            return true;
    return false;
}

enum err cabin_read_command(struct crypto *c, const uint8_t key[CMAC_KEY], const struct cabin_nonces *nonces,
                            const struct bus_frame *f, uint64_t now_us, struct cabin_heard *heard,
                            struct cabin_command *out)
{
    enum err e = check_form(MATRIX_SPAAK_BCM_CMD, f);
    if (!e)
        e = check_mac(c, key, f, ERR_COMMAND_MAC);
    if (!e && !answers(f, nonces))
        e = ERR_COMMAND_NONCE;
    if (!e && is_stale(heard, f, now_us))
        e = ERR_BUS_STALE_COUNTER;
    if (!e && !command_is_sound(f))
        e = ERR_MSG_MALFORMED;
    if (e)
        return e;
    hear(heard, f, now_us);
    out->order = (enum cabin_order)f->data[0];
    memcpy(out->transaction, f->data + BYTE_TRANSACTION, CABIN_TRANSACTION);
    memcpy(out->nonce, f->data + BYTE_NONCE, CABIN_NONCE);
    return ERR_OK;
}

/* ---- SpaaK_BCM_Ask, BCM_SpaaK_Answer ---- */

void cabin_write_ask(const uint8_t challenge[CABIN_CHALLENGE], struct bus_frame *out)
{
    const struct matrix_row *row = matrix_row(MATRIX_SPAAK_BCM_ASK);
    *out = (struct bus_frame){.id = row->id, .len = row->length};
    memcpy(out->data, challenge, CABIN_CHALLENGE);
}

enum err cabin_read_ask(const struct bus_frame *f, uint8_t challenge[CABIN_CHALLENGE])
{
    enum err e = check_form(MATRIX_SPAAK_BCM_ASK, f);
    if (!e)
        memcpy(challenge, f->data, CABIN_CHALLENGE);
    return e;
}

enum err cabin_write_answer(struct crypto *c, const uint8_t key[CMAC_KEY],
                            const uint8_t challenge[CABIN_CHALLENGE], const struct cabin_answer *a,
                            struct bus_frame *out)
{
    const struct matrix_row *row = matrix_row(MATRIX_BCM_SPAAK_ANSWER);
    *out = (struct bus_frame){.id = row->id, .len = row->length, .flags = BUS_FD | BUS_BRS};
    out->data[0] = (uint8_t)((a->ignition ? BCM_IGNITION : 0) | (a->fob ? BCM_FOB : 0));
    memcpy(out->data + BYTE_CHALLENGE, challenge, CABIN_CHALLENGE);
    return put_mac(c, key, out);
}

static bool answer_is_sound(const struct bus_frame *f)
{
    static const uint8_t zeros[BYTE_CHALLENGE - 1];
    return !(f->data[0] & ~(BCM_IGNITION | BCM_FOB)) && memcmp(f->data + 1, zeros, sizeof zeros) == 0;
}

enum err cabin_read_answer(struct crypto *c, const uint8_t key[CMAC_KEY],
                           const uint8_t challenge[CABIN_CHALLENGE], const struct bus_frame *f,
                           struct cabin_answer *out)
{
    enum err e = check_form(MATRIX_BCM_SPAAK_ANSWER, f);
    if (!e)
        e = check_mac(c, key, f, ERR_ANSWER_MAC);
    if (!e && !bytes_equal_ct(challenge, f->data + BYTE_CHALLENGE, CABIN_CHALLENGE))
        e = ERR_MSG_REPLAYED;
    if (!e && !answer_is_sound(f))
        e = ERR_MSG_MALFORMED;
    if (!e)
        *out = (struct cabin_answer){.ignition = f->data[0] & BCM_IGNITION, .fob = f->data[0] & BCM_FOB};
    return e;
}

struct span cabin_transaction_text(const uint8_t transaction[CABIN_TRANSACTION],
                                   char out[CABIN_TRANSACTION_TEXT])
{
    hex_encode(transaction, CABIN_TRANSACTION, out);
    return span_of(out, 2 * CABIN_TRANSACTION);
}

#include "lib/ccc/key_data.h"

#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/attestation.h"
#include "lib/ccc/channel.h"
#include "lib/ccc/tlv.h"

enum {
    TAG_CREATION = 0x7F4A,
    TAG_VEHICLE_CERTIFICATE = 0x7F4B,
    TAG_INTERMEDIATE = 0x7F4C,
    TAG_MAP = 0x7F4D,
    TAG_CONFIG = 0x7F4E,
    TAG_END = 0x5F5F
};

/* ---- vehicle ---- */

static void put_end(struct wr *w)
{
    tlv_put_header(w, TAG_END, 0);
}

enum err key_data_put(struct key_data_buffer *b, const struct key_data *k)
{
    uint8_t part[512];
    struct wr w = wr_of(b->bytes, sizeof b->bytes), p = wr_of(part, sizeof part);
    endpoint_creation_put(&p, &k->creation);
    tlv_put(&w, TAG_CREATION, span_of(part, p.len));
    w.failed |= p.failed;
    tlv_put(&w, TAG_VEHICLE_CERTIFICATE, k->vehicle_certificate);
    if (k->intermediate.len)
        tlv_put(&w, TAG_INTERMEDIATE, k->intermediate);
    p = wr_of(part, sizeof part);
    mailbox_map_put(&p, &k->map);
    tlv_put(&w, TAG_MAP, span_of(part, p.len));
    p = wr_of(part, sizeof part);
    device_config_put(&p, &k->config);
    tlv_put(&w, TAG_CONFIG, span_of(part, p.len));
    put_end(&w);
    OPENSSL_cleanse(part, sizeof part);
    if (w.failed || p.failed)
        return ERR_NO_SPACE;
    b->len = w.len;
    b->taken = 0;
    return ERR_OK;
}

enum err key_data_put_attestation(struct key_data_buffer *b, struct span attestation)
{
    struct wr w = wr_of(b->bytes, sizeof b->bytes);
    tlv_put(&w, KEY_DATA_TAG_ATTESTATION, attestation);
    put_end(&w);
    if (w.failed)
        return ERR_NO_SPACE;
    b->len = w.len;
    b->taken = 0;
    return ERR_OK;
}

struct span key_data_piece(struct key_data_buffer *b, bool *last)
{
    size_t left = b->len - b->taken, n = left < CHANNEL_PLAIN_MAX ? left : CHANNEL_PLAIN_MAX;
    struct span piece = {b->bytes + b->taken, n};
    b->taken += n;
    *last = n == left;
    return piece;
}

/* ---- device ---- */

static bool tag_known(enum key_data_block kind, uint16_t tag)
{
    if (tag == TAG_END)
        return true;
    return kind == KEY_DATA_CREATION ? tag >= TAG_CREATION && tag <= TAG_CONFIG
                                     : tag == KEY_DATA_TAG_ATTESTATION;
}

/* What has arrived so far is in order; a cut TLV at the end is, unless it is the last piece. */
static bool in_order(struct span block, enum key_data_block kind, bool last)
{
    struct rd r = rd_of(block.p, block.len);
    struct tlv t;
    bool ended = false;
    uint16_t seen[8] = {0};
    size_t n = 0;
    while (tlv_next(&r, &t)) {
        if (ended || n == 8 || !tag_known(kind, t.tag))
            return false;
        for (size_t i = 0; i < n; i++)
            if (seen[i] == t.tag)
                return false;
        seen[n++] = t.tag;
        ended = t.tag == TAG_END;
        if (ended && t.value.len)
            return false;
    }
    return last ? ended && !r.failed : !(ended && r.failed);
}

enum err key_data_add(struct key_data_buffer *b, enum key_data_block kind, struct span piece, bool last)
{
    enum err e = ERR_OK;
    if (piece.len > sizeof b->bytes - b->len) {
        e = ERR_NO_SPACE;
    } else {
        memcpy(b->bytes + b->len, piece.p, piece.len);
        b->len += piece.len;
        if (piece.len == 0 || !in_order(span_of(b->bytes, b->len), kind, last))
            e = ERR_MSG_MALFORMED;
    }
    if (e)
        OPENSSL_cleanse(b, sizeof *b);
    return e;
}

/* Every attestation that may be handed out offline must fit into KeyAtt, and what AUTH1 returns must lie
 * inside the mailboxes. A vehicle that names no KeyAtt and does not speak of sharing wants none. */
static enum err check_room(const struct key_data *k)
{
    const struct mailbox_part *c = &k->config.auth1_confidential, *p = &k->config.auth1_private;
    if (c->offset + c->len > k->creation.confidential_size || p->offset + p->len > k->creation.private_size)
        return ERR_DK_KEY_DATA;
    bool wanted = k->config.sharing.present || mailbox_attestation_size(&k->map) > 0;
    size_t n = k->config.sharing.present ? k->config.sharing.max_attestations : 1;
    if (wanted && mailbox_attestation_size(&k->map) < n * ATTESTATION_RECEIPT_SIZE(k->creation.slot.len))
        return ERR_DK_KEY_DATA;
    return ERR_OK;
}

enum err key_data_parse(struct span block, struct key_data *out)
{
    struct key_data k = {0};
    struct tlv creation, certificate, intermediate, map, config, end;
    /* table 15-13 */
    if (tlv_find_once(block, TAG_CREATION, &creation) || endpoint_creation_parse(creation.value, &k.creation))
        return ERR_DK_KEY_DATA;
    /* [K] */
    if (tlv_find_once(block, TAG_VEHICLE_CERTIFICATE, &certificate))
        return ERR_DK_KEY_DATA;
    if (tlv_find_once(block, TAG_INTERMEDIATE, &intermediate) == ERR_OK)
        k.intermediate = intermediate.value;
    /* table 5-13 */
    if (tlv_find_once(block, TAG_MAP, &map) || mailbox_map_parse(map.value, &k.map))
        return ERR_DK_KEY_DATA;
    /* table 5-14 */
    if (tlv_find_once(block, TAG_CONFIG, &config) || device_config_parse(config.value, &k.config))
        return ERR_DK_KEY_DATA;
    if (tlv_find_once(block, TAG_END, &end) ||
        mailbox_map_check(&k.map, k.creation.slot.len, k.creation.private_size,
                          k.creation.confidential_size) ||
        check_room(&k))
        return ERR_DK_KEY_DATA;
    k.vehicle_certificate = certificate.value;
    *out = k;
    return ERR_OK;
}

struct span key_data_attestation(struct span block)
{
    struct tlv t;
    return tlv_find_once(block, KEY_DATA_TAG_ATTESTATION, &t) ? (struct span){0} : t.value;
}

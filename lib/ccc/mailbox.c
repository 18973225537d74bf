#include "lib/ccc/mailbox.h"

#include "lib/ccc/tlv.h"

enum {
    TAG_SIGNALLING = 0xD0,
    TAG_SLOT_BITMAP = 0xC0,
    TAG_SLOTS = 0xC1,
    TAG_OEM = 0xC2,
    TAG_ATTESTATION = 0xC3,
    TAG_END = 0xD1,
    TAG_TOKEN_LEN = 0xD2
};

const struct mailbox_map mailbox_map_default = {.signalling = 0,
                                                .slot_bitmap = 1,
                                                .slots = 0x0002,
                                                .oem = 0x0042,
                                                .attestation = 0x0062,
                                                .end = MAILBOX_DEFAULT_PRIVATE,
                                                .token_len = MAILBOX_DEFAULT_CONFIDENTIAL / MAILBOX_SLOTS};

void mailbox_map_put(struct wr *w, const struct mailbox_map *m)
{
    const struct {
        uint16_t tag, v;
    } offsets[] = {{TAG_SIGNALLING, m->signalling},
                   {TAG_SLOT_BITMAP, m->slot_bitmap},
                   {TAG_SLOTS, m->slots},
                   {TAG_OEM, m->oem},
                   {TAG_ATTESTATION, m->attestation},
                   {TAG_END, m->end}};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        tlv_put_header(w, offsets[i].tag, 2);
        wr_be16(w, offsets[i].v);
    }
    tlv_put(w, TAG_TOKEN_LEN, span_of(&m->token_len, 1));
}

static enum err find_offset(struct span in, uint16_t tag, uint16_t *out)
{
    struct span v;
    enum err e = tlv_find_exact(in, tag, 2, &v);
    if (!e)
        *out = (uint16_t)(v.p[0] << 8 | v.p[1]);
    return e;
}

static enum err find_offset_or(struct span in, uint16_t tag, uint16_t missing, uint16_t *out)
{
    *out = missing;
    enum err e = find_offset(in, tag, out);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err mailbox_map_parse(struct span value, struct mailbox_map *out)
{
    struct mailbox_map m = {0};
    struct span token;
    enum err e;
    if ((e = find_offset(value, TAG_SIGNALLING, &m.signalling)) ||
        (e = find_offset(value, TAG_SLOT_BITMAP, &m.slot_bitmap)) ||
        (e = find_offset(value, TAG_SLOTS, &m.slots)) || (e = find_offset(value, TAG_END, &m.end)) ||
        (e = find_offset_or(value, TAG_ATTESTATION, m.end, &m.attestation)) ||
        (e = find_offset_or(value, TAG_OEM, m.attestation, &m.oem)))
        return e;
    e = tlv_find_exact(value, TAG_TOKEN_LEN, 1, &token);
    if (e && e != ERR_NOT_FOUND)
        return e;
    m.token_len = e ? 0 : token.p[0];
    *out = m;
    return ERR_OK;
}

enum err mailbox_map_check(const struct mailbox_map *m, size_t slot_len, size_t private_size,
                           size_t confidential_size)
{
    bool ordered = m->signalling == 0 && m->slot_bitmap == 1 && m->slots >= 2 && m->slots <= m->oem &&
                   m->oem <= m->attestation && m->attestation <= m->end;
    bool fits = m->end <= private_size && private_size <= MAILBOX_PRIVATE_MAX &&
                (size_t)m->token_len * MAILBOX_SLOTS <= confidential_size &&
                confidential_size <= MAILBOX_CONFIDENTIAL_MAX;
    bool slots = slot_len >= 1 && (size_t)(m->oem - m->slots) == slot_len * MAILBOX_SLOTS;
    return ordered && fits && slots ? ERR_OK : ERR_BAD_ARGUMENT;
}

uint8_t *mailbox_at(struct mailboxes *m, enum mailbox_kind kind, size_t offset, size_t len)
{
    size_t size = kind == MAILBOX_PRIVATE ? m->private_size : m->confidential_size;
    uint8_t *area = kind == MAILBOX_PRIVATE ? m->private_area : m->confidential_area;
    return offset <= size && len <= size - offset ? area + offset : NULL;
}

enum err mailbox_reach(struct mailboxes *m, enum mailbox_party party, enum mailbox_kind kind, size_t offset,
                       size_t len, uint8_t **out)
{
    static const bool allowed[MAILBOX_PARTIES][MAILBOX_KINDS] = {
        [MAILBOX_VEHICLE] = {[MAILBOX_PRIVATE] = true, [MAILBOX_CONFIDENTIAL] = true},
        [MAILBOX_FRAMEWORK] = {[MAILBOX_PRIVATE] = true, [MAILBOX_CONFIDENTIAL] = false},
    };
    if (!allowed[party][kind])
        return ERR_DK_ACCESS;
    *out = mailbox_at(m, kind, offset, len);
    return *out ? ERR_OK : ERR_BAD_ARGUMENT;
}

#include "lib/ccc/exchange.h"

#include "lib/ccc/tlv.h"

enum { TAG_NOTIFY = 0x8E };
/* The private mailbox's tag of each pair; the confidential one's follows it. */
static const uint8_t first_tag[] = {[EXCHANGE_READ] = 0x87, [EXCHANGE_WRITE] = 0x8A, [EXCHANGE_SET] = 0x95};

static void put_header(struct wr *w, enum exchange_kind kind, enum mailbox_kind mailbox, uint16_t offset,
                       size_t rest)
{
    tlv_put_header(w, (uint16_t)(first_tag[kind] + mailbox), 2 + rest);
    wr_be16(w, offset);
}

void exchange_begin(struct wr *w, enum exchange_option option)
{
    wr_u8(w, (uint8_t)option);
}

void exchange_put_read(struct wr *w, enum mailbox_kind mailbox, uint16_t offset, uint8_t len)
{
    put_header(w, EXCHANGE_READ, mailbox, offset, 1);
    wr_u8(w, len);
}

void exchange_put_write(struct wr *w, enum mailbox_kind mailbox, uint16_t offset, struct span data)
{
    put_header(w, EXCHANGE_WRITE, mailbox, offset, data.len);
    wr_copy(w, data.p, data.len);
}

void exchange_put_set(struct wr *w, enum mailbox_kind mailbox, uint16_t offset, uint8_t len, uint8_t value)
{
    put_header(w, EXCHANGE_SET, mailbox, offset, 2);
    wr_u8(w, len);
    wr_u8(w, value);
}

void exchange_put_notify(struct wr *w, struct span data)
{
    tlv_put(w, TAG_NOTIFY, data);
}

enum err exchange_open(struct rd *r, enum exchange_option *option)
{
    uint8_t o = rd_u8(r);
    if (r->failed || o > EXCHANGE_MORE)
        return ERR_MSG_MALFORMED;
    *option = (enum exchange_option)o;
    return ERR_OK;
}

/* Offset, then what the operation carries. */
static enum err parse_value(struct exchange_op *op, struct span value)
{
    struct rd v = rd_of(value.p, value.len);
    op->offset = rd_be16(&v);
    if (op->kind == EXCHANGE_WRITE) {
        op->data = rd_span(&v, v.left);
        op->len = (uint16_t)op->data.len;
    } else {
        size_t behind = op->kind == EXCHANGE_SET ? 1 : 0;
        op->len = v.left == 2 + behind ? rd_be16(&v) : rd_u8(&v);
        op->value = behind ? rd_u8(&v) : 0;
    }
    return v.failed || v.left || op->len == 0 ? ERR_MSG_MALFORMED : ERR_OK;
}

enum err exchange_next(struct rd *r, struct exchange_op *out)
{
    struct tlv t;
    struct exchange_op op = {0};
    if (!tlv_next(r, &t))
        return r->failed ? ERR_MSG_MALFORMED : ERR_NOT_FOUND;
    if (t.tag == TAG_NOTIFY) {
        *out = (struct exchange_op){.kind = EXCHANGE_NOTIFY, .data = t.value};
        return ERR_OK;
    }
    for (size_t k = 0; k < sizeof first_tag; k++) {
        if (t.tag != first_tag[k] && t.tag != first_tag[k] + 1)
            continue;
        op.kind = (enum exchange_kind)k;
        op.mailbox = t.tag == first_tag[k] ? MAILBOX_PRIVATE : MAILBOX_CONFIDENTIAL;
        enum err e = parse_value(&op, t.value);
        if (!e)
            *out = op;
        return e;
    }
    return ERR_MSG_MALFORMED;
}

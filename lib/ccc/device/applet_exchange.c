/* EXCHANGE: the vehicle's work on the mailboxes of its key (chapters 4 and 15). */
#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/device/applet_internal.h"
#include "lib/ccc/exchange.h"

static bool within(size_t offset, size_t len, size_t begin, size_t end)
{
    return offset >= begin && offset + len <= end;
}

/* A terminated key lets the vehicle learn that it was terminated, and say that it has. */
static enum err check_terminated(const struct applet *a, const struct digital_key *k,
                                 const struct exchange_op *op)
{
    const struct mailbox_map *m = a->maps[applet_key_index(a, k)];
    if (op->mailbox != MAILBOX_PRIVATE)
        return ERR_DK_ACCESS;
    if (op->kind == EXCHANGE_READ)
        return ERR_OK;
    /* SigBmp, KeyAtt */
    bool may = m && (within(op->offset, op->len, m->signalling, m->signalling + 1u) ||
                     within(op->offset, op->len, m->attestation, m->end));
    return may ? ERR_OK : ERR_DK_ACCESS;
}

static enum err take_notification(struct applet *a, struct span data)
{
    if (a->notification_len)
        return ERR_MSG_MALFORMED; /* one for each command */
    memcpy(a->notification, data.p, data.len);
    a->notification_len = data.len;
    return ERR_OK;
}

/* One operation on the staged mailboxes; reads go to w. */
static enum err run_operation(struct applet *a, struct applet_session *s, const struct exchange_op *op,
                              struct wr *w)
{
    uint8_t *p;
    enum err e = ERR_OK;
    if (op->kind == EXCHANGE_NOTIFY)
        return take_notification(a, op->data);
    if (s->key->state == APPLET_KEY_TERMINATED)
        e = check_terminated(a, s->key, op);
    if (!e)
        e = mailbox_reach(&s->stage, MAILBOX_VEHICLE, op->mailbox, op->offset, op->len, &p);
    if (e)
        return e;
    if (op->kind == EXCHANGE_READ) {
        wr_copy(w, p, op->len);
        return w->failed ? ERR_NO_SPACE : ERR_OK;
    }
    s->wrote = true;
    if (op->kind == EXCHANGE_WRITE)
        memcpy(p, op->data.p, op->len);
    else
        memset(p, op->value, op->len);
    return ERR_OK;
}

/* All operations of a command, on a copy; the copy becomes the mailboxes when the session is committed. */
static enum err run_operations(struct applet *a, struct applet_session *s, struct span plain,
                               enum exchange_option *option, struct wr *w)
{
    struct rd r = rd_of(plain.p, plain.len);
    struct exchange_op op;
    enum err e = exchange_open(&r, option);
    if (!s->staged)
        s->stage = s->key->mailboxes;
    s->staged = true;
    a->notification_len = 0;
    while (!e && !(e = exchange_next(&r, &op)))
        e = run_operation(a, s, &op, w);
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    a->notification_len = 0;
    return e;
}

void applet_swap_mailboxes(struct applet_session *s)
{
    uint8_t *a = (uint8_t *)&s->stage, *b = (uint8_t *)&s->key->mailboxes;
    for (size_t i = 0; i < sizeof s->stage; i++) {
        uint8_t t = a[i];
        a[i] = b[i];
        b[i] = t;
    }
}

/* A session of reads only changes nothing, so that nothing needs to be stored. */
static void commit(struct applet_session *s)
{
    if (s->wrote) {
        applet_swap_mailboxes(s);
        s->unstored = APPLET_MAILBOXES;
    } else {
        OPENSSL_cleanse(&s->stage, sizeof s->stage);
    }
    s->staged = s->wrote = false;
}

/* An atomic session over another link has the key's mailboxes. */
static bool taken(const struct applet *a, enum dk_link_id link)
{
    for (size_t l = 0; l < DK_LINKS; l++)
        if (l != link && a->sessions[l].staged && a->sessions[l].key == a->sessions[link].key)
            return true;
    return false;
}

uint16_t applet_exchange(struct applet *a, enum dk_link_id link, const struct apdu_command *cmd,
                         struct wr *out)
{
    struct applet_session *s = &a->sessions[link];
    uint8_t plain[CCC_BLOCK * 16], answer[CHANNEL_PLAIN_MAX];
    struct wr w = wr_of(answer, sizeof answer);
    enum exchange_option option;
    size_t len;
    uint16_t sw = 0;
    assert(s->key); /* no state with a channel is without one */
    if (s->state == APPLET_KEYED_FAST && !(s->key->creation.options_1 & ENDPOINT_EXCHANGE_AFTER_FAST))
        return APDU_SW_CONDITIONS;
    if (taken(a, link))
        return APDU_SW_CONDITIONS;
    if (channel_unwrap_command(a->crypto, &s->channel, cmd, plain, &len))
        return APDU_SW_SECURE_MESSAGING;
    s->state = APPLET_AUTHENTICATED;
    if (run_operations(a, s, span_of(plain, len), &option, &w) ||
        channel_wrap_response(a->crypto, &s->channel, span_of(answer, w.len), APDU_SW_OK, out))
        sw = APDU_SW_WRONG_DATA;
    else if (option == EXCHANGE_COMMIT)
        commit(s);
    OPENSSL_cleanse(plain, sizeof plain);
    OPENSSL_cleanse(answer, sizeof answer);
    return sw;
}

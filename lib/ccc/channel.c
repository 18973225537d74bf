#include "lib/ccc/channel.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#define CIPHER_MAX (CCC_BLOCK * 15) /* 239 bytes padded */

const struct channel_rules channel_framework = {
    .header_in_mac = true, .first_counter = 1, .get_response_steps = true};
const struct channel_rules channel_framework_resting = {.header_in_mac = true, .first_counter = 1};
const struct channel_rules channel_applet = {.header_in_mac = false, .first_counter = 0};
const struct channel_rules channel_applet_fast = {.header_in_mac = false, .first_counter = 1};

void channel_open(struct channel *ch, const struct channel_rules *rules, const uint8_t kenc[CCC_KEY],
                  const uint8_t kmac[CCC_KEY], const uint8_t krmac[CCC_KEY])
{
    assert(ch && rules && kenc && kmac && krmac);
    *ch = (struct channel){.rules = *rules, .open = true, .counter = rules->first_counter};
    memcpy(ch->kenc, kenc, CCC_KEY);
    memcpy(ch->kmac, kmac, CCC_KEY);
    memcpy(ch->krmac, krmac, CCC_KEY);
}

void channel_close(struct channel *ch)
{
    assert(ch);
    OPENSSL_cleanse(ch, sizeof *ch);
}

static enum err failed(struct channel *ch, enum err e)
{
    channel_close(ch);
    return e;
}

static enum err usable(struct channel *ch)
{
    if (!ch->open)
        return ERR_LINK_DOWN;
    return ch->counter > 0xFF ? failed(ch, ERR_MSG_OUT_OF_ORDER) : ERR_OK;
}

/* ICV: the encrypted counter; its first byte tells the directions apart. */
static enum err initial_vector(struct crypto *c, const struct channel *ch, bool response,
                               uint8_t out[CCC_BLOCK])
{
    uint8_t block[CCC_BLOCK] = {0};
    block[0] = response ? 0x80 : 0;
    block[CCC_BLOCK - 1] = (uint8_t)ch->counter;
    return ccc_ecb_block(c, ch->kenc, block, out);
}

/* Pads with 80 00*, encrypts; nothing stays nothing. */
static enum err protect(struct crypto *c, const struct channel *ch, bool response, struct span data,
                        uint8_t out[CIPHER_MAX], size_t *len)
{
    uint8_t padded[CIPHER_MAX] = {0}, icv[CCC_BLOCK];
    *len = 0;
    if (data.len == 0)
        return ERR_OK;
    if (data.len > CHANNEL_PLAIN_MAX)
        return ERR_BAD_ARGUMENT;
    /* P */
    memcpy(padded, data.p, data.len);
    padded[data.len] = 0x80;
    *len = (data.len / CCC_BLOCK + 1) * CCC_BLOCK;
    /* ICV, C */
    enum err e = initial_vector(c, ch, response, icv);
    if (!e)
        e = ccc_cbc(c, true, ch->kenc, icv, padded, *len, out);
    OPENSSL_cleanse(padded, sizeof padded);
    return e;
}

static enum err reveal(struct crypto *c, const struct channel *ch, bool response, struct span cipher,
                       uint8_t *plain, size_t *len)
{
    uint8_t icv[CCC_BLOCK];
    *len = 0;
    if (cipher.len == 0)
        return ERR_OK;
    if (cipher.len % CCC_BLOCK || cipher.len > CIPHER_MAX)
        return ERR_MSG_MALFORMED;
    enum err e = initial_vector(c, ch, response, icv);
    if (!e)
        e = ccc_cbc(c, false, ch->kenc, icv, cipher.p, cipher.len, plain);
    if (e) {
        OPENSSL_cleanse(plain, cipher.len);
        return e;
    }
    size_t n = cipher.len;
    while (n > 0 && plain[n - 1] == 0)
        n--;
    if (n == 0 || plain[n - 1] != 0x80 || cipher.len - n >= CCC_BLOCK) {
        OPENSSL_cleanse(plain, cipher.len);
        return ERR_MSG_MALFORMED;
    }
    *len = n - 1;
    return ERR_OK;
}

/* T = CMAC(Kmac, MCV || [CLA INS P1 P2 Lc] || C) */
static enum err command_mac(struct crypto *c, const struct channel *ch, const uint8_t header[5],
                            struct span cipher, uint8_t out[CCC_BLOCK])
{
    const struct span parts[] = {span_of(ch->mcv, CCC_BLOCK),
                                 span_of(header, ch->rules.header_in_mac ? 5 : 0), cipher};
    return ccc_cmac(c, ch->kmac, parts, 3, out);
}

/* CMAC(Krmac, MCV || C || [SW]) */
static enum err response_mac(struct crypto *c, const struct channel *ch, struct span cipher, uint16_t sw,
                             uint8_t out[CCC_BLOCK])
{
    const uint8_t status[2] = {(uint8_t)(sw >> 8), (uint8_t)sw};
    const struct span parts[] = {span_of(ch->mcv, CCC_BLOCK), cipher,
                                 span_of(status, ch->rules.header_in_mac ? 2 : 0)};
    return ccc_cmac(c, ch->krmac, parts, 3, out);
}

enum err channel_wrap_command(struct crypto *c, struct channel *ch, uint8_t ins, uint8_t p1, uint8_t p2,
                              struct span data, struct wr *out)
{
    uint8_t body[CIPHER_MAX + CHANNEL_MAC], mac[CCC_BLOCK];
    size_t len;
    assert(c && ch && out && (data.p || data.len == 0));
    enum err e = usable(ch);
    if (!e)
        e = protect(c, ch, false, data, body, &len);
    if (e)
        return e == ERR_BAD_ARGUMENT ? e : failed(ch, e);
    /* SCP03, 6.2.6: T, its first half goes along */
    const uint8_t header[5] = {APDU_CLA_SECURE, ins, p1, p2, (uint8_t)(len + CHANNEL_MAC)};
    e = command_mac(c, ch, header, span_of(body, len), mac);
    if (e)
        return failed(ch, e);
    memcpy(body + len, mac, CHANNEL_MAC);
    const struct apdu_command cmd = {.cla = APDU_CLA_SECURE,
                                     .ins = ins,
                                     .p1 = p1,
                                     .p2 = p2,
                                     .data = span_of(body, len + CHANNEL_MAC),
                                     .has_le = true};
    apdu_command_put(out, &cmd);
    if (out->failed)
        return ERR_BAD_ARGUMENT;
    /* MCV = T */
    memcpy(ch->mcv, mac, CCC_BLOCK);
    return ERR_OK;
}

enum err channel_unwrap_command(struct crypto *c, struct channel *ch, const struct apdu_command *cmd,
                                uint8_t plain[CCC_BLOCK * 16], size_t *len)
{
    uint8_t mac[CCC_BLOCK];
    assert(c && ch && cmd && plain && len);
    enum err e = usable(ch);
    if (e)
        return e;
    if (cmd->data.len < CHANNEL_MAC)
        return failed(ch, ERR_TRUNCATED);
    struct span cipher = span_of(cmd->data.p, cmd->data.len - CHANNEL_MAC);
    /* SCP03, 6.2.6: T, C */
    const uint8_t header[5] = {cmd->cla, cmd->ins, cmd->p1, cmd->p2, (uint8_t)cmd->data.len};
    e = command_mac(c, ch, header, cipher, mac);
    if (!e && !bytes_equal_ct(mac, cmd->data.p + cipher.len, CHANNEL_MAC))
        e = ERR_SIGNATURE_INVALID;
    if (!e)
        e = reveal(c, ch, false, cipher, plain, len);
    if (e)
        return failed(ch, e);
    memcpy(ch->mcv, mac, CCC_BLOCK);
    return ERR_OK;
}

enum err channel_wrap_response(struct crypto *c, struct channel *ch, struct span data, uint16_t sw,
                               struct wr *out)
{
    uint8_t body[CIPHER_MAX], mac[CCC_BLOCK];
    size_t len;
    assert(c && ch && out && (data.p || data.len == 0));
    enum err e = usable(ch);
    if (!e)
        e = protect(c, ch, true, data, body, &len);
    if (e)
        return e == ERR_BAD_ARGUMENT ? e : failed(ch, e);
    /* SCP03, 6.2.7: R-MAC */
    e = response_mac(c, ch, span_of(body, len), sw, mac);
    if (e)
        return failed(ch, e);
    wr_copy(out, body, len);
    wr_copy(out, mac, CHANNEL_MAC);
    wr_be16(out, sw);
    if (out->failed)
        return ERR_BAD_ARGUMENT;
    ch->counter++;
    return ERR_OK;
}

enum err channel_unwrap_response(struct crypto *c, struct channel *ch, struct span body, uint16_t sw,
                                 uint8_t plain[CCC_BLOCK * 16], size_t *len)
{
    uint8_t mac[CCC_BLOCK];
    assert(c && ch && (body.p || body.len == 0) && plain && len);
    enum err e = usable(ch);
    if (e)
        return e;
    if (body.len < CHANNEL_MAC)
        return failed(ch, ERR_TRUNCATED);
    struct span cipher = span_of(body.p, body.len - CHANNEL_MAC);
    /* SCP03, 6.2.7: R-MAC, C */
    e = response_mac(c, ch, cipher, sw, mac);
    if (!e && !bytes_equal_ct(mac, body.p + cipher.len, CHANNEL_MAC))
        e = ERR_SIGNATURE_INVALID;
    if (!e)
        e = reveal(c, ch, true, cipher, plain, len);
    if (e)
        return failed(ch, e);
    ch->counter++;
    return ERR_OK;
}

enum err channel_continue(struct crypto *c, struct channel *ch)
{
    assert(c && ch);
    const struct span mcv = {ch->mcv, CCC_BLOCK};
    uint8_t next[CCC_BLOCK];
    if (ch->open && !ch->rules.get_response_steps && ch->counter > ch->rules.first_counter) {
        ch->counter--;
        return ERR_OK;
    }
    enum err e = usable(ch);
    if (!e)
        e = ccc_cmac(c, ch->kmac, &mcv, 1, next);
    if (e)
        return failed(ch, e);
    memcpy(ch->mcv, next, CCC_BLOCK);
    return ERR_OK;
}

/* Encryption of a link (Core Specification, volume 6 part B, 5.1.3): its beginning, and each packet. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lib/media/ble/parts.h"

#define HELD_MAX      64 /* PDUs that wait while encryption begins */
#define PACKET_MAX    (BLE_FRAME_MAX - 1)
#define LLID_DATA     0x02 /* first octet of a packet's header, without the bits that change */
#define LLID_CONTROL  0x03
#define TO_PERIPHERAL 0x80 /* direction, in the last octet of the packet's number */
#define PDU_HEADER    4

/* ---- packets ---- */

static void nonce_of(const struct ble_cipher *c, uint64_t number, bool to_peripheral, uint8_t out[SMP_NONCE])
{
    for (int i = 0; i < 5; i++)
        out[i] = (uint8_t)(number >> 8 * i);
    out[4] = (uint8_t)((out[4] & 0x7F) | (to_peripheral ? TO_PERIPHERAL : 0));
    memcpy(out + 5, c->iv, sizeof c->iv);
}

static uint8_t header_of(enum ble_frame type)
{
    return type == BLE_CONTROL ? LLID_CONTROL : LLID_DATA;
}

static void put_packet(struct ble_air *a, enum ble_frame type, struct span pdu)
{
    struct ble_link *l = &a->link;
    uint8_t sealed[PACKET_MAX], nonce[SMP_NONCE];
    if (pdu.len > PACKET_MAX - SMP_MIC)
        return;
    if (l->cipher.seals) {
        nonce_of(&l->cipher, l->cipher.sealed++, a->device->central, nonce);
        if (smp_seal(a->device->crypto, l->cipher.key, nonce, header_of(type), pdu, sealed) != ERR_OK)
            return;
        pdu = span_of(sealed, pdu.len + SMP_MIC);
    }
    ble_air_put(a, type, span_of(&l->number, 1), pdu);
}

/* False for a packet that was not sealed with our key. */
static bool open_packet(struct ble_air *a, enum ble_frame type, struct span *pdu, uint8_t out[PACKET_MAX])
{
    struct ble_cipher *c = &a->link.cipher;
    uint8_t nonce[SMP_NONCE];
    if (!c->opens)
        return true;
    nonce_of(c, c->opened++, !a->device->central, nonce);
    if (smp_open(a->device->crypto, c->key, nonce, header_of(type), *pdu, out) != ERR_OK)
        return false;
    *pdu = span_of(out, pdu->len - SMP_MIC);
    return true;
}

/* ---- PDUs of L2CAP ---- */

static bool begins(const struct ble_cipher *c)
{
    return c->state != CIPHER_OFF && c->state != CIPHER_ON;
}

void ble_pdu_put(struct ble_air *a, uint16_t cid, struct span pdu)
{
    struct ble_link *l = &a->link;
    uint8_t packet[PACKET_MAX];
    const uint8_t head[PDU_HEADER] = {(uint8_t)pdu.len, (uint8_t)(pdu.len >> 8), (uint8_t)cid,
                                      (uint8_t)(cid >> 8)};
    struct wr w = wr_of(packet, sizeof packet);
    wr_copy(&w, head, sizeof head);
    wr_copy(&w, pdu.p, pdu.len);
    if (w.failed)
        return;
    if (!begins(&l->cipher))
        put_packet(a, BLE_DATA, span_of(packet, w.len));
    else if (l->held.count < HELD_MAX)
        ble_queue_put(&l->held, span_of(packet, w.len), (struct span){NULL, 0}, 0);
    else
        ble_link_drop(a, HCI_TIMEOUT, HCI_TIMEOUT);
    OPENSSL_cleanse(packet, sizeof packet);
}

static void release_held(struct ble_air *a)
{
    struct ble_packet *p;
    while ((p = ble_queue_take(&a->link.held))) {
        put_packet(a, BLE_DATA, span_of(p->bytes, p->len));
        OPENSSL_cleanse(p->bytes, p->len);
        free(p);
    }
}

static enum err take_pdu(struct ble_air *a, struct span packet)
{
    if (packet.len < PDU_HEADER)
        return ERR_MSG_MALFORMED;
    size_t len = packet.p[0] | (size_t)packet.p[1] << 8;
    uint16_t cid = (uint16_t)(packet.p[2] | packet.p[3] << 8);
    struct span pdu = span_of(packet.p + PDU_HEADER, packet.len - PDU_HEADER);
    if (len != pdu.len)
        return ERR_MSG_MALFORMED;
    if (cid == CID_ATT)
        return ble_att_take(a, pdu);
    return cid == CID_SMP ? ble_pairing_take(a, pdu) : ble_l2cap_take(a, cid, pdu);
}

/* ---- beginning ---- */

static void put_control(struct ble_air *a, uint8_t opcode, struct span body)
{
    uint8_t pdu[32];
    struct wr w = wr_of(pdu, sizeof pdu);
    wr_u8(&w, opcode);
    wr_copy(&w, body.p, body.len);
    put_packet(a, BLE_CONTROL, span_of(pdu, w.len));
}

static void reverse(const uint8_t *in, size_t len, uint8_t *out)
{
    for (size_t i = 0; i < len; i++)
        out[i] = in[len - 1 - i];
}

static void set_state(struct ble_air *a, enum ble_cipher_state state, uint32_t limit_ms)
{
    a->link.cipher.state = state;
    a->link.cipher.due_us = ble_in_ms(a->device, limit_ms);
}

/* SKD = SKD of the peripheral || SKD of the central; session key = e(LTK, SKD). */
static bool make_key(struct ble_air *a)
{
    struct ble_cipher *c = &a->link.cipher;
    c->sealed = c->opened = 0;
    bool ok = smp_e(a->device->crypto, c->ltk, c->skd, c->key) == ERR_OK;
    OPENSSL_cleanse(c->ltk, sizeof c->ltk);
    return ok;
}

/* LL_ENC_REQ: Rand and EDIV are 0 for a key of Secure Connections. */
static void ask(struct ble_air *a)
{
    struct ble_cipher *c = &a->link.cipher;
    uint8_t body[8 + 2 + 8 + 4] = {0};
    ble_random(a->device, body + 10, 12);
    reverse(body + 10, 8, c->skd + 8);
    memcpy(c->iv, body + 18, 4);
    set_state(a, CIPHER_ASKED, BLE_PAIRING_MS);
    put_control(a, LL_ENC_REQ, span_of(body, sizeof body));
}

static void answer(struct ble_air *a)
{
    struct ble_cipher *c = &a->link.cipher;
    uint8_t body[8 + 4];
    ble_random(a->device, body, sizeof body);
    reverse(body, 8, c->skd);
    memcpy(c->iv + 4, body + 8, 4);
    if (!make_key(a)) {
        ble_link_drop(a, HCI_MIC_FAILURE, HCI_MIC_FAILURE);
        return;
    }
    set_state(a, CIPHER_STARTING, BLE_PAIRING_MS);
    put_control(a, LL_ENC_RSP, span_of(body, sizeof body));
    put_control(a, LL_START_ENC_REQ, (struct span){NULL, 0});
    c->opens = true;
}

static void encrypted(struct ble_air *a)
{
    a->link.cipher.state = CIPHER_ON;
    ble_link_news(a, BLE_NEWS_ENCRYPTED, &(struct ble_said){.level = 4, .number = BLE_KEY});
    release_held(a);
    if (a->link.pairing.state == PAIRING_ENCRYPT)
        ble_pairing_encrypted(a);
}

/* The link goes on in the clear. */
static void not_encrypted(struct ble_air *a, uint8_t reason)
{
    OPENSSL_cleanse(&a->link.cipher, sizeof a->link.cipher);
    release_held(a);
    ble_link_reason(a, BLE_NEWS_AUTH_FAILED, reason);
    ble_pairing_clear(&a->link.pairing);
}

static enum err take_request(struct ble_air *a, struct span body)
{
    struct ble_link *l = &a->link;
    reverse(body.p + 10, 8, l->cipher.skd + 8);
    memcpy(l->cipher.iv, body.p + 18, 4);
    if (l->pairing.state == PAIRING_ENCRYPT) {
        memcpy(l->cipher.ltk, l->pairing.ltk, BLE_KEY);
        l->cipher.state = CIPHER_TO_ANSWER;
        return ERR_OK;
    }
    set_state(a, CIPHER_KEY, BLE_KEY_MS);
    ble_link_news(a, BLE_NEWS_KEY_WANTED, NULL);
    return ERR_OK;
}

static enum err take_response(struct ble_air *a, struct span body)
{
    struct ble_cipher *c = &a->link.cipher;
    reverse(body.p, 8, c->skd);
    memcpy(c->iv + 4, body.p + 8, 4);
    c->state = CIPHER_ANSWERED;
    return make_key(a) ? ERR_OK : ERR_CRYPTO_FAILED;
}

static enum err take_start(struct ble_air *a, struct span body)
{
    struct ble_cipher *c = &a->link.cipher;
    (void)body;
    c->seals = c->opens = true;
    set_state(a, CIPHER_STARTING, BLE_PAIRING_MS);
    put_control(a, LL_START_ENC_RSP, (struct span){NULL, 0});
    return ERR_OK;
}

static enum err take_started(struct ble_air *a, struct span body)
{
    (void)body;
    if (!a->device->central) {
        a->link.cipher.seals = true;
        put_control(a, LL_START_ENC_RSP, (struct span){NULL, 0});
    }
    encrypted(a);
    return ERR_OK;
}

static enum err take_reject(struct ble_air *a, struct span body)
{
    not_encrypted(a, body.p[0]);
    return ERR_OK;
}

enum { TO_A_PERIPHERAL = 1, TO_A_CENTRAL = 2 };
static const struct {
    uint8_t opcode, whom;
    size_t len;
    enum ble_cipher_state in;
    enum err (*take)(struct ble_air *a, struct span body);
} controls[] = {
    {LL_ENC_REQ, TO_A_PERIPHERAL, 22, CIPHER_OFF, take_request},
    {LL_ENC_RSP, TO_A_CENTRAL, 12, CIPHER_ASKED, take_response},
    {LL_REJECT_IND, TO_A_CENTRAL, 1, CIPHER_ASKED, take_reject},
    {LL_START_ENC_REQ, TO_A_CENTRAL, 0, CIPHER_ANSWERED, take_start},
    {LL_START_ENC_RSP, TO_A_PERIPHERAL | TO_A_CENTRAL, 0, CIPHER_STARTING, take_started},
};

static enum err take_control(struct ble_air *a, struct span pdu)
{
    const uint8_t whom = a->device->central ? TO_A_CENTRAL : TO_A_PERIPHERAL;
    if (pdu.len == 0)
        return ERR_MSG_MALFORMED;
    for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++)
        if (controls[i].opcode == pdu.p[0] && controls[i].len == pdu.len - 1 && (controls[i].whom & whom) &&
            controls[i].in == a->link.cipher.state)
            return controls[i].take(a, span_of(pdu.p + 1, pdu.len - 1));
    return ERR_MSG_UNEXPECTED;
}

enum err ble_cipher_take(struct ble_air *a, enum ble_frame type, struct span payload)
{
    uint8_t opened[PACKET_MAX];
    struct span pdu = payload;
    if (!open_packet(a, type, &pdu, opened)) {
        ble_link_drop(a, HCI_MIC_FAILURE, HCI_MIC_FAILURE);
        return ERR_OK;
    }
    enum err e = type == BLE_CONTROL ? take_control(a, pdu) : take_pdu(a, pdu);
    OPENSSL_cleanse(opened, sizeof opened);
    return e;
}

/* ---- the component's part ---- */

enum err ble_cipher_use(struct ble_air *a, const uint8_t ltk[BLE_KEY])
{
    struct ble_link *l = &a->link;
    if (l->cipher.state != (a->device->central ? CIPHER_OFF : CIPHER_KEY))
        return ERR_MSG_UNEXPECTED;
    if (l->pairing.state != PAIRING_NONE && l->pairing.state != PAIRING_ENCRYPT)
        return ERR_MSG_UNEXPECTED;
    memcpy(l->cipher.ltk, ltk, BLE_KEY);
    l->cipher.state = a->device->central ? CIPHER_TO_ASK : CIPHER_TO_ANSWER;
    return ERR_OK;
}

enum err ble_cipher_refuse(struct ble_air *a)
{
    static const uint8_t missing = HCI_KEY_MISSING;
    if (a->link.cipher.state != CIPHER_KEY)
        return ERR_MSG_UNEXPECTED;
    put_control(a, LL_REJECT_IND, span_of(&missing, 1));
    OPENSSL_cleanse(&a->link.cipher, sizeof a->link.cipher);
    release_held(a);
    return ERR_OK;
}

void ble_cipher_run(struct ble_air *a)
{
    const struct ble_cipher *c = &a->link.cipher;
    if (c->state == CIPHER_TO_ASK)
        ask(a);
    else if (c->state == CIPHER_TO_ANSWER)
        answer(a);
    else if (!begins(c) || ble_now_us(a->device) < c->due_us)
        return;
    else if (c->state == CIPHER_KEY)
        ble_cipher_refuse(a);
    else
        ble_link_drop(a, HCI_TIMEOUT, HCI_TIMEOUT);
}

void ble_cipher_clear(struct ble_link *l)
{
    ble_queue_clear(&l->held);
    OPENSSL_cleanse(&l->cipher, sizeof l->cipher);
}

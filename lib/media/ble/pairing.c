/* Pairing by LE Secure Connections with out-of-band data (Core Specification, volume 3 part H, 2.3.5.6).
 *
 * The central is A of the formulas, the peripheral B. A value is here as in the formulas, most significant
 * octet first, and goes reversed. */
#include <openssl/crypto.h>
#include <string.h>

#include "lib/media/ble/parts.h"

enum smp {
    SMP_REQUEST = 0x01,
    SMP_RESPONSE = 0x02,
    SMP_RANDOM = 0x04,
    SMP_FAILED = 0x05,
    SMP_IDENTITY = 0x08,
    SMP_IDENTITY_ADDRESS = 0x09,
    SMP_PUBLIC_KEY = 0x0C,
    SMP_DHKEY_CHECK = 0x0D
};

enum {
    FAILED_CONFIRM = 0x04,
    FAILED_REQUIREMENTS = 0x03,
    FAILED_KEY_SIZE = 0x06,
    FAILED_UNSPECIFIED = 0x08,
    FAILED_PARAMETERS = 0x0A,
    FAILED_DHKEY = 0x0B
};

#define IO_NONE      0x03 /* no input, no output */
#define BONDING_SC   0x09 /* AuthReq: bonding, Secure Connections */
#define SC           0x08
#define KEY_IDENTITY 0x02 /* of key distribution: IRK and identity address */
#define OPTIONS      6
#define PDU_MAX      65

/* ---- sending ---- */

static void put_octets(struct wr *w, const uint8_t *p, size_t len)
{
    while (len > 0)
        wr_u8(w, p[--len]);
}

static void get_octets(const uint8_t *p, size_t len, uint8_t *out)
{
    for (size_t i = 0; i < len; i++)
        out[i] = p[len - 1 - i];
}

static void put_pdu(struct ble_air *a, enum smp code, struct span body)
{
    uint8_t pdu[PDU_MAX];
    struct wr w = wr_of(pdu, sizeof pdu);
    wr_u8(&w, (uint8_t)code);
    wr_copy(&w, body.p, body.len);
    ble_pdu_put(a, CID_SMP, span_of(pdu, w.len));
    OPENSSL_cleanse(pdu, sizeof pdu);
}

static void put_value(struct ble_air *a, enum smp code, const uint8_t value[SMP_KEY])
{
    uint8_t body[SMP_KEY];
    struct wr w = wr_of(body, sizeof body);
    put_octets(&w, value, SMP_KEY);
    put_pdu(a, code, span_of(body, sizeof body));
    OPENSSL_cleanse(body, sizeof body);
}

static void put_public_key(struct ble_air *a)
{
    const uint8_t *point = a->link.pairing.own.point;
    uint8_t body[2 * SMP_X];
    struct wr w = wr_of(body, sizeof body);
    put_octets(&w, point + 1, SMP_X);
    put_octets(&w, point + 1 + SMP_X, SMP_X);
    put_pdu(a, SMP_PUBLIC_KEY, span_of(body, sizeof body));
}

/* `gives`, `takes`: distribution of the central's keys, of the peripheral's. */
static void put_options(struct ble_air *a, enum smp code, uint8_t of_central, uint8_t of_peripheral)
{
    struct ble_pairing *p = &a->link.pairing;
    const uint8_t body[OPTIONS] = {IO_NONE, p->has_data, BONDING_SC, SMP_KEY, of_central, of_peripheral};
    p->own_io[0] = BONDING_SC;
    p->own_io[1] = p->has_data;
    p->own_io[2] = IO_NONE;
    put_pdu(a, code, span_of(body, sizeof body));
}

/* ---- ends ---- */

void ble_pairing_clear(struct ble_pairing *p)
{
    ble_keys_clear(&p->own);
    OPENSSL_cleanse(p, sizeof *p);
}

/* This end finds it: the link stays, in the clear. */
static enum err fail(struct ble_air *a, uint8_t reason)
{
    put_pdu(a, SMP_FAILED, span_of(&reason, 1));
    ble_link_reason(a, BLE_NEWS_AUTH_FAILED, reason);
    ble_pairing_clear(&a->link.pairing);
    return ERR_OK;
}

/* The other end has found it. A peripheral drops the link then, as Linux does. */
static enum err take_failed(struct ble_air *a, const uint8_t *body)
{
    ble_link_reason(a, BLE_NEWS_AUTH_FAILED, body[0]);
    ble_pairing_clear(&a->link.pairing);
    if (!a->device->central)
        ble_link_drop(a, HCI_AUTH_FAILURE, HCI_AUTH_FAILURE);
    return ERR_OK;
}

static void next(struct ble_air *a, enum ble_pairing_state state)
{
    a->link.pairing.state = state;
}

/* ---- beginning: what each end has ---- */

static void begin(struct ble_air *a)
{
    struct ble_pairing *p = &a->link.pairing;
    const struct ble_oob *o = ble_oob_of(a->device, &a->link.other);
    p->due_us = ble_in_ms(a->device, BLE_PAIRING_MS);
    p->has_data = o != NULL;
    if (o) {
        memcpy(p->other_confirm, o->confirm, BLE_KEY);
        memcpy(p->other_random, o->random, BLE_KEY);
    }
}

/* The keys of the last "oob", which are then used up; new ones when there are none. */
static bool take_keys(struct ble_air *a)
{
    struct ble_device *d = a->device;
    if (!d->keys.key && ble_keys_make(d, &d->keys) != ERR_OK)
        return false;
    a->link.pairing.own = d->keys;
    OPENSSL_cleanse(&d->keys, sizeof d->keys);
    return true;
}

enum err ble_pairing_begin(struct ble_air *a)
{
    if (a->link.pairing.state != PAIRING_NONE || a->link.cipher.state != CIPHER_OFF)
        return ERR_MSG_UNEXPECTED;
    begin(a);
    put_options(a, SMP_REQUEST, a->device->has_identity ? KEY_IDENTITY : 0, KEY_IDENTITY);
    next(a, PAIRING_RESPONSE);
    return ERR_OK;
}

/* What speaks against the other end's options; 0: nothing. */
static uint8_t refusal(const struct ble_pairing *p, const uint8_t body[OPTIONS])
{
    if (body[0] > 4 || body[1] > 1 || body[3] < 7 || body[3] > SMP_KEY)
        return FAILED_PARAMETERS;
    if (body[3] != SMP_KEY)
        return FAILED_KEY_SIZE;
    return !(body[2] & SC) || (!p->has_data && !body[1]) ? FAILED_REQUIREMENTS : 0;
}

static void note_options(struct ble_pairing *p, const uint8_t body[OPTIONS])
{
    p->other_has = body[1];
    p->other_io[0] = body[2];
    p->other_io[1] = body[1];
    p->other_io[2] = body[0];
}

static enum err take_request(struct ble_air *a, const uint8_t *body)
{
    struct ble_pairing *p = &a->link.pairing;
    begin(a);
    uint8_t why_not = a->link.cipher.state != CIPHER_OFF ? FAILED_UNSPECIFIED : refusal(p, body);
    if (!why_not && !take_keys(a))
        why_not = FAILED_UNSPECIFIED;
    if (why_not)
        return fail(a, why_not);
    note_options(p, body);
    p->takes = body[4] & KEY_IDENTITY;
    p->gives = (body[5] & KEY_IDENTITY) && a->device->has_identity;
    put_options(a, SMP_RESPONSE, p->takes ? KEY_IDENTITY : 0, p->gives ? KEY_IDENTITY : 0);
    next(a, PAIRING_KEY);
    return ERR_OK;
}

static enum err take_response(struct ble_air *a, const uint8_t *body)
{
    struct ble_pairing *p = &a->link.pairing;
    uint8_t why_not = refusal(p, body);
    if (!why_not && !take_keys(a))
        why_not = FAILED_UNSPECIFIED;
    if (why_not)
        return fail(a, why_not);
    note_options(p, body);
    p->gives = (body[4] & KEY_IDENTITY) && a->device->has_identity;
    p->takes = body[5] & KEY_IDENTITY;
    put_public_key(a);
    next(a, PAIRING_KEY);
    return ERR_OK;
}

/* ---- keys ---- */

/* 0, or why the other end's public key is not to be believed. */
static uint8_t check_public_key(struct ble_air *a)
{
    struct ble_pairing *p = &a->link.pairing;
    uint8_t confirm[BLE_KEY];
    const uint8_t *x = p->other_key + 1;
    if (memcmp(p->own.point + 1, x, SMP_X) == 0) /* ours, sent back */
        return FAILED_DHKEY;
    if (p256_ecdh_x(a->device->crypto, p->own.key, p->other_key, p->dh) != ERR_OK)
        return FAILED_DHKEY;
    if (!p->has_data)
        return 0;
    if (smp_f4(a->device->crypto, x, x, p->other_random, 0, confirm) != ERR_OK)
        return FAILED_UNSPECIFIED;
    return bytes_equal_ct(confirm, p->other_confirm, BLE_KEY) ? 0 : FAILED_CONFIRM;
}

static enum err take_public_key(struct ble_air *a, const uint8_t *body)
{
    struct ble_pairing *p = &a->link.pairing;
    p->other_key[0] = 0x04;
    get_octets(body, SMP_X, p->other_key + 1);
    get_octets(body + SMP_X, SMP_X, p->other_key + 1 + SMP_X);
    uint8_t why_not = check_public_key(a);
    if (why_not)
        return fail(a, why_not);
    ble_random(a->device, p->own_nonce, sizeof p->own_nonce);
    if (a->device->central)
        put_value(a, SMP_RANDOM, p->own_nonce);
    else
        put_public_key(a);
    next(a, PAIRING_RANDOM);
    return ERR_OK;
}

static void device_of(const struct ble_address *address, uint8_t out[SMP_DEVICE])
{
    out[0] = address->random;
    memcpy(out + 1, address->octets, sizeof address->octets);
}

static enum err derive(struct ble_air *a)
{
    struct ble_pairing *p = &a->link.pairing;
    bool central = a->device->central;
    uint8_t of_a[SMP_DEVICE], of_b[SMP_DEVICE];
    device_of(central ? &a->link.own : &a->link.other, of_a);
    device_of(central ? &a->link.other : &a->link.own, of_b);
    return smp_f5(a->device->crypto, p->dh, central ? p->own_nonce : p->other_nonce,
                  central ? p->other_nonce : p->own_nonce, of_a, of_b, p->mac_key, p->ltk);
}

/* Ea = f6(MacKey, Na, Nb, rb, IOcapA, A, B), Eb the other way round; a random value counts for both ends
 * when its reader has it, else it is 0. */
static enum err check_value(struct ble_air *a, bool of_own, uint8_t out[SMP_KEY])
{
    static const uint8_t zeros[BLE_KEY];
    const struct ble_pairing *p = &a->link.pairing;
    uint8_t own[SMP_DEVICE], other[SMP_DEVICE];
    device_of(&a->link.own, own);
    device_of(&a->link.other, other);
    if (of_own)
        return smp_f6(a->device->crypto, p->mac_key, p->own_nonce, p->other_nonce,
                      p->has_data ? p->other_random : zeros, p->own_io, own, other, out);
    return smp_f6(a->device->crypto, p->mac_key, p->other_nonce, p->own_nonce,
                  p->other_has ? p->own.random : zeros, p->other_io, other, own, out);
}

static enum err put_check(struct ble_air *a)
{
    uint8_t value[SMP_KEY];
    enum err e = check_value(a, true, value);
    if (!e)
        put_value(a, SMP_DHKEY_CHECK, value);
    return e;
}

static enum err take_random(struct ble_air *a, const uint8_t *body)
{
    struct ble_pairing *p = &a->link.pairing;
    get_octets(body, SMP_KEY, p->other_nonce);
    if (!a->device->central)
        put_value(a, SMP_RANDOM, p->own_nonce);
    if (derive(a) != ERR_OK || (a->device->central && put_check(a) != ERR_OK))
        return fail(a, FAILED_UNSPECIFIED);
    next(a, PAIRING_CHECK);
    return ERR_OK;
}

static enum err take_check(struct ble_air *a, const uint8_t *body)
{
    uint8_t is[SMP_KEY], must[SMP_KEY];
    get_octets(body, SMP_KEY, is);
    if (check_value(a, false, must) != ERR_OK || !bytes_equal_ct(is, must, SMP_KEY))
        return fail(a, FAILED_DHKEY);
    if (!a->device->central && put_check(a) != ERR_OK)
        return fail(a, FAILED_UNSPECIFIED);
    next(a, PAIRING_ENCRYPT);
    return a->device->central ? ble_cipher_use(a, a->link.pairing.ltk) : ERR_OK;
}

/* ---- after the encryption: identities, the peripheral's first ---- */

static void put_identity(struct ble_air *a)
{
    const struct ble_device *d = a->device;
    uint8_t body[1 + 6];
    struct wr w = wr_of(body, sizeof body);
    put_value(a, SMP_IDENTITY, d->irk);
    wr_u8(&w, d->identity.random);
    put_octets(&w, d->identity.octets, sizeof d->identity.octets);
    put_pdu(a, SMP_IDENTITY_ADDRESS, span_of(body, w.len));
}

static void finish(struct ble_air *a)
{
    struct ble_said said = {.level = 3, .number = BLE_KEY};
    if (a->device->central && a->link.pairing.gives)
        put_identity(a);
    memcpy(said.key, a->link.pairing.ltk, BLE_KEY);
    ble_link_news(a, BLE_NEWS_NEW_LTK, &said);
    OPENSSL_cleanse(&said, sizeof said);
    ble_pairing_clear(&a->link.pairing);
}

void ble_pairing_encrypted(struct ble_air *a)
{
    const struct ble_pairing *p = &a->link.pairing;
    if (!a->device->central && p->gives)
        put_identity(a);
    if (p->takes)
        next(a, PAIRING_IDENTITY);
    else
        finish(a);
}

static enum err take_identity(struct ble_air *a, const uint8_t *body)
{
    get_octets(body, BLE_KEY, a->link.pairing.irk);
    next(a, PAIRING_ADDRESS);
    return ERR_OK;
}

static enum err take_identity_address(struct ble_air *a, const uint8_t *body)
{
    struct ble_said said = {.address.random = body[0] == 1};
    if (body[0] > 1)
        return fail(a, FAILED_PARAMETERS);
    get_octets(body + 1, sizeof said.address.octets, said.address.octets);
    memcpy(said.key, a->link.pairing.irk, BLE_KEY);
    ble_link_news(a, BLE_NEWS_NEW_IRK, &said);
    OPENSSL_cleanse(&said, sizeof said);
    finish(a);
    return ERR_OK;
}

/* ---- which message is permitted when ---- */

static const struct {
    enum smp code;
    size_t len;
    enum ble_pairing_state in;
    enum err (*take)(struct ble_air *a, const uint8_t *body);
} messages[] = {
    {SMP_REQUEST, OPTIONS, PAIRING_NONE, take_request},
    {SMP_RESPONSE, OPTIONS, PAIRING_RESPONSE, take_response},
    {SMP_PUBLIC_KEY, 2 * SMP_X, PAIRING_KEY, take_public_key},
    {SMP_RANDOM, SMP_KEY, PAIRING_RANDOM, take_random},
    {SMP_DHKEY_CHECK, SMP_KEY, PAIRING_CHECK, take_check},
    {SMP_IDENTITY, SMP_KEY, PAIRING_IDENTITY, take_identity},
    {SMP_IDENTITY_ADDRESS, 7, PAIRING_ADDRESS, take_identity_address},
};

static bool permitted_here(const struct ble_air *a, enum smp code)
{
    bool encrypted = a->link.cipher.state == CIPHER_ON;
    if (code == SMP_REQUEST)
        return !a->device->central;
    return encrypted == (code == SMP_IDENTITY || code == SMP_IDENTITY_ADDRESS);
}

enum err ble_pairing_take(struct ble_air *a, struct span pdu)
{
    enum ble_pairing_state state = a->link.pairing.state;
    if (pdu.len == 0)
        return ERR_MSG_MALFORMED;
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        if (messages[i].code == pdu.p[0] && messages[i].len == pdu.len - 1 && messages[i].in == state &&
            permitted_here(a, messages[i].code))
            return messages[i].take(a, pdu.p + 1);
    if (state == PAIRING_NONE) /* it met the end of the pairing on its way */
        return ERR_OK;
    return pdu.p[0] == SMP_FAILED && pdu.len == 2 ? take_failed(a, pdu.p + 1) : fail(a, FAILED_UNSPECIFIED);
}

void ble_pairing_run(struct ble_air *a)
{
    struct ble_pairing *p = &a->link.pairing;
    if (p->state == PAIRING_NONE || ble_now_us(a->device) < p->due_us)
        return;
    ble_link_reason(a, BLE_NEWS_AUTH_FAILED, FAILED_UNSPECIFIED);
    ble_pairing_clear(p);
}

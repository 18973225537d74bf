#include "sim/actors/phone/misbehave.h"

#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/apdu.h"
#include "sim/actors/phone/handset_radio_parts.h"
#include "sim/actors/phone/phone_parts.h"

#define DAY_S 86400

enum { POINT_AT = 2, EVIDENCE_AT = 2 }; /* in an answer, behind tag and length */

const char *const phone_misbehaviour_names[] = {[PHONE_HONEST] = "no",
                                                [PHONE_SPAKE_VERSION] = "spake-version",
                                                [PHONE_APPLET_VERSION] = "applet-version",
                                                [PHONE_POINT_OFF_CURVE] = "point-off-curve",
                                                [PHONE_POINT_AT_INFINITY] = "point-at-infinity",
                                                [PHONE_EVIDENCE] = "evidence",
                                                [PHONE_DEVICE_OEM] = "device-oem",
                                                [PHONE_INSTANCE_CA] = "instance-ca",
                                                [PHONE_ENDPOINT_ISSUER] = "endpoint-issuer",
                                                [PHONE_ENDPOINT_KEY] = "endpoint-key",
                                                [PHONE_ENDPOINT_EXPIRED] = "endpoint-expired",
                                                [PHONE_FOREIGN_VEHICLE] = "foreign-vehicle",
                                                [PHONE_FOREIGN_SLOT] = "foreign-slot",
                                                [PHONE_WIDER_OPTIONS] = "wider-options",
                                                [PHONE_SIGNATURE] = "signature",
                                                [PHONE_OLD_CLOCK] = "old-clock",
                                                [PHONE_RECORDS] = "record",
                                                [PHONE_REPLAYS] = "replay",
                                                [PHONE_OOB_OURS] = "oob-ours",
                                                [PHONE_OOB_THEIRS] = "oob-theirs",
                                                [PHONE_OOB_UNUSED] = "oob-unused",
                                                [PHONE_OOB_ONE_WAY] = "oob-one-way",
                                                NULL};

/* ---- versions ---- */

static void set_versions(struct phone *p)
{
    static const struct op_versions true_ones = {{0x0100}, 1}, unknown = {{0x0900, 0x0800}, 2};
    struct dk_device *d = &p->handset.device;
    d->versions = p->attack.how == PHONE_SPAKE_VERSION ? unknown : true_ones;
    p->handset.applet.versions = p->attack.how == PHONE_APPLET_VERSION ? unknown : true_ones;
}

enum err phone_misbehave(struct phone *p, enum phone_misbehaviour how)
{
    struct phone_attack *a = &p->attack;
    if (!p->handset.open)
        return ERR_MSG_UNEXPECTED;
    enum err e = a->own ? ERR_OK : p256_generate(p->env->crypto, &a->own);
    if (e)
        return e;
    if (how == PHONE_REPLAYS && !a->recorded_count && !a->sdu_len)
        return ERR_NOT_FOUND;
    a->how = how;
    a->replayed = 0;
    if (how == PHONE_RECORDS)
        a->recorded_count = a->sdu_len = 0;
    a->kept = false;
    set_versions(p);
    return ERR_OK;
}

int64_t phone_attack_now_s(const struct phone *p)
{
    return env_wall_ms(p->env) / 1000 - (p->attack.how == PHONE_OLD_CLOCK ? 2 * DAY_S : 0);
}

void phone_attack_close(struct phone *p)
{
    p256_free(p->attack.own);
    OPENSSL_cleanse(&p->attack, sizeof p->attack);
}

/* ---- certificates ---- */

/* The same certificate, of another key perhaps; in it all is as if the issuer had signed it, key identifier
 * and name. */
static enum err forge(struct phone *p, struct span der, enum x509_profile profile, const uint8_t *public_key,
                      const uint8_t *issuer, uint8_t out[X509_MAX], size_t *len)
{
    struct x509 was;
    enum err e = x509_parse(der, &was);
    const struct x509_template t = {.profile = profile,
                                    .subject = was.subject,
                                    .issuer = was.issuer,
                                    .not_before_s = was.not_before_s,
                                    .not_after_s = was.not_after_s,
                                    .public_key = public_key ? public_key : was.public_key,
                                    .issuer_public_key = issuer,
                                    .ccc_value = was.ccc_value};
    return e ? e : x509_issue(p->env->crypto, &t, p->attack.own, out, len);
}

static const struct p256_key *instance_ca(const struct phone *p, const char *id)
{
    const struct applet *a = &p->handset.applet;
    for (size_t i = 0; i < APPLET_INSTANCE_CAS; i++)
        if (a->instance_cas[i].key && strcmp(a->instance_cas[i].id, id) == 0)
            return a->instance_cas[i].key;
    return NULL;
}

/* [H] as the instance CA would sign it, but for one thing. */
static enum err issue_endpoint(struct phone *p, struct digital_key *k, const struct x509 *was)
{
    const enum phone_misbehaviour how = p->attack.how;
    const bool expired = how == PHONE_ENDPOINT_EXPIRED;
    struct endpoint_creation creation = k->creation;
    uint8_t own[P256_POINT];
    p256_public(p->attack.own, own);
    creation.vehicle_id[0] ^= how == PHONE_FOREIGN_VEHICLE;
    creation.slot.b[0] ^= how == PHONE_FOREIGN_SLOT;
    creation.options_1 |= how == PHONE_WIDER_OPTIONS ? ENDPOINT_STANDARD_WIRED : 0;
    const struct dk_cert_endpoint t = {
        .creation = &creation,
        .endpoint_id = k->endpoint_id,
        .instance_ca_id = k->instance_ca_id,
        .device_pk = how == PHONE_ENDPOINT_KEY ? own : k->device_pk,
        .not_before_s = expired ? was->not_before_s - DAY_S : was->not_before_s,
        .not_after_s = expired ? p->handset.device.now_s - DAY_S / 2 : was->not_after_s};
    const struct p256_key *ca = instance_ca(p, k->instance_ca_id);
    return ca ? dk_cert_issue_endpoint(p->env->crypto, &t, ca, k->certificate, &k->certificate_len)
              : ERR_NOT_FOUND;
}

static enum err forge_endpoint(struct phone *p, struct digital_key *k)
{
    uint8_t copy[X509_MAX], issuer[P256_POINT];
    struct x509 was;
    memcpy(copy, k->certificate, k->certificate_len);
    const struct span der = span_of(copy, k->certificate_len);
    const enum phone_misbehaviour how = p->attack.how;
    enum err e = x509_parse(der, &was);
    if (e || (how != PHONE_ENDPOINT_ISSUER && how != PHONE_DEVICE_OEM))
        return e ? e : issue_endpoint(p, k, &was);
    const struct p256_key *ca = instance_ca(p, k->instance_ca_id);
    if (!ca)
        return ERR_NOT_FOUND;
    p256_public(how == PHONE_DEVICE_OEM ? p->attack.own : ca, issuer);
    return forge(p, der, X509_ENDPOINT, NULL, issuer, k->certificate, &k->certificate_len);
}

/* [F] and [E] go out of a partner that only this pairing has. */
static enum err forge_chain(struct phone *p)
{
    struct dk_pairing *now = &p->handset.device.pairing;
    struct phone_attack *a = &p->attack;
    struct dk_partner *forged = &a->partner;
    struct dk_anchor *anchor = &forged->anchors[now->anchor - now->partner->anchors];
    const struct span f_der = span_of(now->anchor->device_oem, now->anchor->device_oem_len);
    const struct span e_der = span_of(now->partner->instance_ca, now->partner->instance_ca_len);
    const bool whole = a->how == PHONE_DEVICE_OEM;
    struct x509 j, f;
    uint8_t own[P256_POINT];
    p256_public(a->own, own);
    *forged = *now->partner;
    enum err e = x509_parse(span_of(now->anchor->root, now->anchor->root_len), &j);
    if (!e)
        e = x509_parse(f_der, &f);
    if (!e)
        e = forge(p, e_der, X509_INSTANCE_CA, whole ? own : NULL, whole ? own : f.public_key,
                  forged->instance_ca, &forged->instance_ca_len);
    if (!e && whole)
        e = forge(p, f_der, X509_DEVICE_CROSS, own, j.public_key, anchor->device_oem,
                  &anchor->device_oem_len);
    if (e)
        return e;
    now->partner = forged;
    now->anchor = anchor;
    return ERR_OK;
}

void phone_attack_on_key(struct phone *p)
{
    const enum phone_misbehaviour how = p->attack.how;
    enum err e = ERR_OK;
    if (how == PHONE_DEVICE_OEM || how == PHONE_INSTANCE_CA)
        e = forge_chain(p);
    if (!e && (how == PHONE_DEVICE_OEM || (how >= PHONE_ENDPOINT_ISSUER && how <= PHONE_WIDER_OPTIONS)))
        e = forge_endpoint(p, p->handset.device.pairing.key);
    if (e)
        env_trace_reason(p->env, TRACE_FAIL, NULL, NULL, e, 0, "a certificate could not be forged");
}

/* ---- commands ---- */

/* The key that is being tried; of an attacker's phone there is one. */
static struct digital_key *tried(struct phone *p)
{
    for (size_t i = 0; i < APPLET_KEYS; i++)
        if (p->handset.applet.keys[i].state == APPLET_KEY_ACTIVE)
            return &p->handset.applet.keys[i];
    return NULL;
}

static void replay(struct phone *p)
{
    struct phone_attack *a = &p->attack;
    static const uint8_t selected[] = {0x5C, 0x02, 0x01, 0x00, 0x90, 0x00};
    static const uint8_t nothing[] = {0x69, 0x85};
    struct span answer = span_of(nothing, sizeof nothing);
    if (a->ins == APDU_SELECT) {
        a->replayed = 0;
        answer = span_of(selected, sizeof selected);
    }
    while (a->ins != APDU_SELECT && a->replayed < a->recorded_count) {
        const struct phone_recording *r = &a->recorded[a->replayed++];
        if (r->ins == a->ins) {
            answer = span_of(r->bytes, r->len);
            break;
        }
    }
    enum err e = env_send_bytes(p->env, PHONE_PORT_NFC, "", answer);
    if (e)
        env_trace_reason(p->env, TRACE_DROP, NULL, NULL, e, (uint32_t)answer.len, NULL);
}

bool phone_attack_begin(struct phone *p, struct span command)
{
    struct phone_attack *a = &p->attack;
    a->ins = command.len > 1 ? command.p[1] : 0;
    if (a->how == PHONE_REPLAYS) {
        replay(p);
        return false;
    }
    struct digital_key *k = a->how == PHONE_SIGNATURE && a->ins == APDU_AUTH1 ? tried(p) : NULL;
    if (k) {
        a->held = k->device_key;
        k->device_key = a->own;
    }
    return true;
}

void phone_attack_end(struct phone *p)
{
    struct phone_attack *a = &p->attack;
    struct digital_key *k = a->held ? tried(p) : NULL;
    if (k)
        k->device_key = a->held;
    a->held = NULL;
}

/* ---- Bluetooth ---- */

struct span phone_attack_sdu(struct phone *p, struct span sdu)
{
    struct phone_attack *a = &p->attack;
    if (sdu.len < 2 || sdu.p[0] != DK_SUPPLEMENTARY || sdu.p[1] != DK_FIRST_APPROACH_RQ ||
        sdu.len > sizeof a->sdu)
        return sdu;
    if (a->how == PHONE_REPLAYS && a->sdu_len)
        return span_of(a->sdu, a->sdu_len);
    if (a->how != PHONE_RECORDS)
        return sdu;
    memcpy(a->sdu, sdu.p, sdu.len);
    a->sdu_len = sdu.len;
    return sdu;
}

void phone_attack_ours(struct phone *p, uint8_t confirm[BLE_KEY])
{
    confirm[0] ^= p->attack.how == PHONE_OOB_OURS;
}

bool phone_attack_theirs(struct phone *p, uint8_t confirm[BLE_KEY], uint8_t random[BLE_KEY])
{
    struct phone_attack *a = &p->attack;
    if (a->how == PHONE_OOB_ONE_WAY) {
        memcpy(a->confirm, confirm, BLE_KEY);
        memcpy(a->random, random, BLE_KEY);
        a->kept = true;
    }
    confirm[0] ^= a->how == PHONE_OOB_THEIRS;
    return a->how != PHONE_OOB_UNUSED;
}

bool phone_attack_puts_off(struct phone *p)
{
    if (p->attack.how != PHONE_OOB_ONE_WAY)
        return false;
    handset_radio_leave(p);
    return true;
}

bool phone_attack_kept(struct phone *p, uint8_t confirm[BLE_KEY], uint8_t random[BLE_KEY])
{
    struct phone_attack *a = &p->attack;
    if (a->how != PHONE_OOB_ONE_WAY || !a->kept)
        return false;
    memcpy(confirm, a->confirm, BLE_KEY);
    memcpy(random, a->random, BLE_KEY);
    return true;
}

bool phone_attack_uses_bond(const struct phone *p)
{
    return p->attack.how < PHONE_REPLAYS;
}

/* ---- answers ---- */

static void record(struct phone_attack *a, struct span answer)
{
    if ((a->ins != APDU_AUTH0 && a->ins != APDU_AUTH1 && a->ins != APDU_EXCHANGE) ||
        a->recorded_count == PHONE_RECORDED || answer.len > PHONE_RECORDED_MAX)
        return;
    struct phone_recording *r = &a->recorded[a->recorded_count++];
    *r = (struct phone_recording){.ins = a->ins, .len = answer.len};
    memcpy(r->bytes, answer.p, answer.len);
}

struct span phone_attack_answer(struct phone *p, struct span answer, uint8_t out[PHONE_RECORDED_MAX])
{
    struct phone_attack *a = &p->attack;
    const bool share = a->ins == APDU_SPAKE2P_REQUEST && answer.len > POINT_AT + P256_POINT;
    const bool evidence = a->ins == APDU_SPAKE2P_VERIFY && answer.len > EVIDENCE_AT + SPAKE2P_EVIDENCE;
    if (a->how == PHONE_RECORDS)
        record(a, answer);
    if (answer.len > PHONE_RECORDED_MAX)
        return answer;
    memcpy(out, answer.p, answer.len);
    if (share && a->how == PHONE_POINT_OFF_CURVE)
        out[POINT_AT + P256_POINT - 1] ^= 1;
    else if (share && a->how == PHONE_POINT_AT_INFINITY)
        memset(out + POINT_AT, 0, P256_POINT);
    else if (evidence && a->how == PHONE_EVIDENCE)
        out[EVIDENCE_AT] ^= 1;
    else
        return answer;
    return span_of(out, answer.len);
}

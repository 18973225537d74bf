#include "lib/ccc/applet_message.h"

#include <string.h>

#include "lib/ccc/tlv.h"

void applet_auth0_put(struct wr *w, const struct transaction *t)
{
    tlv_put(w, APPLET_TAG_VERSION, span_of(t->version, sizeof t->version));
    tlv_put(w, APPLET_TAG_VEHICLE_EPK, span_of(t->vehicle_epk, P256_POINT));
    tlv_put(w, APPLET_TAG_TRANSACTION_ID, span_of(t->id, sizeof t->id));
    tlv_put(w, APPLET_TAG_VEHICLE_ID, span_of(t->vehicle_id, sizeof t->vehicle_id));
}

enum err applet_auth0_parse(struct span data, struct applet_auth0 *out)
{
    struct span version, epk, id, vehicle;
    enum err e;
    if ((e = tlv_find_exact(data, APPLET_TAG_VERSION, 2, &version)) ||
        (e = tlv_find_exact(data, APPLET_TAG_VEHICLE_EPK, P256_POINT, &epk)) ||
        (e = tlv_find_exact(data, APPLET_TAG_TRANSACTION_ID, TRANSACTION_ID, &id)) ||
        (e = tlv_find_exact(data, APPLET_TAG_VEHICLE_ID, TRANSACTION_VEHICLE_ID, &vehicle)))
        return e;
    *out = (struct applet_auth0){(uint16_t)(version.p[0] << 8 | version.p[1]), epk.p, id.p, vehicle.p};
    return ERR_OK;
}

void applet_auth0_transaction(const struct applet_auth0 *a, uint8_t p1, uint8_t p2,
                              enum transaction_interface interface, struct transaction *out)
{
    *out = (struct transaction){.p1 = p1,
                                .p2 = p2,
                                .version = {(uint8_t)(a->version >> 8), (uint8_t)a->version},
                                .interface = interface};
    memcpy(out->vehicle_epk, a->vehicle_epk, P256_POINT);
    memcpy(out->id, a->transaction_id, TRANSACTION_ID);
    memcpy(out->vehicle_id, a->vehicle_id, TRANSACTION_VEHICLE_ID);
}

enum err applet_auth0_answer_parse(struct span data, bool fast, struct applet_auth0_answer *out)
{
    struct span epk, cryptogram = {0};
    enum err e = tlv_find_exact(data, APPLET_TAG_ENDPOINT_EPK, P256_POINT, &epk);
    if (!e && fast)
        e = tlv_find_exact(data, APPLET_TAG_CRYPTOGRAM, CCC_KEY, &cryptogram);
    if (!e)
        *out = (struct applet_auth0_answer){epk.p, cryptogram.p};
    return e;
}

static enum err find_part(struct span in, uint16_t tag, struct span *out)
{
    struct tlv t;
    enum err e = tlv_find_once(in, tag, &t);
    *out = e ? (struct span){0} : t.value;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err applet_auth1_answer_parse(struct span plain, struct applet_auth1_answer *out)
{
    struct applet_auth1_answer a;
    struct span signature;
    struct tlv slot;
    enum err e;
    if ((e = tlv_find_once(plain, APPLET_TAG_SLOT, &slot)) || (e = slot_id_parse(slot.value, &a.slot)) ||
        (e = tlv_find_exact(plain, APPLET_TAG_SIGNATURE, SIGNATURE_SIZE, &signature)) ||
        (e = find_part(plain, APPLET_TAG_CONFIDENTIAL_PART, &a.confidential)) ||
        (e = find_part(plain, APPLET_TAG_PRIVATE_PART, &a.private_part)))
        return e;
    a.signature = signature.p;
    *out = a;
    return ERR_OK;
}

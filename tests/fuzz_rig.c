#include "tests/fuzz_rig.h"

#include <string.h>

bool fuzz_record_next(struct rd *r, struct fuzz_record *out)
{
    uint8_t op = rd_u8(r);
    uint16_t n = rd_be16(r);
    if (r->failed)
        return false;
    *out = (struct fuzz_record){op, rd_span(r, n < r->left ? n : r->left)};
    return true;
}

struct digital_key *fuzz_rig_key(struct rig *r)
{
    for (size_t i = 0; i < APPLET_KEYS; i++)
        if (r->applet.keys[i].state == APPLET_KEY_ACTIVE && r->device.owned[i].paired &&
            memcmp(r->applet.keys[i].device_pk, r->key.device_pk, P256_POINT) == 0)
            return &r->applet.keys[i];
    return NULL;
}

struct rig *fuzz_rig(void)
{
    static struct rig *r;
    struct crypto *c = fuzz_crypto();
    if (!r)
        r = rig_new(c);
    r->store.attempts = 0;
    rig_walk_away(r);
    struct digital_key *k = fuzz_rig_key(r);
    if (!k) {
        for (size_t i = 0; i < APPLET_KEYS; i++)
            if (r->applet.keys[i].state != APPLET_KEY_NONE)
                applet_delete_endpoint(&r->applet, &r->applet.keys[i]);
        memset(r->device.owned, 0, sizeof r->device.owned);
        memset(r->device.later, 0, sizeof r->device.later);
        rig_enter_password(r, true);
        MUST(rig_pair(r) == ERR_OK);
        k = fuzz_rig_key(r);
    }
    MUST(k);
    memset(k->mailboxes.private_area, 0, sizeof k->mailboxes.private_area);
    rig_walk_away(r);
    rig_enter_password(r, true);
    return r;
}

void fuzz_record_put(struct wr *w, uint8_t op, const void *p, size_t len)
{
    wr_u8(w, op);
    wr_be16(w, (uint16_t)len);
    wr_copy(w, p, len);
}

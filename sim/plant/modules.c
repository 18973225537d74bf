#include "sim/plant/modules.h"

#include <string.h>

#include "sim/plant/bad_csr.h"

#define OTHER_SERIAL "SPAAK99999999"
#define UNLISTED     'X'

static enum csr_defect defect_at(const struct csr_flaw *flaws, size_t flaw_count, size_t at)
{
    for (size_t i = 0; i < flaw_count; i++)
        if (flaws[i].at == at)
            return flaws[i].defect;
    return CSR_SOUND;
}

static enum err check_flaws(const struct csr_flaw *flaws, size_t flaw_count, size_t count)
{
    for (size_t i = 0; i < flaw_count; i++)
        if (flaws[i].at >= count || flaws[i].defect >= CSR_DEFECTS ||
            (flaws[i].defect == CSR_DUPLICATE && flaws[i].at == 0))
            return ERR_BAD_ARGUMENT;
    return ERR_OK;
}

/* A public key that was seen somewhere, in the CSR of somebody who does not have it. */
static enum err name_another_key(struct crypto *c, struct module_csr *m)
{
    struct p256_key *other;
    uint8_t *named = memmem(m->der, m->len, m->public_key, P256_POINT);
    enum err e = named ? p256_generate(c, &other) : ERR_INTERNAL;
    if (e)
        return e;
    p256_public(other, m->public_key);
    memcpy(named, m->public_key, P256_POINT);
    p256_free(other);
    return ERR_OK;
}

/* What is wrong with the bytes of a CSR that was sound. */
static enum err spoil(struct crypto *c, enum csr_defect defect, struct module_csr *m)
{
    switch (defect) {
    case CSR_ABSENT:
        m->len = 0;
        return ERR_OK;
    case CSR_CUT:
        m->len--;
        return ERR_OK;
    case CSR_LONG:
        m->der[m->len++] = 0;
        return ERR_OK;
    case CSR_FLIPPED:
        m->der[m->len - 1] ^= 1;
        return ERR_OK;
    case CSR_FOREIGN_KEY:
        return name_another_key(c, m);
    case CSR_WEAK_KEY:
        return bad_csr_make_weak(c, m->ecu_serial, m->der, &m->len);
    case CSR_SOUND:
    case CSR_OTHER_SUBJECT:
    case CSR_UNLISTED:
    case CSR_DUPLICATE:
    case CSR_DEFECTS:
        break;
    }
    return ERR_OK; /* whose it is was wrong before it was made */
}

static enum err make_csr(struct crypto *c, enum csr_defect defect, struct module_csr *m)
{
    struct p256_key *key;
    if (defect == CSR_UNLISTED)
        m->ecu_serial[0] = UNLISTED;
    enum err e = p256_generate(c, &key);
    if (e)
        return e;
    p256_public(key, m->public_key);
    e = csr_create(c, defect == CSR_OTHER_SUBJECT ? OTHER_SERIAL : m->ecu_serial, key, m->der, &m->len);
    p256_free(key);
    return e ? e : spoil(c, defect, m);
}

enum err plant_make_csrs(struct crypto *c, const char *first_serial, size_t count,
                         const struct csr_flaw *flaws, size_t flaw_count, struct module_csr *out)
{
    enum err e = check_flaws(flaws, flaw_count, count);
    for (size_t i = 0; !e && i < count; i++) {
        enum csr_defect defect = defect_at(flaws, flaw_count, i);
        memset(&out[i], 0, sizeof out[i]);
        e = ecu_serial_after(first_serial, i, out[i].ecu_serial);
        if (!e && defect == CSR_DUPLICATE)
            memcpy(out[i].ecu_serial, out[i - 1].ecu_serial, sizeof out[i].ecu_serial);
        if (!e)
            e = make_csr(c, defect, &out[i]);
    }
    return e;
}

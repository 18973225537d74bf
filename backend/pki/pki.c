#include "backend/pki/pki.h"

#include <openssl/crypto.h>
#include <string.h>

#include "backend/pki/pki_internal.h"
#include "lib/pki/ecu_identity.h"

static const char *const vehicle_callers[] = {"vos", NULL};
static const char *const plant_callers[] = {"tester", NULL};

static const struct port_spec ports[] = {
    [PKI_PORT_VEHICLE] = {.name = "pki", .medium = "call", .end = PORT_LISTENS, .callers = vehicle_callers},
    [PKI_PORT_PLANT] = {.name = "plant", .medium = "call", .end = PORT_LISTENS, .callers = plant_callers},
};

static const struct plant_item plant[] = {
    {PKI_CA_KEY, PLANT_KEY, "J1"},
    {PKI_CA_CERTIFICATE, PLANT_CERTIFICATE, "J1"},
    {PKI_ECU_CA_KEY, PLANT_KEY, "ecu-ca"},
    {PKI_ECU_CA_CERTIFICATE, PLANT_CERTIFICATE, "ecu-ca"},
    {PKI_SERIAL_PREFIX, PLANT_VEHICLES, NULL},
    {.key = NULL},
};

static const struct defect_spec defects[] = {
    {"serials", "absent", DEFECT_ABSENT, PKI_SERIAL_PREFIX, NULL},
    {"ecu_ca", "expired", DEFECT_EXPIRED, PKI_ECU_CA_CERTIFICATE, NULL},
    {.name = NULL},
};

static const char *const keys[] = {PKI_ISSUED_PREFIX "+", PKI_ECU_PREFIX "+", PKI_SERIAL_PREFIX "+",
                                   PKI_IDENTITY_PREFIX "+", NULL};
static const char *const secrets[] = {PKI_CA_KEY, PKI_ECU_CA_KEY, NULL};

enum err pki_issued_before(struct pki *p, const char *key, const uint8_t *public_key, uint8_t *out,
                           size_t cap, size_t *len)
{
    struct x509 cert;
    enum err e = env_store_get(p->env, key, out, cap, len);
    if (e)
        return e;
    e = x509_parse(span_of(out, *len), &cert);
    if (!e && memcmp(cert.public_key, public_key, P256_POINT) != 0)
        e = ERR_CSR_ALREADY_ISSUED;
    return e;
}

/* ---- calls ---- */

static enum err call_register_serials(void *self, const struct call_value *values)
{
    return pki_register_serials(self, values[0].text, values[1].number);
}

static const struct parameter_spec serials[] = {
    {.name = "first",
     .kind = PARAMETER_TEXT,
     .required = true,
     .check = ecu_serial_ok,
     .form = "SPAAK00000001"},
    {.name = "count", .kind = PARAMETER_NUMBER, .fallback = 1, .min = 1, .max = PKI_SERIALS_ONCE},
    {.name = NULL},
};

static const struct call_spec calls[] = {
    {"register-serials", "puts serial numbers on the plant's list: a module beside it gets no identity",
     serials, call_register_serials},
    {.name = NULL},
};

/* ---- life ---- */

static void pki_on_bytes(void *self, unsigned port, const char *caller, struct span bytes)
{
    if (port == PKI_PORT_VEHICLE)
        pki_on_issue_request(self, caller, bytes);
    else
        pki_on_page(self, caller, bytes);
}

static enum err authority_load(struct env *env, const char *key, const char *certificate,
                               struct authority *out)
{
    uint8_t scalar[P256_SCALAR];
    size_t len;
    enum err e = env_store_get(env, key, scalar, sizeof scalar, &len);
    if (!e)
        e = len == sizeof scalar ? p256_from_private(env->crypto, scalar, &out->key) : ERR_STORE_FAILED;
    OPENSSL_cleanse(scalar, sizeof scalar);
    if (!e)
        e = env_store_get(env, certificate, out->der, sizeof out->der, &len);
    return e ? e : x509_parse(span_of(out->der, len), &out->certificate);
}

static enum err pki_init(void *self, struct env *env, const struct component_args *args)
{
    struct pki *p = self;
    (void)args;
    p->env = env;
    enum err e = authority_load(env, PKI_CA_KEY, PKI_CA_CERTIFICATE, &p->j1);
    return e ? e : authority_load(env, PKI_ECU_CA_KEY, PKI_ECU_CA_CERTIFICATE, &p->ecu_ca);
}

static void pki_fini(void *self)
{
    struct pki *p = self;
    p256_free(p->j1.key);
    p256_free(p->ecu_ca.key);
}

const struct component_class pki_class = {
    .name = "pki",
    .place = PLACE_BACK_END,
    .stores = true,
    .keys = keys,
    .size = sizeof(struct pki),
    .message_max = PKI_PAGE_MAX,
    .ports = ports,
    .port_count = PKI_PORTS,
    .calls = calls,
    .plant = plant,
    .defects = defects,
    .secrets = secrets,
    .init = pki_init,
    .fini = pki_fini,
    .on_bytes = pki_on_bytes,
};

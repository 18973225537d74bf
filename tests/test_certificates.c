/* The openssl command as a reader of every kind of certificate that this project makes, as strict as it can
 * be. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "tests/launch.h"
#include "tests/pairing_rig.h"
#include "tests/support.h"

#define SUBJECT "V.SPAAKSIM.EU.01.00010123456789AB"

static char directory[64];

/* <name>.pem in the test's directory. */
static void put(const char *name, const uint8_t *der, size_t len)
{
    char path[120];
    const unsigned char *p = der;
    snprintf(path, sizeof path, "%s/%s.pem", directory, name);
    X509 *x = d2i_X509(NULL, &p, (long)len);
    FILE *f = fopen(path, "we");
    cr_assert(x && f && PEM_write_X509(f, x), "%s", name);
    fclose(f);
    X509_free(x);
}

static void put_k(const struct oem *o)
{
    uint8_t point[P256_POINT], issuer[P256_POINT], der[X509_MAX];
    struct p256_key *key;
    size_t len;
    cr_assert(eq(int, p256_generate(test_crypto(), &key), ERR_OK));
    p256_public(key, point);
    p256_public(o->roles[OEM_J1].key, issuer);
    struct x509_template t = {.profile = X509_VEHICLE,
                              .subject = SUBJECT,
                              .issuer = "spaaksim OEM Sub-CA J1",
                              .not_before_s = TEST_NOW_S - 10,
                              .not_after_s = TEST_NOW_S + 1000,
                              .public_key = point,
                              .issuer_public_key = issuer};
    cr_assert(eq(int, x509_issue(test_crypto(), &t, o->roles[OEM_J1].key, der, &len), ERR_OK));
    put("K", der, len);
    p256_free(key);
}

/* What the plant makes, and the [K] that a PKI makes of it. */
static void put_oem(void)
{
    static const char *const roles[] = {
        "J",           "J1",         "J_PhysicalKey",   "Z1", "ZZ2", "ecu-ca", "vos-signer",
        "gsdp-signer", "tester-eol", "tester-workshop", "D",  "F"};
    const struct oem *o = test_oem(TEST_NOW_S);
    struct oem_identity ecu;
    enum oem_role r;
    cr_assert(eq(sz, sizeof roles / sizeof roles[0], OEM_ROLES));
    for (size_t i = 0; i < OEM_ROLES; i++) {
        cr_assert(oem_role_find(roles[i], &r));
        put(roles[i], o->roles[r].der, o->roles[r].len);
    }
    cr_assert(eq(int, oem_make_ecu(test_crypto(), o, "SPAAK00000001", TEST_NOW_S, &ecu), ERR_OK));
    put("ecu", ecu.der, ecu.len);
    oem_identity_free(&ecu);
    cr_assert(eq(int, oem_make_client(test_crypto(), o, "TBM0000000001", TEST_NOW_S, &ecu), ERR_OK));
    put("client", ecu.der, ecu.len);
    oem_identity_free(&ecu);
    cr_assert(eq(int,
                 oem_make_card(test_crypto(), o, OEM_J_PHYSICAL_KEY, "SPAAK00000001", OEM_CARD_SOUND,
                               TEST_NOW_S, &ecu),
                 ERR_OK));
    put("card", ecu.der, ecu.len);
    oem_identity_free(&ecu);
    put_k(o);
}

/* What lib/ccc makes and takes: a pairing's. */
static void put_pairing(void)
{
    struct rig *r = rig_ready(test_crypto());
    cr_assert(eq(int, rig_pair_phase_2(r), ERR_OK));
    const struct rig_authority *const authorities[] = {&r->j, &r->j1, &r->k, &r->d, &r->f, &r->e};
    static const char *const names[] = {"pairing-J", "pairing-J1", "pairing-K",
                                        "pairing-D", "pairing-F",  "pairing-E"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        put(names[i], authorities[i]->der, authorities[i]->len);
    put("pairing-H", r->pairing.result.certificate, r->pairing.result.certificate_len);
    rig_free(r);
}

static void make(void)
{
    launch_directory(directory);
    put_oem();
    put_pairing();
}

static void drop(void)
{
    launch_remove(directory);
}

static int verify(const char *options, const char *root, const char *between, const char *leaf, char *out,
                  size_t cap)
{
    return launch_run(
        out, cap,
        "cd %s; for c in %s; do cat $c.pem; done >between; openssl verify -x509_strict %s -attime %lld "
        "-no-CApath -no-CAstore -CAfile %s.pem %s %s.pem",
        directory, between, options, TEST_NOW_S, root, *between ? "-untrusted between" : "", leaf);
}

static const struct {
    const char *leaf, *between, *root;
    const char *ccc; /* its CCC extension, critical; NULL: none */
    bool ccc_above;  /* one that issued it has one */
} kinds[] = {
    {.leaf = "J", .between = "", .root = "J", .ccc = "9"},
    {.leaf = "J_PhysicalKey", .between = "", .root = "J_PhysicalKey", .ccc = "9"},
    {.leaf = "J1", .between = "", .root = "J", .ccc = "8", .ccc_above = true},
    {.leaf = "K", .between = "J1", .root = "J", .ccc = "1", .ccc_above = true},
    {.leaf = "Z1", .between = "", .root = "J", .ccc_above = true},
    {.leaf = "vos-signer", .between = "Z1", .root = "J", .ccc_above = true},
    {.leaf = "gsdp-signer", .between = "Z1", .root = "J", .ccc_above = true},
    {.leaf = "ZZ2", .between = "", .root = "J", .ccc_above = true},
    {.leaf = "ecu-ca", .between = "", .root = "J", .ccc_above = true},
    {.leaf = "ecu", .between = "ecu-ca", .root = "J", .ccc_above = true},
    {.leaf = "client", .between = "ecu-ca", .root = "J", .ccc_above = true},
    {.leaf = "card", .between = "", .root = "J_PhysicalKey", .ccc_above = true},
    {.leaf = "tester-eol", .between = "J1", .root = "J", .ccc_above = true},
    {.leaf = "tester-workshop", .between = "J1", .root = "J", .ccc_above = true},
    {.leaf = "pairing-K", .between = "pairing-J1", .root = "pairing-J", .ccc = "1", .ccc_above = true},
    {.leaf = "D", .between = "", .root = "D"},
    {.leaf = "F", .between = "", .root = "J", .ccc = "2", .ccc_above = true},
    {.leaf = "pairing-D", .between = "", .root = "pairing-D"},
    {.leaf = "pairing-F", .between = "", .root = "pairing-J", .ccc = "2", .ccc_above = true},
    {.leaf = "pairing-E", .between = "pairing-F", .root = "pairing-J", .ccc = "3", .ccc_above = true},
    {.leaf = "pairing-H",
     .between = "pairing-F pairing-E",
     .root = "pairing-J",
     .ccc = "4",
     .ccc_above = true},
};

Test(certificates, openssl_accepts_every_kind_strictly, .init = make, .fini = drop)
{
    char out[4096];
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        int rc = verify("-ignore_critical", kinds[i].root, kinds[i].between, kinds[i].leaf, out, sizeof out);
        cr_expect(eq(int, rc, 0), "[%s]: %s", kinds[i].leaf, out);
        rc = verify("", kinds[i].root, kinds[i].between, kinds[i].leaf, out, sizeof out);
        cr_expect(eq(int, rc == 0, !kinds[i].ccc && !kinds[i].ccc_above), "[%s] needs -ignore_critical: %s",
                  kinds[i].leaf, out);
    }
}

/* OpenSSL stops marking which extensions are critical at the first critical one that it does not know. */
Test(certificates, the_ccc_extension_is_critical_and_stands_last, .init = make, .fini = drop)
{
    char out[8192], wanted[80];
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        int rc =
            launch_run(out, sizeof out, "openssl x509 -noout -text -in %s/%s.pem", directory, kinds[i].leaf);
        cr_assert(eq(int, rc, 0), "%s", out);
        snprintf(wanted, sizeof wanted, "1.3.6.1.4.1.41577.5.%s: critical", kinds[i].ccc ? kinds[i].ccc : "");
        const char *at = strstr(out, kinds[i].ccc ? wanted : "1.3.6.1.4.1.41577");
        cr_expect(eq(int, at != NULL, kinds[i].ccc != NULL), "[%s]", kinds[i].leaf);
        cr_expect(not(at && strstr(at, "X509v3 ")), "[%s] has one behind it", kinds[i].leaf);
    }
}

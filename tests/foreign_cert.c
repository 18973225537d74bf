#define OPENSSL_SUPPRESS_DEPRECATED
#include "tests/foreign_cert.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support.h"

static void must(bool ok)
{
    if (!ok)
        abort();
}

static EVP_PKEY *key_of(const struct p256_key *k)
{
    EVP_PKEY *key = EVP_PKEY_new();
    must(key && EVP_PKEY_set1_EC_KEY(key, p256_openssl(k)) == 1);
    return key;
}

static void set_name(X509_NAME *name, const char *cn)
{
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0) == 1);
}

static void add_octets(X509 *x, const char *oid, bool critical, struct span value)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    must(object && octets && ASN1_OCTET_STRING_set(octets, value.p, (int)value.len) == 1);
    X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, object, critical, octets);
    must(e && X509_add_ext(x, e, -1) == 1);
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(octets);
    ASN1_OBJECT_free(object);
}

static void add_key_id(struct crypto *c, X509 *x, const struct p256_key *key, bool issuer)
{
    uint8_t point[P256_POINT], value[4 + SHA1_SIZE] = {0x30, 2 + SHA1_SIZE, 0x80, SHA1_SIZE};
    p256_public(key, point);
    x509_key_id(c, point, value + 4);
    if (issuer) {
        add_octets(x, "2.5.29.35", false, span_of(value, sizeof value));
    } else {
        value[2] = 0x04;
        add_octets(x, "2.5.29.14", false, span_of(value + 2, sizeof value - 2));
    }
}

static void add_constraints(X509 *x, int path_len)
{
    const bool ca = path_len > -2;
    const uint8_t usage[] = {0x03, 0x02, ca ? 0x01 : 0x07, ca ? 0x06 : 0x80};
    const uint8_t none[] = {0x30, 0x00}, unlimited[] = {0x30, 0x03, 0x01, 0x01, 0xFF};
    const uint8_t limited[] = {0x30, 0x06, 0x01, 0x01, 0xFF, 0x02, 0x01, (uint8_t)path_len};
    struct span basic = span_of(none, sizeof none);
    if (ca)
        basic = path_len < 0 ? span_of(unlimited, sizeof unlimited) : span_of(limited, sizeof limited);
    add_octets(x, "2.5.29.15", true, span_of(usage, sizeof usage));
    add_octets(x, "2.5.29.19", true, basic);
}

size_t foreign_cert_make(struct crypto *c, const struct foreign_cert *f, uint8_t der[X509_MAX])
{
    static const uint8_t plain[] = {0x30, 0x03, 0x02, 0x01, 0x01};
    char oid[40];
    X509 *x = X509_new();
    EVP_PKEY *key = key_of(f->key), *issuer = key_of(f->issuer_key);
    must(x && X509_set_version(x, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(x), 7) == 1);
    set_name(X509_get_subject_name(x), f->subject);
    set_name(X509_get_issuer_name(x), f->issuer);
    must(ASN1_TIME_set(X509_getm_notBefore(x), TEST_NOW_S) &&
         ASN1_TIME_set(X509_getm_notAfter(x), TEST_NOW_S + 1000) && X509_set_pubkey(x, key) == 1);
    add_key_id(c, x, f->issuer_key, true);
    snprintf(oid, sizeof oid, "1.3.6.1.4.1.41577.5.%u", (unsigned)f->ccc_type);
    if (f->ccc_type)
        add_octets(x, oid, !f->ccc_not_critical,
                   f->ccc_value.len ? f->ccc_value : span_of(plain, sizeof plain));
    add_constraints(x, f->path_len);
    add_key_id(c, x, f->key, false);
    must(X509_sign(x, issuer, EVP_sha256()) > 0);
    int len = i2d_X509(x, NULL);
    must(len > 0 && len <= X509_MAX && i2d_X509(x, &der) == len);
    EVP_PKEY_free(key);
    EVP_PKEY_free(issuer);
    X509_free(x);
    return (size_t)len;
}

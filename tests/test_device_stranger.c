/* A vehicle that is not known cannot tell by the phone's work whether another is. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <dlfcn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/sha.h>

#include "tests/check.h"
#include "tests/reader.h"
#include "tests/support.h"

/* The dear operations, counted where OpenSSL is entered. */
static struct {
    unsigned verify, sign, keygen, hashes;
} work;

#define HKDF_64_HASHES 6 /* three HMACs: extract, two blocks */

#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

int ECDSA_verify(int type, const unsigned char *digest, int digest_len, const unsigned char *sig, int sig_len,
                 EC_KEY *key)
{
    work.verify++;
    return NEXT(ECDSA_verify)(type, digest, digest_len, sig, sig_len, key);
}

int ECDSA_sign(int type, const unsigned char *digest, int digest_len, unsigned char *sig,
               unsigned int *sig_len, EC_KEY *key)
{
    work.sign++;
    return NEXT(ECDSA_sign)(type, digest, digest_len, sig, sig_len, key);
}

int EC_KEY_generate_key(EC_KEY *key)
{
    work.keygen++;
    return NEXT(EC_KEY_generate_key)(key);
}

/* Once for each hash: two in an HMAC, which is what a derivation is made of. */
int SHA256_Final(unsigned char *digest, SHA256_CTX *ctx)
{
    work.hashes++;
    return NEXT(SHA256_Final)(digest, ctx);
}

enum stranger { KNOWN, UNKNOWN, SUSPENDED, EXPIRED, NOT_STANDARD, NO_KPERSISTENT, STRANGERS };
static const char *const stranger_names[STRANGERS] = {"known",   "unknown",      "suspended",
                                                      "expired", "not standard", "no Kpersistent"};

static void become(struct reader *v, enum stranger who)
{
    struct digital_key *k = &v->rig->applet.keys[0];
    v->vehicle_key = v->rig->kts.key; /* nobody has the vehicle's key but the vehicle */
    if (who == UNKNOWN)
        memset(v->transaction.vehicle_id, 0xFF, TRANSACTION_VEHICLE_ID);
    if (who == SUSPENDED)
        ASSERT_OK(dk_device_suspend(&v->rig->device, k));
    if (who == EXPIRED)
        k->creation.not_after_s = 1;
    if (who == NOT_STANDARD)
        k->creation.options_1 &= (uint8_t)~ENDPOINT_STANDARD_CONTACTLESS;
    if (who == NO_KPERSISTENT)
        k->has_kpersistent = false;
}

Test(stranger, costs_the_phone_the_same_work)
{
    for (enum stranger who = KNOWN; who < STRANGERS; who++)
        for (uint8_t p1 = 0; p1 <= TRANSACTION_FAST; p1++) {
            struct reader v;
            struct rig *r = rig_ready(test_crypto());
            ASSERT_OK(rig_pair(r));
            rig_phone_reset(r);
            reader_open(&v, r, DK_CONTACTLESS);
            become(&v, who);
            cr_assert(eq(int, reader_select(&v), APDU_SW_OK));
            cr_assert(eq(int, reader_auth0(&v, p1), APDU_SW_OK)); /* the first makes the decoy */
            memset(&work, 0, sizeof work);
            cr_assert(eq(int, reader_auth0(&v, p1), APDU_SW_OK));
            cr_expect(eq(sz, v.len, p1 ? 67 + 18 : 67));
            cr_expect(eq(uint, work.keygen, 2), "%s: reader and phone", stranger_names[who]);
            cr_expect(eq(uint, work.hashes, p1 ? HKDF_64_HASHES : 0), "%s", stranger_names[who]);
            cr_expect(eq(int, reader_auth1(&v), APDU_SW_WRONG_DATA), "%s", stranger_names[who]);
            cr_expect(eq(uint, work.verify, 1), "%s", stranger_names[who]);
            cr_expect(eq(uint, work.sign, 1), "%s: the reader's", stranger_names[who]);
            reader_close(&v);
            rig_free(r);
        }
}

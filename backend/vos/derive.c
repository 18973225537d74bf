/* PP-02/1: what a set is derived from is drawn here, and derived beside the loop, one after the other. A
 * derivation that a kill interrupts is begun again with another password: the record says that a set is
 * wanted. */
#include <openssl/crypto.h>
#include <string.h>

#include "backend/vos/vos_internal.h"

#define WORK_IN (4 + VOS_PASSWORD + SPAKE2P_SALT) /* N || password || salt */

/* w1 lives and dies in here. */
enum err vos_derive(struct span in, uint8_t *out, size_t cap, size_t *len)
{
    struct spake2p_scrypt scrypt = {.r = SPAKE2P_R, .p = SPAKE2P_P};
    struct spake2p_verifier_set set;
    uint8_t w0[P256_SCALAR], w1[P256_SCALAR];
    struct rd r = rd_of(in.p, in.len);
    if (in.len != WORK_IN || cap < VOS_SECRETS)
        return ERR_BAD_ARGUMENT;
    struct crypto *c = crypto_new(NULL); /* draws nothing from it */
    if (!c)
        return ERR_NO_MEMORY;
    scrypt.n = rd_be32(&r);
    struct span password = rd_span(&r, VOS_PASSWORD);
    rd_copy(&r, scrypt.salt, SPAKE2P_SALT);
    enum err e = spake2p_derive(c, password, &scrypt, w0, w1);
    if (!e)
        e = spake2p_register(c, w0, w1, &set);
    if (!e) {
        memcpy(out, set.w0, P256_SCALAR);
        memcpy(out + P256_SCALAR, set.l, P256_POINT);
        *len = VOS_SECRETS;
    }
    crypto_free(c);
    OPENSSL_cleanse(w0, sizeof w0);
    OPENSSL_cleanse(w1, sizeof w1);
    OPENSSL_cleanse(&set, sizeof set);
    return e;
}

static void draw_password(struct vos *v, uint8_t out[VOS_PASSWORD])
{
    for (size_t i = 0; i < VOS_PASSWORD;) {
        uint8_t byte;
        env_random(v->env, &byte, 1);
        if (byte < 250) /* ten digits, each as likely */
            out[i++] = (uint8_t)('0' + byte % 10);
    }
}

static bool is_deriving(const struct vos *v, const char *serial)
{
    for (size_t i = 0; i < v->deriving_count; i++)
        if (strcmp(v->deriving[(v->deriving_first + i) % VOS_DERIVING_MAX].serial, serial) == 0)
            return true;
    return false;
}

enum err vos_derive_begin(struct vos *v, const char *serial)
{
    uint8_t in[WORK_IN];
    struct wr w = wr_of(in, sizeof in);
    if (is_deriving(v, serial))
        return ERR_OK;
    if (v->deriving_count == VOS_DERIVING_MAX)
        return ERR_BUSY;
    struct deriving *d = &v->deriving[(v->deriving_first + v->deriving_count) % VOS_DERIVING_MAX];
    text_copy(d->serial, sizeof d->serial, serial);
    draw_password(v, d->password);
    env_random(v->env, d->salt, sizeof d->salt);
    d->scrypt_n = v->scrypt_n;
    wr_be32(&w, d->scrypt_n);
    wr_copy(&w, d->password, VOS_PASSWORD);
    wr_copy(&w, d->salt, SPAKE2P_SALT);
    enum err e = env_work(v->env, VOS_WORK_DERIVE, span_of(in, sizeof in));
    v->deriving_count += !e;
    OPENSSL_cleanse(in, sizeof in);
    return e;
}

struct deriving vos_derive_take(struct vos *v)
{
    struct deriving *first = &v->deriving[v->deriving_first], taken = *first;
    OPENSSL_cleanse(first, sizeof *first);
    v->deriving_first = (v->deriving_first + 1) % VOS_DERIVING_MAX;
    v->deriving_count--;
    return taken;
}

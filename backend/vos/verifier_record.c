/* A verifier set in the store: its record (backend.v1.VerifierRecord), and beside it its secrets. */
#include <stdio.h>
#include <string.h>

#include "backend/vos/vos_internal.h"

#define RECORD_MAX 128

static const char *const parts[] = {"/w0", "/l", "/password"};

static void key_of(char out[ENV_KEY_MAX], const char *prefix, const char *serial, const char *part)
{
    snprintf(out, ENV_KEY_MAX, "%s%s%s", prefix, serial, part);
}

enum err vos_verifiers_get(struct vos *v, const char *serial, struct verifiers *out)
{
    char key[ENV_KEY_MAX];
    uint8_t stored[RECORD_MAX], memory[512];
    size_t len;
    struct msg_arena arena;
    *out = (struct verifiers){.state = VERIFIERS_NONE};
    key_of(key, VOS_VERIFIERS_PREFIX, serial, "");
    enum err e = env_store_get(v->env, key, stored, sizeof stored, &len);
    if (e)
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    msg_arena_init(&arena, memory, sizeof memory);
    Backend__V1__VerifierRecord *m = backend__v1__verifier_record__unpack(&arena.allocator, len, stored);
    if (!m || m->state == VERIFIERS_NONE)
        return ERR_STORE_FAILED;
    out->state = m->state;
    if (m->state == VERIFIERS_WANTED)
        return ERR_OK;
    if (m->set_id.len != VOS_SET_ID || m->salt.len != SPAKE2P_SALT)
        return ERR_STORE_FAILED;
    out->scrypt_n = m->scrypt_n;
    memcpy(out->set_id, m->set_id.data, VOS_SET_ID);
    memcpy(out->salt, m->salt.data, SPAKE2P_SALT);
    return ERR_OK;
}

enum err vos_verifiers_put(struct vos *v, const char *serial, const struct verifiers *r)
{
    struct verifiers copy = *r;
    char key[ENV_KEY_MAX];
    uint8_t out[RECORD_MAX];
    Backend__V1__VerifierRecord m = BACKEND__V1__VERIFIER_RECORD__INIT;
    m.state = copy.state;
    if (copy.state != VERIFIERS_WANTED) {
        m.set_id = (ProtobufCBinaryData){VOS_SET_ID, copy.set_id};
        m.salt = (ProtobufCBinaryData){SPAKE2P_SALT, copy.salt};
        m.scrypt_n = copy.scrypt_n;
    }
    key_of(key, VOS_VERIFIERS_PREFIX, serial, "");
    return env_store_put(v->env, key, span_of(out, backend__v1__verifier_record__pack(&m, out)));
}

enum err vos_verifiers_get_secrets(struct vos *v, const char *serial, uint8_t out[VOS_SECRETS])
{
    char key[ENV_KEY_MAX];
    size_t len;
    key_of(key, VOS_VERIFIER_SECRETS, serial, "/w0");
    enum err e = env_store_get(v->env, key, out, P256_SCALAR, &len);
    key_of(key, VOS_VERIFIER_SECRETS, serial, "/l");
    if (!e)
        e = env_store_get(v->env, key, out + P256_SCALAR, P256_POINT, &len);
    return e;
}

enum err vos_verifiers_get_password(struct vos *v, const char *serial, uint8_t out[VOS_PASSWORD])
{
    char key[ENV_KEY_MAX];
    size_t len;
    key_of(key, VOS_VERIFIER_SECRETS, serial, "/password");
    enum err e = env_store_get(v->env, key, out, VOS_PASSWORD, &len);
    return !e && len != VOS_PASSWORD ? ERR_STORE_FAILED : e;
}

enum err vos_verifiers_put_secrets(struct vos *v, const char *serial, const uint8_t secrets[VOS_SECRETS],
                                   const uint8_t password[VOS_PASSWORD])
{
    const struct span values[] = {span_of(secrets, P256_SCALAR), span_of(secrets + P256_SCALAR, P256_POINT),
                                  span_of(password, VOS_PASSWORD)};
    enum err e = ERR_OK;
    for (size_t i = 0; !e && i < sizeof parts / sizeof parts[0]; i++) {
        char key[ENV_KEY_MAX];
        key_of(key, VOS_VERIFIER_SECRETS, serial, parts[i]);
        e = env_store_put(v->env, key, values[i]);
    }
    return e;
}

enum err vos_verifiers_put_burnt(struct vos *v, const char *serial)
{
    enum err e = vos_delivery_put_none(v, serial);
    for (size_t i = 0; !e && i < sizeof parts / sizeof parts[0]; i++) {
        char key[ENV_KEY_MAX];
        key_of(key, VOS_VERIFIER_SECRETS, serial, parts[i]);
        e = env_store_delete(v->env, key);
    }
    return e;
}

enum err vos_verifiers_put_retired(struct vos *v, const char *serial)
{
    char key[ENV_KEY_MAX];
    enum err e = vos_verifiers_put_burnt(v, serial);
    key_of(key, VOS_VERIFIERS_PREFIX, serial, "");
    return e ? e : env_store_delete(v->env, key);
}

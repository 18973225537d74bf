/* Saving and loading leave no secret on the stack, whether they succeed or not. */
#include <pthread.h>
#include <stdalign.h>

#include "lib/ccc/records/envelope.h"
#include "lib/ccc/records/vehicle_record.h"
#include "tests/check.h"
#include "tests/keyring.h"
#include "tests/support.h"

#define STACK   (512 * 1024)
#define SECRETS 16

static alignas(4096) uint8_t stack[STACK];

static struct secret {
    const char *what;
    uint8_t bytes[16]; /* so much of each is looked for */
} secrets[SECRETS];
static size_t n_secrets;

static void remember(const char *what, const uint8_t *bytes)
{
    cr_assert(lt(sz, n_secrets, SECRETS));
    secrets[n_secrets].what = what;
    memcpy(secrets[n_secrets++].bytes, bytes, sizeof secrets[0].bytes);
}

static void remember_key(const char *what, const struct p256_key *k)
{
    uint8_t scalar[P256_SCALAR];
    ASSERT_OK(p256_private(k, scalar));
    remember(what, scalar);
}

static void remember_all(const struct rig *r)
{
    const struct digital_key *k = &r->applet.keys[0];
    const struct dk_owned *o = &r->device.owned[0];
    remember_key("device.SK", k->device_key);
    remember_key("the encryption key", k->encryption_key);
    remember_key("Device.Enc", r->device.enc_key);
    remember_key("an instance CA's key", r->applet.instance_cas[0].key);
    remember("Kpersistent", k->kpersistent);
    remember("an immobilizer token", k->mailboxes.confidential_area);
    remember("LTSS", o->long_term_shared_secret);
    remember("Kble_intro", o->kble_intro);
    remember("Kble_oob_master", o->kble_oob_master);
    remember("the password", r->device.password);
    remember("w0", r->device.prover.w0);
    remember("w1", r->device.prover.w1);
}

/* Reads frames that are gone. */
__attribute__((no_sanitize("address"))) static bool is_at(const struct secret *s, size_t at)
{
    size_t n = 0;
    while (n < sizeof s->bytes && stack[at + n] == s->bytes[n])
        n++;
    return n == sizeof s->bytes;
}

static const char *find_secret(void)
{
    for (size_t at = 0; at + sizeof secrets[0].bytes <= STACK; at++)
        for (size_t i = 0; i < n_secrets; i++)
            if (is_at(&secrets[i], at))
                return secrets[i].what;
    return "nothing";
}

static struct keyring_loader *loader;

/* As a function would that does not wipe. */
static enum err spill(void)
{
    uint8_t frame[4096];
    volatile uint8_t *copy = frame;
    for (size_t i = 0; i < sizeof secrets[0].bytes; i++)
        copy[i] = secrets[0].bytes[i];
    return ERR_OK;
}

static enum err save(void)
{
    return keyring_save(&loader->rig->device, &loader->saved);
}

static enum err load_key(void)
{
    const struct keyring_record *r = &loader->saved.keys[0];
    return keyring_loader_key(loader, 0, span_of(r->bytes, r->len));
}

static enum err load_framework(void)
{
    const struct keyring_record *r = &loader->saved.framework;
    return keyring_loader_framework(loader, span_of(r->bytes, r->len));
}

static struct vehicle_record {
    uint8_t bytes[2 * VEHICLE_RECORD_MAX];
    size_t len;
} vehicle;

static enum err save_vehicle_key(void)
{
    return vehicle_record_save(loader->rig->crypto, &loader->rig->key, vehicle.bytes, VEHICLE_RECORD_MAX,
                               &vehicle.len);
}

static enum err load_vehicle_key(void)
{
    static struct vehicle_key k;
    const struct vehicle_key *wanted = &loader->rig->key;
    enum err e = vehicle_record_load(loader->rig->crypto, wanted->vehicle_id, wanted->key_id,
                                     span_of(vehicle.bytes, vehicle.len), &k);
    if (!e)
        vehicle_key_close(&k);
    return e;
}

struct run {
    enum err (*what)(void);
    enum err reason;
    pthread_barrier_t done, searched;
};

/* The library forgets a stack when its thread ends: so it is searched before. */
static void *on_our_stack(void *arg)
{
    struct run *r = arg;
    r->reason = r->what();
    pthread_barrier_wait(&r->done);
    pthread_barrier_wait(&r->searched);
    return NULL;
}

static const char *left_behind(enum err (*what)(void), enum err *reason)
{
    struct run r = {.what = what};
    pthread_attr_t attr;
    pthread_t thread;
    memset(stack, 0, sizeof stack);
    pthread_barrier_init(&r.done, NULL, 2);
    pthread_barrier_init(&r.searched, NULL, 2);
    cr_assert(pthread_attr_init(&attr) == 0 && pthread_attr_setstack(&attr, stack, sizeof stack) == 0 &&
              pthread_create(&thread, &attr, on_our_stack, &r) == 0);
    pthread_barrier_wait(&r.done);
    const char *found = find_secret();
    pthread_barrier_wait(&r.searched);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    *reason = r.reason;
    return found;
}

/* One field too many: all before it is read, then the record is refused. */
static void add_field(uint8_t *record, size_t *len, const struct envelope *e)
{
    memcpy(record + *len, "\xF0\x03\x01", 3);
    *len += 3;
    envelope_close(test_crypto(), e, record, *len - ENVELOPE_HEADER);
}

static void spoil(struct keyring_record *r, enum envelope_kind kind)
{
    struct envelope e = {.kind = kind, .version = DK_RECORD_VERSION};
    memcpy(e.owner, loader->device.id, sizeof e.owner);
    add_field(r->bytes, &r->len, &e);
}

static void spoil_vehicle_record(void)
{
    struct envelope e = {.kind = ENVELOPE_VEHICLE_KEY, .version = VEHICLE_RECORD_VERSION};
    memcpy(e.owner, loader->rig->key.vehicle_id, 8);
    memcpy(e.owner + 8, loader->rig->key.key_id, 8);
    add_field(vehicle.bytes, &vehicle.len, &e);
}

static void expect_left(const char *left, enum err (*what)(void), enum err wanted)
{
    enum err reason;
    cr_expect(eq(str, (char *)left_behind(what, &reason), (char *)left));
    EXPECT_ERR(reason, wanted);
}

Test(records, leave_no_secret_on_the_stack)
{
    loader = keyring_loader_new(test_crypto());
    remember_all(loader->rig);
    expect_left("device.SK", spill, ERR_OK);
    expect_left("nothing", save, ERR_OK);
    expect_left("nothing", load_key, ERR_OK);
    expect_left("nothing", load_framework, ERR_OK);
    spoil(&loader->saved.keys[0], ENVELOPE_PHONE_KEY);
    spoil(&loader->saved.framework, ENVELOPE_PHONE_FRAMEWORK);
    expect_left("nothing", load_key, ERR_RECORD_TORN);
    expect_left("nothing", load_framework, ERR_RECORD_TORN);
    keyring_loader_free(loader);
}

Test(records, of_a_vehicle_leave_no_secret_on_the_stack)
{
    loader = keyring_loader_new(test_crypto());
    const struct vehicle_key *k = &loader->rig->key;
    remember("Kpersistent", k->kpersistent);
    remember("LTSS", k->long_term_shared_secret);
    remember("Kble_intro", k->kble_intro);
    remember("Kble_oob_master", k->kble_oob_master);
    expect_left("Kpersistent", spill, ERR_OK);
    expect_left("nothing", save_vehicle_key, ERR_OK);
    expect_left("nothing", load_vehicle_key, ERR_OK);
    spoil_vehicle_record();
    expect_left("nothing", load_vehicle_key, ERR_RECORD_TORN);
    keyring_loader_free(loader);
}

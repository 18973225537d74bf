/* Prints one pairing and two unlocks as a JSON object: what went over the link, the secrets that each side
 * drew, and the keys that came of them. For scripts/cross-check.py, which derives the keys a second time
 * without our code. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pairing_rig.h"
#include "tests/support.h"

static void field(const char *name, const void *p, size_t len)
{
    char hex[2 * 1024 + 1];
    hex_encode(p, len, hex);
    printf("  \"%s\": \"%s\",\n", name, hex);
}

static void named(const char *prefix, const char *name, const void *p, size_t len)
{
    char full[64];
    snprintf(full, sizeof full, "%s_%s", prefix, name);
    field(full, p, len);
}

static void keys(const char *prefix, const struct channel *ch)
{
    named(prefix, "kenc", ch->kenc, CCC_KEY);
    named(prefix, "kmac", ch->kmac, CCC_KEY);
    named(prefix, "krmac", ch->krmac, CCC_KEY);
}

struct recorder {
    struct rig *rig;
    const char *phase;
    uint8_t last_ins;
    bool wrote;
};

static void scalar(const char *prefix, const char *name, const struct p256_key *k)
{
    uint8_t s[P256_SCALAR];
    if (k && p256_private(k, s) == ERR_OK)
        named(prefix, name, s, sizeof s);
}

static void on_command(struct recorder *rec, struct span apdu)
{
    const struct rig *r = rec->rig;
    switch (apdu.p[1]) {
    case APDU_SPAKE2P_REQUEST:
    case APDU_SPAKE2P_VERIFY:
        named(rec->phase, apdu.p[1] == APDU_SPAKE2P_REQUEST ? "request" : "verify", apdu.p, apdu.len);
        if (apdu.p[1] == APDU_SPAKE2P_VERIFY)
            field("x", r->device.pairing.spake.scalar, P256_SCALAR);
        break;
    case APDU_WRITE_DATA:
        if (!rec->wrote) {
            named(rec->phase, "write", apdu.p, apdu.len);
            keys(rec->phase, &r->pairing.channel);
        }
        rec->wrote = true;
        break;
    case APDU_AUTH0:
        named(rec->phase, "auth0", apdu.p, apdu.len);
        scalar(rec->phase, "vehicle_esk", r->unlock.ephemeral);
        break;
    case APDU_AUTH1:
        named(rec->phase, "auth1", apdu.p, apdu.len);
        break;
    case APDU_EXCHANGE:
        named(rec->phase, "exchange", apdu.p, apdu.len);
        keys(rec->phase, &r->unlock.channel);
        break;
    default:
        break;
    }
}

static void on_answer(struct recorder *rec, struct span apdu)
{
    static const struct {
        uint8_t ins;
        const char *name;
    } wanted[] = {{APDU_SPAKE2P_REQUEST, "request_answer"},
                  {APDU_SPAKE2P_VERIFY, "verify_answer"},
                  {APDU_AUTH0, "auth0_answer"},
                  {APDU_AUTH1, "auth1_answer"},
                  {APDU_EXCHANGE, "exchange_answer"}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (wanted[i].ins == rec->last_ins)
            named(rec->phase, wanted[i].name, apdu.p, apdu.len);
}

static void tap(void *arg, bool command, struct span apdu)
{
    struct recorder *rec = arg;
    if (rec->phase == NULL || apdu.len < 2)
        return;
    if (command) {
        rec->last_ins = apdu.p[1];
        on_command(rec, apdu);
    } else {
        on_answer(rec, apdu);
    }
}

static void certificates(const struct rig *r)
{
    field("j", r->j.der, r->j.len);
    field("j1", r->j1.der, r->j1.len);
    field("k", r->k.der, r->k.len);
    field("f", r->f.der, r->f.len);
    field("e", r->e.der, r->e.len);
    field("h", r->pairing.result.certificate, r->pairing.result.certificate_len);
}

static void print_apdu(void *arg, bool command, struct span apdu)
{
    char hex[2 * APDU_COMMAND_MAX + 1];
    (void)arg;
    hex_encode(apdu.p, apdu.len, hex);
    printf("%c %s\n", command ? '>' : '<', hex);
}

static int print_apdus(struct rig *r)
{
    bool fast;
    r->tap = print_apdu;
    rig_enter_password(r, false);
    enum err e = rig_pair(r);
    if (!e)
        e = rig_unlock(r, false, true, &fast);
    if (!e)
        e = rig_unlock(r, true, true, &fast);
    return e ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct rig *r = rig_new(test_crypto());
    struct recorder rec = {.rig = r};
    bool fast;
    if (argc > 1 && strcmp(argv[1], "--apdus") == 0) {
        int rc = print_apdus(r);
        rig_free(r);
        return rc;
    }
    r->tap = tap;
    r->tap_arg = &rec;
    printf("{\n");
    rig_enter_password(r, false);
    rec.phase = "pairing";
    enum err e = rig_pair_phase_2(r);
    const struct dk_owned *o = &r->device.owned[0];
    field("long_term_shared_secret", o->long_term_shared_secret, CCC_KEY);
    field("kble_intro", o->kble_intro, CCC_KEY);
    field("kble_oob_master", o->kble_oob_master, CCC_KEY);
    certificates(r);
    rec.phase = NULL;
    if (!e)
        e = rig_phase_3(r);
    rec.phase = "standard";
    if (!e)
        e = rig_unlock(r, false, true, &fast);
    field("kpersistent", r->key.kpersistent, TRANSACTION_KPERSISTENT);
    rec.phase = "fast";
    if (!e)
        e = rig_unlock(r, true, true, &fast);
    printf("  \"password\": \"%s\", \"result\": \"%s\"\n}\n", RIG_PASSWORD, err_name(e));
    rig_free(r);
    return e ? 1 : 0;
}

/* One wrong thing in the place of a right one, and what the phone says to it. */
#include <stdio.h>
#include <string.h>

#include "sim/actors/skimmer/skimmer_parts.h"

/* In an APDU: header 5; REQUEST has 5B and 5C of one version each, then 7F50 with salt and N; VERIFY has Y
 * and M[1]. */
enum { AT_SPAKE = 7, AT_APPLET = 11, AT_N = 36, AT_Y = 7, AT_M1 = 74 };

static void set_bytes(struct skimmer_apdu *a, size_t at, uint8_t value, size_t n)
{
    if (at + n <= a->len)
        memset(a->bytes + at, value, n);
}

static void set_spake_version(struct skimmer *s)
{
    set_bytes(&s->sent, AT_SPAKE, 0x09, 1);
}

static void set_applet_version(struct skimmer *s)
{
    set_bytes(&s->sent, AT_APPLET, 0x09, 1);
}

/* N of 2^24 and more: gigabytes for the phone. */
static void set_scrypt(struct skimmer *s)
{
    set_bytes(&s->sent, AT_N, 0x01, 1);
}

static void set_off_curve(struct skimmer *s)
{
    s->sent.bytes[AT_Y + P256_POINT - 1] ^= 1;
}

static void set_infinity(struct skimmer *s)
{
    set_bytes(&s->sent, AT_Y, 0, P256_POINT);
}

static void set_evidence(struct skimmer *s)
{
    s->sent.bytes[AT_M1] ^= 1;
}

/* [L] is written when VERIFY is answered. */
static void set_vehicle(struct skimmer *s)
{
    s->pairing.creation.vehicle_id[0] ^= 1;
}

static void set_key(struct skimmer *s)
{
    p256_public(s->other, s->pairing.creation.vehicle_pk);
}

static void set_certificate(struct skimmer *s)
{
    s->pairing_config.key_data.vehicle_certificate = span_of(s->forged, s->forged_len);
}

static void set_nothing(struct skimmer *s)
{
    (void)s;
}

/* When it is changed, and whose answer tells. */
static const struct {
    int at, told;
    void (*change)(struct skimmer *s);
} wrongs[SKIMMER_WRONGS] = {
    [SKIMMER_NOTHING] = {VP_ACCEPTING, VP_ACCEPTING, set_nothing},
    [SKIMMER_SPAKE_VERSION] = {VP_REQUESTING, VP_REQUESTING, set_spake_version},
    [SKIMMER_APPLET_VERSION] = {VP_REQUESTING, VP_REQUESTING, set_applet_version},
    [SKIMMER_SCRYPT] = {VP_REQUESTING, VP_REQUESTING, set_scrypt},
    [SKIMMER_POINT_OFF_CURVE] = {VP_VERIFYING, VP_VERIFYING, set_off_curve},
    [SKIMMER_POINT_AT_INFINITY] = {VP_VERIFYING, VP_VERIFYING, set_infinity},
    [SKIMMER_EVIDENCE] = {VP_VERIFYING, VP_VERIFYING, set_evidence},
    [SKIMMER_FOREIGN_VEHICLE] = {VP_VERIFYING, VP_COMPLETING, set_vehicle},
    [SKIMMER_FOREIGN_KEY] = {VP_VERIFYING, VP_COMPLETING, set_key},
    [SKIMMER_CERTIFICATE_FORGED] = {VP_VERIFYING, VP_COMPLETING, set_certificate},
    [SKIMMER_SIGNATURE] = {VT_AUTH1, VT_AUTH1, set_nothing},
    [SKIMMER_UNKNOWN_VEHICLE] = {VT_AUTH1, VT_AUTH1, set_nothing},
};

void skimmer_attack_change(struct skimmer *s)
{
    const struct skimmer_job *job = skimmer_job(s);
    const int state = s->transacts ? (int)s->transaction.state : (int)s->pairing.state;
    if (job->kind == SKIMMER_SWEEPS)
        return;
    const bool tries = job->kind == SKIMMER_AUTHENTICATES && job->wrong == SKIMMER_NOTHING;
    if (!tries && state == wrongs[job->wrong].at)
        wrongs[job->wrong].change(s);
    s->said = state == (tries ? (int)VT_AUTH1 : wrongs[job->wrong].told);
}

void skimmer_attack_on_answer(struct skimmer *s, uint16_t sw)
{
    char text[ENV_TEXT_MAX];
    s->said = false;
    snprintf(text, sizeof text, "%s: %s %04X", skimmer_wrong_names[skimmer_job(s)->wrong],
             apdu_command_name(span_of(s->sent.bytes, s->sent.len)), sw);
    env_trace_note(s->env, TRACE_NOTE, text);
}

void skimmer_attack_over(struct skimmer *s, enum err reason)
{
    const struct skimmer_job *job = skimmer_job(s);
    char text[ENV_TEXT_MAX];
    snprintf(text, sizeof text, "%s %s", skimmer_wrong_names[job->wrong],
             reason                       ? err_name(reason)
             : job->kind == SKIMMER_PAIRS ? "a key"
                                          : "a transaction");
    skimmer_finish(s, job->kind == SKIMMER_PAIRS ? "paired" : "authenticated", text);
}

/* What the vehicle itself watches over in phase 2: attempts, its own configuration, roots, validity. */
#include "tests/check.h"
#include "tests/pairing_rig.h"
#include "tests/support.h"

enum { DAY_S = 86400 };

/* An honest phone until the vehicle is in that state; for a state that awaits an answer, the command. */
static struct vehicle_step go_to(struct rig *r, struct vehicle_pairing *v, enum vehicle_pairing_state state)
{
    uint8_t answer[APDU_RESPONSE_MAX];
    rig_phone_reset(r);
    struct vehicle_step s = vehicle_pairing_begin(v, &r->pairing_config);
    while (v->state != state) {
        struct wr w = wr_of(answer, sizeof answer);
        cr_assert(not(vehicle_step_over(&s)));
        if (s.what == VEHICLE_RESET_LINK) {
            rig_phone_reset(r);
            ASSERT_OK(dk_device_create_key(&r->device));
        }
        if (s.what == VEHICLE_SEND) {
            rig_phone_input(r, s.apdu, &w);
            s = vehicle_pairing_input(v, span_of(answer, w.len));
        } else {
            s = s.what == VEHICLE_STORE_ATTEMPT ? vehicle_pairing_counted(v, ++r->store.attempts)
                                                : vehicle_pairing_proceed(v);
        }
    }
    return s;
}

static void expect_abort(struct vehicle_pairing *v, struct vehicle_step s, uint8_t p2, enum err reason)
{
    cr_assert(s.what == VEHICLE_SEND && s.apdu.len == 4);
    cr_expect(s.apdu.p[1] == APDU_CONTROL_FLOW && s.apdu.p[2] == APDU_FLOW_ABORT);
    cr_expect(eq(int, s.apdu.p[3], p2));
    s = vehicle_pairing_input(v, span_of("\x90\x00", 2));
    cr_expect(eq(int, s.what, VEHICLE_FAILED));
    EXPECT_ERR(s.reason, reason);
}

/* ---- attempts ---- */

/* Sessions side by side all began with five attempts spent: two of them may still send VERIFY. */
Test(vehicle_attempts, are_looked_at_again_when_they_are_counted)
{
    struct rig *r = rig_ready(test_crypto());
    struct vehicle_pairing sessions[5];
    unsigned stored = 5, verifies = 0;
    r->pairing_config.attempts = 5;
    for (size_t i = 0; i < 5; i++)
        cr_expect(eq(int, go_to(r, &sessions[i], VP_COUNTING).what, VEHICLE_STORE_ATTEMPT));
    for (size_t i = 0; i < 5; i++) {
        struct vehicle_step s = vehicle_pairing_counted(&sessions[i], ++stored);
        bool verify = s.apdu.p[1] == APDU_SPAKE2P_VERIFY;
        verifies += verify;
        if (!verify)
            expect_abort(&sessions[i], s, APDU_ABORT_ATTEMPTS, ERR_DK_ATTEMPTS);
        vehicle_pairing_wipe(&sessions[i]);
    }
    cr_expect(eq(uint, verifies, 2));
    rig_free(r);
}

Test(vehicle_attempts, without_a_count_no_verify)
{
    struct rig *r = rig_ready(test_crypto());
    go_to(r, &r->pairing, VP_COUNTING);
    struct vehicle_step s = vehicle_pairing_proceed(&r->pairing);
    cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_MSG_UNEXPECTED);
    go_to(r, &r->pairing, VP_REQUESTING);
    s = vehicle_pairing_counted(&r->pairing, 1);
    cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_MSG_UNEXPECTED);
    rig_free(r);
}

Test(vehicle_attempts, come_before_versions)
{
    struct rig *r = rig_ready(test_crypto());
    r->pairing_config.attempts = SPAKE2P_ATTEMPTS_MAX;
    r->pairing_config.versions.v[0] = 0x0900;
    go_to(r, &r->pairing, VP_SELECTING);
    struct vehicle_step s = vehicle_pairing_input(
        &r->pairing, span_of("\x5A\x02\x01\x00\x5C\x02\x01\x00\xD4\x01\x02\x90\x00", 13));
    expect_abort(&r->pairing, s, APDU_ABORT_ATTEMPTS, ERR_DK_ATTEMPTS);
    rig_free(r);
}

/* X - w0*M would be no point: who sends it knows w0 and needs no V. */
Test(vehicle_spake, x_that_is_w0_m_is_wrong_evidence)
{
    struct rig *r = rig_ready(test_crypto());
    uint8_t answer[2 + P256_POINT + 2] = {0x50, P256_POINT};
    memcpy(answer + 2, r->verifier.w0_m, P256_POINT);
    answer[2 + P256_POINT] = 0x90;
    go_to(r, &r->pairing, VP_REQUESTING);
    expect_abort(&r->pairing, vehicle_pairing_input(&r->pairing, span_of(answer, sizeof answer)),
                 APDU_ABORT_EVIDENCE, ERR_DK_EVIDENCE);
    rig_free(r);
}

Test(vehicle_select, unknown_tags_are_skipped)
{
    struct rig *r = rig_ready(test_crypto());
    HEX(in, "DF200100"
            "5A020100"
            "5C020100"
            "D40102"
            "5E020300"
            "9000");
    go_to(r, &r->pairing, VP_SELECTING);
    struct vehicle_step s = vehicle_pairing_input(&r->pairing, span_of(in, in_len));
    cr_expect(s.what == VEHICLE_SEND && s.apdu.p[1] == APDU_SPAKE2P_REQUEST);
    rig_free(r);
}

/* ---- validity of [H] ---- */

static const struct {
    int64_t before_s, after_s; /* what the vehicle asked for, against what stands in [H] */
    enum err reason;
} dates[] = {{0, 0, ERR_OK},
             {1, 0, ERR_DK_KEY_MISMATCH},
             {-1, 0, ERR_DK_KEY_MISMATCH},
             {0, 1, ERR_DK_KEY_MISMATCH},
             {0, -1, ERR_DK_KEY_MISMATCH}};

static struct vehicle_step to_the_end(struct rig *r, struct vehicle_step s)
{
    uint8_t answer[APDU_RESPONSE_MAX];
    while (!vehicle_step_over(&s) && (s.what != VEHICLE_SEND || s.apdu.p[1] != APDU_CONTROL_FLOW)) {
        struct wr w = wr_of(answer, sizeof answer);
        if (s.what == VEHICLE_SEND) {
            rig_phone_input(r, s.apdu, &w);
            s = vehicle_pairing_input(&r->pairing, span_of(answer, w.len));
        } else {
            s = rig_pairing_proceed(r, &s);
        }
    }
    return s;
}

Test(vehicle_validity, the_certificate_is_for_the_time_that_was_asked_for)
{
    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
        struct rig *r = rig_ready(test_crypto());
        struct endpoint_creation *asked = &r->pairing_config.key_data.creation;
        asked->not_before_s = RIG_NOW_S - DAY_S;
        asked->not_after_s = RIG_NOW_S + DAY_S;
        struct vehicle_step s = go_to(r, &r->pairing, VP_GETTING);
        r->pairing.creation.not_before_s += dates[i].before_s;
        r->pairing.creation.not_after_s += dates[i].after_s;
        s = to_the_end(r, s);
        if (dates[i].reason)
            expect_abort(&r->pairing, s, APDU_ABORT_KEY_DATA, dates[i].reason);
        else
            cr_expect(s.what == VEHICLE_SEND && s.apdu.p[2] == APDU_FLOW_CONTINUE);
        rig_free(r);
    }
}

Test(vehicle_validity, without_dates_any_will_do)
{
    struct rig *r = rig_ready(test_crypto());
    ASSERT_OK(rig_pair(r));
    cr_expect(r->key.not_before_s == 0 && r->key.not_after_s == 0);
    rig_free(r);
}

/* ---- roots ---- */

static void make_root(struct rig *r, const char *name, struct rig_authority *a, struct x509 *root)
{
    uint8_t pk[P256_POINT];
    ASSERT_OK(p256_generate(r->crypto, &a->key));
    p256_public(a->key, pk);
    const struct x509_template t = {.profile = X509_OEM_ROOT,
                                    .subject = name,
                                    .issuer = name,
                                    .not_before_s = RIG_NOW_S - DAY_S,
                                    .not_after_s = RIG_NOW_S + 365 * DAY_S,
                                    .public_key = pk,
                                    .issuer_public_key = pk};
    ASSERT_OK(x509_issue(r->crypto, &t, a->key, a->der, &a->len));
    ASSERT_OK(x509_parse(span_of(a->der, a->len), root));
}

Test(vehicle_roots, the_device_may_stand_under_any)
{
    static const struct {
        const char *name; /* of the other root */
        bool ours_first, ours;
        enum err e;
    } rows[] = {{"Root J", false, true, ERR_OK}, /* the same name, another key */
                {"Root J", true, true, ERR_OK},
                {"Root of tomorrow", false, true, ERR_OK},
                {"Root of tomorrow", false, false, ERR_CERT_ISSUER_UNKNOWN}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *r = rig_ready(test_crypto());
        struct rig_authority other = {0};
        struct x509 roots[2];
        make_root(r, rows[i].name, &other, &roots[rows[i].ours_first]);
        roots[!rows[i].ours_first] = r->root;
        r->pairing_config.roots = roots;
        r->pairing_config.n_roots = rows[i].ours ? 2 : 1;
        enum err e = rig_pair_phase_2(r);
        cr_expect(eq(str, (char *)err_name(e), (char *)err_name(rows[i].e)), "row %zu", i);
        p256_free(other.key);
        rig_free(r);
    }
}

/* ---- what a device would refuse is refused before anything is sent ---- */

static struct key_data *key_data_of(struct rig *r)
{
    return &r->pairing_config.key_data;
}

static void no_roots(struct rig *r)
{
    r->pairing_config.n_roots = 0;
}

static void no_versions(struct rig *r)
{
    r->pairing_config.versions.n = 0;
}

static void no_applet_versions(struct rig *r)
{
    r->pairing_config.applet_versions.v[0] = 0;
}

static void weak_scrypt(struct rig *r)
{
    r->pairing_config.scrypt.n = SPAKE2P_N_MIN / 2;
}

static void heavy_scrypt(struct rig *r)
{
    r->pairing_config.scrypt.n = SPAKE2P_N_MAX * 2;
}

static void no_salt(struct rig *r)
{
    memset(r->pairing_config.scrypt.salt, 0, SPAKE2P_SALT);
}

static void no_certificate(struct rig *r)
{
    key_data_of(r)->vehicle_certificate = (struct span){0};
}

static void no_x509(struct rig *r)
{
    key_data_of(r)->vehicle_certificate = span_of("\x30\x00", 2);
}

static void another_vehicle(struct rig *r)
{
    key_data_of(r)->creation.vehicle_id[7] ^= 1;
}

static void another_key(struct rig *r)
{
    p256_public(r->j1.key, key_data_of(r)->creation.vehicle_pk);
}

static void off_the_curve(struct rig *r)
{
    key_data_of(r)->creation.authorized_pk[40] ^= 1;
}

static void no_slot(struct rig *r)
{
    key_data_of(r)->creation.slot.len = 0;
}

static void short_slot(struct rig *r)
{
    key_data_of(r)->creation.slot.len = 7;
}

static void map_too_large(struct rig *r)
{
    key_data_of(r)->map.end = MAILBOX_DEFAULT_PRIVATE + 1;
}

static void mailbox_too_large(struct rig *r)
{
    key_data_of(r)->creation.private_size = MAILBOX_PRIVATE_MAX + 1;
}

static void tokens_too_long(struct rig *r)
{
    key_data_of(r)->map.token_len = 17;
}

static void part_outside(struct rig *r)
{
    key_data_of(r)->config.auth1_private = (struct mailbox_part){MAILBOX_DEFAULT_PRIVATE - 1, 2};
}

static void no_room_for_a_receipt(struct rig *r)
{
    key_data_of(r)->map.end = key_data_of(r)->map.attestation + 100;
}

static void ends_before_it_begins(struct rig *r)
{
    key_data_of(r)->creation.not_before_s = RIG_NOW_S;
    key_data_of(r)->creation.not_after_s = RIG_NOW_S;
}

static void reserved_options(struct rig *r)
{
    key_data_of(r)->creation.options_2 |= ENDPOINT_RESERVED;
}

static void too_much(struct rig *r)
{
    static const uint8_t oem[KEY_DATA_MAX];
    key_data_of(r)->config.oem = span_of(oem, sizeof oem);
}

static const struct {
    const char *name;
    void (*spoil)(struct rig *r);
} spoilt[] = {{"no roots", no_roots},
              {"no versions", no_versions},
              {"no applet versions", no_applet_versions},
              {"weak scrypt", weak_scrypt},
              {"heavy scrypt", heavy_scrypt},
              {"no salt", no_salt},
              {"no certificate", no_certificate},
              {"not X.509", no_x509},
              {"another vehicle", another_vehicle},
              {"another key", another_key},
              {"off the curve", off_the_curve},
              {"no slot", no_slot},
              {"short slot", short_slot},
              {"map too large", map_too_large},
              {"mailbox too large", mailbox_too_large},
              {"tokens too long", tokens_too_long},
              {"part outside", part_outside},
              {"no room for a receipt", no_room_for_a_receipt},
              {"ends before it begins", ends_before_it_begins},
              {"reserved options", reserved_options},
              {"too much", too_much}};

Test(vehicle_configuration, is_refused_before_anything_is_sent)
{
    for (size_t i = 0; i < sizeof spoilt / sizeof spoilt[0]; i++) {
        struct rig *r = rig_ready(test_crypto());
        spoilt[i].spoil(r);
        struct vehicle_step s = vehicle_pairing_begin(&r->pairing, &r->pairing_config);
        cr_expect(s.what == VEHICLE_FAILED && s.fault, "%s", spoilt[i].name);
        cr_expect(eq(str, (char *)err_name(s.reason), "BAD_ARGUMENT"), "%s", spoilt[i].name);
        s = vehicle_pairing_input(&r->pairing, span_of("\x90\x00", 2));
        cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_BAD_ARGUMENT, "%s", spoilt[i].name);
        rig_free(r);
    }
}

Test(vehicle_configuration, spent_attempts_are_none_of_it)
{
    struct rig *r = rig_ready(test_crypto());
    r->pairing_config.attempts = 255;
    cr_expect(eq(int, vehicle_pairing_begin(&r->pairing, &r->pairing_config).what, VEHICLE_SEND));
    rig_free(r);
}

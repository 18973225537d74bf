/* PP-02 on both benches: what a SpaaK Module takes as a verifier set and what it refuses, what the VOS
 * derives, pushes and believes. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend/vos/vos.h"
#include "ecu/spaak/spaak.h"
#include "lib/host/sqlite_store.h"
#include "tests/check.h"
#include "tests/launch.h"
#include "tests/verifier_rig.h"

#define INSTALLED SPAAK__V1__RESP_ENUM__RESP_ENUM_INSTALLED

static const struct {
    const char *name;
    enum flaw flaw;
    enum err reason;
} flaws[] = {
    {.name = "sealed to another ECU", .flaw = OTHER_TRANSPORT_KEY, .reason = ERR_VERIFIERS_NOT_FOR_US},
    {.name = "a sealed byte differs", .flaw = SEALED_BYTE, .reason = ERR_VERIFIERS_NOT_FOR_US},
    {.name = "ephemeral key off the curve",
     .flaw = EPHEMERAL_NOT_A_POINT,
     .reason = ERR_VERIFIERS_NOT_FOR_US},
    {.name = "L off the curve", .flaw = L_NOT_A_POINT, .reason = ERR_VERIFIERS_MALFORMED},
    {.name = "w0 is zero", .flaw = W0_ZERO, .reason = ERR_VERIFIERS_MALFORMED},
    {.name = "an id of 15 bytes", .flaw = SHORT_ID, .reason = ERR_VERIFIERS_MALFORMED},
    {.name = "a salt of 15 bytes", .flaw = SHORT_SALT, .reason = ERR_VERIFIERS_MALFORMED},
    {.name = "a byte too few", .flaw = SHORT_SEALED, .reason = ERR_VERIFIERS_MALFORMED},
    {.name = "scrypt beyond what a phone takes", .flaw = SCRYPT_TOO_MUCH, .reason = ERR_VERIFIERS_MALFORMED},
    {.name = "r beyond 16 bits", .flaw = SCRYPT_R, .reason = ERR_VERIFIERS_MALFORMED},
    {.name = "no message", .flaw = GARBAGE, .reason = ERR_MSG_MALFORMED},
};

Test(verifiers, what_is_wrong_with_a_set_is_named_and_nothing_is_stored)
{
    for (size_t i = 0; i < sizeof flaws / sizeof flaws[0]; i++) {
        struct vehicle_bench v;
        module_start(&v);
        size_t stores = bench_count(&v.b, TRACE_STORE, ERR_OK);
        module_push(&v, 1, flaws[i].flaw, 0);
        cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, flaws[i].reason), 1), "%s", flaws[i].name);
        cr_expect(eq(sz, bench_count(&v.b, TRACE_STORE, ERR_OK), stores), "%s", flaws[i].name);
        cr_expect(eq(sz, v.heard, 0), "%s: says nothing", flaws[i].name);
        vehicle_stop(&v);
    }
}

Test(verifiers, a_set_is_stored_reported_and_claimed_when_acknowledged)
{
    struct vehicle_bench v;
    uint8_t l[P256_POINT], w0[P256_SCALAR];
    size_t len;
    module_start(&v);
    module_push(&v, 7, SOUND, 0);
    ASSERT_OK(store_get(v.b.node.store, SPAAK_VERIFIERS_W0, w0, sizeof w0, &len));
    cr_expect(eq(sz, len, P256_SCALAR));
    cr_expect(eq(u8, w0[0], 0x11));
    ASSERT_OK(store_get(v.b.node.store, SPAAK_VERIFIERS_L, l, sizeof l, &len));
    cr_expect(eq(sz, len, P256_POINT));
    cr_assert(eq(int, (int)v.last.type, RIG_STATUS));
    cr_expect(eq(int, (int)v.last.use_case, SPAAK__V1__USE_CASE__USE_CASE_PP_02));
    size_t claims = bench_count(&v.b, TRACE_CLAIM, ERR_OK);
    vehicle_answer_as(&v, OEM_VOS, v.last, RIG_ACK, (struct span){NULL, 0});
    cr_expect(vehicle_stored(&v, SPAAK_VERIFIERS_REPORTED));
    cr_expect(eq(sz, bench_count(&v.b, TRACE_CLAIM, ERR_OK), claims + 1));
    cr_expect(bench_last(&v.b, TRACE_CLAIM)->has_digest);
    vehicle_stop(&v);
}

static const struct {
    const char *name;
    uint8_t number;
    int64_t later_ms;
    size_t heard, stored, replayed;
} seconds[] = {
    {.name = "the same again", .number = 7, .later_ms = 0, .heard = 2, .stored = 1, .replayed = 0},
    {.name = "the same, sealed later", .number = 7, .later_ms = 9, .heard = 2, .stored = 1, .replayed = 0},
    {.name = "a newer one", .number = 8, .later_ms = 9, .heard = 2, .stored = 2, .replayed = 0},
    {.name = "an older one", .number = 6, .later_ms = -9, .heard = 1, .stored = 1, .replayed = 1},
};

static size_t sets_stored(const struct bench *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->trace_count; i++)
        n += b->trace[i].kind == TRACE_STORE && strstr(b->trace[i].detail, "+" SPAAK_VERIFIERS_ID);
    return n;
}

Test(verifiers, a_second_push)
{
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        struct vehicle_bench v;
        module_start(&v);
        module_push(&v, 7, SOUND, 0);
        module_push(&v, seconds[i].number, SOUND, seconds[i].later_ms);
        cr_expect(eq(sz, v.heard, seconds[i].heard), "%s", seconds[i].name);
        cr_expect(eq(sz, sets_stored(&v.b), seconds[i].stored), "%s", seconds[i].name);
        cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, ERR_MSG_REPLAYED), seconds[i].replayed), "%s",
                  seconds[i].name);
        vehicle_stop(&v);
    }
}

Test(verifiers, without_a_transport_key_there_is_nothing_to_open)
{
    struct vehicle_bench v;
    struct msg_header h = {.use_case = SPAAK__V1__USE_CASE__USE_CASE_PP_02,
                           .issued_at_ms = TEST_NOW_S * 1000};
    text_copy(h.ecu_serial, sizeof h.ecu_serial, SERIAL);
    module_start(&v);
    struct span body = module_set_body(v.b.node.store, 1, SOUND);
    struct store_put gone = {SPAAK_TRANSPORT_KEY, {NULL, 0}};
    ASSERT_OK(store_apply(v.b.node.store, &gone, 1));
    vehicle_answer_as(&v, OEM_VOS, h, RIG_SET, body);
    cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, ERR_TRANSPORT_KEY_MISSING), 1));
    vehicle_stop(&v);
}

Test(verifiers, a_report_is_repeated_until_it_is_acknowledged)
{
    struct vehicle_bench v;
    module_start(&v);
    module_push(&v, 7, SOUND, 0);
    for (int i = 0; i < 20; i++) {
        bench_run_ms(&v.b, 100);
        vehicle_tbm_says(&v, READY);
    }
    cr_expect(ge(sz, v.heard, 2));
    vehicle_answer_as(&v, OEM_VOS, v.last, RIG_ACK, (struct span){NULL, 0});
    size_t heard = v.heard;
    for (int i = 0; i < 300; i++) {
        bench_run_ms(&v.b, 100);
        vehicle_tbm_says(&v, READY);
    }
    cr_expect(eq(sz, v.heard, heard));
    vehicle_stop(&v);
}

/* ---- the VOS ---- */

Test(vos_verifiers, a_set_is_what_its_password_makes_and_opens_with_the_transport_key_only)
{
    struct server s;
    uint8_t secrets[RIG_SECRETS], password[16], w0[P256_SCALAR], w1[P256_SCALAR];
    struct spake2p_verifier_set want;
    size_t len;
    server_start(&s, true, NULL, NULL);
    server_call(&s, "push-verifiers");
    cr_expect(eq(sz, s.b.sent_count, 0), "not before scrypt is done");
    bench_finish_works(&s.b);
    Spaak__V1__Spake2VerifierSet *m = server_pushed(&s);
    ASSERT_OK(ecies_open(test_crypto(), s.transport, m->ephemeral_key.data,
                         span_of(m->sealed.data, m->sealed.len), secrets));
    ASSERT_OK(bench_secret(&s.b, VOS_VERIFIER_SECRETS SERIAL "/password", password, sizeof password, &len));
    cr_assert(eq(sz, len, 8));
    for (size_t i = 0; i < len; i++)
        cr_expect(password[i] >= '0' && password[i] <= '9');
    struct spake2p_scrypt scrypt = {.n = m->scrypt_n, .r = (uint16_t)m->scrypt_r, .p = (uint16_t)m->scrypt_p};
    memcpy(scrypt.salt, m->salt.data, SPAKE2P_SALT);
    ASSERT_OK(spake2p_derive(test_crypto(), span_of(password, len), &scrypt, w0, w1));
    ASSERT_OK(spake2p_register(test_crypto(), w0, w1, &want));
    cr_expect(memcmp(secrets, want.w0, P256_SCALAR) == 0);
    cr_expect(memcmp(secrets + P256_SCALAR, want.l, P256_POINT) == 0);
    for (size_t i = 0; i + P256_SCALAR <= s.b.sent[0].len; i++)
        cr_assert(memcmp(s.b.sent[0].bytes + i, w0, P256_SCALAR) != 0, "w0 in clear");
    spaak__v1__spake2_verifier_set__free_unpacked(m, NULL);
    server_stop(&s);
}

Test(vos_verifiers, one_that_nobody_has_reported_is_pushed_again_with_the_same_values)
{
    struct server s;
    server_start(&s, true, NULL, NULL);
    server_call(&s, "push-verifiers");
    bench_finish_works(&s.b);
    Spaak__V1__Spake2VerifierSet *first = server_pushed(&s);
    s.b.sent_count = 0;
    bench_run_ms(&s.b, 31000);
    Spaak__V1__Spake2VerifierSet *second = server_pushed(&s);
    server_call(&s, "push-verifiers");
    Spaak__V1__Spake2VerifierSet *third = server_pushed(&s);
    cr_expect(span_equal(span_of(first->set_id.data, 16), span_of(second->set_id.data, 16)));
    cr_expect(span_equal(span_of(first->set_id.data, 16), span_of(third->set_id.data, 16)));
    cr_expect(memcmp(first->ephemeral_key.data, second->ephemeral_key.data, P256_POINT) != 0, "sealed anew");
    server_report(&s, span_of(first->set_id.data, 16), INSTALLED);
    cr_expect(eq(sz, s.b.sent_count, 1), "acknowledged");
    s.b.sent_count = 0;
    bench_run_ms(&s.b, 120000);
    cr_expect(eq(sz, s.b.sent_count, 0), "and pushed no more");
    spaak__v1__spake2_verifier_set__free_unpacked(first, NULL);
    spaak__v1__spake2_verifier_set__free_unpacked(second, NULL);
    spaak__v1__spake2_verifier_set__free_unpacked(third, NULL);
    server_stop(&s);
}

Test(vos_verifiers, a_report_of_another_set_is_not_believed)
{
    struct server s;
    server_start(&s, true, NULL, NULL);
    server_report(&s, span_of("0123456789abcdef", 16), INSTALLED);
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_STATUS_MISMATCH), 1), "none was pushed");
    server_call(&s, "push-verifiers");
    bench_finish_works(&s.b);
    server_report(&s, span_of("0123456789abcdef", 16), INSTALLED);
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_STATUS_MISMATCH), 2));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_CLAIM, ERR_OK), 2),
              "[K] at the start, and that it holds no set");
    server_stop(&s);
}

Test(vos_verifiers, a_vehicle_without_transport_key_gets_none)
{
    struct server s;
    server_start(&s, false, NULL, NULL);
    server_call(&s, "push-verifiers");
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_TRANSPORT_KEY_MISSING), 1));
    cr_expect(eq(sz, s.b.work_count, 0));
    server_stop(&s);
}

/* ---- what lies in its file ---- */

static const char *const ends[] = {"", "-wal", "-shm"};

/* Of the file and what SQLite keeps beside it. */
static size_t read_store(const char *path, uint8_t *out, size_t cap)
{
    size_t len = 0;
    for (size_t i = 0; i < 3; i++) {
        char name[220];
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        int fd = open(name, O_RDONLY);
        ssize_t n = fd < 0 ? 0 : read(fd, out + len, cap - len);
        len += n > 0 ? (size_t)n : 0;
        if (fd >= 0)
            close(fd);
    }
    return len;
}

static void expect_nowhere(const uint8_t *file, size_t len, const void *secret, size_t secret_len,
                           const char *what)
{
    char hex[2 * P256_POINT + 1];
    hex_encode(secret, secret_len, hex);
    cr_expect(memmem(file, len, secret, secret_len) == NULL, "%s lies in the file", what);
    cr_expect(memmem(file, len, hex, 2 * secret_len) == NULL, "%s lies in the file as text", what);
}

Test(vos_verifiers, its_file_has_no_byte_of_a_set_or_its_password)
{
    enum { CAP = 1 << 23 };
    struct server s;
    char path[200];
    uint8_t password[8], w0[P256_SCALAR], l[P256_POINT], w0_again[P256_SCALAR], w1[P256_SCALAR];
    size_t len, file_len;
    uint8_t *file = malloc(CAP);
    test_path(path, sizeof path, "vos.db");
    server_start(&s, true, path, NULL);
    server_call(&s, "push-verifiers");
    bench_finish_works(&s.b);
    Spaak__V1__Spake2VerifierSet *m = server_pushed(&s);
    struct spake2p_scrypt scrypt = {.n = m->scrypt_n, .r = (uint16_t)m->scrypt_r, .p = (uint16_t)m->scrypt_p};
    memcpy(scrypt.salt, m->salt.data, SPAKE2P_SALT);
    server_report(&s, span_of(m->set_id.data, 16), INSTALLED);
    ASSERT_OK(bench_secret(&s.b, VOS_VERIFIER_SECRETS SERIAL "/password", password, sizeof password, &len));
    ASSERT_OK(bench_secret(&s.b, VOS_VERIFIER_SECRETS SERIAL "/w0", w0, sizeof w0, &len));
    ASSERT_OK(bench_secret(&s.b, VOS_VERIFIER_SECRETS SERIAL "/l", l, sizeof l, &len));
    ASSERT_OK(spake2p_derive(test_crypto(), span_of(password, 8), &scrypt, w0_again, w1));
    cr_assert(memcmp(w0, w0_again, sizeof w0) == 0);
    ASSERT_OK(store_sync(s.b.node.store));
    file_len = read_store(path, file, CAP);
    cr_assert(memmem(file, file_len, m->set_id.data, 16) != NULL,
              "what is no secret is found: it is the file");
    expect_nowhere(file, file_len, password, sizeof password, "the password");
    expect_nowhere(file, file_len, w0, sizeof w0, "w0");
    expect_nowhere(file, file_len, l, sizeof l, "L");
    expect_nowhere(file, file_len, l + 1, 32, "L's x coordinate");
    expect_nowhere(file, file_len, w1, sizeof w1, "w1");
    spaak__v1__spake2_verifier_set__free_unpacked(m, NULL);
    server_stop(&s);
    for (size_t i = 0; i < 3; i++) {
        char name[220];
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
    free(file);
}

/* What a run in processes leaves: the vehicle's store, where the set lies open, says what to look for. */
Test(vos_verifiers, what_a_run_leaves_of_the_vos_has_no_byte_of_the_set)
{
    enum { CAP = 1 << 23 };
    struct launch l;
    char directory[64], path[200];
    const char *reason;
    uint8_t w0[P256_SCALAR], point[P256_POINT], *file = malloc(CAP);
    size_t len;
    launch_directory(directory);
    launch_start_program(&l, "bin/spaaksim", "run pp02 --out %s/run", directory);
    cr_assert(eq(int, launch_finish(&l), 0), "%s", l.text);
    snprintf(path, sizeof path, "%s/run/stores/spaak.db", directory);
    struct store *vehicle = sqlite_store_open(path, SQLITE_STORE_READ, &reason);
    cr_assert(vehicle != NULL, "%s", reason);
    ASSERT_OK(store_get(vehicle, SPAAK_VERIFIERS_W0, w0, sizeof w0, &len));
    ASSERT_OK(store_get(vehicle, SPAAK_VERIFIERS_L, point, sizeof point, &len));
    store_close(vehicle);
    snprintf(path, sizeof path, "%s/run/stores/vos.db", directory);
    size_t file_len = read_store(path, file, CAP);
    cr_assert(memmem(file, file_len, "verifier-secrets/", 17) != NULL, "it is the file");
    expect_nowhere(file, file_len, w0, sizeof w0, "w0");
    expect_nowhere(file, file_len, point, sizeof point, "L");
    launch_remove(directory);
    free(file);
}

/* ---- the work ---- */

Test(vos_verifiers, a_set_says_with_which_n_it_was_derived)
{
    static const struct {
        uint64_t n;
        enum err reason;
    } rows[] = {{4096, ERR_OK},
                {32768, ERR_OK},
                {65536, ERR_OK},
                {12288, ERR_SETTING_RANGE},
                {2048, ERR_SETTING_RANGE},
                {131072, ERR_SETTING_RANGE}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint64_t settings[ENV_SETTINGS] = {5000, 30000, rows[i].n, 0, 900, 1500, 10000};
        struct server s;
        if (rows[i].reason) {
            bench_prepare(&s.b, &vos_class, test_crypto());
            test_equip(&vos_class, "", s.b.node.store);
            cr_expect(eq(int, bench_start(&s.b, &(struct component_args){.serial = "", .settings = settings}),
                         rows[i].reason));
            bench_free(&s.b);
            continue;
        }
        server_start(&s, true, NULL, settings);
        server_call(&s, "push-verifiers");
        bench_finish_works(&s.b);
        Spaak__V1__Spake2VerifierSet *m = server_pushed(&s);
        cr_expect(eq(u64, m->scrypt_n, rows[i].n));
        uint8_t w0[P256_SCALAR], w1[P256_SCALAR], stored[P256_SCALAR], password[8];
        size_t len;
        struct spake2p_scrypt scrypt = {.n = (uint32_t)rows[i].n, .r = SPAKE2P_R, .p = SPAKE2P_P};
        memcpy(scrypt.salt, m->salt.data, SPAKE2P_SALT);
        ASSERT_OK(
            bench_secret(&s.b, VOS_VERIFIER_SECRETS SERIAL "/password", password, sizeof password, &len));
        ASSERT_OK(bench_secret(&s.b, VOS_VERIFIER_SECRETS SERIAL "/w0", stored, sizeof stored, &len));
        ASSERT_OK(spake2p_derive(test_crypto(), span_of(password, 8), &scrypt, w0, w1));
        cr_expect(memcmp(w0, stored, sizeof w0) == 0);
        spaak__v1__spake2_verifier_set__free_unpacked(m, NULL);
        server_stop(&s);
    }
}

Test(vos_verifiers, while_one_is_derived_a_second_call_begins_no_other)
{
    struct server s;
    server_start(&s, true, NULL, NULL);
    server_call(&s, "push-verifiers");
    server_call(&s, "push-verifiers");
    server_call(&s, "replace-verifiers");
    cr_expect(eq(sz, s.b.work_count, 1));
    bench_finish_works(&s.b);
    cr_expect(eq(sz, s.b.sent_count, 1));
    server_stop(&s);
}

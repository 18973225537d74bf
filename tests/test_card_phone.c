/* The phone of tests/card_phone.c in a process of its own, met by a reader that knows no more than the frames
 * of the NFC link and the files that the phone puts out. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/ccc/vehicle/vehicle_finish.h"
#include "lib/ccc/vehicle/vehicle_pairing.h"
#include "lib/media/nfc/nfc.h"
#include "tests/check.h"
#include "tests/launch.h"
#include "tests/support.h"

#define NOW_S 1767225600ll

struct file {
    uint8_t bytes[X509_MAX];
    size_t len;
};

/* A vehicle made of the files, and the reader in front of it. */
struct vehicle {
    char directory[64];
    struct launch phone;
    int listener, fd, code;
    struct crypto *crypto;
    struct file key_file, certificate, intermediate, root_file, kts, password;
    struct p256_key *key;
    struct x509 root;
    struct spake2p_verifier_set verifier;
    struct vehicle_pairing_config pairing_config;
    struct vehicle_pairing pairing;
    struct vehicle_finish_config finish_config;
    struct vehicle_finish finish;
    struct vehicle_transaction unlock;
    struct vehicle_key record;
};

/* ---- the link ---- */

static void say(struct vehicle *v, enum nfc_frame kind, struct span body)
{
    uint8_t frame[NFC_HEADER + APDU_COMMAND_MAX];
    struct wr w = wr_of(frame, sizeof frame);
    wr_u8(&w, (uint8_t)kind);
    wr_be16(&w, (uint16_t)body.len);
    wr_copy(&w, body.p, body.len);
    cr_assert(not(w.failed));
    cr_assert(send(v->fd, frame, w.len, MSG_NOSIGNAL) == (ssize_t)w.len);
}

static void hear(struct vehicle *v, uint8_t *out, size_t len)
{
    struct pollfd p = {.fd = v->fd, .events = POLLIN};
    for (size_t have = 0; have < len;) {
        cr_assert(poll(&p, 1, LAUNCH_LIMIT_MS) == 1, "the phone is silent");
        ssize_t n = read(v->fd, out + have, len - have);
        cr_assert(n > 0, "the phone has gone");
        have += (size_t)n;
    }
}

static struct span exchange(struct vehicle *v, struct span command)
{
    static uint8_t answer[APDU_RESPONSE_MAX];
    uint8_t header[NFC_HEADER];
    say(v, NFC_APDU, command);
    hear(v, header, sizeof header);
    size_t len = (size_t)(header[1] << 8 | header[2]);
    cr_assert(header[0] == NFC_APDU && len <= sizeof answer);
    hear(v, answer, len);
    return span_of(answer, len);
}

static void reset_field(struct vehicle *v)
{
    say(v, NFC_FIELD_OFF, (struct span){0});
    say(v, NFC_FIELD_ON, (struct span){0});
}

/* ---- the vehicle ---- */

static void read_file(const struct vehicle *v, const char *name, struct file *out)
{
    char path[128];
    snprintf(path, sizeof path, "%s/files/%s", v->directory, name);
    FILE *f = fopen(path, "rb");
    cr_assert(f != NULL, "%s", path);
    out->len = fread(out->bytes, 1, sizeof out->bytes, f);
    fclose(f);
    cr_assert(lt(sz, 0, out->len));
}

static void make_verifier(struct vehicle *v)
{
    struct spake2p_scrypt s = {.n = SPAKE2P_N_MIN, .r = SPAKE2P_R, .p = SPAKE2P_P, .salt = "a salt of ours"};
    uint8_t w0[P256_SCALAR], w1[P256_SCALAR];
    ASSERT_OK(spake2p_derive(v->crypto, span_of(v->password.bytes, v->password.len), &s, w0, w1));
    ASSERT_OK(spake2p_register(v->crypto, w0, w1, &v->verifier));
    v->pairing_config.scrypt = s;
}

static void configure(struct vehicle *v)
{
    const struct op_versions one = {{0x0100}, 1};
    struct vehicle_pairing_config *p = &v->pairing_config;
    struct vehicle_transaction_config *t = &v->finish_config.transaction;
    struct x509 k;
    make_verifier(v);
    ASSERT_OK(p256_from_private(v->crypto, v->key_file.bytes, &v->key));
    ASSERT_OK(x509_parse(span_of(v->root_file.bytes, v->root_file.len), &v->root));
    ASSERT_OK(x509_parse(span_of(v->certificate.bytes, v->certificate.len), &k));
    *p = (struct vehicle_pairing_config){
        .crypto = v->crypto,
        .verifier = &v->verifier,
        .scrypt = p->scrypt,
        .versions = one,
        .applet_versions = one,
        .brand = 1,
        .roots = &v->root,
        .n_roots = 1,
        .now_s = NOW_S,
        .rules = &channel_framework,
        .attest_with = v->key,
        .key_data = {.creation = {.options_1 = ENDPOINT_OWNER_OPTIONS_1,
                                  .options_2 = ENDPOINT_OWNER_OPTIONS_2,
                                  .private_size = MAILBOX_DEFAULT_PRIVATE,
                                  .confidential_size = MAILBOX_DEFAULT_CONFIDENTIAL,
                                  .slot = {.b = {1, 2, 3, 4, 5, 6, 7, 0}, .len = 8}},
                     .vehicle_certificate = span_of(v->certificate.bytes, v->certificate.len),
                     .intermediate = span_of(v->intermediate.bytes, v->intermediate.len),
                     .map = mailbox_map_default,
                     .config = {.nfc = true}}};
    ASSERT_OK(dk_cert_vehicle_id(k.subject, p->key_data.creation.vehicle_id));
    memcpy(p->key_data.creation.vehicle_pk, k.public_key, P256_POINT);
    memcpy(p->key_data.creation.authorized_pk, v->root.public_key, P256_POINT);
    *t = (struct vehicle_transaction_config){.crypto = v->crypto,
                                             .vehicle_key = v->key,
                                             .versions = one,
                                             .keys = &v->record,
                                             .n_keys = 1,
                                             .now_s = NOW_S,
                                             .interface = TRANSACTION_CONTACTLESS};
    memcpy(t->vehicle_id, p->key_data.creation.vehicle_id, sizeof t->vehicle_id);
    memcpy(t->vehicle_pk, k.public_key, P256_POINT);
    v->finish_config.kts_pk = v->kts.bytes;
    v->finish_config.offer.entries = 0xFF;
    static const uint8_t tokens[MAILBOX_SLOTS * 16] = {0x70};
    v->finish_config.offer.tokens = tokens;
    for (uint8_t i = 0; i < MAILBOX_SLOTS; i++)
        v->finish_config.offer.slots[i] = (struct slot_id){.b = {1, 2, 3, 4, 5, 6, 7, i}, .len = 8};
}

static struct vehicle *vehicle_new(void)
{
    struct vehicle *v = calloc(1, sizeof *v);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct pollfd p = {.events = POLLIN};
    launch_directory(v->directory);
    snprintf(a.sun_path, sizeof a.sun_path, "%s/reader", v->directory);
    v->listener = p.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(v->listener, (struct sockaddr *)&a, sizeof a) == 0 && listen(v->listener, 1) == 0);
    launch_start_program(&v->phone, "tests/card_phone", "%s/reader --seed 7 --files %s/files", v->directory,
                         v->directory);
    cr_assert(poll(&p, 1, LAUNCH_LIMIT_MS) == 1, "no phone comes");
    v->fd = accept(v->listener, NULL, NULL);
    v->crypto = test_crypto();
    read_file(v, "vehicle-key.bin", &v->key_file);
    read_file(v, "vehicle.der", &v->certificate);
    read_file(v, "intermediate.der", &v->intermediate);
    read_file(v, "root.der", &v->root_file);
    read_file(v, "kts-public.bin", &v->kts);
    read_file(v, "password.txt", &v->password);
    configure(v);
    say(v, NFC_FIELD_ON, (struct span){0});
    return v;
}

/* The phone goes away when its reader does. */
static void vehicle_free(struct vehicle *v)
{
    close(v->fd);
    close(v->listener);
    cr_expect(eq(int, launch_finish(&v->phone), v->code), "%s", v->phone.text);
    vehicle_key_close(&v->record);
    p256_free(v->key);
    launch_remove(v->directory);
    free(v);
}

static struct vehicle_step pair(struct vehicle *v)
{
    struct vehicle_step s = vehicle_pairing_begin(&v->pairing, &v->pairing_config);
    while (!vehicle_step_over(&s)) {
        if (s.what == VEHICLE_SEND) {
            s = vehicle_pairing_input(&v->pairing, exchange(v, s.apdu));
            continue;
        }
        if (s.what == VEHICLE_STORE_KEY) {
            v->record = *s.key;
            ASSERT_OK(vehicle_key_open(v->crypto, &v->record));
        }
        if (s.what == VEHICLE_RESET_LINK)
            reset_field(v);
        s = s.what == VEHICLE_STORE_ATTEMPT ? vehicle_pairing_counted(&v->pairing, 1)
                                            : vehicle_pairing_proceed(&v->pairing);
    }
    reset_field(v);
    return s;
}

static struct vehicle_step finish(struct vehicle *v, enum vehicle_phase phase)
{
    struct vehicle_step s = vehicle_finish_begin(&v->finish, &v->finish_config, phase);
    while (!vehicle_step_over(&s))
        s = s.what == VEHICLE_SEND ? vehicle_finish_input(&v->finish, exchange(v, s.apdu))
                                   : vehicle_finish_proceed(&v->finish);
    reset_field(v);
    return s;
}

static struct vehicle_step unlock(struct vehicle *v, uint8_t p1)
{
    struct vehicle_step s =
        vehicle_transaction_begin(&v->unlock, &v->finish_config.transaction, p1, TRANSACTION_UNLOCK);
    while (!vehicle_step_over(&s)) {
        if (s.what == VEHICLE_SEND)
            s = vehicle_transaction_input(&v->unlock, exchange(v, s.apdu));
        else
            s = s.what == VEHICLE_OPEN ? vehicle_transaction_end(&v->unlock, 0x01, 0x00)
                                       : vehicle_transaction_proceed(&v->unlock);
    }
    reset_field(v);
    return s;
}

/* ---- */

TestSuite(card_phone, .timeout = 120);

/* It says so, and leaves nothing behind. */
Test(card_phone, nobody_listens)
{
    char directory[64], out[512];
    launch_directory(directory);
    int code = launch_run(out, sizeof out, "'%s/tests/card_phone' %s/reader --files %s/files 2>&1",
                          launch_build(), directory, directory);
    cr_expect(eq(int, code, 3));
    cr_expect(strstr(out, "nobody listens at") != NULL, "%s", out);
    cr_expect(eq(int, launch_run(out, sizeof out, "ls %s/files 2>&1", directory), 2), "%s", out);
    launch_remove(directory);
}

Test(card_phone, pairs_and_unlocks_in_a_process_of_its_own)
{
    struct vehicle *v = vehicle_new();
    cr_assert(eq(int, pair(v).reason, ERR_OK));
    cr_assert(eq(int, finish(v, VEHICLE_PHASE_3).reason, ERR_OK));
    cr_expect(eq(int, v->record.state, VEHICLE_KEY_ACTIVE));
    cr_assert(eq(int, finish(v, VEHICLE_PHASE_4).reason, ERR_OK));
    cr_expect(v->record.tracked, "the phone was with its servers between two contacts");
    cr_expect(eq(int, unlock(v, 0).reason, ERR_OK));
    cr_expect(not(v->unlock.fast));
    cr_expect(eq(int, unlock(v, TRANSACTION_FAST).reason, ERR_OK));
    cr_expect(v->unlock.fast);
    vehicle_free(v);
}

Test(card_phone, a_wrong_password_is_counted_in_the_other_process)
{
    struct vehicle *v = vehicle_new();
    v->password.bytes[0] ^= 1;
    make_verifier(v);
    for (int i = 0; i < 7; i++)
        cr_expect(eq(int, pair(v).reason, ERR_DK_EVIDENCE), "attempt %d", i);
    struct span select = exchange(v, span_of("\x00\xA4\x04\x00\x0D\xA0\x00\x00\x08\x09"
                                             "CCCDKFv1\x00",
                                             19));
    HEX(not_ready, "5A0201005C020100D401009000");
    cr_expect(span_equal(select, span_of(not_ready, not_ready_len)), "the password is forgotten");
    vehicle_free(v);
}

/* What is no frame ends the connection, and the phone with it. */
Test(card_phone, what_is_no_frame_ends_it)
{
    static const struct {
        const char *name, *bytes;
        size_t len;
    } rows[] = {{"an unknown kind", "\x05\x00\x00", 3},
                {"a field with a body", "\x01\x00\x01\x00", 4},
                {"longer than any", "\x00\xFF\xFF", 3}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vehicle *v = vehicle_new();
        uint8_t byte;
        cr_assert(send(v->fd, rows[i].bytes, rows[i].len, MSG_NOSIGNAL) == (ssize_t)rows[i].len);
        struct pollfd p = {.fd = v->fd, .events = POLLIN};
        cr_assert(poll(&p, 1, LAUNCH_LIMIT_MS) == 1);
        cr_expect(le(long, read(v->fd, &byte, 1), 0), "%s", rows[i].name);
        v->code = 1;
        vehicle_free(v);
    }
}

/* Key tracking at the device OEM's server: whose key it passes on, what it keeps, what the phone hears. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "backend/dos/dos.h"
#include "lib/http/http_problem.h"
#include "lib/json/json.h"
#include "lib/token/base64url.h"
#include "tests/check.h"
#include "tests/tracking_rig.h"

enum { DEVICE, TRACKING };

#define TEXT(len) (BASE64URL_LEN(len) + 1)

static struct bench b;
static struct rig *rig;
static char hex[TRACKING_KEY_TEXT];
static uint8_t sealed[50] = {'r', 'e', 'c', 'e', 'i', 'p', 't'};

static void start(void)
{
    rig = tracking_rig_new();
    hex_encode(rig->applet.keys[0].key_id, TRACKING_KEY_ID, hex);
    bench_prepare(&b, &dos_class, test_crypto());
    test_equip(&dos_class, "", b.node.store);
    ASSERT_OK(store_set(b.node.store, DOS_CERTIFICATE, span_of(rig->d.der, rig->d.len)));
    ASSERT_OK(store_set(b.node.store, DOS_CROSS "SPAAKSIM", span_of(rig->f.der, rig->f.len)));
    ASSERT_OK(store_set(b.node.store, DOS_ISSUED "phone/SPAAKSIM", span_of(rig->e.der, rig->e.len)));
    ASSERT_OK(bench_start(&b, &(struct component_args){.serial = ""}));
}

static void stop(void)
{
    bench_free(&b);
    rig_free(rig);
}

TestSuite(dos_tracking, .init = start, .fini = stop);

/* ---- the phone ---- */

struct body {
    const char *vehicle_oem;
    struct tracking_ask ask;
};

static struct body good(void)
{
    return (struct body){"SPAAKSIM", tracking_rig_ask(rig, false)};
}

static void put(struct span in, char *out, size_t cap)
{
    struct wr w = wr_of(out, cap - 1);
    base64url_encode(in, &w);
    out[w.len] = '\0';
}

static const char *json_of(const struct body *q)
{
    static char json[JSON_TEXT_MAX];
    char id[TEXT(TRACKING_VEHICLE_ID)], h[TEXT(X509_MAX)], said[TEXT(TRACKING_ATTESTATION_MAX)];
    char enc[TEXT(P256_POINT)];
    put(span_of(q->ask.vehicle_id, TRACKING_VEHICLE_ID), id, sizeof id);
    put(q->ask.endpoint, h, sizeof h);
    put(q->ask.attestation, said, sizeof said);
    put(span_of(q->ask.encryption_pk, P256_POINT), enc, sizeof enc);
    snprintf(json, sizeof json,
             "{\"vehicle_oem\":\"%s\",\"vehicle_identifier\":\"%s\",\"endpoint_certificate\":\"%s\","
             "\"attestation\":\"%s\",\"encryption_public_key\":\"%s\"}",
             q->vehicle_oem, id, h, said, enc);
    return json;
}

static void say(const char *address, const char *key, const char *type, const char *json)
{
    uint8_t out[6000];
    char path[120];
    struct wr w = wr_of(out, sizeof out);
    struct http_request q = {.method = HTTP_POST, .body = span_of(json, strlen(json))};
    snprintf(path, sizeof path, "/v1/keys/%s/tracking", key);
    q.words[HTTP_WORD_PATH] = span_of(path, strlen(path));
    q.words[HTTP_WORD_TYPE] = span_of(type, strlen(type));
    ASSERT_OK(http_request_write(&q, &w));
    b.sent_count = 0;
    node_on_bytes(&b.node, DEVICE, address, span_of(out, w.len));
}

static void ask(const struct body *q)
{
    say("phone/1", hex, "application/json", json_of(q));
}

/* What it was answered; 0: nothing yet. */
static unsigned heard(const char *address, enum err *reason)
{
    struct http_response r;
    *reason = ERR_OK;
    for (size_t i = b.sent_count; i-- > 0;)
        if (b.sent[i].port == DEVICE && strcmp(b.sent[i].address, address) == 0) {
            ASSERT_OK(http_response_read(span_of(b.sent[i].bytes, b.sent[i].len), &r));
            if (r.status != 200)
                ASSERT_OK(http_problem_reason(&r, reason));
            return r.status;
        }
    return 0;
}

static void expect_receipt(const char *address)
{
    char key[TEXT(P256_POINT)], text[TEXT(TRACKING_SEALED_MAX)];
    uint8_t bytes[TRACKING_SEALED_MAX], point[P256_POINT], want[P256_POINT];
    const struct json_field fields[] = {{"ephemeral_public_key", 1, key, sizeof key},
                                        {"receipt", 1, text, sizeof text}};
    struct http_response r;
    const struct bench_sent *s = &b.sent[b.sent_count - 1];
    cr_assert(b.sent_count && s->port == DEVICE && strcmp(s->address, address) == 0);
    ASSERT_OK(http_response_read(span_of(s->bytes, s->len), &r));
    cr_assert(eq(uint, r.status, 200));
    ASSERT_OK(json_read(r.body, fields, 2, JSON_REFUSE_OTHERS));
    p256_public(rig->kts.key, want);
    cr_expect(base64url_decode(span_of(key, strlen(key)), point, sizeof point) == P256_POINT &&
              memcmp(point, want, sizeof point) == 0);
    cr_expect(base64url_decode(span_of(text, strlen(text)), bytes, sizeof bytes) == sizeof sealed &&
              memcmp(bytes, sealed, sizeof sealed) == 0);
}

/* ---- the VOS ---- */

static bool asked(struct tracking_memory *m, struct tracking_ask *out)
{
    return tracking_rig_asked(&b, TRACKING, m, out);
}

static void vos_says(uint64_t number, enum err error)
{
    uint8_t out[300];
    struct wr w = wr_of(out, sizeof out);
    struct tracking_answer a = {.number = number, .error = error, .sealed = span_of(sealed, sizeof sealed)};
    p256_public(rig->kts.key, a.ephemeral);
    ASSERT_OK(tracking_answer_write(&a, &w));
    b.sent_count = 0;
    node_on_bytes(&b.node, TRACKING, "", span_of(out, w.len));
}

static uint64_t pass_on(void)
{
    struct tracking_memory m;
    struct tracking_ask a = {.number = 0};
    struct body q = good();
    ask(&q);
    cr_assert(asked(&m, &a));
    return a.number;
}

static bool is_stored(void)
{
    char key[ENV_KEY_MAX];
    uint8_t stored[TRACKING_RECORD_MAX];
    size_t len;
    snprintf(key, sizeof key, DOS_TRACKED "phone/%s", hex);
    return store_get(b.node.store, key, stored, sizeof stored, &len) == ERR_OK;
}

/* ---- tests ---- */

Test(dos_tracking, it_adds_the_certificates_that_it_has_issued)
{
    struct tracking_memory m;
    struct tracking_ask a;
    enum err reason;
    struct body q = good();
    ask(&q);
    cr_expect(eq(uint, heard("phone/1", &reason), 0));
    cr_assert(asked(&m, &a));
    cr_expect(span_equal(a.device_oem, span_of(rig->f.der, rig->f.len)));
    cr_expect(span_equal(a.instance_ca, span_of(rig->e.der, rig->e.len)));
    cr_expect(span_equal(a.endpoint, q.ask.endpoint) && span_equal(a.attestation, q.ask.attestation));
    cr_expect(memcmp(a.encryption_pk, q.ask.encryption_pk, P256_POINT) == 0 &&
              memcmp(a.key_id, q.ask.key_id, TRACKING_KEY_ID) == 0 &&
              memcmp(a.vehicle_id, q.ask.vehicle_id, TRACKING_VEHICLE_ID) == 0);
    cr_expect(eq(sz, a.vehicle.len, 0));
    vos_says(a.number, ERR_OK);
    expect_receipt("phone/1");
    cr_expect(is_stored());
}

Test(dos_tracking, the_same_key_gets_the_same_without_the_vos)
{
    struct tracking_memory m;
    struct tracking_ask a;
    vos_says(pass_on(), ERR_OK);
    for (int life = 0; life < 2; life++) {
        struct body q = good();
        ask(&q);
        expect_receipt("phone/1");
        cr_expect(not(asked(&m, &a)));
        node_stop(&b.node);
        ASSERT_OK(bench_start(&b, &(struct component_args){.serial = ""}));
    }
}

Test(dos_tracking, what_it_refuses)
{
    enum what { KEY, UPPER, OEM, TYPE, H, SIGNATURE, POINT, SHORT_ID, NO_JSON, OTHER_PHONE };
    static const struct {
        enum what what;
        unsigned status;
        enum err reason;
    } rows[] = {{KEY, 403, ERR_DK_KEY_MISMATCH},   {UPPER, 404, ERR_NOT_FOUND},
                {OEM, 404, ERR_NOT_FOUND},         {TYPE, 415, ERR_HTTP_TYPE},
                {H, 403, ERR_CERT_PROFILE},        {SIGNATURE, 403, ERR_CERT_SIGNATURE},
                {POINT, 400, ERR_KEY_INVALID},     {SHORT_ID, 400, ERR_MSG_MALFORMED},
                {NO_JSON, 400, ERR_MSG_MALFORMED}, {OTHER_PHONE, 404, ERR_NOT_FOUND}};
    struct tracking_memory m;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct body q = good();
        struct tracking_ask a;
        char key[TRACKING_KEY_TEXT];
        uint8_t h[X509_MAX];
        enum err reason;
        const enum what w = rows[i].what;
        const char *to = w == OTHER_PHONE ? "other/1" : "phone/1";
        memcpy(key, hex, sizeof key);
        memcpy(h, q.ask.endpoint.p, q.ask.endpoint.len);
        if (w == KEY || w == UPPER)
            key[0] = w == UPPER ? 'A' : key[0] == '0' ? '1' : '0';
        h[q.ask.endpoint.len - 1] ^= w == SIGNATURE;
        q.ask.endpoint.p = h;
        if (w == OEM)
            q.vehicle_oem = "OTHERS";
        if (w == H)
            q.ask.endpoint = span_of(rig->e.der, rig->e.len);
        q.ask.encryption_pk[64] ^= w == POINT;
        char *json = (char *)json_of(&q);
        if (w == SHORT_ID)
            memcpy(strstr(json, "vehicle_identifier\":\"") + 21, "A\"", 2);
        if (w == NO_JSON)
            json[1] = ' ';
        say(to, key, w == TYPE ? "text/plain; charset=utf-8" : "application/json", json);
        cr_expect(eq(uint, heard(to, &reason), rows[i].status), "row %zu", i);
        cr_expect(eq(str, (char *)err_name(reason), (char *)err_name(rows[i].reason)), "row %zu", i);
        cr_expect(not(asked(&m, &a)), "row %zu", i);
    }
}

Test(dos_tracking, what_the_vos_cannot_do_the_phone_hears)
{
    static const struct {
        enum err said;
        unsigned status;
    } rows[] = {{ERR_KTS_UNREACHABLE, 503}, {ERR_RECEIPT_PENDING, 503},   {ERR_MSG_NO_ANSWER, 504},
                {ERR_KEY_REGISTERED, 409},  {ERR_SIGNATURE_INVALID, 403}, {ERR_ECU_UNKNOWN, 404},
                {ERR_KEY_ENDED, 410}};
    enum err reason;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vos_says(pass_on(), rows[i].said);
        cr_expect(eq(uint, heard("phone/1", &reason), rows[i].status), "row %zu", i);
        cr_expect(eq(str, (char *)err_name(reason), (char *)err_name(rows[i].said)), "row %zu", i);
        cr_expect(not(is_stored()));
    }
}

Test(dos_tracking, without_the_vos_the_phone_hears_so)
{
    enum err reason;
    uint64_t late = pass_on();
    b.sent_count = 0;
    bench_run_ms(&b, 1999);
    cr_expect(eq(uint, heard("phone/1", &reason), 0));
    bench_run_ms(&b, 1);
    cr_expect(eq(uint, heard("phone/1", &reason), 504));
    EXPECT_ERR(reason, ERR_MSG_NO_ANSWER);
    vos_says(late, ERR_OK);
    cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_MSG_REPLAYED), 1));
    cr_expect(not(is_stored()));
    pass_on();
    b.sent_count = 0;
    node_on_link(&b.node, TRACKING, LINK_DOWN);
    cr_expect(eq(uint, heard("phone/1", &reason), 503));
    EXPECT_ERR(reason, ERR_VOS_UNREACHABLE);
    struct body q = good();
    ask(&q);
    cr_expect(eq(uint, heard("phone/1", &reason), 503));
    EXPECT_ERR(reason, ERR_VOS_UNREACHABLE);
}

Test(dos_tracking, a_receipt_is_kept_for_a_phone_that_has_gone)
{
    uint64_t number = pass_on();
    node_on_news(&b.node, DEVICE, "phone/1", "gone");
    vos_says(number, ERR_OK);
    cr_expect(eq(sz, b.sent_count, 0));
    cr_expect(is_stored());
    struct body q = good();
    ask(&q);
    expect_receipt("phone/1");
}

/* The device OEM's server on a bench: whose instance CA it certifies, and what it refuses. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "backend/dos/dos.h"
#include "lib/http/http_problem.h"
#include "lib/json/json.h"
#include "lib/pki/x509.h"
#include "lib/token/base64url.h"
#include "tests/check.h"
#include "tests/support.h"

enum { DEVICE };

#define PATH "/v1/instance-cas"
#define NAME "I.phonemaker.SPAAKSIM"

static struct bench b;
static uint8_t key[2][P256_POINT];
static char key_text[2][BASE64URL_LEN(P256_POINT) + 1];

static void make_keys(void)
{
    for (size_t i = 0; i < 2; i++) {
        struct p256_key *k = NULL;
        struct wr w = wr_of(key_text[i], sizeof key_text[i] - 1);
        ASSERT_OK(p256_generate(test_crypto(), &k));
        p256_public(k, key[i]);
        base64url_encode(span_of(key[i], P256_POINT), &w);
        p256_free(k);
    }
}

static void start(void)
{
    make_keys();
    bench_prepare(&b, &dos_class, test_crypto());
    test_equip(&dos_class, "", b.node.store);
    ASSERT_OK(bench_start(&b, &(struct component_args){.serial = ""}));
}

static void restart(void)
{
    node_stop(&b.node);
    ASSERT_OK(bench_start(&b, &(struct component_args){.serial = ""}));
}

static void stop(void)
{
    bench_free(&b);
}

TestSuite(dos, .init = start, .fini = stop);

static struct span text_span(const char *text)
{
    return span_of(text, strlen(text));
}

/* What it answers; it stays on the bench. */
static struct http_response ask(const char *address, enum http_method method, const char *path,
                                const char *type, const char *body)
{
    uint8_t out[4096];
    struct wr w = wr_of(out, sizeof out);
    struct http_request q = {.method = method, .body = text_span(body)};
    struct http_response r;
    q.words[HTTP_WORD_PATH] = text_span(path);
    q.words[HTTP_WORD_TYPE] = text_span(type);
    ASSERT_OK(http_request_write(&q, &w));
    b.sent_count = 0;
    node_on_bytes(&b.node, DEVICE, address, span_of(out, w.len));
    cr_assert(eq(sz, b.sent_count, 1));
    cr_expect(eq(str, b.sent[0].address, (char *)address));
    ASSERT_OK(http_response_read(span_of(b.sent[0].bytes, b.sent[0].len), &r));
    return r;
}

static const char *body_of(const char *vehicle_oem, const char *name, const char *public_key)
{
    static char body[600];
    snprintf(body, sizeof body, "{\"vehicle_oem\":\"%s\",\"identifier\":\"%s\",\"public_key\":\"%s\"}",
             vehicle_oem, name, public_key);
    return body;
}

/* A good one. */
static struct http_response ask_for(const char *address, size_t which)
{
    return ask(address, HTTP_POST, PATH, "application/json", body_of("SPAAKSIM", NAME, key_text[which]));
}

struct given {
    uint8_t f[X509_MAX], e[X509_MAX];
    long f_len, e_len;
};

static struct given read_given(const struct http_response *r)
{
    char f[1100], e[1100];
    struct given g;
    const struct json_field fields[] = {{"device_oem_certificate", 1, f, sizeof f},
                                        {"instance_ca_certificate", 1, e, sizeof e}};
    ASSERT_OK(json_read(r->body, fields, 2, JSON_REFUSE_OTHERS));
    g.f_len = base64url_decode(text_span(f), g.f, sizeof g.f);
    g.e_len = base64url_decode(text_span(e), g.e, sizeof g.e);
    cr_assert(g.f_len > 0 && g.e_len > 0);
    return g;
}

/* J of the vehicle OEM stands behind it. */
static void expect_chain(const struct given *g, size_t which)
{
    const struct oem_identity *root = &test_oem(TEST_NOW_S)->roles[OEM_J];
    struct x509 j, f, e;
    const struct x509 *const issuers[] = {&f, &j};
    ASSERT_OK(x509_parse(span_of(root->der, root->len), &j));
    ASSERT_OK(x509_parse(span_of(g->f, (size_t)g->f_len), &f));
    ASSERT_OK(x509_parse(span_of(g->e, (size_t)g->e_len), &e));
    EXPECT_OK(x509_check_profile(test_crypto(), &f, X509_DEVICE_CROSS), "[F]");
    EXPECT_OK(x509_check_chain(test_crypto(), &e, X509_INSTANCE_CA, issuers, 2, TEST_NOW_S), "[E]");
    cr_expect(eq(str, e.subject, NAME));
    cr_expect(memcmp(e.public_key, key[which], P256_POINT) == 0);
    cr_expect(memcmp(f.public_key, e.public_key, P256_POINT) != 0);
}

static bool same_certificate(const struct given *x, const struct given *y)
{
    return span_equal(span_of(x->e, (size_t)x->e_len), span_of(y->e, (size_t)y->e_len));
}

Test(dos, it_certifies_an_instance_ca)
{
    struct http_response r = ask_for("phone/1", 0);
    uint8_t stored[X509_MAX];
    size_t len;
    cr_assert(eq(uint, r.status, 201));
    struct given g = read_given(&r);
    expect_chain(&g, 0);
    ASSERT_OK(store_get(b.node.store, "issued/phone/SPAAKSIM", stored, sizeof stored, &len));
    cr_expect(span_equal(span_of(stored, len), span_of(g.e, (size_t)g.e_len)));
    cr_expect(eq(str, (char *)bench_last(&b, TRACE_CLAIM)->peer, "phone"));
}

/* The same key the same, also in the next life; another key and another phone each its own. */
Test(dos, the_same_key_has_the_same_certificate)
{
    static const struct {
        const char *name, *address;
        size_t key;
        bool new_life, same; /* as the answer before */
        unsigned status;
    } rows[] = {
        {"the first", "phone/1", 0, false, false, 201},
        {"again", "phone/2", 0, false, true, 200},
        {"in the next life", "phone/1", 0, true, true, 200},
        {"another phone with that key", "other/1", 0, false, false, 201},
        {"the first phone after a reset", "phone/3", 1, false, false, 201},
        {"again", "phone/4", 1, false, true, 200},
        {"with the key that it had", "phone/5", 0, false, false, 201},
    };
    struct given before = {.e_len = 0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].new_life)
            restart();
        struct http_response r = ask_for(rows[i].address, rows[i].key);
        cr_assert(eq(uint, r.status, rows[i].status), "%s", rows[i].name);
        struct given g = read_given(&r);
        expect_chain(&g, rows[i].key);
        cr_expect(eq(int, same_certificate(&g, &before), rows[i].same), "%s", rows[i].name);
        before = g;
    }
}

/* One that has ended is made anew. */
Test(dos, an_old_certificate_is_made_anew)
{
    struct http_response r = ask_for("phone/1", 0);
    struct given first = read_given(&r);
    b.wall_ms += 11 * 365 * 86400000ll;
    r = ask_for("phone/2", 0);
    cr_assert(eq(uint, r.status, 201));
    struct given then = read_given(&r);
    cr_expect(not(same_certificate(&first, &then)));
}

Test(dos, what_it_refuses)
{
    char off_curve[BASE64URL_LEN(P256_POINT) + 1], long_name[80];
    snprintf(off_curve, sizeof off_curve, "%s", key_text[0]);
    off_curve[40] = off_curve[40] == 'A' ? 'B' : 'A';
    memset(long_name, 'x', sizeof long_name);
    long_name[70] = '\0';
    const struct {
        const char *name;
        enum http_method method;
        const char *path, *type, *vehicle_oem, *identifier, *public_key;
        unsigned status;
        enum err reason;
    } rows[] = {
        {"another path", HTTP_POST, "/v1/keyring", NULL, NULL, NULL, NULL, 404, ERR_NOT_FOUND},
        {"another method", HTTP_PUT, NULL, NULL, NULL, NULL, NULL, 405, ERR_HTTP_METHOD},
        {"another type", HTTP_POST, NULL, "text/plain", NULL, NULL, NULL, 415, ERR_HTTP_TYPE},
        {"no vehicle OEM of ours", HTTP_POST, NULL, NULL, "other", "I.phonemaker.other", NULL, 404,
         ERR_NOT_FOUND},
        {"a path for a vehicle OEM", HTTP_POST, NULL, NULL, "../device-oem/key",
         "I.phonemaker.../device-oem/key", NULL, 400, ERR_MSG_MALFORMED},
        {"no vehicle OEM", HTTP_POST, NULL, NULL, "", "I.phonemaker.", NULL, 400, ERR_MSG_MALFORMED},
        {"a long vehicle OEM", HTTP_POST, NULL, NULL, long_name, NULL, NULL, 413, ERR_MSG_TOO_LONG},
        {"another's identifier", HTTP_POST, NULL, NULL, NULL, "I.phonemaker.other", NULL, 400,
         ERR_CERT_SUBJECT_MISMATCH},
        {"another device OEM's", HTTP_POST, NULL, NULL, NULL, "I.fruit.SPAAKSIM", NULL, 400,
         ERR_CERT_SUBJECT_MISMATCH},
        {"a point beside the curve", HTTP_POST, NULL, NULL, NULL, NULL, off_curve, 400, ERR_KEY_INVALID},
        {"half a key", HTTP_POST, NULL, NULL, NULL, NULL, "BAAA", 400, ERR_MSG_MALFORMED},
        {"no base64url", HTTP_POST, NULL, NULL, NULL, NULL,
         "+++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++", 400,
         ERR_MSG_MALFORMED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *body = body_of(rows[i].vehicle_oem ? rows[i].vehicle_oem : "SPAAKSIM",
                                   rows[i].identifier ? rows[i].identifier : NAME,
                                   rows[i].public_key ? rows[i].public_key : key_text[0]);
        struct http_response r = ask("phone/1", rows[i].method, rows[i].path ? rows[i].path : PATH,
                                     rows[i].type ? rows[i].type : "application/json", body);
        enum err reason = ERR_OK;
        cr_expect(eq(uint, r.status, rows[i].status), "%s", rows[i].name);
        ASSERT_OK(http_problem_reason(&r, &reason));
        EXPECT_ERR(reason, rows[i].reason);
        cr_expect(eq(sz, bench_count(&b, TRACE_STORE, ERR_OK), 0), "%s: it has stored something",
                  rows[i].name);
    }
}

Test(dos, a_body_that_is_none)
{
    static const char *const bodies[] = {"", "{}", "[]", "{\"vehicle_oem\":\"SPAAKSIM\"}",
                                         "{\"vehicle_oem\":\"SPAAKSIM\",\"identifier\":\"" NAME
                                         "\",\"public_key\":7}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct http_response r = ask("phone/1", HTTP_POST, PATH, "application/json", bodies[i]);
        cr_expect(eq(uint, r.status, 400), "%s", bodies[i]);
    }
    b.sent_count = 0;
    node_on_bytes(&b.node, DEVICE, "phone/9", text_span("no request at all"));
    cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_MSG_MALFORMED), 6));
}

Test(dos, its_key_lies_sealed_and_stands_nowhere)
{
    uint8_t scalar[P256_SCALAR], raw[200];
    char hex[2 * P256_SCALAR + 1];
    size_t len;
    ask_for("phone/1", 0);
    ASSERT_OK(p256_private(test_oem(TEST_NOW_S)->roles[OEM_D].key, scalar));
    ASSERT_OK(store_get(b.node.store, DOS_KEY, raw, sizeof raw, &len));
    cr_expect(memmem(raw, len, scalar, sizeof scalar) == NULL);
    hex_encode(scalar, sizeof scalar, hex);
    cr_expect(memmem(b.sent[0].bytes, b.sent[0].len, scalar, sizeof scalar) == NULL);
    for (size_t i = 0; i < b.trace_count; i++)
        cr_expect(strstr(b.trace[i].detail, hex) == NULL);
}

/* The TBE alone on a bench: each path and status, what is no JSON and no token, and what the VOS is asked. */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/token/base64url.h"
#include "tests/tbe_bench.h"

TestSuite(tbe, .init = start, .fini = stop);

/* ---- paths and statuses ---- */

static const struct {
    const char *name;
    struct ask ask;
    unsigned status; /* 0: the VOS is asked */
    enum err reason;
} paths[] = {
    {"no such path", {APP, HTTP_POST, .path = "/v1/token", .body = ANNA}, 404, ERR_NOT_FOUND},
    {"a path and more", {APP, HTTP_POST, .path = "/v1/tokens/", .body = ANNA}, 404, ERR_NOT_FOUND},
    {"two ids", {APP, HTTP_POST, .path = "/v1/pairing-passwords/a/b/acknowledge", anna}, 404, ERR_NOT_FOUND},
    {"an operator's path of an app", {APP, HTTP_POST, .path = RENEW, olga, KEY}, 404, ERR_NOT_FOUND},
    {"an app's path of an operator",
     {OPERATOR, HTTP_POST, .path = ASK, anna, KEY, VEHICLE},
     404,
     ERR_NOT_FOUND},
    {"a GET", {APP, HTTP_GET, .path = ASK, anna}, 405, ERR_HTTP_METHOD},
    {"a POST to a status", {APP, HTTP_POST, .path = STATUS, anna}, 405, ERR_HTTP_METHOD},
    {"a status without a token", {APP, HTTP_GET, .path = STATUS}, 401, ERR_TOKEN_MISSING},
    {"a status of an operator", {OPERATOR, HTTP_GET, .path = STATUS, olga}, 404, ERR_NOT_FOUND},
    {"a status with an operator's token", {APP, HTTP_GET, .path = STATUS, olga}, 401, ERR_TOKEN_AUDIENCE},
    {"a status of a long vehicle",
     {APP, HTTP_GET, .path = "/v1/vehicles/SPAAK0000000100000000000000000000/status", anna},
     404,
     ERR_ECU_UNKNOWN},
    {"a status", {APP, HTTP_GET, .path = STATUS, anna}, 0, ERR_OK},
    {"a DELETE", {APP, HTTP_DELETE, .path = "/v1/tokens", anna}, 405, ERR_HTTP_METHOD},
    {"a form",
     {APP, HTTP_POST, .path = "/v1/tokens", .body = "user=anna", .type = "application/x-www-form-urlencoded"},
     415,
     ERR_HTTP_TYPE},
    {"a body without a type that counts",
     {APP, HTTP_POST, .path = ASK, anna, KEY, VEHICLE, "text/plain"},
     415,
     ERR_HTTP_TYPE},
    {"no token", {APP, HTTP_POST, .path = ASK, NULL, KEY, VEHICLE}, 401, ERR_TOKEN_MISSING},
    {"small letters", {APP, HTTP_GET, .path = STATUS, anna, .scheme = "bearer "}, 0, ERR_OK},
    {"capitals, two blanks", {APP, HTTP_GET, .path = STATUS, anna, .scheme = "BEARER  "}, 0, ERR_OK},
    {"another scheme", {APP, HTTP_GET, .path = STATUS, anna, .scheme = "Basic "}, 401, ERR_TOKEN_MISSING},
    {"a longer scheme", {APP, HTTP_GET, .path = STATUS, anna, .scheme = "BearerX "}, 401, ERR_TOKEN_MISSING},
    {"a scheme alone", {APP, HTTP_GET, .path = STATUS, "", .scheme = "Bearer"}, 401, ERR_TOKEN_MISSING},
    {"no token at the acknowledgement", {APP, HTTP_POST, .path = ACK}, 401, ERR_TOKEN_MISSING},
    {"no token at the renewal", {OPERATOR, HTTP_POST, .path = RENEW, NULL, KEY}, 401, ERR_TOKEN_MISSING},
    {"no token that could be one",
     {APP, HTTP_POST, .path = ASK, "x", KEY, VEHICLE},
     401,
     ERR_TOKEN_MALFORMED},
    {"an operator's token at the app's port",
     {APP, HTTP_POST, .path = ASK, olga, KEY, VEHICLE},
     401,
     ERR_TOKEN_AUDIENCE},
    {"an app's token at the operator's port",
     {OPERATOR, HTTP_POST, .path = RENEW, anna, KEY},
     401,
     ERR_TOKEN_AUDIENCE},
    {"no key", {APP, HTTP_POST, .path = ASK, anna, NULL, VEHICLE}, 400, ERR_HTTP_KEY},
    {"a key that others may have, too",
     {APP, HTTP_POST, .path = ASK, anna, "idempotency-001", VEHICLE},
     400,
     ERR_HTTP_KEY},
    {"a key with other characters",
     {APP, HTTP_POST, .path = ASK, anna, "idempotency 00001", VEHICLE},
     400,
     ERR_HTTP_KEY},
    {"a renewal without a key", {OPERATOR, HTTP_POST, .path = RENEW, olga}, 400, ERR_HTTP_KEY},
    {"an acknowledgement with a body",
     {APP, HTTP_POST, .path = ACK, anna, NULL, "{}"},
     400,
     ERR_MSG_MALFORMED},
    {"a link", {APP, HTTP_POST, .path = ASK, anna, KEY, VEHICLE}, 0, ERR_OK},
    {"an acknowledgement", {APP, HTTP_POST, .path = ACK, anna}, 0, ERR_OK},
    {"an acknowledgement of the longest id",
     {APP, HTTP_POST, .path = ACK_OF("SPAAK000000000000000000000000001"), anna},
     0,
     ERR_OK},
    {"an acknowledgement of a longer one",
     {APP, HTTP_POST, .path = ACK_OF("SPAAK000000000000000000000000001-00000000000000"), anna},
     404,
     ERR_NOT_FOUND},
    {"a renewal", {OPERATOR, HTTP_POST, .path = RENEW, olga, KEY}, 0, ERR_OK},
};

Test(tbe, each_path_has_its_statuses)
{
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        ask(&paths[i].ask);
        cr_expect(eq(uint, said.status, paths[i].status), "%s: %s", paths[i].name, said.body);
        cr_expect(eq(int, said.reason, paths[i].reason), "%s: %s", paths[i].name, said.body);
        cr_expect(eq(sz, b.sent_count, 1), "%s", paths[i].name);
        cr_expect(eq(int, b.sent[0].port == INIT, paths[i].status == 0), "%s", paths[i].name);
        cr_expect(eq(int, *said.challenge != '\0', paths[i].status == 401), "%s", paths[i].name);
        const char *allow = strstr(paths[i].ask.path, "/status") ? "GET" : "POST";
        cr_expect(eq(str, said.allow, paths[i].status == 405 ? allow : ""), "%s", paths[i].name);
    }
}

Test(tbe, what_is_no_request_is_refused)
{
    b.sent_count = 0;
    node_on_bytes(&b.node, APP, ADDRESS, span_of("12:nonsense", 11));
    hear();
    cr_expect(eq(uint, said.status, 400));
    cr_expect(eq(int, said.reason, ERR_MSG_MALFORMED));
}

/* ---- JSON ---- */

Test(tbe, what_is_not_the_body_that_belongs_there_is_refused)
{
    static char deep[4000], longest[4200], long_word[120];
    const struct {
        const char *name, *body;
        unsigned status;
        enum err reason;
    } rows[] = {
        {"as it should be", VEHICLE, 0, ERR_OK},
        {"with blanks", " { \"vehicle\" : \"SPAAK00000001\" } ", 0, ERR_OK},
        {"escaped", "{\"vehicle\":\"SPAAK0000000\\u0031\"}", 0, ERR_OK},
        {"a list", "[\"SPAAK00000001\"]", 400, ERR_MSG_MALFORMED},
        {"a text", "\"SPAAK00000001\"", 400, ERR_MSG_MALFORMED},
        {"nothing in it", "{}", 400, ERR_MSG_MALFORMED},
        {"twice", "{\"vehicle\":\"SPAAK00000001\",\"vehicle\":\"SPAAK00000002\"}", 400, ERR_MSG_MALFORMED},
        {"twice, once escaped", "{\"vehicle\":\"SPAAK00000001\",\"vehicl\\u0065\":\"x\"}", 400,
         ERR_MSG_MALFORMED},
        {"a member beside it", "{\"vehicle\":\"SPAAK00000001\",\"user\":\"bert\"}", 400, ERR_MSG_MALFORMED},
        {"a number", "{\"vehicle\":1}", 400, ERR_MSG_MALFORMED},
        {"null", "{\"vehicle\":null}", 400, ERR_MSG_MALFORMED},
        {"an object", "{\"vehicle\":{\"vehicle\":\"SPAAK00000001\"}}", 400, ERR_MSG_MALFORMED},
        {"a list of one", "{\"vehicle\":[\"SPAAK00000001\"]}", 400, ERR_MSG_MALFORMED},
        {"empty", "{\"vehicle\":\"\"}", 400, ERR_MSG_MALFORMED},
        {"a zero in it", "{\"vehicle\":\"SPAAK\\u0000\"}", 400, ERR_MSG_MALFORMED},
        {"a line in it", "{\"vehicle\":\"SPAAK\\n\"}", 400, ERR_MSG_MALFORMED},
        {"a path in it", "{\"vehicle\":\"../SPAAK00000001\"}", 400, ERR_MSG_MALFORMED},
        {"no UTF-8", "{\"vehicle\":\"\xC0\xAF\"}", 400, ERR_MSG_MALFORMED},
        {"a mark in front", "\xEF\xBB\xBF" VEHICLE, 400, ERR_MSG_MALFORMED},
        {"something behind", VEHICLE "x", 400, ERR_MSG_MALFORMED},
        {"another behind", VEHICLE VEHICLE, 400, ERR_MSG_MALFORMED},
        {"cut", "{\"vehicle\":\"SPAAK0000", 400, ERR_MSG_MALFORMED},
        {"cut in an escape", "{\"vehicle\":\"SPAAK\\", 400, ERR_MSG_MALFORMED},
        {"deep", deep, 400, ERR_MSG_MALFORMED},
        {"a long word", long_word, 413, ERR_MSG_TOO_LONG},
        {"a long body", longest, 413, ERR_MSG_TOO_LONG},
    };
    memset(deep, '[', sizeof deep - 1);
    memset(longest, ' ', sizeof longest - 1);
    snprintf(long_word, sizeof long_word, "{\"vehicle\":\"%080d\"}", 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ask(&(struct ask){APP, HTTP_POST, .path = ASK, anna, KEY, rows[i].body});
        cr_expect(eq(uint, said.status, rows[i].status), "%s: %s", rows[i].name, said.body);
        cr_expect(eq(int, said.reason, rows[i].reason), "%s: %s", rows[i].name, said.body);
        if (rows[i].status)
            continue;
        Init__V1__OpInitRequest *m = asked();
        cr_assert(m && m->link, "%s", rows[i].name);
        cr_expect(eq(str, m->link->vehicle, "SPAAK00000001"), "%s", rows[i].name);
        init__v1__op_init_request__free_unpacked(m, NULL);
    }
}

/* ---- signing in ---- */

Test(tbe, who_is_not_known_and_who_errs_get_the_same_answer)
{
    const struct {
        const char *name;
        unsigned port;
        const char *body;
        unsigned status;
        enum err reason;
    } rows[] = {
        {"right", APP, ANNA, 200, ERR_OK},
        {"another secret", APP,
         "{\"user\":\"anna\",\"secret\":\"lake-and-lanterm\",\"client\":\"" CLIENT "\"}", 401, ERR_SIGN_IN},
        {"another's secret", APP,
         "{\"user\":\"bert\",\"secret\":\"lake-and-lantern\",\"client\":\"" CLIENT "\"}", 401, ERR_SIGN_IN},
        {"nobody", APP, "{\"user\":\"carl\",\"secret\":\"lake-and-lantern\",\"client\":\"" CLIENT "\"}", 401,
         ERR_SIGN_IN},
        {"an operator among apps", APP, OLGA, 401, ERR_SIGN_IN},
        {"a customer among operators", OPERATOR, ANNA, 401, ERR_SIGN_IN},
    };
    char first[2048] = "";
    b.now_us += 60000000;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sign_in(rows[i].port, rows[i].body);
        cr_expect(eq(uint, said.status, rows[i].status), "%s: %s", rows[i].name, said.body);
        cr_expect(eq(int, said.reason, rows[i].reason), "%s", rows[i].name);
        if (rows[i].status != 401)
            continue;
        cr_expect(eq(str, said.challenge, "Bearer"), "%s", rows[i].name);
        if (!*first)
            snprintf(first, sizeof first, "%s", said.body);
        cr_expect(eq(str, said.body, first), "%s", rows[i].name);
    }
    static const char *const no_client[] = {
        "{\"user\":\"anna\",\"secret\":\"lake-and-lantern\"}",
        "{\"user\":\"anna\",\"secret\":\"lake-and-lantern\",\"client\":\"short\"}",
        "{\"user\":\"anna\",\"secret\":\"lake-and-lantern\",\"client\":\"installation 0001\"}"};
    for (size_t i = 0; i < 3; i++) {
        ask(&(struct ask){APP, HTTP_POST, .path = "/v1/tokens", .body = no_client[i]});
        cr_expect(eq(uint, said.status, 400), "%zu", i);
        cr_expect(eq(sz, b.work_count, 0));
    }
}

static void public_key(struct p256_key **key, uint8_t point[P256_POINT])
{
    uint8_t scalar[P256_SCALAR];
    size_t len;
    ASSERT_OK(bench_secret(&b, TBE_TOKEN_KEY, scalar, sizeof scalar, &len));
    ASSERT_OK(p256_from_private(test_crypto(), scalar, key));
    p256_public(*key, point);
}

static void kid_of(char out[32])
{
    uint8_t header[200];
    long len = base64url_decode(span_of(anna, strcspn(anna, ".")), header, sizeof header - 1);
    cr_assert(gt(long, len, 0));
    header[len] = '\0';
    const char *kid = strstr((char *)header, "\"kid\":\"");
    cr_assert(kid != NULL);
    snprintf(out, 32, "%.*s", (int)strcspn(kid + 7, "\""), kid + 7);
}

Test(tbe, a_token_says_who_may_do_what_where_and_how_long)
{
    uint8_t point[P256_POINT];
    char kid[32];
    struct p256_key *key;
    struct token_claims claims;
    public_key(&key, point);
    kid_of(kid);
    const struct token_key keys = {kid, key};
    const struct token_policy policy = {.crypto = test_crypto(),
                                        .keys = &keys,
                                        .key_count = 1,
                                        .issuer = TBE_ISSUER,
                                        .audience = TBE_AUDIENCE_APP,
                                        .now_s = TEST_NOW_S};
    ASSERT_OK(token_check(&policy, text_span(anna), &claims));
    cr_expect(eq(str, claims.subject, "anna"));
    cr_expect(eq(str, claims.client, CLIENT));
    cr_expect(eq(str, claims.scope, TBE_SCOPE_PAIRING));
    cr_expect(eq(i64, claims.expires_s - claims.issued_s, 900));
    p256_free(key);
}

/* ---- forged tokens ---- */

enum forgery { ALG_NONE, HS256_PUBLIC, OTHER_KEY, OTHER_USER, OTHER_KID, NO_SIGNATURE, NO_CLIENT, NO_SCOPE };

static void put(struct wr *w, const char *text)
{
    base64url_encode(text_span(text), w);
}

/* HS256 with our public key as its secret: what a verifier that asks the token for the algorithm takes. */
static void forge_hs256(char out[TOKEN_MAX + 1], const char *kid)
{
    uint8_t point[P256_POINT], mac[32];
    unsigned mac_len;
    struct p256_key *key;
    char header[200];
    struct wr w = wr_of(out, TOKEN_MAX);
    const char *claims = strchr(anna, '.') + 1;
    public_key(&key, point);
    p256_free(key);
    snprintf(header, sizeof header, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", kid);
    put(&w, header);
    wr_u8(&w, '.');
    wr_copy(&w, claims, strcspn(claims, "."));
    cr_assert(HMAC(EVP_sha256(), point, sizeof point, (uint8_t *)out, w.len, mac, &mac_len) != NULL);
    wr_u8(&w, '.');
    base64url_encode(span_of(mac, mac_len), &w);
    out[w.len] = '\0';
}

static void forge_none(char out[TOKEN_MAX + 1], bool with_algorithm)
{
    struct wr w = wr_of(out, TOKEN_MAX);
    const char *claims = strchr(anna, '.') + 1;
    if (with_algorithm)
        wr_copy(&w, anna, (size_t)(claims - anna - 1));
    else
        put(&w, "{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"tbe\"}");
    wr_u8(&w, '.');
    wr_copy(&w, claims, strcspn(claims, "."));
    wr_u8(&w, '.');
    out[w.len] = '\0';
}

static void forge_signed(char out[TOKEN_MAX + 1], enum forgery how, const char *kid)
{
    uint8_t point[P256_POINT];
    struct p256_key *own, *key;
    struct token_claims claims = {.issued_s = TEST_NOW_S, .expires_s = TEST_NOW_S + 60};
    public_key(&own, point);
    ASSERT_OK(p256_generate(test_crypto(), &key));
    snprintf(claims.issuer, sizeof claims.issuer, "%s", TBE_ISSUER);
    snprintf(claims.subject, sizeof claims.subject, "%s", how == OTHER_USER ? "zoe" : "anna");
    snprintf(claims.audience, sizeof claims.audience, "%s", TBE_AUDIENCE_APP);
    snprintf(claims.scope, sizeof claims.scope, "%s",
             how == NO_SCOPE ? TBE_SCOPE_RENEWAL : TBE_SCOPE_PAIRING);
    snprintf(claims.client, sizeof claims.client, "%s", how == NO_CLIENT ? "" : CLIENT);
    snprintf(claims.id, sizeof claims.id, "1");
    const struct token_key with = {how == OTHER_KID ? "tbe-0" : kid, how == OTHER_KEY ? key : own};
    ASSERT_OK(token_make(test_crypto(), &claims, &with, out));
    p256_free(own);
    p256_free(key);
}

Test(tbe, a_forged_token_reaches_nothing)
{
    static const struct {
        const char *name;
        enum forgery how;
        unsigned status;
        enum err reason;
    } rows[] = {
        {"alg none", ALG_NONE, 401, ERR_TOKEN_MALFORMED},
        {"HS256 with our public key", HS256_PUBLIC, 401, ERR_TOKEN_ALGORITHM},
        {"another key", OTHER_KEY, 401, ERR_SIGNATURE_INVALID},
        {"another key's name", OTHER_KID, 401, ERR_TOKEN_KEY},
        {"no signature", NO_SIGNATURE, 401, ERR_TOKEN_MALFORMED},
        {"ours, of nobody's app", NO_CLIENT, 401, ERR_TOKEN_MALFORMED},
        {"ours, for something else", NO_SCOPE, 403, ERR_TOKEN_SCOPE},
        {"ours, of a user who is gone", OTHER_USER, 403, ERR_TOKEN_SCOPE},
    };
    char token[TOKEN_MAX + 1], kid[32];
    kid_of(kid);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].how == HS256_PUBLIC)
            forge_hs256(token, kid);
        else if (rows[i].how == ALG_NONE || rows[i].how == NO_SIGNATURE)
            forge_none(token, rows[i].how == NO_SIGNATURE);
        else
            forge_signed(token, rows[i].how, kid);
        ask_link(token);
        cr_expect(eq(uint, said.status, rows[i].status), "%s: %s", rows[i].name, said.body);
        cr_expect(eq(int, said.reason, rows[i].reason), "%s: %s", rows[i].name, said.body);
        cr_expect(asked() == NULL, "%s", rows[i].name);
        cr_expect(eq(str, (char *)bench_last(&b, TRACE_REJECT)->step, "OP-01a/2"), "%s", rows[i].name);
    }
}

Test(tbe, each_changed_character_of_a_token_is_refused)
{
    char token[TOKEN_MAX + 1];
    for (size_t i = 0; i < strlen(anna); i++) {
        snprintf(token, sizeof token, "%s", anna);
        token[i] = token[i] == 'A' ? 'B' : 'A';
        b.trace_count = 0;
        ask_link(token);
        cr_expect(eq(uint, said.status, 401), "%zu", i);
    }
}

Test(tbe, a_token_ends_and_outlives_its_server)
{
    node_stop(&b.node);
    ASSERT_OK(bench_start(&b, &(struct component_args){.serial = ""}));
    ask_link(anna);
    cr_expect(eq(uint, said.status, 0), "of a former life: %s", said.body);
    b.now_us += 904 * 1000000ull;
    ask_link(anna);
    cr_expect(eq(uint, said.status, 0), "clocks may be apart: %s", said.body);
    b.now_us += 1000000;
    ask_link(anna);
    cr_expect(eq(int, said.reason, ERR_TOKEN_EXPIRED));
    cr_expect(eq(str, said.challenge, "Bearer error=\"invalid_token\""));
}

/* ---- the VOS ---- */

Test(tbe, the_vos_is_told_who_asks_and_the_link_goes_to_who_asked)
{
    ask_link(anna);
    Init__V1__OpInitRequest *m = asked();
    cr_assert(m && m->link && m->protocol_version == 1);
    cr_expect(eq(int, (int)m->message_type, 300));
    cr_expect(eq(str, m->link->vehicle, "SPAAK00000001"));
    cr_expect(eq(str, m->link->user, "anna"));
    cr_expect(eq(str, m->link->client, CLIENT));
    cr_expect(eq(str, m->link->idempotency_key, KEY));
    vos_says(m->request_id, ERR_OK, LINK);
    cr_expect(eq(uint, said.status, 201));
    cr_expect(eq(str, said.body, "{\"id\":\"" LINK_ID "\",\"deep_link\":\"" LINK "\"}"));
    vos_says(m->request_id, ERR_OK, LINK);
    cr_expect(eq(uint, said.status, 0), "answered once");
    cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_MSG_REPLAYED), 1));
    init__v1__op_init_request__free_unpacked(m, NULL);
    ask(&(struct ask){APP, HTTP_POST, .path = ACK, anna});
    m = asked();
    cr_assert(m && m->acknowledge);
    cr_expect(eq(str, m->acknowledge->link_id, LINK_ID));
    cr_expect(eq(str, m->acknowledge->user, "anna"));
    cr_expect(eq(str, m->acknowledge->client, CLIENT));
    vos_says(m->request_id, ERR_OK, NULL);
    cr_expect(eq(uint, said.status, 204));
    cr_expect(eq(str, said.body, ""));
    init__v1__op_init_request__free_unpacked(m, NULL);
    ask(&(struct ask){OPERATOR, HTTP_POST, .path = RENEW, olga, KEY});
    m = asked();
    cr_assert(m && m->renew);
    cr_expect(eq(str, m->renew->vehicle, "SPAAK00000001"));
    cr_expect(eq(str, m->renew->idempotency_key, KEY));
    vos_says(m->request_id, ERR_OK, NULL);
    cr_expect(eq(uint, said.status, 204));
    init__v1__op_init_request__free_unpacked(m, NULL);
}

static void vos_says_status(uint64_t number, int identity, int verifiers, int password, bool rest)
{
    uint8_t out[600];
    Init__V1__OpInitResponse m = INIT__V1__OP_INIT_RESPONSE__INIT;
    Init__V1__VehicleStatus status = INIT__V1__VEHICLE_STATUS__INIT;
    status.identity = (Init__V1__VehicleStatus__Identity)identity;
    status.verifiers = (Init__V1__VehicleStatus__Verifiers)verifiers;
    status.password = (Init__V1__VehicleStatus__Password)password;
    status.provisioned = status.paired = rest;
    m.protocol_version = 1;
    m.message_type = INIT__V1__MESSAGE_TYPE__OP_INIT_RESPONSE;
    m.request_id = number;
    m.status = identity < 0 ? NULL : &status;
    b.sent_count = 0;
    node_on_bytes(&b.node, INIT, "", span_of(out, init__v1__op_init_response__pack(&m, out)));
    hear();
}

Test(tbe, a_status_is_a_flat_object_of_words)
{
    static const struct {
        int identity, verifiers, password;
        bool rest;
        const char *body; /* NULL: words that we do not know */
    } rows[] = {
        {1, 1, 1, false,
         "\"service\":\"missing\",\"identity\":\"none\",\"verifiers\":\"missing\",\"password\":"
         "\"undelivered\",\"pairing\":\"none\"}"},
        {2, 2, 1, true,
         "\"service\":\"provisioned\",\"identity\":\"in-progress\",\"verifiers\":\"wanted\",\"password\":"
         "\"undelivered\",\"pairing\":\"paired\"}"},
        {3, 3, 2, true,
         "\"service\":\"provisioned\",\"identity\":\"installed\",\"verifiers\":\"on-the-way\",\"password\":"
         "\"handed-out\",\"pairing\":\"paired\"}"},
        {3, 4, 3, true,
         "\"service\":\"provisioned\",\"identity\":\"installed\",\"verifiers\":\"ready\",\"password\":"
         "\"delivered\",\"pairing\":\"paired\"}"},
        {3, 5, 3, true,
         "\"service\":\"provisioned\",\"identity\":\"installed\",\"verifiers\":\"used\",\"password\":"
         "\"delivered\",\"pairing\":\"paired\"}"},
        {0, 1, 1, true, NULL},
        {4, 1, 1, true, NULL},
        {1, 6, 1, true, NULL},
        {1, 1, -1, true, NULL},
        {-1, 0, 0, false, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ask(&(struct ask){APP, HTTP_GET, .path = STATUS, anna});
        Init__V1__OpInitRequest *m = asked();
        cr_assert(m && m->ask_case == INIT__V1__OP_INIT_REQUEST__ASK_STATUS);
        cr_expect(eq(str, m->status->vehicle, "SPAAK00000001"));
        cr_expect(eq(str, m->status->user, "anna"));
        vos_says_status(m->request_id, rows[i].identity, rows[i].verifiers, rows[i].password, rows[i].rest);
        init__v1__op_init_request__free_unpacked(m, NULL);
        cr_expect(eq(uint, said.status, rows[i].body ? 200 : 500), "%zu", i);
        if (rows[i].body)
            cr_expect(eq(str, said.body + strlen("{\"vehicle\":\"SPAAK00000001\","), (char *)rows[i].body),
                      "%zu", i);
    }
    ask(&(struct ask){APP, HTTP_GET, .path = STATUS, anna});
    vos_says(asked_number(), ERR_NOT_OWNER, NULL);
    cr_expect(eq(uint, said.status, 403));
    ask(&(struct ask){APP, HTTP_GET, .path = STATUS, anna});
    vos_says(asked_number(), ERR_ECU_UNKNOWN, NULL);
    cr_expect(eq(uint, said.status, 404));
}

Test(tbe, each_reason_of_the_vos_has_its_status)
{
    static const struct {
        enum err reason;
        unsigned status;
        enum err told;
    } rows[] = {
        {ERR_ECU_UNKNOWN, 404, ERR_ECU_UNKNOWN},
        {ERR_NOT_PROVISIONED, 409, ERR_NOT_PROVISIONED},
        {ERR_NOT_OWNER, 403, ERR_NOT_OWNER},
        {ERR_VERIFIERS_MISSING, 409, ERR_VERIFIERS_MISSING},
        {ERR_VERIFIERS_BURNT, 409, ERR_VERIFIERS_BURNT},
        {ERR_PASSWORD_DELIVERED, 409, ERR_PASSWORD_DELIVERED},
        {ERR_PASSWORD_PENDING, 409, ERR_PASSWORD_PENDING},
        {ERR_STORE_FAILED, 500, ERR_INTERNAL},
        {(enum err)60000, 500, ERR_INTERNAL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ask_link(anna);
        vos_says(asked_number(), rows[i].reason, NULL);
        cr_expect(eq(uint, said.status, rows[i].status), "%zu: %s", i, said.body);
        cr_expect(eq(int, said.reason, rows[i].told), "%zu: %s", i, said.body);
    }
}

Test(tbe, a_link_that_would_not_be_json_is_handed_to_nobody)
{
    static const char *const links[] = {"", "https://a#\"", "https://a#\\", "https://a #", "https://a#\n"};
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        ask_link(anna);
        vos_says(asked_number(), ERR_OK, links[i]);
        cr_expect(eq(uint, said.status, 500), "%zu", i);
    }
}

Test(tbe, without_an_answer_the_app_is_told_so_in_time)
{
    ask_link(anna);
    uint64_t number = asked_number();
    b.sent_count = 0;
    bench_run_ms(&b, 1999);
    hear();
    cr_expect(eq(uint, said.status, 0));
    bench_run_ms(&b, 1);
    hear();
    cr_expect(eq(uint, said.status, 504));
    cr_expect(eq(int, said.reason, ERR_MSG_NO_ANSWER));
    vos_says(number, ERR_OK, LINK);
    cr_expect(eq(uint, said.status, 0), "too late");
}

/* The second does not put off the first. */
Test(tbe, each_request_has_its_own_time)
{
    ask_link(anna);
    bench_run_ms(&b, 1500);
    ask_link(anna);
    uint64_t second = asked_number();
    b.sent_count = 0;
    bench_run_ms(&b, 500);
    hear();
    cr_expect(eq(uint, said.status, 504));
    vos_says(second, ERR_OK, LINK);
    cr_expect(eq(uint, said.status, 201));
    cr_expect(eq(u64, b.due_us[0], ENV_NEVER), "nothing more to wait for");
}

Test(tbe, a_vos_that_is_gone_is_told_at_once)
{
    ask_link(anna);
    b.sent_count = 0;
    node_on_link(&b.node, INIT, LINK_DOWN);
    hear();
    cr_expect(eq(uint, said.status, 503));
    cr_expect(eq(int, said.reason, ERR_VOS_UNREACHABLE));
    cr_expect(eq(str, said.retry, "1"));
    ask_link(anna);
    cr_expect(eq(int, said.reason, ERR_VOS_UNREACHABLE));
    node_on_link(&b.node, INIT, LINK_UP);
    ask_link(anna);
    cr_expect(eq(uint, said.status, 0));
}

Test(tbe, to_who_has_gone_nothing_is_said)
{
    ask_link(anna);
    uint64_t number = asked_number();
    node_on_news(&b.node, APP, ADDRESS, "gone");
    vos_says(number, ERR_OK, LINK);
    cr_expect(eq(uint, said.status, 0));
    ask(&(struct ask){APP, HTTP_POST, .path = "/v1/tokens", .body = ANNA});
    node_on_news(&b.node, APP, ADDRESS, "gone");
    bench_finish_works(&b);
    hear();
    cr_expect(eq(uint, said.status, 0));
}

Test(tbe, garbage_of_the_vos_changes_nothing)
{
    ask_link(anna);
    uint64_t number = asked_number();
    b.sent_count = 0;
    node_on_bytes(&b.node, INIT, "", span_of("\x22\xFF", 2));
    vos_says(0, ERR_OK, LINK);
    vos_says(number + 128, ERR_OK, LINK);
    cr_expect(eq(uint, said.status, 0));
    vos_says(number, ERR_OK, LINK);
    cr_expect(eq(uint, said.status, 201));
}

/* ---- secrets ---- */

Test(tbe, no_trace_and_no_store_has_a_secret)
{
    static const char *const secrets[] = {PASSWORD, "lake-and-lantern", "harbour-and-hinge", anna, olga};
    ask_link(anna);
    vos_says(asked_number(), ERR_OK, LINK);
    cr_assert(eq(uint, said.status, 201));
    for (size_t i = 0; i < b.trace_count; i++)
        for (size_t k = 0; k < sizeof secrets / sizeof secrets[0]; k++) {
            cr_expect(strstr(b.trace[i].detail, secrets[k]) == NULL);
            cr_expect(strstr(b.trace[i].message, secrets[k]) == NULL);
            cr_expect(strstr(b.trace[i].peer, secrets[k]) == NULL);
        }
    uint8_t stored[ENV_VALUE_MAX];
    size_t len;
    ASSERT_OK(store_get(b.node.store, TBE_TOKEN_KEY, stored, sizeof stored, &len));
    cr_expect(eq(sz, len, P256_SCALAR + SEALED_OVERHEAD), "sealed");
}
